//! Decisions: every state and every world has one, and none acts where it must not.

use std::collections::BTreeMap;

use eks_upgrade_core::cluster::{
    Found, Insight, InsightCategory, InsightStatus, Status, Update, UpdateStatus,
};
use eks_upgrade_core::control::{Consent, ConsentScope, Controls, KillSwitch};
use eks_upgrade_core::decide::{ActionName, Decision, NextHop, action_for, decide, next_hop};
use eks_upgrade_core::guard::{Call, Verdict, guard};
use eks_upgrade_core::ids::{Principal, Token};
use eks_upgrade_core::ledger::{Event, Phase, RunState};
use eks_upgrade_core::observe::{InsideSeen, World, queries, settle, verify};
use eks_upgrade_core::plan::{Hop, Step, StepKind};
use eks_upgrade_core::remedy::{Failure, Remedy};
use eks_upgrade_core::version::skew_allows;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;

use crate::given::{minor, now, usual, version};
use crate::ledgers::{entry, events, state_after, through};

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        6 => Just(Status::Active),
        2 => Just(Status::Updating),
        1 => Just(Status::Unwell("DEGRADED".into())),
        1 => Just(Status::Transient("DELETING".into())),
    ]
}

fn there<T: std::fmt::Debug + Clone>(
    what: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<Found<T>>> {
    proptest::option::weighted(0.8, prop_oneof![8 => what.prop_map(Found::Is), 1 => Just(Found::Gone)])
}

fn update(id: &'static str) -> impl Strategy<Value = Update> {
    let status = select(vec![
        UpdateStatus::InProgress,
        UpdateStatus::Successful,
        UpdateStatus::Failed,
        UpdateStatus::Cancelled,
        UpdateStatus::Unknown("Paused".into()),
    ]);
    status.prop_map(move |status| Update {
        id: id.parse().unwrap(),
        kind: "VersionUpdate".into(),
        status,
        created_at: now(),
        to: Some("1.34".into()),
        errors: Vec::new(),
    })
}

/// Anything that a look may show of the usual cluster, with anything of it missing.
fn world() -> impl Strategy<Value = World> {
    let case = usual();
    let (cluster, group) = (case.inventory.cluster.clone(), case.inventory.node_groups[0].clone());
    let addon = case.inventory.addons[0].clone();
    let cluster =
        (32..=36_u8, status(), proptest::bool::weighted(0.1)).prop_map(move |(at, status, anew)| {
            let created_at = if anew { now() } else { cluster.created_at };
            eks_upgrade_core::cluster::Cluster { version: minor(at), status, created_at, ..cluster.clone() }
        });
    let group = move |name: &'static str| {
        let group = group.clone();
        there((31..=35_u8, status()).prop_map(move |(at, status)| eks_upgrade_core::cluster::NodeGroup {
            name: name.into(),
            version: minor(at),
            status,
            ..group.clone()
        }))
    };
    let addon = move |name: &'static str| {
        let addon = addon.clone();
        there((14..=36_u32, status()).prop_map(move |(at, status)| eks_upgrade_core::cluster::Addon {
            name: name.into(),
            version: version(at),
            status,
            ..addon.clone()
        }))
    };
    let names = proptest::option::of(proptest::sample::subsequence(vec!["a", "b", "new"], 0..=3));
    let updates = (there(update("u-1")), there(update("u-2")), there(update("u-3")));
    (
        there(cluster),
        group("a"),
        group("b"),
        addon("vpc-cni"),
        addon("kube-proxy"),
        updates,
        (names, insights()),
    )
        .prop_map(|(cluster, a, b, cni, proxy, (one, two, three), (names, insights))| World {
            cluster,
            updates: [("u-1", one), ("u-2", two), ("u-3", three)]
                .into_iter()
                .filter_map(|(id, found)| Some((id.parse().unwrap(), found?)))
                .collect(),
            node_groups: named([("a", a), ("b", b)]),
            addons: named([("vpc-cni", cni), ("kube-proxy", proxy)]),
            insights,
            inside: InsideSeen::default(),
            node_group_names: names.map(|names| names.into_iter().map(str::to_owned).collect()),
        })
}

