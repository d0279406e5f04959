//! The second protocol of Health: Smithy RPC v2 with CBOR, which the Rust SDK speaks where boto3 speaks
//! JSON. Translated at the edge, so that the world knows one form of a request only.

use ciborium::Value as Cbor;
use serde_json::{Map, Number, Value};

use crate::http::{Request, Response};

/// Where such requests go, up to the operation's name.
const PREFIX: &str = "/service/AWSHealth_20160804/operation/";
/// The tag of a CBOR value that is an instant, in seconds since 1970 (RFC 8949, 3.4.2).
const INSTANT: u64 = 1;
/// Nesting that is read; Health's shapes are far flatter.
const DEPTH_MAX: usize = 32;

/// The same request in the JSON protocol; `None` when it is not one of this protocol.
#[must_use]
pub fn to_json(request: &Request) -> Option<Request> {
    let operation = request.path.strip_prefix(PREFIX)?;
    let body = if request.body.is_empty() {
        Some(Value::Object(Map::new()))
    } else {
        ciborium::from_reader(request.body.as_slice()).ok().and_then(|body| json_of(body, DEPTH_MAX))
    };
    let mut headers = request.headers.clone();
    headers.push(("x-amz-target".to_owned(), format!("AWSHealth_20160804.{operation}")));
    Some(Request {
        path: "/".to_owned(),
        headers,
        // What does not read stays unreadable, and is refused as that.
        body: body.map_or_else(|| request.body.clone(), |body| body.to_string().into_bytes()),
        ..request.clone()
    })
}

/// The answer's headers and body in this protocol.
#[must_use]
pub fn from_json(response: &Response) -> (Vec<(String, String)>, Vec<u8>) {
    let body: Value = serde_json::from_str(&response.body).unwrap_or(Value::Null);
    let mut bytes = Vec::new();
    // Writing to memory does not fail.
    let _ = ciborium::into_writer(&cbor_of(None, body), &mut bytes);
    let mut headers: Vec<(String, String)> =
        response.headers.iter().filter(|(name, _)| name != "content-type").cloned().collect();
    headers.push(("content-type".to_owned(), "application/cbor".to_owned()));
    headers.push(("smithy-protocol".to_owned(), "rpc-v2-cbor".to_owned()));
    (headers, bytes)
}

fn json_of(value: Cbor, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    Some(match value {
        Cbor::Null => Value::Null,
        Cbor::Bool(flag) => Value::Bool(flag),
        Cbor::Text(text) => Value::String(text),
        Cbor::Integer(number) => Value::Number(i64::try_from(number).ok()?.into()),
        Cbor::Float(number) => Value::Number(Number::from_f64(number)?),
        Cbor::Tag(INSTANT, inner) => json_of(*inner, depth)?,
        Cbor::Array(items) => {
            Value::Array(items.into_iter().map(|item| json_of(item, depth)).collect::<Option<_>>()?)
        }
        Cbor::Map(entries) => {
            let entries = entries.into_iter().map(|(key, value)| match key {
                Cbor::Text(key) => Some((key, json_of(value, depth)?)),
                _ => None,
            });
            Value::Object(entries.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Health's members that are instants all end in `Time`, and no other number of its does.
fn cbor_of(member: Option<&str>, value: Value) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(flag) => Cbor::Bool(flag),
        Value::String(text) => Cbor::Text(text),
        Value::Number(number) => {
            let instant = member.is_some_and(|name| name.ends_with("Time"));
            let plain = match number.as_i64() {
                Some(whole) if !instant => Cbor::Integer(whole.into()),
                _ => Cbor::Float(number.as_f64().unwrap_or(0.0)),
            };
            if instant { Cbor::Tag(INSTANT, Box::new(plain)) } else { plain }
        }
        Value::Array(items) => Cbor::Array(items.into_iter().map(|item| cbor_of(member, item)).collect()),
        Value::Object(fields) => Cbor::Map(
            fields
                .into_iter()
                .map(|(name, value)| {
                    let translated = cbor_of(Some(&name), value);
                    (Cbor::Text(name), translated)
                })
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_reads_the_same_in_both_protocols() {
        let mut body = Vec::new();
        let filter = cbor_of(None, json!({"filter": {"eventArns": ["arn:aws:health:x"]}, "maxResults": 10}));
        ciborium::into_writer(&filter, &mut body).unwrap();
        let path = format!("{PREFIX}DescribeAffectedEntities");
        let request = Request { method: "POST".into(), path, body, ..Request::default() };
        let translated = to_json(&request).unwrap();
        assert_eq!(translated.header("x-amz-target"), Some("AWSHealth_20160804.DescribeAffectedEntities"));
        let body: Value = serde_json::from_slice(&translated.body).unwrap();
        assert_eq!(body, json!({"filter": {"eventArns": ["arn:aws:health:x"]}, "maxResults": 10}));
    }

    #[test]
    fn instants_are_tagged() {
        let value = cbor_of(None, json!({"lastUpdatedTime": 12.5, "count": 3}));
        let Cbor::Map(entries) = value else { panic!("no map") };
        assert!(entries.iter().any(|(_, value)| *value == Cbor::Tag(1, Box::new(Cbor::Float(12.5)))));
        assert!(entries.iter().any(|(_, value)| *value == Cbor::Integer(3.into())));
    }

    #[test]
    fn hostile_nesting_is_not_followed() {
        let deep = (0..10_000).fold(Cbor::Null, |inner, _| Cbor::Array(vec![inner]));
        assert_eq!(json_of(deep, DEPTH_MAX), None);
    }
}
