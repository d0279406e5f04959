//! What is explored: a cluster, who asks what of it, how many faults happen, and what is broken on purpose.

use eks_upgrade_core::calendar::{Calendar, Release, SupportStatus};
use eks_upgrade_core::cluster::{AmiFamily, Cluster, NodeGroup, Status};
use eks_upgrade_core::version::Minor;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::desk::Fixtures;
use crate::machine::Input;
use crate::world::{Flaw, World, home};

/// The name of the cluster, and of its node group.
const CLUSTER: &str = "prod-a";
const GROUP: &str = "general";

/// What there is to upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A control plane one minor behind, and nothing else.
    ControlPlane,
    /// A node group one minor behind its control plane.
    NodeGroup,
    /// Two of them, rolled side by side.
    NodeGroups,
}

/// What is explored.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What there is to upgrade.
    pub work: Work,
    /// The strategy that each execution asks for, where it asks for one.
    pub executions: Vec<Option<&'static str>>,
    /// How many faults happen at most.
    pub faults: u8,
    /// How often the clock leaps at most.
    pub leaps: u8,
    /// What is broken on purpose.
    pub flaw: Option<Flaw>,
}

impl Setup {
    /// Two executions that ask for the same.
    #[must_use]
    pub fn of(work: Work) -> Self {
        Self { work, executions: vec![None, None], faults: 1, leaps: 0, flaw: None }
    }

    /// With so many faults at most.
    #[must_use]
    pub fn faults(self, faults: u8) -> Self {
        Self { faults, ..self }
    }

    /// With so many leaps of the clock at most.
    #[must_use]
    pub fn leaps(self, leaps: u8) -> Self {
        Self { leaps, ..self }
    }

    /// With something broken.
    #[must_use]
    pub fn flawed(self, flaw: Flaw) -> Self {
        Self { flaw: Some(flaw), ..self }
    }

    /// With executions that ask for these strategies.
    #[must_use]
    pub fn asking(self, executions: Vec<Option<&'static str>>) -> Self {
        Self { executions, ..self }
    }

    /// What nobody changes.
    pub(crate) fn fixtures(&self) -> Fixtures {
        let node_groups = self.groups().into_iter().map(|group| group.name).collect();
        Fixtures { calendar: calendar(), node_groups }
    }

    /// The executions' inputs.
    pub(crate) fn inputs(&self) -> Vec<Input> {
        self.executions.iter().enumerate().map(|(index, strategy)| input(index, *strategy)).collect()
    }

    /// One more execution, that asks for what the last one did.
    pub(crate) fn fresh(&self) -> Input {
        input(self.executions.len(), self.executions.last().copied().flatten())
    }

    /// Where everything is to end.
    pub(crate) fn target() -> Minor {
        minor(34)
    }

    fn version(&self) -> Minor {
        match self.work {
            Work::ControlPlane => minor(33),
            Work::NodeGroup | Work::NodeGroups => minor(34),
        }
    }

    fn groups(&self) -> Vec<NodeGroup> {
        let names = match self.work {
            Work::ControlPlane => &[][..],
            Work::NodeGroup => &[GROUP][..],
            Work::NodeGroups => &[GROUP, "other"][..],
        };
        let group = |name: &&str| NodeGroup {
            name: (*name).to_owned(),
            version: minor(33),
            release: Some("1.33.5-20251103".into()),
            ami: AmiFamily::Published,
            launch_template: None,
            status: Status::Active,
            size: 3,
            max_unavailable: 1,
            health_issues: Vec::new(),
        };
        names.iter().map(group).collect()
    }

    /// The world at the start.
    pub(crate) fn world(&self) -> World {
        let cluster = Cluster {
            arn: home().cluster(&CLUSTER.parse().unwrap()),
            created_at: at("2025-01-15T08:00:00Z"),
            version: self.version(),
            status: Status::Active,
            tags: std::collections::BTreeMap::new(),
            auto_mode: false,
            extended_support: true,
            health_issues: Vec::new(),
        };
        World::new(cluster, self.groups(), at("2026-08-10T10:00:00Z"))
    }
}

fn input(index: usize, strategy: Option<&str>) -> Input {
    let mut request: Value = json!({"cluster": CLUSTER, "target": "1.34"});
    if let Some(strategy) = strategy {
        request["strategy"] = strategy.into();
    }
    let arn = format!("arn:aws:states:us-east-1:123456789012:execution:eks-upgrade-upgrade:{index}");
    Input { execution: arn.parse().unwrap(), request }
}

fn calendar() -> Calendar {
    let release = |number| Release {
        minor: minor(number),
        is_default: number == 34,
        status: SupportStatus::Standard,
        released: Some(at("2026-01-01T00:00:00Z")),
        standard_until: Some(at("2027-03-01T00:00:00Z")),
        extended_until: Some(at("2028-03-01T00:00:00Z")),
    };
    Calendar::new([33, 34].map(release).into())
}

fn minor(number: u8) -> Minor {
    Minor::new(number).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}
