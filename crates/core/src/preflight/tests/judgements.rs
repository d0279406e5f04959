//! How bad each thing is, where that depends on more than its being there.

use super::super::fixture::{
    budget, daemon_set, healthy, minor, node, pod, seen, upgrade, webhook, workload,
};
use super::{of, worst};
use crate::finding::{Code, Finding, Level};
use crate::inside::{
    AutoScalingGroup, Backend, Budget, BudgetRule, Called, CountOrShare, Inside, NodeGroupOf, Owner,
    ProxyMode, Seen, Workload, WorkloadKind,
};
use crate::preflight::preflight;

fn found(code: Code, from: &str, target: &str, change: impl FnOnce(&mut Inside)) -> Vec<Finding> {
    let mut inside = healthy(minor(from));
    change(&mut inside);
    let findings = preflight(&inside, upgrade(from, target));
    of(code, &findings).into_iter().cloned().collect()
}

fn level(code: Code, from: &str, target: &str, change: impl FnOnce(&mut Inside)) -> Level {
    worst(code, &found(code, from, target, change)).unwrap()
}

/// One node of this owner and minor, and no other.
fn only(group: NodeGroupOf, kubelet: &str) -> impl FnOnce(&mut Inside) {
    let node = node("n1", group, "eu-central-1a", minor(kubelet));
    move |inside| inside.nodes = Seen::Is(vec![node])
}

#[test]
fn a_kubelet_blocks_where_no_plan_can_replace_it_in_time() {
    let managed = || NodeGroupOf::Managed("web".into());
    let karpenter = || NodeGroupOf::Karpenter("jobs".into());
    let cases = [
        // The plan rolls a managed group before the hop that would be too much for it.
        (managed(), "1.31", "1.34", "1.36", Level::Warn),
        (managed(), "1.33", "1.34", "1.36", Level::Pass),
        // Karpenter follows each hop; it cannot follow one that has not been.
        (karpenter(), "1.32", "1.33", "1.36", Level::Warn),
        (karpenter(), "1.31", "1.34", "1.35", Level::Block),
        (NodeGroupOf::Fargate, "1.31", "1.34", "1.35", Level::Block),
        // A machine by itself is nobody's to replace.
        (NodeGroupOf::SelfManaged, "1.32", "1.33", "1.36", Level::Block),
        (NodeGroupOf::SelfManaged, "1.33", "1.33", "1.36", Level::Pass),
        // Newer than its control plane: until that has caught up, or for good.
        (managed(), "1.35", "1.34", "1.36", Level::Warn),
        (managed(), "1.37", "1.34", "1.36", Level::Block),
    ];
    for (group, kubelet, from, target, wanted) in cases {
        let told = format!("{group:?} at {kubelet}, from {from} to {target}");
        assert_eq!(level(Code::KubeletSkew, from, target, only(group, kubelet)), wanted, "{told}");
    }
}

#[test]
fn a_node_that_fell_behind_its_managed_group_blocks() {
    let behind = level(Code::KubeletSkew, "1.34", "1.35", |inside| {
        seen(&mut inside.nodes)[0].minor = Some(minor("1.31"));
    });
    assert_eq!(behind, Level::Block);
}

#[test]
fn a_self_managed_group_that_is_seen_can_be_rolled_on_the_way() {
    let rolled = level(Code::KubeletSkew, "1.33", "1.36", |inside| {
        only(NodeGroupOf::SelfManaged, "1.32")(inside);
        inside.capacity.groups = Seen::Is(vec![AutoScalingGroup {
            name: "own".into(),
            instances: vec!["i-n1".into()],
            min: 1,
            desired: 1,
            max: 2,
            zones: Vec::new(),
            subnets: Vec::new(),
            template: None,
            suspended: Vec::new(),
            released: true,
        }]);
    });
    assert_eq!(rolled, Level::Warn);
}

