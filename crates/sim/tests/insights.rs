//! Refreshes of insights, and insights that stay as they were.
#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]
use serde_json::{Value, json};
use story::Story;

mod story;

const REFRESH: &str = "/clusters/a/insights-refresh";

fn last_refresh(story: &mut Story) -> f64 {
    let (_, body) = story.call("POST", "/clusters/a/insights", &json!({}));
    body["insights"][0]["lastRefreshTime"].as_f64().unwrap()
}

fn second(story: &Story) -> f64 {
    story.now.as_duration().as_secs_f64()
}

#[test]
fn a_refresh_takes_a_minute_or_two_and_insights_follow() {
    let mut story = Story::of("clusters: [{name: a, version: '1.34'}]");
    let before = story.read(REFRESH);
    assert_eq!(before["status"], "COMPLETED", "the last one that happened by itself");
    let asked = second(&story);
    assert_eq!(story.call("POST", REFRESH, &Value::Null).1["status"], "IN_PROGRESS");
    let running = story.read(REFRESH);
    assert_eq!((&running["status"], running["startedAt"].as_f64()), (&json!("IN_PROGRESS"), Some(asked)));
    assert_eq!(running.get("endedAt"), None);
    story.wait(59);
    assert_eq!(story.call("POST", REFRESH, &Value::Null).1["status"], "IN_PROGRESS", "one at a time");
    assert_eq!(story.read(REFRESH)["startedAt"], running["startedAt"]);
    assert!(last_refresh(&mut story) < asked, "it is not over");
    story.wait(61);
    let done = story.read(REFRESH);
    assert_eq!(done["status"], "COMPLETED");
    assert!((60.0..=120.0).contains(&(done["endedAt"].as_f64().unwrap() - asked)));
    assert_eq!(Some(last_refresh(&mut story)), done["endedAt"].as_f64());
    story.wait(86_400);
    assert!(last_refresh(&mut story) > asked + 120.0, "a day later they were refreshed again");
    assert_eq!(story.call("POST", "/clusters/none/insights-refresh", &Value::Null).0, 404);
}

#[test]
fn frozen_insights_are_those_of_the_last_refresh() {
    let mut story = Story::of(
        "clusters: [{name: a, version: '1.34', insights_frozen: true, addons: [{name: coredns, version: \
         v1.11.4-eksbuild.24}]}]",
    );
    let stale = ["EKS add-on version compatibility ERROR".to_owned()];
    let has = |story: &mut Story| story.insights("UPGRADE_READINESS").contains(&stale[0]);
    assert!(has(&mut story));
    story.start("/clusters/a/addons/coredns/update", &json!({"addonVersion": "v1.13.1-eksbuild.1"}));
    story.settle(|_| ());
    story.wait(10 * 86_400);
    assert!(has(&mut story), "nothing refreshes them by itself");
    assert!(last_refresh(&mut story) < second(&story) - 9.0 * 86_400.0);
    story.call("POST", REFRESH, &Value::Null);
    story.wait(30);
    assert!(has(&mut story), "the refresh has yet to end");
    story.settle(|_| ());
    assert!(!has(&mut story));
}

#[test]
fn frozen_insights_know_nothing_of_a_rollback_until_a_refresh() {
    let mut story = Story::of("clusters: [{name: a, version: '1.34', insights_frozen: true}]");
    story.go(&json!({"version": "1.35"}));
    assert_eq!(story.insights("ROLLBACK_READINESS").len(), 0);
    story.call("POST", REFRESH, &Value::Null);
    story.settle(|_| ());
    assert_eq!(story.insights("ROLLBACK_READINESS").len(), 3);
}
