//! Answers in XML: the AWS query protocol, which STS and Auto Scaling speak, and EC2's dialect of it.

use serde_json::Value;

/// Whose XML it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// STS.
    Sts,
    /// EC2 Auto Scaling.
    AutoScaling,
    /// EC2, which wraps answers and refusals otherwise.
    Ec2,
}

impl Dialect {
    /// The one of a request that names that version of an API; STS when it names none that is known.
    pub(crate) fn of_version(version: Option<&str>) -> Self {
        match version {
            Some("2011-01-01") => Self::AutoScaling,
            Some("2016-11-15") => Self::Ec2,
            _ => Self::Sts,
        }
    }

    fn namespace(self) -> &'static str {
        match self {
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::AutoScaling => "http://autoscaling.amazonaws.com/doc/2011-01-01/",
            Self::Ec2 => "http://ec2.amazonaws.com/doc/2016-11-15/",
        }
    }

    /// What the entries of a list are called.
    fn entry(self) -> &'static str {
        match self {
            Self::Sts | Self::AutoScaling => "member",
            Self::Ec2 => "item",
        }
    }

    /// Objects become elements, their members elements in them; what is null is left out.
    fn elements(self, value: &Value) -> String {
        match value {
            Value::Object(members) => {
                let there = members.iter().filter(|(_, value)| !value.is_null());
                there.map(|(name, value)| self.element(name, value)).collect()
            }
            Value::Array(entries) => entries.iter().map(|entry| self.element(self.entry(), entry)).collect(),
            Value::String(text) => escaped(text),
            other => other.to_string(),
        }
    }

    fn element(self, name: &str, value: &Value) -> String {
        format!("<{name}>{}</{name}>", self.elements(value))
    }

    /// The answer of `operation`; null when it answers nothing.
    pub(crate) fn answer(self, operation: &str, body: &Value, request_id: &str) -> String {
        let inside = match (self, body) {
            (Self::Ec2, body) => format!("<requestId>{request_id}</requestId>{}", self.elements(body)),
            (_, Value::Null) => metadata(request_id),
            (_, body) => {
                let result = self.element(&format!("{operation}Result"), body);
                format!("{result}{}", metadata(request_id))
            }
        };
        format!("<{operation}Response xmlns=\"{}\">{inside}</{operation}Response>", self.namespace())
    }

    /// A refusal, in the caller's responsibility.
    pub(crate) fn refusal(self, code: &str, message: &str, request_id: &str) -> String {
        let said = format!("<Code>{}</Code><Message>{}</Message>", escaped(code), escaped(message));
        match self {
            Self::Ec2 => format!(
                "<Response><Errors><Error>{said}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
            ),
            Self::Sts | Self::AutoScaling => format!(
                "<ErrorResponse xmlns=\"{}\"><Error><Type>Sender</Type>{said}</Error>\
                 <RequestId>{request_id}</RequestId></ErrorResponse>",
                self.namespace()
            ),
        }
    }
}

fn metadata(request_id: &str) -> String {
    format!("<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>")
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
        let text = Dialect::Sts.answer("GetCallerIdentity", &json!({"User": {"Arn": "<&>"}}), "1");
        assert!(text.contains("<User><Arn>&lt;&amp;&gt;</Arn></User>"), "{text}");
        let refusal = Dialect::Sts.refusal("AccessDenied", "a \"b\"", "1");
        assert!(refusal.contains("<Message>a &quot;b&quot;</Message>"));
    }

    #[test]
    fn lists_are_spelled_as_each_service_does() {
        let body = json!({"NextToken": null, "Size": 3, "Zones": ["a", "b"]});
        let spelled = |dialect: Dialect| dialect.answer("X", &body, "1");
        let text = spelled(Dialect::AutoScaling);
        assert!(
            text.contains(
                "<XResult><Size>3</Size><Zones><member>a</member><member>b</member></Zones></XResult>"
            ),
            "{text}"
        );
        let text = spelled(Dialect::Ec2);
        assert!(text.contains("<requestId>1</requestId><Size>3</Size><Zones><item>a</item>"), "{text}");
    }

    #[test]
    fn an_answer_of_nothing_has_no_result() {
        let text = Dialect::AutoScaling.answer("SuspendProcesses", &Value::Null, "1");
        assert!(!text.contains("Result") && text.contains("<RequestId>1</RequestId>"), "{text}");
    }
}
