//! What Tasks ask of the world.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::asl::expression::Failure;
use crate::asl::fiber::FiberId;

/// The resources that definitions may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Resource {
    /// Invokes a function.
    #[serde(rename = "arn:aws:states:::lambda:invoke")]
    Invoke,
    /// Invokes a function, and waits until somebody gives the task's token back.
    #[serde(rename = "arn:aws:states:::lambda:invoke.waitForTaskToken")]
    InvokeAndWait,
    /// Tells people.
    #[serde(rename = "arn:aws:states:::sns:publish")]
    Publish,
    /// Tells an event bus.
    #[serde(rename = "arn:aws:states:::events:putEvents")]
    PutEvents,
    /// Starts an execution, and waits for its end.
    #[serde(rename = "arn:aws:states:::states:startExecution.sync:2")]
    Run,
    /// Starts an execution.
    #[serde(rename = "arn:aws:states:::states:startExecution")]
    Start,
}

/// What a Task asks, of all but the engine itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Invoke this function with this payload.
    Invoke {
        /// As the definition names it.
        function: String,
        /// The payload.
        payload: Value,
    },
    /// Publish this.
    Publish(Publish),
    /// Put these events, each an entry of `PutEvents`.
    PutEvents(Vec<Value>),
}

/// A call on behalf of a fiber.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub(crate) fiber: FiberId,
    pub(crate) turn: u64,
    /// What is asked.
    pub ask: Ask,
}

/// A message to people.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Publish {
    /// To which topic.
    pub topic_arn: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub message: String,
}

/// What starting an execution takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct StartExecution {
    pub state_machine_arn: String,
    #[serde(default)]
    pub input: Value,
    pub name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Invoke {
    function_name: String,
    payload: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutEvents {
    entries: Vec<Value>,
}

/// Reads the arguments of a Task: what does not read is a mistake of the definition.
pub(crate) fn arguments<T: for<'de> Deserialize<'de>>(arguments: Value, state: &str) -> T {
    serde_json::from_value(arguments).unwrap_or_else(|error| panic!("{state}: its arguments: {error}"))
}

impl Resource {
    /// What it asks of the world with these arguments.
    pub(crate) fn ask(self, given: Value, state: &str) -> Ask {
        match self {
            Self::Invoke | Self::InvokeAndWait => {
                let Invoke { function_name, payload } = arguments(given, state);
                Ask::Invoke { function: function_name, payload }
            }
            Self::Publish => Ask::Publish(arguments(given, state)),
            Self::PutEvents => Ask::PutEvents(arguments::<PutEvents>(given, state).entries),
            Self::Run | Self::Start => panic!("{state}: the engine starts executions itself"),
        }
    }
}

impl Ask {
    /// What Step Functions makes of the answer.
    pub(crate) fn result(&self, answer: Value) -> Value {
        match self {
            Self::Invoke { .. } => {
                json!({"ExecutedVersion": "$LATEST", "Payload": answer, "StatusCode": 200})
            }
            Self::Publish(_) | Self::PutEvents(_) => answer,
        }
    }
}

impl Publish {
    /// Why SNS does not take it, if it does not.
    #[must_use]
    pub fn refused(&self) -> Option<Failure> {
        let plain = |c: char| c.is_ascii() && !c.is_ascii_control();
        let fits = (1..=100).contains(&self.subject.len()) && self.subject.chars().all(plain);
        let why = match (fits, self.message.len()) {
            (false, _) => format!("Invalid parameter: Subject: {:?}", self.subject),
            (_, 0) => "Invalid parameter: Empty message".to_owned(),
            (_, 1..=262_144) => return None,
            _ => "Invalid parameter: Message too long".to_owned(),
        };
        Some(Failure::new("SNS.InvalidParameterException", why))
    }
}
