//! The product's own way to a server of the harness.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::api_server::{Caller, Server};
use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use eks_upgrade_clock::Clock;
use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::inside::Seen;
use eks_upgrade_kube::{Finds, KubeReads, KubeWrites};
use eks_upgrade_pipeline::ports::EksDown;
use eks_upgrade_pipeline::ports::inside::ApiServer;

/// The files that give the functions their rights.
pub const INSPECT: &str = include_str!("../../infra/kubernetes/inspect.yaml");
pub const DRY_RUN: &str = include_str!("../../infra/kubernetes/inspect-dry-run.yaml");
pub const KUBE: &str = include_str!("../../infra/kubernetes/kube.yaml");

/// What looks into clusters.
pub type Reads = KubeReads<Found, Clock>;
/// What changes their inside.
pub type Writes = KubeWrites<Found, Clock>;

/// What AWS would tell: where a server is, and with which keys somebody comes.
#[derive(Clone)]
pub struct Found {
    pub server: ApiServer,
    sdk: SdkConfig,
    asked: Arc<AtomicUsize>,
}

impl Found {
    pub fn new(endpoint: &str, ca: &str, caller: &Caller) -> Self {
        let Caller { access_key, secret_key, session_token, .. } = caller.clone();
        let keys = Credentials::new(access_key, secret_key, Some(session_token), None, "harness");
        let sdk = SdkConfig::builder()
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .build();
        let subnets = vec!["subnet-a".to_owned(), "subnet-b".to_owned()];
        let server = ApiServer { endpoint: endpoint.to_owned(), ca: ca.as_bytes().to_vec(), subnets };
        Self { server, sdk, asked: Arc::default() }
    }

    /// The harness's server, for somebody who has a token.
    pub fn of(server: &Server, caller: &Caller) -> Self {
        Self::new(server.endpoint(), server.authority_pem(), caller)
    }

    /// What looks there.
    pub fn reads(&self) -> Reads {
        KubeReads::new(self.clone(), Clock::system())
    }

    /// What changes things there.
    pub fn writes(&self) -> Writes {
        KubeWrites::new(self.clone(), Clock::system())
    }

    /// How often AWS was asked where the server is.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Finds for Found {
    async fn api_server(&self, _: &ClusterArn) -> Result<ApiServer, EksDown> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.server.clone())
    }

    async fn sdk(&self, _: &ClusterArn) -> Result<SdkConfig, EksDown> {
        Ok(self.sdk.clone())
    }
}

/// The cluster that the server believes to be.
pub fn cluster(server: &Server) -> ClusterArn {
    named(server.cluster())
}

pub fn named(name: &str) -> ClusterArn {
    format!("arn:aws:eks:eu-west-1:123456789012:cluster/{name}").parse().unwrap()
}

/// Why a part was not seen.
pub fn why<T: std::fmt::Debug>(part: &Seen<T>) -> &str {
    match part {
        Seen::Is(seen) => panic!("it was seen: {seen:?}"),
        Seen::Not(why) => why,
    }
}

/// A part that was seen.
pub fn seen<T>(part: &Seen<T>) -> &T {
    match part {
        Seen::Is(seen) => seen,
        Seen::Not(why) => panic!("it was not seen: {why}"),
    }
}
