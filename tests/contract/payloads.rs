//! What the state machines send is what the functions read, and what they use of an answer is in it.

use std::collections::{BTreeMap, BTreeSet};

use eks_upgrade_core::contract::Question;
use serde_json::{Value, json};

use crate::machine::{self, Machine};
use crate::schema;

/// What a nested execution carries so that the console links it to its parent; the doors drop it.
const STARTED_BY: &str = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID";

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().cloned().collect()
}

/// The schema of what a function reads, for a payload that asks for `op`.
fn request_of(function: &str, payload: &Value) -> Value {
    match function {
        "${PlanFunctionArn}" => schema::of("plan-request"),
        "${ActFunctionArn}" | "${KubeFunctionArn}" => schema::of("act-request"),
        "${DecideFunctionArn}" => {
            let op = payload["op"].as_str().expect("decide is told what is asked");
            let of_campaigns = schema::of("campaign-request");
            let is_one = schema::variants(&of_campaigns, Some("op")).contains(op);
            let requests = if is_one { of_campaigns } else { schema::of("decide-request") };
            schema::variant(&requests, "op", op).clone()
        }
        other => panic!("{other} is none of our functions"),
    }
}

#[test]
fn every_payload_has_exactly_the_fields_that_its_function_reads() {
    for machine in machine::all() {
        for (name, state, function) in machine.invocations() {
            let payload = &state["Arguments"]["Payload"];
            let request = request_of(function, payload);
            assert_eq!(keys(payload), schema::properties(&request), "{}: {name}", machine.name);
        }
    }
}

#[test]
fn every_question_to_decide_is_asked_by_some_state() {
    let machines = machine::all();
    let asked: BTreeSet<String> = machines
        .iter()
        .flat_map(Machine::invocations)
        .filter_map(|(_, state, _)| state["Arguments"]["Payload"]["op"].as_str().map(str::to_owned))
        .collect();
    let of_runs = schema::variants(&schema::of("decide-request"), Some("op"));
    let of_campaigns = schema::variants(&schema::of("campaign-request"), Some("op"));
    assert!(of_runs.is_disjoint(&of_campaigns), "it is told by its name which of the two is meant");
    assert_eq!(asked, &of_runs | &of_campaigns);
}

#[test]
fn a_question_is_read_as_what_its_name_says() {
    let read = |payload: Value| serde_json::from_value::<Question>(payload);
    for op in schema::variants(&schema::of("campaign-request"), Some("op")) {
        let error = read(json!({ "op": op })).unwrap_err().to_string();
        assert!(error.contains("missing field `campaign`"), "{op}: {error}");
    }
    for op in schema::variants(&schema::of("decide-request"), Some("op")) {
        let error = read(json!({ "op": op })).unwrap_err().to_string();
        assert!(error.contains("missing field `run`"), "{op}: {error}");
    }
    let next = json!({"op": "next-wave", "campaign": "sweep-1", "generation": 1, "execution": "arn:e"});
    assert!(matches!(read(next), Ok(Question::Campaign(_))));
}

#[test]
fn a_hop_is_started_with_exactly_its_input() {
    let upgrade = machine::read("upgrade");
    let mut sent = keys(&upgrade.state("UpgradeHop")["Arguments"]["Input"]);
    assert!(sent.remove(STARTED_BY));
    let expected = schema::properties(&schema::of("hop-input"));
    assert_eq!(sent, expected);
    let hop = machine::read("hop");
    let remembered = hop.state("Remember")["Assign"].as_object().unwrap();
    let read: BTreeSet<String> = remembered
        .iter()
        .filter(|(variable, value)| **value == format!("{{% $states.input.{variable} %}}"))
        .map(|(variable, _)| variable.clone())
        .collect();
    assert_eq!(read, expected);
    let of_its_own: Vec<&String> = remembered.keys().filter(|variable| !read.contains(*variable)).collect();
    assert_eq!(of_its_own, ["rounds"]);
}

