//! The inspect function: looks into clusters, and changes nothing. What could not be read is an answer, never an error.

use std::collections::BTreeMap;

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::drain::{self, Held};
use eks_upgrade_core::health::Vitals;
use eks_upgrade_core::inside::{Capacity, Inside, Seen, Unseen};
use eks_upgrade_core::inspection::{Following, InspectAnswer, InspectRequest, Inspection};
use eks_upgrade_core::policy::PolicyDocument;
use eks_upgrade_core::preflight::Upgrade;

use crate::error::Answer;
use crate::ports::EksDown;
use crate::ports::inside::{Depth, Evicted, Groups, Insides, PodName, TriesEvictions};

/// The use case.
pub struct Inspect<I, G> {
    /// The inside of clusters.
    pub inside: I,
    /// The groups behind their nodes.
    pub groups: G,
    /// The deployment's policy.
    pub policy: PolicyDocument,
}

/// Pods whose eviction is tried, without effect, to confirm what was foretold: each costs a call.
const TRIED_MAX: usize = 50;

impl<I: Insides + TriesEvictions, G: Groups> Inspect<I, G> {
    /// Answers one request.
    pub async fn answer(&self, request: &InspectRequest) -> Answer<InspectAnswer> {
        let answer = match request {
            InspectRequest::Preflight { cluster, from, target, drain_limit_s } => {
                let upgrade = Upgrade { from: *from, target: *target, drain_limit_s: *drain_limit_s };
                Ok(InspectAnswer::Inspection(Box::new(self.inspection(cluster, upgrade).await)))
            }
            InspectRequest::Vitals { cluster } => {
                let inside = self.inside.inside(cluster, Depth::Vitals).await;
                Vitals::of(&inside).map(InspectAnswer::Vitals)
            }
            InspectRequest::Held { cluster, nodes, drain_limit_s } => {
                let inside = self.inside.inside(cluster, Depth::Drain).await;
                self.held(cluster, &inside, nodes, *drain_limit_s).await.map(InspectAnswer::Held)
            }
            InspectRequest::Components { cluster } => {
                let inside = self.inside.inside(cluster, Depth::Components).await;
                inside.components.get().cloned().map(InspectAnswer::Components)
            }
            InspectRequest::Following { cluster } => {
                let inside = self.inside.inside(cluster, Depth::Following).await;
                Following::of(&inside).map(InspectAnswer::Following)
            }
            InspectRequest::Policy {} => Ok(InspectAnswer::Policy(Box::new(self.policy.clone()))),
        };
        Ok(answer.unwrap_or_else(|Unseen(why)| InspectAnswer::Unseen(why)))
    }

    async fn inspection(&self, cluster: &ClusterArn, upgrade: Upgrade) -> Inspection {
        let mut inside = self.inside.inside(cluster, Depth::All).await;
        inside.capacity = self.capacity(cluster).await;
        let images = self.images(cluster, &inside.capacity).await;
        let mut inspection = Inspection::of(&inside, upgrade, &images);
        if let Seen::Is(forecast) = &mut inspection.forecast {
            let held = forecast.iter_mut().flat_map(|node| &mut node.held).take(TRIED_MAX);
            for held in held {
                held.confirmed = self.confirmed(cluster, held).await;
            }
        }
        inspection
    }

    async fn capacity(&self, cluster: &ClusterArn) -> Capacity {
        match self.inside.control_plane_subnets(cluster).await {
            Ok(subnets) => self.groups.capacity(cluster, &subnets).await,
            Err(EksDown { operation, why, .. }) => {
                let why = format!("{operation}: {why}");
                Capacity { subnets: Seen::Not(why.clone()), groups: Seen::Not(why) }
            }
        }
    }

    /// The image families of the groups that have one. Of one that could not be read nothing is known.
    async fn images(&self, cluster: &ClusterArn, capacity: &Capacity) -> BTreeMap<String, String> {
        let mut images = BTreeMap::new();
        for group in capacity.groups.get().into_iter().flatten() {
            let Some(template) = &group.template else { continue };
            match self.groups.image_family(cluster, template).await {
                Ok(Some(family)) => {
                    images.insert(group.name.clone(), family);
                }
                Ok(None) => {}
                Err(down) => {
                    tracing::warn!(%cluster, group = group.name, %down, "its image could not be read");
                }
            }
        }
        images
    }

    async fn held(
        &self,
        cluster: &ClusterArn,
        inside: &Inside,
        nodes: &[String],
        drain_limit_s: u32,
    ) -> Result<Vec<Held>, Unseen> {
        let mut held = drain::held_on(inside, nodes, drain_limit_s)?;
        for held in held.iter_mut().take(TRIED_MAX) {
            held.confirmed = self.confirmed(cluster, held).await;
        }
        Ok(held)
    }

    /// Whether an eviction without effect is refused as foretold; `None` where the server lets nobody try.
    async fn confirmed(&self, cluster: &ClusterArn, held: &Held) -> Option<bool> {
        let (namespace, name) = held.pod.split_once('/')?;
        let pod = PodName { namespace: namespace.to_owned(), name: name.to_owned(), uid: None };
        match self.inside.try_eviction(cluster, &pod).await {
            Ok(Evicted::NotNow(_) | Evicted::Refused(_)) => Some(true),
            Ok(Evicted::Leaves | Evicted::Gone) => Some(false),
            Err(_) => None,
        }
    }
}
