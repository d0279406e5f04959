//! What is done to the inside of clusters, and to the groups behind nodes that EKS does not manage: by the run that holds
//! the cluster, within a step that it has begun, after a line that names it; and nothing is lost by it.

use serde_json::Value;

use crate::evidence::{Evidence, Inside, Left};
use crate::ledger::Entry;
use crate::schedule;
use crate::skew::minor;
use crate::{Objection, Rule};

/// Ends an instance.
const TERMINATE: &str = "TerminateInstanceInAutoScalingGroup";

pub(crate) fn judge(evidence: &Evidence) -> Vec<Objection> {
    let calls = evidence.inside.iter().flat_map(|call| of_call(evidence, call));
    calls.chain(evidence.left.iter().flat_map(|left| of_left(evidence, left))).collect()
}

fn of_call(evidence: &Evidence, call: &Inside) -> Vec<Objection> {
    let object = |rule, why: &str| Objection {
        rule,
        at_s: call.at_s,
        text: format!("{} in {}: {why}", call.operation, call.cluster),
    };
    let Some(holder) = evidence.holder(&call.cluster, call.place) else {
        return vec![object(Rule::IntentBeforeEffect, "no run has the cluster")];
    };
    let lines = evidence.ledgers.get(&holder.run).map_or(&[][..], Vec::as_slice);
    let lines: Vec<&Entry> = lines.iter().filter(|line| line.place < call.place).collect();
    let mut objections = Vec::new();
    if lines.iter().any(|line| line.event() == "ended") {
        objections.push(object(Rule::Lease, "the run was over"));
    } else if !is_begun(&lines) {
        objections.push(object(Rule::IntentBeforeEffect, "no step inside is under way"));
    }
    if !is_named(&lines, call) {
        objections.push(object(Rule::IntentBeforeEffect, "no line of the roll names it"));
    }
    if evidence.is_switch_thrown(call.place) {
        objections.push(object(Rule::KillSwitch, "the kill switch was thrown"));
    }
    if begins(&lines, call)
        && let Some(why) = schedule::closed(evidence, &holder.run, call.place, call.at_s)
    {
        objections.push(object(Rule::Schedule, why));
    }
    if call.operation == "kube:delete pods" && !may_force(evidence, &lines, call) {
        objections.push(object(Rule::Consent, "pods are deleted without a yes"));
    }
    // Where somebody took the control plane back meanwhile, the roll is given up, and its new nodes are on their way out.
    if !is_given_up(&lines) {
        objections.extend(newer_nodes(&call.truth).map(|why| object(Rule::Skew, &why)));
    }
    objections.extend(lost_pods(call).map(|why| object(Rule::Drain, &why)));
    objections
}

/// Whether a step that is no call of EKS's has been meant, and has not ended since.
fn is_begun(lines: &[&Entry]) -> bool {
    let meant =
        lines.iter().filter(|line| line.event() == "intended" && !line.text("request").starts_with("Update"));
    meant.map(|line| line.text("step")).any(|step| {
        let last = lines.iter().rev().find(|line| {
            line.text("step") == step
                && matches!(line.event(), "intended" | "succeeded" | "failed" | "refused" | "skipped")
        });
        last.is_some_and(|line| line.event() == "intended")
    })
}

/// Whether a line that was written before means this effect, where an effect has a line of its own.
fn is_named(lines: &[&Entry], call: &Inside) -> bool {
    let meant = |effects: &[&str], field: &str, name: &str| {
        lines.iter().any(|line| {
            let effect = &line.value["moved"]["effect"];
            line.event() == "rolled"
                && effects.iter().any(|one| effect["do"] == *one)
                && (name.is_empty() || effect[field] == name)
        })
    };
    let name = call.input["name"].as_str().unwrap_or_default();
    match call.operation.as_str() {
        "kube:patch nodes" => meant(&["cordon", "release"], "node", name),
        "kube:delete pods" => meant(&["delete-pods"], "", ""),
        "kube:update deployments/scale" | "kube:patch deployments/scale" => {
            meant(&["pause-autoscaler", "resume-autoscaler"], "", "")
        }
        TERMINATE => meant(&["terminate"], "instance", call.input["InstanceId"].as_str().unwrap_or_default()),
        "CreateLaunchTemplateVersion" => meant(&["make-template"], "", ""),
        "CreateAutoScalingGroup" => meant(&["make-group"], "", ""),
        "UpdateAutoScalingGroup" => meant(&["surge", "make-group", "restore", "delete-group"], "", ""),
        "DeleteAutoScalingGroup" => meant(&["delete-group"], "", ""),
        _ => true,
    }
}

