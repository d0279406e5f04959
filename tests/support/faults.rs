//! What may befall a function at any of its ports: it dies, or the answer is an error, before or after the
//! effect. And how to run a future to its end, or to its death.

use std::fmt;
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
    due: Due,
    table_down: bool,
    reads_down: bool,
}

/// At which calls something happens.
#[derive(Default)]
enum Due {
    #[default]
    Never,
    At(usize, Mishap),
    By(Box<dyn FnMut() -> Option<Mishap> + Send>),
}

impl fmt::Debug for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("Never"),
            Self::At(call, mishap) => f.debug_tuple("At").field(call).field(mishap).finish(),
            Self::By(_) => f.write_str("By(..)"),
        }
    }
}

impl Due {
    fn at(&mut self, call: usize) -> Option<Mishap> {
        match self {
            Self::Never => None,
            Self::At(at, mishap) => (*at == call).then_some(*mishap),
            Self::By(choose) => choose(),
        }
    }
}

/// The port's call failed.
#[derive(Clone, Copy, Debug)]
pub struct Failed;

impl Faults {
    /// Lets `mishap` happen at the port call of this number, from 0.
    pub fn at(&self, call: usize, mishap: Mishap) {
        self.0.lock().unwrap().due = Due::At(call, mishap);
    }

    /// Asks `choose` at every port call what happens there.
    pub fn by(&self, choose: impl FnMut() -> Option<Mishap> + Send + 'static) {
        self.0.lock().unwrap().due = Due::By(Box::new(choose));
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

    /// Makes every read of EKS fail, or heals them.
    pub fn reads_down(&self, down: bool) {
        self.0.lock().unwrap().reads_down = down;
    }

    /// Whether reads of EKS fail.
    pub fn are_reads_down(&self) -> bool {
        self.0.lock().unwrap().reads_down
    }

    /// Runs `effect` as one port call.
    pub async fn around<T>(&self, effect: impl FnOnce() -> T) -> Result<T, Failed> {
        let due = {
            let mut plan = self.0.lock().unwrap();
            let call = plan.calls;
            plan.calls += 1;
            plan.due.at(call)
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
