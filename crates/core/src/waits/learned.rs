//! What was learned of how long steps take here: by kind, by size, and by version.
//!
//! Every duration is kept under several names, the finest first, such as `node-group/up-to-8/1.35`,
//! `node-group/up-to-8` and `node-group`. A span comes from the finest that has been seen often enough.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Span;
use crate::plan::StepKind;
use crate::version::Minor;

/// How long steps took here, as thousandths of what they usually take: the last under each name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned(BTreeMap<String, Vec<u32>>);

/// Samples that are kept under a name.
const SAMPLES_MAX: usize = 100;
/// Fewer say nothing about a quantile.
const SAMPLES_MIN: usize = 20;
/// Versions that are kept of what has versions: EKS supports seven minors at a time, and add-ons go with them. With
/// it the whole stays below 300 KB, where an item of the table may have 400 KB.
const VERSIONS_MAX: usize = 8;

/// The first look comes at this many hundredths of what 5 in 100 stay below. What is over by the first look may have
/// been over for long: looking a little before lets what was learned follow when EKS becomes quicker.
const FIRST_LOOK_PERCENT: u64 = 90;

/// The names under which steps like one are kept.
struct Names {
    /// Of all of its kind.
    kind: String,
    /// Of those of its size, where its length hangs on that.
    sized: Option<String>,
    /// Major and minor of what it goes to, where it has them.
    version: Option<(u32, u32)>,
}

impl Names {
    fn of(kind: &StepKind) -> Option<Self> {
        let plain = |kind: String, version| Some(Self { kind, sized: None, version });
        let sized = |kind: &str, size, to| {
            Some(Self {
                kind: kind.to_owned(),
                sized: Some(format!("{kind}/up-to-{}", size_class(size))),
                version: Some(of_minor(to)),
            })
        };
        match kind {
            StepKind::ControlPlane { to, .. } => plain("control-plane".into(), Some(of_minor(*to))),
            StepKind::RollBack { to, .. } => plain("roll-back".into(), Some(of_minor(*to))),
            StepKind::AddOn { name, to, .. } => plain(format!("add-on/{name}"), Some(to.major_minor())),
            StepKind::CoreComponent { name, .. } => plain(format!("core-component/{name}"), None),
            StepKind::NodeGroup { to, size, max_unavailable, .. } => {
                sized("node-group", batches(*size, *max_unavailable), *to)
            }
            StepKind::SelfManagedNodes { to, size, surge, .. } => {
                sized("self-managed-nodes", batches(*size, *surge), *to)
            }
            StepKind::FargatePods { workloads, to } => {
                sized("fargate-pods", u32::try_from(workloads.len()).unwrap_or(u32::MAX), *to)
            }
            StepKind::SupportType { .. }
            | StepKind::Bake { .. }
            | StepKind::Follow { .. }
            | StepKind::Verify => None,
        }
    }

    /// The key under which versions are kept apart.
    fn family(&self) -> &str {
        self.sized.as_ref().unwrap_or(&self.kind)
    }

    fn finest_first(&self) -> impl Iterator<Item = String> {
        let exact = self.version.map(|(major, minor)| format!("{}/{major}.{minor}", self.family()));
        exact.into_iter().chain(self.sized.clone()).chain([self.kind.clone()])
    }
}

fn of_minor(minor: Minor) -> (u32, u32) {
    (1, u32::from(minor.number()))
}

fn batches(size: u32, at_a_time: u32) -> u32 {
    size.div_ceil(at_a_time.max(1))
}

/// The power of two that a size does not exceed: groups of 5 and of 8 nodes take alike, next to one of 40.
fn size_class(size: u32) -> u64 {
    u64::from(size.max(1)).next_power_of_two()
}

impl Learned {
    /// Takes in how long a step took.
    pub fn learn(&mut self, kind: &StepKind, took_s: u32) {
        let Some(names) = Names::of(kind) else { return };
        let usual_s = u64::from(Span::of(kind).typical_s.max(1));
        let thousandths = u32::try_from(u64::from(took_s) * 1000 / usual_s).unwrap_or(u32::MAX);
        for name in names.finest_first() {
            let samples = self.0.entry(name).or_default();
            samples.push(thousandths);
            if samples.len() > SAMPLES_MAX {
                samples.remove(0);
            }
        }
        self.forget_old_versions(names.family());
    }

