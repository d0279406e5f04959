//! The SDK's configuration of a process, with the one HTTP client that all clients of AWS in it share.
//!
//! Left alone, each of the SDK's clients has an HTTP client of its own, with its own connections, and takes in the
//! system's root certificates when it is built and again at its first call. A function has up to a dozen clients:
//! one a service, place and role.

use std::sync::OnceLock;

use aws_config::{BehaviorVersion, SdkConfig};
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

/// What the environment says, as the SDK reads it.
pub async fn from_env() -> SdkConfig {
    let http = Shared { client: https(), checked: OnceLock::new() };
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_config::Region;

    use super::*;

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
