//! Campaigns, from the trigger to the end, on the definitions as they are.

use eks_upgrade_core::campaign::outcome::Outcome as Became;
use eks_upgrade_core::campaign::{CampaignState, Over};
use eks_upgrade_core::cluster::{Resource, Status};
use eks_upgrade_core::contract::{CampaignInput, IntakeAnswer};
use eks_upgrade_core::control::Answer;
use eks_upgrade_core::guard::Call;
use eks_upgrade_core::ids::CampaignId;
use eks_upgrade_core::ledger::Ending;
use eks_upgrade_core::screen::LeftAloneCode;
use eks_upgrade_pipeline::ports::Time;
use eks_upgrade_support::{Fleet, Installed, Mishap, Outcome, Twist, installed, word};
use serde_json::json;

const RINGS: &str = "bake: {duration: 0s}\nrings: {order: [{name: dev}, {name: staging}, {name: prod}]}\n";

fn fleet(policy: &str, clusters: &[(&str, &str)]) -> Fleet {
    clusters.iter().fold(Fleet::new().under(policy), |fleet, (name, env)| {
        let mut cluster = installed(name, "1.34");
        cluster.cluster.tags.insert("env".into(), (*env).into());
        fleet.with(cluster)
    })
}

fn sweep(fleet: &Fleet) -> Option<CampaignInput> {
    fleet.take(&json!({"trigger": "sweep"})).expect("it lives").expect("it answers");
    fleet.table.memory.kept().started.last().cloned()
}

fn state(fleet: &Fleet, input: &CampaignInput) -> CampaignState {
    let lines = fleet.table.memory.kept().records[&input.campaign].clone();
    CampaignState::read(&lines).unwrap().unwrap()
}

fn version(fleet: &Fleet, name: &str) -> String {
    fleet.eks.see(name).cluster.version.to_string()
}

const SMALL: [(&str, &str); 5] =
    [("d1", "dev"), ("d2", "dev"), ("s1", "staging"), ("p1", "prod"), ("p2", "prod")];

#[test]
fn a_campaign_goes_ring_by_ring_and_soaks() {
    let fleet = fleet(RINGS, &SMALL);
    let input = sweep(&fleet).unwrap();
    let before = fleet.clock.now();
    let output = fleet.start_campaign(&input).output().unwrap();
    assert_eq!(output["completed"], 5, "{output}");
    for (name, _) in SMALL {
        assert_eq!(version(&fleet, name), "1.35");
    }
    let state = state(&fleet, &input);
    let waves: Vec<(usize, usize)> = state.waves.iter().map(|wave| (wave.ring, wave.members.len())).collect();
    assert_eq!(waves, [(0, 1), (0, 1), (1, 1), (2, 1), (2, 1)]);
    assert!(fleet.clock.now().duration_since(before).as_hours() >= 5);
    assert_eq!(fleet.wrongs(), Vec::<String>::new());
    let starts = fleet.table.memory.kept().started.len();
    sweep(&fleet);
    assert_eq!(fleet.table.memory.kept().started.len(), starts, "nothing is left to do");
}