#[test]
fn kube_proxy_is_judged_against_the_server_and_the_kubelets() {
    let proxy = |version: &str, kubelet: &str, target: &str| {
        let image = format!("eks/kube-proxy:v{version}.0-eksbuild.2@sha256:0f");
        level(Code::KubeProxySkew, "1.34", target, |inside| {
            seen(&mut inside.components)[0].image = image;
            only(NodeGroupOf::SelfManaged, kubelet)(inside);
        })
    };
    assert_eq!(proxy("1.34", "1.34", "1.35"), Level::Pass);
    assert_eq!(proxy("1.31", "1.34", "1.35"), Level::Warn, "too old for the target only");
    assert_eq!(proxy("1.30", "1.33", "1.35"), Level::Block, "too old already");
    assert_eq!(proxy("1.34", "1.30", "1.35"), Level::Warn, "too far from the kubelet");
}

#[test]
fn a_cluster_without_kube_proxy_has_none_to_be_wrong() {
    let none = level(Code::KubeProxySkew, "1.34", "1.35", |inside| inside.components = Seen::Is(Vec::new()));
    assert_eq!(none, Level::Pass);
    let mode = level(Code::KubeProxyIpvs, "1.34", "1.35", |inside| inside.proxy_mode = Seen::Is(None));
    assert_eq!(mode, Level::Pass);
}

#[test]
fn fargate_reads_as_amazon_linux_2_and_is_none_of_the_owners_images() {
    for code in [Code::AmazonLinux2Nodes, Code::CgroupV1, Code::ContainerdOld] {
        let fargate = level(code, "1.34", "1.35", |inside| {
            let node = &mut seen(&mut inside.nodes)[0];
            node.group = NodeGroupOf::Fargate;
            node.os_image = "Amazon Linux 2".into();
            node.runtime = "containerd://1.7.27".into();
        });
        assert_eq!(fargate, Level::Pass, "{code}");
    }
}

#[test]
fn cgroups_are_told_from_the_image_and_the_kernel() {
    let image = |os_image: &str, kernel: &str| {
        level(Code::CgroupV1, "1.34", "1.35", |inside| {
            let node = &mut seen(&mut inside.nodes)[0];
            (node.os_image, node.kernel) = (os_image.into(), kernel.into());
        })
    };
    assert_eq!(image("Bottlerocket OS 1.49.0 (aws-k8s-1.34)", "6.12.53"), Level::Pass);
    assert_eq!(image("Amazon Linux 2", "5.10.245-241.978.amzn2.x86_64"), Level::Warn);
    assert_eq!(image("Ubuntu 20.04.6 LTS", "5.4.0-1103-aws"), Level::Block);
    assert_eq!(image("Ubuntu 24.04.3 LTS", "6.8.0-1040-aws"), Level::Unknown);
}

#[test]
fn an_old_containerd_of_ones_own_blocks_past_1_35() {
    let old = |group: NodeGroupOf, target: &str| {
        level(Code::ContainerdOld, "1.34", target, |inside| {
            only(group, "1.34")(inside);
            seen(&mut inside.nodes)[0].runtime = "containerd://1.7.27".into();
        })
    };
    assert_eq!(old(NodeGroupOf::SelfManaged, "1.35"), Level::Warn);
    assert_eq!(old(NodeGroupOf::SelfManaged, "1.36"), Level::Block);
    assert_eq!(
        old(NodeGroupOf::Managed("web".into()), "1.36"),
        Level::Warn,
        "its next image brings the new one"
    );
}

#[test]
fn calls_are_judged_by_what_the_server_says_and_by_the_table() {
    let call = |group: &str, version: &str, resource: &str, removed: &str, target: &str| {
        let call = Called {
            group: group.into(),
            version: version.into(),
            resource: resource.into(),
            removed: removed.into(),
        };
        found(Code::RemovedApiCalled, "1.30", target, |inside| seen(&mut inside.called).push(call))
    };
    let flow = ("flowcontrol.apiserver.k8s.io", "v1beta3", "flowschemas");
    let told = call(flow.0, flow.1, flow.2, "1.32", "1.32");
    assert_eq!(told[0].level, Level::Block);
    assert!(told[0].message.starts_with("called: "), "{told:?}");
    assert!(told[0].next_action.contains("flowcontrol.apiserver.k8s.io/v1 FlowSchema"), "{told:?}");
    assert_eq!(call(flow.0, flow.1, flow.2, "", "1.32")[0].level, Level::Block, "the table knows");
    assert_eq!(call(flow.0, flow.1, flow.2, "1.32", "1.31")[0].level, Level::Warn, "not on this way");
    assert_eq!(call("", "v1", "endpoints", "", "1.33")[0].level, Level::Warn, "deprecated, and stays");
    assert_eq!(call("example.com", "v1", "things", "soon", "1.33")[0].level, Level::Unknown);
}

