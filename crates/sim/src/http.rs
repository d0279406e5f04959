//! Requests and answers as the world sees them, and how the AWS protocols spell an error.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::xml::Dialect;

/// A request, as it arrives.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`, `POST`, `DELETE`.
    pub method: String,
    /// The path as sent, still percent-encoded.
    pub path: String,
    /// What stood after `?`, still encoded; empty if nothing did.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as sent.
    pub body: Vec<u8>,
    /// The real instant of arrival, which signatures are made by; unset: the world's own.
    pub received: Option<Timestamp>,
}

/// How an AWS service spells its requests and answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// EKS: paths, and bodies of JSON.
    #[default]
    RestJson,
    /// Health and SSM: a header names the operation, and errors name their type in the body too.
    JsonRpc,
    /// STS, Auto Scaling, EC2: forms, and answers of XML.
    Query(Dialect),
}

impl Request {
    /// The header of that (lower case) name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// An answer, and what the server is to do with it.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// JSON, or XML of the query protocol.
    pub body: String,
    /// Hold the answer that many **real** seconds; what was asked has happened already.
    pub hold_s: f64,
    /// Close the connection without an answer; what was asked has happened already.
    pub dropped: bool,
    /// One line of the request log; none for the control surface.
    pub record: Option<Record>,
}

/// What one request was and did.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Virtual instant of arrival.
    pub at: String,
    /// HTTP method.
    pub method: String,
    /// Path as sent.
    pub path: String,
    /// Name of the API operation; `Unknown` for what is none.
    pub operation: String,
    /// Cluster it named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Node group it named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodegroup: Option<String>,
    /// Add-on it named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addon: Option<String>,
    /// Account it was made for, where that is not the fleet's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Region it was made for, where that is not the fleet's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its body, or its query when it has none.
    pub input: Value,
    /// `clientRequestToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// HTTP status of the answer.
    pub status: u16,
    /// Error type of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Message of that error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The update it started or was given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_id: Option<String>,
    /// Whether it changed the world. A token seen before gives the same update and changes nothing.
    pub mutated: bool,
    /// The answer was never sent.
    pub dropped: bool,
}

/// A refusal, in the words of the service.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) kind: String,
    pub(crate) status: u16,
    pub(crate) message: String,
    members: Box<Map<String, Value>>,
}

impl ApiError {
    pub(crate) fn new(kind: &str, status: u16, message: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), status, message: message.into(), members: Box::default() }
    }

    pub(crate) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", 400, message)
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new("InvalidRequestException", 400, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundException", 404, message)
    }

    pub(crate) fn in_use(message: impl Into<String>) -> Self {
        Self::new("ResourceInUseException", 409, message)
    }

    /// A modelled member beside the message, e.g. `clusterName`.
    pub(crate) fn with(mut self, member: &str, value: &str) -> Self {
        self.members.insert(member.to_owned(), json!(value));
        self
    }

    /// The answer; Health and SSM also name the type in the body.
    pub(crate) fn response(&self, protocol: Protocol, request_id: &str) -> Response {
        let json_rpc = match protocol {
            Protocol::Query(dialect) => {
                let refusal = dialect.refusal(&self.kind, &self.message, request_id);
                return Response::xml(self.status, refusal);
            }
            other => other == Protocol::JsonRpc,
        };
        let mut body = *self.members.clone();
        body.insert("message".to_owned(), json!(self.message));
        if json_rpc {
            body.insert("__type".to_owned(), json!(self.kind));
        }
        let mut response = Response::json(self.status, &Value::Object(body), json_rpc);
        response.headers.push(("x-amzn-errortype".to_owned(), self.kind.clone()));
        response
    }
}

impl Response {
    /// What an operation answers.
    pub(crate) fn of(operation: &str, body: &Value, protocol: Protocol, request_id: &str) -> Self {
        match protocol {
            Protocol::Query(dialect) => Self::xml(200, dialect.answer(operation, body, request_id)),
            other => Self::json(200, body, other == Protocol::JsonRpc),
        }
    }

    fn xml(status: u16, body: String) -> Self {
        let headers = vec![("content-type".to_owned(), "text/xml".to_owned())];
        Self { status, headers, body, hold_s: 0.0, dropped: false, record: None }
    }

    /// An answer of plain text.
    pub(crate) fn text(status: u16, body: String) -> Self {
        let headers = vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())];
        Self { status, headers, body, hold_s: 0.0, dropped: false, record: None }
    }

    /// An answer with a JSON body.
    pub(crate) fn json(status: u16, body: &Value, json_rpc: bool) -> Self {
        let content_type = if json_rpc { "application/x-amz-json-1.1" } else { "application/json" };
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            // As `Display` writes it, without its detour.
            body: serde_json::to_string(body).unwrap_or_default(),
            hold_s: 0.0,
            dropped: false,
            record: None,
        }
    }
}
