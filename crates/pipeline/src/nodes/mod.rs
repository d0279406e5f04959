//! Rolling node groups that EKS does not manage: one look, and the effect of one line.
//!
//! What comes next is [`eks_upgrade_core::roll`]'s; who keeps the lines, and asks the kill switch and the lease before
//! each of them, is [`crate::kube`].

#[cfg(test)]
mod tests;

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::ids::Token;
use eks_upgrade_core::inside::{AutoScalingGroup, Inside};
use eks_upgrade_core::roll::{
    self, Effect, Held, Moved, Paused, Roll, Scene, Verdict, Way, beside, needs_workloads,
};
use eks_upgrade_core::version::Minor;
use jiff::Timestamp;

use crate::ports::EksDown;
use crate::ports::inside::{Depth, Evicted, GroupWrites, InsideWrites, Insides, PodName, Sizes};

/// What is rolled with.
pub struct Rolling<'a, I, G> {
    /// The inside of clusters.
    pub inside: &'a I,
    /// The groups behind nodes.
    pub groups: &'a G,
}

/// What is wanted of one group.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The Auto Scaling group.
    pub group: String,
    /// Where its nodes go.
    pub to: Minor,
    /// Where the control plane is.
    pub control_plane: Minor,
    /// How.
    pub way: Way,
    /// How many nodes more there may be meanwhile, and how many old ones are out at a time.
    pub surge: u32,
    /// Which of EKS's images its nodes have, such as `amazon-linux-2023/x86_64/standard`.
    pub family: String,
    /// How long the drain of a node may take, in seconds.
    pub drain_limit_s: u32,
    /// Whether pods that do not leave may be deleted.
    pub may_force: bool,
    /// Cluster Autoscaler as it was before another roll of the run paused it, or an earlier attempt.
    pub paused_elsewhere: Option<Paused>,
    /// Whether another roll that is under way needs it paused.
    pub needed_elsewhere: bool,
    /// Since when the step is under way.
    pub since: Timestamp,
    /// Names this roll to the cluster and to EC2: the same for every try of the same step.
    pub token: Token,
}

