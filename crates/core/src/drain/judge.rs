//! Who lets a pod go, and who does not: the order is that in which a drain meets them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::HeldBy;
use super::room::Room;
use crate::inside::{Backend, Budget, Inside, Phase, Pod, Seen, Unseen, Webhook, Workload};

/// All that decides over evictions in one cluster.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    rooms: BTreeMap<&'a str, Vec<Room<'a>>>,
    webhooks: Vec<&'a Webhook>,
    limit_s: u32,
    at: Timestamp,
}

impl<'a> Judge<'a> {
    /// Needs pods, budgets and webhooks; drains may take `limit_s` seconds.
    pub(super) fn of(inside: &'a Inside, limit_s: u32) -> Result<Self, Unseen> {
        let (pods, budgets) = (inside.pods.get()?, inside.budgets.get()?);
        let webhooks = inside.webhooks.get()?.iter();
        Ok(Self {
            rooms: rooms(pods, budgets, &inside.workloads, inside.at),
            webhooks: webhooks.filter(|webhook| webhook.on_evictions && webhook.fails_closed).collect(),
            limit_s,
            at: inside.at,
        })
    }

    /// Who holds a pod that has to leave; `None`: it goes. Unseen where that hangs on something that was not read.
    pub(super) fn held_by(&self, pod: &Pod) -> Result<Option<HeldBy>, Unseen> {
        if pod.deleting_since.is_some() {
            return Ok(None);
        }
        if pod.owner.is_none() {
            return Ok(Some(HeldBy::NoController));
        }
        if let Some(webhook) = self.unanswered(pod)? {
            return Ok(Some(HeldBy::Webhook { webhook: webhook.name.clone() }));
        }
        Ok(self.by_budgets(pod).or_else(|| self.by_itself(pod)))
    }

    /// The one budget that paces the evictions of a pod, if there is one.
    pub(super) fn pace(&self, pod: &Pod) -> Option<&Room<'a>> {
        let mut covering = self.covering(pod);
        let room = covering.next()?;
        (covering.next().is_none() && asks_budgets(pod)).then_some(room)
    }

    fn covering<'s>(&'s self, pod: &Pod) -> impl Iterator<Item = &'s Room<'a>> {
        let rooms = self.rooms.get(pod.namespace.as_str()).into_iter().flatten();
        rooms.filter(|room| room.budget.covers(pod))
    }

    /// The first webhook that would have to say yes, and cannot. A URL is taken to answer: nobody here can look.
    fn unanswered(&self, pod: &Pod) -> Result<Option<&'a Webhook>, Unseen> {
        for webhook in self.webhooks.iter().filter(|webhook| webhook.reaches(&pod.namespace)) {
            match &webhook.backend {
                Backend::Service { ready_endpoints: Some(0), .. } => return Ok(Some(webhook)),
                Backend::Service { ready_endpoints: None, namespace, name } => {
                    let why = format!(
                        "the endpoints of {namespace}/{name} were not read, whom webhook {} asks about evictions",
                        webhook.name
                    );
                    return Err(Unseen(why));
                }
                Backend::Service { .. } | Backend::Url => {}
            }
        }
        Ok(None)
    }

    fn by_budgets(&self, pod: &Pod) -> Option<HeldBy> {
        if !asks_budgets(pod) {
            return None;
        }
        let covering: Vec<&Room<'_>> = self.covering(pod).collect();
        match covering.as_slice() {
            [] => None,
            [room] if room.lets_go(pod, self.at) => None,
            [room] => Some(HeldBy::Budget { budget: room.budget.full_name(), because: room.because() }),
            several => {
                let budgets = several.iter().map(|room| room.budget.full_name()).collect();
                Some(HeldBy::Budgets { budgets })
            }
        }
    }

    fn by_itself(&self, pod: &Pod) -> Option<HeldBy> {
        (pod.grace_s > self.limit_s).then_some(HeldBy::Slow { grace_s: pod.grace_s })
    }
}

/// The API server asks no budget about pods that have not started.
fn asks_budgets(pod: &Pod) -> bool {
    pod.phase != Phase::Pending
}

/// Whether a drain has to get it off its node: daemon sets' pods and static ones belong there.
pub(super) fn has_to_leave(pod: &Pod) -> bool {
    !pod.is_daemon() && !pod.mirror
}

fn rooms<'a>(
    pods: &[Pod],
    budgets: &'a [Budget],
    workloads: &Seen<Vec<Workload>>,
    at: Timestamp,
) -> BTreeMap<&'a str, Vec<Room<'a>>> {
    let mut here: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    for pod in pods {
        here.entry(&pod.namespace).or_default().push(pod);
    }
    let mut rooms: BTreeMap<&str, Vec<Room<'_>>> = BTreeMap::new();
    for budget in budgets {
        let pods = here.get(budget.namespace.as_str()).into_iter().flatten().copied();
        let covered: Vec<&Pod> = pods.filter(|pod| budget.covers(pod)).collect();
        let room = Room::of(budget, &covered, workloads, at);
        rooms.entry(&budget.namespace).or_default().push(room);
    }
    rooms
}