fn insights() -> impl Strategy<Value = BTreeMap<InsightCategory, Vec<Insight>>> {
    let status = select(vec![InsightStatus::Passing, InsightStatus::Error, InsightStatus::Unknown]);
    proptest::option::of(status).prop_map(|status| {
        let insight = |status| Insight {
            name: "Cluster health issues".into(),
            category: InsightCategory::UpgradeReadiness,
            status,
            about: None,
            reason: "in words".into(),
            refreshed_at: None,
            deprecated: Vec::new(),
        };
        status.map(|status| (InsightCategory::UpgradeReadiness, vec![insight(status)])).into_iter().collect()
    })
}

/// What people may have said: the switch thrown or not, force allowed or not.
fn controls() -> impl Strategy<Value = Controls> {
    (proptest::bool::weighted(0.2), any::<bool>()).prop_map(|(thrown, forced)| {
        let by: Principal = "arn:aws:sts::123456789012:assumed-role/sre/ada".parse().unwrap();
        let reason = "because".to_owned();
        let consent = Consent {
            id: "co-1".parse().unwrap(),
            cluster: usual().inventory.cluster.arn,
            scope: ConsentScope::Force { node_group: "a".into() },
            by: by.clone(),
            reason: reason.clone(),
            at: now(),
            expires_at: Timestamp::MAX,
        };
        Controls {
            switch: Some(KillSwitch { thrown, by, reason, at: now() }),
            consents: forced.then_some(consent).into_iter().collect(),
            approvals: Vec::new(),
        }
    })
}

fn named<T>(found: [(&str, Option<Found<T>>); 2]) -> BTreeMap<String, Found<T>> {
    found.into_iter().filter_map(|(name, found)| Some((name.to_owned(), found?))).collect()
}

/// The hop that is asked about: the one that the run is at; the last one when all are done.
fn hop_of(state: &RunState) -> Hop {
    let plan = state.plan.as_ref().unwrap();
    match next_hop(state).unwrap() {
        NextHop::Hop { hop, .. } => plan.hops[hop].clone(),
        NextHop::Complete { .. } => plan.hops.last().unwrap().clone(),
    }
}

fn busy(state: &RunState, is: fn(&StepKind) -> bool) -> usize {
    let plan = state.plan.as_ref().unwrap();
    state.in_flight().filter(|(id, _)| plan.step(id).is_some_and(|step| is(&step.kind))).count()
}

fn check_actions(
    state: &RunState,
    hop: &Hop,
    decision: &Decision,
    controls: &Controls,
    now: Timestamp,
) -> Result<(), TestCaseError> {
    let Decision::Act { actions } = decision else { return Ok(()) };
    prop_assert!(!actions.is_empty());
    for action in actions {
        let step = hop.steps.iter().find(|step| step.id == action.step).expect("a step of this hop");
        prop_assert!(state.is_ready(step), "{} is not ready", step.id);
        prop_assert!(step.after.iter().all(|id| state.is_done(id)));
        let progress = state.steps.get(&step.id);
        prop_assert_eq!(action.action, action_for(state, step, controls, now));
        match progress.map(|progress| &progress.phase) {
            Some(
                Phase::Done { .. } | Phase::InFlight { .. } | Phase::Baking { .. } | Phase::Following { .. },
            ) => {
                return Err(TestCaseError::fail(format!("{} is under way", step.id)));
            }
            Some(Phase::Intended { .. }) => {}
            None | Some(Phase::Failed { .. }) => {
                let held = step.kind.resource().is_some_and(|resource| state.foreign.contains_key(&resource));
                prop_assert!(!held, "somebody else has {}", step.id);
                let off = controls.thrown().is_some() && step.kind.work().is_some();
                prop_assert!(!off, "{} begins past the kill switch", step.id);
            }
        }
    }
    let (policy, is_group) =
        (&state.opened.policy, |kind: &StepKind| matches!(kind, StepKind::NodeGroup { .. }));
    let new_groups = actions.iter().filter(|action| {
        let step = hop.steps.iter().find(|step| step.id == action.step).unwrap();
        let begun = matches!(state.steps.get(&step.id).map(|p| &p.phase), Some(Phase::Intended { .. }));
        is_group(&step.kind) && !begun
    });
    let groups = new_groups.count() + busy(state, is_group);
    prop_assert!(groups <= usize::from(policy.node_groups_at_once), "{} groups at once", groups);
    Ok(())
}

