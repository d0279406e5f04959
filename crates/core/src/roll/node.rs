//! The way of one node: cordoned, emptied, forgotten by load balancers, ended.
//!
//! A drain is graduated: pods are asked to leave side by side, after half of the time one at a time, and at its end
//! they are deleted if somebody agreed to that, else it has failed.

use super::stand::Stand;
use super::{EVICT_AGAIN_S, Effect, Move, Moved, NodePhase, NodeRoll, Roll, Scene, Way, failure};
use crate::inside::Pod;
use crate::remedy::Failure;
use crate::waits::seconds_between;

/// How long load balancers have to forget a node before it ends, in seconds: what EKS gives its own nodes.
const LOAD_BALANCERS_S: u32 = 60;
/// How many pods are asked to leave at a time: more than a node usually has, and few enough for one pass.
const AT_ONCE_MAX: usize = 110;

/// What comes next for one node.
pub(super) enum Next {
    /// These, in this order.
    Moves(Vec<Move>),
    /// Nothing for so many seconds.
    Wait(u32, String),
    /// It does not get empty.
    Stuck(Failure),
    /// Nothing more: it is ended, gone, or takes pods again.
    Over,
}

impl Next {
    fn line(moved: Moved) -> Self {
        Self::Moves(vec![Move::Do(moved)])
    }

    fn meant(effect: Effect) -> Self {
        Self::line(Moved::Meant { effect })
    }
}

/// One node that was touched, where it is looked at.
pub(super) struct Touched<'a> {
    pub(super) name: &'a str,
    pub(super) node: &'a NodeRoll,
    pub(super) roll: &'a Roll,
    pub(super) scene: &'a Scene<'a>,
    pub(super) stand: &'a Stand<'a>,
}

