//! One deployment by itself, in which nothing goes wrong.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;

use eks_upgrade_core::ids::RunId;
use eks_upgrade_core::ledger::{Ending, Event, Sealed};
use eks_upgrade_core::waits::Learned;
use eks_upgrade_judge::What;
use eks_upgrade_pipeline::ports::Time;
use eks_upgrade_sim::World;
use eks_upgrade_sim::fleet::Fleet;
use eks_upgrade_simulation::alarms::Alarms;
use eks_upgrade_simulation::deployment::{Deployment, SideBySide};
use eks_upgrade_simulation::inside;
use eks_upgrade_simulation::retries::Retries;
use eks_upgrade_simulation::story::START;
use eks_upgrade_simulation::throttle::Throttle;
use eks_upgrade_simulation::trace::Trace;
use eks_upgrade_simulation::wire::Wire;
use eks_upgrade_support::{Faults, Table, VirtualClock, Writes};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Unmeasured;

/// Whatever still runs after this many days does not end.
const LONGEST_D: i64 = 60;
/// Lambda tries an event that nobody waits for twice more, after so many minutes.
const RETRIED_AFTER_M: [i64; 2] = [1, 2];

/// The deployment, and the world around it.
pub struct Stage {
    seed: u64,
    deployment: Deployment,
    table: Arc<Table>,
    alarms: Alarms,
}

/// Many clusters in an account that takes only so many calls.
#[derive(Clone, Debug, Default)]
pub struct Crowd {
    /// What it takes.
    pub throttle: Arc<Throttle>,
    /// Whether the SDK itself tries again what was not taken, and not we in its way. Takes much longer, and no other
    /// stage may be played meanwhile.
    pub by_sdk: bool,
}

/// What is played.
enum Kind {
    /// Clusters as EKS tells of them.
    Plain,
    /// Clusters that can be looked into.
    Inside,
    /// Many clusters.
    Crowded(Crowd),
}

impl Stage {
    /// A deployment with this policy, and an account with these clusters.
    pub fn new(seed: u64, clusters: &[Value], policy: &Value) -> Result<Self, Unmeasured> {
        Self::set(seed, clusters, policy, &Kind::Plain)
    }

    /// The same, with functions that look into clusters and change their inside.
    pub fn inside(seed: u64, clusters: &[Value], policy: &Value) -> Result<Self, Unmeasured> {
        Self::set(seed, clusters, policy, &Kind::Inside)
    }

    /// The same with many clusters. What happens is not kept, and what is throttled is tried again, as where it ships.
    pub fn crowded(seed: u64, clusters: &[Value], policy: &Value, crowd: Crowd) -> Result<Self, Unmeasured> {
        Self::set(seed, clusters, policy, &Kind::Crowded(crowd))
    }

    fn set(seed: u64, clusters: &[Value], policy: &Value, kind: &Kind) -> Result<Self, Unmeasured> {
        let fleet = json!({
            "seed": seed, "start": START, "support_plan": "none", "health_events": [], "clusters": clusters,
        });
        let start: Timestamp = START.parse()?;
        let clock = VirtualClock::starting_at(start);
        let alarms = Alarms::new(clock.clone());
        let faults = Arc::new(Faults::default());
        let table = Arc::new(Table::new(faults.clone()).reading_on());
        let mut trace = Trace::new(clock.clone(), table.clone());
        if matches!(kind, Kind::Crowded(_)) {
            trace = trace.deaf();
        }
        let mut world = World::new(Fleet::parse(&fleet.to_string())?, start);
        if matches!(kind, Kind::Inside) {
            world.reach_kubernetes_at(inside::endpoint());
        }
        let mut wire = Wire::new(world, clock.clone(), faults, trace.clone(), None);
        if let Kind::Crowded(crowd) = kind {
            wire = wire.throttled(crowd.throttle.clone());
            wire = if crowd.by_sdk {
                // The SDK draws its pauses from the generator of the thread.
                fastrand::seed(seed);
                wire.retrying_by_sdk(alarms.clone())
            } else {
                wire.retrying(Retries::new(alarms.clone(), seed))
            };
        }
        let deployment = Deployment::new(wire, table.clone(), clock, trace, None).jittered(seed);
        let deployment = match kind {
            Kind::Crowded(Crowd { by_sdk: true, .. }) => deployment.translating_all(),
            Kind::Inside => deployment.with_insides(),
            Kind::Plain | Kind::Crowded(_) => deployment,
        };
        deployment.deploy(policy);
        Ok(Self { seed, deployment, table, alarms })
    }

