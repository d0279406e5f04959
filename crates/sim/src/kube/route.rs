//! From method and path to what is asked of the API server.

use percent_encoding::percent_decode_str;

use super::resource::{KARPENTER, Resource};
use super::status::Failure;

/// What is done to a resource, as RBAC has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Create,
    Update,
    Patch,
    Delete,
}

impl Verb {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// A part of an object that has a path of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subresource {
    Scale,
    Status,
    Eviction,
}

impl Subresource {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "scale" => Some(Self::Scale),
            "status" => Some(Self::Status),
            "eviction" => Some(Self::Eviction),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scale => "scale",
            Self::Status => "status",
            Self::Eviction => "eviction",
        }
    }
}

/// Objects of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Objects {
    pub(crate) resource: Resource,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<Subresource>,
}

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Version,
    /// `/readyz` and its like.
    Health,
    Metrics,
    /// `/api`.
    Core,
    /// `/apis`.
    Groups,
    Group(String),
    /// The resources of a version of a group; empty for the core group.
    GroupVersion(String, String),
    Objects(Objects),
}

/// What is asked, taken from method and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) verb: Verb,
    pub(crate) target: Target,
    /// Without account, Region and cluster.
    pub(crate) path: String,
}

/// Whose API server a path is for: account, Region, cluster; and the path there.
pub(crate) fn locate(path: &str) -> Option<(&str, &str, &str, &str)> {
    let (account, rest) = path.strip_prefix('/')?.split_once('/')?;
    let (region, rest) = rest.split_once('/')?;
    let (cluster, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Some((account, region, cluster, if rest.is_empty() { "/" } else { rest }))
}

impl Route {
    /// What is asked; `karpenter` says whether its group is there.
    pub(crate) fn parse(method: &str, path: &str, karpenter: bool) -> Result<Self, Failure> {
        let segments: Vec<String> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let target = target(&segments).ok_or_else(Failure::no_resource)?;
        if !karpenter && target.group() == Some(KARPENTER) {
            return Err(Failure::no_resource());
        }
        let verb = target.verb(method).ok_or_else(Failure::method_not_allowed)?;
        Ok(Self { verb, target, path: path.to_owned() })
    }

    /// `nodes`, `pods/eviction`, or a path: what is forbidden and logged by.
    pub(crate) fn what(&self) -> String {
        let Target::Objects(objects) = &self.target else { return self.path.clone() };
        let plural = objects.resource.facts().plural;
        match objects.subresource {
            Some(part) => format!("{plural}/{}", part.name()),
            None => plural.to_owned(),
        }
    }
}

impl Target {
    fn group(&self) -> Option<&str> {
        match self {
            Self::Group(group) | Self::GroupVersion(group, _) => Some(group),
            Self::Objects(objects) => Some(objects.resource.facts().group),
            _ => None,
        }
    }

    /// The verb that a method means here.
    fn verb(&self, method: &str) -> Option<Verb> {
        let Self::Objects(objects) = self else { return (method == "GET").then_some(Verb::Get) };
        let one = objects.name.is_some();
        let whole = objects.subresource.is_none();
        match (method, objects.subresource) {
            ("GET", None) => Some(if one { Verb::Get } else { Verb::List }),
            ("POST", None) if !one => Some(Verb::Create),
            ("POST", Some(Subresource::Eviction)) => Some(Verb::Create),
            ("GET", Some(Subresource::Scale | Subresource::Status)) => Some(Verb::Get),
            ("PUT", None | Some(Subresource::Scale)) if one => Some(Verb::Update),
            ("PATCH", None | Some(Subresource::Scale)) if one => Some(Verb::Patch),
            ("DELETE", None) if one && whole => Some(Verb::Delete),
            _ => None,
        }
    }
}

fn target(segments: &[&str]) -> Option<Target> {
    match segments {
        ["version"] => Some(Target::Version),
        ["readyz" | "livez" | "healthz", ..] => Some(Target::Health),
        ["metrics"] => Some(Target::Metrics),
        ["api"] => Some(Target::Core),
        ["apis"] => Some(Target::Groups),
        ["api", version] => Some(Target::GroupVersion(String::new(), (*version).to_owned())),
        ["apis", group] => Some(Target::Group((*group).to_owned())),
        ["apis", group, version] => Some(Target::GroupVersion((*group).to_owned(), (*version).to_owned())),
        ["api", version, rest @ ..] => objects("", version, rest),
        ["apis", group, version, rest @ ..] => objects(group, version, rest),
        _ => None,
    }
}

fn objects(group: &str, version: &str, rest: &[&str]) -> Option<Target> {
    let (namespace, rest) = match rest {
        // `/namespaces/x` is the namespace itself.
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let (plural, name, part) = match rest {
        [plural] => (plural, None, None),
        [plural, name] => (plural, Some(*name), None),
        [plural, name, part] => (plural, Some(*name), Some(Subresource::parse(part)?)),
        _ => return None,
    };
    let resource = Resource::find(group, version, plural)?;
    let fits = match part {
        Some(Subresource::Scale) => resource.scales(),
        Some(Subresource::Eviction) => resource == Resource::Pod,
        Some(Subresource::Status) | None => true,
    };
    // Only a whole list may be asked for without the namespace that its objects are in.
    let placed =
        resource.facts().namespaced == namespace.is_some() || (namespace.is_none() && name.is_none());
    (fits && placed).then(|| {
        Target::Objects(Objects {
            resource,
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
            subresource: part,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, path: &str) -> Result<String, u16> {
        let route = Route::parse(method, path, false).map_err(|failure| failure.code)?;
        Ok(format!("{} {}", route.verb.name(), route.what()))
    }

    #[test]
    fn paths_tell_what_is_asked() {
        let read = |method, path| read(method, path).unwrap();
        assert_eq!(read("GET", "/api/v1/nodes"), "list nodes");
        assert_eq!(read("GET", "/api/v1/namespaces/default"), "get namespaces");
        assert_eq!(read("GET", "/api/v1/namespaces/default/pods"), "list pods");
        assert_eq!(read("DELETE", "/api/v1/namespaces/default/pods/a"), "delete pods");
        assert_eq!(read("POST", "/api/v1/namespaces/default/pods/a/eviction"), "create pods/eviction");
        assert_eq!(
            read("PATCH", "/apis/apps/v1/namespaces/a/deployments/b/scale"),
            "patch deployments/scale"
        );
        assert_eq!(read("GET", "/metrics"), "get /metrics");
    }

    #[test]
    fn what_is_not_there_is_not_found_and_other_methods_are_not_allowed() {
        for path in [
            "/apis/policy/v1beta1/poddisruptionbudgets",
            "/apis/karpenter.sh/v1/nodepools",
            "/api/v1/pods/a",
            "/api/v1/namespaces/a/nodes",
            "/api/v1/namespaces/a/pods/b/exec",
            "/apis/apps/v1/namespaces/a/daemonsets/b/scale",
        ] {
            assert_eq!(read("GET", path), Err(404), "{path}");
        }
        assert_eq!(read("DELETE", "/api/v1/nodes"), Err(405));
        assert_eq!(read("GET", "/api/v1/namespaces/a/pods/b/eviction"), Err(405));
        assert!(Route::parse("GET", "/apis/karpenter.sh/v1/nodepools", true).is_ok());
    }

    #[test]
    fn a_path_begins_with_the_cluster() {
        assert_eq!(locate("/1/us-east-1/a/api/v1/nodes"), Some(("1", "us-east-1", "a", "/api/v1/nodes")));
        assert_eq!(locate("/1/us-east-1/a"), Some(("1", "us-east-1", "a", "/")));
        assert_eq!(locate("/api/v1"), None);
    }
}
