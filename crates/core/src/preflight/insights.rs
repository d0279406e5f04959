//! EKS's own upgrade insights, judged by the evidence that comes with them.
//!
//! An insight's status alone says too little: one on deprecated APIs stays `ERROR` for 30 days after the last call, one
//! on Amazon Linux 2 is `ERROR` however the nodes are to be replaced, and what the plan itself moves on the way is no
//! reason not to begin. EKS does not refuse an upgrade for its insights, so this does.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Upgrade;
use super::report::{Hit, report, some_of};
use crate::cluster::{DeprecatedUse, Insight, InsightCategory, InsightStatus, Inventory};
use crate::finding::{Code, Finding, Level};
use crate::version::skew_allows;

/// A client that has been silent for longer is taken to be gone.
const LIVE_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);
/// EKS refreshes its insights once a day.
const FRESH_FOR: SignedDuration = SignedDuration::from_hours(24);

/// The insight that [`Code::AmazonLinux2`] and [`Code::AmazonLinux2Nodes`] judge.
const AMAZON_LINUX_2: &str = "Amazon Linux 2 compatibility";
/// How the names of those on deprecated APIs begin.
const DEPRECATED_APIS: &str = "Deprecated APIs removed in Kubernetes";
/// What EKS's upgrade insights come to. Nothing where EKS shows none, which it does for a day after a cluster was made.
#[must_use]
pub fn of_eks(inventory: &Inventory, upgrade: Upgrade, now: Timestamp) -> Vec<Finding> {
    let insights: Vec<&Insight> = inventory
        .insights
        .iter()
        .filter(|insight| insight.category == InsightCategory::UpgradeReadiness)
        .filter(|insight| insight.about.is_none_or(|about| about <= upgrade.target))
        .filter(|insight| insight.name != AMAZON_LINUX_2)
        .collect();
    let found = insights.iter().flat_map(|insight| judge(insight, inventory, upgrade, now));
    let stale = stale(&insights, now).map(|hit| (Code::InsightsStale, hit));
    let mut hits: BTreeMap<Code, Vec<Hit>> = BTreeMap::new();
    for (code, hit) in found.chain(stale) {
        hits.entry(code).or_default().push(hit);
    }
    hits.into_iter().flat_map(|(code, hits)| report(code, Ok(hits))).collect()
}

fn judge(insight: &Insight, inventory: &Inventory, upgrade: Upgrade, now: Timestamp) -> Vec<(Code, Hit)> {
    let hit = |level| Hit::new(level, &insight.name, format!("EKS says: {}", insight.reason));
    let evident = insight.name.starts_with(DEPRECATED_APIS) && !insight.deprecated.is_empty();
    match insight.status {
        InsightStatus::Passing => Vec::new(),
        InsightStatus::Unknown => vec![(Code::InsightError, hit(Level::Unknown))],
        _ if evident => callers(insight, upgrade, now),
        InsightStatus::Warning => vec![(Code::InsightWarning, hit(Level::Warn))],
        InsightStatus::Error => match judged_here(&insight.name, inventory) {
            Some(how) => {
                let message = format!("EKS says: {}; {how}", insight.reason);
                vec![(Code::InsightWarning, Hit::new(Level::Warn, &insight.name, message))]
            }
            None => vec![(Code::InsightError, hit(Level::Block))],
        },
    }
}

/// How the plan judges by its own arithmetic what this insight is `ERROR` for, if it does.
fn judged_here(name: &str, inventory: &Inventory) -> Option<&'static str> {
    match name {
        "Kubelet version skew" => knows_who_lags(inventory)
            .then_some("the plan rolls nodes before the hop that would be too far for them"),
        "kube-proxy version skew" => {
            Some("the plan moves kube-proxy before the hop that would be too far for it")
        }
        "EKS add-on version compatibility" => {
            Some("the plan moves add-ons, and is blocked where one has no version to move to")
        }
        _ => None,
    }
}

/// Whether the plan sees the nodes that are too far behind for the next minor: a managed group of them, or every node by
/// looking inside. Others are moved by nobody.
fn knows_who_lags(inventory: &Inventory) -> bool {
    let next = inventory.cluster.version.next();
    inventory.inside.as_ref().is_some_and(|inside| inside.unread.is_none())
        || inventory.node_groups.iter().any(|group| !skew_allows(next, group.version))
}

/// Who calls what: a live caller blocks, one that is silent is a memory.
fn callers(insight: &Insight, upgrade: Upgrade, now: Timestamp) -> Vec<(Code, Hit)> {
    let ends_on_the_way = |used: &&DeprecatedUse| {
        used.stops_serving.or(insight.about).is_none_or(|minor| minor <= upgrade.target)
    };
    let used = insight.deprecated.iter().filter(ends_on_the_way);
    used.map(|used| (Code::DeprecatedApiCalled, caller(used, now))).collect()
}

fn caller(used: &DeprecatedUse, now: Timestamp) -> Hit {
    let DeprecatedUse { client, requests_30d, .. } = used;
    let live = used.last.map_or(*requests_30d > 0, |last| now.duration_since(last) <= LIVE_FOR);
    let last = match used.last {
        Some(last) => format!("last on {}", last.strftime("%Y-%m-%d")),
        None => "it is not said when".to_owned(),
    };
    let ends = used.stops_serving.map_or(String::new(), |minor| format!(", which {minor} does not serve"));
    let (level, opening) =
        if live { (Level::Block, "called") } else { (Level::Warn, "called, but not in the last 7 days") };
    let message = format!("{opening}: {requests_30d} requests in 30 days by {client}, {last}{ends}");
    let hit = Hit::new(level, &used.usage, message);
    match used.replaced_with.as_str() {
        "" => hit.then(format!("update {client}")),
        replacement => hit.then(format!("have {client} use {replacement}")),
    }
}

/// Insights that EKS has not looked at for a day, or does not say when.
fn stale(insights: &[&Insight], now: Timestamp) -> Option<Hit> {
    let fresh =
        |insight: &&&Insight| insight.refreshed_at.is_some_and(|at| now.duration_since(at) <= FRESH_FOR);
    let stale: Vec<&&Insight> = insights.iter().filter(|insight| !fresh(insight)).collect();
    if stale.is_empty() {
        return None;
    }
    let names = some_of(stale.iter().map(|insight| &insight.name));
    let oldest = stale.iter().filter_map(|insight| insight.refreshed_at).min();
    let since = oldest.map_or("it is not said when they were made".to_owned(), |at| {
        format!("the oldest is of {}", at.strftime("%Y-%m-%d %H:%M UTC"))
    });
    Some(Hit::new(Level::Warn, "cluster", format!("older than a day: {names}; {since}")))
}
