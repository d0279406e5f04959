//! What people are told: short, readable, with what is wanted of whom.

use crate::contract::Notification;
use crate::finding::Level;
use crate::ledger::{Ending, RunState};
use crate::screen::{LeftAlone, LeftAloneCode};
use crate::waits::seconds_between;

/// How many clusters left alone a message, and an execution's input, list: both hold at most 256 KiB, and
/// nobody reads further.
pub const LISTED_MAX: usize = 200;

/// SNS takes subjects of up to 100 ASCII characters without line breaks.
const SUBJECT_CHARS_MAX: usize = 100;

/// The message about a run's end.
#[must_use]
pub fn of_end(state: &RunState, ending: &Ending) -> Notification {
    let opened = &state.opened;
    let name = &opened.cluster.name;
    let minutes = seconds_between(state.opened_at, state.updated_at) / 60;
    let mut lines = vec![format!(
        "Cluster {name} ({}), run {}, {} to {}, {minutes} min.",
        opened.cluster, state.run, opened.from, opened.target
    )];
    if let Some(reason) = &opened.reason {
        lines.push(format!("Started because: {reason}."));
    }
    let verb = match ending {
        Ending::Completed => {
            lines.push("Every step is done and verified.".into());
            format!("is at {}", opened.target)
        }
        Ending::RolledBack { to, code, message, next_action } => {
            lines.push(format!("The control plane went back to {to}, because of {code}: {message}."));
            lines.push(format!("Wanted of the cluster's owner: {next_action}."));
            format!("was rolled back to {to}: {code}")
        }
        Ending::Halted { code, message, next_action } => {
            lines.push(format!("Stopped with {code}: {message}."));
            lines.push(format!("Wanted of the cluster's owner: {next_action}."));
            format!("upgrade stopped: {code}")
        }
    };
    let findings = state.plan.iter().flat_map(|plan| &plan.findings);
    for finding in findings.filter(|finding| finding.level > Level::Pass) {
        lines.push(format!(
            "{} {}: {}. {}",
            finding.code, finding.subject, finding.message, finding.next_action
        ));
    }
    lines.push(format!("Every step: eks-upgrade history {}", state.run));
    Notification { subject: subject(&format!("eks-upgrade: {name} {verb}")), message: lines.join("\n") }
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
            "eks-upgrade: {} cluster(s) near the end of support are left alone",
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
        | LeftAloneCode::HaltedBefore
        | LeftAloneCode::NotActive
        | LeftAloneCode::InvalidTags => true,
        LeftAloneCode::NotDue
        | LeftAloneCode::RunInProgress
        | LeftAloneCode::NotFound
        | LeftAloneCode::NotOurs => false,
    }
}

fn subject(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii() && !c.is_control()).take(SUBJECT_CHARS_MAX).collect()
}
