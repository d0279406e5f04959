//! What to make of a failure: try again, wait, or stop with the next safe action in words.
//!
//! Every code that EKS documents for an update and for a refused call has its row here; a code that is not
//! known stops, because what is not understood is not repeated.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What follows from a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "do")]
pub enum Remedy {
    /// Try again after a pause; counts against the policy's attempts.
    Retry {
        /// The pause.
        after_s: u32,
    },
    /// Nothing was wrong with the step itself; try again after a pause, as often as it takes.
    Wait {
        /// The pause.
        after_s: u32,
    },
    /// The cluster must be planned again from what it is now.
    Replan {
        /// Whether node groups have to follow every hop: EKS asked for equal versions.
        nodes_each_hop: bool,
    },
    /// The control plane goes back, by policy.
    RollBack,
    /// Not to be tried again by itself.
    Stop,
}

/// Why a step's attempt did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// EKS's error code, or one of our own.
    pub code: String,
    /// In words.
    pub message: String,
    /// What it concerns, such as node names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// What follows.
    pub remedy: Remedy,
    /// The next safe thing for a person to do.
    pub next_action: String,
}

/// The code of an add-on update that found fields changed by people.
pub const CONFIGURATION_CONFLICT: &str = "ConfigurationConflict";
/// The code of a run that was given up for another one.
pub const SUPERSEDED: &str = "Superseded";
/// The code of what somebody else is changing just now.
pub const RESOURCE_IN_USE: &str = "ResourceInUse";
/// The code of a node group update that pods or their budgets held up.
pub const POD_EVICTION_FAILURE: &str = "PodEvictionFailure";

/// What to make of an update that EKS reports as failed, from the code of its first error.
#[must_use]
pub fn of_update(code: &str, message: String, resources: Vec<String>) -> Failure {
    let retry = |after_s| Remedy::Retry { after_s };
    let (remedy, next) = match code {
        POD_EVICTION_FAILURE => (
            retry(300),
            "see which PodDisruptionBudget or pod holds these nodes (kubectl get pdb -A) and let it go, or allow \
             force for this group (eks-upgrade consent CLUSTER force GROUP --reason \"...\"), then start again",
        ),
        "NodeCreationFailure" => (
            retry(600),
            "see why new nodes do not join (capacity, subnets, node role, user data), then start again",
        ),
        "IpNotAvailable" | "InsufficientFreeAddresses" => {
            (Remedy::Stop, "free addresses in the subnets (at least 5 in each), then start again")
        }
        "EniLimitReached" => (retry(900), "ask for a higher limit of network interfaces, then start again"),
        "SubnetNotFound" | "SecurityGroupNotFound" | "VpcIdNotFound" => {
            (Remedy::Stop, "restore the network resource that EKS names, then start again")
        }
        "AccessDenied" => (
            Remedy::Stop,
            "restore the permissions of the cluster's or the node group's role, then start again",
        ),
        "OperationNotPermitted" | "UnsupportedAddonModification" => {
            (Remedy::Stop, "see what EKS says above; the operation cannot be repeated as it is")
        }
        "ClusterUnreachable" => (retry(300), "see why the API server does not answer, then start again"),
        "InsufficientNumberOfReplicas" => {
            (retry(300), "see why the add-on's pods do not become ready, then start again")
        }
        CONFIGURATION_CONFLICT => (
            Remedy::Stop,
            "settle the named fields by hand, or allow their loss (eks-upgrade consent CLUSTER overwrite ADDON \
             --reason \"...\"), then start again",
        ),
        "AdmissionRequestDenied" => {
            (retry(120), "see which admission webhook denied the add-on's objects, then start again")
        }
        "K8sResourceNotFound" => (retry(120), "see which object is missing in the cluster, then start again"),
        "Unknown" => (retry(300), "see the update in the EKS console; if it fails again ask AWS Support"),
        _ => (Remedy::Stop, "see the update in the EKS console; this code is not known to be safe to repeat"),
    };
    Failure { code: code.to_owned(), message, resources, remedy, next_action: next.to_owned() }
}

/// An update that ended in a way that is neither success nor failure.
#[must_use]
pub fn of_odd_end(status: &str) -> Failure {
    Failure {
        code: "UpdateNotSuccessful".into(),
        message: format!("EKS ended the update as {status}"),
        resources: Vec::new(),
        remedy: Remedy::Stop,
        next_action:
            "somebody cancelled or EKS reports something new: look at the cluster before starting again"
                .into(),
    }
}

