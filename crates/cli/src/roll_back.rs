//! `eks-upgrade roll-back`: shows the way back, asks, consents to it and starts it.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Args;
use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::cluster::{Resource, Update, UpdateStatus};
use eks_upgrade_core::command;
use eks_upgrade_core::contract::Say;
use eks_upgrade_core::control::ConsentScope;
use eks_upgrade_core::door::DoorError;
use eks_upgrade_core::ids::ExecutionArn;
use eks_upgrade_core::plan::{Plan, Step, StepKind};
use eks_upgrade_core::version::Minor;
use eks_upgrade_pipeline::error::PipelineError;
use eks_upgrade_pipeline::observe::recent_updates;
use eks_upgrade_pipeline::ports::{Executions, Ledger};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::fault::Usage;
use crate::plan::{Proposal, print, propose};
use crate::policy::file::PolicyFile;
use crate::reach::Reach;
use crate::{Common, show, start, voice};

/// Arguments of `roll-back`.
#[derive(Args, Debug)]
pub struct RollBackArgs {
    /// The cluster: its name, or its ARN
    cluster: String,
    /// Why; kept with your name
    #[arg(long, value_parser = voice::reason)]
    reason: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Stay and watch until it ends
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    policy: PolicyFile,
}

/// How long the consent holds, in seconds: a way back that has not begun within a day is to be thought over.
const CONSENT_S: u32 = 24 * 3600;

/// Runs it.
pub async fn run(common: &Common, args: &RollBackArgs) -> anyhow::Result<ExitCode> {
    let asks = std::io::stdin().is_terminal() && !common.json;
    if !args.yes && !asks {
        return Err(Usage("give --yes where nobody can be asked: there is no terminal here".into()).into());
    }
    let file = args.policy.read()?;
    let reach = Reach::new(common).await?;
    let meant = reach.policy(file).await;
    let request = request(args);
    let proposal = propose(&reach, meant, &request).await?;
    // Nothing is consented to that was not shown.
    anyhow::ensure!(
        goes_back(&proposal.plan),
        "the plan is not one of the way back: nothing was said or started"
    );
    let cluster = proposal.plan.cluster.clone();
    let eks = reach.eks(&reach.home().await?, &proposal.meant.document.spokes);
    let updates = recent_updates(&eks, &cluster, &Resource::ControlPlane).await?;
    let closes = way_back_closes(&updates, proposal.plan.from);
    if !common.json {
        print_way_back(&proposal, closes);
    }
    if proposal.is_blocked() {
        return blocked(common, &proposal, closes);
    }
    nobody_is_at_it(&reach, &cluster).await?;
    if !args.yes && !confirmed(&proposal)? {
        println!("nothing was said, and nothing started");
        return Ok(ExitCode::FAILURE);
    }
    let scope = ConsentScope::RollBack;
    let say = Say::Consent { cluster, scope, expires_s: CONSENT_S, reason: args.reason.clone() };
    let answer = voice::say(&reach, say).await?;
    if !common.json {
        println!("\n{} {}\n  as {}", console::style("✓").green(), answer.text, answer.principal);
        if let Some(id) = &answer.consent {
            println!("  take it back: {}", command::revoke(&args.cluster, id));
        }
    }
    start::begin(common, &reach, &args.cluster, &Value::Object(request), args.watch).await
}

/// Whether the plan takes the control plane back.
fn goes_back(plan: &Plan) -> bool {
    let back = |step: &Step| matches!(step.kind, StepKind::RollBack { .. });
    plan.rolls_back.is_some() && plan.steps().any(back)
}

fn request(args: &RollBackArgs) -> Map<String, Value> {
    Map::from_iter([
        ("cluster".to_owned(), json!(args.cluster)),
        ("rollBack".to_owned(), json!(true)),
        ("reason".to_owned(), json!(args.reason)),
    ])
}

