//! What the API server says about itself: its version, its groups, its resources, its metrics.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::resource::{ALL, KARPENTER, Resource};
use super::status::Failure;
use crate::fleet::DeprecatedCaller;
use crate::minor::Minor;

/// `/version` of an API server of that minor and patch release.
pub(crate) fn version(minor: Minor, patch: &str) -> Value {
    let release = minor.to_string();
    let digits = release.trim_start_matches("1.");
    json!({
        "major": "1", "minor": format!("{digits}+"), "gitVersion": format!("v{patch}-eks-3025e55"),
        "gitCommit": "0000000000000000000000000000000000000000", "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z", "goVersion": "go1.25.0", "compiler": "gc", "platform": "linux/amd64",
    })
}

/// `/api`.
pub(crate) fn core() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// Versions by group, the core group left out.
fn groups(karpenter: bool) -> BTreeMap<&'static str, &'static str> {
    let facts = ALL.iter().map(|resource| resource.facts());
    let there = facts.filter(|facts| !facts.group.is_empty() && (karpenter || facts.group != KARPENTER));
    there.map(|facts| (facts.group, facts.version)).collect()
}

fn describe(group: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
    json!({"name": group, "versions": [version], "preferredVersion": version})
}

/// `/apis`.
pub(crate) fn all_groups(karpenter: bool) -> Value {
    let groups: Vec<Value> =
        groups(karpenter).into_iter().map(|(group, version)| describe(group, version)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
pub(crate) fn group(name: &str, karpenter: bool) -> Result<Value, Failure> {
    let version = groups(karpenter).get(name).copied().ok_or_else(Failure::no_resource)?;
    let mut body = describe(name, version);
    body["kind"] = json!("APIGroup");
    body["apiVersion"] = json!("v1");
    Ok(body)
}

/// `/api/VERSION` and `/apis/GROUP/VERSION`.
pub(crate) fn resources(group: &str, version: &str) -> Result<Value, Failure> {
    let there = |resource: &&Resource| {
        let facts = resource.facts();
        facts.group == group && facts.version == version
    };
    let list: Vec<Value> = ALL.iter().filter(there).flat_map(|resource| entries(*resource)).collect();
    if list.is_empty() {
        return Err(Failure::no_resource());
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Ok(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list,
    }))
}

/// A resource and its subresources.
fn entries(resource: Resource) -> Vec<Value> {
    let facts = resource.facts();
    let short: Vec<&str> = Some(facts.short).filter(|short| !short.is_empty()).into_iter().collect();
    let mut list = vec![json!({
        "name": facts.plural, "singularName": facts.kind.to_lowercase(), "namespaced": facts.namespaced,
        "kind": facts.kind, "shortNames": short,
        "verbs": ["create", "delete", "get", "list", "patch", "update"],
    })];
    if resource.scales() {
        list.push(json!({
            "name": format!("{}/scale", facts.plural), "singularName": "", "namespaced": true, "kind": "Scale",
            "group": "autoscaling", "version": "v1", "verbs": ["get", "patch", "update"],
        }));
    }
    if resource == Resource::Pod {
        list.push(json!({
            "name": "pods/eviction", "singularName": "", "namespaced": true, "kind": "Eviction",
            "group": "policy", "version": "v1", "verbs": ["create"],
        }));
    }
    list
}

/// `/metrics`: who calls deprecated APIs.
pub(crate) fn metrics(callers: &[DeprecatedCaller]) -> String {
    const NAME: &str = "apiserver_requested_deprecated_apis";
    let help = format!(
        "# HELP {NAME} [STABLE] Gauge of deprecated APIs that have been requested, broken out by API group, version, \
         resource, subresource, and removed_release.\n# TYPE {NAME} gauge\n"
    );
    let lines = callers.iter().map(|caller| {
        format!(
            "{NAME}{{group=\"{}\",removed_release=\"{}\",resource=\"{}\",subresource=\"{}\",version=\"{}\"}} 1\n",
            caller.group, caller.removed_release, caller.resource, caller.subresource, caller.version
        )
    });
    std::iter::once(help).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_follows_the_control_plane() {
        let version = version(Minor::new(33), "1.33.5");
        assert_eq!(
            (&version["minor"], &version["gitVersion"]),
            (&json!("33+"), &json!("v1.33.5-eks-3025e55"))
        );
    }

    #[test]
    fn karpenter_is_a_group_only_where_it_is() {
        assert_eq!(group(KARPENTER, false).unwrap_err().code, 404);
        assert_eq!(group(KARPENTER, true).unwrap()["preferredVersion"]["groupVersion"], "karpenter.sh/v1");
        assert_eq!(resources("policy", "v1beta1").unwrap_err().code, 404);
        let core = resources("", "v1").unwrap();
        let names: Vec<&str> =
            core["resources"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert!(names.contains(&"pods/eviction") && names.contains(&"nodes"));
    }
}
