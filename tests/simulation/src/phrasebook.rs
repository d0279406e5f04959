//! A phrasebook of the SDK: which requests a port's call becomes, and what EKS's answers to them mean.
//!
//! The SDK translates, and does nothing else here: the same call is the same request, and the same answer to it the
//! same value. What it has translated once is looked up. The world is asked each time all the same, with the request
//! that the SDK made; where it answers what it has answered before, to the letter, nothing is left to be read.
//! Whatever is new goes through the SDK, which makes the request once more: it has to be the one in the book.
//! Refusals, answers that were lost, and all calls that change something are not in it.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use eks_upgrade_aws::eks::AwsEks;
use eks_upgrade_core::arn::{ClusterArn, Home};
use eks_upgrade_core::calendar::Calendar;
use eks_upgrade_core::cluster::{
    Addon, Cluster, Found, Insight, InsightCategory, NodeGroup, Offer, Resource, Update,
};
use eks_upgrade_core::guard::Call;
use eks_upgrade_core::ids::{Token, UpdateId};
use eks_upgrade_core::inspection::{InspectAnswer, InspectRequest};
use eks_upgrade_core::policy::PolicyDocument;
use eks_upgrade_core::version::Minor;
use eks_upgrade_pipeline::ports::inside::Inspects;
use eks_upgrade_pipeline::ports::{CallError, Eks, EksDown, EksWrites, InsightsRefresh};
use eks_upgrade_sim::Request;

use crate::inside::Inner;
use crate::tape::{Answer, Tape};
use crate::wire::Wire;

/// EKS behind the shipped adapter, with the book at hand.
#[derive(Clone, Debug)]
pub struct Phrasebook {
    eks: AwsEks,
    wire: Wire,
    open: bool,
    inner: Option<(Arc<Inner>, PolicyDocument)>,
}

/// More phrases than this, and as many older ones, are not kept: a story knows a few hundred, and shares dozens with
/// others; of a campaign, a cluster that is being upgraded has a hundred.
const PHRASES_MAX: usize = 4_000;

/// What is known of a call, after what EKS has answered to it so far.
enum Phrase {
    /// It asks this.
    Asks(Arc<Request>),
    /// It comes to this.
    Means(Box<dyn Any>),
}

/// Phrases by the call and the answers. The older ones go when there are enough that were said since.
#[derive(Default)]
struct Pages {
    fresh: HashMap<String, Phrase>,
    older: HashMap<String, Phrase>,
}

impl Pages {
    fn get(&mut self, said: &str) -> Option<&Phrase> {
        if let Some((said, phrase)) = self.older.remove_entry(said) {
            self.fresh.entry(said).or_insert(phrase);
        }
        self.fresh.get(said)
    }

    /// Makes room for one more conversation.
    fn turn(&mut self) {
        if self.fresh.len() > PHRASES_MAX {
            self.older = std::mem::take(&mut self.fresh);
        }
    }
}

thread_local! {
    /// Shared by all stories of a thread.
    static PHRASES: RefCell<Pages> = RefCell::default();
}

/// What a call does next.
enum Known<T> {
    Asks(Arc<Request>),
    Means(T),
}

fn look_up<T: Clone + 'static>(said: &str) -> Option<Known<T>> {
    PHRASES.with_borrow_mut(|phrases| match phrases.get(said)? {
        Phrase::Asks(request) => Some(Known::Asks(request.clone())),
        Phrase::Means(value) => value.downcast_ref().cloned().map(Known::Means),
    })
}

/// Notes down a whole conversation; of one that EKS refuses, what was asked.
fn note<T: Clone + 'static>(call: String, tape: &Tape, value: &T) {
    PHRASES.with_borrow_mut(|phrases| {
        phrases.turn();
        let mut said = call;
        for exchange in tape.exchanges() {
            phrases.fresh.entry(said.clone()).or_insert_with(|| Phrase::Asks(exchange.request.clone()));
            let Some(answer) = plain(&exchange.answer) else { return };
            go_on(&mut said, answer);
        }
        phrases.fresh.insert(said, Phrase::Means(Box::new(value.clone())));
    });
}

/// The body of an answer that is no refusal.
fn plain(answer: &Answer) -> Option<&str> {
    let answer = answer.as_ref().ok()?;
    (answer.status == 200).then_some(answer.body.as_str())
}

fn go_on(said: &mut String, answer: &str) {
    // Stands in no JSON.
    said.push('\0');
    said.push_str(answer);
}

impl Phrasebook {
    /// The book for this adapter, which talks over this wire.
    #[must_use]
    pub fn new(eks: AwsEks, wire: Wire) -> Self {
        Self { eks, wire, open: true, inner: None }
    }

    /// The same with the book closed: the SDK translates everything, each time.
    #[must_use]
    pub fn closed(self) -> Self {
        Self { open: false, ..self }
    }

