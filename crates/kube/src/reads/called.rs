//! Deprecated APIs that somebody called: the API server counts them in its metrics.
//!
//! It is the memory of the one server that answers, since its start; EKS runs two or more. That nothing is told here
//! proves nothing. EKS's own insights look at the audit logs of all of them.

use std::collections::BTreeMap;

use eks_upgrade_core::inside::Called;

use crate::failed::Failed;
use crate::link::Link;

const METRIC: &str = "apiserver_requested_deprecated_apis{";

/// What was called, each once.
pub(super) async fn called(link: &Link) -> Result<Vec<Called>, Failed> {
    let mut called = link.lines("kubernetes:get /metrics", "/metrics", line).await?;
    // The same resource has a line more for each subresource.
    called.sort();
    called.dedup();
    Ok(called)
}

/// A line of the metric in Prometheus' text format: `NAME{label="value",…} 1`.
fn line(line: &str) -> Option<Called> {
    let (labels, value) = line.strip_prefix(METRIC)?.rsplit_once('}')?;
    let is_set = value.split_whitespace().next()?.parse::<f64>().ok()? > 0.0;
    let labels = labels_of(labels);
    let of = |name: &str| labels.get(name).cloned().unwrap_or_default();
    is_set.then(|| Called {
        group: of("group"),
        version: of("version"),
        resource: of("resource"),
        removed: of("removed_release"),
    })
}

/// The labels in `name="value",…`; within a value a backslash stands before what would end it.
fn labels_of(mut text: &str) -> BTreeMap<&str, String> {
    let mut labels = BTreeMap::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let (value, rest) = value_of(rest);
        labels.insert(name.trim_start_matches(','), value);
        text = rest;
    }
    labels
}

/// A value up to the quote that ends it, and what follows that.
fn value_of(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped)) => value.push(escaped),
                None => {}
            },
            char => value.push(char),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_was_called() {
        let text = r#"apiserver_requested_deprecated_apis{group="policy",removed_release="1.25",resource="podsecuritypolicies",subresource="",version="v1beta1"} 1"#;
        let called = line(text).unwrap();
        assert_eq!((called.group.as_str(), called.version.as_str()), ("policy", "v1beta1"));
        assert_eq!((called.resource.as_str(), called.removed.as_str()), ("podsecuritypolicies", "1.25"));
    }

    #[test]
    fn other_lines_tell_nothing() {
        for text in [
            "# HELP apiserver_requested_deprecated_apis [STABLE] Gauge",
            r#"apiserver_requested_deprecated_apis_total{group="a"} 1"#,
            r#"apiserver_requested_deprecated_apis{group="a",version="v1"} 0"#,
            r#"apiserver_requested_deprecated_apis{group="a",version="v1"}"#,
            "",
        ] {
            assert_eq!(line(text), None, "{text}");
        }
    }

    #[test]
    fn values_end_where_they_end() {
        let labels = labels_of(r#"a="with \" quote, and=\"more\"",b="\\",c="x\ny""#);
        assert_eq!(labels["a"], "with \" quote, and=\"more\"");
        assert_eq!((labels["b"].as_str(), labels["c"].as_str()), ("\\", "x\ny"));
        assert_eq!(labels_of("").len(), 0);
    }
}
