//! What a simulation promises of itself: the same seed is the same story, and stories without chance end as they should.
#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]

use eks_upgrade_simulation::run::{run, tell};
use eks_upgrade_simulation::story::Story;
use eks_upgrade_simulation::trace::Happened;
use serde_json::json;

#[test]
fn the_same_seed_gives_the_same_trace_and_another_another() {
    let hash = |seed| run(&Story::of(seed), None).trace.hash();
    let hashes: Vec<String> = (40..50).map(hash).collect();
    assert_eq!((40..50).map(hash).collect::<Vec<_>>(), hashes);
    let mut distinct = hashes.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), hashes.len());
}

#[test]
fn what_is_not_translated_or_read_again_is_the_same_story() {
    for seed in 50..60 {
        let story = Story::of(seed);
        let [whole, short] = [true, false].map(|whole| tell(&story, None, whole));
        assert_eq!(whole.trace.readable(), short.trace.readable(), "seed {seed}");
        // Told once more, all of it has been said before.
        assert_eq!(tell(&story, None, false).trace.hash(), whole.trace.hash(), "seed {seed}");
    }
}

#[test]
fn a_dozen_stories_keep_every_rule() {
    for seed in 100..112 {
        let outcome = run(&Story::of(seed), None);
        assert_eq!(outcome.objections, [], "seed {seed}");
    }
}

#[test]
fn a_written_story_is_told_without_chance() {
    let story: Story = serde_json::from_value(json!({
        "fleet": {
            "start": "2026-08-18T09:15:00Z", "health_events": [],
            "clusters": [{"name": "c0", "version": "1.34", "nodegroups": [{"name": "web"}], "addons": [{"name": "coredns"}]}],
        },
        "policy": {"bake": {"duration": "0s"}},
        "events": [[0, {"start": {"cluster": "c0", "target": "1.35"}}], [600, "sweep"], [601, "heal"]],
    }))
    .unwrap();
    let outcome = run(&story, None);
    assert_eq!(outcome.objections, []);
    let entered = |wanted: &str| {
        let all = outcome.trace.all();
        all.iter().any(|(_, happened)| matches!(happened, Happened::Entered { state, .. } if state == wanted))
    };
    assert!(entered("UpgradeControlPlane") && entered("RollNodeGroup") && entered("Upgraded"));
}