#[test]
fn a_manifest_of_what_goes_later_is_not_this_upgrades() {
    let applied = |target| {
        level(Code::RemovedApiApplied, "1.30", target, |inside| {
            seen(&mut inside.applied).push(crate::inside::Applied {
                api_version: "flowcontrol.apiserver.k8s.io/v1beta3".into(),
                kind: "FlowSchema".into(),
                namespace: String::new(),
                name: "mine".into(),
            });
        })
    };
    assert_eq!(applied("1.31"), Level::Pass);
    assert_eq!(applied("1.32"), Level::Warn);
}

#[test]
fn each_minor_on_the_way_is_one_line() {
    let lines = found(Code::BreakingChange, "1.32", "1.35", |inside| {
        seen(&mut inside.nodes)[0].os_image = "Amazon Linux 2".into();
        inside.proxy_mode = Seen::Not("403 Forbidden".into());
    });
    let told: Vec<(&str, Level)> = lines.iter().map(|line| (line.subject.as_str(), line.level)).collect();
    let wanted =
        [("1.35", Level::Unknown), ("1.33", Level::Warn), ("1.34", Level::Warn), ("1.35", Level::Warn)];
    assert_eq!(told, wanted, "what could not be told is a line of its own");
    assert!(lines[1].message.contains("no Amazon Linux 2"), "{lines:?}");
    assert!(lines[0].message.contains("IPVS"), "{lines:?}");
}

#[test]
fn daemon_sets_are_judged_by_what_their_vendor_says() {
    let daemon = |image: &str, target: &str| {
        found(Code::DaemonSetSupport, "1.29", target, |inside| {
            seen(&mut inside.workloads).push(daemon_set("agent", image));
        })
        .remove(0)
    };
    let good = [
        ("quay.io/cilium/cilium:v1.19.3@sha256:0f", "1.35"),
        ("public.ecr.aws/eks/cilium/cilium:v1.18.3-0", "1.31"),
        ("gcr.io/datadoghq/agent:7.67.0", "1.36"),
        ("gcr.io/datadoghq/agent:7.40.1", "1.32"),
        ("registry.example.com:5000/mirror/calico/node:v3.31.3", "1.35"),
    ];
    for (image, target) in good {
        assert_eq!(daemon(image, target).level, Level::Pass, "{image} at {target}");
    }
    let bad = [
        ("quay.io/cilium/cilium:v1.18.3", "1.35", "1.35 wants 1.19.0 or later"),
        ("quay.io/cilium/cilium:v1.19.3", "1.36", "names no version for 1.36"),
        ("gcr.io/datadoghq/agent:7.66.1", "1.35", "1.33 wants 7.67.0 or later"),
        ("quay.io/cilium/cilium:latest", "1.35", "its version does not read"),
        ("quay.io/cilium/cilium", "1.35", "its version does not read"),
        ("example.com/notcilium/cilium-agent:v9.0.0", "1.35", "nothing is known here"),
    ];
    for (image, target, why) in bad {
        let found = daemon(image, target);
        assert_eq!(found.level, Level::Warn, "{image} at {target}");
        assert!(found.message.contains(why), "{image} at {target}: {found:?}");
    }
}

#[test]
fn an_unknown_daemon_set_of_awss_own_is_left_to_the_plan() {
    let system = |image: &str| {
        level(Code::DaemonSetSupport, "1.33", "1.35", |inside| {
            let mut daemon_set = daemon_set("aws-node", image);
            daemon_set.system = true;
            seen(&mut inside.workloads).push(daemon_set);
        })
    };
    assert_eq!(system("602401143452.dkr.ecr.eu-central-1.amazonaws.com/amazon-k8s-cni:v1.20.4"), Level::Pass);
    assert_eq!(system("quay.io/cilium/cilium:v1.15.0"), Level::Warn, "a vendor's counts in kube-system, too");
}

