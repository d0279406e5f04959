//! The stories whose runs are recorded: the ways that upgrades go, well and otherwise.

use eks_upgrade_core::cluster::Resource;
use eks_upgrade_core::control::{Answer, ConsentScope};
use eks_upgrade_core::guard::Call;
use eks_upgrade_support::{
    FakeEks, FakeInside, Fleet, Outcome, Twist, empty_inside, installed, node_group, word,
};
use serde_json::json;

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3_600;

/// A story of one run of `prod-a`.
pub struct Story {
    /// The name of its file.
    pub name: &'static str,
    /// What happens, in words.
    pub words: &'static str,
    /// The fleet that it happens to.
    pub fleet: fn() -> Fleet,
    /// What happens.
    pub happens: fn(&Fleet),
}

/// All stories.
pub const STORIES: [Story; 18] = [
    Story {
        name: "two-hops",
        words: "from 1.33 to 1.35, and nothing happens",
        fleet: || Fleet::new().with(installed("prod-a", "1.33")),
        happens: upgraded,
    },
    Story {
        name: "nodes-before-hops",
        words: "an old node group rolls before the control plane may go on, and again at the end",
        fleet: || Fleet::new().with(installed("prod-a", "1.33").with(node_group("old", "1.31"))),
        happens: upgraded,
    },
    Story {
        name: "rolled-back-by-policy",
        words: "a health issue comes up while the hop bakes, and by policy the control plane goes back",
        fleet: || broken_in_bake("{duration: 2h, onFailure: roll-back}"),
        happens: upgraded,
    },
    Story {
        name: "stopped-in-bake",
        words: "a health issue comes up while the hop bakes, and the run stops with the way back open",
        fleet: || broken_in_bake("{duration: 2h}"),
        happens: upgraded,
    },
    Story {
        name: "failed-updates-retried",
        words: "an update of the control plane, one of an add-on and one of a node group fail once",
        fleet: failing,
        happens: upgraded,
    },
    Story {
        name: "throttled",
        words: "EKS throttles the first calls, and loses the answer to another",
        fleet: throttling,
        happens: upgraded,
    },
    Story {
        name: "forced-by-consent",
        words: "pods do not leave a node, and a person has consented to force",
        fleet: stubborn,
        happens: |fleet| {
            fleet.consent("prod-a", ConsentScope::Force { node_group: "general".into() }, 24);
            upgraded(fleet);
        },
    },
    Story {
        name: "pods-that-stay",
        words: "pods do not leave a node, nobody consents to force, and the run stops",
        fleet: || {
            let fleet = stubborn();
            fleet.eks.twist(Resource::NodeGroup("general".into()), Twist::eviction_fails());
            fleet
        },
        happens: upgraded,
    },
    Story {
        name: "addon-conflict",
        words: "people changed an add-on's fields; all else goes on, and then the run stops",
        fleet: || conflicting("bake: {duration: 0s}"),
        happens: upgraded,
    },
    Story {
        name: "addon-overwritten-by-policy",
        words: "people changed an add-on's fields, and the policy lets them be overwritten",
        fleet: || conflicting("{overwriteAddons: [coredns], bake: {duration: 0s}}"),
        happens: upgraded,
    },
    Story {
        name: "kill-switch",
        words: "the kill switch is thrown while the control plane is upgraded, and lifted six hours after the start",
        fleet: small,
        happens: |fleet| {
            fleet.then(5 * MINUTE_S, |fleet| fleet.switch(true));
            fleet.then(6 * HOUR_S, |fleet| fleet.switch(false));
            upgraded(fleet);
        },
    },
    Story {
        name: "window-closes-midway",
        words: "the control plane takes so long that the window closes, and the rest waits for the next night",
        fleet: || {
            let window = "windows: [{start: \"22:00\", duration: 2h, timeZone: Europe/Berlin}]";
            let policy = format!("bake: {{duration: 0s}}\n{window}");
            let fleet = Fleet::new().under(&policy).with(installed("prod-a", "1.34"));
            fleet.eks.twist(Resource::ControlPlane, Twist::Lasts(80 * MINUTE_S));
            fleet
        },
        happens: upgraded,
    },
    Story {
        name: "approved",
        words: "the policy wants a yes before the run, and it comes after five hours",
        fleet: || asking("{before: run}"),
        happens: |fleet| {
            fleet.then(5 * HOUR_S, |fleet| fleet.answer(Answer::Approve));
            upgraded(fleet);
        },
    },
    Story {
        name: "never-answered",
        words: "the policy wants a yes before node groups roll, and nobody answers",
        fleet: || asking("{before: step, steps: [node-group], expires: 2h}"),
        happens: upgraded,
    },
    Story {
        name: "foreign-updates",
        words: "somebody upgrades the control plane and rolls a node group meanwhile; both are watched to their end",
        fleet: || {
            let fleet = Fleet::new().with(installed("prod-a", "1.33"));
            let theirs = Call::UpdateClusterVersion { version: word("1.34") };
            fleet.eks.somebody_calls("prod-a", &theirs, 900, Outcome::Successful);
            fleet.later(1_500, somebody_rolls);
            fleet
        },
        happens: upgraded,
    },
    Story {
        name: "taken-back-by-a-person",
        words: "somebody takes the control plane back, and is not fought",
        fleet: || {
            let fleet = Fleet::new().with(installed("prod-a", "1.33"));
            fleet.later(650, |eks| {
                // kube-proxy may be ahead of it then: not the run's doing.
                eks.state().excused = true;
                eks.change("prod-a", |cluster| cluster.cluster.version = word("1.33"));
            });
            fleet
        },
        happens: upgraded,
    },
    Story {
        name: "resumed-after-abort",
        words: "the execution is aborted while the control plane is upgraded, and another goes on with the run",
        fleet: small,
        happens: |fleet| {
            let mut first = fleet.start(request("1.35"));
            first.until_at("WaitForControlPlane");
            first.abort();
            fleet.pass(HOUR_S);
            upgraded(fleet);
        },
    },
    Story {
        name: "self-managed-nodes",
        words: "the inside is looked at, and nodes that EKS does not manage are rolled",
        fleet: || {
            let policy = "{bake: {duration: 30m}, kubernetes: {access: full}}";
            let fleet = Fleet::new().under(policy).with(installed("prod-a", "1.34").without_groups());
            fleet.eks.look_into("prod-a", inside());
            fleet
        },
        happens: upgraded,
    },
];

