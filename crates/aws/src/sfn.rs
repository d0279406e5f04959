//! Step Functions behind the `Executions` and `Campaigns` ports, and what the command line needs of it.

use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::ProvideErrorMetadata;
use aws_sdk_sfn::types::ExecutionStatus;
use eks_upgrade_core::contract::CampaignInput;
use eks_upgrade_core::ids::{ExecutionArn, digest};
use eks_upgrade_pipeline::ports::{Campaigns, EksDown, Executions};

use crate::down;

/// The executions of this deployment.
#[derive(Clone, Debug)]
pub struct AwsExecutions {
    client: Client,
    campaign_machine: Option<String>,
}

impl AwsExecutions {
    /// A client that looks at executions.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config), campaign_machine: None }
    }

    /// A client that also starts campaigns on this state machine.
    #[must_use]
    pub fn starting(config: &SdkConfig, campaign_machine: String) -> Self {
        Self { client: Client::new(config), campaign_machine: Some(campaign_machine) }
    }

    /// Starts an execution of the state machine of this name; gives its ARN.
    pub async fn start_by_name(&self, machine: &str, input: &serde_json::Value) -> Result<String, EksDown> {
        const OP: &str = "states:StartExecution";
        let mut pages = self.client.list_state_machines().into_paginator().items().send();
        let mut arn = None;
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| down("states:ListStateMachines", &error))?;
            if item.name() == machine {
                arn = Some(item.state_machine_arn().to_owned());
            }
        }
        let why = format!("there is no state machine {machine} here; is the stack's name right (--stack)?");
        let arn = arn.ok_or(EksDown { operation: OP, denied: false, why })?;
        let started =
            self.client.start_execution().state_machine_arn(arn).input(input.to_string()).send().await;
        Ok(started.map_err(|error| down(OP, &error))?.execution_arn)
    }

    /// How an execution ended: `None` while it runs, else its status, output, error and cause.
    pub async fn ending(&self, execution: &str) -> Result<Option<ExecutionEnd>, EksDown> {
        let answer = self.client.describe_execution().execution_arn(execution).send().await;
        let answer = answer.map_err(|error| down("states:DescribeExecution", &error))?;
        if *answer.status() == ExecutionStatus::Running {
            return Ok(None);
        }
        Ok(Some(ExecutionEnd {
            status: answer.status().as_str().to_owned(),
            output: answer.output,
            error: answer.error,
            cause: answer.cause,
        }))
    }
}

/// How an execution ended.
#[derive(Clone, Debug)]
pub struct ExecutionEnd {
    /// `SUCCEEDED`, `FAILED`, `ABORTED` or `TIMED_OUT`.
    pub status: String,
    /// Its output, if it succeeded.
    pub output: Option<String>,
    /// Its error, if it failed.
    pub error: Option<String>,
    /// The error in words.
    pub cause: Option<String>,
}

impl Executions for AwsExecutions {
    async fn is_running(&self, execution: &ExecutionArn) -> Result<bool, EksDown> {
        match self.client.describe_execution().execution_arn(execution.as_str()).send().await {
            Ok(answer) => {
                Ok(matches!(answer.status(), ExecutionStatus::Running | ExecutionStatus::PendingRedrive))
            }
            // Its history has expired: whatever it was, it runs no more.
            Err(error) if error.code() == Some("ExecutionDoesNotExist") => Ok(false),
            Err(error) => Err(down("states:DescribeExecution", &error)),
        }
    }
}

impl Campaigns for AwsExecutions {
    async fn start(&self, input: &CampaignInput) -> Result<(), EksDown> {
        const OP: &str = "states:StartExecution";
        let odd = |why: String| EksDown { operation: OP, denied: false, why };
        let machine =
            self.campaign_machine.clone().ok_or_else(|| odd("no campaign state machine is set".into()))?;
        let text = serde_json::to_string(input).map_err(|error| odd(error.to_string()))?;
        // A try that has more clusters to upgrade than the one before is another execution; those that both name
        // are turned away there, because the first has their leases.
        let clusters: Vec<&str> = input.clusters.iter().map(|request| request.cluster.as_str()).collect();
        let short: String = digest(&clusters).chars().take(8).collect();
        let name = format!("{}-{short}", input.campaign);
        let call = self.client.start_execution().state_machine_arn(machine).name(name);
        match call.input(text).send().await {
            Ok(_) => Ok(()),
            // The name follows from the delivery: a copy of it was here before.
            Err(error) if error.code() == Some("ExecutionAlreadyExists") => Ok(()),
            Err(error) => Err(down(OP, &error)),
        }
    }
}