/// For how long after an upgrade EKS takes it back.
const TAKEN_BACK_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// When EKS stops taking back the upgrade that brought the control plane to `current`.
fn way_back_closes(updates: &[Update], current: Minor) -> Option<Timestamp> {
    let brought_here = |update: &&Update| {
        update.status == UpdateStatus::Successful
            && update.kind == "VersionUpdate"
            && update.to.as_deref() == Some(&current.to_string())
    };
    let last = updates.iter().filter(brought_here).map(|update| update.created_at).max()?;
    last.checked_add(TAKEN_BACK_FOR).ok()
}

fn print_way_back(proposal: &Proposal, closes: Option<Timestamp>) {
    let Proposal { plan, now, .. } = proposal;
    let title = format!("{}  {} → {}, back", plan.cluster.name, plan.from, plan.target);
    println!("{}", console::style(title).bold());
    println!("{}", clock(closes, *now));
    print::body(proposal);
}

/// The clock of the way back, in words.
fn clock(closes: Option<Timestamp>, now: Timestamp) -> String {
    match closes {
        None => "EKS takes back only an upgrade of the last 7 days, and there is none.".into(),
        Some(closes) if closes <= now => {
            format!("The way back closed on {} UTC, 7 days after the upgrade.", show::minute(closes))
        }
        Some(closes) => format!(
            "The way back is open until {} UTC, {} more: EKS keeps it for 7 days.",
            show::minute(closes),
            show::until(now, closes)
        ),
    }
}

fn blocked(common: &Common, proposal: &Proposal, closes: Option<Timestamp>) -> anyhow::Result<ExitCode> {
    if common.json {
        let mut shown = proposal.json();
        shown["wayBackCloses"] = json!(closes);
        shown["blocked"] = json!(true);
        show::json(&shown)?;
        return Ok(ExitCode::FAILURE);
    }
    let count = proposal.plan.blocks().count();
    println!(
        "\n{}",
        console::style(format!("{count} finding(s) block it; nothing was said or started.")).red()
    );
    if let Some(first) = proposal.plan.blocks().find(|finding| !finding.next_action.is_empty()) {
        println!("Next: {}", first.next_action);
    }
    Ok(ExitCode::FAILURE)
}

/// Refuses while a run has the cluster, before anything is said: the state machine would turn it away too.
async fn nobody_is_at_it(reach: &Reach, cluster: &ClusterArn) -> anyhow::Result<()> {
    let lease = reach.ledger().lease(cluster).await?.filter(|lease| lease.ended.is_none());
    let Some(lease) = lease else { return Ok(()) };
    let execution: &ExecutionArn = &lease.execution;
    if !reach.executions().is_running(execution).await? {
        return Ok(());
    }
    let (name, execution) = (cluster.name.clone(), execution.to_string());
    Err(PipelineError::from(DoorError::LeaseHeld { cluster: name, run: lease.run, execution }).into())
}

/// Asks on the terminal; anything but a yes is a no.
fn confirmed(proposal: &Proposal) -> anyhow::Result<bool> {
    let plan = &proposal.plan;
    print!("\nTake {} back from {} to {}? [y/N] ", plan.cluster.name, plan.from, plan.target);
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(is_yes(&line))
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        assert!(is_yes("y\n") && is_yes("YES\n"));
        assert!(!is_yes("\n") && !is_yes("no\n") && !is_yes("yep\n"));
    }

    #[test]
    fn the_clock_says_how_long_the_way_back_is_open() {
        let closes: Timestamp = "2026-11-25T10:00:00Z".parse().unwrap();
        let before = clock(Some(closes), "2026-11-24T08:00:00Z".parse().unwrap());
        assert!(before.contains("2026-11-25 10:00 UTC, 1d 2h more"), "{before}");
        let after = clock(Some(closes), "2026-11-26T08:00:00Z".parse().unwrap());
        assert!(after.contains("closed on 2026-11-25"), "{after}");
    }
}
