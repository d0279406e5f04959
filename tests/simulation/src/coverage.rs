//! What simulations came by: failures of the matrix, decisions, kinds of ledger lines, states of the state machines.
//!
//! A failure counts where the trace shows that it struck, never because the story meant it to.

use std::collections::{BTreeMap, BTreeSet};

use eks_upgrade_judge::What;
use eks_upgrade_support::Mishap;
use serde_json::Value;

use crate::story::{Event, Story};
use crate::trace::Happened;

/// What one simulation, or many, came by: how often each.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Rows of the failure matrix, by number: in how many simulations.
    pub rows: BTreeMap<u8, u64>,
    /// Decisions of runs and campaigns.
    pub decisions: BTreeMap<String, u64>,
    /// Kinds of ledger lines.
    pub lines: BTreeMap<String, u64>,
    /// States of the state machines.
    pub states: BTreeMap<String, u64>,
}

impl Coverage {
    /// What one simulation came by.
    #[must_use]
    pub fn of(story: &Story, happened: &[(i64, Happened)]) -> Self {
        let facts = Facts::of(story, happened);
        let once = |names: &BTreeSet<String>| names.iter().map(|name| (name.clone(), 1)).collect();
        Self {
            rows: ROWS.iter().filter(|row| (row.struck)(&facts)).map(|row| (row.number, 1)).collect(),
            decisions: once(&facts.decisions),
            lines: once(&facts.lines),
            states: once(&facts.states),
        }
    }

    /// Adds what others came by.
    pub fn add(&mut self, other: Self) {
        fn merge<K: Ord>(into: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
            for (key, count) in from {
                *into.entry(key).or_default() += count;
            }
        }
        merge(&mut self.rows, other.rows);
        merge(&mut self.decisions, other.decisions);
        merge(&mut self.lines, other.lines);
        merge(&mut self.states, other.states);
    }

