//! How long upgrades take, next to the least that EKS needs for them.
//!
//! The policy lets as many node groups and add-ons go at once as it can, so that only the plan's own order binds: the
//! bound is then the longest way through the plan.

use eks_upgrade_core::waits::Learned;
use serde::Serialize;
use serde_json::{Value, json};

use super::Unmeasured;
use super::clusters::{self, TARGET};
use super::course::{Course, Lost};
use super::stage::{Stage, each};
use crate::figures::Spread;

/// Clusters a row.
pub const CLUSTERS: u64 = 1_000;
/// Upgrades that a deployment has done once it goes by what it learned: every kind and size was seen often enough then.
const TAUGHT: u64 = 100;
/// The name of the one cluster of an account.
const NAME: &str = "c0";

/// How a deployment does.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MakespanRow {
    /// How many upgrades it had done before.
    pub taught: u64,
    /// How many clusters it upgraded.
    pub clusters: u64,
    /// How much longer the upgrades took than EKS needed for them, in hundredths of that.
    pub over_bound_percent: Spread,
    /// The bound, in seconds.
    pub bound_s: Spread,
    /// Where the time went, a cluster, in the mean.
    pub lost: Lost,
}

/// Both rows: a new deployment, and one that has learned.
pub fn measure(seed: u64) -> Result<Vec<MakespanRow>, Unmeasured> {
    let first = seed.wrapping_mul(1_000_000);
    let taught = teach(first + CLUSTERS, TAUGHT)?;
    Ok(vec![row(first, 0, &Learned::default())?, row(first, TAUGHT, &taught)?])
}

/// What a deployment learns from so many upgrades, one after the other.
fn teach(from: u64, upgrades: u64) -> Result<Learned, Unmeasured> {
    (from..from + upgrades).try_fold(Learned::default(), |learned, seed| {
        let stage = upgraded(seed, learned)?;
        Ok(stage.learned())
    })
}

fn row(from: u64, taught: u64, learned: &Learned) -> Result<MakespanRow, Unmeasured> {
    let told = each(from, CLUSTERS, |seed| tell(seed, learned.clone()))?;
    let over = |course: &Course| 100.0 * (course.makespan_s() / course.bound_s() - 1.0);
    let mean = |part: fn(&Lost) -> f64| {
        let parts = told.iter().map(|course| part(&course.lost())).collect();
        Spread::of(parts).map_or(f64::NAN, |spread| spread.mean)
    };
    Ok(MakespanRow {
        taught,
        clusters: CLUSTERS,
        over_bound_percent: Spread::of(told.iter().map(over).collect()).ok_or(Unmeasured::Nothing)?,
        bound_s: Spread::of(told.iter().map(Course::bound_s).collect()).ok_or(Unmeasured::Nothing)?,
        lost: Lost {
            control_planes_s: mean(|lost| lost.control_planes_s),
            add_ons_s: mean(|lost| lost.add_ons_s),
            node_groups_s: mean(|lost| lost.node_groups_s),
            between_s: mean(|lost| lost.between_s),
        },
    })
}

/// The course of the upgrade of the cluster of this seed.
fn tell(seed: u64, learned: Learned) -> Result<Course, Unmeasured> {
    let stage = upgraded(seed, learned)?;
    let ledgers = stage.ledgers();
    let [(_, lines)] = &ledgers[..] else { return Err(stage.not_plain("it is not one run".into())) };
    let course = Course::read(lines, &stage.cluster(NAME))?.map_err(|why| stage.not_plain(why))?;
    // A run that is quicker than its bound shows a bound that is none.
    if course.makespan_s() < course.bound_s() {
        return Err(stage.not_plain("it was quicker than it can be".into()));
    }
    Ok(course)
}

/// The cluster of this seed, upgraded.
fn upgraded(seed: u64, learned: Learned) -> Result<Stage, Unmeasured> {
    let cluster = clusters::random(NAME, &mut fastrand::Rng::with_seed(seed));
    let stage = Stage::new(seed, &[cluster], &unbound())?.knowing(learned);
    stage.upgrade(&json!({"cluster": NAME, "target": TARGET}))?;
    Ok(stage)
}

/// The most that a policy allows at once.
fn unbound() -> Value {
    json!({"nodeGroupsAtOnce": 20, "addonsAtOnce": 20, "bake": {"duration": "0s"}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_takes_the_same_and_what_is_lost_is_all_that_is_over_the_bound() {
        for seed in 0..12 {
            let course = tell(seed, Learned::default()).unwrap();
            let again = tell(seed, Learned::default()).unwrap();
            assert_eq!((course.makespan_s(), course.bound_s()), (again.makespan_s(), again.bound_s()));
            let Lost { control_planes_s, add_ons_s, node_groups_s, between_s } = course.lost();
            let lost_s = control_planes_s + add_ons_s + node_groups_s + between_s;
            // The way that was waited for may be another than the longest: then less of it is EKS's.
            assert!(course.makespan_s() - lost_s <= course.bound_s() + 0.001, "{seed}: {course:?}");
            assert!(lost_s > 0.0, "{seed}: {course:?}");
        }
    }

    #[test]
    fn what_was_learned_is_gone_by() {
        let learned = teach(1, 30).unwrap();
        assert_ne!(learned, Learned::default());
        let took = |learned| tell(99, learned).unwrap().makespan_s();
        assert!((took(learned) - took(Learned::default())).abs() > 0.5);
    }
}
