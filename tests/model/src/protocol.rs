//! The model: what may happen next in a state, and what it comes to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eks_upgrade_core::ids::ExecutionArn;
use jiff::{SignedDuration, Timestamp};
use stateright::{Model, Property};

use crate::desk::{Asked, Fixtures};
use crate::interned::{Interned, PointId, WorldId};
use crate::machine::{End, Input, Then, follow_side};
use crate::properties;
use crate::setup::Setup;
use crate::world::{Fate, World};

/// Where an execution is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Nobody started it yet.
    NotStarted,
    /// One invocation runs, and its reply says how to go on.
    InOrder,
    /// Several run side by side; then the invocation that `back` is in is made again.
    SideBySide {
        /// A point in that invocation.
        back: PointId,
    },
    /// It waits, and then makes an invocation again.
    Waiting {
        /// A point in that invocation.
        back: PointId,
        /// Until when.
        until: Timestamp,
        /// Whether the world changed since it began to wait.
        stale: bool,
    },
    /// Somebody stopped it.
    Aborted {
        /// A point in the invocation that a redrive makes again.
        redo: PointId,
    },
    /// It is over.
    Over(End),
}

/// An execution.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Execution {
    /// Where it is.
    pub stage: Stage,
    /// The invocations whose reply it waits for.
    pub tasks: Vec<PointId>,
}

/// A state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The world.
    pub world: WorldId,
    /// The executions, in the order of the setup.
    pub executions: Vec<Execution>,
    /// Invocations that run on, and that nobody waits for any more.
    pub strays: Vec<PointId>,
    /// How many faults may still happen.
    pub faults: u8,
    /// How many leaps the clock may still make.
    pub leaps: u8,
}

/// An invocation in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// One that an execution waits for.
    Task(usize, usize),
    /// One that nobody waits for.
    Stray(usize),
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// An execution is started.
    Start(usize),
    /// A port call meets its fate.
    Call(Who, usize, Fate),
    /// An invocation's reply arrives.
    Reply(usize, usize),
    /// Fault: an invocation dies, whether at a port call or with its reply in hand; the state machine tries again.
    Die(usize, usize),
    /// Fault: the state machine takes an invocation for dead and tries again, and the invocation lives on.
    GiveUp(usize, usize),
    /// A wait is over.
    Resume(usize),
    /// Fault: somebody stops an execution; its invocations live on.
    Abort(usize),
    /// Fault: somebody redrives an execution that was stopped.
    Redrive(usize),
    /// EKS ends an update; badly is a fault.
    End(usize, bool),
    /// The clock leaps by ten minutes.
    Leap,
}

/// How far the clock leaps: longer than clocks may differ, and than an update may stay invisible.
const LEAP: SignedDuration = SignedDuration::from_mins(10);

/// The model of a setup.
#[derive(Debug)]
pub struct Protocol {
    /// What is explored.
    pub setup: Setup,
    fixtures: Arc<Fixtures>,
    inputs: Vec<Input>,
    interned: Mutex<Interned>,
}

