//! Changing the inside of a cluster: one change a file. Each may be repeated, and does then what is left to do.

mod cordon;
mod image;
mod pods;
mod workloads;

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::inside::{Inside, WorkloadKind};
use eks_upgrade_pipeline::ports::inside::{Depth, Evicted, InsideWrites, Insides, PodName};
use eks_upgrade_pipeline::ports::{EksDown, Time};

use crate::access::{Access, Finds};
use crate::eviction::Effect;
use crate::link::Link;
use crate::role::Role;

type Done<T> = Result<T, EksDown>;

/// The inside of clusters, to look at and to change. Only the kube function has this.
pub struct KubeWrites<F, T>(Access<F, T>);

impl<F: Finds, T: Time> KubeWrites<F, T> {
    /// Reads and writes as the kube function.
    #[must_use]
    pub fn new(finds: F, time: T) -> Self {
        Self(Access::new(finds, time, Role::Kube))
    }

    async fn to(&self, cluster: &ClusterArn) -> Done<Link> {
        self.0.to(cluster).await
    }
}

impl<F: Finds, T: Time> Insides for KubeWrites<F, T> {
    async fn inside(&self, cluster: &ClusterArn, depth: Depth) -> Inside {
        self.0.inside(cluster, depth).await
    }

    async fn control_plane_subnets(&self, cluster: &ClusterArn) -> Done<Vec<String>> {
        self.0.subnets(cluster).await
    }
}

impl<F: Finds, T: Time> InsideWrites for KubeWrites<F, T> {
    async fn cordon(&self, cluster: &ClusterArn, node: &str, run: Option<&str>) -> Done<bool> {
        Ok(cordon::cordon(&self.to(cluster).await?, node, run).await?)
    }

    async fn evict(&self, cluster: &ClusterArn, pod: &PodName) -> Done<Evicted> {
        Ok(self.to(cluster).await?.evict(pod, Effect::Real).await?)
    }

    async fn delete_pod(&self, cluster: &ClusterArn, pod: &PodName) -> Done<()> {
        Ok(pods::delete(&self.to(cluster).await?, pod).await?)
    }

    async fn scale(&self, cluster: &ClusterArn, deployment: &str, replicas: u32) -> Done<Option<u32>> {
        Ok(workloads::scale(&self.to(cluster).await?, deployment, replicas).await?)
    }

    async fn set_image(&self, cluster: &ClusterArn, component: &str, to: &str) -> Done<()> {
        image::set_image(&self.to(cluster).await?, component, to).await
    }

    async fn restart(
        &self,
        cluster: &ClusterArn,
        kind: WorkloadKind,
        workload: &PodName,
        mark: &str,
    ) -> Done<()> {
        workloads::restart(&self.to(cluster).await?, kind, workload, mark).await
    }
}

/// A change that is not possible as things are: another try is of no use.
fn refused(operation: &'static str, why: impl Into<String>) -> EksDown {
    EksDown { operation, denied: true, why: why.into() }
}
