//! From method, path and headers to the API operation that is meant.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::asg;
use crate::caller::Caller;
use crate::http::{ApiError, Protocol, Request};
use crate::xml::Dialect;
use jiff::Timestamp;

/// A call of an API operation, its input taken apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    /// Its name; `Unknown` for none.
    pub(crate) operation: &'static str,
    pub(crate) cluster: Option<String>,
    pub(crate) nodegroup: Option<String>,
    pub(crate) addon: Option<String>,
    /// The last part of the path, for an update, an insight, a profile, a tagged ARN.
    pub(crate) id: Option<String>,
    pub(crate) query: Vec<(String, String)>,
    /// An object; empty when there was no body.
    pub(crate) body: Value,
    pub(crate) protocol: Protocol,
    /// For whom it is made; the world knows.
    pub(crate) caller: Caller,
    /// When it arrived, by the clock that signatures are made by.
    pub(crate) received: Timestamp,
}

const HEALTH_TARGET: &str = "AWSHealth_20160804.";
/// What the log leaves out.
const SECRETS: [&str; 2] = ["X-Amz-Signature", "X-Amz-Security-Token"];

/// Whether the request is one of the query protocol.
fn is_form(request: &Request) -> bool {
    let content_type = request.header("content-type").unwrap_or_default();
    match request.method.as_str() {
        "POST" => content_type.starts_with("application/x-www-form-urlencoded"),
        "GET" => form_urlencoded::parse(request.query.as_bytes()).any(|(name, _)| name == "Action"),
        _ => false,
    }
}

impl Call {
    /// What `request` asks for. Errors are those of the protocol, not of an operation.
    pub(crate) fn parse(request: &Request) -> (Self, Result<(), ApiError>) {
        let segments: Vec<String> = request
            .path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let mut call = match request.header("x-amz-target") {
            Some(target) if segments.is_empty() && request.method == "POST" => targeted(target),
            _ if segments.is_empty() && is_form(request) => return Self::parse_form(request),
            _ => eks(&request.method, &segments),
        };
        call.query = form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
        if call.operation == "DescribeUpdate" || call.operation == "ListUpdates" {
            call.nodegroup = call.query("nodegroupName").map(str::to_owned);
            call.addon = call.query("addonName").map(str::to_owned);
        }
        if call.operation == "DescribeAddonVersions" {
            call.addon = call.query("addonName").map(str::to_owned);
        }
        call.body = Value::Object(Map::new());
        let outcome = call.read_body(&request.body);
        (call, outcome)
    }

    /// A request of the query protocol: its parameters are a form, in the body or in the query.
    fn parse_form(request: &Request) -> (Self, Result<(), ApiError>) {
        let pairs = |text: &[u8]| form_urlencoded::parse(text).into_owned().collect::<Vec<_>>();
        let query = pairs(request.query.as_bytes());
        let form = if request.method == "GET" { query.clone() } else { pairs(&request.body) };
        let field = |name| form.iter().find(|(key, _)| key == name).map(|(_, text)| text.clone());
        let action = field("Action");
        let dialect = Dialect::of_version(field("Version").as_deref());
        let operation = match (dialect, action.as_deref().unwrap_or_default()) {
            (Dialect::Sts, "AssumeRole") => "AssumeRole",
            (Dialect::Sts, "GetCallerIdentity") => "GetCallerIdentity",
            (Dialect::Sts, _) => "Unknown",
            (dialect, action) => asg::operation(dialect, action).unwrap_or("Unknown"),
        };
        let told = form.into_iter().filter(|(name, _)| !SECRETS.contains(&name.as_str()));
        let body = told.map(|(name, value)| (name, json!(value))).collect::<Map<_, _>>();
        let protocol = Protocol::Query(dialect);
        let call = Self { operation, query, body: body.into(), protocol, ..Self::default() };
        let outcome = match operation {
            "Unknown" => {
                let message = format!("Could not find operation {}", action.unwrap_or_default());
                Err(ApiError::new("InvalidAction", 400, message))
            }
            _ => Ok(()),
        };
        (call, outcome)
    }

    fn read_body(&mut self, body: &[u8]) -> Result<(), ApiError> {
        if self.operation == "Unknown" {
            return Err(ApiError::new(
                "UnknownOperationException",
                404,
                "The simulator has no such operation.",
            ));
        }
        if body.is_empty() {
            return Ok(());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => {
                self.body = Value::Object(fields);
                Ok(())
            }
            _ => Err(ApiError::new("SerializationException", 400, "The body is not a JSON object.")),
        }
    }

    /// The first query parameter of that name.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All query parameters of that name.
    pub(crate) fn queries(&self, name: &str) -> Vec<&str> {
        self.query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// A member of the body that is text; a refusal when it is something else.
    pub(crate) fn text(&self, member: &str) -> Result<Option<&str>, ApiError> {
        match self.body.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(malformed(member, "text")),
        }
    }

