//! What an inspection of a cluster's inside comes to: small enough to travel, and all that a plan and a run need.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arn::ClusterArn;
use crate::drain::{self, Held, NodeForecast};
use crate::finding::{Code, Finding, Level};
use crate::health::Vitals;
use crate::inside::{
    AutoScalingGroup, Component, Inside, Node, NodeGroupOf, Owner, Seen, Unseen, Workload, WorkloadKind,
};
use crate::policy::PolicyDocument;
use crate::preflight::{self, Upgrade};
use crate::version::Minor;

/// What is asked of the inspect function. It reads, and changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields, tag = "op")]
pub enum InspectRequest {
    /// Everything that a plan to `target` needs. Answered with [`Inspection`].
    Preflight {
        /// The cluster.
        cluster: ClusterArn,
        /// The control plane's minor.
        from: Minor,
        /// Where the control plane should end.
        target: Minor,
        /// How long the drain of a node may take, in seconds.
        drain_limit_s: u32,
    },
    /// How nodes and pods do. Answered with [`Vitals`].
    Vitals {
        /// The cluster.
        cluster: ClusterArn,
    },
    /// Who holds these nodes. Answered with a list of [`Held`].
    Held {
        /// The cluster.
        cluster: ClusterArn,
        /// The nodes' names.
        nodes: Vec<String>,
        /// How long the drain of a node may take, in seconds.
        drain_limit_s: u32,
    },
    /// How the core components run. Answered with a list of [`Component`].
    Components {
        /// The cluster.
        cluster: ClusterArn,
    },
    /// Which nodes there are that follow by themselves, or for whom somebody restarts pods. Answered with [`Following`].
    Following {
        /// The cluster.
        cluster: ClusterArn,
    },
    /// By which policy the deployment goes: a person's plan should be made by the same. Answered with it.
    Policy {},
}

/// What the inspect function answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer", content = "is")]
pub enum InspectAnswer {
    /// To [`InspectRequest::Preflight`].
    Inspection(Box<Inspection>),
    /// To [`InspectRequest::Vitals`].
    Vitals(Vitals),
    /// To [`InspectRequest::Held`].
    Held(Vec<Held>),
    /// To [`InspectRequest::Components`].
    Components(Vec<Component>),
    /// To [`InspectRequest::Following`].
    Following(Following),
    /// To [`InspectRequest::Policy`].
    Policy(Box<PolicyDocument>),
    /// It could not be read, for this reason; never the same as nothing being there.
    Unseen(String),
}

/// The nodes of one pool that follow the control plane by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Follower {
    /// The pool.
    pub pool: String,
    /// The minor of each of its nodes.
    pub nodes: Vec<Minor>,
}

/// What follows by itself, and what somebody has to restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Following {
    /// Pools of Karpenter and of Auto Mode.
    pub pools: Vec<Follower>,
    /// Pods on Fargate.
    pub fargate: Vec<FargatePod>,
}

/// A pod on Fargate: its kubelet is as old as its last start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FargatePod {
    /// `namespace/name`.
    pub pod: String,
    /// The deployment or stateful set that makes it again, as `Kind namespace/name`; empty where there is none.
    pub workload: String,
    /// The minor of its kubelet, where it reads.
    pub minor: Option<Minor>,
}

/// The nodes of one Auto Scaling group that EKS does not manage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SelfManagedGroup {
    /// The group, as AWS shows it.
    pub group: AutoScalingGroup,
    /// The oldest minor among its nodes, where all of them read.
    pub oldest: Option<Minor>,
    /// The architecture and image family of its nodes, as the paths of the public parameters spell them:
    /// `amazon-linux-2023/x86_64/standard`. `None` where its image is none of those that EKS publishes.
    pub image: Option<String>,
}

/// Everything that a plan needs of a cluster's inside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// When it was read.
    pub at: Timestamp,
    /// Why nothing at all could be read, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// What was found, a line at least for each check.
    pub findings: Vec<Finding>,
    /// What a drain of each node would do.
    pub forecast: Seen<Vec<NodeForecast>>,
    /// How nodes and pods do now.
    pub vitals: Seen<Vitals>,
    /// The groups that EKS does not manage.
    pub self_managed: Seen<Vec<SelfManagedGroup>>,
    /// kube-proxy, CoreDNS and vpc-cni as they run.
    pub components: Seen<Vec<Component>>,
    /// What follows by itself, and what somebody has to restart.
    pub following: Seen<Following>,
    /// The deployment of Cluster Autoscaler, as `namespace/name`; `None` where there is none.
    pub autoscaler: Seen<Option<String>>,
}

impl Inspection {
    /// What an inside comes to for an upgrade; `images` has the image family of each Auto Scaling group where it has
    /// one.
    #[must_use]
    pub fn of(inside: &Inside, upgrade: Upgrade, images: &BTreeMap<String, String>) -> Self {
        let mut findings = preflight::preflight(inside, upgrade);
        findings.extend(lone_nodes(inside));
        Self {
            at: inside.at,
            unread: None,
            findings,
            forecast: seen(drain::forecast(inside, upgrade.drain_limit_s)),
            vitals: seen(Vitals::of(inside)),
            self_managed: seen(self_managed(inside, images)),
            components: inside.components.clone(),
            following: seen(Following::of(inside)),
            autoscaler: seen(autoscaler(inside)),
        }
    }

