//! What stops working after an upgrade, and works again after a rollback.

use crate::fleet::{Breaks, InsightSpec, IssueSpec};
use crate::state::Cluster;
use crate::time::{Ms, minutes};

/// What has stopped working.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    breaks: Breaks,
    /// Status and health of the add-on before.
    addon_before: Option<(String, Vec<IssueSpec>)>,
}

impl Cluster {
    /// An upgrade ended `at`: what will stop working is known now.
    pub(crate) fn will_break(&mut self, at: Ms, breaks: Vec<Breaks>) {
        self.breaking.extend(breaks.into_iter().map(|breaks| (at + minutes(breaks.after_m), breaks)));
        self.breaking.sort_by_key(|(at, _)| *at);
    }

    /// When the next thing stops working.
    pub(crate) fn next_break(&self) -> Option<Ms> {
        self.breaking.first().map(|(at, _)| *at)
    }

    /// Lets break what is due.
    pub(crate) fn break_what_is_due(&mut self, now: Ms) {
        while self.next_break().is_some_and(|at| at <= now) {
            let (at, breaks) = self.breaking.remove(0);
            let mut addon_before = None;
            if let Some(ill) = &breaks.addon
                && let Some(addon) = self.addons.get_mut(&ill.name)
            {
                let issues = ill.health_issue.clone().into_iter().collect();
                let status = std::mem::replace(&mut addon.status, ill.status.clone());
                addon_before = Some((status, std::mem::replace(&mut addon.issues, issues)));
                addon.modified = at;
            }
            self.broken.push(Broken { breaks, addon_before });
        }
    }

    /// A rollback ended: all is as before, unless an add-on has recovered by itself meanwhile.
    pub(crate) fn heal(&mut self) {
        self.breaking.clear();
        for Broken { breaks, addon_before } in std::mem::take(&mut self.broken).into_iter().rev() {
            if let (Some(ill), Some((status, issues))) = (breaks.addon, addon_before)
                && let Some(addon) = self.addons.get_mut(&ill.name)
                && addon.status == ill.status
            {
                addon.status = status;
                addon.issues = issues;
            }
        }
    }

    /// `health.issues`: those of the fleet file, and what has stopped working.
    pub(crate) fn issues(&self) -> Vec<&IssueSpec> {
        let broken = self.broken.iter().filter_map(|broken| broken.breaks.health_issue.as_ref());
        self.spec.health_issues.iter().chain(broken).collect()
    }

    /// Insights that are told rather than derived: what broke last goes before what the fleet file says.
    pub(crate) fn told_insights(&self) -> Vec<&InsightSpec> {
        let mut told: Vec<&InsightSpec> = Vec::new();
        for spec in self.broken.iter().rev().filter_map(|broken| broken.breaks.insight.as_ref()) {
            if !told.iter().any(|other| other.name == spec.name) {
                told.push(spec);
            }
        }
        let untouched = |spec: &&InsightSpec| !told.iter().any(|other| other.name == spec.name);
        let of_the_file: Vec<&InsightSpec> = self.spec.insights.iter().filter(untouched).collect();
        told.into_iter().chain(of_the_file).collect()
    }
}
