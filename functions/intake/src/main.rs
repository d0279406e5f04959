//! The `intake` function: a notice or the daily sweep in, a campaign or a record out.

use eks_upgrade_aws::health::AwsHealth;
use eks_upgrade_aws::sfn::AwsExecutions;
use eks_upgrade_pipeline::intake::Intake;
use eks_upgrade_runtime::{CAMPAIGN, Deployment, LOCAL_SOURCE, serve, variable};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let deployment = Deployment::from_env().await?;
    let health = AwsHealth::new(&deployment.sdk);
    let campaigns = AwsExecutions::starting(&deployment.sdk, variable(CAMPAIGN)?);
    let sources: Vec<String> =
        std::iter::once("aws.health".to_owned()).chain(variable(LOCAL_SOURCE).ok()).collect();
    serve(async |event: serde_json::Value, home| {
        let intake = Intake {
            eks: deployment.eks(&home),
            health: health.clone(),
            ledger: deployment.ledger.clone(),
            campaigns: campaigns.clone(),
            time: deployment.clock,
            policy: deployment.policy.clone(),
            home,
            sources: sources.clone(),
        };
        intake.take(&event).await
    })
    .await
}
