//! What people are told of a campaign.

use super::{minute, subject};
use crate::campaign::rule::Tally;
use crate::campaign::{CampaignState, Unwell};
use crate::command;
use crate::contract::Notification;
use crate::news::Question;

/// How many clusters a message names.
const NAMED_MAX: usize = 20;

/// The message that asks for a yes.
#[must_use]
pub fn of_campaign_question(state: &CampaignState, question: &Question) -> Notification {
    let Question { id, before, expires_at, how } = question;
    let lines = vec![
        about(state),
        format!("A person's yes is wanted before: {before}."),
        format!("Until {}: no answer by then counts as a no, and the campaign stops.", minute(*expires_at)),
        format!("Yes: {how}"),
        format!("No:  {}", command::reject(id)),
    ];
    told(&format!("approval wanted before {before}"), &lines)
}

/// The message about a campaign that the kill switch holds.
#[must_use]
pub fn of_campaign_switch(state: &CampaignState, text: &str) -> Notification {
    let lines = vec![
        about(state),
        format!("No further cluster is begun: {text}."),
        format!("Wanted of whoever threw it: lift it once that is safe, {}", command::LIFT),
        "The campaign goes on by itself within 15 minutes of that.".into(),
    ];
    told(&format!("campaign {} waits for the kill switch", state.campaign), &lines)
}

/// The message about upgraded clusters that went bad afterwards.
#[must_use]
pub fn of_soak(state: &CampaignState, failures: &[Unwell]) -> Notification {
    let mut lines = vec![about(state), format!("{} upgraded clusters went bad afterwards.", failures.len())];
    let named = failures.iter().take(NAMED_MAX);
    lines.extend(
        named.map(|one| format!("- {} ({}): {}: {}", one.cluster.name, one.cluster, one.code, one.text)),
    );
    lines.push(format!(
        "Wanted of the clusters' owners: look at them. EKS takes a control plane back within 7 days of its \
         upgrade, as long as no node is newer: {}",
        command::roll_back("CLUSTER")
    ));
    told(&format!("{} upgraded clusters of campaign {} went bad", failures.len(), state.campaign), &lines)
}

/// The message about a campaign that stopped.
#[must_use]
pub fn of_campaign_stop(state: &CampaignState, code: &str, message: &str, next_action: &str) -> Notification {
    let lines = vec![
        about(state),
        format!("Stopped with {code}: {message}."),
        "No further cluster is begun; upgrades that run go on to their end.".into(),
        format!("Wanted of whoever runs the fleet: {next_action}."),
        tally(state.tally_of_all()),
    ];
    told(&format!("campaign {} stopped: {code}", state.campaign), &lines)
}

/// The message about a campaign that saw to every cluster; `None` for one that had none.
#[must_use]
pub fn of_campaign_end(state: &CampaignState) -> Option<Notification> {
    let all = state.tally_of_all();
    if all.size == 0 {
        return None;
    }
    let wanted = if all.failed + all.untouched == 0 {
        "Nothing is wanted of anybody."
    } else {
        "Wanted of the owners of the others: see the message about each, or eks-upgrade watch."
    };
    let lines = vec![about(state), tally(all), wanted.into()];
    let what = format!("campaign {}: {} of {} clusters upgraded", state.campaign, all.completed, all.size);
    Some(told(&what, &lines))
}

fn tally(all: Tally) -> String {
    format!(
        "Of {} clusters {} are upgraded, {} failed, {} were turned away or not changed.",
        all.size, all.completed, all.failed, all.untouched
    )
}

fn about(state: &CampaignState) -> String {
    format!(
        "Campaign {}, {} clusters. Because: {}.",
        state.campaign,
        state.members.len(),
        state.opened.reason
    )
}

fn told(what: &str, lines: &[String]) -> Notification {
    Notification { subject: subject(&format!("eks-upgrade: {what}")), message: lines.join("\n") }
}
