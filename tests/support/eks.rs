//! An EKS that behaves: updates take time, tokens are honoured, refusals are worded as the real ones.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use eks_upgrade_core::arn::{ClusterArn, ClusterName, Home};
use eks_upgrade_core::calendar::Calendar;
use eks_upgrade_core::cluster::{
    Addon, Catalogue, Cluster, Found, Insight, InsightCategory, NodeGroup, Offer, Resource, Status, Update,
    UpdateStatus,
};
use eks_upgrade_core::guard::Call;
use eks_upgrade_core::ids::{Token, UpdateId};
use eks_upgrade_core::remedy::Refusal;
use eks_upgrade_core::version::Minor;
use eks_upgrade_pipeline::ports::{
    Affected, CallError, Eks, EksDown, EksWrites, Health, InsightsRefresh, Time,
};
use jiff::{SignedDuration, Timestamp};

use crate::cluster::Installed;
use crate::inside::FakeInside;
use crate::update::{Kept, Outcome, Twist, goal_of, in_words, kind_of, refused, set_status, usual_s, wrongs};
use crate::{Faults, VirtualClock, calendar, catalogue, word};

/// A mutating call that reached EKS.
#[derive(Clone, Debug)]
pub struct Called {
    /// On which cluster.
    pub cluster: ClusterName,
    /// The call.
    pub call: Call,
    /// Its token.
    pub token: Token,
    /// When it arrived.
    pub at: Timestamp,
    /// The update that it began; `None` when it was refused, or answered with an earlier call's update.
    pub began: Option<UpdateId>,
}

/// The fake; also the Health API.
#[derive(Debug)]
pub struct FakeEks {
    clock: VirtualClock,
    pub(crate) faults: Arc<Faults>,
    state: Mutex<State>,
}

/// What it holds; a test may change anything in it.
#[derive(Debug)]
pub struct State {
    /// The clusters.
    pub clusters: BTreeMap<ClusterName, Installed>,
    /// The support calendar.
    pub calendar: Calendar,
    /// What is offered of each add-on.
    pub catalogue: Catalogue,
    /// What is out of the ordinary about the next calls on a resource, in order.
    pub twists: BTreeMap<Resource, VecDeque<Twist>>,
    /// Whether a token that was seen gives the update that it began.
    pub tokens_honoured: bool,
    /// For how long after its beginning an update is not visible, in seconds.
    pub updates_hidden_s: i64,
    /// Whether it is not listed for as long, either.
    pub lists_lag: bool,
    /// What Health says of any event.
    pub affected: Affected,
    /// Every mutating call that arrived.
    pub calls: Vec<Called>,
    /// The last refresh of insights; as usual one that is just over.
    pub refresh: Option<InsightsRefresh>,
    /// The insides of those that can be looked into.
    pub insides: BTreeMap<ClusterName, FakeInside>,
    /// How many reads were answered.
    pub reads: usize,
    /// What an upgrade brought about that none may.
    pub wrongs: Vec<String>,
    /// A person brought a cluster out of order: what is wrong from now on is not noted.
    pub excused: bool,
    updates: Vec<Kept>,
}

impl FakeEks {
    /// A healthy EKS without clusters.
    #[must_use]
    pub fn new(clock: VirtualClock, faults: Arc<Faults>) -> Self {
        let state = State {
            clusters: BTreeMap::new(),
            calendar: calendar(),
            catalogue: catalogue(),
            twists: BTreeMap::new(),
            tokens_honoured: true,
            updates_hidden_s: 0,
            lists_lag: false,
            affected: Affected::NoSubscription,
            calls: Vec::new(),
            insides: BTreeMap::new(),
            refresh: Some(InsightsRefresh { started: clock.now(), ended: Some(clock.now()) }),
            reads: 0,
            wrongs: Vec::new(),
            excused: false,
            updates: Vec::new(),
        };
        Self { clock, faults, state: Mutex::new(state) }
    }

