//! A self-managed node group with the nodes of a real API server: an instance that is launched joins at once as a node of
//! the new version, one that is ended leaves with its node.

use std::sync::{Mutex, MutexGuard};

use crate::api_server::{FakeNode, Server};
use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::inside::{AutoScalingGroup, Capacity, Seen, Template};
use eks_upgrade_core::version::Minor;
use eks_upgrade_pipeline::ports::EksDown;
use eks_upgrade_pipeline::ports::inside::{GroupWrites, Groups, Sizes};

type Read<T> = Result<T, EksDown>;

/// The group, of one node to begin with.
pub struct Workers<'s> {
    server: &'s Server,
    /// The label `test` of its nodes.
    on: String,
    group: Mutex<AutoScalingGroup>,
}

fn template(version: &str) -> Template {
    Template { id: "lt-1".into(), version: version.into() }
}

impl<'s> Workers<'s> {
    /// What the group is called.
    pub const NAME: &'static str = "workers";

    /// The group of one node that is there.
    pub fn of(server: &'s Server, on: &str, instance: String) -> Self {
        let group = AutoScalingGroup {
            name: Self::NAME.into(),
            instances: vec![instance],
            min: 1,
            desired: 1,
            max: 1,
            zones: Vec::new(),
            subnets: Vec::new(),
            template: Some(template("1")),
            suspended: Vec::new(),
            released: true,
        };
        Self { server, on: on.into(), group: Mutex::new(group) }
    }

    fn locked(&self) -> MutexGuard<'_, AutoScalingGroup> {
        self.group.lock().unwrap()
    }

    /// A node of the version that the roll goes to, as a new instance of the group.
    async fn launch(&self, number: u32) {
        let name = format!("{}-new-{number}", self.on);
        let node = FakeNode::new(&name).kubelet("v1.34.1-eks-113cf36").label("test", &self.on).room(60, 60);
        let instance = node.instance();
        node.create(self.server).await;
        self.locked().instances.push(instance);
    }
}

impl Groups for Workers<'_> {
    async fn capacity(&self, _: &ClusterArn, _: &[String]) -> Capacity {
        Capacity { subnets: Seen::Not("not asked".into()), groups: Seen::Not("not asked".into()) }
    }

    async fn group(&self, _: &ClusterArn, name: &str) -> Read<Option<AutoScalingGroup>> {
        Ok((name == Self::NAME).then(|| self.locked().clone()))
    }

    async fn image_family(&self, _: &ClusterArn, _: &Template) -> Read<Option<String>> {
        Ok(None)
    }
}

impl GroupWrites for Workers<'_> {
    async fn make_template(
        &self,
        _: &ClusterArn,
        _: &Template,
        _: &str,
        _: Minor,
        _: &str,
    ) -> Read<(Template, String)> {
        Ok((template("2"), "ami-2".into()))
    }

    async fn update_group(
        &self,
        _: &ClusterArn,
        _: &str,
        template: Option<&Template>,
        sizes: Option<Sizes>,
    ) -> Read<()> {
        let missing = {
            let mut group = self.locked();
            group.template = template.cloned().or(group.template.take());
            if let Some(Sizes { min, desired, max }) = sizes {
                (group.min, group.desired, group.max) = (min, desired, max);
            }
            let there = u32::try_from(group.instances.len()).unwrap();
            there..group.desired
        };
        for number in missing {
            self.launch(number).await;
        }
        Ok(())
    }

    async fn make_group(&self, _: &ClusterArn, _: &str, name: &str, _: &Template, _: Sizes) -> Read<()> {
        panic!("group {name} is made, in a roll that stays in place")
    }

    async fn terminate(&self, _: &ClusterArn, instance: &str, shrink: bool) -> Read<()> {
        let mut group = self.locked();
        group.instances.retain(|id| id != instance);
        group.desired -= u32::from(shrink);
        Ok(())
    }

    async fn delete_group(&self, _: &ClusterArn, name: &str) -> Read<()> {
        panic!("group {name} is deleted, in a roll that stays in place")
    }
}