/// An update that EKS no longer knows.
#[must_use]
pub fn of_lost_update(id: &crate::ids::UpdateId) -> Failure {
    Failure {
        code: "UpdateNotFound".into(),
        message: format!("EKS does not know update {id}"),
        resources: Vec::new(),
        // The state decides next: if the version is there the step is done, else it is tried again.
        remedy: Remedy::Retry { after_s: 60 },
        next_action: "look at the cluster's updates, then start again".into(),
    }
}

/// A mutating call that EKS refused, so that nothing began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The error's name, such as `InvalidRequestException`.
    pub name: String,
    /// EKS's words.
    pub message: String,
}

/// What to make of a refused call.
#[must_use]
pub fn of_refusal(refusal: &Refusal) -> Failure {
    let name = refusal.name.trim_end_matches("Exception");
    let wants_equal_nodes = refusal.message.contains("must be updated to match cluster version");
    let (remedy, next) = match (name, refusal.status) {
        // Any 429 is a throttle, whether the operation's model declares it or not.
        ("KillSwitch" | "Throttling" | "TooManyRequests" | "ResourceInUse", _) | (_, 409 | 429) => {
            (Remedy::Wait { after_s: 60 }, "")
        }
        (_, 500..) => (Remedy::Wait { after_s: 120 }, ""),
        ("ResourceLimitExceeded", _) => (Remedy::Stop, "ask for the higher limit, then start again"),
        ("AccessDenied", _) | (_, 401 | 403) => (
            Remedy::Stop,
            "give the act function's role the permission that EKS names (infra/template.yaml), then start again",
        ),
        ("ResourceNotFound", _) | (_, 404) => (Remedy::Wait { after_s: 60 }, ""),
        _ if wants_equal_nodes => (
            Remedy::Replan { nodes_each_hop: true },
            "bring the node groups that EKS names to the control plane's version, then start again",
        ),
        _ if refusal.message.contains("IPs in each subnet to be free") => {
            (Remedy::Stop, "free at least 5 addresses in each of the cluster's subnets, then start again")
        }
        _ => (Remedy::Stop, "EKS refuses this as it is: see its words, then start again"),
    };
    Failure {
        code: name.to_owned(),
        message: refusal.message.clone(),
        resources: Vec::new(),
        remedy,
        next_action: next.to_owned(),
    }
}

