//! What AWS tells of clusters, at home and in the spokes.

use aws_config::SdkConfig;
use eks_upgrade_aws::eks::AwsEks;
use eks_upgrade_aws::spokes::Spokes;
use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_pipeline::ports::EksDown;
use eks_upgrade_pipeline::ports::inside::ApiServer;

use crate::access::Finds;

/// EKS, and the credentials that clusters know us by.
#[derive(Clone, Debug)]
pub struct AwsClusters {
    /// EKS.
    pub eks: AwsEks,
    /// The ways to the places of clusters.
    pub spokes: Spokes,
}

impl Finds for AwsClusters {
    async fn api_server(&self, cluster: &ClusterArn) -> Result<ApiServer, EksDown> {
        self.eks.api_server(cluster).await
    }

    async fn sdk(&self, cluster: &ClusterArn) -> Result<SdkConfig, EksDown> {
        self.spokes.config("sts:GetCallerIdentity", &cluster.home()).await
    }
}
