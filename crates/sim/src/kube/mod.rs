//! The Kubernetes API of a simulated cluster: objects, the controllers that move them, and the API over both.
//!
//! [`Kube`] is the inside of one cluster, as pure as the world: what happens by itself happens when the world comes to
//! its instant. [`store`] holds the objects as JSON; [`resource`], [`object`], [`selector`], [`patch`] and [`status`]
//! are the API's ways. [`hosts`] tells which machines there are, [`nodes`], [`pods`], [`scheduler`], [`controllers`]
//! and [`karpenter`] what becomes of them; [`seed`] is what is there at the start, [`summary`] what it all
//! comes to. [`route`], [`token`] and
//! [`discovery`] read requests, [`api`] answers them, and [`front`] finds the cluster that is meant.

mod admission;
mod api;
mod controllers;
mod discovery;
mod eviction;
mod front;
mod guards;
mod hosts;
mod karpenter;
mod list;
mod nodes;
mod object;
mod patch;
mod pods;
mod resource;
mod route;
mod scale;
mod scheduler;
mod seed;
mod selector;
mod status;
mod store;
mod summary;
mod token;
mod write;

use std::collections::{BTreeMap, BTreeSet};

pub use front::KubeEndpoint;

use crate::catalogue::Catalogue;
use crate::fleet::{ComponentName, ComponentSpec, KubernetesSpec};
use crate::minor::Minor;
use crate::rng::Rng;
use crate::state::Cluster;
use crate::time::Ms;
use guards::Guards;
use hosts::Host;
use karpenter::Karpenter;
use resource::Resource;
use store::Store;

/// Rounds after which the controllers are believed to go in circles. Each does all it can in a round.
const ROUNDS_MAX: usize = 200;
/// What nodes say of their container runtime.
const CONTAINER_RUNTIME: &str = "containerd://1.7.27";

/// Whether the API has such a kind.
pub(crate) fn has_kind(kind: &str) -> bool {
    Resource::of_kind(kind).is_some()
}

/// The inside of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Kube {
    spec: KubernetesSpec,
    store: Store,
    karpenter: Option<Karpenter>,
    guards: Guards,
    /// The versions of EKS add-ons that core components have followed.
    followed: BTreeMap<ComponentName, String>,
    /// Nodes that were deleted through the API: their kubelets do not register again.
    expelled: BTreeSet<String>,
    region: String,
    domain: String,
    /// What was looked at when nothing was left to do.
    settled: Option<Settled>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Settled {
    scene: Scene,
    revision: u64,
}

/// What the inside of a cluster sees of its outside.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Scene {
    version: Minor,
    hosts: Vec<Host>,
    /// Versions of the EKS add-ons that are core components.
    addons: BTreeMap<ComponentName, String>,
    /// Managed groups whose pods hold a node.
    held: BTreeMap<String, guards::Hold>,
}

/// What everything that happens depends on.
struct Surroundings<'a> {
    now: Ms,
    /// The control plane's.
    version: Minor,
    region: &'a str,
    /// The domain of host names.
    domain: &'a str,
    container_runtime: &'a str,
    /// Tags of images that cannot be pulled.
    image_fails: &'a BTreeSet<String>,
    /// The world begins: nothing takes time.
    instant: bool,
}

impl Surroundings<'_> {
    /// When something is over that takes so long.
    fn delay(&self, takes: Ms) -> Ms {
        if self.instant { self.now } else { self.now + takes }
    }

    /// The zones by turns.
    fn zone(&self, number: usize) -> String {
        let letter = ["a", "b", "c"].get(number % 3).copied().unwrap_or("a");
        format!("{}{letter}", self.region)
    }
}

impl Kube {
    fn new(spec: KubernetesSpec, cluster: &Cluster, catalogue: &Catalogue, now: Ms) -> Self {
        let mut store = Store::new(Rng::new(cluster.place.seed, &format!("kubernetes/{}", cluster.arn)));
        seed::plant(&mut store, &spec, now);
        let mut kube = Self {
            store,
            karpenter: None,
            guards: Guards::default(),
            followed: addons(cluster),
            expelled: BTreeSet::new(),
            region: cluster.place.region.clone(),
            domain: cluster.place.domain(),
            settled: None,
            spec,
        };
        kube.plant_components(cluster, catalogue, now);
        kube.plant_pools(cluster, now);
        kube.settle(Scene::of(cluster, now), now, true);
        kube
    }

    /// Core components, unless the fleet file or Auto Mode does without.
    fn plant_components(&mut self, cluster: &Cluster, catalogue: &Catalogue, now: Ms) {
        for component in seed::components::ALL {
            let usual = || {
                let addon = self.followed.get(&component).map(String::as_str);
                let default = catalogue.default_version(component.addon(), cluster.version);
                addon.or(default).map(str::to_owned)
            };
            let tag = match self.spec.components.get(&component) {
                Some(ComponentSpec::Absent) => None,
                Some(ComponentSpec::Tag(tag)) => Some(tag.clone()),
                None if cluster.spec.auto_mode => None,
                None => usual(),
            };
            if let Some(tag) = tag {
                seed::components::plant(&mut self.store, component, &tag, &self.region, now);
                if component == ComponentName::KubeProxy {
                    seed::components::plant_proxy_config(&mut self.store, self.spec.kube_proxy_mode, now);
                }
            }
        }
    }

