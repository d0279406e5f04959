//! What a run waits for besides EKS: people, windows, bakes, the kill switch.

use eks_upgrade_core::command;
use eks_upgrade_core::decide::WaitFor;
use eks_upgrade_core::ids::ApprovalId;
use eks_upgrade_core::ledger::{Phase, RunState, Standing};
use eks_upgrade_core::plan::{Plan, StepKind};
use eks_upgrade_core::waits::{later, seconds_between};
use jiff::Timestamp;
use serde::Serialize;

use crate::show;

/// One thing that a run waits for.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// What for: `Approval`, or a wait of the state machines.
    wait_for: String,
    /// Until when at the latest, where that is known.
    until: Option<Timestamp>,
    /// The question, with `Approval`.
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<ApprovalId>,
    /// In words.
    pub text: String,
}

/// All that `state` waits for, people first.
pub fn waiting(state: &RunState, now: Timestamp) -> Vec<Waiting> {
    if state.ended.is_some() {
        return Vec::new();
    }
    questions(state, now).chain(paused(state, now)).chain(bakes(state, now)).collect()
}

fn questions(state: &RunState, now: Timestamp) -> impl Iterator<Item = Waiting> {
    state.approvals.iter().filter_map(move |(id, standing)| {
        let Standing::Asked { before, expires_at } = standing else { return None };
        let left = show::until(now, *expires_at);
        Some(Waiting {
            wait_for: "Approval".into(),
            until: Some(*expires_at),
            approval: Some(id.clone()),
            text: format!("waits for a yes ({}) to {before}, {left} left", command::approve(id)),
        })
    })
}

fn paused(state: &RunState, now: Timestamp) -> Option<Waiting> {
    let (wait_for, until) = state.paused?;
    let text = match (wait_for, until) {
        (WaitFor::KillSwitch, _) => {
            format!("held by the kill switch ({})", command::LIFT)
        }
        (WaitFor::Window, Some(until)) if until > now => {
            let left = show::until(now, until);
            format!("waits for a maintenance window until {} UTC, {left} left", show::minute(until))
        }
        (WaitFor::Window, Some(_)) => "its maintenance window is open".to_owned(),
        (WaitFor::Window, None) => "waits for a maintenance window".to_owned(),
        (WaitFor::Recovery, _) => "waits for nodes and pods to do as well as before the start".to_owned(),
        // Other waits are not recorded as pauses.
        _ => return None,
    };
    Some(Waiting { wait_for: format!("{wait_for:?}"), until, approval: None, text })
}

fn bakes(state: &RunState, now: Timestamp) -> impl Iterator<Item = Waiting> {
    state.plan.iter().flat_map(Plan::steps).filter_map(move |step| {
        let StepKind::Bake { duration_s } = step.kind else { return None };
        let Some(Phase::Baking { since }) = state.steps.get(&step.id).map(|progress| &progress.phase) else {
            return None;
        };
        let until = later(*since, duration_s);
        let text = if seconds_between(*since, now) < duration_s {
            format!("bakes, {} left", show::until(now, until))
        } else {
            "has baked, and waits for what the gates look at".to_owned()
        };
        Some(Waiting { wait_for: "Bake".into(), until: Some(until), approval: None, text })
    })
}

#[cfg(test)]
mod tests {
    use eks_upgrade_core::ledger::{Ending, Progress};

    use super::*;
    use crate::samples::{now, run};

    fn words(state: &RunState) -> Vec<String> {
        waiting(state, now()).into_iter().map(|waiting| waiting.text).collect()
    }

    #[test]
    fn a_question_is_told_with_the_command_that_answers_it() {
        let mut state = run();
        assert!(words(&state).is_empty());
        let before = "upgrade of prod-a to 1.35".to_owned();
        let asked = Standing::Asked { before, expires_at: later(now(), 3_900) };
        state.approvals.insert("ap-5f0c2a91d3e4".parse().unwrap(), asked);
        let expected = "waits for a yes (eks-upgrade approve ap-5f0c2a91d3e4 --reason \"...\") to upgrade of \
                        prod-a to 1.35, 1h 05m left";
        assert_eq!(words(&state), [expected]);
        let json = serde_json::to_value(waiting(&state, now())).unwrap();
        assert_eq!(
            (&json[0]["waitFor"], &json[0]["approval"]),
            (&"Approval".into(), &"ap-5f0c2a91d3e4".into())
        );
        state.ended = Some(Ending::Completed);
        assert!(words(&state).is_empty());
    }

    #[test]
    fn windows_and_the_kill_switch_are_told() {
        let mut state = run();
        // Counted in seconds from a moment within one: a part of a second short of the opening.
        state.paused = Some((WaitFor::Window, Some("2026-11-28T20:59:59.3Z".parse().unwrap())));
        assert_eq!(words(&state), ["waits for a maintenance window until 2026-11-28 21:00 UTC, 4d 10h left"]);
        state.paused = Some((WaitFor::KillSwitch, None));
        assert!(words(&state)[0].contains("eks-upgrade kill-switch lift"));
    }

    #[test]
    fn a_bake_is_told_with_what_is_left_of_it() {
        let mut state = run();
        let progress = |since| Progress::new(Phase::Baking { since });
        state.steps.insert("1.35/bake".parse().unwrap(), progress(now()));
        assert_eq!(words(&state), ["bakes, 2h 00m left"]);
        let earlier = now().checked_sub(jiff::SignedDuration::from_hours(3)).unwrap();
        state.steps.insert("1.35/bake".parse().unwrap(), progress(earlier));
        assert!(words(&state)[0].contains("the gates look at"));
    }
}
