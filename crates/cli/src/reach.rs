//! Reaching the deployment: clients from the environment, names from the stack's.

use anyhow::Context;
use aws_config::{BehaviorVersion, SdkConfig};
use eks_upgrade_aws::eks::AwsEks;
use eks_upgrade_aws::ledger::AwsLedger;
use eks_upgrade_aws::sfn::AwsExecutions;
use eks_upgrade_clock::Clock;
use eks_upgrade_core::ids::RunId;

use crate::Common;

/// A deployment, as the command line reaches it.
pub struct Reach {
    sdk: SdkConfig,
    stack: String,
    /// The clock it runs by.
    pub clock: Clock,
}

impl Reach {
    /// From the usual AWS environment and the stack's name.
    pub async fn new(common: &Common) -> anyhow::Result<Self> {
        let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
        anyhow::ensure!(
            sdk.region().is_some(),
            "no AWS Region is set; set AWS_REGION or choose a profile that has one"
        );
        let clock = Clock::from_env().context(eks_upgrade_clock::ENV)?;
        Ok(Self { sdk, stack: common.stack.clone(), clock })
    }

    /// EKS.
    pub fn eks(&self) -> AwsEks {
        AwsEks::new(&self.sdk)
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

    /// The run that a person means: a run's id, or a cluster's name for its latest run.
    pub async fn run_meant(&self, meant: &str) -> anyhow::Result<RunId> {
        let runs = self.ledger().runs(RUNS_LOOKED_AT).await?;
        let found = runs.iter().find(|head| head.run.as_str() == meant || head.cluster == meant);
        found.map(|head| head.run.clone()).with_context(|| {
            format!(
                "no run {meant} in stack {}, and no run of a cluster of that name; see `eks-upgrade watch`",
                self.stack
            )
        })
    }
}

/// How many of the latest runs are looked through.
pub const RUNS_LOOKED_AT: i32 = 500;
