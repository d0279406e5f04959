//! Everything that happened in one simulation, in order: what the judge reads, and what people read when it objects.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eks_upgrade_judge::{Line, Objection, What, judge_each};
use eks_upgrade_pipeline::ports::Time;
use eks_upgrade_sim::{Record, Response, World};
use eks_upgrade_support::{Mishap, Table, VirtualClock};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Happened {
    /// Something that the judge reads.
    Told(What),
    /// An execution entered a state.
    Entered {
        /// The execution's name.
        execution: String,
        /// The state.
        state: String,
    },
    /// A function answered.
    Answered {
        /// The function.
        function: String,
        /// Its answer, or the name of its error.
        answer: Result<Value, String>,
    },
    /// Something went wrong at a port.
    Mishap(Mishap),
    /// Something else, in words: what people do, what breaks.
    Said(String),
}

/// The trace; its clones are one.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<Inner>>);

struct Inner {
    clock: VirtualClock,
    table: Arc<Table>,
    happened: Vec<(i64, Happened)>,
    /// How many lines of each run's ledger stand in it.
    written: BTreeMap<String, usize>,
    deaf: bool,
}

impl Inner {
    fn ledgers(&mut self) {
        let fresh = self.table.take_fresh();
        if fresh.is_empty() {
            return;
        }
        let at_s = self.clock.now().as_second();
        let kept = self.table.memory.kept();
        for (run, lines) in fresh.iter().filter_map(|run| kept.lines.get_key_value(run)) {
            let known = self.written.get(run.as_str()).copied().unwrap_or(0);
            for line in &lines[known..] {
                let (run, seq) = (run.to_string(), line.seq);
                let (body, hash) = (line.body.clone(), line.hash.clone());
                self.happened.push((at_s, Happened::Told(What::Ledger { run, seq, body, hash })));
            }
            self.written.insert(run.to_string(), lines.len());
        }
    }
}

impl Trace {
    /// An empty one, of what happens by this clock around this table.
    #[must_use]
    pub fn new(clock: VirtualClock, table: Arc<Table>) -> Self {
        let (happened, written) = (Vec::new(), BTreeMap::new());
        Self(Arc::new(Mutex::new(Inner { clock, table, happened, written, deaf: false })))
    }

    /// The same that keeps nothing: what ten thousand clusters do fits in no memory, and nobody reads it.
    #[must_use]
    pub fn deaf(self) -> Self {
        self.inner().deaf = true;
        self
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what happened now, after the lines of ledgers that were written since the last time.
    pub fn add(&self, happened: Happened) {
        let mut inner = self.inner();
        if inner.deaf {
            return;
        }
        inner.ledgers();
        let at_s = inner.clock.now().as_second();
        inner.happened.push((at_s, happened));
    }

    /// Adds something in words.
    pub fn say(&self, text: impl Into<String>) {
        self.add(Happened::Said(text.into()));
    }

    /// Adds something that the judge reads.
    pub fn tell(&self, what: What) {
        self.add(Happened::Told(what));
    }

    /// Adds a request that reached the simulator, with what the judge wants of its answer.
    pub fn request(&self, world: &World, response: &Response) {
        let Some(record) = &response.record else { return };
        if self.inner().deaf {
            return;
        }
        let said = said(record, response);
        let cluster = record.mutated.then(|| {
            let name = record.cluster.as_deref().unwrap_or_default();
            world.cluster_state(name).unwrap_or_default()
        });
        let record = serde_json::to_value(record).unwrap_or_default();
        self.tell(What::Request { record, said, cluster });
    }

    /// How many things happened.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner().happened.len()
    }

    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What somebody makes of everything, in order.
    pub fn read<T>(&self, reader: impl FnOnce(&[(i64, Happened)]) -> T) -> T {
        reader(&self.inner().happened)
    }

    /// Everything, in order.
    #[must_use]
    pub fn all(&self) -> Vec<(i64, Happened)> {
        self.inner().happened.clone()
    }

    /// What the judge makes of it.
    #[must_use]
    pub fn judged(&self) -> Vec<Objection> {
        judge_each(told(&self.inner().happened))
    }

    /// What the judge reads.
    #[must_use]
    pub fn told(&self) -> Vec<Line> {
        told(&self.inner().happened).map(|(at_s, what)| Line { at_s, what: what.clone() }).collect()
    }

    /// The hash of everything, in hexadecimal: the same for the same seed.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for (at_s, happened) in &self.inner().happened {
            hasher.update(at_s.to_be_bytes());
            hasher.update(line(happened).as_bytes());
        }
        hasher.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// All of it for people, a line each.
    #[must_use]
    pub fn readable(&self) -> String {
        let mut text = String::new();
        for (at_s, happened) in &self.inner().happened {
            let at = Timestamp::from_second(*at_s).unwrap_or_default();
            let _ = writeln!(text, "{} {}", at.strftime("%m-%d %H:%M:%S"), line(happened));
        }
        text
    }
}

fn told(happened: &[(i64, Happened)]) -> impl Iterator<Item = (i64, &What)> {
    happened.iter().filter_map(|(at_s, happened)| match happened {
        Happened::Told(what) => Some((*at_s, what)),
        _ => None,
    })
}

/// What the judge wants of an answer: an update's status, a control plane's version.
fn said(record: &Record, response: &Response) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        update: Option<Update>,
        cluster: Option<Cluster>,
    }
    #[derive(Deserialize)]
    struct Update {
        status: String,
    }
    #[derive(Deserialize)]
    struct Cluster {
        version: String,
    }
    let body = || serde_json::from_str::<Body>(&response.body).ok();
    match record.operation.as_str() {
        "DescribeUpdate" => Some(body()?.update?.status),
        "DescribeCluster" => Some(body()?.cluster?.version),
        _ => None,
    }
}

fn line(happened: &Happened) -> String {
    match happened {
        Happened::Told(What::Request { record, said, .. }) => {
            let text = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
            let input =
                if record["mutated"] == true { format!(" {}", record["input"]) } else { String::new() };
            let said = said.as_ref().map_or(String::new(), |said| format!(" → {said}"));
            let error = if text("error").is_empty() {
                String::new()
            } else {
                format!(" ✗ {} {}", text("error"), text("message"))
            };
            format!("  eks     {} {}{input}{said}{error}", text("operation"), text("path"))
        }
        Happened::Told(What::Ledger { run, seq, body, .. }) => {
            format!("  ledger  {run} {seq} {}", short(body))
        }
        Happened::Told(what) => format!("  told    {}", serde_json::to_string(what).unwrap_or_default()),
        Happened::Entered { execution, state } => format!("{execution} ▸ {state}"),
        Happened::Answered { function, answer: Ok(answer) } => format!("  answer  {function} {answer}"),
        Happened::Answered { function, answer: Err(error) } => format!("  error   {function} {error}"),
        Happened::Mishap(mishap) => format!("  mishap  {mishap:?}"),
        Happened::Said(text) => format!("* {text}"),
    }
}

/// An entry without its envelope, and no longer than a line.
fn short(body: &str) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(body) else { return body.to_owned() };
    for envelope in ["run", "seq", "at", "actor", "previous", "policy", "plan"] {
        fields.remove(envelope);
    }
    let text = Value::Object(fields).to_string();
    text.chars().take(400).collect()
}