#[test]
fn a_failure_in_staging_stops_the_campaign_and_holds_prod_back_until_it_is_mended() {
    let fleet = fleet(RINGS, &SMALL);
    let fine = || Twist::Ends(Outcome::Successful);
    for twist in [fine(), fine(), Twist::Ends(Outcome::Failed("AccessDenied", "a role is gone", &[]))] {
        fleet.eks.twist(Resource::ControlPlane, twist);
    }
    let input = sweep(&fleet).unwrap();
    let failed = fleet.start_campaign(&input).output().unwrap_err();
    assert_eq!(failed.error, "CampaignStopped", "{failed:?}");
    assert_eq!((version(&fleet, "d2"), version(&fleet, "p1")), ("1.35".into(), "1.34".into()));
    assert!(matches!(state(&fleet, &input).over, Some(Over::Stopped { .. })));

    fleet.pass(86_400);
    let answer = fleet.take(&json!({"trigger": "sweep"})).unwrap().unwrap();
    let IntakeAnswer::Campaign { upgrades, left_alone, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(upgrades, Vec::<String>::new());
    let codes: Vec<LeftAloneCode> = left_alone.iter().map(|left| left.code).collect();
    assert_eq!(
        codes,
        [LeftAloneCode::EarlierRingFailed, LeftAloneCode::EarlierRingFailed, LeftAloneCode::HaltedBefore],
        "{left_alone:#?}"
    );

    // Somebody mends it, by hand.
    let _ = fleet.start(json!({"cluster": "s1", "target": "1.35"})).finish();
    assert_eq!(version(&fleet, "s1"), "1.35");
    fleet.pass(86_400);
    let input = sweep(&fleet).unwrap();
    assert_eq!(fleet.start_campaign(&input).output().unwrap()["completed"], 2);
}

/// What becomes of `p1`, and of what EKS was called for on it, where this happens to it before its wave.
fn before_its_wave(happens: impl Fn(&mut Installed) + 'static) -> (Option<Became>, String) {
    let fleet = fleet(RINGS, &SMALL);
    let input = sweep(&fleet).unwrap();
    let mut campaign = fleet.start_campaign(&input);
    campaign.until_at("WaitForSoak");
    fleet.eks.change("p1", |cluster| happens(cluster));
    let output = campaign.output().unwrap();
    assert_eq!(output["completed"], 4, "{output}");
    let state = state(&fleet, &input);
    let of_p1 = state.members.into_iter().find(|(arn, _)| arn.name.as_str() == "p1");
    (of_p1.and_then(|(_, (_, outcome))| outcome), version(&fleet, "p1"))
}

fn untouched(code: &str) -> Became {
    Became::Untouched { code: code.into() }
}

#[test]
fn a_cluster_that_was_made_anew_under_its_name_before_its_wave_is_not_the_one_that_was_taken_in() {
    let made_anew = |installed: &mut Installed| {
        installed.cluster.created_at = "2026-08-18T10:00:00Z".parse().unwrap();
        installed.cluster.tags.clear();
    };
    assert_eq!(before_its_wave(made_anew), (Some(untouched("AnotherCluster")), "1.34".into()));
}

#[test]
fn a_cluster_whose_tag_was_taken_away_before_its_wave_is_left_alone() {
    let tag = eks_upgrade_core::policy::OptIn::default().key;
    let taken_away = move |installed: &mut Installed| {
        installed.cluster.tags.remove(&tag);
    };
    assert_eq!(before_its_wave(taken_away), (Some(untouched("NotOptedIn")), "1.34".into()));
}

#[test]
fn a_run_that_was_interrupted_and_whose_cluster_is_gone_is_ended_by_the_sweep() {
    let fleet = Fleet::new().with(installed("prod-a", "1.34"));
    let mut first = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
    first.until_at("WaitForControlPlane");
    let run = first.run();
    first.abort();
    fleet.eks.state().clusters.clear();
    let input = sweep(&fleet).expect("it is a matter for a campaign");
    let _ = fleet.start_campaign(&input).output();
    let Some(Ending::Halted { code, .. }) = fleet.run(&run).ended else { panic!("the run goes on") };
    assert_eq!(code, "TargetGone");
    assert!(fleet.lease("prod-a").expect("there was one").ended.is_some(), "the lease is free");
}

#[test]
fn a_campaign_whose_execution_died_goes_on_by_the_next_sweep_and_upgrades_nothing_twice() {
    for place in
        ["NextWave", "UpgradeWave", "WaitForControlPlane", "WaitForNodeGroups", "WaveEnded", "WaitForSoak"]
    {
        let fleet = fleet("bake: {duration: 0s}\nrings: {order: [{name: dev, waves: [2]}]}\n", &SMALL);
        let input = sweep(&fleet).unwrap();
        let mut first = fleet.start_campaign(&input);
        first.until_at(place);
        first.abort();
        fleet.pass(3_000);
        let again = sweep(&fleet).unwrap();
        assert_eq!(again.campaign, input.campaign);
        if place == "NextWave" {
            // It had told nobody that it was there. Step Functions would not give its name again.
            assert_eq!(again.generation, 1);
        } else {
            assert_eq!(again.generation, 2, "{place}");
        }
        let again = CampaignInput { generation: 2, ..again };
        let output = fleet.start_campaign(&again).output().unwrap();
        assert_eq!((&output["completed"], &output["failed"]), (&json!(5), &json!(0)), "{place}: {output}");
        let hops = fleet.eks.began().into_iter().filter(|call| call.starts_with("UpdateClusterVersion"));
        assert_eq!(hops.count(), 5, "{place}");
        assert_eq!(fleet.wrongs(), Vec::<String>::new());
    }
}

#[test]
fn an_execution_that_died_alone_leaves_upgrades_that_are_waited_for() {
    let fleet = fleet("bake: {duration: 0s}\n", &SMALL[..1]);
    let input = sweep(&fleet).unwrap();
    let mut first = fleet.start_campaign(&input);
    first.until_at("WaitForControlPlane");
    first.abort_alone();
    let again = sweep(&fleet).unwrap();
    let mut second = fleet.start_campaign(&again);
    let output = second.output().unwrap();
    assert_eq!((&output["completed"], &output["failed"]), (&json!(1), &json!(0)), "{output}");
    let states: Vec<String> = fleet.history().into_iter().map(|entered| entered.state).collect();
    assert!(states.iter().any(|state| state == "WaitForUpgrades"), "{states:?}");
    assert_eq!(state(&fleet, &input).generation, 2);
}

#[test]
fn a_ring_waits_for_its_yes_and_the_kill_switch_holds_a_wave() {
    let policy = format!("{RINGS}approvals: [{{before: ring, rings: [prod]}}]\n");
    let fleet = fleet(&policy, &SMALL);
    let input = sweep(&fleet).unwrap();
    fleet.switch(true);
    fleet.then(7_200, |fleet| fleet.switch(false));
    let mut execution = fleet.start_campaign(&input);
    execution.until_at("WaitForApproval");
    assert_eq!((version(&fleet, "s1"), version(&fleet, "p1")), ("1.35".into(), "1.34".into()));
    fleet.then(1_800, |fleet| fleet.answer(Answer::Approve));
    assert_eq!(execution.output().unwrap()["completed"], 5);
    let events: Vec<String> = fleet.table.memory.kept().records[&input.campaign]
        .iter()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(&line.body).unwrap()["event"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert!(events.contains(&"paused".into()) && events.contains(&"approval-answered".into()), "{events:?}");
}

#[test]
fn what_goes_bad_while_it_soaks_stops_the_campaign() {
    let fleet = fleet(RINGS, &SMALL);
    let input = sweep(&fleet).unwrap();
    let mut execution = fleet.start_campaign(&input);
    execution.until_at("WaitForSoak");
    fleet.eks.state().clusters.values_mut().for_each(|one| {
        if one.cluster.version.to_string() == "1.35" {
            one.cluster.health_issues.push("ClusterUnreachable: no".into());
        }
    });
    let failed = execution.output().unwrap_err();
    assert_eq!(failed.error, "CampaignStopped");
    assert!(failed.cause.as_ref().unwrap().contains("UnwellAfterwards"), "{failed:?}");
}

/// A campaign of one wave of so many clusters, which are upgraded and soak.
fn one_wave(count: usize) -> (Fleet, CampaignInput) {
    let names: Vec<String> = (0..count).map(|place| format!("d{place:03}")).collect();
    let clusters: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "dev")).collect();
    let policy = "bake: {duration: 0s}\nrings: {order: [{name: dev, waves: [200]}]}\n";
    let fleet = fleet(policy, &clusters);
    let input = sweep(&fleet).unwrap();
    (fleet, input)
}

