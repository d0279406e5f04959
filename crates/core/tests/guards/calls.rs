//! Calls: what they change, what they say, and which updates could be theirs.

use std::collections::BTreeSet;

use eks_upgrade_core::cluster::{LaunchTemplate, Resource, Update, UpdateStatus};
use eks_upgrade_core::decide::ActionName;
use eks_upgrade_core::guard::{Call, call_of, held_by, held_by_nobody_known, queries};
use eks_upgrade_core::ledger::Event;
use eks_upgrade_core::observe::{Query, World};
use eks_upgrade_core::plan::StepKind;
use eks_upgrade_core::policy::NodeStrategy;
use eks_upgrade_core::remedy::{RESOURCE_IN_USE, Remedy};

use crate::given::{Case, addon_step, back, control_plane, group_step, minor, now, step, verify};

fn update(kind: &str, to: Option<&str>) -> Update {
    Update {
        id: "u-1".parse().unwrap(),
        kind: kind.into(),
        status: UpdateStatus::InProgress,
        created_at: now(),
        to: to.map(str::to_owned),
        errors: Vec::new(),
    }
}

fn group(version: Option<u8>, force: bool) -> Call {
    let launch_template = None;
    Call::UpdateNodegroupVersion { name: "a".into(), version: version.map(minor), launch_template, force }
}

fn addon(overwrite: bool) -> Call {
    let version = "v1.17.0-eksbuild.1".parse().unwrap();
    Call::UpdateAddon { name: "vpc-cni".into(), version, role: None, configuration: None, overwrite }
}

#[test]
fn an_update_is_a_calls_own_by_its_kind_and_its_version() {
    let up = Call::UpdateClusterVersion { version: minor(34) };
    let back = Call::RollBackClusterVersion { version: minor(34), force: false };
    let rows: [(&Call, &str, Option<&str>, bool); 20] = [
        (&up, "VersionUpdate", Some("1.34"), true),
        (&up, "VersionUpdate", Some("1.35"), false),
        (&up, "VersionUpdate", None, false),
        (&up, "VersionRollback", Some("1.34"), false),
        (&back, "VersionRollback", Some("1.34"), true),
        (&back, "VersionRollback", Some("1.33"), false),
        (&back, "VersionUpdate", Some("1.34"), false),
        (&Call::SetExtendedSupport, "UpgradePolicyUpdate", None, true),
        (&Call::SetExtendedSupport, "VersionUpdate", None, false),
        (&group(Some(34), false), "VersionUpdate", Some("1.34"), true),
        (&group(Some(34), false), "VersionUpdate", Some("1.34.2-20260801"), true),
        (&group(Some(34), false), "VersionUpdate", None, true),
        (&group(Some(34), false), "VersionUpdate", Some("1.33.2-20260801"), false),
        (&group(Some(34), false), "ConfigUpdate", Some("1.34"), false),
        (&group(None, false), "VersionUpdate", Some("1.33.2-20260801"), true),
        (&group(None, false), "ConfigUpdate", None, false),
        (&addon(false), "AddonUpdate", Some("v1.17.0-eksbuild.1"), true),
        (&addon(false), "AddonUpdate", Some("v1.18.0-eksbuild.1"), false),
        (&addon(false), "AddonUpdate", None, false),
        (&addon(false), "VersionUpdate", Some("v1.17.0-eksbuild.1"), false),
    ];
    for (call, kind, to, is) in rows {
        assert_eq!(call.matches(&update(kind, to)), is, "{call} and {kind} to {to:?}");
    }
}

