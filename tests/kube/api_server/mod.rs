//! A real Kubernetes API server for tests, with everything around it that a test of an EKS cluster wants.
//!
//! [`Server`] is etcd, kube-apiserver and, where they are at hand, the real controllers and scheduler, as processes
//! of their own that end with the test, however it ends. Around them:
//!
//! - **Who speaks** is told as on EKS: by a token that presigns `sts:GetCallerIdentity` for this cluster.
//!   [`Server::grant`] makes a [`Caller`], an access entry with its credentials; RBAC says what its groups may do.
//! - **[`FakeNode`]s** and a small kubelet: what is bound to a node runs and gets ready, what is told to stop stops.
//!   Annotations slow a pod down: [`NEVER_READY`], [`STOPS_AFTER_S`].
//! - **A TLS endpoint** with an authority of its own, as `DescribeCluster` gives it. Before a server that is too old
//!   it speaks `policy/v1` and the like for it.
//!
//! # Writing a test
//! ```ignore
//! #[tokio::test]
//! async fn a_drain_leaves_daemons_alone() {
//!     let Some(server) = Server::shared().await.and_then(Server::with_controllers) else { return };
//!     let namespace = server.namespace("daemons").await;        // its own, as others share the server
//!     let node = FakeNode::new("daemons-a").kubelet("v1.32.9-eks-113cf36").create(server).await;
//!     server.apply("apiVersion: …").await;                      // in YAML, with kubectl
//!     let caller = server.grant(&["eks-upgrade:kube"]);         // keys to presign with; RBAC by `apply`
//!     // … hand `server.endpoint()`, `server.authority_pem()`, `server.cluster()` and the keys to what is tested …
//!     server.wait_for("the pods to leave", async || { /* Some(value) once it is so */ }).await;
//! }
//! ```
//! Where the binaries are missing the test says so and is skipped; with `EKS_UPGRADE_KUBE_REQUIRED=1` it fails. See
//! [`Assets`] for how to get them.
//!
//! # What differs from EKS
//! - A server as old as 1.20 knows neither `unhealthyPodEvictionPolicy` nor that `selector: {}` of a `policy/v1`
//!   budget means every pod: it means none there. Watches of what the endpoint bridges are bridged as well.
//! - Service accounts get no tokens, nothing is mounted, no image is pulled, `exec`, `logs` and `attach` lead nowhere.
//! - Nodes get no taints from their conditions.
//! - Time is real. A token is checked once a second at the most: the server keeps the answer that long.

mod assets;
mod background;
mod bridge;
mod caller;
mod certs;
mod connect;
mod control_plane;
mod guard;
mod kubectl;
mod kubelet;
mod node;
mod proxy;
mod server;
mod token;
mod webhook;

pub use assets::Assets;
pub use caller::Caller;
pub use kubelet::{NEVER_READY, STOPS_AFTER_S};
pub use node::FakeNode;
pub use server::Server;
