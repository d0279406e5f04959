//! Random structural changes of a JSON document.

use serde_json::{Map, Value, json};

use crate::random::Random;

/// Entities that a notice may name: ours and due, ours and not to be touched, and nobody's.
const ENTITIES: [&str; 14] = [
    "arn:aws:eks:us-east-1:123456789012:cluster/prod-a",
    "arn:aws:eks:us-east-1:123456789012:cluster/prod-b",
    "arn:aws:eks:us-east-1:123456789012:cluster/old",
    "arn:aws:eks:us-east-1:123456789012:cluster/new",
    "arn:aws:eks:us-east-1:123456789012:cluster/failed",
    "arn:aws:eks:us-east-1:123456789012:cluster/nowhere",
    "arn:aws:eks:us-east-1:999999999999:cluster/prod-a",
    "arn:aws:eks:eu-west-1:123456789012:cluster/prod-a",
    "arn:aws-cn:eks:us-east-1:123456789012:cluster/prod-a",
    "arn:aws:eks:us-east-1:123456789012:nodegroup/prod-a/general/1",
    "arn:aws:eks:us-east-1:123456789012:cluster/prod-a/../prod-b",
    "arn:aws:ec2:us-east-1:123456789012:instance/i-1",
    "prod-a",
    " arn:aws:eks:us-east-1:123456789012:cluster/prod-a\n",
];

const HOSTILE: [&str; 16] = [
    "",
    " ",
    "\0\0",
    "\u{202e}drowssap",
    "💥",
    "'; DROP TABLE ledger; --",
    "${jndi:ldap://x}",
    "{% $states.input %}",
    "../../../etc/passwd",
    "null",
    "true",
    "1e999",
    "AWS_EKS_PLANNED_LIFECYCLE_EVENT",
    "aws.health",
    "2026-02-30T25:61:00Z",
    "\r\nX-Injected: yes",
];

/// The document after one to six changes.
pub fn mutated(original: &Value, random: &mut Random) -> Value {
    let mut document = original.clone();
    for _ in 0..=random.below(6) {
        let paths = paths(&document);
        let path = random.pick(&paths).clone();
        change(&mut document, &path, random);
    }
    document
}

/// The JSON pointers of everything in the document; of a long array only its first elements.
fn paths(document: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, found: &mut Vec<String>) {
        found.push(at.to_owned());
        match value {
            Value::Object(fields) => {
                for (key, inner) in fields {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    walk(inner, &format!("{at}/{key}"), found);
                }
            }
            Value::Array(items) => {
                for (place, inner) in items.iter().enumerate().take(4) {
                    walk(inner, &format!("{at}/{place}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(document, "", &mut found);
    found
}

fn change(document: &mut Value, path: &str, random: &mut Random) {
    let Some(value) = document.pointer_mut(path) else { return };
    match random.below(12) {
        0 => remove(document, path),
        1 => rename(document, path, random),
        2 => *value = other_type(random),
        3 => *value = json!(random.pick(&HOSTILE)),
        4 | 5 => name_an_entity(value, random),
        6 => repeat(value, random),
        7 => nest(value, random),
        8 => shuffle(value, random),
        9 => flip_text(value, random),
        10 => *value = json!("x".repeat(random.below(3_000))),
        _ => add_field(value, random),
    }
}

fn parent<'a>(document: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (parent, key) = path.rsplit_once('/')?;
    let key = key.replace("~1", "/").replace("~0", "~");
    Some((document.pointer_mut(parent)?, key))
}

fn remove(document: &mut Value, path: &str) {
    match parent(document, path) {
        Some((Value::Object(fields), key)) => drop(fields.remove(&key)),
        Some((Value::Array(items), key)) => {
            if let Some(place) = key.parse().ok().filter(|place| *place < items.len()) {
                items.remove(place);
            }
        }
        _ => *document = Value::Null,
    }
}

fn rename(document: &mut Value, path: &str, random: &mut Random) {
    if let Some((Value::Object(fields), key)) = parent(document, path)
        && let Some(value) = fields.remove(&key)
    {
        let name = match random.below(4) {
            0 => key.to_lowercase(),
            1 => key.to_uppercase(),
            2 => format!("{key} "),
            _ => (*random.pick(&HOSTILE)).to_owned(),
        };
        fields.insert(name, value);
    }
}

fn other_type(random: &mut Random) -> Value {
    random
        .pick(&[
            json!(null),
            json!(false),
            json!(-1),
            json!(1e308),
            json!(u64::MAX),
            json!([]),
            json!({}),
            json!([[[]]]),
        ])
        .clone()
}

/// Puts an entity there: as the text itself, or as one more element, in either of the documented forms.
fn name_an_entity(value: &mut Value, random: &mut Random) {
    let arn = *random.pick(&ENTITIES);
    match value {
        Value::Array(items) => {
            let entity = if random.below(2) == 0 {
                json!({"entityValue": arn, "status": "PENDING"})
            } else {
                json!(arn)
            };
            items.push(entity);
        }
        _ => *value = json!(arn),
    }
}

fn repeat(value: &mut Value, random: &mut Random) {
    if let Value::Array(items) = value
        && let Some(first) = items.first().cloned()
    {
        // Now and then more than any page holds.
        let times = if random.below(200) == 0 { 6_000 } else { random.below(20) };
        let room = 6_000_usize.saturating_sub(items.len());
        items.extend(std::iter::repeat_n(first, times.min(room)));
    }
}

fn nest(value: &mut Value, random: &mut Random) {
    // The runtime's JSON parser lets 128 levels through.
    for level in 0..random.below(40) {
        let inner = value.take();
        *value = if level % 2 == 0 { json!([inner]) } else { json!({"detail": inner}) };
    }
}

fn shuffle(value: &mut Value, random: &mut Random) {
    match value {
        Value::Array(items) if items.len() > 1 => {
            let (one, other) = (random.below(items.len()), random.below(items.len()));
            items.swap(one, other);
        }
        Value::Object(fields) if fields.len() > 1 => {
            let keys: Vec<String> = fields.keys().cloned().collect();
            let (one, other) = (random.pick(&keys).clone(), random.pick(&keys).clone());
            swap(fields, &one, &other);
        }
        _ => {}
    }
}

fn swap(fields: &mut Map<String, Value>, one: &str, other: &str) {
    let (first, second) = (fields[one].clone(), fields[other].clone());
    fields.insert(one.to_owned(), second);
    fields.insert(other.to_owned(), first);
}

fn flip_text(value: &mut Value, random: &mut Random) {
    if let Value::String(text) = value
        && !text.is_empty()
    {
        let mut letters: Vec<char> = text.chars().collect();
        let place = random.below(letters.len());
        letters[place] = *random.pick(&['a', 'Z', '0', ':', '/', '-', '\u{1}', 'é', ' ']);
        *text = letters.into_iter().collect();
    }
}

fn add_field(value: &mut Value, random: &mut Random) {
    if let Value::Object(fields) = value {
        fields.insert((*random.pick(&HOSTILE)).to_owned(), json!(random.pick(&HOSTILE)));
    }
}
