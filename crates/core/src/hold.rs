//! What holds a step that is otherwise ready: the kill switch, the schedule, a person's yes.
//!
//! Asked when deciding, and again in the moment of acting. Where several hold, the first in this order is named.

use jiff::{SignedDuration, Timestamp};

use crate::calendar::EXTENDED_SUPPORT_USD_PER_HOUR;
use crate::command;
use crate::control::{ConsentScope, Controls};
use crate::decide::WaitFor;
use crate::finding::{Code, Finding};
use crate::ids::ApprovalId;
use crate::ledger::{Opened, RunState, Standing};
use crate::plan::{Step, StepKind};
use crate::policy::{ApprovalRule, Before, Wins};
use crate::waits::seconds_between;
use crate::window::Admission;

/// Why a step may not start now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Look again after this.
    Until {
        /// What for.
        wait_for: WaitFor,
        /// How long, in seconds; at least 1.
        seconds: u32,
        /// In words.
        text: String,
    },
    /// A person has to say yes.
    Approval {
        /// The question.
        id: ApprovalId,
        /// Before what, in words.
        before: String,
        /// How long it stays open from when it is asked.
        expires: SignedDuration,
    },
    /// It will never start.
    Never {
        /// Why, as a name.
        code: &'static str,
        /// Why, in words.
        message: String,
        /// The next safe thing to do.
        next_action: String,
    },
    /// The plan that it stands in does not hold any more, and another has to be made first.
    PlanAgain {
        /// Why.
        reason: String,
    },
}

/// What holds for longer than this, in seconds, is long: Cluster Autoscaler is not kept paused for it.
const LONG_S: u32 = 300;

impl Hold {
    /// Whether it lasts for longer than some minutes. What nodes and pods need to recover may be short, and the kill
    /// switch keeps even what would put things back.
    #[must_use]
    pub fn is_long(&self) -> bool {
        match self {
            Self::Until { wait_for: WaitFor::Window, seconds, .. } => *seconds > LONG_S,
            Self::Until { .. } | Self::PlanAgain { .. } => false,
            Self::Approval { .. } | Self::Never { .. } => true,
        }
    }
}

/// Whether the step is of the way back, and somebody consented to that.
fn wanted_by_a_person(step: &Step, controls: &Controls, now: Timestamp) -> bool {
    let back = matches!(step.kind, StepKind::RollBack { .. } | StepKind::SupportType {});
    back && controls.consent(&ConsentScope::RollBack, now).is_some()
}

/// A way back that a person asked for is theirs to call off: without their consent, by now, it is not taken.
fn unconsented(state: &RunState, step: &Step, controls: &Controls, now: Timestamp) -> Option<Hold> {
    let never = |what: &str| {
        Some(Hold::Never {
            code: "ConsentWanted",
            message: format!("{}: the consent {what} has ended", step.kind),
            next_action: format!("start it anew: {}", command::roll_back(&state.opened.cluster.name)),
        })
    };
    let overridden = ConsentScope::Override { finding: Code::RollBackInsight, subject: None };
    match &step.kind {
        StepKind::RollBack { force: true, .. } if !controls.overrides(Code::RollBackInsight, now) => {
            never(&format!("to {overridden}"))
        }
        StepKind::RollBack { .. } | StepKind::SupportType {}
            if state.opened.roll_back && !wanted_by_a_person(step, controls, now) =>
        {
            never("to it")
        }
        _ => None,
    }
}

/// How often a thrown kill switch is looked at again, in seconds: lifting it should not take long to be seen.
const SWITCH_PAUSE_S: u32 = 60;
/// The longest such pause: a switch that stays thrown for days is not worth a look a minute.
const SWITCH_PAUSE_S_MAX: u32 = 900;

/// What holds `step` at `now`; `None` when nothing does.
#[must_use]
pub fn hold(state: &RunState, step: &Step, controls: &Controls, now: Timestamp) -> Option<Hold> {
    step.kind.work()?;
    switched_off(controls, now)
        .or_else(|| unconsented(state, step, controls, now))
        .or_else(|| worse(state, step, controls, now))
        .or_else(|| of_an_earlier_minor(state, step))
        .or_else(|| scheduled(state, step, controls, now))
        .or_else(|| unapproved(state, step, controls, now))
        .or_else(|| outdated(state, step, controls, now))
}

/// EKS's insights are about the next minor: each hop goes by a plan that was made right below it. Its first step waits for
/// that, before a window or an answer is waited for, so that what stands against the hop is known early.
fn of_an_earlier_minor(state: &RunState, step: &Step) -> Option<Hold> {
    let plan = state.plan.as_ref()?;
    let hop = plan.hops.iter().find(|hop| hop.steps.iter().any(|other| other.id == step.id))?;
    let from = hop.steps.iter().find_map(|step| match step.kind {
        StepKind::ControlPlane { from, .. } => Some(from),
        _ => None,
    })?;
    let made_at = plan.from;
    (made_at < from).then(|| Hold::PlanAgain {
        reason: format!("the plan was made at {made_at}, and EKS's insights are about the next minor alone"),
    })
}

