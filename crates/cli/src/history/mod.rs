//! `eks-upgrade history`: the ledger of one run, in order, its chain of hashes checked.

mod verify;

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use eks_upgrade_core::control::{Answer, Answered};
use eks_upgrade_core::ledger::{Ending, Entry, Event, Opened, RunState, Sealed};
use eks_upgrade_core::plan::Plan;
use eks_upgrade_core::remedy::Failure;
use eks_upgrade_pipeline::ports::Ledger;

use crate::reach::Reach;
use crate::{Common, show};

/// Arguments of `history`.
#[derive(Args, Debug)]
pub struct HistoryArgs {
    /// A run's id, or a cluster's name or ARN for its latest run
    run: String,
    /// Say whether the record is still as it was written, instead of showing it; exit status 1 if not
    #[arg(long)]
    verify: bool,
}

/// Runs it.
pub async fn run(common: &Common, args: &HistoryArgs) -> anyhow::Result<ExitCode> {
    let reach = Reach::new(common).await?;
    if args.verify {
        return verify::run(&reach, &args.run, common.json).await;
    }
    let run = reach.run_meant(&args.run).await?;
    let lines = reach.ledger().lines(&run).await?;
    let entries: Vec<Entry> = lines.iter().map(Sealed::open).collect::<Result<_, _>>()?;
    if common.json {
        show::json(&entries)?;
    }
    let state = RunState::read(&lines)?.with_context(|| format!("run {run} has no ledger"))?;
    if !common.json {
        print(&state, &entries)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(state: &RunState, entries: &[Entry]) -> anyhow::Result<()> {
    let opened = &state.opened;
    let title = format!("{}  {} → {}  run {}", opened.cluster.name, opened.from, opened.target, state.run);
    show::line(console::style(title).bold())?;
    let mut table = show::table(&["#", "time (UTC)", "what", "step", "detail"]);
    for entry in entries {
        let (what, step, detail) = line(&entry.event);
        table.add_row([entry.seq.to_string(), show::instant(entry.at), what.to_owned(), step, detail]);
    }
    show::line(table)?;
    if let Some(paused) = state.paused_autoscaler() {
        show::line(format!("{}. By hand: {}", paused.in_words(), paused.restore_command()))?;
    }
    show::line(format!("{} lines, chain of hashes intact, {}", entries.len(), show::outcome(state)))
}

fn line(event: &Event) -> (&'static str, String, String) {
    let none = String::new;
    let of = |failure: &Failure| format!("{}: {}", failure.code, failure.message);
    match event {
        Event::Opened(opened) => {
            let Opened { from, target, reason, harm, .. } = &**opened;
            let because = reason.as_ref().map_or_else(none, |reason| format!(": {reason}"));
            let after = harm
                .as_ref()
                .map_or_else(none, |harm| format!("; the failure of run {} stands: {}", harm.run, harm.code));
            ("opened", none(), format!("{from} → {target}{because}{after}"))
        }
        Event::Resumed { execution } => ("resumed", none(), format!("by {execution}")),
        Event::CalledOff { failure } => ("called off", none(), of(failure)),
        Event::Planned { plan } => ("planned", none(), planned(plan)),
        Event::Intended { step, attempt, request, consent, .. } => {
            let again = if *attempt > 1 { format!("attempt {attempt}: ") } else { none() };
            let by = consent.as_ref().map_or_else(none, |consent| format!(", by consent {consent}"));
            ("intended", step.to_string(), format!("{again}{request}{by}"))
        }
        Event::Started { step, update, adopted, .. } => {
            (if *adopted { "adopted" } else { "started" }, step.to_string(), format!("update {update}"))
        }
        Event::Withheld { step, failure } => ("withheld", step.to_string(), of(failure)),
        Event::Refused { step, failure, .. } => ("refused", step.to_string(), of(failure)),
        Event::Succeeded { step, duration_s, .. } => {
            ("succeeded", step.to_string(), format!("after {}", show::duration(*duration_s)))
        }
        Event::Failed { step, duration_s, failure, .. } => {
            let detail = format!("after {}, {}", show::duration(*duration_s), of(failure));
            ("failed", step.to_string(), detail)
        }
        Event::Satisfied { step, evidence } => ("satisfied", step.to_string(), evidence.clone()),
        Event::Skipped { step, evidence } => ("skipped", step.to_string(), evidence.clone()),
        Event::Verified { step, evidence } => ("verified", step.to_string(), evidence.clone()),
        Event::NotVerified { step, failure } => ("not verified", step.to_string(), failure.message.clone()),
        Event::ForeignUpdate { resource, update } => {
            ("not ours", none(), format!("somebody else updates {resource}: {update}"))
        }
        Event::ForeignUpdateEnded { resource, status, .. } => {
            ("not ours", none(), format!("their update of {resource} ended: {status}"))
        }
        Event::Overdue { step, resource, update, since } => {
            let whose = if step.is_some() { "update" } else { "somebody else's update" };
            let step = step.as_ref().map_or_else(none, ToString::to_string);
            let since = show::minute(*since);
            (
                "overdue",
                step,
                format!("{whose} {update} of {resource} runs since {since} UTC; it is watched on"),
            )
        }
        Event::BakeBegan { step } => {
            ("bake began", step.to_string(), "nothing moves, gates are watched".into())
        }
        Event::Baked { step, evidence } => ("baked", step.to_string(), evidence.clone()),
        Event::GateFailed { step, failure } => ("gate failed", step.to_string(), of(failure)),
        Event::Rolled { step, moved } => ("rolled", step.to_string(), moved.to_string()),
        Event::FollowBegan { step, behind } => {
            ("follow began", step.to_string(), format!("{behind} node(s) are behind"))
        }
        Event::FollowSeen { step, behind } => {
            ("following", step.to_string(), format!("{behind} node(s) are behind"))
        }
        Event::Followed { step, evidence } => ("followed", step.to_string(), evidence.clone()),
        Event::Stalled { step, failure } => ("stalled", step.to_string(), of(failure)),
        Event::VitalsSeen { vitals } => ("vitals", none(), vitals.to_string()),
        Event::Paused { text, until, .. } => {
            let until = until.map_or_else(none, |until| format!(", until {} UTC", show::minute(until)));
            ("paused", none(), format!("waits for {text}{until}"))
        }
        Event::ApprovalAsked { approval, before, expires_at } => {
            let until = show::minute(*expires_at);
            ("asked", none(), format!("{approval}: a yes to {before}, until {until} UTC"))
        }
        Event::ApprovalAnswered { approval, before, answered } => answer(approval.as_str(), before, answered),
        Event::ApprovalExpired { approval, before } => {
            ("expired", none(), format!("{approval}: nobody answered in time: {before}"))
        }
        Event::Ended(ending) => ("ended", none(), ended(ending)),
    }
}

fn planned(plan: &Plan) -> String {
    let (hops, steps) = (plan.hops.len(), plan.steps().count());
    let revision = plan.revision;
    match &plan.rolls_back {
        None => format!("revision {revision}: {hops} hops, {steps} steps"),
        Some(because) => {
            format!(
                "revision {revision}: back to {}, {steps} steps, because {}",
                plan.target, because.message
            )
        }
    }
}

fn answer(approval: &str, before: &str, answered: &Answered) -> (&'static str, String, String) {
    let what = match answered.answer {
        Answer::Approve => "approved",
        Answer::Reject => "rejected",
    };
    let Answered { by, reason, .. } = answered;
    (what, String::new(), format!("{approval}: {before}, by {by}: {reason}"))
}

fn ended(ending: &Ending) -> String {
    match ending {
        Ending::Completed => "completed".into(),
        Ending::RolledBack { to, code, message, next_action } => {
            format!("rolled back to {to}, {code}: {message}. Next: {next_action}")
        }
        Ending::Halted { code, message, next_action } => format!("{code}: {message}. Next: {next_action}"),
    }
}

#[cfg(test)]
mod tests {
    use eks_upgrade_core::decide::WaitFor;
    use jiff::Timestamp;

    use super::*;

    fn at() -> Timestamp {
        "2026-11-24T10:00:00Z".parse().unwrap()
    }

    #[test]
    fn what_people_said_reads_with_their_names() {
        let answered = Answered {
            answer: Answer::Reject,
            by: "arn:aws:iam::123456789012:user/ada".parse().unwrap(),
            reason: "not before the fair".into(),
            at: at(),
        };
        let approval = || "ap-5f0c2a91d3e4".parse().unwrap();
        let before = || "upgrade of prod-a to 1.35".to_owned();
        let (what, _, detail) =
            line(&Event::ApprovalAnswered { approval: approval(), before: before(), answered });
        assert_eq!(what, "rejected");
        assert_eq!(
            detail,
            "ap-5f0c2a91d3e4: upgrade of prod-a to 1.35, by arn:aws:iam::123456789012:user/ada: not before the fair"
        );
        let (what, _, detail) =
            line(&Event::ApprovalAsked { approval: approval(), before: before(), expires_at: at() });
        assert_eq!((what, detail.ends_with("until 2026-11-24 10:00 UTC")), ("asked", true), "{detail}");
    }

    #[test]
    fn pauses_bakes_and_the_way_back_read_as_sentences() {
        let paused = Event::Paused { wait_for: WaitFor::Window, text: "a window".into(), until: Some(at()) };
        assert_eq!(line(&paused).2, "waits for a window, until 2026-11-24 10:00 UTC");
        assert_eq!(line(&Event::BakeBegan { step: "1.35/bake".parse().unwrap() }).0, "bake began");
        let ending = Ending::RolledBack {
            to: "1.34".parse().unwrap(),
            code: "BakeFailed".into(),
            message: "coredns is DEGRADED".into(),
            next_action: "find out why".into(),
        };
        assert_eq!(
            line(&Event::Ended(ending)).2,
            "rolled back to 1.34, BakeFailed: coredns is DEGRADED. Next: find out why"
        );
    }
}
