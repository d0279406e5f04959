//! Ledgers: any event either applies or is refused, and no change to what was written goes unnoticed.

use eks_upgrade_core::cluster::Resource;
use eks_upgrade_core::decide::{ActionName, WaitFor};
use eks_upgrade_core::ids::{ApprovalId, Fence, StepId, Token, UpdateId};
use eks_upgrade_core::ledger::{Ending, Entry, Event, Flaw, Head, Opened, Phase, RunState, Sealed, verify};
use eks_upgrade_core::plan::{Plan, Step, StepKind};
use eks_upgrade_core::remedy::{Failure, Remedy};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::given::{now, usual};

/// One more line after those there are.
pub fn entry(state: Option<&RunState>, event: Event, after_s: i64) -> Entry {
    let (seq, previous) = state.map_or((0, String::new()), |state| (state.seq, state.hash.clone()));
    let at = state.map_or_else(now, |state| state.updated_at + jiff::SignedDuration::from_secs(after_s));
    Entry {
        run: "prod-a-1.35-5f0c2a91".parse().unwrap(),
        seq: seq + 1,
        at,
        actor: "arn:aws:states:us-east-1:123456789012:execution:eks-upgrade:e1".parse().unwrap(),
        fence: Fence(1),
        event,
        previous,
    }
}

fn opened() -> Event {
    let case = usual();
    Event::Opened(Box::new(Opened {
        cluster: case.inventory.cluster.arn.clone(),
        cluster_created_at: case.inventory.cluster.created_at,
        from: case.inventory.cluster.version,
        target: case.target,
        policy: case.policy,
        campaign: None,
        reason: None,
        support_ends: None,
        roll_back: false,
        launch_templates: std::collections::BTreeMap::new(),
        harm: None,
    }))
}

fn steps(plan: &Plan) -> Vec<StepId> {
    let ours = plan.steps().map(|step| step.id.clone());
    ours.chain(["1.99/no-such-step".parse().unwrap()]).collect()
}

fn failure() -> impl Strategy<Value = Failure> {
    let remedy = prop_oneof![
        4 => (1..600_u32).prop_map(|after_s| Remedy::Retry { after_s }),
        4 => (1..600_u32).prop_map(|after_s| Remedy::Wait { after_s }),
        2 => any::<bool>().prop_map(|nodes_each_hop| Remedy::Replan { nodes_each_hop }),
        1 => Just(Remedy::RollBack),
        1 => Just(Remedy::Stop),
    ];
    let code = select(vec!["PodEvictionFailure", "Throttling", "AccessDenied", "Unknown"]);
    (remedy, code).prop_map(|(remedy, code)| Failure {
        code: code.to_owned(),
        message: "in words".to_owned(),
        resources: Vec::new(),
        remedy,
        next_action: "look".to_owned(),
    })
}

fn update() -> impl Strategy<Value = UpdateId> {
    select(vec!["u-1", "u-2", "u-3"]).prop_map(|id| id.parse().unwrap())
}

fn question() -> impl Strategy<Value = ApprovalId> {
    select(vec!["ap-1", "ap-2"]).prop_map(|id| id.parse().unwrap())
}

/// What ends a step of this kind without a call.
pub fn through(step: &Step) -> Vec<Event> {
    let (step, kind, evidence) = (step.id.clone(), &step.kind, "seen".to_owned());
    match kind {
        StepKind::Verify => vec![Event::Verified { step, evidence }],
        StepKind::Bake { .. } => {
            vec![Event::BakeBegan { step: step.clone() }, Event::Baked { step, evidence }]
        }
        _ => vec![Event::Satisfied { step, evidence }],
    }
}

