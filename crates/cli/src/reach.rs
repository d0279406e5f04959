//! Reaching the deployment: clients from the environment, names from the stack's.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use aws_config::SdkConfig;
use eks_upgrade_aws::eks::AwsEks;
use eks_upgrade_aws::identity;
use eks_upgrade_aws::ledger::{AwsLedger, RunHead};
use eks_upgrade_aws::sdk;
use eks_upgrade_aws::sfn::AwsExecutions;
use eks_upgrade_clock::Clock;
use eks_upgrade_core::arn::{ClusterArn, Home};
use eks_upgrade_core::ids::RunId;
use eks_upgrade_core::inspection::{InspectAnswer, InspectRequest};
use eks_upgrade_core::policy::{PolicyDocument, Spoke};
use eks_upgrade_pipeline::ports::Ledger;
use eks_upgrade_pipeline::ports::inside::Inspects;

use crate::Common;
use crate::cluster_ref::ClusterRef;
use crate::policy::file::Meant;

/// A deployment, as the command line reaches it.
pub struct Reach {
    /// The caller's credentials and Region.
    pub sdk: SdkConfig,
    stack: String,
    /// The clock it runs by.
    pub clock: Clock,
}

impl Reach {
    /// From the usual AWS environment and the stack's name.
    pub async fn new(common: &Common) -> anyhow::Result<Self> {
        let sdk = sdk::from_env().await;
        anyhow::ensure!(
            sdk.region().is_some(),
            "no AWS Region is set; set AWS_REGION or choose a profile that has one"
        );
        Ok(Self { sdk, stack: common.stack.clone(), clock: clock()? })
    }

    /// EKS, here and in these spokes.
    pub fn eks(&self, home: &Home, spokes: &[Spoke]) -> AwsEks {
        let inspect = format!("{}-inspect", self.stack);
        AwsEks::inspecting(&self.sdk, home.clone(), spokes.to_vec(), Some(inspect))
    }

    /// The policy that is meant: the file's, or else the deployment's, which its inspect function knows.
    pub async fn policy(&self, file: Option<PolicyDocument>) -> Meant {
        let deployment = async || match self.home().await {
            Ok(home) => self.eks(&home, &[]).inspect(&InspectRequest::Policy {}).await,
            Err(error) => InspectAnswer::Unseen(format!("{error:#}")),
        };
        Meant::of(file, deployment).await
    }

    /// The ledger.
    pub fn ledger(&self) -> AwsLedger {
        AwsLedger::new(&self.sdk, format!("{}-ledger", self.stack))
    }

    /// Executions.
    pub fn executions(&self) -> AwsExecutions {
        AwsExecutions::new(&self.sdk)
    }

    /// The name of the upgrade state machine.
    pub fn upgrade_machine(&self) -> String {
        format!("{}-upgrade", self.stack)
    }

    /// The name of the function that hears what people say.
    pub fn voice_function(&self) -> String {
        format!("{}-voice", self.stack)
    }

    /// The caller's account and Region.
    pub async fn home(&self) -> anyhow::Result<Home> {
        identity::home(&self.sdk).await.context("it is not known which AWS account these credentials are of")
    }

    /// The cluster that a person means: its ARN, or its name in the caller's account and Region.
    pub async fn cluster(&self, meant: &str) -> anyhow::Result<ClusterArn> {
        match meant.parse()? {
            ClusterRef::Arn(arn) => Ok(arn),
            ClusterRef::Name(name) => Ok(self.home().await?.cluster(&name)),
        }
    }

    /// The run that a person means: a run's id, or a cluster's name or ARN for its latest run.
    pub async fn run_meant(&self, meant: &str) -> anyhow::Result<RunId> {
        if let Ok(run) = meant.parse::<RunId>()
            && !self.ledger().lines(&run).await?.is_empty()
        {
            return Ok(run);
        }
        let runs = self.ledger().runs(RUNS_LOOKED_AT).await?;
        let latest = meant.parse().ok().map(|cluster| latest_run(&runs, &cluster)).transpose()?.flatten();
        latest.with_context(|| {
            format!(
                "no run {meant} in stack {}, and no run of such a cluster; see `eks-upgrade watch`",
                self.stack
            )
        })
    }
}

/// The latest run of a cluster, of heads that come newest first. Namesakes of several accounts or Regions are refused.
fn latest_run(runs: &[RunHead], meant: &ClusterRef) -> anyhow::Result<Option<RunId>> {
    let of_it: Vec<&RunHead> = runs.iter().filter(|head| meant.is(&head.cluster)).collect();
    let namesakes: BTreeSet<String> = of_it.iter().map(|head| head.cluster.to_string()).collect();
    if namesakes.len() > 1 {
        let arns: Vec<String> = namesakes.into_iter().collect();
        bail!("{} clusters named {meant} have runs; give one's ARN: {}", arns.len(), arns.join(", "));
    }
    Ok(of_it.first().map(|head| head.run.clone()))
}

/// The clock of the environment.
pub fn clock() -> anyhow::Result<Clock> {
    Clock::from_env().context(eks_upgrade_clock::ENV)
}

/// How many of the latest runs are looked through.
pub const RUNS_LOOKED_AT: i32 = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn head(run: &str, place: &str) -> RunHead {
        RunHead {
            run: run.parse().unwrap(),
            cluster: format!("arn:aws:eks:{place}:cluster/prod").parse().unwrap(),
            execution: "arn:e".into(),
            updated_at: String::new(),
        }
    }

    #[test]
    fn the_latest_run_of_a_cluster_is_meant_and_namesakes_are_not_guessed() {
        let ours = "us-east-1:123456789012";
        let runs = [head("prod-2", ours), head("prod-9", "eu-west-1:999999999999"), head("prod-1", ours)];
        let latest = |runs: &[RunHead], meant: &str| latest_run(runs, &meant.parse().unwrap());
        let run = |id: &str| Some(id.parse::<RunId>().unwrap());
        assert_eq!(latest(&runs[..1], "prod").unwrap(), run("prod-2"));
        assert_eq!(latest(&runs, &runs[0].cluster.to_string()).unwrap(), run("prod-2"));
        assert_eq!(latest(&runs, &runs[1].cluster.to_string()).unwrap(), run("prod-9"));
        assert_eq!(latest(&runs, "dev").unwrap(), None);
        let both = latest(&runs, "prod").unwrap_err().to_string();
        assert!(
            both.starts_with("2 clusters named prod") && both.contains("eu-west-1:999999999999"),
            "{both}"
        );
    }
}
