//! The wire between the product's own AWS adapter and the simulator of EKS, inside one process.
//!
//! The SDK builds, signs and reads real requests and answers; in place of a connection stands the simulated world. The
//! wire breaks as wires do: before a request, after it, or with whoever waits at its end.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use eks_upgrade_aws::eks::AwsEks;
use eks_upgrade_pipeline::ports::{Eks, Time};
use eks_upgrade_sim::{Request, Response, World};
use eks_upgrade_support::{Faults, VirtualClock, finish, home};
use jiff::Timestamp;

use crate::alarms::Alarms;
use crate::lie::Lie;
use crate::retries::{BUDGET, Retries};
use crate::tape::{Answer, Tape};
use crate::throttle::{self, Throttle};
use crate::trace::Trace;

/// What is done again that was throttled.
#[derive(Clone, Debug)]
enum Again {
    /// By us, as the SDK would.
    Ours(Retries),
    /// By the SDK, which sleeps by these alarms.
    Sdk(Alarms),
}

/// The simulated world, the log of what it was asked, and the weather on the way there.
#[derive(Clone)]
pub struct Wire {
    world: Arc<Mutex<World>>,
    clock: VirtualClock,
    faults: Arc<Faults>,
    trace: Trace,
    lie: Option<Lie>,
    throttle: Option<Arc<Throttle>>,
    again: Option<Again>,
    /// Of the call that is going on, if anybody wants it.
    tape: Arc<Mutex<Option<Tape>>>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("lie", &self.lie).finish_non_exhaustive()
    }
}

