//! The `decide` function: looks at EKS, writes what it sees to the ledger, says what to do now.

use eks_upgrade_aws::eks::AwsEks;
use eks_upgrade_pipeline::decide::Decide;
use eks_upgrade_runtime::{Deployment, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let deployment = Deployment::from_env().await?;
    let decide =
        Decide { eks: AwsEks::new(&deployment.sdk), ledger: deployment.ledger, time: deployment.clock };
    serve(async |request, _| decide.answer(&request).await).await
}