    fn forget_old_versions(&mut self, family: &str) {
        let version = |name: &String| {
            let (major, minor) = name.strip_prefix(family)?.strip_prefix('/')?.split_once('.')?;
            Some(((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?), name.clone()))
        };
        let mut versions: Vec<((u32, u32), String)> = self.0.keys().filter_map(version).collect();
        versions.sort_unstable();
        for (_, name) in versions.iter().rev().skip(VERSIONS_MAX) {
            self.0.remove(name);
        }
    }

    /// The span of one step, by what was learned where that is enough.
    #[must_use]
    pub fn span(&self, kind: &StepKind) -> Span {
        let usual = Span::of(kind);
        let names = Names::of(kind);
        let mut kept = names.iter().flat_map(Names::finest_first).filter_map(|name| self.0.get(&name));
        let Some(samples) = kept.find(|samples| samples.len() >= SAMPLES_MIN) else {
            return usual;
        };
        let mut sorted = samples.clone();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let thousandths = sorted[(sorted.len() - 1) * percent / 100];
            let seconds = u64::from(usual.typical_s) * u64::from(thousandths) / 1000;
            u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
        };
        let early_s = u32::try_from(u64::from(at(5)) * FIRST_LOOK_PERCENT / 100).unwrap_or(u32::MAX).max(1);
        // Longer than it ever should is an alarm, not an expectation: it must not keep steps from fitting a window.
        let p95_s = at(95).min(usual.late_s);
        Span { early_s, typical_s: at(50), p95_s, late_s: usual.late_s.max(p95_s), share: usual.share }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::policy::NodeStrategy;
    use crate::waits::{ADD_ON, later};

    fn add_on() -> StepKind {
        let version = |text: &str| text.parse().unwrap();
        StepKind::AddOn { name: "coredns".into(), from: version("v1.1.0"), to: version("v1.2.0") }
    }

    #[test]
    fn few_samples_say_nothing() {
        let mut learned = Learned::default();
        for _ in 1..SAMPLES_MIN {
            learned.learn(&add_on(), 30);
        }
        assert_eq!(learned.span(&add_on()), Span::of(&add_on()));
    }

    #[test]
    fn what_was_seen_replaces_the_guess_for_its_kind_alone() {
        let mut learned = Learned::default();
        for took_s in 1..=100 {
            learned.learn(&add_on(), took_s);
        }
        let span = learned.span(&add_on());
        assert!((3..=6).contains(&span.early_s) && (49..=51).contains(&span.typical_s), "{span:?}");
        assert!((94..=96).contains(&span.p95_s), "{span:?}");
        let StepKind::AddOn { from, to, .. } = add_on() else { unreachable!() };
        let other = StepKind::AddOn { name: "vpc-cni".into(), from, to };
        assert_eq!(learned.span(&other), Span::of(&other));
    }

    #[test]
    fn old_samples_are_forgotten_and_outliers_bounded() {
        let mut learned = Learned::default();
        for took_s in [90_000; SAMPLES_MAX] {
            learned.learn(&add_on(), took_s);
        }
        assert_eq!(learned.span(&add_on()).p95_s, ADD_ON.late_s, "no window would hold it else");
        for took_s in [60; SAMPLES_MAX] {
            learned.learn(&add_on(), took_s);
        }
        assert_eq!(learned.span(&add_on()).p95_s, 60);
    }

    fn control_plane(to: u8) -> StepKind {
        StepKind::ControlPlane { from: Minor::new(to - 1).unwrap(), to: Minor::new(to).unwrap() }
    }

    fn node_group(to: u8, size: u32) -> StepKind {
        StepKind::NodeGroup {
            name: "a".into(),
            from: Minor::new(to - 1).unwrap(),
            to: Minor::new(to).unwrap(),
            strategy: NodeStrategy::Rolling,
            launch_template: None,
            custom_ami: false,
            size,
            max_unavailable: 1,
        }
    }