#[test]
fn budgets_are_told_apart_by_their_arithmetic() {
    let with = |change: fn(&mut Budget)| {
        found(Code::BudgetNeverAllows, "1.33", "1.34", |inside| change(&mut seen(&mut inside.budgets)[0]))
            .remove(0)
    };
    let never = with(|budget| {
        budget.rule = BudgetRule::MinAvailable(CountOrShare::Percent(100));
        (budget.desired, budget.allowed) = (3, 0);
    });
    assert_eq!((never.level, never.subject.as_str()), (Level::Warn, "shop/cart"));
    assert!(never.message.contains("minAvailable 100% of 3 pods"), "{never:?}");
    let not_now = with(|budget| (budget.healthy, budget.allowed) = (2, 0));
    assert_eq!(not_now.level, Level::Warn);
    let nobody =
        with(|budget| (budget.expected, budget.healthy, budget.desired, budget.allowed) = (0, 0, 0, 0));
    assert_eq!(nobody.level, Level::Pass, "it holds nobody");
}

#[test]
fn budgets_of_other_namespaces_and_daemon_sets_do_not_overlap() {
    let level = level(Code::BudgetsOverlap, "1.33", "1.34", |inside| {
        seen(&mut inside.budgets).push(Budget { namespace: "bank".into(), ..budget("cart", 3) });
        seen(&mut inside.budgets).push(Budget { name: "one".into(), ..budget("agent", 3) });
        seen(&mut inside.budgets).push(Budget { name: "two".into(), ..budget("agent", 3) });
        let mut agent = pod("agent", 1, "a1");
        agent.owner = Some(Owner { kind: "DaemonSet".into(), name: "agent".into() });
        seen(&mut inside.pods).push(agent);
    });
    assert_eq!(level, Level::Pass);
}

#[test]
fn webhooks_weigh_by_what_they_are_asked() {
    let backend = |ready_endpoints| Backend::Service {
        namespace: "judge".into(),
        name: "judge".into(),
        ready_endpoints,
    };
    let cases = [
        (true, true, backend(Some(0)), Level::Block),
        (true, false, backend(Some(0)), Level::Warn),
        (false, true, backend(Some(0)), Level::Pass),
        (false, true, backend(None), Level::Pass),
        (true, true, Backend::Url, Level::Unknown),
        (true, false, Backend::Url, Level::Pass),
    ];
    for (fails_closed, on_pods, backend, wanted) in cases {
        let told = format!("{fails_closed} {on_pods} {backend:?}");
        let level = level(Code::WebhookUnanswered, "1.33", "1.34", |inside| {
            seen(&mut inside.webhooks)[0] =
                crate::inside::Webhook { fails_closed, on_pods, backend, ..webhook() };
        });
        assert_eq!(level, wanted, "{told}");
    }
}

#[test]
fn system_pods_are_left_out_where_nobody_could_do_anything() {
    for code in [Code::LocalStorage, Code::ToleratesEverything, Code::NoReadinessProbe] {
        let level = level(code, "1.33", "1.34", |inside| {
            let mut dns = pod("coredns", 1, "a1");
            dns.namespace = "kube-system".into();
            (dns.local_storage, dns.tolerates_all, dns.readiness_probes) = (true, true, false);
            seen(&mut inside.pods).push(dns);
        });
        assert_eq!(level, Level::Pass, "{code}");
    }
}

#[test]
fn a_workload_of_one_pod_says_whether_a_budget_covers_it() {
    let one = |covered: bool| {
        found(Code::SingleReplica, "1.33", "1.34", |inside| {
            seen(&mut inside.workloads).push(workload("admin", 1));
            if covered {
                seen(&mut inside.budgets).push(Budget { expected: 0, ..budget("admin", 1) });
            }
        })
        .remove(0)
        .message
    };
    assert!(one(true).contains("the budget shop/admin covers it"));
    assert!(one(false).contains("no budget"));
}

#[test]
fn one_address_in_a_zone_is_room_for_one_of_two_nodes() {
    let level = level(Code::SurgeRoom, "1.33", "1.34", |inside| {
        for subnet in seen(&mut inside.capacity.subnets).iter_mut().filter(|s| s.zone == "eu-central-1a") {
            subnet.free = u32::from(subnet.control_plane);
        }
    });
    assert_eq!(level, Level::Warn);
}

