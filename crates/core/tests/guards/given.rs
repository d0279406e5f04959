//! A run, a look and people's words that stand against nothing, and the steps of the run.

use std::collections::BTreeMap;

use eks_upgrade_core::cluster::{Addon, AmiFamily, Cluster, Found, NodeGroup, Status};
use eks_upgrade_core::control::{Consent, ConsentScope, Controls, KillSwitch};
use eks_upgrade_core::decide::{ActionName, Decision, WaitFor, decide};
use eks_upgrade_core::guard::{Verdict, guard};
use eks_upgrade_core::hold::{Hold, hold};
use eks_upgrade_core::ids::{Fence, StepId, Token};
use eks_upgrade_core::ledger::{Done, Entry, Event, Opened, Phase, Progress, RunState};
use eks_upgrade_core::observe::{World, settle};
use eks_upgrade_core::plan::{Baseline, Hop, Plan, Reversibility, Step, StepKind};
use eks_upgrade_core::policy::{NodeHops, NodeStrategy, Policy};
use eks_upgrade_core::remedy::{Failure, Remedy};
use eks_upgrade_core::roll::Way;
use eks_upgrade_core::version::Minor;
use eks_upgrade_core::waits::Span;
use eks_upgrade_core::window::{Freeze, Schedule};
use jiff::{SignedDuration, Timestamp};

pub fn minor(n: u8) -> Minor {
    Minor::new(n).unwrap()
}

pub fn now() -> Timestamp {
    "2026-08-18T09:15:00Z".parse().unwrap()
}

pub fn days(n: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * n)
}

/// All that a guard is asked with.
pub struct Case {
    pub state: RunState,
    pub world: World,
    pub controls: Controls,
}

impl Case {
    /// A run from 1.33 to 1.34 of a healthy cluster, whose policy wants nothing of anybody.
    pub fn new() -> Self {
        let policy = Policy { approvals: Vec::new(), schedule: Schedule::default(), ..Policy::default() };
        let cluster = cluster();
        let opened = Event::Opened(Box::new(Opened {
            cluster: cluster.arn.clone(),
            cluster_created_at: cluster.created_at,
            from: minor(33),
            target: minor(34),
            policy,
            campaign: None,
            reason: None,
            support_ends: None,
            roll_back: false,
            launch_templates: BTreeMap::new(),
            harm: None,
        }));
        let entry = Entry {
            run: "prod-a-1.34-1".parse().unwrap(),
            seq: 1,
            at: now(),
            actor: "arn:aws:states:x:e1".parse().unwrap(),
            fence: Fence(1),
            event: opened,
            previous: String::new(),
        };
        let mut state = RunState::read(&[entry.seal().unwrap()]).unwrap().unwrap();
        state.plan = Some(plan(&cluster));
        let names = vec!["a".to_owned()];
        let world = World {
            cluster: Some(Found::Is(cluster)),
            node_groups: BTreeMap::from([("a".to_owned(), Found::Is(node_group()))]),
            addons: BTreeMap::from([("vpc-cni".to_owned(), Found::Is(addon(16)))]),
            node_group_names: Some(names),
            ..World::default()
        };
        Self { state, world, controls: Controls::default() }
    }

    pub fn guard(&self, step: &Step, asked: ActionName) -> Verdict {
        guard(&self.state, step, asked, &self.world, &self.controls, now())
    }

    pub fn hold(&self, step: &Step) -> Option<Hold> {
        hold(&self.state, step, &self.controls, now())
    }

