//! `eks-upgrade kill-switch`: thrown, nothing mutates any more anywhere.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use eks_upgrade_core::command;
use eks_upgrade_core::contract::Say;
use eks_upgrade_core::control::KillSwitch;
use eks_upgrade_core::decide::WaitFor;
use eks_upgrade_core::ledger::RunState;
use eks_upgrade_core::waits::seconds_between;
use eks_upgrade_pipeline::ports::Said;
use jiff::Timestamp;
use serde_json::json;

use crate::reach::Reach;
use crate::watch::Runs;
use crate::{Common, show, voice};

/// Arguments of `kill-switch`.
#[derive(Args, Debug)]
pub struct KillSwitchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Stop every further mutating call; updates that run are watched to their end
    Throw {
        /// Why; kept with your name
        #[arg(long, value_parser = voice::reason)]
        reason: String,
    },
    /// Let runs go on, each at its next look
    Lift {
        /// Why; kept with your name
        #[arg(long, value_parser = voice::reason)]
        reason: String,
    },
    /// Show how it stands: since when, by whom, why, and how many runs it holds
    Show,
}

/// Runs it.
pub async fn run(common: &Common, args: &KillSwitchArgs) -> anyhow::Result<ExitCode> {
    let reach = Reach::new(common).await?;
    let say = match &args.what {
        What::Throw { reason } => Say::Throw { reason: reason.clone() },
        What::Lift { reason } => Say::Lift { reason: reason.clone() },
        What::Show => return print(common, &reach).await,
    };
    voice::say_and_tell(common, &reach, say).await?;
    Ok(ExitCode::SUCCESS)
}

async fn print(common: &Common, reach: &Reach) -> anyhow::Result<ExitCode> {
    let ledger = reach.ledger();
    let switch = ledger.kill_switch().await?;
    let mut runs = Runs::default();
    runs.look(&ledger, &[]).await?;
    let held = Held::of(runs.by_cluster.values());
    if common.json {
        let shown = json!({"killSwitch": switch, "runsHeld": held.held, "runsOpen": held.open});
        show::json(&shown)?;
    } else {
        println!("{}", words(switch.as_ref(), &held, reach.clock.now()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The runs that are open, and those of them that the switch holds.
#[derive(Default)]
struct Held {
    held: usize,
    open: usize,
}

impl Held {
    fn of<'a>(runs: impl Iterator<Item = &'a RunState>) -> Self {
        let mut counted = Self::default();
        for run in runs.filter(|run| run.ended.is_none()) {
            counted.open += 1;
            counted.held += usize::from(matches!(run.paused, Some((WaitFor::KillSwitch, _))));
        }
        counted
    }
}

fn words(switch: Option<&KillSwitch>, held: &Held, now: Timestamp) -> String {
    let Some(switch) = switch else { return "the kill switch was never thrown".into() };
    let how = if switch.thrown { console::style("thrown").red() } else { console::style("lifted").green() };
    let ago = show::duration(seconds_between(switch.at, now));
    let text = format!(
        "the kill switch is {how} since {} UTC ({ago} ago)\n  by   {}\n  why  {}",
        show::instant(switch.at),
        switch.by,
        switch.reason
    );
    if !switch.thrown {
        return text;
    }
    let Held { held, open } = held;
    format!(
        "{text}\n  runs {held} held of {open} that are open; the others at their next step\n\
         lift it: {}",
        command::LIFT
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_since_when_by_whom_why_and_how_many_are_held() {
        let switch = KillSwitch {
            thrown: true,
            by: "arn:aws:iam::123456789012:user/ada".parse().unwrap(),
            reason: "errors in prod".into(),
            at: "2026-11-24T10:00:00Z".parse().unwrap(),
        };
        let now = "2026-11-24T11:05:00Z".parse().unwrap();
        let text = words(Some(&switch), &Held { held: 2, open: 5 }, now);
        for part in ["2026-11-24 10:00:00", "1h 05m ago", "user/ada", "errors in prod", "2 held of 5"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let lifted = words(Some(&KillSwitch { thrown: false, ..switch }), &Held::default(), now);
        assert!(lifted.contains("lifted") && !lifted.contains("held"), "{lifted}");
    }
}
