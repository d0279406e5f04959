//! Faults: which calls they strike, and what they do to them.

use serde_json::{Value, json};

use crate::fleet::{Breaks, ErrorEffect, FailUpdate, Fault, Times};
use crate::route::Call;
use crate::time::{MINUTE, Ms, SECOND};

/// The faults of a world, with what they have struck so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<State>);

#[derive(Clone, Debug)]
struct State {
    fault: Fault,
    /// Calls that matched.
    seen: u32,
    /// Calls that were struck.
    struck: u32,
}

/// What a call is, as far as faults look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim<'a> {
    operation: &'a str,
    cluster: Option<&'a str>,
    nodegroup: Option<&'a str>,
    addon: Option<&'a str>,
    version: Option<&'a str>,
}

impl<'a> Aim<'a> {
    /// A call that names a cluster at most.
    pub(crate) fn at(operation: &'a str, cluster: Option<&'a str>) -> Self {
        Self { operation, cluster, nodegroup: None, addon: None, version: None }
    }
}

impl<'a> From<&'a Call> for Aim<'a> {
    fn from(call: &'a Call) -> Self {
        Self {
            operation: call.operation,
            cluster: call.cluster.as_deref(),
            nodegroup: call.nodegroup.as_deref(),
            addon: call.addon.as_deref(),
            version: call.body.get("version").and_then(Value::as_str),
        }
    }
}

/// What faults do to an update that is about to start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) fail: Option<FailUpdate>,
    pub(crate) stuck: bool,
    pub(crate) duration: Option<Ms>,
    pub(crate) end_status: Option<String>,
    pub(crate) stale: Option<Ms>,
    /// What stops working after it.
    pub(crate) breaks: Vec<Breaks>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(State { fault, seen: 0, struck: 0 });
    }

    /// Drops the faults that belong to one cluster.
    pub(crate) fn forget_cluster(&mut self, name: &str) {
        self.0.retain(|state| state.fault.target.cluster.as_deref() != Some(name));
    }

    /// The refusal that strikes this call, if one does.
    pub(crate) fn refusal<'a>(&mut self, call: impl Into<Aim<'a>>) -> Option<ErrorEffect> {
        let aim = call.into();
        self.0
            .iter_mut()
            .filter(|state| state.fault.error.is_some())
            .find_map(|state| if state.strikes(aim) { state.fault.error.clone() } else { None })
    }

    /// What strikes the update that this call starts.
    pub(crate) fn shape(&mut self, call: &Call) -> Shape {
        let mut shape = Shape::default();
        for state in self.0.iter_mut().filter(|state| state.fault.shapes_updates()) {
            if !state.strikes(call.into()) {
                continue;
            }
            let fault = &state.fault;
            shape.fail = shape.fail.or_else(|| fault.fail_update.clone());
            shape.stuck |= fault.stuck;
            shape.duration = shape.duration.or_else(|| fault.duration_m.map(|m| i64::from(m) * MINUTE));
            shape.end_status = shape.end_status.or_else(|| fault.update_status.clone());
            shape.stale = shape.stale.or_else(|| fault.stale_s.map(|s| i64::from(s) * SECOND));
            shape.breaks.extend(fault.breaks.clone());
        }
        shape
    }

    /// What strikes the answer to this call: real seconds it is held, and whether it is dropped.
    pub(crate) fn answer<'a>(&mut self, call: impl Into<Aim<'a>>) -> (f64, bool) {
        let aim = call.into();
        let mut held = (0.0, false);
        for state in self.0.iter_mut().filter(|state| state.fault.touches_answers()) {
            if state.strikes(aim) {
                held.0 += state.fault.answer_after_s.unwrap_or(0.0);
                held.1 |= state.fault.drop_answer;
            }
        }
        held
    }

    /// For `/_sim/state`.
    pub(crate) fn describe(&self) -> Value {
        self.0
            .iter()
            .map(|state| {
                let target = &state.fault.target;
                json!({
                    "operation": target.operation, "cluster": target.cluster,
                    "nodegroup": target.nodegroup, "addon": target.addon, "version": target.version,
                    "seen": state.seen, "struck": state.struck,
                })
            })
            .collect()
    }
}

impl State {
    /// Counts the call, and says whether it is struck.
    fn strikes(&mut self, aim: Aim<'_>) -> bool {
        let target = &self.fault.target;
        let fits = |wanted: &Option<String>, is: Option<&str>| wanted.is_none() || wanted.as_deref() == is;
        if !(fits(&target.operation, Some(aim.operation))
            && fits(&target.cluster, aim.cluster)
            && fits(&target.nodegroup, aim.nodegroup)
            && fits(&target.addon, aim.addon)
            && fits(&target.version, aim.version))
        {
            return false;
        }
        self.seen = self.seen.saturating_add(1);
        let spent = matches!(self.fault.times, Times::Count(times) if self.struck >= times);
        if self.seen <= self.fault.after || spent {
            return false;
        }
        self.struck = self.struck.saturating_add(1);
        true
    }
}

impl Fault {
    /// Whether it changes the course of an update that starts.
    pub(crate) fn shapes_updates(&self) -> bool {
        self.fail_update.is_some()
            || self.stuck
            || self.duration_m.is_some()
            || self.update_status.is_some()
            || self.stale_s.is_some()
            || self.breaks.is_some()
    }

    /// Whether it changes when or whether the answer arrives.
    pub(crate) fn touches_answers(&self) -> bool {
        self.answer_after_s.is_some() || self.drop_answer
    }
}

/// The documented HTTP status of an error type.
pub(crate) fn documented_status(kind: &str) -> u16 {
    match kind {
        "ResourceInUseException" => 409,
        "ResourceNotFoundException" | "NotFoundException" => 404,
        "ThrottlingException" | "TooManyRequestsException" => 429,
        "ServerException" | "ResourceContention" => 500,
        "ServiceUnavailableException" | "RequestLimitExceeded" => 503,
        "AccessDeniedException"
        | "AccessDenied"
        | "ExpiredToken"
        | "SignatureDoesNotMatch"
        | "UnauthorizedOperation" => 403,
        _ => 400,
    }
}
