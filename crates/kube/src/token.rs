//! The token that EKS takes for an identity: a presigned `sts:GetCallerIdentity`, bound to one cluster.
//!
//! The form is that of `aws eks get-token`. The API server believes a token for 15 minutes from its signature,
//! whatever the URL says of its own expiry.

use aws_config::SdkConfig;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use eks_upgrade_aws::presign::{Header, caller_identity};
use eks_upgrade_core::arn::ClusterName;
use eks_upgrade_pipeline::ports::EksDown;
use secrecy::SecretString;

const PREFIX: &str = "k8s-aws-v1.";
/// The header whose value is the cluster's name: a token for one cluster is none for another.
const HEADER: &str = "x-k8s-aws-id";
/// How long the URL holds at STS, in seconds: what `aws eks get-token` asks for, and the authenticator allows.
const VALID_S: u64 = 60;

/// A token for this cluster, of whoever has these credentials. Nothing is sent. It shows itself nowhere.
pub(crate) async fn token(config: &SdkConfig, cluster: &ClusterName) -> Result<SecretString, EksDown> {
    let header = Header { name: HEADER, value: cluster.as_str() };
    let url = caller_identity(config, header, VALID_S).await?;
    Ok(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(url)).into())
}
