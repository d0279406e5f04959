//! How the API server says no: a `Status`.

use serde_json::{Value, json};

use super::resource::Facts;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: u16,
    pub(crate) reason: String,
    pub(crate) message: String,
    /// `details`, if it has any; an object.
    details: Option<Box<Value>>,
}

impl Failure {
    pub(crate) fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self { code, reason: reason.to_owned(), message: message.into(), details: None }
    }

    fn about(mut self, facts: Facts, name: &str) -> Self {
        let mut details = json!({"kind": facts.plural, "name": name});
        if !facts.group.is_empty() {
            details["group"] = json!(facts.group);
        }
        self.details = Some(Box::new(details));
        self
    }

    /// No such object.
    pub(crate) fn not_found(facts: Facts, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", full(facts))).about(facts, name)
    }

    /// Nothing at that path.
    pub(crate) fn no_resource() -> Self {
        Self {
            details: Some(Box::new(json!({}))),
            ..Self::new(404, "NotFound", "the server could not find the requested resource")
        }
    }

    /// An object of that name is there.
    pub(crate) fn already_exists(facts: Facts, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {name:?} already exists", full(facts))).about(facts, name)
    }

    /// Somebody else was faster.
    pub(crate) fn conflict(facts: Facts, name: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: the object has been modified; please apply your changes \
             to the latest version and try again",
            full(facts)
        );
        Self::new(409, "Conflict", message).about(facts, name)
    }

    /// An object that cannot be.
    pub(crate) fn invalid(facts: Facts, name: &str, field: &str, problem: &str) -> Self {
        let message = format!("{} {name:?} is invalid: {field}: {problem}", facts.kind);
        let mut failure = Self::new(422, "Invalid", message).about(facts, name);
        failure.cause("FieldValueInvalid", problem, Some(field));
        failure
    }

    /// The verb is not one of that resource.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    /// A budget says not now.
    pub(crate) fn disruption_budget(message: &str) -> Self {
        let refusal = "Cannot evict pod as it would violate the pod's disruption budget.";
        let mut failure = Self::new(429, "TooManyRequests", refusal);
        failure.cause("DisruptionBudget", message, None);
        failure
    }

    fn cause(&mut self, reason: &str, message: &str, field: Option<&str>) {
        let mut cause = json!({"reason": reason, "message": message});
        if let Some(field) = field {
            cause["field"] = json!(field);
        }
        let details = self.details.get_or_insert_with(|| Box::new(json!({})));
        details["causes"] = json!([cause]);
    }

    /// As it is answered.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(details) = &self.details {
            body["details"] = Value::clone(details);
        }
        body
    }
}

/// `pods` or `deployments.apps`.
pub(crate) fn full(facts: Facts) -> String {
    if facts.group.is_empty() { facts.plural.to_owned() } else { format!("{}.{}", facts.plural, facts.group) }
}

/// A `Status` that says yes.
pub(crate) fn success(code: u16) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code})
}