/// Whether it begins something that the windows are there for: the next node of a roll that goes on, or another image.
fn begins(lines: &[&Entry], call: &Inside) -> bool {
    match call.operation.as_str() {
        "kube:patch nodes" => call.input["body"]["spec"]["unschedulable"] == true && !is_given_up(lines),
        "kube:patch daemonsets" | "kube:patch deployments" | "kube:patch statefulsets" => true,
        _ => false,
    }
}

/// Whether the latest roll is being taken back.
fn is_given_up(lines: &[&Entry]) -> bool {
    let turns = lines.iter().rev().map(|line| &line.value["moved"]["moved"]);
    turns
        .into_iter()
        .find(|moved| **moved == "begun" || **moved == "given-up")
        .is_some_and(|last| last == "given-up")
}

/// Whether somebody lets pods of the group be deleted that do not go: the policy, the cluster's tag, the request, or a
/// consent. Which group it is, the line says that means it.
fn may_force(evidence: &Evidence, lines: &[&Entry], call: &Inside) -> bool {
    let meant = lines.iter().rev().find(|line| line.value["moved"]["effect"]["do"] == "delete-pods");
    let Some(meant) = meant else { return false };
    let group = meant.text("step").rsplit('/').next().unwrap_or_default();
    let forces = |strategy: &Value| matches!(strategy.as_str(), Some("force" | "rolling-then-force"));
    let wished = evidence
        .policy_of(&meant.run)
        .is_some_and(|policy| forces(&policy["strategy"]) || forces(&policy["nodeGroupStrategy"][group]));
    let asked = evidence.requests.iter().any(|(place, request)| {
        *place < call.place
            && request["cluster"].as_str().is_some_and(|named| named.ends_with(&call.cluster))
            && forces(&request["strategy"])
    });
    let force = |scope: &Value| scope["to"] == "force" && scope["nodeGroup"] == group;
    let consented = evidence.consented(&meant.run, call.place, call.at_s, force);
    wished || asked || consented || forces(&call.truth["tags"]["eks-upgrade:strategy"])
}

/// The nodes of a cluster that EKS does not manage.
fn own_nodes(cluster: &Value) -> impl Iterator<Item = &Value> {
    let groups = cluster["selfManaged"].as_object().into_iter().flatten();
    groups.flat_map(|(_, group)| group["nodes"].as_array().into_iter().flatten())
}

/// Whether one of these calls ends an instance.
fn ends<'a>(calls: impl IntoIterator<Item = &'a Inside>, instance: &Value) -> bool {
    calls.into_iter().any(|call| call.operation == TERMINATE && call.input["InstanceId"] == *instance)
}

/// The nodes that EKS does not manage and that are newer than their control plane.
fn newer_nodes(cluster: &Value) -> Option<String> {
    let control_plane = minor(&cluster["version"])?;
    let newer = own_nodes(cluster)
        .find(|node| minor(&node["kubeletVersion"]).is_some_and(|node| node > control_plane))?;
    Some(format!("node {} is newer than the control plane at 1.{control_plane}", newer["name"]))
}

/// An instance that ends with pods on its node that could have gone elsewhere.
fn lost_pods(call: &Inside) -> Option<String> {
    let ended = own_nodes(&call.truth).find(|node| ends([call], &node["instanceId"]))?;
    let node = ended["name"].as_str()?;
    let pods = call.truth["kubernetes"]["nodes"][node]["pods"].as_array().filter(|pods| !pods.is_empty())?;
    Some(format!("node {node} still has {}", Value::Array(pods.clone())))
}

