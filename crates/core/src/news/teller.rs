//! Reading news off the lines of a run.
//!
//! A line makes at most one piece of news. What is planned, paused or done is an event; a person is told only of
//! what is wanted of them, and of how a run ended.

use jiff::Timestamp;

use super::detail::{
    About, ApprovalWanted, Blocked, ClusterRef, Completed, Cost, Failed, NewsDetail, Overdue, Paused,
    Planned, Question, RolledBack, Started, StepDone, StepFailed, StepRef, WayBack, What,
};
use super::{Detail, FINDINGS_LISTED_MAX, News, NewsKind};
use crate::calendar::EXTENDED_SUPPORT_USD_PER_HOUR;
use crate::cluster::Resource;
use crate::command;
use crate::contract::Notification;
use crate::decide::WaitFor;
use crate::finding::{Finding, Level};
use crate::ids::{StepId, UpdateId};
use crate::ledger::{Ending, Entry, Event, LedgerError, RunState, Sealed};
use crate::plan::{Plan, Step, StepKind};
use crate::remedy::{Failure, Remedy, SUPERSEDED};
use crate::report;
use crate::version::Minor;
use crate::waits::seconds_between;
use crate::way_back::TAKEN_BACK_FOR;

/// All news of a run, from all its lines.
pub fn of_run(lines: &[Sealed]) -> Result<Vec<News>, LedgerError> {
    let mut teller = Teller::default();
    let mut news = Vec::new();
    for line in lines {
        news.extend(teller.take(line)?);
    }
    Ok(news)
}

/// Takes the lines of one run, in order, and makes news of them.
#[derive(Debug, Default)]
pub struct Teller {
    state: Option<RunState>,
    past: Past,
}

/// What news need of earlier lines that the state does not keep.
#[derive(Debug, Default)]
struct Past {
    /// Whether a change was begun.
    begun: bool,
    /// When the upgrade of the control plane began that was the last to end well, and from which minor.
    upgraded: Option<(Minor, Timestamp)>,
    /// When the upgrade that is in flight began.
    upgrading_since: Option<Timestamp>,
    /// The newest minor that a node group was brought to.
    nodes_at: Option<Minor>,
}

impl Teller {
    /// Takes the next line.
    pub fn take(&mut self, line: &Sealed) -> Result<Option<News>, LedgerError> {
        let state = RunState::extend(self.state.take(), line)?;
        let entry = line.open()?;
        self.past.learn(&state, &entry);
        let news = of_line(&state, &entry, &self.past);
        self.past.begun |= matches!(entry.event, Event::Started { .. });
        self.state = Some(state);
        Ok(news)
    }
}

impl Past {
    fn learn(&mut self, state: &RunState, entry: &Entry) {
        match &entry.event {
            Event::Started { step, .. } if upgrade_of(state, step).is_some() => {
                self.upgrading_since = Some(entry.at);
            }
            Event::Succeeded { step, .. } => {
                if let (Some(from), Some(since)) = (upgrade_of(state, step), self.upgrading_since) {
                    self.upgraded = Some((from, since));
                }
                self.nodes_at = self.nodes_at.max(nodes_of(state, step));
            }
            Event::Satisfied { step, .. } => self.nodes_at = self.nodes_at.max(nodes_of(state, step)),
            _ => {}
        }
    }

    /// The way back from a run that went through. EKS takes no control plane back below its nodes.
    fn way_back(&self, state: &RunState) -> Option<WayBack> {
        let (to, since) = self.upgraded?;
        let nodes_follow = self.nodes_at.is_some_and(|minor| minor > to);
        let until = since.checked_add(TAKEN_BACK_FOR).ok().filter(|_| !nodes_follow)?;
        Some(WayBack { to, until, how: report::roll_back_command(state) })
    }
}

