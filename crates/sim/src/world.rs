//! The world: accounts and Regions, advanced lazily to the instant of each request.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::asg;
use crate::beats::Beats;
use crate::calendar::Calendar;
use crate::caller::{Caller, credential};
use crate::catalogue::Catalogue;
use crate::faults::{Faults, documented_status};
use crate::fleet::checks::{FleetError, check_cluster, check_groups};
use crate::fleet::{Act, ClusterSpec, Fleet, HealthEventSpec, NodegroupSpec, SupportPlan};
use crate::http::{ApiError, Record, Request, Response};
use crate::kube::KubeEndpoint;
use crate::ops::{self, Done};
use crate::route::Call;
use crate::state::{Cluster, Place};
use crate::sts::Sts;
use crate::time::{Ms, SECOND, minutes, rfc3339};

/// EKS, Health and STS of some accounts. Pure: no clock, no IO; clone it to branch a simulation.
#[derive(Clone, Debug)]
pub struct World {
    /// Where clusters are that name no account or Region of their own.
    pub(crate) place: Place,
    pub(crate) sts: Sts,
    pub(crate) plan: SupportPlan,
    pub(crate) visibility: Ms,
    pub(crate) tokens_honoured: Option<Ms>,
    pub(crate) calendar: Calendar,
    pub(crate) catalogue: Catalogue,
    pub(crate) clusters: BTreeMap<String, Cluster>,
    /// Clusters that were deleted: ARN and what was expected of them.
    pub(crate) gone: Vec<ClusterSpec>,
    pub(crate) events: Vec<HealthEventSpec>,
    pub(crate) faults: Faults,
    pub(crate) start: Ms,
    pub(crate) now: Ms,
    /// Where the API servers of its clusters are, if they are anywhere.
    pub(crate) kubernetes_at: Option<KubeEndpoint>,
    /// What will happen by itself, in order of time.
    agenda: Vec<(Ms, Item)>,
    /// When something happens next by itself in each cluster.
    beats: Beats,
    /// Whether any cluster has, or had, an inside.
    inside: bool,
    /// Nothing happens before this instant.
    next_due: Ms,
}

#[derive(Clone, Debug)]
enum Item {
    Delete(String),
    Create(Box<ClusterSpec>),
    Appear(String, Box<NodegroupSpec>),
    Refresh(String),
    Act(Act),
}

impl World {
    /// The world of a fleet file, beginning at `start`.
    #[must_use]
    pub fn new(fleet: Fleet, start: Timestamp) -> Self {
        let start = start.as_millisecond();
        let mut world = Self {
            place: Place::of_fleet(&fleet),
            sts: Sts::new(fleet.roles, fleet.seed),
            plan: fleet.support_plan,
            visibility: i64::from(fleet.visibility_s) * SECOND,
            tokens_honoured: fleet.tokens_forgotten_after_m.map(minutes),
            calendar: Calendar::new(&fleet.versions),
            catalogue: Catalogue::new(&fleet.addon_catalogue),
            clusters: BTreeMap::new(),
            gone: Vec::new(),
            events: Vec::new(),
            faults: Faults::default(),
            start,
            now: start,
            kubernetes_at: None,
            agenda: Vec::new(),
            beats: Beats::default(),
            inside: false,
            next_due: Ms::MAX,
        };
        for cluster in fleet.clusters {
            world.place_cluster(cluster, None);
        }
        for fault in fleet.faults {
            world.faults.add(fault);
        }
        for scheduled in fleet.acts {
            world.agenda.push((start + minutes(scheduled.after_m), Item::Act(scheduled.act)));
        }
        world.events = fleet.health_events.unwrap_or_else(|| ops::health::usual_events(&world));
        for event in &mut world.events {
            let place = world.place.of(event.account.as_ref(), event.region.as_ref());
            if event.clusters.is_none() {
                let affected = world.clusters.values().filter(|cluster| {
                    cluster.version == event.version && cluster.place.is(&place.account, &place.region)
                });
                event.clusters = Some(affected.map(|cluster| cluster.spec.name.clone()).collect());
            }
        }
        world.plan_ahead();
        world
    }

    /// Adds a cluster, or puts another in the place of one of that name.
    pub(crate) fn add_cluster(&mut self, spec: ClusterSpec) -> Result<(), FleetError> {
        check_cluster(&spec, &self.calendar, &self.catalogue)?;
        let others =
            self.clusters.values().map(|cluster| &cluster.spec).filter(|other| other.name != spec.name);
        check_groups(others.chain([&spec]), &self.place)?;
        let name = spec.name.clone();
        self.agenda.retain(|(_, item)| !item.is_of(&name));
        self.faults.forget_cluster(&name);
        let created = self.clusters.contains_key(&name).then_some(self.now);
        self.place_cluster(spec, created);
        self.plan_ahead();
        Ok(())
    }

