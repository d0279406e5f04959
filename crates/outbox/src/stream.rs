//! What Lambda hands on of the table's stream, and what it is answered. The keys are those of `crates/aws/table.rs`.

use eks_upgrade_pipeline::notify::{Line, Of, Record};
use serde_json::{Value, json};

const RUN: &str = "RUN#";
const CAMPAIGN: &str = "CAMPAIGN#";
const ENTRY: &str = "E#";

/// The records of an event of the stream.
#[must_use]
pub fn records(event: &Value) -> Vec<Record> {
    let listed = event["Records"].as_array();
    listed.into_iter().flatten().map(record).collect()
}

/// What Lambda is answered: the record from which on it brings everything again, if there is one.
#[must_use]
pub fn answer(again_from: Option<String>) -> Value {
    let failures: Vec<Value> =
        again_from.into_iter().map(|place| json!({ "itemIdentifier": place })).collect();
    json!({ "batchItemFailures": failures })
}

fn record(record: &Value) -> Record {
    let written = &record["dynamodb"];
    let place = written["SequenceNumber"].as_str().unwrap_or_default().to_owned();
    let key = |name: &str| written["Keys"][name]["S"].as_str().unwrap_or_default();
    // Lines are only ever inserted.
    let line = if record["eventName"] == "INSERT" { line(key("pk"), key("sk")) } else { Line::None };
    Record { place, line }
}

fn line(pk: &str, sk: &str) -> Line {
    let Some(seq) = sk.strip_prefix(ENTRY) else { return Line::None };
    let line = match (pk.strip_prefix(RUN), pk.strip_prefix(CAMPAIGN)) {
        (Some(run), _) => run.parse().ok().map(Of::Run),
        (_, Some(campaign)) => campaign.parse().ok().map(Of::Campaign),
        _ => return Line::None,
    };
    match (line, seq.parse()) {
        (Some(of), Ok(seq)) => Line::New { of, seq },
        _ => Line::Unreadable(format!("{pk} {sk} is no key of a line")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, pk: &str, sk: &str) -> Value {
        let keys = json!({"pk": {"S": pk}, "sk": {"S": sk}});
        json!({"eventName": name, "dynamodb": {"SequenceNumber": "7", "Keys": keys}})
    }

    #[test]
    fn only_new_lines_are_news() {
        let run = |seq| Line::New { of: Of::Run("prod-a-1.35-1".parse().unwrap()), seq };
        let campaign = Line::New { of: Of::Campaign("notice-1".parse().unwrap()), seq: 3 };
        let unreadable = Line::Unreadable("RUN#a b E#00000001 is no key of a line".into());
        for (name, pk, sk, expected) in [
            ("INSERT", "RUN#prod-a-1.35-1", "E#00000012", run(12)),
            ("MODIFY", "RUN#prod-a-1.35-1", "E#00000012", Line::None),
            ("REMOVE", "RUN#prod-a-1.35-1", "E#00000012", Line::None),
            ("INSERT", "RUN#prod-a-1.35-1", "HEAD", Line::None),
            ("INSERT", "CAMPAIGN#notice-1", "E#00000003", campaign),
            ("INSERT", "CAMPAIGN#notice-1", "HEAD", Line::None),
            ("INSERT", "CLUSTER#arn", "LEASE", Line::None),
            ("INSERT", "RUN#a b", "E#00000001", unreadable),
        ] {
            let seen = records(&json!({"Records": [written(name, pk, sk)]}));
            assert_eq!(seen, [Record { place: "7".into(), line: expected }], "{name} {pk} {sk}");
        }
    }

    #[test]
    fn an_answer_names_where_to_begin_again() {
        assert_eq!(answer(None), json!({"batchItemFailures": []}));
        assert_eq!(answer(Some("7".into())), json!({"batchItemFailures": [{"itemIdentifier": "7"}]}));
    }
}
