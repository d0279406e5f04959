//! A whole deployment in memory.

use std::fmt;
use std::sync::{Arc, Mutex};

use eks_upgrade_core::arn::{ClusterName, Home};
use eks_upgrade_core::contract::{ActAnswer, ActRequest, IntakeAnswer};
use eks_upgrade_core::ids::RunId;
use eks_upgrade_core::ledger::{Event, RunState};
use eks_upgrade_core::policy::Policy;
use eks_upgrade_core::screen::Lease;
use eks_upgrade_pipeline::act::Act;
use eks_upgrade_pipeline::decide::Decide;
use eks_upgrade_pipeline::error::Answer;
use eks_upgrade_pipeline::intake::Intake;
use eks_upgrade_pipeline::plan::PlanRun;
use eks_upgrade_pipeline::ports::Time;
use jiff::Timestamp;
use serde_json::Value;

use crate::eks::FakeEks;
use crate::faults::{Faults, finish};
use crate::walk::Execution;
use crate::{Table, VirtualClock, word};

/// Where every fleet lives.
#[must_use]
pub fn home() -> Home {
    Home::of_arn("arn:aws:lambda:us-east-1:123456789012:function:eks-upgrade-act").unwrap()
}

type Happening = Box<dyn FnOnce(&FakeEks) + Send>;

/// Everything that a deployment has.
pub struct Fleet {
    /// The clock of all of it.
    pub clock: VirtualClock,
    /// EKS and Health.
    pub eks: FakeEks,
    /// The table, and the executions.
    pub table: Table,
    /// The policy.
    pub policy: Policy,
    /// What befalls functions.
    pub faults: Arc<Faults>,
    happenings: Mutex<Vec<(Timestamp, Happening)>>,
    executions: Mutex<usize>,
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("eks", &self.eks).finish_non_exhaustive()
    }
}

impl Default for Fleet {
    fn default() -> Self {
        Self::new()
    }
}

impl Fleet {
    /// A deployment without clusters, on 18 August 2026.
    #[must_use]
    pub fn new() -> Self {
        let clock = VirtualClock::starting_at(word("2026-08-18T09:15:00Z"));
        let faults = Arc::new(Faults::default());
        Self {
            eks: FakeEks::new(clock.clone(), faults.clone()),
            table: Table::new(faults.clone()),
            policy: Policy::default(),
            happenings: Mutex::default(),
            executions: Mutex::new(0),
            clock,
            faults,
        }
    }

    /// With this cluster.
    #[must_use]
    pub fn with(self, installed: crate::Installed) -> Self {
        self.eks.add(installed);
        self
    }

    /// The plan function.
    pub fn planner(&self) -> PlanRun<&FakeEks, &Table, &Table, VirtualClock> {
        PlanRun {
            eks: &self.eks,
            ledger: &self.table,
            executions: &self.table,
            time: self.clock.clone(),
            policy: self.policy.clone(),
            home: home(),
        }
    }

    /// The decide function.
    pub fn decider(&self) -> Decide<&FakeEks, &Table, VirtualClock> {
        Decide { eks: &self.eks, ledger: &self.table, time: self.clock.clone() }
    }

    /// The act function.
    pub fn actor(&self) -> Act<&FakeEks, &Table, VirtualClock> {
        Act { eks: &self.eks, ledger: &self.table, time: self.clock.clone() }
    }

    /// One invocation of the act function that lives to its end.
    pub fn act(&self, request: &ActRequest) -> Answer<ActAnswer> {
        finish(self.actor().act(request)).expect("the act function died")
    }

    /// The intake function.
    pub fn intake(&self) -> Intake<&FakeEks, &FakeEks, &Table, &Table, VirtualClock> {
        Intake {
            eks: &self.eks,
            health: &self.eks,
            ledger: &self.table,
            campaigns: &self.table,
            time: self.clock.clone(),
            policy: self.policy.clone(),
            home: home(),
            sources: vec!["aws.health".into()],
        }
    }

    /// One invocation of the intake function; `None` when it died.
    pub fn take(&self, event: &Value) -> Option<Answer<IntakeAnswer>> {
        finish(self.intake().take(event))
    }

    /// Starts an execution of the upgrade state machine; nothing of it has run yet.
    pub fn start(&self, request: Value) -> Execution<'_> {
        let mut count = self.executions.lock().unwrap();
        *count += 1;
        Execution::new(self, *count, request)
    }

    /// Lets this happen `after_s` from now, when the clock gets there.
    pub fn later(&self, after_s: i64, happening: impl FnOnce(&FakeEks) + Send + 'static) {
        let at = self.clock.now() + jiff::SignedDuration::from_secs(after_s);
        self.happenings.lock().unwrap().push((at, Box::new(happening)));
    }

    /// Lets time pass, and happen what was to happen.
    pub fn pass(&self, seconds: i64) {
        let end = self.clock.now() + jiff::SignedDuration::from_secs(seconds);
        while let Some((at, happening)) = self.next_happening(end) {
            self.clock.advance(at.duration_since(self.clock.now()).as_secs().max(0));
            happening(&self.eks);
        }
        self.clock.advance(end.duration_since(self.clock.now()).as_secs());
    }

    fn next_happening(&self, until: Timestamp) -> Option<(Timestamp, Happening)> {
        let mut open = self.happenings.lock().unwrap();
        let (place, _) =
            open.iter().enumerate().filter(|(_, (at, _))| *at <= until).min_by_key(|(_, (at, _))| *at)?;
        Some(open.remove(place))
    }

    /// The lease on a cluster.
    #[must_use]
    pub fn lease(&self, cluster: &str) -> Option<Lease> {
        let arn = home().cluster(&word::<ClusterName>(cluster));
        self.table.memory.kept().leases.get(&arn).cloned()
    }

    /// What the ledger of a run adds up to; reading it checks its chain.
    #[must_use]
    pub fn run(&self, run: &RunId) -> RunState {
        let lines = self.table.memory.kept().lines.get(run).cloned().unwrap_or_default();
        RunState::read(&lines).expect("the ledger reads").expect("the run is there")
    }

    /// The events of a run in order.
    #[must_use]
    pub fn events(&self, run: &RunId) -> Vec<Event> {
        let lines = self.table.memory.kept().lines.get(run).cloned().unwrap_or_default();
        lines.iter().map(|line| line.open().expect("a line reads").event).collect()
    }

    /// What an upgrade brought about that none may: empty, always.
    #[must_use]
    pub fn wrongs(&self) -> Vec<String> {
        self.eks.state().wrongs.clone()
    }
}
