//! An Auto Scaling group: how many instances it wants, and those it has.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::instance::{Fate, Instance};
use super::template::VersionName;
use crate::fleet::{LaunchFailure, Times};
use crate::time::{MINUTE, Ms, SECOND};

/// How long an instance takes to terminate when nobody says.
pub(crate) const TERMINATING: Ms = 20 * SECOND;
/// When a launch that failed is tried again.
const RETRY: Ms = MINUTE;

/// An Auto Scaling group whose instances are nodes of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct AutoScalingGroup {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) created: Ms,
    pub(crate) sizes: Sizes,
    pub(crate) template: TemplateUse,
    /// At least one.
    pub(crate) subnets: Vec<Subnet>,
    pub(crate) tags: BTreeMap<String, GroupTag>,
    pub(crate) suspended: BTreeSet<Process>,
    pub(crate) instances: Vec<Instance>,
    /// It goes as soon as its last instance has gone.
    pub(crate) deleting: bool,
    pub(crate) manner: Manner,
    /// What it did, oldest first.
    pub(crate) activities: Vec<Activity>,
    /// When it tries a launch again that failed.
    retry: Option<Ms>,
}

/// How many instances a group may have, and wants: `min <= desired <= max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    min: u32,
    desired: u32,
    max: u32,
}

/// The launch template of a group, and its version as the group names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TemplateUse {
    pub(crate) id: String,
    pub(crate) version: VersionName,
}

/// Where instances may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    pub(crate) zone: String,
}

/// A tag of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupTag {
    pub(crate) value: String,
    /// Instances get it too.
    pub(crate) at_launch: bool,
}

/// How the fleet file wants the group to fare.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// What it launches never becomes a node.
    pub(crate) fails_to_join: bool,
    pub(crate) launch_fails: Option<LaunchFailure>,
    /// How long an instance takes to terminate.
    pub(crate) terminating: Ms,
}

/// What a group does by itself, and can be kept from doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Process {
    Launch,
    Terminate,
    AddToLoadBalancer,
    AlarmNotification,
    AzRebalance,
    HealthCheck,
    InstanceRefresh,
    ReplaceUnhealthy,
    ScheduledActions,
}

/// Something a group did.
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) cause: String,
    pub(crate) started: Ms,
    /// Never earlier than `started`.
    pub(crate) ends: Ms,
    /// Why it failed, if it did.
    pub(crate) failure: Option<String>,
}

/// What a group lacks, or has too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Nothing that it may do anything about.
    None,
    /// So many instances.
    Lacks(usize),
    /// So many too many.
    Exceeds(usize),
}

impl Sizes {
    /// Sizes in order, or what is wrong with them in the words of Auto Scaling.
    pub(crate) fn new(min: u32, desired: u32, max: u32) -> Result<Self, String> {
        if min > max {
            return Err(format!("Max bound, {max}, must be greater than or equal to min bound, {min}"));
        }
        if !(min..=max).contains(&desired) {
            return Err(format!(
                "Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}"
            ));
        }
        Ok(Self { min, desired, max })
    }

    pub(crate) fn min(self) -> u32 {
        self.min
    }

    pub(crate) fn desired(self) -> u32 {
        self.desired
    }

    pub(crate) fn max(self) -> u32 {
        self.max
    }

    /// One less wanted, if the least size allows it.
    pub(crate) fn one_less(self) -> Option<Self> {
        let desired = self.desired.checked_sub(1).filter(|desired| *desired >= self.min)?;
        Some(Self { desired, ..self })
    }
}

impl AutoScalingGroup {
    /// One without instances yet.
    pub(crate) fn new(
        name: String,
        arn: String,
        created: Ms,
        sizes: Sizes,
        template: TemplateUse,
        subnets: Vec<Subnet>,
        manner: Manner,
    ) -> Self {
        Self {
            name,
            arn,
            created,
            sizes,
            template,
            subnets,
            tags: BTreeMap::new(),
            suspended: BTreeSet::new(),
            instances: Vec::new(),
            deleting: false,
            manner,
            activities: Vec::new(),
            retry: None,
        }
    }

    /// When something happens next in it.
    pub(crate) fn next_event(&self) -> Option<Ms> {
        self.instances.iter().filter_map(Instance::next_event).chain(self.retry).min()
    }

    /// Lets its instances go on. What it does about it, `balance` decides.
    pub(crate) fn pass(&mut self, now: Ms) {
        self.instances.retain_mut(|instance| instance.pass(now) == Fate::Stays);
        self.retry = self.retry.filter(|at| *at > now);
    }

