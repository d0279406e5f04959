//! The schemas of the payloads: on disk, and what can be read from them.

use std::collections::BTreeSet;
use std::path::Path;

use eks_upgrade_core::contract::schemas;
use serde_json::Value;

/// The schema of the payload of this name, as the Rust types have it.
pub fn of(payload: &str) -> Value {
    let found = schemas().into_iter().find(|(name, _)| *name == payload);
    let (_, schema) = found.unwrap_or_else(|| panic!("there is no payload {payload}"));
    serde_json::to_value(schema).unwrap()
}

/// The definition of a type that the payload holds.
pub fn definition(payload: &str, name: &str) -> Value {
    of(payload)["$defs"][name].clone()
}

/// The wire names of an enum's variants: of a plain one, or by the `tag` of one with fields.
pub fn variants(schema: &Value, tag: Option<&str>) -> BTreeSet<String> {
    let alternatives = schema["oneOf"].as_array().unwrap_or_else(|| panic!("no enum: {schema}"));
    let names: BTreeSet<String> = alternatives
        .iter()
        .flat_map(|one| {
            let tagged = tag.map_or(one, |tag| &one["properties"][tag]);
            let listed = tagged["enum"].as_array().cloned().unwrap_or_default();
            listed.into_iter().chain([tagged["const"].clone()])
        })
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    assert!(names.len() >= alternatives.len(), "a variant has no name: {schema}");
    names
}

/// The alternative of a tagged enum with this name.
pub fn variant<'a>(schema: &'a Value, tag: &str, name: &str) -> &'a Value {
    let alternatives = schema["oneOf"].as_array().unwrap_or_else(|| panic!("no enum: {schema}"));
    let found = alternatives.iter().find(|one| one["properties"][tag]["const"] == name);
    found.unwrap_or_else(|| panic!("no variant {name}"))
}

/// The names of an object's fields.
pub fn properties(schema: &Value) -> BTreeSet<String> {
    let fields = schema["properties"].as_object().unwrap_or_else(|| panic!("no object: {schema}"));
    fields.keys().cloned().collect()
}

#[test]
fn the_schemas_on_disk_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../statemachine/schemas");
    let mut expected = BTreeSet::new();
    for (name, schema) in schemas() {
        let file = format!("{name}.json");
        let text = std::fs::read_to_string(folder.join(&file))
            .unwrap_or_else(|error| panic!("statemachine/schemas/{file}: {error}; run `make schemas`"));
        let on_disk: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("statemachine/schemas/{file}: {error}; run `make schemas`"));
        let generated = serde_json::to_value(schema).unwrap();
        assert!(
            on_disk == generated,
            "statemachine/schemas/{file} is not what the types say; run `make schemas`"
        );
        expected.insert(file);
    }
    let there: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, expected, "statemachine/schemas holds a file that no type stands behind: remove it");
}
