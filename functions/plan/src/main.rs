//! The `plan` function: lets a request in or turns it away, takes the lease, makes the plan.

use eks_upgrade_aws::sfn::AwsExecutions;
use eks_upgrade_pipeline::plan::PlanRun;
use eks_upgrade_runtime::{Deployment, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let deployment = Deployment::from_env().await?;
    let executions = AwsExecutions::new(&deployment.sdk);
    serve(async |request, home| {
        let plan = PlanRun {
            eks: deployment.eks(&home),
            ledger: deployment.ledger.clone(),
            executions: executions.clone(),
            time: deployment.clock,
            policy: deployment.policy.clone(),
            home,
        };
        Box::pin(plan.plan(&request)).await
    })
    .await
}
