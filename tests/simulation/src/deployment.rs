//! A whole deployment in one thread: the shipped use cases behind the real state machines, the table in memory, the
//! simulator of EKS behind the shipped AWS adapter; and, where clusters have an inside, those of Kubernetes and EC2.

mod side_by_side;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use eks_upgrade_aws::eks::AwsEks;
use eks_upgrade_core::contract::{ActRequest, CampaignInput, PlanRequest, Question};
use eks_upgrade_core::control::{Answer, Answered, Consent, ConsentScope, KillSwitch, Subject};
use eks_upgrade_core::ids::{ApprovalId, TaskToken};
use eks_upgrade_core::policy::PolicyDocument;
use eks_upgrade_judge::What;
use eks_upgrade_pipeline::act::Act;
use eks_upgrade_pipeline::campaign::Campaigning;
use eks_upgrade_pipeline::decide::Decide;
use eks_upgrade_pipeline::intake::Intake;
use eks_upgrade_pipeline::kube::Kube;
use eks_upgrade_pipeline::plan::PlanRun;
use eks_upgrade_pipeline::ports::{Affected, EksDown, Health, Hears, Time};
use eks_upgrade_pipeline::question::Replied;
use eks_upgrade_support::asl::{self, Ask, Call, Engine, ExecutionId, Failure};
use eks_upgrade_support::{Table, VirtualClock, ada, died, finish, handled, home, machines, word};
use jiff::SignedDuration;
use serde_json::{Value, json};

pub use self::side_by_side::SideBySide;
use crate::inside::{Changes, Inner};
use crate::lie::Lie;
use crate::phrasebook::Phrasebook;
use crate::trace::{Happened, Trace};
use crate::wire::Wire;

/// Everything that is deployed, and the world that it is deployed into.
pub struct Deployment {
    /// The clock of all of it.
    pub clock: VirtualClock,
    /// The table.
    pub table: Arc<Table>,
    /// The way to EKS.
    pub wire: Wire,
    /// What happened.
    pub trace: Trace,
    engine: RefCell<Engine>,
    policy: RefCell<PolicyDocument>,
    reading: Phrasebook,
    acting: Phrasebook,
    inner: Option<Arc<Inner>>,
    lie: Option<Lie>,
    /// How many states of the engine's history stand in the trace.
    entered: RefCell<usize>,
    started: RefCell<BTreeSet<String>>,
}

/// The Health API of an account without the support plan for it: the notice itself has to do.
struct NoHealth;

impl Health for NoHealth {
    async fn affected(&self, _: &str) -> Result<Affected, EksDown> {
        Ok(Affected::NoSubscription)
    }
}

impl Deployment {
    /// A deployment on this wire.
    #[must_use]
    pub fn new(wire: Wire, table: Arc<Table>, clock: VirtualClock, trace: Trace, lie: Option<Lie>) -> Self {
        let sdk = wire.sdk();
        Self {
            reading: Phrasebook::new(AwsEks::new(&sdk, home(), Vec::new()), wire.clone()),
            acting: Phrasebook::new(AwsEks::acting(&sdk, home(), Vec::new()), wire.clone()),
            engine: RefCell::new(Engine::new(machines()).with_limit(usize::MAX)),
            policy: RefCell::default(),
            entered: RefCell::new(0),
            started: RefCell::default(),
            inner: None,
            clock,
            table,
            wire,
            trace,
            lie,
        }
    }

    /// The same, with retries of the state machines after delays that are drawn from this seed.
    #[must_use]
    pub fn jittered(self, seed: u64) -> Self {
        Self { engine: RefCell::new(self.engine.into_inner().with_jitter(seed)), ..self }
    }

    /// The same, with all of EKS's words translated by the SDK, as often as they are said.
    #[must_use]
    pub fn translating_all(self) -> Self {
        Self { reading: self.reading.closed(), acting: self.acting.closed(), ..self }
    }

    /// The same, with functions that look into clusters and change their inside.
    #[must_use]
    pub fn with_insides(self) -> Self {
        let inner = Arc::new(Inner::new(&self.wire, &self.clock));
        Self { inner: Some(inner), ..self }
    }

    /// EKS, and the inspect function, as functions without the right to change anything have them.
    fn looking(&self) -> Phrasebook {
        match &self.inner {
            Some(inner) => self.reading.clone().inspected(inner.clone(), self.policy.borrow().clone()),
            None => self.reading.clone(),
        }
    }

    /// Functions of a new deployment have this policy from now on.
    pub fn deploy(&self, policy: &Value) {
        self.trace.tell(What::Policy(policy.clone()));
        let mut policy = policy.clone();
        if let Some(lie) = self.lie {
            lie.policy(&mut policy);
        }
        let read = PolicyDocument::read(&policy.to_string());
        *self.policy.borrow_mut() = read.unwrap_or_else(|error| panic!("{error}: {policy}"));
    }

