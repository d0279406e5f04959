//! Upgrade insights: those that follow from the cluster's state, and those of the fleet file.
//!
//! What is derived is derived at the moment of the question; the refresh times only say when AWS would have.

use serde_json::{Value, json};

use super::{Done, cluster, page};
use crate::fleet::InsightSpec;
use crate::http::ApiError;
use crate::minor::Minor;
use crate::rng::Rng;
use crate::route::Call;
use crate::state::Cluster;
use crate::time::{DAY, HOUR, Ms, epoch_seconds};
use crate::world::World;

/// An insight, its long form.
struct Insight {
    name: String,
    category: String,
    about: Minor,
    status: String,
    reason: String,
    resources: Vec<Value>,
    specific: Value,
}

pub(super) fn list(world: &World, call: &Call) -> Result<Done, ApiError> {
    let cluster = cluster(world, call)?;
    let wanted = |pointer: &str, value: &str| {
        let list = call.texts(pointer);
        list.is_empty() || list.contains(&value)
    };
    let summaries = insights(world, cluster)
        .into_iter()
        .filter(|insight| {
            wanted("/filter/categories", &insight.category)
                && wanted("/filter/kubernetesVersions", &insight.about.to_string())
                && wanted("/filter/statuses", &insight.status)
        })
        .map(|insight| summary(cluster, &insight, world));
    page(call, "insights", summaries.collect())
}

pub(super) fn describe(world: &World, call: &Call) -> Result<Done, ApiError> {
    let cluster = cluster(world, call)?;
    let asked = call.id.as_deref().unwrap_or_default();
    let found = insights(world, cluster).into_iter().find(|insight| id(cluster, insight) == asked);
    let insight = found.ok_or_else(|| {
        ApiError::not_found(format!("No insight found for ID: {asked}"))
            .with("clusterName", &cluster.spec.name)
    })?;
    let mut body = summary(cluster, &insight, world);
    body["recommendation"] = json!(match insight.status.as_str() {
        "PASSING" => "Nothing to do.",
        _ => "Resolve what is listed before the control plane is upgraded.",
    });
    body["additionalInfo"] = json!({});
    body["resources"] = json!(insight.resources);
    body["categorySpecificSummary"] = insight.specific;
    Ok(Done::read(json!({"insight": body})))
}

fn id(cluster: &Cluster, insight: &Insight) -> String {
    Rng::new(cluster.created.unsigned_abs(), &format!("{} {}", insight.name, insight.about)).uuid()
}

fn summary(cluster: &Cluster, insight: &Insight, world: &World) -> Value {
    json!({
        "id": id(cluster, insight),
        "name": insight.name,
        "category": insight.category,
        "kubernetesVersion": insight.about,
        "lastRefreshTime": epoch_seconds(refreshed(world)),
        "lastTransitionTime": epoch_seconds(cluster.version_since),
        "description": format!("{} of the cluster.", insight.name),
        "insightStatus": {"status": insight.status, "reason": insight.reason},
    })
}

/// Insights are refreshed every 24 hours; the last time before the start was six hours before it.
fn refreshed(world: &World) -> Ms {
    let first = world.start - 6 * HOUR;
    first + (world.now - first) / DAY * DAY
}

fn insights(world: &World, cluster: &Cluster) -> Vec<Insight> {
    let next = cluster.version.next();
    let derived = [
        kubelet_skew(cluster, next),
        kube_proxy_skew(cluster, next),
        addon_compatibility(world, cluster, next),
        amazon_linux_2(cluster, next),
        verdict(format!("Deprecated APIs removed in Kubernetes v{next}"), next, Vec::new(), "WARNING"),
        cluster_health(cluster, next),
    ];
    let told = |insight: &Insight| cluster.spec.insights.iter().any(|spec| spec.name == insight.name);
    let mut insights: Vec<Insight> = derived.into_iter().filter(|insight| !told(insight)).collect();
    insights.extend(cluster.spec.insights.iter().map(|spec| from_spec(spec, next, world.start)));
    insights
}

