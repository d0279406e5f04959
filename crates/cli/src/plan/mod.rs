//! `eks-upgrade plan`: what an upgrade would do. Reads with the caller's credentials, changes nothing.

mod ahead;
pub mod print;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use eks_upgrade_aws::ledger::AwsLedger;
use eks_upgrade_core::calendar::Calendar;
use eks_upgrade_core::cluster::{Cluster, Found};
use eks_upgrade_core::contract::{PlanAnswer, PlanRequest};
use eks_upgrade_core::control::Controls;
use eks_upgrade_core::door::DoorError;
use eks_upgrade_core::finding::Finding;
use eks_upgrade_core::plan::Plan;
use eks_upgrade_core::policy::{NodeStrategy, Policy};
use eks_upgrade_pipeline::controls::controls;
use eks_upgrade_pipeline::error::PipelineError;
use eks_upgrade_pipeline::plan::PlanRun;
use eks_upgrade_pipeline::ports::inside::Inspects;
use eks_upgrade_pipeline::ports::{Eks, Executions, Time};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::policy::file::{Meant, PolicyFile};
use crate::reach::Reach;
use crate::{Common, explain, show};

pub use ahead::Ahead;
#[cfg(test)]
pub use ahead::just_opened;

/// Arguments of `plan`.
#[derive(Args, Debug)]
pub struct PlanArgs {
    /// The cluster: its name, or its ARN
    cluster: String,
    /// The Kubernetes minor to end at, such as 1.35 [default: the policy's target rule]
    #[arg(long)]
    target: Option<String>,
    /// How managed nodes are replaced: rolling, force or rolling-then-force [default: the policy's]
    #[arg(long)]
    strategy: Option<NodeStrategy>,
    #[command(flatten)]
    policy: PolicyFile,
}