/// An event, legal or not, of any kind but `CalledOff`, `Rolled`, `FollowBegan`, `FollowSeen`, `Followed`, `Stalled`,
/// `VitalsSeen` and `ApprovalAnswered`.
fn event() -> impl Strategy<Value = Event> {
    let plan = usual().plan(1);
    let step = || select(steps(&usual().plan(1)));
    let attempt = || 1..4_u32;
    let token = Token::of(&"r".parse().unwrap(), 1, &"s".parse().unwrap(), 1);
    let resource = || {
        select(vec![
            Resource::ControlPlane,
            Resource::NodeGroup("a".into()),
            Resource::AddOn("vpc-cni".into()),
        ])
    };
    let evidence = String::from("seen");
    let (satisfied, skipped, verified) = (evidence.clone(), evidence.clone(), evidence);
    let ending = prop_oneof![
        Just(Ending::Completed),
        Just(Ending::Halted { code: "X".into(), message: "y".into(), next_action: "z".into() })
    ];
    prop_oneof![
        1 => Just(opened()),
        1 => Just(Event::Resumed { execution: "arn:aws:states:x:e2".parse().unwrap() }),
        2 => (1..4_u32).prop_map(move |revision| Event::Planned { plan: Box::new(Plan { revision, ..plan.clone() }) }),
        12 => (step(), attempt()).prop_map(move |(step, attempt)| Event::Intended {
            step, attempt, token: token.clone(), request: "UpdateX".into(), action: ActionName::RollNodeGroup, consent: None
        }),
        12 => (step(), attempt(), update(), any::<bool>())
            .prop_map(|(step, attempt, update, adopted)| Event::Started { step, attempt, update, adopted }),
        2 => (step(), failure()).prop_map(|(step, failure)| Event::Withheld { step, failure }),
        2 => (step(), attempt(), failure()).prop_map(|(step, attempt, failure)| Event::Refused { step, attempt, failure }),
        12 => (step(), update()).prop_map(|(step, update)| Event::Succeeded { step, update, duration_s: 9 }),
        4 => (step(), update(), failure())
            .prop_map(|(step, update, failure)| Event::Failed { step, update, duration_s: 9, failure }),
        8 => step().prop_map(move |step| Event::Satisfied { step, evidence: satisfied.clone() }),
        2 => step().prop_map(move |step| Event::Skipped { step, evidence: skipped.clone() }),
        2 => step().prop_map(move |step| Event::Verified { step, evidence: verified.clone() }),
        2 => step().prop_map(|step| Event::BakeBegan { step }),
        2 => step().prop_map(|step| Event::Baked { step, evidence: "seen".into() }),
        1 => (step(), failure()).prop_map(|(step, failure)| Event::GateFailed { step, failure }),
        1 => question().prop_map(|approval| {
            Event::ApprovalAsked { approval, before: "it".into(), expires_at: now() }
        }),
        1 => question().prop_map(|approval| Event::ApprovalExpired { approval, before: "it".into() }),
        1 => Just(Event::Paused { wait_for: WaitFor::Window, text: "a window".into(), until: Some(now()) }),
        2 => (step(), failure()).prop_map(|(step, failure)| Event::NotVerified { step, failure }),
        2 => (resource(), update()).prop_map(|(resource, update)| Event::ForeignUpdate { resource, update }),
        2 => (resource(), update())
            .prop_map(|(resource, update)| Event::ForeignUpdateEnded { resource, update, status: "successful".into() }),
        2 => (resource(), update())
            .prop_map(|(resource, update)| Event::Overdue { step: None, resource, update, since: now() }),
        1 => ending.prop_map(Event::Ended),
    ]
}

/// Events to try one after the other, each some seconds after the one before. The first of them bring the run
/// to anywhere in its plan, so that what follows meets early, late and finished runs alike.
pub fn events() -> impl Strategy<Value = Vec<(Event, i64)>> {
    let plan = usual().plan(1);
    let steps = plan.steps().count();
    (0..=steps, proptest::collection::vec((event(), 0..900_i64), 0..80)).prop_map(
        move |(reached, further)| {
            let reached = plan.steps().take(reached).flat_map(through).map(|event| (event, 60));
            reached.chain(further).collect()
        },
    )
}

/// A run that was opened and planned, with its lines.
fn planned() -> (RunState, Vec<Sealed>) {
    let plan = Event::Planned { plan: Box::new(usual().plan(1)) };
    let first = entry(None, opened(), 0).seal().unwrap();
    let state = RunState::extend(None, &first).unwrap();
    let second = entry(Some(&state), plan, 1).seal().unwrap();
    (RunState::extend(Some(state), &second).unwrap(), vec![first, second])
}

/// The same after whatever of `events` could follow.
fn lived(events: &[(Event, i64)]) -> (RunState, Vec<Sealed>) {
    let (mut state, mut lines) = planned();
    for (event, after_s) in events {
        let entry = entry(Some(&state), event.clone(), *after_s);
        if state.clone().apply(&entry).is_ok() {
            let line = entry.seal().unwrap();
            state = RunState::extend(Some(state), &line).unwrap();
            lines.push(line);
        }
    }
    (state, lines)
}

