//! What AWS offers beside control planes: versions of add-ons and releases of node images.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::addon_version::numbers;
use crate::fleet::{AddonOffer, AddonVersionOffer};
use crate::minor::Minor;

/// Add-ons by name.
#[derive(Clone, Debug)]
pub(crate) struct Catalogue {
    addons: BTreeMap<String, AddonOffer>,
}

/// A row of the built-in catalogue: version, first and last minor it runs on, minors it is the default of.
type Row = (&'static str, u16, u16, &'static [u16]);

const VPC_CNI: &[Row] = &[
    ("v1.17.1-eksbuild.1", 30, 32, &[]),
    ("v1.18.3-eksbuild.3", 30, 33, &[]),
    ("v1.18.6-eksbuild.1", 30, 33, &[30]),
    ("v1.19.2-eksbuild.5", 30, 34, &[31]),
    ("v1.19.6-eksbuild.1", 30, 34, &[32]),
    ("v1.20.1-eksbuild.3", 30, 35, &[33]),
    ("v1.20.4-eksbuild.2", 30, 36, &[34]),
    ("v1.21.1-eksbuild.1", 31, 37, &[35]),
    ("v1.21.1-eksbuild.7", 31, 37, &[36]),
    ("v1.22.0-eksbuild.1", 33, 37, &[37]),
];

const COREDNS: &[Row] = &[
    ("v1.11.1-eksbuild.8", 30, 31, &[]),
    ("v1.11.3-eksbuild.1", 30, 32, &[30]),
    ("v1.11.4-eksbuild.2", 30, 33, &[31, 32]),
    ("v1.11.4-eksbuild.24", 30, 34, &[]),
    ("v1.12.1-eksbuild.2", 32, 35, &[33]),
    ("v1.12.4-eksbuild.1", 33, 35, &[34]),
    ("v1.13.1-eksbuild.1", 34, 36, &[35]),
    ("v1.13.2-eksbuild.1", 34, 37, &[36]),
    ("v1.14.0-eksbuild.1", 36, 37, &[37]),
];

const EBS_CSI: &[Row] = &[
    ("v1.38.1-eksbuild.2", 30, 32, &[30, 31]),
    ("v1.45.0-eksbuild.2", 30, 33, &[32]),
    ("v1.48.0-eksbuild.1", 30, 34, &[33]),
    ("v1.51.0-eksbuild.1", 30, 35, &[34]),
    ("v1.54.0-eksbuild.1", 31, 36, &[35]),
    ("v1.57.1-eksbuild.1", 33, 37, &[36, 37]),
];

const POD_IDENTITY_AGENT: &[Row] = &[
    ("v1.3.4-eksbuild.1", 30, 34, &[30, 31, 32]),
    ("v1.3.8-eksbuild.2", 30, 36, &[33, 34]),
    ("v1.3.10-eksbuild.1", 30, 37, &[35, 36, 37]),
];

/// Patch releases of kube-proxy by minor, oldest first; the second of each is the default.
const KUBE_PROXY: &[(u16, [u16; 3])] = &[
    (30, [6, 11, 14]),
    (31, [2, 7, 14]),
    (32, [0, 6, 13]),
    (33, [0, 5, 10]),
    (34, [0, 3, 6]),
    (35, [0, 2, 3]),
    (36, [0, 1, 2]),
    (37, [0, 1, 2]),
];

/// Image releases by minor: patch and date, oldest first; the newest is the recommended one.
const IMAGES: &[(u16, [&str; 3])] = &[
    (30, ["1.30.9-20250224", "1.30.14-20251103", "1.30.14-20260707"]),
    (31, ["1.31.5-20250224", "1.31.13-20251103", "1.31.14-20260810"]),
    (32, ["1.32.1-20250224", "1.32.9-20251103", "1.32.13-20260810"]),
    (33, ["1.33.1-20250620", "1.33.5-20251103", "1.33.10-20260810"]),
    (34, ["1.34.1-20251103", "1.34.3-20260309", "1.34.6-20260810"]),
    (35, ["1.35.0-20260129", "1.35.1-20260512", "1.35.2-20260810"]),
    (36, ["1.36.0-20260604", "1.36.0-20260713", "1.36.1-20260810"]),
    (37, ["1.37.0-20261008", "1.37.0-20261019", "1.37.0-20261102"]),
];

/// kube-proxy may be this many minors older than the API server.
const KUBE_PROXY_SKEW: u16 = 3;

fn offer(name: &str, kind: &str, versions: Vec<AddonVersionOffer>) -> AddonOffer {
    AddonOffer { name: name.to_owned(), kind: kind.to_owned(), versions }
}

fn from_rows(name: &str, kind: &str, rows: &[Row]) -> AddonOffer {
    let versions = rows.iter().map(|(version, first, last, defaults)| AddonVersionOffer {
        version: (*version).to_owned(),
        minors: (*first..=*last).map(Minor::new).collect(),
        default_for: defaults.iter().copied().map(Minor::new).collect(),
        requires_configuration: false,
    });
    offer(name, kind, versions.collect())
}

fn kube_proxy() -> AddonOffer {
    let versions = KUBE_PROXY.iter().flat_map(|(minor, patches)| {
        patches.iter().enumerate().map(move |(at, patch)| AddonVersionOffer {
            version: format!("v1.{minor}.{patch}-eksbuild.{}", at + 2),
            minors: (*minor..=minor + KUBE_PROXY_SKEW).map(Minor::new).collect(),
            default_for: if at == 1 { vec![Minor::new(*minor)] } else { Vec::new() },
            requires_configuration: false,
        })
    });
    offer("kube-proxy", "networking", versions.collect())
}