    /// An inspection that saw nothing, for this reason.
    #[must_use]
    pub fn unseen(at: Timestamp, why: &str) -> Self {
        Self {
            at,
            unread: Some(why.to_owned()),
            findings: Vec::new(),
            forecast: Seen::Not(why.to_owned()),
            vitals: Seen::Not(why.to_owned()),
            self_managed: Seen::Not(why.to_owned()),
            components: Seen::Not(why.to_owned()),
            following: Seen::Not(why.to_owned()),
            autoscaler: Seen::Not(why.to_owned()),
        }
    }
}

fn seen<T>(result: Result<T, Unseen>) -> Seen<T> {
    match result {
        Ok(seen) => Seen::Is(seen),
        Err(Unseen(why)) => Seen::Not(why),
    }
}

/// The deployment of Cluster Autoscaler: by its name, or its image's.
fn autoscaler(inside: &Inside) -> Result<Option<String>, Unseen> {
    const NAME: &str = "cluster-autoscaler";
    let is_it = |workload: &&Workload| {
        let by_image = workload.images.iter().any(|image| image.contains(&format!("/{NAME}:")));
        workload.kind == WorkloadKind::Deployment && (workload.name.contains(NAME) || by_image)
    };
    let found = inside.workloads.get()?.iter().find(is_it);
    Ok(found.map(|workload| format!("{}/{}", workload.namespace, workload.name)))
}

fn self_managed(inside: &Inside, images: &BTreeMap<String, String>) -> Result<Vec<SelfManagedGroup>, Unseen> {
    let nodes = inside.nodes.get()?;
    let groups = inside.capacity.groups.get()?.iter().map(|group| {
        let of_group = |node: &&Node| node.instance.as_ref().is_some_and(|id| group.instances.contains(id));
        let minors: Option<Vec<Minor>> = nodes.iter().filter(of_group).map(|node| node.minor).collect();
        SelfManagedGroup {
            oldest: minors.and_then(|minors| minors.into_iter().min()),
            image: group.template.as_ref().and_then(|_| images.get(&group.name).cloned()),
            group: group.clone(),
        }
    });
    Ok(groups.collect())
}

/// Nodes that nobody replaces: neither EKS, nor Karpenter, nor an Auto Scaling group.
fn lone_nodes(inside: &Inside) -> Option<Finding> {
    let (nodes, groups) = (inside.nodes.get().ok()?, inside.capacity.groups.get().ok()?);
    let in_a_group = |id: &String| groups.iter().any(|group| group.instances.contains(id));
    let lone: Vec<&str> = nodes
        .iter()
        .filter(|node| node.group == NodeGroupOf::SelfManaged)
        .filter(|node| node.instance.as_ref().is_none_or(|id| !in_a_group(id)))
        .map(|node| node.name.as_str())
        .collect();
    let first = lone.first()?;
    Some(Finding::new(
        Code::SelfManagedNodes,
        Level::Warn,
        first,
        format!("{} node(s) belong to no group that could replace them", lone.len()),
        "replace them by hand after the control plane",
    ))
}

impl Following {
    /// What an inside shows of it.
    pub fn of(inside: &Inside) -> Result<Self, Unseen> {
        let nodes = inside.nodes.get()?;
        let mut pools: BTreeMap<&str, Vec<Minor>> = BTreeMap::new();
        for node in nodes {
            if let (NodeGroupOf::Karpenter(pool) | NodeGroupOf::AutoMode(pool), Some(minor)) =
                (&node.group, node.minor)
            {
                pools.entry(pool).or_default().push(minor);
            }
        }
        let pools =
            pools.into_iter().map(|(pool, nodes)| Follower { pool: pool.to_owned(), nodes }).collect();
        let fargate: BTreeMap<&str, Option<Minor>> = nodes
            .iter()
            .filter(|node| node.group == NodeGroupOf::Fargate)
            .map(|node| (node.name.as_str(), node.minor))
            .collect();
        if fargate.is_empty() {
            return Ok(Self { pools, fargate: Vec::new() });
        }
        let on_fargate = inside.pods.get()?.iter().filter_map(|pod| {
            let minor = *fargate.get(pod.node.as_deref()?)?;
            let restartable = |owner: &&Owner| matches!(owner.kind.as_str(), "Deployment" | "StatefulSet");
            let owner = pod.owner.as_ref().filter(restartable);
            let workload = owner.map(|owner| format!("{} {}/{}", owner.kind, pod.namespace, owner.name));
            Some(FargatePod { pod: pod.full_name(), workload: workload.unwrap_or_default(), minor })
        });
        Ok(Self { pools, fargate: on_fargate.collect() })
    }
}
