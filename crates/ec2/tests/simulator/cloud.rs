//! A simulated world, and the adapter that talks to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use eks_upgrade_aws::spokes::{Session, Spokes};
use eks_upgrade_core::arn::{ClusterArn, Home};
use eks_upgrade_core::inside::AutoScalingGroup;
use eks_upgrade_ec2::AwsGroups;
use eks_upgrade_pipeline::ports::inside::Groups;
use eks_upgrade_sim::fleet::Fleet;
use eks_upgrade_sim::{Request, World};
use jiff::{SignedDuration, Timestamp};

/// A cluster `a` with the group `web` of three, of which the template is at version 3.
pub const FLEET: &str = "
clusters:
  - name: a
    version: '1.34'
    self_managed:
      - name: web
        size: 3
        min_size: 2
        max_size: 5
        version: '1.33'
        launch_template: {id: lt-web, name: web, version: 3}
";

/// A world, the instant in it, and what was asked of it.
#[derive(Clone, Debug)]
pub struct Cloud(Arc<Mutex<Inner>>);

struct Inner {
    world: World,
    now: Timestamp,
    /// The operations that changed something, in order.
    changes: Vec<String>,
    /// The operation whose next answer gets lost.
    loses: Option<&'static str>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the world at {}", self.now)
    }
}

impl Cloud {
    /// The world of a fleet file.
    pub fn of(fleet: &str) -> Self {
        let fleet = Fleet::parse(&format!("start: 2026-08-18T09:15:00Z\n{fleet}")).unwrap();
        let now = fleet.start;
        Self(Arc::new(Mutex::new(Inner {
            world: World::new(fleet, now),
            now,
            changes: Vec::new(),
            loses: None,
        })))
    }

    /// [`FLEET`] with more lines about its group.
    pub fn with(lines: &[&str]) -> Self {
        let lines: Vec<String> = lines.iter().map(|line| format!("        {line}\n")).collect();
        Self::of(&format!("{FLEET}{}", lines.concat()))
    }

    /// [`FLEET`] with an operation that is refused, however often the SDK tries.
    pub fn refusing(operation: &str, kind: &str, status: u16) -> Self {
        let fault = format!(
            "{{match: {{operation: {operation}}}, times: 3, error: {{type: {kind}, status: {status}}}}}"
        );
        Self::of(&format!("faults: [{fault}]\n{FLEET}"))
    }

    /// Lets time pass.
    pub fn wait(&self, seconds: i64) {
        self.0.lock().unwrap().now += SignedDuration::from_secs(seconds);
    }

    /// Loses the answer to the next call of an operation on its way.
    pub fn lose(&self, operation: &'static str) {
        self.0.lock().unwrap().loses = Some(operation);
    }

    /// The operations that changed something, since the last time this was asked.
    pub fn changes(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().changes)
    }

    /// The adapter, as the kube function has it.
    pub fn groups(&self) -> AwsGroups {
        let connector = SharedHttpConnector::new(self.clone());
        let credentials = Credentials::new("AKIAEXAMPLE", "secret", None, None, "test");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
            .endpoint_url("http://simulator.invalid")
            .build();
        let home = Home::of_arn("arn:aws:lambda:us-east-1:123456789012:function:kube").unwrap();
        AwsGroups::new(Spokes::new(&sdk, home, Vec::new(), Session::Inside))
    }

    /// A group that must be there.
    pub async fn group(&self, name: &str) -> AutoScalingGroup {
        self.groups().group(&cluster(), name).await.unwrap().unwrap()
    }
}

/// The cluster of [`FLEET`].
pub fn cluster() -> ClusterArn {
    "arn:aws:eks:us-east-1:123456789012:cluster/a".parse().unwrap()
}

impl HttpConnector for Cloud {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut inner = self.0.lock().unwrap();
        let inner = &mut *inner;
        let response = inner.world.handle(inner.now, &read(&request));
        let record = response.record.unwrap();
        let is_lost = inner.loses == Some(record.operation.as_str());
        if record.mutated {
            inner.changes.push(record.operation);
        }
        if is_lost {
            inner.loses = None;
            return HttpConnectorFuture::ready(Err(ConnectorError::io("the line is cut".into())));
        }
        let status = response.status.try_into().unwrap();
        let mut answer = HttpResponse::new(status, response.body.into());
        for (name, value) in response.headers {
            answer.headers_mut().insert(name, value);
        }
        HttpConnectorFuture::ready(Ok(answer))
    }
}

fn read(request: &HttpRequest) -> Request {
    // All three services post forms or JSON to `/`.
    let headers = request.headers().iter().map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Request {
        method: request.method().to_owned(),
        path: "/".to_owned(),
        headers: headers.collect(),
        body: request.body().bytes().unwrap_or_default().to_vec(),
        ..Request::default()
    }
}