    /// What it should do next. One that waits to launch again does nothing meanwhile.
    pub(crate) fn gap(&self) -> Gap {
        let has = self.instances.iter().filter(|instance| instance.counts()).count();
        let wants = if self.deleting { 0 } else { usize::try_from(self.sizes.desired).unwrap_or(usize::MAX) };
        // Deleting by force does not ask which processes are suspended.
        let may = |process| self.deleting || !self.suspended.contains(&process);
        match has.cmp(&wants) {
            std::cmp::Ordering::Less if may(Process::Launch) && self.retry.is_none() => {
                Gap::Lacks(wants - has)
            }
            std::cmp::Ordering::Greater if may(Process::Terminate) => Gap::Exceeds(has - wants),
            _ => Gap::None,
        }
    }

    /// The subnet with the fewest instances, the first of several.
    pub(crate) fn emptiest_subnet(&self) -> Option<&Subnet> {
        self.subnets.iter().min_by_key(|subnet| {
            self.instances.iter().filter(|one| one.counts() && one.subnet == **subnet).count()
        })
    }

    /// The instance that goes when there are too many: in the fullest zone, of the oldest template version, the
    /// oldest (Auto Scaling user guide, "Default termination policy").
    pub(crate) fn first_to_go(&mut self) -> Option<&mut Instance> {
        let mut zones: BTreeMap<String, usize> = BTreeMap::new();
        for instance in self.instances.iter().filter(|instance| instance.counts()) {
            *zones.entry(instance.subnet.zone.clone()).or_default() += 1;
        }
        let fullness = |instance: &Instance| zones.get(&instance.subnet.zone).copied().unwrap_or(0);
        self.instances.iter_mut().filter(|instance| instance.counts()).min_by_key(|instance| {
            (std::cmp::Reverse(fullness(instance)), instance.template_version, instance.launched)
        })
    }

    /// What keeps the next launch from happening, if the fleet file wants it to fail. Each question is one attempt.
    pub(crate) fn failing_launch(&mut self) -> Option<String> {
        let failure = self.manner.launch_fails.as_mut()?;
        match &mut failure.times {
            Times::Count(0) => return None,
            Times::Count(left) => *left -= 1,
            Times::Always(_) => {}
        }
        Some(format!("{}: {} Launching EC2 instance failed.", failure.code, failure.message))
    }

    /// A launch failed. It is tried again after a while where that may end otherwise.
    pub(crate) fn launch_failed(&mut self, now: Ms) {
        let failures_end =
            self.manner.launch_fails.as_ref().is_some_and(|failure| matches!(failure.times, Times::Count(_)));
        self.retry = failures_end.then_some(now + RETRY);
    }
}

impl Process {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Launch,
        Self::Terminate,
        Self::AddToLoadBalancer,
        Self::AlarmNotification,
        Self::AzRebalance,
        Self::HealthCheck,
        Self::InstanceRefresh,
        Self::ReplaceUnhealthy,
        Self::ScheduledActions,
    ];

    /// As Auto Scaling names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Launch => "Launch",
            Self::Terminate => "Terminate",
            Self::AddToLoadBalancer => "AddToLoadBalancer",
            Self::AlarmNotification => "AlarmNotification",
            Self::AzRebalance => "AZRebalance",
            Self::HealthCheck => "HealthCheck",
            Self::InstanceRefresh => "InstanceRefresh",
            Self::ReplaceUnhealthy => "ReplaceUnhealthy",
            Self::ScheduledActions => "ScheduledActions",
        }
    }
}

impl FromStr for Process {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|process| process.name() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_order() {
        assert_eq!(Sizes::new(1, 2, 3).map(Sizes::desired), Ok(2));
        assert!(Sizes::new(3, 3, 2).unwrap_err().contains("Max bound, 2,"));
        for desired in [0, 4] {
            assert!(
                Sizes::new(1, desired, 3).unwrap_err().starts_with(&format!("Desired capacity:{desired} "))
            );
        }
        assert_eq!(Sizes::new(1, 2, 3).unwrap().one_less().map(Sizes::desired), Some(1));
        assert_eq!(Sizes::new(2, 2, 3).unwrap().one_less(), None);
    }

    #[test]
    fn every_process_reads_as_it_is_named() {
        assert!(Process::ALL.into_iter().all(|process| process.name().parse() == Ok(process)));
        assert_eq!("launch".parse::<Process>(), Err(()));
    }
}
