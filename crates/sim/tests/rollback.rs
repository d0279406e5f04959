//! The way back: when it is open, what closes it, and what it leaves as it is.
#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]
use serde_json::{Value, json};
use story::Story;

mod story;

const DAY: i64 = 86_400;
const GROUPS: &str =
    "clusters: [{name: a, version: '1.34', nodegroups: [{name: web}], addons: [{name: kube-proxy}]}]";

fn to(version: &str) -> Value {
    json!({"version": version})
}

fn cannot(from: &str, to: &str, why: &str) -> String {
    format!("400 Cluster a cannot be rolled back from {from} to {to}: {why}")
}

#[test]
fn a_rollback_takes_the_control_plane_back_and_nothing_else() {
    let mut story = Story::of(GROUPS);
    story.go(&to("1.35"));
    let before = story.cluster();
    let update = story.go(&to("1.34"));
    assert_eq!((&update["type"], &update["status"]), (&json!("VersionRollback"), &json!("Successful")));
    assert_eq!(update["params"][0], json!({"type": "Version", "value": "1.34"}));
    let after = story.cluster();
    assert_eq!(after["version"], "1.34");
    assert_eq!((&after["nodegroups"], &after["addons"]), (&before["nodegroups"], &before["addons"]));
    assert_eq!(story.refused(&to("1.33")), cannot("1.34", "1.33", "it was rolled back already"));
    story.go(&to("1.35"));
    story.go(&to("1.34"));
}

#[test]
fn the_way_back_closes_after_seven_days() {
    let mut story = Story::of(GROUPS);
    story.go(&to("1.35"));
    story.wait(7 * DAY);
    let mut late = Story { world: story.world.clone(), now: story.now };
    story.go(&to("1.34"));
    late.wait(1);
    let words = late.refused(&to("1.34"));
    assert!(words.contains("its upgrade ended at 2026-08-18T09:"), "{words}");
    assert!(words.ends_with(", more than 7 days ago"), "{words}");
    assert_eq!(late.insights("ROLLBACK_READINESS"), Vec::<String>::new());
}

#[test]
fn only_an_upgrade_in_place_can_be_undone() {
    let mut story = Story::of("clusters: [{name: a, version: '1.34'}]");
    assert_eq!(story.refused(&to("1.33")), cannot("1.34", "1.33", "it was not upgraded in place to 1.34"));
    story.go(&to("1.35"));
    story.go(&to("1.36"));
    let words = "400 Unsupported Kubernetes minor version update from 1.36 to 1.34";
    assert_eq!(story.refused(&to("1.34")), words, "only the last hop counts");
    story.go(&to("1.35"));
    assert_eq!(story.refused(&to("1.34")), cannot("1.35", "1.34", "it was rolled back already"));
}

#[test]
fn what_aws_upgraded_stays_upgraded() {
    let mut story = Story::of("clusters: [{name: a, version: '1.34'}]");
    assert_eq!(story.act(&json!({"what": "auto_upgrade", "cluster": "a"})), 200);
    story.settle(|_| ());
    assert_eq!(story.cluster()["updates"][0]["by"], "aws");
    let why = "it was upgraded automatically at the end of extended support";
    assert_eq!(story.refused(&to("1.34")), cannot("1.35", "1.34", why));
    assert_eq!(story.act(&json!({"what": "roll_back", "cluster": "a"})), 200, "a person may");
}

#[test]
fn an_upgrade_of_the_past_can_be_undone_too() {
    let fleet = |ago_m: u32| {
        Story::of(&format!(
            "clusters: [{{name: a, version: '1.35', updates: [{{to: '1.35', started_ago_m: {ago_m}, duration_m: 10, \
             status: Successful}}]}}]"
        ))
    };
    fleet(1440).go(&to("1.34"));
    assert!(fleet(8 * 1440).refused(&to("1.34")).ends_with("more than 7 days ago"));
}

