//! Events at the intake function: notices of AWS Health, the daily sweep, and what is neither.
//!
//! From the bytes on, as Lambda hands them over. Whatever comes, the one cluster that is due and opted in is the only
//! one that is upgraded; what is refused is on record, once, in one sentence; and a delivery that is tried again
//! adds nothing.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use eks_upgrade_core::arn::Home;
use eks_upgrade_core::contract::{CampaignInput, IntakeAnswer};
use eks_upgrade_core::ids::CampaignId;
use eks_upgrade_core::ledger::Sealed;
use eks_upgrade_core::notice::read;
use eks_upgrade_core::policy::PolicyDocument;
use eks_upgrade_pipeline::intake::Intake;
use eks_upgrade_pipeline::memory::Memory;
use serde_json::Value;

use crate::eks::{Clusters, DUE, Still};
use crate::{sentence, settled};

/// DynamoDB's longest sort key, in bytes: under such keys it is kept what became of what a notice names.
const KEY_BYTES_MAX: usize = 1_024;

/// What is on record, and what was started.
type Kept = (BTreeMap<CampaignId, Vec<Sealed>>, Vec<CampaignInput>);

/// Checks one input.
pub fn check(input: &[u8]) {
    let Ok(event) = serde_json::from_slice::<Value>(input) else { return };
    let memory = Memory::default();
    let answer = take(&memory, &event);
    settled::check(&answer);
    let first = kept(&memory);
    let (records, started) = &first;
    match &answer {
        IntakeAnswer::Refused { code, message } => {
            assert!(read(&event, &["aws.health"]).is_err(), "{code}: it reads");
            sentence::check(message);
            assert_eq!(memory.kept().refused.values().collect::<Vec<_>>(), [code]);
            assert!(records.is_empty() && started.is_empty(), "{code}, and it began");
        }
        IntakeAnswer::Campaign { upgrades, left_alone, .. } => {
            assert!(upgrades.iter().all(|arn| arn == DUE), "{upgrades:?}");
            left_alone.iter().for_each(|left| sentence::check(&left.text));
        }
        IntakeAnswer::Duplicate | IntakeAnswer::NothingDue => assert!(started.is_empty()),
    }
    for (notice, subject) in memory.kept().claims.keys() {
        assert!(!notice.is_empty() && (1..=KEY_BYTES_MAX).contains(&subject.len()), "{subject:?} is no key");
    }
    assert!(started.len() <= 1, "{started:?}");
    take(&memory, &event);
    let second = kept(&memory);
    assert_eq!(second.1, first.1, "the second time started more");
    // A second sweep may put on record what is at rest by now.
    let sweep = event.get("trigger").is_some();
    assert!(sweep || second.0 == first.0, "the second time added to it");
}

fn kept(memory: &Memory) -> Kept {
    let kept = memory.kept();
    (kept.records.clone(), kept.started.clone())
}

fn take(memory: &Memory, event: &Value) -> IntakeAnswer {
    let home = Home::of_arn("arn:aws:lambda:us-east-1:123456789012:function:eks-upgrade-intake");
    let intake = Intake {
        eks: Clusters,
        health: Clusters,
        ledger: memory,
        campaigns: memory,
        time: Still,
        policy: PolicyDocument::default(),
        home: home.expect("it reads"),
        sources: vec!["aws.health".to_owned()],
    };
    finish(intake.take(event)).unwrap_or_else(|error| panic!("{error}"))
}

/// Memory never waits: a few polls are enough.
fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("it waits for something")
}
