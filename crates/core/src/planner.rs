//! Makes the plan.
//!
//! The rules, in the order of their weight:
//! - the control plane goes up one minor at a time, from where it is to the target;
//! - a node is never newer than its control plane and never further behind than Kubernetes supports:
//!   a hop that would leave a group too far behind is preceded by that group's roll;
//! - otherwise node groups roll once, at the last version they can reach (`nodes: last`), or after
//!   every hop (`nodes: each-hop`);
//! - an add-on never goes down; on the way it moves only when it must, at the target it goes to EKS's
//!   default; one that would not serve the next minor moves before the control plane if it can;
//! - after each hop of the control plane it bakes, with nothing else moving, as long as the policy says;
//! - vpc-cni moves one minor a call, and is through before any node rolls;
//! - groups that EKS does not manage follow as node groups do; core components that are no add-ons as add-ons do;
//! - nodes that follow by themselves are watched at the target, and before a hop that would leave them too far behind;
//! - what cannot be done is a finding with the next safe action.
//!
//! Planning a finished cluster gives no hops.

mod inside;

use jiff::{SignedDuration, Timestamp};

use crate::cluster::{Addon, AmiFamily, Inventory, LaunchTemplate, NodeGroup, Offer, Status};
use crate::control::Controls;
use crate::finding::{CORE_ADDONS, Code, Finding, Level};
use crate::ids::StepId;
use crate::plan::{Baseline, Hop, Plan, Reversibility, Step, StepKind};
use crate::policy::{NodeHops, Policy};
use crate::preflight::{self, Upgrade};
use crate::version::{AddonVersion, Minor, skew_allows};
use crate::waits::Learned;

/// The last minor for which EKS publishes Amazon Linux 2 images.
const AMAZON_LINUX_2_LAST: Minor = match Minor::new(32) {
    Some(minor) => minor,
    None => unreachable!(),
};

/// What the plan is for.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// Where the control plane should end.
    pub target: Minor,
    /// How, with the cluster's own tags and the request's wishes applied.
    pub policy: &'a Policy,
    /// Launch template versions to move node groups to, by group name, as the request gave them.
    pub launch_templates: &'a std::collections::BTreeMap<String, String>,
    /// The plan's number within its run.
    pub revision: u32,
    /// What people consented to.
    pub controls: &'a Controls,
    /// How long steps take here.
    pub learned: &'a Learned,
    /// Whether nobody is there to judge what cannot be told.
    pub unattended: bool,
}

/// Makes the plan that brings what `inventory` shows to the wish.
#[must_use]
pub fn plan(inventory: &Inventory, wish: &Wish<'_>, now: Timestamp) -> Plan {
    let cluster = &inventory.cluster;
    let mut findings = cluster_findings(inventory, wish.target);
    let upgrade = Upgrade {
        from: cluster.version,
        target: wish.target,
        drain_limit_s: wish.policy.kubernetes.drain_limit_s(),
    };
    findings.extend(preflight::of_eks(inventory, upgrade, now));
    findings.extend(inside::findings(inventory, wish));
    let stages: Vec<Minor> =
        std::iter::once(cluster.version).chain(cluster.version.hops_to(wish.target)).collect();

    let mut groups: Vec<GroupOnTheWay> =
        inventory.node_groups.iter().map(|group| GroupOnTheWay::new(group, wish, &mut findings)).collect();
    let mut addons: Vec<AddonOnTheWay> = inventory.addons.iter().map(AddonOnTheWay::new).collect();
    let settled = is_settled(inventory, wish);
    let mut insides = inside::OnTheWay::new(inventory, wish, &mut findings);

    let mut hops = Vec::new();
    let bake_s = u32::try_from(wish.policy.bake.duration.as_secs()).unwrap_or(u32::MAX);
    for (at, &to) in stages.iter().enumerate() {
        let stage = Stage {
            from: (at > 0).then(|| stages[at - 1]),
            to,
            next: stages.get(at + 1).copied(),
            target: wish.target,
        };
        let mut hop = HopBuilder::new(stage, bake_s, wish.learned);
        if !(settled && stages.len() == 1) {
            for addon in &mut addons {
                addon.move_for(&mut hop, inventory, &mut findings);
            }
        }
        for group in &mut groups {
            group.roll_for(&mut hop, wish.policy.nodes, &mut findings);
        }
        insides.move_for(&mut hop, inventory, &mut findings);
        hops.extend(hop.finish());
    }
    findings.extend(windows_too_short(&hops, wish));
    if stages.len() > 2 && bake_s > 0 {
        findings.push(Finding::new(
            Code::WayBackGivenUp,
            Level::Pass,
            cluster.arn.name.as_str(),
            "EKS takes a control plane back one minor only: each hop gives up the way back from the one before",
            "",
        ));
    }
    wish.controls.override_findings(&mut findings, now);

    Plan {
        revision: wish.revision,
        renewals: 0,
        cluster: cluster.arn.clone(),
        cluster_created_at: cluster.created_at,
        from: cluster.version,
        target: wish.target,
        nodes: wish.policy.nodes,
        node_groups: inventory.node_groups.iter().map(|group| group.name.clone()).collect(),
        hops,
        findings,
        made_at: now,
        baseline: Baseline::of(inventory),
        unattended: wish.unattended,
        rolls_back: None,
    }
}

