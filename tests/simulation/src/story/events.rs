//! What happens: notices in every order, people at their worst, and the machinery around the functions failing.

use serde_json::{Value, json};

use super::{ENDS_M, Event, HEALS_M, names};
use crate::chance::Chance;

const DAY_M: u32 = 24 * 60;

/// All events of a story, by minute. What `rash` people do is drawn apart.
pub fn draw(chance: &mut Chance, rash: &mut Chance, fleet: &Value, policy: &Value) -> Vec<(u32, Event)> {
    let clusters = super::clusters(fleet);
    let mut events = Vec::new();
    triggers(chance, fleet, &clusters, &mut events);
    people(chance, fleet, &clusters, &mut events);
    machinery(chance, policy, &mut events);
    unconsented(rash, &clusters, &mut events);
    aftermath(&mut events);
    // Stable: what was drawn first comes first in its minute.
    events.sort_by_key(|(minute, _)| *minute);
    events
}

fn triggers(chance: &mut Chance, fleet: &Value, clusters: &[String], events: &mut Vec<(u32, Event)>) {
    match chance.between(0, 9) {
        0..=4 => notices(chance, clusters, events),
        5 | 6 => events.push((chance.between(0, 30), Event::Sweep)),
        _ => {
            for (at, cluster) in clusters.iter().enumerate() {
                let request = request(chance, cluster, &fleet["clusters"][at]);
                events.push((chance.between(0, 30), Event::Start(request)));
            }
        }
    }
    // Two ways in for one cluster.
    if chance.percent(20) {
        let request = request(chance, &clusters[0], &fleet["clusters"][0]);
        events.push((chance.between(0, 120), Event::Start(request)));
    }
}

fn request(chance: &mut Chance, cluster: &str, spec: &Value) -> Value {
    let mut request = json!({"cluster": cluster});
    if chance.percent(70) {
        request["target"] = json!(chance.pick(&["1.35", "1.35", "1.34", "1.36", "1.99"]));
    }
    if chance.percent(15) {
        request["strategy"] = json!(chance.pick(&["rolling", "force", "rolling-then-force"]));
    }
    let own_image = spec["nodegroups"][0].get("launch_template").is_some();
    if own_image && chance.percent(80) {
        request["launchTemplates"] = json!({"g0": "2"});
    }
    if chance.percent(4) {
        request["dryRun"] = json!(true);
    }
    if chance.percent(3) {
        request["kluster"] = json!("a word that nobody knows");
    }
    request
}

/// Copies, reminders, pages in any order, with entities that lag, and with what is no notice among them.
fn notices(chance: &mut Chance, clusters: &[String], events: &mut Vec<(u32, Event)>) {
    let pages: Vec<&[String]> =
        if chance.percent(30) { clusters.chunks(1).collect() } else { vec![clusters] };
    let mut all = Vec::new();
    for (at, page) in pages.iter().enumerate() {
        let status = chance.pick(&["PENDING", "PENDING", "RESOLVED"]);
        let notice = notice(page, status, at + 1, pages.len());
        for copy in 0..chance.pick(&[1, 1, 2, 3]) {
            let mut notice = notice.clone();
            notice["id"] = json!(format!("delivery-{at}-{copy}"));
            if copy == 1 {
                notice["detail"]["backupEvent"] = json!("true");
            }
            all.push(notice);
        }
    }
    if chance.percent(25) {
        all.push(strange(chance, clusters));
    }
    chance.shuffle(&mut all);
    events.extend(all.into_iter().map(|notice| (chance.between(0, 60), Event::Notice(notice))));
}

fn notice(clusters: &[String], status: &str, page: usize, pages: usize) -> Value {
    let arn = |name: &String| format!("arn:aws:eks:us-east-1:123456789012:cluster/{name}");
    let entities: Vec<Value> =
        clusters.iter().map(|name| json!({"entityValue": arn(name), "status": status})).collect();
    json!({
        "version": "0", "detail-type": "AWS Health Event", "source": "aws.health", "account": "123456789012",
        "region": "us-east-1", "time": "2026-08-18T09:12:44Z",
        "detail": {
            "eventArn": "arn:aws:health:us-east-1::event/EKS/AWS_EKS_PLANNED_LIFECYCLE_EVENT/AWS_EKS_PLANNED_LIFECYCLE_EVENT_9",
            "service": "EKS", "eventTypeCode": "AWS_EKS_PLANNED_LIFECYCLE_EVENT", "eventTypeCategory": "scheduledChange",
            "communicationId": "c-1", "affectedAccount": "123456789012", "affectedEntities": entities,
            "page": page.to_string(), "totalPages": pages.to_string(), "backupEvent": "false",
        },
    })
}