#[test]
fn a_large_wave_is_looked_at_in_parts_where_one_call_of_ten_is_refused() {
    let (fleet, input) = one_wave(100);
    let mut execution = fleet.start_campaign(&input);
    execution.until_at("WaitForSoak");
    let mut chance = fastrand::Rng::with_seed(1);
    fleet.faults.by(move || (chance.u8(0..10) == 0).then_some(Mishap::FailsBefore));
    assert_eq!(execution.output().unwrap()["completed"], 100);
}

#[test]
fn looking_at_a_wave_ends_after_a_while_and_goes_on_from_there() {
    let (fleet, input) = one_wave(30);
    let mut execution = fleet.start_campaign(&input);
    execution.until_at("WaitForSoak");
    let clock = fleet.clock.clone();
    fleet.faults.by(move || {
        clock.advance(5);
        None
    });
    let mut parts = vec![0];
    while let Some(wave) = state(&fleet, &input).waves.last().filter(|wave| !wave.soaked) {
        if wave.looked.len() > parts[parts.len() - 1] {
            parts.push(wave.looked.len());
        }
        execution.step();
    }
    assert!(parts.len() > 2, "{parts:?}");
    assert!(parts.windows(2).all(|part| part[1] - part[0] <= 12), "{parts:?}");
    assert_eq!(execution.output().unwrap()["completed"], 30);
}

