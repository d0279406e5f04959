//! The groups behind nodes that EKS does not manage: EC2 Auto Scaling, EC2 and SSM behind the ports [`Groups`] and
//! [`GroupWrites`].
//!
//! Translation only, as in `crates/aws`: no SDK type leaves this crate, and nothing is decided in it. Every write may
//! be repeated: whoever follows one that died makes it again, and `writes` says of each why that is safe.
//!
//! [`Groups`]: eks_upgrade_pipeline::ports::inside::Groups
//! [`GroupWrites`]: eks_upgrade_pipeline::ports::inside::GroupWrites

mod copy;
mod family;
mod group;
mod reads;
mod sdks;
mod template;
mod writes;

use std::sync::Arc;

use aws_sdk_ec2::error::ProvideErrorMetadata;
use eks_upgrade_aws::spokes::{Clients, Spokes};
use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_pipeline::ports::EksDown;

use sdks::Sdks;

/// Auto Scaling groups, subnets and images, at home and in the spokes of the policy. A clone shares its clients.
///
/// The [`Session`](eks_upgrade_aws::spokes::Session) of its spokes says whether it may write there: only
/// [`Session::Inside`](eks_upgrade_aws::spokes::Session::Inside) may.
#[derive(Clone, Debug)]
pub struct AwsGroups(Arc<Clients<Sdks>>);

type Read<T> = Result<T, EksDown>;

impl AwsGroups {
    /// Groups that are reached by these ways. Nothing is sent.
    #[must_use]
    pub fn new(spokes: Spokes) -> Self {
        Self(Arc::new(Clients::new(spokes, Sdks::new)))
    }

    /// The clients for the account and the Region of a cluster.
    async fn at(&self, operation: &'static str, cluster: &ClusterArn) -> Read<Sdks> {
        self.0.at(operation, &cluster.home()).await
    }
}

/// A call that failed, in the words of the SDK.
fn down<E>(operation: &'static str) -> impl Fn(E) -> EksDown
where
    E: std::error::Error + ProvideErrorMetadata,
{
    move |error| eks_upgrade_aws::down(operation, &error)
}

/// An answer that does not make sense, or a wish that cannot be granted.
fn odd(operation: &'static str, why: impl Into<String>) -> EksDown {
    EksDown { operation, denied: false, why: why.into() }
}

/// Whether a call was refused with this code.
fn is_code(error: &impl ProvideErrorMetadata, code: &str) -> bool {
    error.code() == Some(code)
}

/// A count of AWS's, which is never negative.
fn count(number: Option<i32>) -> u32 {
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

/// A count as AWS takes it.
fn number(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