    /// Its state as of now.
    pub fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap();
        state.settle(self.clock.now());
        state
    }

    /// Adds a cluster.
    pub fn add(&self, installed: Installed) {
        self.state().clusters.insert(installed.cluster.arn.name.clone(), installed);
    }

    /// Changes a cluster, as a person might.
    pub fn change(&self, cluster: &str, change: impl FnOnce(&mut Installed)) {
        change(self.state().clusters.get_mut(&word::<ClusterName>(cluster)).unwrap());
    }

    /// A cluster as it is.
    #[must_use]
    pub fn see(&self, cluster: &str) -> Installed {
        self.state().clusters[&word::<ClusterName>(cluster)].clone()
    }

    /// Something out of the ordinary about the next call on a resource, after those that were said before.
    pub fn twist(&self, resource: Resource, twist: Twist) {
        self.state().twists.entry(resource).or_default().push_back(twist);
    }

    /// Somebody else begins an update that takes `lasts_s`, and ends so.
    pub fn somebody_calls(&self, cluster: &str, call: &Call, lasts_s: i64, outcome: Outcome) -> UpdateId {
        let now = self.clock.now();
        self.state().begin(&word(cluster), call, now, lasts_s, outcome)
    }

    /// The calls that began an update, in words and in order.
    #[must_use]
    pub fn began(&self) -> Vec<String> {
        let state = self.state();
        state
            .calls
            .iter()
            .filter(|called| called.began.is_some())
            .map(|called| in_words(&called.call))
            .collect()
    }

    /// How many mutating calls arrived, whatever came of them.
    #[must_use]
    pub fn arrived(&self) -> usize {
        self.state().calls.len()
    }

    async fn read<T>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&State, Timestamp) -> T,
    ) -> Result<T, EksDown> {
        let now = self.clock.now();
        let answer = self.faults.around(|| {
            let mut state = self.state();
            state.reads += 1;
            read(&state, now)
        });
        let down = || EksDown { operation, denied: false, why: "connection reset".into() };
        let answer = answer.await.map_err(|_| down())?;
        if self.faults.are_reads_down() { Err(down()) } else { Ok(answer) }
    }
}

impl State {
    fn settle(&mut self, now: Timestamp) {
        for kept in &mut self.updates {
            let installed = self.clusters.get_mut(&kept.cluster);
            kept.settle(installed.filter(|installed| installed.cluster.created_at == kept.made_at), now);
        }
        for inside in self.insides.values_mut() {
            inside.settle(now);
        }
        if self.excused {
            return;
        }
        let found: Vec<String> = self.clusters.values().flat_map(wrongs).collect();
        for wrong in found {
            if !self.wrongs.contains(&wrong) {
                self.wrongs.push(wrong);
            }
        }
    }

    fn begin(
        &mut self,
        cluster: &ClusterName,
        call: &Call,
        now: Timestamp,
        lasts_s: i64,
        outcome: Outcome,
    ) -> UpdateId {
        let id: UpdateId = word(&format!("update-{}", self.updates.len() + 1));
        let update = Update {
            id: id.clone(),
            kind: kind_of(call).to_owned(),
            status: UpdateStatus::InProgress,
            created_at: now,
            to: goal_of(call),
            errors: Vec::new(),
        };
        let ends_at = now + SignedDuration::from_secs(lasts_s);
        let installed = self.clusters.get_mut(cluster).unwrap();
        set_status(installed, &call.resource(), Status::Updating);
        let made_at = installed.cluster.created_at;
        self.updates.push(Kept {
            cluster: cluster.clone(),
            made_at,
            call: call.clone(),
            update,
            ends_at,
            outcome,
        });
        id
    }

    fn in_progress(&self, cluster: &ClusterName, resource: &Resource) -> Option<&Kept> {
        self.updates.iter().find(|kept| {
            kept.cluster == *cluster
                && self.clusters.get(cluster).is_some_and(|i| i.cluster.created_at == kept.made_at)
                && kept.call.resource() == *resource
                && kept.update.status == UpdateStatus::InProgress
        })
    }

    fn busy(&self, cluster: &ClusterName, call: &Call) -> Option<Refusal> {
        let message = if let Some(kept) = self.in_progress(cluster, &Resource::ControlPlane) {
            format!(
                "Cannot VersionUpdate because cluster {cluster} currently has update {} in progress",
                kept.update.id
            )
        } else if let Some(kept) = self.in_progress(cluster, &call.resource()) {
            match &kept.call {
                Call::UpdateNodegroupVersion { .. } => {
                    "Nodegroup cannot be updated as it is currently not in Active State".to_owned()
                }
                _ => "Addon is currently being updated".to_owned(),
            }
        } else {
            return None;
        };
        Some(Refusal { status: 409, name: "ResourceInUseException".into(), message })
    }