#[test]
fn a_wave_that_nobody_can_read_is_left_for_later_after_a_few_calls() {
    let (fleet, input) = one_wave(60);
    let mut execution = fleet.start_campaign(&input);
    execution.until_at("WaitForSoak");
    fleet.faults.reads_down(true);
    let before = fleet.faults.calls();
    while fleet.faults.calls() == before {
        execution.step();
    }
    let calls = fleet.faults.calls() - before;
    assert!(calls < 20, "{calls} calls");
    fleet.faults.reads_down(false);
    assert_eq!(execution.output().unwrap()["completed"], 60);
}

#[test]
fn clusters_of_a_campaign_under_way_are_no_other_campaigns() {
    let fleet = fleet(RINGS, &SMALL);
    let input = sweep(&fleet).unwrap();
    let mut execution = fleet.start_campaign(&input);
    execution.until_at("WaitForSoak");
    fleet.pass(86_400);
    sweep(&fleet);
    assert_eq!(fleet.table.memory.kept().started.len(), 1);
    assert_eq!(execution.output().unwrap()["completed"], 5);
}

#[test]
fn a_version_that_breaks_every_cluster_harms_the_first_wave_and_no_more() {
    let policy = "bake: {duration: 1h}\nrings: {order: [{name: dev}, {name: staging}, {name: prod}]}\n";
    let fleet = fleet(policy, &SMALL);
    let input = sweep(&fleet).unwrap();
    for minute in 0..600 {
        fleet.later(minute * 60, |eks| {
            for one in eks.state().clusters.values_mut() {
                let broken =
                    one.cluster.version.to_string() == "1.35" && one.cluster.health_issues.is_empty();
                if broken {
                    one.cluster.health_issues.push("ClusterUnreachable: no".into());
                }
            }
        });
    }
    fleet.start_campaign(&input).output().unwrap_err();
    let harmed: Vec<&str> =
        SMALL.into_iter().map(|(name, _)| name).filter(|name| version(&fleet, name) != "1.34").collect();
    assert_eq!(harmed, ["d1"]);
}

/// Two campaigns side by side, as two accounts' notices make them: one of dev, one of prod.
fn side_by_side(fleet: &Fleet) -> (CampaignInput, CampaignInput) {
    let inputs = ["d1", "p1"].map(|name| {
        let mut notice = serde_json::from_str::<serde_json::Value>(include_str!(
            "../local/notices/health-eks-end-of-support.json"
        ))
        .unwrap();
        let arn = format!("arn:aws:eks:us-east-1:123456789012:cluster/{name}");
        notice["detail"]["communicationId"] = json!(name);
        notice["detail"]["affectedEntities"] = json!([{"entityValue": arn}]);
        fleet.take(&notice).expect("it lives").expect("it answers");
        fleet.table.memory.kept().started.last().cloned().unwrap()
    });
    let [dev, prod] = inputs;
    assert_ne!(dev.campaign, prod.campaign);
    (dev, prod)
}