impl Touched<'_> {
    /// The next step towards its end.
    pub(super) fn next(&self) -> Next {
        if !self.node.phase.is_unfinished() {
            return Next::Over;
        }
        if self.is_gone() {
            return Next::line(Moved::Gone { node: self.name.to_owned() });
        }
        match self.node.phase {
            NodePhase::Cordoned => self.empty(),
            NodePhase::Forced => self.forced(),
            NodePhase::Emptied => self.end(),
            // An intent that was replaced by another one: it is made again.
            NodePhase::Terminating => self.terminate(),
            NodePhase::Releasing => self.release(),
            NodePhase::Terminated | NodePhase::Released | NodePhase::Gone | NodePhase::Left => Next::Over,
        }
    }

    /// It takes pods again. One that is being ended takes none any more.
    pub(super) fn release(&self) -> Next {
        let ends = self.node.phase == NodePhase::Terminating && !self.stand.has(&self.node.instance);
        if self.is_gone() || ends {
            return Next::line(Moved::Gone { node: self.name.to_owned() });
        }
        Next::meant(Effect::Release { node: self.name.to_owned() })
    }

    /// Its instance is in no group and has no node; or it has joined as a node by now, which then is looked at as any.
    fn is_gone(&self) -> bool {
        match self.stand.node_of(&self.node.instance) {
            Some(node) => node.name != self.name,
            None => !self.stand.has(&self.node.instance),
        }
    }

    /// Somebody lets pods onto it again, or it was never cordoned.
    fn takes_pods(&self) -> bool {
        self.stand.node_of(&self.node.instance).is_some_and(|node| node.schedulable)
    }

    fn cordon(&self) -> Next {
        Next::meant(Effect::Cordon {
            node: self.name.to_owned(),
            instance: self.node.instance.clone(),
            surplus: self.node.surplus,
        })
    }

    fn leaving(&self) -> Vec<&Pod> {
        self.stand.leaving(self.name).collect()
    }

    fn empty(&self) -> Next {
        let elapsed_s = seconds_between(self.node.began, self.scene.now);
        let limit_s = self.scene.drain_limit_s;
        let pods = self.leaving();
        match (pods.is_empty(), elapsed_s >= limit_s) {
            (false, true) => self.too_late(&pods),
            _ if self.takes_pods() => self.cordon(),
            (true, _) => Next::line(Moved::Emptied { node: self.name.to_owned() }),
            (false, false) => self.evict(&pods, elapsed_s),
        }
    }

    /// Pods that are on their way out are not asked again. Those that nothing would make again are lost for good: as with
    /// `kubectl drain`, they are asked only where somebody agreed to force.
    fn evict(&self, pods: &[&Pod], elapsed_s: u32) -> Next {
        let (ending, staying): (Vec<&Pod>, Vec<&Pod>) =
            pods.iter().copied().partition(|pod| pod.deleting_since.is_some());
        let may_ask = |pod: &&Pod| pod.owner.is_some() || self.scene.may_force;
        let staying: Vec<&Pod> = staying.into_iter().filter(may_ask).collect();
        let one_by_one = elapsed_s >= self.scene.drain_limit_s / 2;
        let asked: Vec<&Pod> = match one_by_one {
            false => staying.iter().copied().take(AT_ONCE_MAX).collect(),
            true if !ending.is_empty() => Vec::new(),
            // By turns: one that never leaves must not keep the others from being asked.
            true => {
                let turn = elapsed_s / EVICT_AGAIN_S;
                let place = usize::try_from(turn).unwrap_or_default().checked_rem(staying.len());
                place.and_then(|place| staying.get(place)).copied().into_iter().collect()
            }
        };
        if asked.is_empty() {
            let (end, lone) = (ending.len(), pods.len() - ending.len() - staying.len());
            let text = format!("{end} pods end on {}, {lone} have no controller and stay", self.name);
            return Next::Wait(EVICT_AGAIN_S, text);
        }
        let evict = |pod: &Pod| Move::Evict {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            uid: pod.uid.clone(),
        };
        Next::Moves(asked.into_iter().map(evict).collect())
    }

    /// Nobody is forced off a node that need not go.
    fn too_late(&self, pods: &[&Pod]) -> Next {
        if self.scene.may_force && !self.node.surplus {
            return Next::meant(Effect::DeletePods {
                node: self.name.to_owned(),
                pods: pods.iter().map(|pod| pod.full_name()).collect(),
                uids: pods.iter().map(|pod| (pod.full_name(), pod.uid.clone())).collect(),
            });
        }
        Next::Stuck(failure::not_emptied(self.scene.inside, self.name, pods, self.scene.drain_limit_s))
    }

    /// The deleted ones have as long again for an end of their own.
    fn forced(&self) -> Next {
        let pods = self.leaving();
        if pods.is_empty() {
            return Next::line(Moved::Emptied { node: self.name.to_owned() });
        }
        if seconds_between(self.node.since, self.scene.now) >= self.scene.drain_limit_s {
            return self.terminate();
        }
        Next::Wait(EVICT_AGAIN_S, format!("{} deleted pods end on {}", pods.len(), self.name))
    }

    fn end(&self) -> Next {
        // Pods that came meanwhile are drained like the others, in the time that is left.
        if self.takes_pods() || !self.leaving().is_empty() {
            return self.cordon();
        }
        let waited_s = seconds_between(self.node.since, self.scene.now);
        match LOAD_BALANCERS_S.saturating_sub(waited_s) {
            0 => self.terminate(),
            left_s => Next::Wait(left_s, format!("load balancers forget {}", self.name)),
        }
    }

    fn terminate(&self) -> Next {
        let instance = &self.node.instance;
        if !self.stand.has(instance) {
            // It ends already, or somebody has taken it out of its group: then it is theirs.
            return self.release();
        }
        Next::meant(Effect::Terminate {
            node: self.name.to_owned(),
            instance: instance.clone(),
            shrink: self.shrinks(),
        })
    }

    /// The group wants one less for it: it is not needed, or it is among the last old ones and the new ones that were
    /// added for the time take their place. An old group beside a new one only shrinks.
    fn shrinks(&self) -> bool {
        let surplus = self.stand.surplus(self.roll);
        let among_the_last = u32::try_from(self.stand.old.len()).is_ok_and(|left| left <= surplus);
        self.node.surplus || self.scene.way == Way::NewGroup || (surplus > 0 && among_the_last)
    }
}
