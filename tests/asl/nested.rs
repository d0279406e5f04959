//! Executions that start executions.

use eks_upgrade_support::asl::Status;
use serde_json::{Value, json};

use crate::small::{Small, failure, states, task};

fn starting(resource: &str, more: &Value) -> Value {
    let mut start = json!({
        "Type": "Task",
        "Resource": format!("arn:aws:states:::states:startExecution{resource}"),
        "Arguments": {"StateMachineArn": "child", "Input": {"n": "{% $states.input %}"}},
        "End": true,
    });
    start.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    states(&json!({"A": start}))
}

fn small(start: Value, child: &Value) -> Small {
    Small::with(&[("m", start), ("child", states(child))])
}

fn waiting() -> Value {
    json!({"A": {"Type": "Wait", "Seconds": 50, "Next": "B"}, "B": task(&json!({}))})
}

#[test]
fn the_end_of_a_child_is_waited_for_and_its_output_read() {
    let small = small(starting(".sync:2", &json!({})), &waiting()).answer(Ok(json!({"fine": true})));
    let said = small.run(json!(7)).unwrap();
    assert_eq!(said["Output"], json!({"fine": true}));
    assert_eq!(said["Input"], json!({"n": 7}));
    assert_eq!((&said["Status"], small.now_s.get()), (&json!("SUCCEEDED"), 50));
}

#[test]
fn a_child_that_fails_is_a_task_that_failed_and_its_cause_says_all() {
    let child = json!({"A": {"Type": "Fail", "Error": "LeaseLost", "Cause": "gone"}});
    let failed = small(starting(".sync:2", &json!({})), &child).run(json!(7)).unwrap_err();
    assert_eq!(failed.error, "States.TaskFailed");
    let cause: Value = serde_json::from_str(&failed.cause.unwrap()).unwrap();
    assert_eq!((&cause["Error"], &cause["Cause"]), (&json!("LeaseLost"), &json!("gone")));
    assert_eq!((&cause["Status"], &cause["Input"]), (&json!("FAILED"), &json!("{\"n\":7}")));
}

#[test]
fn a_child_that_is_stopped_has_no_error_of_its_own() {
    let small = small(starting(".sync:2", &json!({})), &waiting());
    let parent = small.start(json!(7));
    while small.entered().len() < 2 {
        small.turn();
    }
    let child = small.engine.borrow().find("e0.1").unwrap();
    small.engine.borrow_mut().abort(child, 0);
    small.settle();
    let cause: Value = serde_json::from_str(&small.end(parent).unwrap_err().cause.unwrap()).unwrap();
    assert_eq!(cause["Status"], "ABORTED");
    assert!(cause.get("Error").is_none() && cause.get("Cause").is_none());
}

#[test]
fn who_is_stopped_stops_what_it_waits_for_and_may_be_stopped_alone() {
    for (alone, calls) in [(false, 0), (true, 1)] {
        let small = small(starting(".sync:2", &json!({})), &waiting());
        let parent = small.start(json!(7));
        while small.entered().len() < 2 {
            small.turn();
        }
        // A child that is left alone is held no more by what holds its parent.
        small.engine.borrow_mut().hold(parent, true);
        if alone {
            small.engine.borrow_mut().abort_alone(parent, 0);
        } else {
            small.engine.borrow_mut().abort(parent, 0);
        }
        small.settle();
        assert!(matches!(small.engine.borrow().status(parent), Status::Aborted));
        assert_eq!(small.times().len(), calls, "alone: {alone}");
    }
}

#[test]
fn a_deadline_is_kept_and_the_child_goes_on() {
    let small = small(starting(".sync:2", &json!({"TimeoutSeconds": 20})), &waiting());
    let parent = small.start(json!(7));
    small.settle();
    assert_eq!(small.end(parent), Err(failure("States.Timeout")));
    assert_eq!(small.times(), [50]);
}

#[test]
fn a_start_does_not_wait_and_a_name_is_used_once() {
    let named =
        json!({"Arguments": {"StateMachineArn": "child", "Input": "{% $states.input %}", "Name": "n"}});
    let small = small(starting("", &named), &waiting());
    let first = small.start(json!(7));
    // The same again is the one that runs already.
    let again = small.start(json!(7));
    let other = small.start(json!(8));
    for _ in 0..3 {
        small.turn();
    }
    assert_eq!(small.now_s.get(), 0);
    assert_eq!(small.end(first).unwrap(), small.end(again).unwrap());
    let refused = small.end(other).unwrap_err().error;
    assert_eq!(refused, "StepFunctions.ExecutionAlreadyExistsException");
    small.settle();
    assert_eq!(small.times(), [50]);
}