/// What a plan that waited for its window may take to be made anew once that is open, in seconds. How long EKS takes to
/// make its insights anew it does not say; a refresh is given up a minute before this.
pub const PLAN_AGAIN_S: u32 = 960;

/// A step that no opening holds would wait for ever.
fn windows_too_short(hops: &[Hop], wish: &Wish<'_>) -> Vec<Finding> {
    let Some(longest) = wish.policy.schedule.longest() else { return Vec::new() };
    let needs = |step: &Step| {
        let again_s = if matches!(step.kind, StepKind::ControlPlane { .. }) { PLAN_AGAIN_S } else { 0 };
        SignedDuration::from_secs(i64::from(step.span.p95_s.saturating_add(again_s)))
    };
    let steps = hops.iter().flat_map(|hop| &hop.steps);
    steps
        .filter(|step| step.kind.work().is_some() && needs(step) > longest)
        .map(|step| {
            let needs = needs(step);
            Finding::new(
                Code::WindowTooShort,
                Level::Block,
                step.id.as_str(),
                format!("{} wants {needs:#} of a window, and the longest is open for {longest:#}", step.kind),
                "widen the cluster's windows in the policy, or roll more nodes at a time, then start again",
            )
        })
        .collect()
}

/// Whether a cluster whose control plane is at the target has nothing left that lags behind it.
fn is_settled(inventory: &Inventory, wish: &Wish<'_>) -> bool {
    let nodes_there =
        inventory.node_groups.iter().all(|group| group.version >= reach(group, wish).min(wish.target));
    let addons_fit = inventory.addons.iter().all(|addon| {
        offers(inventory, addon, wish.target).iter().any(|offer| offer.version == addon.version)
            && addon.status == Status::Active
    });
    nodes_there && addons_fit
}

/// The highest minor that EKS lets a group go to.
fn reach(group: &NodeGroup, wish: &Wish<'_>) -> Minor {
    match group.ami {
        AmiFamily::Published => wish.target,
        AmiFamily::AmazonLinux2 => AMAZON_LINUX_2_LAST.max(group.version),
        AmiFamily::Custom if wish.launch_templates.contains_key(&group.name) => wish.target,
        AmiFamily::Custom => group.version,
    }
}

