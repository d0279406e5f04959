//! Retry and Catch.

use eks_upgrade_support::asl::Failure;
use serde_json::{Value, json};

use crate::small::{Small, failure, task};

fn failing(times: usize, error: &str, of: &Value) -> Small {
    (0..times).fold(Small::of(of), |small, _| small.answer(Err(failure(error))))
}

fn retrying(rule: &Value) -> Value {
    json!({"A": task(&json!({"Retry": [rule]}))})
}

#[test]
fn a_try_waits_longer_than_the_one_before_up_to_a_limit() {
    let rule = json!({"ErrorEquals": ["X"], "IntervalSeconds": 5, "MaxAttempts": 5, "BackoffRate": 2,
        "MaxDelaySeconds": 30, "JitterStrategy": "FULL"});
    let small = failing(5, "X", &retrying(&rule)).answer(Ok(json!("there")));
    assert_eq!(small.run(json!({})), Ok(json!("there")));
    assert_eq!(small.times(), [0, 5, 15, 35, 65, 95]);
    assert_eq!(small.entered(), ["A"], "a state is entered once, however often it is tried");
}

#[test]
fn tries_are_bounded_and_the_error_goes_on() {
    let small = failing(9, "X", &retrying(&json!({"ErrorEquals": ["X"], "MaxAttempts": 2})));
    assert_eq!(small.run(json!({})), Err(failure("X")));
    assert_eq!(small.times(), [0, 1, 3], "one second, and twice as much each time, unless it is said");
}

#[test]
fn a_rule_is_for_its_errors_only() {
    let rule = json!({"ErrorEquals": ["X", "Y"]});
    assert_eq!(failing(1, "Z", &retrying(&rule)).run(json!({})), Err(failure("Z")));
    assert_eq!(failing(1, "Y", &retrying(&rule)).run(json!({})), Ok(json!(null)));
}

#[test]
fn each_rule_counts_its_own_tries() {
    let rules =
        json!([{"ErrorEquals": ["X"], "MaxAttempts": 1}, {"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]);
    let of = json!({"A": task(&json!({"Retry": rules}))});
    let small = Small::of(&of).answer(Err(failure("X"))).answer(Err(failure("Y"))).answer(Err(failure("X")));
    assert_eq!(small.run(json!({})), Err(failure("X")));
    assert_eq!(small.times().len(), 3);
}

#[test]
fn task_failed_is_every_error_but_a_timeout() {
    let rule = json!({"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 1});
    assert_eq!(failing(1, "Anything", &retrying(&rule)).run(json!({})), Ok(json!(null)));
    assert_eq!(failing(1, "States.HeartbeatTimeout", &retrying(&rule)).run(json!({})), Ok(json!(null)));
    assert_eq!(failing(1, "States.Timeout", &retrying(&rule)).run(json!({})), Err(failure("States.Timeout")));
}

fn catching() -> Value {
    json!({
        "A": task(&json!({"Assign": {"went": "well"}, "Catch": [
            {"ErrorEquals": ["X"], "Assign": {"name": "{% $states.errorOutput.Error %}"},
             "Output": {"cause": "{% $states.errorOutput.Cause %}", "in": "{% $states.input %}"}, "Next": "B"},
            {"ErrorEquals": ["States.ALL"], "Next": "C"},
        ]})),
        "B": {"Type": "Pass", "Output": ["{% $name %}", "{% $states.input %}"], "End": true},
        "C": {"Type": "Succeed"},
    })
}

#[test]
fn a_catch_sets_variables_and_makes_an_output_of_the_error() {
    let small = Small::of(&catching()).answer(Err(Failure::new("X", "why")));
    assert_eq!(small.run(json!(7)), Ok(json!(["X", {"cause": "why", "in": 7}])));
}

#[test]
fn without_an_output_a_catch_hands_the_error_on() {
    let small = Small::of(&catching()).answer(Err(Failure::new("Y", "why")));
    assert_eq!(small.run(json!(7)), Ok(json!({"Error": "Y", "Cause": "why"})));
}

#[test]
fn an_expression_that_gives_nothing_is_an_error_like_any_other() {
    let of = json!({
        "A": task(&json!({"Output": "{% $states.result.Payload.missing %}",
            "Catch": [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "B"}]})),
        "B": {"Type": "Pass", "Output": "caught", "End": true},
    });
    assert_eq!(Small::of(&of).answer(Ok(json!({}))).run(json!({})), Ok(json!("caught")));
    let bare = json!({"A": {"Type": "Pass", "Output": "{% $unset %}", "End": true}});
    assert_eq!(Small::of(&bare).run(json!({})).unwrap_err().error, "States.QueryEvaluationError");
}

#[test]
fn a_catch_that_cannot_be_carried_out_fails() {
    let rule =
        json!({"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput.Cause %}", "Next": "B"});
    let of = json!({"A": task(&json!({"Catch": [rule]})), "B": {"Type": "Succeed"}});
    let failed = failing(1, "X", &of).run(json!({})).unwrap_err();
    assert_eq!(failed.error, "States.QueryEvaluationError", "there is no cause");
}
