//! How the groups of a cluster come to be and go on: who is launched, and who goes.

use std::collections::BTreeMap;

use super::group::{
    Activity, AutoScalingGroup, Gap, GroupTag, Manner, Sizes, Subnet, TERMINATING, TemplateUse,
};
use super::image::{Image, Published};
use super::instance::{Instance, JOINING, Kubelet, Life, PENDING};
use super::template::{LaunchTemplate, TemplateData, VersionName};
use crate::catalogue::oldest_image;
use crate::fleet::{Follow, GroupTemplateSpec, SelfManagedSpec};
use crate::state::Cluster;
use crate::time::{Ms, SECOND};

/// What templates hold that the fleet file says nothing of: base64 of the opening line of nodeadm's configuration.
const USER_DATA: &str = "YXBpVmVyc2lvbjogbm9kZS5la3MuYXdzL3YxYWxwaGExCg==";
const SECURITY_GROUP: &str = "sg-0a1b2c3d4e5f60718";

/// Everything that a launch needs of a launch template.
struct Recipe {
    version: u32,
    image: Image,
    /// The instances' type.
    hardware: String,
    /// Without it an instance does not know which cluster to join.
    has_user_data: bool,
}

impl Cluster {
    /// The subnets of the cluster, each in a zone.
    pub(crate) fn subnets(&self) -> impl Iterator<Item = (Subnet, u32)> {
        self.spec.subnets.iter().zip(["a", "b", "c"].iter().cycle()).map(|(subnet, letter)| {
            let zone = format!("{}{letter}", self.place.region);
            (Subnet { id: subnet.id.clone(), zone }, subnet.free_addresses)
        })
    }

    /// The image of that id: AWS's, or one of their own.
    pub(crate) fn image(&self, id: &str) -> Option<Image> {
        let own = self.spec.self_managed.iter().find_map(|group| group.images.get(id));
        match own {
            Some(&kubelet) => Some(Image::Own { id: id.to_owned(), kubelet }),
            None => Published::of_id(id).map(Image::Published),
        }
    }

    /// Puts a group of the fleet file into it, with its nodes.
    pub(crate) fn add_group(&mut self, spec: &SelfManagedSpec) {
        let created = self.created;
        let kubelet = spec.version.unwrap_or(self.version);
        let release = spec.release.clone().unwrap_or_else(|| oldest_image(kubelet));
        let image = match &spec.image {
            Some(id) => self.image(id),
            None => Published::of_release(&release, spec.family, spec.architecture).map(Image::Published),
        };
        let (min, max) = (spec.min_size.unwrap_or(spec.size), spec.max_size.unwrap_or(spec.size));
        // The file was checked: the image is there, and the sizes are in order.
        let (Some(image), Ok(sizes)) = (image, Sizes::new(min, spec.size, max)) else { return };
        let template = self.add_template(spec, &image);
        let wanted = |subnet: &Subnet| spec.subnets.is_empty() || spec.subnets.contains(&subnet.id);
        let subnets = self.subnets().map(|(subnet, _)| subnet).filter(wanted).collect();
        let manner = Manner {
            fails_to_join: spec.fails_to_join,
            launch_fails: spec.launch_fails.clone(),
            terminating: spec.terminates_slowly_s.map_or(TERMINATING, |seconds| i64::from(seconds) * SECOND),
        };
        let arn = self.group_arn(&spec.name);
        let mut group =
            AutoScalingGroup::new(spec.name.clone(), arn, created, sizes, template, subnets, manner);
        group.tags = self.group_tags(spec);
        for _ in 0..spec.size {
            self.start_with(&mut group, &image, &spec.instance_type);
        }
        self.self_managed.insert(spec.name.clone(), group);
    }

