//! A whole deployment in memory.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use eks_upgrade_core::arn::{ClusterName, Home};
use eks_upgrade_core::campaign::CampaignState;
use eks_upgrade_core::contract::{ActAnswer, ActRequest, CampaignInput, IntakeAnswer, Notification};
use eks_upgrade_core::door::UpgradeRequest;
use eks_upgrade_core::ids::{CampaignId, RunId};
use eks_upgrade_core::ledger::{Event, RunState};
use eks_upgrade_core::news::CampaignTeller;
use eks_upgrade_core::policy::{Bake, PolicyDocument};
use eks_upgrade_core::screen::Lease;
use eks_upgrade_pipeline::act::Act;
use eks_upgrade_pipeline::campaign::Campaigning;
use eks_upgrade_pipeline::decide::Decide;
use eks_upgrade_pipeline::error::Answer;
use eks_upgrade_pipeline::intake::Intake;
use eks_upgrade_pipeline::kube::Kube;
use eks_upgrade_pipeline::plan::PlanRun;
use eks_upgrade_pipeline::ports::Time;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::asl::tasks::Publish;
use crate::asl::{self, Ask, Call, Engine, Entered, Failure, World};
use crate::eks::FakeEks;
use crate::execution::Execution;
use crate::faults::{Faults, finish};
use crate::functions::{self, Function};
use crate::{Table, VirtualClock, word};

/// Where every fleet lives.
#[must_use]
pub fn home() -> Home {
    Home::of_arn("arn:aws:lambda:us-east-1:123456789012:function:eks-upgrade-act").unwrap()
}

fn no_bake() -> Bake {
    Bake { duration: jiff::SignedDuration::ZERO, ..Bake::default() }
}

type Happening = Box<dyn FnOnce(&Fleet)>;

/// Everything that a deployment has.
pub struct Fleet {
    /// The clock of all of it.
    pub clock: VirtualClock,
    /// EKS and Health.
    pub eks: FakeEks,
    /// The table, and the executions.
    pub table: Table,
    /// The policy.
    pub policy: PolicyDocument,
    /// What befalls functions.
    pub faults: Arc<Faults>,
    /// What people were told.
    pub told: RefCell<Vec<Publish>>,
    /// What the event bus was told.
    pub events_put: RefCell<Vec<Value>>,
    pub(crate) engine: RefCell<Engine>,
    functions: RefCell<BTreeMap<String, Function>>,
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
    /// A deployment without clusters, on 18 August 2026. Its policy is the default one, without a bake: what a bake
    /// is about has stories of its own.
    #[must_use]
    pub fn new() -> Self {
        let clock = VirtualClock::starting_at(word("2026-08-18T09:15:00Z"));
        let faults = Arc::new(Faults::default());
        Self {
            eks: FakeEks::new(clock.clone(), faults.clone()),
            table: Table::new(faults.clone()),
            policy: PolicyDocument { bake: no_bake(), ..PolicyDocument::default() },
            told: RefCell::default(),
            events_put: RefCell::default(),
            engine: RefCell::new(Engine::new(functions::machines())),
            functions: RefCell::new(functions::ours()),
            happenings: Mutex::default(),
            executions: Mutex::new(0),
            clock,
            faults,
        }
    }

    /// Under this policy, as people write it.
    #[must_use]
    pub fn under(mut self, yaml: &str) -> Self {
        self.policy = PolicyDocument::read(yaml).unwrap_or_else(|error| panic!("{error}"));
        self
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

    /// The decide function, asked of a campaign.
    pub fn campaigning(&self) -> Campaigning<&FakeEks, &Table, &Table, VirtualClock> {
        Campaigning { eks: &self.eks, ledger: &self.table, executions: &self.table, time: self.clock.clone() }
    }

    /// The act function.
    pub fn actor(&self) -> Act<&FakeEks, &Table, VirtualClock> {
        Act { eks: &self.eks, ledger: &self.table, time: self.clock.clone() }
    }

    /// The kube function.
    pub fn worker(&self) -> Kube<&FakeEks, &FakeEks, &FakeEks, &Table, VirtualClock> {
        let (eks, inside, groups) = (&self.eks, &self.eks, &self.eks);
        Kube { eks, inside, groups, ledger: &self.table, time: self.clock.clone() }
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

    /// Starts an execution of the upgrade state machine; it stands still until it is let go.
    pub fn start(&self, request: Value) -> Execution<'_> {
        let mut count = self.executions.lock().unwrap();
        *count += 1;
        Execution::new(self, "${UpgradeStateMachineArn}", &format!("e{count}"), request)
    }

    /// Starts an execution of the campaign state machine; it stands still until it is let go.
    pub fn start_campaign(&self, input: &CampaignInput) -> Execution<'_> {
        let name = format!("{}-{}", input.campaign, input.generation);
        let input = serde_json::to_value(input).expect("it is JSON");
        Execution::new(self, "${CampaignStateMachineArn}", &name, input)
    }

    /// Puts a function behind the placeholder that definitions have for it, in place of the one there.
    pub fn function(&self, placeholder: &str, function: Function) {
        self.functions.borrow_mut().insert(placeholder.to_owned(), function);
    }

