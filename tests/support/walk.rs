//! The loop of the state machines in Rust: plan, next hop, decide, act or wait, close. Function errors are
//! retried as the definitions say; a function that dies is called again.

use std::future::Future;

use eks_upgrade_core::contract::{
    ActRequest, CloseAnswer, DecideRequest, PlanAgain, PlanAnswer, PlanRequest, RETRYABLE_ERRORS,
};
use eks_upgrade_core::decide::{Action, ActionName, Decision, NextHop, WaitFor};
use eks_upgrade_core::ids::{ExecutionArn, Fence, RunId};
use eks_upgrade_core::ledger::Ending;
use eks_upgrade_core::plan::Plan;
use eks_upgrade_pipeline::decide::Decided;
use eks_upgrade_pipeline::error::Answer;
use serde_json::Value;

use crate::faults::finish;
use crate::fleet::Fleet;
use crate::word;

/// An error as a state machine sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// Its name.
    pub name: String,
    /// In words.
    pub message: String,
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// The run was closed, completed or halted.
    Closed(Box<CloseAnswer>),
    /// The plan alone was asked for.
    DryRun(Box<Plan>),
    /// It was turned away.
    Refused(Raised),
    /// The pipeline itself could not go on.
    Interrupted(Raised),
}

/// Where an execution stands: about to do this.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// Ask for a plan.
    Plan,
    /// Ask for the next hop.
    NextHop,
    /// Ask what to do about the hop.
    Decide(usize),
    /// Do all of this.
    Act(usize, Vec<Action>),
    /// Close the run.
    Close(Ending),
    /// Nothing.
    Over(End),
}

/// One execution of the upgrade state machine.
#[derive(Debug)]
pub struct Execution<'f> {
    fleet: &'f Fleet,
    /// Its ARN.
    pub arn: ExecutionArn,
    request: Value,
    again: Option<PlanAgain>,
    held: Option<(RunId, Fence)>,
    /// Where it stands.
    pub place: Place,
    /// What it waited for, and how long, in seconds.
    pub waits: Vec<(WaitFor, u32)>,
}

/// More states than the longest of our stories enters.
const STATES_MAX: usize = 5_000;
/// `MaxAttempts` of an action's Retry; other states try longer.
const RETRIES: u32 = 8;

impl<'f> Execution<'f> {
    pub(crate) fn new(fleet: &'f Fleet, number: usize, request: Value) -> Self {
        let arn = word(&format!("arn:aws:states:us-east-1:123456789012:execution:eks-upgrade:e{number}"));
        Self { fleet, arn, request, again: None, held: None, place: Place::Plan, waits: Vec::new() }
    }

    /// Walks to the end.
    pub fn finish(&mut self) -> End {
        self.until(|_| false);
        match &self.place {
            Place::Over(end) => end.clone(),
            place => panic!("it stopped at {place:?}"),
        }
    }

    /// Walks until it stands at such a place, or is over.
    pub fn until(&mut self, there: impl Fn(&Place) -> bool) {
        for _ in 0..STATES_MAX {
            if matches!(self.place, Place::Over(_)) || there(&self.place) {
                return;
            }
            self.step();
        }
        panic!("it does not end; it stands at {:?} after {:?}", self.place, self.waits.last());
    }

    /// Stops it from outside: what it was about to do is not done.
    pub fn abort(&mut self) {
        let raised = Raised { name: "Aborted".into(), message: "by hand".into() };
        self.over(End::Interrupted(raised));
    }