    /// What should have been come by and was not, or in fewer than `least` simulations in a million; `seeds` were told.
    #[must_use]
    pub fn missing(&self, seeds: u64, least: u64) -> Vec<String> {
        // In few simulations chance weighs more: a tenth of the share is asked for, and once at the least.
        let wanted = if seeds >= 1_000_000 { least } else { (least * seeds / 10_000_000).max(1) };
        let short = |count: Option<&u64>| count.is_none_or(|count| *count < wanted);
        let rows = ROWS.iter().filter(|row| short(self.rows.get(&row.number)));
        let mut missing: Vec<String> = rows
            .map(|row| {
                let count = self.rows.get(&row.number).unwrap_or(&0);
                format!("failure {} ({}): {count} times, {wanted} wanted", row.number, row.title)
            })
            .collect();
        let unseen = |what: &str, all: Vec<String>, seen: &BTreeMap<String, u64>| {
            let unseen = all.into_iter().filter(|name| !seen.contains_key(name));
            unseen.map(|name| format!("{what} {name}: never")).collect::<Vec<_>>()
        };
        missing.extend(unseen("decision", strings(&DECISIONS), &self.decisions));
        missing.extend(unseen("ledger line", strings(&LINES), &self.lines));
        missing.extend(unseen("state", states(), &self.states));
        missing
    }
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Decisions that a simulation can come to.
const DECISIONS: [&str; 24] = [
    "act",
    "ask",
    "complete",
    "done",
    "halt",
    "hop",
    "replan",
    "stop",
    "wave",
    "wait AddOns",
    "wait Bake",
    "wait ControlPlane",
    "wait CoreComponents",
    "wait EarlierRing",
    "wait FargatePods",
    "wait Following",
    "wait KillSwitch",
    "wait NextAttempt",
    "wait NodeGroups",
    "wait OtherUpdate",
    "wait Recovery",
    "wait Soak",
    "wait Upgrades",
    "wait Window",
];

/// Kinds of ledger lines that a simulation can come to.
const LINES: [&str; 32] = [
    "opened",
    "resumed",
    "planned",
    "intended",
    "started",
    "withheld",
    "refused",
    "succeeded",
    "failed",
    "satisfied",
    "skipped",
    "verified",
    "not-verified",
    "bake-began",
    "baked",
    "gate-failed",
    "rolled",
    "follow-began",
    "follow-seen",
    "followed",
    "stalled",
    "vitals-seen",
    "approval-asked",
    "approval-answered",
    "approval-expired",
    "paused",
    "foreign-update",
    "foreign-update-ended",
    "overdue",
    "ended completed",
    "ended halted",
    "ended rolled-back",
];

/// States that take a definition that is wrong, or a history that is too long.
const ELSEWHERE: [&str; 6] = [
    "UnknownAction",
    "UnknownAnswer",
    "UnknownDecision",
    "CannotGoOn",
    "GoOnInAnotherExecution",
    "HandedOver",
];

/// The states of all state machines that a simulation can enter.
fn states() -> Vec<String> {
    let all: BTreeSet<String> = eks_upgrade_support::machines()
        .values()
        .flat_map(eks_upgrade_support::asl::Machine::states)
        .collect();
    all.into_iter().filter(|state| !ELSEWHERE.contains(&state.as_str())).collect()
}

/// What a trace shows, in one reading.
#[derive(Default)]
struct Facts {
    decisions: BTreeSet<String>,
    lines: BTreeSet<String>,
    states: BTreeSet<String>,
    /// Names of errors that EKS answered, `operation error`.
    errors: BTreeSet<String>,
    /// Words with which it refused.
    refusals: Vec<String>,
    /// Codes of failures in ledger lines, `event code`.
    failures: BTreeSet<String>,
    /// Statuses of updates.
    statuses: BTreeSet<String>,
    /// Names of errors of functions, and outcomes of intake.
    answers: BTreeSet<String>,
    /// Other things that happened, by a name of their own.
    marks: BTreeSet<&'static str>,
}

impl Facts {
    fn of(story: &Story, happened: &[(i64, Happened)]) -> Self {
        let mut facts = Self::default();
        facts.story(story);
        let mut first_seen: BTreeMap<String, i64> = BTreeMap::new();
        let mut before: Option<&Happened> = None;
        for (at_s, what) in happened {
            facts.take(what, before);
            if let Happened::Told(What::Request { record, said: Some(said), .. }) = what
                && said == "InProgress"
            {
                let path = record["path"].as_str().unwrap_or_default().to_owned();
                if at_s - *first_seen.entry(path).or_insert(*at_s) > 3 * 3600 {
                    facts.marks.insert("in progress for hours");
                }
            }
            before = Some(what);
        }
        facts
    }

    fn story(&mut self, story: &Story) {
        let text =
            |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        for (_, event) in &story.events {
            let Event::Notice(notice) = event else { continue };
            if text(notice, "/detail/totalPages").is_some_and(|pages| pages != "1") {
                self.marks.insert("paged");
            }
            if text(notice, "/detail/affectedEntities/0/status").as_deref() == Some("RESOLVED") {
                self.marks.insert("resolved");
            }
        }
        if story.fleet.get("tokens_forgotten_after_m").is_some() {
            self.marks.insert("tokens forgotten");
        }
    }

    fn take(&mut self, what: &Happened, before: Option<&Happened>) {
        match what {
            Happened::Told(What::Request { record, said, .. }) => {
                self.request(record, said.as_deref(), before);
            }
            Happened::Told(What::Ledger { body, .. }) => self.ledger(body),
            Happened::Told(What::Policy(_)) if before.is_some() => self.mark("deployed"),
            Happened::Told(What::Switch { thrown: true }) => self.mark("switch thrown"),
            Happened::Told(_) | Happened::Mishap(_) => {}
            Happened::Entered { state, .. } => {
                self.states.insert(state.clone());
            }
            Happened::Answered { function, answer } => self.answer(function, answer),
            Happened::Said(text) => {
                let known = [
                    ("the table is down", "table down"),
                    ("stops ", "stopped"),
                    ("every clock jumps", "jumped"),
                ];
                self.marks
                    .extend(known.iter().filter(|(start, _)| text.starts_with(start)).map(|(_, mark)| mark));
            }
        }
    }