    #[test]
    fn a_version_seen_often_enough_speaks_for_itself_and_others_go_by_the_kind() {
        let mut learned = Learned::default();
        for _ in 0..SAMPLES_MIN {
            learned.learn(&control_plane(34), 600);
        }
        for _ in 0..SAMPLES_MIN {
            learned.learn(&control_plane(35), 900);
        }
        assert_eq!(learned.span(&control_plane(34)).typical_s, 600);
        assert_eq!(learned.span(&control_plane(35)).typical_s, 900);
        assert_eq!(learned.span(&control_plane(36)).typical_s, 600, "half of all took 600");
        assert_eq!(learned.span(&control_plane(36)).p95_s, 900);
    }

    #[test]
    fn a_group_goes_by_those_of_its_size_and_where_there_are_too_few_by_all() {
        let mut learned = Learned::default();
        let usual_s = |size| Span::of(&node_group(35, size)).typical_s;
        for _ in 0..SAMPLES_MIN {
            learned.learn(&node_group(35, 8), usual_s(8) / 2);
        }
        // Five to eight nodes are of a size; of another version still, and another size goes by the ratio.
        assert_eq!(learned.span(&node_group(35, 5)).typical_s, usual_s(5) / 2);
        assert_eq!(learned.span(&node_group(36, 6)).typical_s, usual_s(6) / 2);
        assert_eq!(learned.span(&node_group(36, 40)).typical_s, usual_s(40) / 2);
        for _ in 0..SAMPLES_MIN {
            learned.learn(&node_group(36, 40), usual_s(40));
        }
        assert_eq!(learned.span(&node_group(35, 33)).typical_s, usual_s(33));
        assert_eq!(learned.span(&node_group(35, 8)).typical_s, usual_s(8) / 2);
    }

    #[test]
    fn what_was_learned_before_versions_and_sizes_were_told_apart_still_counts() {
        let old = format!(r#"{{"control-plane":[{0}],"node-group":[{0}],"add-on/coredns":[{0}]}}"#, {
            let samples: Vec<String> = (0..SAMPLES_MIN).map(|_| "1500".to_owned()).collect();
            samples.join(",")
        });
        let mut learned: Learned = serde_json::from_str(&old).unwrap();
        assert_eq!(learned.span(&control_plane(35)).typical_s, 900);
        assert_eq!(learned.span(&add_on()).typical_s, 180);
        learned.learn(&control_plane(35), 600);
        assert_eq!(learned.span(&control_plane(35)).typical_s, 900, "one is too few");
        let written = serde_json::to_string(&learned).unwrap();
        assert_eq!(serde_json::from_str::<Learned>(&written).unwrap(), learned);
    }

    #[test]
    fn the_oldest_versions_are_forgotten_by_number_and_not_by_letter() {
        let mut learned = Learned::default();
        let newest = 90 + u8::try_from(VERSIONS_MAX).unwrap();
        for to in 90..=newest + 5 {
            learned.learn(&control_plane(to), 600);
        }
        let kept: Vec<&String> = learned.0.keys().filter(|name| name.contains('/')).collect();
        assert_eq!(kept.len(), VERSIONS_MAX);
        assert!(learned.0.contains_key(&format!("control-plane/1.{}", newest + 5)), "{kept:?}");
        assert!(!learned.0.contains_key("control-plane/1.90"), "{kept:?}");
    }

    #[test]
    fn what_is_learned_follows_when_everything_becomes_quicker() {
        let mut learned = Learned::default();
        let step = control_plane(35);
        let start = Timestamp::UNIX_EPOCH;
        // Only what is looked at is known: a change is over when a look finds it so.
        let seen_s = |span: Span, took_s: u32| {
            let mut at_s = 0;
            while at_s < took_s {
                at_s += span.pause_s(start, later(start, at_s));
            }
            at_s
        };
        for took_s in [600; SAMPLES_MAX] {
            learned.learn(&step, seen_s(learned.span(&step), took_s));
        }
        for took_s in [240; 5 * SAMPLES_MAX] {
            learned.learn(&step, seen_s(learned.span(&step), took_s));
        }
        let span = learned.span(&step);
        assert!((216..=280).contains(&span.typical_s), "{span:?}");
    }
}
