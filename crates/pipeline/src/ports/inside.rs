//! What the use cases need of a cluster's inside, and of the groups behind its nodes: reads for whoever looks, writes
//! for the kube function alone. Kubernetes stands behind them in `crates/kube`, EC2 in `crates/ec2`.

use std::future::Future;

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::inside::{AutoScalingGroup, Capacity, Inside, Template, WorkloadKind};
use eks_upgrade_core::inspection::{InspectAnswer, InspectRequest};
use eks_upgrade_core::version::Minor;

use crate::ports::EksDown;

type Read<T> = Result<T, EksDown>;

/// Asking the inspect function. Whoever asks need not reach the cluster's network.
pub trait Inspects: Send + Sync {
    /// Its answer; [`InspectAnswer::Unseen`] where it could not be asked. An error never ends a run: what was not
    /// seen is unknown.
    fn inspect(&self, request: &InspectRequest) -> impl Future<Output = InspectAnswer> + Send;
}

/// How much of an inside is read: each part costs lists of a whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Everything; for a plan.
    All,
    /// Nodes and pods; for how they do.
    Vitals,
    /// Nodes, pods, budgets, webhooks; for a drain.
    Drain,
    /// Nodes, pods, budgets, webhooks, workloads; for a roll of nodes.
    Roll,
    /// The core components.
    Components,
    /// Nodes, pods, pools and claims.
    Following,
}

/// Reading the inside of clusters through the Kubernetes API.
pub trait Insides: Send + Sync {
    /// The inside, as deep as asked; what is deeper, and what is refused or not answered, is `Seen::Not`.
    /// `capacity` is left unseen: that is [`Groups`]'s.
    fn inside(&self, cluster: &ClusterArn, depth: Depth) -> impl Future<Output = Inside> + Send;
    /// The subnets of the cluster's control plane, as EKS has them.
    fn control_plane_subnets(&self, cluster: &ClusterArn) -> impl Future<Output = Read<Vec<String>>> + Send;
}

/// Asking whether a pod could be evicted. Changes nothing, and yet needs the right to evict: RBAC knows no dry runs.
pub trait TriesEvictions: Send + Sync {
    /// What an eviction would come to now.
    fn try_eviction(&self, cluster: &ClusterArn, pod: &PodName)
    -> impl Future<Output = Read<Evicted>> + Send;
}

/// A pod, to be named in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid, where this very pod is meant: one of a stateful set comes back under its name. `None`: whichever has
    /// the name.
    pub uid: Option<String>,
}

/// What became of an eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evicted {
    /// The pod is on its way out (or, in a dry run, would be).
    Leaves,
    /// There is no such pod any more, or another one under its name.
    Gone,
    /// A budget says not now (429).
    NotNow(String),
    /// It never will as things are: several budgets on one pod (500), or a webhook denied it.
    Refused(String),
}

/// What may be done to a cluster's inside, all of it. Only the kube function has this. Each call may be repeated.
pub trait InsideWrites: Send + Sync {
    /// Puts `eks-upgrade/run` on a node and lets no new pod onto it, and no load balancer send to it; or the reverse.
    /// `Ok(false)`: there is no such node.
    fn cordon(
        &self,
        cluster: &ClusterArn,
        node: &str,
        run: Option<&str>,
    ) -> impl Future<Output = Read<bool>> + Send;
    /// Evicts a pod, its own grace period kept.
    fn evict(&self, cluster: &ClusterArn, pod: &PodName) -> impl Future<Output = Read<Evicted>> + Send;
    /// Deletes a pod, whatever its budgets say, its own grace period kept. One that is gone is no error, nor is another
    /// one under its name, which stays.
    fn delete_pod(&self, cluster: &ClusterArn, pod: &PodName) -> impl Future<Output = Read<()>> + Send;
    /// Sets the replicas of a deployment (`namespace/name`); gives what they were. `None`: there is no such deployment.
    fn scale(
        &self,
        cluster: &ClusterArn,
        deployment: &str,
        replicas: u32,
    ) -> impl Future<Output = Read<Option<u32>>> + Send;
    /// Sets the images of a core component's containers whose repository is that of `to`'s, and nothing else of it.
    fn set_image(
        &self,
        cluster: &ClusterArn,
        component: &str,
        to: &str,
    ) -> impl Future<Output = Read<()>> + Send;
    /// Restarts a workload's pods through it, as `kubectl rollout restart` does; once for the same `mark`.
    fn restart(
        &self,
        cluster: &ClusterArn,
        kind: WorkloadKind,
        workload: &PodName,
        mark: &str,
    ) -> impl Future<Output = Read<()>> + Send;
}

/// What is read of the groups behind nodes, of subnets and images.
pub trait Groups: Send + Sync {
    /// The subnets given (those of the control plane marked), and all Auto Scaling groups tagged
    /// `kubernetes.io/cluster/NAME` that EKS does not manage.
    fn capacity(
        &self,
        cluster: &ClusterArn,
        control_plane_subnets: &[String],
    ) -> impl Future<Output = Capacity> + Send;
    /// One Auto Scaling group.
    fn group(
        &self,
        cluster: &ClusterArn,
        name: &str,
    ) -> impl Future<Output = Read<Option<AutoScalingGroup>>> + Send;
    /// Which of EKS's public images the template's image is, as `amazon-linux-2023/x86_64/standard`; `None` for another.
    fn image_family(
        &self,
        cluster: &ClusterArn,
        template: &Template,
    ) -> impl Future<Output = Read<Option<String>>> + Send;
}

/// The sizes of an Auto Scaling group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The least.
    pub min: u32,
    /// What it wants.
    pub desired: u32,
    /// The greatest.
    pub max: u32,
}

/// What may be done to those groups. Only the kube function has this. Each call may be repeated.
pub trait GroupWrites: Groups {
    /// A version of the template with EKS's recommended image of that family for `minor`: the same for the same
    /// `token`. Gives the version and the image's id.
    fn make_template(
        &self,
        cluster: &ClusterArn,
        from: &Template,
        family: &str,
        minor: Minor,
        token: &str,
    ) -> impl Future<Output = Read<(Template, String)>> + Send;
    /// Sets template and sizes of a group.
    fn update_group(
        &self,
        cluster: &ClusterArn,
        name: &str,
        template: Option<&Template>,
        sizes: Option<Sizes>,
    ) -> impl Future<Output = Read<()>> + Send;
    /// Makes a group like `like`, with its tags, subnets and load balancers, under this name; one that is there stays.
    fn make_group(
        &self,
        cluster: &ClusterArn,
        like: &str,
        name: &str,
        template: &Template,
        sizes: Sizes,
    ) -> impl Future<Output = Read<()>> + Send;
    /// Ends an instance of a group; with `shrink` the group wants one less. One that is gone already is no error.
    fn terminate(
        &self,
        cluster: &ClusterArn,
        instance: &str,
        shrink: bool,
    ) -> impl Future<Output = Read<()>> + Send;
    /// Deletes a group with no instances left. One that is gone already is no error.
    fn delete_group(&self, cluster: &ClusterArn, name: &str) -> impl Future<Output = Read<()>> + Send;
}

/// Where a cluster's API server is, and what is needed to believe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiServer {
    /// Its endpoint.
    pub endpoint: String,
    /// Its certificate authority, PEM.
    pub ca: Vec<u8>,
    /// The subnets of the control plane.
    pub subnets: Vec<String>,
}
