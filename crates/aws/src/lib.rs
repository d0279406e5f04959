//! EKS, Health, Step Functions, STS and the DynamoDB table, behind the ports of `pipeline`.
//!
//! Translation only: what these SDKs answer becomes domain types here, and no SDK type but `SdkConfig` leaves this
//! crate. What EKS says in words that are not known stays distinguishable; it never becomes "fine". Other SDKs are used
//! in `crates/ec2` (Auto Scaling, EC2, SSM), `crates/outbox` (EventBridge, SNS) and `crates/cli` (Lambda, for the voice
//! function).

pub mod campaigns;
pub mod eks;
pub mod health;
pub mod identity;
mod inspector;
pub mod ledger;
pub mod presign;
pub mod record;
mod said;
pub mod sdk;
pub mod sfn;
pub mod spokes;
mod table;
mod transaction;
mod translate;

use aws_sdk_eks::error::ProvideErrorMetadata;
use eks_upgrade_pipeline::ports::EksDown;

/// A call that failed, in the words of the SDK.
pub fn down<E>(operation: &'static str, error: &E) -> EksDown
where
    E: std::error::Error + ProvideErrorMetadata,
{
    let why = chain(error);
    // A role that may not be assumed is no answer of the service's: the SDK could not even sign.
    let not_assumed = error.code().is_none() && why.contains("sts:AssumeRole");
    // EC2 has a word of its own for it.
    let refuses = |code: &str| code.starts_with("AccessDenied") || code == "UnauthorizedOperation";
    let denied = not_assumed || error.code().is_some_and(refuses);
    EksDown { operation, denied, why }
}

/// An error and its causes in one line: the SDK's own display stops at "service error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
