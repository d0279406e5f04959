//! What a fleet file must satisfy beyond its form.

use std::collections::BTreeSet;

use crate::calendar::Calendar;
use crate::catalogue::Catalogue;
use crate::fleet::{Act, ClusterSpec, Fault, Fleet, NodegroupSpec, RoleSpec, Times};
use crate::minor::Minor;
use crate::state::Place;
use crate::sts::{is_account, role_parts};

/// Why a fleet file, or an entry of one, was refused.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// Not YAML of the documented form; the text names field, line and column.
    #[error("{0}")]
    Form(String),
    /// Of the right form, but impossible.
    #[error("{place}: {problem}")]
    Content {
        /// Where in the file, e.g. `clusters.prod-a.nodegroups.web`.
        place: String,
        /// What is wrong there.
        problem: String,
    },
}

/// A year: nothing in a fleet file takes longer.
const MINUTES_MAX: u32 = 366 * 24 * 60;
/// Nodes of one group; keeps the state small enough to print.
const NODES_MAX: u32 = 100;
/// Longest delay of reads.
const VISIBILITY_MAX_S: u32 = 600;
/// Longest real time an answer is held.
const HOLD_MAX_S: f64 = 600.0;

/// Operations that start an update: the only ones whose faults can shape one.
const STARTS_UPDATE: [&str; 4] =
    ["UpdateClusterVersion", "UpdateClusterConfig", "UpdateNodegroupVersion", "UpdateAddon"];

fn wrong(place: &str, problem: impl Into<String>) -> FleetError {
    FleetError::Content { place: one_line(place), problem: one_line(&problem.into()) }
}

/// Longest part of a refusal, in characters: it repeats what the file says.
const REFUSAL_CHARS_MAX: usize = 1_000;

/// On one line, and no longer than a few of a terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REFUSAL_CHARS_MAX).collect()
}

impl Fleet {
    /// Reads and checks a fleet file.
    pub fn parse(text: &str) -> Result<Self, FleetError> {
        let fleet: Self =
            serde_yaml_ng::from_str(text).map_err(|error| FleetError::Form(one_line(&error.to_string())))?;
        fleet.check()?;
        Ok(fleet)
    }

    fn check(&self) -> Result<(), FleetError> {
        check_place("", Some(&self.account), Some(&self.region))?;
        check_roles(&self.roles)?;
        if self.visibility_s > VISIBILITY_MAX_S {
            return Err(wrong("visibility_s", format!("at most {VISIBILITY_MAX_S}")));
        }
        let (calendar, catalogue) = (Calendar::new(&self.versions), Catalogue::new(&self.addon_catalogue));
        let mut names = BTreeSet::new();
        for cluster in &self.clusters {
            if !names.insert(cluster.name.as_str()) {
                return Err(wrong(&format!("clusters.{}", cluster.name), "stands there twice"));
            }
            check_cluster(cluster, &calendar, &catalogue)?;
        }
        check_groups(&self.clusters, &Place::of_fleet(self))?;
        for event in self.health_events.iter().flatten() {
            if !calendar.knows(event.version) {
                return Err(wrong("health_events", format!("the calendar has no {}", event.version)));
            }
            check_place("health_events.", event.account.as_ref(), event.region.as_ref())?;
        }
        for fault in &self.faults {
            check_fault("faults", fault)?;
        }
        for scheduled in &self.acts {
            minutes_fit("acts", Some(scheduled.after_m))?;
            if let Act::AddNodegroup { spec, .. } = &scheduled.act {
                check_size("acts", spec)?;
            }
        }
        Ok(())
    }
}

/// Twelve digits, and what reads like a Region.
fn check_place(place: &str, account: Option<&String>, region: Option<&String>) -> Result<(), FleetError> {
    if let Some(account) = account
        && !is_account(account)
    {
        return Err(wrong(&format!("{place}account"), format!("twelve digits, not {account:?}")));
    }
    if let Some(region) = region
        && (!region.contains('-') || !region.bytes().all(|b| b == b'-' || b.is_ascii_alphanumeric()))
    {
        return Err(wrong(&format!("{place}region"), format!("a Region like \"us-east-1\", not {region:?}")));
    }
    Ok(())
}

fn check_roles(roles: &[RoleSpec]) -> Result<(), FleetError> {
    let mut arns = BTreeSet::new();
    for role in roles {
        if role_parts(&role.arn).is_none() {
            let problem = format!("a role is arn:aws:iam::ACCOUNT:role/NAME, not {:?}", role.arn);
            return Err(wrong("roles", problem));
        }
        if !arns.insert(role.arn.as_str()) {
            return Err(wrong("roles", format!("{} stands there twice", role.arn)));
        }
    }
    Ok(())
}

