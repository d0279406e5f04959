//! One running server, as tests hold it.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::OnceCell;
use tokio::time::sleep;

use super::assets::{Assets, Missing, skip};
use super::background::Background;
use super::bridge::Bridge;
use super::caller::{Caller, Callers};
use super::certs::Authority;
use super::connect::Access;
use super::control_plane::ControlPlane;
use super::kubectl::{Kubectl, Ran};
use super::kubelet;
use super::proxy::Proxy;
use super::webhook::Webhook;

/// The name that a token has to be bound to.
const CLUSTER: &str = "harness";
/// How often a start is tried: between looking for a free port and listening on it, another may take it.
const STARTS: usize = 3;
/// How long a test waits for what it expects.
const WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A Kubernetes API server with what is around it; all of it ends when this is dropped, or the process ends.
#[derive(Debug)]
pub struct Server {
    callers: Callers,
    kubectl: Kubectl,
    /// The administrator's way in, by the endpoint that tests hand out.
    access: Access,
    /// Ends before the server that it speaks to does.
    _background: Background,
    plane: ControlPlane,
}

impl Server {
    /// The server that the tests of this process share. Nothing, after a loud line, where the binaries are missing.
    ///
    /// # Panics
    /// When it does not start, or the binaries are missing and `EKS_UPGRADE_KUBE_REQUIRED` is `1`.
    pub async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<Option<Server>> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await.as_ref()
    }

    /// A server of one's own, for tests that change what all share, or that compare two. Nothing, after a loud line,
    /// where the binaries are missing.
    ///
    /// # Panics
    /// As [`Self::shared`].
    pub async fn start() -> Option<Self> {
        let assets = Assets::find()?;
        let mut why = String::new();
        for _ in 0..STARTS {
            match Self::boot(&assets).await {
                Ok(server) => return Some(server),
                Err(error) => why = error,
            }
        }
        panic!("no Kubernetes API server after {STARTS} starts: {why}")
    }

    /// This, if it has controllers and a scheduler: without them deployments make no pods, budgets have no status,
    /// pods get no node. Nothing otherwise, after a loud line.
    ///
    /// # Panics
    /// When they are missing and `EKS_UPGRADE_KUBE_REQUIRED` is `1`.
    #[must_use]
    pub fn with_controllers(&self) -> Option<&Self> {
        if !self.plane.has_controllers() {
            skip(&Missing::controllers());
            return None;
        }
        Some(self)
    }

    async fn boot(assets: &Assets) -> Result<Self, String> {
        let background = Background::start();
        let (authority, callers) = (Authority::new(), Callers::default());

        let (listener, webhook) = background.listen().map_err(text)?;
        background.run(Webhook { cluster: CLUSTER.to_owned(), callers: callers.clone() }.serve(listener));

        let folder = new_folder();
        let plane = ControlPlane::start(assets, &folder, &authority, webhook).await?;
        let direct = plane.access.clone();
        background.run(async move { kubelet::run(direct.client()).await });

        let bridge = Bridge::to(&plane.access.client()).await.map_err(text)?;
        let (listener, endpoint) = background.listen().map_err(text)?;
        background.run(Proxy::new(&authority, plane.port, bridge).serve(listener));

        let access = plane.access.at_port(endpoint);
        let kubectl = Kubectl::new(&assets.kubectl, plane.folder(), &access.kubeconfig());
        Ok(Self { callers, kubectl, access, _background: background, plane })
    }

    /// The URL of the API, as `DescribeCluster` gives it.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.access.endpoint
    }

    /// The certificate of the endpoint's authority, as PEM; `DescribeCluster` gives it in base64.
    #[must_use]
    pub fn authority_pem(&self) -> &str {
        &self.access.authority_pem
    }

    /// The name of the cluster, which tokens are bound to.
    #[must_use]
    #[allow(clippy::unused_self, reason = "who has a server asks it")]
    pub fn cluster(&self) -> &'static str {
        CLUSTER
    }

    /// The folder with what its processes keep and log, for a look while a test stands still.
    #[must_use]
    pub fn folder(&self) -> &Path {
        let of_process = self.plane.folder();
        of_process.parent().unwrap_or(of_process)
    }

    /// An access entry: a role that is in these groups, with credentials to prove it. What the groups may do, RBAC
    /// says; to begin with, nothing.
    #[must_use]
    pub fn grant(&self, groups: &[&str]) -> Caller {
        self.callers.grant(groups)
    }

    /// A client of somebody who has a token. Call it on the test's own runtime.
    #[must_use]
    pub fn client(&self, token: &str) -> Client {
        self.access.with_token(token).client()
    }

    /// A client that may do everything. Call it on the test's own runtime.
    #[must_use]
    pub fn admin(&self) -> Client {
        self.access.client()
    }

    /// Runs kubectl as one who may do everything.
    pub async fn kubectl(&self, args: &[&str]) -> Ran {
        self.kubectl.run(args, "").await
    }

    /// Applies objects, in YAML.
    ///
    /// # Panics
    /// When kubectl or the server refuses one.
    pub async fn apply(&self, yaml: &str) {
        let ran = self.kubectl.run(&["apply", "-f", "-"], yaml).await;
        assert!(ran.ok, "{}\n{yaml}", ran.stderr);
    }

    /// A new namespace; its name, which begins as told and is no other test's.
    ///
    /// # Panics
    /// When the server refuses it.
    pub async fn namespace(&self, name: &str) -> String {
        let meta = json!({"metadata": {"generateName": format!("{name}-")}});
        let namespace: Namespace = serde_json::from_value(meta).expect("a namespace");
        let created = Api::<Namespace>::all(self.admin()).create(&PostParams::default(), &namespace).await;
        created.expect("the namespace is accepted").metadata.name.expect("the server names it")
    }

    /// Looks until something is so, and returns what the look gave.
    ///
    /// # Panics
    /// When it is not so within half a minute.
    pub async fn wait_for<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let until = Instant::now() + WITHIN;
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            assert!(Instant::now() < until, "waited {} s for {what}", WITHIN.as_secs());
            sleep(LOOK_EVERY).await;
        }
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// A name for a folder that this process has not used.
fn new_folder() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = env::temp_dir().join(format!("eks-upgrade-kube-{}-{number}", process::id()));
    // Of a process that had the same number, long ago.
    let _ = fs::remove_dir_all(&folder);
    folder
}
