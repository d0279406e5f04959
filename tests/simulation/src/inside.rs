//! The inside of simulated clusters: the shipped adapters of Kubernetes and of EC2, with the simulated world in place
//! of a connection.
//!
//! The client of Kubernetes wants a runtime of Tokio, which a simulation has not: each call of a port runs in one of
//! its own, to its end. So what befalls functions befalls them before such a call or after it, never within.

use std::fmt;
use std::pin::Pin;

use aws_config::SdkConfig;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use eks_upgrade_aws::eks::AwsEks;
use eks_upgrade_aws::spokes::{Session, Spokes};
use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::inside::{Inside, WorkloadKind};
use eks_upgrade_core::inspection::{InspectAnswer, InspectRequest};
use eks_upgrade_core::policy::PolicyDocument;
use eks_upgrade_ec2::AwsGroups;
use eks_upgrade_kube::{Finds, KubeReads, KubeWrites};
use eks_upgrade_pipeline::inspect::Inspect;
use eks_upgrade_pipeline::ports::EksDown;
use eks_upgrade_pipeline::ports::inside::{
    ApiServer, Depth, Evicted, InsideWrites, Insides, PodName, TriesEvictions,
};
use eks_upgrade_sim::{KubeEndpoint, Request};
use eks_upgrade_support::{VirtualClock, home};
use jiff::Timestamp;
use kube::client::Body;
use kube::{Client, Config};
use secrecy::ExposeSecret;
use tokio::runtime::{Builder, Runtime};
use tower::{BoxError, service_fn};

use crate::wire::Wire;

/// Where the API servers of simulated clusters say they are. Nobody connects to them: their authority is there to be
/// read, and to be believed by nobody.
#[must_use]
pub fn endpoint() -> KubeEndpoint {
    let authority = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    KubeEndpoint {
        url: "https://kubernetes.invalid".to_owned(),
        authority: BASE64_STANDARD.encode(authority),
    }
}

/// What looks into clusters, and what changes them.
pub struct Inner {
    reads: KubeReads<InProcess, VirtualClock>,
    writes: KubeWrites<InProcess, VirtualClock>,
    looks_at_groups: AwsGroups,
    /// The groups behind nodes, to change.
    pub groups: AwsGroups,
    wire: Wire,
    runtime: Runtime,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}

/// What AWS tells of clusters, and the way to their API servers.
#[derive(Clone)]
struct InProcess {
    eks: AwsEks,
    sdk: SdkConfig,
    wire: Wire,
}

impl Finds for InProcess {
    async fn api_server(&self, cluster: &ClusterArn) -> Result<ApiServer, EksDown> {
        self.eks.api_server(cluster).await
    }

    async fn sdk(&self, _: &ClusterArn) -> Result<SdkConfig, EksDown> {
        Ok(self.sdk.clone())
    }

    fn client(&self, config: Config) -> Result<Client, kube::Error> {
        let namespace = config.default_namespace.clone();
        let (wire, base) = (self.wire.clone(), config.cluster_url.path().trim_end_matches('/').to_owned());
        let token = config.auth_info.token.as_ref();
        let bearer = token.map_or(String::new(), |token| format!("Bearer {}", token.expose_secret()));
        let service = service_fn(move |request: http::Request<Body>| {
            let (wire, base, bearer) = (wire.clone(), base.clone(), bearer.clone());
            let answer: Pin<Box<dyn Future<Output = Result<http::Response<Body>, BoxError>> + Send>> =
                Box::pin(async move { answer(&wire, &base, bearer, request).await });
            answer
        });
        Ok(Client::new(service, namespace))
    }
}

/// How long the client waits for an answer, in seconds.
const SILENCE_S: f64 = 30.0;

/// The world's answer to a request of the client.
async fn answer(
    wire: &Wire,
    base: &str,
    bearer: String,
    request: http::Request<Body>,
) -> Result<http::Response<Body>, BoxError> {
    let (parts, body) = request.into_parts();
    let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let mut headers: Vec<(String, String)> =
        parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    headers.push(("authorization".to_owned(), bearer));
    let response = wire.kubernetes(&Request {
        method: parts.method.as_str().to_owned(),
        path: format!("{base}{}", parts.uri.path()),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers,
        body: body.collect_bytes().await?.to_vec(),
        // Tokens are signed by the system's clock, and STS compares them with it.
        received: Some(Timestamp::now()),
    });
    // Nobody waits longer than the client does.
    if response.dropped || response.hold_s > SILENCE_S {
        return Err("connection closed before an answer".into());
    }
    let mut answer = http::Response::builder().status(response.status);
    for (name, value) in &response.headers {
        answer = answer.header(name, value);
    }
    Ok(answer.body(Body::from(response.body.into_bytes()))?)
}