fn minutes_fit(place: &str, minutes: Option<u32>) -> Result<(), FleetError> {
    match minutes {
        Some(minutes) if minutes > MINUTES_MAX => {
            Err(wrong(place, format!("{minutes} minutes is over a year")))
        }
        _ => Ok(()),
    }
}

/// Checks one cluster entry.
pub(crate) fn check_cluster(
    cluster: &ClusterSpec,
    calendar: &Calendar,
    catalogue: &Catalogue,
) -> Result<(), FleetError> {
    let place = format!("clusters.{}", cluster.name);
    let mut characters = cluster.name.chars();
    let starts_well = characters.next().is_some_and(|c| c.is_ascii_alphanumeric());
    let name_fits = characters.all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !starts_well || !name_fits || cluster.name.len() > 100 {
        return Err(wrong(
            &place,
            "a name has up to 100 letters, digits, - and _, and starts with none of the two",
        ));
    }
    if !calendar.knows(cluster.version) {
        return Err(wrong(&place, format!("the calendar has no {}", cluster.version)));
    }
    check_place(&format!("{place}."), cluster.account.as_ref(), cluster.region.as_ref())?;
    minutes_fit(&place, cluster.deleted_after_m)?;
    minutes_fit(&place, cluster.recreated_after_m)?;
    if let Some(again) = cluster.recreated_after_m
        && cluster.deleted_after_m.is_none_or(|gone| again < gone)
    {
        return Err(wrong(&place, "recreated_after_m needs an earlier deleted_after_m"));
    }
    let mut names = BTreeSet::new();
    for group in &cluster.nodegroups {
        let place = format!("{place}.nodegroups.{}", group.name);
        if !names.insert(group.name.as_str()) {
            return Err(wrong(&place, "stands there twice"));
        }
        check_nodegroup(&place, group, cluster.version)?;
    }
    for group in &cluster.self_managed {
        if let Some(problem) = group.problem(cluster) {
            return Err(wrong(&format!("{place}.self_managed.{}", group.name), problem));
        }
    }
    if let Some(problem) = cluster.kubernetes.as_ref().and_then(|inside| inside.problem(cluster)) {
        return Err(wrong(&format!("{place}.kubernetes"), problem));
    }
    let mut names = BTreeSet::new();
    for addon in &cluster.addons {
        let place = format!("{place}.addons.{}", addon.name);
        if !names.insert(addon.name.as_str()) {
            return Err(wrong(&place, "stands there twice"));
        }
        if addon.version.is_none() && catalogue.default_version(&addon.name, cluster.version).is_none() {
            let why = if catalogue.knows(&addon.name) {
                "has no default for"
            } else {
                "is not in the catalogue of"
            };
            return Err(wrong(&place, format!("it {why} {}: name a version", cluster.version)));
        }
    }
    for update in &cluster.updates {
        let place = format!("{place}.updates");
        minutes_fit(&place, Some(update.started_ago_m))?;
        minutes_fit(&place, update.duration_m)?;
        let there =
            |list: Vec<&str>, name: &Option<String>| name.as_deref().is_none_or(|name| list.contains(&name));
        if !there(cluster.nodegroups.iter().map(|group| group.name.as_str()).collect(), &update.nodegroup)
            || !there(cluster.addons.iter().map(|addon| addon.name.as_str()).collect(), &update.addon)
        {
            return Err(wrong(&place, "an update names a node group or an add-on that is not there"));
        }
        if update.addon.is_none() && update.to.parse::<Minor>().is_err() {
            return Err(wrong(&place, format!("`to` is a version like \"1.35\", not {:?}", update.to)));
        }
    }
    cluster.faults.iter().try_for_each(|fault| check_fault(&format!("{place}.faults"), fault))
}

/// Names of Auto Scaling groups, names and ids of launch templates are unique in their account and Region.
pub(crate) fn check_groups<'a>(
    clusters: impl IntoIterator<Item = &'a ClusterSpec>,
    fleet: &Place,
) -> Result<(), FleetError> {
    let mut seen = BTreeSet::new();
    for cluster in clusters {
        let place = fleet.of(cluster.account.as_ref(), cluster.region.as_ref());
        for group in &cluster.self_managed {
            let template = group.launch_template.as_ref();
            let names = [
                ("group", Some(&group.name)),
                ("launch template id", template.map(|template| &template.id)),
                // A template that the file does not mention has the name of its group.
                ("launch template", Some(template.map_or(&group.name, |template| &template.name))),
            ];
            for (kind, name) in names {
                let Some(name) = name else { continue };
                if !seen.insert((place.account.clone(), place.region.clone(), kind, name)) {
                    let at = format!("clusters.{}.self_managed.{}", cluster.name, group.name);
                    return Err(wrong(&at, format!("{kind} {name} stands there twice")));
                }
            }
        }
    }
    Ok(())
}

