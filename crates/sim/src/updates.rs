//! How updates start, run and end.

use std::collections::VecDeque;

use crate::faults::Shape;
use crate::fleet::IssueSpec;
use crate::rng::Rng;
use crate::roll;
use crate::rollback::Arrival;
use crate::state::{Beat, Cluster, Lag, Node, NodeConfig, Nodegroup, Scope, Target, Update};
use crate::time::{MINUTE, Ms, SECOND};

/// What is to start.
pub(crate) struct Start {
    pub(crate) kind: &'static str,
    pub(crate) scope: Scope,
    pub(crate) params: Vec<(&'static str, String)>,
    pub(crate) target: Target,
    pub(crate) by: &'static str,
    pub(crate) at: Ms,
    /// Node groups: delete what does not evict.
    pub(crate) force: bool,
    /// Reads know of it after at most this.
    pub(crate) visibility: Ms,
    /// Cancelled when it runs longer than this.
    pub(crate) timeout: Option<Ms>,
}

/// An update that takes a control plane back.
pub(crate) const ROLLBACK: &str = "VersionRollback";
/// Who upgrades at the end of extended support.
pub(crate) const AWS: &str = "aws";

/// How long a control plane takes: some ten minutes, one in eight up to twenty.
fn control_plane_duration(rng: &mut Rng) -> Ms {
    let (low, high) = if rng.between(1, 8) == 8 { (12, 20) } else { (8, 12) };
    rng.between(low * 60, high * 60) * SECOND
}

fn end(status: &str, errors: Vec<IssueSpec>) -> Beat {
    Beat::End { status: status.to_owned(), errors }
}

impl Cluster {
    /// Lets updates that would never end fail at `at`.
    pub(crate) fn end_what_hangs(&mut self, at: Ms) {
        let ends = |update: &Update| update.beats.iter().any(|(_, beat)| matches!(beat, Beat::End { .. }));
        let hangs = |update: &&mut Update| update.status == "InProgress" && !ends(update);
        for update in self.updates.iter_mut().filter(hangs) {
            let errors = vec![IssueSpec {
                code: "Unknown".to_owned(),
                message: "An internal error occurred.".to_owned(),
                resource_ids: Vec::new(),
            }];
            // It may not have come to where it hangs.
            let at = update.beats.back().map_or(at, |(last, _)| at.max(*last));
            update.beats.push_back((at, end("Failed", errors)));
        }
    }

    /// Starts an update and gives its id. Whether it may start was decided before.
    pub(crate) fn begin(&mut self, start: Start, shape: Shape) -> String {
        let id = self.rng.uuid();
        let delay = shape.stale.unwrap_or_else(|| self.rng.between(0, start.visibility));
        let lag_at_end = shape.stale.unwrap_or(0);
        let mut beats = self.usual_course(&start);
        if let Some(fail) = shape.fail {
            beats = self.failing_course(&start.scope, beats, fail);
        }
        if let Some(status) = shape.end_status
            && let Some((_, beat)) = beats.back_mut()
        {
            *beat = end(&status, Vec::new());
        }
        if let Some(duration) = shape.duration {
            retime(&mut beats, start.at, duration);
        }
        if shape.stuck {
            // It hangs in the middle of its work, not just before its end.
            let upgrade = beats.iter().position(|(_, beat)| matches!(beat, Beat::Phase("upgrade")));
            beats.truncate(upgrade.map_or(0, |at| at + 1));
        }
        if let Some(timeout) = start.timeout {
            cut_off(&mut beats, start.at + timeout);
        }
        self.updates.push(Update {
            id: id.clone(),
            kind: start.kind.to_owned(),
            scope: start.scope.clone(),
            params: start.params,
            created: start.at,
            visible: start.at + delay,
            lag_at_end,
            status: "InProgress".to_owned(),
            errors: Vec::new(),
            ended: None,
            target: start.target,
            beats,
            by: start.by,
            breaks: shape.breaks,
            cancelled: None,
        });
        id
    }

