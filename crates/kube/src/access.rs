//! From a cluster's ARN to a link with its API server.

use std::collections::BTreeMap;
use std::future::Future;

use aws_config::SdkConfig;
use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_pipeline::ports::inside::ApiServer;
use eks_upgrade_pipeline::ports::{EksDown, Time};
use jiff::{SignedDuration, Timestamp};
use kube::{Client, Config};
use tokio::sync::Mutex;

use crate::link::Link;
use crate::role::Role;
use crate::token::token;

/// What AWS must tell before Kubernetes can be asked anything.
pub trait Finds: Send + Sync {
    /// Where the cluster's API server is, and what is needed to believe it.
    fn api_server(&self, cluster: &ClusterArn) -> impl Future<Output = Result<ApiServer, EksDown>> + Send;
    /// The credentials that the cluster knows us by, and its Region: our own at home, the spoke's role elsewhere.
    fn sdk(&self, cluster: &ClusterArn) -> impl Future<Output = Result<SdkConfig, EksDown>> + Send;
    /// A client of that server: one that connects over the network, unless it is elsewhere. Nothing is sent.
    fn client(&self, config: Config) -> Result<Client, kube::Error> {
        Client::try_from(config)
    }
}

/// How long a link is used. The server believes its token for 15 minutes; the rest is for calls under way.
const LINK_LASTS: SignedDuration = SignedDuration::from_mins(10);

/// Links with API servers, one a cluster, renewed before their tokens end.
pub(crate) struct Access<F, T> {
    finds: F,
    time: T,
    role: Role,
    links: Mutex<BTreeMap<ClusterArn, Kept>>,
}

struct Kept {
    link: Link,
    /// By the system's clock, which AWS compares with, and which goes on while a Lambda function is frozen:
    /// a monotonic one may stand still then, and the token would be older than it seems.
    made_at: Timestamp,
}

impl Kept {
    fn still_serves(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.made_at);
        !age.is_negative() && age < LINK_LASTS && !self.link.was_refused()
    }
}

impl<F: Finds, T: Time> Access<F, T> {
    pub(crate) fn new(finds: F, time: T, role: Role) -> Self {
        Self { finds, time, role, links: Mutex::default() }
    }

    /// What time it is for objects of the cluster: they say since when they are as they are.
    pub(crate) fn now(&self) -> Timestamp {
        self.time.now()
    }

    /// What AWS says of the server, asked anew.
    pub(crate) async fn api_server(&self, cluster: &ClusterArn) -> Result<ApiServer, EksDown> {
        self.finds.api_server(cluster).await
    }

    /// The link with a cluster's API server. Nothing is sent to the server before the link is used.
    pub(crate) async fn to(&self, cluster: &ClusterArn) -> Result<Link, EksDown> {
        let now = Timestamp::now();
        if let Some(kept) = self.links.lock().await.get(cluster).filter(|kept| kept.still_serves(now)) {
            return Ok(kept.link.clone());
        }
        // Without the lock: a cluster that is slow to be found does not hold up the others.
        let server = self.finds.api_server(cluster).await?;
        let config = self.finds.sdk(cluster).await?;
        let token = token(&config, &cluster.name).await?;
        let client = |config| self.finds.client(config);
        let link = Link::new(&server, token, self.role, client)?;
        self.links.lock().await.insert(cluster.clone(), Kept { link: link.clone(), made_at: now });
        Ok(link)
    }
}