impl Wire {
    /// A wire to this world. With a `lie`, what comes back over it is not what the world says.
    #[must_use]
    pub fn new(
        world: World,
        clock: VirtualClock,
        faults: Arc<Faults>,
        trace: Trace,
        lie: Option<Lie>,
    ) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            clock,
            faults,
            trace,
            lie,
            throttle: None,
            again: None,
            tape: Arc::default(),
        }
    }

    /// The same to an account that takes only so many calls.
    #[must_use]
    pub fn throttled(self, throttle: Arc<Throttle>) -> Self {
        Self { throttle: Some(throttle), ..self }
    }

    /// The same, on which nothing ever goes wrong but what the world says itself.
    #[must_use]
    pub fn calm(&self) -> Self {
        Self { faults: Arc::default(), ..self.clone() }
    }

    /// What befalls whoever uses it.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the API server of a cluster answers.
    pub(crate) fn kubernetes(&self, request: &Request) -> Response {
        let mut world = self.world();
        let response = world.kubernetes(self.clock.now(), request);
        // Reads are many, and nobody judges them.
        if response.record.as_ref().is_some_and(|record| {
            let missing = record.status == 404;
            record.mutated || record.dropped || record.status == 0 || record.error.is_some() && !missing
        }) {
            self.trace.request(&world, &response);
        }
        response
    }

    /// The same with retries of what is throttled, as the SDK of functions makes them.
    #[must_use]
    pub fn retrying(self, retries: Retries) -> Self {
        Self { again: Some(Again::Ours(retries)), ..self }
    }

    /// The same with the SDK's own. It has one budget for them in a process, which is filled here; until the last call
    /// over this wire, no other may retry. Nothing may be looked up, as that gives nothing back to the budget.
    #[must_use]
    pub fn retrying_by_sdk(self, alarms: Alarms) -> Self {
        let wire = Self { again: Some(Again::Sdk(alarms)), ..self };
        let free = Self { throttle: None, ..wire.clone() };
        let eks = AwsEks::new(&free.sdk(), home(), Vec::new());
        for _ in 0..BUDGET {
            assert!(matches!(finish(eks.calendar(&home())), Some(Ok(_))), "nothing goes wrong here");
        }
        wire
    }

    /// The world at its end.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What clients are made from. Unless they are asked for, the SDK's own retries are off: they keep a budget that
    /// outlives a simulation.
    #[must_use]
    pub fn sdk(&self) -> SdkConfig {
        let credentials = Credentials::new("AKIDSIMULATION", "none", None, None, "simulation");
        let (retries, alarms) = match &self.again {
            Some(Again::Sdk(alarms)) => (RetryConfig::standard(), Some(alarms.clone())),
            Some(Again::Ours(_)) | None => (RetryConfig::disabled(), None),
        };
        let mut sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .identity_cache(IdentityCache::no_cache())
            .retry_config(retries)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .time_source(Ticks(self.clock.clone()))
            .http_client(self.clone());
        sdk.set_sleep_impl(alarms.map(SharedAsyncSleep::new));
        sdk.build()
    }

    /// Carries a request to the world and the answer back, through whatever befalls them.
    pub(crate) async fn carry(&self, request: &Request) -> Answer {
        let Some(Again::Ours(retries)) = &self.again else { return self.carry_once(request).await };
        let mut times = 1;
        loop {
            let answer = self.carry_once(request).await;
            match &answer {
                Ok(response) if response.status == throttle::STATUS => {
                    if !retries.pause(times).await {
                        return answer;
                    }
                    times += 1;
                }
                Ok(_) => {
                    retries.worked();
                    return answer;
                }
                Err(_) => return answer,
            }
        }
    }

    async fn carry_once(&self, request: &Request) -> Answer {
        let answer = self.faults.around(|| self.ask(request)).await;
        let response = answer.map_err(|_| "connection reset")?;
        if response.dropped { Err("connection closed before an answer") } else { Ok(response) }
    }

    /// Makes a call of the SDK with this tape. Calls that go on at the same time are not on it.
    pub(crate) async fn playing<F: Future>(&self, mut tape: Tape, call: F) -> (F::Output, Tape) {
        let mut call = pin!(call);
        poll_fn(|context| {
            *self.tape() = Some(std::mem::take(&mut tape));
            let polled = call.as_mut().poll(context);
            tape = self.tape().take().unwrap_or_default();
            polled.map(|output| (output, std::mem::take(&mut tape)))
        })
        .await
    }

    fn tape(&self) -> MutexGuard<'_, Option<Tape>> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a request of the SDK: from the tape, or from the world.
    async fn answer(&self, request: Request) -> Answer {
        if let Some(answer) = self.tape().as_mut().and_then(|tape| tape.play(&request)) {
            return answer;
        }
        let answer = self.carry(&request).await;
        if let Some(tape) = self.tape().as_mut() {
            tape.record(request, answer.clone());
        }
        answer
    }

    fn ask(&self, request: &Request) -> Response {
        if self.throttle.as_ref().is_some_and(|throttle| !throttle.takes(self.clock.now())) {
            return throttle::refusal();
        }
        let mut world = self.world();
        let mut response = world.handle(self.clock.now(), request);
        self.trace.request(&world, &response);
        drop(world);
        if let Some(lie) = self.lie {
            lie.tell(request, &mut response);
        }
        response
    }
}

/// The virtual clock, as the SDK reads it.
#[derive(Debug)]
struct Ticks(VirtualClock);

impl TimeSource for Ticks {
    fn now(&self) -> std::time::SystemTime {
        self.0.now().into()
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wire = self.clone();
        HttpConnectorFuture::new(async move {
            let mut request = read(&request)?;
            if let Some(lie) = wire.lie {
                lie.alter(&mut request);
            }
            write(wire.answer(request).await.map_err(|why| ConnectorError::io(why.into()))?)
        })
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> ConnectorError {
    ConnectorError::user(error.into())
}

fn read(request: &HttpRequest) -> Result<Request, ConnectorError> {
    let uri: http::Uri = request.uri().parse().map_err(broken)?;
    Ok(Request {
        method: request.method().to_owned(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        headers: request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: request.body().bytes().unwrap_or_default().to_vec(),
        received: None,
    })
}

fn write(response: Response) -> Result<HttpResponse, ConnectorError> {
    let status = response.status.try_into().map_err(broken)?;
    let mut answer = HttpResponse::new(status, SdkBody::from(response.body));
    for (name, value) in response.headers {
        answer.headers_mut().insert(name, value);
    }
    Ok(answer)
}
