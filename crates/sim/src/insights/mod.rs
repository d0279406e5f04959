//! Insights: those that follow from the cluster's state, and those of the fleet file.
//!
//! What is derived is derived at the moment of the question, unless the fleet file freezes them; the refresh
//! times only say when AWS would have.

use serde_json::{Value, json};

use crate::fleet::InsightSpec;
use crate::minor::Minor;
use crate::state::Cluster;
use crate::time::{DAY, Ms, epoch_seconds};
use crate::world::World;

pub(crate) mod refresh;
mod rollback;
mod upgrade;

const UPGRADE: &str = "UPGRADE_READINESS";
/// The category of insights about a rollback.
pub(crate) const ROLLBACK: &str = "ROLLBACK_READINESS";

/// An insight, its long form.
#[derive(Clone, Debug)]
pub(crate) struct Insight {
    pub(crate) name: String,
    pub(crate) category: String,
    pub(crate) about: Minor,
    pub(crate) status: String,
    pub(crate) reason: String,
    pub(crate) resources: Vec<Value>,
    pub(crate) specific: Value,
}

/// The insights as reads show them.
pub(crate) fn shown(world: &World, cluster: &Cluster) -> Vec<Insight> {
    cluster.frozen_insights.clone().unwrap_or_else(|| current(world, cluster))
}

/// The insights as they would be if they were refreshed now.
fn current(world: &World, cluster: &Cluster) -> Vec<Insight> {
    let (next, before) = (cluster.version.next(), cluster.way_back(world.now).ok());
    let mut derived = upgrade::derived(world, cluster, next);
    derived.extend(before.into_iter().flat_map(|before| rollback::derived(world, cluster, before)));
    let told = cluster.told_insights();
    derived.retain(|insight| !told.iter().any(|spec| spec.name == insight.name));
    let from_specs = told.into_iter().filter_map(|spec| {
        // There are none about a rollback that is not possible.
        let about = if category(spec) == ROLLBACK { before? } else { next };
        Some(from_spec(spec, about, world.start))
    });
    derived.extend(from_specs);
    derived
}

fn category(spec: &InsightSpec) -> &str {
    let usual = if rollback::NAMES.contains(&spec.name.as_str()) { ROLLBACK } else { UPGRADE };
    spec.category.as_deref().unwrap_or(usual)
}

/// `bad` as soon as some resource is, else passing.
pub(super) fn verdict(
    name: impl Into<String>,
    about: Minor,
    resources: Vec<(String, String)>,
    bad: &str,
) -> Insight {
    let status = if resources.is_empty() { "PASSING" } else { bad };
    let reason = match resources.first() {
        None => "Nothing was found.".to_owned(),
        Some((_, why)) => why.clone(),
    };
    let resources = resources
        .into_iter()
        .map(|(arn, why)| json!({"arn": arn, "insightStatus": {"status": bad, "reason": why}}))
        .collect();
    Insight {
        name: name.into(),
        category: UPGRADE.to_owned(),
        about,
        status: status.to_owned(),
        reason,
        resources,
        specific: json!({"deprecationDetails": [], "addonCompatibilityDetails": []}),
    }
}

/// Add-ons whose version does not serve `minor`, with those that do.
fn addon_compatibility(name: &str, world: &World, cluster: &Cluster, minor: Minor) -> Insight {
    let misfits: Vec<(&str, String, String)> = cluster
        .addons
        .values()
        .filter(|addon| {
            let offer = world.catalogue.version(&addon.spec.name, &addon.version);
            offer.is_none_or(|offer| !offer.minors.contains(&minor))
        })
        .map(|addon| {
            let why = format!("{} {} does not run on {minor}", addon.spec.name, addon.version);
            (addon.spec.name.as_str(), addon.arn.clone(), why)
        })
        .collect();
    let details: Vec<Value> = misfits
        .iter()
        .map(
            |(name, ..)| json!({"name": name, "compatibleVersions": world.catalogue.compatible(name, minor)}),
        )
        .collect();
    let resources = misfits.into_iter().map(|(_, arn, why)| (arn, why)).collect();
    let specific = json!({"deprecationDetails": [], "addonCompatibilityDetails": details});
    Insight { specific, ..verdict(name, minor, resources, "ERROR") }
}

fn from_spec(spec: &InsightSpec, about: Minor, start: Ms) -> Insight {
    let details: Vec<Value> = spec
        .deprecations
        .iter()
        .map(|api| {
            let clients: Vec<Value> = api
                .clients
                .iter()
                .map(|client| {
                    let last = start - i64::from(client.last_request_days_ago) * DAY;
                    json!({"userAgent": client.user_agent, "numberOfRequestsLast30Days": client.requests,
                           "lastRequestTime": epoch_seconds(last)})
                })
                .collect();
            json!({"usage": api.usage, "replacedWith": api.replaced_with,
                   "stopServingVersion": api.stop_serving, "clientStats": clients})
        })
        .collect();
    Insight {
        name: spec.name.clone(),
        category: category(spec).to_owned(),
        about: spec.kubernetes_version.unwrap_or(about),
        status: spec.status.clone(),
        reason: spec.reason.clone(),
        resources: Vec::new(),
        specific: json!({"deprecationDetails": details, "addonCompatibilityDetails": []}),
    }
}
