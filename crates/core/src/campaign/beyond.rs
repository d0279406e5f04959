//! What stands beyond a campaign. While a ring has failures that stand, no later trigger upgrades anything of it or of
//! the rings behind it; and of campaigns that are open side by side, none begins a ring while another has clusters of
//! an earlier one left.

use std::collections::BTreeMap;

use super::outcome::{Outcome, is_gone};
use super::rule::Tally;
use super::state::CampaignState;
use crate::arn::ClusterArn;
use crate::cluster::{Cluster, Status};
use crate::command;
use crate::ids::CampaignId;
use crate::ledger::{Ending, Harm};
use crate::policy::{REST, Rings};
use crate::remedy::SUPERSEDED;
use crate::screen::{Lease, LeftAlone, LeftAloneCode};
use crate::version::Minor;

/// How a ring stands: by the runs of its clusters.
#[derive(Clone, Debug, Default)]
struct RingStanding {
    name: String,
    tally: Tally,
    harmed: Vec<(ClusterArn, Harm)>,
}

/// How the rings stand, first to last.
#[derive(Clone, Debug, Default)]
pub struct RingsStanding(BTreeMap<usize, RingStanding>);

/// The harm to a cluster that stands. The last run did it, if it stopped after it had touched the cluster, or if the
/// cluster, as it is seen now, has gone bad or back since that run completed; otherwise an earlier one, as long as none
/// that goes as far has completed after it. What was made anew under the cluster's name was not harmed.
#[must_use]
pub fn harm(lease: &Lease, seen: Option<&Cluster>) -> Option<Harm> {
    if seen.is_some_and(|seen| !lease.is_of(seen)) {
        return None;
    }
    let earlier = lease.harm.as_ref();
    let code = match &lease.ended {
        Some(Ending::Halted { code, .. } | Ending::RolledBack { code, .. }) => {
            if is_gone(code) {
                return None;
            }
            lease.touched.then(|| code.clone())
        }
        Some(Ending::Completed) => {
            let farther = earlier.filter(|earlier| earlier.target > lease.target);
            return seen.and_then(|seen| afterwards(lease, seen)).or(farther.cloned());
        }
        None => None,
    };
    let Some(code) = code else { return earlier.cloned() };
    // A way back goes lower than what it goes back from: only what came as far as that says that it does no harm.
    let highest = lease.target.max(lease.from);
    let target = earlier.map_or(highest, |earlier| earlier.target.max(highest));
    Some(Harm { run: lease.run.clone(), code, target })
}

/// The harm that a new run of the cluster begins with. A run that was given up for this one is no failure.
#[must_use]
pub fn inherited(last: &Lease, seen: &Cluster) -> Option<Harm> {
    match &last.ended {
        Some(Ending::Halted { code, .. }) if code == SUPERSEDED => {
            last.harm.clone().filter(|_| last.is_of(seen))
        }
        _ => harm(last, Some(seen)),
    }
}

