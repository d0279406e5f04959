//! The policy file.
//!
//! It is refused in one sentence that names a place in it, or it reads; then it can be summarised, written, and read
//! again as the same policy, and every cluster gets a policy out of it that can be kept in a ledger.

use std::collections::BTreeMap;

use eks_upgrade_core::policy::{PolicyDocument, PolicyError};
use eks_upgrade_core::window::{Admission, Schedule, Work};
use jiff::{SignedDuration, Timestamp};

use crate::{sentence, settled};

/// Clusters and tags that selectors may mean.
const CLUSTERS: [(&str, &str); 3] = [
    ("arn:aws:eks:us-east-1:123456789012:cluster/prod-a", "prod"),
    ("arn:aws:eks:eu-central-1:210987654321:cluster/staging", "staging"),
    ("arn:aws-us-gov:eks:us-gov-west-1:123456789012:cluster/x", ""),
];

/// Windows beyond this many take their time, quadratically: no deployment has them.
const INPUT_BYTES_MAX: usize = 8 * 1_024;

/// Tuesday 18 August 2026, 09:15 UTC.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_787_044_500).expect("it is an instant")
}

/// Checks one input.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if text.len() > INPUT_BYTES_MAX {
        return;
    }
    match PolicyDocument::read(text) {
        Ok(document) => understood(&document),
        Err(error) => refused(text, &error),
    }
}

fn refused(text: &str, error: &PolicyError) {
    sentence::check(&error.to_string());
    match error {
        PolicyError::Form { line, column, .. } => {
            // YAML begins a line after a carriage return, too.
            let lines = u64::try_from(text.split(['\n', '\r']).count()).unwrap_or(u64::MAX);
            assert!(*line >= 1 && *line <= lines + 1 && *column >= 1, "{error}: it has {lines} lines");
        }
        PolicyError::Sense(_) => {}
        PolicyError::Tag { .. } => panic!("no cluster has a part in it: {error}"),
    }
}

fn understood(document: &PolicyDocument) {
    settled::check(document);
    let written = serde_json::to_string(document).expect("settled");
    let again = PolicyDocument::read(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
    assert_eq!(again, *document);
    assert_eq!(again.hash(), document.hash());
    document.doubts(now()).iter().for_each(|doubt| sentence::check(doubt));
    for (arn, env) in CLUSTERS {
        let arn = arn.parse().expect("it reads");
        let tags = BTreeMap::from([("env".to_owned(), env.to_owned())]);
        let policy = document.for_cluster(&arn, &tags).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(policy.document, document.hash());
        settled::check(&policy);
        admits(&policy.schedule);
    }
}

/// Whatever the schedule, it has an answer: now, later, or never.
pub(crate) fn admits(schedule: &Schedule) {
    for work in Work::ALL {
        match schedule.admits(work, SignedDuration::from_mins(40), now()) {
            Admission::Open { until } => assert!(until.is_none_or(|until| until > now())),
            Admission::Closed { opens, why } => {
                assert!(opens > now(), "{opens} is no later time");
                sentence::check(&why.to_string());
                let then = schedule.admits(work, SignedDuration::from_mins(40), opens);
                assert!(matches!(then, Admission::Open { .. }), "at {opens} it is {then:?}");
            }
            Admission::Never { why } => sentence::check(&why.to_string()),
        }
    }
}
