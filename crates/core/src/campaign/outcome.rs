//! What became of a cluster in its wave, told from its lease and from what its execution answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Member;
use crate::arn::ClusterArn;
use crate::ids::{CampaignId, RunId};
use crate::ledger::Ending;
use crate::screen::Lease;
use crate::version::Minor;

/// What became of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "outcome")]
pub enum Outcome {
    /// It is upgraded.
    Completed {
        /// By this run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        /// To this minor.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Minor>,
    },
    /// It was touched and not completed, or went bad afterwards. Only this counts against a ring.
    Failed {
        /// By this run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        /// Why, as a name.
        code: String,
    },
    /// It was turned away, or its run stopped before any call.
    Untouched {
        /// Why, as a name.
        code: String,
    },
}

/// A cluster, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterEnd {
    /// The cluster.
    pub cluster: ClusterArn,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What the campaign's state machine heard of one cluster of a wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Heard {
    /// The cluster.
    pub cluster: ClusterArn,
    /// `completed`, or the name of the error that its execution ended with.
    pub code: String,
}

/// What is known of a run that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRun {
    /// Whether its execution is at it.
    pub running: bool,
    /// Whether it has meant a mutating call.
    pub touched: bool,
}

/// How a cluster of a wave stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is over.
    Over(Outcome),
    /// Its upgrade runs.
    Running,
    /// Its upgrade has not begun, or lies still: it is to be started.
    ToStart,
}

/// An execution's answer that says that the upgrade is done.
pub const COMPLETED: &str = "completed";
/// The error of an upgrade that another execution has in hand.
const LEASE_HELD: &str = "LeaseHeld";
/// Whether a run stopped with this code because its cluster was deleted, or made anew: no harm that an upgrade did.
pub(crate) fn is_gone(code: &str) -> bool {
    matches!(code, "TargetGone" | "AnotherCluster")
}

/// How a member of a wave stands. The lease goes before what was heard, as that may be of a second start of the
/// same upgrade, which was turned away because the first has it or is through.
#[must_use]
pub fn standing(
    campaign: &CampaignId,
    member: &Member,
    lease: Option<&Lease>,
    open: OpenRun,
    heard: Option<&str>,
) -> Standing {
    let ours = |lease: &&Lease| {
        lease.campaign.as_ref() == Some(campaign) || member.resume.as_ref() == Some(&lease.run)
    };
    // A run that a person opened, taken over by this upgrade when its execution had died: what it harmed, it harmed.
    let taken_over = |lease: &&Lease| match (&lease.ended, heard) {
        (Some(Ending::Halted { code, .. } | Ending::RolledBack { code, .. }), Some(heard)) => {
            lease.touched && code == heard
        }
        _ => false,
    };
    let Some(lease) = lease.filter(|lease| ours(lease) || taken_over(lease)) else {
        return match heard {
            None => Standing::ToStart,
            Some(COMPLETED) => Standing::Over(Outcome::Completed { run: None, version: member.target }),
            Some(code) => Standing::Over(Outcome::Untouched { code: code.to_owned() }),
        };
    };
    let run = Some(lease.run.clone());
    let stopped = |touched: bool, code: &str| {
        let code = code.to_owned();
        let outcome = if touched && !is_gone(&code) {
            Outcome::Failed { run: run.clone(), code }
        } else {
            Outcome::Untouched { code }
        };
        Standing::Over(outcome)
    };
    match (&lease.ended, heard) {
        (Some(Ending::Completed), _) => {
            Standing::Over(Outcome::Completed { run: run.clone(), version: Some(lease.target) })
        }
        (Some(Ending::Halted { code, .. } | Ending::RolledBack { code, .. }), _) => {
            stopped(lease.touched, code)
        }
        (None, _) if open.running => Standing::Running,
        (None, None | Some(LEASE_HELD)) => Standing::ToStart,
        // Its execution is over and its run is not: interrupted. The next sweep goes on with it.
        (None, Some(code)) => stopped(open.touched, code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Fence;

    fn stood(lease: &Lease, heard: &str) -> Standing {
        let member = Member {
            cluster: "arn:aws:eks:us-east-1:123456789012:cluster/a".parse().unwrap(),
            ring: 0,
            created_at: None,
            target: None,
            reason: None,
            resume: None,
        };
        let open = OpenRun { running: false, touched: false };
        standing(&"sweep-1".parse().unwrap(), &member, Some(lease), open, Some(heard))
    }

    /// Opened by hand, so of no campaign.
    fn lease(touched: bool, code: &str) -> Lease {
        Lease {
            run: "a-1.35-1".parse().unwrap(),
            cluster_created_at: jiff::Timestamp::UNIX_EPOCH,
            from: "1.34".parse().unwrap(),
            target: "1.35".parse().unwrap(),
            execution: "arn:e".parse().unwrap(),
            fence: Fence(2),
            campaign: None,
            ring: None,
            touched,
            harm: None,
            ended: Some(Ending::Halted { code: code.into(), message: "m".into(), next_action: "n".into() }),
        }
    }

    #[test]
    fn a_run_that_was_taken_over_and_failed_is_a_failure_of_the_wave() {
        let failed = stood(&lease(true, "PodEvictionFailure"), "PodEvictionFailure");
        assert!(matches!(failed, Standing::Over(Outcome::Failed { .. })), "{failed:?}");
    }

    #[test]
    fn what_touched_nothing_or_ended_before_or_lost_its_cluster_is_none() {
        for (lease, heard) in [
            (lease(false, "Blocked"), "Blocked"),
            (lease(true, "PodEvictionFailure"), "ClusterNotActive"),
            (lease(true, "TargetGone"), "TargetGone"),
            (lease(true, "AnotherCluster"), "AnotherCluster"),
        ] {
            let stood = stood(&lease, heard);
            assert!(matches!(stood, Standing::Over(Outcome::Untouched { .. })), "{stood:?}");
        }
    }
}