fn cluster_findings(inventory: &Inventory, target: Minor) -> Vec<Finding> {
    let cluster = &inventory.cluster;
    let name = cluster.arn.name.as_str();
    let mut findings = Vec::new();
    if !cluster.health_issues.is_empty() {
        findings.push(Finding::new(
            Code::ClusterUnwell,
            Level::Block,
            name,
            format!("EKS reports: {}", cluster.health_issues.join("; ")),
            "resolve the health issues of the cluster, then start again",
        ));
    }
    if cluster.auto_mode {
        findings.push(Finding::new(
            Code::AutoMode,
            Level::Pass,
            name,
            "EKS Auto Mode replaces its nodes itself after the control plane",
            "",
        ));
    }
    for profile in &inventory.fargate_profiles {
        // Their kubelets are as new as their last start, at best as new as the control plane now.
        let level = if skew_allows(target, cluster.version) { Level::Warn } else { Level::Block };
        findings.push(Finding::new(
            Code::Fargate,
            level,
            profile,
            "pods of this Fargate profile keep their kubelet until they are restarted",
            "restart the profile's workloads after the upgrade (kubectl rollout restart)",
        ));
    }
    // Looking inside shows every node.
    let unseen = inventory.inside.is_none();
    if unseen
        && inventory.node_groups.is_empty()
        && !cluster.auto_mode
        && inventory.fargate_profiles.is_empty()
    {
        findings.push(Finding::new(
            Code::NodesNotSeen,
            Level::Unknown,
            name,
            "no managed node group, Auto Mode or Fargate: any nodes are self-managed and not visible to EKS",
            "check that no node is more than three minors behind the target, and replace them after the upgrade",
        ));
    }
    for addon in &inventory.addons {
        if let Status::Unwell(status) = &addon.status {
            findings.push(Finding::new(
                Code::AddonUnwell,
                Level::Warn,
                &addon.name,
                format!("EKS reports {status} {}", addon.health_issues.join("; ")).trim_end().to_owned(),
                if CORE_ADDONS.contains(&addon.name.as_str()) {
                    "look at the add-on's pods; the upgrade stops before the next hop if it stays unwell"
                } else {
                    "look at the add-on's pods; the upgrade goes on without it unless it has to move it"
                },
            ));
        }
    }
    findings
}

/// One version of the control plane on the way, and its neighbours.
#[derive(Clone, Copy)]
struct Stage {
    /// The version before; `None` at the stage where the cluster is already.
    from: Option<Minor>,
    to: Minor,
    next: Option<Minor>,
    target: Minor,
}

/// Collects the steps of one hop and ties them together.
struct HopBuilder<'a> {
    stage: Stage,
    bake_s: u32,
    learned: &'a Learned,
    before: Vec<Step>,
    addons: Vec<Step>,
    groups: Vec<Step>,
    /// What comes once nodes have rolled.
    after: Vec<Step>,
}

impl<'a> HopBuilder<'a> {
    fn new(stage: Stage, bake_s: u32, learned: &'a Learned) -> Self {
        Self {
            stage,
            bake_s,
            learned,
            before: Vec::new(),
            addons: Vec::new(),
            groups: Vec::new(),
            after: Vec::new(),
        }
    }

    fn step(
        &self,
        id: StepId,
        kind: StepKind,
        after: Vec<StepId>,
        reason: String,
        reversibility: Reversibility,
    ) -> Step {
        let span = self.learned.span(&kind);
        Step { id, kind, after, reason, reversibility, span }
    }

    fn id(&self, rest: &str) -> Option<StepId> {
        format!("{}/{rest}", self.stage.to).parse().ok()
    }

    /// The control plane's step, and the bake that follows it.
    fn control_plane(&self) -> Vec<Step> {
        let Stage { from: Some(from), to, target, .. } = self.stage else { return Vec::new() };
        let Some(id) = self.id("control-plane") else { return Vec::new() };
        let reason = if to == target {
            format!("{to} is the target")
        } else {
            format!("{to} is on the way to {target}: a control plane goes up one minor at a time")
        };
        let after = self.before.iter().map(|step| step.id.clone()).collect();
        let kind = StepKind::ControlPlane { from, to };
        let mut steps = vec![self.step(id.clone(), kind, after, reason, Reversibility::UntilNextHop)];
        if let Some(bake) = self.id("bake").filter(|_| self.bake_s > 0) {
            let reason = format!("while no node is newer than {from}, EKS can take the control plane back");
            let kind = StepKind::Bake { duration_s: self.bake_s };
            steps.push(self.step(bake, kind, vec![id], reason, Reversibility::ChangesNothing));
        }
        steps
    }