    /// One event for intake, as Lambda invokes it for EventBridge; whether it was taken.
    pub fn take(&self, event: &Value) -> bool {
        let answer = self.invoke("${IntakeFunctionArn}", event.clone());
        self.start_campaigns();
        answer.is_ok()
    }

    /// Somebody starts an upgrade.
    pub fn start(&self, name: &str, request: &Value) {
        self.trace.tell(What::Asked(request.clone()));
        self.engine.borrow_mut().start("${UpgradeStateMachineArn}", name, request.clone(), self.now_s());
    }

    /// Campaigns that intake asked for begin.
    fn start_campaigns(&self) {
        let wanted: Vec<CampaignInput> = {
            let kept = self.table.memory.kept();
            if kept.started.len() == self.started.borrow().len() {
                return;
            }
            kept.started.clone()
        };
        for input in wanted {
            let name = format!("{}-{}", input.campaign, input.generation);
            if self.started.borrow_mut().insert(name.clone()) {
                let input = serde_json::to_value(&input).unwrap_or_default();
                self.engine.borrow_mut().start("${CampaignStateMachineArn}", &name, input, self.now_s());
            }
        }
    }

    /// Somebody stops an execution that runs, if one does; with `alone`, not those that it waits for.
    pub fn abort(&self, which: u32, alone: bool) {
        let mut engine = self.engine.borrow_mut();
        let running: Vec<ExecutionId> = engine.running().collect();
        let Some(id) = running.get(which as usize % running.len().max(1)).copied() else { return };
        self.trace.say(format!("stops {}{}", engine.arn(id), if alone { " alone" } else { "" }));
        if alone {
            engine.abort_alone(id, self.now_s());
        } else {
            engine.abort(id, self.now_s());
        }
        drop(engine);
        self.note_over();
    }

    /// Throws the kill switch, or lifts it.
    pub fn switch(&self, thrown: bool) {
        self.trace.tell(What::Switch { thrown });
        if self.lie != Some(Lie::SwitchLifted) {
            let switch = KillSwitch { thrown, by: ada(), reason: "said so".into(), at: self.clock.now() };
            self.table.memory.kept().switch = Some(switch);
        }
    }

    /// Consents to something for so many hours.
    pub fn consent(&self, cluster: &str, scope: &Value, hours: u32) {
        let Ok(read) = serde_json::from_value::<ConsentScope>(scope.clone()) else {
            panic!("{scope} is no scope")
        };
        let at = self.clock.now();
        let expires_at = at + SignedDuration::from_hours(hours.into());
        let cluster = home().cluster(&word(cluster));
        self.trace.tell(What::Consent {
            cluster: cluster.to_string(),
            scope: scope.clone(),
            expires_s: expires_at.as_second(),
        });
        let mut kept = self.table.memory.kept();
        let id = word(&format!("co-{}", kept.consents.len() + 1));
        let reason = "looked at it".into();
        kept.consents.push(Consent { id, cluster, scope: read, by: ada(), reason, at, expires_at });
    }

    /// Answers every open question; with `wakes`, whoever waits for it is woken, else the word is lost.
    pub fn answer(&self, answer: Answer, wakes: bool) {
        let memory = &self.table.memory;
        let open = finish(memory.open_approvals(self.clock.now())).and_then(Result::ok).unwrap_or_default();
        for question in open {
            self.answer_one(&question.id, answer, wakes);
        }
    }

    fn answer_one(&self, question: &ApprovalId, answer: Answer, wakes: bool) {
        let answered = Answered { answer, by: ada(), reason: "looked at it".into(), at: self.clock.now() };
        self.trace.say(format!("answers {question}: {answer:?}"));
        let memory = &self.table.memory;
        let Some(Ok((approval, token))) = finish(memory.answer(question, answered)) else { return };
        let run = match approval.subject {
            Subject::Run { run, .. } => run.to_string(),
            Subject::Campaign { .. } => String::new(),
        };
        let yes = answer == Answer::Approve;
        self.trace.tell(What::Answered { run, before: approval.before, yes });
        if let Some(TaskToken(token)) = token
            && wakes
        {
            // Nobody waits any more where the execution was stopped meanwhile.
            let mut engine = self.engine.borrow_mut();
            let _ = engine.send_task_success(&token, json!({"answered": true}), self.now_s());
        }
    }

    /// What a person starts to have every run gone on with that no execution holds any more.
    #[must_use]
    pub fn interrupted(&self) -> Vec<Value> {
        let kept = self.table.memory.kept();
        let open = kept
            .leases
            .iter()
            .filter(|(_, lease)| lease.ended.is_none() && kept.over.contains(&lease.execution));
        open.map(|(arn, lease)| json!({"cluster": arn, "resume": lease.run})).collect()
    }

    /// Lets the state machines do one thing; false when nothing is due, ever.
    pub fn turn(&self, until_s: i64) -> bool {
        let turned = asl::turn(&self.engine, &Until { deployment: self, until_s });
        self.entered();
        self.start_campaigns();
        turned
    }

