use jiff::Timestamp;

use super::*;
use crate::arn::ClusterArn;
use crate::decide::{ActionName, WaitFor};
use crate::finding::{Code, Finding, Level};
use crate::ids::{Fence, StepId, Token};
use crate::ledger::{Ending, Entry, Event, Harm, Opened, RunState, Sealed};
use crate::plan::{Baseline, Hop, Plan, Reversibility, Step, StepKind};
use crate::policy::{NodeHops, NodeStrategy, Policy};
use crate::remedy::{Failure, Remedy};
use crate::version::Minor;
use crate::waits::Span;

const RUN: &str = "prod-a-1.35-5f0c2a91";

/// The lines of a run, and the news in each.
#[derive(Default)]
struct Story {
    lines: Vec<Sealed>,
    teller: Teller,
}

impl Story {
    /// A run that was opened and planned, with this plan.
    fn planned(plan: Plan) -> (Self, Option<News>) {
        let mut story = Self::default();
        assert_eq!(story.line(opened()), None);
        let news = story.line(Event::Planned { plan: Box::new(plan) });
        (story, news)
    }

    fn line(&mut self, event: Event) -> Option<News> {
        let entry = Entry {
            run: RUN.parse().unwrap(),
            seq: u32::try_from(self.lines.len()).unwrap() + 1,
            at: at(self.lines.len()),
            actor: "arn:aws:states:us-east-1:123456789012:execution:upgrade:x".parse().unwrap(),
            fence: Fence(1),
            event,
            previous: self.lines.last().map_or(String::new(), |line| line.hash.clone()),
        };
        let line = entry.seal().unwrap();
        let news = self.teller.take(&line).unwrap();
        self.lines.push(line);
        news
    }

    /// The step is begun; the news of that.
    fn begin(&mut self, step: &str, action: ActionName) -> Option<News> {
        let token = Token::of(&RUN.parse().unwrap(), 1, &id(step), 1);
        let intended = Event::Intended {
            step: id(step),
            attempt: 1,
            token,
            request: "a call".into(),
            action,
            consent: None,
        };
        assert_eq!(self.line(intended), None);
        let update = "u-1".parse().unwrap();
        self.line(Event::Started { step: id(step), attempt: 1, update, adopted: false })
    }

    fn succeed(&mut self, step: &str) -> Option<News> {
        self.line(Event::Succeeded { step: id(step), update: "u-1".parse().unwrap(), duration_s: 600 })
    }

    /// The control plane is upgraded.
    fn upgrade(&mut self) {
        self.begin("1.35/control-plane", ActionName::UpgradeControlPlane);
        self.succeed("1.35/control-plane");
    }

    fn complete(&mut self) -> News {
        self.line(Event::Verified { step: id("1.35/verify"), evidence: "in order".into() });
        self.line(Event::Ended(Ending::Completed)).unwrap()
    }
}

fn at(line: usize) -> Timestamp {
    let start: Timestamp = "2026-08-18T09:15:00Z".parse().unwrap();
    start + jiff::SignedDuration::from_mins(i64::try_from(line).unwrap())
}

fn id(step: &str) -> StepId {
    step.parse().unwrap()
}

fn minor(number: u8) -> Minor {
    Minor::new(number).unwrap()
}

fn cluster() -> ClusterArn {
    "arn:aws:eks:us-east-1:123456789012:cluster/prod-a".parse().unwrap()
}

fn opened() -> Event {
    Event::Opened(Box::new(Opened {
        cluster: cluster(),
        cluster_created_at: at(0),
        from: minor(34),
        target: minor(35),
        policy: Policy::default(),
        campaign: Some("notice-1".parse().unwrap()),
        reason: None,
        support_ends: Some("2026-12-02T00:00:00Z".parse().unwrap()),
        roll_back: false,
        launch_templates: std::collections::BTreeMap::default(),
        harm: None,
    }))
}

fn control_plane() -> (&'static str, StepKind) {
    ("1.35/control-plane", StepKind::ControlPlane { from: minor(34), to: minor(35) })
}

