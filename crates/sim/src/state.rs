//! What the world holds: clusters with their node groups, nodes, add-ons and updates.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::{Value, json};

use crate::asg::{AutoScalingGroup, LaunchTemplate};
use crate::breaks::Broken;
use crate::catalogue::{Catalogue, oldest_image};
use crate::fleet::{AddonSpec, Breaks, ClusterSpec, Fleet, IssueSpec, NodegroupSpec, Pdb, SupportType};
use crate::insights::Insight;
use crate::insights::refresh::Refresh;
use crate::kube::Kube;
use crate::minor::Minor;
use crate::rng::Rng;
use crate::rollback::Arrival;
use crate::time::{DAY, Ms, epoch_seconds};
use crate::tokens::Token;

/// A cluster as it is; `spec` is what never changes of it.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) spec: ClusterSpec,
    pub(crate) place: Place,
    pub(crate) arn: String,
    pub(crate) created: Ms,
    pub(crate) version: Minor,
    /// When `version` became what it is.
    pub(crate) version_since: Ms,
    /// How it became that.
    pub(crate) arrival: Arrival,
    /// `upgradePolicy.supportType`.
    pub(crate) support_type: SupportType,
    /// Status outside updates.
    pub(crate) status: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) nodegroups: BTreeMap<String, Nodegroup>,
    /// Auto Scaling groups of nodes that EKS does not manage.
    pub(crate) self_managed: BTreeMap<String, AutoScalingGroup>,
    /// The launch templates of those.
    pub(crate) templates: Vec<LaunchTemplate>,
    pub(crate) addons: BTreeMap<String, Addon>,
    pub(crate) updates: Vec<Update>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) lag: Option<Lag<Minor>>,
    /// What will stop working, and when.
    pub(crate) breaking: Vec<(Ms, Breaks)>,
    /// What has stopped working.
    pub(crate) broken: Vec<Broken>,
    /// The refreshes of its insights that were asked for, in order; only the last may run.
    pub(crate) refreshes: Vec<Refresh>,
    /// What its insights show if they are frozen.
    pub(crate) frozen_insights: Option<Vec<Insight>>,
    pub(crate) rng: Rng,
    hosts: u32,
    /// What is inside it, if the fleet file tells.
    pub(crate) kubernetes: Option<Box<Kube>>,
}

/// A managed node group.
#[derive(Clone, Debug)]
pub(crate) struct Nodegroup {
    pub(crate) spec: NodegroupSpec,
    pub(crate) arn: String,
    pub(crate) created: Ms,
    pub(crate) modified: Ms,
    /// Whether nodes run this, only `nodes` tells.
    pub(crate) config: NodeConfig,
    pub(crate) status: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) nodes: Vec<Node>,
    /// Phase of the running update.
    pub(crate) phase: Option<&'static str>,
    /// When its PDBs stop saying no.
    pub(crate) pdb_clears: Option<Ms>,
    pub(crate) lag: Option<Lag<NodeConfig>>,
}

/// What a node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeConfig {
    pub(crate) kubelet: Minor,
    pub(crate) release: String,
    pub(crate) template: Option<u32>,
}

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) config: NodeConfig,
    /// Runs pods whose PDB says no to an eviction.
    pub(crate) protected: bool,
}

/// An EKS add-on.
#[derive(Clone, Debug)]
pub(crate) struct Addon {
    pub(crate) spec: AddonSpec,
    pub(crate) arn: String,
    pub(crate) created: Ms,
    pub(crate) modified: Ms,
    pub(crate) version: String,
    pub(crate) status: String,
    pub(crate) issues: Vec<IssueSpec>,
    pub(crate) configuration: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) pod_identities: Vec<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) lag: Option<Lag<String>>,
}

/// What reads still show until some instant.
#[derive(Clone, Debug)]
pub(crate) struct Lag<T> {
    pub(crate) until: Ms,
    pub(crate) shows: T,
}

/// What is read of something that may lag.
pub(crate) fn shown<'a, T>(lag: Option<&'a Lag<T>>, now: Ms, fact: &'a T) -> &'a T {
    lag.filter(|lag| now < lag.until).map_or(fact, |lag| &lag.shows)
}

/// What an update is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Cluster,
    Nodegroup(String),
    Addon(String),
}

