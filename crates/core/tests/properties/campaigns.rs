//! Campaigns: whatever becomes of its clusters, one keeps to its rings and waves, and ends.

use std::collections::{BTreeMap, BTreeSet};

use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::campaign::beyond::Elsewhere;
use eks_upgrade_core::campaign::{
    CampaignDecision, CampaignEntry, CampaignEvent, CampaignState, CampaignWait, ClusterEnd, Look, Member,
    Outcome, Over, Unwell, looked, next, said_of, settle,
};
use eks_upgrade_core::control::{Answer, Answered, Approval, Controls, KillSwitch, Subject};
use eks_upgrade_core::ledger::Sealed;
use eks_upgrade_core::policy::{ApprovalRule, Before, Ring, Selector, Waves};
use eks_upgrade_core::waits::later;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;

use crate::given::{minor, now};

/// What becomes of a cluster, should its turn come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Completes,
    Fails,
    IsTurnedAway,
    GoesBadAfterwards,
}

/// A campaign, and what is to come.
#[derive(Clone, Debug)]
struct Case {
    /// The clusters of each ring.
    rings: Vec<Vec<Fate>>,
    waves: Vec<u16>,
    soak_s: u32,
    /// Whether each ring wants a yes, and what is said: nothing for no answer.
    asks: bool,
    answer: Option<Answer>,
    /// For how many looks the kill switch is thrown.
    thrown: usize,
    /// After how many decisions the execution dies and another goes on.
    dies: usize,
    /// How many clusters can be looked at, at a time, once they have soaked.
    seen: usize,
}

