//! The tags of a cluster, which override the policy for it.
//!
//! Each line of an input is a tag, `key=value`; a line without `=` is the value of the next of our own tags. Tags are
//! refused by the name of one that the cluster has, or give a policy that can be kept and asked.

use std::collections::BTreeMap;

use eks_upgrade_core::policy::{PolicyDocument, PolicyError, TAGS};

use crate::policy::admits;
use crate::{sentence, settled};

/// A tag's value has up to 256 characters, and a cluster up to 50 tags (AWS).
const VALUE_CHARS_MAX: usize = 256;
const TAGS_MAX: usize = 50;

const DOCUMENT: &str = "
rings: {tag: env, order: [{name: dev}, {name: prod, waves: [1, 5], soak: 4h}]}
windows: [{days: [sat, sun], start: '22:00', duration: 4h, timeZone: Europe/Berlin}]
approvals: [{before: run, clusters: {tags: {env: prod}}}]
overrides: [{clusters: {tags: {env: prod}}, bake: {duration: 24h, onFailure: roll-back}}]
";

/// Checks one input.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let tags = tags(text);
    let document = PolicyDocument::read(DOCUMENT).expect("it reads");
    let arn = "arn:aws:eks:us-east-1:123456789012:cluster/prod-a".parse().expect("it reads");
    match document.for_cluster(&arn, &tags) {
        Ok(policy) => {
            settled::check(&policy);
            admits(&policy.schedule);
        }
        Err(error @ PolicyError::Tag { tag, .. }) => {
            sentence::check(&error.to_string());
            assert!(tags.contains_key(tag), "{error}: it has no such tag");
        }
        Err(error) => panic!("the document is in order: {error}"),
    }
    assert_eq!(
        document.opted_in(&tags),
        tags.get("eks-upgrade:enabled").is_some_and(|value| value == "true")
    );
}

fn tags(text: &str) -> BTreeMap<String, String> {
    let mut own = TAGS.iter().cycle();
    let pair = |line: &str| {
        let (key, value) =
            line.split_once('=').unwrap_or_else(|| (own.next().copied().unwrap_or_default(), line));
        (key.to_owned(), value.chars().take(VALUE_CHARS_MAX).collect())
    };
    text.lines().take(TAGS_MAX).map(pair).collect()
}
