//! A hundred thousand mutations of the documented notice.

use eks_upgrade_core::contract::IntakeAnswer;
use eks_upgrade_pipeline::memory::Memory;

use crate::judge::{documented, fleet, objections};
use crate::mutate::mutated;
use crate::random::Random;

const MUTATIONS: usize = 100_000;
/// In so many tests, so that they run side by side.
const SHARES: u64 = 4;

fn share(seed: u64) {
    let original = documented();
    let mut fleet = fleet();
    let mut random = Random::seeded(seed);
    let (mut campaigns, mut refused) = (0_usize, 0_usize);
    let mutations = MUTATIONS / usize::try_from(SHARES).unwrap();
    for number in 0..mutations {
        let event = mutated(&original, &mut random);
        let place = || {
            let text: String = event.to_string().chars().take(3_000).collect();
            format!("mutation {number} of seed {seed}: {text}")
        };
        fleet.table.memory = Memory::default();
        let answer = fleet.take(&event).unwrap_or_else(|| panic!("it died: {}", place()));
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {}", place()));
        for campaign in &fleet.campaigns() {
            assert_eq!(objections(&fleet, campaign), Vec::<String>::new(), "{}", place());
            campaigns += usize::from(!campaign.1.is_empty());
        }
        let kept = fleet.table.memory.kept();
        if let IntakeAnswer::Refused { code, message } = answer {
            assert!(!code.is_empty() && message.chars().count() < 500, "{}", place());
            assert_eq!(kept.refused.len(), 1, "not recorded: {}", place());
            refused += 1;
        }
    }
    assert_eq!(fleet.eks.arrived(), 0, "intake changes nothing in EKS");
    // Both sides of the line were walked.
    assert!(campaigns > mutations / 10, "{campaigns} campaigns");
    assert!(refused > mutations / 10, "{refused} refused");
}

#[test]
fn first_share_starts_nothing_that_eks_does_not_justify() {
    share(1);
}

#[test]
fn second_share_starts_nothing_that_eks_does_not_justify() {
    share(2);
}

#[test]
fn third_share_starts_nothing_that_eks_does_not_justify() {
    share(3);
}

#[test]
fn fourth_share_starts_nothing_that_eks_does_not_justify() {
    share(SHARES);
}