/// How old a plan may be that takes a control plane up, in seconds: EKS makes its insights anew once a day.
const PLAN_FRESH_S: u32 = 24 * 3600;

/// A control plane goes up on what was found when that was planned: not when it was long ago, as the run waited for a
/// window or an answer, and not when somebody let a finding pass and has taken that back since, or let it expire.
fn outdated(state: &RunState, step: &Step, controls: &Controls, now: Timestamp) -> Option<Hold> {
    let StepKind::ControlPlane { .. } = step.kind else { return None };
    let plan = state.plan.as_ref()?;
    let overridden = |finding: &&Finding| finding.overridden_by.is_some();
    let passes_no_longer = |finding: &&Finding| controls.overriding(finding, now).is_none();
    if let Some(finding) = plan.findings.iter().filter(overridden).find(passes_no_longer) {
        let Finding { code, subject, .. } = finding;
        return Some(Hold::PlanAgain {
            reason: format!("the consent to override {code} on {subject} has ended"),
        });
    }
    let age_s = seconds_between(plan.made_at, now);
    (age_s > PLAN_FRESH_S).then(|| Hold::PlanAgain {
        reason: format!("the plan is {} hours old, and what it found may hold no more", age_s / 3600),
    })
}

/// The hold of a thrown kill switch.
pub(crate) fn switched_off(controls: &Controls, now: Timestamp) -> Option<Hold> {
    let switch = controls.thrown()?;
    // The pause grows with the time since, as for any other wait.
    let seconds = (seconds_between(switch.at, now) / 20).clamp(SWITCH_PAUSE_S, SWITCH_PAUSE_S_MAX);
    let text = format!("the kill switch, thrown by {} ({})", switch.by, switch.reason);
    Some(Hold::Until { wait_for: WaitFor::KillSwitch, seconds, text })
}

/// How often nodes and pods that do worse than before are looked at, in seconds.
const RECOVERY_PAUSE_S: u32 = 60;
/// For how long their recovery is waited for, in seconds: what takes longer needs a person.
const RECOVERY_S: u32 = 3600;

/// While nodes and pods do worse than before the start nothing further begins; the way back is not held by it.
fn worse(state: &RunState, step: &Step, controls: &Controls, now: Timestamp) -> Option<Hold> {
    let since = state.worse_since?;
    let back = matches!(step.kind, StepKind::RollBack { .. } | StepKind::SupportType {});
    if back || controls.overrides(Code::WorkloadsWorse, now) {
        return None;
    }
    let before = state.plan.as_ref()?.baseline.vitals.as_ref()?;
    let text = state.vitals.as_ref()?.0.worse_than(before).join("; ");
    let name = &state.opened.cluster.name;
    if seconds_between(since, now) > RECOVERY_S {
        return Some(Hold::Never {
            code: "WorkloadsWorse",
            message: format!(
                "{}: for an hour the cluster does worse than before the start: {text}",
                step.kind
            ),
            next_action: format!(
                "mend it and start again, go on all the same ({}), or go back ({})",
                command::consent(name, "override workloads-worse"),
                command::roll_back(name)
            ),
        });
    }
    Some(Hold::Until {
        wait_for: WaitFor::Recovery,
        seconds: RECOVERY_PAUSE_S,
        text: format!("the cluster to do as well as before the start: {text}"),
    })
}

/// The longest single sleep, in seconds: Step Functions waits for a year at most.
const SLEEP_S_MAX: u32 = 300 * 24 * 3600;
/// How often a way back that waits for a window is looked at, in seconds.
const WAY_BACK_SLEEP_S: u32 = 600;

fn scheduled(state: &RunState, step: &Step, controls: &Controls, now: Timestamp) -> Option<Hold> {
    let policy = &state.opened.policy;
    // Who consents to the way back wants it now.
    if wanted_by_a_person(step, controls, now) {
        return None;
    }
    let needs = SignedDuration::from_secs(i64::from(step.span.p95_s));
    let back = matches!(step.kind, StepKind::RollBack { .. } | StepKind::SupportType {});
    let until = |at: Timestamp, text: String| {
        // A consent that lets the way back go at once is not to be slept through.
        let longest_s = if back { WAY_BACK_SLEEP_S } else { SLEEP_S_MAX };
        let seconds = seconds_between(now, at).clamp(1, longest_s);
        let at_once = || command::consent(&state.opened.cluster.name, "roll-back");
        let text = if back { format!("{text}; at once by {}", at_once()) } else { text };
        Hold::Until { wait_for: WaitFor::Window, seconds, text }
    };
    match policy.schedule.admits(step.kind.work()?, needs, now) {
        Admission::Open { .. } => None,
        Admission::Closed { opens, why } => match override_at(state, Some(opens)) {
            Some(at) if at <= now => None,
            Some(at) => Some(until(at, format!("{why}; {}", ahead_of_time(&state.opened, at)))),
            None => Some(until(opens, format!("{why}; next at {}{}", minute(opens), cost(state, opens)))),
        },
        Admission::Never { why } => match override_at(state, None) {
            Some(at) if at <= now => None,
            Some(at) => Some(until(at, format!("{why}; {}", ahead_of_time(&state.opened, at)))),
            None => Some(Hold::Never {
                code: "NoWindow",
                message: format!("{}: {why}", step.kind),
                next_action:
                    "widen the cluster's windows in the policy, or lift the freeze, then start again".into(),
            }),
        },
    }
}

