//! The course of one run, by its ledger and by the simulator's word on how long each update really took.

use std::collections::BTreeMap;

use eks_upgrade_core::ids::{StepId, UpdateId};
use eks_upgrade_core::ledger::{Ending, Event, Sealed};
use eks_upgrade_core::plan::{Hop, Step, StepKind};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Unmeasured;

/// One run.
#[derive(Debug)]
pub struct Course {
    /// The hops that were carried out, each as it was planned last.
    hops: Vec<Hop>,
    began: Timestamp,
    ended: Timestamp,
    started: BTreeMap<StepId, Timestamp>,
    /// When the ledger knew each step to be done, and by which update.
    done: BTreeMap<StepId, (Timestamp, Option<UpdateId>)>,
    /// When EKS began and ended each update.
    updates: BTreeMap<String, (Timestamp, Timestamp)>,
    /// When EKS began and ended to make its insights anew: each hop after the first waits for that.
    refreshes: Vec<(Timestamp, Timestamp)>,
}

/// Where the time went that EKS did not need, in seconds, along the steps that the end waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lost {
    /// Between the end of control-plane updates and the look that saw it.
    pub control_planes_s: f64,
    /// The same of add-ons.
    pub add_ons_s: f64,
    /// The same of node groups.
    pub node_groups_s: f64,
    /// Between a step that was known to be done and the start of the one that waited for it.
    pub between_s: f64,
}

impl Lost {
    fn at(&mut self, kind: &StepKind) -> &mut f64 {
        match kind {
            StepKind::ControlPlane { .. } => &mut self.control_planes_s,
            StepKind::AddOn { .. } => &mut self.add_ons_s,
            StepKind::NodeGroup { .. } => &mut self.node_groups_s,
            _ => &mut self.between_s,
        }
    }
}

impl Course {
    /// The course that these lines tell of the cluster that the simulator describes so. `Err` says why it is no plain
    /// one: planned anew before a hop at most, and completed.
    pub fn read(lines: &[Sealed], cluster: &Value) -> Result<Result<Self, String>, Unmeasured> {
        let (mut hops, mut began, mut ended) = (Vec::<Hop>::new(), None, None);
        let (mut started, mut done) = (BTreeMap::new(), BTreeMap::new());
        for line in lines {
            let entry = line.open()?;
            let at = entry.at;
            began.get_or_insert(at);
            match entry.event {
                Event::Planned { plan } if plan.renewals + 1 < plan.revision => {
                    return Ok(Err("something went wrong, and it was planned again".into()));
                }
                Event::Planned { plan } => {
                    hops.retain(|hop| hop.steps.iter().all(|step| done.contains_key(&step.id)));
                    hops.extend(plan.hops);
                }
                Event::Started { step, .. } => {
                    started.insert(step, at);
                }
                Event::Succeeded { step, update, .. } => {
                    done.insert(step, (at, Some(update)));
                }
                Event::Satisfied { step, .. }
                | Event::Skipped { step, .. }
                | Event::Verified { step, .. } => {
                    done.insert(step, (at, None));
                }
                Event::Ended(Ending::Completed) => ended = Some(at),
                Event::Failed { .. } | Event::Ended(_) => return Ok(Err(format!("a line {}", line.body))),
                _ => {}
            }
        }
        let (Some(began), Some(ended)) = (began, ended) else {
            return Ok(Err("it was not completed".into()));
        };
        let (updates, refreshes) = (updates(cluster)?, refreshes(cluster)?);
        Ok(Ok(Self { hops, began, ended, started, done, updates, refreshes }))
    }

    /// From the first line to the last, in seconds.
    #[must_use]
    pub fn makespan_s(&self) -> f64 {
        seconds(self.began, self.ended)
    }

    /// The longest way through the plan, each step as long as EKS really took for it, and its insights as long as it took
    /// to make them anew for the next hop, in seconds: nothing that keeps the plan's order can be quicker.
    #[must_use]
    pub fn bound_s(&self) -> f64 {
        let insights = (0..self.hops.len()).filter_map(|at| self.insights_after(at));
        let insights_s: f64 = insights.map(|(began, ended)| seconds(began, ended)).sum();
        insights_s + self.hops.iter().map(|hop| self.longest_s(hop)).sum::<f64>()
    }