    fn usual_course(&mut self, start: &Start) -> VecDeque<(Ms, Beat)> {
        match (&start.scope, &start.target) {
            (Scope::Nodegroup(name), Target::Nodes(target)) => match self.nodegroups.get(name) {
                Some(group) => roll::timeline(group, &mut self.rng, target, start.force, start.at),
                None => VecDeque::new(),
            },
            (Scope::Addon(name), _) => {
                let conflicts =
                    self.addons.get(name).map(|addon| addon.spec.conflicts.clone()).unwrap_or_default();
                let mode = start.params.iter().find(|(kind, _)| *kind == "ResolveConflicts");
                if !conflicts.is_empty() && mode.is_none_or(|(_, mode)| mode == "NONE") {
                    let at = start.at + self.rng.between(15, 40) * SECOND;
                    return VecDeque::from([(at, end("Failed", vec![conflict(name, &conflicts)]))]);
                }
                let at = start.at + self.rng.between(60, 180) * SECOND;
                VecDeque::from([(at, end("Successful", Vec::new()))])
            }
            (_, Target::Support(_)) => {
                let at = start.at + self.rng.between(45, 75) * SECOND;
                VecDeque::from([(at, end("Successful", Vec::new()))])
            }
            _ => {
                let at = start.at + control_plane_duration(&mut self.rng);
                VecDeque::from([(at, end("Successful", Vec::new()))])
            }
        }
    }

    fn failing_course(
        &self,
        scope: &Scope,
        mut beats: VecDeque<(Ms, Beat)>,
        fail: crate::fleet::FailUpdate,
    ) -> VecDeque<(Ms, Beat)> {
        let about = match scope {
            Scope::Nodegroup(name) => {
                let Some(group) = self.nodegroups.get(name) else { return beats };
                return roll::fail(group, beats, &fail.code, fail.message, fail.resource_ids);
            }
            Scope::Addon(name) => name,
            Scope::Cluster => &self.spec.name,
        };
        let message = fail.message.unwrap_or_else(|| usual_message(&fail.code, about));
        let resource_ids = fail.resource_ids.unwrap_or_else(|| vec![about.clone()]);
        if let Some((_, beat)) = beats.back_mut() {
            *beat = end("Failed", vec![IssueSpec { code: fail.code, message, resource_ids }]);
        }
        beats
    }

    /// The next instant at which something happens in it.
    pub(crate) fn next_beat(&self) -> Option<Ms> {
        let beats = self.running_updates().filter_map(|(_, update)| update.beats.front());
        beats
            .map(|(at, _)| *at)
            .chain(self.next_break())
            .chain(self.next_group_event())
            .chain(self.next_kubernetes_event())
            .min()
    }

    fn running_updates(&self) -> impl Iterator<Item = (usize, &Update)> {
        self.updates.iter().enumerate().filter(|(_, update)| update.ended.is_none())
    }

    /// Lets everything happen that is due.
    pub(crate) fn advance(&mut self, now: Ms) {
        self.run_updates(now);
        self.run_groups(now);
        self.break_what_is_due(now);
    }

    fn run_updates(&mut self, now: Ms) {
        loop {
            let due = self
                .running_updates()
                .filter_map(|(index, update)| update.beats.front().map(|(at, _)| (*at, index)))
                .min()
                .filter(|(at, _)| *at <= now);
            let Some((at, index)) = due else { return };
            let Some((_, beat)) = self.updates.get_mut(index).and_then(|update| update.beats.pop_front())
            else {
                return;
            };
            self.happen(index, at, beat);
        }
    }