fn request(target: &str) -> serde_json::Value {
    json!({"cluster": "prod-a", "target": target})
}

/// An upgrade to 1.35, to whatever end.
fn upgraded(fleet: &Fleet) {
    fleet.start(request("1.35")).finish();
}

fn small() -> Fleet {
    Fleet::new().with(installed("prod-a", "1.34"))
}

fn broken_in_bake(bake: &str) -> Fleet {
    let fleet = Fleet::new().under(&format!("bake: {bake}")).with(installed("prod-a", "1.34"));
    fleet.later(40 * MINUTE_S, |eks| {
        let issue = "Ec2SubnetNotFound: subnet-1 is gone".to_owned();
        eks.change("prod-a", |cluster| cluster.cluster.health_issues.push(issue));
    });
    fleet
}

fn failing() -> Fleet {
    let fleet = small();
    fleet.eks.twist(Resource::ControlPlane, Twist::fails("Unknown", "internal"));
    let addon = Resource::AddOn("coredns".into());
    fleet.eks.twist(addon, Twist::fails("InsufficientNumberOfReplicas", "not ready"));
    fleet.eks.twist(Resource::NodeGroup("general".into()), Twist::eviction_fails());
    fleet
}

fn throttling() -> Fleet {
    let fleet = small();
    for _ in 0..3 {
        fleet.eks.twist(Resource::ControlPlane, Twist::throttled());
    }
    fleet.eks.twist(Resource::NodeGroup("general".into()), Twist::AnswerLost);
    fleet
}

fn stubborn() -> Fleet {
    let fleet = small();
    fleet.eks.twist(Resource::NodeGroup("general".into()), Twist::eviction_fails());
    fleet
}

fn conflicting(policy: &str) -> Fleet {
    let fleet = Fleet::new().under(policy).with(installed("prod-a", "1.34"));
    let conflict =
        "Conflicts found when trying to apply. Conflicts: Deployment.apps coredns - .spec.replicas";
    fleet.eks.twist(Resource::AddOn("coredns".into()), Twist::fails("ConfigurationConflict", conflict));
    fleet
}

fn asking(approval: &str) -> Fleet {
    let policy = format!("bake: {{duration: 0s}}\napprovals: [{approval}]");
    Fleet::new().under(&policy).with(installed("prod-a", "1.34"))
}

fn somebody_rolls(eks: &FakeEks) {
    let theirs = Call::UpdateNodegroupVersion {
        name: "general".into(),
        version: Some(word("1.33")),
        launch_template: None,
        force: false,
    };
    eks.somebody_calls("prod-a", &theirs, 3_000, Outcome::Successful);
}

fn inside() -> FakeInside {
    empty_inside(word("2026-08-18T09:15:00Z"), word("1.34"))
        .with_self_managed("workers", "1.34", 2)
        .with_deployment("web", 3)
        .with_budget("web", 2)
}