    fn request(&mut self, record: &Value, said: Option<&str>, before: Option<&Happened>) {
        let text = |field: &str| record[field].as_str().unwrap_or_default();
        if !text("error").is_empty() {
            self.errors.insert(format!("{} {}", text("operation"), text("error")));
            self.refusals.push(text("message").to_owned());
        }
        let silent = text("error").is_empty() && (record["dropped"] == true || record["status"] == 0);
        if text("operation").starts_with("kube:") && silent {
            self.mark("API server silent");
        }
        if text("operation") == "DescribeUpdate"
            && let Some(status) = said
        {
            self.statuses.insert(status.to_owned());
        }
        if record["mutated"] != true {
            return;
        }
        match before {
            Some(Happened::Mishap(Mishap::DiesAfter)) => self.mark("died after"),
            Some(Happened::Mishap(Mishap::FailsAfter)) => self.mark("answer lost"),
            _ => {}
        }
        if record["dropped"] == true {
            self.marks.insert("answer lost");
        }
        if text("operation") == "UpdateNodegroupVersion" && record["input"].get("version").is_none() {
            self.marks.insert("own image");
        }
        if text("addon") == "vpc-cni" && !self.marks.insert("vpc-cni") {
            self.marks.insert("vpc-cni again");
        }
    }

    fn ledger(&mut self, body: &str) {
        let Ok(entry) = serde_json::from_str::<Value>(body) else { return };
        let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let event = text("/event");
        let line = if event == "ended" { format!("ended {}", text("/outcome")) } else { event.to_owned() };
        self.lines.insert(line);
        for code in [text("/failure/code"), text("/code")] {
            if !code.is_empty() {
                self.failures.insert(format!("{event} {code}"));
            }
        }
        if event == "started" && entry["adopted"] == true {
            self.marks.insert("adopted");
        }
        if event == "satisfied" && text("/step").ends_with("/control-plane") {
            self.marks.insert("upgraded elsewhere");
        }
        for (code, mark) in [("insight-error", "insights"), ("webhook-unanswered", "webhook")] {
            if event == "planned" && has_finding(&entry, code) {
                self.marks.insert(mark);
            }
        }
    }

    fn answer(&mut self, function: &str, answer: &Result<Value, String>) {
        let answer = match answer {
            Err(error) => {
                self.answers.insert(error.clone());
                return;
            }
            Ok(answer) => answer,
        };
        if let Some(outcome) = answer["outcome"].as_str().filter(|_| function == "Intake") {
            self.answers.insert(outcome.to_owned());
            if outcome == "campaign" && answer["campaign"].as_str().is_some_and(|id| id.starts_with("sweep-"))
            {
                self.marks.insert("found by the sweep");
            }
        }
        if function == "Decide"
            && let Some(next) = answer["next"].as_str()
        {
            let wait_for = answer["waitFor"].as_str();
            self.decisions.insert(wait_for.map_or(next.to_owned(), |wait_for| format!("{next} {wait_for}")));
        }
    }

    fn mark(&mut self, mark: &'static str) {
        self.marks.insert(mark);
    }

    fn marked(&self, mark: &str) -> bool {
        self.marks.iter().any(|known| *known == mark)
    }

    fn erred(&self, error: &str) -> bool {
        self.errors.iter().any(|known| known.ends_with(error))
    }

    /// Whether an operation was refused, however.
    fn erred_at(&self, operation: &str) -> bool {
        self.errors.iter().any(|known| known.starts_with(operation))
    }