impl Catalogue {
    /// The built-in one; add-ons of the fleet file are added to it, or replace those of the same name.
    pub(crate) fn new(more: &[AddonOffer]) -> Self {
        let built_in = [
            from_rows("vpc-cni", "networking", VPC_CNI),
            from_rows("coredns", "networking", COREDNS),
            kube_proxy(),
            from_rows("aws-ebs-csi-driver", "storage", EBS_CSI),
            from_rows("eks-pod-identity-agent", "security", POD_IDENTITY_AGENT),
        ];
        let addons = built_in.into_iter().chain(more.iter().cloned());
        Self { addons: addons.map(|addon| (addon.name.clone(), addon)).collect() }
    }

    /// Whether there is an add-on of that name.
    pub(crate) fn knows(&self, addon: &str) -> bool {
        self.addons.contains_key(addon)
    }

    /// The version on offer for that add-on, if it is one.
    pub(crate) fn version(&self, addon: &str, version: &str) -> Option<&AddonVersionOffer> {
        self.addons.get(addon)?.versions.iter().find(|offer| offer.version == version)
    }

    /// What a new cluster of that minor gets.
    pub(crate) fn default_version(&self, addon: &str, minor: Minor) -> Option<&str> {
        let versions = &self.addons.get(addon)?.versions;
        versions.iter().find(|offer| offer.default_for.contains(&minor)).map(|offer| offer.version.as_str())
    }

    /// Versions of an add-on that run on a minor, newest first.
    pub(crate) fn compatible(&self, addon: &str, minor: Minor) -> Vec<&str> {
        let Some(offer) = self.addons.get(addon) else { return Vec::new() };
        newest_first(offer, Some(minor)).into_iter().map(|version| version.version.as_str()).collect()
    }

    /// Entries of `DescribeAddonVersions`: one add-on or all, for one minor or all of `released`.
    pub(crate) fn describe(
        &self,
        addon: Option<&str>,
        minor: Option<Minor>,
        released: &[Minor],
    ) -> Vec<Value> {
        self.addons
            .values()
            .filter(|offer| addon.is_none_or(|name| name == offer.name))
            .map(|offer| describe(offer, minor, released))
            .filter(|entry| entry["addonVersions"].as_array().is_some_and(|versions| !versions.is_empty()))
            .collect()
    }
}

fn newest_first(offer: &AddonOffer, minor: Option<Minor>) -> Vec<&AddonVersionOffer> {
    let fits = |version: &&AddonVersionOffer| minor.is_none_or(|minor| version.minors.contains(&minor));
    let mut versions: Vec<_> = offer.versions.iter().filter(fits).collect();
    versions.sort_by_key(|version| std::cmp::Reverse(numbers(&version.version)));
    versions
}

fn describe(offer: &AddonOffer, minor: Option<Minor>, released: &[Minor]) -> Value {
    let versions: Vec<Value> = newest_first(offer, minor)
        .into_iter()
        .map(|version| {
            let compatibilities: Vec<Value> = version
                .minors
                .iter()
                .filter(|candidate| released.contains(candidate))
                .filter(|candidate| minor.is_none_or(|minor| minor == **candidate))
                .map(|candidate| {
                    json!({
                        "clusterVersion": candidate,
                        "platformVersions": ["*"],
                        "defaultVersion": version.default_for.contains(candidate),
                    })
                })
                .collect();
            json!({
                "addonVersion": version.version,
                "architecture": ["amd64", "arm64"],
                "computeTypes": ["ec2", "auto", "hybrid"],
                "compatibilities": compatibilities,
                "requiresConfiguration": version.requires_configuration,
                "requiresIamPermissions": offer.name == "vpc-cni" || offer.name == "aws-ebs-csi-driver",
            })
        })
        .filter(|version| version["compatibilities"].as_array().is_some_and(|list| !list.is_empty()))
        .collect();
    json!({
        "addonName": offer.name,
        "type": offer.kind,
        "addonVersions": versions,
        "publisher": "eks",
        "owner": "aws",
        "defaultNamespace": "kube-system",
    })
}

/// Newest image release of a minor; one is made up for a minor that only the fleet file knows.
pub(crate) fn newest_image(minor: Minor) -> String {
    images(minor)
        .and_then(<[&str]>::last)
        .map_or_else(|| format!("{minor}.0-20260810"), |&name| name.to_owned())
}

/// Oldest image release of a minor: what a group that nobody looked after runs.
pub(crate) fn oldest_image(minor: Minor) -> String {
    images(minor).and_then(<[&str]>::first).map_or_else(|| newest_image(minor), |&name| name.to_owned())
}

/// Whether a group of that minor can run the image release.
pub(crate) fn image_exists(minor: Minor, release: &str) -> bool {
    images(minor).map_or_else(|| newest_image(minor) == release, |list| list.contains(&release))
}

fn images(minor: Minor) -> Option<&'static [&'static str]> {
    IMAGES.iter().find(|(known, _)| Minor::new(*known) == minor).map(|(_, list)| list.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_minor_has_exactly_one_default_of_each_addon() {
        let catalogue = Catalogue::new(&[]);
        for (name, addon) in &catalogue.addons {
            for minor in (30..=37).map(Minor::new) {
                let defaults = addon.versions.iter().filter(|v| v.default_for.contains(&minor)).count();
                assert_eq!(defaults, 1, "{name} on {minor}");
                let default = catalogue.default_version(name, minor).unwrap();
                assert!(
                    catalogue.version(name, default).unwrap().minors.contains(&minor),
                    "{name} on {minor}"
                );
            }
        }
    }

    #[test]
    fn each_minor_has_images_of_its_own() {
        for (minor, list) in IMAGES {
            assert!(list.iter().all(|image| image.starts_with(&format!("1.{minor}."))));
        }
    }
}
