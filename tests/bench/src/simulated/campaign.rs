//! Many clusters in one campaign, with and without a limit on the calls that the account may make.
//!
//! What is throttled is tried again as where it ships: by the SDK, up to twice and within three seconds, and then by the
//! state machine, which lets the function begin anew after a delay with full jitter. A function that pauses holds up no
//! other. Calls take no time: a function makes all of its own at one instant. The limit holds from when the notice was
//! taken in.

use std::collections::BTreeMap;
use std::sync::Arc;

use eks_upgrade_core::ledger::{Ending, Event};
use eks_upgrade_simulation::throttle::{Asked, Limit, Throttle};
use serde::Serialize;
use serde_json::{Value, json};

use super::Unmeasured;
use super::clusters;
use super::stage::{Crowd, Stage, each};

/// Clusters of a campaign, unless told otherwise: standard ones, each one minor behind.
pub const CLUSTERS: usize = 200;
/// How many clusters a notice lists at most; of more there are several notices, and each is a campaign.
pub const NOTICED_MAX: usize = 5_000;
/// The most clusters that a wave may have.
const WAVE_MAX: usize = 200;
/// How many of a campaign's clusters are upgraded at once: the most that a policy allows.
const AT_ONCE: u32 = 40;
/// The limits, by the calls a second in the long run.
const LIMITS_A_SECOND: [Option<u32>; 4] = [None, Some(10), Some(5), Some(2)];
/// Calls that the account may make at once after a rest. A function makes all of its own at one instant here, so there
/// have to be more than any function makes.
const AT_ONCE_CALLS: u32 = 250;

/// How a campaign went.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CampaignRow {
    /// The limit, in calls a second; none without one.
    pub limit_a_second: Option<u32>,
    /// Clusters in it.
    pub clusters: usize,
    /// Of those, how many were upgraded.
    pub completed: usize,
    /// How long it took, in hours.
    pub hours: f64,
    /// Calls to EKS.
    pub calls: usize,
    /// Calls a second, from the first to the last.
    pub calls_a_second: f64,
    /// The same in the minute with the most.
    pub busiest_a_second: f64,
    /// Of 100 calls, how many were throttled.
    pub throttled_percent: f64,
    /// Updates that were done in the time in which all are without a limit, of 100.
    pub done_percent: f64,
}

/// One campaign, to its end.
struct Told {
    asked: Vec<Asked>,
    /// When each update was known to be done.
    done_s: Vec<i64>,
    completed: usize,
}

impl Told {
    fn last_s(&self) -> i64 {
        self.done_s.iter().max().copied().unwrap_or_default()
    }

    fn done_by(&self, at_s: i64) -> usize {
        self.done_s.iter().filter(|done_s| **done_s <= at_s).count()
    }
}

/// A row a limit.
pub fn measure(seed: u64, clusters: usize) -> Result<Vec<CampaignRow>, Unmeasured> {
    // The one with the least takes the longest, and comes first.
    let limits: Vec<Option<u32>> = LIMITS_A_SECOND.into_iter().rev().collect();
    let count = u64::try_from(limits.len()).unwrap_or_default();
    let limit = |at: u64| usize::try_from(at).ok().and_then(|at| limits.get(at).copied().flatten());
    let mut told = each(0, count, |at| tell(seed, clusters, limit(at), false))?;
    told.reverse();
    let free = told.first().ok_or(Unmeasured::Nothing)?;
    Ok(LIMITS_A_SECOND.iter().zip(&told).map(|(limit, told)| row(*limit, clusters, told, free)).collect())
}

fn row(limit_a_second: Option<u32>, clusters: usize, told: &Told, free: &Told) -> CampaignRow {
    let mut minutes: BTreeMap<i64, usize> = BTreeMap::new();
    for asked in &told.asked {
        *minutes.entry(asked.at_s / 60).or_default() += 1;
    }
    let first_s = told.asked.first().map_or(0, |asked| asked.at_s);
    let lasted_s = told.asked.last().map_or(0, |asked| asked.at_s) - first_s;
    let throttled = told.asked.iter().filter(|asked| !asked.taken).count();
    let busiest = minutes.into_values().max().unwrap_or_default();
    CampaignRow {
        limit_a_second,
        clusters,
        completed: told.completed,
        hours: number(lasted_s) / 3_600.0,
        calls: told.asked.len(),
        calls_a_second: number(told.asked.len()) / number(lasted_s),
        busiest_a_second: number(busiest) / 60.0,
        throttled_percent: 100.0 * number(throttled) / number(told.asked.len()),
        done_percent: 100.0 * number(told.done_by(free.last_s())) / number(free.done_s.len()),
    }
}

