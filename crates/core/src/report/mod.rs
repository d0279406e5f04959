//! What people are told: what happened, what is wanted of whom, until when, and how.

mod campaign;

pub use campaign::{of_campaign_end, of_campaign_question, of_campaign_stop, of_campaign_switch, of_soak};

use jiff::Timestamp;

use crate::command;
use crate::contract::Notification;
use crate::finding::{Finding, Level};
use crate::ids::UpdateId;
use crate::ledger::RunState;
use crate::news::{Cost, FINDINGS_LISTED_MAX, Question, WayBack};
use crate::plan::Plan;
use crate::screen::{LeftAlone, LeftAloneCode};
use crate::version::Minor;
use crate::waits::seconds_between;

/// How many clusters left alone a message, and an execution's input, list: both hold at most 256 KiB, and
/// nobody reads further.
pub const LISTED_MAX: usize = 200;

/// SNS takes subjects of up to 100 ASCII characters without line breaks.
const SUBJECT_CHARS_MAX: usize = 100;

/// The command that takes the control plane of the run's cluster back.
#[must_use]
pub fn roll_back_command(state: &RunState) -> String {
    command::roll_back(&state.opened.cluster.name)
}

/// The command that starts what the run was to do again.
fn again_command(state: &RunState) -> String {
    let opened = &state.opened;
    if opened.roll_back {
        return roll_back_command(state);
    }
    command::start(&opened.cluster.name, opened.target)
}

/// The message about a plan that may not be carried out.
#[must_use]
pub fn of_block(state: &RunState, plan: &Plan) -> Notification {
    let name = &state.opened.cluster.name;
    let way = if plan.rolls_back.is_some() { "way back" } else { "upgrade" };
    let mut lines = vec![about(state), format!("The {way} to {} is blocked, and the run ends.", plan.target)];
    lines.extend(plan.rolls_back.as_ref().map(|because| format!("It was to go back: {}.", because.message)));
    lines.extend(state.touched.then(|| {
        format!(
            "The control plane is at {}; what was done so far stays, and nothing further is started.",
            plan.from
        )
    }));
    lines.extend(listed(plan.blocks()));
    let to = if plan.rolls_back.is_some() { roll_back_command(state) } else { again_command(state) };
    lines.push(format!("Wanted of the cluster's owner: settle what is named above, then {to}"));
    if plan.blocks().any(|finding| finding.code.may_be_overridden()) {
        lines.push(format!("What may be overridden: {}", command::consent(name, "override FINDING")));
    }
    lines.extend(deadline(state));
    told(state, &format!("{name}: {way} to {} is blocked", plan.target), lines)
}

/// The message that asks for a yes.
#[must_use]
pub fn of_question(state: &RunState, question: &Question) -> Notification {
    let Question { id, before, expires_at, how } = question;
    let lines = vec![
        about(state),
        format!("A person's yes is wanted before: {before}."),
        format!("Until {}: no answer by then counts as a no, and the run stops.", minute(*expires_at)),
        format!("Yes: {how}"),
        format!("No:  {}", command::reject(id)),
    ];
    told(state, &format!("approval wanted before {before}"), lines)
}

/// The message about a run that the kill switch holds.
#[must_use]
pub fn of_switch(state: &RunState, text: &str) -> Notification {
    let mut lines = vec![
        about(state),
        format!("Nothing is started: {text}."),
        "What EKS has begun goes on, and is watched to its end.".into(),
        format!("Wanted of whoever threw it: lift it once that is safe, {}", command::LIFT),
        "The run goes on by itself within 15 minutes of that.".into(),
    ];
    lines.extend(paused(state));
    lines.extend(deadline(state));
    told(state, &format!("{} waits for the kill switch", state.opened.cluster.name), lines)
}

/// The message about an update that takes longer than it ever should.
#[must_use]
pub fn of_overdue(state: &RunState, what: &str, update: &UpdateId, since: Timestamp) -> Notification {
    let mut lines = vec![
        about(state),
        format!("{what}: update {update} runs since {}, longer than it ever should.", minute(since)),
        "It is watched to its end, and nothing that has to come after it is started.".into(),
        "Wanted of the cluster's owner: see in the EKS console whose it is and what holds it; ask AWS Support if nothing \
         does."
            .into(),
    ];
    lines.extend(deadline(state));
    told(state, &format!("{} waits for an overdue update", state.opened.cluster.name), lines)
}

/// The message about a window that opens only after the end of support.
#[must_use]
pub fn of_late_window(state: &RunState, text: &str, until: Option<Timestamp>, cost: &Cost) -> Notification {
    let name = &state.opened.cluster.name;
    let mut lines = vec![
        about(state),
        format!("Nothing is started: {text}."),
        format!(
            "Support of {} ends on {}, before that. What passes it costs ${:.0} a day, ${:.0} in all.",
            state.opened.from,
            day(cost.support_ends),
            cost.usd_per_day,
            cost.usd
        ),
        format!(
            "Wanted of the cluster's owner, by {}: a window that opens earlier, or endOfSupport.wins: deadline, \
             in the policy; then start it again: {}",
            day(cost.support_ends),
            again_command(state)
        ),
    ];
    lines.extend(until.map(|until| format!("Else nothing is wanted: it goes on at {}.", minute(until))));
    told(state, &format!("{name} waits past the end of support"), lines)
}

