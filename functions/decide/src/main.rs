//! The `decide` function: looks at EKS, writes what it sees to the ledger, says what to do now: about a run, and about
//! a campaign.

use eks_upgrade_aws::sfn::AwsExecutions;
use eks_upgrade_core::contract::Question;
use eks_upgrade_pipeline::campaign::Campaigning;
use eks_upgrade_pipeline::decide::Decide;
use eks_upgrade_pipeline::question::Replied;
use eks_upgrade_runtime::{Deployment, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let deployment = Deployment::from_env().await?;
    let executions = AwsExecutions::new(&deployment.sdk);
    serve(async |question: Question, home| {
        let (eks, ledger, time) = (deployment.eks(&home), deployment.ledger.clone(), deployment.clock);
        match question {
            Question::Run(asked) => {
                let decide = Decide { eks, ledger, time };
                Box::pin(decide.answer(&asked)).await.map(Replied::Run)
            }
            Question::Campaign(asked) => {
                let executions = executions.clone();
                Campaigning { eks, ledger, executions, time }.answer(&asked).await.map(Replied::Campaign)
            }
        }
    })
    .await
}
