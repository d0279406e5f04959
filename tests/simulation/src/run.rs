//! One simulation: from its story to what the judge makes of it.

use std::sync::{Arc, Mutex};

use eks_upgrade_core::control::Answer;
use eks_upgrade_judge::{Objection, Rule, What, judge};
use eks_upgrade_pipeline::ports::Time;
use eks_upgrade_sim::World;
use eks_upgrade_sim::fleet::Fleet;
use eks_upgrade_support::{Faults, Mishap, Table, VirtualClock};
use jiff::Timestamp;

use crate::chance::Chance;
use crate::deployment::Deployment;
use crate::inside;
use crate::lie::Lie;
use crate::story::{Event, START, Story, Weather};
use crate::trace::{Happened, Trace};
use crate::wire::Wire;

/// What came of a story.
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// Everything that happened.
    pub trace: Trace,
    /// What the judge objects to.
    pub objections: Vec<Objection>,
    /// How much time passed in it, in seconds.
    pub virtual_s: i64,
}

/// Lambda tries an asynchronous event so often (two retries), waiting a minute and two between.
const TRIES: usize = 3;

/// The longest story so far has a fifth of this: what has more goes round in circles.
const HAPPENINGS_MAX: usize = 20_000;

/// One story in so many is told the long way.
const WHOLE_EVERY: u64 = 100;

/// Tells a story to its end, and has it judged.
///
/// # Panics
/// When the story is not one: a fleet or a policy that does not read is a mistake of the generator.
#[must_use]
pub fn run(story: &Story, lie: Option<Lie>) -> Outcome {
    tell(story, lie, story.seed.is_multiple_of(WHOLE_EVERY))
}

/// The same. The `whole` of it is told the long way: the SDK translates everything that EKS says, and every reading of
/// a ledger begins with its first line. Otherwise what was translated or read before is not again.
///
/// # Panics
/// As [`run`] does.
#[must_use]
pub fn tell(story: &Story, lie: Option<Lie>, whole: bool) -> Outcome {
    let start: Timestamp = START.parse().expect("an instant");
    let clock = VirtualClock::starting_at(start);
    let faults = Arc::new(Faults::default());
    let table = Table::new(faults.clone());
    let table = Arc::new(if whole { table } else { table.reading_on() });
    let trace = Trace::new(clock.clone(), table.clone());
    let weather = Arc::new(Mutex::new(story.weather));
    befall(&faults, weather.clone(), story.seed, trace.clone());
    let fleet =
        Fleet::parse(&story.fleet.to_string()).unwrap_or_else(|error| panic!("seed {}: {error}", story.seed));
    let mut world = World::new(fleet, start);
    if story.is_inside() {
        world.reach_kubernetes_at(inside::endpoint());
    }
    let wire = Wire::new(world, clock.clone(), faults.clone(), trace.clone(), lie);
    let deployment = Deployment::new(wire, table, clock, trace.clone(), lie);
    let deployment = if whole { deployment.translating_all() } else { deployment };
    let deployment = if story.is_inside() { deployment.with_insides() } else { deployment };
    deployment.deploy(&story.policy);
    Director { deployment: &deployment, start, weather: &weather, faults: &faults }.play(story);
    let restless = trace.len() > HAPPENINGS_MAX;
    deployment.leave();
    trace.tell(What::Over);
    let virtual_s = deployment.clock.now().as_second() - start.as_second();
    let mut objections = match lie {
        Some(lie) => {
            let mut told = trace.told();
            lie.bend(&mut told);
            judge(&told)
        }
        None => trace.judged(),
    };
    if restless {
        let text = format!("more than {HAPPENINGS_MAX} things happened, and it goes on");
        objections.push(Objection { rule: Rule::Endings, at_s: deployment.clock.now().as_second(), text });
    }
    // What draws mishaps holds the trace, which holds the table, which holds it: none of them would ever be dropped.
    faults.by(|| None);
    Outcome { seed: story.seed, objections, trace, virtual_s }
}

