//! Functions that go on side by side, each with its own pauses: one that sleeps between two tries of a call holds up no
//! other, and the clock shows all of them the same time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use eks_upgrade_support::asl::{Ask, Call, Failure, Turn};
use eks_upgrade_support::died;
use serde_json::Value;

use super::{Deployment, Until};
use crate::alarms::Alarms;

/// A deployment whose functions sleep by these alarms.
pub struct SideBySide<'a> {
    deployment: &'a Deployment,
    alarms: Alarms,
    going: Vec<Going<'a>>,
}

/// A function under way.
struct Going<'a> {
    call: Box<Call>,
    function: Pin<Box<dyn Future<Output = Result<Value, Failure>> + 'a>>,
    awake: Arc<Awake>,
}

/// Whether a function can go on.
struct Awake(AtomicBool);

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<'a> SideBySide<'a> {
    /// With no function under way.
    #[must_use]
    pub fn new(deployment: &'a Deployment, alarms: Alarms) -> Self {
        Self { deployment, alarms, going: Vec::new() }
    }

    /// Whether anything runs.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.going.is_empty() || self.deployment.is_busy()
    }

    /// Lets one function or state machine do one thing; false when nothing is due, ever.
    pub fn turn(&mut self, until_s: i64) -> bool {
        let deployment = self.deployment;
        let turned = if let Some(at) = self.going.iter().position(|going| going.awake.is()) {
            self.go_on(at);
            true
        } else {
            let turn = deployment.engine.borrow_mut().turn(deployment.now_s());
            match turn {
                Turn::Moved => true,
                Turn::Call(call) => {
                    self.begin(call);
                    true
                }
                Turn::Sleep(at_s) => self.sleep(Some(at_s), until_s),
                Turn::Idle => self.sleep(None, until_s),
            }
        };
        deployment.note_over();
        deployment.entered();
        deployment.start_campaigns();
        turned
    }

    fn begin(&mut self, call: Box<Call>) {
        let deployment = self.deployment;
        let Ask::Invoke { function, payload } = &call.ask else {
            let world = Until { deployment, until_s: i64::MAX };
            let answer = eks_upgrade_support::asl::World::perform(&world, &call);
            return deployment.engine.borrow_mut().answered(&call, answer, deployment.now_s());
        };
        deployment.entered();
        let (function, payload) = (function.clone(), payload.clone());
        let function = Box::pin(async move { deployment.run(&function, payload).await });
        self.going.push(Going { call, function, awake: Arc::new(Awake(AtomicBool::new(true))) });
        self.go_on(self.going.len() - 1);
    }

    fn go_on(&mut self, at: usize) {
        let going = &mut self.going[at];
        going.awake.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(going.awake.clone());
        let Poll::Ready(answer) = going.function.as_mut().poll(&mut Context::from_waker(&waker)) else {
            return;
        };
        let Going { call, .. } = self.going.remove(at);
        self.answered(&call, answer);
    }

    fn answered(&self, call: &Call, answer: Result<Value, Failure>) {
        let deployment = self.deployment;
        if let Ask::Invoke { function, .. } = &call.ask {
            deployment.tell_answer(function, &answer);
        }
        deployment.engine.borrow_mut().answered(call, answer, deployment.now_s());
    }

    /// Lets time pass until somebody has something to do, or until then.
    fn sleep(&mut self, at_s: Option<i64>, until_s: i64) -> bool {
        let alarm_ms = self.alarms.next_ms();
        let next_ms = alarm_ms.into_iter().chain(at_s.map(|at_s| at_s * 1_000)).min();
        let Some(next_ms) = next_ms else { return self.bury() };
        self.deployment.clock.reach(next_ms.min(until_s * 1_000));
        self.alarms.ring();
        true
    }

    /// What waits for nothing that will ever happen is dead.
    fn bury(&mut self) -> bool {
        let dead = std::mem::take(&mut self.going);
        for Going { call, .. } in &dead {
            self.answered(call, Err(died()));
        }
        !dead.is_empty()
    }
}

impl Awake {
    fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
