//! One invocation of a function: the shipped use case over a [`Desk`].
//!
//! A future cannot be cloned. It can be made again: fed with the same answers at the same times it comes to the same
//! place, since a use case sees nothing of the world but its ports.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use eks_upgrade_core::contract::{ActRequest, DecideRequest, PlanAnswer, PlanRequest};
use eks_upgrade_core::decide::{Decision, NextHop};
use eks_upgrade_core::ledger::Ending;
use eks_upgrade_core::policy::{Bake, PolicyDocument};
use eks_upgrade_pipeline::act::Act;
use eks_upgrade_pipeline::decide::{Decide, Decided};
use eks_upgrade_pipeline::error::Answer;
use eks_upgrade_pipeline::plan::PlanRun;
use jiff::{SignedDuration, Timestamp};

use crate::desk::{Answered, Asked, Desk, Fixtures};
use crate::world::home;

/// What a function is invoked with.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// The plan function.
    Plan(PlanRequest),
    /// The decide function.
    Decide(DecideRequest),
    /// The act function.
    Act(ActRequest),
}

/// What a function answers its state machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The plan function.
    Plan(PlanAnswer),
    /// The decide function, asked for the next hop.
    NextHop(NextHop),
    /// The decide function, asked what to do.
    Decision(Decision),
    /// The decide function, asked to close the run.
    Closed(Ending),
    /// One action was taken, or need not be.
    Done,
    /// An error, by the name that the state machines catch.
    Failed(&'static str),
}

type Call = Pin<Box<dyn Future<Output = Reply>>>;

/// An invocation under way.
pub struct Invocation {
    desk: Desk,
    call: Call,
    reply: Option<Reply>,
}

impl Invocation {
    /// Begins one, and runs it to its first port call.
    #[must_use]
    pub fn begin(request: &Request, fixtures: &Arc<Fixtures>, now: Timestamp) -> Self {
        let desk = Desk::new(Arc::clone(fixtures), now);
        let call = invoke(request.clone(), desk.clone());
        let mut invocation = Self { desk, call, reply: None };
        invocation.run();
        invocation
    }

    /// Answers one of its port calls, and runs it to the next.
    ///
    /// # Panics
    /// When the call is not open: then the use case did not do the same again.
    pub fn answer(&mut self, place: usize, answered: Answered, now: Timestamp) {
        assert!(self.desk.answer(place, answered, now), "no port call is open at {place}");
        self.run();
    }

    /// The port calls that wait for an answer.
    #[must_use]
    pub fn open(&self) -> Vec<(usize, Asked)> {
        if self.reply.is_some() { Vec::new() } else { self.desk.open() }
    }

    /// Its reply, once it has one.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        self.reply.as_ref()
    }

    fn run(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(reply) = self.call.as_mut().poll(&mut context) {
            self.reply = Some(reply);
        }
    }
}

fn invoke(request: Request, desk: Desk) -> Call {
    match request {
        Request::Plan(asked) => Box::pin(async move {
            let bake = Bake { duration: SignedDuration::ZERO, ..Bake::default() };
            let policy = PolicyDocument { bake, ..PolicyDocument::default() };
            let planner = PlanRun {
                eks: desk.clone(),
                ledger: desk.clone(),
                executions: desk.clone(),
                time: desk,
                policy,
                home: home(),
            };
            reply(planner.plan(&asked).await, Reply::Plan)
        }),
        Request::Decide(asked) => Box::pin(async move {
            let decider = Decide { eks: desk.clone(), ledger: desk.clone(), time: desk };
            reply(decider.answer(&asked).await, |decided| match decided {
                Decided::NextHop(next) => Reply::NextHop(next),
                Decided::Decision(decision) => Reply::Decision(decision),
                Decided::Closed(closed) => Reply::Closed(closed.ending),
                Decided::Asked(_) | Decided::Verified(_) => Reply::Done,
            })
        }),
        Request::Act(asked) => Box::pin(async move {
            let actor = Act { eks: desk.clone(), ledger: desk.clone(), time: desk };
            reply(actor.act(&asked).await, |_| Reply::Done)
        }),
    }
}

fn reply<T>(answer: Answer<T>, is: impl FnOnce(T) -> Reply) -> Reply {
    match answer {
        Ok(answer) => is(answer),
        Err(error) => Reply::Failed(error.name()),
    }
}
