//! For each check, how to break a healthy cluster so that exactly it finds something, and how to blind it.

use super::super::fixture::{budget, daemon_set, seen, workload};
use crate::finding::{Code, Level};
use crate::inside::{Applied, Budget, Called, Inside, ProxyMode, Seen, Volume};

type Change = fn(&mut Inside);

/// One check's case.
pub(super) struct Case {
    pub code: Code,
    pub from: &'static str,
    pub target: &'static str,
    /// How to break exactly what it looks at.
    pub break_it: Change,
    /// How bad that is.
    pub level: Level,
    /// What cannot but be found with it.
    pub also: &'static [Code],
    /// Each way to keep it from seeing.
    pub hide: &'static [Change],
}

fn gone<T>(seen: &mut Seen<T>) {
    *seen = Seen::Not("403 Forbidden".into());
}

const NODES: Change = |inside| gone(&mut inside.nodes);
const PODS: Change = |inside| gone(&mut inside.pods);
const BUDGETS: Change = |inside| gone(&mut inside.budgets);
const WORKLOADS: Change = |inside| gone(&mut inside.workloads);
const WEBHOOKS: Change = |inside| gone(&mut inside.webhooks);
const COMPONENTS: Change = |inside| gone(&mut inside.components);
const SUBNETS: Change = |inside| gone(&mut inside.capacity.subnets);
const GROUPS: Change = |inside| gone(&mut inside.capacity.groups);
const POOLS: Change = |inside| gone(&mut inside.pools);
const CLAIMS: Change = |inside| gone(&mut inside.claims);
const CALLED: Change = |inside| gone(&mut inside.called);
const APPLIED: Change = |inside| gone(&mut inside.applied);

const fn case(code: Code, level: Level, break_it: Change, hide: &'static [Change]) -> Case {
    Case { code, from: "1.33", target: "1.35", break_it, level, also: &[], hide }
}

impl Case {
    const fn on(self, from: &'static str, target: &'static str) -> Self {
        Self { from, target, ..self }
    }

    const fn with(self, also: &'static [Code]) -> Self {
        Self { also, ..self }
    }
}

fn used(group: &str, version: &str, resource: &str, removed: &str) -> Called {
    Called {
        group: group.into(),
        version: version.into(),
        resource: resource.into(),
        removed: removed.into(),
    }
}

fn manifest(api_version: &str, kind: &str) -> Applied {
    Applied {
        api_version: api_version.into(),
        kind: kind.into(),
        namespace: String::new(),
        name: "global".into(),
    }
}