    fn answer(
        &mut self,
        cluster: &ClusterName,
        call: &Call,
        token: &Token,
        now: Timestamp,
        twist: Option<&Twist>,
    ) -> (Result<UpdateId, Refusal>, bool) {
        let earlier =
            self.calls.iter().find(|c| c.token == *token && c.cluster == *cluster && c.began.is_some());
        if let Some(id) = earlier.and_then(|called| called.began.clone()).filter(|_| self.tokens_honoured) {
            return (Ok(id), false);
        }
        if let Some(Twist::Refused(status, name, message)) = twist {
            let refusal = Refusal { status: *status, name: (*name).to_owned(), message: message.clone() };
            return (Err(refusal), false);
        }
        let Some(installed) = self.clusters.get(cluster) else {
            let message = format!("No cluster found for name: {cluster}.");
            return (Err(Refusal { status: 404, name: "ResourceNotFoundException".into(), message }), false);
        };
        if let Some(refusal) = self.busy(cluster, call).or_else(|| refused(installed, &self.catalogue, call))
        {
            return (Err(refusal), false);
        }
        let (lasts_s, outcome) = match twist {
            Some(Twist::Ends(outcome)) => (usual_s(call), outcome.clone()),
            Some(Twist::Lasts(seconds)) => (*seconds, Outcome::Successful),
            _ => (usual_s(call), Outcome::Successful),
        };
        (Ok(self.begin(cluster, call, now, lasts_s, outcome)), true)
    }
}

impl State {
    /// The cluster that an ARN means; one of its name elsewhere is another.
    fn at(&self, cluster: &ClusterArn) -> Option<&Installed> {
        self.clusters.get(&cluster.name).filter(|installed| installed.cluster.arn == *cluster)
    }

    /// Whether an update can be seen by now.
    fn shows(&self, kept: &Kept, now: Timestamp) -> bool {
        now.duration_since(kept.update.created_at).as_secs() >= self.updates_hidden_s
    }

    /// Whether an update is one of this cluster's, and not of an earlier one's of its name.
    fn is_of(&self, kept: &Kept, cluster: &ClusterArn) -> bool {
        kept.cluster == cluster.name
            && self.at(cluster).is_some_and(|installed| installed.cluster.created_at == kept.made_at)
    }
}

impl Eks for &FakeEks {
    async fn cluster(&self, cluster: &ClusterArn) -> Result<Found<Cluster>, EksDown> {
        let find = |state: &State, _| found(state.at(cluster).map(|installed| &installed.cluster));
        self.read("eks:DescribeCluster", find).await
    }

    async fn clusters(&self, place: &Home) -> Result<Vec<ClusterArn>, EksDown> {
        let list = |state: &State, _| {
            let all = state.clusters.values().map(|installed| installed.cluster.arn.clone());
            all.filter(|arn| arn.home() == *place).collect()
        };
        self.read("eks:ListClusters", list).await
    }

    async fn calendar(&self, _: &Home) -> Result<Calendar, EksDown> {
        self.read("eks:DescribeClusterVersions", |state, _| state.calendar.clone()).await
    }

    async fn node_group_names(&self, cluster: &ClusterArn) -> Result<Vec<String>, EksDown> {
        let list = |state: &State, _| {
            state.at(cluster).map_or(Vec::new(), |i| i.node_groups.keys().cloned().collect())
        };
        self.read("eks:ListNodegroups", list).await
    }

    async fn node_group(&self, cluster: &ClusterArn, name: &str) -> Result<Found<NodeGroup>, EksDown> {
        let find = |state: &State, _| found(state.at(cluster).and_then(|i| i.node_groups.get(name)));
        self.read("eks:DescribeNodegroup", find).await
    }

    async fn addon_names(&self, cluster: &ClusterArn) -> Result<Vec<String>, EksDown> {
        let list =
            |state: &State, _| state.at(cluster).map_or(Vec::new(), |i| i.addons.keys().cloned().collect());
        self.read("eks:ListAddons", list).await
    }

    async fn addon(&self, cluster: &ClusterArn, name: &str) -> Result<Found<Addon>, EksDown> {
        let find = |state: &State, _| found(state.at(cluster).and_then(|i| i.addons.get(name)));
        self.read("eks:DescribeAddon", find).await
    }

