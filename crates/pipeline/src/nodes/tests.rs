//! Each effect comes to the calls that it should, once more to the same ones, and a denial to a line.

use std::collections::BTreeMap;
use std::sync::Mutex;

use eks_upgrade_core::health::Vitals;
use eks_upgrade_core::inside::{
    AutoScalingGroup, Capacity, Inside, Node, NodeGroupOf, Seen, Template, WorkloadKind,
};
use eks_upgrade_core::roll::{Move, Was};

use super::*;
use crate::ports::inside::Groups;

type Read<T> = Result<T, EksDown>;

/// A cluster and its groups that note each write, and may deny one.
#[derive(Default)]
struct Fake {
    calls: Mutex<Vec<String>>,
    looked: Mutex<Vec<Depth>>,
    denies: Option<&'static str>,
    fails: Option<&'static str>,
    evicted: Option<Evicted>,
}

impl Fake {
    fn note(&self, call: &'static str, what: impl AsRef<str>) -> Read<()> {
        let down = |denied| EksDown { operation: call, denied, why: "no".into() };
        if self.denies == Some(call) {
            return Err(down(true));
        }
        if self.fails == Some(call) {
            return Err(down(false));
        }
        self.calls.lock().unwrap().push(format!("{call} {}", what.as_ref()));
        Ok(())
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

impl Insides for Fake {
    async fn inside(&self, _: &ClusterArn, depth: Depth) -> Inside {
        self.looked.lock().unwrap().push(depth);
        Inside {
            nodes: Seen::Is(vec![node()]),
            pods: Seen::Is(Vec::new()),
            workloads: Seen::Is(Vec::new()),
            ..Inside::unread(now(), "no")
        }
    }

    async fn control_plane_subnets(&self, _: &ClusterArn) -> Read<Vec<String>> {
        Ok(Vec::new())
    }
}

impl InsideWrites for Fake {
    async fn cordon(&self, _: &ClusterArn, node: &str, run: Option<&str>) -> Read<bool> {
        self.note("cordon", format!("{node} {}", run.is_some())).map(|()| true)
    }

    async fn evict(&self, _: &ClusterArn, pod: &PodName) -> Read<Evicted> {
        self.note("evict", format!("{}/{}", pod.namespace, pod.name))?;
        Ok(self.evicted.clone().unwrap_or(Evicted::Leaves))
    }

    async fn delete_pod(&self, _: &ClusterArn, pod: &PodName) -> Read<()> {
        let uid = pod.uid.as_ref().map_or_else(String::new, |uid| format!(" {uid}"));
        self.note("delete-pod", format!("{}/{}{uid}", pod.namespace, pod.name))
    }

    async fn scale(&self, _: &ClusterArn, deployment: &str, replicas: u32) -> Read<Option<u32>> {
        self.note("scale", format!("{deployment} {replicas}")).map(|()| Some(1))
    }

    async fn set_image(&self, _: &ClusterArn, component: &str, _: &str) -> Read<()> {
        self.note("set-image", component)
    }

    async fn restart(&self, _: &ClusterArn, _: WorkloadKind, workload: &PodName, _: &str) -> Read<()> {
        self.note("restart", workload.name.clone())
    }
}

impl Groups for Fake {
    async fn capacity(&self, _: &ClusterArn, _: &[String]) -> Capacity {
        Capacity { subnets: Seen::Not("no".into()), groups: Seen::Not("no".into()) }
    }

    async fn group(&self, _: &ClusterArn, name: &str) -> Read<Option<AutoScalingGroup>> {
        Ok((name == "workers").then(group))
    }

    async fn image_family(&self, _: &ClusterArn, _: &Template) -> Read<Option<String>> {
        Ok(None)
    }
}

impl GroupWrites for Fake {
    async fn make_template(
        &self,
        _: &ClusterArn,
        from: &Template,
        family: &str,
        minor: Minor,
        _: &str,
    ) -> Read<(Template, String)> {
        self.note("make-template", format!("{} {family} {minor}", from.version))?;
        Ok((template("2"), "ami-2".into()))
    }

    async fn update_group(
        &self,
        _: &ClusterArn,
        name: &str,
        template: Option<&Template>,
        sizes: Option<Sizes>,
    ) -> Read<()> {
        let version = template.map_or("-", |template| &template.version);
        let sizes =
            sizes.map_or_else(String::new, |sizes| format!("{}/{}/{}", sizes.min, sizes.desired, sizes.max));
        self.note("update-group", format!("{name} {version} {sizes}"))
    }

    async fn make_group(
        &self,
        _: &ClusterArn,
        like: &str,
        name: &str,
        template: &Template,
        _: Sizes,
    ) -> Read<()> {
        self.note("make-group", format!("{name} like {like} {}", template.version))
    }

    async fn terminate(&self, _: &ClusterArn, instance: &str, shrink: bool) -> Read<()> {
        self.note("terminate", format!("{instance} {shrink}"))
    }

    async fn delete_group(&self, _: &ClusterArn, name: &str) -> Read<()> {
        self.note("delete-group", name)
    }
}

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn cluster() -> ClusterArn {
    "arn:aws:eks:us-east-1:123456789012:cluster/prod-a".parse().unwrap()
}

fn minor(text: &str) -> Minor {
    text.parse().unwrap()
}

fn template(version: &str) -> Template {
    Template { id: "lt-1".into(), version: version.into() }
}

fn group() -> AutoScalingGroup {
    AutoScalingGroup {
        name: "workers".into(),
        instances: vec!["i-1".into()],
        min: 1,
        desired: 1,
        max: 1,
        zones: Vec::new(),
        subnets: Vec::new(),
        template: Some(template("1")),
        suspended: Vec::new(),
        released: true,
    }
}

fn node() -> Node {
    Node {
        name: "a".into(),
        kubelet: "v1.34.1-eks".into(),
        minor: Some(minor("1.34")),
        runtime: String::new(),
        os_image: String::new(),
        kernel: String::new(),
        zone: None,
        group: NodeGroupOf::SelfManaged,
        instance: Some("i-1".into()),
        ready: true,
        ready_since: None,
        schedulable: true,
        taints: Vec::new(),
        labels: BTreeMap::new(),
        marks: BTreeMap::new(),
        made_at: now(),
    }
}

fn wanted(way: Way) -> Wanted {
    let token = Token::of(&"r".parse().unwrap(), 1, &"s".parse().unwrap(), 0);
    Wanted {
        group: "workers".into(),
        to: minor("1.35"),
        control_plane: minor("1.35"),
        way,
        surge: 1,
        family: "amazon-linux-2023/x86_64/standard".into(),
        drain_limit_s: 900,
        may_force: false,
        paused_elsewhere: None,
        needed_elsewhere: false,
        since: now(),
        token,
    }
}

fn roll() -> Roll {
    let was = Was {
        sizes: roll::Sizes { min: 1, desired: 1, max: 1 },
        template: template("1"),
        nodes: vec!["a".into(), "b".into()],
        cordoned: vec!["b".into()],
        beside: 0,
        vitals: Vitals::default(),
    };
    Roll::after(None, &Moved::Begun { was: Box::new(was) }, now()).unwrap()
}

async fn make(fake: &Fake, effect: &Effect) -> Result<Option<Moved>, EksDown> {
    let rolling = Rolling { inside: fake, groups: fake };
    let moved = Moved::Meant { effect: effect.clone() };
    rolling.make(&cluster(), &wanted(Way::InPlace), &moved, &roll()).await
}

fn sizes(min: u32, desired: u32, max: u32) -> roll::Sizes {
    roll::Sizes { min, desired, max }
}

#[tokio::test]
async fn each_effect_comes_to_its_calls_and_is_then_made() {
    let paused = Paused { deployment: "kube-system/ca".into(), replicas: 2 };
    let (node, instance) = ("a".to_owned(), "i-1".to_owned());
    let rows: Vec<(Effect, Vec<&str>)> = vec![
        (Effect::PauseAutoscaler { paused: paused.clone() }, vec!["scale kube-system/ca 0"]),
        (Effect::ResumeAutoscaler { paused }, vec!["scale kube-system/ca 2"]),
        (
            Effect::Surge { template: template("2"), sizes: sizes(1, 2, 2), extra: 1 },
            vec!["update-group workers 2 1/2/2"],
        ),
        (
            Effect::MakeGroup {
                name: "beside".into(),
                template: template("2"),
                sizes: sizes(0, 1, 1),
                old: sizes(0, 1, 1),
            },
            vec![
                "make-group beside like workers 2",
                "update-group beside 2 0/1/1",
                "update-group workers - 0/1/1",
            ],
        ),
        (
            Effect::Cordon { node: node.clone(), instance: instance.clone(), surplus: false },
            vec!["cordon a true"],
        ),
        (Effect::Release { node: node.clone() }, vec!["cordon a false"]),
        (
            Effect::DeletePods {
                node: node.clone(),
                pods: vec!["shop/x".into(), "shop/y".into()],
                uids: BTreeMap::from([("shop/x".into(), "u-1".into())]),
            },
            vec!["delete-pod shop/x u-1", "delete-pod shop/y"],
        ),
        (Effect::Terminate { node, instance, shrink: true }, vec!["terminate i-1 true"]),
        (
            Effect::Restore { group: "workers".into(), sizes: sizes(1, 1, 1), template: None },
            vec!["update-group workers - 1/1/1"],
        ),
        (
            Effect::DeleteGroup { group: "workers".into() },
            vec!["update-group workers - 0/0/0", "delete-group workers"],
        ),
        // It is gone already.
        (Effect::DeleteGroup { group: "beside".into() }, vec![]),
    ];
    for (effect, calls) in rows {
        let fake = Fake::default();
        let made = make(&fake, &effect).await.unwrap();
        assert_eq!(made, Some(Moved::Made { effect: effect.clone() }));
        assert_eq!(fake.calls(), calls, "{effect:?}");
    }
}

#[tokio::test]
async fn a_template_is_made_from_that_of_before_and_its_line_tells_which() {
    let fake = Fake::default();
    let made = make(&fake, &Effect::MakeTemplate).await.unwrap();
    assert_eq!(made, Some(Moved::TemplateMade { template: template("2"), image: "ami-2".into() }));
    assert_eq!(fake.calls(), ["make-template 1 amazon-linux-2023/x86_64/standard 1.35"]);
}

#[tokio::test]
async fn what_somebody_else_had_cordoned_is_not_opened() {
    let fake = Fake::default();
    make(&fake, &Effect::Release { node: "b".into() }).await.unwrap();
    assert_eq!(fake.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_denied_effect_is_a_line_and_one_that_mends_is_not_made_yet() {
    let fake = Fake { denies: Some("cordon"), ..Fake::default() };
    let cordon = Effect::Cordon { node: "a".into(), instance: "i-1".into(), surplus: false };
    let given_up = make(&fake, &cordon).await.unwrap();
    assert!(
        matches!(given_up, Some(Moved::GivenUp { denied: true, failure }) if failure.code == "AccessDenied")
    );
    assert_eq!(make(&fake, &Effect::Release { node: "a".into() }).await.unwrap(), None);
}

#[tokio::test]
async fn a_call_that_is_not_answered_is_an_error_and_no_line() {
    let fake = Fake { fails: Some("terminate"), ..Fake::default() };
    let effect = Effect::Terminate { node: "a".into(), instance: "i-1".into(), shrink: false };
    assert!(make(&fake, &effect).await.is_err());
}

#[tokio::test]
async fn a_line_that_means_nothing_makes_nothing() {
    let fake = Fake::default();
    let rolling = Rolling { inside: &fake, groups: &fake };
    let made = rolling.make(&cluster(), &wanted(Way::InPlace), &Moved::Settled, &roll()).await.unwrap();
    assert_eq!((made, fake.calls()), (None, Vec::new()));
}

#[tokio::test]
async fn a_pod_that_may_not_leave_yet_is_no_failure_and_a_denial_is() {
    let pod = PodName { namespace: "shop".into(), name: "x".into(), uid: None };
    for evicted in [Evicted::Leaves, Evicted::NotNow("a budget".into()), Evicted::Refused("two".into())] {
        let fake = Fake { evicted: Some(evicted), ..Fake::default() };
        let rolling = Rolling { inside: &fake, groups: &fake };
        assert_eq!(rolling.evict(&cluster(), &pod).await.unwrap(), None);
        assert_eq!(fake.calls(), ["evict shop/x"]);
    }
    let fake = Fake { denies: Some("evict"), ..Fake::default() };
    let rolling = Rolling { inside: &fake, groups: &fake };
    let line = rolling.evict(&cluster(), &pod).await.unwrap();
    assert!(matches!(line, Some(Moved::GivenUp { denied: false, .. })));
}

#[tokio::test]
async fn a_look_is_as_deep_as_it_has_to_be() {
    let fake = Fake::default();
    let rolling = Rolling { inside: &fake, groups: &fake };
    let wanted = wanted(Way::NewGroup);
    let begun = rolling.pass(&cluster(), &wanted, None, None, now()).await;
    assert!(matches!(begun, Verdict::Do(moves) if matches!(moves[..], [Move::Do(Moved::Begun { .. })])));
    let freeze = Some(Held { why: "a freeze", long: true });
    let held = rolling.pass(&cluster(), &wanted, None, freeze, now()).await;
    assert!(matches!(held, Verdict::Wait { text, .. } if text.contains("a freeze")));
    let next = rolling.pass(&cluster(), &wanted, Some(&roll()), None, now()).await;
    assert_eq!(next, Verdict::Do(vec![Move::Do(Moved::Meant { effect: Effect::MakeTemplate })]));
    assert_eq!(*fake.looked.lock().unwrap(), [Depth::Drain, Depth::Drain, Depth::Roll]);
}