    fn place_cluster(&mut self, spec: ClusterSpec, created: Option<Ms>) {
        let (now, name) = (self.now, spec.name.clone());
        for mut fault in spec.faults.clone() {
            fault.target.cluster = Some(name.clone());
            self.faults.add(fault);
        }
        if let Some(after) = spec.deleted_after_m {
            self.agenda.push((now + minutes(after), Item::Delete(name.clone())));
        }
        if let Some(after) = spec.recreated_after_m {
            let again = ClusterSpec {
                deleted_after_m: None,
                recreated_after_m: None,
                updates: Vec::new(),
                faults: Vec::new(),
                ..spec.clone()
            };
            self.agenda.push((now + minutes(after), Item::Create(Box::new(again))));
        }
        for group in &spec.nodegroups {
            if let Some(after) = group.appears_after_m {
                let item = Item::Appear(name.clone(), Box::new(group.clone()));
                self.agenda.push((now + minutes(after), item));
            }
            if let Some(after) = group.deleted_after_m {
                let act = Act::DeleteNodegroup { cluster: name.clone(), nodegroup: group.name.clone() };
                self.agenda.push((now + minutes(after), Item::Act(act)));
            }
        }
        let mut cluster = Cluster::new(spec, &self.place, &self.catalogue, now, created);
        ops::people::start_earlier_updates(&mut cluster, now);
        cluster.advance(now);
        self.inside |= cluster.kubernetes.is_some();
        self.clusters.insert(name.clone(), cluster);
        self.freeze_insights(&name);
    }

    /// Brings the world to `now`. Time never runs backwards: an earlier instant changes nothing.
    pub fn advance(&mut self, now: Timestamp) {
        let now = now.as_millisecond().max(self.now);
        while self.next_due <= now {
            let at = self.next_due;
            self.now = self.now.max(at);
            let mut changed = self.beats.due(at);
            for name in &changed {
                if let Some(cluster) = self.clusters.get_mut(name) {
                    cluster.advance(at);
                }
            }
            let mut known = true;
            while let Some(first) = self.agenda.first()
                && first.0 <= at
            {
                let (_, item) = self.agenda.remove(0);
                match item.cluster() {
                    Some(name) => changed.push(name.to_owned()),
                    None => known = false,
                }
                self.happen(item);
            }
            if known {
                self.plan_ahead_in(&changed);
            } else {
                self.plan_ahead();
            }
        }
        self.now = now;
    }

    /// The next instant at which something happens by itself, if anything will: where a simulation may jump to.
    #[must_use]
    pub fn next_event(&self) -> Option<Timestamp> {
        (self.next_due < Ms::MAX).then(|| Timestamp::from_millisecond(self.next_due).ok()).flatten()
    }

    /// To be called whenever something may have started.
    pub(crate) fn plan_ahead(&mut self) {
        for cluster in self.clusters.values_mut() {
            cluster.settle_kubernetes(self.now);
        }
        self.beats.clear();
        for (name, cluster) in &self.clusters {
            self.beats.set(name, cluster.next_beat());
        }
        self.plan_next();
    }

    /// The same where it is known which clusters something may have started in: what there is to do does not grow with
    /// the number of the others.
    fn plan_ahead_in(&mut self, names: &[String]) {
        // What happens inside one cluster may follow from something that happened elsewhere.
        if self.inside {
            return self.plan_ahead();
        }
        for name in names {
            self.beats.set(name, self.clusters.get(name).and_then(Cluster::next_beat));
        }
        self.plan_next();
    }

    fn plan_next(&mut self) {
        self.agenda.sort_by_key(|(at, _)| *at);
        let first = self.agenda.first().map(|(at, _)| *at);
        self.next_due = self.beats.next().into_iter().chain(first).min().unwrap_or(Ms::MAX);
    }

    fn happen(&mut self, item: Item) {
        match item {
            Item::Delete(name) => self.delete_cluster(&name),
            Item::Create(spec) => self.place_cluster(*spec, Some(self.now)),
            Item::Appear(name, spec) => {
                let now = self.now;
                if let Some(cluster) = self.clusters.get_mut(&name) {
                    cluster.add_nodegroup(*spec, now, now);
                }
            }
            Item::Refresh(name) => self.freeze_insights(&name),
            // A person who comes too late finds nothing to do.
            Item::Act(act) => drop(ops::people::act(self, act)),
        }
    }

    /// A refresh of insights ends then.
    pub(crate) fn refresh_at(&mut self, at: Ms, cluster: &str) {
        self.agenda.push((at, Item::Refresh(cluster.to_owned())));
        self.plan_ahead_in(&[cluster.to_owned()]);
    }

