//! `JSONata` in the fields of a definition: parsed once, evaluated often.
//!
//! An expression sees `$states` and the variables that it names. One that gives nothing fails the state with
//! `States.QueryEvaluationError`, as on AWS: a misspelt field is never an empty one.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use serde::Deserialize;
use serde_json::Value;

/// An error as Step Functions carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its name.
    pub error: String,
    /// In words, or JSON, or nothing at all.
    pub cause: Option<String>,
}

impl Failure {
    /// An error with its cause.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { error: error.into(), cause: Some(cause.into()) }
    }

    pub(crate) fn query(why: impl Into<String>) -> Self {
        Self::new("States.QueryEvaluationError", why)
    }
}

/// The variables of one scope.
pub type Variables = BTreeMap<Rc<str>, JValue>;

/// What an expression sees.
#[derive(Debug)]
pub struct Scope<'a> {
    /// `$states`.
    pub states: JValue,
    /// The variables.
    pub variables: &'a Variables,
}

/// The functions that expressions may call: those on which this interpreter, the local stack and AWS agree (`asl/expressions.rs`
/// tries each). None depends on the moment or on chance, as `$now`, `$random` and `$uuid` do: a walk is the same each time.
const FUNCTIONS: [&str; 11] =
    ["append", "contains", "count", "exists", "map", "merge", "min", "parse", "string", "substring", "type"];
/// What there is of `$states`.
const STATES: [&str; 10] = [
    "input",
    "result",
    "errorOutput",
    "context.Execution.Id",
    "context.Execution.Name",
    "context.Execution.Input",
    "context.StateMachine.Id",
    "context.Map.Item.Value",
    "context.Map.Item.Index",
    "context.Task.Token",
];

/// One expression.
#[derive(Debug)]
pub struct Expression {
    source: String,
    tree: AstNode,
    named: BTreeSet<String>,
}

impl Expression {
    /// Reads the text between `{%` and `%}`.
    pub fn read(source: &str) -> Result<Self, String> {
        let named = names(source);
        let known =
            |name: &str| FUNCTIONS.contains(&name) || source.contains(&format!("${name} := function("));
        if let Some(refused) = called(source).find(|name| !known(name)) {
            return Err(format!("${refused} is not supported, in {source}"));
        }
        for rest in source.split("$states").skip(1) {
            let known = |path: &&&str| {
                let rest = rest.strip_prefix('.').and_then(|rest| rest.strip_prefix(**path));
                rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            };
            if STATES.iter().find(known).is_none() {
                return Err(format!("$states{rest} is not supported"));
            }
        }
        let tree = jsonata_core::parser::parse(source).map_err(|error| format!("{error}, in {source}"))?;
        Ok(Self { source: source.to_owned(), tree, named })
    }

    fn evaluate(&self, scope: &Scope<'_>) -> Result<JValue, Failure> {
        let mut context = Context::new();
        for name in &self.named {
            if name == "states" {
                context.bind(name.clone(), scope.states.clone());
            } else if let Some(value) = scope.variables.get(name.as_str()) {
                context.bind(name.clone(), value.clone());
            }
        }
        let mut evaluator = Evaluator::with_context(context);
        if self.named.contains("parse") {
            evaluator.register_fn("parse", parse).map_err(|error| self.failed(&error.to_string()))?;
        }
        match evaluator.evaluate(&self.tree, &JValue::Undefined) {
            Ok(JValue::Undefined) => Err(self.failed("returned nothing (undefined)")),
            Ok(value) if holds_no_json(&value) => Err(self.failed("returned a value that is not JSON")),
            Ok(value) => Ok(value),
            Err(error) => Err(self.failed(&error.to_string())),
        }
    }

    fn failed(&self, why: &str) -> Failure {
        Failure::query(format!("The JSONata expression '{}': {why}", self.source))
    }
}

fn in_a_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The names after each `$`, those of functions and of locals too.
fn names(source: &str) -> BTreeSet<String> {
    let name = |rest: &str| rest.chars().take_while(|c| in_a_name(*c)).collect();
    source.split('$').skip(1).map(name).filter(|name: &String| !name.is_empty()).collect()
}