fn dev_and_prod() -> Fleet {
    fleet(RINGS, &[("d1", "dev"), ("p1", "prod")])
}

/// Makes the record of a campaign one that does not read, or mends it.
fn spoil(fleet: &Fleet, campaign: &CampaignId, spoilt: bool) {
    let mut kept = fleet.table.memory.kept();
    let body = &mut kept.records.get_mut(campaign).unwrap()[0].body;
    if spoilt {
        body.push(' ');
    } else {
        body.pop();
    }
}

#[test]
fn beside_a_campaign_whose_record_cannot_be_read_the_sweep_brings_others_back_and_begins_nothing() {
    let fleet = fleet(RINGS, &[("d1", "dev"), ("p1", "prod"), ("p2", "prod")]);
    let (dev, prod) = side_by_side(&fleet);
    let mut of_prod = fleet.start_campaign(&prod);
    of_prod.until(|_| state(&fleet, &prod).generation == 1);
    of_prod.abort();
    spoil(&fleet, &dev.campaign, true);
    let before = fleet.table.memory.kept().started.len();
    let swept = fleet.take(&json!({"trigger": "sweep"})).expect("it lives").unwrap_err();
    assert_eq!(swept.name(), "LedgerBroken");
    let started: Vec<CampaignId> =
        fleet.table.memory.kept().started[before..].iter().map(|input| input.campaign.clone()).collect();
    assert_eq!(started, [prod.campaign], "and none for p2");
}

#[test]
fn an_execution_that_cannot_be_started_again_keeps_no_other_from_it() {
    let fleet = dev_and_prod();
    let (dev, prod) = side_by_side(&fleet);
    for input in [&dev, &prod] {
        let mut execution = fleet.start_campaign(input);
        execution.until(|_| state(&fleet, input).generation == 1);
        execution.abort();
    }
    let before = fleet.table.memory.kept().started.len();
    // After the list of what is open, and a record each, it is asked whether the first one runs.
    fleet.faults.at(fleet.faults.calls() + 3, Mishap::FailsBefore);
    let swept = fleet.take(&json!({"trigger": "sweep"})).expect("it lives").unwrap_err();
    assert_eq!(swept.name(), "EksUnavailable");
    assert_eq!(fleet.table.memory.kept().started.len(), before + 1, "the other one");
}

#[test]
fn beside_a_campaign_whose_record_cannot_be_read_an_interrupted_run_is_gone_on_with() {
    let fleet = fleet(RINGS, &[("d1", "dev"), ("p1", "prod"), ("p2", "prod")]);
    let (dev, _) = side_by_side(&fleet);
    let mut by_hand = fleet.start(json!({"cluster": "p2", "target": "1.35"}));
    by_hand.until_at("WaitForControlPlane");
    by_hand.abort();
    spoil(&fleet, &dev.campaign, true);
    fleet.take(&json!({"trigger": "sweep"})).expect("it lives").unwrap_err();
    let picked = fleet.table.memory.kept().started.last().cloned().unwrap();
    let output = fleet.start_campaign(&picked).output().unwrap();
    assert_eq!((output["completed"].as_u64(), version(&fleet, "p2")), (Some(1), "1.35".into()), "{output}");
}

#[test]
fn a_campaign_whose_record_cannot_be_read_is_waited_for() {
    let fleet = dev_and_prod();
    let (dev, prod) = side_by_side(&fleet);
    spoil(&fleet, &dev.campaign, true);
    let mut of_prod = fleet.start_campaign(&prod);
    of_prod.until_at("WaitForEarlierRing");
    assert_eq!(version(&fleet, "p1"), "1.34");
    assert!(of_prod.is_running());
    spoil(&fleet, &dev.campaign, false);
    fleet.start_campaign(&dev).let_go();
    assert_eq!(of_prod.output().unwrap()["completed"], 1);
}

