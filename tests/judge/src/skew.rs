//! Versions rise by one, unless the control plane is taken back by one; and nodes stay within three minors below it.

use serde_json::Value;

use crate::evidence::{Accepted, Evidence};
use crate::ledger::Entry;
use crate::{Objection, Rule};

/// A kubelet may be this many minors older than its API server (Kubernetes version skew policy, from 1.25 on).
const SKEW_MAX: i32 = 3;

pub(crate) fn judge(evidence: &Evidence) -> Vec<Objection> {
    let calls = evidence.accepted.iter().flat_map(|call| of_call(evidence, call));
    calls.chain(evidence.entries().filter_map(|entry| meant(evidence, entry))).collect()
}

fn of_call(evidence: &Evidence, call: &Accepted) -> Vec<Objection> {
    match call.operation.as_str() {
        "UpdateClusterVersion" => {
            let mut objections = control_plane(call);
            objections.extend(unmanaged(evidence, call));
            objections
        }
        "UpdateNodegroupVersion" => node_group(call),
        _ => Vec::new(),
    }
}

fn control_plane(call: &Accepted) -> Vec<Objection> {
    let object = |rule, text: String| Objection { rule, at_s: call.at_s, text };
    let (Some(is), Some(to)) = (minor(&call.truth["version"]), minor(&call.input["version"])) else {
        return vec![object(Rule::OneMinorUp, format!("{}: versions that do not read", call.cluster))];
    };
    let mut objections = Vec::new();
    if (to - is).abs() != 1 {
        objections.push(object(Rule::OneMinorUp, format!("{}: from 1.{is} to 1.{to}", call.cluster)));
    }
    for (group, version) in nodes(&call.truth) {
        if version > to || to - version > SKEW_MAX {
            let text = format!("{}: to 1.{to} with nodes of {group} at 1.{version}", call.cluster);
            objections.push(object(Rule::Skew, text));
        }
    }
    objections
}

/// A node that EKS does not manage, and that the control plane leaves too far behind. EKS's insight says so, which a person
/// may have overridden.
fn unmanaged(evidence: &Evidence, call: &Accepted) -> Option<Objection> {
    let (is, to) = minor(&call.truth["version"]).zip(minor(&call.input["version"]))?;
    let nodes = call.truth["kubernetes"]["nodes"].as_object().into_iter().flatten();
    let mut versions = nodes.filter_map(|(name, node)| Some((name, minor(&node["kubeletVersion"])?)));
    let (name, version) = versions.find(|(_, version)| to > is && to - version > SKEW_MAX)?;
    let run = &evidence.intent(&call.token, call.place)?.run;
    let overridden = |scope: &Value| scope["to"] == "override" && scope["finding"] == "insight-error";
    if evidence.consented(run, call.place, call.at_s, overridden) {
        return None;
    }
    let text = format!("{}: to 1.{to} with node {name} at 1.{version}", call.cluster);
    Some(Objection { rule: Rule::Skew, at_s: call.at_s, text })
}

/// EKS refuses more than one minor by itself, so what was meant counts as well: by one from where EKS last said the
/// control plane is.
fn meant(evidence: &Evidence, entry: &Entry) -> Option<Objection> {
    let (operation, rest) = entry.text("request").split_once(' ')?;
    let to = (operation == "UpdateClusterVersion").then(|| rest.split(' ').next()).flatten()?;
    let opened = evidence.opened(&entry.run)?;
    let cluster = opened.text("cluster").rsplit('/').next().unwrap_or_default();
    let seen = evidence.versions.iter().rev();
    let (.., is) = seen.clone().find(|(place, name, _)| *place < entry.place && name == cluster)?;
    let (is, to) = (minor(&is.as_str().into())?, minor(&to.into())?);
    let text = format!("{}: from 1.{is} to 1.{to} is meant", entry.run);
    ((to - is).abs() != 1).then_some(Objection { rule: Rule::OneMinorUp, at_s: entry.at_s, text })
}

fn node_group(call: &Accepted) -> Vec<Objection> {
    let (Some(control_plane), Some(to)) = (minor(&call.truth["version"]), minor(&call.input["version"]))
    else {
        // With an image of its owner's no version is sent: the launch template decides.
        return Vec::new();
    };
    let wrong = to > control_plane || control_plane - to > SKEW_MAX;
    let text = format!("{}: a node group to 1.{to} under a control plane at 1.{control_plane}", call.cluster);
    wrong.then_some(Objection { rule: Rule::Skew, at_s: call.at_s, text }).into_iter().collect()
}

/// The minors of all nodes, with their groups.
fn nodes(cluster: &Value) -> Vec<(String, i32)> {
    let groups = cluster["nodegroups"].as_object().into_iter().flatten();
    let nodes = groups.flat_map(|(name, group)| {
        let nodes = group["nodes"].as_array().into_iter().flatten();
        nodes.filter_map(|node| Some((name.clone(), minor(&node["kubeletVersion"])?))).collect::<Vec<_>>()
    });
    nodes.collect()
}

/// The minor of `1.34` or `v1.34.2`.
pub(crate) fn minor(version: &Value) -> Option<i32> {
    version.as_str()?.trim_start_matches('v').split('.').nth(1)?.parse().ok()
}
