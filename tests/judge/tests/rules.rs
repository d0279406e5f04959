//! Each rule against a record that keeps it and against the same record with exactly that rule broken.
#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::format_collect,
    reason = "helpers of tests, called with literals"
)]

use eks_upgrade_judge::{Line, Rule, What, judge};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const ARN: &str = "arn:aws:eks:us-east-1:123456789012:cluster/a";
const RUN: &str = "a-1.35-1";
/// Tuesday, 18 August 2026, 10:00 UTC.
const START_S: i64 = 1_787_047_200;

/// A record that grows line by line.
struct Record {
    lines: Vec<Line>,
    seq: u32,
    previous: String,
    /// When the cluster that EKS has was made.
    made: &'static str,
}

const MADE: &str = "2025-07-01T00:00:00Z";

impl Record {
    fn under(policy: Value) -> Self {
        let mut record = Self { lines: Vec::new(), seq: 0, previous: String::new(), made: MADE };
        record.add(What::Policy(policy));
        record.looks();
        record.ledger(json!({"event": "opened", "cluster": ARN, "clusterCreatedAt": MADE, "target": "1.35"}));
        record
    }

    /// EKS is asked for its insights.
    fn looks(&mut self) {
        let record = json!({"operation": "ListInsights", "cluster": "a", "path": "/clusters/a/insights"});
        self.add(What::Request { record, said: None, cluster: None });
    }

    fn add(&mut self, what: What) {
        self.lines.push(Line { at_s: START_S, what });
    }

    fn ledger(&mut self, event: Value) {
        self.seq += 1;
        let mut entry = json!({"run": RUN, "seq": self.seq, "fence": 1, "previous": self.previous});
        entry.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
        let body = entry.to_string();
        let hash = hash(&body);
        self.previous.clone_from(&hash);
        self.add(What::Ledger { run: RUN.into(), seq: self.seq, body, hash });
    }

    fn intended(&mut self, step: &str, token: &str) {
        self.ledger(json!({"event": "intended", "step": step, "token": token}));
    }

    fn call(&mut self, operation: &str, token: &str, input: Value, more: Value) {
        let mut record = json!({
            "operation": operation, "cluster": "a", "token": token, "input": input, "updateId": format!("u-{token}"),
            "mutated": true,
        });
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let cluster = json!({"version": "1.34", "insightsRefreshes": [{"startedAt": "2026-08-18T04:00:00Z"}], "createdAt": self.made, "tags": {}, "nodegroups": {"web": {"nodes": [{"kubeletVersion": "1.34"}]}}});
        self.add(What::Request { record, said: None, cluster: Some(cluster) });
    }

    fn says(&mut self, operation: &str, path: &str, said: &str) {
        let record = json!({"operation": operation, "path": path});
        self.add(What::Request { record, said: Some(said.into()), cluster: None });
    }

    /// The upgrade of the control plane, to its end.
    fn upgrade(&mut self) {
        self.intended("1.35/control-plane", "t1");
        self.call("UpdateClusterVersion", "t1", json!({"version": "1.35"}), json!({}));
        self.says("DescribeUpdate", "/clusters/a/updates/u-t1", "Successful");
        self.ledger(json!({"event": "succeeded", "step": "1.35/control-plane", "update": "u-t1"}));
        self.says("DescribeCluster", "/clusters/a", "1.35");
    }

    fn broken(&self) -> Vec<Rule> {
        judge(&self.lines).into_iter().map(|objection| objection.rule).collect()
    }
}

