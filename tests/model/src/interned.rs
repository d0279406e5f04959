//! What was met so far: worlds and points in invocations, each kept once and named by a number.
//!
//! A point in an invocation is a request with the answers that it had so far. What the use case does next at a point is
//! found out once, by running the shipped future with just these answers; what a port call does to a world is found out
//! once, too. Exploring the product of all that is then a matter of looking up.

use std::collections::HashMap;
use std::sync::Arc;

use eks_upgrade_core::ids::Fence;
use jiff::Timestamp;

use crate::desk::{Answered, Asked, Fixtures};
use crate::function::{Invocation, Reply, Request};
use crate::world::{Caller, Fate, Flaw, World};

/// A world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorldId(u32);

/// A point in an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PointId(u32);

/// One answer to an invocation.
#[derive(Clone, Debug)]
struct Fed {
    place: usize,
    answered: Answered,
    now: Timestamp,
}

/// A point in an invocation.
#[derive(Debug)]
pub struct Point {
    /// The request.
    pub request: Arc<Request>,
    /// The port calls that wait for an answer, by their places.
    pub open: Vec<(usize, Asked)>,
    /// The reply, once there is one.
    pub reply: Option<Reply>,
    /// Who held the lease when it last made sure: by an accepted write or a read of the lease.
    checked: Option<Fence>,
    /// When its invocation began.
    began: Timestamp,
    /// The point before, and what was answered there.
    before: Option<(PointId, Fed)>,
}

/// Everything that was met.
#[derive(Debug, Default)]
pub struct Interned {
    worlds: Vec<Arc<World>>,
    world_ids: HashMap<String, WorldId>,
    points: Vec<Arc<Point>>,
    first_ids: HashMap<String, PointId>,
    next_ids: HashMap<(PointId, String), PointId>,
    effects: HashMap<(WorldId, PointId, usize, Fate), (WorldId, PointId)>,
    /// Whether a fresh execution completes from a world.
    pub recovers: HashMap<WorldId, bool>,
}

impl Interned {
    /// How many worlds and points there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.worlds.len(), self.points.len())
    }

    /// What was noted in any world.
    #[must_use]
    pub fn notes(&self) -> std::collections::BTreeSet<crate::world::Note> {
        self.worlds.iter().flat_map(|world| world.notes.iter().copied()).collect()
    }

    /// The world of this number.
    #[must_use]
    pub fn world(&self, id: WorldId) -> Arc<World> {
        Arc::clone(&self.worlds[id.0 as usize])
    }

    /// The point of this number.
    #[must_use]
    pub fn point(&self, id: PointId) -> Arc<Point> {
        Arc::clone(&self.points[id.0 as usize])
    }

    /// The number of a world.
    pub fn keep(&mut self, world: World) -> WorldId {
        let next = WorldId(u32::try_from(self.worlds.len()).unwrap());
        let worlds = &mut self.worlds;
        *self.world_ids.entry(world.text()).or_insert_with(|| {
            worlds.push(Arc::new(world));
            next
        })
    }

    /// The first point of an invocation. What is read off the clock before the first port call stands in the point.
    pub fn first(&mut self, request: &Request, fixtures: &Arc<Fixtures>, now: Timestamp) -> PointId {
        let next = self.next_point();
        let key = format!("{now} {request:?}");
        if let Some(known) = self.first_ids.get(&key) {
            return *known;
        }
        let invocation = Invocation::begin(request, fixtures, now);
        self.points.push(Arc::new(Point {
            request: Arc::new(request.clone()),
            open: invocation.open(),
            reply: invocation.reply().cloned(),
            checked: None,
            began: now,
            before: None,
        }));
        self.first_ids.insert(key, next);
        next
    }

    /// What becomes of the world, and of an invocation, by one of its port calls.
    ///
    /// # Panics
    /// When no port call is open at that place.
    pub fn go(
        &mut self,
        (world, point, place, fate): (WorldId, PointId, usize, Fate),
        fixtures: &Arc<Fixtures>,
        flaw: Option<Flaw>,
    ) -> (WorldId, PointId) {
        if let Some(known) = self.effects.get(&(world, point, place, fate)) {
            return *known;
        }
        let at = self.point(point);
        let (_, asked) = at.open.iter().find(|(open, _)| *open == place).expect("a port call is open there");
        let mut next = (*self.world(world)).clone();
        let caller = Caller { request: &at.request, checked: at.checked, invocation: point.0 };
        let answered = next.take(asked, fate, caller, flaw);
        let made_sure = matches!(answered, Answered::Written(Ok(())) | Answered::Lease(_));
        let checked = if made_sure { next.holder() } else { at.checked };
        let fed = Fed { place, answered, now: next.now };
        let reached = (self.keep(next), self.feed(point, fed, checked, fixtures));
        self.effects.insert((world, point, place, fate), reached);
        reached
    }

    fn feed(&mut self, id: PointId, fed: Fed, checked: Option<Fence>, fixtures: &Arc<Fixtures>) -> PointId {
        let key = (id, format!("{} {} {checked:?} {}", fed.place, fed.answered.text(), fed.now));
        if let Some(known) = self.next_ids.get(&key) {
            return *known;
        }
        let at = self.point(id);
        let mut answers = vec![fed.clone()];
        let mut back = Arc::clone(&at);
        while let Some((before, fed)) = &back.before {
            answers.push(fed.clone());
            back = self.point(*before);
        }
        let mut invocation = Invocation::begin(&at.request, fixtures, at.began);
        for Fed { place, answered, now } in answers.into_iter().rev() {
            invocation.answer(place, answered, now);
        }
        let next = self.next_point();
        self.points.push(Arc::new(Point {
            request: Arc::clone(&at.request),
            open: invocation.open(),
            reply: invocation.reply().cloned(),
            checked,
            began: at.began,
            before: Some((id, fed)),
        }));
        self.next_ids.insert(key, next);
        next
    }

    fn next_point(&self) -> PointId {
        PointId(u32::try_from(self.points.len()).unwrap())
    }
}