fn node_group() -> (&'static str, StepKind) {
    let kind = StepKind::NodeGroup {
        name: "web".into(),
        from: minor(34),
        to: minor(35),
        strategy: NodeStrategy::Rolling,
        launch_template: None,
        custom_ami: false,
        size: 2,
        max_unavailable: 1,
    };
    ("1.35/node-group/web", kind)
}

fn plan(kinds: Vec<(&str, StepKind)>) -> Plan {
    let mut steps: Vec<Step> = Vec::new();
    for (name, kind) in kinds.into_iter().chain([("1.35/verify", StepKind::Verify)]) {
        let after = steps.iter().map(|step| step.id.clone()).collect();
        let span = Span::of(&kind);
        let reversibility = Reversibility::OneWay;
        steps.push(Step { id: id(name), kind, after, reason: "due".into(), reversibility, span });
    }
    Plan {
        revision: 1,
        renewals: 0,
        cluster: cluster(),
        cluster_created_at: at(0),
        from: minor(34),
        target: minor(35),
        nodes: NodeHops::Last,
        node_groups: vec!["web".into()],
        hops: vec![Hop { to: minor(35), steps }],
        findings: Vec::new(),
        made_at: at(0),
        baseline: Baseline::default(),
        unattended: false,
        rolls_back: None,
    }
}

fn blocked() -> Plan {
    let next = "ask the vendor for one";
    let finding =
        Finding::new(Code::AddonNoVersion, Level::Block, "vendor", "it has no version for 1.35", next);
    Plan { findings: vec![finding], ..plan(vec![control_plane()]) }
}

fn failure(remedy: Remedy) -> Failure {
    Failure {
        code: "PodEvictionFailure".into(),
        message: "pods stay".into(),
        resources: Vec::new(),
        remedy,
        next_action: "let them go".into(),
    }
}

fn halted(code: &str) -> Event {
    Event::Ended(Ending::Halted {
        code: code.into(),
        message: "pods stay".into(),
        next_action: "let them go, then start again".into(),
    })
}

fn paused(wait_for: WaitFor, until: Option<&str>) -> Event {
    let until = until.map(|until| until.parse().unwrap());
    Event::Paused { wait_for, text: "control plane 1.34 → 1.35: closed".into(), until }
}

fn asked() -> Event {
    Event::ApprovalAsked {
        approval: "ap-5f0c2a91d3e4".parse().unwrap(),
        before: "control plane 1.34 → 1.35 of prod-a".into(),
        expires_at: "2026-08-21T09:15:00Z".parse().unwrap(),
    }
}

/// What each line says after the plan: its kind, and words of the message to people if there is one.
#[test]
fn each_line_its_news() {
    let withheld = |remedy| Event::Withheld { step: id("1.35/control-plane"), failure: failure(remedy) };
    let resumed = Event::Resumed { execution: "arn:x".parse().unwrap() };
    let none: Option<&[&str]> = None;
    let table = [
        (resumed, None, none),
        (
            asked(),
            Some(NewsKind::ApprovalWanted),
            Some(
                &[
                    "before: control plane 1.34 → 1.35 of prod-a",
                    "Until 2026-08-21 09:15 UTC",
                    "eks-upgrade approve ap-5f0c2a91d3e4 --reason \"...\"",
                    "eks-upgrade reject ap-5f0c2a91d3e4 --reason \"...\"",
                ][..],
            ),
        ),
        (paused(WaitFor::Window, Some("2026-08-22T02:00:00Z")), Some(NewsKind::Paused), none),
        (
            paused(WaitFor::Window, Some("2026-12-12T00:00:00Z")),
            Some(NewsKind::Paused),
            Some(&["$12 a day", "$120 in all", "by 2026-12-02", "goes on at 2026-12-12 00:00 UTC"][..]),
        ),
        (
            paused(WaitFor::KillSwitch, None),
            Some(NewsKind::Paused),
            Some(&["eks-upgrade kill-switch lift --reason"][..]),
        ),
        (withheld(Remedy::Wait { after_s: 60 }), None, none),
        (withheld(Remedy::Stop), Some(NewsKind::StepFailed), none),
        (
            halted("PodEvictionFailure"),
            Some(NewsKind::Failed),
            Some(
                &[
                    "Stopped with PodEvictionFailure: pods stay",
                    "Nothing of the cluster was changed",
                    "Wanted of the cluster's owner: let them go",
                    "eks-upgrade start prod-a --target 1.35",
                    "support of 1.34 ends on 2026-12-02",
                    "eks-upgrade history prod-a-1.35-5f0c2a91",
                ][..],
            ),
        ),
        (halted("Superseded"), Some(NewsKind::Failed), none),
    ];
    for (event, kind, words) in table {
        let (mut story, _) = Story::planned(plan(vec![control_plane()]));
        let name = format!("{event:?}");
        let news = story.line(event);
        assert_eq!(news.as_ref().map(|news| news.kind), kind, "{name}");
        assert_told(news.as_ref(), words, &name);
    }
}

