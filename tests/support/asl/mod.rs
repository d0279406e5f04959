//! A strict interpreter of the state machine definitions, on a virtual clock.
//!
//! The journeys run the files of `statemachine/` themselves: [`definition`] reads them and refuses whatever
//! this interpreter does not know, [`expression`] evaluates their `JSONata`, [`engine`] lets executions and the
//! items of Maps go on side by side, `steps` does what each kind of state does, [`tasks`] reads what a Task asks of the world. The engine touches nothing:
//! it hands every call out, so that the same engine runs against a fleet and against a few lines of a test.
//!
//! What AWS does and this does not: limits on sizes and on history, redrives, distributed Maps, Parallel,
//! waits for a point in time, a deadline on a whole execution. A definition that asks for one is refused.

pub mod definition;
pub mod engine;
pub mod expression;
pub mod fiber;
pub mod retry;
mod steps;
pub mod tasks;

pub use definition::Machine;
pub use engine::{Engine, Entered, Turn, Waited};
pub use expression::Failure;
pub use fiber::{ExecutionId, Status};
pub use tasks::{Ask, Call};

/// What an engine runs against: a clock, and whatever Tasks call.
pub trait World {
    /// The time, in seconds.
    fn now_s(&self) -> i64;
    /// Lets time pass until then.
    fn sleep_until(&self, at_s: i64);
    /// Does what a Task asks.
    fn perform(&self, call: &Call) -> Result<serde_json::Value, Failure>;
    /// An execution is over.
    fn over(&self, _arn: &str) {}
}

/// Lets the engine do one thing, and the world what comes of it. False when nothing is left to do.
pub fn turn(engine: &std::cell::RefCell<Engine>, world: &impl World) -> bool {
    let turn = engine.borrow_mut().turn(world.now_s());
    // Not borrowed here: what is called may report to the engine, a task's success for instance.
    match turn {
        Turn::Moved => {}
        Turn::Idle => return false,
        Turn::Sleep(at_s) => world.sleep_until(at_s),
        Turn::Call(call) => {
            let answer = world.perform(&call);
            engine.borrow_mut().answered(&call, answer, world.now_s());
        }
    }
    for arn in engine.borrow_mut().take_over() {
        world.over(&arn);
    }
    true
}