    /// Lets the deployment go by what was learned before.
    #[must_use]
    pub fn knowing(self, learned: Learned) -> Self {
        self.table.memory.kept().learned = learned;
        self
    }

    /// What it has learned by now.
    #[must_use]
    pub fn learned(&self) -> Learned {
        self.table.memory.kept().learned.clone()
    }

    /// Upgrades one cluster by hand until it is completed. The judge of simulations has to find nothing to object to.
    pub fn upgrade(&self, request: &Value) -> Result<(), Unmeasured> {
        self.deployment.start("by-hand", request);
        self.play()?;
        if !self.is_completed()? {
            return Err(self.not_plain("it was not completed".into()));
        }
        self.deployment.trace.tell(What::Over);
        match self.deployment.trace.judged().first() {
            Some(objection) => Err(self.not_plain(format!("{:?}: {}", objection.rule, objection.text))),
            None => Ok(()),
        }
    }

    /// Whether the one run was completed.
    fn is_completed(&self) -> Result<bool, Unmeasured> {
        let ledgers = self.ledgers();
        let last = ledgers.first().and_then(|(_, lines)| lines.last()).map(Sealed::open).transpose()?;
        Ok(last.is_some_and(|entry| entry.event == Event::Ended(Ending::Completed)))
    }

    /// Gives intake an event, as often as Lambda would.
    pub fn take(&self, event: &Value) -> Result<(), Unmeasured> {
        for pause_m in RETRIED_AFTER_M {
            if self.deployment.take(event) {
                return Ok(());
            }
            self.pass(60 * pause_m);
        }
        if self.deployment.take(event) { Ok(()) } else { Err(self.not_plain("intake gave up".into())) }
    }

    /// Lets everything go on to its end.
    pub fn play(&self) -> Result<(), Unmeasured> {
        let longest_s = self.now_s() + 86_400 * LONGEST_D;
        let mut functions = SideBySide::new(&self.deployment, self.alarms.clone());
        while functions.is_busy() && self.now_s() < longest_s && functions.turn(longest_s) {}
        if self.deployment.is_busy() { Err(self.not_plain("it does not end".into())) } else { Ok(()) }
    }

    /// Lets so many seconds pass, and everything go on meanwhile.
    fn pass(&self, seconds: i64) {
        let until_s = self.now_s() + seconds;
        while self.now_s() < until_s && self.deployment.turn(until_s) {}
        self.deployment.clock.advance((until_s - self.now_s()).max(0));
    }

    fn now_s(&self) -> i64 {
        self.deployment.clock.now().as_second()
    }

    /// What happened.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.deployment.trace
    }

    /// What was written to the table.
    #[must_use]
    pub fn writes(&self) -> Writes {
        self.table.writes()
    }

    /// The ledgers of all runs.
    #[must_use]
    pub fn ledgers(&self) -> Vec<(RunId, Vec<Sealed>)> {
        self.table.memory.kept().lines.iter().map(|(run, lines)| (run.clone(), lines.clone())).collect()
    }

    /// The simulator's own word on a cluster.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Value {
        self.deployment.wire.world().state()["clusters"][name].clone()
    }

    /// Says that something happened which does not in plain runs.
    #[must_use]
    pub fn not_plain(&self, what: String) -> Unmeasured {
        Unmeasured::NotPlain { seed: self.seed, what }
    }
}

/// Measures the same of so many seeds, on every core; the answers are in the order of the seeds.
pub fn each<T: Send>(
    from: u64,
    count: u64,
    measure: impl Fn(u64) -> Result<T, Unmeasured> + Sync,
) -> Result<Vec<T>, Unmeasured> {
    let next = AtomicU64::new(from);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let work = || {
        let mut own = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + count {
                return own;
            }
            own.push((seed, measure(seed)));
        }
    };
    let mut all: Vec<(u64, Result<T, Unmeasured>)> = std::thread::scope(|scope| {
        let working: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let own =
            |thread: ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        working.into_iter().flat_map(own).collect()
    });
    all.sort_by_key(|(seed, _)| *seed);
    all.into_iter().map(|(_, measured)| measured).collect()
}