fn assert_told(news: Option<&News>, words: Option<&[&str]>, name: &str) {
    let told = news.and_then(|news| news.tell.as_ref());
    assert_eq!(told.is_some(), words.is_some(), "{name}: {told:?}");
    let Some(told) = told else { return };
    assert!(told.subject.len() <= 100 && told.subject.bytes().all(|b| (32..127).contains(&b)), "{told:?}");
    for word in words.unwrap_or_default() {
        assert!(told.message.contains(word), "{name}: {word:?} is not in:\n{}", told.message);
    }
}

#[test]
fn a_plan_is_told_to_machines_and_a_blocked_one_to_people_once() {
    let (_, news) = Story::planned(plan(vec![control_plane()]));
    let news = news.unwrap();
    assert_eq!((news.kind, news.tell.is_some()), (NewsKind::Planned, false));

    let (mut story, news) = Story::planned(blocked());
    assert_eq!(news.as_ref().map(|news| news.kind), Some(NewsKind::Blocked));
    let words = [
        "addon-no-version vendor: it has no version for 1.35. ask the vendor for one",
        "eks-upgrade consent prod-a override",
        "eks-upgrade start prod-a --target 1.35",
        "2026-12-02",
    ];
    assert_told(news.as_ref(), Some(&words), "blocked");
    let end = story.line(halted("Blocked")).unwrap();
    assert_eq!((end.kind, end.tell.is_some()), (NewsKind::Failed, false));
}

#[test]
fn only_the_first_update_starts_a_run() {
    let (mut story, _) = Story::planned(plan(vec![control_plane(), node_group()]));
    let started = story.begin("1.35/control-plane", ActionName::UpgradeControlPlane).unwrap();
    assert_eq!((started.kind, started.tell), (NewsKind::Started, None));
    let done = story.succeed("1.35/control-plane").unwrap();
    assert_eq!((done.kind, done.tell), (NewsKind::StepDone, None));
    assert_eq!(story.begin("1.35/node-group/web", ActionName::RollNodeGroup), None);
    let failed = story
        .line(Event::Failed {
            step: id("1.35/node-group/web"),
            update: "u-1".parse().unwrap(),
            duration_s: 900,
            failure: failure(Remedy::Retry { after_s: 300 }),
        })
        .unwrap();
    assert_eq!((failed.kind, failed.tell), (NewsKind::StepFailed, None));
    let halt = story.line(halted("PodEvictionFailure"));
    assert_told(halt.as_ref(), Some(&["What was done so far stays"]), "halted");
}