    /// A member of the body that is true or false; absent is false.
    pub(crate) fn flag(&self, member: &str) -> Result<bool, ApiError> {
        match self.body.get(member) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(malformed(member, "true or false")),
        }
    }

    /// A list of texts at that place of the body; absent is empty.
    pub(crate) fn texts(&self, pointer: &str) -> Vec<&str> {
        let list = self.body.pointer(pointer).and_then(Value::as_array);
        list.map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    }

    /// What makes the request the same when it is sent again, if it says.
    pub(crate) fn token(&self) -> Option<&str> {
        // EKS has a name of its own for what EC2 calls a client token.
        let token = self.body.get("clientRequestToken").or_else(|| self.body.get("ClientToken"));
        token.and_then(Value::as_str)
    }

    /// Body or, failing that, query: for the log.
    pub(crate) fn input(&self) -> Value {
        match &self.body {
            Value::Object(fields) if !fields.is_empty() => self.body.clone(),
            _ => self
                .query
                .iter()
                .map(|(key, value)| (key.clone(), json!(value)))
                .collect::<Map<_, _>>()
                .into(),
        }
    }
}

fn malformed(member: &str, wanted: &str) -> ApiError {
    ApiError::new("SerializationException", 400, format!("{member} must be {wanted}."))
}

/// The operation of Health or SSM that a header names.
fn targeted(target: &str) -> Call {
    let operation = match target.strip_prefix(HEALTH_TARGET) {
        Some("DescribeEvents") => "DescribeEvents",
        Some("DescribeAffectedEntities") => "DescribeAffectedEntities",
        Some("DescribeEventDetails") => "DescribeEventDetails",
        _ => asg::targeted(target).unwrap_or("Unknown"),
    };
    Call { operation, protocol: Protocol::JsonRpc, ..Call::default() }
}

fn eks(method: &str, segments: &[&str]) -> Call {
    let some = |text: &str| Some(text.to_owned());
    let of = |operation, cluster: &str| Call { operation, cluster: some(cluster), ..Call::default() };
    let plain = |operation| Call { operation, ..Call::default() };
    match (method, segments) {
        ("GET", ["clusters"]) => plain("ListClusters"),
        ("GET", ["cluster-versions"]) => plain("DescribeClusterVersions"),
        ("GET", ["addons", "supported-versions"]) => plain("DescribeAddonVersions"),
        ("GET", ["clusters", c]) => of("DescribeCluster", c),
        ("POST", ["clusters", c, "updates"]) => of("UpdateClusterVersion", c),
        ("GET", ["clusters", c, "updates"]) => of("ListUpdates", c),
        ("POST", ["clusters", c, "updates", id, "cancel-update"]) => {
            Call { id: some(id), ..of("CancelUpdate", c) }
        }
        ("POST", ["clusters", c, "update-config"]) => of("UpdateClusterConfig", c),
        ("POST", ["clusters", c, "insights-refresh"]) => of("StartInsightsRefresh", c),
        ("GET", ["clusters", c, "insights-refresh"]) => of("DescribeInsightsRefresh", c),
        ("GET", ["clusters", c, "updates", id]) => Call { id: some(id), ..of("DescribeUpdate", c) },
        ("GET", ["clusters", c, "node-groups"]) => of("ListNodegroups", c),
        ("GET", ["clusters", c, "node-groups", n]) => {
            Call { nodegroup: some(n), ..of("DescribeNodegroup", c) }
        }
        ("POST", ["clusters", c, "node-groups", n, "update-version"]) => {
            Call { nodegroup: some(n), ..of("UpdateNodegroupVersion", c) }
        }
        ("GET", ["clusters", c, "addons"]) => of("ListAddons", c),
        ("GET", ["clusters", c, "addons", a]) => Call { addon: some(a), ..of("DescribeAddon", c) },
        ("POST", ["clusters", c, "addons", a, "update"]) => Call { addon: some(a), ..of("UpdateAddon", c) },
        ("GET", ["clusters", c, "fargate-profiles"]) => of("ListFargateProfiles", c),
        ("GET", ["clusters", c, "fargate-profiles", p]) => {
            Call { id: some(p), ..of("DescribeFargateProfile", c) }
        }
        ("POST", ["clusters", c, "insights"]) => of("ListInsights", c),
        ("GET", ["clusters", c, "insights", id]) => Call { id: some(id), ..of("DescribeInsight", c) },
        // An ARN has slashes; clients that leave them bare are understood too.
        ("GET", ["tags", arn @ ..]) => Call { id: Some(arn.join("/")), ..plain("ListTagsForResource") },
        ("POST", ["tags", arn @ ..]) => Call { id: Some(arn.join("/")), ..plain("TagResource") },
        ("DELETE", ["tags", arn @ ..]) => Call { id: Some(arn.join("/")), ..plain("UntagResource") },
        _ => plain("Unknown"),
    }
}