#[test]
fn prod_of_one_campaign_waits_for_dev_of_another() {
    let fleet = dev_and_prod();
    let (dev, prod) = side_by_side(&fleet);
    let mut of_dev = fleet.start_campaign(&dev);
    of_dev.let_go();
    fleet.start_campaign(&prod).output().unwrap();
    let calls = fleet.eks.state().calls.clone();
    let of = |name: &str| -> Vec<jiff::Timestamp> {
        calls.iter().filter(|called| called.cluster.as_str() == name).map(|called| called.at).collect()
    };
    let (through, begun) = (*of("d1").last().unwrap(), of("p1")[0]);
    // Its nodes and an hour of soak after the last call.
    assert!(begun.duration_since(through).as_mins() > 60, "{through} {begun}");
}

#[test]
fn what_fails_in_dev_of_one_campaign_stops_prod_of_another() {
    let fleet = dev_and_prod();
    let (dev, prod) = side_by_side(&fleet);
    fleet.eks.twist(Resource::ControlPlane, Twist::Ends(Outcome::Failed("AccessDenied", "no", &[])));
    let mut of_dev = fleet.start_campaign(&dev);
    of_dev.let_go();
    let stopped = fleet.start_campaign(&prod).output().unwrap_err();
    assert!(stopped.cause.as_ref().unwrap().contains("EarlierRingFailed"), "{stopped:?}");
    assert_eq!(version(&fleet, "p1"), "1.34");
}

#[test]
fn a_failed_cluster_that_was_deleted_holds_nothing_back() {
    let fleet = dev_and_prod();
    let (dev, prod) = side_by_side(&fleet);
    fleet.eks.twist(Resource::ControlPlane, Twist::Ends(Outcome::Failed("AccessDenied", "no", &[])));
    fleet.start_campaign(&dev).output().unwrap_err();
    fleet.eks.state().clusters.retain(|name, _| name.as_str() != "d1");
    fleet.start_campaign(&prod).output().unwrap();
    assert_eq!(version(&fleet, "p1"), "1.35");
}

/// Staging fails at its one cluster, after its control plane was upgraded; prod is held back.
fn failed_late() -> Fleet {
    let fleet = fleet(RINGS, &SMALL[2..]);
    let eviction = || Twist::Ends(Outcome::Failed("PodEvictionFailure", "Reached max retries", &["i-1"]));
    for _ in 0..2 {
        fleet.eks.twist(Resource::NodeGroup("general".into()), eviction());
    }
    let input = sweep(&fleet).unwrap();
    assert_eq!(fleet.start_campaign(&input).output().unwrap_err().error, "CampaignStopped");
    assert_eq!((version(&fleet, "s1"), version(&fleet, "p1")), ("1.35".into(), "1.34".into()));
    fleet
}

#[test]
fn a_cluster_that_somebody_finished_is_cleared_by_a_run_that_finds_nothing_left_to_do() {
    let fleet = failed_late();
    let start = || fleet.start(json!({"cluster": "s1", "target": "1.35"})).output();
    fleet.eks.change("s1", |cluster| {
        let general = cluster.node_groups.get_mut("general").unwrap();
        general.version = word("1.35");
        cluster.addons.get_mut("coredns").unwrap().status = Status::Unwell("DEGRADED".into());
    });
    let unwell = start().unwrap_err();
    assert_eq!(unwell.error, "TargetNotNewer");
    let cause = unwell.cause.unwrap_or_default();
    assert!(cause.contains("stands while this is unwell: coredns"), "{cause}");
    assert!(matches!(fleet.lease("s1").unwrap().ended, Some(Ending::Halted { .. })), "the failure stands");
    fleet.eks.change("s1", |cluster| {
        cluster.addons.get_mut("coredns").unwrap().status = Status::Active;
    });
    let output = start();
    assert!(output.is_ok(), "{output:?}");
    assert_eq!(fleet.lease("s1").unwrap().ended, Some(Ending::Completed));
    // Once more there is no failure to clear, and nothing to do.
    assert_eq!(start().unwrap_err().error, "TargetNotNewer");
    fleet.pass(86_400);
    let input = sweep(&fleet).unwrap();
    assert_eq!(fleet.start_campaign(&input).output().unwrap()["completed"], 2);
}

