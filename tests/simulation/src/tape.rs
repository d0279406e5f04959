//! What was asked and answered in the course of one call of a port.

use std::sync::Arc;

use eks_upgrade_sim::{Request, Response};

/// An answer, or how it was lost.
pub(crate) type Answer = Result<Response, &'static str>;

/// A request, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// The request.
    pub request: Arc<Request>,
    /// What came of it.
    pub answer: Answer,
}

/// The exchanges of one call, in order. Those that are on it already are played back to whoever asks them again, and
/// the world does not see them.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    exchanges: Vec<Exchange>,
    played: usize,
}

impl Tape {
    /// Everything on it.
    pub(crate) fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// Adds an exchange, to be played back.
    pub(crate) fn add(&mut self, request: Arc<Request>, answer: Answer) {
        self.exchanges.push(Exchange { request, answer });
    }

    /// The answer to a request that is on it. Who asks has to ask what was asked before: its signature, which tells
    /// the time, may be another.
    pub(crate) fn play(&mut self, request: &Request) -> Option<Answer> {
        let Exchange { request: before, answer } = self.exchanges.get(self.played)?;
        let same = request.method == before.method
            && request.path == before.path
            && request.query == before.query
            && request.body == before.body;
        assert!(same, "the same call asks another time for something else: {before:?}, then {request:?}");
        self.played += 1;
        Some(answer.clone())
    }

    /// Adds an exchange that just took place.
    pub(crate) fn record(&mut self, request: Request, answer: Answer) {
        self.add(Arc::new(request), answer);
        self.played = self.exchanges.len();
    }
}
