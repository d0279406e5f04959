//! `JSONata` as the definitions use it.

use serde_json::{Value, json};

use crate::small::Small;

fn evaluated(expression: &str, input: Value) -> Value {
    let of = json!({"A": {"Type": "Pass", "Output": format!("{{% {expression} %}}"), "End": true}});
    Small::of(&of).run(input).unwrap_or_else(|failure| panic!("{expression}: {failure:?}"))
}

#[test]
fn what_the_definitions_use_and_may_use_soon() {
    for (expression, expected) in [
        ("$states.input.n + 1", json!(8)),
        ("$states.input.word in ['wait', 'act']", json!(true)),
        ("$states.input.word = 'act' and $states.input.n > 500", json!(false)),
        ("$merge([$states.input.o, {'b': $states.input.n}])", json!({"a": 1, "b": 7})),
        ("$parse('{\"a\": [1, null]}')", json!({"a": [1, null]})),
        ("$exists($states.input.none)", json!(false)),
        ("$states.input.nothing = null", json!(true)),
        ("$type($states.input.word)", json!("string")),
        ("$substring($states.input.word, -1)", json!("t")),
        ("$contains($states.input.word, 'ac')", json!(true)),
        ("$count($states.input.list)", json!(3)),
        ("$map($states.input.list, function($x) { $x * 2 })", json!([2, 4, 6])),
        ("$append($states.input.list, [4])", json!([1, 2, 3, 4])),
        ("$string($states.input.n) & '!'", json!("7!")),
        ("$min([$states.input.n, 3])", json!(3)),
        ("$states.input.one", json!([{"only": 1}])),
        ("$states.input.empty", json!([])),
        ("$states.input.n / 2", json!(3.5)),
        (
            "( $f := function($x) { $x = 7 ? 'seven' : 'other' }; { 'is': $f($states.input.n) } )",
            json!({"is": "seven"}),
        ),
    ] {
        let input = json!({"n": 7, "word": "act", "o": {"a": 1}, "list": [1, 2, 3], "one": [{"only": 1}],
            "empty": [], "nothing": null});
        assert_eq!(evaluated(expression, input), expected, "{expression}");
    }
}

#[test]
fn each_of_many_actions_counts_as_a_round_of_a_hop() {
    let hop: Value = serde_json::from_str(include_str!("../../statemachine/hop.asl.json")).unwrap();
    let counting = hop["States"]["Decide"]["Assign"]["rounds"].as_str().unwrap();
    let counting = counting.trim_start_matches("{% ").trim_end_matches(" %}");
    let counting = counting.replace("$states.result.Payload", "$states.input").replace("$rounds", "7");
    for (answer, rounds) in [
        (json!({"next": "wait", "seconds": 60}), 8),
        (json!({"next": "act", "actions": [{"step": "a"}]}), 9),
        (json!({"next": "act", "actions": [{"step": "a"}, {"step": "b"}, {"step": "c"}]}), 11),
    ] {
        assert_eq!(evaluated(&counting, answer.clone()), json!(rounds), "{answer}");
    }
}

/// The expression with which every Catch of the product reads an error.
fn reading() -> String {
    let upgrade: Value = serde_json::from_str(include_str!("../../statemachine/upgrade.asl.json")).unwrap();
    let text = upgrade["States"]["UpgradeHop"]["Catch"][0]["Assign"]["error"].as_str().unwrap();
    text.trim_start_matches("{% ").trim_end_matches(" %}").replace("$states.errorOutput", "$states.input")
}

#[test]
fn an_error_is_read_from_wherever_it_was_said() {
    let of_lambda = json!({"errorType": "LeaseLost", "errorMessage": "gone"}).to_string();
    let nested = |cause: &str| json!({"Error": "LeaseLost", "Cause": cause, "Status": "FAILED"}).to_string();
    for (raised, name, message) in [
        (json!({"Error": "LeaseLost", "Cause": of_lambda}), "LeaseLost", "gone"),
        (json!({"Error": "States.TaskFailed", "Cause": nested("gone")}), "LeaseLost", "gone"),
        (json!({"Error": "States.TaskFailed", "Cause": nested(&of_lambda)}), "LeaseLost", "gone"),
        (
            json!({"Error": "States.TaskFailed", "Cause": r#"{"Status": "ABORTED"}"#}),
            "States.TaskFailed",
            "the nested execution ended ABORTED",
        ),
        (json!({"Error": "States.Timeout"}), "States.Timeout", "no cause was given"),
        (json!({"Error": "X", "Cause": "in words"}), "X", "in words"),
        (json!({"Error": "X", "Cause": ""}), "X", ""),
    ] {
        let read = evaluated(&reading(), raised.clone());
        assert_eq!(read, json!({"name": name, "message": message}), "{raised}");
    }
}
