//! The rule that ships, as the hop's decision applies it, and how it learns.

use eks_upgrade_core::plan::StepKind;
use eks_upgrade_core::waits::{Learned, Span, later};
use jiff::Timestamp;

use crate::durations::{Kind, Steps, World};
use crate::wait::{Waited, wait};

/// When the decision looks at one update that is alone in flight, in seconds after its beginning. A look is one
/// invocation of the decide function, which asks EKS one thing: `DescribeUpdate`.
pub fn looks(span: Span) -> impl Iterator<Item = f64> {
    let since = Timestamp::UNIX_EPOCH;
    let mut at_s = 0_u32;
    std::iter::repeat_with(move || {
        at_s = at_s.saturating_add(span.pause_s(since, later(since, at_s)));
        f64::from(at_s)
    })
}

/// One wait by what was learned so far, and by what usually is where that is too little.
#[must_use]
pub fn wait_for(step: &StepKind, lasted_s: f64, learned: &Learned) -> Waited {
    wait(looks(learned.span(step)), lasted_s)
}

/// What is learned from so many steps of each kind. As in the product, what a step took is what was seen of it: up to
/// the look that found it over.
#[must_use]
pub fn history(observations: u32, steps: &Steps, world: World, rng: &mut fastrand::Rng) -> Learned {
    let mut learned = Learned::default();
    for _ in 0..observations {
        for draw in [Kind::control_plane, Kind::add_on, Kind::node_group] {
            let kind = draw(rng);
            let (step, lasted_s) = (steps.of(kind), world.lasts_s(kind, rng));
            let known_s = wait_for(&step, lasted_s, &learned).known_s;
            if let Some(took_s) = known_s.and_then(whole_seconds) {
                learned.learn(&step, took_s);
            }
        }
    }
    learned
}

/// A look of ours is at a whole second.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
fn whole_seconds(at_s: f64) -> Option<u32> {
    (0.0..=f64::from(u32::MAX)).contains(&at_s).then_some(at_s as u32)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these times are sums of whole seconds")]
mod tests {
    use super::*;

    #[test]
    fn it_is_quiet_first_and_closest_at_the_usual_time() {
        let span = Span::of(&Steps::new().unwrap().of(Kind::ControlPlane));
        let at_s: Vec<f64> = looks(span).take(14).collect();
        assert_eq!(at_s[..4], [400.0, 466.0, 495.0, 513.0]);
        assert!(at_s[1..].iter().any(|at_s| (590.0..610.0).contains(at_s)), "{at_s:?}");
    }

    #[test]
    fn a_history_moves_the_first_look() {
        let world = World { pace: 2.0, ..World::ANCHORED };
        let steps = Steps::new().unwrap();
        let learned = history(40, &steps, world, &mut fastrand::Rng::with_seed(7));
        let span = learned.span(&steps.of(Kind::ControlPlane));
        assert!(span.early_s > 540 && (1_050..1_400).contains(&span.typical_s), "{span:?}");
    }

    #[test]
    fn seconds_are_whole() {
        assert_eq!(whole_seconds(600.0), Some(600));
        assert_eq!((whole_seconds(-1.0), whole_seconds(f64::NAN)), (None, None));
    }
}
