//! Plans the way back: the control plane one minor down.
//!
//! EKS takes a control plane back within 7 days of its last in-place upgrade, by one minor, while no node is newer
//! than the minor to go back to and its insights on the way back are neither ERROR nor UNKNOWN (EKS user guide).
//! Everything that stands against it is a finding that blocks, with the next safe thing to do. Node groups, add-ons
//! and Fargate pods stay as they are.

use jiff::{SignedDuration, Timestamp};

use crate::calendar::{Calendar, SupportStatus};
use crate::cluster::{Insight, InsightStatus, Inventory, Update, UpdateStatus};
use crate::command;
use crate::finding::{Code, Finding, Level};
use crate::guard::NODES_FIRST;
use crate::ids::StepId;
use crate::plan::{Baseline, Hop, Plan, Reversibility, Step, StepKind};
use crate::planner::Wish;
use crate::remedy::Failure;
use crate::version::Minor;

/// For how long after an upgrade EKS takes it back.
pub(crate) const TAKEN_BACK_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What the plan is made from besides the inventory.
#[derive(Clone, Debug)]
pub struct Past<'a> {
    /// The updates of the control plane, in any order.
    pub updates: &'a [Update],
    /// The insights on the way back.
    pub insights: &'a [Insight],
    /// The calendar.
    pub calendar: &'a Calendar,
    /// Why it goes back.
    pub because: Failure,
}

/// Makes the plan that takes the control plane back.
#[must_use]
pub fn plan_back(inventory: &Inventory, past: &Past<'_>, wish: &Wish<'_>, now: Timestamp) -> Plan {
    let cluster = &inventory.cluster;
    let from = cluster.version;
    let to = from.number().checked_sub(1).and_then(Minor::new).unwrap_or(from);
    let mut findings: Vec<Finding> = undone(inventory, past.updates, now).into_iter().collect();
    findings.extend(newer_nodes(inventory, to));
    findings.extend(against_it(inventory, past.insights));
    findings.extend(unsupported(inventory, past.calendar, to));
    wish.controls.override_findings(&mut findings, now);
    let force = findings.iter().any(|f| f.code == Code::RollBackInsight && f.level == Level::Warn);
    let in_extended = past.calendar.get(to).is_some_and(|release| release.status == SupportStatus::Extended);
    let support_type = in_extended && !cluster.extended_support;
    Plan {
        revision: wish.revision,
        renewals: 0,
        cluster: cluster.arn.clone(),
        cluster_created_at: cluster.created_at,
        from,
        target: to,
        nodes: wish.policy.nodes,
        node_groups: inventory.node_groups.iter().map(|group| group.name.clone()).collect(),
        hops: vec![Hop { to, steps: steps(from, to, force, support_type, wish) }],
        findings,
        made_at: now,
        baseline: Baseline::of(inventory),
        unattended: false,
        rolls_back: Some(past.because.clone()),
    }
}

fn steps(from: Minor, to: Minor, force: bool, support_type: bool, wish: &Wish<'_>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut push = |name: &str, kind: StepKind, reason: String, reversibility| {
        let Ok(id) = format!("{to}/{name}").parse::<StepId>() else { return };
        let after = steps.iter().map(|step| step.id.clone()).collect();
        let span = wish.learned.span(&kind);
        steps.push(Step { id, kind, after, reason, reversibility, span });
    };
    if support_type {
        let reason =
            format!("{to} is in extended support, and EKS goes back there only with that support type");
        push("support-type", StepKind::SupportType {}, reason, Reversibility::OneWay);
    }
    let back = StepKind::RollBack { from, to, force };
    push("roll-back", back, format!("back to {to}, where it came from"), Reversibility::OneWay);
    push("verify", StepKind::Verify, "EKS's own word on it".into(), Reversibility::ChangesNothing);
    steps
}

/// Whether there is an upgrade to take back, and still time for it.
fn undone(inventory: &Inventory, updates: &[Update], now: Timestamp) -> Option<Finding> {
    let cluster = &inventory.cluster;
    let name = cluster.arn.name.as_str();
    let block =
        |code, message: String, next: &str| Some(Finding::new(code, Level::Block, name, message, next));
    let moved = |update: &&Update| {
        update.status == UpdateStatus::Successful
            && matches!(update.kind.as_str(), "VersionUpdate" | "VersionRollback")
    };
    let last = updates.iter().filter(moved).max_by_key(|update| update.created_at);
    let Some(last) = last.filter(|last| {
        last.kind == "VersionUpdate" && last.to.as_deref() == Some(&cluster.version.to_string())
    }) else {
        return block(
            Code::NothingToRollBack,
            format!(
                "no upgrade brought {name} to {}: EKS takes back only the last in-place upgrade",
                cluster.version
            ),
            "make a new cluster at the version you need, and move the workloads there",
        );
    };
    if now.duration_since(last.created_at) > TAKEN_BACK_FOR {
        return block(
            Code::RollBackTooLate,
            format!(
                "the upgrade to {} was on {}, more than 7 days ago",
                cluster.version,
                last.created_at.strftime("%Y-%m-%d")
            ),
            "go on at this version, or make a new cluster at the older one and move the workloads there",
        );
    }
    None
}

fn newer_nodes(inventory: &Inventory, to: Minor) -> Vec<Finding> {
    let newer = inventory.node_groups.iter().filter(|group| group.version > to);
    let found = newer.map(|group| {
        let message = format!("its nodes are at {}, newer than {to}", group.version);
        Finding::new(Code::NodesNewer, Level::Block, &group.name, message, NODES_FIRST)
    });
    let fargate = inventory.fargate_profiles.iter().map(|profile| {
        Finding::new(
            Code::Fargate,
            Level::Warn,
            profile,
            "pods that were restarted since the upgrade have a newer kubelet",
            "restart the profile's workloads after the way back (kubectl rollout restart)",
        )
    });
    found.chain(fargate).collect()
}

fn against_it(inventory: &Inventory, insights: &[Insight]) -> Vec<Finding> {
    let override_it = command::consent("CLUSTER", "override roll-back-insight");
    let next = format!("resolve what the insight names, or override it ({override_it})");
    let mut findings: Vec<Finding> = insights
        .iter()
        .filter(|insight| matches!(insight.status, InsightStatus::Error | InsightStatus::Unknown))
        .map(|insight| {
            let word = if insight.status == InsightStatus::Error { "ERROR" } else { "UNKNOWN" };
            let message = format!("EKS says {word}: {}", insight.reason);
            Finding::new(Code::RollBackInsight, Level::Block, &insight.name, message, &next)
        })
        .collect();
    if insights.is_empty() {
        findings.push(Finding::new(
            Code::RollBackInsight,
            Level::Unknown,
            inventory.cluster.arn.name.as_str(),
            "EKS has no insight on the way back yet; it judges by itself when asked",
            "",
        ));
    }
    findings
}

fn unsupported(inventory: &Inventory, calendar: &Calendar, to: Minor) -> Option<Finding> {
    let gone = calendar.get(to).is_none_or(|release| release.status == SupportStatus::Unsupported);
    gone.then(|| {
        Finding::new(
            Code::SupportType,
            Level::Block,
            inventory.cluster.arn.name.as_str(),
            format!("EKS no longer supports {to}"),
            "go on at this version, or take the workloads to a new cluster",
        )
    })
}
