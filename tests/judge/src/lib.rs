//! The judge: whether upgrades kept the rules, told from the simulator's log and the ledger alone.
//!
//! It knows nothing of the product's types, and depends on none of its crates: a mistake in them cannot be a mistake
//! here as well. What it reads is plain JSON, as the simulator and the ledger write it. Each rule is a module of its
//! own; [`judge`] asks all of them. It must never learn a rule from the code that it judges.

mod approval;
mod chain;
mod consent;
mod endings;
mod evidence;
mod identity;
mod inside;
mod intent;
mod lease;
mod ledger;
mod readiness;
mod schedule;
mod skew;
mod success;
mod switch;

use serde::Serialize;
use serde_json::Value;

pub use evidence::Evidence;
pub use ledger::Entry;

/// One thing that was recorded, in the order in which it happened.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// When, in seconds since 1970.
    pub at_s: i64,
    /// What.
    pub what: What,
}

/// What was recorded.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A policy holds from here on, as people wrote it.
    Policy(Value),
    /// Somebody starts an upgrade by hand with this input.
    Asked(Value),
    /// A request reached EKS.
    Request {
        /// The simulator's record of it.
        record: Value,
        /// What the answer says: the status, where an update was described; the version, where a cluster was.
        said: Option<String>,
        /// What the cluster was at that instant, by the simulator; with requests that changed something.
        cluster: Option<Value>,
    },
    /// A line of a run's ledger was written.
    Ledger {
        /// The run.
        run: String,
        /// The line's place as the table has it.
        seq: u32,
        /// Its text.
        body: String,
        /// Its hash as the table has it.
        hash: String,
    },
    /// Somebody put the kill switch.
    Switch {
        /// Whether it is thrown.
        thrown: bool,
    },
    /// Somebody consented to something.
    Consent {
        /// On which cluster, its ARN.
        cluster: String,
        /// To what, as the table has it.
        scope: Value,
        /// Until when, in seconds since 1970.
        expires_s: i64,
    },
    /// Somebody answered a question, and the answer counted.
    Answered {
        /// The run that asked; empty where it was a campaign.
        run: String,
        /// Before what, in words.
        before: String,
        /// Whether it was a yes.
        yes: bool,
    },
    /// What a cluster with an inside is at the end, by the simulator.
    Left {
        /// Its name.
        cluster: String,
        /// What it is.
        state: Value,
    },
    /// Nothing goes wrong any more from here on.
    Healed,
    /// Nothing happens any more.
    Over,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Objection {
    /// The rule.
    pub rule: Rule,
    /// When, in seconds since 1970.
    pub at_s: i64,
    /// By what.
    pub text: String,
}

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The hash chain of every ledger holds.
    Chain,
    /// A ledger has the intent before EKS has the call, with the call's own token, which no other intent has.
    IntentBeforeEffect,
    /// EKS accepts one call a step, and another only after that one's update ended otherwise than well.
    OneCallAStep,
    /// Versions rise by one, unless the control plane is taken back by one; and nothing else is ever meant.
    OneMinorUp,
    /// No node is newer than its control plane, or more than three minors older.
    Skew,
    /// A control plane goes up only on what EKS's insights said within the last day, made anew at its minor.
    Readiness,
    /// Nothing is called outside the windows, or in a freeze.
    Schedule,
    /// Nothing is called by whom the lease has left, and whoever takes it over outdates who had it.
    Lease,
    /// Nothing is called while the kill switch is thrown.
    KillSwitch,
    /// Force, overwriting and the way back take the policy's word, the request's or a consent.
    Consent,
    /// What the policy wants a yes to is not called without.
    Approval,
    /// No instance of a group that EKS does not manage ends with pods on it that could have gone elsewhere.
    Drain,
    /// Nothing is called on another cluster of the same name.
    SameCluster,
    /// Success is claimed only where EKS says so.
    Success,
    /// Once nothing goes wrong any more, every run ends, with a name and what to do next.
    Endings,
}

/// All objections to what was recorded; none when every rule was kept.
#[must_use]
pub fn judge(lines: &[Line]) -> Vec<Objection> {
    judge_each(lines.iter().map(|line| (line.at_s, &line.what)))
}

/// The same of what somebody keeps otherwise: each with when it was, in seconds since 1970.
#[must_use]
pub fn judge_each<'a>(lines: impl IntoIterator<Item = (i64, &'a What)>) -> Vec<Objection> {
    let evidence = Evidence::read(lines);
    let mut objections = evidence.unreadable.clone();
    for rule in [
        chain::judge,
        intent::judge,
        skew::judge,
        readiness::judge,
        schedule::judge,
        lease::judge,
        switch::judge,
        consent::judge,
        approval::judge,
        identity::judge,
        inside::judge,
        success::judge,
        endings::judge,
    ] {
        objections.extend(rule(&evidence));
    }
    objections.sort_by_key(|objection| objection.at_s);
    objections
}