    fn finish(mut self) -> Option<Hop> {
        let control_plane = self.control_plane();
        if let Some(last) = control_plane.last() {
            for step in self.addons.iter_mut().chain(&mut self.groups).chain(&mut self.after) {
                step.after.insert(0, last.id.clone());
            }
        }
        // Nodes roll only once the network plugin is through: a node that starts under a changing CNI
        // may never become Ready.
        let cni: Vec<StepId> = self
            .before
            .iter()
            .chain(&self.addons)
            .filter(|step| is_cni(&step.kind))
            .map(|step| step.id.clone())
            .collect();
        for group in self.groups.iter_mut().chain(&mut self.after) {
            group.after.extend(cni.iter().cloned());
        }
        let mut steps = std::mem::take(&mut self.before);
        steps.extend(control_plane);
        steps.append(&mut self.addons);
        steps.append(&mut self.groups);
        steps.append(&mut self.after);
        if steps.is_empty() {
            return None;
        }
        if let Some(id) = self.id("verify") {
            let after = steps.iter().map(|step| step.id.clone()).collect();
            let reason = "EKS's own word on everything this hop touched, before going on".into();
            steps.push(self.step(id, StepKind::Verify, after, reason, Reversibility::ChangesNothing));
        }
        Some(Hop { to: self.stage.to, steps })
    }
}

/// Whether the step moves the network plugin, whoever installed it.
fn is_cni(kind: &StepKind) -> bool {
    matches!(kind, StepKind::AddOn { name, .. } | StepKind::CoreComponent { name, .. } if name == "vpc-cni")
}

/// A node group, and the version it has at this point of the plan.
struct GroupOnTheWay<'a> {
    group: &'a NodeGroup,
    version: Minor,
    reach: Minor,
    launch_template: Option<LaunchTemplate>,
    strategy: crate::policy::NodeStrategy,
    reported_skew: bool,
}

impl<'a> GroupOnTheWay<'a> {
    fn new(group: &'a NodeGroup, wish: &Wish<'_>, findings: &mut Vec<Finding>) -> Self {
        let reach = reach(group, wish);
        // Sent only when another version of it is asked for: without, EKS keeps the one the group has, and asks for
        // no rights on EC2.
        let asked = wish.launch_templates.get(&group.name);
        let launch_template = group
            .launch_template
            .as_ref()
            .zip(asked)
            .map(|(template, version)| LaunchTemplate { id: template.id.clone(), version: version.clone() });
        group_findings(group, reach, wish.target, findings);
        let strategy = wish.policy.strategy_of(&group.name);
        Self { group, version: group.version, reach, launch_template, strategy, reported_skew: false }
    }

    fn roll_for(&mut self, hop: &mut HopBuilder<'_>, nodes: NodeHops, findings: &mut Vec<Finding>) {
        let Stage { to, next, target, .. } = hop.stage;
        // An image of the owner's is made for the target: on the way there it would be newer than its control plane.
        let its_turn = self.group.ami != AmiFamily::Custom || to == target;
        let possible = to > self.version && to <= self.reach && its_turn;
        let last_chance = to == self.reach.min(target);
        let needed = next.is_some_and(|next| !skew_allows(next, self.version));
        let reason = if possible && needed {
            let next = next.unwrap_or(to);
            Some(format!("at {} it would be too far behind a control plane at {next}", self.version))
        } else if possible && last_chance {
            Some(format!("{to} is the last version it can reach on this run"))
        } else if possible && nodes == NodeHops::EachHop {
            Some("policy: nodes follow every hop".to_owned())
        } else {
            None
        };
        if let Some(reason) = reason {
            self.add_roll(hop, reason);
        }
        let too_far =
            !skew_allows(to, self.version) || next.is_some_and(|next| !skew_allows(next, self.version));
        if too_far && !self.reported_skew {
            self.reported_skew = true;
            findings.push(Finding::new(
                Code::SkewExceeded,
                Level::Block,
                &self.group.name,
                format!("its nodes stay at {}, too far behind a control plane at {target}", self.version),
                "bring the group to a newer version first, or choose a lower target",
            ));
        }
    }