    fn add_template(&mut self, spec: &SelfManagedSpec, image: &Image) -> TemplateUse {
        let template = spec.launch_template.clone().unwrap_or_else(|| GroupTemplateSpec {
            id: self.resource_id("lt"),
            name: spec.name.clone(),
            version: 1,
            default: None,
            follow: Follow::Number,
            user_data: None,
        });
        let user_data = template.user_data.unwrap_or_else(|| USER_DATA.to_owned());
        let data = TemplateData {
            image: Some(image.id()),
            instance_type: Some(spec.instance_type.clone()),
            user_data: Some(user_data).filter(|text| !text.is_empty()),
            security_groups: vec![SECURITY_GROUP.to_owned()],
        };
        let version = match template.follow {
            Follow::Number => VersionName::Number(template.version),
            Follow::Latest => VersionName::Latest,
            Follow::Default => VersionName::Default,
        };
        let mut made =
            LaunchTemplate::new(template.id.clone(), template.name, template.version, &data, self.created);
        made.default = template.default.unwrap_or(template.version);
        self.templates.push(made);
        TemplateUse { id: template.id, version }
    }

    /// The ARN of a group of that name.
    pub(crate) fn group_arn(&mut self, name: &str) -> String {
        let (region, account, id) = (&self.place.region, &self.place.account, self.rng.uuid());
        format!("arn:aws:autoscaling:{region}:{account}:autoScalingGroup:{id}:autoScalingGroupName/{name}")
    }

    fn group_tags(&self, spec: &SelfManagedSpec) -> BTreeMap<String, GroupTag> {
        let cluster = &self.spec.name;
        let mut tags = spec.tags.clone();
        tags.entry("Name".to_owned()).or_insert_with(|| format!("{cluster}-{}", spec.name));
        tags.insert(format!("kubernetes.io/cluster/{cluster}"), "owned".to_owned());
        if spec.cluster_autoscaler {
            tags.insert("k8s.io/cluster-autoscaler/enabled".to_owned(), "true".to_owned());
            tags.insert(format!("k8s.io/cluster-autoscaler/{cluster}"), "owned".to_owned());
        }
        tags.into_iter().map(|(key, value)| (key, GroupTag { value, at_launch: true })).collect()
    }

    /// An instance that has been a node for as long as the group has existed.
    fn start_with(&mut self, group: &mut AutoScalingGroup, image: &Image, hardware: &str) {
        let template = self.templates.iter().find(|template| template.id == group.template.id);
        let version = template.map_or(1, |template| template.number(group.template.version));
        let recipe =
            Recipe { version, image: image.clone(), hardware: hardware.to_owned(), has_user_data: true };
        let since = group.created;
        if let Some(mut instance) = self.new_instance(group, recipe, group.created) {
            (instance.life, instance.kubelet) = (Life::InService, Kubelet::Joined { since });
            group.instances.push(instance);
        }
    }

    fn new_instance(&mut self, group: &AutoScalingGroup, recipe: Recipe, now: Ms) -> Option<Instance> {
        let subnet = group.emptiest_subnet()?.clone();
        let own = [("aws:autoscaling:groupName".to_owned(), group.name.clone())];
        let tags = group.tags.iter().filter(|(_, tag)| tag.at_launch);
        let tags = tags.map(|(key, tag)| (key.clone(), tag.value.clone())).chain(own).collect();
        let joins = recipe.has_user_data && !group.manner.fails_to_join;
        Some(Instance {
            id: self.resource_id("i"),
            node: self.new_host(),
            subnet,
            image: recipe.image,
            hardware: recipe.hardware,
            template_id: group.template.id.clone(),
            template_version: recipe.version,
            tags,
            launched: now,
            life: Life::Pending { until: now + PENDING },
            kubelet: if joins {
                Kubelet::Starting { joins: now + PENDING + JOINING }
            } else {
                Kubelet::Never
            },
        })
    }

    /// E.g. `i-0123456789abcdef0`.
    fn resource_id(&mut self, kind: &str) -> String {
        format!("{kind}-0{:016x}", self.rng.next())
    }

    /// When something happens next in one of its groups.
    pub(crate) fn next_group_event(&self) -> Option<Ms> {
        self.self_managed.values().filter_map(AutoScalingGroup::next_event).min()
    }

