//! Pass, Choice, Wait, Succeed and Fail; variables and outputs.

use std::cell::RefCell;

use serde_json::{Value, json};

use crate::small::{Small, failure, states, task};

fn choosing() -> Value {
    json!({
        "A": {
            "Type": "Choice",
            "Choices": [
                {"Condition": "{% $states.input.n > 10 %}", "Assign": {"size": "large"}, "Next": "Said"},
                {"Condition": "{% $states.input.n > 5 %}", "Output": {"n": 5}, "Next": "Bare"},
            ],
            "Default": "Bare",
            "Assign": {"size": "none"},
        },
        "Said": {"Type": "Pass", "Output": "{% $size %}", "End": true},
        "Bare": {"Type": "Succeed"},
    })
}

#[test]
fn the_first_rule_that_holds_is_taken() {
    assert_eq!(Small::of(&choosing()).run(json!({"n": 11})), Ok(json!("large")));
    assert_eq!(Small::of(&choosing()).run(json!({"n": 6})), Ok(json!({"n": 5})));
    let default = Small::of(&choosing());
    let id = default.start(json!({"n": 1}));
    default.settle();
    assert_eq!(default.end(id), Ok(json!({"n": 1})));
    assert_eq!(default.engine.borrow().variable(id, "size"), Some(json!("none")));
}

#[test]
fn a_choice_without_a_way_fails() {
    let only = json!({
        "A": {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "B"}]},
        "B": {"Type": "Succeed"},
    });
    assert_eq!(Small::of(&only).run(json!({})), Err(failure("States.NoChoiceMatched")));
}

#[test]
fn a_condition_is_true_or_false_and_nothing_else() {
    let odd = json!({
        "A": {"Type": "Choice", "Choices": [{"Condition": "{% 'yes' %}", "Next": "B"}]},
        "B": {"Type": "Succeed"},
    });
    assert_eq!(Small::of(&odd).run(json!({})).unwrap_err().error, "States.QueryEvaluationError");
}

#[test]
fn variables_are_set_all_at_once_from_what_they_were() {
    let swap = json!({
        "A": {"Type": "Pass", "Assign": {"a": 1, "b": 2}, "Next": "B"},
        "B": {"Type": "Pass", "Assign": {"a": "{% $b %}", "b": "{% $a %}"}, "Output": "{% $a %}", "Next": "C"},
        "C": {"Type": "Pass", "Output": ["{% $a %}", "{% $b %}", "{% $states.input %}"], "End": true},
    });
    // The output is made before the variables are set, too.
    assert_eq!(Small::of(&swap).run(json!(null)), Ok(json!([2, 1, 1])));
}

#[test]
fn a_wait_takes_its_time_and_hands_its_input_on() {
    let wait = json!({
        "A": {"Type": "Wait", "Seconds": "{% $states.input.s %}", "Next": "B"},
        "B": {"Type": "Wait", "Seconds": 7, "End": true},
    });
    let small = Small::of(&wait);
    assert_eq!(small.run(json!({"s": 30})), Ok(json!({"s": 30})));
    assert_eq!(small.now_s.get(), 37);
}

#[test]
fn a_wait_of_half_a_second_fails() {
    let wait = json!({"A": {"Type": "Wait", "Seconds": "{% 0.5 %}", "End": true}});
    assert_eq!(Small::of(&wait).run(json!({})).unwrap_err().error, "States.QueryEvaluationError");
}

#[test]
fn a_fail_state_says_why() {
    let fail = json!({"A": {"Type": "Fail", "Error": "{% $states.input.e %}", "Cause": "because"}});
    let failed = Small::of(&fail).run(json!({"e": "Odd"})).unwrap_err();
    assert_eq!((failed.error.as_str(), failed.cause.as_deref()), ("Odd", Some("because")));
}

#[test]
fn an_execution_knows_itself_and_its_machine() {
    let context = json!({"A": {"Type": "Pass", "End": true, "Output": [
        "{% $states.context.Execution.Name %}",
        "{% $states.context.Execution.Id %}",
        "{% $states.context.Execution.Input.x %}",
        "{% $states.context.StateMachine.Id %}",
    ]}});
    let said = Small::of(&context).run(json!({"x": 1})).unwrap();
    let account = "arn:aws:states:us-east-1:123456789012";
    let expected = json!(["e0", format!("{account}:execution:m:e0"), 1, format!("{account}:stateMachine:m")]);
    assert_eq!(said, expected);
}

#[test]
fn executions_go_on_side_by_side_the_soonest_first_and_the_oldest_of_several() {
    let wait = json!({
        "A": {"Type": "Wait", "Seconds": "{% $states.input.s %}", "Next": "B"},
        "B": task(&json!({})),
    });
    let small = Small::of(&wait);
    for (name, s) in [("one", 20), ("two", 10), ("three", 20)] {
        small.engine.borrow_mut().start("m", name, json!({"s": s, "name": name}), 0);
    }
    small.settle();
    let order: Vec<String> =
        small.asked.borrow().iter().map(|(_, asked)| asked["name"].to_string()).collect();
    assert_eq!(order, ["\"two\"", "\"one\"", "\"three\""]);
    assert_eq!(small.times(), [10, 20, 20]);
}

#[test]
fn what_is_held_stands_still_and_all_else_goes_on() {
    let small = Small::of(&json!({"A": {"Type": "Wait", "Seconds": 5, "End": true}}));
    let (held, free) = (small.start(json!(1)), small.start(json!(2)));
    small.engine.borrow_mut().hold(held, true);
    small.settle();
    assert_eq!(small.end(free), Ok(json!(2)));
    small.engine.borrow_mut().hold(held, false);
    small.settle();
    assert_eq!((small.end(held), small.now_s.get()), (Ok(json!(1)), 10));
}

#[test]
#[should_panic(expected = "it does not end: 21 states were entered")]
fn what_does_not_end_is_stopped() {
    let round = states(&json!({
        "A": {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "B"}], "Default": "A"},
        "B": {"Type": "Succeed"},
    }));
    let mut small = Small::with(&[("m", round)]);
    small.engine = RefCell::new(small.engine.into_inner().with_limit(20));
    small.run(json!({})).unwrap();
}
