//! The SDK's configuration of a process, with the one HTTP client that all clients of AWS in it share.
//!
//! Left alone, each of the SDK's clients has an HTTP client of its own, with its own connections, and takes in the
//! system's root certificates when it is built and again at its first call. A function has up to a dozen clients:
//! one a service, place and role.

use std::sync::OnceLock;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_sdk_sts::config::ConfigBag;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};

/// The longest that one try of a call may take; the SDK tries three times.
///
/// AWS answers within seconds. By itself the SDK would wait without end for one that has gone silent: as long as the
/// function may run, and with it would go what the function found out before.
const TRY_WITHIN: Duration = Duration::from_secs(15);

/// What the environment says, as the SDK reads it.
pub async fn from_env() -> SdkConfig {
    let http = Shared { client: https(), checked: OnceLock::new() };
    loader(http).load().await
}

fn loader(http: impl HttpClient + 'static) -> ConfigLoader {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(TRY_WITHIN).build();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).timeout_config(timeouts)
}

/// The SDK's own default client, which it does not give away: TLS by rustls and AWS-LC, proxies by the environment.
fn https() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.proxy_config(ProxyConfig::from_env()).build()
    })
}

/// A client that is checked when the first of its users is built, and not for each of them.
///
/// The check is worth its while once: it reads the root certificates while a function starts, and not in its first
/// call.
#[derive(Debug)]
struct Shared {
    client: SharedHttpClient,
    checked: OnceLock<()>,
}

impl HttpClient for Shared {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.client.http_connector(settings, components)
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        match self.checked.set(()) {
            Ok(()) => self.client.validate_base_client_config(components, config),
            Err(()) => Ok(()),
        }
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.client.connector_metadata()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use aws_config::Region;
    use aws_sdk_eks::config::{AsyncSleep, Sleep};
    use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

    use super::*;

    /// Takes requests, and never answers.
    #[derive(Clone, Debug)]
    struct Silent(Arc<AtomicUsize>);

    impl HttpClient for Silent {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }

    impl HttpConnector for Silent {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            self.0.fetch_add(1, Ordering::Relaxed);
            HttpConnectorFuture::new(std::future::pending())
        }
    }

    /// Sleeps no longer than it takes to note for how long it should.
    #[derive(Clone, Debug, Default)]
    struct Noted(Arc<Mutex<Vec<Duration>>>);

    impl AsyncSleep for Noted {
        fn sleep(&self, duration: Duration) -> Sleep {
            self.0.lock().unwrap().push(duration);
            Sleep::new(std::future::ready(()))
        }
    }

    #[tokio::test]
    async fn a_call_that_nobody_answers_is_tried_again_and_fails_within_a_minute() {
        let (tries, slept) = (Arc::new(AtomicUsize::new(0)), Noted::default());
        let loader = loader(Silent(Arc::clone(&tries))).sleep_impl(slept.clone()).test_credentials();
        let sdk = loader.region(Region::new("us-east-1")).load().await;
        let answer = aws_sdk_eks::Client::new(&sdk).list_clusters().send().await;
        assert!(answer.is_err());
        assert_eq!(tries.load(Ordering::Relaxed), 3);
        let slept = slept.0.lock().unwrap();
        assert_eq!(slept.iter().filter(|slept| **slept == TRY_WITHIN).count(), 3, "{slept:?}");
    }

    #[derive(Clone, Debug, Default)]
    struct Counting(Arc<AtomicUsize>);

    impl HttpClient for Counting {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            unreachable!("nothing is called here")
        }

        fn validate_base_client_config(
            &self,
            _: &RuntimeComponentsBuilder,
            _: &ConfigBag,
        ) -> Result<(), BoxError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    #[tokio::test]
    async fn several_clients_are_one_check() {
        let counting = Counting::default();
        let http = Shared { client: SharedHttpClient::new(counting.clone()), checked: OnceLock::new() };
        let loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::new("us-east-1"));
        let sdk = loader.no_credentials().http_client(http).load().await;
        let eks = aws_sdk_eks::Client::new(&sdk);
        let sts = aws_sdk_sts::Client::new(&sdk);
        assert!(eks.config().http_client().is_some() && sts.config().http_client().is_some());
        assert_eq!(counting.0.load(Ordering::Relaxed), 1);
    }
}