/// Something that arrives at the same door and is no notice of ours.
fn strange(chance: &mut Chance, clusters: &[String]) -> Value {
    let mut notice = notice(clusters, "PENDING", 1, 1);
    notice["id"] = json!("strange");
    match chance.between(0, 4) {
        0 => notice["source"] = json!("evil"),
        1 => notice["detail"]["eventTypeCode"] = json!("AWS_EKS_OPERATIONAL_ISSUE"),
        2 => {
            let arn = "arn:aws:eks:eu-west-1:999999999999:cluster/theirs";
            notice["detail"]["affectedEntities"] = json!([{"entityValue": arn}]);
        }
        3 => notice["detail"]["affectedEntities"] = json!([{"entityValue": "\u{0}\u{fffd}"}, 7, null]),
        _ => notice = json!({"trigger": "elsewhere"}),
    }
    notice
}

fn people(chance: &mut Chance, fleet: &Value, clusters: &[String], events: &mut Vec<(u32, Event)>) {
    if chance.percent(15) {
        let at = chance.between(0, DAY_M);
        events.push((at, Event::Switch(true)));
        events.push((at + chance.between(5, 2 * DAY_M), Event::Switch(false)));
    }
    for (at, cluster) in clusters.iter().enumerate() {
        let spec = &fleet["clusters"][at];
        let group = names(&spec["nodegroups"]).first().cloned().unwrap_or_else(|| "g0".into());
        for _ in 0..chance.pick(&[0, 0, 1, 2]) {
            let scope = match chance.between(0, 4) {
                0 | 1 => json!({"to": "force", "nodeGroup": group}),
                2 => json!({"to": "overwrite", "addon": chance.pick(&["vpc-cni", "coredns", "kube-proxy"])}),
                3 => json!({"to": "roll-back"}),
                _ => json!({"to": "override", "finding": "insight-error"}),
            };
            let (at, hours) = (chance.between(0, 600), chance.pick(&[1, 4, 48]));
            events.push((at, Event::Consent { cluster: cluster.clone(), scope, hours }));
        }
        if chance.percent(8) {
            let at = chance.between(120, 2 * DAY_M);
            let scope = json!({"to": "roll-back"});
            events.push((at, Event::Consent { cluster: cluster.clone(), scope, hours: 4 }));
            events.push((at + 1, Event::Start(json!({"cluster": cluster, "rollBack": true}))));
        }
    }
    for _ in 0..chance.pick(&[0, 1, 2, 4]) {
        let (yes, wakes) = (!chance.percent(15), chance.percent(70));
        events.push((chance.between(5, 3 * DAY_M), Event::Answer { yes, wakes }));
    }
}

/// Somebody wants a control plane back, and nobody has consented to it.
fn unconsented(rash: &mut Chance, clusters: &[String], events: &mut Vec<(u32, Event)>) {
    for cluster in clusters {
        if rash.percent(4) {
            let request = json!({"cluster": cluster, "rollBack": true});
            events.push((rash.between(120, 2 * DAY_M), Event::Start(request)));
        }
    }
}

fn machinery(chance: &mut Chance, policy: &Value, events: &mut Vec<(u32, Event)>) {
    for _ in 0..chance.pick(&[0, 0, 0, 1, 2]) {
        let (which, alone) = (chance.between(0, 7), chance.percent(30));
        events.push((chance.between(1, 900), Event::Abort { which, alone }));
    }
    if chance.percent(12) {
        let at = chance.between(0, 500);
        events.push((at, Event::Table { down: true }));
        events.push((at + chance.between(1, 90), Event::Table { down: false }));
    }
    if chance.percent(6) {
        events.push((chance.between(1, 900), Event::Jump(chance.pick(&[1, 61, 600]))));
    }
    if chance.percent(8) {
        let mut other = super::policy::draw(chance);
        // Whoever deploys meanwhile changes one thing or all.
        if chance.percent(50) {
            other = policy.clone();
            other["attempts"] = json!(3);
        }
        events.push((chance.between(1, 900), Event::Deploy(other)));
    }
}

/// What a deployment has in the long run: a sweep a day, and somebody who answers, lifts the switch and mends.
fn aftermath(events: &mut Vec<(u32, Event)>) {
    let first_sweep = 21 * 60 - 15;
    for day in 0..ENDS_M / DAY_M {
        events.push((first_sweep + day * DAY_M, Event::Sweep));
    }
    events.push((HEALS_M, Event::Heal));
    events.push((HEALS_M, Event::Table { down: false }));
    events.push((HEALS_M, Event::Switch(false)));
    for half_day in 0..2 * (ENDS_M - HEALS_M) / DAY_M {
        let at = HEALS_M + 1 + half_day * DAY_M / 2;
        events.push((at, Event::Answer { yes: true, wakes: true }));
        // Runs of clusters that do not take part are nobody's but a person's.
        events.push((at + DAY_M / 4, Event::Resume));
    }
}
