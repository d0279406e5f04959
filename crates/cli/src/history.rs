//! `eks-upgrade history`: the ledger of one run, in order, its chain of hashes checked.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use eks_upgrade_core::ledger::{Ending, Entry, Event, RunState, Sealed};
use eks_upgrade_pipeline::ports::Ledger;

use crate::reach::Reach;
use crate::{Common, show};

/// Arguments of `history`.
#[derive(Args, Debug)]
pub struct HistoryArgs {
    /// A run's id, or a cluster's name for its latest run
    run: String,
}

/// Runs it.
pub async fn run(common: &Common, args: &HistoryArgs) -> anyhow::Result<ExitCode> {
    let reach = Reach::new(common).await?;
    let run = reach.run_meant(&args.run).await?;
    let lines = reach.ledger().lines(&run).await?;
    let entries: Vec<Entry> = lines.iter().map(Sealed::open).collect::<Result<_, _>>()?;
    if common.json {
        println!("{}", serde_json::to_string_pretty(&entries)?);
    }
    let state = RunState::read(&lines)?.with_context(|| format!("run {run} has no ledger"))?;
    if !common.json {
        print(&state, &entries);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(state: &RunState, entries: &[Entry]) {
    let opened = &state.opened;
    let title = format!("{}  {} → {}  run {}", opened.cluster.name, opened.from, opened.target, state.run);
    println!("{}", console::style(title).bold());
    let mut table = show::table(&["#", "time (UTC)", "what", "step", "detail"]);
    for entry in entries {
        let (what, step, detail) = line(&entry.event);
        table.add_row([entry.seq.to_string(), show::instant(entry.at), what.to_owned(), step, detail]);
    }
    println!("{table}");
    println!("{} lines, chain of hashes intact, {}", entries.len(), show::outcome(state));
}

fn line(event: &Event) -> (&'static str, String, String) {
    let none = String::new;
    match event {
        Event::Opened { from, target, reason, .. } => {
            let because = reason.as_ref().map_or_else(none, |reason| format!(": {reason}"));
            ("opened", none(), format!("{from} → {target}{because}"))
        }
        Event::Resumed { execution } => ("resumed", none(), format!("by {execution}")),
        Event::Planned { plan } => {
            let detail = format!(
                "revision {}: {} hops, {} steps",
                plan.revision,
                plan.hops.len(),
                plan.steps().count()
            );
            ("planned", none(), detail)
        }
        Event::Intended { step, attempt, request, .. } => {
            let again = if *attempt > 1 { format!("attempt {attempt}: ") } else { none() };
            ("intended", step.to_string(), format!("{again}{request}"))
        }
        Event::Started { step, update, adopted, .. } => {
            (if *adopted { "adopted" } else { "started" }, step.to_string(), format!("update {update}"))
        }
        Event::Withheld { step, failure } => {
            ("withheld", step.to_string(), format!("{}: {}", failure.code, failure.message))
        }
        Event::Refused { step, failure, .. } => {
            ("refused", step.to_string(), format!("{}: {}", failure.code, failure.message))
        }
        Event::Succeeded { step, duration_s, .. } => {
            ("succeeded", step.to_string(), format!("after {}", show::duration(*duration_s)))
        }
        Event::Failed { step, duration_s, failure, .. } => {
            let detail =
                format!("after {}, {}: {}", show::duration(*duration_s), failure.code, failure.message);
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
        Event::Ended(Ending::Completed) => ("ended", none(), "completed".into()),
        Event::Ended(Ending::Halted { code, message, next_action }) => {
            ("ended", none(), format!("{code}: {message}. Next: {next_action}"))
        }
    }
}
