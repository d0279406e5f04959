//! The fleet file of the simulator.
//!
//! It is refused in one sentence, or the world that it describes lives through a day, answers whoever reads it, and
//! is the same world each time.

use eks_upgrade_sim::fleet::Fleet;
use eks_upgrade_sim::{Request, World};
use jiff::{SignedDuration, Timestamp};

use crate::sentence;

/// Beyond this a fleet is large, and not more interesting.
const INPUT_BYTES_MAX: usize = 8 * 1_024;

/// A roll of more nodes takes seconds, and is not more interesting.
const NODES_MAX: u32 = 40;

/// Checks one input.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if text.len() > INPUT_BYTES_MAX {
        return;
    }
    match Fleet::parse(text) {
        Ok(fleet)
            if fleet
                .clusters
                .iter()
                .flat_map(|cluster| &cluster.nodegroups)
                .map(|group| group.size)
                .sum::<u32>()
                > NODES_MAX => {}
        Ok(fleet) => {
            let (first, second) = (day(fleet.clone()), day(fleet));
            assert_eq!(first, second, "the same fleet made two worlds");
        }
        Err(error) => sentence::check(&error.to_string()),
    }
}

/// What a world answers in a day: every six hours all clusters are read, and each is upgraded once.
fn day(fleet: Fleet) -> Vec<(u16, String)> {
    let start = fleet.start;
    let clusters: Vec<(String, String)> =
        fleet.clusters.iter().map(|cluster| (cluster.name.clone(), cluster.version.to_string())).collect();
    let mut world = World::new(fleet, start);
    let mut answers = Vec::new();
    for hour in (0..24).step_by(6) {
        let Ok(now) = start.checked_add(SignedDuration::from_hours(hour)) else { break };
        for (name, version) in &clusters {
            let path = format!("/clusters/{name}");
            answers.push(call(&mut world, now, "GET", &path, String::new()));
            answers.push(call(&mut world, now, "GET", &format!("{path}/node-groups"), String::new()));
            answers.push(call(&mut world, now, "POST", &format!("{path}/insights"), "{}".into()));
            if hour == 6 {
                let above = version
                    .strip_prefix("1.")
                    .and_then(|minor| minor.parse::<u32>().ok())
                    .map_or(0, |minor| minor + 1);
                let body = format!(r#"{{"version": "1.{above}"}}"#);
                answers.push(call(&mut world, now, "POST", &format!("{path}/updates"), body));
            }
        }
    }
    if let Ok(end) = start.checked_add(SignedDuration::from_hours(24)) {
        world.advance(end);
        assert!(world.next_event().is_none_or(|next| next > end), "what was due did not happen");
    }
    answers
}

fn call(world: &mut World, now: Timestamp, method: &str, path: &str, body: String) -> (u16, String) {
    let request =
        Request { method: method.into(), path: path.into(), body: body.into_bytes(), ..Request::default() };
    let answer = world.handle(now, &request);
    assert!(
        answer.status < 500 || answer.body.contains("message"),
        "{method} {path}: {} {}",
        answer.status,
        answer.body
    );
    (answer.status, answer.body)
}