fn fate(bad: u32) -> impl Strategy<Value = Fate> {
    prop_oneof![
        100 => Just(Fate::Completes),
        bad => Just(Fate::Fails),
        5 => Just(Fate::IsTurnedAway),
        bad / 2 => Just(Fate::GoesBadAfterwards),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let ring = select(vec![2_u32, 20]).prop_flat_map(|bad| proptest::collection::vec(fate(bad), 0..60));
    let rings = proptest::collection::vec(ring, 1..4);
    let waves = proptest::collection::vec(1..12_u16, 1..4);
    let answer = select(vec![Some(Answer::Approve), Some(Answer::Approve), Some(Answer::Reject), None]);
    let seen = select(vec![1, 2, 5, usize::MAX]);
    (rings, waves, 0..7_200_u32, any::<bool>(), answer, 0..4_usize, 1..30_usize, seen).prop_map(
        |(rings, waves, soak_s, asks, answer, thrown, dies, seen)| Case {
            rings,
            waves,
            soak_s,
            asks,
            answer,
            thrown,
            dies,
            seen,
        },
    )
}

fn arn(ring: usize, number: usize) -> ClusterArn {
    format!("arn:aws:eks:us-east-1:123456789012:cluster/r{ring}-{number}").parse().unwrap()
}

/// What a campaign came to.
struct Story {
    lines: Vec<Sealed>,
    state: CampaignState,
    /// Each wave as it was started: ring, size that it may have, clusters.
    waves: Vec<(usize, usize, Vec<ClusterArn>)>,
    decisions: usize,
}

struct Teller {
    at: Timestamp,
    lines: Vec<Sealed>,
    state: Option<CampaignState>,
    fates: BTreeMap<ClusterArn, Fate>,
}

impl Teller {
    fn write(&mut self, event: CampaignEvent) {
        let (seq, previous) = self.state.as_ref().map_or((0, String::new()), |s| (s.seq, s.hash.clone()));
        let entry = CampaignEntry {
            campaign: "sweep-1".parse().unwrap(),
            seq: seq + 1,
            at: self.at,
            actor: None,
            event,
            previous,
        };
        let line = entry.seal().unwrap();
        self.state = Some(CampaignState::extend(self.state.take(), &line).unwrap());
        self.lines.push(line);
    }

    fn state(&self) -> &CampaignState {
        self.state.as_ref().unwrap()
    }

    fn outcomes(&self, of: &[ClusterArn]) -> Vec<ClusterEnd> {
        let end = |cluster: &ClusterArn| ClusterEnd {
            cluster: cluster.clone(),
            outcome: match self.fates[cluster] {
                Fate::Completes | Fate::GoesBadAfterwards => {
                    Outcome::Completed { run: None, version: Some(minor(35)) }
                }
                Fate::Fails => Outcome::Failed { run: None, code: "PodEvictionFailure".into() },
                Fate::IsTurnedAway => Outcome::Untouched { code: "Blocked".into() },
            },
        };
        of.iter().map(end).collect()
    }

    /// Looks at so many of the clusters that soak and were not looked at yet.
    fn look(&self, most: usize) -> Option<CampaignEvent> {
        let looks: Vec<Look> =
            self.state().unlooked().take(most).map(|(cluster, _)| self.look_at(cluster)).collect();
        looked(self.state(), &looks)
    }

    fn look_at(&self, cluster: &ClusterArn) -> Look {
        let unwell = (self.fates[cluster] == Fate::GoesBadAfterwards).then(|| Unwell {
            cluster: cluster.clone(),
            code: "UnwellAfterwards".into(),
            text: "ill".into(),
        });
        Look { cluster: cluster.clone(), unwell }
    }
}

fn opening(case: &Case) -> Teller {
    let rings = case.rings.iter().enumerate().map(|(place, _)| Ring {
        name: format!("ring-{place}"),
        clusters: Vec::new(),
        waves: Waves::try_from(case.waves.clone()).unwrap(),
        soak: SignedDuration::from_secs(i64::from(case.soak_s)),
    });
    let rule = ApprovalRule {
        before: Before::Ring,
        rings: Vec::new(),
        clusters: Selector::default(),
        steps: BTreeSet::new(),
        expires: SignedDuration::from_hours(24),
    };
    let named = |(place, fates): (usize, &Vec<Fate>)| {
        fates
            .iter()
            .enumerate()
            .map(move |(number, fate)| (arn(place, number), (place, *fate)))
            .collect::<Vec<_>>()
    };
    let all: BTreeMap<ClusterArn, (usize, Fate)> = case.rings.iter().enumerate().flat_map(named).collect();
    let mut teller = Teller {
        at: now(),
        lines: Vec::new(),
        state: None,
        fates: all.iter().map(|(cluster, (_, fate))| (cluster.clone(), *fate)).collect(),
    };
    teller.write(CampaignEvent::Opened {
        reason: "the sweep".into(),
        rings: rings.collect(),
        approvals: if case.asks { vec![rule] } else { Vec::new() },
        clusters_at_once: 10,
    });
    let members = all.into_iter().map(|(cluster, (ring, _))| Member {
        cluster,
        ring,
        created_at: None,
        target: Some(minor(35)),
        reason: None,
        resume: None,
    });
    teller.write(CampaignEvent::Enrolled { members: members.collect() });
    teller
}

fn controls(case: &Case, teller: &Teller, decisions: usize) -> Controls {
    let approvals = teller.state().approvals.keys().map(|id| Approval {
        id: id.clone(),
        subject: Subject::Campaign { campaign: "sweep-1".parse().unwrap() },
        before: String::new(),
        asked_at: teller.at,
        expires_at: later(teller.at, 86_400),
        answered: case.answer.map(|answer| Answered {
            answer,
            by: "arn:aws:iam::123456789012:user/a".parse().unwrap(),
            reason: String::new(),
            at: teller.at,
        }),
    });
    let switch = (decisions < case.thrown).then(|| KillSwitch {
        thrown: true,
        by: "arn:aws:iam::123456789012:user/a".parse().unwrap(),
        reason: "stop".into(),
        at: now(),
    });
    Controls { switch, consents: Vec::new(), approvals: approvals.collect() }
}

/// Tells a campaign to its end. Panics where an event that follows from a decision may not follow.
fn tell(case: &Case) -> Story {
    let mut teller = opening(case);
    let (mut waves, mut decisions) = (Vec::new(), 0);
    loop {
        let said = controls(case, &teller, decisions);
        for event in settle(teller.state(), &said, teller.at) {
            teller.write(event);
        }
        let over = teller.state().over.is_some();
        let decision = next(teller.state(), &said, &BTreeSet::new(), &Elsewhere::default(), teller.at);
        if let Some(event) = said_of(teller.state(), &decision) {
            if let CampaignEvent::WaveStarted { ring, members, .. } = &event {
                waves.push((*ring, teller.state().wave_size(*ring), members.clone()));
            }
            teller.write(event);
        }
        decisions += 1;
        assert!(decisions < 3_000, "it does not end");
        match decision {
            CampaignDecision::Wave { requests, .. } => {
                let members: Vec<ClusterArn> =
                    requests.iter().map(|request| request.cluster.parse().unwrap()).collect();
                let outcomes = teller.outcomes(&members);
                // An execution that dies has counted some of its clusters, and the next one starts the others.
                if decisions % case.dies == 0 && outcomes.len() > 1 {
                    teller.write(CampaignEvent::Counted { outcomes: outcomes[1..].to_vec() });
                    continue;
                }
                let wave = teller.state().open_wave().unwrap();
                let (ring, number) = (wave.ring, wave.number);
                teller.write(CampaignEvent::WaveEnded { ring, wave: number, outcomes });
            }
            CampaignDecision::Wait { wait_for, seconds, .. } => {
                assert!(seconds > 0);
                teller.at = later(teller.at, seconds);
                let through = teller.state().soaking().is_some_and(|(_, until)| until <= teller.at);
                if wait_for == CampaignWait::Soak && through {
                    let event = teller.look(case.seen).unwrap();
                    teller.write(event);
                }
            }
            CampaignDecision::Ask { seconds, expires_s, .. } => {
                assert!(seconds > 0 && expires_s > seconds);
                teller.at = later(teller.at, seconds);
            }
            CampaignDecision::Stop { .. } | CampaignDecision::Complete { .. } => {
                assert!(teller.state().over.is_some());
                if over {
                    break;
                }
            }
        }
    }
    Story { lines: teller.lines, state: teller.state.unwrap(), waves, decisions }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_campaign_ends_and_its_record_adds_up_to_the_same_again(case in case()) {
        let story = tell(&case);
        prop_assert!(story.decisions > 0);
        prop_assert_eq!(CampaignState::read(&story.lines).unwrap().unwrap(), story.state);
    }

    #[test]
    fn no_cluster_begins_before_the_rings_before_its_own_are_through(case in case()) {
        let story = tell(&case);
        let places: Vec<usize> = story.waves.iter().map(|(ring, ..)| *ring).collect();
        prop_assert!(places.is_sorted());
        let mut begun: BTreeSet<&ClusterArn> = BTreeSet::new();
        for (ring, _, members) in &story.waves {
            let earlier = story.state.members.values().filter(|(member, _)| member.ring < *ring);
            prop_assert!(earlier.clone().all(|(member, _)| begun.contains(&member.cluster)));
            prop_assert!(members.iter().all(|cluster| begun.insert(cluster)), "a cluster is upgraded once");
        }
    }

    #[test]
    fn no_wave_is_larger_than_it_may_be_and_none_grows_before_one_came_through(case in case()) {
        let story = tell(&case);
        for (_, size, members) in &story.waves {
            prop_assert!(members.len() <= *size);
        }
        let mut first: BTreeMap<usize, &[ClusterArn]> = BTreeMap::new();
        for (ring, _, members) in &story.waves {
            first.entry(*ring).or_insert(members);
        }
        prop_assert!(first.values().all(|members| members.len() <= usize::from(case.waves[0])));
    }

    #[test]
    fn a_version_that_breaks_every_cluster_harms_at_most_the_first_wave(case in case(), afterwards: bool) {
        let breaks = |fate: &Fate| match fate {
            Fate::IsTurnedAway => Fate::IsTurnedAway,
            _ if afterwards => Fate::GoesBadAfterwards,
            _ => Fate::Fails,
        };
        let rings = case.rings.iter().map(|ring| ring.iter().map(breaks).collect()).collect();
        let story = tell(&Case { rings, ..case.clone() });
        let harmed = story.state.tally_of_all().failed;
        prop_assert!(harmed <= usize::from(case.waves[0]), "{harmed} were harmed");
    }

    #[test]
    fn however_many_looks_it_takes_the_same_clusters_are_found_to_have_gone_bad(case in case()) {
        // How often it is looked at moves the decisions after which an execution dies: here none does.
        let members = |seen: usize| tell(&Case { seen, dies: usize::MAX, ..case.clone() }).state.members;
        prop_assert_eq!(members(1), members(usize::MAX));
    }

    #[test]
    fn what_stops_says_why_and_what_completes_saw_to_every_cluster(case in case()) {
        let story = tell(&case);
        match &story.state.over {
            Some(Over::Ended) => prop_assert_eq!(story.state.pending().count(), 0),
            Some(Over::Stopped { code, message, next_action }) => {
                prop_assert!(["RingFailed", "Rejected", "ApprovalExpired"].contains(&code.as_str()));
                prop_assert!(!message.is_empty() && !next_action.is_empty());
                let asked = case.asks && case.answer != Some(Answer::Approve);
                prop_assert!(asked || story.state.failure().is_some());
            }
            None => prop_assert!(false, "it is not over"),
        }
    }
}

#[test]
fn the_usual_campaign_of_a_small_fleet_stops_at_the_ring_that_failed() {
    let rings = vec![vec![Fate::Completes; 3], vec![Fate::Completes, Fate::Fails], vec![Fate::Completes; 5]];
    let case = Case {
        rings,
        waves: vec![1, 5, 25],
        soak_s: 3_600,
        asks: false,
        answer: None,
        thrown: 0,
        dies: usize::MAX,
        seen: usize::MAX,
    };
    let story = tell(&case);
    let sizes: Vec<(usize, usize)> = story.waves.iter().map(|(ring, _, all)| (*ring, all.len())).collect();
    assert_eq!(sizes, [(0, 1), (0, 2), (1, 1), (1, 1)]);
    let Some(Over::Stopped { message, .. }) = &story.state.over else { panic!("it went on") };
    assert!(
        message.contains("1 of 2 clusters of ring ring-1 failed: r1-1 (PodEvictionFailure)"),
        "{message}"
    );
    assert!(message.contains("5 clusters were not begun"), "{message}");
}

#[test]
fn what_a_look_found_to_have_gone_bad_cannot_be_left_out_in_the_end() {
    let case = Case {
        rings: vec![vec![Fate::GoesBadAfterwards, Fate::Completes]],
        waves: vec![2],
        soak_s: 60,
        asks: false,
        answer: None,
        thrown: 0,
        dies: usize::MAX,
        seen: 1,
    };
    let lines = tell(&case).lines;
    let first = lines.iter().position(|line| line.body.contains(r#""event":"looked""#)).unwrap();
    let state = CampaignState::read(&lines[..=first]).unwrap().unwrap();
    CampaignState::extend(Some(state.clone()), &lines[first + 1]).unwrap();
    let mut forgetful: CampaignEntry = serde_json::from_str(&lines[first + 1].body).unwrap();
    forgetful.event = CampaignEvent::Soaked { failures: Vec::new() };
    CampaignState::extend(Some(state), &forgetful.seal().unwrap()).unwrap_err();
}
