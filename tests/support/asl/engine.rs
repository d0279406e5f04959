//! The scheduler: always lets that fiber do one thing that is due soonest, the oldest of several.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jsonata_core::value::JValue;
use serde_json::Value;

use crate::asl::definition::{Level, Machine, State};
use crate::asl::expression::{Failure, Variables, json as plain};
use crate::asl::fiber::{ExecutionId, Fiber, FiberId, Phase, Record, Status};
use crate::asl::tasks::Call;

/// More states than the longest of our stories enters.
const STATES_MAX: usize = 100_000;

/// A state that was entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// By the execution of this name.
    pub execution: String,
    /// Its name.
    pub state: String,
}

/// A Wait that was entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waited {
    pub(crate) head: ExecutionId,
    /// The state.
    pub state: String,
    /// How long it waits.
    pub seconds: i64,
}

/// What comes of letting the engine do one thing.
#[derive(Debug)]
pub enum Turn {
    /// A fiber went on.
    Moved,
    /// Somebody else has to do this, and give the answer to [`Engine::answered`].
    Call(Box<Call>),
    /// Nothing is due before this.
    Sleep(i64),
    /// Nothing will ever be due.
    Idle,
}

/// All executions of a deployment.
#[derive(Debug)]
pub struct Engine {
    pub(super) machines: BTreeMap<String, Machine>,
    pub(super) executions: Vec<Record>,
    /// Those that go on. Of all that ever were most are over, where many clusters are upgraded.
    pub(super) running: BTreeSet<ExecutionId>,
    /// The oldest of each machine and name.
    named: BTreeMap<(String, String), ExecutionId>,
    pub(super) fibers: BTreeMap<FiberId, Fiber>,
    fibers_begun: usize,
    pub(super) history: Vec<Entered>,
    pub(super) waits: Vec<Waited>,
    over: Vec<String>,
    pub(super) states_max: usize,
    /// What draws delays with full jitter; without, each is the longest that it may be.
    pub(super) jitter: Option<fastrand::Rng>,
}

impl Engine {
    /// An engine with these machines, each under what definitions call it.
    #[must_use]
    pub fn new(machines: BTreeMap<String, Machine>) -> Self {
        Self {
            machines,
            executions: Vec::new(),
            running: BTreeSet::new(),
            named: BTreeMap::new(),
            fibers: BTreeMap::new(),
            fibers_begun: 0,
            history: Vec::new(),
            waits: Vec::new(),
            over: Vec::new(),
            states_max: STATES_MAX,
            jitter: None,
        }
    }

    /// Lets all executions together enter no more states than this.
    #[must_use]
    pub fn with_limit(self, states_max: usize) -> Self {
        Self { states_max, ..self }
    }

    /// Draws the delays of rules with full jitter, as Step Functions does; the same seed draws the same.
    #[must_use]
    pub fn with_jitter(self, seed: u64) -> Self {
        Self { jitter: Some(fastrand::Rng::with_seed(seed)), ..self }
    }

    /// Starts an execution of the machine that definitions call so; nothing of it has run yet.
    pub fn start(&mut self, machine: &str, name: &str, input: Value, now_s: i64) -> ExecutionId {
        self.begin(machine, name.to_owned(), JValue::from(input), None, now_s)
    }

    /// Every state that was entered, in order.
    #[must_use]
    pub fn history(&self) -> &[Entered] {
        &self.history
    }

    /// How an execution stands.
    #[must_use]
    pub fn status(&self, id: ExecutionId) -> &Status {
        &self.executions[id.0].status
    }

    /// The ARN of an execution.
    #[must_use]
    pub fn arn(&self, id: ExecutionId) -> &str {
        &self.executions[id.0].arn
    }

