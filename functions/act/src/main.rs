//! The `act` function: the only one that may change anything in EKS.

use eks_upgrade_aws::eks::AwsEks;
use eks_upgrade_pipeline::act::Act;
use eks_upgrade_runtime::{Deployment, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let deployment = Deployment::from_env().await?;
    let act = Act { eks: AwsEks::new(&deployment.sdk), ledger: deployment.ledger, time: deployment.clock };
    serve(async |request, _| act.act(&request).await).await
}
