//! What was recorded, sorted: calls that EKS accepted from us, ledgers by run, words of people by time.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::ledger::Entry;
use crate::{Objection, Rule, What};

/// A mutating call of ours that EKS accepted, and that changed something.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Where it stands among everything that was recorded.
    pub place: usize,
    /// When EKS had it, in seconds since 1970.
    pub at_s: i64,
    /// The operation.
    pub operation: String,
    /// The cluster's name.
    pub cluster: String,
    /// The node group.
    pub nodegroup: Option<String>,
    /// The add-on.
    pub addon: Option<String>,
    /// What was asked.
    pub input: Value,
    /// Its `clientRequestToken`.
    pub token: String,
    /// The update that it began.
    pub update: String,
    /// The cluster right after it, by the simulator.
    pub truth: Value,
}

/// A call that changed the inside of a cluster, or a group behind its nodes.
#[derive(Clone, Debug)]
pub struct Inside {
    /// Where it stands among everything that was recorded.
    pub place: usize,
    /// When it was made, in seconds since 1970.
    pub at_s: i64,
    /// The operation, such as `kube:patch nodes`.
    pub operation: String,
    /// The cluster's name.
    pub cluster: String,
    /// What was asked.
    pub input: Value,
    /// The cluster right after it, by the simulator.
    pub truth: Value,
}

/// What a cluster was at the end.
#[derive(Clone, Debug)]
pub struct Left {
    /// When, in seconds since 1970.
    pub at_s: i64,
    /// The cluster's name.
    pub cluster: String,
    /// What it was, by the simulator.
    pub truth: Value,
}

/// That EKS was asked for its insights about a cluster, and answered.
#[derive(Clone, Debug)]
pub struct Look {
    /// Where it stands among everything that was recorded.
    pub place: usize,
    /// When, in seconds since 1970.
    pub at_s: i64,
    /// The cluster's name.
    pub cluster: String,
}

/// What EKS said of an update.
#[derive(Clone, Debug)]
pub struct Told {
    /// Where it stands among everything that was recorded.
    pub place: usize,
    /// The update.
    pub update: String,
    /// Its status.
    pub status: String,
}

/// A consent.
#[derive(Clone, Debug)]
pub struct Consent {
    /// Where it stands among everything that was recorded.
    pub place: usize,
    /// The cluster's ARN.
    pub cluster: String,
    /// To what.
    pub scope: Value,
    /// Until when, in seconds since 1970.
    pub expires_s: i64,
}

/// What somebody answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Where it stands among everything that was recorded.
    pub place: usize,
    /// The run that asked.
    pub run: String,
    /// Before what, in words.
    pub before: String,
    /// Whether it was a yes.
    pub yes: bool,
}

/// Everything, sorted.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Policies, and from where on each holds.
    pub policies: Vec<(usize, Value)>,
    /// Calls that changed something.
    pub accepted: Vec<Accepted>,
    /// Calls that changed the inside of clusters, or groups behind their nodes.
    pub inside: Vec<Inside>,
    /// What clusters were at the end.
    pub left: Vec<Left>,
    /// When EKS was asked for its insights.
    pub looks: Vec<Look>,
    /// When EKS was asked to make them anew, or how far that is, and denied it.
    pub denied_looks: Vec<Look>,
    /// What EKS said of updates.
    pub told: Vec<Told>,
    /// What EKS said of the versions of control planes: where it stands, the cluster's name, the version.
    pub versions: Vec<(usize, String, String)>,
    /// Upgrades that people asked for, and from where on.
    pub requests: Vec<(usize, Value)>,
    /// Ledgers by run, in the order of the table.
    pub ledgers: BTreeMap<String, Vec<Entry>>,
    /// The kill switch: from where on it stood how.
    pub switch: Vec<(usize, bool)>,
    /// Consents.
    pub consents: Vec<Consent>,
    /// Answers to questions.
    pub answers: Vec<Answer>,
    /// From when on nothing goes wrong.
    pub healed_s: Option<i64>,
    /// When everything was over.
    pub over_s: Option<i64>,
    /// Lines of ledgers that do not read.
    pub unreadable: Vec<Objection>,
}