pub(super) const CASES: &[Case] = &[
    case(
        Code::KubeletSkew,
        Level::Block,
        |inside| seen(&mut inside.nodes)[0].minor = Some("1.36".parse().unwrap()),
        &[NODES, |inside| seen(&mut inside.nodes)[0].minor = None],
    ),
    case(
        Code::KubeProxySkew,
        Level::Block,
        |inside| seen(&mut inside.components)[0].image = "eks/kube-proxy:v1.34.0-eksbuild.2".into(),
        &[COMPONENTS, NODES, |inside| seen(&mut inside.components)[0].image = "kube-proxy:latest".into()],
    ),
    case(
        Code::AmazonLinux2Nodes,
        Level::Warn,
        |inside| seen(&mut inside.nodes)[0].os_image = "Amazon Linux 2".into(),
        &[NODES, |inside| seen(&mut inside.nodes)[0].os_image = String::new()],
    )
    .on("1.33", "1.34"),
    case(
        Code::CgroupV1,
        Level::Block,
        |inside| {
            let node = &mut seen(&mut inside.nodes)[0];
            node.os_image = "Ubuntu 20.04.6 LTS".into();
            node.kernel = "5.4.0-1103-aws".into();
        },
        &[NODES, |inside| seen(&mut inside.nodes)[0].os_image = "Ubuntu 22.04.5 LTS".into()],
    ),
    case(
        Code::ContainerdOld,
        Level::Warn,
        |inside| seen(&mut inside.nodes)[0].runtime = "containerd://1.7.27".into(),
        &[NODES, |inside| seen(&mut inside.nodes)[0].runtime = String::new()],
    ),
    case(
        Code::KubeProxyIpvs,
        Level::Warn,
        |inside| inside.proxy_mode = Seen::Is(Some(ProxyMode::Ipvs)),
        &[|inside| gone(&mut inside.proxy_mode)],
    ),
    case(
        Code::RemovedApiCalled,
        Level::Block,
        |inside| seen(&mut inside.called).push(used("example.com", "v1beta1", "things", "1.34")),
        &[CALLED],
    ),
    case(
        Code::RemovedApiApplied,
        Level::Warn,
        |inside| {
            let api = "flowcontrol.apiserver.k8s.io/v1beta2";
            seen(&mut inside.applied).push(manifest(api, "PriorityLevelConfiguration"));
        },
        &[APPLIED],
    )
    .on("1.28", "1.29"),
    case(
        Code::BreakingChange,
        Level::Warn,
        |inside| seen(&mut inside.applied).push(manifest("policy/v1beta1", "PodSecurityPolicy")),
        &[APPLIED, CALLED],
    )
    .on("1.24", "1.25")
    .with(&[Code::RemovedApiApplied]),
    case(
        Code::DaemonSetSupport,
        Level::Warn,
        |inside| seen(&mut inside.workloads).push(daemon_set("agent", "example.com/agent:2.0.0")),
        &[WORKLOADS],
    ),
    case(
        Code::BudgetNeverAllows,
        Level::Warn,
        |inside| {
            let budget = &mut seen(&mut inside.budgets)[0];
            (budget.desired, budget.allowed) = (3, 0);
        },
        &[BUDGETS],
    ),
    case(
        Code::BudgetsOverlap,
        Level::Warn,
        |inside| seen(&mut inside.budgets).push(Budget { name: "cart-too".into(), ..budget("cart", 3) }),
        &[BUDGETS, PODS],
    ),
    case(
        Code::BudgetStale,
        Level::Unknown,
        |inside| seen(&mut inside.budgets)[0].observed = false,
        &[BUDGETS],
    ),
    case(
        Code::WebhookUnanswered,
        Level::Block,
        |inside| answers(inside, Some(0)),
        &[WEBHOOKS, |inside| answers(inside, None)],
    ),
    case(
        Code::WebhookOnEvictions,
        Level::Warn,
        |inside| seen(&mut inside.webhooks)[0].on_evictions = true,
        &[WEBHOOKS],
    ),
    case(Code::BarePods, Level::Warn, |inside| seen(&mut inside.pods)[0].owner = None, &[PODS]),
    case(
        Code::SingleReplica,
        Level::Warn,
        |inside| seen(&mut inside.workloads).push(workload("admin", 1)),
        &[WORKLOADS, BUDGETS],
    ),
    case(
        Code::RecreateStrategy,
        Level::Warn,
        |inside| seen(&mut inside.workloads)[0].recreate = true,
        &[WORKLOADS],
    ),
    case(Code::LocalStorage, Level::Warn, |inside| seen(&mut inside.pods)[0].local_storage = true, &[PODS]),
    case(Code::GracePeriod, Level::Warn, |inside| seen(&mut inside.pods)[0].grace_s = 901, &[PODS]),
    case(
        Code::ToleratesEverything,
        Level::Warn,
        |inside| seen(&mut inside.pods)[0].tolerates_all = true,
        &[PODS],
    ),
    case(
        Code::NoReadinessProbe,
        Level::Warn,
        |inside| seen(&mut inside.pods)[0].readiness_probes = false,
        &[PODS],
    ),
    case(
        Code::ControlPlaneAddresses,
        Level::Block,
        |inside| seen(&mut inside.capacity.subnets)[0].free = 4,
        &[SUBNETS, |inside| seen(&mut inside.capacity.subnets).retain(|subnet| !subnet.control_plane)],
    ),
    case(
        Code::NodeAddresses,
        Level::Warn,
        |inside| seen(&mut inside.capacity.subnets)[2].free = 15,
        &[SUBNETS],
    ),
    case(
        Code::SurgeRoom,
        Level::Block,
        |inside| {
            for subnet in seen(&mut inside.capacity.subnets).iter_mut().filter(|s| s.zone == "eu-central-1a")
            {
                subnet.free = 0;
            }
        },
        &[SUBNETS, NODES, |inside| {
            seen(&mut inside.capacity.subnets).retain(|subnet| subnet.zone != "eu-central-1a");
        }],
    )
    .with(&[Code::ControlPlaneAddresses, Code::NodeAddresses]),
    case(
        Code::GroupNotReleased,
        Level::Warn,
        |inside| seen(&mut inside.capacity.groups)[0].released = false,
        &[GROUPS],
    ),
    case(
        Code::ZonalVolumes,
        Level::Warn,
        |inside| {
            let claim = Some("shop/orders".to_owned());
            let zone = "eu-central-1c".to_owned();
            seen(&mut inside.volumes).push(Volume { name: "pv-2".into(), zone, claim });
        },
        &[NODES, |inside| gone(&mut inside.volumes)],
    ),
    case(
        Code::PoolBudgetZero,
        Level::Warn,
        |inside| seen(&mut inside.pools)[0].budgets.push("0".into()),
        &[POOLS],
    ),
    case(
        Code::DoNotDisrupt,
        Level::Warn,
        |inside| seen(&mut inside.pods)[2].do_not_disrupt = true,
        &[CLAIMS, PODS, NODES],
    ),
    case(Code::PoolNotDrifting, Level::Warn, |inside| seen(&mut inside.pools)[0].drifts = false, &[POOLS]),
];

fn answers(inside: &mut Inside, ready: Option<u32>) {
    use crate::inside::Backend;
    if let Backend::Service { ready_endpoints, .. } = &mut seen(&mut inside.webhooks)[0].backend {
        *ready_endpoints = ready;
    }
}
