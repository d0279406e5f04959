//! The checks before an upgrade: what inside a cluster, and among what EKS says of it, would make the upgrade fail or
//! hurt.
//!
//! [`CHECKS`] is the table of those that look inside; each is a pure function over [`Inside`]. None passes on what it
//! could not read: the answer is `Unknown` then, with the reason. [`of_eks`] judges EKS's own insights by the evidence
//! that comes with them. What each code means, and what to do about it, is [`Code::about`].
//!
//! What Kubernetes, AWS and vendors say about versions is data, in `crates/core/data`.

mod apis;
mod budgets;
mod capacity;
mod changes;
mod daemon_sets;
mod data;
mod images;
mod insights;
mod pods;
mod pools;
mod report;
mod versions;
mod webhooks;
mod workloads;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use insights::of_eks;
pub use report::CLUSTER;

use crate::finding::{Code, Finding};
use crate::inside::{Inside, Unseen};
use crate::version::Minor;
use report::{Hit, report};

/// What the checks are for.
#[derive(Clone, Copy, Debug)]
pub struct Upgrade {
    /// The control plane's minor.
    pub from: Minor,
    /// Where it should end.
    pub target: Minor,
    /// How long the drain of a node may take, in seconds.
    pub drain_limit_s: u32,
}

impl Upgrade {
    /// The control plane's next minor on the way; the target itself where it is there already.
    fn next(self) -> Minor {
        self.from.next().min(self.target)
    }
}

/// What a check found; empty where all is well.
type Look = Result<Vec<Hit>, Unseen>;

/// One check of the inside.
struct Check {
    /// What it finds.
    code: Code,
    /// How it looks.
    run: fn(&Inside, Upgrade) -> Look,
}

/// Every check of the inside, in the order in which people read what they found.
const CHECKS: &[Check] = &[
    Check { code: Code::KubeletSkew, run: versions::kubelets },
    Check { code: Code::KubeProxySkew, run: versions::kube_proxy },
    Check { code: Code::AmazonLinux2Nodes, run: images::amazon_linux_2 },
    Check { code: Code::CgroupV1, run: images::cgroup_v1 },
    Check { code: Code::ContainerdOld, run: images::containerd },
    Check { code: Code::KubeProxyIpvs, run: images::ipvs },
    Check { code: Code::RemovedApiCalled, run: apis::called },
    Check { code: Code::RemovedApiApplied, run: apis::applied },
    Check { code: Code::BreakingChange, run: changes::on_the_way },
    Check { code: Code::DaemonSetSupport, run: daemon_sets::support },
    Check { code: Code::BudgetNeverAllows, run: budgets::never_allow },
    Check { code: Code::BudgetsOverlap, run: budgets::overlap },
    Check { code: Code::BudgetStale, run: budgets::stale },
    Check { code: Code::WebhookUnanswered, run: webhooks::unanswered },
    Check { code: Code::WebhookOnEvictions, run: webhooks::on_evictions },
    Check { code: Code::BarePods, run: pods::bare },
    Check { code: Code::SingleReplica, run: workloads::single },
    Check { code: Code::RecreateStrategy, run: workloads::recreate },
    Check { code: Code::LocalStorage, run: pods::local_storage },
    Check { code: Code::GracePeriod, run: pods::grace },
    Check { code: Code::ToleratesEverything, run: pods::tolerate_everything },
    Check { code: Code::NoReadinessProbe, run: pods::without_readiness },
    Check { code: Code::ControlPlaneAddresses, run: capacity::control_plane },
    Check { code: Code::NodeAddresses, run: capacity::nodes },
    Check { code: Code::SurgeRoom, run: capacity::surge },
    Check { code: Code::GroupNotReleased, run: capacity::released },
    Check { code: Code::ZonalVolumes, run: capacity::zonal_volumes },
    Check { code: Code::PoolBudgetZero, run: pools::no_budget },
    Check { code: Code::DoNotDisrupt, run: pools::do_not_disrupt },
    Check { code: Code::PoolNotDrifting, run: pools::pinned },
];

/// Whether a check looks for what this code stands for: then it may also be unknown.
pub(crate) fn looks_for(code: Code) -> bool {
    CHECKS.iter().any(|check| check.code == code)
}

/// Runs every check that matters for the target: at least one finding each, `Unknown` where a check could not see what
/// it looks at.
#[must_use]
pub fn preflight(inside: &Inside, upgrade: Upgrade) -> Vec<Finding> {
    let mattering = CHECKS.iter().filter(|check| check.code.about().matters_for(upgrade.target));
    mattering.flat_map(|check| report(check.code, (check.run)(inside, upgrade))).collect()
}
