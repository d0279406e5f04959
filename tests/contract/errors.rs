//! The names of errors: what the state machines catch and retry, and what the functions raise.

use std::collections::BTreeSet;

use eks_upgrade_core::contract::RETRYABLE_ERRORS;
use eks_upgrade_core::control::NotCounted;
use eks_upgrade_core::door::DoorError;
use eks_upgrade_core::ids::{CampaignId, RunId};
use eks_upgrade_core::ledger::LedgerError;
use eks_upgrade_core::version::Minor;
use eks_upgrade_pipeline::error::PipelineError;
use eks_upgrade_pipeline::ports::{EksDown, LedgerDown};
use jiff::Timestamp;
use serde_json::Value;

use crate::machine;

/// Errors of AWS's own that the definitions may name.
const AWS_ERRORS: [&str; 18] = [
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.EC2ThrottledException",
    "Lambda.ENILimitReachedException",
    "Lambda.ResourceNotReadyException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Sandbox.Timedout",
    "States.ALL",
    "States.HeartbeatTimeout",
    "States.TaskFailed",
    "States.Timeout",
    "StepFunctions.ExecutionAlreadyExistsException",
    "StepFunctions.ServiceException",
    "StepFunctions.ThrottlingException",
];

fn run() -> RunId {
    "prod-a-1.35-5f0c2a91".parse().unwrap()
}

fn campaign() -> CampaignId {
    "sweep-5f0c2a91d3e4b6a7".parse().unwrap()
}

fn minor() -> Minor {
    "1.35".parse().unwrap()
}

/// One of each variant. The match has no wildcard: a new variant does not compile until it stands here.
fn every_pipeline_error() -> Vec<PipelineError> {
    let text = String::new;
    let eks_down = |denied| EksDown { operation: "eks:DescribeCluster", denied, why: text() };
    let broken = LedgerError::Unreadable { seq: 1, why: text() };
    let all = vec![
        PipelineError::MalformedPayload(text()),
        PipelineError::LedgerUnavailable(LedgerDown(text())),
        PipelineError::LedgerBroken(broken),
        PipelineError::LeaseLost(run()),
        PipelineError::UnknownWork { run: run(), what: text() },
        PipelineError::EksUnavailable(eks_down(false)),
        PipelineError::EksUnavailable(eks_down(true)),
        PipelineError::FateUnknown { call: text(), why: text() },
        PipelineError::LedgerBusy(run()),
        PipelineError::CampaignLost(campaign()),
        PipelineError::UnknownCampaign { campaign: campaign(), what: text() },
        PipelineError::CampaignBusy(campaign()),
        PipelineError::Unproven(text()),
        PipelineError::NotSayable(text()),
        PipelineError::NotCounted(NotCounted::Unknown("ap-5f0c2a91d3e4".parse().unwrap())),
    ];
    for error in &all {
        match error {
            PipelineError::Door(_)
            | PipelineError::MalformedPayload(_)
            | PipelineError::LedgerUnavailable(_)
            | PipelineError::LedgerBroken(_)
            | PipelineError::LeaseLost(_)
            | PipelineError::UnknownWork { .. }
            | PipelineError::EksUnavailable(_)
            | PipelineError::FateUnknown { .. }
            | PipelineError::LedgerBusy(_)
            | PipelineError::CampaignLost(_)
            | PipelineError::UnknownCampaign { .. }
            | PipelineError::CampaignBusy(_)
            | PipelineError::Unproven(_)
            | PipelineError::NotSayable(_)
            | PipelineError::NotCounted(_) => {}
        }
    }
    all.into_iter().chain(every_door_error().into_iter().map(PipelineError::Door)).collect()
}

fn every_door_error() -> Vec<DoorError> {
    let cluster = || "prod-a".parse().unwrap();
    let text = String::new;
    let all = vec![
        DoorError::InvalidRequest(text()),
        DoorError::MalformedCluster(text()),
        DoorError::WrongAccount { cluster: cluster(), theirs: text(), ours: text() },
        DoorError::WrongRegion { cluster: cluster(), theirs: text(), ours: text() },
        DoorError::ClusterNotFound { cluster: cluster(), region: text(), account: text() },
        DoorError::AnotherCluster { cluster: cluster(), created_at: Timestamp::UNIX_EPOCH },
        DoorError::NotOptedIn { cluster: cluster(), tag: text() },
        DoorError::ClusterNotActive { cluster: cluster(), status: text() },
        DoorError::TargetNotNewer { cluster: cluster(), current: minor(), target: minor(), why: text() },
        DoorError::UnknownTarget { target: text(), why: text() },
        DoorError::LeaseHeld { cluster: cluster(), run: run(), execution: text() },
        DoorError::NothingToResume(run()),
        DoorError::ConsentWanted { cluster: cluster(), what: text(), how: text() },
        DoorError::InvalidPolicy(text()),
    ];
    for error in &all {
        match error {
            DoorError::InvalidRequest(_)
            | DoorError::MalformedCluster(_)
            | DoorError::WrongAccount { .. }
            | DoorError::WrongRegion { .. }
            | DoorError::ClusterNotFound { .. }
            | DoorError::AnotherCluster { .. }
            | DoorError::NotOptedIn { .. }
            | DoorError::ClusterNotActive { .. }
            | DoorError::TargetNotNewer { .. }
            | DoorError::UnknownTarget { .. }
            | DoorError::LeaseHeld { .. }
            | DoorError::NothingToResume(_)
            | DoorError::ConsentWanted { .. }
            | DoorError::InvalidPolicy(_) => {}
        }
    }
    all
}