    fn failed(&self, code: &str) -> bool {
        self.failures.iter().any(|known| known.ends_with(code))
    }
}

/// Whether a plan has a finding of this code: one that was looked for and not found stands there as well, and passes.
fn has_finding(planned: &Value, code: &str) -> bool {
    let findings = planned["plan"]["findings"].as_array().into_iter().flatten();
    findings.into_iter().any(|finding| finding["code"] == code && finding["level"] != "pass")
}

/// A row of the failure matrix, and what shows that it struck.
struct Row {
    number: u8,
    title: &'static str,
    struck: fn(&Facts) -> bool,
}

macro_rules! rows {
    ($($number:literal $title:literal $struck:expr;)*) => {
        &[$(Row { number: $number, title: $title, struck: $struck }),*]
    };
}

/// The rows that simulations are to come by. 39 takes a history of 25,000 events, which has tests of its own.
const ROWS: &[Row] = rows! {
    1 "duplicate notice" |f| f.answers.contains("duplicate");
    2 "paged notice" |f| f.marked("paged");
    3 "entity resolved too early" |f| f.marked("resolved") && f.answers.contains("campaign");
    4 "notice lost" |f| f.marked("found by the sweep");
    5 "no notice at all" |f| f.answers.contains("refused");
    6 "two triggers for a cluster" |f| f.answers.contains("LeaseHeld");
    7 "dies after the call" |f| f.marked("died after");
    8 "fate of a call unknown" |f| f.marked("answer lost");
    9 "token no longer honoured" |f| f.marked("tokens forgotten") && f.marked("adopted");
    10 "throttling" |f| f.erred("ThrottlingException");
    11 "service unavailable" |f| f.erred("ServiceUnavailableException");
    12 "update adopted" |f| f.marked("adopted");
    13 "update not visible yet" |f| f.errors.contains("DescribeUpdate ResourceNotFoundException");
    14 "update failed" |f| f.lines.contains("failed");
    15 "unknown status" |f| f.statuses.iter().any(|s| !matches!(s.as_str(), "InProgress" | "Successful" | "Failed"));
    16 "in progress for hours" |f| f.marked("in progress for hours");
    17 "too few addresses" |f| f.refusals.iter().any(|text| text.contains("IPs in each subnet")) || f.failed("IpNotAvailable");
    18 "access denied" |f| f.erred("AccessDeniedException") || f.failed("AccessDenied");
    19 "insights" |f| f.marked("insights");
    20 "somebody else's update" |f| f.lines.contains("foreign-update");
    21 "upgraded meanwhile" |f| f.marked("upgraded elsewhere");
    22 "rolled back by a person" |f| f.failed(" RolledBack");
    23 "cluster deleted" |f| f.failed("TargetGone");
    24 "cluster made anew" |f| f.failed("AnotherCluster");
    25 "group deleted midway" |f| f.lines.contains("skipped");
    26 "group unwell or busy" |f| f.failed("NodeGroupNotActive") || f.failed("ResourceInUse");
    27 "eviction failed" |f| f.failed("PodEvictionFailure");
    28 "no capacity" |f| f.failed("NodeCreationFailure");
    29 "image of its owner's" |f| f.marked("own image");
    30 "too far behind" |f| f.failed("NodesTooOld") || f.failed("NotTheNextMinor") || f.failed("Blocked");
    31 "configuration conflict" |f| f.failed("ConfigurationConflict");
    32 "add-on unwell" |f| f.failed("AddonUnwell") || f.failed("NotVerified") || f.lines.contains("not-verified");
    33 "vpc-cni step by step" |f| f.marked("vpc-cni again");
    34 "add-on's end found by looking" |f| f.marked("vpc-cni") && f.lines.contains("succeeded");
    35 "window closed" |f| f.decisions.contains("wait Window");
    36 "clocks jump" |f| f.marked("jumped");
    37 "table down" |f| f.marked("table down");
    38 "execution stopped" |f| f.marked("stopped") && f.lines.contains("resumed");
    40 "approvals" |f| f.lines.contains("approval-answered") || f.lines.contains("approval-expired");
    41 "API server silent" |f| f.marked("API server silent");
    42 "eviction refused" |f| f.erred_at("kube:create pods/eviction");
    43 "webhook with nobody behind it" |f| f.marked("webhook");
    44 "regression after success" |f| f.lines.contains("gate-failed");
    45 "taken past the plan" |f| f.failed("MovedPastTarget") || f.failed("ControlPlaneElsewhere");
    46 "deployed meanwhile" |f| f.marked("deployed");
    47 "kill switch" |f| f.decisions.contains("wait KillSwitch");
};