/// None of these counts is beyond what a `u32` holds.
fn number(count: impl TryInto<u32>) -> f64 {
    count.try_into().map_or(f64::NAN, f64::from)
}

fn tell(seed: u64, count: usize, limit_a_second: Option<u32>, by_sdk: bool) -> Result<Told, Unmeasured> {
    let names: Vec<String> = (0..count).map(|at| format!("c{at:03}")).collect();
    let fleet: Vec<Value> = names.iter().map(|name| clusters::standard(name, 1)).collect();
    let throttle = Arc::new(Throttle::default());
    let crowd = Crowd { throttle: throttle.clone(), by_sdk };
    let stage = Stage::crowded(seed, &fleet, &policy(count), crowd)?;
    for (place, listed) in names.chunks(NOTICED_MAX).enumerate() {
        stage.take(&notice(place, listed))?;
    }
    if let Some(a_second) = limit_a_second {
        throttle.limit(Limit { a_second, at_once: AT_ONCE_CALLS });
    }
    stage.play()?;
    let (mut done_s, mut completed) = (Vec::new(), 0);
    for (_, lines) in stage.ledgers() {
        for line in lines {
            let entry = line.open()?;
            match entry.event {
                Event::Succeeded { .. } => done_s.push(entry.at.as_second()),
                Event::Ended(Ending::Completed) => completed += 1,
                _ => {}
            }
        }
    }
    Ok(Told { asked: throttle.asked(), done_s, completed })
}

/// One ring, and as much of it in one wave as a policy allows.
fn policy(count: usize) -> Value {
    let wave = count.min(WAVE_MAX);
    json!({
        "target": "next", "bake": {"duration": "0s"}, "clustersAtOnce": AT_ONCE,
        "rings": {"tag": "env", "order": [{"name": "all", "waves": [wave], "soak": "0s"}]},
    })
}

/// The notice at this place, which lists these.
fn notice(place: usize, names: &[String]) -> Value {
    let arn = |name: &String| format!("arn:aws:eks:us-east-1:123456789012:cluster/{name}");
    let entities: Vec<Value> =
        names.iter().map(|name| json!({"entityValue": arn(name), "status": "PENDING"})).collect();
    let kind = "AWS_EKS_PLANNED_LIFECYCLE_EVENT";
    json!({
        "version": "0", "id": format!("delivery-{place}"), "detail-type": "AWS Health Event", "source": "aws.health",
        "account": "123456789012", "region": "us-east-1", "time": "2026-08-18T09:12:44Z",
        "detail": {
            "eventArn": format!("arn:aws:health:us-east-1::event/EKS/{kind}/{kind}_{place}"), "service": "EKS",
            "eventTypeCode": kind, "eventTypeCategory": "scheduledChange", "communicationId": format!("c-{place}"),
            "affectedAccount": "123456789012", "affectedEntities": entities, "page": "1", "totalPages": "1",
            "backupEvent": "false",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_throttles_and_all_are_upgraded_none_the_less() {
        let free = tell(1, 12, None, false).unwrap();
        assert_eq!(free.completed, 12);
        assert!(free.asked.iter().all(|asked| asked.taken));
        let limited = tell(1, 12, Some(1), false).unwrap();
        assert_eq!(limited.completed, 12);
        assert!(limited.asked.iter().any(|asked| !asked.taken));
        assert!(limited.done_by(free.last_s()) <= free.done_s.len());
    }

    #[test]
    fn what_is_throttled_is_tried_again_as_the_sdk_does() {
        let throttled = |by_sdk| {
            let asked = tell(1, 12, Some(1), by_sdk).unwrap().asked;
            number(asked.iter().filter(|asked| !asked.taken).count()) / number(asked.len())
        };
        let (ours, sdk) = (throttled(false), throttled(true));
        assert!((ours - sdk).abs() < 0.05, "of all calls {ours} were throttled, and by the SDK {sdk}");
    }
}