/// An update, running or over.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) scope: Scope,
    pub(crate) params: Vec<(&'static str, String)>,
    pub(crate) created: Ms,
    /// Reads know of it from then on.
    pub(crate) visible: Ms,
    /// Reads lag that long behind its end.
    pub(crate) lag_at_end: Ms,
    pub(crate) status: String,
    pub(crate) errors: Vec<IssueSpec>,
    pub(crate) ended: Option<Ms>,
    pub(crate) target: Target,
    /// What is still to come, in order of time. Running and empty: stuck.
    pub(crate) beats: VecDeque<(Ms, Beat)>,
    /// `api`, or who else.
    pub(crate) by: &'static str,
    /// What stops working after it.
    pub(crate) breaks: Vec<Breaks>,
    /// Why it was cancelled, if somebody did.
    pub(crate) cancelled: Option<String>,
}

/// What an update leads to when it succeeds.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Version(Minor),
    Support(SupportType),
    Nodes(NodeConfig),
    Addon(AddonTarget),
    /// History: no effect.
    Nothing,
}

/// What an add-on becomes.
#[derive(Clone, Debug, Default)]
pub(crate) struct AddonTarget {
    pub(crate) version: Option<String>,
    pub(crate) configuration: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) pod_identities: Option<Vec<String>>,
}

/// One thing that happens in the course of an update.
#[derive(Clone, Debug)]
pub(crate) enum Beat {
    /// A node group enters a phase.
    Phase(&'static str),
    /// New nodes join.
    Join(u32),
    /// These nodes go, and as many new ones come.
    Replace(Vec<String>),
    /// One node beyond the configured size goes.
    ScaleDown,
    /// The update ends; without errors and with status `Successful` it takes effect.
    End { status: String, errors: Vec<IssueSpec> },
}

/// Where a world is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) seed: u64,
}

impl Place {
    pub(crate) fn arn(&self, resource: &str) -> String {
        format!("arn:aws:eks:{}:{}:{resource}", self.region, self.account)
    }

    /// Where a fleet's clusters are that name no place of their own.
    pub(crate) fn of_fleet(fleet: &Fleet) -> Self {
        Self { account: fleet.account.clone(), region: fleet.region.clone(), seed: fleet.seed }
    }

    /// The place of something that may name account and Region of its own.
    pub(crate) fn of(&self, account: Option<&String>, region: Option<&String>) -> Self {
        Self {
            account: account.unwrap_or(&self.account).clone(),
            region: region.unwrap_or(&self.region).clone(),
            seed: self.seed,
        }
    }

    /// The domain of private DNS names.
    pub(crate) fn domain(&self) -> String {
        match self.region.as_str() {
            "us-east-1" => "ec2.internal".to_owned(),
            region => format!("{region}.compute.internal"),
        }
    }

    /// Whether what is there is seen by somebody who asks in that account and Region.
    pub(crate) fn is(&self, account: &str, region: &str) -> bool {
        self.account == account && self.region == region
    }
}

impl Cluster {
    /// The cluster of a fleet entry. `created` unset: some 400 days ago.
    pub(crate) fn new(
        spec: ClusterSpec,
        fleet: &Place,
        catalogue: &Catalogue,
        now: Ms,
        created: Option<Ms>,
    ) -> Self {
        let place = fleet.of(spec.account.as_ref(), spec.region.as_ref());
        // A cluster that comes again is another one: other ids, other nodes.
        let mut rng = Rng::new(place.seed ^ created.unwrap_or(0).unsigned_abs(), &spec.name);
        let asked = spec.created_at.map(jiff::Timestamp::as_millisecond);
        let created = created.or(asked).unwrap_or_else(|| now - 400 * DAY - rng.between(0, 30 * DAY));
        let mut cluster = Self {
            arn: place.arn(&format!("cluster/{}", spec.name)),
            created,
            version: spec.version,
            version_since: created,
            arrival: Arrival::Created,
            support_type: spec.support_type,
            status: spec.status.clone(),
            tags: spec.tags.clone(),
            nodegroups: BTreeMap::new(),
            self_managed: BTreeMap::new(),
            templates: Vec::new(),
            addons: BTreeMap::new(),
            updates: Vec::new(),
            tokens: Vec::new(),
            lag: None,
            breaking: Vec::new(),
            broken: Vec::new(),
            refreshes: Vec::new(),
            frozen_insights: None,
            rng,
            hosts: 0,
            kubernetes: None,
            place,
            spec,
        };
        for group in cluster.spec.nodegroups.clone() {
            if group.appears_after_m.is_none() {
                cluster.add_nodegroup(group, created, now);
            }
        }
        for group in cluster.spec.self_managed.clone() {
            cluster.add_group(&group);
        }
        for addon in cluster.spec.addons.clone() {
            let default =
                catalogue.default_version(&addon.name, cluster.version).unwrap_or_default().to_owned();
            let id = cluster.rng.uuid();
            let arn = cluster.place.arn(&format!("addon/{}/{}/{id}", cluster.spec.name, addon.name));
            cluster.addons.insert(addon.name.clone(), Addon::new(addon, arn, default, created));
        }
        cluster.plant_kubernetes(catalogue, now);
        cluster
    }

