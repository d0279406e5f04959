//! The control surface under `/_sim`: what tests and the demo's judge see and do, and no product ever should.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::fleet::checks::check_fault;
use crate::fleet::{Act, ClusterSpec, Fault};
use crate::http::Response;
use crate::insights::refresh::{Refresh, by_itself};
use crate::state::{Cluster, Scope, Update};
use crate::time::rfc3339;
use crate::world::World;

fn answer(body: &Value) -> Response {
    Response::json(200, body, false)
}

/// Why the control surface refuses: status and words.
type Refusal = (u16, String);

fn bad(error: impl std::fmt::Display) -> Refusal {
    (400, error.to_string())
}

/// A refusal of the control surface.
pub(crate) fn refuse(status: u16, message: impl std::fmt::Display) -> Response {
    Response::json(status, &json!({"message": message.to_string()}), false)
}

/// JSON or YAML: every JSON text is YAML too.
fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_yaml_ng::from_slice(body).map_err(bad)
}

impl World {
    /// Answers a request under `/_sim`, except for the log and the reset, which are the server's.
    pub fn control(&mut self, now: Timestamp, method: &str, path: &str, body: &[u8]) -> Response {
        self.advance(now);
        let done = match (method, path) {
            ("GET", "/_sim/health") => Ok(answer(&json!({"status": "ok", "now": rfc3339(self.now)}))),
            ("GET", "/_sim/state") => Ok(answer(&self.state())),
            ("POST", "/_sim/faults") => parse::<Fault>(body).and_then(|fault| {
                check_fault("fault", &fault).map_err(bad)?;
                self.faults.add(fault);
                Ok(answer(&json!({})))
            }),
            ("POST", "/_sim/clusters") => parse::<ClusterSpec>(body).and_then(|spec| {
                self.add_cluster(spec).map_err(bad)?;
                Ok(answer(&json!({})))
            }),
            ("POST", "/_sim/act") => parse::<Act>(body).and_then(|act| {
                let id = crate::ops::people::act(self, act)
                    .map_err(|refusal| (refusal.status, format!("{}: {}", refusal.kind, refusal.message)))?;
                Ok(answer(&json!({"updateId": id})))
            }),
            _ => {
                let there =
                    "there are GET health, requests, state and POST faults, clusters, reset, act under /_sim";
                Err((404, there.to_owned()))
            }
        };
        done.unwrap_or_else(|(status, message)| refuse(status, message))
    }

    /// The whole world, as it is rather than as reads show it.
    #[must_use]
    pub fn state(&self) -> Value {
        json!({
            "now": rfc3339(self.now),
            "start": rfc3339(self.start),
            "account": self.place.account,
            "region": self.place.region,
            "clusters": self.clusters.values().map(|cluster| (cluster.spec.name.clone(), self.state_of(cluster)))
                .collect::<serde_json::Map<_, _>>(),
            "deleted": self.gone.iter().map(|spec| json!({"name": spec.name, "expect": spec.expect}))
                .collect::<Vec<_>>(),
            "faults": self.faults.describe(),
        })
    }

    /// The same of one cluster; nothing of one that there is not.
    #[must_use]
    pub fn cluster_state(&self, name: &str) -> Option<Value> {
        self.clusters.get(name).map(|cluster| self.state_of(cluster))
    }

    fn state_of(&self, cluster: &Cluster) -> Value {
        let mut body = state_of(cluster);
        body["selfManaged"] = cluster.groups_state(self.now);
        // Those that were asked for, and the last of EKS's own.
        let refreshes = cluster.refreshes.iter().copied().chain([by_itself(self, cluster)]);
        body["insightsRefreshes"] = refreshes.map(refresh_of).collect();
        if let Some(kube) = &cluster.kubernetes {
            body["kubernetes"] = kube.summary();
        }
        for (field, own, of_the_fleet) in [
            ("account", &cluster.place.account, &self.place.account),
            ("region", &cluster.place.region, &self.place.region),
        ] {
            if own != of_the_fleet {
                body[field] = json!(own);
            }
        }
        body
    }
}

fn state_of(cluster: &Cluster) -> Value {
    let nodegroups: serde_json::Map<String, Value> = cluster
        .nodegroups
        .values()
        .map(|group| {
            let updating = cluster.running(&Scope::Nodegroup(group.spec.name.clone())).is_some();
            let nodes: Vec<Value> = group
                .nodes
                .iter()
                .map(|node| {
                    json!({"name": node.name, "kubeletVersion": node.config.kubelet,
                           "releaseVersion": node.config.release, "protectedByPdb": node.protected})
                })
                .collect();
            let body = json!({
                "version": group.config.kubelet,
                "releaseVersion": group.config.release,
                "launchTemplateVersion": group.config.template,
                "amiType": group.spec.ami_type,
                "status": if updating { "UPDATING" } else { group.status.as_str() },
                "phase": group.phase,
                "nodes": nodes,
            });
            (group.spec.name.clone(), body)
        })
        .collect();
    let addons: serde_json::Map<String, Value> = cluster
        .addons
        .values()
        .map(|addon| {
            let updating = cluster.running(&Scope::Addon(addon.spec.name.clone())).is_some();
            let status = if updating { "UPDATING" } else { addon.status.as_str() };
            let body = json!({
                "version": addon.version, "status": status, "configurationValues": addon.configuration,
                "serviceAccountRoleArn": addon.role, "podIdentityAssociations": addon.pod_identities,
            });
            (addon.spec.name.clone(), body)
        })
        .collect();
    let updating = cluster.running(&Scope::Cluster).is_some();
    json!({
        "name": cluster.spec.name,
        "arn": cluster.arn,
        "createdAt": rfc3339(cluster.created),
        "version": cluster.version,
        "status": if updating { "UPDATING" } else { cluster.status.as_str() },
        "supportType": cluster.support_type,
        "healthIssues": cluster.issues(),
        "tags": cluster.tags,
        "expect": cluster.spec.expect,
        "nodegroups": nodegroups,
        "addons": addons,
        "updates": cluster.updates.iter().map(update_of).collect::<Vec<_>>(),
    })
}

fn refresh_of(refresh: Refresh) -> Value {
    json!({"startedAt": rfc3339(refresh.started), "endedAt": rfc3339(refresh.ended)})
}

fn update_of(update: &Update) -> Value {
    let (nodegroup, addon) = match &update.scope {
        Scope::Cluster => (None, None),
        Scope::Nodegroup(name) => (Some(name), None),
        Scope::Addon(name) => (None, Some(name)),
    };
    json!({
        "id": update.id,
        "type": update.kind,
        "status": update.status,
        "nodegroup": nodegroup,
        "addon": addon,
        "params": update.params.iter().map(|(kind, value)| ((*kind).to_owned(), json!(value)))
            .collect::<serde_json::Map<_, _>>(),
        "createdAt": rfc3339(update.created),
        "endedAt": update.ended.map(rfc3339),
        "by": update.by,
        "errors": update.errors,
    })
}