    fn plant_pools(&mut self, cluster: &Cluster, now: Ms) {
        let Some(spec) = self.spec.karpenter.clone() else { return };
        let (store, around) = self.parts(now, cluster.version, true);
        let karpenter = Karpenter::new(&spec, cluster.spec.auto_mode, store, &around);
        self.karpenter = Some(karpenter);
    }

    /// The objects, and what everything depends on.
    fn parts(&mut self, now: Ms, version: Minor, instant: bool) -> (&mut Store, Surroundings<'_>) {
        let around = Surroundings {
            now,
            version,
            region: &self.region,
            domain: &self.domain,
            container_runtime: self.spec.container_runtime.as_deref().unwrap_or(CONTAINER_RUNTIME),
            image_fails: &self.spec.image_fails,
            instant,
        };
        (&mut self.store, around)
    }

    /// When something happens next by itself.
    fn next_due(&self) -> Option<Ms> {
        let pools = self.karpenter.as_ref().and_then(Karpenter::next_due);
        self.store.next_due().into_iter().chain(pools).min()
    }

    /// Lets everything happen that is due or follows from how things are.
    fn settle(&mut self, scene: Scene, now: Ms, instant: bool) {
        let due = self.next_due().is_some_and(|at| at <= now);
        let looked = Settled { scene, revision: self.store.revision() };
        if !due && self.settled.as_ref() == Some(&looked) {
            return;
        }
        let scene = looked.scene;
        self.follow_addons(&scene);
        for _ in 0..ROUNDS_MAX {
            let before = self.store.revision();
            self.round(&scene, now, instant);
            if self.store.revision() == before {
                break;
            }
        }
        self.settled = Some(Settled { scene, revision: self.store.revision() });
    }

    fn round(&mut self, scene: &Scene, now: Ms, instant: bool) {
        let mut karpenter = self.karpenter.take();
        let mut guards = std::mem::take(&mut self.guards);
        let (store, around) = self.parts(now, scene.version, instant);
        guards.run(store, &around, &scene.held);
        let mut hosts = scene.hosts.clone();
        if let Some(karpenter) = &mut karpenter {
            karpenter.run(store, &around);
            hosts.extend(karpenter.hosts());
        }
        self.karpenter = karpenter;
        self.guards = guards;
        // A host that is gone may come again under its name.
        self.expelled.retain(|name| hosts.iter().any(|host| host.name == *name));
        hosts.retain(|host| !self.expelled.contains(&host.name));
        let (store, around) = self.parts(now, scene.version, instant);
        nodes::follow(store, &around, &hosts);
        while let Some(key) = store.take_due(now) {
            match key.resource {
                Resource::Node => nodes::become_ready(store, &key, now),
                _ => pods::pass(store, &around, &key),
            }
        }
        controllers::run(store, &around);
        scheduler::run(store, &around);
        controllers::budgets::run(store);
    }

    /// An EKS add-on that was updated brings its component along.
    fn follow_addons(&mut self, scene: &Scene) {
        for (component, version) in &scene.addons {
            if self.followed.get(component) != Some(version) {
                seed::components::set_tag(&mut self.store, *component, version, &self.region);
            }
        }
        self.followed.clone_from(&scene.addons);
    }
}

fn addons(cluster: &Cluster) -> BTreeMap<ComponentName, String> {
    let version =
        |component: ComponentName| cluster.addons.get(component.addon()).map(|addon| addon.version.clone());
    seed::components::ALL.into_iter().filter_map(|component| Some((component, version(component)?))).collect()
}

impl Scene {
    fn of(cluster: &Cluster, now: Ms) -> Self {
        Self {
            version: cluster.version,
            hosts: cluster.hosts(now),
            addons: addons(cluster),
            held: guards::holds(cluster, now),
        }
    }
}

impl Cluster {
    /// Gives a cluster its inside, if its entry has one.
    pub(crate) fn plant_kubernetes(&mut self, catalogue: &Catalogue, now: Ms) {
        let spec = self.spec.kubernetes.clone();
        self.kubernetes = spec.map(|spec| Box::new(Kube::new(spec, self, catalogue, now)));
    }

    /// Lets everything happen inside it that is due or follows from how things are.
    pub(crate) fn settle_kubernetes(&mut self, now: Ms) {
        let Some(mut kube) = self.kubernetes.take() else { return };
        kube.settle(Scene::of(self, now), now, false);
        // Who took a budget away has cleared the way for EKS's own drains, too.
        for group in kube.guards.lifted(&kube.store) {
            if let Some(group) = self.nodegroups.get_mut(&group)
                && group.pdb_clears.is_none_or(|clears| clears > now)
            {
                group.pdb_clears = Some(now);
            }
        }
        self.kubernetes = Some(kube);
    }

    /// When something happens next inside it by itself.
    pub(crate) fn next_kubernetes_event(&self) -> Option<Ms> {
        let kube = self.kubernetes.as_ref()?;
        let clears = self.nodegroups.values().filter_map(|group| group.pdb_clears);
        let ahead = clears.filter(|clears| kube.guards.hold_until(*clears));
        kube.next_due().into_iter().chain(ahead).min()
    }
}