/// The random states and worlds reach every kind of decision: else the properties would say little.
#[test]
fn every_kind_of_decision_is_met() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let cases = (events(), world(), controls(), 0..20_000_i64);
    let mut met = std::collections::BTreeSet::new();
    for _ in 0..400 {
        let (events, world, controls, later_s) =
            proptest::strategy::ValueTree::current(&cases.new_tree(&mut runner).unwrap());
        let state = state_after(&events);
        let now = state.updated_at + jiff::SignedDuration::from_secs(later_s);
        let decision = serde_json::to_value(decide(&state, &hop_of(&state), &world, &controls, now)).unwrap();
        met.insert(decision["next"].as_str().unwrap().to_owned());
    }
    assert_eq!(met.iter().map(String::as_str).collect::<Vec<_>>(), ["act", "done", "halt", "replan", "wait"]);
}

/// A plan that no longer fits does not leave a call in doubt: what became of it is found out first.
#[test]
fn a_call_in_doubt_is_resolved_before_planning_again() {
    let plan = usual().plan(1);
    let is_group = |step: &&Step| matches!(step.kind, StepKind::NodeGroup { .. });
    let groups: Vec<&Step> = plan.steps().filter(is_group).collect();
    let [meant, elsewhere] = groups[..] else { panic!("two groups roll") };
    let before = plan.steps().take_while(|step| !is_group(step)).flat_map(through);
    let intended = Event::Intended {
        step: meant.id.clone(),
        attempt: 1,
        token: Token::of(&"r".parse().unwrap(), 1, &meant.id, 1),
        request: "UpdateNodegroupVersion".into(),
        action: ActionName::RollNodeGroup,
        consent: None,
    };
    let failure = Failure {
        code: "ControlPlaneElsewhere".into(),
        message: "somebody took it on".into(),
        resources: Vec::new(),
        remedy: Remedy::Replan { nodes_each_hop: false },
        next_action: String::new(),
    };
    let withheld = Event::Withheld { step: elsewhere.id.clone(), failure };
    let events: Vec<_> = before.chain([intended, withheld]).map(|event| (event, 60)).collect();
    let state = state_after(&events);
    let decision = decide(&state, &hop_of(&state), &World::default(), &Controls::default(), state.updated_at);
    let Decision::Act { actions } = decision else { panic!("{decision:?}") };
    assert_eq!(actions.iter().map(|action| &action.step).collect::<Vec<_>>(), [&meant.id]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_state_and_world_has_a_decision_that_may_be_carried_out(
        events in events(),
        world in world(),
        controls in controls(),
        later_s in 0..20_000_i64,
    ) {
        let state = state_after(&events);
        let hop = hop_of(&state);
        let now = state.updated_at + jiff::SignedDuration::from_secs(later_s);
        let decision = decide(&state, &hop, &world, &controls, now);
        check_actions(&state, &hop, &decision, &controls, now)?;
        match &decision {
            Decision::Act { .. } => prop_assert!(state.ended.is_none(), "it acts for a run that is over"),
            Decision::Wait { seconds, text, .. } => prop_assert!(*seconds >= 1 && !text.is_empty()),
            Decision::Ask { .. } => prop_assert!(false, "the policy wants no approval"),
            Decision::Done => {
                let over = hop.steps.iter().all(|step| state.is_done(&step.id)) || state.ended.is_some();
                prop_assert!(over, "it goes on from a hop that is not over");
            }
            Decision::Replan { .. } => {
                prop_assert!(state.in_flight().next().is_none(), "it plans again under way");
            }
            Decision::Halt { code, next_action, .. } => {
                prop_assert!(!code.is_empty() && !next_action.is_empty());
            }
        }
    }

    #[test]
    fn what_a_look_shows_can_always_be_written(events in events(), world in world(), later_s in 0..2_000_i64) {
        let state = state_after(&events);
        prop_assume!(state.ended.is_none());
        let hop = hop_of(&state);
        let now = state.updated_at + jiff::SignedDuration::from_secs(later_s);
        let mut after = state.clone();
        for event in settle(&state, &hop, &world, now) {
            let line = entry(Some(&after), event.clone(), later_s).seal().unwrap();
            let extended = RunState::extend(Some(after), &line);
            prop_assert!(extended.is_ok(), "{:?}: {:?}", event, extended.err());
            after = extended.unwrap();
        }
    }

    #[test]
    fn an_odd_end_of_an_update_is_never_success(events in events(), world in world()) {
        let state = state_after(&events);
        let hop = hop_of(&state);
        for event in settle(&state, &hop, &world, state.updated_at) {
            if let Event::Succeeded { update, .. } = event {
                let status = world.updates[&update].is().map(|update| update.status.clone());
                prop_assert_eq!(status, Some(UpdateStatus::Successful));
            }
        }
    }

    #[test]
    fn what_was_not_looked_at_is_not_verified(events in events(), world in world()) {
        let state = state_after(&events);
        let hop = hop_of(&state);
        let step = hop.steps.last().unwrap();
        if let Some(Event::Verified { .. }) = verify(&state, &hop, step, &world) {
            let cluster = world.cluster().expect("the cluster was seen");
            prop_assert!(cluster.status == Status::Active && cluster.version >= hop.to);
        }
    }

    #[test]
    fn no_world_makes_the_guard_let_a_wrong_call_through(
        events in events(),
        world in world(),
        controls in controls(),
        asked in select(vec![
            ActionName::UpgradeControlPlane, ActionName::UpdateAddOn, ActionName::RollNodeGroup,
            ActionName::ForceNodeGroup, ActionName::OverwriteAddOn, ActionName::SetSupportType,
            ActionName::RollBackControlPlane, ActionName::Verify,
        ]),
    ) {
        let state = state_after(&events);
        for step in state.plan.as_ref().unwrap().steps() {
            let Verdict::Call(call) = guard(&state, step, asked, &world, &controls, state.updated_at) else { continue };
            prop_assert!(controls.thrown().is_none(), "{} past the kill switch", call);
            let cluster = world.cluster().expect("no call without a look at the cluster");
            prop_assert_eq!(cluster.created_at, state.opened.cluster_created_at);
            prop_assert_eq!(&cluster.status, &Status::Active);
            match call {
                Call::UpdateClusterVersion { version } => {
                    prop_assert_eq!(version, cluster.version.next());
                    let groups = world.node_groups.values().filter_map(Found::is);
                    let listed = world.node_group_names.as_ref().expect("no call without a look at the groups");
                    for group in groups.filter(|group| listed.contains(&group.name)) {
                        prop_assert!(skew_allows(version, group.version));
                    }
                }
                Call::UpdateNodegroupVersion { name, version, force, .. } => {
                    prop_assert_eq!(version, Some(cluster.version));
                    prop_assert_eq!(force, asked == ActionName::ForceNodeGroup);
                    let evicted = state.steps.get(&step.id).is_some_and(|progress| progress.eviction_failed);
                    let allowed = name == "a" && evicted && !controls.consents.is_empty();
                    prop_assert!(!force || allowed, "the policy is rolling, and nobody allowed force");
                    prop_assert_eq!(&world.node_groups[&name].is().unwrap().status, &Status::Active);
                }
                Call::RollBackClusterVersion { .. } | Call::SetExtendedSupport => {
                    prop_assert!(false, "the plan goes up");
                }
                Call::UpdateAddon { name, version, overwrite, .. } => {
                    prop_assert!(!overwrite, "nobody allowed to overwrite");
                    let addon = world.addons[&name].is().unwrap();
                    prop_assert!(version > addon.version && addon.status != Status::Updating);
                }
            }
        }
    }

    #[test]
    fn only_what_can_change_the_decision_is_asked_for(events in events()) {
        let state = state_after(&events);
        let hop = hop_of(&state);
        // The cluster, the listed groups and add-ons, one update each, and three resources of other people.
        prop_assert!(queries(&state, &hop, &World::default(), now()).len() <= 2 * hop.steps.len() + 4);
    }
}