#[test]
fn a_call_reads_as_what_it_does() {
    let template = Some(LaunchTemplate { id: "lt-1".into(), version: "2".into() });
    let own = Call::UpdateNodegroupVersion {
        name: "a".into(),
        version: None,
        launch_template: template,
        force: false,
    };
    let rows = [
        (Call::UpdateClusterVersion { version: minor(34) }, "UpdateClusterVersion 1.34"),
        (
            Call::RollBackClusterVersion { version: minor(32), force: true },
            "UpdateClusterVersion 1.32 back force",
        ),
        (Call::SetExtendedSupport, "UpdateClusterConfig supportType EXTENDED"),
        (group(Some(34), true), "UpdateNodegroupVersion a 1.34 force"),
        (own, "UpdateNodegroupVersion a lt-1:2"),
        (addon(true), "UpdateAddon vpc-cni v1.17.0-eksbuild.1 OVERWRITE"),
        (addon(false), "UpdateAddon vpc-cni v1.17.0-eksbuild.1 PRESERVE"),
    ];
    for (call, text) in rows {
        assert_eq!(call.to_string(), text);
    }
}

#[test]
fn a_step_asks_for_force_and_overwriting_only_where_it_is_asked_to() {
    let world = Case::new().world;
    for (asked, wanted) in [(ActionName::RollNodeGroup, false), (ActionName::ForceNodeGroup, true)] {
        let call = call_of(&group_step(33), asked, &world);
        assert_eq!(call, Some(group(Some(33), wanted)));
    }
    for (asked, wanted) in [(ActionName::UpdateAddOn, false), (ActionName::OverwriteAddOn, true)] {
        let Some(Call::UpdateAddon { overwrite, role, configuration, .. }) =
            call_of(&addon_step(), asked, &world)
        else {
            panic!("no call")
        };
        assert_eq!(overwrite, wanted);
        assert!(role.is_some() && configuration.is_some(), "what it has is sent along");
    }
    assert_eq!(call_of(&verify(), ActionName::Verify, &world), None);
}

#[test]
fn an_image_of_the_owners_gets_no_version() {
    let template = LaunchTemplate { id: "lt-1".into(), version: "2".into() };
    let kind = StepKind::NodeGroup {
        name: "a".into(),
        from: minor(32),
        to: minor(33),
        strategy: NodeStrategy::Rolling,
        launch_template: Some(template.clone()),
        custom_ami: true,
        size: 3,
        max_unavailable: 1,
    };
    let call = call_of(&step("own", kind), ActionName::RollNodeGroup, &World::default());
    let Some(Call::UpdateNodegroupVersion { version, launch_template, .. }) = call else { panic!("no call") };
    assert_eq!((version, launch_template), (None, Some(template)));
}

#[test]
fn a_control_plane_looks_at_every_group_and_each_other_step_at_its_own() {
    let names = ["a".to_owned(), "b".to_owned()];
    let both = [Query::Cluster, Query::NodeGroupNames];
    let groups = names.clone().map(Query::NodeGroup);
    let all: BTreeSet<Query> = both.iter().cloned().chain(groups).collect();
    assert_eq!(queries(&control_plane(), Some(&names)), all);
    assert_eq!(queries(&control_plane(), None), BTreeSet::from(both.clone()));
    assert_eq!(queries(&back(false), Some(&names)), all);
    assert_eq!(
        queries(&group_step(33), Some(&names)),
        BTreeSet::from([Query::Cluster, Query::NodeGroup("a".into())])
    );
    assert_eq!(
        queries(&addon_step(), Some(&names)),
        BTreeSet::from([Query::Cluster, Query::Addon("vpc-cni".into())])
    );
    assert_eq!(queries(&verify(), None), BTreeSet::from([Query::Cluster]));
}

#[test]
fn what_somebody_else_changes_is_waited_for_and_on_record() {
    let resource = Resource::NodeGroup("a".into());
    let Event::Withheld { step, failure } = held_by_nobody_known(&group_step(33), &resource) else {
        panic!("not withheld")
    };
    assert_eq!(step, group_step(33).id);
    assert_eq!(failure.code, RESOURCE_IN_USE);
    assert_eq!(failure.remedy, Remedy::Wait { after_s: 60 });
    assert!(failure.message.starts_with("node group a "), "{}", failure.message);
    let update = "u-7".parse().unwrap();
    assert_eq!(held_by(&resource, &update), Event::ForeignUpdate { resource, update });
}
