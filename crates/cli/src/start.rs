//! `eks-upgrade start`: starts the upgrade state machine, and says what came of it at the door.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use eks_upgrade_aws::sfn::{AwsExecutions, ExecutionEnd};
use eks_upgrade_core::ids::RunId;
use eks_upgrade_core::policy::NodeStrategy;
use serde_json::{Map, Value, json};

use crate::cluster_ref::ClusterRef;
use crate::reach::Reach;
use crate::watch::{self, WatchArgs};
use crate::{Common, show, voice};

/// Arguments of `start`.
#[derive(Args, Debug)]
pub struct StartArgs {
    /// The cluster: its name, or its ARN
    cluster: String,
    /// The Kubernetes minor to end at, such as 1.35 [default: the policy's target rule]
    #[arg(long)]
    target: Option<String>,
    /// How managed nodes are replaced: rolling, force or rolling-then-force [default: the policy's]
    #[arg(long)]
    strategy: Option<NodeStrategy>,
    /// A launch template version to move a node group to, as GROUP=VERSION; may be repeated
    #[arg(long = "launch-template", value_name = "GROUP=VERSION", value_parser = group_version)]
    launch_templates: Vec<(String, String)>,
    /// Why, for the ledger
    #[arg(long, value_parser = voice::reason)]
    reason: Option<String>,
    /// Go on with this interrupted run, as it was opened
    #[arg(long, value_name = "RUN", conflicts_with_all = ["target", "strategy", "launch_templates", "dry_run"])]
    resume: Option<String>,
    /// Let the deployment make the plan, print it, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Stay and watch until it ends
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,
}

fn group_version(text: &str) -> Result<(String, String), String> {
    let (group, version) = text.split_once('=').ok_or("write GROUP=VERSION")?;
    Ok((group.to_owned(), version.to_owned()))
}

/// How long the door usually takes to answer, at the most.
const DOOR_S_MAX: u64 = 60;

/// Runs it.
pub async fn run(common: &Common, args: &StartArgs) -> anyhow::Result<ExitCode> {
    let reach = Reach::new(common).await?;
    begin(common, &reach, &args.cluster, &input(args), args.watch).await
}

/// Starts the upgrade state machine with this input, and says what came of it at the door.
pub async fn begin(
    common: &Common,
    reach: &Reach,
    cluster: &str,
    input: &Value,
    watch: bool,
) -> anyhow::Result<ExitCode> {
    let executions = reach.executions();
    let execution = executions.start_by_name(&reach.upgrade_machine(), input).await?;
    let run = match door(reach, &executions, &execution).await? {
        Door::Ended(end) => return ended(common, &execution, &end),
        Door::Open(run) => Some(run),
        Door::Silent => None,
    };
    if common.json {
        println!("{}", json!({"execution": execution, "run": run}));
    } else if let Some(run) = &run {
        println!("{} run {run}", console::style("started").green());
        println!("execution {execution}");
        println!("watch it: eks-upgrade watch {cluster}");
    } else {
        println!("started {execution}; it has not answered yet, watch it with: eks-upgrade watch");
    }
    if watch {
        let cluster = ClusterRef::Arn(reach.cluster(cluster).await?);
        return watch::run(common, &WatchArgs::of(cluster)).await;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the door answers.
enum Door {
    /// There is a run.
    Open(RunId),
    /// The execution is over, and there is none: a refusal, or a dry run.
    Ended(ExecutionEnd),
    /// Nothing yet.
    Silent,
}

async fn door(reach: &Reach, executions: &AwsExecutions, execution: &str) -> anyhow::Result<Door> {
    let started = Instant::now();
    let spinner = indicatif::ProgressBar::new_spinner().with_message("waiting for the plan");
    spinner.enable_steady_tick(Duration::from_millis(100));
    let door = loop {
        let runs = reach.ledger().runs(20).await?;
        if let Some(head) = runs.into_iter().find(|head| head.execution == execution) {
            break Door::Open(head.run);
        }
        if let Some(end) = executions.ending(execution).await? {
            break Door::Ended(end);
        }
        if started.elapsed() > Duration::from_secs(DOOR_S_MAX) {
            break Door::Silent;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    spinner.finish_and_clear();
    Ok(door)
}

fn input(args: &StartArgs) -> Value {
    let mut input = Map::new();
    input.insert("cluster".into(), json!(args.cluster));
    if let Some(target) = &args.target {
        input.insert("target".into(), json!(target));
    }
    if let Some(strategy) = args.strategy {
        input.insert("strategy".into(), json!(strategy));
    }
    if !args.launch_templates.is_empty() {
        let templates: Map<String, Value> =
            args.launch_templates.iter().map(|(group, version)| (group.clone(), json!(version))).collect();
        input.insert("launchTemplates".into(), Value::Object(templates));
    }
    if let Some(reason) = &args.reason {
        input.insert("reason".into(), json!(reason));
    }
    if let Some(run) = &args.resume {
        input.insert("resume".into(), json!(run));
    }
    if args.dry_run {
        input.insert("dryRun".into(), json!(true));
    }
    Value::Object(input)
}

/// The execution ended before there was a run: a refusal, or a dry run.
fn ended(common: &Common, execution: &str, end: &ExecutionEnd) -> anyhow::Result<ExitCode> {
    if let (Some(output), "SUCCEEDED") = (&end.output, end.status.as_str()) {
        let output: Value = serde_json::from_str(output)?;
        show::json(&output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (name, cause) = (end.error.as_deref().unwrap_or(&end.status), end.cause.as_deref().unwrap_or(""));
    if common.json {
        println!("{}", json!({"execution": execution, "error": name, "cause": cause}));
    } else {
        eprintln!("{} {cause}", console::style(format!("{name}:")).for_stderr().red().bold());
    }
    Ok(ExitCode::FAILURE)
}