#[test]
fn a_run_that_waited_for_somebody_and_finds_nothing_to_do_clears_no_failure_while_something_is_unwell() {
    let fleet = failed_late();
    let failed = fleet.lease("s1").unwrap().run;
    fleet.eks.change("s1", |cluster| {
        cluster.node_groups.get_mut("general").unwrap().version = word("1.35");
        cluster.addons.get_mut("coredns").unwrap().status = Status::Unwell("DEGRADED".into());
    });
    let start_while_busy = || {
        let theirs = Call::UpdateClusterVersion { version: word("1.36") };
        fleet.eks.somebody_calls("s1", &theirs, 900, Outcome::Failed("IpNotAvailable", "none", &[]));
        fleet.start(json!({"cluster": "s1", "target": "1.35"})).output()
    };
    let unwell = start_while_busy().unwrap_err();
    assert_eq!(unwell.error, "TargetNotNewer", "{unwell:?}");
    let lease = fleet.lease("s1").unwrap();
    assert!(matches!(&lease.ended, Some(Ending::Halted { .. })), "{lease:?}");
    assert_eq!(lease.harm.map(|harm| harm.run), Some(failed));
    fleet.eks.change("s1", |cluster| {
        cluster.addons.get_mut("coredns").unwrap().status = Status::Active;
    });
    start_while_busy().unwrap();
    assert_eq!(fleet.lease("s1").unwrap().ended, Some(Ending::Completed));
}

#[test]
fn a_cluster_made_anew_while_its_wave_soaks_is_no_failure_of_it() {
    let fleet = fleet(RINGS, &SMALL[..1]);
    let input = sweep(&fleet).unwrap();
    let mut execution = fleet.start_campaign(&input);
    execution.until_at("WaitForSoak");
    fleet.eks.change("d1", |cluster| {
        *cluster = installed("d1", "1.34").tagged("env", "dev");
        cluster.cluster.created_at = fleet.clock.now();
        cluster.cluster.health_issues.push("ClusterUnreachable: not yet".into());
    });
    let output = execution.output().unwrap();
    assert_eq!((&output["completed"], &output["failed"]), (&json!(1), &json!(0)), "{output}");
}

#[test]
fn a_failure_stands_until_a_run_of_its_cluster_completes() {
    let fleet = failed_late();
    let failed = fleet.lease("s1").unwrap().run;
    let start = || fleet.start(json!({"cluster": "s1", "target": "1.35"}));
    let still_held = |when: &str| {
        let starts = fleet.table.memory.kept().started.len();
        fleet.pass(86_400);
        sweep(&fleet);
        assert_eq!(fleet.table.memory.kept().started.len(), starts, "{when}");
        assert_eq!(fleet.lease("s1").unwrap().harm.map(|harm| harm.run).as_ref(), Some(&failed), "{when}");
    };
    fleet.eks.change("s1", |one| one.cluster.health_issues.push("ClusterUnreachable: no".into()));
    assert_eq!(start().output().unwrap_err().error, "Blocked");
    assert_ne!(fleet.lease("s1").unwrap().run, failed, "another run had it since");
    still_held("after a run that was blocked");
    fleet.eks.change("s1", |one| one.cluster.health_issues.clear());
    let mut by_hand = start();
    by_hand.until_at("WaitForNodeGroups");
    still_held("while a run is open");
    by_hand.output().unwrap();
    fleet.pass(86_400);
    let input = sweep(&fleet).unwrap();
    assert_eq!(fleet.start_campaign(&input).output().unwrap()["completed"], 2);
}

