//! What stands beyond a campaign. While a ring has failures that stand, no later trigger upgrades anything of it or of
//! the rings behind it; and of campaigns that are open side by side, none begins a ring while another has clusters of
//! an earlier one left.

use std::collections::BTreeMap;

use super::outcome::is_gone;
use super::rule::Tally;
use super::state::CampaignState;
use crate::arn::ClusterArn;
use crate::cluster::{Cluster, Status};
use crate::ids::{CampaignId, RunId};
use crate::ledger::Ending;
use crate::policy::{REST, Rings};
use crate::screen::{Lease, LeftAlone, LeftAloneCode};
use crate::version::Minor;

/// A cluster that its last run harmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harmed {
    /// The cluster.
    pub cluster: ClusterArn,
    /// The run.
    pub run: RunId,
    /// Why, as a name.
    pub code: String,
    /// Where it was to go.
    pub target: Minor,
}

/// How a ring stands: by the runs that its clusters had last.
#[derive(Clone, Debug, Default)]
struct RingStanding {
    name: String,
    tally: Tally,
    harmed: Vec<Harmed>,
}

/// How the rings stand, first to last.
#[derive(Clone, Debug, Default)]
pub struct RingsStanding(BTreeMap<usize, RingStanding>);

/// The harm that a last run did, if it did any: it stopped after it had touched the cluster; or the cluster, as it is
/// seen now, has gone bad or back since. What was made anew under the cluster's name was not harmed.
#[must_use]
pub fn harm(cluster: &ClusterArn, lease: &Lease, seen: Option<&Cluster>) -> Option<Harmed> {
    if seen.is_some_and(|seen| !lease.is_of(seen)) {
        return None;
    }
    let code = match lease.ended.as_ref()? {
        Ending::Halted { code, .. } | Ending::RolledBack { code, .. } => {
            (lease.touched && !is_gone(code)).then(|| code.clone())
        }
        Ending::Completed => seen.and_then(|seen| match &seen.status {
            Status::Unwell(_) => Some("NotActiveAfterwards".to_owned()),
            _ => (seen.version < lease.target).then(|| "VersionWentBack".to_owned()),
        }),
    }?;
    Some(Harmed { cluster: cluster.clone(), run: lease.run.clone(), code, target: lease.target })
}

impl RingsStanding {
    /// How the rings stand, by what was seen of clusters and by the leases. A ring's size is the number of its
    /// clusters that were looked at, and of those that were harmed.
    #[must_use]
    pub fn of(rings: &Rings, seen: &BTreeMap<ClusterArn, Cluster>, leases: &[(ClusterArn, Lease)]) -> Self {
        let mut standing = Self::default();
        for cluster in seen.values() {
            let (place, name) = rings.of(&cluster.arn, &cluster.tags);
            standing.at(place, name).tally.size += 1;
        }
        let mut upgraded: Vec<(usize, Minor)> = Vec::new();
        for (arn, lease) in leases {
            let (place, name) = match seen.get(arn) {
                Some(cluster) => rings.of(arn, &cluster.tags),
                None => rings.named(lease.ring.as_deref()),
            };
            if let Some(harmed) = harm(arn, lease, seen.get(arn)) {
                let ring = standing.at(place, name);
                ring.tally.failed += 1;
                ring.tally.size += usize::from(!seen.contains_key(arn));
                ring.harmed.push(harmed);
            } else if lease.ended == Some(Ending::Completed) {
                upgraded.push((place, lease.target));
            }
        }
        for (place, target) in upgraded {
            if let Some(ring) = standing.0.get_mut(&place) {
                // Only what came at least as far says that a version does no harm.
                let said = ring.harmed.iter().any(|harmed| target >= harmed.target);
                ring.tally.completed += usize::from(said);
            }
        }
        standing
    }

    fn at(&mut self, place: usize, name: &str) -> &mut RingStanding {
        let ring = self.0.entry(place).or_default();
        name.clone_into(&mut ring.name);
        ring
    }

    /// Why a cluster of the ring of this place is not upgraded, if it is not: the first ring up to its own whose
    /// failures stand.
    #[must_use]
    pub fn holds_back(&self, cluster: &ClusterArn, place: usize) -> Option<LeftAlone> {
        let ring = self.0.range(..=place).map(|(_, ring)| ring).find(|ring| ring.tally.stops())?;
        let Harmed { cluster: harmed, run, code, .. } = ring.harmed.first()?;
        let name = &harmed.name;
        Some(LeftAlone {
            cluster: cluster.name.to_string(),
            code: LeftAloneCode::EarlierRingFailed,
            text: format!(
                "ring {} has failures that stand: run {run} of {name} stopped with {code}. Put it right and \
                 upgrade {name} by hand: once its run completes, this one is no longer held back",
                ring.name
            ),
        })
    }
}

/// What a campaign sees of the others before it begins a wave.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    /// The other campaigns that are not over.
    pub campaigns: Vec<CampaignState>,
    /// One whose record cannot be read: which rings it is at is not known.
    pub unread: Option<CampaignId>,
    /// The leases of all clusters that exist.
    pub leases: Vec<(ClusterArn, Lease)>,
}

impl Elsewhere {
    /// Another campaign that has clusters of an earlier ring left, or watches them, in words. The one at the first
    /// ring never waits, so that not all can.
    #[must_use]
    pub fn ahead(&self, ours: &CampaignState, ring: usize) -> Option<String> {
        let earlier: Vec<&str> = (0..ring).map(|place| ours.ring_name(place)).collect();
        self.campaigns.iter().find_map(|other| {
            let pending = other.pending().map(|member| member.ring);
            let soaking = other.soaking().map(|(wave, _)| wave.ring);
            let name = pending
                .chain(soaking)
                .map(|place| other.ring_name(place))
                .find(|name| earlier.contains(name))?;
            Some(format!("campaign {} is still at ring {name}", other.campaign))
        })
    }