    fn add_roll(&mut self, hop: &mut HopBuilder<'_>, reason: String) {
        let to = hop.stage.to;
        let Some(id) = hop.id(&format!("node-group/{}", self.group.name)) else { return };
        let kind = StepKind::NodeGroup {
            name: self.group.name.clone(),
            from: self.version,
            to,
            strategy: self.strategy,
            launch_template: self.launch_template.clone(),
            custom_ami: self.group.ami == AmiFamily::Custom,
            size: self.group.size,
            max_unavailable: self.group.max_unavailable,
        };
        let step = hop.step(id, kind, Vec::new(), reason, Reversibility::OneWay);
        hop.groups.push(step);
        self.version = to;
    }
}

fn group_findings(group: &NodeGroup, reach: Minor, target: Minor, findings: &mut Vec<Finding>) {
    let mut say = |code, level, message: String, next: &str| {
        findings.push(Finding::new(code, level, &group.name, message, next));
    };
    let left_behind = reach < target;
    match group.ami {
        AmiFamily::AmazonLinux2 if left_behind => say(
            Code::AmazonLinux2,
            Level::Warn,
            format!(
                "runs Amazon Linux 2, which EKS publishes up to {AMAZON_LINUX_2_LAST}; it stays at {reach}"
            ),
            "make a group with Amazon Linux 2023 or Bottlerocket, move the pods, delete this one",
        ),
        AmiFamily::Custom if left_behind => say(
            Code::CustomAmi,
            Level::Warn,
            format!("runs an image of its owner's, so no version can be sent; it stays at {reach}"),
            "add a launch template version with an image for the target, and start again with it in launchTemplates",
        ),
        _ => {}
    }
    if let Some(template) = &group.launch_template
        && group.ami != AmiFamily::Custom
    {
        let message =
            format!("launch template {} drives it; its version {} is kept", template.id, template.version);
        say(Code::LaunchTemplate, Level::Pass, message, "");
    }
    match &group.status {
        Status::Unwell(status) => say(
            Code::NodeGroupUnwell,
            Level::Block,
            format!("EKS reports {status} {}", group.health_issues.join("; ")).trim_end().to_owned(),
            "resolve the group's health issues, then start again",
        ),
        Status::Updating | Status::Transient(_) => say(
            Code::NodeGroupBusy,
            Level::Warn,
            "somebody is changing it; the run watches that to its end first".to_owned(),
            "",
        ),
        Status::Active => {}
    }
}

/// An add-on, and the version it has at this point of the plan.
struct AddonOnTheWay<'a> {
    addon: &'a Addon,
    version: AddonVersion,
    reported: bool,
}

fn offers<'a>(inventory: &'a Inventory, addon: &Addon, minor: Minor) -> &'a [Offer] {
    offers_of(inventory, &addon.name, minor)
}

fn offers_of<'a>(inventory: &'a Inventory, addon: &str, minor: Minor) -> &'a [Offer] {
    inventory.catalogue.get(addon).and_then(|by_minor| by_minor.get(&minor)).map_or(&[], Vec::as_slice)
}

/// EKS's default among `offers`, if it is above `version`; else the newest that is.
fn best_above<'a>(offers: &'a [Offer], version: &AddonVersion) -> Option<&'a AddonVersion> {
    let mut above: Vec<&Offer> = offers.iter().filter(|offer| offer.version > *version).collect();
    above.sort_by(|a, b| a.version.cmp(&b.version));
    above.iter().find(|offer| offer.is_default).or(above.last()).map(|offer| &offer.version)
}

impl<'a> AddonOnTheWay<'a> {
    fn new(addon: &'a Addon) -> Self {
        Self { addon, version: addon.version.clone(), reported: false }
    }

