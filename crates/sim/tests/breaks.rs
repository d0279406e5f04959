//! Versions that break clusters, and rollbacks that mend them.
#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]
use serde_json::{Value, json};
use story::Story;

mod story;

const FLEET: &str = "
clusters:
  - {name: a, version: '1.34', addons: [{name: coredns, version: v1.13.1-eksbuild.1}]}
faults:
  - match: {operation: UpdateClusterVersion, version: '1.35'}
    times: always
    breaks:
      after_m: 5
      health_issue: {code: Other, message: admission webhooks time out}
      insight: {name: Incompatible API usage, status: WARNING, reason: something new}
      addon: {name: coredns, health_issue: {code: InsufficientNumberOfReplicas}}
";

fn signs(story: &mut Story) -> (usize, Value, usize, bool) {
    let health = story.read("/clusters/a")["cluster"]["health"]["issues"].as_array().unwrap().len();
    let addon = story.read("/clusters/a/addons/coredns")["addon"].clone();
    let issues = addon["health"]["issues"].as_array().unwrap().len();
    let told = story.insights("ROLLBACK_READINESS").contains(&"Incompatible API usage WARNING".to_owned());
    (health, addon["status"].clone(), issues, told)
}

fn upgraded(story: &mut Story) {
    let id = story.start("/clusters/a/updates", &json!({"version": "1.35"}));
    story.wait(3);
    while story.read(&format!("/clusters/a/updates/{id}"))["update"]["status"] == "InProgress" {
        story.wait(10);
    }
}

#[test]
fn a_version_breaks_a_cluster_some_minutes_later_and_a_rollback_mends_it() {
    let mut story = Story::of(FLEET);
    upgraded(&mut story);
    assert_eq!(signs(&mut story), (0, json!("ACTIVE"), 0, false));
    story.wait(300);
    assert_eq!(signs(&mut story), (1, json!("DEGRADED"), 1, true));
    assert_eq!(story.cluster()["healthIssues"][0]["message"], "admission webhooks time out");
    assert!(story.insights("UPGRADE_READINESS").contains(&"Cluster health issues ERROR".to_owned()));
    story.go(&json!({"version": "1.34"}));
    assert_eq!(signs(&mut story), (0, json!("ACTIVE"), 0, false));
}

#[test]
fn what_was_yet_to_break_does_not_after_a_rollback() {
    let mut story = Story::of(&FLEET.replace("after_m: 5", "after_m: 60"));
    upgraded(&mut story);
    story.go(&json!({"version": "1.34"}));
    story.wait(7200);
    assert_eq!(signs(&mut story), (0, json!("ACTIVE"), 0, false));
    assert_eq!(story.world.next_event(), None);
}

#[test]
fn an_add_on_that_was_mended_by_itself_stays_so() {
    let mut story = Story::of(FLEET);
    upgraded(&mut story);
    story.wait(300);
    story.start("/clusters/a/addons/coredns/update", &json!({"addonVersion": "v1.13.2-eksbuild.1"}));
    story.settle(|_| ());
    assert_eq!(story.cluster()["addons"]["coredns"]["status"], "ACTIVE");
    story.go(&json!({"version": "1.34"}));
    assert_eq!(story.cluster()["addons"]["coredns"]["status"], "ACTIVE");
    assert_eq!(story.cluster()["addons"]["coredns"]["version"], "v1.13.2-eksbuild.1");
}

#[test]
fn a_failed_upgrade_breaks_nothing() {
    let fault = "  - {match: {operation: UpdateClusterVersion}, fail_update: {code: Unknown}}\n";
    let mut story = Story::of(&format!("{FLEET}{fault}"));
    story.go(&json!({"version": "1.35"}));
    assert_eq!(story.world.next_event(), None);
    assert_eq!(signs(&mut story).0, 0);
}
