//! What an old server calls by another version than the product does, and how one becomes the other.
//!
//! `policy/v1`, `discovery.k8s.io/v1` and `CronJob` of `batch/v1` came with Kubernetes 1.21, `autoscaling/v2` with
//! 1.23. Before that the same resources, almost to the field, were of a beta version.

use kube::Client;
use serde_json::{Map, Value, json};

/// A resource that clients ask for under one version, and the server serves under another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Renamed {
    group: &'static str,
    resource: &'static str,
    asked: &'static str,
    served: &'static str,
}

const CANDIDATES: [Renamed; 4] = [
    Renamed { group: "policy", resource: "poddisruptionbudgets", asked: "v1", served: "v1beta1" },
    Renamed { group: "discovery.k8s.io", resource: "endpointslices", asked: "v1", served: "v1beta1" },
    Renamed { group: "batch", resource: "cronjobs", asked: "v1", served: "v1beta1" },
    Renamed { group: "autoscaling", resource: "horizontalpodautoscalers", asked: "v2", served: "v2beta2" },
];

/// An eviction is of group policy wherever it is posted.
const POLICY: &Renamed = &CANDIDATES[0];

/// What has to be done to one request and its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// Nothing.
    Through,
    /// The answer names the groups or the resources that there are.
    Discovery,
    /// As discovery, of a version that is in part, or not at all, the server's: the resource that it lacks.
    Resources(Renamed),
    /// Path, body and answer are of a resource that has another version there.
    Resource(Renamed),
}

/// What one server serves under another version.
#[derive(Clone, Debug, Default)]
pub(super) struct Bridge(Vec<Renamed>);

impl Bridge {
    /// Asks a server what it lacks.
    pub(super) async fn to(client: &Client) -> Result<Self, kube::Error> {
        let mut lacking = Vec::new();
        for renamed in CANDIDATES {
            if !serves(client, &renamed.version(renamed.asked), renamed.resource).await?
                && serves(client, &renamed.version(renamed.served), renamed.resource).await?
            {
                lacking.push(renamed);
            }
        }
        Ok(Self(lacking))
    }

    /// What to do with a request to this path.
    pub(super) fn way(&self, path: &str) -> Way {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match parts[..] {
            ["api", "v1", "namespaces", _, "pods", _, "eviction"] => {
                self.has(POLICY).map_or(Way::Through, Way::Resource)
            }
            ["apis", group, version, ..] => self.way_of_group(group, version, &parts[3..]),
            ["api" | "apis", ..] if parts.len() <= 2 && !self.0.is_empty() => Way::Discovery,
            _ => Way::Through,
        }
    }

    fn way_of_group(&self, group: &str, version: &str, rest: &[&str]) -> Way {
        let of_group = |renamed: &&Renamed| renamed.group == group && renamed.asked == version;
        let Some(renamed) = self.0.iter().copied().find(|renamed| of_group(&renamed)) else {
            return Way::Through;
        };
        match rest {
            [] => Way::Resources(renamed),
            ["namespaces", _, resource, ..] | [resource, ..] if *resource == renamed.resource => {
                Way::Resource(renamed)
            }
            _ => Way::Through,
        }
    }

    fn has(&self, renamed: &Renamed) -> Option<Renamed> {
        self.0.iter().copied().find(|other| other == renamed)
    }

    /// Makes the server's answer to a question of discovery one of a server that serves what is asked.
    pub(super) fn discovery(&self, answer: &mut Value) {
        for renamed in &self.0 {
            match answer["kind"].as_str() {
                Some("APIGroupList") => {
                    entries(answer, "groups").for_each(|group| renamed.advertise(group));
                }
                Some("APIGroup") => renamed.advertise(answer),
                _ => renamed.advertise_eviction(answer),
            }
        }
    }
}

impl Renamed {
    fn version(&self, version: &str) -> String {
        format!("{}/{version}", self.group)
    }

    /// The path that the server knows.
    pub(super) fn path(&self, path: &str) -> String {
        let prefix = format!("/apis/{}", self.version(self.asked));
        match path.strip_prefix(&prefix) {
            Some(rest) => format!("/apis/{}{rest}", self.version(self.served)),
            None => path.to_owned(),
        }
    }

    /// The resources of the version that is asked for, from both versions' lists.
    pub(super) fn resources(&self, asked: Option<Value>, served: &Value) -> Value {
        let empty = || json!({"kind": "APIResourceList", "apiVersion": "v1", "resources": []});
        let mut all = asked.unwrap_or_else(empty);
        all["groupVersion"] = self.version(self.asked).into();
        let is_it = |name: &str| name.split('/').next() == Some(self.resource);
        let lacking = served["resources"].as_array().into_iter().flatten();
        let lacking = lacking.filter(|resource| resource["name"].as_str().is_some_and(is_it)).cloned();
        if let Some(resources) = all["resources"].as_array_mut() {
            resources.extend(lacking);
        }
        all
    }

    /// What a client sends, as the server reads it.
    pub(super) fn request(&self, body: &mut Value) {
        self.endpoints(body, to_topology);
        rename(body, &self.version(self.asked), &self.version(self.served));
    }

    /// What the server sends, as the client reads it.
    pub(super) fn answer(&self, body: &mut Value) {
        self.endpoints(body, from_topology);
        rename(body, &self.version(self.served), &self.version(self.asked));
    }