    /// Says what clusters with an inside are at the end.
    pub fn leave(&self) {
        if self.inner.is_none() {
            return;
        }
        let state = self.wire.world().state();
        for (cluster, state) in state["clusters"].as_object().into_iter().flatten() {
            self.trace.tell(What::Left { cluster: cluster.clone(), state: state.clone() });
        }
    }

    /// Whether anything runs.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.engine.borrow().running().next().is_some()
    }

    /// Whether something is due now.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.engine.borrow().due_s().is_some_and(|due_s| due_s <= self.now_s())
    }

    fn entered(&self) {
        let engine = self.engine.borrow();
        let mut known = self.entered.borrow_mut();
        for entered in &engine.history()[*known..] {
            let (execution, state) = (entered.execution.clone(), entered.state.clone());
            self.trace.add(Happened::Entered { execution, state });
        }
        *known = engine.history().len();
    }

    fn invoke(&self, function: &str, payload: Value) -> Result<Value, Failure> {
        self.entered();
        let answer = finish(self.run(function, payload)).unwrap_or_else(|| Err(died()));
        self.tell_answer(function, &answer);
        answer
    }

    fn tell_answer(&self, function: &str, answer: &Result<Value, Failure>) {
        let function = function.trim_matches(['$', '{', '}']).replace("FunctionArn", "");
        let answer = answer.clone().map_err(|failure| failure.error);
        self.trace.add(Happened::Answered { function, answer });
    }

    async fn run(&self, function: &str, payload: Value) -> Result<Value, Failure> {
        let (ledger, time) = (&*self.table, self.clock.clone());
        match function {
            "${PlanFunctionArn}" => {
                let policy = self.policy.borrow().clone();
                let eks = self.looking();
                let plan = PlanRun { eks, ledger, executions: ledger, time, policy, home: home() };
                handled(payload, async |request: PlanRequest| Box::pin(plan.plan(&request)).await).await
            }
            "${DecideFunctionArn}" => {
                let eks = self.looking();
                let campaigns =
                    Campaigning { eks: eks.clone(), ledger, executions: ledger, time: time.clone() };
                let decide = Decide { eks, ledger, time };
                handled(payload, async |question: Question| match question {
                    Question::Run(asked) => decide.answer(&asked).await.map(Replied::Run),
                    Question::Campaign(asked) => campaigns.answer(&asked).await.map(Replied::Campaign),
                })
                .await
            }
            "${ActFunctionArn}" => {
                let act = Act { eks: self.acting.clone(), ledger, time };
                handled(payload, async |request: ActRequest| Box::pin(act.act(&request)).await).await
            }
            "${KubeFunctionArn}" => {
                let Some(inner) = &self.inner else { panic!("no cluster can be looked into") };
                let (inside, groups) = (Changes(inner), inner.groups.clone());
                let kube = Kube { eks: self.looking(), inside, groups, ledger, time };
                handled(payload, async |request: ActRequest| Box::pin(kube.act(&request)).await).await
            }
            "${IntakeFunctionArn}" => {
                let intake = Intake {
                    eks: self.reading.clone(),
                    health: NoHealth,
                    ledger,
                    campaigns: ledger,
                    time,
                    policy: self.policy.borrow().clone(),
                    home: home(),
                    sources: vec!["aws.health".into()],
                };
                handled(payload, async |event: Value| intake.take(&event).await).await
            }
            other => panic!("there is no function {other}"),
        }
    }

    fn now_s(&self) -> i64 {
        self.clock.now().as_second()
    }

    fn over(&self, arn: &str) {
        self.table.memory.kept().over.insert(word(arn));
    }

    fn note_over(&self) {
        let over = self.engine.borrow_mut().take_over();
        for arn in over {
            self.over(&arn);
        }
    }
}

/// The deployment up to an instant at which something else happens.
struct Until<'a> {
    deployment: &'a Deployment,
    until_s: i64,
}

impl asl::World for Until<'_> {
    fn now_s(&self) -> i64 {
        self.deployment.now_s()
    }

    fn sleep_until(&self, at_s: i64) {
        let seconds = at_s.min(self.until_s) - self.now_s();
        self.deployment.clock.advance(seconds.max(0));
    }

    fn perform(&self, call: &Call) -> Result<Value, Failure> {
        match &call.ask {
            Ask::Invoke { function, payload } => self.deployment.invoke(function, payload.clone()),
            Ask::Publish(message) => {
                message.refused().map_or(Ok(()), Err)?;
                Ok(json!({"MessageId": "message"}))
            }
            Ask::PutEvents(entries) => {
                let told: Vec<Value> = entries.iter().map(|_| json!({"EventId": "event"})).collect();
                Ok(json!({"Entries": told, "FailedEntryCount": 0}))
            }
        }
    }

    fn over(&self, arn: &str) {
        self.deployment.over(arn);
    }
}