    /// No fault strikes any more, and updates that hang fail. Others take the course that was set when they began.
    pub fn heal(&mut self) {
        self.faults = Faults::default();
        let now = self.now;
        self.clusters.values_mut().for_each(|cluster| cluster.end_what_hangs(now));
        self.plan_ahead();
    }

    pub(crate) fn delete_cluster(&mut self, name: &str) {
        if let Some(cluster) = self.clusters.remove(name) {
            self.agenda.retain(|(_, item)| !matches!(item, Item::Refresh(of) if of == name));
            self.gone.push(cluster.spec);
        }
    }

    /// Answers one request that arrives at `now`.
    pub fn handle(&mut self, now: Timestamp, request: &Request) -> Response {
        self.advance(now);
        let (mut call, readable) = Call::parse(request);
        call.caller = self.caller(request);
        call.received = request.received.unwrap_or_else(|| self.instant());
        asg::locate(self, &mut call);
        let done = readable.and_then(|()| self.perform(&call));
        let request_id = self.request_id(request);
        let mut response = match &done {
            Ok(done) => Response::of(call.operation, &done.body, call.protocol, &request_id),
            Err(refusal) => refusal.response(call.protocol, &request_id),
        };
        if done.is_ok() {
            (response.hold_s, response.dropped) = self.faults.answer(&call);
        }
        response.headers.push(("x-amzn-requestid".to_owned(), request_id));
        response.record = Some(self.record(request, &call, &done, response.dropped));
        response
    }

    /// For whom a request is made: keys of its own STS belong to their role's account.
    pub(crate) fn caller(&self, request: &Request) -> Caller {
        let credential = credential(request);
        let session = credential.as_ref().and_then(|credential| self.sts.session(&credential.key));
        Caller {
            account: session.map_or(&self.place.account, |session| &session.account).clone(),
            region: credential.as_ref().map_or(&self.place.region, |credential| &credential.region).clone(),
            key: credential.map(|credential| credential.key),
        }
    }

    pub(crate) fn instant(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now).unwrap_or_default()
    }

    fn perform(&mut self, call: &Call) -> Result<Done, ApiError> {
        ops::check_place(self, call)?;
        if let Some(effect) = self.faults.refusal(call) {
            let status = effect.status.unwrap_or_else(|| documented_status(&effect.kind));
            let refusal = ApiError::new(&effect.kind, status, effect.message);
            return Err(match &call.cluster {
                Some(name) if effect.kind != "ServiceUnavailableException" => {
                    refusal.with("clusterName", name)
                }
                _ => refusal,
            });
        }
        let done = ops::perform(self, call)?;
        if done.mutated {
            match &call.cluster {
                // A group may be another cluster's by now.
                Some(name) if !asg::takes(call.operation) => self.plan_ahead_in(std::slice::from_ref(name)),
                _ => self.plan_ahead(),
            }
        }
        Ok(done)
    }

    fn request_id(&self, request: &Request) -> String {
        crate::rng::Rng::new(self.now.unsigned_abs(), &request.path).uuid()
    }

    fn record(&self, request: &Request, call: &Call, done: &Result<Done, ApiError>, dropped: bool) -> Record {
        let refusal = done.as_ref().err();
        let done = done.as_ref().ok();
        Record {
            at: rfc3339(self.now),
            method: request.method.clone(),
            path: request.path.clone(),
            operation: call.operation.to_owned(),
            cluster: call.cluster.clone(),
            nodegroup: call.nodegroup.clone(),
            addon: call.addon.clone(),
            account: Some(&call.caller.account).filter(|account| **account != self.place.account).cloned(),
            region: Some(&call.caller.region).filter(|region| **region != self.place.region).cloned(),
            input: call.input(),
            token: call.token().map(str::to_owned),
            status: refusal.map_or(200, |refusal| refusal.status),
            error: refusal.map(|refusal| refusal.kind.clone()),
            message: refusal.map(|refusal| refusal.message.clone()),
            update_id: done.and_then(|done| done.update_id.clone()),
            mutated: done.is_some_and(|done| done.mutated),
            dropped,
        }
    }
}

impl Item {
    /// The only cluster that it changes, if that is known.
    fn cluster(&self) -> Option<&str> {
        match self {
            Self::Delete(name) | Self::Appear(name, _) | Self::Refresh(name) => Some(name),
            Self::Create(spec) => Some(&spec.name),
            Self::Act(_) => None,
        }
    }

    fn is_of(&self, cluster: &str) -> bool {
        match self {
            Self::Delete(name)
            | Self::Appear(name, _)
            | Self::Refresh(name)
            | Self::Act(Act::DeleteNodegroup { cluster: name, .. }) => name == cluster,
            Self::Create(spec) => spec.name == cluster,
            Self::Act(_) => false,
        }
    }
}