impl Evidence {
    /// Sorts what was recorded.
    #[must_use]
    pub fn read<'a>(lines: impl IntoIterator<Item = (i64, &'a What)>) -> Self {
        let mut all = Self::default();
        for (place, (at_s, what)) in lines.into_iter().enumerate() {
            all.take(place, at_s, what);
        }
        all
    }

    fn take(&mut self, place: usize, at_s: i64, what: &What) {
        match what {
            What::Policy(policy) => self.policies.push((place, policy.clone())),
            What::Asked(request) => self.requests.push((place, request.clone())),
            What::Request { record, said, cluster } => {
                if let Some(said) = said {
                    self.heard(place, record, said);
                }
                let named = || record["cluster"].as_str().unwrap_or_default().to_owned();
                match (record["operation"].as_str(), record["status"].as_u64()) {
                    (Some("ListInsights"), _) if record["error"].is_null() => {
                        self.looks.push(Look { place, at_s, cluster: named() });
                    }
                    (Some("StartInsightsRefresh" | "DescribeInsightsRefresh"), Some(403)) => {
                        self.denied_looks.push(Look { place, at_s, cluster: named() });
                    }
                    _ => {}
                }
                if record["mutated"] == true {
                    let call = accepted(place, at_s, record, cluster.as_ref());
                    if is_inside(&call.operation) {
                        self.inside.push(call.into());
                    } else {
                        self.accepted.push(call);
                    }
                }
            }
            What::Ledger { run, seq, body, hash } => match serde_json::from_str(body) {
                Ok(value) => self.ledgers.entry(run.clone()).or_default().push(Entry {
                    place,
                    at_s,
                    run: run.clone(),
                    seq: *seq,
                    body: body.clone(),
                    hash: hash.clone(),
                    value,
                }),
                Err(error) => self.unreadable.push(Objection {
                    rule: Rule::Chain,
                    at_s,
                    text: format!("line {seq} of {run} does not read: {error}"),
                }),
            },
            What::Switch { thrown } => self.switch.push((place, *thrown)),
            What::Consent { cluster, scope, expires_s } => self.consents.push(Consent {
                place,
                cluster: cluster.clone(),
                scope: scope.clone(),
                expires_s: *expires_s,
            }),
            What::Answered { run, before, yes } => {
                self.answers.push(Answer { place, run: run.clone(), before: before.clone(), yes: *yes });
            }
            What::Left { cluster, state } => {
                self.left.push(Left { at_s, cluster: cluster.clone(), truth: state.clone() });
            }
            What::Healed => self.healed_s = Some(at_s),
            What::Over => self.over_s = Some(at_s),
        }
    }

    /// EKS said this of an update, or of a control plane.
    fn heard(&mut self, place: usize, record: &Value, said: &str) {
        if record["operation"] == "DescribeUpdate" {
            self.told.push(Told { place, update: path_end(record), status: said.to_owned() });
        } else {
            self.versions.push((place, path_end(record), said.to_owned()));
        }
    }

    /// All lines of all ledgers, as they were written.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.ledgers.values().flatten()
    }

    /// The intent with this token that stands before a place.
    #[must_use]
    pub fn intent(&self, token: &str, before: usize) -> Option<&Entry> {
        let meant = |entry: &&Entry| entry.event() == "intended" && entry.text("token") == token;
        self.entries().find(|entry| meant(entry) && entry.place < before)
    }

    /// Whether the kill switch was thrown there.
    #[must_use]
    pub fn is_switch_thrown(&self, place: usize) -> bool {
        self.switch.iter().rev().find(|(put, _)| *put < place).is_some_and(|(_, thrown)| *thrown)
    }

    /// The runs of a cluster of this name.
    #[must_use]
    pub fn runs_of(&self, cluster: &str) -> Vec<&str> {
        let ours = self.ledgers.keys().filter(|run| {
            let opened = self.opened(run);
            opened.is_some_and(|opened| opened.text("cluster").rsplit('/').next() == Some(cluster))
        });
        ours.map(String::as_str).collect()
    }

    /// The last line before a place of whoever held a cluster of this name then.
    #[must_use]
    pub fn holder(&self, cluster: &str, place: usize) -> Option<&Entry> {
        let runs = self.runs_of(cluster);
        let lines = runs.into_iter().flat_map(|run| &self.ledgers[run]);
        lines.filter(|line| line.place < place).max_by_key(|line| (line.fence(), line.place))
    }

    /// The first line of a run.
    #[must_use]
    pub fn opened(&self, run: &str) -> Option<&Entry> {
        self.ledgers.get(run)?.iter().find(|entry| entry.event() == "opened")
    }

    /// The policy that held when a run was opened, as people wrote it.
    #[must_use]
    pub fn policy_of(&self, run: &str) -> Option<&Value> {
        let opened = self.opened(run)?.place;
        self.policies.iter().rev().find(|(place, _)| *place < opened).map(|(_, policy)| policy)
    }

    /// Whether somebody had consented to this on a run's cluster by then.
    #[must_use]
    pub fn consented(&self, run: &str, place: usize, at_s: i64, to: impl Fn(&Value) -> bool) -> bool {
        let Some(cluster) = self.opened(run).map(|opened| opened.text("cluster")) else { return false };
        self.consents.iter().any(|consent| {
            consent.place < place
                && at_s < consent.expires_s
                && consent.cluster == cluster
                && to(&consent.scope)
        })
    }
}

fn accepted(place: usize, at_s: i64, record: &Value, truth: Option<&Value>) -> Accepted {
    let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
    Accepted {
        place,
        at_s,
        operation: text("operation"),
        cluster: text("cluster"),
        nodegroup: record["nodegroup"].as_str().map(str::to_owned),
        addon: record["addon"].as_str().map(str::to_owned),
        input: record["input"].clone(),
        token: text("token"),
        update: text("updateId"),
        truth: truth.cloned().unwrap_or_default(),
    }
}

impl From<Accepted> for Inside {
    fn from(call: Accepted) -> Self {
        let Accepted { place, at_s, operation, cluster, input, truth, .. } = call;
        Self { place, at_s, operation, cluster, input, truth }
    }
}

/// Operations of EC2 and of EC2 Auto Scaling; those of a cluster's API server begin with `kube:`.
const OF_GROUPS: [&str; 8] = [
    "CreateAutoScalingGroup",
    "CreateLaunchTemplateVersion",
    "CreateOrUpdateTags",
    "DeleteAutoScalingGroup",
    "ResumeProcesses",
    "SetDesiredCapacity",
    "TerminateInstanceInAutoScalingGroup",
    "UpdateAutoScalingGroup",
];

fn is_inside(operation: &str) -> bool {
    operation.starts_with("kube:") || OF_GROUPS.contains(&operation)
}

/// The last part of the path: of `DescribeUpdate` the update's id.
fn path_end(record: &Value) -> String {
    record["path"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned()
}
