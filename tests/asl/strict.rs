//! What the interpreter does not know it refuses, with the name of the state.

use eks_upgrade_support::asl::Machine;
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
        "{% $uuid () %}",
        "{% $lookup($states.input, 'a') %}",
        "{% $map([1], function($x) { $round($x) }) %}",
        "{% $states.context.State.Name %}",
        "{% $states.inputs %}",
        "{% $states %}",
        " {% 1 %}",
        "{% 1 %} of them",
    ] {
        refused_state(&json!({"Type": "Pass", "Output": {"deep": [expression]}, "End": true}));
    }
}

#[test]
fn a_path_in_place_of_an_expression_is_refused() {
    let arguments = json!({"FunctionName": "f", "Payload": {"run.$": "$.run"}});
    assert!(refused_state(&task(&json!({"Arguments": arguments}))).contains("run.$"));
}

/// A Map over states, the first of which is `P`, with these fields more.
fn map(states: &Value, more: &Value) -> Value {
    let mut map = json!({"Type": "Map", "Items": [1], "End": true, "ItemProcessor": {
        "ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "P", "States": states}});
    map.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    map
}

#[test]
fn what_there_is_only_in_some_fields_is_read_only_there() {
    let (result, error) = ("{% $states.result %}", "{% $states.errorOutput %}");
    let (item, token) = ("{% $states.context.Map.Item.Index %}", "{% $states.context.Task.Token %}");
    let inner = |output: &str| json!({"P": {"Type": "Pass", "Output": output, "End": true}});
    let caught = |output: &str| json!([{"ErrorEquals": ["X"], "Output": output, "Next": "A"}]);
    let called = |payload: &str| json!({"FunctionName": "f", "Payload": payload});
    for (state, stray) in [
        (json!({"Type": "Pass", "Output": result, "End": true}), "result"),
        (json!({"Type": "Wait", "Seconds": result, "End": true}), "result"),
        (json!({"Type": "Choice", "Choices": [{"Condition": result, "Next": "A"}]}), "result"),
        (json!({"Type": "Fail", "Error": "E", "Cause": error}), "errorOutput"),
        (json!({"Type": "Succeed", "Output": item}), "Map.Item"),
        (task(&json!({"Arguments": called(result)})), "result"),
        (task(&json!({"Arguments": called(token)})), "Task.Token"),
        (task(&json!({"Assign": {"x": error}})), "errorOutput"),
        (task(&json!({"Catch": caught(result)})), "result"),
        (map(&inner("{% 1 %}"), &json!({"Items": item})), "Map.Item"),
    ] {
        assert!(refused_state(&state).contains(stray), "{state}");
    }
    assert!(refused(&states(&json!({"A": map(&inner(result), &json!({}))}))).starts_with("P: "));
    for state in [
        task(&json!({"Assign": {"x": result}, "Catch": caught(error)})),
        task(
            &json!({"Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "Arguments": called(token)}),
        ),
        map(&inner(item), &json!({"ItemSelector": {"at": item}, "Output": result})),
    ] {
        Machine::read("m", &states(&json!({"A": state})).to_string()).unwrap();
    }
}

#[test]
fn a_name_is_that_of_one_state() {
    let inner = json!({"P": {"Type": "Pass", "Next": "A"}, "A": {"Type": "Pass", "End": true}});
    assert!(refused(&states(&json!({"A": map(&inner, &json!({}))}))).contains("two of this name"));
    let long = "x".repeat(81);
    let long = json!({"A": {"Type": "Pass", "Next": long}, long.as_str(): {"Type": "Succeed"}});
    assert!(refused(&states(&long)).contains("80 characters"));
}

#[test]
fn a_choice_without_one_and_a_retry_out_of_bounds_are_refused() {
    assert!(refused_state(&json!({"Type": "Choice", "Choices": [], "Default": "A"})).contains("empty"));
    for bounds in [
        json!({"IntervalSeconds": 0}),
        json!({"BackoffRate": 0.5}),
        json!({"IntervalSeconds": 9, "MaxDelaySeconds": 9}),
    ] {
        let mut rule = json!({"ErrorEquals": ["X"]});
        rule.as_object_mut().unwrap().extend(bounds.as_object().unwrap().clone());
        assert!(refused_state(&task(&json!({"Retry": [rule]}))).contains("BackoffRate"), "{bounds}");
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
