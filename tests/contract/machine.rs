//! A state machine definition, and how to walk it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};

/// One definition.
pub struct Machine {
    pub name: &'static str,
    pub definition: Value,
}

/// A state with its name.
pub type State<'a> = (&'a str, &'a Value);

/// All of them.
pub fn all() -> Vec<Machine> {
    ["campaign", "upgrade", "hop"].map(read).into()
}

/// The one of this name.
pub fn read(name: &'static str) -> Machine {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../statemachine/{name}.asl.json"));
    let text = std::fs::read_to_string(path).unwrap();
    Machine { name, definition: serde_json::from_str(&text).unwrap() }
}

impl Machine {
    /// Every list of states with its `StartAt`: the machine's own, and those inside its Maps.
    pub fn levels(&self) -> Vec<&Value> {
        let mut found = vec![];
        let mut open = vec![&self.definition];
        while let Some(level) = open.pop() {
            found.push(level);
            open.extend(states_of(level).filter_map(|(_, state)| state.get("ItemProcessor")));
        }
        found
    }

    /// Every state, at every level.
    pub fn states(&self) -> Vec<State<'_>> {
        self.levels().into_iter().flat_map(states_of).collect()
    }

    /// The state of this name.
    pub fn state(&self, name: &str) -> &Value {
        let found = self.states().into_iter().find(|(other, _)| *other == name);
        found.unwrap_or_else(|| panic!("{} has no state {name}", self.name)).1
    }

    /// The states that invoke a function: name, state, and the function's placeholder.
    pub fn invocations(&self) -> Vec<(&str, &Value, &str)> {
        let invoking = |state: &Value| {
            let resource = state["Resource"].as_str().unwrap_or_default();
            resource.trim_end_matches(".waitForTaskToken") == "arn:aws:states:::lambda:invoke"
        };
        self.states()
            .into_iter()
            .filter(|(_, state)| invoking(state))
            .map(|(name, state)| (name, state, state["Arguments"]["FunctionName"].as_str().unwrap()))
            .collect()
    }
}

/// Whether a state waits for a person's answer.
pub fn asks(state: &Value) -> bool {
    state["Resource"].as_str().is_some_and(|resource| resource.ends_with(".waitForTaskToken"))
}

/// The states of one level.
pub fn states_of(level: &Value) -> impl Iterator<Item = State<'_>> {
    let states: &Map<String, Value> = level["States"].as_object().expect("a level has states");
    states.iter().map(|(name, state)| (name.as_str(), state))
}

/// Where a state may go next.
pub fn targets(state: &Value) -> BTreeSet<&str> {
    let listed = |key: &str| state[key].as_array().map_or(&[][..], Vec::as_slice);
    let branches = listed("Choices").iter().chain(listed("Catch")).map(|branch| &branch["Next"]);
    [&state["Next"], &state["Default"]].into_iter().chain(branches).filter_map(Value::as_str).collect()
}

/// Every text in a value.
pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => vec![],
    }
}

/// The words in single quotes of a `JSONata` condition: the values that it compares with.
pub fn quoted(condition: &str) -> Vec<&str> {
    condition.split('\'').skip(1).step_by(2).collect()
}

/// The conditions of a Choice state, each with the state that it leads to.
pub fn conditions(choice: &Value) -> Vec<(&str, &str)> {
    let rules = choice["Choices"].as_array().expect("a Choice has choices");
    rules.iter().map(|rule| (rule["Condition"].as_str().unwrap(), rule["Next"].as_str().unwrap())).collect()
}