#[test]
fn what_fails_by_hand_stops_the_campaign_that_had_not_come_to_it_yet() {
    let fleet = fleet(RINGS, &[("d1", "dev"), ("s1", "staging"), ("p1", "prod")]);
    let input = sweep(&fleet).unwrap();
    let mut campaign = fleet.start_campaign(&input);
    campaign.until_at("WaitForSoak");
    fleet.eks.twist(Resource::ControlPlane, Twist::Ends(Outcome::Failed("AccessDenied", "no", &[])));
    let _ = fleet.start(json!({"cluster": "s1", "target": "1.35"})).finish();
    let stopped = campaign.output().unwrap_err();
    assert!(stopped.cause.as_ref().unwrap().contains("EarlierRingFailed"), "{stopped:?}");
    assert_eq!((version(&fleet, "s1"), version(&fleet, "p1")), ("1.34".into(), "1.34".into()));
}

#[test]
fn a_run_that_was_given_up_is_cleared_by_one_that_finds_nothing_left_to_do() {
    let fleet = fleet(RINGS, &SMALL[2..]);
    let mut first = fleet.start(json!({"cluster": "s1", "target": "1.35"}));
    first.until_at("WaitForNodeGroups");
    first.abort();
    fleet.pass(3_600);
    fleet.eks.change("s1", |cluster| *cluster = installed("s1", "1.35").tagged("env", "staging"));
    let output = fleet.start(json!({"cluster": "s1", "target": "1.35", "strategy": "force"})).output();
    assert!(output.is_ok(), "{output:?}");
    assert_eq!(fleet.lease("s1").unwrap().ended, Some(Ending::Completed), "nothing was left to do");
}

#[test]
fn a_cluster_made_anew_under_its_name_has_nothing_to_do_with_the_failure() {
    let fleet = failed_late();
    fleet.eks.change("s1", |cluster| {
        *cluster = installed("s1", "1.34").tagged("env", "staging");
        cluster.cluster.created_at = "2026-08-18T12:00:00Z".parse().unwrap();
    });
    fleet.pass(86_400);
    let input = sweep(&fleet).unwrap();
    let output = fleet.start_campaign(&input).output().unwrap();
    assert_eq!(output["completed"], 3, "{output}");
}

#[test]
fn a_run_that_nobody_goes_on_with_is_told_once() {
    let mut cluster = installed("prod-a", "1.34");
    cluster.cluster.tags.clear();
    let fleet = Fleet::new().with(cluster);
    let mut first = fleet.start(json!({"cluster": "prod-a", "target": "1.35"}));
    first.until_at("WaitForControlPlane");
    first.abort();
    fleet.pass(86_400);
    let answer = fleet.take(&json!({"trigger": "sweep"})).unwrap().unwrap();
    let IntakeAnswer::Campaign { upgrades, left_alone, .. } = answer else { panic!("{answer:?}") };
    assert_eq!((upgrades.len(), left_alone[0].code), (0, LeftAloneCode::RunInterrupted));
    let told =
        |fleet: &Fleet| fleet.told_of_campaigns().iter().map(|told| told.message.clone()).collect::<String>();
    let words = told(&fleet);
    assert!(words.contains("--resume prod-a-1.35-"), "{words}");
    fleet.pass(86_400);
    sweep(&fleet);
    assert_eq!(told(&fleet), words, "a sweep does not repeat itself");
}

#[test]
fn automation_does_not_go_past_a_target_that_is_held() {
    let held = installed("prod-a", "1.34").tagged("eks-upgrade:target", "1.34");
    let fleet = Fleet::new().with(held);
    let answer = fleet.take(&json!({"trigger": "sweep"})).unwrap().unwrap();
    let IntakeAnswer::Campaign { upgrades, left_alone, .. } = answer else { panic!("{answer:?}") };
    assert_eq!((upgrades.len(), left_alone[0].code), (0, LeftAloneCode::NoTarget));
    assert!(left_alone[0].text.contains("held at 1.34"), "{}", left_alone[0].text);
}