impl Inner {
    /// The insides of the clusters at the end of this wire.
    ///
    /// # Panics
    /// When the machine has no room for a runtime.
    #[must_use]
    pub fn new(wire: &Wire, clock: &VirtualClock) -> Self {
        // What AWS is asked about a server is part of a port's call: it is not befallen by itself.
        let calm = wire.calm();
        let sdk = calm.sdk();
        let found = InProcess { eks: AwsEks::new(&sdk, home(), Vec::new()), sdk, wire: wire.clone() };
        let groups = |session| AwsGroups::new(Spokes::new(&wire.sdk(), home(), Vec::new(), session));
        Self {
            reads: KubeReads::new(found.clone(), clock.clone()),
            writes: KubeWrites::new(found, clock.clone()),
            looks_at_groups: groups(Session::Reading),
            groups: groups(Session::Inside),
            wire: wire.clone(),
            runtime: Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("there is room for a runtime"),
        }
    }

    /// What the inspect function of a deployment with this policy answers.
    pub async fn inspect(&self, request: &InspectRequest, policy: PolicyDocument) -> InspectAnswer {
        let inspect = Inspect { inside: Looks(self), groups: self.looks_at_groups.clone(), policy };
        let answer = Box::pin(inspect.answer(request)).await;
        answer.unwrap_or_else(|error| InspectAnswer::Unseen(error.to_string()))
    }

    /// One call of a port.
    async fn port<T>(&self, operation: &'static str, call: impl Future<Output = T>) -> Result<T, EksDown> {
        let lost = |_| EksDown { operation, denied: false, why: "connection reset".to_owned() };
        self.wire.faults().around(|| self.runtime.block_on(call)).await.map_err(lost)
    }
}

/// What the inspect function has.
struct Looks<'a>(&'a Inner);

/// What the kube function has.
pub struct Changes<'a>(pub &'a Inner);

const READ: &str = "kubernetes:list";

async fn read(inner: &Inner, reads: &impl Insides, cluster: &ClusterArn, depth: Depth) -> Inside {
    let seen = inner.port(READ, Box::pin(reads.inside(cluster, depth))).await;
    seen.unwrap_or_else(|down| Inside::unread(inner.wire.now(), &down.to_string()))
}

impl Insides for Looks<'_> {
    async fn inside(&self, cluster: &ClusterArn, depth: Depth) -> Inside {
        read(self.0, &self.0.reads, cluster, depth).await
    }

    async fn control_plane_subnets(&self, cluster: &ClusterArn) -> Result<Vec<String>, EksDown> {
        self.0.port(READ, Box::pin(self.0.reads.control_plane_subnets(cluster))).await?
    }
}

impl TriesEvictions for Looks<'_> {
    async fn try_eviction(&self, cluster: &ClusterArn, pod: &PodName) -> Result<Evicted, EksDown> {
        self.0.port("kubernetes:evict pod", Box::pin(self.0.reads.try_eviction(cluster, pod))).await?
    }
}

impl Insides for Changes<'_> {
    async fn inside(&self, cluster: &ClusterArn, depth: Depth) -> Inside {
        read(self.0, &self.0.writes, cluster, depth).await
    }

    async fn control_plane_subnets(&self, cluster: &ClusterArn) -> Result<Vec<String>, EksDown> {
        self.0.port(READ, Box::pin(self.0.writes.control_plane_subnets(cluster))).await?
    }
}

impl InsideWrites for Changes<'_> {
    async fn cordon(&self, cluster: &ClusterArn, node: &str, run: Option<&str>) -> Result<bool, EksDown> {
        self.0.port("kubernetes:patch node", Box::pin(self.0.writes.cordon(cluster, node, run))).await?
    }

    async fn evict(&self, cluster: &ClusterArn, pod: &PodName) -> Result<Evicted, EksDown> {
        self.0.port("kubernetes:evict pod", Box::pin(self.0.writes.evict(cluster, pod))).await?
    }

    async fn delete_pod(&self, cluster: &ClusterArn, pod: &PodName) -> Result<(), EksDown> {
        self.0.port("kubernetes:delete pod", Box::pin(self.0.writes.delete_pod(cluster, pod))).await?
    }

    async fn scale(
        &self,
        cluster: &ClusterArn,
        deployment: &str,
        replicas: u32,
    ) -> Result<Option<u32>, EksDown> {
        self.0.port("kubernetes:scale", Box::pin(self.0.writes.scale(cluster, deployment, replicas))).await?
    }

    async fn set_image(&self, cluster: &ClusterArn, component: &str, to: &str) -> Result<(), EksDown> {
        self.0.port("kubernetes:patch", Box::pin(self.0.writes.set_image(cluster, component, to))).await?
    }

    async fn restart(
        &self,
        cluster: &ClusterArn,
        kind: WorkloadKind,
        workload: &PodName,
        mark: &str,
    ) -> Result<(), EksDown> {
        self.0
            .port("kubernetes:patch", Box::pin(self.0.writes.restart(cluster, kind, workload, mark)))
            .await?
    }
}
