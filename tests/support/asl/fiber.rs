//! What goes on side by side: executions, and in each a fiber for its own states and one for each item of a Map.

use std::sync::Arc;

use jsonata_core::value::JValue;
use serde_json::{Value, json};

use crate::asl::definition::{Level, Machine};
use crate::asl::expression::{Failure, Variables, json as plain, object};

/// A fiber, by its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FiberId(pub(crate) usize);

/// An execution, by its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExecutionId(pub(crate) usize);

/// How an execution stands.
#[derive(Clone, Debug)]
pub enum Status {
    /// It goes on.
    Running,
    /// It ended well, with this output.
    Succeeded(JValue),
    /// It failed.
    Failed(Failure),
    /// Somebody stopped it.
    Aborted,
}

/// Why a fiber stands where it stands.
#[derive(Debug)]
pub(crate) enum Phase {
    /// It is about to enter its state.
    Enter,
    /// It is about to try its state again.
    Again,
    /// It waits for its time to come.
    Waiting,
    /// A call of its is on its way.
    Calling,
    /// It waits for its token.
    Token { timeout_at: Option<i64>, heartbeat_s: Option<i64>, heartbeat_at: Option<i64> },
    /// It waits for an execution.
    Child,
    /// It waits for its items.
    Mapping(Items),
}

/// The items of a Map.
#[derive(Debug)]
pub(crate) struct Items {
    pub all: Vec<JValue>,
    pub results: Vec<Option<JValue>>,
    pub begun: usize,
    pub at_once: usize,
}

impl Items {
    pub fn new(all: Vec<JValue>, at_once: usize) -> Self {
        let at_once = if at_once == 0 { usize::MAX } else { at_once };
        Self { results: vec![None; all.len()], all, begun: 0, at_once }
    }

    /// The next item, if it may begin.
    pub fn next(&mut self) -> Option<usize> {
        let ended = self.results.iter().flatten().count();
        let may = self.begun < self.all.len() && self.begun - ended < self.at_once;
        may.then(|| {
            self.begun += 1;
            self.begun - 1
        })
    }

    /// The results, when all are there.
    pub fn ended(&self) -> Option<JValue> {
        self.results.iter().cloned().collect::<Option<Vec<_>>>().map(JValue::array)
    }
}

/// One thread of states.
#[derive(Debug)]
pub(crate) struct Fiber {
    pub execution: ExecutionId,
    pub level: Arc<Level>,
    /// The fiber whose Map it is an item of, and which item.
    pub map: Option<(FiberId, usize)>,
    pub item: Option<JValue>,
    pub variables: Variables,
    pub state: String,
    pub input: JValue,
    pub phase: Phase,
    /// When it goes on by itself, in seconds.
    pub due_s: Option<i64>,
    /// How often each rule of its state's Retry was used.
    pub tried: Vec<u32>,
    /// Counts its calls: an answer to an earlier one is none to this.
    pub call: u64,
    pub token: Option<String>,
}

impl Fiber {
    /// Nothing that was asked before is waited for any more.
    pub fn forget_call(&mut self) {
        self.call += 1;
        self.token = None;
    }
}

/// One execution.
#[derive(Debug)]
pub(crate) struct Record {
    pub name: String,
    pub arn: String,
    pub machine: Machine,
    pub machine_arn: String,
    pub input: JValue,
    pub status: Status,
    /// The fibers that wait for its end.
    pub waiters: Vec<FiberId>,
    /// The execution at the head of those that wait for each other, this one among them.
    pub head: ExecutionId,
    /// Whether it stands still, at a head.
    pub held: bool,
    /// The state that it entered last, Maps' items aside.
    pub last: String,
    /// The variables of its own states.
    pub variables: Variables,
    pub context: (JValue, JValue),
    pub started_s: i64,
    pub stopped_s: i64,
}

impl Record {
    pub fn new(machine: &Machine, name: String, input: JValue, head: ExecutionId, now_s: i64) -> Self {
        let account = "us-east-1:123456789012";
        let arn = format!("arn:aws:states:{account}:execution:{}:{name}", machine.name);
        let machine_arn = format!("arn:aws:states:{account}:stateMachine:{}", machine.name);
        let itself = object([
            ("Id", JValue::string(arn.as_str())),
            ("Name", JValue::string(name.as_str())),
            ("Input", input.clone()),
        ]);
        let context = (itself, object([("Id", JValue::string(machine_arn.as_str()))]));
        Self {
            name,
            arn,
            machine: machine.clone(),
            machine_arn,
            input,
            status: Status::Running,
            waiters: Vec::new(),
            head,
            held: false,
            last: String::new(),
            variables: Variables::new(),
            context,
            started_s: now_s,
            stopped_s: now_s,
        }
    }

    pub fn is_running(&self) -> bool {
        matches!(self.status, Status::Running)
    }

    /// What `startExecution.sync:2` makes of its end: a result with the output read, or a failure with all of
    /// `DescribeExecution` as JSON text, in which the input is a text of its own.
    pub fn described(&self) -> Result<Value, Failure> {
        let status = match &self.status {
            Status::Running => panic!("{} has not ended", self.name),
            Status::Succeeded(_) => "SUCCEEDED",
            Status::Failed(_) => "FAILED",
            Status::Aborted => "ABORTED",
        };
        let mut said = json!({
            "ExecutionArn": self.arn,
            "Input": plain(&self.input),
            "InputDetails": {"Included": true},
            "Name": self.name,
            "RedriveCount": 0,
            "RedriveStatus": if status == "SUCCEEDED" { "NOT_REDRIVABLE" } else { "REDRIVABLE" },
            "StartDate": self.started_s * 1_000,
            "StateMachineArn": self.machine_arn,
            "Status": status,
            "StopDate": self.stopped_s * 1_000,
        });
        if let Status::Succeeded(output) = &self.status {
            said["Output"] = plain(output);
            said["OutputDetails"] = json!({"Included": true});
            return Ok(said);
        }
        said["Input"] = Value::String(plain(&self.input).to_string());
        if let Status::Failed(failure) = &self.status {
            said["Error"] = failure.error.clone().into();
            if let Some(cause) = &failure.cause {
                said["Cause"] = cause.clone().into();
            }
        }
        Err(Failure::new("States.TaskFailed", said.to_string()))
    }
}