    async fn offers(&self, _: &Home, addon: &str) -> Result<BTreeMap<Minor, Vec<Offer>>, EksDown> {
        let find = |state: &State, _| state.catalogue.get(addon).cloned().unwrap_or_default();
        self.read("eks:DescribeAddonVersions", find).await
    }

    async fn fargate_profiles(&self, cluster: &ClusterArn) -> Result<Vec<String>, EksDown> {
        let list = |state: &State, _| state.at(cluster).map_or(Vec::new(), |i| i.fargate_profiles.clone());
        self.read("eks:ListFargateProfiles", list).await
    }

    async fn insights(
        &self,
        cluster: &ClusterArn,
        category: InsightCategory,
    ) -> Result<Vec<Insight>, EksDown> {
        const OP: &str = "eks:ListInsights";
        let all = self.read(OP, |state, _| state.at(cluster).map(|i| i.insights.clone())).await?;
        let gone = || EksDown {
            operation: OP,
            denied: false,
            why: format!("No cluster found for name: {}.", cluster.name),
        };
        let all = all.ok_or_else(gone)?;
        Ok(all.into_iter().filter(|insight| insight.category == category).collect())
    }

    async fn insights_refresh(&self, _: &ClusterArn) -> Result<Option<InsightsRefresh>, EksDown> {
        self.read("eks:DescribeInsightsRefresh", |state, _| state.refresh).await
    }

    async fn refresh_insights(&self, _: &ClusterArn) -> Result<(), EksDown> {
        let now = self.clock.now();
        self.read("eks:StartInsightsRefresh", |_, _| ()).await?;
        self.state().refresh = Some(InsightsRefresh { started: now, ended: Some(now) });
        Ok(())
    }

    async fn update_ids(&self, cluster: &ClusterArn, resource: &Resource) -> Result<Vec<UpdateId>, EksDown> {
        let list = |state: &State, now: Timestamp| {
            let theirs = |kept: &&Kept| kept.call.resource() == *resource && state.is_of(kept, cluster);
            let listed = |kept: &&Kept| !state.lists_lag || state.shows(kept, now);
            state.updates.iter().filter(theirs).filter(listed).map(|kept| kept.update.id.clone()).collect()
        };
        self.read("eks:ListUpdates", list).await
    }

    async fn update(
        &self,
        cluster: &ClusterArn,
        resource: &Resource,
        id: &UpdateId,
    ) -> Result<Found<Update>, EksDown> {
        let find = |state: &State, now: Timestamp| {
            let theirs = |kept: &&Kept| kept.call.resource() == *resource && kept.update.id == *id;
            let visible = |kept: &&Kept| state.shows(kept, now) && state.is_of(kept, cluster);
            found(state.updates.iter().find(theirs).filter(visible).map(|kept| &kept.update))
        };
        self.read("eks:DescribeUpdate", find).await
    }
}

fn found<T: Clone>(there: Option<&T>) -> Found<T> {
    there.map_or(Found::Gone, |there| Found::Is(there.clone()))
}

impl EksWrites for &FakeEks {
    async fn call(&self, cluster: &ClusterArn, call: &Call, token: &Token) -> Result<UpdateId, CallError> {
        let cluster = &cluster.name;
        let lost = || CallError::Unknown("connection reset".into());
        let twist = self.state().twists.get_mut(&call.resource()).and_then(VecDeque::pop_front);
        match twist {
            Some(Twist::NeverArrives) => return Err(lost()),
            Some(Twist::DiesBefore) => std::future::pending().await,
            _ => {}
        }
        let now = self.clock.now();
        let arrive = || {
            let mut state = self.state();
            let (answer, began) = state.answer(cluster, call, token, now, twist.as_ref());
            state.calls.push(Called {
                cluster: cluster.clone(),
                call: call.clone(),
                token: token.clone(),
                at: now,
                began: answer.as_ref().ok().filter(|_| began).cloned(),
            });
            answer
        };
        let answer = self.faults.around(arrive).await.map_err(|_| lost())?;
        match twist {
            Some(Twist::AnswerLost) => Err(lost()),
            Some(Twist::DiesAfter) => std::future::pending().await,
            _ => answer.map_err(CallError::Refused),
        }
    }
}

impl Health for &FakeEks {
    async fn affected(&self, _: &str) -> Result<Affected, EksDown> {
        self.read("health:DescribeAffectedEntities", |state, _| state.affected.clone()).await
    }
}