fn check_size(place: &str, group: &NodegroupSpec) -> Result<(), FleetError> {
    if group.size > NODES_MAX {
        return Err(wrong(place, format!("size is at most {NODES_MAX}")));
    }
    let out_of_range = |value: Option<u32>| value.is_some_and(|value| value == 0 || value > 100);
    if out_of_range(group.max_unavailable) || out_of_range(group.max_unavailable_percentage) {
        return Err(wrong(place, "max_unavailable and max_unavailable_percentage are 1..=100"));
    }
    if group.max_unavailable.is_some() && group.max_unavailable_percentage.is_some() {
        return Err(wrong(place, "max_unavailable or max_unavailable_percentage, not both"));
    }
    minutes_fit(place, group.appears_after_m)?;
    minutes_fit(place, group.deleted_after_m)?;
    minutes_fit(place, group.pdb_clears_after_m)
}

fn check_nodegroup(place: &str, group: &NodegroupSpec, cluster: Minor) -> Result<(), FleetError> {
    check_size(place, group)?;
    let version = group.version.unwrap_or(cluster);
    if version > cluster {
        return Err(wrong(place, format!("its {version} is newer than the control plane's {cluster}")));
    }
    if group.ami_type == "CUSTOM" && group.launch_template.is_none() {
        return Err(wrong(place, "ami_type CUSTOM needs a launch_template"));
    }
    Ok(())
}

/// Checks one fault.
pub(crate) fn check_fault(place: &str, fault: &Fault) -> Result<(), FleetError> {
    let shapes = fault.shapes_updates();
    match [shapes, fault.touches_answers(), fault.error.is_some()].into_iter().filter(|&kind| kind).count() {
        0 => {
            return Err(wrong(
                place,
                "a fault without effect: error, fail_update, stuck, duration_m, update_status, breaks, \
                 answer_after_s, drop_answer or stale_s",
            ));
        }
        1 => {}
        _ => {
            return Err(wrong(
                place,
                "a fault refuses the call, shapes its update, or touches its answer: make one fault of each",
            ));
        }
    }
    if let Some(operation) = fault.target.operation.as_deref()
        && shapes
        && !STARTS_UPDATE.contains(&operation)
    {
        return Err(wrong(place, format!("{operation} starts no update; {} do", STARTS_UPDATE.join(", "))));
    }
    if let Some(breaks) = &fault.breaks {
        if fault.target.operation.as_deref() != Some("UpdateClusterVersion") {
            return Err(wrong(place, "breaks is for operation UpdateClusterVersion: match that"));
        }
        if breaks.health_issue.is_none() && breaks.insight.is_none() && breaks.addon.is_none() {
            return Err(wrong(place, "breaks names a health_issue, an insight or an addon"));
        }
        minutes_fit(place, Some(breaks.after_m))?;
    }
    if fault.times == Times::Count(0) {
        return Err(wrong(place, "times is at least 1, or `always`"));
    }
    if fault.answer_after_s.is_some_and(|hold| !(0.0..=HOLD_MAX_S).contains(&hold)) {
        return Err(wrong(place, format!("answer_after_s is 0..={HOLD_MAX_S}")));
    }
    minutes_fit(place, fault.duration_m)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Fleet::parse(&format!("start: 2026-08-18T09:15:00Z\n{text}")).unwrap_err().to_string()
    }

    #[test]
    fn unknown_fields_are_refused_with_their_line() {
        let message = refusal("clusters:\n  - name: a\n    version: \"1.34\"\n    verson: 1\n");
        assert!(message.contains("verson") && message.contains("line 5"), "{message}");
    }

    #[test]
    fn a_refusal_is_one_line_and_short_whatever_was_written() {
        let long = "x".repeat(10_000);
        for text in [format!("{long}: 1"), format!("clusters: [{{name: \"a\\n{long}\", version: \"1.34\"}}]")]
        {
            let message = refusal(&text);
            assert!(message.chars().count() < 2_500 && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn impossible_fleets_are_refused_with_their_place() {
        let cluster =
            |rest: &str| refusal(&format!("clusters:\n  - {{name: a, version: \"1.34\", {rest}}}\n"));
        for (rest, expected) in [
            ("nodegroups: [{name: web, version: \"1.35\"}]", "clusters.a.nodegroups.web: its 1.35 is newer"),
            ("nodegroups: [{name: web, ami_type: CUSTOM}]", "needs a launch_template"),
            ("addons: [{name: nothing}]", "clusters.a.addons.nothing"),
            ("recreated_after_m: 3", "needs an earlier deleted_after_m"),
            ("faults: [{match: {operation: UpdateAddon}}]", "a fault without effect"),
            ("faults: [{match: {operation: ListAddons}, stuck: true}]", "ListAddons starts no update"),
            ("updates: [{to: \"1.35\", started_ago_m: 4, nodegroup: db}]", "not there"),
        ] {
            let message = cluster(rest);
            assert!(message.contains(expected), "{message}");
        }
    }
}