    /// The code under which the step is withheld.
    pub fn withheld(&self, step: &Step, asked: ActionName) -> String {
        match self.guard(step, asked) {
            Verdict::Record(event) => match *event {
                Event::Withheld { failure, .. } => failure.code,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    pub fn at(mut self, version: u8) -> Self {
        self.cluster().version = minor(version);
        self
    }

    pub fn cluster(&mut self) -> &mut Cluster {
        match &mut self.world.cluster {
            Some(Found::Is(cluster)) => cluster,
            other => panic!("{other:?}"),
        }
    }

    pub fn group(&mut self) -> &mut NodeGroup {
        match self.world.node_groups.get_mut("a") {
            Some(Found::Is(group)) => group,
            other => panic!("{other:?}"),
        }
    }

    pub fn addon(&mut self) -> &mut Addon {
        match self.world.addons.get_mut("vpc-cni") {
            Some(Found::Is(addon)) => addon,
            other => panic!("{other:?}"),
        }
    }

    /// Somebody consents for the next hour.
    pub fn consent(mut self, scope: ConsentScope) -> Self {
        self.controls.consents.push(Consent {
            id: "co-1".parse().unwrap(),
            cluster: self.state.opened.cluster.clone(),
            scope,
            by: "arn:aws:sts::123456789012:assumed-role/sre/ada".parse().unwrap(),
            reason: "looked at it".into(),
            at: now(),
            expires_at: now() + SignedDuration::from_hours(1),
        });
        self
    }

    pub fn thrown(mut self, ago: SignedDuration) -> Self {
        self.controls.switch = Some(KillSwitch {
            thrown: true,
            by: "arn:aws:sts::123456789012:assumed-role/sre/ada".parse().unwrap(),
            reason: "an incident".into(),
            at: now() - ago,
        });
        self
    }

    /// Everything is frozen for so long from yesterday on.
    pub fn frozen_for(mut self, from_now: SignedDuration) -> Self {
        let local = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M").to_string();
        let freeze = serde_json::json!({
            "name": "quarter end", "scope": "everything",
            "from": local(now() - days(1)), "until": local(now() + from_now),
        });
        let freeze: Freeze = serde_json::from_value(freeze).unwrap();
        self.state.opened.policy.schedule.freezes.push(freeze);
        self
    }

    /// The step is done.
    pub fn done(self, step: &Step) -> Self {
        self.stands(step, Phase::Done { how: Done::Updated })
    }

    /// The step stands so, after one attempt.
    pub fn stands(mut self, step: &Step, phase: Phase) -> Self {
        let progress = Progress { attempt: 1, ..Progress::new(phase) };
        self.state.steps.insert(step.id.clone(), progress);
        self
    }

    /// The step was begun so many seconds ago.
    pub fn begun(self, step: &Step, ago_s: i64) -> Self {
        self.begun_after(step, ago_s, ago_s)
    }

    /// The step was meant so many seconds ago, and its update became known so many ago.
    pub fn begun_after(self, step: &Step, meant_s: i64, known_s: i64) -> Self {
        let (update, since, known_at) = ("u-1".parse().unwrap(), ago(meant_s), ago(known_s));
        self.stands(step, Phase::InFlight { update, since, known_at })
    }

    /// The codes that the look has the ledger say the plan's first hop failed with.
    pub fn settles(&self) -> Vec<String> {
        let hop = &self.state.plan.as_ref().unwrap().hops[0];
        let events = settle(&self.state, hop, &self.world, now()).into_iter();
        events
            .filter_map(|event| match event {
                Event::Failed { failure, .. } => Some(failure.code),
                _ => None,
            })
            .collect()
    }

    /// A call for the step was meant, and nothing is known of it.
    pub fn meant(self, step: &Step) -> Self {
        let token = Token::of(&self.state.run, 1, &step.id, 1);
        self.stands(step, Phase::Intended { token, since: now() })
    }

    /// The step's last attempt failed just now, or so many seconds ago.
    pub fn failed(self, step: &Step, code: &str, remedy: Remedy, ago_s: i64) -> Self {
        self.stands(step, Phase::Failed { failure: failure(code, remedy), at: ago(ago_s) })
    }

    /// It is recorded that the step was withheld, so many seconds ago.
    pub fn withhold(mut self, step: &Step, code: &str, remedy: Remedy, ago_s: i64) -> Self {
        let entry = Entry {
            run: self.state.run.clone(),
            seq: self.state.seq + 1,
            at: ago(ago_s),
            actor: "arn:aws:states:x:e1".parse().unwrap(),
            fence: Fence(1),
            event: Event::Withheld { step: step.id.clone(), failure: failure(code, remedy) },
            previous: self.state.hash.clone(),
        };
        self.state.apply(&entry).unwrap();
        self
    }

    pub fn progress(&mut self, step: &Step) -> &mut Progress {
        self.state.steps.get_mut(&step.id).unwrap()
    }

    pub fn plan(&mut self) -> &mut Plan {
        self.state.plan.as_mut().unwrap()
    }

    /// The plan is one hop, of these steps.
    pub fn planned(mut self, steps: &[Step]) -> Self {
        self.plan().hops[0].steps = steps.to_vec();
        self
    }

    /// What is decided about the plan's first hop.
    pub fn decide(&self) -> Decision {
        let hop = &self.state.plan.as_ref().unwrap().hops[0];
        decide(&self.state, hop, &self.world, &self.controls, now())
    }

    /// The code that it halts with.
    pub fn halts(&self) -> String {
        match self.decide() {
            Decision::Halt { code, next_action, .. } => {
                assert!(!next_action.is_empty());
                code
            }
            other => panic!("{other:?}"),
        }
    }

    /// What it does, and on which steps.
    pub fn acts(&self) -> Vec<(ActionName, StepId)> {
        match self.decide() {
            Decision::Act { actions } => actions.into_iter().map(|each| (each.action, each.step)).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// What it waits for, and for how many seconds.
    pub fn waits(&self) -> (WaitFor, u32) {
        match self.decide() {
            Decision::Wait { wait_for, seconds, .. } => (wait_for, seconds),
            other => panic!("{other:?}"),
        }
    }
}

pub fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

pub fn failure(code: &str, remedy: Remedy) -> Failure {
    Failure {
        code: code.into(),
        message: "in words".into(),
        resources: Vec::new(),
        remedy,
        next_action: "look at it".into(),
    }
}

fn cluster() -> Cluster {
    Cluster {
        arn: "arn:aws:eks:us-east-1:123456789012:cluster/prod-a".parse().unwrap(),
        created_at: "2025-01-15T08:00:00Z".parse().unwrap(),
        version: minor(33),
        status: Status::Active,
        tags: BTreeMap::new(),
        auto_mode: false,
        extended_support: true,
        health_issues: Vec::new(),
    }
}

fn node_group() -> NodeGroup {
    NodeGroup {
        name: "a".into(),
        version: minor(32),
        release: None,
        ami: AmiFamily::Published,
        launch_template: None,
        status: Status::Active,
        size: 3,
        max_unavailable: 1,
        health_issues: Vec::new(),
    }
}

fn addon(version: u32) -> Addon {
    Addon {
        name: "vpc-cni".into(),
        version: format!("v1.{version}.0-eksbuild.1").parse().unwrap(),
        status: Status::Active,
        role: Some("arn:aws:iam::123456789012:role/cni".into()),
        configuration: Some("{}".into()),
        health_issues: Vec::new(),
    }
}

fn plan(cluster: &Cluster) -> Plan {
    Plan {
        revision: 1,
        renewals: 0,
        cluster: cluster.arn.clone(),
        cluster_created_at: cluster.created_at,
        from: minor(33),
        target: minor(34),
        nodes: NodeHops::Last,
        node_groups: vec!["a".into()],
        hops: vec![Hop { to: minor(34), steps: vec![control_plane(), addon_step(), group_step(33)] }],
        findings: Vec::new(),
        made_at: now(),
        baseline: Baseline::default(),
        unattended: false,
        rolls_back: None,
    }
}

pub fn step(name: &str, kind: StepKind) -> Step {
    let span = Span::of(&kind);
    let id = format!("1.34/{name}").parse().unwrap();
    Step { id, kind, after: Vec::new(), reason: "why".into(), reversibility: Reversibility::OneWay, span }
}

pub fn control_plane() -> Step {
    step("control-plane", StepKind::ControlPlane { from: minor(33), to: minor(34) })
}

pub fn addon_step() -> Step {
    let version = |n: u32| format!("v1.{n}.0-eksbuild.1").parse().unwrap();
    step("addon", StepKind::AddOn { name: "vpc-cni".into(), from: version(16), to: version(17) })
}

/// The group `a` to this minor.
pub fn group_step(to: u8) -> Step {
    group("a", to, NodeStrategy::Rolling)
}

pub fn group(name: &str, to: u8, strategy: NodeStrategy) -> Step {
    let kind = StepKind::NodeGroup {
        name: name.into(),
        from: minor(32),
        to: minor(to),
        strategy,
        launch_template: None,
        custom_ami: false,
        size: 3,
        max_unavailable: 1,
    };
    step(&format!("node-group/{name}"), kind)
}

/// A group that EKS does not manage, to 1.34.
pub fn own_nodes() -> Step {
    let kind = StepKind::SelfManagedNodes {
        name: "own".into(),
        from: minor(32),
        to: minor(34),
        way: Way::InPlace,
        strategy: NodeStrategy::Rolling,
        size: 3,
        surge: 1,
        family: "amazon-linux-2023/x86_64/standard".into(),
    };
    step("self-managed/own", kind)
}

/// From 1.33 to 1.32.
pub fn back(force: bool) -> Step {
    step("roll-back", StepKind::RollBack { from: minor(33), to: minor(32), force })
}

pub fn verify() -> Step {
    step("verify", StepKind::Verify)
}