/// The news in a line, if there are any; `state` is what stands after it.
fn of_line(state: &RunState, entry: &Entry, past: &Past) -> Option<News> {
    let failed = |step, update, duration_s, failure| {
        step_of(state, step).map(|step| step_failed(step, update, duration_s, failure))
    };
    let done = |step, how, update, duration_s| {
        step_of(state, step).map(|step| step_done(step, how, update, duration_s))
    };
    let (kind, text, what, tell) = match &entry.event {
        Event::Planned { plan } => planned(state, plan),
        Event::ApprovalAsked { approval, before, expires_at } => {
            let how = command::approve(approval);
            let question =
                Question { id: approval.clone(), before: before.clone(), expires_at: *expires_at, how };
            asked(state, question)
        }
        Event::Started { step, update, .. } if !past.begun => started(state, step_of(state, step)?, update),
        Event::Succeeded { step, update, duration_s } => {
            done(step, "updated", Some(update), Some(*duration_s))?
        }
        Event::Satisfied { step, .. } => done(step, "satisfied", None, None)?,
        Event::Skipped { step, .. } => done(step, "skipped", None, None)?,
        Event::Verified { step, .. } => done(step, "verified", None, None)?,
        Event::Baked { step, .. } => done(step, "baked", None, None)?,
        Event::Followed { step, .. } => done(step, "followed", None, None)?,
        Event::Failed { step, update, duration_s, failure } => {
            failed(step, Some(update), Some(*duration_s), failure)?
        }
        Event::Refused { step, failure, .. }
        | Event::NotVerified { step, failure }
        | Event::GateFailed { step, failure }
        | Event::Stalled { step, failure } => failed(step, None, None, failure)?,
        // What is only not yet possible is no failure; it is looked at again.
        Event::Withheld { step, failure } if !matches!(failure.remedy, Remedy::Wait { .. }) => {
            failed(step, None, None, failure)?
        }
        Event::Paused { wait_for, text, until } => paused(state, entry.at, *wait_for, text, *until),
        Event::Overdue { step, resource, update, since } => {
            let step = step.as_ref().and_then(|id| step_of(state, id));
            overdue(state, entry.at, step, resource, update, *since)
        }
        Event::Ended(ending) => ended(state, ending, past),
        Event::Opened(_)
        | Event::Resumed { .. }
        | Event::CalledOff { .. }
        | Event::Intended { .. }
        | Event::Started { .. }
        | Event::Withheld { .. }
        | Event::BakeBegan { .. }
        | Event::FollowBegan { .. }
        | Event::FollowSeen { .. }
        | Event::Rolled { .. }
        | Event::VitalsSeen { .. }
        | Event::ApprovalAnswered { .. }
        | Event::ApprovalExpired { .. }
        | Event::ForeignUpdate { .. }
        | Event::ForeignUpdateEnded { .. } => return None,
    };
    let detail = NewsDetail { about: about(state, entry, text), what };
    Some(News { kind, detail: Detail::Run(Box::new(detail)), tell })
}

/// Kind, words, what the event has of its own, and what people are told.
type Told = (NewsKind, String, What, Option<Notification>);

fn about(state: &RunState, entry: &Entry, text: String) -> About {
    let opened = &state.opened;
    About {
        version: "1".into(),
        id: format!("{}/{}", entry.run, entry.seq),
        run: entry.run.clone(),
        at: entry.at,
        cluster: ClusterRef::of(&opened.cluster),
        from: opened.from,
        target: opened.target,
        campaign: opened.campaign.clone(),
        text,
    }
}

fn step_of<'a>(state: &'a RunState, id: &StepId) -> Option<&'a Step> {
    state.plan.as_ref()?.step(id)
}

/// The minor before, if the step is an upgrade of the control plane.
fn upgrade_of(state: &RunState, id: &StepId) -> Option<Minor> {
    match step_of(state, id)?.kind {
        StepKind::ControlPlane { from, .. } => Some(from),
        _ => None,
    }
}

/// The minor after, if the step rolls a node group.
fn nodes_of(state: &RunState, id: &StepId) -> Option<Minor> {
    match step_of(state, id)?.kind {
        StepKind::NodeGroup { to, .. } | StepKind::SelfManagedNodes { to, .. } => Some(to),
        _ => None,
    }
}

fn planned(state: &RunState, plan: &Plan) -> Told {
    let listed = |findings: &mut dyn Iterator<Item = &Finding>| -> Vec<Finding> {
        findings.take(FINDINGS_LISTED_MAX).cloned().collect()
    };
    let name = &state.opened.cluster.name;
    let blocked_by = listed(&mut plan.blocks());
    if !blocked_by.is_empty() {
        let text = format!("the plan of {name} to {} is blocked by {}", plan.target, plan.blocks().count());
        let tell = report::of_block(state, plan);
        let what = What::Blocked(Blocked { revision: plan.revision, blocked_by });
        return (NewsKind::Blocked, text, what, Some(tell));
    }
    let what = Planned {
        revision: plan.revision,
        hops: plan.hops.iter().map(|hop| hop.to).collect(),
        steps: plan.steps().count(),
        typical_s: plan.typical_s(),
        roll_back: plan.rolls_back.is_some(),
        findings: listed(&mut plan.findings.iter().filter(|finding| finding.level > Level::Pass)),
    };
    let text = format!("{name} from {} to {}: {} steps", plan.from, plan.target, what.steps);
    (NewsKind::Planned, text, What::Planned(what), None)
}

fn asked(state: &RunState, question: Question) -> Told {
    let tell = report::of_question(state, &question);
    let text = format!("a yes is wanted before: {}", question.before);
    (NewsKind::ApprovalWanted, text, What::ApprovalWanted(ApprovalWanted { approval: question }), Some(tell))
}

