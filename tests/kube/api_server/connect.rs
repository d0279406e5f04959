//! How the harness itself reaches a server: as its administrator.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kube::{Client, Config};
use serde_json::{Value, json};

/// An endpoint on this machine, with what it takes to be let in.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) endpoint: String,
    /// The certificate of the endpoint's authority, as DER.
    pub(super) authority_der: Vec<u8>,
    /// The same, as PEM.
    pub(super) authority_pem: String,
    pub(super) token: String,
}

impl Access {
    /// The same for another token.
    pub(super) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// The same for another endpoint.
    pub(super) fn at_port(&self, port: u16) -> Self {
        Self { endpoint: endpoint(port), ..self.clone() }
    }

    /// A client that tells what the server said, at once and once.
    pub(super) fn client(&self) -> Client {
        let mut config = Config::new(self.endpoint.parse().expect("a URL"));
        config.root_cert = Some(vec![self.authority_der.clone()]);
        config.auth_info.token = Some(self.token.clone().into());
        // It would repeat a 429, for minutes.
        config.default_retry = false;
        Client::try_from(config).expect("a client of a complete configuration")
    }

    /// A kubeconfig for programs that read one. JSON is YAML.
    pub(super) fn kubeconfig(&self) -> String {
        let cluster = json!({
            "server": self.endpoint,
            "certificate-authority-data": BASE64_STANDARD.encode(&self.authority_pem),
        });
        kubeconfig(&cluster, &json!({"token": self.token}))
    }
}

/// An HTTPS endpoint on this machine.
pub(super) fn endpoint(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

/// A kubeconfig of one cluster and one user.
pub(super) fn kubeconfig(cluster: &Value, user: &Value) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "it", "user": user}],
    });
    config.to_string()
}
