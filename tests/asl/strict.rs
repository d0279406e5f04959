//! What the interpreter does not know it refuses, with the name of the state.

use eks_upgrade_tests::asl::Machine;
use serde_json::{Value, json};

use crate::small::{Small, states, task};

fn refused(definition: &Value) -> String {
    Machine::read("m", &definition.to_string()).unwrap_err()
}

fn refused_state(state: &Value) -> String {
    let why = refused(&states(&json!({"A": state})));
    assert!(why.starts_with("A: "), "{why} does not name the state");
    why
}

#[test]
fn a_field_that_is_unknown_is_refused() {
    for field in ["ResultPath", "InputPath", "QueryLanguage", "Credentials"] {
        assert!(refused_state(&task(&json!({field: "x"}))).contains(field));
    }
    assert!(refused_state(&json!({"Type": "Wait", "Timestamp": "x", "End": true})).contains("Timestamp"));
    let rule = json!([{"ErrorEquals": ["X"], "Odd": 1}]);
    assert!(refused_state(&task(&json!({"Retry": rule}))).contains("Odd"));
    let mut machine = states(&json!({"A": {"Type": "Succeed"}}));
    machine["TimeoutSeconds"] = json!(5);
    assert!(refused(&machine).contains("TimeoutSeconds"));
}

#[test]
fn a_kind_of_state_or_a_resource_that_is_unknown_is_refused() {
    assert!(refused_state(&json!({"Type": "Parallel", "Branches": [], "End": true})).contains("Parallel"));
    let resource = "arn:aws:states:::sqs:sendMessage";
    assert!(refused_state(&task(&json!({"Resource": resource}))).contains(resource));
    assert!(
        refused(&json!({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})).contains("QueryLanguage")
    );
}

#[test]
fn ways_lead_somewhere_and_every_state_lies_on_one() {
    assert!(refused(&states(&json!({"A": {"Type": "Pass", "Next": "B"}}))).contains("no state B"));
    assert!(refused_state(&json!({"Type": "Pass"})).contains("Next or End"));
    assert!(refused_state(&json!({"Type": "Pass", "Next": "A", "End": true})).contains("Next or End"));
    let lost = states(&json!({"A": {"Type": "Succeed"}, "B": {"Type": "Succeed"}}));
    assert!(refused(&lost).starts_with("B: "));
}

#[test]
fn all_errors_are_named_alone_and_last() {
    for rules in [
        json!([{"ErrorEquals": ["States.ALL", "X"]}]),
        json!([{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["X"]}]),
        json!([{"ErrorEquals": []}]),
    ] {
        assert!(refused_state(&task(&json!({"Retry": rules}))).contains("States.ALL"));
    }
}

#[test]
fn an_item_of_a_map_does_not_set_a_variable_from_around_it() {
    let inner = json!({"P": {"Type": "Pass", "Assign": {"x": 1}, "End": true}});
    let map = json!({"Type": "Map", "Items": [1], "End": true, "Assign": {"x": 0}, "ItemProcessor": {
        "ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "P", "States": inner}});
    assert!(refused(&states(&json!({"A": map}))).contains("$x is not its own"));
}

#[test]
fn an_expression_that_does_not_read_or_asks_for_what_is_not_there_is_refused() {
    for expression in [
        "{% $a + %}",
        "{% 1",
        "{% $now() %}",
        "{% $random() %}",
        "{% $states.context.State.Name %}",
        "{% $states.inputs %}",
        "{% $states %}",
    ] {
        refused_state(&json!({"Type": "Pass", "Output": {"deep": [expression]}, "End": true}));
    }
}

#[test]
#[should_panic(expected = "A: its arguments: unknown field `Payloads`")]
fn an_argument_that_is_unknown_is_refused() {
    let arguments = json!({"Arguments": {"FunctionName": "f", "Payload": 1, "Payloads": 2}});
    Small::of(&json!({"A": task(&arguments)})).run(json!({})).unwrap();
}

#[test]
#[should_panic(expected = "there is no machine nowhere")]
fn a_machine_that_is_unknown_is_refused() {
    let start = json!({"Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Arguments": {"StateMachineArn": "nowhere"}});
    Small::of(&json!({"A": task(&start)})).run(json!({})).unwrap();
}