    fn endpoints(&self, body: &mut Value, change: fn(&mut Map<String, Value>)) {
        if self.resource != "endpointslices" {
            return;
        }
        let change_all = |slice: &mut Value| {
            entries(slice, "endpoints").filter_map(Value::as_object_mut).for_each(change);
        };
        entries(body, "items").for_each(change_all);
        change_all(body);
        // An event of a watch.
        if let Some(slice) = body.get_mut("object") {
            change_all(slice);
        }
    }

    /// Puts the version that is asked for in the place of the one that is served.
    fn advertise(&self, group: &mut Value) {
        if group["name"] != self.group {
            return;
        }
        let (asked, served) = (self.version(self.asked), self.version(self.served));
        let is = |version: &Value, name: &str| version["groupVersion"] == *name;
        if let Some(versions) = group["versions"].as_array_mut() {
            if versions.iter().any(|version| is(version, &asked)) {
                versions.retain(|version| !is(version, &served));
            }
            for version in versions.iter_mut().filter(|version| is(version, &served)) {
                *version = json!({"groupVersion": asked, "version": self.asked});
            }
        }
        if is(&group["preferredVersion"], &served) {
            group["preferredVersion"] = json!({"groupVersion": asked, "version": self.asked});
        }
    }

    /// Evictions are told among the resources of pods, with their group's version.
    fn advertise_eviction(&self, resources: &mut Value) {
        let is_it = |one: &&mut Value| one["group"] == self.group && one["version"] == self.served;
        entries(resources, "resources").filter(is_it).for_each(|one| one["version"] = self.asked.into());
    }
}

/// Whether a server has a resource under a version of its group.
async fn serves(client: &Client, version: &str, resource: &str) -> Result<bool, kube::Error> {
    match client.list_api_group_resources(version).await {
        Ok(all) => Ok(all.resources.iter().any(|one| one.name == resource)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

/// The elements of a list that an object may have.
fn entries<'a>(object: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Changes a version wherever an object or a part of one tells it.
fn rename(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|one| rename(one, from, to)),
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == "apiVersion" && field == from {
                    *field = to.into();
                } else {
                    rename(field, from, to);
                }
            }
        }
        _ => {}
    }
}

const ZONE: &str = "topology.kubernetes.io/zone";
const NODE: &str = "kubernetes.io/hostname";

/// `discovery.k8s.io/v1beta1` tells where an endpoint is by labels, `v1` by fields.
fn from_topology(endpoint: &mut Map<String, Value>) {
    let Some(topology) = endpoint.remove("topology") else { return };
    for (field, label) in [("zone", ZONE), ("nodeName", NODE)] {
        if let Some(told) = topology.get(label) {
            endpoint.insert(field.to_owned(), told.clone());
        }
    }
}

fn to_topology(endpoint: &mut Map<String, Value>) {
    let labels = [("zone", ZONE), ("nodeName", NODE)];
    let told =
        labels.into_iter().filter_map(|(field, label)| Some((label.to_owned(), endpoint.remove(field)?)));
    let topology: Map<String, Value> = told.collect();
    endpoint.insert("topology".to_owned(), topology.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn old() -> Bridge {
        Bridge(CANDIDATES.to_vec())
    }

    #[test]
    fn only_what_is_lacking_takes_another_way() {
        let path = |renamed: Renamed, path: &str| renamed.path(path);
        for (asked, served) in [
            ("/apis/policy/v1/poddisruptionbudgets", "/apis/policy/v1beta1/poddisruptionbudgets"),
            (
                "/apis/batch/v1/namespaces/a/cronjobs/b/status",
                "/apis/batch/v1beta1/namespaces/a/cronjobs/b/status",
            ),
            ("/api/v1/namespaces/a/pods/b/eviction", "/api/v1/namespaces/a/pods/b/eviction"),
        ] {
            let Way::Resource(renamed) = old().way(asked) else { panic!("{asked} goes through") };
            assert_eq!(path(renamed, asked), served);
            assert_eq!(Bridge::default().way(asked), Way::Through);
        }
        for through in
            ["/apis/batch/v1/jobs", "/apis/policy/v1beta1/x", "/api/v1/pods", "/version", "/apis/apps/v1"]
        {
            assert_eq!(old().way(through), Way::Through, "{through}");
        }
        for told in ["/apis", "/apis/policy", "/api/v1"] {
            assert_eq!(old().way(told), Way::Discovery, "{told}");
            assert_eq!(Bridge::default().way(told), Way::Through, "{told}");
        }
    }

    #[test]
    fn a_group_tells_the_version_that_is_asked_for() {
        let mut group = json!({
            "kind": "APIGroup", "name": "policy",
            "versions": [{"groupVersion": "policy/v1beta1", "version": "v1beta1"}],
            "preferredVersion": {"groupVersion": "policy/v1beta1", "version": "v1beta1"},
        });
        old().discovery(&mut group);
        let v1 = json!({"groupVersion": "policy/v1", "version": "v1"});
        assert_eq!((&group["versions"], &group["preferredVersion"]), (&json!([v1]), &v1));
    }

    #[test]
    fn an_endpoint_tells_its_zone_by_a_field() {
        let slices = &CANDIDATES[1];
        let v1 = json!({"items": [{
            "apiVersion": "discovery.k8s.io/v1",
            "endpoints": [{"addresses": ["10.0.0.1"], "zone": "eu-west-1a", "nodeName": "a"}],
        }]});
        let mut there = v1.clone();
        slices.request(&mut there);
        assert_eq!(there["items"][0]["apiVersion"], "discovery.k8s.io/v1beta1");
        assert_eq!(there["items"][0]["endpoints"][0]["topology"][ZONE], "eu-west-1a");
        slices.answer(&mut there);
        assert_eq!(there, v1);
    }
}