fn hash(body: &str) -> String {
    let digest = Sha256::new().chain_update((body.len() as u64).to_be_bytes()).chain_update(body).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn done() -> Record {
    let mut record = Record::under(json!({}));
    record.upgrade();
    record.ledger(json!({"event": "ended", "outcome": "completed"}));
    record.add(What::Over);
    record
}

#[test]
fn a_record_that_keeps_the_rules_has_no_objection() {
    assert_eq!(done().broken(), []);
}

#[test]
fn a_line_that_was_altered_or_dropped_breaks_the_chain() {
    for at in 0..done().lines.len() {
        let mut record = done();
        let What::Ledger { body, .. } = &mut record.lines[at].what else { continue };
        *body = body.replacen("\"fence\":1", "\"fence\":2", 1);
        assert!(record.broken().contains(&Rule::Chain), "altered {at}");
        let mut record = done();
        let last = matches!(&record.lines[at].what, What::Ledger { seq, .. } if *seq == record.seq);
        record.lines.remove(at);
        // Of a last line that is missing a chain alone cannot know; that the run never ended it can.
        let rule = if last { Rule::Endings } else { Rule::Chain };
        assert!(record.broken().contains(&rule), "dropped {at}");
    }
}

#[test]
fn an_effect_without_its_intent_before_it_is_objected_to() {
    let mut record = Record::under(json!({}));
    record.call("UpdateClusterVersion", "t1", json!({"version": "1.35"}), json!({}));
    record.intended("1.35/control-plane", "t1");
    assert_eq!(record.broken(), [Rule::IntentBeforeEffect]);
}

#[test]
fn a_second_call_takes_the_failure_of_the_first() {
    for (said, broken) in [("Failed", vec![]), ("InProgress", vec![Rule::OneCallAStep])] {
        let mut record = Record::under(json!({}));
        for token in ["t1", "t2"] {
            record.intended("1.35/control-plane", token);
            record.call("UpdateClusterVersion", token, json!({"version": "1.35"}), json!({}));
            record.says("DescribeUpdate", &format!("/clusters/a/updates/u-{token}"), said);
        }
        assert_eq!(record.broken(), broken, "{said}");
    }
}

#[test]
fn two_minors_at_once_and_nodes_that_are_too_new_are_objected_to() {
    for (operation, version, more, rule) in [
        ("UpdateClusterVersion", "1.36", json!({}), Rule::OneMinorUp),
        ("UpdateNodegroupVersion", "1.35", json!({"nodegroup": "web"}), Rule::Skew),
    ] {
        let mut record = Record::under(json!({}));
        record.intended("step", "t1");
        record.call(operation, "t1", json!({"version": version}), more);
        assert_eq!(record.broken(), [rule], "{operation}");
    }
}

#[test]
fn a_node_that_eks_does_not_manage_is_not_left_too_far_behind_but_by_a_persons_word() {
    let consent = |finding: &str| What::Consent {
        cluster: ARN.into(),
        scope: json!({"to": "override", "finding": finding}),
        expires_s: START_S + 60,
    };
    for (kubelet, said, broken) in [
        ("v1.32.9-eks-1", None, vec![]),
        ("v1.31.9-eks-1", None, vec![Rule::Skew]),
        ("v1.31.9-eks-1", Some(consent("insight-error")), vec![]),
        ("v1.31.9-eks-1", Some(consent("surge-room")), vec![Rule::Skew]),
    ] {
        let mut record = Record::under(json!({}));
        if let Some(said) = said {
            record.add(said);
        }
        record.upgrade();
        for line in &mut record.lines {
            let What::Request { cluster: Some(cluster), .. } = &mut line.what else { continue };
            cluster["kubernetes"] = json!({"nodes": {"ip-10-0-1-7": {"kubeletVersion": kubelet}}});
        }
        assert_eq!(record.broken(), broken, "{kubelet}");
    }
}

#[test]
fn a_control_plane_goes_up_on_insights_of_its_day_and_minor() {
    let is_look = |line: &Line| matches!(&line.what, What::Request { record, .. } if record["operation"] == "ListInsights");
    let mut record = done();
    record.lines.retain(|line| !is_look(line));
    assert_eq!(record.broken(), [Rule::Readiness], "nobody looked");
    for (ago_s, broken) in [(25 * 3600, vec![]), (25 * 3600 + 1, vec![Rule::Readiness])] {
        let mut record = done();
        record.lines.iter_mut().filter(|line| is_look(line)).for_each(|line| line.at_s -= ago_s);
        assert_eq!(record.broken(), broken, "{ago_s} s ago");
    }
    for (went_up, refreshed, broken) in [
        ("2026-08-18T10:00:00Z", "2026-08-18T10:00:00Z", vec![]),
        ("2026-08-18T10:00:01Z", "2026-08-18T10:00:01Z", vec![Rule::Readiness]),
        ("2026-08-18T09:50:00Z", "2026-08-18T09:49:59Z", vec![Rule::Readiness]),
    ] {
        let mut record = Record::under(json!({}));
        record.intended("1.36/control-plane", "t2");
        record.call("UpdateClusterVersion", "t2", json!({"version": "1.36"}), json!({}));
        let What::Request { cluster: Some(cluster), .. } = &mut record.lines.last_mut().unwrap().what else {
            panic!("a call");
        };
        cluster["version"] = json!("1.35");
        let update = |to: &str, nodegroup: Value, ended: &str| json!({"type": "VersionUpdate", "params": {"Version": to}, "nodegroup": nodegroup, "status": "Successful", "endedAt": ended});
        cluster["insightsRefreshes"] = json!([{"startedAt": refreshed}]);
        cluster["updates"] = json!([
            update("1.35", Value::Null, went_up),
            update("1.35", json!("web"), "2026-08-18T11:00:00Z"),
        ]);
        assert_eq!(record.broken(), broken, "looked at 10:00:00, up at {went_up}, anew from {refreshed}");
    }
    for (status, broken) in [(403, vec![]), (429, vec![Rule::Readiness])] {
        let mut record = done();
        for line in &mut record.lines {
            let What::Request { cluster: Some(cluster), .. } = &mut line.what else { continue };
            cluster["insightsRefreshes"] = json!([]);
        }
        let refused =
            json!({"operation": "StartInsightsRefresh", "cluster": "a", "status": status, "error": "X"});
        let what = What::Request { record: refused, said: None, cluster: None };
        record.lines.insert(0, Line { at_s: START_S, what });
        assert_eq!(record.broken(), broken, "{status}");
    }
}

#[test]
fn nothing_is_called_outside_a_window_or_in_a_freeze() {
    let window = |start: &str, days: Value| json!({"windows": [{"start": start, "duration": "2h", "timeZone": "Europe/Berlin", "days": days}]});
    let freeze = |until: &str| json!({"freezes": [{"scope": "everything", "from": "2026-08-18", "until": until, "timeZone": "UTC"}]});
    for (policy, open) in [
        // Noon in Berlin, a Tuesday.
        (window("11:00", Value::Null), true),
        (window("11:00", json!(["tue"])), true),
        (window("11:00", json!(["mon"])), false),
        (window("12:01", Value::Null), false),
        (freeze("2026-08-18T09:00"), true),
        (freeze("2026-08-18T11:00"), false),
    ] {
        let mut record = Record::under(policy.clone());
        record.upgrade();
        let broken = if open { vec![] } else { vec![Rule::Schedule] };
        assert_eq!(record.broken(), broken, "{policy}");
    }
}

#[test]
fn nothing_is_called_past_the_switch_or_after_the_end() {
    let mut record = Record::under(json!({}));
    record.add(What::Switch { thrown: true });
    record.upgrade();
    assert_eq!(record.broken(), [Rule::KillSwitch]);
    let mut record = Record::under(json!({}));
    record.intended("1.35/control-plane", "t1");
    record.ledger(json!({"event": "ended", "outcome": "halted", "code": "X", "nextAction": "look"}));
    record.call("UpdateClusterVersion", "t1", json!({"version": "1.35"}), json!({}));
    assert_eq!(record.broken(), [Rule::Lease]);
}

#[test]
fn force_takes_somebodys_word_for_that_group_and_until_then() {
    let consent = |group: &str, expires_s: i64| What::Consent {
        cluster: ARN.into(),
        scope: json!({"to": "force", "nodeGroup": group}),
        expires_s,
    };
    for (policy, said, allowed) in [
        (json!({}), None, false),
        (json!({"strategy": "rolling-then-force"}), None, true),
        (json!({"nodeGroupStrategy": {"web": "force"}}), None, true),
        (json!({}), Some(consent("web", START_S + 60)), true),
        (json!({}), Some(consent("web", START_S)), false),
        (json!({}), Some(consent("db", START_S + 60)), false),
        (json!({}), Some(What::Asked(json!({"cluster": "a", "strategy": "force"}))), true),
    ] {
        let mut record = Record::under(policy);
        if let Some(what) = said {
            record.add(what);
        }
        record.intended("step", "t1");
        let input = json!({"version": "1.34", "force": true});
        record.call("UpdateNodegroupVersion", "t1", input, json!({"nodegroup": "web"}));
        let broken = if allowed { vec![] } else { vec![Rule::Consent] };
        assert_eq!(record.broken(), broken);
    }
}

#[test]
fn what_the_policy_wants_a_yes_to_takes_one_before_the_call() {
    let policy = || json!({"approvals": [{"before": "run"}]});
    let answered =
        |run: &str, before: &str, yes| What::Answered { run: run.into(), before: before.into(), yes };
    for (said, allowed) in [
        (None, false),
        (Some(answered(RUN, "upgrade of a to 1.35", true)), true),
        (Some(answered(RUN, "upgrade of a to 1.35", false)), false),
        (Some(answered("a-1.35-2", "upgrade of a to 1.35", true)), false),
        (Some(answered(RUN, "upgrade of b to 1.35", true)), false),
    ] {
        let mut record = Record::under(policy());
        if let Some(what) = said {
            record.add(what);
        }
        record.upgrade();
        let broken = if allowed { vec![] } else { vec![Rule::Approval] };
        assert_eq!(record.broken(), broken);
    }
}

#[test]
fn a_cluster_that_was_made_anew_is_another_one() {
    let mut record = Record::under(json!({}));
    record.made = "2026-08-18T09:30:00Z";
    record.upgrade();
    assert_eq!(record.broken(), [Rule::SameCluster]);
}

#[test]
fn success_takes_the_word_of_eks() {
    let mut record = Record::under(json!({}));
    record.intended("1.35/control-plane", "t1");
    record.call("UpdateClusterVersion", "t1", json!({"version": "1.35"}), json!({}));
    record.ledger(json!({"event": "succeeded", "step": "1.35/control-plane", "update": "u-t1"}));
    assert_eq!(record.broken(), [Rule::Success]);
    let mut record = Record::under(json!({}));
    record.says("DescribeCluster", "/clusters/a", "1.34");
    record.ledger(json!({"event": "ended", "outcome": "completed"}));
    assert_eq!(record.broken(), [Rule::Success]);
}

#[test]
fn every_run_ends_with_a_name_and_what_to_do_next_or_watches_an_update_that_goes_on() {
    let mut record = Record::under(json!({}));
    record.add(What::Over);
    assert_eq!(record.broken(), [Rule::Endings]);
    let mut record = Record::under(json!({}));
    record.ledger(json!({"event": "started", "step": "s", "update": "u-1"}));
    record.says("DescribeUpdate", "/clusters/a/updates/u-1", "InProgress");
    record.add(What::Over);
    assert_eq!(record.broken(), []);
    let mut record = Record::under(json!({}));
    record.ledger(json!({"event": "ended", "outcome": "halted", "code": "X", "nextAction": ""}));
    assert_eq!(record.broken(), [Rule::Endings]);
}

/// The step that rolls it.
const ROLL: &str = "1.35/self-managed/own";

/// The cluster with a group that EKS does not manage, of one node.
fn inside(pods: Value, kubelet: &str, unschedulable: bool) -> Value {
    json!({
        "version": "1.35", "tags": {},
        "selfManaged": {"own": {"nodes": [{"name": "node-1", "instanceId": "i-1", "kubeletVersion": kubelet}]}},
        "kubernetes": {
            "nodes": {"node-1": {"unschedulable": unschedulable, "run": "t1", "pods": pods}},
            "deployments": {"kube-system/cluster-autoscaler": u8::from(!unschedulable)},
        },
    })
}

impl Record {
    fn change(&mut self, operation: &str, input: Value, truth: Value) {
        let record = json!({"operation": operation, "cluster": "a", "input": input, "mutated": true});
        self.add(What::Request { record, said: None, cluster: Some(truth) });
    }

    fn rolled(&mut self, effect: Value) {
        self.ledger(json!({"event": "rolled", "step": ROLL, "moved": {"moved": "meant", "effect": effect}}));
    }

    /// A roll that has begun, in a run under this policy.
    fn rolling(policy: Value) -> Self {
        let mut record = Self::under(policy);
        record.ledger(
            json!({"event": "intended", "step": ROLL, "token": "t1", "request": "nodes of own to 1.35"}),
        );
        record
    }

    fn cordon(&mut self) {
        self.rolled(json!({"do": "cordon", "node": "node-1"}));
        let input = json!({"name": "node-1", "body": {"spec": {"unschedulable": true}}});
        self.change("kube:patch nodes", input, inside(json!([]), "v1.34.1", true));
    }

    fn terminate(&mut self, pods: Value) {
        self.rolled(json!({"do": "terminate", "node": "node-1", "instance": "i-1"}));
        let input = json!({"InstanceId": "i-1"});
        self.change("TerminateInstanceInAutoScalingGroup", input, inside(pods, "v1.34.1", true));
    }

    fn over(&mut self, left: Value) {
        self.ledger(json!({"event": "failed", "step": ROLL, "update": "inside-1"}));
        self.ledger(json!({"event": "ended", "outcome": "halted", "code": "X", "nextAction": "look"}));
        self.add(What::Left { cluster: "a".into(), state: left });
        self.add(What::Over);
    }
}

#[test]
fn a_roll_that_keeps_the_rules_has_no_objection() {
    let mut record = Record::rolling(json!({}));
    record.cordon();
    record.change("kube:create pods/eviction", json!({"name": "shop-1"}), inside(json!([]), "v1.34.1", true));
    record.terminate(json!([]));
    record.over(inside(json!([]), "v1.35.1", false));
    assert_eq!(record.broken(), []);
}

#[test]
fn what_is_done_inside_takes_a_step_that_has_begun_and_a_line_that_names_it() {
    let unnamed = |record: &mut Record| {
        let input = json!({"name": "node-1", "body": {"spec": {"unschedulable": true}}});
        record.change("kube:patch nodes", input, inside(json!([]), "v1.34.1", true));
    };
    let mut record = Record::rolling(json!({}));
    unnamed(&mut record);
    assert_eq!(record.broken(), [Rule::IntentBeforeEffect]);
    let mut record = Record::under(json!({}));
    record.cordon();
    assert_eq!(record.broken(), [Rule::IntentBeforeEffect]);
    let mut record = Record::rolling(json!({}));
    record.ledger(json!({"event": "ended", "outcome": "halted", "code": "X", "nextAction": "look"}));
    record.cordon();
    assert!(record.broken().contains(&Rule::Lease));
}

#[test]
fn no_node_is_begun_past_the_switch_or_outside_the_windows() {
    let mut record = Record::rolling(json!({}));
    record.add(What::Switch { thrown: true });
    record.cordon();
    assert_eq!(record.broken(), [Rule::KillSwitch]);
    let window = json!({"windows": [{"start": "12:01", "duration": "2h", "timeZone": "Europe/Berlin"}]});
    let mut record = Record::rolling(window.clone());
    record.cordon();
    assert_eq!(record.broken(), [Rule::Schedule]);
    // What is taken back may be, until the next try begins.
    let mut record = Record::rolling(window.clone());
    let moved = |moved: &str| json!({"event": "rolled", "step": ROLL, "moved": {"moved": moved}});
    record.ledger(moved("given-up"));
    record.cordon();
    assert_eq!(record.broken(), []);
    record.ledger(moved("begun"));
    record.cordon();
    assert_eq!(record.broken(), [Rule::Schedule]);
    // What was begun may be brought to its end.
    let mut record = Record::rolling(window);
    record.terminate(json!([]));
    assert_eq!(record.broken(), []);
}

#[test]
fn pods_are_deleted_with_a_yes_alone_and_no_node_ends_with_some_on_it() {
    for (policy, broken) in [
        (json!({}), vec![Rule::Consent]),
        (json!({"strategy": "rolling-then-force"}), vec![]),
        (json!({"nodeGroupStrategy": {"own": "force"}}), vec![]),
        (json!({"nodeGroupStrategy": {"another": "force"}}), vec![Rule::Consent]),
    ] {
        let mut record = Record::rolling(policy);
        record.rolled(json!({"do": "delete-pods", "node": "node-1", "pods": ["shop/shop-1"]}));
        record.change("kube:delete pods", json!({"name": "shop-1"}), inside(json!([]), "v1.34.1", true));
        assert_eq!(record.broken(), broken);
    }
    let mut record = Record::rolling(json!({}));
    record.terminate(json!(["shop/shop-1"]));
    assert_eq!(record.broken(), [Rule::Drain]);
}

#[test]
fn a_roll_is_done_when_its_old_nodes_are_gone() {
    for (ends, broken) in [(true, vec![]), (false, vec![Rule::Success])] {
        let mut record = Record::rolling(json!({}));
        let begun = json!({"moved": "begun", "was": {"nodes": ["node-1"]}});
        record.ledger(json!({"event": "rolled", "step": ROLL, "moved": begun}));
        record.cordon();
        if ends {
            record.terminate(json!([]));
        }
        record.ledger(json!({"event": "succeeded", "step": ROLL, "update": "inside-1"}));
        assert_eq!(record.broken(), broken);
    }
    let mut record = Record::rolling(json!({}));
    record.ledger(json!({"event": "succeeded", "step": ROLL, "update": "inside-1"}));
    assert_eq!(record.broken(), [Rule::Success], "nobody changed anything");
}

#[test]
fn no_node_is_newer_than_its_control_plane_and_nothing_of_ours_is_left() {
    let mut record = Record::rolling(json!({}));
    record.rolled(json!({"do": "surge"}));
    record.change("UpdateAutoScalingGroup", json!({}), inside(json!([]), "v1.36.0", false));
    assert_eq!(record.broken(), [Rule::Skew]);
    let left = inside(json!([]), "v1.34.1", true);
    let mut record = Record::rolling(json!({}));
    record.rolled(json!({"do": "pause-autoscaler"}));
    record.over(left.clone());
    assert_eq!(record.broken(), [Rule::Endings, Rule::Endings]);
    // A line says that a person has to do it.
    let mut record = Record::rolling(json!({}));
    record.rolled(json!({"do": "pause-autoscaler"}));
    for effect in ["release", "resume-autoscaler"] {
        let moved = json!({"moved": "left", "effect": {"do": effect}});
        record.ledger(json!({"event": "rolled", "step": ROLL, "moved": moved}));
    }
    record.over(left);
    assert_eq!(record.broken(), []);
}
