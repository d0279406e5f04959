//! The plan function: lets a request in or turns it away, takes the cluster's lease, makes the plan. Reads
//! EKS only; until the lease is taken it writes nothing at all.

mod admitted;
mod again;
mod insights;
mod lease;

use eks_upgrade_core::arn::{ClusterArn, Home};
use eks_upgrade_core::calendar::Calendar;
use eks_upgrade_core::cluster::{InsightCategory, Resource};
use eks_upgrade_core::contract::{PlanAnswer, PlanRequest};
use eks_upgrade_core::control::Controls;
use eks_upgrade_core::ledger::Ending;
use eks_upgrade_core::plan::Plan;
use eks_upgrade_core::planner::{self, Wish};
use eks_upgrade_core::policy::PolicyDocument;
use eks_upgrade_core::preflight::Upgrade;
use eks_upgrade_core::remedy::{Failure, Remedy};
use eks_upgrade_core::waits::Learned;
use eks_upgrade_core::way_back::{Past, plan_back};

use self::admitted::Admitted;
use self::lease::Begun;
use crate::controls::controls;
use crate::error::{Answer, PipelineError};
use crate::journal::Journal;
use crate::observe::{inventory, recent_updates};
use crate::ports::inside::Inspects;
use crate::ports::{Durations, Eks, Executions, Ledger, Said, Time};

/// The use case.
pub struct PlanRun<E, L, X, T> {
    /// EKS, to read.
    pub eks: E,
    /// The ledger.
    pub ledger: L,
    /// Executions, to see whether a lease's holder is still alive.
    pub executions: X,
    /// The clock.
    pub time: T,
    /// The deployment's policy.
    pub policy: PolicyDocument,
    /// Where it may act.
    pub home: Home,
}

/// What a plan is made under besides the policy.
#[derive(Default)]
struct Known {
    controls: Controls,
    learned: Learned,
    /// Why the control plane goes back, if it does.
    back: Option<Failure>,
}

/// What needs neither ledger nor executions.
impl<E: Eks + Inspects, L, X, T: Time> PlanRun<E, L, X, T> {
    /// Makes the plan for a request and writes nothing: what `eks-upgrade plan` prints.
    pub async fn dry_run(&self, request: &serde_json::Value) -> Answer<(Plan, Calendar)> {
        let admitted = self.admit(request, false).await?;
        let back = admitted.request.roll_back.then(|| by_hand(&admitted));
        let plan = self.propose(&admitted, 1, &Known { back, ..Known::default() }).await?;
        Ok((plan, admitted.calendar))
    }

    async fn propose(&self, admitted: &Admitted, revision: u32, known: &Known) -> Answer<Plan> {
        let kubernetes = &admitted.policy.kubernetes;
        let upgrade = Upgrade {
            from: admitted.cluster.version,
            target: admitted.target,
            drain_limit_s: kubernetes.drain_limit_s(),
        };
        let inside = kubernetes.may_look().then_some(upgrade);
        let inventory = inventory(&self.eks, admitted.cluster.clone(), inside, self.time.now()).await?;
        let wish = Wish {
            target: admitted.target,
            policy: &admitted.policy,
            launch_templates: &admitted.request.launch_templates,
            revision,
            controls: &known.controls,
            learned: &known.learned,
            // A person who starts an upgrade by hand has seen, or can see, what could not be told.
            unattended: kubernetes.may_look() && admitted.request.campaign.is_some(),
        };
        let now = self.time.now();
        let Some(because) = known.back.clone() else { return Ok(planner::plan(&inventory, &wish, now)) };
        let arn = &admitted.cluster.arn;
        let updates = recent_updates(&self.eks, arn, &Resource::ControlPlane).await?;
        let insights = self.eks.insights(arn, InsightCategory::RollbackReadiness).await?;
        let calendar = &admitted.calendar;
        let past = Past { updates: &updates, insights: &insights, calendar, because };
        Ok(plan_back(&inventory, &past, &wish, now))
    }
}

impl<E: Eks + Inspects, L: Ledger + Said + Durations, X: Executions, T: Time> PlanRun<E, L, X, T> {
    /// Answers the upgrade state machine.
    pub async fn plan(&self, asked: &PlanRequest) -> Answer<PlanAnswer> {
        let admitted = match self.admit(&asked.request, asked.again.is_some()).await {
            Err(PipelineError::Door(error)) => return self.turned_away(asked, error).await,
            admitted => admitted?,
        };
        if let Some(again) = &asked.again {
            return self.plan_again(admitted, again, &asked.execution).await;
        }
        if admitted.request.dry_run {
            let back = admitted.request.roll_back.then(|| by_hand(&admitted));
            let known = self.known(&admitted.cluster.arn, back).await?;
            let plan = self.propose(&admitted, 1, &known).await?;
            return Ok(PlanAnswer::DryRun { plan: Box::new(plan) });
        }
        let journal = match self.run_of_lease(&admitted, &asked.execution).await? {
            Some(journal) => journal,
            None => match self.begin(&admitted, &asked.execution).await? {
                Begun::Answered(answer) => return Ok(answer),
                Begun::Already(journal) => *journal,
            },
        };
        self.go_on(admitted, journal).await
    }

    async fn known(&self, cluster: &ClusterArn, back: Option<Failure>) -> Answer<Known> {
        let controls = controls(&self.ledger, cluster, None).await?;
        Ok(Known { controls, learned: self.ledger.learned().await?, back })
    }
}

/// Why the control plane goes back when a person asks for it.
fn by_hand(admitted: &Admitted) -> Failure {
    Failure {
        code: "RolledBackByHand".into(),
        message: admitted.request.reason.clone().unwrap_or_else(|| "a person asked for it".into()),
        resources: Vec::new(),
        remedy: Remedy::Stop,
        next_action: "find out what the newer version broke before upgrading again".into(),
    }
}

fn planned<L: Ledger, T: Time>(journal: &Journal<'_, L, T>) -> PlanAnswer {
    let (run, fence) = (journal.state.run.clone(), journal.fence());
    let blocks: Vec<_> = journal.state.plan.iter().flat_map(Plan::blocks).collect();
    if let Some(first) = blocks.first() {
        let message =
            blocks.iter().map(|b| format!("{} {}: {}", b.code, b.subject, b.message)).collect::<Vec<_>>();
        let back = journal.state.plan.as_ref().is_some_and(|plan| plan.rolls_back.is_some());
        let ending = Ending::Halted {
            code: if back { "RollBackBlocked" } else { "Blocked" }.into(),
            message: message.join("; "),
            next_action: first.next_action.clone(),
        };
        return PlanAnswer::Blocked { run, fence, ending };
    }
    let opened = &journal.state.opened;
    let text = format!("{} from {} to {}", opened.cluster.name, opened.from, opened.target);
    PlanAnswer::Planned { run, fence, text }
}
