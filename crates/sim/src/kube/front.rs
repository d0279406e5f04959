//! The front door: which cluster a request is for, who sends it, what becomes of it, and its line in the log.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Kube;
use super::api::{Answer, Ask, Body};
use super::route::{Objects, Route, Target, locate};
use super::status::{Failure, full};
use super::token::{Token, unauthorized};
use crate::faults::{Aim, documented_status};
use crate::fleet::ErrorEffect;
use crate::http::{Record, Request, Response};
use crate::ops;
use crate::route::Call;
use crate::state::Cluster;
use crate::time::rfc3339;
use crate::world::World;

/// Where the API servers of a world are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeEndpoint {
    /// `https://127.0.0.1:PORT`, without a slash at the end.
    pub url: String,
    /// The certificate authority to believe: PEM, in base64.
    pub authority: String,
}

impl KubeEndpoint {
    /// The endpoint of one cluster.
    pub(crate) fn of(&self, cluster: &Cluster) -> String {
        let place = &cluster.place;
        format!("{}/{}/{}/{}", self.url, place.account, place.region, cluster.spec.name)
    }
}

/// What a request turned out to be, for the log.
struct Meant {
    cluster: Option<String>,
    operation: String,
    input: Value,
}

/// What becomes of a request.
enum Outcome {
    Answered(Answer),
    Refused(Failure),
    /// Nobody answers.
    Silence,
}

impl Outcome {
    fn status(&self) -> u16 {
        match self {
            Self::Answered(answer) => answer.status,
            Self::Refused(failure) => failure.code,
            Self::Silence => 0,
        }
    }

    fn response(&self) -> Response {
        match self {
            Self::Answered(Answer { status, body: Body::Json(body), .. }) => {
                Response::json(*status, body, false)
            }
            Self::Answered(Answer { status, body: Body::Text(body), .. }) => {
                Response::text(*status, body.clone())
            }
            Self::Refused(failure) => Response::json(failure.code, &failure.body(), false),
            Self::Silence => Response { dropped: true, ..Response::text(503, String::new()) },
        }
    }
}

impl World {
    /// Where clusters that have a Kubernetes API say it is. Until it is told, they name a made-up one.
    pub fn reach_kubernetes_at(&mut self, endpoint: KubeEndpoint) {
        self.kubernetes_at = Some(endpoint);
    }

    /// Answers one request to the API server of a cluster, `/ACCOUNT/REGION/CLUSTER/...`, that arrives at `now`.
    pub fn kubernetes(&mut self, now: Timestamp, request: &Request) -> Response {
        self.advance(now);
        let (meant, outcome) = self.ask_kubernetes(request);
        // Even who only asks may be the first to see what follows from something that happened elsewhere.
        self.plan_ahead();
        let mut response = outcome.response();
        if let Outcome::Answered(answer) = &outcome {
            let aim = Aim::at(&meant.operation, meant.cluster.as_deref());
            let (hold_s, dropped) = self.faults.answer(aim);
            (response.hold_s, response.dropped) = (answer.hold_s + hold_s, dropped);
        }
        response.record = Some(self.kubernetes_record(request, meant, &outcome, response.dropped));
        response
    }

    fn ask_kubernetes(&mut self, request: &Request) -> (Meant, Outcome) {
        let place = locate(&request.path);
        let found = place.and_then(|(account, region, name, path)| {
            let cluster = self.clusters.get(name).filter(|cluster| cluster.place.is(account, region))?;
            cluster.kubernetes.as_deref().map(|kube| (name, path, kube))
        });
        let Some((name, path, kube)) = found else {
            let operation = format!("kube:{}", request.method.to_lowercase());
            let meant =
                Meant { cluster: place.map(|(.., name, _)| name.to_owned()), operation, input: json!({}) };
            return (meant, Outcome::Refused(Failure::no_resource()));
        };
        let route = Route::parse(&request.method, path, kube.has_karpenter());
        let meant = Meant::of(name, path, request, route.as_ref().ok());
        if kube.spec.unreachable {
            return (meant, Outcome::Silence);
        }
        let outcome = self.admit(request, &meant, name, route);
        (meant, outcome.map_or_else(Outcome::Refused, Outcome::Answered))
    }

    /// Lets the request in if its sender is known and nothing forbids it.
    fn admit(
        &mut self,
        request: &Request,
        meant: &Meant,
        cluster: &str,
        route: Result<Route, Failure>,
    ) -> Result<Answer, Failure> {
        let open = route.as_ref().is_ok_and(|route| matches!(route.target, Target::Version | Target::Health));
        let user = match self.kubernetes_user(request, cluster) {
            None if open => "system:anonymous".to_owned(),
            user => user.ok_or_else(unauthorized)?,
        };
        let route = route?;
        if let Some(effect) = self.faults.refusal(Aim::at(&meant.operation, Some(cluster))) {
            return Err(struck(&effect));
        }
        let patch = self.patch_release(cluster);
        let now = self.now;
        let Some(inside) = self.clusters.get_mut(cluster) else { return Err(Failure::no_resource()) };
        inside.settle_kubernetes(now);
        let version = inside.version;
        let Some(kube) = inside.kubernetes.as_deref_mut() else { return Err(Failure::no_resource()) };
        kube.check_denied(&route, &user)?;
        let ask = Ask {
            query: form_urlencoded::parse(request.query.as_bytes()).into_owned().collect(),
            body: &request.body,
            content_type: request.header("content-type").unwrap_or_default(),
            accept: request.header("accept").unwrap_or_default(),
            route: &route,
            now,
            version,
            patch: &patch,
        };
        kube.answer(&ask)
    }

