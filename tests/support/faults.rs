//! What may befall a function at any of its ports: it dies, or the answer is an error, before or after the
//! effect. And how to run a future to its end, or to its death.

use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

/// What happens at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The function dies on its way there.
    DiesBefore,
    /// The function dies on its way back.
    DiesAfter,
    /// The call does not arrive, and the function sees an error.
    FailsBefore,
    /// The call arrives, and the function sees an error.
    FailsAfter,
}

/// The port calls so far, and at which of them what happens.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Plan>);

#[derive(Debug, Default)]
struct Plan {
    calls: usize,
    at: Option<(usize, Mishap)>,
    table_down: bool,
}

/// The port's call failed.
#[derive(Clone, Copy, Debug)]
pub struct Failed;

impl Faults {
    /// Lets `mishap` happen at the port call of this number, from 0.
    pub fn at(&self, call: usize, mishap: Mishap) {
        self.0.lock().unwrap().at = Some((call, mishap));
    }

    /// How many port calls there were.
    pub fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    /// Makes the table fail at every call, or heals it.
    pub fn table_down(&self, down: bool) {
        self.0.lock().unwrap().table_down = down;
    }

    /// Whether the table fails.
    pub fn is_table_down(&self) -> bool {
        self.0.lock().unwrap().table_down
    }

    /// Runs `effect` as one port call.
    pub(crate) async fn around<T>(&self, effect: impl FnOnce() -> T) -> Result<T, Failed> {
        let due = {
            let mut plan = self.0.lock().unwrap();
            let call = plan.calls;
            plan.calls += 1;
            plan.at.filter(|(at, _)| *at == call).map(|(_, mishap)| mishap)
        };
        match due {
            Some(Mishap::DiesBefore) => std::future::pending().await,
            Some(Mishap::FailsBefore) => return Err(Failed),
            _ => {}
        }
        let answer = effect();
        match due {
            Some(Mishap::DiesAfter) => std::future::pending().await,
            Some(Mishap::FailsAfter) => Err(Failed),
            _ => Ok(answer),
        }
    }
}

/// More polls than any use case needs: nothing here waits for anything but its own death.
const POLLS_MAX: usize = 1_000;

/// Runs a use case to its end; `None` when it died on the way, and was dropped.
pub fn finish<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..POLLS_MAX {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
    }
    None
}