fn started(state: &RunState, step: &Step, update: &UpdateId) -> Told {
    let text = format!("{} begins: {}", state.opened.cluster.name, step.kind);
    let what = Started { step: StepRef::of(step), update: update.clone() };
    (NewsKind::Started, text, What::Started(what), None)
}

fn step_done(step: &Step, how: &str, update: Option<&UpdateId>, duration_s: Option<u32>) -> Told {
    let text = format!("{}: {how}", step.kind);
    let what = StepDone { step: StepRef::of(step), how: how.into(), update: update.cloned(), duration_s };
    (NewsKind::StepDone, text, What::StepDone(what), None)
}

fn step_failed(step: &Step, update: Option<&UpdateId>, duration_s: Option<u32>, failure: &Failure) -> Told {
    let text = format!("{}: {}", step.kind, failure.code);
    let what = StepFailed {
        step: StepRef::of(step),
        code: failure.code.clone(),
        message: failure.message.clone(),
        remedy: failure.remedy.clone(),
        next_action: failure.next_action.clone(),
        update: update.cloned(),
        duration_s,
    };
    (NewsKind::StepFailed, text, What::StepFailed(what), None)
}

fn paused(state: &RunState, at: Timestamp, wait_for: WaitFor, text: &str, until: Option<Timestamp>) -> Told {
    let cost = until.and_then(|until| cost(state, at, until));
    // A window that opens in time wants nobody; the kill switch was thrown by one and has to be lifted by one.
    let tell = match wait_for {
        WaitFor::KillSwitch => Some(report::of_switch(state, text)),
        _ => cost.as_ref().map(|cost| report::of_late_window(state, text, until, cost)),
    };
    (NewsKind::Paused, text.to_owned(), What::Paused(Paused { wait_for, until, cost }), tell)
}

fn overdue(
    state: &RunState,
    at: Timestamp,
    step: Option<&Step>,
    resource: &Resource,
    update: &UpdateId,
    since: Timestamp,
) -> Told {
    let what =
        step.map_or_else(|| format!("somebody else's update of {resource}"), |step| step.kind.to_string());
    let text = format!("{what}: longer than it ever should");
    let tell = report::of_overdue(state, &what, update, since);
    let what = Overdue {
        step: step.map(StepRef::of),
        resource: resource.clone(),
        update: update.clone(),
        since,
        elapsed_s: seconds_between(since, at),
    };
    (NewsKind::Overdue, text, What::Overdue(what), Some(tell))
}

/// What waiting from `at` to `until` costs past the end of support, if it passes it.
fn cost(state: &RunState, at: Timestamp, until: Timestamp) -> Option<Cost> {
    let support_ends = state.opened.support_ends.filter(|ends| until > *ends)?;
    let hours = until.duration_since(support_ends.max(at)).as_secs_f64() / 3600.0;
    Some(Cost {
        support_ends,
        usd: (hours * EXTENDED_SUPPORT_USD_PER_HOUR).round(),
        usd_per_day: 24.0 * EXTENDED_SUPPORT_USD_PER_HOUR,
    })
}

fn ended(state: &RunState, ending: &Ending, past: &Past) -> Told {
    let duration_s = seconds_between(state.opened_at, state.updated_at);
    let name = &state.opened.cluster.name;
    match ending {
        Ending::Completed => {
            let roll_back = past.way_back(state);
            let tell = report::of_completion(state, roll_back.as_ref());
            let what = What::Completed(Completed { duration_s, roll_back });
            (NewsKind::Completed, format!("{name} is at {}", state.opened.target), what, Some(tell))
        }
        Ending::RolledBack { to, code, message, next_action } => {
            let what = RolledBack {
                back_to: *to,
                code: code.clone(),
                message: message.clone(),
                next_action: next_action.clone(),
                duration_s,
            };
            let text = format!("{name} was taken back to {to}: {code}");
            let tell = report::of_return(state, *to, code, message, next_action);
            (NewsKind::RolledBack, text, What::RolledBack(what), Some(tell))
        }
        Ending::Halted { code, message, next_action } => {
            let what = Failed {
                code: code.clone(),
                message: message.clone(),
                next_action: next_action.clone(),
                duration_s,
            };
            // Of a plan that blocks people were told when it was made.
            let known = state.plan.as_ref().is_some_and(|plan| plan.blocks().next().is_some());
            // Who was called off has to ask again.
            let unasked = !known && (code != SUPERSEDED || state.called_off.is_some());
            let tell = (unasked || state.paused_autoscaler().is_some())
                .then(|| report::of_halt(state, code, message, next_action, past.begun));
            (NewsKind::Failed, format!("{name} stopped: {code}"), What::Failed(what), tell)
        }
    }
}
