//! The state machines of the product, and its functions behind their placeholders: the real use cases, invoked
//! with JSON and answering with JSON, as on Lambda.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::OnceLock;

use eks_upgrade_core::contract::{ActRequest, PlanRequest, Question};
use eks_upgrade_pipeline::error::{Answer, PipelineError};
use eks_upgrade_pipeline::question::Replied;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Fleet;
use crate::asl::{Failure, Machine};
use crate::faults::finish;

/// A function: reads its payload and answers.
pub type Function = Rc<dyn Fn(&Fleet, Value) -> Result<Value, Failure>>;

/// The definitions, by what they call each other.
const DEFINITIONS: [(&str, &str, &str); 3] = [
    (
        "${CampaignStateMachineArn}",
        "eks-upgrade-campaign",
        include_str!("../../statemachine/campaign.asl.json"),
    ),
    ("${UpgradeStateMachineArn}", "eks-upgrade-upgrade", include_str!("../../statemachine/upgrade.asl.json")),
    ("${HopStateMachineArn}", "eks-upgrade-hop", include_str!("../../statemachine/hop.asl.json")),
];

/// The state machines, read once.
#[must_use]
pub fn machines() -> BTreeMap<String, Machine> {
    static MACHINES: OnceLock<BTreeMap<String, Machine>> = OnceLock::new();
    let read = |(placeholder, name, text): (&str, &str, &str)| {
        let machine = Machine::read(name, text).unwrap_or_else(|why| panic!("{name}: {why}"));
        (placeholder.to_owned(), machine)
    };
    MACHINES.get_or_init(|| DEFINITIONS.into_iter().map(read).collect()).clone()
}

/// The functions of the product.
pub(crate) fn ours() -> BTreeMap<String, Function> {
    let plan: Function = Rc::new(|fleet, payload| {
        let planner = fleet.planner();
        lambda(payload, async |request: PlanRequest| planner.plan(&request).await)
    });
    let decide: Function = Rc::new(|fleet, payload| {
        lambda(payload, async |question: Question| match question {
            Question::Run(asked) => fleet.decider().answer(&asked).await.map(Replied::Run),
            Question::Campaign(asked) => fleet.campaigning().answer(&asked).await.map(Replied::Campaign),
        })
    });
    let act: Function = Rc::new(|fleet, payload| {
        let actor = fleet.actor();
        lambda(payload, async |request: ActRequest| actor.act(&request).await)
    });
    let kube: Function = Rc::new(|fleet, payload| {
        let worker = fleet.worker();
        let answer = lambda(payload, async |request: ActRequest| worker.act(&request).await);
        // It lets time pass by itself: what was to happen meanwhile happens now.
        fleet.pass(0);
        answer
    });
    let intake: Function = Rc::new(|fleet, payload| {
        let intake = fleet.intake();
        lambda(payload, async |event: Value| intake.take(&event).await)
    });
    [
        ("${PlanFunctionArn}", plan),
        ("${DecideFunctionArn}", decide),
        ("${ActFunctionArn}", act),
        ("${KubeFunctionArn}", kube),
        ("${IntakeFunctionArn}", intake),
    ]
    .map(|(placeholder, function)| (placeholder.to_owned(), function))
    .into()
}

/// Runs a use case as Lambda runs a function: reads the payload, and says an error as Lambda says it.
pub fn lambda<Request: DeserializeOwned, Reply: Serialize>(
    payload: Value,
    handle: impl AsyncFnOnce(Request) -> Answer<Reply>,
) -> Result<Value, Failure> {
    finish(handled(payload, handle)).unwrap_or_else(|| Err(died()))
}

/// The same, for who sees to it that it gets to its end, and says that it [`died`] where it does not.
pub async fn handled<Request: DeserializeOwned, Reply: Serialize>(
    payload: Value,
    handle: impl AsyncFnOnce(Request) -> Answer<Reply>,
) -> Result<Value, Failure> {
    let request = serde_json::from_value(payload)
        .map_err(|error| raised(&PipelineError::MalformedPayload(error.to_string())))?;
    let reply = handle(request).await.map_err(|error| raised(&error))?;
    Ok(serde_json::to_value(reply).expect("an answer is JSON"))
}

/// What Lambda says of a function that did not answer.
#[must_use]
pub fn died() -> Failure {
    said("Runtime.ExitError", "RequestId: 0 Error: Runtime exited with error: exit status 1")
}

fn raised(error: &PipelineError) -> Failure {
    said(error.name(), &error.to_string())
}

fn said(name: &str, message: &str) -> Failure {
    Failure::new(name, json!({"errorType": name, "errorMessage": message}).to_string())
}