impl Protocol {
    /// The model of a setup.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let fixtures = Arc::new(setup.fixtures());
        let inputs = setup.inputs();
        Self { setup, fixtures, inputs, interned: Mutex::default() }
    }

    /// What was met so far.
    pub fn interned(&self) -> MutexGuard<'_, Interned> {
        self.interned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world of a state.
    #[must_use]
    pub fn world(&self, state: &State) -> Arc<World> {
        self.interned().world(state.world)
    }

    /// What nobody changes.
    #[must_use]
    pub fn fixtures(&self) -> &Arc<Fixtures> {
        &self.fixtures
    }

    /// What can happen without a fault.
    #[must_use]
    pub fn can_go_on(&self, state: &State) -> bool {
        let mut actions = Vec::new();
        self.actions(&State { faults: 0, leaps: 0, ..state.clone() }, &mut actions);
        !actions.is_empty()
    }

    /// The end of an execution, told more exactly where the lease is its own as it is turned away.
    fn told(&self, state: &State, index: usize, end: End) -> End {
        let world = self.world(state);
        let open = world.lease().filter(|lease| lease.ended.is_none());
        let own = open.is_some_and(|lease| lease.execution == self.inputs[index].execution);
        if end == End::Refused && own { End::RefusedByItself } else { end }
    }

    fn calls(&self, state: &State, who: Who, only: Option<usize>, actions: &mut Vec<Action>) {
        let point = self.interned().point(who.at(state));
        for (place, asked) in point.open.iter().filter(|(place, _)| only.is_none_or(|only| only == *place)) {
            let mut meet = |fate| actions.push(Action::Call(who, *place, fate));
            meet(Fate::Answered);
            if state.faults == 0 {
                continue;
            }
            meet(Fate::LostBefore);
            // A read that was lost after its effect is one that was lost before.
            if matches!(asked, Asked::Write(_) | Asked::Call(..)) {
                meet(Fate::LostAfter);
            }
            if matches!(asked, Asked::Call(..)) {
                meet(Fate::Throttled);
            }
        }
    }

    /// What nobody else can tell apart from happening at once: replies, and reads of what nobody changes. Others need
    /// not be interleaved with these; dying there is dying at the call before or after.
    fn hurried(&self, state: &State) -> Option<Vec<Action>> {
        for who in state.invocations() {
            let point = self.interned().point(who.at(state));
            if point.reply.is_some()
                && let Who::Task(execution, task) = who
            {
                let mut actions = vec![Action::Reply(execution, task)];
                if state.faults > 0 {
                    actions.push(Action::Die(execution, task));
                }
                return Some(actions);
            }
            if let Some((place, _)) = point.open.iter().find(|(_, asked)| matches!(asked, Asked::Fixed(_))) {
                let mut actions = Vec::new();
                self.calls(state, who, Some(*place), &mut actions);
                return Some(actions);
            }
        }
        None
    }

    fn of_execution(&self, state: &State, index: usize, world: &World, actions: &mut Vec<Action>) {
        let faults = state.faults > 0;
        let execution = &state.executions[index];
        for task in 0..execution.tasks.len() {
            self.calls(state, Who::Task(index, task), None, actions);
            if faults {
                actions.extend([Action::Die(index, task), Action::GiveUp(index, task)]);
            }
        }
        match execution.stage {
            Stage::NotStarted => actions.push(Action::Start(index)),
            Stage::Waiting { stale, .. } if stale || world.eks.under_way().is_empty() => {
                actions.push(Action::Resume(index));
            }
            Stage::Aborted { .. } if faults => actions.push(Action::Redrive(index)),
            _ => {}
        }
        let running = !matches!(execution.stage, Stage::NotStarted | Stage::Aborted { .. } | Stage::Over(_));
        if running && faults {
            actions.push(Action::Abort(index));
        }
    }

    fn first(&self, state: &State, request: &crate::function::Request) -> PointId {
        let mut interned = self.interned();
        let now = interned.world(state.world).now;
        interned.first(request, &self.fixtures, now)
    }

    /// The invocation that a point is in, once more.
    fn again(&self, state: &State, point: PointId) -> PointId {
        let request = Arc::clone(&self.interned().point(point).request);
        self.first(state, &request)
    }

    fn change(&self, state: &mut State, change: impl FnOnce(&mut World)) {
        let mut interned = self.interned();
        let mut world = (*interned.world(state.world)).clone();
        change(&mut world);
        let world = interned.keep(world);
        drop(interned);
        state.move_to(world);
    }

    fn end(&self, state: &mut State, index: usize, ends: Stage) {
        // Whoever is still at work for it works on.
        let tasks = std::mem::take(&mut state.executions[index].tasks);
        state.strays.extend(tasks);
        state.executions[index].stage = ends;
        let arn = self.inputs[index].execution.clone();
        self.set_over(state, &arn, true);
    }

    fn set_over(&self, state: &mut State, arn: &ExecutionArn, over: bool) {
        self.change(state, |world| world.set_over(arn, over));
    }

    fn alone(&self, state: &mut State, index: usize, point: PointId) {
        let point = self.again(state, point);
        state.executions[index] = Execution { stage: Stage::InOrder, tasks: vec![point] };
    }

    fn reply(&self, state: &mut State, index: usize, task: usize) {
        let id = state.executions[index].tasks[task];
        let point = self.interned().point(id);
        let Some(reply) = &point.reply else { return };
        if let Stage::SideBySide { back } = state.executions[index].stage {
            match follow_side(reply) {
                Some(Then::Over(end)) => {
                    state.executions[index].tasks.remove(task);
                    self.end(state, index, Stage::Over(end));
                }
                Some(_) => state.executions[index].tasks[task] = self.again(state, id),
                None => {
                    state.executions[index].tasks.remove(task);
                    if state.executions[index].tasks.is_empty() {
                        self.alone(state, index, back);
                    }
                }
            }
            return;
        }
        match self.inputs[index].follow(&point.request, reply) {
            Then::Again => self.alone(state, index, id),
            Then::Invoke(request) => {
                let point = self.first(state, &request);
                state.executions[index] = Execution { stage: Stage::InOrder, tasks: vec![point] };
            }
            Then::SideBySide(requests) => {
                let tasks = requests.iter().map(|request| self.first(state, request)).collect();
                state.executions[index] = Execution { stage: Stage::SideBySide { back: id }, tasks };
            }
            Then::Wait(seconds) => {
                let until = self.world(state).now + SignedDuration::from_secs(i64::from(seconds));
                let waiting = Stage::Waiting { back: id, until, stale: false };
                state.executions[index] = Execution { stage: waiting, tasks: Vec::new() };
            }
            Then::Over(end) => {
                let end = self.told(state, index, end);
                state.executions[index].tasks.clear();
                self.end(state, index, Stage::Over(end));
            }
        }
    }

    fn apply(&self, state: &mut State, action: Action) {
        match action {
            Action::Start(index) => {
                let point = self.first(state, &self.inputs[index].first());
                state.executions[index] = Execution { stage: Stage::InOrder, tasks: vec![point] };
            }
            Action::Call(who, place, fate) => {
                if fate != Fate::Answered {
                    state.faults -= 1;
                }
                let key = (state.world, who.at(state), place, fate);
                let (world, point) = self.interned().go(key, &self.fixtures, self.setup.flaw);
                *who.at_mut(state) = point;
                state.move_to(world);
            }
            Action::Reply(index, task) => self.reply(state, index, task),
            Action::Die(index, task) => {
                state.faults -= 1;
                let point = state.executions[index].tasks[task];
                state.executions[index].tasks[task] = self.again(state, point);
            }
            Action::GiveUp(index, task) => {
                state.faults -= 1;
                let point = state.executions[index].tasks[task];
                state.strays.push(point);
                state.executions[index].tasks[task] = self.again(state, point);
            }
            Action::Resume(index) => {
                let Stage::Waiting { back, until, stale } = state.executions[index].stage else { return };
                if !stale {
                    self.change(state, |world| world.now = world.now.max(until));
                }
                self.alone(state, index, back);
            }
            Action::Abort(index) => {
                state.faults -= 1;
                let execution = &state.executions[index];
                let redo = match execution.stage {
                    Stage::SideBySide { back } | Stage::Waiting { back, .. } => Some(back),
                    _ => execution.tasks.first().copied(),
                };
                if let Some(redo) = redo {
                    self.end(state, index, Stage::Aborted { redo });
                }
            }
            Action::Redrive(index) => {
                state.faults -= 1;
                let Stage::Aborted { redo } = state.executions[index].stage else { return };
                let arn = self.inputs[index].execution.clone();
                self.set_over(state, &arn, false);
                self.alone(state, index, redo);
            }
            Action::End(place, well) => {
                if !well {
                    state.faults -= 1;
                }
                self.change(state, |world| world.eks.end(place, well));
            }
            Action::Leap => {
                state.leaps -= 1;
                self.change(state, |world| world.now += LEAP);
            }
        }
    }

    /// Nobody waits for a stray's reply, and the order of strays means nothing.
    fn tidy(&self, state: &mut State) {
        let interned = self.interned();
        state.strays.retain(|stray| interned.point(*stray).reply.is_none());
        state.strays.sort_unstable();
    }
}