/// Runs it.
pub async fn run(common: &Common, args: &PlanArgs) -> anyhow::Result<ExitCode> {
    let file = args.policy.read()?;
    let reach = Reach::new(common).await?;
    let meant = reach.policy(file).await;
    let mut request = Map::from_iter([("cluster".to_owned(), json!(args.cluster))]);
    request.extend(args.target.as_ref().map(|target| ("target".to_owned(), json!(target))));
    request.extend(args.strategy.map(|strategy| ("strategy".to_owned(), json!(strategy))));
    let proposal = propose(&reach, meant, &request).await?;
    if common.json {
        show::json(&proposal.json())?;
    } else {
        print::upgrade(&proposal);
    }
    Ok(if proposal.is_blocked() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A plan that is not carried out, with what was known when it was made.
pub struct Proposal {
    /// The plan.
    pub plan: Plan,
    /// The support calendar of the cluster's place.
    pub calendar: Calendar,
    /// The cluster.
    pub cluster: Cluster,
    /// The policy that holds for it.
    pub policy: Policy,
    /// The policy that this follows from.
    pub meant: Meant,
    /// What people have said.
    pub controls: Controls,
    /// Why it is not known what people have said and how long steps took here, if it is not.
    pub unread: Option<String>,
    /// When it was made.
    pub now: Timestamp,
}

impl Proposal {
    /// Whether something stands against it.
    pub fn is_blocked(&self) -> bool {
        self.plan.blocks().next().is_some()
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let Self { plan, calendar, controls, now, .. } = self;
        json!({
            "plan": plan,
            "typicalSeconds": plan.typical_s(),
            "costOfStayingUsd": calendar.cost_of_staying_usd(plan.from, *now),
            "ahead": Ahead::of(self),
            "killSwitch": controls.thrown(),
            "controlsUnread": self.unread,
            "policy": self.meant.source,
            "looksInside": self.policy.kubernetes.may_look(),
            "about": about(&plan.findings),
        })
    }
}

/// What the codes of these findings are about.
fn about(findings: &[Finding]) -> BTreeMap<String, Value> {
    findings.iter().map(|finding| (finding.code.to_string(), explain::for_machines(finding.code))).collect()
}

/// Makes the plan for a request, as the deployment would: with what people said and what was learned, where the
/// caller may read that; without, where not.
pub async fn propose(reach: &Reach, meant: Meant, request: &Map<String, Value>) -> anyhow::Result<Proposal> {
    let home = reach.home().await?;
    let document = &meant.document;
    let eks = reach.eks(&home, &document.spokes);
    let ledger = reach.ledger();
    let planning = PlanRun {
        eks: eks.clone(),
        ledger: ledger.clone(),
        executions: reach.executions(),
        time: reach.clock,
        policy: document.clone(),
        home,
    };
    let (mut plan, mut unread) = Box::pin(made(&planning, request)).await?;
    let Found::Is(cluster) = eks.cluster(&plan.cluster).await? else {
        return Err(gone(&plan).into());
    };
    let policy = document.for_cluster(&cluster.arn, &cluster.tags)?;
    let calendar = eks.calendar(&plan.cluster.home()).await?;
    let said = match controls(&ledger, &plan.cluster, None).await {
        Ok(said) => said,
        Err(PipelineError::LedgerUnavailable(down)) => {
            unread.get_or_insert_with(|| down.to_string());
            Controls::default()
        }
        Err(error) => return Err(error.into()),
    };
    let now = reach.clock.now();
    override_by_consent(&mut plan.findings, &said, now);
    Ok(Proposal { plan, calendar, cluster, policy, meant, controls: said, unread, now })
}

/// The plan, and why it was made without what the deployment knows, if it was.
async fn made<E: Eks + Inspects, X: Executions, T: Time>(
    planning: &PlanRun<E, AwsLedger, X, T>,
    request: &Map<String, Value>,
) -> anyhow::Result<(Plan, Option<String>)> {
    let request = Value::Object(request.clone());
    // The way back is shown without what was learned: how long it takes decides nothing.
    if request.get("rollBack") == Some(&Value::Bool(true)) {
        return Ok((planning.dry_run(&request).await?.0, None));
    }
    let mut dry = request.clone();
    dry["dryRun"] = json!(true);
    let asked = PlanRequest { request: dry, execution: "eks-upgrade-plan".parse()?, again: None };
    match planning.plan(&asked).await {
        Ok(PlanAnswer::DryRun { plan }) => Ok((*plan, None)),
        Ok(other) => anyhow::bail!("a dry run was answered with {other:?}"),
        Err(PipelineError::LedgerUnavailable(down)) => {
            Ok((planning.dry_run(&request).await?.0, Some(down.to_string())))
        }
        Err(error) => Err(error.into()),
    }
}

/// What people overrode warns instead, as in the deployment's own plan; once it does, this changes nothing.
fn override_by_consent(findings: &mut [Finding], said: &Controls, now: Timestamp) {
    said.override_findings(findings, now);
}

fn gone(plan: &Plan) -> PipelineError {
    let home = plan.cluster.home();
    let (region, account) = (home.region.to_string(), home.account.to_string());
    DoorError::ClusterNotFound { cluster: plan.cluster.name.clone(), region, account }.into()
}

#[cfg(test)]
mod tests {
    use eks_upgrade_core::control::{Consent, ConsentScope};
    use eks_upgrade_core::finding::{Code, Level};

    use super::*;

    fn blocking(code: Code, subject: &str) -> Finding {
        let (message, next_action) = ("it is not well".to_owned(), String::new());
        Finding {
            code,
            level: Level::Block,
            subject: subject.to_owned(),
            message,
            next_action,
            overridden_by: None,
        }
    }

    #[test]
    fn only_what_may_be_overridden_and_was_warns_instead() {
        let at: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        let consent = |finding| Consent {
            id: "co-5f0c2a91d3e4".parse().unwrap(),
            cluster: "arn:aws:eks:us-east-1:123456789012:cluster/prod-a".parse().unwrap(),
            scope: ConsentScope::Override { finding, subject: Some("web".into()) },
            by: "arn:aws:iam::123456789012:user/ada".parse().unwrap(),
            reason: "known".into(),
            at,
            expires_at: "2026-11-25T10:00:00Z".parse().unwrap(),
        };
        let consents = vec![consent(Code::NodeGroupUnwell), consent(Code::SkewExceeded)];
        let said = Controls { consents, ..Controls::default() };
        let mut findings = [
            blocking(Code::NodeGroupUnwell, "web"),
            blocking(Code::NodeGroupUnwell, "jobs"),
            blocking(Code::SkewExceeded, "web"),
        ];
        override_by_consent(&mut findings, &said, at);
        assert_eq!(findings.each_ref().map(|found| found.level), [Level::Warn, Level::Block, Level::Block]);
        assert!(findings[0].message.ends_with("(overridden by arn:aws:iam::123456789012:user/ada: known)"));
    }
}
