//! Answers of the AWS query protocol, which STS speaks: XML.

use serde_json::Value;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The answer of `operation`: objects become elements, their members elements in them.
pub(crate) fn answer(operation: &str, body: &Value, request_id: &str) -> String {
    let result = elements(body);
    format!(
        "<{operation}Response xmlns=\"{NAMESPACE}\"><{operation}Result>{result}</{operation}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    )
}

/// A refusal, in the caller's responsibility.
pub(crate) fn refusal(code: &str, message: &str, request_id: &str) -> String {
    let (code, message) = (escaped(code), escaped(message));
    format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
}

fn elements(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let inside = members.iter().map(|(name, value)| (name, elements(value)));
            inside.fold(String::new(), |text, (name, inside)| format!("{text}<{name}>{inside}</{name}>"))
        }
        Value::String(text) => escaped(text),
        other => other.to_string(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_become_elements_and_text_is_escaped() {
        let text = answer("GetCallerIdentity", &json!({"User": {"Arn": "<&>"}}), "1");
        assert!(text.contains("<User><Arn>&lt;&amp;&gt;</Arn></User>"), "{text}");
        assert!(refusal("AccessDenied", "a \"b\"", "1").contains("<Message>a &quot;b&quot;</Message>"));
    }
}
