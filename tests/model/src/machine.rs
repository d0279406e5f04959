//! The state machines in small: which function an execution invokes after which reply.
//!
//! What `statemachine/upgrade.asl.json` and `hop.asl.json` say of the states that matter to the protocol: an error that
//! may be repeated is, any other interrupts the execution, and nothing is kept between states but run, fence and hop.

use eks_upgrade_core::contract::{ActRequest, DecideRequest, PlanAgain, PlanAnswer, PlanRequest};
use eks_upgrade_core::decide::{ActionName, Decision, NextHop};
use eks_upgrade_core::ids::{ExecutionArn, Fence, RunId};
use eks_upgrade_core::ledger::Ending;
use serde_json::Value;

use crate::function::{Reply, Request};

/// The errors that the state machines retry, as far as the use cases raise them.
const RETRIED: [&str; 3] = ["LedgerUnavailable", "EksUnavailable", "FateUnknown"];

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum End {
    /// The run is through.
    Completed,
    /// The run stopped, and says why.
    Halted,
    /// The request was turned away before any effect.
    Refused,
    /// Turned away at the door because of a run of its own: of an earlier try, which was given up and lives on.
    RefusedByItself,
    /// An error that no retry cures; the run stays open.
    Interrupted,
}

/// What follows from a reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// The same invocation again.
    Again,
    /// Another invocation.
    Invoke(Request),
    /// Several side by side, and the same invocation again when they are through.
    SideBySide(Vec<Request>),
    /// The same invocation again, after so many seconds.
    Wait(u32),
    /// The execution is over.
    Over(End),
}

/// One execution's input.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its ARN.
    pub execution: ExecutionArn,
    /// What it was started with.
    pub request: Value,
}

impl Input {
    /// The first invocation.
    #[must_use]
    pub fn first(&self) -> Request {
        self.plan(None)
    }

    fn plan(&self, again: Option<PlanAgain>) -> Request {
        let (request, execution) = (self.request.clone(), self.execution.clone());
        Request::Plan(PlanRequest { request, execution, again })
    }

    fn close(&self, run: &RunId, fence: Fence, ending: Ending) -> Request {
        let (run, execution) = (run.clone(), self.execution.clone());
        Request::Decide(DecideRequest::Close { run, fence, ending, execution })
    }

    /// What follows from the reply to an invocation that is alone.
    ///
    /// # Panics
    /// When a question to people is asked: the policy here wants no approvals.
    #[must_use]
    pub fn follow(&self, asked: &Request, reply: &Reply) -> Then {
        match (asked, reply) {
            (_, Reply::Failed(name)) if RETRIED.contains(name) => Then::Again,
            (Request::Plan(PlanRequest { again: None, .. }), Reply::Failed(_)) => Then::Over(End::Refused),
            (_, Reply::Failed(_)) => Then::Over(End::Interrupted),
            (_, Reply::Plan(answer)) => self.planned(answer),
            (Request::Decide(DecideRequest::NextHop { run, fence, .. }), Reply::NextHop(next)) => {
                Then::Invoke(match next {
                    NextHop::Complete { ending } => self.close(run, *fence, ending.clone()),
                    NextHop::Hop { hop, .. } => {
                        let (run, execution) = (run.clone(), self.execution.clone());
                        Request::Decide(DecideRequest::Decide { run, fence: *fence, hop: *hop, execution })
                    }
                })
            }
            (Request::Decide(DecideRequest::Decide { run, fence, .. }), Reply::Decision(decision)) => {
                self.decided(run, *fence, decision)
            }
            (_, Reply::Closed(Ending::Halted { .. })) => Then::Over(End::Halted),
            (_, Reply::Closed(_)) => Then::Over(End::Completed),
            (asked, reply) => panic!("{asked:?} cannot be answered {reply:?}"),
        }
    }

    fn planned(&self, answer: &PlanAnswer) -> Then {
        match answer {
            PlanAnswer::Planned { run, fence, .. } => {
                let (run, execution) = (run.clone(), self.execution.clone());
                Then::Invoke(Request::Decide(DecideRequest::NextHop { run, fence: *fence, execution }))
            }
            PlanAnswer::Wait { seconds, .. } => Then::Wait(*seconds),
            PlanAnswer::Blocked { run, fence, ending } => {
                Then::Invoke(self.close(run, *fence, ending.clone()))
            }
            PlanAnswer::DryRun { .. } => Then::Over(End::Completed),
        }
    }

    fn decided(&self, run: &RunId, fence: Fence, decision: &Decision) -> Then {
        let execution = || self.execution.clone();
        match decision {
            Decision::Act { actions } => {
                let request = |action: &eks_upgrade_core::decide::Action| {
                    let (run, step) = (run.clone(), action.step.clone());
                    if action.action == ActionName::Verify {
                        let execution = execution();
                        return Request::Decide(DecideRequest::Verify { run, fence, step, execution });
                    }
                    Request::Act(ActRequest {
                        run,
                        fence,
                        action: action.action,
                        step,
                        execution: execution(),
                    })
                };
                Then::SideBySide(actions.iter().map(request).collect())
            }
            Decision::Wait { seconds, .. } => Then::Wait(*seconds),
            Decision::Done => {
                let run = run.clone();
                Then::Invoke(Request::Decide(DecideRequest::NextHop { run, fence, execution: execution() }))
            }
            Decision::Replan { nodes_each_hop, roll_back, .. } => {
                let (nodes_each_hop, roll_back) = (*nodes_each_hop, *roll_back);
                let again = PlanAgain { run: run.clone(), fence, nodes_each_hop, roll_back };
                Then::Invoke(self.plan(Some(again)))
            }
            Decision::Halt { code, message, next_action } => {
                let (code, message) = (code.clone(), message.clone());
                let ending = Ending::Halted { code, message, next_action: next_action.clone() };
                Then::Invoke(self.close(run, fence, ending))
            }
            Decision::Ask { .. } => panic!("no policy here wants a yes"),
        }
    }
}

/// What follows from the reply to one of several invocations side by side: `None` when it is through.
#[must_use]
pub fn follow_side(reply: &Reply) -> Option<Then> {
    match reply {
        Reply::Failed(name) if RETRIED.contains(name) => Some(Then::Again),
        Reply::Failed(_) => Some(Then::Over(End::Interrupted)),
        _ => None,
    }
}