#[test]
fn the_way_back_is_told_while_nodes_have_not_followed() {
    let (mut story, _) = Story::planned(plan(vec![control_plane()]));
    story.upgrade();
    let end = story.complete();
    let words =
        ["until 2026-08-25 09:18 UTC", "eks-upgrade roll-back prod-a", "Nothing is wanted of anybody"];
    assert_told(Some(&end), Some(&words), "completed");

    let (mut story, _) = Story::planned(plan(vec![control_plane(), node_group()]));
    story.upgrade();
    story.begin("1.35/node-group/web", ActionName::RollNodeGroup);
    story.succeed("1.35/node-group/web");
    let end = story.complete();
    assert_eq!(end.kind, NewsKind::Completed);
    assert!(!end.tell.unwrap().message.contains("roll-back"), "EKS would refuse it");
}

#[test]
fn a_failure_of_a_run_that_was_to_go_farther_still_holds_and_is_told() {
    let (mut story, _) = Story::planned(plan(vec![control_plane()]));
    story.upgrade();
    story.complete();
    let told = |target: u8| {
        let mut state = RunState::read(&story.lines).unwrap().unwrap();
        state.opened.harm =
            Some(Harm { run: "run-0".parse().unwrap(), code: "X".into(), target: minor(target) });
        crate::report::of_completion(&state, None).message
    };
    let holds = told(36);
    assert!(holds.contains("run run-0 still holds") && holds.contains("--target 1.36"), "{holds}");
    assert!(!told(35).contains("run-0"), "this one clears it");
}

#[test]
fn a_control_plane_that_went_back_is_told() {
    let back = StepKind::RollBack { from: minor(35), to: minor(34), force: false };
    let because = failure(Remedy::RollBack);
    let plan = Plan { rolls_back: Some(because), ..plan(vec![("1.34/roll-back", back)]) };
    let (mut story, _) = Story::planned(plan);
    story.begin("1.34/roll-back", ActionName::RollBackControlPlane);
    story.succeed("1.34/roll-back");
    story.line(Event::Verified { step: id("1.35/verify"), evidence: "in order".into() });
    let ending = Ending::RolledBack {
        to: minor(34),
        code: "BakeFailed".into(),
        message: "add-on coredns is DEGRADED".into(),
        next_action: "mend coredns".into(),
    };
    let end = story.line(Event::Ended(ending));
    assert_eq!(end.as_ref().map(|news| news.kind), Some(NewsKind::RolledBack));
    assert_told(end.as_ref(), Some(&["went back to 1.34", "BakeFailed", "mend coredns"]), "rolled back");
}

#[test]
fn details_are_as_documented() {
    let (mut story, planned) = Story::planned(plan(vec![control_plane()]));
    let detail = serde_json::to_value(planned.unwrap().detail).unwrap();
    let expected = serde_json::json!({
        "version": "1",
        "id": "prod-a-1.35-5f0c2a91/2",
        "run": RUN,
        "at": "2026-08-18T09:16:00Z",
        "cluster": {
            "name": "prod-a",
            "arn": "arn:aws:eks:us-east-1:123456789012:cluster/prod-a",
            "account": "123456789012",
            "region": "us-east-1",
        },
        "from": "1.34",
        "target": "1.35",
        "campaign": "notice-1",
        "text": "prod-a from 1.34 to 1.35: 2 steps",
        "revision": 1,
        "hops": ["1.35"],
        "steps": 2,
        "typicalS": 630,
        "rollBack": false,
        "findings": [],
    });
    assert_eq!(detail, expected);
    story.upgrade();
    let news = of_run(&story.lines).unwrap();
    let kinds: Vec<NewsKind> = news.iter().map(|news| news.kind).collect();
    assert_eq!(kinds, [NewsKind::Planned, NewsKind::Started, NewsKind::StepDone]);
    let step = &serde_json::to_value(&news[2].detail).unwrap()["step"];
    let expected = serde_json::json!({
        "id": "1.35/control-plane",
        "kind": "control-plane",
        "text": "control plane 1.34 → 1.35",
    });
    assert_eq!(*step, expected);
}

#[test]
fn a_broken_ledger_gives_no_news() {
    let (mut story, _) = Story::planned(plan(vec![control_plane()]));
    story.lines[1].body.push(' ');
    assert!(of_run(&story.lines).is_err());
}