/// `bad` as soon as some resource is, else passing.
fn verdict(name: impl Into<String>, about: Minor, resources: Vec<(String, String)>, bad: &str) -> Insight {
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
        category: "UPGRADE_READINESS".to_owned(),
        about,
        status: status.to_owned(),
        reason,
        resources,
        specific: json!({"deprecationDetails": [], "addonCompatibilityDetails": []}),
    }
}

fn kubelet_skew(cluster: &Cluster, next: Minor) -> Insight {
    let oldest = |group: &crate::state::Nodegroup| group.nodes.iter().map(|node| node.config.kubelet).min();
    let behind: Vec<(u16, String, String)> = cluster
        .nodegroups
        .values()
        .filter_map(|group| oldest(group).map(|kubelet| (kubelet.behind(next), group.arn.clone(), kubelet)))
        .filter(|(behind, ..)| *behind >= 3)
        .map(|(behind, arn, kubelet)| (behind, arn, format!("Node has a kubelet of {kubelet}")))
        .collect();
    let bad = if behind.iter().any(|(behind, ..)| *behind > 3) { "ERROR" } else { "WARNING" };
    let resources = behind.into_iter().map(|(_, arn, why)| (arn, why)).collect();
    verdict("Kubelet version skew", next, resources, bad)
}

fn kube_proxy_skew(cluster: &Cluster, next: Minor) -> Insight {
    let addon = cluster.addons.get("kube-proxy");
    let far = addon.filter(|addon| {
        let numbers = crate::addon_version::numbers(&addon.version);
        let minor = numbers.get(1).and_then(|n| u16::try_from(*n).ok()).map(Minor::new);
        minor.is_some_and(|minor| minor.behind(next) > 3)
    });
    let resources = far.map(|addon| (addon.arn.clone(), format!("kube-proxy is at {}", addon.version)));
    verdict("kube-proxy version skew", next, resources.into_iter().collect(), "ERROR")
}

fn addon_compatibility(world: &World, cluster: &Cluster, next: Minor) -> Insight {
    let misfits: Vec<(&str, String, String)> = cluster
        .addons
        .values()
        .filter(|addon| {
            let offer = world.catalogue.version(&addon.spec.name, &addon.version);
            offer.is_none_or(|offer| !offer.minors.contains(&next))
        })
        .map(|addon| {
            let why = format!("{} {} does not run on {next}", addon.spec.name, addon.version);
            (addon.spec.name.as_str(), addon.arn.clone(), why)
        })
        .collect();
    let details: Vec<Value> = misfits
        .iter()
        .map(|(name, ..)| json!({"name": name, "compatibleVersions": world.catalogue.compatible(name, next)}))
        .collect();
    let resources = misfits.into_iter().map(|(_, arn, why)| (arn, why)).collect();
    let specific = json!({"deprecationDetails": [], "addonCompatibilityDetails": details});
    Insight { specific, ..verdict("EKS add-on version compatibility", next, resources, "ERROR") }
}

fn amazon_linux_2(cluster: &Cluster, next: Minor) -> Insight {
    let groups = cluster.nodegroups.values().filter(|group| group.spec.ami_type.starts_with("AL2_"));
    let resources =
        groups.map(|group| (group.arn.clone(), format!("{} runs Amazon Linux 2", group.spec.name)));
    verdict("Amazon Linux 2 compatibility", next, resources.collect(), "ERROR")
}

fn cluster_health(cluster: &Cluster, next: Minor) -> Insight {
    let issues = cluster.spec.health_issues.iter();
    let resources = issues.map(|issue| (cluster.arn.clone(), format!("{}: {}", issue.code, issue.message)));
    verdict("Cluster health issues", next, resources.collect(), "ERROR")
}

fn from_spec(spec: &InsightSpec, next: Minor, start: Ms) -> Insight {
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
        category: spec.category.clone(),
        about: spec.kubernetes_version.unwrap_or(next),
        status: spec.status.clone(),
        reason: spec.reason.clone(),
        resources: Vec::new(),
        specific: json!({"deprecationDetails": details, "addonCompatibilityDetails": []}),
    }
}