/// What became of a cluster after its upgrade was completed, if it is not well.
fn afterwards(lease: &Lease, seen: &Cluster) -> Option<Harm> {
    let code = match &seen.status {
        Status::Unwell(_) => Some("NotActiveAfterwards"),
        _ => (seen.version < lease.target).then_some("VersionWentBack"),
    }?;
    Some(Harm { run: lease.run.clone(), code: code.to_owned(), target: lease.target })
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
            if let Some(harm) = harm(lease, seen.get(arn)) {
                let ring = standing.at(place, name);
                ring.tally.failed += 1;
                ring.tally.size += usize::from(!seen.contains_key(arn));
                ring.harmed.push((arn.clone(), harm));
            } else if lease.ended == Some(Ending::Completed) {
                upgraded.push((place, lease.target));
            }
        }
        for (place, target) in upgraded {
            if let Some(ring) = standing.0.get_mut(&place) {
                // Only what came at least as far says that a version does no harm.
                let said = ring.harmed.iter().any(|(_, harm)| target >= harm.target);
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
        let (harmed, Harm { run, code, target }) = ring.harmed.first()?;
        let name = &harmed.name;
        let again = command::start(name, *target);
        Some(LeftAlone {
            cluster: cluster.name.to_string(),
            code: LeftAloneCode::EarlierRingFailed,
            text: format!(
                "ring {} has failures that stand: run {run} of {name} failed with {code}. Put it right and \
                 upgrade it by hand ({again}): once its run completes, this one is no longer held back",
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

    /// A ring up to this one that has failures which stand, those of other campaigns and of runs by hand counted in:
    /// of our own clusters, too, but for those that are counted already, and those whose run we are to go on with.
    #[must_use]
    pub fn failed(&self, ours: &CampaignState, ring: usize) -> Option<(String, ClusterArn, Harm)> {
        (0..=ring).find_map(|place| {
            let name = ours.ring_name(place);
            let of_ring = |lease: &Lease| lease.ring.as_deref().unwrap_or(REST) == name;
            let of_ring: Vec<&(ClusterArn, Lease)> =
                self.leases.iter().filter(|(_, lease)| of_ring(lease)).collect();
            let harmed: Vec<(&ClusterArn, Harm)> = of_ring
                .iter()
                .filter(|(arn, _)| !is_ours_to_count(ours, arn))
                .filter_map(|(arn, lease)| Some((arn, harm(lease, None)?)))
                .collect();
            let far = harmed.iter().map(|(_, harm)| harm.target).max()?;
            // Only what came at least as far says that a version does no harm.
            let came_through = |lease: &Lease| lease.ended == Some(Ending::Completed) && lease.target >= far;
            let mut tally = ours.tally(place);
            tally.size += of_ring.iter().filter(|(arn, _)| !ours.members.contains_key(arn)).count();
            tally.failed += harmed.len();
            let counted = |arn: &ClusterArn| {
                matches!(ours.members.get(arn), Some((_, Some(Outcome::Completed { .. }))))
            };
            tally.completed +=
                of_ring.iter().filter(|(arn, lease)| came_through(lease) && !counted(arn)).count();
            let (first, harm) = harmed.into_iter().next()?;
            tally.stops().then(|| (name.to_owned(), first.clone(), harm))
        })
    }
}

/// Whether harm to a cluster is in the campaign's own tally, or will be: it failed there, or is to be gone on with there.
fn is_ours_to_count(ours: &CampaignState, cluster: &ClusterArn) -> bool {
    match ours.members.get(cluster) {
        Some((_, Some(outcome))) => matches!(outcome, Outcome::Failed { .. }),
        Some((member, None)) => member.resume.is_some(),
        None => false,
    }
}

/// The clusters that their runs harmed, with their leases, to see whether they are still there.
pub fn harmed(leases: &[(ClusterArn, Lease)]) -> impl Iterator<Item = &(ClusterArn, Lease)> {
    leases.iter().filter(|(_, lease)| harm(lease, None).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::{CampaignEntry, CampaignEvent, Member};
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
            from: "1.34".parse().unwrap(),
            target: "1.35".parse().unwrap(),
            execution: "arn:e".parse().unwrap(),
            fence: Fence(1),
            campaign: None,
            ring: Some(ring.to_owned()),
            touched,
            harm: None,
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

    /// A campaign of these clusters of dev, each with what became of it, and whether its run is to be gone on with.
    fn campaign(members: Vec<(String, Option<Outcome>, bool)>) -> CampaignState {
        let campaign: CampaignId = "sweep-1".parse().unwrap();
        let opened = CampaignEvent::Opened {
            reason: "the sweep".into(),
            rings: rings().order,
            approvals: Vec::new(),
            clusters_at_once: 10,
        };
        let at = jiff::Timestamp::UNIX_EPOCH;
        let entry =
            CampaignEntry { campaign, seq: 1, at, actor: None, event: opened, previous: String::new() };
        let mut state = CampaignState::read(&[entry.seal().unwrap()]).unwrap().unwrap();
        for (name, outcome, resumes) in members {
            let resume = resumes.then(|| "run-1".parse().unwrap());
            let member =
                Member { cluster: arn(&name), ring: 0, created_at: None, target: None, reason: None, resume };
            state.members.insert(arn(&name), (member, outcome));
        }
        state
    }

    #[test]
    fn a_campaign_sees_what_others_did_to_its_own_clusters_once() {
        let stops = |outcome: Option<Outcome>, resumes: bool| {
            let leases = vec![(arn("d"), lease("dev", true, halted()))];
            let elsewhere = Elsewhere { leases, ..Elsewhere::default() };
            elsewhere.failed(&campaign(vec![("d".into(), outcome, resumes)]), 0).is_some()
        };
        let untouched = || Some(Outcome::Untouched { code: "LeaseHeld".into() });
        let failed = Outcome::Failed { run: None, code: "X".into() };
        assert!(stops(None, false), "it has not come to it yet, and somebody harmed it by hand");
        assert!(stops(untouched(), false), "somebody else had it");
        assert!(stops(untouched(), true));
        assert!(!stops(None, true), "it is to go on with that very run");
        assert!(!stops(Some(failed), false), "its own rule has counted it, and tolerates it");
    }

    #[test]
    fn what_came_through_by_hand_counts_for_a_campaign_that_had_not_come_to_it() {
        let name = |n: usize| format!("d-{n}");
        let members = |n: usize| (name(n), None, false);
        let ours = campaign((0..100).map(members).collect());
        let mut leases: Vec<(ClusterArn, Lease)> = vec![(arn(&name(0)), lease("dev", true, halted()))];
        let failed = |leases: &[(ClusterArn, Lease)]| {
            Elsewhere { leases: leases.to_vec(), ..Elsewhere::default() }.failed(&ours, 0).is_some()
        };
        assert!(failed(&leases), "nothing says that the version does no harm");
        leases.push((arn(&name(1)), lease("dev", true, Ending::Completed)));
        assert!(!failed(&leases), "one in a hundred is tolerated");
    }

    /// A lease of a run whose cluster an earlier one, to 1.35, had harmed.
    fn after_harm(target: &str, touched: bool, ended: Option<Ending>) -> Lease {
        let harm = Harm { run: "run-0".parse().unwrap(), code: "X".into(), target: "1.35".parse().unwrap() };
        Lease {
            target: target.parse().unwrap(),
            harm: Some(harm),
            ended,
            ..lease("dev", touched, Ending::Completed)
        }
    }

    /// The run that did the harm, and how far it was to go.
    fn by(harm: Option<Harm>) -> Option<(String, String)> {
        harm.map(|harm| (harm.run.to_string(), harm.target.to_string()))
    }

    #[test]
    fn harm_stands_until_a_run_that_goes_as_far_completes() {
        let told = |run: &str, target: &str| Some((run.to_owned(), target.to_owned()));
        let gone = |code: &str| {
            Some(Ending::Halted { code: code.into(), message: "m".into(), next_action: "n".into() })
        };
        for (lease, stands) in [
            (after_harm("1.35", true, None), told("run-0", "1.35")),
            (after_harm("1.35", false, Some(halted())), told("run-0", "1.35")),
            (after_harm("1.35", true, Some(halted())), told("run-1", "1.35")),
            (after_harm("1.36", true, Some(halted())), told("run-1", "1.36")),
            (after_harm("1.33", true, Some(halted())), told("run-1", "1.35")),
            (after_harm("1.34", true, Some(Ending::Completed)), told("run-0", "1.35")),
            (after_harm("1.35", true, Some(Ending::Completed)), None),
            (after_harm("1.36", false, Some(Ending::Completed)), None),
            (after_harm("1.35", true, gone("TargetGone")), None),
            (after_harm("1.35", true, gone("AnotherCluster")), None),
        ] {
            assert_eq!(by(harm(&lease, None)), stands, "{lease:?}");
        }
    }

    #[test]
    fn a_way_back_does_not_lower_what_counts_as_having_come_through() {
        let back = Lease {
            from: "1.35".parse().unwrap(),
            target: "1.34".parse().unwrap(),
            ..lease("dev", true, halted())
        };
        assert_eq!(by(harm(&back, None)), Some(("run-1".to_owned(), "1.35".to_owned())));
    }

    #[test]
    fn who_is_replaced_by_another_run_harmed_nothing() {
        let (_, mut cluster) = cluster("d", "dev");
        cluster.version = "1.34".parse().unwrap();
        let superseded = Ending::Halted {
            code: SUPERSEDED.into(),
            message: "another was asked for".into(),
            next_action: "see it".into(),
        };
        let replaced = lease("dev", true, superseded.clone());
        assert_eq!(by(inherited(&replaced, &cluster)), None);
        assert!(harm(&replaced, Some(&cluster)).is_some(), "while nobody goes on, it is left midway");
        let earlier = after_harm("1.35", true, Some(superseded));
        assert_eq!(by(inherited(&earlier, &cluster)), Some(("run-0".to_owned(), "1.35".to_owned())));
        assert!(inherited(&lease("dev", true, halted()), &cluster).is_some());
        cluster.created_at += jiff::SignedDuration::from_hours(1);
        assert_eq!(by(inherited(&earlier, &cluster)), None, "another cluster by now");
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
