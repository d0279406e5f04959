//! The commands of `eks-upgrade` that messages name, whole: a person can copy them and has to put only the reason in.

use std::fmt::Display;

use crate::ids::{ApprovalId, ConsentId, RunId};
use crate::version::Minor;

/// Says yes to a question.
#[must_use]
pub fn approve(id: &ApprovalId) -> String {
    format!("eks-upgrade approve {id} --reason \"...\"")
}

/// Says no to a question.
#[must_use]
pub fn reject(id: &ApprovalId) -> String {
    format!("eks-upgrade reject {id} --reason \"...\"")
}

/// Consents to something for a cluster, such as `force GROUP`.
#[must_use]
pub fn consent(cluster: impl Display, to: &str) -> String {
    format!("eks-upgrade consent {cluster} {to} --reason \"...\"")
}

/// Takes a cluster's control plane back.
#[must_use]
pub fn roll_back(cluster: impl Display) -> String {
    format!("eks-upgrade roll-back {cluster} --reason \"...\"")
}

/// Starts an upgrade.
#[must_use]
pub fn start(cluster: impl Display, target: Minor) -> String {
    format!("eks-upgrade start {cluster} --target {target}")
}

/// Goes on with an interrupted run.
#[must_use]
pub fn resume(cluster: impl Display, run: &RunId) -> String {
    format!("eks-upgrade start {cluster} --resume {run}")
}

/// Lets a consent end now.
#[must_use]
pub fn revoke(cluster: impl Display, id: &ConsentId) -> String {
    format!("eks-upgrade revoke {cluster} {id} --reason \"...\"")
}

/// Lifts the kill switch.
pub const LIFT: &str = "eks-upgrade kill-switch lift --reason \"...\"";
