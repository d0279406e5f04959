//! Whether a world can still be brought to its end: everything that ran has stopped, and one more execution meets no
//! fault.

use eks_upgrade_core::ids::Fence;
use jiff::SignedDuration;

use crate::function::{Invocation, Reply, Request};
use crate::machine::{End, Then, follow_side};
use crate::protocol::{Protocol, State};
use crate::setup::Setup;
use crate::world::{Caller, Fate, World};

/// More invocations than the longest way to the end takes; a way that is longer goes in circles.
const INVOCATIONS_MAX: usize = 60;

impl Protocol {
    /// Whether a fresh execution completes from a state's world.
    #[must_use]
    pub fn recovers(&self, state: &State) -> bool {
        if let Some(known) = self.interned().recovers.get(&state.world) {
            return *known;
        }
        let mut world = (*self.world(state)).clone();
        for input in self.setup.inputs() {
            world.set_over(&input.execution, true);
        }
        let recovers = self.completes(world);
        self.interned().recovers.insert(state.world, recovers);
        recovers
    }

    fn completes(&self, mut world: World) -> bool {
        let input = self.setup.fresh();
        let mut request = input.first();
        for _ in 0..INVOCATIONS_MAX {
            let reply = self.invoke(&request, &mut world);
            match input.follow(&request, &reply) {
                Then::Invoke(next) => request = next,
                Then::SideBySide(all) => {
                    for one in all {
                        if follow_side(&self.invoke(&one, &mut world)).is_some() {
                            return false;
                        }
                    }
                }
                Then::Wait(seconds) => {
                    for place in world.eks.under_way() {
                        world.eks.end(place, true);
                    }
                    world.now += SignedDuration::from_secs(i64::from(seconds));
                }
                // Turned away means that there is nothing left to do.
                Then::Over(End::Completed) => return Self::is_done(&world),
                Then::Over(End::Refused) => return world.holder().is_none() && Self::is_done(&world),
                Then::Again | Then::Over(_) => return false,
            }
        }
        false
    }

    /// One invocation from its beginning to its reply.
    fn invoke(&self, request: &Request, world: &mut World) -> Reply {
        let mut invocation = Invocation::begin(request, self.fixtures(), world.now);
        let mut checked: Option<Fence> = None;
        loop {
            if let Some(reply) = invocation.reply() {
                return reply.clone();
            }
            let open = invocation.open();
            let (place, asked) = open.first().expect("it waits for something");
            let caller = Caller { request, checked, invocation: 0 };
            let answered = world.take(asked, Fate::Answered, caller, None);
            checked = world.holder();
            invocation.answer(*place, answered, world.now);
        }
    }

    fn is_done(world: &World) -> bool {
        let target = Setup::target();
        world.eks.cluster.version == target && world.eks.groups.values().all(|group| group.version == target)
    }
}
