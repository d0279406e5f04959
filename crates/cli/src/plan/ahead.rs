//! What a plan would wait for: when its first step may start, and whose yes is wanted on the way.
//!
//! Told by the pipeline's own rules, asked about a run that has just been opened under the plan.

use std::collections::{BTreeMap, BTreeSet};

use eks_upgrade_core::calendar::Calendar;
use eks_upgrade_core::cluster::Cluster;
use eks_upgrade_core::control::Controls;
use eks_upgrade_core::hold::{Hold, hold};
use eks_upgrade_core::ids::{Principal, RunId};
use eks_upgrade_core::ledger::{Opened, RunState, Standing};
use eks_upgrade_core::length;
use eks_upgrade_core::plan::Plan;
use eks_upgrade_core::policy::Policy;
use eks_upgrade_core::waits::later;
use eks_upgrade_core::window::Schedule;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Proposal;

/// When the first step may start.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "starts")]
pub enum FirstStep {
    /// At once.
    Now,
    /// Then.
    Later {
        /// When.
        at: Timestamp,
        /// Why not now.
        text: String,
    },
    /// Never, as windows and freezes stand.
    Never {
        /// Why.
        text: String,
    },
}

/// A yes that will be wanted.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// Before what.
    pub before: String,
    /// How long the question will be open.
    #[serde(with = "length")]
    pub expires: SignedDuration,
}

/// What a plan would wait for.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ahead {
    /// When its first step may start; `None` where no step changes anything.
    pub first_step: Option<FirstStep>,
    /// Whose yes is wanted, in the order of the steps.
    pub approvals: Vec<Wanted>,
}

impl Ahead {
    /// Of a proposal.
    pub fn of(proposal: &Proposal) -> Self {
        let Proposal { plan, calendar, cluster, policy, controls, now, .. } = proposal;
        let Some(state) = just_opened(plan, calendar, cluster, policy, *now) else {
            return Self { first_step: None, approvals: Vec::new() };
        };
        Self { first_step: first_step(&state, plan, controls, *now), approvals: approvals(state, plan, *now) }
    }
}

/// A run under this plan, with nothing done.
pub fn just_opened(
    plan: &Plan,
    calendar: &Calendar,
    cluster: &Cluster,
    policy: &Policy,
    now: Timestamp,
) -> Option<RunState> {
    let release = calendar.get(plan.from);
    let support_ends = release
        .and_then(|release| release.standard_until.filter(|until| *until > now).or(release.extended_until));
    let opened = Opened {
        cluster: cluster.arn.clone(),
        cluster_created_at: cluster.created_at,
        from: plan.from,
        target: plan.target,
        policy: policy.clone(),
        campaign: None,
        reason: None,
        support_ends,
        roll_back: plan.rolls_back.is_some(),
        launch_templates: BTreeMap::new(),
        harm: None,
    };
    let run: RunId = format!("{}-{}-plan", cluster.arn.name, plan.target).parse().ok()?;
    Some(RunState {
        run,
        seq: 0,
        hash: String::new(),
        opened,
        opened_at: now,
        updated_at: now,
        changed_at: None,
        plan: Some(plan.clone()),
        steps: BTreeMap::new(),
        foreign: BTreeMap::new(),
        overdue: BTreeSet::new(),
        approvals: BTreeMap::new(),
        paused: None,
        vitals: None,
        worse_since: None,
        left_paused: None,
        called_off: None,
        touched: false,
        ended: None,
    })
}

fn first_step(state: &RunState, plan: &Plan, controls: &Controls, now: Timestamp) -> Option<FirstStep> {
    let step = plan.steps().find(|step| step.kind.work().is_some())?;
    // Who takes a control plane back consents to it, and is not held by windows.
    if plan.rolls_back.is_some() {
        return Some(FirstStep::Now);
    }
    // The switch and the approvals are shown separately.
    let mut unasked = state.clone();
    unasked.opened.policy.approvals.clear();
    let unswitched = Controls { switch: None, ..controls.clone() };
    Some(match hold(&unasked, step, &unswitched, now) {
        Some(Hold::Until { seconds, text, .. }) => FirstStep::Later { at: later(now, seconds), text },
        Some(Hold::Never { message, .. }) => FirstStep::Never { text: message },
        Some(Hold::Approval { .. } | Hold::PlanAgain { .. }) | None => FirstStep::Now,
    })
}

/// Says yes to each question in turn, and so comes to know them all.
fn approvals(mut state: RunState, plan: &Plan, now: Timestamp) -> Vec<Wanted> {
    let Ok(by) = "eks-upgrade-plan".parse::<Principal>() else { return Vec::new() };
    state.opened.policy.schedule = Schedule::default();
    let mut wanted = Vec::new();
    for step in plan.steps() {
        while let Some(Hold::Approval { id, before, expires }) = hold(&state, step, &Controls::default(), now)
        {
            state.approvals.insert(id, Standing::Approved { by: by.clone() });
            wanted.push(Wanted { before, expires });
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::proposal;

    fn of(policy: &str) -> Ahead {
        Ahead::of(&proposal(policy))
    }

    #[test]
    fn without_windows_it_starts_at_once_and_nobody_is_asked() {
        assert_eq!(of(""), Ahead { first_step: Some(FirstStep::Now), approvals: Vec::new() });
    }

    #[test]
    fn the_first_step_waits_for_its_window() {
        let ahead = of("windows: [{days: [sat], start: \"22:00\", duration: 4h, timeZone: Europe/Berlin}]");
        let Some(FirstStep::Later { at, text }) = ahead.first_step else { panic!("{ahead:?}") };
        assert_eq!(at, "2026-11-28T21:00:00Z".parse().unwrap());
        assert!(text.contains("outside every maintenance window"), "{text}");
        let frozen = of("freezes: [{name: ever, scope: everything, from: 2026-01-01, until: 2099-01-01}]");
        assert!(matches!(frozen.first_step, Some(FirstStep::Never { .. })), "{frozen:?}");
    }

    #[test]
    fn every_yes_that_is_wanted_is_known_beforehand_though_the_window_is_closed() {
        let ahead = of("approvals: [{before: run, expires: 3d}, {before: step}, {before: campaign}]\n\
             windows: [{days: [sat], start: \"22:00\", duration: 4h}]");
        let wanted: Vec<_> = ahead.approvals.iter().map(|wanted| wanted.before.as_str()).collect();
        assert_eq!(wanted, ["upgrade of prod-a to 1.35", "control plane 1.34 → 1.35 of prod-a"]);
        assert_eq!(ahead.approvals[0].expires.as_hours(), 72);
    }
}