impl Who {
    /// The point that it is at.
    #[must_use]
    pub fn at(self, state: &State) -> PointId {
        match self {
            Self::Task(execution, task) => state.executions[execution].tasks[task],
            Self::Stray(stray) => state.strays[stray],
        }
    }

    fn at_mut(self, state: &mut State) -> &mut PointId {
        match self {
            Self::Task(execution, task) => &mut state.executions[execution].tasks[task],
            Self::Stray(stray) => &mut state.strays[stray],
        }
    }
}

impl State {
    fn invocations(&self) -> impl Iterator<Item = Who> {
        let tasks = self.executions.iter().enumerate().flat_map(|(index, execution)| {
            (0..execution.tasks.len()).map(move |task| Who::Task(index, task))
        });
        tasks.chain((0..self.strays.len()).map(Who::Stray))
    }

    fn move_to(&mut self, world: WorldId) {
        if self.world == world {
            return;
        }
        self.world = world;
        for execution in &mut self.executions {
            if let Stage::Waiting { stale, .. } = &mut execution.stage {
                *stale = true;
            }
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let world = self.interned().keep(self.setup.world());
        let execution = Execution { stage: Stage::NotStarted, tasks: Vec::new() };
        let executions = vec![execution; self.inputs.len()];
        let (faults, leaps) = (self.setup.faults, self.setup.leaps);
        vec![State { world, executions, strays: Vec::new(), faults, leaps }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if let Some(hurried) = self.hurried(state) {
            actions.extend(hurried);
            return;
        }
        let world = self.world(state);
        for index in 0..state.executions.len() {
            self.of_execution(state, index, &world, actions);
        }
        for stray in 0..state.strays.len() {
            self.calls(state, Who::Stray(stray), None, actions);
        }
        for place in world.eks.under_way() {
            actions.push(Action::End(place, true));
            if state.faults > 0 {
                actions.push(Action::End(place, false));
            }
        }
        if state.leaps > 0 {
            actions.push(Action::Leap);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.apply(&mut state, action);
        self.tidy(&mut state);
        // With no fault left to come, what is hurried needs no states of its own.
        while state.faults == 0
            && let Some(&[hurried]) = self.hurried(&state).as_deref()
        {
            self.apply(&mut state, hurried);
            self.tidy(&mut state);
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