    /// When EKS made the insights anew by which the hop after this one was planned.
    fn insights_after(&self, at: usize) -> Option<(Timestamp, Timestamp)> {
        let upgraded = control_plane(self.hops.get(at)?).and_then(|step| self.done.get(&step.id))?.0;
        let next = control_plane(self.hops.get(at + 1)?).and_then(|step| self.started.get(&step.id))?;
        self.refreshes.iter().copied().rev().find(|(began, ended)| *began >= upgraded && ended <= next)
    }

    fn longest_s(&self, hop: &Hop) -> f64 {
        let mut ends: BTreeMap<&StepId, f64> = BTreeMap::new();
        // Steps stand after those they depend on.
        for step in &hop.steps {
            let start_s = step.after.iter().filter_map(|id| ends.get(id)).copied().fold(0.0, f64::max);
            ends.insert(&step.id, start_s + self.took_s(&step.id));
        }
        ends.into_values().fold(0.0, f64::max)
    }

    fn took_s(&self, step: &StepId) -> f64 {
        self.update(step).map_or(0.0, |(began, ended)| seconds(began, ended))
    }

    fn update(&self, step: &StepId) -> Option<(Timestamp, Timestamp)> {
        let (_, update) = self.done.get(step)?;
        self.updates.get(update.as_ref()?.as_str()).copied()
    }

    /// Where the time went: from the end of each hop back through the steps that were waited for last.
    #[must_use]
    pub fn lost(&self) -> Lost {
        let mut lost = Lost::default();
        let mut since = self.began;
        for (place, hop) in self.hops.iter().enumerate() {
            let known = |step: &&Step| self.done.get(&step.id).map(|(known, _)| *known);
            let mut at = hop.steps.iter().max_by_key(known);
            let end = at.as_ref().and_then(known).unwrap_or(since);
            while let Some(step) = at {
                let before =
                    hop.steps.iter().filter(|other| step.after.contains(&other.id)).max_by_key(known);
                let free = before.as_ref().and_then(known).unwrap_or(since);
                let seen = known(&step).unwrap_or(free);
                match (self.started.get(&step.id), self.update(&step.id)) {
                    (Some(started), Some((_, over))) => {
                        lost.between_s += seconds(free, *started);
                        *lost.at(&step.kind) += seconds(over, seen);
                    }
                    _ => lost.between_s += seconds(free, seen),
                }
                at = before;
            }
            since = end;
            // What EKS took for its insights is not lost.
            if let Some((began, made)) = self.insights_after(place) {
                lost.between_s += seconds(end, began);
                since = made;
            }
        }
        lost.between_s += seconds(since, self.ended);
        lost
    }
}

/// When the updates of a cluster began and ended, by their id.
fn updates(cluster: &Value) -> Result<BTreeMap<String, (Timestamp, Timestamp)>, Unmeasured> {
    let all = cluster["updates"].as_array().into_iter().flatten();
    let mut updates: BTreeMap<String, (Timestamp, Timestamp)> = BTreeMap::new();
    for update in all {
        let text = |field: &str| update[field].as_str().unwrap_or_default();
        updates.insert(text("id").to_owned(), (text("createdAt").parse()?, text("endedAt").parse()?));
    }
    Ok(updates)
}

/// When EKS began and ended to make a cluster's insights anew.
fn refreshes(cluster: &Value) -> Result<Vec<(Timestamp, Timestamp)>, Unmeasured> {
    let all = cluster["insightsRefreshes"].as_array().into_iter().flatten();
    let text = |refresh: &Value, field: &str| refresh[field].as_str().unwrap_or_default().to_owned();
    let instants = |refresh| Ok((text(refresh, "startedAt").parse()?, text(refresh, "endedAt").parse()?));
    all.map(instants).collect()
}

/// The step of a hop that takes the control plane up, if it has one.
fn control_plane(hop: &Hop) -> Option<&Step> {
    hop.steps.iter().find(|step| matches!(step.kind, StepKind::ControlPlane { .. }))
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}
