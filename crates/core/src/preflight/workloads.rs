//! Workloads whose users notice when a node goes. Those of AWS and of Kubernetes itself are left out: the plan moves
//! them.

use super::report::Hit;
use super::{Look, Upgrade};
use crate::finding::Level;
use crate::inside::{Inside, Unseen, Workload, WorkloadKind};

fn moved(inside: &Inside) -> Result<impl Iterator<Item = &Workload>, Unseen> {
    let moves = |workload: &&Workload| workload.kind != WorkloadKind::DaemonSet && !workload.system;
    Ok(inside.workloads.get()?.iter().filter(moves))
}

/// Workloads of one pod, whether a budget protects it or not: protected, it blocks the drain; else it goes.
pub(super) fn single(inside: &Inside, _: Upgrade) -> Look {
    let budgets = inside.budgets.get()?;
    let hits = moved(inside)?.filter(|workload| workload.wants == 1).map(|workload| {
        let budget = budgets.iter().find(|budget| {
            budget.namespace == workload.namespace
                && budget.selector.as_ref().is_some_and(|selector| selector.selects(&workload.labels))
        });
        let message = match budget {
            Some(budget) => format!("one pod, and the budget {} covers it", budget.full_name()),
            None => "one pod, and no budget: it is away while it moves".to_owned(),
        };
        Hit::new(Level::Warn, workload.full_name(), message)
    });
    Ok(hits.collect())
}

/// Deployments with the strategy `Recreate`.
pub(super) fn recreate(inside: &Inside, _: Upgrade) -> Look {
    let message = "its strategy is Recreate: a change of it stops all its pods first";
    let recreating = moved(inside)?.filter(|workload| workload.recreate && workload.wants > 0);
    Ok(recreating.map(|workload| Hit::new(Level::Warn, workload.full_name(), message)).collect())
}