    fn move_for(&mut self, hop: &mut HopBuilder<'_>, inventory: &Inventory, findings: &mut Vec<Finding>) {
        let Stage { from, to, target, .. } = hop.stage;
        let here = offers(inventory, self.addon, to);
        let fits =
            |version: &AddonVersion, offers: &[Offer]| offers.iter().any(|offer| offer.version == *version);
        let serves = fits(&self.version, here);

        if let (false, Some(from)) = (serves, from) {
            let both: Vec<Offer> = here
                .iter()
                .filter(|o| fits(&o.version, offers(inventory, self.addon, from)))
                .cloned()
                .collect();
            // kube-proxy may never be newer than the API server beside it, so it only ever follows.
            if self.addon.name != "kube-proxy"
                && let Some(goal) = best_above(&both, &self.version)
            {
                let reason =
                    format!("{} does not serve {to}; {goal} serves both {from} and {to}", self.version);
                self.add_moves(hop, true, goal, &both, &reason, findings);
            }
        }

        let default = here.iter().find(|offer| offer.is_default).map(|offer| &offer.version);
        if fits(&self.version, here) {
            if to == target
                && let Some(default) = default.filter(|default| **default > self.version)
            {
                let reason = format!("EKS's default for {to}");
                self.add_moves(hop, false, default, here, &reason, findings);
            }
        } else if let Some(goal) = best_above(here, &self.version) {
            let reason = format!("{} does not serve {to}", self.version);
            self.add_moves(hop, false, goal, here, &reason, findings);
        } else {
            self.report_no_version(to, findings);
        }
    }

    fn report_no_version(&mut self, to: Minor, findings: &mut Vec<Finding>) {
        if std::mem::replace(&mut self.reported, true) {
            return;
        }
        let core = CORE_ADDONS.contains(&self.addon.name.as_str());
        let level = if core { Level::Block } else { Level::Warn };
        findings.push(Finding::new(
            Code::AddonNoVersion,
            level,
            &self.addon.name,
            format!("EKS offers no version at or above {} for {to}; it is left as it is", self.version),
            "see with the add-on's vendor which version supports the target",
        ));
    }

    fn add_moves(
        &mut self,
        hop: &mut HopBuilder<'_>,
        before: bool,
        goal: &AddonVersion,
        offers: &[Offer],
        reason: &str,
        findings: &mut Vec<Finding>,
    ) {
        let chain = if self.addon.name == "vpc-cni" {
            match cni_chain(&self.version, goal, offers) {
                Ok(chain) => chain,
                Err(missing) => {
                    // What cannot be climbed before the control plane may well be climbed after it.
                    if !before && !std::mem::replace(&mut self.reported, true) {
                        findings.push(Finding::new(
                            Code::CniGap,
                            Level::Block,
                            &self.addon.name,
                            format!(
                                "EKS moves it one minor a call, and offers no {missing} for {}",
                                hop.stage.to
                            ),
                            "update vpc-cni by hand to the newest minor below the gap, then start again",
                        ));
                    }
                    return;
                }
            }
        } else {
            vec![goal.clone()]
        };
        let mut previous: Option<StepId> = None;
        for to in chain {
            let Some(id) = hop.id(&format!("add-on/{}/{to}", self.addon.name)) else { return };
            let kind =
                StepKind::AddOn { name: self.addon.name.clone(), from: self.version.clone(), to: to.clone() };
            let reason = if to == *goal {
                reason.to_owned()
            } else {
                format!("on the way to {goal}, one minor a call")
            };
            let after = previous.into_iter().collect();
            let step = hop.step(id.clone(), kind, after, reason, Reversibility::OneWay);
            let steps = if before { &mut hop.before } else { &mut hop.addons };
            steps.push(step);
            previous = Some(id);
            self.version = to;
        }
    }
}

/// The versions from `from` to `goal`, one minor at a time; the minor that is missing where it breaks.
fn cni_chain(
    from: &AddonVersion,
    goal: &AddonVersion,
    offers: &[Offer],
) -> Result<Vec<AddonVersion>, String> {
    let ((major, first), (goal_major, last)) = (from.major_minor(), goal.major_minor());
    if major != goal_major {
        return Err(format!("v{goal_major}"));
    }
    let mut chain = Vec::new();
    for minor in first.saturating_add(1)..last {
        let newest = offers.iter().map(|o| &o.version).filter(|v| v.major_minor() == (major, minor)).max();
        chain.push(newest.cloned().ok_or_else(|| format!("v{major}.{minor}"))?);
    }
    chain.push(goal.clone());
    Ok(chain)
}