    /// The execution of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ExecutionId> {
        self.executions.iter().position(|record| record.name == name).map(ExecutionId)
    }

    /// The executions that nothing waits for and that are not over.
    pub fn running(&self) -> impl Iterator<Item = ExecutionId> {
        self.running.iter().copied().filter(|id| self.executions[id.0].head == *id)
    }

    /// The oldest execution of a machine that has this name.
    pub(super) fn named(&self, machine: &str, name: &str) -> Option<ExecutionId> {
        let machine = &self.machines.get(machine)?.name;
        self.named.get(&(machine.clone(), name.to_owned())).copied()
    }

    /// The state that an execution entered last, those of Maps' items aside.
    #[must_use]
    pub fn last(&self, id: ExecutionId) -> &str {
        &self.executions[id.0].last
    }

    /// A variable of an execution's own states.
    #[must_use]
    pub fn variable(&self, id: ExecutionId, name: &str) -> Option<Value> {
        let own = self.fibers.values().find(|fiber| fiber.execution == id && fiber.map.is_none());
        let variables = own.map_or(&self.executions[id.0].variables, |fiber| &fiber.variables);
        variables.get(name).map(plain)
    }

    /// The Waits that an execution and those that it waits for have entered.
    #[must_use]
    pub fn waits(&self, id: ExecutionId) -> Vec<Waited> {
        self.waits.iter().filter(|waited| waited.head == id).cloned().collect()
    }

    /// Lets an execution stand still, with those that it waits for, or go on; others do not care.
    pub fn hold(&mut self, id: ExecutionId, held: bool) {
        self.executions[id.0].held = held;
    }

    /// When something is due next.
    #[must_use]
    pub fn due_s(&self) -> Option<i64> {
        self.soonest().map(|(.., due_s)| due_s)
    }

    /// The fiber that is next, and whether it is about to enter a state.
    #[must_use]
    pub fn next(&self) -> Option<(FiberId, bool)> {
        let (id, fiber, _) = self.soonest()?;
        Some((id, matches!(fiber.phase, Phase::Enter)))
    }

    /// The execution at the head of those that a fiber belongs to.
    #[must_use]
    pub fn head(&self, fiber: FiberId) -> ExecutionId {
        self.executions[self.fibers[&fiber].execution.0].head
    }

    /// The fiber of an execution, or of those that it waits for, that will go on first.
    #[must_use]
    pub fn first_of(&self, head: ExecutionId) -> Option<FiberId> {
        let theirs = |(id, fiber): (&FiberId, &Fiber)| Some((fiber.due_s?, *id));
        let all = self.fibers.iter().filter(|(id, _)| self.head(**id) == head);
        all.filter_map(theirs).min().map(|(_, id)| id)
    }

    /// The state where a fiber stands.
    #[must_use]
    pub fn state(&self, fiber: FiberId) -> &str {
        &self.fibers[&fiber].state
    }

    /// What a fiber's state is about to send, or else its input.
    #[must_use]
    pub fn payload(&self, id: FiberId) -> Value {
        let fiber = &self.fibers[&id];
        let payload = match &fiber.level.states[&fiber.state] {
            State::Task(task) => task.arguments.evaluate(&self.scope(id, None)),
            _ => Ok(fiber.input.clone()),
        };
        let payload = plain(&payload.unwrap_or_else(|failure| panic!("{}: {failure:?}", fiber.state)));
        payload.get("Payload").cloned().unwrap_or(payload)
    }

    /// The ARNs of executions that ended since this was last asked.
    pub fn take_over(&mut self) -> Vec<String> {
        std::mem::take(&mut self.over)
    }

    /// Stops an execution. Those that it waits for are stopped with it, as Step Functions does with `.sync`
    /// tasks (the roles allow `states:StopExecution` for that).
    pub fn abort(&mut self, id: ExecutionId, now_s: i64) {
        let theirs = self.fibers.iter().filter(|(_, fiber)| fiber.execution == id);
        let theirs = theirs.map(|(id, _)| *id).collect();
        self.end(id, Status::Aborted, now_s);
        self.drop_fibers(theirs, now_s);
    }

    /// Stops an execution and nothing else: Step Functions only tries to stop those that it waits for.
    pub fn abort_alone(&mut self, id: ExecutionId, now_s: i64) {
        let theirs = |waiter: &FiberId| self.fibers.get(waiter).is_some_and(|fiber| fiber.execution == id);
        let children: Vec<usize> =
            (0..self.executions.len()).filter(|at| self.executions[*at].waiters.iter().any(theirs)).collect();
        for child in children {
            self.executions[child].waiters.clear();
            self.lead(ExecutionId(child), ExecutionId(child));
        }
        self.abort(id, now_s);
    }

    /// Puts an execution, and those that it waits for, under another head.
    fn lead(&mut self, id: ExecutionId, head: ExecutionId) {
        self.executions[id.0].head = head;
        let fibers: BTreeSet<FiberId> =
            self.fibers.iter().filter(|(_, fiber)| fiber.execution == id).map(|(id, _)| *id).collect();
        for at in 0..self.executions.len() {
            if self.executions[at].waiters.iter().any(|waiter| fibers.contains(waiter)) {
                self.lead(ExecutionId(at), head);
            }
        }
    }

    /// Gives back a task's token with its output.
    pub fn send_task_success(&mut self, token: &str, output: Value, now_s: i64) -> Result<(), Failure> {
        let id = self.waiting_for(token)?;
        self.task_ended(id, Ok(JValue::from(output)), now_s);
        Ok(())
    }

    /// Gives back a task's token with an error.
    pub fn send_task_failure(&mut self, token: &str, failure: Failure, now_s: i64) -> Result<(), Failure> {
        let id = self.waiting_for(token)?;
        self.task_ended(id, Err(failure), now_s);
        Ok(())
    }

    /// Says that a task is still being worked on.
    pub fn send_task_heartbeat(&mut self, token: &str, now_s: i64) -> Result<(), Failure> {
        let id = self.waiting_for(token)?;
        let fiber = self.fiber(id);
        if let Phase::Token { timeout_at, heartbeat_s, heartbeat_at } = &mut fiber.phase {
            *heartbeat_at = heartbeat_s.map(|seconds| now_s + seconds);
            fiber.due_s = [*timeout_at, *heartbeat_at].into_iter().flatten().min();
        }
        Ok(())
    }

    fn waiting_for(&self, token: &str) -> Result<FiberId, Failure> {
        let waits = |fiber: &Fiber| {
            fiber.token.as_deref() == Some(token) && matches!(fiber.phase, Phase::Token { .. })
        };
        let found = self.fibers.iter().find(|(_, fiber)| waits(fiber));
        let gone = || Failure::new("TaskTimedOut", format!("no task waits for {token}"));
        found.map(|(id, _)| *id).ok_or_else(gone)
    }

    /// Lets the fiber that is due soonest do one thing.
    pub fn turn(&mut self, now_s: i64) -> Turn {
        let Some((id, fiber, due_s)) = self.soonest() else { return Turn::Idle };
        if due_s > now_s {
            return Turn::Sleep(due_s);
        }
        match fiber.phase {
            Phase::Enter => return self.enter(id, now_s),
            Phase::Again => return self.work(id, now_s),
            Phase::Waiting => self.leave(id, None, now_s),
            Phase::Token { timeout_at, .. } => {
                let error =
                    if timeout_at == Some(due_s) { "States.Timeout" } else { "States.HeartbeatTimeout" };
                self.task_ended(id, Err(Failure { error: error.into(), cause: None }), now_s);
            }
            Phase::Child => {
                let failure = Failure { error: "States.Timeout".into(), cause: None };
                self.task_ended(id, Err(failure), now_s);
            }
            Phase::Calling | Phase::Mapping(_) => panic!("{} is not due", fiber.state),
        }
        Turn::Moved
    }

    /// Goes on with the answer to a call.
    pub fn answered(&mut self, call: &Call, answer: Result<Value, Failure>, now_s: i64) {
        let asked = |fiber: &&Fiber| fiber.call == call.turn;
        let Some(fiber) = self.fibers.get(&call.fiber).filter(asked) else { return };
        match (answer, &fiber.phase) {
            // Whoever has the token answers.
            (Ok(_), Phase::Token { .. }) => {}
            (answer, _) => {
                let result = answer.map(|answer| JValue::from(call.ask.result(answer)));
                self.task_ended(call.fiber, result, now_s);
            }
        }
    }

    fn soonest(&self) -> Option<(FiberId, &Fiber, i64)> {
        let free = |fiber: &Fiber| {
            let head = self.executions[fiber.execution.0].head;
            !self.executions[head.0].held
        };
        self.fibers
            .iter()
            .filter_map(|(id, fiber)| Some((*id, fiber, fiber.due_s?)))
            .filter(|(_, fiber, _)| free(fiber))
            .min_by_key(|(id, _, due_s)| (*due_s, *id))
    }

    pub(super) fn begin(
        &mut self,
        machine: &str,
        name: String,
        input: JValue,
        head: Option<ExecutionId>,
        now_s: i64,
    ) -> ExecutionId {
        // Definitions name others by their placeholders, and themselves by what they are.
        let itself = |known: &&Machine| machine.ends_with(&format!(":stateMachine:{}", known.name));
        let found = self.machines.get(machine).or_else(|| self.machines.values().find(itself));
        let machine = found.unwrap_or_else(|| panic!("there is no machine {machine}"));
        let id = ExecutionId(self.executions.len());
        let record = Record::new(machine, name, input.clone(), head.unwrap_or(id), now_s);
        let level = record.machine.level.clone();
        self.named.entry((record.machine.name.clone(), record.name.clone())).or_insert(id);
        self.running.insert(id);
        self.executions.push(record);
        self.spawn(id, level, Variables::new(), input, None, now_s);
        id
    }

    pub(super) fn spawn(
        &mut self,
        execution: ExecutionId,
        level: Arc<Level>,
        variables: Variables,
        input: JValue,
        map: Option<(FiberId, usize, JValue)>,
        now_s: i64,
    ) {
        let id = FiberId(self.fibers_begun);
        self.fibers_begun += 1;
        let state = level.start_at.clone();
        let (map, item) = map.map_or((None, None), |(map, at, item)| (Some((map, at)), Some(item)));
        let fiber = Fiber {
            execution,
            level,
            map,
            item,
            variables,
            state,
            input,
            phase: Phase::Enter,
            due_s: Some(now_s),
            tried: Vec::new(),
            call: 0,
            token: None,
        };
        self.fibers.insert(id, fiber);
    }

    pub(super) fn fiber(&mut self, id: FiberId) -> &mut Fiber {
        self.fibers.get_mut(&id).expect("a fiber that has not ended")
    }

    /// Ends fibers from outside, with the items of their Maps and the executions that they wait for.
    pub(super) fn drop_fibers(&mut self, mut doomed: BTreeSet<FiberId>, now_s: i64) {
        if doomed.is_empty() {
            return;
        }
        loop {
            let below = |fiber: &Fiber| fiber.map.is_some_and(|(map, _)| doomed.contains(&map));
            let more: BTreeSet<FiberId> =
                self.fibers.iter().filter(|(_, fiber)| below(fiber)).map(|(id, _)| *id).collect();
            let known = doomed.len();
            doomed.extend(more);
            if doomed.len() == known {
                break;
            }
        }
        self.fibers.retain(|id, _| !doomed.contains(id));
        for id in self.running.clone() {
            let record = &mut self.executions[id.0];
            let waited_for = record.waiters.iter().any(|waiter| doomed.contains(waiter));
            record.waiters.retain(|waiter| !doomed.contains(waiter));
            if waited_for && record.waiters.is_empty() && record.is_running() {
                self.abort(id, now_s);
            }
        }
    }

    pub(super) fn end(&mut self, id: ExecutionId, status: Status, now_s: i64) {
        let own = self.fibers.values().find(|fiber| fiber.execution == id && fiber.map.is_none());
        let variables = own.map(|fiber| fiber.variables.clone());
        let record = &mut self.executions[id.0];
        if !record.is_running() {
            return;
        }
        self.running.remove(&id);
        record.status = status;
        record.stopped_s = now_s;
        record.variables = variables.unwrap_or_else(|| std::mem::take(&mut record.variables));
        self.over.push(record.arn.clone());
        let waiters = std::mem::take(&mut record.waiters);
        for waiter in waiters {
            let result = self.executions[id.0].described().map(JValue::from);
            if self.fibers.get(&waiter).is_some_and(|fiber| matches!(fiber.phase, Phase::Child)) {
                self.task_ended(waiter, result, now_s);
            }
        }
    }
}
