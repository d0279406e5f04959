//! Rings: environments in order, each upgraded in waves, with a soak after each wave.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arn::ClusterArn;

/// How many clusters each wave of a ring takes; the last size repeats. 1 to 200 each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<u16>", into = "Vec<u16>")]
#[schemars(with = "Vec<u16>")]
pub struct Waves(Vec<u16>);

/// The largest wave: its list of clusters has to fit an execution's payload of 256 KiB.
const WAVE_MAX: u16 = 200;

impl TryFrom<Vec<u16>> for Waves {
    type Error = String;

    fn try_from(sizes: Vec<u16>) -> Result<Self, String> {
        if sizes.is_empty() {
            return Err("waves is empty; the default is [1, 5, 25]".into());
        }
        match sizes.iter().find(|size| !(1..=WAVE_MAX).contains(*size)) {
            Some(size) => Err(format!("a wave of {size} clusters; 1 to {WAVE_MAX} are possible")),
            None => Ok(Self(sizes)),
        }
    }
}

impl From<Waves> for Vec<u16> {
    fn from(waves: Waves) -> Self {
        waves.0
    }
}

impl Default for Waves {
    fn default() -> Self {
        // One cluster shows whether a version breaks what runs here; a few show whether it was luck.
        Self(vec![1, 5, 25])
    }
}

impl Waves {
    /// How many clusters the wave with this number takes, from 0.
    #[must_use]
    pub fn size(&self, wave: usize) -> usize {
        self.0.get(wave).or(self.0.last()).copied().map_or(1, usize::from)
    }
}

/// One ring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Ring {
    /// Its name; also the value of the tag that puts a cluster into it.
    pub name: String,
    /// Names of clusters that are in it whatever their tags say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// How many clusters each wave takes; the last size repeats.
    #[serde(default)]
    pub waves: Waves,
    /// How long to watch after each wave, like `24h`; at most `30d`.
    #[serde(default = "Ring::usual_soak", with = "crate::length")]
    #[schemars(schema_with = "crate::length::schema")]
    pub soak: SignedDuration,
}

impl Ring {
    fn usual_soak() -> SignedDuration {
        SignedDuration::from_hours(1)
    }
}

/// The rings, first to last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Rings {
    /// The tag whose value names a cluster's ring; `eks-upgrade:ring` goes before it.
    pub tag: String,
    /// The rings in their order. Clusters of none of them come last, as a ring of their own.
    pub order: Vec<Ring>,
}

impl Default for Rings {
    fn default() -> Self {
        Self { tag: "env".into(), order: Vec::new() }
    }
}

/// The name of the ring of clusters that are in no other.
pub const REST: &str = "rest";

impl Rings {
    /// The ring of a cluster: its place in the order, and its name.
    #[must_use]
    pub fn of(&self, cluster: &ClusterArn, tags: &BTreeMap<String, String>) -> (usize, &str) {
        let listed = |ring: &&Ring| ring.clusters.iter().any(|name| name == cluster.name.as_str());
        let value = tags.get(super::RING_TAG).or_else(|| tags.get(&self.tag));
        let named = || self.order.iter().find(|ring| Some(&ring.name) == value);
        let found = self.order.iter().find(listed).or_else(named);
        let place = found.and_then(|found| self.order.iter().position(|ring| ring.name == found.name));
        place.map_or((self.order.len(), REST), |place| (place, self.order[place].name.as_str()))
    }

    /// The ring of this name: its place in the order, and its name; the rest for one that is in the order no more.
    #[must_use]
    pub fn named(&self, name: Option<&str>) -> (usize, &str) {
        let place = self.order.iter().position(|ring| Some(ring.name.as_str()) == name);
        place.map_or((self.order.len(), REST), |place| (place, self.order[place].name.as_str()))
    }

    /// All rings, the one of the rest last, without their lists of clusters: what a campaign goes by.
    #[must_use]
    pub fn all(&self) -> Vec<Ring> {
        (0..=self.order.len()).map(|place| Ring { clusters: Vec::new(), ..self.get(place) }).collect()
    }

    /// The ring of this place; the one of the rest behind the last.
    #[must_use]
    pub fn get(&self, place: usize) -> Ring {
        self.order.get(place).cloned().unwrap_or_else(|| Ring {
            name: REST.into(),
            clusters: Vec::new(),
            waves: Waves::default(),
            soak: Ring::usual_soak(),
        })
    }

    pub(super) fn check(&self) -> Result<(), String> {
        for (place, ring) in self.order.iter().enumerate() {
            if ring.name.is_empty() || ring.name == REST {
                return Err(format!("a ring cannot be called {:?}", ring.name));
            }
            if self.order[..place].iter().any(|other| other.name == ring.name) {
                return Err(format!("two rings are called {}", ring.name));
            }
            if ring.soak.is_negative() || ring.soak > SignedDuration::from_hours(30 * 24) {
                return Err(format!(
                    "the soak of ring {} is {:#}; it may be 0s to 30d",
                    ring.name, ring.soak
                ));
            }
        }
        Ok(())
    }
}