/// A step inside that counts as done: a roll whose old nodes are not all gone, or a change that nobody made.
pub(crate) fn unfounded(evidence: &Evidence, entry: &Entry) -> Option<Objection> {
    let opened = evidence.opened(&entry.run)?;
    let cluster = opened.text("cluster").rsplit('/').next().unwrap_or_default();
    let calls: Vec<&Inside> = evidence
        .inside
        .iter()
        .filter(|call| call.cluster == cluster && opened.place < call.place && call.place < entry.place)
        .collect();
    let why = match rolled_nodes(evidence, entry) {
        Some(nodes) => still_there(&calls, &nodes)?,
        None if calls.iter().any(|call| call.operation.starts_with("kube:patch ")) => return None,
        None => "a change that was never made".to_owned(),
    };
    let text = format!("line {} of {} counts {why}", entry.seq, entry.run);
    Some(Objection { rule: Rule::Success, at_s: entry.at_s, text })
}

/// The nodes that a roll began with; `None` where the step is none.
fn rolled_nodes<'a>(evidence: &'a Evidence, entry: &Entry) -> Option<Vec<&'a str>> {
    let lines = evidence.ledgers.get(&entry.run)?.iter().rev();
    let mut lines = lines.filter(|line| line.place < entry.place && line.text("step") == entry.text("step"));
    let begun = lines.find(|line| line.value["moved"]["moved"] == "begun")?;
    let nodes = begun.value["moved"]["was"]["nodes"].as_array()?;
    Some(nodes.iter().filter_map(Value::as_str).collect())
}

/// A node that the last look still shows, and whose instance nobody ended.
fn still_there(calls: &[&Inside], nodes: &[&str]) -> Option<String> {
    let left = own_nodes(&calls.last()?.truth).find(|node| {
        let ours = node["name"].as_str().is_some_and(|name| nodes.contains(&name));
        ours && !ends(calls.iter().copied(), &node["instanceId"])
    })?;
    Some(format!("a roll as done, with node {} as it was", left["name"]))
}

/// The nodes whose instances were told to end: they take their time.
fn ended_nodes<'a>(evidence: &Evidence, left: &'a Left) -> Vec<&'a str> {
    let ended = own_nodes(&left.truth).filter(|node| ends(&evidence.inside, &node["instanceId"]));
    ended.filter_map(|node| node["name"].as_str()).collect()
}

/// Once every run of a cluster has ended, nothing of ours is left on it but what a line leaves to a person.
fn of_left(evidence: &Evidence, left: &Left) -> Vec<Objection> {
    let runs = evidence.runs_of(&left.cluster);
    let lines: Vec<&Entry> = runs.iter().flat_map(|run| &evidence.ledgers[*run]).collect();
    let over = runs.iter().all(|run| evidence.ledgers[*run].iter().any(|line| line.event() == "ended"));
    if !over {
        return Vec::new();
    }
    let to_a_person = |effect: &str| {
        lines.iter().any(|line| {
            line.value["moved"]["moved"] == "left" && line.value["moved"]["effect"]["do"] == effect
        })
    };
    let object = |text: String| Objection { rule: Rule::Endings, at_s: left.at_s, text };
    let mut objections = Vec::new();
    let nodes = left.truth["kubernetes"]["nodes"].as_object().into_iter().flatten();
    let ended = ended_nodes(evidence, left);
    let ours = nodes.filter(|(name, node)| {
        node["unschedulable"] == true && node["run"].is_string() && !ended.contains(&name.as_str())
    });
    if !to_a_person("release") {
        objections
            .extend(ours.map(|(name, _)| object(format!("{}: node {name} stays cordoned", left.cluster))));
    }
    let paused = lines.iter().any(|line| line.value["moved"]["effect"]["do"] == "pause-autoscaler");
    let autoscaler = &left.truth["kubernetes"]["deployments"]["kube-system/cluster-autoscaler"];
    if paused && *autoscaler == 0 && !to_a_person("resume-autoscaler") {
        objections.push(object(format!("{}: Cluster Autoscaler stays paused", left.cluster)));
    }
    objections
}
