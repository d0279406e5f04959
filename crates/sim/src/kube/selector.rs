//! Selecting objects by labels and by fields, as lists and budgets do.

use std::collections::BTreeMap;

use serde_json::Value;

use super::object::{labels, list, text, texts};
use super::status::Failure;

/// Which labels an object must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    /// An operator that nobody knows selects nothing.
    Never,
}

impl Requirement {
    fn holds(&self, labels: &BTreeMap<&str, &str>) -> bool {
        let value = |key: &String| labels.get(key.as_str()).copied();
        let among = |values: &[String], value: &str| values.iter().any(|wanted| wanted == value);
        match self {
            Self::In(key, values) => value(key).is_some_and(|value| among(values, value)),
            Self::NotIn(key, values) => value(key).is_none_or(|value| !among(values, value)),
            Self::Exists(key) => value(key).is_some(),
            Self::Absent(key) => value(key).is_none(),
            Self::Never => false,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some((key, value)) = text.split_once("!=") {
            return Some(Self::NotIn(word(key)?, vec![value.trim().to_owned()]));
        }
        if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            return Some(Self::In(word(key)?, vec![value.trim().to_owned()]));
        }
        if let Some(list) = text.strip_suffix(')') {
            let (head, values) = list.split_once('(')?;
            let values = values.split(',').map(|value| value.trim().to_owned()).collect();
            let (key, operator) = head.trim().split_once(char::is_whitespace)?;
            return match operator.trim() {
                "in" => Some(Self::In(word(key)?, values)),
                "notin" => Some(Self::NotIn(word(key)?, values)),
                _ => None,
            };
        }
        match text.strip_prefix('!') {
            Some(key) => word(key).map(Self::Absent),
            None => word(text).map(Self::Exists),
        }
    }

    /// A line of `matchExpressions`.
    fn of_expression(expression: &Value) -> Self {
        let key = text(expression, "/key").unwrap_or_default().to_owned();
        let values =
            list(expression, "/values").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        match text(expression, "/operator") {
            Some("In") => Self::In(key, values),
            Some("NotIn") => Self::NotIn(key, values),
            Some("Exists") => Self::Exists(key),
            Some("DoesNotExist") => Self::Absent(key),
            _ => Self::Never,
        }
    }
}

/// A label's key.
fn word(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    (!text.is_empty() && text.bytes().all(fits)).then(|| text.to_owned())
}

/// The parts between commas that stand in no parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let apart = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    text.split(apart).filter(|part| !part.trim().is_empty()).collect()
}

impl LabelSelector {
    /// As a query spells it; an empty one selects everything.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let requirements = parts(text).into_iter().map(Requirement::parse).collect::<Option<Vec<_>>>();
        let refusal = || Failure::new(400, "BadRequest", format!("unable to parse requirement: {text:?}"));
        requirements.map(Self).ok_or_else(refusal)
    }

    /// As an object spells it, at that place: `None` where there is none, which selects nothing.
    pub(crate) fn of(object: &Value, pointer: &str) -> Option<Self> {
        let selector = object.pointer(pointer)?;
        let equal = texts(selector, "/matchLabels").into_iter();
        let equal = equal.map(|(key, value)| Requirement::In(key.to_owned(), vec![value.to_owned()]));
        let expressions = list(selector, "/matchExpressions").iter().map(Requirement::of_expression);
        Some(Self(equal.chain(expressions).collect()))
    }

    pub(crate) fn selects(&self, object: &Value) -> bool {
        let labels = labels(object);
        self.0.iter().all(|requirement| requirement.holds(&labels))
    }
}

/// Which fields an object must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector(Vec<(String, String, bool)>);

/// The fields that can be selected by.
const FIELDS: [&str; 6] = [
    "metadata.name",
    "metadata.namespace",
    "spec.nodeName",
    "spec.unschedulable",
    "status.phase",
    "involvedObject.name",
];

impl FieldSelector {
    /// As a query spells it; an empty one selects everything.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let read = |part: &&str| {
            let (field, value, equal) = match part.split_once("!=") {
                Some((field, value)) => (field, value, false),
                None => part.split_once("==").or_else(|| part.split_once('=')).map(|(f, v)| (f, v, true))?,
            };
            let known = FIELDS.contains(&field.trim());
            known.then(|| (field.trim().replace('.', "/"), value.trim().to_owned(), equal))
        };
        let parts = parts(text);
        let wanted = parts.iter().map(read).collect::<Option<Vec<_>>>();
        let refusal = || Failure::new(400, "BadRequest", format!("field label not supported: {text}"));
        wanted.map(Self).ok_or_else(refusal)
    }

    pub(crate) fn selects(&self, object: &Value) -> bool {
        self.0.iter().all(|(field, wanted, equal)| {
            let value = object.pointer(&format!("/{field}"));
            let is = match value {
                Some(Value::String(text)) => text == wanted,
                Some(Value::Bool(flag)) => flag.to_string() == *wanted,
                _ => wanted.is_empty() || (field == "spec/unschedulable" && wanted == "false"),
            };
            is == *equal
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_are_selected_as_kubectl_says_it() {
        let object = json!({"metadata": {"labels": {"app": "web", "tier": "front"}}});
        for (selector, selects) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier=front", true),
            ("app=api", false),
            ("app!=api", true),
            ("zone!=a", true),
            ("app in (api, web)", true),
            ("app notin (api,web),tier", false),
            ("tier", true),
            ("zone", false),
            ("!zone", true),
        ] {
            assert_eq!(LabelSelector::parse(selector).unwrap().selects(&object), selects, "{selector}");
        }
        assert_eq!(LabelSelector::parse("app near (web)").unwrap_err().code, 400);
    }

    #[test]
    fn an_empty_selector_of_an_object_selects_all_and_none_nothing() {
        let pod = json!({"metadata": {"labels": {"app": "web"}}});
        let of = |spec: Value| LabelSelector::of(&spec, "/spec/selector");
        assert!(of(json!({"spec": {"selector": {}}})).unwrap().selects(&pod));
        assert_eq!(of(json!({"spec": {}})), None);
        let expression = |operator: &str| {
            json!({"spec": {"selector": {"matchExpressions": [
                {"key": "app", "operator": operator, "values": ["web"]}]}}})
        };
        assert!(of(expression("In")).unwrap().selects(&pod));
        assert!(!of(expression("NotIn")).unwrap().selects(&pod));
        assert!(!of(expression("Like")).unwrap().selects(&pod));
    }

    #[test]
    fn fields_are_selected_and_others_refused() {
        let pod =
            json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}});
        for (selector, selects) in [
            ("spec.nodeName=n", true),
            ("spec.nodeName=m", false),
            ("spec.nodeName=n,status.phase!=Running", false),
            ("spec.nodeName=", false),
        ] {
            assert_eq!(FieldSelector::parse(selector).unwrap().selects(&pod), selects, "{selector}");
        }
        assert!(FieldSelector::parse("spec.hostname=n").unwrap_err().message.contains("not supported"));
    }
}
