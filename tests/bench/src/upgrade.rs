//! The waits of a whole upgrade: a control plane, its add-ons, its node groups.
//!
//! Ours starts all that is ready side by side, and one look asks about everything in flight that may be over by now.
//! The other tools are run one command after the other, as their users run them.

use eks_upgrade_core::plan::StepKind;
use eks_upgrade_core::waits::{Learned, Span, later};
use jiff::Timestamp;

use crate::durations::{Kind, Steps, World};
use crate::peers::Peer;
use crate::wait::wait;

/// The updates of an upgrade by one minor, and how long each takes.
#[derive(Clone, Debug)]
pub struct Upgrade {
    control_plane: (Kind, f64),
    /// The first is vpc-cni, before which no node rolls.
    add_ons: Vec<(Kind, f64)>,
    node_groups: Vec<(Kind, f64)>,
}

/// Calls of one upgrade's waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Calls to EKS.
    pub calls: u32,
    /// Invocations of the decide function; none by the other tools.
    pub looks: u32,
    /// Whether every end was seen before the rule, as it is, gave up.
    pub complete: bool,
}

impl Upgrade {
    /// A cluster with three to five add-ons and one to four groups of 2 to 10 nodes.
    #[must_use]
    pub fn draw(world: World, rng: &mut fastrand::Rng) -> Self {
        let lasting = |kind: Kind, rng: &mut fastrand::Rng| (kind, world.lasts_s(kind, rng));
        let control_plane = lasting(Kind::ControlPlane, rng);
        let add_ons = (0..rng.u8(3..=5)).map(|_| lasting(Kind::AddOn, rng)).collect();
        let node_groups = (0..rng.u8(1..=4))
            .map(|_| {
                let kind = Kind::node_group(rng);
                lasting(kind, rng)
            })
            .collect();
        Self { control_plane, add_ons, node_groups }
    }

    /// What a tool's waits cost, each to its end: with a longer timeout where it takes one, begun again where not.
    #[must_use]
    pub fn by_peer(&self, peer: Peer, rng: &mut fastrand::Rng) -> Cost {
        let mut cost = Cost { calls: 0, looks: 0, complete: true };
        let updates = [&self.control_plane].into_iter().chain(&self.add_ons).chain(&self.node_groups);
        for (kind, lasted_s) in updates {
            let schedule = peer.schedule(*kind);
            cost.complete &= wait(schedule.looks(&mut rng.clone()), *lasted_s).known_s.is_some();
            let waited = wait(schedule.without_end().looks(rng), *lasted_s);
            cost.calls = cost.calls.saturating_add(waited.calls);
        }
        cost
    }

    /// What our waits cost.
    #[must_use]
    pub fn by_us(&self, steps: &Steps, learned: &Learned) -> Cost {
        let mut round = Rounds::new(learned);
        round.start(&steps.of(self.control_plane.0), self.control_plane.1, false);
        round.go_on(|_| {});
        let mut cni = true;
        for (kind, lasted_s) in &self.add_ons {
            round.start(&steps.of(*kind), *lasted_s, std::mem::take(&mut cni));
        }
        round.go_on(|round| {
            for (kind, lasted_s) in &self.node_groups {
                round.start(&steps.of(*kind), *lasted_s, false);
            }
        });
        Cost { calls: round.calls, looks: round.looks, complete: true }
    }
}

/// One update that is under way.
struct InFlight {
    span: Span,
    since: Timestamp,
    lasted_s: f64,
    /// Whether others wait for it.
    first: bool,
}

/// Looks, one after the other, as the hop's state machine makes them.
struct Rounds<'a> {
    learned: &'a Learned,
    now: Timestamp,
    in_flight: Vec<InFlight>,
    calls: u32,
    looks: u32,
}

impl<'a> Rounds<'a> {
    fn new(learned: &'a Learned) -> Self {
        Self { learned, now: Timestamp::UNIX_EPOCH, in_flight: Vec::new(), calls: 0, looks: 0 }
    }

    fn start(&mut self, step: &StepKind, lasted_s: f64, first: bool) {
        let span = self.learned.span(step);
        self.in_flight.push(InFlight { span, since: self.now, lasted_s, first });
    }

    /// Looks until nothing is in flight. `then` starts what waits for the one that is first.
    fn go_on(&mut self, then: impl Fn(&mut Self)) {
        while let Some(pause_s) =
            self.in_flight.iter().map(|update| update.span.pause_s(update.since, self.now)).min()
        {
            self.now = later(self.now, pause_s);
            self.looks = self.looks.saturating_add(1);
            if self.look() {
                then(self);
            }
        }
    }

    /// Asks about all that may be over; says whether the first is.
    fn look(&mut self) -> bool {
        let now = self.now;
        let (asked, quiet): (Vec<_>, Vec<_>) = std::mem::take(&mut self.in_flight)
            .into_iter()
            .partition(|update| !update.span.is_quiet(update.since, now));
        self.calls = self.calls.saturating_add(u32::try_from(asked.len()).unwrap_or(u32::MAX));
        let (over, still): (Vec<_>, Vec<_>) = asked
            .into_iter()
            .partition(|update| now.duration_since(update.since).as_secs_f64() >= update.lasted_s);
        self.in_flight = quiet;
        self.in_flight.extend(still);
        over.iter().any(|update| update.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ours;

    #[test]
    fn alone_a_control_plane_costs_what_its_wait_costs() {
        let steps = Steps::new().unwrap();
        let learned = Learned::default();
        let alone = Upgrade {
            control_plane: (Kind::ControlPlane, 615.0),
            add_ons: Vec::new(),
            node_groups: Vec::new(),
        };
        let waited = ours::wait_for(&steps.of(Kind::ControlPlane), 615.0, &learned);
        let cost = alone.by_us(&steps, &learned);
        assert_eq!((cost.calls, cost.looks), (waited.calls, waited.calls));
    }

    #[test]
    fn one_look_asks_about_all_that_may_be_over() {
        let steps = Steps::new().unwrap();
        let learned = Learned::default();
        let upgrade = Upgrade {
            control_plane: (Kind::ControlPlane, 390.0),
            add_ons: vec![(Kind::AddOn, 45.0), (Kind::AddOn, 45.0)],
            node_groups: vec![
                (Kind::NodeGroup { nodes: 2 }, 400.0),
                (Kind::NodeGroup { nodes: 10 }, 1_000.0),
            ],
        };
        // The control plane; both add-ons at once; then each group at the end of its own quiet time.
        assert_eq!(upgrade.by_us(&steps, &learned), Cost { calls: 5, looks: 4, complete: true });
    }

    #[test]
    fn a_tool_that_gives_up_is_gone_on_with_and_told_of() {
        let mut rng = fastrand::Rng::with_seed(1);
        let upgrade = Upgrade {
            control_plane: (Kind::ControlPlane, 1_300.0),
            add_ons: vec![(Kind::AddOn, 45.0)],
            node_groups: Vec::new(),
        };
        // Every half a minute up to 1,320 s, every ten seconds up to 50 s.
        let cost = upgrade.by_peer(Peer::AwsCli, &mut rng);
        assert_eq!((cost.calls, cost.complete), (45 + 6, false));
        assert!(upgrade.by_peer(Peer::Terraform, &mut rng).complete);
    }
}