#[test]
fn a_cordoned_node_is_no_home_for_a_volume() {
    let level =
        level(Code::ZonalVolumes, "1.33", "1.34", |inside| seen(&mut inside.nodes)[0].schedulable = false);
    assert_eq!(level, Level::Warn);
}

#[test]
fn a_claim_that_must_not_be_disrupted_names_its_pool() {
    let found = found(Code::DoNotDisrupt, "1.33", "1.34", |inside| {
        seen(&mut inside.claims)[0].do_not_disrupt = true;
        // On a node that no pool replaces, the mark of a pod means nothing.
        seen(&mut inside.pods)[0].do_not_disrupt = true;
    });
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].subject, "node pool jobs");
    assert!(found[0].message.contains("claim jobs-x"), "{found:?}");
}

#[test]
fn ipvs_blocks_where_it_is_off() {
    let ipvs = |target| {
        level(Code::KubeProxyIpvs, "1.39", target, |inside| {
            inside.proxy_mode = Seen::Is(Some(ProxyMode::Ipvs));
        })
    };
    assert_eq!(ipvs("1.39"), Level::Warn);
    assert_eq!(ipvs("1.40"), Level::Block);
}

#[test]
fn a_stale_status_is_judged_by_nobody() {
    let stale = |inside: &mut Inside| {
        let budget = &mut seen(&mut inside.budgets)[0];
        (budget.desired, budget.allowed, budget.observed) = (3, 0, false);
    };
    assert_eq!(level(Code::BudgetNeverAllows, "1.33", "1.34", stale), Level::Pass);
    assert_eq!(
        level(Code::BudgetStale, "1.33", "1.34", stale),
        Level::Unknown,
        "and so it does not pass unseen"
    );
}

#[test]
fn a_pod_that_nothing_makes_again_is_said_to_be_lost_once() {
    let bare = |inside: &mut Inside| {
        let pod = &mut seen(&mut inside.pods)[0];
        (pod.owner, pod.local_storage) = (None, true);
    };
    assert_eq!(level(Code::BarePods, "1.33", "1.34", bare), Level::Warn);
    assert_eq!(level(Code::LocalStorage, "1.33", "1.34", bare), Level::Pass);
}

#[test]
fn static_pods_and_those_of_daemon_sets_are_not_moved() {
    let level = level(Code::GracePeriod, "1.33", "1.34", |inside| {
        let pods = seen(&mut inside.pods);
        (pods[0].grace_s, pods[0].mirror) = (0, true);
        pods[1].grace_s = 0;
        pods[1].owner = Some(Owner { kind: "DaemonSet".into(), name: "agent".into() });
    });
    assert_eq!(level, Level::Pass);
}

#[test]
fn workloads_of_nobody_or_of_the_system_are_left_out() {
    let left_out = |code, change: fn(&mut Workload)| {
        level(code, "1.33", "1.34", |inside| {
            let mut workload = Workload { recreate: true, ..workload("admin", 1) };
            change(&mut workload);
            seen(&mut inside.workloads).push(workload);
        })
    };
    assert_eq!(left_out(Code::SingleReplica, |workload| workload.system = true), Level::Pass);
    assert_eq!(left_out(Code::RecreateStrategy, |workload| workload.system = true), Level::Pass);
    assert_eq!(left_out(Code::RecreateStrategy, |workload| workload.wants = 0), Level::Pass);
    let nowhere = |workload: &mut Workload| (workload.kind, workload.wants) = (WorkloadKind::DaemonSet, 0);
    assert_eq!(left_out(Code::DaemonSetSupport, nowhere), Level::Pass);
}

#[test]
fn a_node_that_is_not_ready_is_no_home_for_a_volume() {
    let level = level(Code::ZonalVolumes, "1.33", "1.34", |inside| seen(&mut inside.nodes)[0].ready = false);
    assert_eq!(level, Level::Warn);
}

#[test]
fn a_pools_budget_of_nothing_is_spelt_in_two_ways() {
    for (budget, wanted) in [("0", Level::Warn), ("0%", Level::Warn), ("10", Level::Pass)] {
        let level = level(Code::PoolBudgetZero, "1.33", "1.34", |inside| {
            seen(&mut inside.pools)[0].budgets = vec![budget.into()];
        });
        assert_eq!(level, wanted, "{budget}");
    }
}
