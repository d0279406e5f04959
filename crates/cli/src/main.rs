//! `eks-upgrade`: plan, start, watch and look back at upgrades.
//!
//! A window onto the deployment, with the caller's own AWS credentials: it reads EKS and the ledger, and
//! starts the state machine. It never changes a cluster itself. One module a command; [`show`] has what
//! they share in the terminal.

mod history;
mod plan;
mod reach;
mod show;
mod start;
mod watch;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Plans, starts, watches and looks back at upgrades of Amazon EKS clusters.
#[derive(Debug, Parser)]
#[command(name = "eks-upgrade", version, propagate_version = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit status: 0 it is done or in order, 1 an upgrade stopped or was refused, 2 wrong usage.\n\
    Credentials and Region come from the usual AWS environment and profiles."
)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
struct Common {
    /// Name of the deployed stack
    #[arg(long, global = true, env = "EKS_UPGRADE_STACK", default_value = "eks-upgrade")]
    stack: String,
    /// Print JSON for machines
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what an upgrade would do, why, for how long, and what waiting costs; changes nothing
    Plan(plan::PlanArgs),
    /// Start an upgrade by hand
    Start(start::StartArgs),
    /// Watch upgrades until they end
    Watch(watch::WatchArgs),
    /// Show the ledger of a run: every intent and outcome, in order
    History(history::HistoryArgs),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Command::Plan(args) => plan::run(&cli.common, args).await,
        Command::Start(args) => start::run(&cli.common, args).await,
        Command::Watch(args) => watch::run(&cli.common, args).await,
        Command::History(args) => history::run(&cli.common, args).await,
    };
    done.unwrap_or_else(|error| {
        eprintln!("{} {error:#}", console::style("error:").for_stderr().red().bold());
        ExitCode::FAILURE
    })
}