/// Draws what befalls functions at each of their port calls.
fn befall(faults: &Faults, weather: Arc<Mutex<Weather>>, seed: u64, trace: Trace) {
    let mut chance = Chance::new(seed, 2);
    faults.by(move || {
        let Weather { dies, fails } = *weather.lock().expect("nobody panics with it");
        let mishap = if chance.rarely(dies) {
            chance.pick(&[Mishap::DiesBefore, Mishap::DiesAfter])
        } else if chance.rarely(fails) {
            chance.pick(&[Mishap::FailsBefore, Mishap::FailsAfter])
        } else {
            return None;
        };
        trace.add(Happened::Mishap(mishap));
        Some(mishap)
    });
}

struct Director<'a> {
    deployment: &'a Deployment,
    start: Timestamp,
    weather: &'a Mutex<Weather>,
    faults: &'a Faults,
}

impl Director<'_> {
    fn play(&self, story: &Story) {
        let mut agenda: Vec<(i64, Event, usize)> =
            story.events.iter().map(|(minute, event)| (self.at(*minute), event.clone(), 1)).collect();
        agenda.reverse();
        let mut starts = 0;
        let mut healed = false;
        while let Some((at_s, event, tries)) = agenda.pop() {
            self.until(at_s);
            healed |= matches!(event, Event::Heal);
            if self.is_restless() || healed && self.is_quiet(&agenda) {
                break;
            }
            let again = self.happen(&event, &mut starts);
            if again && tries < TRIES {
                let later = (self.now_s() + 60 * i64::try_from(tries).unwrap_or(1), event, tries + 1);
                let place = agenda.partition_point(|(at_s, ..)| *at_s > later.0);
                agenda.insert(place, later);
            }
        }
    }

    fn at(&self, minute: u32) -> i64 {
        self.start.as_second() + i64::from(minute) * 60
    }

    fn now_s(&self) -> i64 {
        self.deployment.clock.now().as_second()
    }

    /// Lets everything go on until then.
    fn until(&self, at_s: i64) {
        while self.now_s() < at_s && !self.is_restless() {
            if !self.deployment.turn(at_s) {
                let left = at_s - self.now_s();
                self.deployment.clock.advance(left);
            }
        }
        // What is due at this very instant comes first.
        while self.deployment.is_due() && !self.is_restless() && self.deployment.turn(at_s) {}
    }

    fn is_restless(&self) -> bool {
        self.deployment.trace.len() > HAPPENINGS_MAX
    }

    /// Whether nothing runs, and a sweep that comes later would find nothing either: then only sweeps are left.
    fn is_quiet(&self, agenda: &[(i64, Event, usize)]) -> bool {
        let routine = |event: &Event| matches!(event, Event::Sweep | Event::Answer { .. } | Event::Resume);
        !self.deployment.is_busy()
            && agenda.iter().all(|(_, event, _)| routine(event))
            && self.now_s() > self.at(crate::story::HEALS_M + 3 * 24 * 60)
    }

    /// Lets an event happen; whether it has to be tried again.
    fn happen(&self, event: &Event, starts: &mut usize) -> bool {
        let deployment = self.deployment;
        match event {
            Event::Notice(notice) => return !deployment.take(notice),
            Event::Sweep => return !deployment.take(&serde_json::json!({"trigger": "sweep"})),
            Event::Start(request) => {
                *starts += 1;
                deployment.start(&format!("by-hand-{starts}"), request);
            }
            Event::Switch(thrown) => deployment.switch(*thrown),
            Event::Consent { cluster, scope, hours } => deployment.consent(cluster, scope, *hours),
            Event::Answer { yes, wakes } => {
                deployment.answer(if *yes { Answer::Approve } else { Answer::Reject }, *wakes);
            }
            Event::Abort { which, alone } => deployment.abort(*which, *alone),
            Event::Table { down } => {
                deployment.trace.say(if *down { "the table is down" } else { "the table is up" });
                self.faults.table_down(*down);
            }
            Event::Jump(minutes) => {
                deployment.trace.say(format!("every clock jumps ahead by {minutes} minutes"));
                deployment.clock.advance(i64::from(*minutes) * 60);
            }
            Event::Deploy(policy) => deployment.deploy(policy),
            Event::Resume => {
                for request in deployment.interrupted() {
                    *starts += 1;
                    deployment.start(&format!("by-hand-{starts}"), &request);
                }
            }
            Event::Heal => {
                deployment.trace.tell(What::Healed);
                deployment.wire.world().heal();
                *self.weather.lock().expect("nobody panics with it") = Weather::default();
            }
        }
        false
    }
}
