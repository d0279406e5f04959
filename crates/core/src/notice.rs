//! Reads an AWS Health notice about the end of support of EKS versions.
//!
//! A notice is a hint: tolerant in how it may be spelled, strict in what is taken from it. Only which
//! clusters it names, and which communication it is; never a version, a date or a status. What it says may
//! be 72 hours old, and anybody may write text.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::arn::ClusterArn;
use crate::ids::{CampaignId, digest};

/// What is taken from a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The ARN of the Health event.
    pub event_arn: String,
    /// The same for every copy of the same communication: page, reminder of the same text, backup Region.
    pub key: String,
    /// The id of this delivery: the same when it is tried again, another for each copy.
    pub delivery: String,
    /// The clusters it names.
    pub clusters: BTreeSet<ClusterArn>,
    /// What it names that is no cluster's ARN, shortened.
    pub refused_entities: Vec<String>,
}

/// Why an event is not such a notice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotANotice {
    /// Not an EventBridge event at all.
    #[error("not an EventBridge event: {0}")]
    MalformedEvent(&'static str),
    /// Sent by somebody who is not AWS Health.
    #[error("its source is {0:?}, not aws.health")]
    ForeignSource(String),
    /// About something else.
    #[error("it is about {0}, not about a planned lifecycle event of EKS")]
    OtherEvent(String),
    /// It names more than any notice does.
    #[error("it names {0} entities; a page holds at most {ENTITIES_MAX}")]
    TooLarge(usize),
    /// It names no cluster.
    #[error("it names no EKS cluster")]
    NoCluster,
}

impl NotANotice {
    /// Its name in the ledger.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MalformedEvent(_) => "MalformedEvent",
            Self::ForeignSource(_) => "ForeignSource",
            Self::OtherEvent(_) => "OtherEvent",
            Self::TooLarge(_) => "TooLarge",
            Self::NoCluster => "NoCluster",
        }
    }
}

/// Entities that one page may name; EventBridge's 256 KiB hold fewer ARNs than this.
const ENTITIES_MAX: usize = 5_000;
/// Longest identifier that is believed, in bytes.
const IDENTIFIER_BYTES_MAX: usize = 1_600;

const EVENT_TYPE: &str = "AWS_EKS_PLANNED_LIFECYCLE_EVENT";

/// Reads an event. `sources` are the senders that are believed: `aws.health`, and on a local stack its own.
pub fn read(event: &Value, sources: &[&str]) -> Result<Notice, NotANotice> {
    let source = text(event, &["source"]).ok_or(NotANotice::MalformedEvent("it has no source"))?;
    if !sources.contains(&source) {
        return Err(NotANotice::ForeignSource(short(source)));
    }
    let detail = event.get("detail").filter(|detail| detail.is_object());
    let detail = detail.ok_or(NotANotice::MalformedEvent("it has no detail"))?;
    let service = text(detail, &["service"]).unwrap_or_default();
    let event_type = text(detail, &["eventTypeCode"]).unwrap_or_default();
    let category = text(detail, &["eventTypeCategory"]).unwrap_or_default();
    let planned =
        ["scheduledChange", "plannedChange"].iter().any(|known| category.eq_ignore_ascii_case(known));
    if !service.eq_ignore_ascii_case("EKS") || event_type != EVENT_TYPE || !planned {
        return Err(NotANotice::OtherEvent(short(&format!("{service} {event_type} {category}"))));
    }
    let event_arn = text(detail, &["eventArn"])
        .filter(|arn| arn.starts_with("arn:") && arn.len() <= IDENTIFIER_BYTES_MAX)
        .ok_or(NotANotice::MalformedEvent("it has no eventArn"))?;
    let communication = text(detail, &["communicationId"]).unwrap_or_default();
    let account =
        text(detail, &["affectedAccount"]).or_else(|| text(event, &["account"])).unwrap_or_default();
    let (clusters, refused_entities) = entities(event, detail)?;
    if clusters.is_empty() && refused_entities.is_empty() {
        return Err(NotANotice::NoCluster);
    }
    let key = digest(&[event_arn, communication, account]).chars().take(32).collect();
    let delivery = text(event, &["id"]).map_or_else(|| digest(&[&event.to_string()]), short);
    Ok(Notice { event_arn: event_arn.to_owned(), key, delivery, clusters, refused_entities })
}