/// From when on the schedule does not bind, because support would end before it opens: always earlier than that.
/// Only for what leaves the minor that expires.
fn override_at(state: &RunState, opens: Option<Timestamp>) -> Option<Timestamp> {
    let ends = expiry(state)?;
    let policy = &state.opened.policy;
    let late = opens.is_none_or(|opens| opens > ends);
    let notice = SignedDuration::from_hours(24 * i64::from(policy.end_of_support.notice_days));
    (late && policy.end_of_support.wins == Wins::Deadline).then(|| ends.checked_sub(notice).ok())?
}

/// When support of the cluster's minor ends; `None` once the control plane is past it: there is no hurry any more.
fn expiry(state: &RunState) -> Option<Timestamp> {
    let plan = state.plan.as_ref()?;
    let gone = |step: &Step| matches!(step.kind, StepKind::ControlPlane { .. }) && state.is_done(&step.id);
    let past = plan.from > state.opened.from || plan.steps().any(gone);
    state.opened.support_ends.filter(|_| !past)
}

fn ahead_of_time(opened: &Opened, at: Timestamp) -> String {
    let ends = opened.support_ends.map_or_else(String::new, |ends| format!(" on {}", day(ends)));
    format!(
        "support of {} ends{ends} before it opens: by policy the upgrade goes ahead at {}",
        opened.from,
        minute(at)
    )
}

/// What waiting past the end of support costs, in words; empty where it does not come to that.
fn cost(state: &RunState, opens: Timestamp) -> String {
    let opened = &state.opened;
    match expiry(state) {
        Some(ends) if opens > ends => {
            let hours = opens.duration_since(ends).as_secs_f64() / 3600.0;
            format!(
                ". Support of {} ends on {}: waiting costs ${:.0} of extended support (${:.0} a day)",
                opened.from,
                day(ends),
                hours * EXTENDED_SUPPORT_USD_PER_HOUR,
                24.0 * EXTENDED_SUPPORT_USD_PER_HOUR,
            )
        }
        _ => String::new(),
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The first yes that is wanted before `step` and not there.
/// Asked for also while a window is waited for: nobody is awake when it opens.
pub(crate) fn unapproved(state: &RunState, step: &Step, controls: &Controls, now: Timestamp) -> Option<Hold> {
    let consented = wanted_by_a_person(step, controls, now);
    state.opened.policy.approvals.iter().find_map(|rule| {
        // Whoever consents to the way back has said the run's yes with it.
        let before =
            wanted_before(state, step, rule).filter(|_| !(consented && rule.before == Before::Run))?;
        let id = ApprovalId::of(state.run.as_str(), &before);
        match state.approvals.get(&id) {
            Some(Standing::Approved { .. }) => None,
            Some(Standing::Rejected { by, reason }) => Some(Hold::Never {
                code: "Rejected",
                message: format!("{before}: rejected by {by}: {reason}"),
                next_action: "settle it with whoever said no, then start again".into(),
            }),
            Some(Standing::Expired) => Some(Hold::Never {
                code: "ApprovalExpired",
                message: format!("{before}: nobody answered {id} in time"),
                next_action: "start again, and answer with eks-upgrade approve".into(),
            }),
            None | Some(Standing::Asked { .. }) => Some(Hold::Approval { id, before, expires: rule.expires }),
        }
    })
}

/// Before what the rule wants a yes here, in words; `None` where it wants none.
fn wanted_before(state: &RunState, step: &Step, rule: &ApprovalRule) -> Option<String> {
    let cluster = &state.opened.cluster.name;
    match rule.before {
        Before::Run => Some(format!("upgrade of {cluster} to {}", state.opened.target)),
        Before::Step => {
            let named = rule.steps.is_empty() || rule.steps.contains(&step.kind.name()?);
            named.then(|| format!("{} of {cluster}", step.kind))
        }
        Before::Campaign | Before::Ring => None,
    }
}
