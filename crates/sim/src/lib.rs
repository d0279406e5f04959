//! A simulator of Amazon EKS, AWS Health, a little of STS, and what of Auto Scaling, EC2 and SSM self-managed node
//! groups need; and of the Kubernetes API of its clusters. Good enough to fool the real SDKs.
//!
//! Two layers. [`World`] is pure and synchronous: a request and the instant it arrives go in, an answer comes
//! out; it reads no clock, does no IO, and the same seed with the same requests gives the same world. [`server`]
//! puts it behind HTTP on the loopback interface. What the world holds comes from a [`fleet::Fleet`] file.
//!
//! It shares no code with the product, the clock apart: it is the independent stand-in for AWS.

mod addon_version;
mod asg;
mod beats;
mod breaks;
mod calendar;
mod caller;
mod catalogue;
pub mod cbor;
mod control;
mod faults;
pub mod fleet;
mod http;
mod insights;
mod kube;
mod minor;
mod ops;
mod rng;
mod roll;
mod rollback;
mod route;
pub mod server;
mod state;
mod sts;
mod time;
pub mod tls;
mod tokens;
mod updates;
mod world;
mod xml;

pub use http::{Record, Request, Response};
pub use kube::KubeEndpoint;
pub use minor::Minor;
pub use world::World;
