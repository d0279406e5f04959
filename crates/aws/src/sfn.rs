//! Step Functions behind the `Executions`, `Campaigns` and `Wakes` ports, and what the command line needs of it.

use std::hash::{BuildHasher, RandomState};

use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::ProvideErrorMetadata;
use aws_sdk_sfn::types::ExecutionStatus;
use eks_upgrade_core::contract::CampaignInput;
use eks_upgrade_core::control::Answered;
use eks_upgrade_core::ids::{ExecutionArn, TaskToken};
use eks_upgrade_pipeline::ports::{Campaigns, EksDown, Executions, Wakes};
use jiff::Timestamp;

use crate::down;

/// A name that no other execution has: when it was started, and a number made up for it.
fn fresh_name() -> String {
    let at = Timestamp::now();
    format!("by-hand-{}-{:016x}", at.strftime("%Y%m%dT%H%M%SZ"), RandomState::new().hash_one(at))
}

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
    ///
    /// The execution has a name of its own: to one that was started under it, and whose answer was lost, Step Functions
    /// answers the SDK's second try with the first.
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
        let start = self.client.start_execution().state_machine_arn(arn).name(fresh_name());
        let started = start.input(input.to_string()).send().await;
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

/// Errors that say that nobody waits with the token any more: whoever asked looks again by itself.
const NOBODY_WAITS: [&str; 3] = ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"];

impl Wakes for AwsExecutions {
    async fn wake(&self, token: &TaskToken, answered: &Answered) -> Result<(), EksDown> {
        const OP: &str = "states:SendTaskSuccess";
        let output = serde_json::to_string(answered).map_err(|error| EksDown {
            operation: OP,
            denied: false,
            why: error.to_string(),
        })?;
        match self.client.send_task_success().task_token(&token.0).output(output).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code().is_some_and(|code| NOBODY_WAITS.contains(&code)) => Ok(()),
            Err(error) => {
                // Step Functions may repeat what it did not accept.
                let down = down(OP, &error);
                Err(EksDown { why: down.why.replace(&token.0, "(the token)"), ..down })
            }
        }
    }
}

/// Executions of one campaign that are looked through for one that runs: more than ever follow each other while one
/// intake works.
const GENERATIONS_LOOKED_AT: u32 = 50;

impl AwsExecutions {
    /// Starts an execution; `false` when there was one of that name before.
    async fn start_named(&self, machine: &str, name: &str, input: String) -> Result<bool, EksDown> {
        let call = self.client.start_execution().state_machine_arn(machine).name(name).input(input);
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ExecutionAlreadyExists") => Ok(false),
            Err(error) => Err(down("states:StartExecution", &error)),
        }
    }
}

impl Campaigns for AwsExecutions {
    async fn start(&self, input: &CampaignInput) -> Result<(), EksDown> {
        let odd = |why: String| EksDown { operation: "states:StartExecution", denied: false, why };
        let machine =
            self.campaign_machine.clone().ok_or_else(|| odd("no campaign state machine is set".into()))?;
        for generation in input.generation..input.generation.saturating_add(GENERATIONS_LOOKED_AT) {
            let input = CampaignInput { generation, ..input.clone() };
            let text = serde_json::to_string(&input).map_err(|error| odd(error.to_string()))?;
            // As the state machine names the execution that follows it.
            let name = format!("{}-{generation}", input.campaign);
            if self.start_named(&machine, &name, text).await? {
                return Ok(());
            }
            let execution = format!("{}:{name}", machine.replace(":stateMachine:", ":execution:"));
            let execution = execution.parse().map_err(|error| odd(format!("{error}")))?;
            if self.is_running(&execution).await? {
                return Ok(());
            }
        }
        Err(odd(format!("{GENERATIONS_LOOKED_AT} executions of campaign {} have ended", input.campaign)))
    }
}
