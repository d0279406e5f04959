//! A world of a few lines: a clock, and answers that are given in order.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};

use eks_upgrade_support::asl::expression::json as plain;
use eks_upgrade_support::asl::{self, Ask, Call, Engine, ExecutionId, Failure, Machine, Status, World};
use serde_json::{Value, json};

/// The world, with its engine.
pub struct Small {
    pub engine: RefCell<Engine>,
    pub now_s: Cell<i64>,
    pub answers: RefCell<VecDeque<Result<Value, Failure>>>,
    /// What was asked, and when.
    pub asked: RefCell<Vec<(i64, Value)>>,
}

impl World for Small {
    fn now_s(&self) -> i64 {
        self.now_s.get()
    }

    fn sleep_until(&self, at_s: i64) {
        assert!(at_s > self.now_s.get());
        self.now_s.set(at_s);
    }

    fn perform(&self, call: &Call) -> Result<Value, Failure> {
        let asked = match &call.ask {
            Ask::Invoke { payload, .. } => payload.clone(),
            Ask::Publish(message) => json!(message.subject),
            Ask::PutEvents(entries) => json!(entries),
        };
        self.asked.borrow_mut().push((self.now_s(), asked));
        self.answers.borrow_mut().pop_front().unwrap_or(Ok(Value::Null))
    }
}

/// A definition of these states, the first of which is `A`.
pub fn states(states: &Value) -> Value {
    json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": states})
}

/// A Task that invokes a function, with these fields more.
pub fn task(more: &Value) -> Value {
    let mut task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "f", "Payload": "{% $states.input %}"},
        "Output": "{% $states.result.Payload %}",
    });
    let fields = task.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    if !fields.contains_key("Next") {
        fields.insert("End".into(), json!(true));
    }
    task
}

/// A failure without a cause.
pub fn failure(error: &str) -> Failure {
    Failure { error: error.into(), cause: None }
}

impl Small {
    /// With these machines.
    pub fn with(machines: &[(&str, Value)]) -> Self {
        let read = |(name, definition): &(&str, Value)| {
            let machine = Machine::read(name, &definition.to_string());
            ((*name).to_owned(), machine.unwrap_or_else(|why| panic!("{why}")))
        };
        let machines: BTreeMap<String, Machine> = machines.iter().map(read).collect();
        Self {
            engine: RefCell::new(Engine::new(machines)),
            now_s: Cell::new(0),
            answers: RefCell::default(),
            asked: RefCell::default(),
        }
    }

    /// With one machine, `m`, of these states.
    pub fn of(of: &Value) -> Self {
        Self::with(&[("m", states(of))])
    }

    /// Answers the next call so.
    pub fn answer(self, answer: Result<Value, Failure>) -> Self {
        self.answers.borrow_mut().push_back(answer);
        self
    }

    /// Starts an execution of `m`.
    pub fn start(&self, input: Value) -> ExecutionId {
        let name = format!("e{}", self.engine.borrow().history().len());
        self.engine.borrow_mut().start("m", &name, input, self.now_s())
    }

    /// Does one thing.
    pub fn turn(&self) -> bool {
        asl::turn(&self.engine, self)
    }

    /// Goes on until nothing is left to do.
    pub fn settle(&self) {
        while self.turn() {}
    }

    /// Runs `m` to its end.
    pub fn run(&self, input: Value) -> Result<Value, Failure> {
        let id = self.start(input);
        self.settle();
        self.end(id)
    }

    /// How an execution ended.
    pub fn end(&self, id: ExecutionId) -> Result<Value, Failure> {
        match self.engine.borrow().status(id) {
            Status::Succeeded(output) => Ok(plain(output)),
            Status::Failed(failure) => Err(failure.clone()),
            other => panic!("{other:?}"),
        }
    }

    /// The states that were entered.
    pub fn entered(&self) -> Vec<String> {
        self.engine.borrow().history().iter().map(|entered| entered.state.clone()).collect()
    }

    /// When it was asked something.
    pub fn times(&self) -> Vec<i64> {
        self.asked.borrow().iter().map(|(at_s, _)| *at_s).collect()
    }
}
