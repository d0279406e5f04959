//! Reading the inside of a cluster: one part a file, all of them side by side.
//!
//! A part that is refused, or not answered, is [`Seen::Not`] with the reason, and the others are read all the same.

mod applied;
mod budgets;
mod called;
mod components;
mod karpenter;
mod meta;
mod nodes;
mod pods;
mod proxy;
mod server;
mod volumes;
mod webhooks;
mod workloads;

use std::future::Future;

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::inside::{Capacity, Inside, Seen};
use eks_upgrade_pipeline::ports::inside::{Depth, Evicted, Insides, PodName, TriesEvictions};
use eks_upgrade_pipeline::ports::{EksDown, Time};
use jiff::Timestamp;

use crate::access::{Access, Finds};
use crate::eviction::Effect;
use crate::failed::Failed;
use crate::link::Link;
use crate::role::Role;

/// Why a part was not read that the depth leaves out.
const NOT_ASKED: &str = "it was not asked for";
/// Why a part is left out that is not Kubernetes' to tell.
const NOT_HERE: &str = "Kubernetes does not know it";

/// The inside of clusters, to look at. Changes nothing.
pub struct KubeReads<F, T>(Access<F, T>);

impl<F: Finds, T: Time> KubeReads<F, T> {
    /// Reads as the inspect function.
    #[must_use]
    pub fn new(finds: F, time: T) -> Self {
        Self(Access::new(finds, time, Role::Inspect))
    }
}

impl<F: Finds, T: Time> Insides for KubeReads<F, T> {
    async fn inside(&self, cluster: &ClusterArn, depth: Depth) -> Inside {
        self.0.inside(cluster, depth).await
    }

    async fn control_plane_subnets(&self, cluster: &ClusterArn) -> Result<Vec<String>, EksDown> {
        self.0.subnets(cluster).await
    }
}

impl<F: Finds, T: Time> TriesEvictions for KubeReads<F, T> {
    async fn try_eviction(&self, cluster: &ClusterArn, pod: &PodName) -> Result<Evicted, EksDown> {
        Ok(self.0.to(cluster).await?.evict(pod, Effect::None).await?)
    }
}

impl<F: Finds, T: Time> Access<F, T> {
    pub(crate) async fn inside(&self, cluster: &ClusterArn, depth: Depth) -> Inside {
        let at = self.now();
        match self.to(cluster).await {
            Ok(link) => read(&link, depth, at).await,
            Err(down) => Inside::unread(at, &down.to_string()),
        }
    }

    pub(crate) async fn subnets(&self, cluster: &ClusterArn) -> Result<Vec<String>, EksDown> {
        Ok(self.api_server(cluster).await?.subnets)
    }
}

async fn read(link: &Link, depth: Depth, at: Timestamp) -> Inside {
    let all = depth == Depth::All;
    let vitals = depth != Depth::Components;
    let drain = all || matches!(depth, Depth::Drain | Depth::Roll);
    let workloads = all || depth == Depth::Roll;
    let core = all || depth == Depth::Components;
    let pools = all || depth == Depth::Following;
    let first = async {
        tokio::join!(
            part(all, server::minor(link)),
            part(vitals, nodes::nodes(link)),
            part(vitals, pods::pods(link)),
            part(drain, budgets::budgets(link)),
            part(drain, webhooks::webhooks(link)),
            part(core, components::components(link)),
        )
    };
    let second = async {
        tokio::join!(
            part(workloads, workloads::workloads(link)),
            part(all, called::called(link)),
            part(all, applied::applied(link)),
            part(all, volumes::volumes(link)),
            part(all, proxy::mode(link)),
            part(pools, karpenter::pools(link)),
            part(pools, karpenter::claims(link)),
        )
    };
    let (first, second) = tokio::join!(Box::pin(first), Box::pin(second));
    let (server, nodes, pods, budgets, webhooks, components) = first;
    let (workloads, called, applied, volumes, proxy_mode, pools, claims) = second;
    let capacity = Capacity { subnets: Seen::Not(NOT_HERE.into()), groups: Seen::Not(NOT_HERE.into()) };
    Inside {
        at,
        server,
        nodes,
        pods,
        budgets,
        workloads,
        webhooks,
        called,
        applied,
        volumes,
        proxy_mode,
        components,
        pools,
        claims,
        capacity,
    }
}

/// One part: asked, or left out.
async fn part<T>(asked: bool, read: impl Future<Output = Result<T, Failed>>) -> Seen<T> {
    if !asked {
        return Seen::Not(NOT_ASKED.to_owned());
    }
    match read.await {
        Ok(seen) => Seen::Is(seen),
        Err(failed) => Seen::Not(EksDown::from(failed).to_string()),
    }
}
