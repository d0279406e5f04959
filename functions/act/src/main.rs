//! The `act` function: the only one that may change anything in EKS.

use eks_upgrade_pipeline::act::Act;
use eks_upgrade_runtime::{Deployment, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let deployment = Deployment::from_env().await?;
    serve(async |request, home| {
        let eks = deployment.acting_eks(&home);
        let act = Act { eks, ledger: deployment.ledger.clone(), time: deployment.clock };
        Box::pin(act.act(&request)).await
    })
    .await
}