/// The names after each `$` that are called.
fn called(source: &str) -> impl Iterator<Item = &str> {
    source.split('$').skip(1).filter_map(|rest| {
        let (name, after) = rest.split_at(rest.find(|c| !in_a_name(c))?);
        (!name.is_empty() && after.trim_start().starts_with('(')).then_some(name)
    })
}

/// `$parse` of Step Functions: `JSONata` itself reads no JSON.
fn parse(arguments: &[JValue]) -> Result<JValue, EvaluatorError> {
    let refused = |why: String| EvaluatorError::EvaluationError(format!("$parse: {why}"));
    match arguments {
        [JValue::String(text)] => JValue::from_json_str(text).map_err(|error| refused(error.to_string())),
        other => Err(refused(format!("takes one string, not {}", other.len()))),
    }
}

fn holds_no_json(value: &JValue) -> bool {
    match value {
        JValue::Null | JValue::Bool(_) | JValue::String(_) => false,
        JValue::Number(number) => !number.is_finite(),
        JValue::Array(items) => items.iter().any(holds_no_json),
        JValue::Object(fields) => fields.values().any(holds_no_json),
        _ => true,
    }
}

/// A field that may hold expressions anywhere inside.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub enum Template {
    /// No expression in it.
    Constant(Value),
    /// All of it is one.
    Expression(Box<Expression>),
    /// Items, some with expressions in them.
    Array(Vec<Template>),
    /// Fields, some with expressions in them.
    Object(Vec<(String, Template)>),
}

impl TryFrom<Value> for Template {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) if text.starts_with("{%") => {
                let inner = text.strip_prefix("{%").and_then(|rest| rest.strip_suffix("%}"));
                let inner = inner.ok_or_else(|| format!("{text} has no end"))?;
                Self::Expression(Box::new(Expression::read(inner.trim())?))
            }
            // Step Functions takes it for a plain text, which nobody means.
            Value::String(text) if text.contains("{%") || text.contains("%}") => {
                return Err(format!("{text}: an expression is the whole of a text"));
            }
            Value::Array(items) => {
                Self::Array(items.into_iter().map(Self::try_from).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let read = |(key, value): (String, Value)| {
                    // A path, where there are only expressions: it would be handed on as it stands.
                    if key.ends_with(".$") {
                        return Err(format!("{key} is not supported"));
                    }
                    Ok((key, Self::try_from(value)?))
                };
                Self::Object(fields.into_iter().map(read).collect::<Result<_, String>>()?)
            }
            other => Self::Constant(other),
        })
    }
}

impl Template {
    /// What it comes to.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<JValue, Failure> {
        Ok(match self {
            Self::Constant(value) => JValue::from(value.clone()),
            Self::Expression(expression) => expression.evaluate(scope)?,
            Self::Array(items) => {
                let items: Result<Vec<JValue>, Failure> =
                    items.iter().map(|item| item.evaluate(scope)).collect();
                JValue::array(items?)
            }
            Self::Object(fields) => object(
                fields
                    .iter()
                    .map(|(key, value)| Ok((key.as_str(), value.evaluate(scope)?)))
                    .collect::<Result<Vec<_>, Failure>>()?,
            ),
        })
    }

    /// Whether one of its expressions reads this part of `$states`.
    pub(crate) fn reads(&self, part: &str) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Expression(expression) => expression.source.contains(&format!("$states.{part}")),
            Self::Array(items) => items.iter().any(|item| item.reads(part)),
            Self::Object(fields) => fields.iter().any(|(_, value)| value.reads(part)),
        }
    }

    /// What it comes to, as a whole number that is not negative.
    pub fn whole(&self, scope: &Scope<'_>, what: &str) -> Result<i64, Failure> {
        let value = self.evaluate(scope)?;
        let whole = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..1e12).contains(number));
        #[allow(clippy::cast_possible_truncation)] // Checked the line before.
        let whole = whole.map(|number| number as i64);
        whole.ok_or_else(|| Failure::query(format!("{what} is not a whole number: {}", json(&value))))
    }
}

/// An object of these fields, in this order.
pub(crate) fn object<K: Into<String>>(fields: impl IntoIterator<Item = (K, JValue)>) -> JValue {
    JValue::object(fields.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

/// A value as the rest of the tests has it: 7, where `JSONata` has 7.0.
#[must_use]
pub fn json(value: &JValue) -> Value {
    serde_json::to_value(value).unwrap_or_else(|error| panic!("{value:?}: {error}"))
}