/// The message about a run that went through.
#[must_use]
pub fn of_completion(state: &RunState, way_back: Option<&WayBack>) -> Notification {
    let opened = &state.opened;
    let mut lines =
        vec![about(state), format!("Every step is done and verified, in {} min.", minutes(state))];
    lines.extend(paused(state));
    let open = open_findings(state);
    if open.is_empty() && state.paused_autoscaler().is_none() {
        lines.push("Nothing is wanted of anybody.".into());
    } else {
        lines.push("Wanted of the cluster's owner:".into());
        lines.extend(open);
    }
    let stands = opened.harm.as_ref().filter(|harm| harm.target > opened.target);
    lines.extend(stands.map(|harm| {
        let again = command::start(&opened.cluster.name, harm.target);
        format!("The failure of run {} still holds its ring back, until this completes: {again}", harm.run)
    }));
    lines.extend(way_back.map(|WayBack { to, until, how }| {
        format!(
            "EKS can take the control plane back to {to} until {}, as long as no node is newer: {how}",
            minute(*until)
        )
    }));
    told(state, &format!("{} is at {}", opened.cluster.name, opened.target), lines)
}

/// The message about a control plane that was taken back.
#[must_use]
pub fn of_return(state: &RunState, to: Minor, code: &str, message: &str, next_action: &str) -> Notification {
    let name = &state.opened.cluster.name;
    let mut lines = vec![
        about(state),
        format!("The control plane went back to {to}, because of {code}: {message}."),
        format!("Wanted of the cluster's owner: {next_action}."),
    ];
    lines.extend(deadline(state));
    told(state, &format!("{name} was rolled back to {to}: {code}"), lines)
}

/// The message about a run that stopped.
#[must_use]
pub fn of_halt(state: &RunState, code: &str, message: &str, next_action: &str, begun: bool) -> Notification {
    let name = &state.opened.cluster.name;
    let changed = if begun {
        "What was done so far stays; nothing further is started."
    } else {
        "Nothing of the cluster was changed."
    };
    let mut lines = vec![
        about(state),
        format!("Stopped with {code}: {message}."),
        changed.into(),
        format!("Wanted of the cluster's owner: {next_action}."),
        format!("Starting again: {}", again_command(state)),
    ];
    lines.extend(deadline(state));
    lines.extend(open_findings(state));
    told(state, &format!("{name} upgrade stopped: {code}"), lines)
}

fn told(state: &RunState, what: &str, mut lines: Vec<String>) -> Notification {
    lines.push(format!("Every step: eks-upgrade history {}", state.run));
    Notification { subject: subject(&format!("eks-upgrade: {what}")), message: lines.join("\n") }
}

fn about(state: &RunState) -> String {
    let opened = &state.opened;
    let because = opened.reason.as_ref().map_or_else(String::new, |why| format!(" Started because: {why}."));
    format!(
        "Cluster {} ({}), run {}, {} to {}.{because}",
        opened.cluster.name, opened.cluster, state.run, opened.from, opened.target
    )
}

fn minutes(state: &RunState) -> u32 {
    seconds_between(state.opened_at, state.updated_at) / 60
}

/// What is paused in the cluster as long as the run does not go on, and how a person puts it back.
fn paused(state: &RunState) -> Option<String> {
    let paused = state.paused_autoscaler()?;
    Some(format!("{}. To put it back by hand: {}", paused.in_words(), paused.restore_command()))
}

/// Until when it matters, where the ledger knows.
fn deadline(state: &RunState) -> Option<String> {
    let opened = &state.opened;
    let past = state.plan.as_ref().is_some_and(|plan| plan.from > opened.from);
    let ends = opened.support_ends.filter(|_| !opened.roll_back && !past)?;
    Some(format!("Until: support of {} ends on {}.", opened.from, day(ends)))
}

/// The findings of the plan that somebody should do something about.
fn open_findings(state: &RunState) -> Vec<String> {
    let findings = state.plan.iter().flat_map(|plan| &plan.findings);
    listed(findings.filter(|finding| finding.level > Level::Pass))
}

fn listed<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<String> {
    let in_words = |finding: &Finding| {
        let Finding { code, subject, message, next_action, .. } = finding;
        format!("- {code} {subject}: {message}. {next_action}").trim_end().to_owned()
    };
    findings.take(FINDINGS_LISTED_MAX).map(in_words).collect()
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The message about clusters that a notice or the sweep points at and that are not upgraded; `None` when
/// there is nobody to tell anything.
#[must_use]
pub fn of_left_alone(left_alone: &[LeftAlone]) -> Option<Notification> {
    let telling: Vec<&LeftAlone> = left_alone.iter().filter(|left| wants_a_person(left.code)).collect();
    if telling.is_empty() {
        return None;
    }
    let listed = telling.iter().take(LISTED_MAX);
    let mut lines: Vec<String> = listed.map(|left| format!("{}: {}", left.cluster, left.text)).collect();
    if let Some(more) = telling.len().checked_sub(LISTED_MAX).filter(|more| *more > 0) {
        lines.push(format!("And {more} more; the campaign's record has them."));
    }
    Some(Notification {
        subject: subject(&format!(
            "eks-upgrade: {} cluster(s) that need an upgrade are left alone",
            telling.len()
        )),
        message: lines.join("\n"),
    })
}

/// Whether somebody may want to do something about it.
#[must_use]
pub fn wants_a_person(code: LeftAloneCode) -> bool {
    match code {
        LeftAloneCode::NotOptedIn
        | LeftAloneCode::NoTarget
        | LeftAloneCode::RunInterrupted
        | LeftAloneCode::HaltedBefore
        | LeftAloneCode::NotActive
        | LeftAloneCode::InvalidTags
        | LeftAloneCode::EarlierRingFailed => true,
        LeftAloneCode::NotDue
        | LeftAloneCode::RunInProgress
        | LeftAloneCode::InCampaign
        | LeftAloneCode::NotFound
        | LeftAloneCode::NotOurs => false,
    }
}

fn subject(text: &str) -> String {
    text.replace('→', "to")
        .chars()
        .filter(|c| c.is_ascii() && !c.is_control())
        .take(SUBJECT_CHARS_MAX)
        .collect()
}