    /// The ARN of whoever sends the request, if that is somebody of the cluster's account.
    fn kubernetes_user(&mut self, request: &Request, cluster: &str) -> Option<String> {
        let token = Token::of(request)?;
        let (mut call, readable) = Call::parse(token.presigned());
        readable.ok()?;
        call.caller = self.caller(token.presigned());
        call.received = request.received.unwrap_or_else(|| self.instant());
        let who = ops::perform(self, &call).ok()?.body;
        let account = who.get("Account").and_then(Value::as_str)?;
        let at_home = self.clusters.get(cluster).is_some_and(|cluster| cluster.place.account == account);
        who.get("Arn").and_then(Value::as_str).filter(|_| at_home).map(str::to_owned)
    }

    /// The patch release of a cluster's control plane.
    fn patch_release(&self, cluster: &str) -> String {
        let Some(minor) = self.clusters.get(cluster).map(|cluster| cluster.version) else {
            return String::new();
        };
        let mut released = self.calendar.released(self.now).map(|(version, _)| version);
        let patch =
            released.find(|version| version.version == minor).and_then(|version| version.patch.clone());
        patch.unwrap_or_else(|| format!("{minor}.0"))
    }

    fn kubernetes_record(&self, request: &Request, meant: Meant, outcome: &Outcome, dropped: bool) -> Record {
        let cluster = meant.cluster.as_ref().and_then(|name| self.clusters.get(name));
        let elsewhere = |own: Option<&String>, usual: &String| own.filter(|own| *own != usual).cloned();
        let failure = match outcome {
            Outcome::Refused(failure) => Some(failure),
            Outcome::Answered(_) | Outcome::Silence => None,
        };
        Record {
            at: rfc3339(self.now),
            method: request.method.clone(),
            path: request.path.clone(),
            operation: meant.operation,
            account: elsewhere(cluster.map(|cluster| &cluster.place.account), &self.place.account),
            region: elsewhere(cluster.map(|cluster| &cluster.place.region), &self.place.region),
            cluster: meant.cluster,
            nodegroup: None,
            addon: None,
            input: meant.input,
            token: None,
            status: outcome.status(),
            error: failure.map(|failure| failure.reason.clone()),
            message: failure.map(|failure| failure.message.clone()),
            update_id: None,
            mutated: matches!(outcome, Outcome::Answered(answer) if answer.mutated),
            dropped: dropped || matches!(outcome, Outcome::Silence),
        }
    }
}

/// What a fault of the fleet file has the API server say.
fn struck(effect: &ErrorEffect) -> Failure {
    let usual = match effect.kind.as_str() {
        "Forbidden" => 403,
        "NotFound" => 404,
        "Conflict" => 409,
        "TooManyRequests" => 429,
        "ServiceUnavailable" => 503,
        "Timeout" => 504,
        "InternalError" => 500,
        kind => documented_status(kind),
    };
    Failure::new(effect.status.unwrap_or(usual), &effect.kind, effect.message.clone())
}

impl Meant {
    fn of(cluster: &str, path: &str, request: &Request, route: Option<&Route>) -> Self {
        let operation = match route {
            Some(route) => format!("kube:{} {}", route.verb.name(), route.what()),
            None => format!("kube:{} {path}", request.method.to_lowercase()),
        };
        let mut input = Map::new();
        if let Some(Route { target: Target::Objects(Objects { namespace, name, .. }), .. }) = route {
            let told = [("namespace", namespace), ("name", name)].into_iter();
            input.extend(told.filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_ref()?)))));
        }
        if !request.query.is_empty() {
            let query = form_urlencoded::parse(request.query.as_bytes()).into_owned();
            let query: Map<String, Value> = query.map(|(key, value)| (key, json!(value))).collect();
            input.insert("query".to_owned(), Value::Object(query));
        }
        if let Ok(body) = serde_json::from_slice::<Value>(&request.body) {
            input.insert("body".to_owned(), body);
        }
        Self { cluster: Some(cluster.to_owned()), operation, input: Value::Object(input) }
    }
}

impl Kube {
    /// Refuses what the fleet file denies to everybody.
    fn check_denied(&self, route: &Route, user: &str) -> Result<(), Failure> {
        let (verb, what) = (route.verb.name(), route.what());
        let denied = self.spec.deny.iter().any(|denial| {
            denial.resource == what && denial.verb.as_deref().is_none_or(|denied| denied == verb)
        });
        if !denied {
            return Ok(());
        }
        let Target::Objects(objects) = &route.target else {
            let message = format!("forbidden: User {user:?} cannot {verb} path {what:?}");
            return Err(Failure::new(403, "Forbidden", message));
        };
        let facts = objects.resource.facts();
        let place = match &objects.namespace {
            Some(namespace) => format!("in the namespace {namespace:?}"),
            None => "at the cluster scope".to_owned(),
        };
        let subject = objects.name.as_deref().map_or_else(String::new, |name| format!(" {name:?}"));
        let message = format!(
            "{}{subject} is forbidden: User {user:?} cannot {verb} resource {what:?} in API group {:?} {place}",
            full(facts),
            facts.group
        );
        Err(Failure::new(403, "Forbidden", message))
    }
}