    /// Invokes the function behind a placeholder, as a Task would.
    pub fn invoke(&self, placeholder: &str, payload: Value) -> Result<Value, Failure> {
        let function = self.functions.borrow().get(placeholder).cloned();
        let function = function.unwrap_or_else(|| panic!("there is no function {placeholder}"));
        function(self, payload)
    }

    /// Gives back a task's token with its output.
    pub fn send_task_success(&self, token: &str, output: Value) -> Result<(), Failure> {
        self.engine.borrow_mut().send_task_success(token, output, self.now_s())
    }

    /// Gives back a task's token with an error.
    pub fn send_task_failure(&self, token: &str, failure: Failure) -> Result<(), Failure> {
        self.engine.borrow_mut().send_task_failure(token, failure, self.now_s())
    }

    /// Says that a task is still being worked on.
    pub fn send_task_heartbeat(&self, token: &str) -> Result<(), Failure> {
        self.engine.borrow_mut().send_task_heartbeat(token, self.now_s())
    }

    /// Every state that any execution entered, in order.
    #[must_use]
    pub fn history(&self) -> Vec<Entered> {
        self.engine().history().to_vec()
    }

    pub(crate) fn engine(&self) -> Ref<'_, Engine> {
        self.engine.borrow()
    }

    /// Lets the state machines do one thing; false when nothing is left to do.
    pub(crate) fn turn(&self) -> bool {
        asl::turn(&self.engine, self)
    }

    /// Lets this happen to EKS `after_s` from now, when the clock gets there.
    pub fn later(&self, after_s: i64, happening: impl FnOnce(&FakeEks) + 'static) {
        self.then(after_s, |fleet| happening(&fleet.eks));
    }

    /// Lets this happen `after_s` from now, when the clock gets there.
    pub fn then(&self, after_s: i64, happening: impl FnOnce(&Self) + 'static) {
        let at = self.clock.now() + jiff::SignedDuration::from_secs(after_s);
        self.happenings.lock().unwrap().push((at, Box::new(happening)));
    }

    /// Lets time pass, and happen what was to happen.
    pub fn pass(&self, seconds: i64) {
        let end = self.clock.now() + jiff::SignedDuration::from_secs(seconds);
        while let Some((at, happening)) = self.next_happening(end) {
            self.clock.advance(at.duration_since(self.clock.now()).as_secs().max(0));
            happening(self);
        }
        self.clock.advance(end.duration_since(self.clock.now()).as_secs());
    }

    fn next_happening(&self, until: Timestamp) -> Option<(Timestamp, Happening)> {
        let mut open = self.happenings.lock().unwrap();
        let (place, _) =
            open.iter().enumerate().filter(|(_, (at, _))| *at <= until).min_by_key(|(_, (at, _))| *at)?;
        Some(open.remove(place))
    }

    /// The campaigns that were started, in order, each with the upgrades that it asks for.
    #[must_use]
    pub fn campaigns(&self) -> Vec<(CampaignInput, Vec<UpgradeRequest>)> {
        let started = self.table.memory.kept().started.clone();
        let with_requests = |input: CampaignInput| {
            let requests = self.table.memory.requests(&input.campaign);
            (input, requests)
        };
        started.into_iter().map(with_requests).collect()
    }

    /// What a campaign's record adds up to; reading it checks its chain.
    #[must_use]
    pub fn campaign(&self, campaign: &CampaignId) -> CampaignState {
        let lines = self.table.memory.kept().records.get(campaign).cloned().unwrap_or_default();
        CampaignState::read(&lines).expect("the record reads").expect("the campaign is there")
    }

    /// What people are told of campaigns.
    #[must_use]
    pub fn told_of_campaigns(&self) -> Vec<Notification> {
        let records = self.table.memory.kept().records.clone();
        let told = records.values().flat_map(|lines| {
            let mut teller = CampaignTeller::default();
            lines
                .iter()
                .filter_map(move |line| teller.take(line).expect("the record reads")?.tell)
                .collect::<Vec<_>>()
        });
        told.collect()
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

impl World for Fleet {
    fn now_s(&self) -> i64 {
        self.clock.now().as_second()
    }

    fn sleep_until(&self, at_s: i64) {
        self.pass(at_s - self.now_s());
    }

    fn perform(&self, call: &Call) -> Result<Value, Failure> {
        match &call.ask {
            Ask::Invoke { function, payload } => self.invoke(function, payload.clone()),
            Ask::Publish(message) => {
                message.refused().map_or(Ok(()), Err)?;
                self.told.borrow_mut().push(message.clone());
                Ok(json!({"MessageId": format!("message-{}", self.told.borrow().len())}))
            }
            Ask::PutEvents(entries) => {
                self.events_put.borrow_mut().extend(entries.iter().cloned());
                let entries: Vec<Value> = entries.iter().map(|_| json!({"EventId": "event"})).collect();
                Ok(json!({"Entries": entries, "FailedEntryCount": 0}))
            }
        }
    }

    fn over(&self, arn: &str) {
        self.table.memory.kept().over.insert(word(arn));
    }
}
