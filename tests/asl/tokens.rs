//! Tasks that wait until somebody gives their token back.

use serde_json::{Value, json};

use crate::small::{Small, failure, task};

fn waiting(more: &Value) -> Value {
    let mut fields = json!({
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Arguments": {"FunctionName": "f", "Payload": "{% $states.context.Task.Token %}"},
        "Output": "{% $states.result %}",
    });
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"A": task(&fields)})
}

fn token(small: &Small) -> String {
    small.asked.borrow().last().unwrap().1.as_str().unwrap().to_owned()
}

#[test]
fn the_output_that_comes_with_the_token_is_the_result() {
    let small = Small::of(&waiting(&json!({}))).answer(Ok(json!("ignored")));
    let id = small.start(json!({}));
    small.settle();
    let token = token(&small);
    small.engine.borrow_mut().send_task_success(&token, json!({"fine": 1}), 5).unwrap();
    small.settle();
    assert_eq!(small.end(id), Ok(json!({"fine": 1})));
    let late = small.engine.borrow_mut().send_task_success(&token, json!(2), 6).unwrap_err();
    assert_eq!(late.error, "TaskTimedOut");
}

#[test]
fn an_error_that_comes_with_the_token_is_the_tasks() {
    let small = Small::of(&waiting(&json!({})));
    let id = small.start(json!({}));
    small.settle();
    small.engine.borrow_mut().send_task_failure(&token(&small), failure("Odd"), 5).unwrap();
    assert_eq!(small.end(id), Err(failure("Odd")));
}

#[test]
fn a_function_that_fails_is_not_waited_for() {
    let small = Small::of(&waiting(&json!({}))).answer(Err(failure("Odd")));
    assert_eq!(small.run(json!({})), Err(failure("Odd")));
}

#[test]
fn a_token_that_never_comes_is_waited_for_until_the_deadline() {
    for timeout in [json!(90), json!("{% $states.input.s %}")] {
        let small = Small::of(&waiting(&json!({"TimeoutSeconds": timeout})));
        assert_eq!(small.run(json!({"s": 90})), Err(failure("States.Timeout")));
        assert_eq!(small.now_s.get(), 90);
    }
}

#[test]
fn who_is_silent_for_too_long_is_given_up() {
    let small = Small::of(&waiting(&json!({"TimeoutSeconds": 90, "HeartbeatSeconds": 30})));
    let id = small.start(json!({}));
    small.turn();
    small.now_s.set(20);
    small.engine.borrow_mut().send_task_heartbeat(&token(&small), 20).unwrap();
    small.settle();
    assert_eq!(small.end(id), Err(failure("States.HeartbeatTimeout")));
    assert_eq!(small.now_s.get(), 50);
}

#[test]
fn another_try_has_another_token() {
    let retry =
        json!({"TimeoutSeconds": 10, "Retry": [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1}]});
    let small = Small::of(&waiting(&retry));
    let id = small.start(json!({}));
    small.turn();
    let first = token(&small);
    while small.asked.borrow().len() < 2 {
        small.turn();
    }
    let second = token(&small);
    assert_ne!(first, second);
    assert!(small.engine.borrow_mut().send_task_success(&first, json!(1), 11).is_err());
    small.engine.borrow_mut().send_task_success(&second, json!(2), 11).unwrap();
    assert_eq!(small.end(id), Ok(json!(2)));
}
