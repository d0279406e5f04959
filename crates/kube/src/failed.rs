//! What a call of the Kubernetes API came to, when it came to nothing: in words for whoever has to mend it.
//!
//! Nothing here holds a request: no header, no query, no token can get into an error, or from there into a log.

use std::error::Error;
use std::io;
use std::iter::successors;
use std::time::Duration;

use eks_upgrade_pipeline::ports::EksDown;
use hyper_util::client::legacy;
use kube::core::Status;

use crate::role::Role;

/// How the API server spells that a budget refused an eviction, among the causes of a 429.
const BUDGET: &str = "DisruptionBudget";

/// A call that failed.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    operation: &'static str,
    cause: Cause,
}

#[derive(Clone, Debug)]
enum Cause {
    /// The server answered, and with this.
    Said { status: Box<Status>, role: Role },
    /// It did not, or not in a way that reads.
    Broken(String),
}

impl Failed {
    /// What a client of the server at `host` met with.
    pub(crate) fn of(operation: &'static str, role: Role, host: &str, error: kube::Error) -> Self {
        let cause = match error {
            kube::Error::Api(status) => Cause::Said { status, role },
            error => Cause::Broken(unanswered(host, &error)),
        };
        Self { operation, cause }
    }

    /// An answer that is not what it should be.
    pub(crate) fn odd(operation: &'static str, why: impl Into<String>) -> Self {
        Self { operation, cause: Cause::Broken(why.into()) }
    }

    /// What the server said, where it said anything.
    pub(crate) fn status(&self) -> Option<&Status> {
        match &self.cause {
            Cause::Said { status, .. } => Some(status),
            Cause::Broken(_) => None,
        }
    }

    /// Whether the server answered with this code.
    pub(crate) fn is(&self, code: u16) -> bool {
        self.status().is_some_and(|status| status.code == code)
    }

    /// Whether there is no such object, or no such API.
    pub(crate) fn is_missing(&self) -> bool {
        self.is(404)
    }

    /// Whether a disruption budget says not now. It is a 429 too, and no question of patience.
    pub(crate) fn is_of_a_budget(&self) -> bool {
        let details = self.status().and_then(|status| status.details.as_ref());
        self.is(429) && details.is_some_and(|details| details.causes.iter().any(|why| why.reason == BUDGET))
    }

    /// Whether a webhook refused it, or did not answer the server.
    pub(crate) fn is_of_a_webhook(&self) -> bool {
        self.status().is_some_and(|status| {
            status.message.contains("admission webhook") || status.message.contains("failed calling webhook")
        })
    }

    /// Whether the server asks to come again: it has too much to do, or is on its way up or down.
    pub(crate) fn is_busy(&self) -> bool {
        let busy = [429, 503, 504].iter().any(|code| self.is(*code));
        busy && !self.is_of_a_budget()
    }

    /// When it wants to be asked again, where it says so.
    pub(crate) fn wants_pause(&self) -> Option<Duration> {
        let details = self.status()?.details.as_ref()?;
        let seconds = u64::from(details.retry_after_seconds);
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }
}

impl From<Failed> for EksDown {
    fn from(Failed { operation, cause }: Failed) -> Self {
        match cause {
            Cause::Broken(why) => Self { operation, denied: false, why },
            Cause::Said { status, role } => {
                Self { operation, denied: matches!(status.code, 401 | 403), why: said(&status, role) }
            }
        }
    }
}

fn said(status: &Status, role: Role) -> String {
    let (group, file) = (role.group(), role.file());
    match status.code {
        401 => format!(
            "the cluster does not know this function's role: make an access entry for it, with the Kubernetes \
             group {group} ({file} says how)"
        ),
        403 if !status.message.contains("admission webhook") => {
            format!(
                "{}; apply the ClusterRole {} ({file}), and name the group {group} in the access entry",
                status.message,
                role.cluster_role()
            )
        }
        code => format!("{code} {}", status.message),
    }
}

/// Why there is no answer. The server's host is named: which network leads there is what is asked next.
fn unanswered(host: &str, error: &kube::Error) -> String {
    let tls = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    let connecting = causes(error)
        .filter_map(|cause| cause.downcast_ref::<legacy::Error>())
        .any(legacy::Error::is_connect);
    let late = causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::TimedOut);
    if let Some(tls) = tls {
        return format!(
            "{host} is not the API server that EKS describes, or something between changes TLS: {tls}"
        );
    }
    if connecting {
        return format!(
            "no route to its endpoint {host}; if it is a private one, put the function into a VPC that reaches it, \
             and let its security group in ({})",
            last(error)
        );
    }
    if late {
        return format!("{host} did not answer in time");
    }
    format!("{host}: {}", last(error))
}

/// The errors behind an error, itself first. An `io::Error` hides the one that it was made of from `source`.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    successors(Some(error), |error: &&'e (dyn Error + 'static)| {
        let error = *error;
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

/// The innermost words, which say the most.
fn last(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}