    /// Lets everything happen in its groups that is due.
    pub(crate) fn run_groups(&mut self, now: Ms) {
        while let Some(at) = self.next_group_event().filter(|at| *at <= now) {
            let due = |group: &&mut AutoScalingGroup| group.next_event() == Some(at);
            let Some(group) = self.self_managed.values_mut().find(due) else { return };
            group.pass(at);
            let name = group.name.clone();
            self.balance(&name, at);
        }
    }

    /// Lets a group launch what it lacks, terminate what it has too much of, and go when that is its fate. To be
    /// called whenever anything about it has changed.
    pub(crate) fn balance(&mut self, name: &str, now: Ms) {
        let Some(mut group) = self.self_managed.remove(name) else { return };
        match group.gap() {
            Gap::None => {}
            Gap::Lacks(count) => self.launch(&mut group, count, now),
            Gap::Exceeds(count) => self.scale_in(&mut group, count, now),
        }
        if !(group.deleting && group.instances.is_empty()) {
            self.self_managed.insert(name.to_owned(), group);
        }
    }

    fn launch(&mut self, group: &mut AutoScalingGroup, count: usize, now: Ms) {
        for _ in 0..count {
            match self.launch_one(group, now) {
                Ok(activity) => group.activities.push(activity),
                Err(activity) => {
                    group.activities.push(activity);
                    group.launch_failed(now);
                    return;
                }
            }
        }
    }

    /// One attempt, as the group remembers it.
    fn launch_one(&mut self, group: &mut AutoScalingGroup, now: Ms) -> Result<Activity, Activity> {
        let wants = group.sizes.desired();
        let cause = format!("an instance was started since the group wants a capacity of {wants}");
        let mut activity = Activity {
            id: self.rng.uuid(),
            description: "Launching a new EC2 instance".to_owned(),
            cause,
            started: now,
            ends: now,
            failure: None,
        };
        let recipe = match group.failing_launch() {
            Some(failure) => Err(failure),
            None => self.recipe(&group.template),
        };
        let recipe = match recipe {
            Ok(recipe) => recipe,
            Err(failure) => return Err(Activity { failure: Some(failure), ..activity }),
        };
        if let Some(instance) = self.new_instance(group, recipe, now) {
            activity.description = format!("Launching a new EC2 instance: {}", instance.id);
            activity.ends = now + PENDING;
            group.instances.push(instance);
        }
        Ok(activity)
    }

    /// Terminates `count` instances that are too many.
    fn scale_in(&mut self, group: &mut AutoScalingGroup, count: usize, now: Ms) {
        let (ends, wants) = (now + group.manner.terminating, group.sizes.desired());
        for _ in 0..count {
            let Some(instance) = group.first_to_go() else { return };
            instance.terminate(ends);
            let description = format!("Terminating EC2 instance: {}", instance.id);
            let cause =
                format!("an instance was taken out of service since the group wants a capacity of {wants}");
            let id = self.rng.uuid();
            group.activities.push(Activity { id, description, cause, started: now, ends, failure: None });
        }
    }

    /// What the template says of the next launch, or why there cannot be one.
    fn recipe(&self, wanted: &TemplateUse) -> Result<Recipe, String> {
        let template = self.templates.iter().find(|template| template.id == wanted.id);
        let template = template.ok_or("the launch template does not exist")?;
        let version = template.number(wanted.version);
        let data = &template.version(version).ok_or("the launch template has no such version")?.data;
        let id = data.image.as_deref().ok_or("the launch template names no image")?;
        let image = self.image(id).ok_or_else(|| format!("The image id '[{id}]' does not exist"))?;
        let hardware = data.instance_type.clone().ok_or("the launch template names no instance type")?;
        Ok(Recipe { version, image, hardware, has_user_data: data.user_data.is_some() })
    }

    /// Why a group cannot use that template, in the words of Auto Scaling.
    pub(crate) fn template_problem(&self, wanted: &TemplateUse) -> Option<String> {
        let unfit = |why| format!("You must use a valid fully-formed launch template. {why}");
        self.recipe(wanted).err().map(unfit)
    }
}