    /// The run that it holds.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.held.clone().expect("it holds a run").0
    }

    /// The request that asks the act function for this action.
    #[must_use]
    pub fn act_request(&self, action: &Action) -> ActRequest {
        let (run, fence) = self.held.clone().expect("it holds a run");
        let Action { action, step } = action.clone();
        ActRequest { run, fence, action, step, execution: self.arn.clone() }
    }

    fn over(&mut self, end: End) {
        self.fleet.table.memory.kept().over.insert(self.arn.clone());
        self.place = Place::Over(end);
    }

    /// Enters one state.
    pub fn step(&mut self) {
        let next = match self.place.clone() {
            Place::Plan => self.plan(),
            Place::NextHop => self.next_hop(),
            Place::Decide(hop) => self.decide(hop),
            Place::Act(hop, actions) => self.act(hop, &actions),
            Place::Close(ending) => self.close(ending),
            Place::Over(_) => return,
        };
        match next {
            Ok(place) => self.place = place,
            Err(end) => self.over(end),
        }
    }

    fn plan(&mut self) -> Result<Place, End> {
        let asked = PlanRequest {
            request: self.request.clone(),
            execution: self.arn.clone(),
            again: self.again.clone(),
        };
        let planner = self.fleet.planner();
        match self.invoke(|| planner.plan(&asked)).map_err(End::Refused)? {
            PlanAnswer::Planned { run, fence, .. } => {
                self.held = Some((run, fence));
                Ok(Place::NextHop)
            }
            PlanAnswer::Wait { wait_for, seconds, .. } => {
                self.wait(wait_for, seconds);
                Ok(Place::Plan)
            }
            PlanAnswer::Blocked { run, fence, ending } => {
                self.held = Some((run, fence));
                Ok(Place::Close(ending))
            }
            PlanAnswer::DryRun { plan } => Err(End::DryRun(plan)),
        }
    }

    fn next_hop(&self) -> Result<Place, End> {
        let (run, fence) = self.held.clone().expect("it holds a run");
        match self.ask(&DecideRequest::NextHop { run, fence, execution: self.arn.clone() })? {
            Decided::NextHop(NextHop::Hop { hop, .. }) => Ok(Place::Decide(hop)),
            Decided::NextHop(NextHop::Complete) => Ok(Place::Close(Ending::Completed)),
            other => panic!("next-hop was answered with {other:?}"),
        }
    }

    fn decide(&mut self, hop: usize) -> Result<Place, End> {
        let (run, fence) = self.held.clone().expect("it holds a run");
        let asked = DecideRequest::Decide { run: run.clone(), fence, hop, execution: self.arn.clone() };
        let Decided::Decision(decision) = self.ask(&asked)? else { panic!("decide was answered otherwise") };
        Ok(match decision {
            Decision::Act { actions } => Place::Act(hop, actions),
            Decision::Wait { wait_for, seconds, .. } => {
                self.wait(wait_for, seconds);
                Place::Decide(hop)
            }
            Decision::Done => Place::NextHop,
            Decision::Replan { nodes_each_hop, .. } => {
                self.again = Some(PlanAgain { run, fence, nodes_each_hop });
                Place::Plan
            }
            Decision::Halt { code, message, next_action } => {
                Place::Close(Ending::Halted { code, message, next_action })
            }
        })
    }

    fn act(&self, hop: usize, actions: &[Action]) -> Result<Place, End> {
        assert!(!actions.is_empty(), "it was told to act and on nothing");
        let actor = self.fleet.actor();
        for action in actions {
            let request = self.act_request(action);
            let outcome = if action.action == ActionName::Verify {
                let ActRequest { run, fence, step, execution, .. } = request;
                self.ask_raw(&DecideRequest::Verify { run, fence, step, execution }).map(|_| ())
            } else {
                self.invoke(|| actor.act(&request)).map(|_| ())
            };
            match outcome {
                Ok(()) => {}
                // LookAgain: the next round goes on from the ledger and the world.
                Err(raised) if curable(&raised) => self.fleet.pass(10),
                Err(raised) => return Err(End::Interrupted(raised)),
            }
        }
        Ok(Place::Decide(hop))
    }

    fn close(&self, ending: Ending) -> Result<Place, End> {
        let (run, fence) = self.held.clone().expect("it holds a run");
        match self.ask(&DecideRequest::Close { run, fence, ending, execution: self.arn.clone() })? {
            Decided::Closed(answer) => Err(End::Closed(answer)),
            other => panic!("close was answered with {other:?}"),
        }
    }

    fn wait(&mut self, wait_for: WaitFor, seconds: u32) {
        assert!(seconds > 0, "a wait of no time");
        self.waits.push((wait_for, seconds));
        self.fleet.pass(i64::from(seconds));
    }

    fn ask(&self, request: &DecideRequest) -> Result<Decided, End> {
        self.ask_raw(request).map_err(End::Interrupted)
    }

    fn ask_raw(&self, request: &DecideRequest) -> Result<Decided, Raised> {
        let decider = self.fleet.decider();
        self.invoke(|| decider.answer(request))
    }

    /// Calls a function, again while its error is one that another try may cure.
    fn invoke<T, F: Future<Output = Answer<T>>>(&self, call: impl Fn() -> F) -> Result<T, Raised> {
        let mut tries = 0;
        loop {
            let raised = match finish(call()) {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(error)) => Raised { name: error.name().into(), message: error.to_string() },
                None => Raised { name: "Runtime.ExitError".into(), message: "it died".into() },
            };
            if !curable(&raised) || tries == RETRIES {
                return Err(raised);
            }
            self.fleet.pass((5 << tries).min(300));
            tries += 1;
        }
    }
}

/// Whether another try may cure it.
fn curable(raised: &Raised) -> bool {
    RETRYABLE_ERRORS.contains(&raised.name.as_str()) || raised.name == "Runtime.ExitError"
}