    fn happen(&mut self, index: usize, at: Ms, beat: Beat) {
        let Some(update) = self.updates.get(index) else { return };
        let (scope, target) = (update.scope.clone(), update.target.clone());
        match (beat, scope, target) {
            (Beat::End { status, errors }, scope, target) => {
                self.end(index, at, &status, errors, scope, target);
            }
            (beat, Scope::Nodegroup(name), Target::Nodes(config)) => {
                let fresh = match &beat {
                    Beat::Join(count) => usize::try_from(*count).unwrap_or(0),
                    Beat::Replace(names) => names.len(),
                    _ => 0,
                };
                let fresh: Vec<Node> = (0..fresh).map(|_| self.new_node(&config)).collect();
                if let Some(group) = self.nodegroups.get_mut(&name) {
                    group.step(beat, fresh, &config);
                }
            }
            _ => {}
        }
    }

    fn end(
        &mut self,
        index: usize,
        at: Ms,
        status: &str,
        errors: Vec<IssueSpec>,
        scope: Scope,
        target: Target,
    ) {
        let Some(update) = self.updates.get_mut(index) else { return };
        status.clone_into(&mut update.status);
        update.errors.clone_from(&errors);
        update.ended = Some(at);
        update.beats.clear();
        let until = at + update.lag_at_end;
        let worked = status == "Successful";
        let (back, automatic) = (update.kind == ROLLBACK, update.by == AWS);
        let breaks = std::mem::take(&mut update.breaks);
        match (scope, target) {
            (Scope::Cluster, Target::Version(version)) if worked => {
                self.lag = Some(Lag { until, shows: self.version });
                self.version = version;
                self.version_since = at;
                if back {
                    self.arrival = Arrival::RolledBack;
                    self.heal();
                } else {
                    self.arrival = Arrival::Upgraded { at, automatic };
                    self.will_break(at, breaks);
                }
            }
            (Scope::Cluster, Target::Support(support_type)) if worked => self.support_type = support_type,
            (Scope::Nodegroup(name), Target::Nodes(config)) => {
                if let Some(group) = self.nodegroups.get_mut(&name) {
                    group.finish(at, until, worked, config);
                }
            }
            (Scope::Addon(name), Target::Addon(wanted)) => {
                if let Some(addon) = self.addons.get_mut(&name) {
                    addon.finish(at, until, worked, wanted, errors);
                }
            }
            _ => {}
        }
    }
}

impl crate::state::Addon {
    fn finish(
        &mut self,
        at: Ms,
        until: Ms,
        worked: bool,
        wanted: crate::state::AddonTarget,
        errors: Vec<IssueSpec>,
    ) {
        self.modified = at;
        if !worked {
            let degraded = errors.iter().any(|error| error.code == "InsufficientNumberOfReplicas");
            (if degraded { "DEGRADED" } else { "UPDATE_FAILED" }).clone_into(&mut self.status);
            self.issues = errors;
            return;
        }
        "ACTIVE".clone_into(&mut self.status);
        self.issues.clear();
        self.lag = Some(Lag { until, shows: self.version.clone() });
        if let Some(version) = wanted.version {
            self.version = version;
        }
        self.configuration = wanted.configuration.or(self.configuration.take());
        // An update that names no role falls back to the nodes' (API reference, UpdateAddon).
        self.role = wanted.role;
        if let Some(associations) = wanted.pod_identities {
            self.pod_identities = associations;
        }
    }
}

impl Nodegroup {
    fn step(&mut self, beat: Beat, mut fresh: Vec<Node>, target: &NodeConfig) {
        match beat {
            Beat::Phase(phase) => self.phase = Some(phase),
            Beat::Join(_) => self.nodes.append(&mut fresh),
            Beat::Replace(names) => {
                let goes = |node: &Node| names.contains(&node.name);
                let moves = self.nodes.iter().any(|node| goes(node) && node.protected);
                self.nodes.retain(|node| !goes(node));
                if let Some(first) = fresh.first_mut() {
                    // The pods land on a new node, and their PDB with them.
                    first.protected = moves;
                }
                self.nodes.append(&mut fresh);
            }
            Beat::ScaleDown => self.shrink(target, 1),
            Beat::End { .. } => {}
        }
    }