fn ours() -> BTreeSet<&'static str> {
    every_pipeline_error().iter().map(PipelineError::name).collect()
}

/// The names in the `ErrorEquals` of every rule under `key`.
fn named<'a>(state: &'a Value, key: &str) -> Vec<&'a str> {
    let rules = state[key].as_array().map_or(&[][..], Vec::as_slice);
    rules
        .iter()
        .flat_map(|rule| rule["ErrorEquals"].as_array().unwrap())
        .map(|name| name.as_str().unwrap())
        .collect()
}

#[test]
fn what_is_retried_is_what_another_try_may_cure() {
    let ours = ours();
    let expected: BTreeSet<&str> = RETRYABLE_ERRORS.into();
    assert!(expected.is_subset(&ours), "{expected:?} names errors that no function raises");
    for machine in machine::all() {
        for (name, state, _) in machine.invocations() {
            let retried: BTreeSet<&str> =
                named(state, "Retry").into_iter().filter(|error| !AWS_ERRORS.contains(error)).collect();
            assert_eq!(retried, expected, "{}: {name}", machine.name);
        }
    }
}

#[test]
fn a_function_that_dies_is_called_again() {
    for machine in machine::all() {
        for (name, state, _) in machine.invocations() {
            let retried = named(state, "Retry");
            for death in ["Runtime.ExitError", "Sandbox.Timedout", "Lambda.Unknown"] {
                assert!(retried.contains(&death), "{}: {name} gives up on {death}", machine.name);
            }
        }
    }
}

#[test]
fn every_error_that_is_named_exists() {
    let ours = ours();
    for machine in machine::all() {
        for (name, state) in machine.states() {
            for error in named(state, "Retry").into_iter().chain(named(state, "Catch")) {
                let known = ours.contains(error) || AWS_ERRORS.contains(&error);
                assert!(known, "{}: {name} names {error}, which nobody raises", machine.name);
            }
        }
    }
}

/// Whether the way from a state, its own catches aside, ends in failure.
fn fails(machine: &machine::Machine, name: &str) -> bool {
    let state = machine.state(name);
    state["Type"] == "Fail" || state["Next"].as_str().is_some_and(|next| fails(machine, next))
}

#[test]
fn an_action_that_another_look_may_cure_is_looked_at_again_and_any_other_ends_the_hop() {
    let hop = machine::read("hop");
    for (name, state, _) in hop.invocations() {
        if name == "Decide" {
            // It has no Catch: every error but the retried ones ends the hop, and with it the execution.
            assert!(state.get("Catch").is_none());
            continue;
        }
        if machine::asks(state) {
            // Nobody answered yet: the record is looked at again. Any other error ends the hop.
            assert_eq!(named(state, "Catch"), ["States.Timeout", "States.HeartbeatTimeout"]);
            assert!(!named(state, "Retry").contains(&"States.Timeout"), "{name} asks again without a look");
            continue;
        }
        let rules = state["Catch"].as_array().unwrap();
        let [curable, rest] = &rules[..] else { panic!("{name} catches {} times", rules.len()) };
        assert_eq!(curable["ErrorEquals"], state["Retry"][0]["ErrorEquals"], "{name}");
        assert_eq!(curable["Next"], "LookAgain", "{name}");
        // LeaseLost and LedgerBroken are among these.
        assert_eq!(rest["ErrorEquals"], serde_json::json!(["States.ALL"]), "{name}");
        assert!(fails(&hop, rest["Next"].as_str().unwrap()), "{name}");
    }
}

#[test]
fn what_cannot_go_on_ends_the_upgrade_and_leaves_the_run_open() {
    let upgrade = machine::read("upgrade");
    for state in ["NextHop", "UpgradeHop", "Complete", "Halt"] {
        assert_eq!(named(upgrade.state(state), "Catch"), ["States.ALL"], "{state}");
        let next = upgrade.state(state)["Catch"][0]["Next"].as_str().unwrap();
        assert!(fails(&upgrade, next), "{state}");
        assert_eq!(upgrade.state("Interrupted")["Type"], "Fail");
    }
}

#[test]
fn every_error_of_ours_has_one_name_that_reads_as_one() {
    for error in every_pipeline_error() {
        let name = error.name();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()) && name.starts_with(char::is_uppercase));
        assert!(!AWS_ERRORS.contains(&name));
    }
}

#[test]
fn a_function_that_lambda_cannot_run_just_now_is_called_again() {
    let lambdas: Vec<&str> = AWS_ERRORS.into_iter().filter(|name| name.starts_with("Lambda.")).collect();
    for machine in machine::all() {
        for (name, state, _) in machine.invocations() {
            let retried = named(state, "Retry");
            for error in &lambdas {
                assert!(retried.contains(error), "{}: {name} gives up on {error}", machine.name);
            }
        }
    }
}