#[test]
fn no_force_leaves_nodes_newer_than_their_api_server() {
    let mut story = Story::of(GROUPS);
    story.go(&to("1.35"));
    story.start("/clusters/a/node-groups/web/update-version", &to("1.35"));
    let words = cannot("1.35", "1.34", "Nodegroups web have nodes newer than 1.34");
    assert_eq!(story.refused(&to("1.34")), words, "nodes are on their way");
    story.settle(|_| ());
    assert_eq!(story.refused(&json!({"version": "1.34", "force": true})), words);
    let insights = story.insights("ROLLBACK_READINESS");
    assert!(insights.contains(&"Kubelet version rollback compatibility ERROR".to_owned()), "{insights:?}");
}

#[test]
fn insights_block_until_forced() {
    let mut story = Story::of(
        "clusters: [{name: a, version: '1.34', addons: [{name: kube-proxy}], insights: [{name: Incompatible API usage, \
         status: UNKNOWN}]}]",
    );
    assert_eq!(story.insights("ROLLBACK_READINESS"), Vec::<String>::new());
    story.go(&to("1.35"));
    story.start("/clusters/a/addons/kube-proxy/update", &json!({"addonVersion": "v1.35.2-eksbuild.3"}));
    story.settle(|_| ());
    assert_eq!(
        story.insights("ROLLBACK_READINESS"),
        [
            "Kubelet version rollback compatibility PASSING",
            "EKS add-on version rollback compatibility ERROR",
            "Incompatible API usage UNKNOWN"
        ]
    );
    assert_eq!(
        story.refused(&to("1.34")),
        "400 Amazon EKS detected rollback readiness issues on cluster a: EKS add-on version rollback compatibility is \
         ERROR, Incompatible API usage is UNKNOWN. Call the ListInsights API to view them, or pass the force flag to \
         override them."
    );
    story.go(&json!({"version": "1.34", "force": true}));
    assert_eq!(story.cluster()["version"], "1.34");
}

#[test]
fn a_minor_in_extended_support_needs_the_policy() {
    let mut story = Story::of("clusters: [{name: a, version: '1.33', support_type: STANDARD}]");
    story.go(&to("1.34"));
    let why = "1.33 is in extended support, set supportType of the upgradePolicy to EXTENDED first";
    assert_eq!(story.refused(&json!({"version": "1.33", "force": true})), cannot("1.34", "1.33", why));
    let id = story.start("/clusters/a/update-config", &json!({"upgradePolicy": {"supportType": "EXTENDED"}}));
    let busy = story.refused(&to("1.33"));
    assert_eq!(
        busy,
        format!("409 Cannot VersionRollback because cluster a currently has update {id} in progress")
    );
    story.settle(|_| ());
    story.go(&to("1.33"));
}

#[test]
fn nothing_leads_back_to_a_minor_that_is_gone() {
    let mut story = Story::of("clusters: [{name: a, version: '1.30'}]");
    story.go(&to("1.31"));
    assert_eq!(story.refused(&to("1.30")), cannot("1.31", "1.30", "1.30 is no longer supported"));
}

#[test]
fn faults_strike_rollbacks_and_leave_the_way_open() {
    let mut story = Story::of(
        "clusters: [{name: a, version: '1.34', faults: [{match: {operation: UpdateClusterVersion, version: '1.34'}, \
         fail_update: {code: Unknown}}]}]",
    );
    assert_eq!(story.go(&to("1.35"))["status"], "Successful", "the fault is for 1.34");
    assert_eq!(story.go(&to("1.34"))["status"], "Failed");
    assert_eq!(story.cluster()["version"], "1.35");
    assert_eq!(story.go(&to("1.34"))["status"], "Successful");
}

