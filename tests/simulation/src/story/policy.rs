//! Policies: the default one, and everything that may be written otherwise. Windows stay in a form that the judge can
//! reckon with by itself.

use serde_json::{Value, json};

use crate::chance::Chance;

const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"];

/// A policy document.
pub fn draw(chance: &mut Chance) -> Value {
    let mut policy = json!({
        "leadDays": 180,
        "attempts": chance.pick(&[1, 2, 2, 3]),
        "nodes": chance.pick(&["last", "last", "each-hop"]),
        "strategy": chance.pick(&["rolling", "rolling", "rolling", "rolling-then-force", "force"]),
        "nodeGroupsAtOnce": chance.pick(&[1, 3]),
        "addonsAtOnce": chance.pick(&[1, 5]),
        "target": chance.pick(&["eks-default", "eks-default", "next", "1.35", "newest-1"]),
        "bake": {
            "duration": chance.pick(&["0s", "0s", "0s", "1h", "1h", "6h"]),
            "onFailure": chance.pick(&["stop", "stop", "roll-back"]),
        },
    });
    let mut set = |field: &str, value: Value| policy[field] = value;
    if chance.percent(8) {
        set("nodeGroupStrategy", json!({"g0": chance.pick(&["rolling", "rolling-then-force"])}));
    }
    if chance.percent(20) {
        set("overwriteAddons", json!(["vpc-cni", "coredns"]));
    }
    if chance.percent(30) {
        set("windows", json!([window(chance)]));
    }
    if chance.percent(10) {
        set("freezes", json!([freeze(chance)]));
    }
    if chance.percent(15) {
        set(
            "rings",
            json!({"tag": "env", "order": [
                {"name": "dev", "waves": [1], "soak": chance.pick(&["0s", "1h"])},
                {"name": "prod", "waves": [1, 5], "soak": "1h"},
            ]}),
        );
    }
    if chance.percent(20) {
        set("approvals", json!([approval(chance)]));
    }
    policy
}

fn window(chance: &mut Chance) -> Value {
    let mut window = json!({
        "start": format!("{:02}:{:02}", chance.between(0, 23), chance.pick(&[0, 15, 30])),
        "duration": format!("{}h", chance.pick(&[3, 4, 6, 8])),
        "timeZone": chance.pick(&ZONES),
    });
    if chance.percent(40) {
        window["days"] = json!(["mon", "wed", "sat"]);
    }
    window
}

fn freeze(chance: &mut Chance) -> Value {
    let from = chance.between(18, 22);
    json!({
        "name": "quarter end", "scope": "everything",
        "from": format!("2026-08-{from:02}T{:02}:00", chance.between(0, 23)),
        "until": format!("2026-08-{:02}T06:00", from + chance.between(1, 5)),
        "timeZone": chance.pick(&ZONES),
    })
}

fn approval(chance: &mut Chance) -> Value {
    let before = chance.pick(&["run", "run", "step", "campaign"]);
    let mut rule = json!({"before": before, "expires": chance.pick(&["1h", "3d", "7d"])});
    if before == "step" {
        rule["steps"] = json!([chance.pick(&["control-plane", "node-group"])]);
    }
    rule
}
