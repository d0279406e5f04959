//! What people have said about one cluster and about all, read strongly.

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::control::Controls;
use eks_upgrade_core::ledger::{RunState, Standing};

use crate::error::Answer;
use crate::ports::Said;

/// Reads the kill switch, the consents for the cluster, and the questions that the run has open.
pub async fn controls<L: Said>(said: &L, cluster: &ClusterArn, state: Option<&RunState>) -> Answer<Controls> {
    let switch = said.kill_switch().await?;
    let consents = said.consents(cluster).await?;
    let mut approvals = Vec::new();
    for (id, standing) in state.into_iter().flat_map(|state| &state.approvals) {
        if matches!(standing, Standing::Asked { .. }) {
            approvals.extend(said.approval(id).await?);
        }
    }
    Ok(Controls { switch, consents, approvals })
}