impl<I, G> Rolling<'_, I, G>
where
    I: Insides + InsideWrites,
    G: GroupWrites,
{
    /// Looks, and says what comes next. `held`: why no further node may be begun.
    pub async fn pass(
        &self,
        cluster: &ClusterArn,
        wanted: &Wanted,
        roll: Option<&Roll>,
        held: Option<Held<'_>>,
        now: Timestamp,
    ) -> Verdict {
        let depth = if needs_workloads(roll) { Depth::Roll } else { Depth::Drain };
        let mut inside = self.inside.inside(cluster, depth).await;
        // Nodes mean nothing without their groups: they are as good as unseen then.
        let (group, new_group) = self.groups_of(cluster, wanted).await.unwrap_or_else(|down| {
            inside = Inside::unread(now, &down.to_string());
            (None, None)
        });
        let scene = Scene {
            inside: &inside,
            group: group.as_ref(),
            new_group: new_group.as_ref(),
            control_plane: wanted.control_plane,
            to: wanted.to,
            way: wanted.way,
            surge: wanted.surge,
            drain_limit_s: wanted.drain_limit_s,
            may_force: wanted.may_force,
            held,
            paused_elsewhere: wanted.paused_elsewhere.as_ref(),
            needed_elsewhere: wanted.needed_elsewhere,
            since: wanted.since,
            now,
        };
        roll::next(roll, &scene)
    }

    /// The group, and the one beside it.
    async fn groups_of(
        &self,
        cluster: &ClusterArn,
        wanted: &Wanted,
    ) -> Result<(Option<AutoScalingGroup>, Option<AutoScalingGroup>), EksDown> {
        let group = self.groups.group(cluster, &wanted.group).await?;
        let new_group = match wanted.way {
            Way::InPlace => None,
            Way::NewGroup => self.groups.group(cluster, &beside(&wanted.group, wanted.to)).await?,
        };
        Ok((group, new_group))
    }

    /// Makes the effect of a line, if it means one, and gives the line that follows: that it was made, or that the roll
    /// is given up because it is denied. None for what puts things in order and is denied: it is tried again later.
    pub async fn make(
        &self,
        cluster: &ClusterArn,
        wanted: &Wanted,
        moved: &Moved,
        roll: &Roll,
    ) -> Result<Option<Moved>, EksDown> {
        let Moved::Meant { effect } = moved else { return Ok(None) };
        match self.effect(cluster, wanted, effect, roll).await {
            Err(down) if down.denied && !effect.mends() => Ok(Some(given_up(&down, true))),
            Err(down) if down.denied => {
                tracing::warn!(%cluster, %effect, %down, "what puts things in order is denied");
                Ok(None)
            }
            made => made.map(Some),
        }
    }

    /// Asks a pod to leave; gives a line where that is denied for good. One that may not leave yet is asked again.
    pub async fn evict(&self, cluster: &ClusterArn, pod: &PodName) -> Result<Option<Moved>, EksDown> {
        match self.inside.evict(cluster, pod).await {
            Ok(Evicted::Leaves | Evicted::Gone) => Ok(None),
            Ok(Evicted::NotNow(why) | Evicted::Refused(why)) => {
                tracing::info!(%cluster, namespace = pod.namespace, pod = pod.name, why, "it does not leave yet");
                Ok(None)
            }
            Err(down) if down.denied => Ok(Some(given_up(&down, false))),
            Err(down) => Err(down),
        }
    }

    async fn effect(
        &self,
        cluster: &ClusterArn,
        wanted: &Wanted,
        effect: &Effect,
        roll: &Roll,
    ) -> Result<Moved, EksDown> {
        match effect {
            Effect::MakeTemplate => return self.make_template(cluster, wanted, roll).await,
            Effect::PauseAutoscaler { paused } => {
                self.inside.scale(cluster, &paused.deployment, 0).await?;
            }
            Effect::ResumeAutoscaler { paused } => {
                self.inside.scale(cluster, &paused.deployment, paused.replicas).await?;
            }
            Effect::Surge { template, sizes, .. } => {
                self.groups.update_group(cluster, &wanted.group, Some(template), Some(of(*sizes))).await?;
            }
            Effect::MakeGroup { name, template, sizes, old } => {
                let (sizes, old) = (of(*sizes), of(*old));
                self.groups.make_group(cluster, &wanted.group, name, template, sizes).await?;
                // One that an earlier try has left stays as it is when it is made again.
                self.groups.update_group(cluster, name, Some(template), Some(sizes)).await?;
                self.groups.update_group(cluster, &wanted.group, None, Some(old)).await?;
            }
            Effect::Cordon { node, .. } => {
                self.inside.cordon(cluster, node, Some(wanted.token.as_str())).await?;
            }
            Effect::DeletePods { pods, uids, .. } => {
                for pod in pods.iter().filter_map(|pod| name_of(pod, uids.get(pod))) {
                    self.inside.delete_pod(cluster, &pod).await?;
                }
            }
            Effect::Terminate { instance, shrink, .. } => {
                self.groups.terminate(cluster, instance, *shrink).await?;
            }
            Effect::Release { node } if roll.was_cordoned(node) => {}
            Effect::Release { node } => {
                self.inside.cordon(cluster, node, None).await?;
            }
            Effect::Restore { group, sizes, template } => {
                self.groups.update_group(cluster, group, template.as_ref(), Some(of(*sizes))).await?;
            }
            Effect::DeleteGroup { group } => self.delete_group(cluster, group).await?,
        }
        Ok(Moved::Made { effect: effect.clone() })
    }

    /// The template of before is the one that the new version is made from, whichever the group has by now.
    async fn make_template(
        &self,
        cluster: &ClusterArn,
        wanted: &Wanted,
        roll: &Roll,
    ) -> Result<Moved, EksDown> {
        let Wanted { family, to, token, .. } = wanted;
        let (template, image) =
            self.groups.make_template(cluster, &roll.was.template, family, *to, token.as_str()).await?;
        Ok(Moved::TemplateMade { template, image })
    }

    /// It must not launch another instance meanwhile.
    async fn delete_group(&self, cluster: &ClusterArn, group: &str) -> Result<(), EksDown> {
        if self.groups.group(cluster, group).await?.is_none() {
            return Ok(());
        }
        let nothing = Sizes { min: 0, desired: 0, max: 0 };
        self.groups.update_group(cluster, group, None, Some(nothing)).await?;
        self.groups.delete_group(cluster, group).await
    }
}

fn given_up(down: &EksDown, denied: bool) -> Moved {
    Moved::GivenUp { failure: roll::denied(down.operation, &down.why), denied }
}

fn of(roll::Sizes { min, desired, max }: roll::Sizes) -> Sizes {
    Sizes { min, desired, max }
}

/// A pod from its full name, `namespace/name`.
fn name_of(full: &str, uid: Option<&String>) -> Option<PodName> {
    let (namespace, name) = full.split_once('/')?;
    Some(PodName { namespace: namespace.to_owned(), name: name.to_owned(), uid: uid.cloned() })
}
