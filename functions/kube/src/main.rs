//! The `kube` function: the only one that may change anything inside a cluster, and the groups behind nodes that EKS
//! does not manage.

use std::sync::OnceLock;

use eks_upgrade_aws::eks::AwsEks;
use eks_upgrade_aws::ledger::AwsLedger;
use eks_upgrade_aws::spokes::{Session, Spokes};
use eks_upgrade_clock::Clock;
use eks_upgrade_core::arn::Home;
use eks_upgrade_core::contract::ActRequest;
use eks_upgrade_ec2::AwsGroups;
use eks_upgrade_kube::{AwsClusters, KubeWrites};
use eks_upgrade_pipeline::kube::Kube;
use eks_upgrade_runtime::{Deployment, serve};

type Working = Kube<AwsEks, KubeWrites<AwsClusters, Clock>, AwsGroups, AwsLedger, Clock>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let deployment = Deployment::from_env().await?;
    // Kept from one invocation to the next: links with API servers are dear.
    let working = OnceLock::new();
    serve(async |request: ActRequest, home| {
        let kube = working.get_or_init(|| working_from(&deployment, home));
        Box::pin(kube.act(&request)).await
    })
    .await
}

fn working_from(deployment: &Deployment, home: Home) -> Working {
    let spokes = deployment.policy.spokes.clone();
    let eks = AwsEks::new(&deployment.sdk, home.clone(), spokes.clone());
    let spokes = Spokes::new(&deployment.sdk, home, spokes, Session::Inside);
    let groups = AwsGroups::new(spokes.clone());
    let inside = KubeWrites::new(AwsClusters { eks: eks.clone(), spokes }, deployment.clock);
    Kube { eks, inside, groups, ledger: deployment.ledger.clone(), time: deployment.clock }
}
