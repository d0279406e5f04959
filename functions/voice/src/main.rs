//! The `voice` function: keeps what people say, once it is proven who they are.

use eks_upgrade_aws::identity::AwsIdentities;
use eks_upgrade_aws::sfn::AwsExecutions;
use eks_upgrade_pipeline::voice::Voice;
use eks_upgrade_runtime::{Deployment, own_name, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let deployment = Deployment::from_env().await?;
    let identities = AwsIdentities::new(&deployment.sdk);
    let executions = AwsExecutions::new(&deployment.sdk);
    let name = own_name()?;
    serve(async |request, home| {
        let voice = Voice {
            said: deployment.ledger.clone(),
            wakes: executions.clone(),
            identities: identities.clone(),
            time: deployment.clock,
            home,
            name: name.clone(),
            spokes: deployment.policy.spokes.clone(),
        };
        voice.hear(&request).await
    })
    .await
}
