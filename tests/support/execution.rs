//! One execution as a test holds it.
//!
//! Like a program under a debugger it stands still between two commands of the test, and with it the executions
//! that it waits for; whatever the test does not hold goes on meanwhile, side by side.

use eks_upgrade_core::contract::{ActRequest, CloseAnswer};
use eks_upgrade_core::ids::{ExecutionArn, RunId};
use eks_upgrade_core::plan::Plan;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::asl::expression::json;
use crate::asl::fiber::FiberId;
use crate::asl::{Engine, ExecutionId, Failure, Status, Waited, World};
use crate::fleet::Fleet;
use crate::word;

/// An error as a state machine sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// Its name.
    pub name: String,
    /// In words.
    pub message: String,
}

/// How an upgrade ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// The run was closed, completed or halted.
    Closed(Box<CloseAnswer>),
    /// The plan alone was asked for.
    DryRun(Box<Plan>),
    /// It was turned away.
    Refused(Raised),
    /// The pipeline itself could not go on.
    Interrupted(Raised),
}

/// Where an execution stands: about to enter a state of its own, of one that it waits for, or of an item of a Map.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    engine: &'a Engine,
    fiber: FiberId,
}

impl Place<'_> {
    /// The state's name.
    #[must_use]
    pub fn state(&self) -> &str {
        self.engine.state(self.fiber)
    }

    /// What the state is about to send to a function, or else its input.
    #[must_use]
    pub fn payload(&self) -> Value {
        self.engine.payload(self.fiber)
    }
}

/// One execution of a state machine.
#[derive(Debug)]
pub struct Execution<'f> {
    fleet: &'f Fleet,
    /// Its ARN.
    pub arn: ExecutionArn,
    id: ExecutionId,
}

impl<'f> Execution<'f> {
    pub(crate) fn new(fleet: &'f Fleet, machine: &str, name: &str, input: Value) -> Self {
        let mut engine = fleet.engine.borrow_mut();
        let id = engine.start(machine, name, input, fleet.now_s());
        engine.hold(id, true);
        Self { fleet, arn: word(engine.arn(id)), id }
    }

    /// Lets it go on whenever anything goes on, beside whatever the test does next.
    pub fn let_go(&mut self) {
        self.fleet.engine.borrow_mut().hold(self.id, false);
    }

    /// Lets an upgrade go on to its end.
    pub fn finish(&mut self) -> End {
        let output = self.output();
        let last = self.fleet.engine().last(self.id).to_owned();
        match (output, last.as_str()) {
            (Ok(output), "Upgraded") => End::Closed(read(output)),
            (Ok(mut output), "DryRun") => End::DryRun(read(output["plan"].take())),
            (Err(failure), "Halted" | "RolledBack") => {
                let answer: Box<CloseAnswer> = read(self.variable("answer"));
                let code = serde_json::to_value(&answer.ending).expect("it is JSON")["code"].take();
                assert_eq!(code, failure.error, "it fails with what it halted for");
                End::Closed(answer)
            }
            (Err(failure), "Refused") => End::Refused(failure.into()),
            (Err(failure), "Interrupted") => End::Interrupted(failure.into()),
            (Err(failure), _) if failure.error == "Aborted" => End::Interrupted(failure.into()),
            (output, last) => panic!("it ended in {last}: {output:?}"),
        }
    }

    /// Lets it go on to its end: its output, or its error.
    pub fn output(&mut self) -> Result<Value, Failure> {
        self.until(|_| false);
        match self.fleet.engine().status(self.id) {
            Status::Succeeded(output) => Ok(json(output)),
            Status::Failed(failure) => Err(failure.clone()),
            Status::Aborted => Err(Failure::new("Aborted", "by hand")),
            Status::Running => panic!("it still runs"),
        }
    }

    /// Lets it go on until it stands at such a place, or is over.
    pub fn until(&mut self, there: impl Fn(Place<'_>) -> bool) {
        self.let_go();
        while self.is_running() && !self.stands(&there) {
            self.turn();
        }
        self.fleet.engine.borrow_mut().hold(self.id, true);
    }

    /// Lets it go on until it stands at the state of this name, or is over.
    pub fn until_at(&mut self, state: &str) {
        self.until(|place| place.state() == state);
    }

    /// Lets it enter one state, or go on from where it waits.
    pub fn step(&mut self) {
        self.let_go();
        while self.is_running() {
            let next = self.fleet.engine().next().map(|(fiber, _)| fiber);
            let ours = next.is_some_and(|fiber| self.fleet.engine().head(fiber) == self.id);
            let before = self.fleet.now_s();
            self.turn();
            if ours && self.fleet.now_s() == before {
                break;
            }
        }
        self.fleet.engine.borrow_mut().hold(self.id, true);
    }

    /// Stops it from outside, and what it waits for with it: what they were about to do is not done.
    pub fn abort(&mut self) {
        self.fleet.engine.borrow_mut().abort(self.id, self.fleet.now_s());
        self.tell_over();
    }

    /// Stops it from outside and nothing else, as when Step Functions cannot stop what it waits for.
    pub fn abort_alone(&mut self) {
        self.fleet.engine.borrow_mut().abort_alone(self.id, self.fleet.now_s());
        self.tell_over();
    }

    /// Whether it goes on.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.fleet.engine().status(self.id), Status::Running)
    }

    /// The state that it is about to enter, and what that state is about to send, or else its input.
    #[must_use]
    pub fn place(&self) -> (String, Value) {
        let engine = self.fleet.engine();
        let fiber = engine.first_of(self.id).expect("it stands somewhere");
        (engine.state(fiber).to_owned(), engine.payload(fiber))
    }

    /// What it asks the act function, where it stands.
    #[must_use]
    pub fn act_request(&self) -> ActRequest {
        read(self.place().1)
    }

    /// The run that it holds.
    #[must_use]
    pub fn run(&self) -> RunId {
        read(self.variable("run"))
    }

    /// A variable of its own states.
    #[must_use]
    pub fn variable(&self, name: &str) -> Value {
        let found = self.fleet.engine().variable(self.id, name);
        found.unwrap_or_else(|| panic!("it has no ${name}"))
    }

    /// What it waited for, in order.
    #[must_use]
    pub fn waits(&self) -> Vec<Waited> {
        self.fleet.engine().waits(self.id)
    }

    fn stands(&self, there: &impl Fn(Place<'_>) -> bool) -> bool {
        let engine = self.fleet.engine();
        let about = engine.next().filter(|(fiber, enters)| *enters && engine.head(*fiber) == self.id);
        about.is_some_and(|(fiber, _)| there(Place { engine: &engine, fiber }))
    }

    fn turn(&self) {
        assert!(self.fleet.turn(), "it waits for what nobody will do: {:?}", self.fleet.history().last());
    }

    fn tell_over(&self) {
        for arn in self.fleet.engine.borrow_mut().take_over() {
            self.fleet.over(&arn);
        }
    }
}

impl From<Failure> for Raised {
    fn from(failure: Failure) -> Self {
        Self { name: failure.error, message: failure.cause.unwrap_or_default() }
    }
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    let shown = value.to_string();
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}: {shown}"))
}
