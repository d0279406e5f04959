//! `eks-upgrade`: plan, start, watch and look back at upgrades, and say what only people may.
//!
//! A window onto the deployment, with the caller's own AWS credentials: it reads EKS and the ledger, starts the
//! state machine, and speaks to the voice function. It never changes a cluster itself. One module per command;
//! [`show`] has what they share in the terminal.

mod approvals;
mod cluster_ref;
mod consent;
mod explain;
mod fault;
mod history;
mod kill_switch;
mod left_alone;
mod plan;
mod policy;
mod reach;
mod roll_back;
#[cfg(test)]
mod samples;
mod show;
mod start;
mod voice;
mod waiting;
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
    /// Check a policy before it is deployed, or print its schema for editors
    Policy(policy::PolicyArgs),
    /// Show what an upgrade would do, why, for how long, and what waiting costs; changes nothing
    #[command(after_help = "Example: eks-upgrade plan prod-a --target 1.35 --policy policy.yaml")]
    Plan(plan::PlanArgs),
    /// Say what the codes of findings are about, and where that is written
    #[command(after_help = "Example: eks-upgrade explain budget-never-allows")]
    Explain(explain::ExplainArgs),
    /// Start an upgrade by hand
    #[command(
        after_help = "Example: eks-upgrade start prod-a --target 1.35 --reason 'before the fair' --watch"
    )]
    Start(start::StartArgs),
    /// Watch upgrades until they end
    #[command(after_help = "Example: eks-upgrade watch prod-a prod-b")]
    Watch(watch::WatchArgs),
    /// Say why clusters were not upgraded: what the latest notice or sweep left alone
    #[command(after_help = "Example: eks-upgrade left-alone prod-a")]
    LeftAlone(left_alone::LeftAloneArgs),
    /// Show the ledger of a run: every intent and outcome, in order
    #[command(after_help = "Example: eks-upgrade history prod-a --verify")]
    History(history::HistoryArgs),
    /// List the questions that wait for a person's yes
    #[command(after_help = "Example: eks-upgrade approvals --json")]
    Approvals,
    /// Say yes to a question; the first answer stands
    #[command(after_help = "Example: eks-upgrade approve ap-5f0c2a91d3e4 --reason 'tested in dev'")]
    Approve(approvals::AnswerArgs),
    /// Say no to a question; the run or campaign stops
    #[command(after_help = "Example: eks-upgrade reject prod-a --reason 'not before the fair'")]
    Reject(approvals::AnswerArgs),
    /// Allow one thing on one cluster for a while, which the policy does not
    #[command(
        after_help = "Example: eks-upgrade consent prod-a force web --for 4h --reason 'batch jobs may die'"
    )]
    Consent(consent::ConsentArgs),
    /// List the consents for a cluster
    #[command(after_help = "Example: eks-upgrade consents prod-a")]
    Consents(consent::ConsentsArgs),
    /// Let a consent end now
    #[command(after_help = "Example: eks-upgrade revoke prod-a co-5f0c2a91d3e4 --reason 'no longer needed'")]
    Revoke(consent::RevokeArgs),
    /// Stop every further mutating call of the deployment, or lift that
    #[command(after_help = "Example: eks-upgrade kill-switch throw --reason 'errors in prod since 10:00'")]
    KillSwitch(kill_switch::KillSwitchArgs),
    /// Take a control plane back one minor, within 7 days of its upgrade
    #[command(
        after_help = "Shows the plan of the way back, asks, consents to it under your name and starts it.\n\
        What stands against it is shown with the next safe action; nothing is said or started then.\n\
        Example: eks-upgrade roll-back prod-a --reason 'webhooks fail since the upgrade' --watch"
    )]
    RollBack(roll_back::RollBackArgs),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let common = &cli.common;
    let done = match &cli.command {
        Command::Policy(args) => policy::run(common, args),
        Command::Plan(args) => Box::pin(plan::run(common, args)).await,
        Command::Explain(args) => explain::run(common, args),
        Command::Start(args) => start::run(common, args).await,
        Command::Watch(args) => watch::run(common, args).await,
        Command::LeftAlone(args) => left_alone::run(common, args).await,
        Command::History(args) => history::run(common, args).await,
        Command::Approvals => approvals::list(common).await,
        Command::Approve(args) => approvals::approve(common, args).await,
        Command::Reject(args) => approvals::reject(common, args).await,
        Command::Consent(args) => consent::give(common, args).await,
        Command::Consents(args) => consent::list(common, args).await,
        Command::Revoke(args) => consent::revoke(common, args).await,
        Command::KillSwitch(args) => kill_switch::run(common, args).await,
        Command::RollBack(args) => Box::pin(roll_back::run(common, args)).await,
    };
    done.unwrap_or_else(|error| fault::report(&error, common.json))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use eks_upgrade_core::command;
    use eks_upgrade_core::remedy::{CONFIGURATION_CONFLICT, POD_EVICTION_FAILURE, of_update};

    use super::*;

    #[test]
    fn the_arguments_of_every_command_fit_together() {
        Cli::command().debug_assert();
    }

    /// The commands in a text, each up to what ends it in a sentence.
    fn commands_in(text: &str) -> Vec<String> {
        let ends = |c: char| matches!(c, ')' | ',' | ';' | '\n');
        let after = text.split("eks-upgrade ").skip(1);
        after.map(|rest| rest.split(ends).next().unwrap_or_default().trim().to_owned()).collect()
    }

    #[test]
    fn the_commands_that_messages_of_the_product_print_are_read() {
        let (cluster, approval) = ("prod-a", "ap-5f0c2a91d3e4".parse().unwrap());
        let next_of = |code: &str| of_update(code, String::new(), Vec::new()).next_action;
        let texts = [
            command::approve(&approval),
            command::reject(&approval),
            command::consent(cluster, "force web"),
            command::consent(cluster, "overwrite vpc-cni"),
            command::consent(cluster, "override workloads-worse"),
            command::consent(cluster, "override roll-back-insight"),
            command::consent(cluster, "override drain-blocked web --for 24h"),
            command::consent(cluster, "roll-back"),
            command::roll_back(cluster),
            command::start(cluster, "1.35".parse().unwrap()),
            command::resume(cluster, &"prod-a-1.35-5f0c2a91".parse().unwrap()),
            command::revoke(cluster, &"co-5f0c2a91d3e4".parse().unwrap()),
            command::LIFT.to_owned(),
            next_of(POD_EVICTION_FAILURE),
            next_of(CONFIGURATION_CONFLICT),
            "eks-upgrade reject prod-a --reason no".to_owned(),
            "eks-upgrade explain drain-blocked".to_owned(),
            "eks-upgrade history prod-a-1.35-5f0c2a91".to_owned(),
            "eks-upgrade history prod-a --verify".to_owned(),
        ];
        for text in texts {
            let commands = commands_in(&text);
            assert!(!commands.is_empty(), "{text}");
            for line in commands {
                let words = std::iter::once("eks-upgrade").chain(line.split(' '));
                let read = Cli::try_parse_from(words);
                assert!(read.is_ok(), "{line}: {}", read.err().map_or_else(String::new, |e| e.to_string()));
            }
        }
    }
}