    /// The same with an inspect function that can be asked: it looks there, as this policy wants.
    #[must_use]
    pub fn inspected(self, inner: Arc<Inner>, policy: PolicyDocument) -> Self {
        Self { inner: Some((inner, policy)), ..self }
    }

    /// Makes a call of this name with these arguments; `sdk` is how the SDK would.
    async fn read<T, F>(&self, call: String, sdk: impl FnOnce() -> F) -> Result<T, EksDown>
    where
        T: Clone + 'static,
        F: Future<Output = Result<T, EksDown>>,
    {
        // What the SDK does takes kilobytes, which are not to be moved about by whoever looks things up.
        let sdk = || Box::pin(sdk());
        if !self.open {
            return sdk().await;
        }
        let mut said = call.clone();
        let mut tape = Tape::default();
        while let Some(known) = look_up(&said) {
            let request = match known {
                Known::Asks(request) => request,
                Known::Means(value) => return Ok(value),
            };
            let answer = self.wire.carry(&request).await;
            let heard = plain(&answer).map(|answer| go_on(&mut said, answer));
            tape.add(request, answer);
            if heard.is_none() {
                break;
            }
        }
        let (answer, tape) = self.wire.playing(tape, sdk()).await;
        if let Ok(value) = &answer {
            note(call, &tape, value);
        }
        answer
    }
}

impl Eks for Phrasebook {
    async fn cluster(&self, cluster: &ClusterArn) -> Result<Found<Cluster>, EksDown> {
        self.read(format!("cluster {cluster}"), || self.eks.cluster(cluster)).await
    }

    async fn clusters(&self, place: &Home) -> Result<Vec<ClusterArn>, EksDown> {
        self.read(format!("clusters {place:?}"), || self.eks.clusters(place)).await
    }

    async fn calendar(&self, place: &Home) -> Result<Calendar, EksDown> {
        self.read(format!("calendar {place:?}"), || self.eks.calendar(place)).await
    }

    async fn node_group_names(&self, cluster: &ClusterArn) -> Result<Vec<String>, EksDown> {
        self.read(format!("node groups {cluster}"), || self.eks.node_group_names(cluster)).await
    }

    async fn node_group(&self, cluster: &ClusterArn, name: &str) -> Result<Found<NodeGroup>, EksDown> {
        self.read(format!("node group {cluster} {name}"), || self.eks.node_group(cluster, name)).await
    }

    async fn addon_names(&self, cluster: &ClusterArn) -> Result<Vec<String>, EksDown> {
        self.read(format!("add-ons {cluster}"), || self.eks.addon_names(cluster)).await
    }

    async fn addon(&self, cluster: &ClusterArn, name: &str) -> Result<Found<Addon>, EksDown> {
        self.read(format!("add-on {cluster} {name}"), || self.eks.addon(cluster, name)).await
    }

    async fn offers(&self, place: &Home, addon: &str) -> Result<BTreeMap<Minor, Vec<Offer>>, EksDown> {
        self.read(format!("offers {place:?} {addon}"), || self.eks.offers(place, addon)).await
    }

    async fn fargate_profiles(&self, cluster: &ClusterArn) -> Result<Vec<String>, EksDown> {
        self.read(format!("Fargate profiles {cluster}"), || self.eks.fargate_profiles(cluster)).await
    }

    async fn insights(
        &self,
        cluster: &ClusterArn,
        category: InsightCategory,
    ) -> Result<Vec<Insight>, EksDown> {
        self.read(format!("insights {cluster} {category:?}"), || self.eks.insights(cluster, category)).await
    }

    async fn insights_refresh(&self, cluster: &ClusterArn) -> Result<Option<InsightsRefresh>, EksDown> {
        self.read(format!("refresh {cluster}"), || self.eks.insights_refresh(cluster)).await
    }

    async fn refresh_insights(&self, cluster: &ClusterArn) -> Result<(), EksDown> {
        Box::pin(self.eks.refresh_insights(cluster)).await
    }

    async fn update_ids(&self, cluster: &ClusterArn, resource: &Resource) -> Result<Vec<UpdateId>, EksDown> {
        self.read(format!("updates {cluster} {resource:?}"), || self.eks.update_ids(cluster, resource)).await
    }

    async fn update(
        &self,
        cluster: &ClusterArn,
        resource: &Resource,
        id: &UpdateId,
    ) -> Result<Found<Update>, EksDown> {
        let call = format!("update {cluster} {resource:?} {id}");
        self.read(call, || self.eks.update(cluster, resource, id)).await
    }
}

impl Inspects for Phrasebook {
    async fn inspect(&self, request: &InspectRequest) -> InspectAnswer {
        match &self.inner {
            Some((inner, policy)) => Box::pin(inner.inspect(request, policy.clone())).await,
            None => Box::pin(self.eks.inspect(request)).await,
        }
    }
}

impl EksWrites for Phrasebook {
    async fn call(&self, cluster: &ClusterArn, call: &Call, token: &Token) -> Result<UpdateId, CallError> {
        Box::pin(self.eks.call(cluster, call, token)).await
    }
}