fn entities(event: &Value, detail: &Value) -> Result<(BTreeSet<ClusterArn>, Vec<String>), NotANotice> {
    let listed = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let mut named: Vec<Value> = listed(detail.get("affectedEntities"))
        .iter()
        .map(|entity| entity.get("entityValue").unwrap_or(entity).clone())
        .collect();
    if named.is_empty() {
        named = listed(event.get("resources"));
    }
    if named.len() > ENTITIES_MAX {
        return Err(NotANotice::TooLarge(named.len()));
    }
    let mut clusters = BTreeSet::new();
    let mut refused = Vec::new();
    for value in named {
        match value.as_str().map(|text| text.trim().parse::<ClusterArn>()) {
            Some(Ok(arn)) => {
                clusters.insert(arn);
            }
            _ => refused.push(readable(value.as_str().unwrap_or("not text"))),
        }
    }
    Ok((clusters, refused))
}

fn text<'a>(value: &'a Value, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| value.get(name)).and_then(Value::as_str).map(str::trim)
}

/// What can stand in a record: a key of the table may not be empty.
fn readable(text: &str) -> String {
    let text = short(text);
    if text.trim().is_empty() { "no readable text".into() } else { text }
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

impl Notice {
    /// The campaign of this delivery. A delivery that is tried again goes on with its own; a copy finds its
    /// clusters claimed by the first one's.
    #[must_use]
    pub fn campaign(&self) -> CampaignId {
        CampaignId::of("notice", &[&self.key, &self.delivery])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn documented() -> Value {
        json!({
            "source": "aws.health", "detail-type": "AWS Health Event", "account": "123456789012",
            "detail": {
                "eventArn": "arn:aws:health:us-east-1::event/EKS/X/X_1", "service": "EKS",
                "eventTypeCode": EVENT_TYPE, "eventTypeCategory": "scheduledChange",
                "communicationId": "c-1", "affectedAccount": "123456789012", "page": "1", "totalPages": "2",
                "affectedEntities": [{"entityValue": "arn:aws:eks:us-east-1:123456789012:cluster/a", "status": "PENDING"}]
            }
        })
    }

    fn changed(path: &str, value: Value) -> Value {
        let mut event = documented();
        *event.pointer_mut(path).unwrap() = value;
        event
    }

    #[test]
    fn copies_pages_and_statuses_share_a_key() {
        let read = |event: &Value| read(event, &["aws.health"]).unwrap();
        let first = read(&documented());
        assert_eq!(first.clusters.len(), 1);
        for event in [
            changed("/detail/page", json!("2")),
            changed("/detail/affectedEntities/0/status", json!("RESOLVED")),
            changed("/detail/eventTypeCategory", json!("plannedChange")),
        ] {
            assert_eq!(read(&event).key, first.key);
        }
        assert_ne!(read(&changed("/detail/communicationId", json!("c-2"))).key, first.key);
    }

    #[test]
    fn what_is_no_notice_is_refused_by_name() {
        let name = |event: &Value| read(event, &["aws.health"]).map_or_else(|e| e.name(), |_| "accepted");
        for (event, expected) in [
            (json!(null), "MalformedEvent"),
            (json!({"source": "aws.health"}), "MalformedEvent"),
            (changed("/source", json!("evil")), "ForeignSource"),
            (changed("/detail/service", json!("EC2")), "OtherEvent"),
            (changed("/detail/eventTypeCode", json!("AWS_EKS_OPERATIONAL_ISSUE")), "OtherEvent"),
            (changed("/detail/eventTypeCategory", json!("issue")), "OtherEvent"),
            (changed("/detail/eventArn", json!(7)), "MalformedEvent"),
            (changed("/detail/affectedEntities", json!([])), "NoCluster"),
        ] {
            assert_eq!(name(&event), expected, "{event}");
        }
    }

    #[test]
    fn an_entity_that_is_no_cluster_is_refused_alone() {
        let event = changed(
            "/detail/affectedEntities",
            json!([
                {"entityValue": "arn:aws:eks:us-east-1:123456789012:cluster/a"}, {"entityValue": "prod"}, 5
            ]),
        );
        let notice = read(&event, &["aws.health"]).unwrap();
        assert_eq!(notice.clusters.len(), 1);
        assert_eq!(notice.refused_entities, ["prod", "not text"]);
    }
}