    /// Puts a node group into it.
    pub(crate) fn add_nodegroup(&mut self, spec: NodegroupSpec, created: Ms, now: Ms) {
        let kubelet = spec.version.unwrap_or(self.version);
        let release = spec.release_version.clone().unwrap_or_else(|| match spec.ami_type.as_str() {
            "CUSTOM" => "ami-0c0ffee0000000001".to_owned(),
            _ => oldest_image(kubelet),
        });
        let template = spec.launch_template.as_ref().map(|template| template.version);
        let config = NodeConfig { kubelet, release, template };
        let mut nodes: Vec<Node> = (0..spec.size).map(|_| self.new_node(&config)).collect();
        if spec.pdb != Pdb::Allows
            && let Some(last) = nodes.last_mut()
        {
            last.protected = true;
        }
        let id = self.rng.uuid();
        let arn = self.place.arn(&format!("nodegroup/{}/{}/{id}", self.spec.name, spec.name));
        let group = Nodegroup {
            arn,
            created,
            modified: created,
            status: spec.status.clone(),
            tags: spec.tags.clone(),
            config,
            nodes,
            phase: None,
            pdb_clears: spec.pdb_clears_after_m.map(|after| now + crate::time::minutes(after)),
            lag: None,
            spec,
        };
        self.nodegroups.insert(group.spec.name.clone(), group);
    }

    /// A node that just joined.
    pub(crate) fn new_node(&mut self, config: &NodeConfig) -> Node {
        Node { name: self.new_host(), config: config.clone(), protected: false }
    }

    /// The private DNS name of another host in its VPC.
    pub(crate) fn new_host(&mut self) -> String {
        let host = self.hosts;
        self.hosts += 1;
        let domain = self.place.domain();
        // The name tells the address: 10.0.x.y with y in 4..=253.
        format!("ip-10-0-{}-{}.{domain}", 64 + host / 250, 4 + host % 250)
    }

    /// The update of that scope that runs, if one does.
    pub(crate) fn running(&self, scope: &Scope) -> Option<&Update> {
        self.updates.iter().rev().find(|update| update.ended.is_none() && update.scope == *scope)
    }
}

impl Addon {
    fn new(spec: AddonSpec, arn: String, default: String, created: Ms) -> Self {
        Self {
            arn,
            created,
            modified: created,
            version: spec.version.clone().unwrap_or(default),
            status: spec.status.clone(),
            issues: spec.health_issues.clone(),
            configuration: spec.configuration_values.clone(),
            role: spec.role.clone(),
            pod_identities: spec.pod_identity_associations.clone(),
            tags: spec.tags.clone(),
            lag: None,
            spec,
        }
    }
}

impl Nodegroup {
    /// How many of its nodes may be out at once.
    pub(crate) fn at_once(&self) -> usize {
        let size = self.nodes.len().max(1);
        let share = self.spec.max_unavailable_percentage.map(|percent| {
            let percent = usize::try_from(percent).unwrap_or(100);
            (size * percent / 100).max(1)
        });
        let count = self.spec.max_unavailable.and_then(|count| usize::try_from(count).ok());
        share.or(count).unwrap_or(1).clamp(1, size)
    }
}

impl Update {
    /// As the API shows it.
    pub(crate) fn describe(&self) -> Value {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct ErrorDetail<'a> {
            error_code: &'a str,
            error_message: &'a str,
            resource_ids: &'a [String],
        }
        let params: Vec<Value> =
            self.params.iter().map(|(kind, value)| json!({"type": kind, "value": value})).collect();
        let errors: Vec<ErrorDetail<'_>> = self
            .errors
            .iter()
            .map(|issue| ErrorDetail {
                error_code: &issue.code,
                error_message: &issue.message,
                resource_ids: &issue.resource_ids,
            })
            .collect();
        let mut body = json!({
            "id": self.id,
            "status": self.status,
            "type": self.kind,
            "params": params,
            "createdAt": epoch_seconds(self.created),
            "errors": errors,
        });
        if let Some(reason) = &self.cancelled {
            body["cancellation"] = json!({"status": "Successful", "reason": reason});
        }
        body
    }
}
