//! Telling a story: one upgrade from start to end, and what is always checked.

use std::collections::BTreeSet;

use eks_upgrade_core::cluster::{Insight, InsightCategory, InsightStatus, Resource};
use eks_upgrade_core::ids::RunId;
use eks_upgrade_core::ledger::{Ending, Event, RunState};
use eks_upgrade_support::{End, Execution, Fleet};
use serde_json::{Value, json};

/// How a run of `prod-a` went.
pub struct Told {
    pub run: RunId,
    pub ending: Ending,
    /// What was told to people.
    pub message: String,
    pub events: Vec<Event>,
    pub state: RunState,
    /// The calls that began an update at EKS, in words.
    pub began: Vec<String>,
}

/// Upgrades `prod-a` to `target` and tells how it went.
pub fn upgrade(fleet: &Fleet, target: &str) -> Told {
    upgrade_with(fleet, json!({"cluster": "prod-a", "target": target}))
}

/// The same for any request.
pub fn upgrade_with(fleet: &Fleet, request: Value) -> Told {
    told(fleet, &mut fleet.start(request))
}

/// Walks an execution to its end and tells how it went.
pub fn told(fleet: &Fleet, execution: &mut Execution<'_>) -> Told {
    match execution.finish() {
        End::Closed(answer) => {
            let run = answer.run;
            let (events, state) = (fleet.events(&run), fleet.run(&run));
            assert_eq!(fleet.wrongs(), Vec::<String>::new(), "out of skew on the way");
            assert_tokens_begin_one_update_each(fleet);
            let lease = fleet.lease(state.opened.cluster.name.as_str()).expect("a lease was taken");
            assert_eq!(lease.ended.as_ref(), Some(&answer.ending), "the lease was not given back");
            let message = messages(fleet, &run);
            Told { run, ending: answer.ending, message, events, state, began: fleet.eks.began() }
        }
        other => panic!("it was not closed: {other:?}"),
    }
}

/// All that people are told of a run.
fn messages(fleet: &Fleet, run: &RunId) -> String {
    let lines = fleet.table.memory.kept().lines[run].clone();
    let news = eks_upgrade_core::news::of_run(&lines).expect("the ledger reads");
    news.into_iter().filter_map(|news| news.tell).map(|told| told.message).collect::<Vec<_>>().join("\n\n")
}

/// Whatever was tried again, each intent began at most one update at EKS.
pub fn assert_tokens_begin_one_update_each(fleet: &Fleet) {
    let state = fleet.eks.state();
    let mut seen = BTreeSet::new();
    for called in state.calls.iter().filter(|called| called.began.is_some()) {
        assert!(seen.insert(called.token.as_str().to_owned()), "{} was begun twice", called.call);
    }
}

impl Told {
    /// Checks that it completed.
    pub fn completed(self) -> Self {
        assert_eq!(self.ending, Ending::Completed, "{:#?}", self.events.last());
        self
    }

    /// Checks that it halted with this code, wanting something of a person.
    pub fn halted(self, expected: &str) -> Self {
        match &self.ending {
            Ending::Halted { code, message, next_action } => {
                assert_eq!(code, expected, "{message}");
                assert!(!next_action.is_empty(), "{code} wants nothing of anybody");
                assert!(self.message.contains(next_action), "people are not told what to do");
            }
            other => panic!("it ended {other:?}"),
        }
        self
    }

    /// Checks that the control plane was taken back because of this.
    pub fn rolled_back(self, expected: &str) -> Self {
        match &self.ending {
            Ending::RolledBack { code, next_action, .. } => {
                assert_eq!(code, expected);
                assert!(!next_action.is_empty(), "{code} wants nothing of anybody");
            }
            other => panic!("it ended {other:?}"),
        }
        self
    }

    /// What it says of why it halted, and what to do next.
    pub fn words(&self) -> String {
        match &self.ending {
            Ending::Halted { message, next_action, .. } | Ending::RolledBack { message, next_action, .. } => {
                format!("{message} | {next_action}")
            }
            Ending::Completed => String::new(),
        }
    }

    /// How often events of a kind stand in the ledger.
    pub fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| is(event)).count()
    }

    /// The calls on node groups.
    pub fn group_calls(&self) -> Vec<&str> {
        self.calls("UpdateNodegroupVersion")
    }

    /// The calls on the control plane.
    pub fn hops(&self) -> Vec<&str> {
        self.calls("UpdateClusterVersion")
    }

    /// The calls on add-ons.
    pub fn addon_calls(&self) -> Vec<&str> {
        self.calls("UpdateAddon")
    }

    fn calls(&self, operation: &str) -> Vec<&str> {
        self.began.iter().map(String::as_str).filter(|call| call.starts_with(operation)).collect()
    }

    /// The place of a call among all that began.
    pub fn place(&self, of: &str) -> usize {
        let found = self.began.iter().position(|call| call.contains(of));
        found.unwrap_or_else(|| panic!("{of} was not called: {:#?}", self.began))
    }
}

pub fn group(name: &str) -> Resource {
    Resource::NodeGroup(name.to_owned())
}

pub fn addon(name: &str) -> Resource {
    Resource::AddOn(name.to_owned())
}

/// What EKS thinks of an upgrade to 1.35.
pub fn insight(status: InsightStatus, reason: &str) -> Insight {
    Insight {
        name: "Cluster health issues".into(),
        category: InsightCategory::UpgradeReadiness,
        status,
        about: Some("1.35".parse().unwrap()),
        reason: reason.to_owned(),
        refreshed_at: None,
        deprecated: Vec::new(),
    }
}