    /// Takes up to `count` nodes beyond the configured size away, new ones without stubborn pods first.
    fn shrink(&mut self, target: &NodeConfig, count: usize) {
        let size = usize::try_from(self.spec.size).unwrap_or(usize::MAX);
        for _ in 0..count.min(self.nodes.len().saturating_sub(size)) {
            let spare = self.nodes.iter().rposition(|node| node.config == *target && !node.protected);
            self.nodes.remove(spare.unwrap_or(self.nodes.len() - 1));
        }
    }

    fn finish(&mut self, at: Ms, until: Ms, worked: bool, target: NodeConfig) {
        self.modified = at;
        self.phase = None;
        self.shrink(&target, usize::MAX);
        "ACTIVE".clone_into(&mut self.status);
        if worked {
            self.lag = Some(Lag { until, shows: std::mem::replace(&mut self.config, target) });
        }
    }
}

/// Cancels a course that is not over by `limit`.
fn cut_off(beats: &mut VecDeque<(Ms, Beat)>, limit: Ms) {
    if beats.back().is_none_or(|(at, beat)| *at > limit || !matches!(beat, Beat::End { .. })) {
        beats.retain(|(at, beat)| *at <= limit && !matches!(beat, Beat::End { .. }));
        beats.push_back((limit, end("Cancelled", Vec::new())));
    }
}

/// Stretches or shrinks a course so that it ends `duration` after `start`.
fn retime(beats: &mut VecDeque<(Ms, Beat)>, start: Ms, duration: Ms) {
    let whole = beats.back().map_or(0, |(at, _)| at - start).max(1);
    for (at, _) in beats {
        *at = start + (*at - start) * duration / whole;
    }
}

fn conflict(addon: &str, fields: &[String]) -> IssueSpec {
    IssueSpec {
        code: "ConfigurationConflict".to_owned(),
        message: format!(
            "Conflicts found when trying to apply. Will not continue due to resolve conflicts mode. Conflicts: {}",
            fields.join(", ")
        ),
        resource_ids: vec![addon.to_owned()],
    }
}

fn usual_message(code: &str, about: &str) -> String {
    match code {
        "IpNotAvailable" | "InsufficientFreeAddresses" => {
            format!("There are not enough free addresses in the subnets of {about}")
        }
        "SubnetNotFound" => format!("A subnet of {about} was not found"),
        "SecurityGroupNotFound" => format!("The security group of {about} was not found"),
        "AccessDenied" => format!("The role of {about} may not do what the update needs"),
        "ClusterUnreachable" => format!("The API server did not answer while {about} was updated"),
        "K8sResourceNotFound" => format!("A Kubernetes object that {about} needs was not found"),
        "AdmissionRequestDenied" => format!("An admission webhook denied a request for {about}"),
        "InsufficientNumberOfReplicas" => {
            format!("The add-on {about} is unhealthy because it doesn't have the desired number of replicas.")
        }
        _ => format!("The update of {about} failed: {code}"),
    }
}

/// Whether and how long ago an update of the fleet file would have ended by itself.
pub(crate) fn history(
    spec: &crate::fleet::UpdateSpec,
    status: &str,
    scope: Scope,
    start: Ms,
    id: String,
) -> Update {
    let created = start - i64::from(spec.started_ago_m) * MINUTE;
    let ended = created + spec.duration_m.map_or(MINUTE, |minutes| i64::from(minutes) * MINUTE);
    Update {
        id,
        kind: spec.kind.clone(),
        params: vec![(
            if matches!(scope, Scope::Addon(_)) { "AddonVersion" } else { "Version" },
            spec.to.clone(),
        )],
        scope,
        created,
        visible: created,
        lag_at_end: 0,
        status: status.to_owned(),
        errors: spec.error.clone().into_iter().collect(),
        ended: Some(ended.min(start)),
        target: Target::Nothing,
        beats: VecDeque::new(),
        by: "someone",
        breaks: Vec::new(),
        cancelled: None,
    }
}