/// The state of such a run alone: quicker, without lines and hashes.
pub fn state_after(events: &[(Event, i64)]) -> RunState {
    let (mut state, _) = planned();
    for (event, after_s) in events {
        let entry = entry(Some(&state), event.clone(), *after_s);
        if state.apply(&entry).is_ok() {
            state.seq = entry.seq;
            state.updated_at = entry.at;
        }
    }
    state
}

/// What `verify` makes of lines whose last one was `last` when they were written.
fn verified(lines: &[Sealed], last: &Sealed) -> Result<RunState, Flaw> {
    let head = Head { seq: last.seq, hash: last.hash.clone() };
    verify(&"prod-a-1.35-5f0c2a91".parse().unwrap(), lines, Some(&head))
}

/// A text with one byte changed, if it still is a text and another one.
fn flipped(text: &str, byte: Index, to: u8) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let byte = byte.index(bytes.len());
    bytes[byte] = to;
    String::from_utf8(bytes).ok().filter(|changed| changed != text)
}

fn read(lines: &[Sealed]) -> Result<Option<RunState>, eks_upgrade_core::ledger::LedgerError> {
    RunState::read(lines)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_event_applies_or_is_refused_and_then_changes_nothing(events in events()) {
        let (mut state, _) = planned();
        for (event, after_s) in events {
            let before = state.clone();
            if state.apply(&entry(Some(&before), event, after_s)).is_err() {
                prop_assert_eq!(&state, &before);
            }
        }
    }

    #[test]
    fn what_was_lived_reads_back_the_same(events in events()) {
        let (state, lines) = lived(&events);
        prop_assert_eq!(read(&lines).unwrap(), Some(state));
    }

    #[test]
    fn every_call_was_meant_before_it_was_made(events in events()) {
        let (_, lines) = lived(&events);
        let mut meant = std::collections::BTreeMap::new();
        for line in &lines {
            match line.open().unwrap().event {
                Event::Planned { .. } => meant.clear(),
                Event::Intended { step, attempt, .. } => { meant.insert(step, attempt); }
                Event::Started { step, attempt, .. } => prop_assert_eq!(meant.get(&step), Some(&attempt)),
                _ => {}
            }
        }
    }

    #[test]
    fn nothing_follows_the_end_and_an_end_as_completed_means_all_done(events in events()) {
        let (state, lines) = lived(&events);
        let ended = lines.iter().position(|line| matches!(line.open().unwrap().event, Event::Ended(_)));
        prop_assert!(ended.is_none_or(|place| place + 1 == lines.len()));
        if state.ended == Some(Ending::Completed) {
            prop_assert!(state.all_done());
        }
    }

    #[test]
    fn no_step_begins_before_those_it_depends_on_are_done(events in events()) {
        let (state, _) = lived(&events);
        let plan = state.plan.as_ref().unwrap();
        for step in plan.steps() {
            let begun = state.steps.get(&step.id).is_some_and(|p| !matches!(p.phase, Phase::Done { .. }));
            prop_assert!(!begun || state.is_ready(step), "{} began too early", step.id);
        }
    }

    #[test]
    fn a_changed_byte_is_found(events in events(), line: Index, byte: Index, to: u8) {
        let (_, mut lines) = lived(&events);
        let line = line.index(lines.len());
        let mut bytes = lines[line].body.clone().into_bytes();
        let byte = byte.index(bytes.len());
        prop_assume!(bytes[byte] != to);
        bytes[byte] = to;
        // What is no longer text cannot be stored as text.
        let Ok(body) = String::from_utf8(bytes) else { return Ok(()) };
        lines[line].body = body;
        prop_assert!(read(&lines).is_err());
    }

    #[test]
    fn a_changed_line_with_a_hash_to_match_is_found_by_the_next_one(events in events(), line: Index) {
        let (_, mut lines) = lived(&events);
        let line = line.index(lines.len() - 1);
        let mut changed = lines[line].open().unwrap();
        changed.fence = Fence(2);
        lines[line] = changed.seal().unwrap();
        prop_assert!(read(&lines).is_err());
    }

    #[test]
    fn a_dropped_line_is_found(events in events(), line: Index) {
        let (_, mut lines) = lived(&events);
        // Without the line after it nothing shows that the last one was there; the head does, see below.
        let line = line.index(lines.len() - 1);
        lines.remove(line);
        prop_assert!(read(&lines).is_err());
    }

    #[test]
    fn lines_in_another_order_are_found(events in events(), one: Index, other: Index) {
        let (_, mut lines) = lived(&events);
        let (one, other) = (one.index(lines.len()), other.index(lines.len()));
        prop_assume!(one != other);
        lines.swap(one, other);
        prop_assert!(read(&lines).is_err());
    }
    #[test]
    fn a_record_as_it_was_written_is_whole(events in events()) {
        let (state, lines) = lived(&events);
        prop_assert_eq!(verified(&lines, lines.last().unwrap()), Ok(state));
    }

    #[test]
    fn a_byte_that_was_changed_is_named_by_its_line(events in events(), line: Index, byte: Index, to: u8) {
        let (_, written) = lived(&events);
        let (line, last) = (line.index(written.len()), written.last().unwrap());
        let altered = Err(Flaw::Altered { line: written[line].seq });
        let mut lines = written.clone();
        if let Some(body) = flipped(&lines[line].body, byte, to) {
            lines[line].body = body;
            prop_assert_eq!(&verified(&lines, last), &altered);
        }
        let mut lines = written.clone();
        if let Some(hash) = flipped(&lines[line].hash, byte, to) {
            lines[line].hash = hash;
            prop_assert_eq!(&verified(&lines, last), &altered);
        }
    }

    #[test]
    fn a_line_written_anew_with_a_hash_to_match_is_found_be_it_the_last(events in events(), line: Index) {
        let (_, mut lines) = lived(&events);
        let (line, last) = (line.index(lines.len()), lines.last().unwrap().clone());
        let mut changed = lines[line].open().unwrap();
        changed.fence = Fence(2);
        lines[line] = changed.seal().unwrap();
        let at = u32::try_from(line).unwrap() + 1;
        let found = if at == last.seq { Flaw::NotInHead { line: at } } else { Flaw::Unchained { line: at + 1 } };
        prop_assert_eq!(verified(&lines, &last), Err(found));
    }

    #[test]
    fn a_line_that_was_dropped_is_named_be_it_the_last(events in events(), line: Index) {
        let (_, mut lines) = lived(&events);
        let (line, last) = (line.index(lines.len()), lines.last().unwrap().clone());
        let dropped = lines.remove(line);
        prop_assert_eq!(verified(&lines, &last), Err(Flaw::Missing { line: dropped.seq }));
    }

    #[test]
    fn every_line_from_one_on_dropped_is_found(events in events(), from: Index) {
        let (_, mut lines) = lived(&events);
        let (from, last) = (from.index(lines.len()), lines.last().unwrap().clone());
        lines.truncate(from);
        let line = u32::try_from(from).unwrap() + 1;
        prop_assert_eq!(verified(&lines, &last), Err(Flaw::Missing { line }));
    }

    #[test]
    fn lines_that_changed_places_are_named(events in events(), one: Index, other: Index) {
        let (_, mut lines) = lived(&events);
        let (one, other) = (one.index(lines.len()), other.index(lines.len()));
        prop_assume!(one != other);
        let last = lines.last().unwrap().clone();
        let (first, second) = (lines[one.min(other)].seq, lines[one.max(other)].seq);
        // As in a table: each place stays, with what the other one held.
        lines.swap(one, other);
        (lines[one].seq, lines[other].seq) = (lines[other].seq, lines[one].seq);
        prop_assert_eq!(verified(&lines, &last), Err(Flaw::Moved { line: first, written: second }));
    }

    #[test]
    fn a_line_that_was_added_is_named(events in events()) {
        let (state, mut lines) = lived(&events);
        let last = lines.last().unwrap().clone();
        let more = Event::Resumed { execution: "arn:aws:states:x:e2".parse().unwrap() };
        let added = entry(Some(&state), more, 1);
        lines.push(added.seal().unwrap());
        let line = last.seq + 1;
        let found = match &state.ended {
            None => Flaw::Added { line, last: last.seq },
            Some(_) => Flaw::Illegal { line, event: "resumed".into(), why: "the run is over".into() },
        };
        prop_assert_eq!(verified(&lines, &last), Err(found));
    }

    #[test]
    fn lines_of_another_run_and_lines_without_a_head_are_found(events in events()) {
        let (state, lines) = lived(&events);
        let head = Head { seq: state.seq, hash: state.hash };
        let other = verify(&"prod-b-1.35-5f0c2a91".parse().unwrap(), &lines, Some(&head));
        prop_assert_eq!(other, Err(Flaw::Foreign { line: 1, record: format!("run {}", state.run) }));
        prop_assert_eq!(verify(&state.run, &lines, None), Err(Flaw::Headless));
    }
}