    /// A ring up to this one that has failures which stand, those of other campaigns and of runs by hand counted in.
    #[must_use]
    pub fn failed(&self, ours: &CampaignState, ring: usize) -> Option<(String, Harmed)> {
        (0..=ring).find_map(|place| {
            let name = ours.ring_name(place);
            let of_ring = |lease: &Lease| lease.ring.as_deref().unwrap_or(REST) == name;
            let others: Vec<&(ClusterArn, Lease)> = self
                .leases
                .iter()
                .filter(|(arn, lease)| of_ring(lease) && !ours.members.contains_key(arn))
                .collect();
            let harmed: Vec<Harmed> =
                others.iter().filter_map(|(arn, lease)| harm(arn, lease, None)).collect();
            let far = harmed.iter().map(|harmed| harmed.target).max()?;
            // Only what came at least as far says that a version does no harm.
            let came_through = |lease: &Lease| lease.ended == Some(Ending::Completed) && lease.target >= far;
            let mut tally = ours.tally(place);
            tally.size += others.len();
            tally.failed += harmed.len();
            tally.completed += others.iter().filter(|(_, lease)| came_through(lease)).count();
            let first = harmed.into_iter().next()?;
            tally.stops().then(|| (name.to_owned(), first))
        })
    }
}

/// The clusters that their last runs harmed, with these runs' leases, to see whether they are still there.
pub fn harmed(leases: &[(ClusterArn, Lease)]) -> impl Iterator<Item = &(ClusterArn, Lease)> {
    leases.iter().filter(|(arn, lease)| harm(arn, lease, None).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Fence;
    use crate::policy::Ring;

    fn arn(name: &str) -> ClusterArn {
        format!("arn:aws:eks:us-east-1:123456789012:cluster/{name}").parse().unwrap()
    }

    fn cluster(name: &str, ring: &str) -> (ClusterArn, Cluster) {
        let cluster = Cluster {
            arn: arn(name),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            version: "1.35".parse().unwrap(),
            status: Status::Active,
            tags: [("env".to_owned(), ring.to_owned())].into(),
            auto_mode: false,
            extended_support: true,
            health_issues: Vec::new(),
        };
        (arn(name), cluster)
    }

    fn lease(ring: &str, touched: bool, ended: Ending) -> Lease {
        Lease {
            run: "run-1".parse().unwrap(),
            cluster_created_at: jiff::Timestamp::UNIX_EPOCH,
            target: "1.35".parse().unwrap(),
            execution: "arn:e".parse().unwrap(),
            fence: Fence(1),
            campaign: None,
            ring: Some(ring.to_owned()),
            touched,
            ended: Some(ended),
        }
    }

    fn halted() -> Ending {
        Ending::Halted { code: "PodEvictionFailure".into(), message: "m".into(), next_action: "n".into() }
    }

    fn rings() -> Rings {
        let ring = |name: &str| Ring { name: name.into(), ..Ring::default() };
        Rings { tag: "env".into(), order: ["dev", "staging", "prod"].map(ring).into() }
    }

    #[test]
    fn a_failure_in_staging_holds_back_staging_and_prod_and_not_dev() {
        let seen = BTreeMap::from([cluster("d", "dev"), cluster("s", "staging"), cluster("p", "prod")]);
        let leases = [(arn("gone-from-the-notice"), lease("staging", true, halted()))];
        let standing = RingsStanding::of(&rings(), &seen, &leases);
        assert!(standing.holds_back(&arn("d"), 0).is_none());
        assert!(standing.holds_back(&arn("s"), 1).is_some());
        let left = standing.holds_back(&arn("p"), 2).unwrap();
        assert_eq!(left.code, LeftAloneCode::EarlierRingFailed);
        for word in ["ring staging", "run-1", "gone-from-the-notice", "PodEvictionFailure", "by hand"] {
            assert!(left.text.contains(word), "{}", left.text);
        }
    }

    #[test]
    fn what_touched_nothing_or_completed_holds_nothing_back() {
        let seen = BTreeMap::from([cluster("p", "prod")]);
        for lease in [lease("dev", false, halted()), lease("dev", true, Ending::Completed)] {
            let standing = RingsStanding::of(&rings(), &seen, &[(arn("d"), lease)]);
            assert!(standing.holds_back(&arn("p"), 2).is_none());
        }
    }

    #[test]
    fn two_in_a_hundred_hold_nothing_back_once_another_came_through() {
        let name = |n: usize| format!("s-{n}");
        let seen: BTreeMap<_, _> = (0..100).map(|n| cluster(&name(n), "staging")).collect();
        let mut leases: Vec<_> = (0..2).map(|n| (arn(&name(n)), lease("staging", true, halted()))).collect();
        let held =
            |leases: &[_]| RingsStanding::of(&rings(), &seen, leases).holds_back(&arn("p"), 2).is_some();
        assert!(held(&leases), "nothing says that the version does no harm");
        leases.push((arn(&name(50)), lease("staging", true, Ending::Completed)));
        assert!(!held(&leases));
        leases.push((arn(&name(51)), lease("staging", true, halted())));
        assert!(held(&leases));
    }

    #[test]
    fn an_upgraded_cluster_that_was_taken_back_is_a_failure_that_stands() {
        let (name, mut back) = cluster("s", "staging");
        back.version = "1.34".parse().unwrap();
        let seen = BTreeMap::from([(name.clone(), back), cluster("p", "prod")]);
        let leases = [(name, lease("staging", true, Ending::Completed))];
        assert!(RingsStanding::of(&rings(), &seen, &leases).holds_back(&arn("p"), 2).is_some());
    }
}
