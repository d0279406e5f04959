//! Maps: items side by side, their scopes, and what one that fails does.

use serde_json::{Value, json};

use crate::small::{Small, failure, task};

/// A Map over the input's `items` whose items wait for themselves in seconds, call, and give themselves.
fn map(more: &Value) -> Value {
    let mut map = json!({
        "Type": "Map",
        "Items": "{% $states.input.items %}",
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "INLINE"},
            "StartAt": "W",
            "States": {
                "W": {"Type": "Wait", "Seconds": "{% $states.input %}", "Next": "T"},
                "T": task(&json!({"Output": "{% $states.input %}"})),
            },
        },
        "End": true,
    });
    map.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"A": map})
}

#[test]
fn items_go_on_side_by_side_and_results_keep_their_order() {
    let small = Small::of(&map(&json!({})));
    assert_eq!(small.run(json!({"items": [30, 10, 20]})), Ok(json!([30, 10, 20])));
    assert_eq!(small.times(), [10, 20, 30]);
}

#[test]
fn no_more_items_than_may_begin_at_once() {
    for at_once in [json!(2), json!("{% $states.input.atOnce %}")] {
        let small = Small::of(&map(&json!({"MaxConcurrency": at_once})));
        let items = json!({"items": [30, 10, 20, 5], "atOnce": 2});
        assert_eq!(small.run(items), Ok(json!([30, 10, 20, 5])));
        // 10 ends at 10 and 20 begins; 30 and it end at 30, and 5 begins.
        assert_eq!(small.times(), [10, 30, 30, 35]);
    }
}

#[test]
fn one_item_is_a_list_too_and_none_is_an_empty_one() {
    assert_eq!(Small::of(&map(&json!({}))).run(json!({"items": [1]})), Ok(json!([1])));
    assert_eq!(Small::of(&map(&json!({}))).run(json!({"items": []})), Ok(json!([])));
    let failed = Small::of(&map(&json!({}))).run(json!({"items": 1})).unwrap_err();
    assert_eq!(failed.error, "States.QueryEvaluationError");
}

#[test]
fn an_item_that_fails_stops_the_others_and_fails_the_map_with_its_error() {
    let small = Small::of(&map(&json!({}))).answer(Err(failure("X")));
    assert_eq!(small.run(json!({"items": [30, 10, 20]})), Err(failure("X")));
    assert_eq!((small.times(), small.now_s.get()), (vec![10], 10));
}

#[test]
fn a_map_is_tried_again_as_a_whole_and_caught() {
    let retry = json!({"Retry": [{"ErrorEquals": ["X"], "MaxAttempts": 1}]});
    let small = Small::of(&map(&retry)).answer(Err(failure("X")));
    assert_eq!(small.run(json!({"items": [1, 2]})), Ok(json!([1, 2])));
    assert_eq!(small.times(), [1, 3, 4]);

    let mut caught = map(&json!({"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}]}));
    caught["B"] = json!({"Type": "Pass", "Output": "{% $states.input.Error %}", "End": true});
    let small = Small::of(&caught).answer(Err(failure("X")));
    assert_eq!(small.run(json!({"items": [1]})), Ok(json!("X")));
}

#[test]
fn items_see_the_variables_around_them_their_value_and_their_index() {
    let of = json!({
        "A": {"Type": "Pass", "Assign": {"around": "seen"}, "Next": "M"},
        "M": {
            "Type": "Map",
            "Items": ["x", "y"],
            "ItemSelector": {
                "value": "{% $states.context.Map.Item.Value %}",
                "index": "{% $states.context.Map.Item.Index %}",
                "input": "{% $states.input %}",
            },
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": "P",
                "States": {
                    "P": {"Type": "Pass", "Assign": {"own": "{% $states.input.value & $around %}"}, "Next": "Q"},
                    "Q": {"Type": "Pass", "Output": "{% [$own, $states.input.index, $states.input.input,
                        $states.context.Map.Item.Value] %}", "End": true},
                },
            },
            "Next": "Z",
        },
        // What an item set is its own.
        "Z": {"Type": "Pass", "Output": ["{% $states.input %}", "{% $exists($own) %}"], "End": true},
    });
    let expected = json!([[["xseen", 0, 7, "x"], ["yseen", 1, 7, "y"]], false]);
    assert_eq!(Small::of(&of).run(json!(7)), Ok(expected));
}

#[test]
fn a_map_assigns_from_its_result() {
    let small = Small::of(&map(&json!({"Assign": {"all": "{% $states.result %}"}, "Output": "done"})));
    let id = small.start(json!({"items": [1, 2]}));
    small.settle();
    assert_eq!(small.end(id), Ok(json!("done")));
    assert_eq!(small.engine.borrow().variable(id, "all"), Some(json!([1, 2])));
}
