//! Who may speak to a server: the access entries of the cluster, with the credentials to prove it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::certs;
use super::token::{Presigned, VERSION};

/// How long `aws eks get-token` presigns for.
const PRESIGNED_S: u64 = 60;

/// A role with temporary credentials, and the groups that its access entry puts it in.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The id of the access key.
    pub access_key: String,
    /// The secret of the access key.
    pub secret_key: String,
    /// The token that temporary credentials carry.
    pub session_token: String,
    /// Who this is to Kubernetes: what `sts:GetCallerIdentity` answers.
    pub username: String,
    /// The groups of the access entry; RBAC binds roles to them.
    pub groups: Vec<String>,
}

impl Caller {
    /// A token as `aws eks get-token` makes one, for a cluster by its name.
    #[must_use]
    pub fn token(&self, cluster: &str) -> String {
        self.token_at(cluster, SystemTime::now())
    }

    /// A token that was made at another time than now.
    #[must_use]
    pub fn token_at(&self, cluster: &str, at: SystemTime) -> String {
        let valid = Duration::from_secs(PRESIGNED_S);
        let presigned =
            Presigned { host: "sts.eu-west-1.amazonaws.com", region: "eu-west-1", cluster, at, valid };
        format!("{VERSION}{}", BASE64_URL_SAFE_NO_PAD.encode(presigned.url(self)))
    }
}

/// The access entries of one cluster, by access key.
#[derive(Clone, Debug, Default)]
pub(super) struct Callers(Arc<RwLock<BTreeMap<String, Caller>>>);

impl Callers {
    /// Adds an entry under new credentials.
    pub(super) fn grant(&self, groups: &[&str]) -> Caller {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let number = all.len() + 1;
        let caller = Caller {
            access_key: format!("ASIA{number:016}"),
            secret_key: certs::secret(),
            session_token: certs::secret(),
            username: format!("arn:aws:sts::123456789012:assumed-role/eks-upgrade-{number}/session"),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        };
        all.insert(caller.access_key.clone(), caller.clone());
        caller
    }

    /// Who has this access key.
    pub(super) fn of(&self, access_key: &str) -> Option<Caller> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(access_key).cloned()
    }
}
