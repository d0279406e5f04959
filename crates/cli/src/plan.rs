//! `eks-upgrade plan`: what an upgrade would do. Reads EKS with the caller's credentials, changes nothing.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use eks_upgrade_core::arn::{ClusterArn, ClusterName, Home};
use eks_upgrade_core::calendar::Calendar;
use eks_upgrade_core::cluster::Found;
use eks_upgrade_core::door::DoorError;
use eks_upgrade_core::finding::Level;
use eks_upgrade_core::plan::Plan;
use eks_upgrade_core::policy::{NodeStrategy, Policy};
use eks_upgrade_core::screen::because;
use eks_upgrade_core::waits::Span;
use eks_upgrade_pipeline::plan::PlanRun;
use eks_upgrade_pipeline::ports::Eks;
use jiff::Timestamp;
use serde_json::json;

use crate::reach::Reach;
use crate::{Common, show};

/// Arguments of `plan`.
#[derive(Args, Debug)]
pub struct PlanArgs {
    /// The cluster: its name, or its ARN
    cluster: String,
    /// The Kubernetes minor to end at, such as 1.35 [default: the policy's target rule]
    #[arg(long)]
    target: Option<String>,
    /// How managed nodes are replaced: rolling, force or rolling-then-force [default: the policy's]
    #[arg(long)]
    strategy: Option<NodeStrategy>,
    /// A file with the policy as JSON [default: the default policy]
    #[arg(long, env = "EKS_UPGRADE_POLICY_FILE")]
    policy: Option<PathBuf>,
}

/// Runs it.
pub async fn run(common: &Common, args: &PlanArgs) -> anyhow::Result<ExitCode> {
    let reach = Reach::new(common).await?;
    let policy = match &args.policy {
        Some(path) => {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            Policy::read(&text).with_context(|| path.display().to_string())?
        }
        None => Policy::default(),
    };
    let eks = reach.eks();
    let home = home_of(&eks, &args.cluster).await?;
    let now = reach.clock.now();
    let lead = policy.lead();
    let planning = PlanRun { eks, ledger: (), executions: (), time: reach.clock, policy, home };
    let request = json!({"cluster": args.cluster, "target": args.target, "strategy": args.strategy});
    let (plan, calendar) = planning.dry_run(&request).await?;
    if common.json {
        let cost = calendar.cost_of_staying_usd(plan.from, now);
        let shown = json!({"plan": plan, "typicalSeconds": plan.typical_s(), "costOfStayingUsd": cost});
        println!("{}", serde_json::to_string_pretty(&shown)?);
    } else {
        print(&plan, &calendar, now, lead);
    }
    Ok(if plan.blocks().next().is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The account and Region that the cluster is in: what its own ARN says.
async fn home_of<E: Eks>(eks: &E, cluster: &str) -> anyhow::Result<Home> {
    if let Ok(arn) = cluster.parse::<ClusterArn>() {
        return Ok(Home::of_arn(&arn.to_string())?);
    }
    let name: ClusterName = cluster.parse().context("give a cluster's name, or its ARN")?;
    let refused = DoorError::ClusterNotFound {
        cluster: name.clone(),
        region: "this Region".into(),
        account: "this account".into(),
    };
    match eks.cluster(&name).await? {
        Found::Is(cluster) => Ok(Home::of_arn(&cluster.arn.to_string())?),
        Found::Gone => Err(refused.into()),
    }
}

fn print(plan: &Plan, calendar: &Calendar, now: Timestamp, lead: jiff::SignedDuration) {
    let bold = |text: String| console::style(text).bold();
    println!("{}", bold(format!("{}  {} → {}", plan.cluster.name, plan.from, plan.target)));
    if let Some(due) = calendar.due(plan.from, now, lead) {
        println!("{}.", because(plan.from, due));
    }
    if let Some(usd) = calendar.cost_of_staying_usd(plan.from, now).filter(|usd| *usd > 0.0) {
        println!(
            "Staying at {} until AWS upgrades by itself costs ${usd:.0} of extended support.",
            plan.from
        );
    }
    if plan.hops.is_empty() {
        println!("Nothing is left to do.");
    }
    for (at, hop) in plan.hops.iter().enumerate() {
        let typical = show::duration(hop.typical_s());
        println!(
            "\n{}",
            bold(format!("Hop {} of {}: {}  (about {typical})", at + 1, plan.hops.len(), hop.to))
        );
        let mut table = show::table(&["step", "about", "why"]);
        for step in &hop.steps {
            let about = show::duration(Span::of(&step.kind).typical_s);
            table.add_row([step.kind.to_string(), about, step.reason.clone()]);
        }
        println!("{table}");
    }
    if !plan.findings.is_empty() {
        println!("\n{}", bold("Findings".into()));
        for finding in &plan.findings {
            let level = match finding.level {
                Level::Pass => console::style("pass   ").green(),
                Level::Warn => console::style("warn   ").yellow(),
                Level::Unknown => console::style("unknown").magenta(),
                Level::Block => console::style("block  ").red(),
            };
            println!("{level} {} {}: {}", finding.code, finding.subject, finding.message);
            if !finding.next_action.is_empty() {
                println!("        → {}", finding.next_action);
            }
        }
    }
    let upgrades = plan.upgrades();
    let steps = plan.steps().count();
    println!(
        "\n{upgrades} control-plane upgrade(s), {steps} steps, about {}.",
        show::duration(plan.typical_s())
    );
    match plan.blocks().count() {
        0 => println!("Start it: eks-upgrade start {} --target {}", plan.cluster.name, plan.target),
        blocks => println!("{}", console::style(format!("{blocks} finding(s) block it.")).red()),
    }
}