#[test]
fn a_campaign_reads_exactly_its_input_and_hands_it_on() {
    let campaign = machine::read("campaign");
    let expected = schema::properties(&schema::of("campaign-input"));
    let remembered = campaign.state("Remember")["Assign"].as_object().unwrap();
    let read: BTreeSet<String> = remembered
        .iter()
        .filter(|(variable, value)| **value == format!("{{% $states.input.{variable} %}}"))
        .map(|(variable, _)| variable.clone())
        .collect();
    assert_eq!(read, expected);
    let handed_on = &campaign.state("GoOnInAnotherExecution")["Arguments"];
    assert_eq!(keys(&handed_on["Input"]), expected);
    assert_eq!(handed_on["StateMachineArn"], "{% $states.context.StateMachine.Id %}");
}

#[test]
fn what_a_wave_tells_of_a_cluster_is_what_is_counted() {
    let campaign = machine::read("campaign");
    let heard = schema::properties(&schema::definition("campaign-request", "Heard"));
    let upgrade = campaign.state("UpgradeCluster");
    assert_eq!(keys(&upgrade["Output"]), heard);
    assert_eq!(keys(&upgrade["Catch"][0]["Output"]), heard);
}

#[test]
fn a_run_planned_again_is_described_in_full() {
    let upgrade = machine::read("upgrade");
    let rules = upgrade.state("HowDidTheHopEnd")["Choices"].as_array().unwrap();
    let again = rules.iter().find_map(|rule| rule["Assign"].get("again")).expect("replan assigns again");
    assert_eq!(keys(again), schema::properties(&schema::definition("plan-request", "PlanAgain")));
}

#[test]
fn endings_that_a_state_machine_writes_are_complete() {
    let ending = schema::definition("decide-request", "Ending");
    let upgrade = machine::read("upgrade");
    let rules = upgrade.state("HowDidTheHopEnd")["Choices"].as_array().unwrap();
    let halted = rules.iter().find_map(|rule| rule["Assign"].get("ending")).expect("halt assigns ending");
    let outcome = halted["outcome"].as_str().unwrap();
    let variant = schema::variant(&ending, "outcome", outcome);
    assert_eq!(keys(halted), schema::properties(variant), "{outcome}");
    // How a run that is through ends is answered by decide, not written here.
    let complete = &upgrade.state("Complete")["Arguments"]["Payload"]["ending"];
    assert_eq!(*complete, "{% $answer.ending %}");
    let next_hop = schema::of("next-hop");
    assert!(schema::properties(schema::variant(&next_hop, "next", "complete")).contains("ending"));
}

/// The fields after `$name.` in the machine's expressions.
fn fields_used(machine: &Machine, variable: &str) -> BTreeSet<String> {
    let prefix = format!("${variable}.");
    let word = |text: &str| text.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
    machine::texts(&machine.definition)
        .iter()
        .flat_map(|text| text.split(&prefix).skip(1).map(word).collect::<Vec<_>>())
        .collect()
}

#[test]
fn what_is_used_of_an_answer_is_in_it() {
    let fields = |payload: &str| -> BTreeSet<String> {
        let answer = schema::of(payload);
        match answer["oneOf"].as_array() {
            Some(alternatives) => alternatives.iter().flat_map(schema::properties).collect(),
            None => schema::properties(&answer),
        }
    };
    let decision = fields("decision");
    let hop = machine::read("hop");
    assert!(fields_used(&hop, "decision").is_subset(&decision));

    let answers = BTreeMap::from([
        ("plan", fields("plan-answer")),
        ("next", fields("next-hop")),
        ("hop", decision),
        ("close", fields("close-answer")),
    ]);
    let known: BTreeSet<String> = answers.into_values().flatten().collect();
    let of_campaigns = fields_used(&machine::read("campaign"), "decision");
    assert!(of_campaigns.is_subset(&fields("campaign-decision")), "{of_campaigns:?}");

    let used = fields_used(&machine::read("upgrade"), "answer");
    assert!(used.is_subset(&known), "{:?}", &used - &known);
}