#[test]
fn rollback_config_has_bounds() {
    let mut story = Story::of("clusters: [{name: a, version: '1.34'}]");
    let config = |version: &str, minutes: Value| json!({"version": version, "rollbackConfig": {"timeoutMinutes": minutes}});
    assert_eq!(story.refused(&config("1.35", json!(240))), "400 rollbackConfig is for rollbacks only");
    story.go(&to("1.35"));
    for minutes in [119, 10_081] {
        let words = format!("400 timeoutMinutes must be between 120 and 10080, not {minutes}");
        assert_eq!(story.refused(&config("1.34", json!(minutes))), words);
    }
    assert_eq!(story.refused(&config("1.34", json!("x"))), "400 timeoutMinutes must be a whole number.");
    story.go(&config("1.34", json!(240)));
}

fn auto_mode(fault: &str) -> Story {
    let mut story = Story::of(&format!(
        "clusters: [{{name: a, version: '1.34', auto_mode: true}}, {{name: b, version: '1.34'}}]\nfaults: [{fault}]"
    ));
    story.go(&to("1.35"));
    story
}

const STUCK: &str = "{match: {operation: UpdateClusterVersion, version: '1.34'}, stuck: true}";

#[test]
fn a_rollback_of_auto_mode_ends_by_its_timeout() {
    let mut story = auto_mode(STUCK);
    let began = story.now;
    let body = json!({"version": "1.34", "rollbackConfig": {"timeoutMinutes": 120}});
    assert_eq!(story.go(&body)["status"], "Cancelled");
    assert_eq!(story.now.duration_since(began).as_mins(), 120);
    assert_eq!(story.cluster()["version"], "1.35");
    assert_eq!(story.go(&to("1.34"))["status"], "Successful");
}

#[test]
fn a_rollback_of_auto_mode_can_be_cancelled_while_its_nodes_go_back() {
    let mut story = auto_mode("");
    let id = story.start("/clusters/a/updates", &to("1.34"));
    story.wait(60);
    let path = format!("/clusters/a/updates/{id}/cancel-update");
    let token = json!({"clientRequestToken": "once"});
    let (status, answer) = story.call("POST", &path, &token);
    assert_eq!((status, &answer["update"]["status"]), (200, &json!("Cancelled")));
    assert_eq!(answer["update"]["cancellation"]["status"], "Successful");
    assert_eq!(story.call("POST", &path, &token), (status, answer), "the same token is the same call");
    let (status, answer) = story.call("POST", &path, &json!({}));
    let words = format!("Update {id} of cluster a cannot be cancelled: it is not in progress but Cancelled");
    assert_eq!((status, answer["message"].as_str()), (400, Some(words.as_str())));
    story.settle(|_| ());
    assert_eq!((&story.cluster()["version"], &story.cluster()["status"]), (&json!("1.35"), &json!("ACTIVE")));
    assert_eq!(story.go(&to("1.34"))["status"], "Successful");
}

/// Asks to cancel an update, and gives status and the last part of the words.
fn not_cancelled(story: &mut Story, cluster: &str, id: &str) -> String {
    let path = format!("/clusters/{cluster}/updates/{id}/cancel-update");
    let (status, answer) = story.call("POST", &path, &json!({}));
    let words = answer["message"].as_str().unwrap();
    format!("{status} {}", words.rsplit(": ").next().unwrap())
}

#[test]
fn nothing_else_can_be_cancelled() {
    let mut story = auto_mode("");
    let id = story.start("/clusters/a/updates", &to("1.34"));
    assert_eq!(not_cancelled(&mut story, "a", "nope"), "404 nope");
    story.now = story.world.next_event().unwrap() - jiff::SignedDuration::from_secs(1);
    assert_eq!(not_cancelled(&mut story, "a", &id), "400 the rollback of the control plane has begun");
    let id = story.start("/clusters/b/updates", &to("1.35"));
    story.settle(|_| ());
    let words = "400 it is a VersionUpdate, and only a VersionRollback can be";
    assert_eq!(not_cancelled(&mut story, "b", &id), words);
    let id = story.start("/clusters/b/updates", &to("1.34"));
    story.wait(3);
    assert_eq!(not_cancelled(&mut story, "b", &id), "400 only rollbacks of Auto Mode clusters can be");
}
