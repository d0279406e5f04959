//! `eks-upgrade left-alone`: why clusters were not upgraded.

use std::process::ExitCode;

use clap::Args;
use comfy_table::Table;
use eks_upgrade_aws::campaigns::LeftAloneIn;

use crate::cluster_ref::ClusterRef;
use crate::reach::Reach;
use crate::{Common, show};

/// How many of the newest campaigns are looked through.
pub const CAMPAIGNS_LOOKED_AT: i32 = 50;

/// Arguments of `left-alone`.
#[derive(Args, Debug)]
pub struct LeftAloneArgs {
    /// Only these clusters, by name or ARN [default: all]
    clusters: Vec<ClusterRef>,
}

/// Runs it.
pub async fn run(common: &Common, args: &LeftAloneArgs) -> anyhow::Result<ExitCode> {
    let reach = Reach::new(common).await?;
    let mut left = reach.ledger().left_alone(CAMPAIGNS_LOOKED_AT).await?;
    left.retain(|one| {
        args.clusters.is_empty() || args.clusters.iter().any(|cluster| is_of(&one.left.cluster, cluster))
    });
    if common.json {
        show::json(&left)?;
        return Ok(ExitCode::SUCCESS);
    }
    if left.is_empty() && args.clusters.is_empty() {
        println!("no cluster was left alone");
    } else if !left.is_empty() {
        println!("{}", table(&left));
    }
    for cluster in &args.clusters {
        if !left.iter().any(|one| is_of(&one.left.cluster, cluster)) {
            println!(
                "nothing is recorded of {cluster}: a campaign has it, or no notice or sweep has come to it; see \
                 eks-upgrade watch {cluster}"
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a record, which has a cluster's name or, of one out of reach, its ARN, is of this cluster.
fn is_of(recorded: &str, meant: &ClusterRef) -> bool {
    match (recorded.parse(), meant) {
        (Ok(ClusterRef::Arn(arn)), meant) => meant.is(&arn),
        (Ok(ClusterRef::Name(name)), ClusterRef::Name(meant)) => name == *meant,
        (Ok(ClusterRef::Name(name)), ClusterRef::Arn(meant)) => name == meant.name,
        (Err(_), _) => false,
    }
}

/// What was left alone, when and why.
pub fn table(left: &[LeftAloneIn]) -> Table {
    let mut table = show::table(&["left alone", "when (UTC)", "code", "why"]);
    for LeftAloneIn { at, left, .. } in left {
        table.add_row([left.cluster.clone(), show::minute(*at), show::name(&left.code), left.text.clone()]);
    }
    table
}
