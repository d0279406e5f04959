//! A run and its parts, for tests.

use std::collections::BTreeMap;

use eks_upgrade_core::calendar::Calendar;
use eks_upgrade_core::cluster::{Cluster, Status};
use eks_upgrade_core::control::Controls;
use eks_upgrade_core::ledger::RunState;
use eks_upgrade_core::plan::{Baseline, Hop, Plan, Reversibility, Step, StepKind};
use eks_upgrade_core::policy::{NodeHops, PolicyDocument};
use eks_upgrade_core::waits::Span;
use jiff::Timestamp;

use crate::plan::{Proposal, just_opened};
use crate::policy::file::{Meant, Source};

/// When it is: a Tuesday.
pub fn now() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

fn step(name: &str, kind: StepKind, reversibility: Reversibility) -> Step {
    let (id, span) = (format!("1.35/{name}").parse().unwrap(), Span::of(&kind));
    Step { id, kind, after: Vec::new(), reason: "1.35 is the target".into(), reversibility, span }
}

/// Of prod-a, from 1.34 to 1.35, with a bake of two hours.
pub fn plan() -> Plan {
    let (from, to) = ("1.34".parse().unwrap(), "1.35".parse().unwrap());
    let steps = vec![
        step("control-plane", StepKind::ControlPlane { from, to }, Reversibility::UntilNextHop),
        step("bake", StepKind::Bake { duration_s: 7_200 }, Reversibility::ChangesNothing),
        step("verify", StepKind::Verify, Reversibility::ChangesNothing),
    ];
    Plan {
        revision: 1,
        renewals: 0,
        cluster: "arn:aws:eks:us-east-1:123456789012:cluster/prod-a".parse().unwrap(),
        cluster_created_at: Timestamp::UNIX_EPOCH,
        from,
        target: to,
        nodes: NodeHops::Last,
        node_groups: Vec::new(),
        hops: vec![Hop { to, steps }],
        findings: Vec::new(),
        made_at: now(),
        baseline: Baseline::default(),
        unattended: false,
        rolls_back: None,
    }
}

/// That plan under a policy.
pub fn proposal(policy: &str) -> Proposal {
    let plan = plan();
    let document = PolicyDocument::read(policy).unwrap();
    let policy = document.for_cluster(&plan.cluster, &BTreeMap::new()).unwrap();
    let cluster = cluster(&plan);
    Proposal {
        plan,
        calendar: Calendar::new(Vec::new()),
        cluster,
        policy,
        meant: Meant { document, source: Source::File },
        controls: Controls::default(),
        unread: None,
        now: now(),
    }
}

fn cluster(plan: &Plan) -> Cluster {
    Cluster {
        arn: plan.cluster.clone(),
        created_at: plan.cluster_created_at,
        version: plan.from,
        status: Status::Active,
        tags: BTreeMap::new(),
        auto_mode: false,
        extended_support: true,
        health_issues: Vec::new(),
    }
}

/// A run under that plan, of which nothing is done.
pub fn run() -> RunState {
    let Proposal { plan, calendar, cluster, policy, .. } = proposal("");
    just_opened(&plan, &calendar, &cluster, &policy, now()).unwrap()
}