/// The id of the update in progress that a refusal names, as in `... currently has update <uuid> in progress`.
#[must_use]
pub fn update_in_progress(message: &str) -> Option<crate::ids::UpdateId> {
    let (_, rest) = message.split_once("currently has update ")?;
    let (id, _) = rest.split_once(" in progress")?;
    id.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, name: &str, message: &str) -> Failure {
        of_refusal(&Refusal { status, name: name.into(), message: message.into() })
    }

    #[test]
    fn any_429_is_a_throttle_and_never_a_failure() {
        assert!(matches!(refusal(429, "Surprise", "").remedy, Remedy::Wait { .. }));
        assert!(matches!(refusal(503, "ServiceUnavailableException", "").remedy, Remedy::Wait { .. }));
    }

    #[test]
    fn denied_and_unknown_refusals_stop() {
        assert_eq!(refusal(403, "AccessDeniedException", "no").remedy, Remedy::Stop);
        assert_eq!(refusal(400, "BrandNewException", "no").remedy, Remedy::Stop);
        assert_eq!(of_update("BrandNewCode", String::new(), vec![]).remedy, Remedy::Stop);
    }

    /// What follows from an update that failed with this code, and what a person is told to do.
    fn update(code: &str) -> (Remedy, String) {
        let failure = of_update(code, "in words".into(), vec!["i-1".into()]);
        assert_eq!((failure.code.as_str(), failure.message.as_str()), (code, "in words"));
        assert_eq!(failure.resources, ["i-1"]);
        (failure.remedy, failure.next_action)
    }

    #[test]
    fn what_may_pass_by_itself_is_tried_again_after_a_while() {
        for (code, after_s, next) in [
            (POD_EVICTION_FAILURE, 300, "PodDisruptionBudget"),
            ("NodeCreationFailure", 600, "why new nodes do not join"),
            ("EniLimitReached", 900, "network interfaces"),
            ("ClusterUnreachable", 300, "API server does not answer"),
            ("InsufficientNumberOfReplicas", 300, "do not become ready"),
            ("AdmissionRequestDenied", 120, "admission webhook"),
            ("K8sResourceNotFound", 120, "object is missing"),
            ("Unknown", 300, "AWS Support"),
        ] {
            let (remedy, next_action) = update(code);
            assert_eq!(remedy, Remedy::Retry { after_s }, "{code}");
            assert!(next_action.contains(next), "{code}: {next_action}");
        }
    }

    #[test]
    fn what_only_a_person_can_mend_stops_and_says_how() {
        for (code, next) in [
            ("IpNotAvailable", "free addresses"),
            ("InsufficientFreeAddresses", "free addresses"),
            ("SubnetNotFound", "network resource"),
            ("SecurityGroupNotFound", "network resource"),
            ("VpcIdNotFound", "network resource"),
            ("AccessDenied", "permissions"),
            ("OperationNotPermitted", "cannot be repeated as it is"),
            ("UnsupportedAddonModification", "cannot be repeated as it is"),
            (CONFIGURATION_CONFLICT, "consent CLUSTER overwrite ADDON"),
            ("Anything", "not known to be safe to repeat"),
        ] {
            let (remedy, next_action) = update(code);
            assert_eq!(remedy, Remedy::Stop, "{code}");
            assert!(next_action.contains(next), "{code}: {next_action}");
        }
    }

    #[test]
    fn an_update_that_ended_oddly_stops_and_one_that_is_lost_is_looked_for() {
        let odd = of_odd_end("Cancelled");
        assert_eq!((odd.code.as_str(), odd.remedy), ("UpdateNotSuccessful", Remedy::Stop));
        assert!(odd.message.contains("Cancelled") && !odd.next_action.is_empty());
        let lost = of_lost_update(&"u-1".parse().unwrap());
        assert_eq!((lost.code.as_str(), lost.remedy), ("UpdateNotFound", Remedy::Retry { after_s: 60 }));
        assert!(lost.message.contains("u-1") && !lost.next_action.is_empty());
    }

    #[test]
    fn a_call_is_waited_for_that_is_throttled_or_comes_too_early_or_meets_trouble_of_eks() {
        let waits = |status, name| match refusal(status, name, "") {
            Failure { remedy: Remedy::Wait { after_s }, .. } => after_s,
            other => panic!("{other:?}"),
        };
        for name in
            ["KillSwitch", "ThrottlingException", "TooManyRequestsException", "ResourceInUseException"]
        {
            assert_eq!(waits(400, name), 60, "{name}");
        }
        assert_eq!((waits(409, "Surprise"), waits(429, "Surprise")), (60, 60));
        assert_eq!((waits(500, "ServerException"), waits(503, "Surprise")), (120, 120));
        assert_eq!((waits(400, "ResourceNotFoundException"), waits(404, "Surprise")), (60, 60));
    }

    #[test]
    fn a_call_that_stays_refused_stops_and_says_what_to_do() {
        for (status, name, message, next) in [
            (400, "ResourceLimitExceededException", "", "higher limit"),
            (400, "AccessDeniedException", "", "infra/template.yaml"),
            (401, "Surprise", "", "infra/template.yaml"),
            (403, "Surprise", "", "infra/template.yaml"),
            (400, "InvalidRequestException", "at least 5 IPs in each subnet to be free", "5 addresses"),
            (400, "InvalidRequestException", "something else", "see its words"),
        ] {
            let failure = refusal(status, name, message);
            assert_eq!(failure.remedy, Remedy::Stop, "{status} {name}");
            assert!(failure.next_action.contains(next), "{status} {name}: {}", failure.next_action);
            assert_eq!(failure.message, message);
        }
    }

    #[test]
    fn eks_asking_for_equal_nodes_asks_for_another_plan() {
        let text =
            "Nodegroups ng-a must be updated to match cluster version 1.18 before updating cluster version";
        assert_eq!(
            refusal(400, "InvalidRequestException", text).remedy,
            Remedy::Replan { nodes_each_hop: true }
        );
    }

    #[test]
    fn the_update_in_progress_is_read_from_the_refusal() {
        let text = "Cannot VersionUpdate because cluster a currently has update 1b2c-3d in progress";
        assert_eq!(update_in_progress(text).unwrap().as_str(), "1b2c-3d");
        assert_eq!(update_in_progress("busy"), None);
    }
}
