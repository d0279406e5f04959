//! The inside of clusters: who may ask, what is there, and what becomes of it in time.
#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]
use eks_upgrade_sim::fleet::Fleet;
use inside::{condition, name, ready, token};
use jiff::SignedDuration;
use serde_json::{Value, json};
use story::Story;

mod inside;
mod story;

const FLEET: &str = "
clusters:
  - name: a
    version: '1.33'
    nodegroups: [{name: web, size: 3}]
    kubernetes:
";

/// Cluster `a` with this inside, given as the lines of a YAML map.
fn with(inside: &str) -> Story {
    Story::of(&format!("{FLEET}      {}\n", inside.replace('\n', "\n      ")))
}

fn web(rest: &str) -> Story {
    with(&format!("workloads: [{{name: shop, replicas: 3{rest}}}]"))
}

#[test]
fn only_an_eks_token_of_the_clusters_account_is_let_in() {
    let mut story = web("");
    let now = story.now;
    let mut status = |authorization: &str| {
        let response = story.knock("GET", "/api/v1/nodes", &[("authorization", authorization)], "");
        let record = response.record.unwrap();
        assert_eq!(record.status, response.status);
        assert!(!serde_json::to_string(&record).unwrap().contains("k8s-aws-v1"), "the log has the token");
        response.status
    };
    assert_eq!(status(&format!("Bearer {}", token("AKID", now))), 200);
    assert_eq!(status(&format!("Bearer {}", token("AKID", now - SignedDuration::from_secs(61)))), 401);
    assert_eq!(status(&format!("Bearer {}", token("210987654321", now))), 401, "another account's");
    assert_eq!(status("Bearer k8s-aws-v1.aGVsbG8"), 401);
    assert_eq!(status(""), 401);
    assert_eq!(story.knock("GET", "/readyz", &[], "").status, 200, "everybody may know that it lives");
    let refusal: Value = serde_json::from_str(&story.knock("GET", "/api/v1/pods", &[], "").body).unwrap();
    assert_eq!((&refusal["kind"], &refusal["reason"]), (&json!("Status"), &json!("Unauthorized")));
}

#[test]
fn a_cluster_begins_with_its_nodes_and_pods_running() {
    let mut story = web("");
    let nodes = story.list("/api/v1/nodes");
    assert_eq!(nodes.len(), 3);
    for node in &nodes {
        assert_eq!(condition(node, "Ready"), "True");
        assert_eq!(node["metadata"]["labels"]["eks.amazonaws.com/nodegroup"], "web");
        assert_eq!(node["status"]["nodeInfo"]["kubeletVersion"], "v1.33.1-eks-113cf36");
        assert!(node["spec"]["providerID"].as_str().unwrap().starts_with("aws:///us-east-1"));
    }
    let zones: std::collections::BTreeSet<&str> = nodes
        .iter()
        .map(|node| node["metadata"]["labels"]["topology.kubernetes.io/zone"].as_str().unwrap())
        .collect();
    assert_eq!(zones.len(), 3);
    let pods = story.pods("shop");
    assert_eq!((pods.len(), ready(&pods)), (3, 3));
    let on: std::collections::BTreeSet<&str> =
        pods.iter().map(|pod| pod["spec"]["nodeName"].as_str().unwrap()).collect();
    assert_eq!(on.len(), 3, "they are spread over the nodes");
    let set = story.get(&format!(
        "/apis/apps/v1/namespaces/default/replicasets/{}",
        pods[0]["metadata"]["ownerReferences"][0]["name"].as_str().unwrap()
    ));
    assert_eq!(set["metadata"]["ownerReferences"][0]["kind"], "Deployment");
    let daemons = story.list("/apis/apps/v1/namespaces/kube-system/daemonsets");
    assert_eq!(daemons.iter().map(name).collect::<Vec<_>>(), ["aws-node", "kube-proxy"]);
    assert!(daemons.iter().all(|set| set["status"]["numberReady"] == 3));
    assert_eq!(story.world.next_event(), None, "nothing is left to happen");
}

#[test]
fn an_evicted_pod_goes_and_another_comes_elsewhere_once_a_node_takes_it() {
    let mut story = with("workloads: [{name: shop, replicas: 1}]");
    let pod = story.pods("shop").remove(0);
    let home = pod["spec"]["nodeName"].as_str().unwrap().to_owned();
    story.cordon(&home);
    assert_eq!(story.evict(name(&pod), &json!({"dryRun": ["All"]})).0, 201);
    assert_eq!(story.pods("shop").len(), 1, "a dry run changes nothing");
    assert_eq!(story.evict(name(&pod), &json!({"gracePeriodSeconds": 30})).0, 201);
    let leaving = story.get(&format!("/api/v1/namespaces/default/pods/{}", name(&pod)));
    assert_eq!(leaving["metadata"]["deletionTimestamp"], "2026-08-18T09:15:30Z");
    assert_eq!(story.pods("shop").len(), 2, "its successor is there already");
    story.wait(4);
    assert_eq!(ready(&story.pods("shop")), 1, "only the old one, which is ready to its end");
    story.wait(1);
    let pods = story.pods("shop");
    assert_eq!((pods.len(), ready(&pods)), (1, 1));
    assert_ne!(pods[0]["spec"]["nodeName"], home.as_str());
    assert_eq!(story.evict(name(&pod), &json!({})).0, 404);

    for node in story.list("/api/v1/nodes") {
        story.cordon(name(&node));
    }
    let pod = story.pods("shop").remove(0);
    story.evict(name(&pod), &json!({}));
    story.wait(60);
    let pods = story.pods("shop");
    assert_eq!((pods.len(), pods[0]["status"]["phase"].as_str()), (1, Some("Pending")));
    story.merge(&format!("/api/v1/nodes/{home}"), &json!({"spec": {"unschedulable": null}}));
    story.wait(5);
    assert_eq!(ready(&story.pods("shop")), 1);
}

#[test]
fn a_budget_says_not_now_until_enough_pods_are_back() {
    let mut story = with(
        "workloads: [{name: shop, replicas: 3}]
budgets: [{name: shop, selects: shop, max_unavailable: 1}]",
    );
    let budget = "/apis/policy/v1/namespaces/default/poddisruptionbudgets/shop";
    let status = story.get(budget)["status"].clone();
    assert_eq!(
        status,
        json!({"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 3, "desiredHealthy": 2,
               "expectedPods": 3})
    );
    let pods = story.pods("shop");
    assert_eq!(story.evict(name(&pods[0]), &json!({})).0, 201);
    assert_eq!(story.get(budget)["status"]["disruptionsAllowed"], 0);
    let (code, refusal) = story.evict(name(&pods[1]), &json!({}));
    assert_eq!((code, &refusal["reason"]), (429, &json!("TooManyRequests")));
    assert_eq!(refusal["details"]["causes"][0]["reason"], "DisruptionBudget");
    assert_eq!(story.evict(name(&pods[0]), &json!({})).0, 201, "what is leaving anyway may be asked again");
    story.wait(5);
    assert_eq!(story.evict(name(&pods[1]), &json!({})).0, 201);
    let (code, _) = story.kube(
        "DELETE",
        &format!("/api/v1/namespaces/default/pods/{}?gracePeriodSeconds=0", name(&pods[2])),
        &Value::Null,
    );
    assert_eq!(code, 200, "a deletion asks no budget");
    assert!(
        !story.pods("shop").iter().any(|pod| name(pod) == name(&pods[2])),
        "without grace it is gone at once"
    );
}

#[test]
fn two_budgets_on_one_pod_are_an_error_and_shares_are_rounded_up() {
    let mut story = with(
        "workloads: [{name: shop, replicas: 3}]
budgets:
  - {name: shop, selects: shop, min_available: '50%'}
  - {name: all, selects: {app: shop}, max_unavailable: 0}",
    );
    let pod = story.pods("shop").remove(0);
    let (code, refusal) = story.evict(name(&pod), &json!({}));
    assert_eq!((code, &refusal["reason"]), (500, &json!("InternalError")));
    let desired = |story: &mut Story, name: &str| {
        story.get(&format!("/apis/policy/v1/namespaces/default/poddisruptionbudgets/{name}"))["status"]["desiredHealthy"].clone()
    };
    assert_eq!((desired(&mut story, "shop"), desired(&mut story, "all")), (json!(2), json!(3)));
}

#[test]
fn crashing_pods_go_only_where_their_budget_lets_the_unhealthy_go() {
    for (rule, expected) in [("min_available: 1", 429), ("min_available: 1, lets_unhealthy_go: true", 201)] {
        let mut story = with(&format!(
            "workloads: [{{name: shop, crashes: true}}]\nbudgets: [{{name: shop, selects: shop, {rule}}}]"
        ));
        let pod = story.pods("shop").remove(0);
        let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"];
        assert_eq!((condition(&pod, "Ready"), waiting), ("False", &json!("CrashLoopBackOff")));
        assert_eq!(story.evict(name(&pod), &json!({})).0, expected, "{rule}");
    }
}

#[test]
fn a_new_image_rolls_the_pods_and_a_bad_one_gets_stuck() {
    let mut story = with(
        "image_fails: [bad]\nworkloads: [{name: shop, replicas: 4}, {name: db, kind: StatefulSet, replicas: 3}]",
    );
    let shop = "/apis/apps/v1/namespaces/default/deployments/shop";
    let patch = |tag: &str| json!({"spec": {"template": {"spec": {"containers": [{"name": "shop", "image": format!("shop:{tag}")}]}}}});
    let (code, body) = story.kube_with("PATCH", shop, "application/strategic-merge-patch+json", &patch("2"));
    assert_eq!(
        (code, &body["metadata"]["generation"], &body["status"]["observedGeneration"]),
        (200, &json!(2), &json!(1))
    );
    assert_eq!(
        body["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["periodSeconds"], 10,
        "merged"
    );
    let status = story.get(shop)["status"].clone();
    assert_eq!((&status["observedGeneration"], &status["updatedReplicas"]), (&json!(2), &json!(2)));
    let mut least = 4;
    for _ in 0..30 {
        story.wait(1);
        least = least.min(story.get(shop)["status"]["readyReplicas"].as_u64().unwrap());
    }
    assert_eq!(least, 3, "a quarter may be out");
    let pods = story.pods("shop");
    assert_eq!((pods.len(), ready(&pods)), (4, 4));
    assert!(pods.iter().all(|pod| pod["spec"]["containers"][0]["image"] == "shop:2"));

    story.kube_with("PATCH", shop, "application/strategic-merge-patch+json", &patch("bad"));
    story.wait(300);
    let status = story.get(shop)["status"].clone();
    assert_eq!((&status["updatedReplicas"], &status["readyReplicas"]), (&json!(2), &json!(3)));
    let waiting = story.pods("shop").into_iter().find(|pod| condition(pod, "Ready") == "False").unwrap();
    assert_eq!(waiting["status"]["containerStatuses"][0]["state"]["waiting"]["reason"], "ImagePullBackOff");

    let db = "/apis/apps/v1/namespaces/default/statefulsets/db";
    let mark = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}});
    let before: Vec<Value> = story.pods("db").iter().map(|pod| pod["metadata"]["uid"].clone()).collect();
    story.merge(db, &mark);
    story.wait(11);
    assert_eq!(story.get(db)["status"]["updatedReplicas"], 1, "one after the other");
    story.wait(30);
    let after: Vec<Value> = story.pods("db").iter().map(|pod| pod["metadata"]["uid"].clone()).collect();
    assert!(before.iter().all(|uid| !after.contains(uid)), "every pod is another one");
    let names: Vec<String> = story.pods("db").iter().map(|pod| name(pod).to_owned()).collect();
    assert_eq!(names, ["db-0", "db-1", "db-2"]);
}

#[test]
fn a_daemon_set_rolls_node_by_node() {
    let mut story = web("");
    let set = "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy";
    let image = "602401143452.dkr.ecr.us-east-1.amazonaws.com/eks/kube-proxy:v1.33.10-eksbuild.4";
    let patch =
        json!({"spec": {"template": {"spec": {"containers": [{"name": "kube-proxy", "image": image}]}}}});
    story.kube_with("PATCH", set, "application/strategic-merge-patch+json", &patch);
    let numbers = |story: &mut Story| {
        let status = story.get(set)["status"].clone();
        (status["updatedNumberScheduled"].as_u64().unwrap(), status["numberAvailable"].as_u64().unwrap())
    };
    assert_eq!(numbers(&mut story), (0, 2));
    story.wait(10);
    assert_eq!(numbers(&mut story), (1, 2));
    story.wait(20);
    assert_eq!(numbers(&mut story), (3, 3));
}

#[test]
fn scaling_works_through_the_subresource() {
    let mut story = with("cluster_autoscaler: true");
    let scale = "/apis/apps/v1/namespaces/kube-system/deployments/cluster-autoscaler/scale";
    assert_eq!(story.get(scale)["spec"]["replicas"], 1);
    let after = story.merge(scale, &json!({"spec": {"replicas": 0}}));
    assert_eq!((&after["kind"], &after["spec"]["replicas"]), (&json!("Scale"), &json!(0)));
    story.wait(5);
    assert_eq!(story.get(scale)["status"]["replicas"], 0);
    let (code, refusal) =
        story.kube_with("PATCH", scale, "application/merge-patch+json", &json!({"spec": {"replicas": -1}}));
    assert_eq!((code, &refusal["reason"]), (422, &json!("Invalid")));
}

#[test]
fn an_upgrade_of_a_node_group_moves_the_pods_to_its_new_nodes() {
    let mut story = web(", group: web");
    story.start("/clusters/a/updates", &json!({"version": "1.34"}));
    story.settle(|_| ());
    assert_eq!(story.get("/version")["minor"], "34+");
    story.start("/clusters/a/node-groups/web/update-version", &json!({"version": "1.34"}));
    let mut seen = std::collections::BTreeSet::new();
    while let Some(next) = story.world.next_event() {
        story.now = story.now.max(next);
        let nodes = story.list("/api/v1/nodes");
        seen.extend(nodes.iter().map(|node| condition(node, "Ready").to_owned()));
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["False", "True"], "new nodes take a while");
    let nodes = story.list("/api/v1/nodes");
    assert_eq!(nodes.len(), 3);
    assert!(
        nodes
            .iter()
            .all(|node| node["status"]["nodeInfo"]["kubeletVersion"].as_str().unwrap().starts_with("v1.34."))
    );
    assert_eq!(ready(&story.pods("shop")), 3);
}

#[test]
fn a_node_group_that_pdbs_hold_is_held_in_both_views() {
    let mut story = Story::of(
        "clusters: [{name: a, version: '1.33', nodegroups: [{name: web, pdb: blocks, version: '1.32'}], kubernetes: {}}]",
    );
    let pod = story.pods("web-guarded").remove(0);
    let node = pod["spec"]["nodeName"].as_str().unwrap().to_owned();
    let held = story.cluster()["nodegroups"]["web"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|node| node["protectedByPdb"] == true)
        .unwrap()["name"]
        .clone();
    assert_eq!(held, node.as_str());
    assert_eq!(story.evict(name(&pod), &json!({})).0, 429);
    let read = |story: &mut Story, id: &str| {
        let query = format!("/clusters/a/updates/{id}");
        let request = eks_upgrade_sim::Request {
            method: "GET".to_owned(),
            path: query,
            query: "nodegroupName=web".to_owned(),
            ..Default::default()
        };
        let answer: Value = serde_json::from_str(&story.world.handle(story.now, &request).body).unwrap();
        answer["update"]["status"].clone()
    };
    let id = story.start("/clusters/a/node-groups/web/update-version", &json!({"version": "1.33"}));
    story.settle(|_| ());
    assert_eq!(read(&mut story, &id), "Failed");
    let budget = "/apis/policy/v1/namespaces/default/poddisruptionbudgets/web-guarded";
    assert_eq!(story.kube("DELETE", budget, &Value::Null).0, 200);
    let id = story.start("/clusters/a/node-groups/web/update-version", &json!({"version": "1.33"}));
    story.settle(|_| ());
    assert_eq!(read(&mut story, &id), "Successful", "who takes the budget away clears the way for EKS too");
}

#[test]
fn guards_go_with_their_group() {
    let mut story = Story::of(
        "clusters: [{name: a, version: '1.33', nodegroups: [{name: web, pdb: blocks}, {name: ops}], kubernetes: {}}]",
    );
    assert_eq!(story.pods("web-guarded").len(), 1);
    let act = b"{what: delete_nodegroup, cluster: a, nodegroup: web}";
    assert_eq!(story.world.control(story.now, "POST", "/_sim/act", act).status, 200);
    assert_eq!(story.list("/api/v1/nodes").len(), 3);
    assert_eq!(story.pods("web-guarded").len(), 0);
    let budgets = story.list("/apis/policy/v1/namespaces/default/poddisruptionbudgets");
    assert_eq!(budgets.len(), 0);
}

#[test]
fn guards_let_go_in_time() {
    let mut story = Story::of(
        "clusters: [{name: a, version: '1.33', nodegroups: [{name: web, pdb: blocks, pdb_clears_after_m: 5}], kubernetes: {}}]",
    );
    let pod = story.pods("web-guarded").remove(0);
    story.wait(299);
    assert_eq!(story.evict(name(&pod), &json!({})).0, 429);
    story.wait(1);
    assert_eq!(story.evict(name(&pod), &json!({})).0, 201);
}

#[test]
fn lists_are_selected_and_come_in_pages() {
    let mut story = web("");
    let pods = story.pods("shop");
    let node = pods[0]["spec"]["nodeName"].as_str().unwrap();
    let there = story.list(&format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}"));
    assert!(there.len() >= 3 && there.iter().all(|pod| pod["spec"]["nodeName"] == node));
    let all: Vec<String> = story.list("/api/v1/pods").iter().map(|pod| name(pod).to_owned()).collect();
    let (mut paged, mut token) = (Vec::new(), String::new());
    loop {
        let page = story.get(&format!("/api/v1/pods?limit=4&continue={token}"));
        paged.extend(page["items"].as_array().unwrap().iter().map(|pod| name(pod).to_owned()));
        match page["metadata"]["continue"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(paged, all);
    assert!(all.len() > 8);
    assert_eq!(story.kube("GET", "/api/v1/pods?continue=nonsense!", &Value::Null).0, 400);
    let (status, event) = story.kube("GET", "/api/v1/pods?watch=true", &Value::Null);
    assert_eq!((status, &event["type"], &event["object"]["code"]), (200, &json!("ERROR"), &json!(410)));
}

#[test]
fn what_is_denied_or_out_of_reach_cannot_be_read() {
    let mut story = with("deny: [nodes, create pods/eviction, /metrics]\nworkloads: [{name: shop}]");
    let (code, refusal) = story.kube("GET", "/api/v1/nodes", &Value::Null);
    assert_eq!((code, &refusal["reason"]), (403, &json!("Forbidden")));
    let message = refusal["message"].as_str().unwrap();
    assert!(message.contains("cannot list resource \"nodes\"") && message.contains("user/AKID"), "{message}");
    assert_eq!(story.kube("GET", "/metrics", &Value::Null).0, 403);
    let pod = story.pods("shop").remove(0);
    assert_eq!(story.evict(name(&pod), &json!({})).0, 403);
    let mut silent = with("unreachable: true");
    assert!(silent.knock("GET", "/version", &[], "").dropped);
}

#[test]
fn faults_strike_its_calls_by_name() {
    let mut story = with("workloads: [{name: shop}]");
    let fault = "{match: {operation: 'kube:create pods/eviction', cluster: a}, \
                 error: {type: TooManyRequests, message: slow down}}";
    let answer = story.world.control(story.now, "POST", "/_sim/faults", fault.as_bytes());
    assert_eq!(answer.status, 200);
    let pod = story.pods("shop").remove(0);
    let (code, refusal) = story.evict(name(&pod), &json!({}));
    assert_eq!((code, &refusal["message"]), (429, &json!("slow down")));
    assert_eq!(story.evict(name(&pod), &json!({})).0, 201, "it strikes once");
}

#[test]
fn webhooks_that_nobody_answers_for_stop_evictions_and_new_pods() {
    let mut story = with(
        "workloads: [{name: shop}]
webhooks:
  - {name: guard, on: [pods/eviction, pods], service: policy/guard, endpoints: 0, not_in: [kube-system]}",
    );
    let pod = story.pods("shop").remove(0);
    let (code, refusal) = story.evict(name(&pod), &json!({}));
    assert_eq!(code, 500);
    assert!(refusal["message"].as_str().unwrap().contains("no endpoints available for service \"guard\""));
    let system = story.list("/api/v1/namespaces/kube-system/pods");
    let dns = system.iter().find(|pod| name(pod).starts_with("coredns")).unwrap();
    let path = format!("/api/v1/namespaces/kube-system/pods/{}/eviction", name(dns));
    assert_eq!(story.kube("POST", &path, &json!({})).0, 201, "its namespace is left out");
    story.kube("DELETE", &format!("/api/v1/namespaces/default/pods/{}", name(&pod)), &Value::Null);
    story.wait(60);
    assert_eq!(story.pods("shop").len(), 0, "its successor is refused");
    let slices = story.list("/apis/discovery.k8s.io/v1/namespaces/policy/endpointslices");
    assert_eq!(slices[0]["endpoints"], json!([]));
}

#[test]
fn errors_are_those_of_kubernetes() {
    let mut story = web("");
    let shop = "/apis/apps/v1/namespaces/default/deployments/shop";
    let codes = |(code, body): (u16, Value)| (code, body["reason"].as_str().unwrap_or_default().to_owned());
    let is = |code: u16, reason: &str| (code, reason.to_owned());
    assert_eq!(
        codes(story.kube("GET", "/apis/policy/v1beta1/podsecuritypolicies", &Value::Null)),
        is(404, "NotFound")
    );
    assert_eq!(
        codes(story.kube("GET", "/apis/apps/v1/namespaces/default/deployments/no", &Value::Null)),
        is(404, "NotFound")
    );
    assert_eq!(codes(story.kube("DELETE", "/api/v1/nodes", &Value::Null)), is(405, "MethodNotAllowed"));
    assert_eq!(
        codes(story.kube_with("PATCH", shop, "text/plain", &json!({}))),
        is(415, "UnsupportedMediaType")
    );
    let mut object = story.get(shop);
    object["spec"]["replicas"] = json!("many");
    assert_eq!(codes(story.kube("PUT", shop, &object)), is(422, "Invalid"));
    object["spec"]["replicas"] = json!(4);
    assert_eq!(story.kube("PUT", shop, &object).0, 200);
    assert_eq!(codes(story.kube("PUT", shop, &object)), is(409, "Conflict"), "it has changed meanwhile");
    let namespace = json!({"metadata": {"name": "shop"}});
    assert_eq!(story.kube("POST", "/api/v1/namespaces", &namespace).0, 201);
    assert_eq!(codes(story.kube("POST", "/api/v1/namespaces", &namespace)), is(409, "AlreadyExists"));
}

#[test]
fn self_managed_groups_are_nodes_and_their_instances_come_and_go() {
    let mut story = Story::of(
        "clusters: [{name: a, version: '1.33', self_managed: [{name: old, size: 2}],
                    kubernetes: {workloads: [{name: shop, replicas: 2, group: old}]}}]",
    );
    let nodes = story.list("/api/v1/nodes");
    assert_eq!(nodes.len(), 2);
    assert_eq!(nodes[0]["metadata"]["labels"].get("eks.amazonaws.com/nodegroup"), None);
    let provider = nodes[0]["spec"]["providerID"].as_str().unwrap();
    let instance = provider.rsplit('/').next().unwrap();
    let groups = story.cluster()["selfManaged"]["old"]["instances"].clone();
    assert!(groups.as_array().unwrap().iter().any(|it| it["id"] == instance), "{groups}");
    let body = format!(
        "Action=TerminateInstanceInAutoScalingGroup&Version=2011-01-01&InstanceId={instance}&ShouldDecrementDesiredCapacity=false"
    );
    let request = eks_upgrade_sim::Request {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        headers: vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())],
        body: body.into_bytes(),
        ..Default::default()
    };
    assert_eq!(story.world.handle(story.now, &request).status, 200);
    let left = story.get(&format!("/api/v1/nodes/{}", name(&nodes[0])));
    assert_eq!(condition(&left, "Ready"), "False");
    story.settle(|_| ());
    let after = story.list("/api/v1/nodes");
    assert_eq!(after.len(), 2);
    assert!(after.iter().all(|node| name(node) != name(&nodes[0])));
    assert_eq!(ready(&story.pods("shop")), 2);
}

#[test]
fn karpenter_follows_the_control_plane_unless_told_not_to() {
    let mut story = Story::of(
        "clusters: [{name: a, version: '1.33', kubernetes: {
        karpenter: {pools: [{name: general, size: 2}, {name: pinned, size: 1, drifts: false}]},
        workloads: [{name: shop, replicas: 3}]}}]",
    );
    story.start("/clusters/a/updates", &json!({"version": "1.34"}));
    story.settle(|_| ());
    let nodes = story.list("/api/v1/nodes");
    let of = |pool: &str| {
        let there = nodes.iter().filter(|node| node["metadata"]["labels"]["karpenter.sh/nodepool"] == pool);
        there
            .map(|node| node["status"]["nodeInfo"]["kubeletVersion"].as_str().unwrap()[..5].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!((of("general"), of("pinned")), (vec!["v1.34".to_owned(); 2], vec!["v1.33".to_owned()]));
    assert_eq!(story.list("/apis/karpenter.sh/v1/nodeclaims").len(), 3);
    assert_eq!(ready(&story.pods("shop")), 3);
    let mut without = web("");
    assert_eq!(without.kube("GET", "/apis/karpenter.sh/v1/nodepools", &Value::Null).0, 404);
}

#[test]
fn fargate_pods_have_nodes_of_their_own_that_follow_when_they_are_restarted() {
    let mut story = with("workloads: [{name: batch, replicas: 2, fargate: true}]");
    let fargate = |story: &mut Story| {
        let nodes = story.list("/api/v1/nodes?labelSelector=eks.amazonaws.com/compute-type%3Dfargate");
        nodes
            .iter()
            .map(|node| node["status"]["nodeInfo"]["kubeletVersion"].as_str().unwrap()[..5].to_owned())
            .collect::<Vec<_>>()
    };
    story.start("/clusters/a/updates", &json!({"version": "1.34"}));
    story.settle(|_| ());
    assert_eq!(fargate(&mut story), ["v1.33", "v1.33"]);
    let mark = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}});
    story.merge("/apis/apps/v1/namespaces/default/deployments/batch", &mark);
    story.wait(60);
    assert_eq!(fargate(&mut story), ["v1.34", "v1.34"]);
}

#[test]
fn components_follow_their_add_ons() {
    let mut story = Story::of("clusters: [{name: a, version: '1.33', nodegroups: [{name: web}],
        addons: [{name: coredns, version: v1.11.4-eksbuild.2}], kubernetes: {components: {vpc-cni: absent, kube-proxy: v1.32.0-eksbuild.2}}}]");
    let image = |story: &mut Story, path: &str| {
        story.get(&format!("/apis/apps/v1/namespaces/kube-system/{path}"))["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
    };
    assert!(image(&mut story, "deployments/coredns").ends_with("coredns:v1.11.4-eksbuild.2"));
    assert!(image(&mut story, "daemonsets/kube-proxy").ends_with("kube-proxy:v1.32.0-eksbuild.2"));
    assert_eq!(
        story.kube("GET", "/apis/apps/v1/namespaces/kube-system/daemonsets/aws-node", &Value::Null).0,
        404
    );
    story.start("/clusters/a/addons/coredns/update", &json!({"addonVersion": "v1.12.1-eksbuild.2"}));
    story.settle(|_| ());
    assert!(image(&mut story, "deployments/coredns").ends_with("coredns:v1.12.1-eksbuild.2"));
    let config = story.get("/api/v1/namespaces/kube-system/configmaps/kube-proxy-config");
    assert!(config["data"]["config"].as_str().unwrap().contains("mode: \"iptables\""));
}

#[test]
fn what_is_deprecated_shows_in_metrics_and_in_what_was_applied() {
    let mut story = with("deprecated_callers: [{group: flowcontrol.apiserver.k8s.io, version: v1beta3, resource: flowschemas, removed_release: '1.32'}]
workloads: [{name: shop}]
stored:
  - {kind: Deployment, name: shop, applied_as: apps/v1beta2}
  - {kind: Ingress, name: front, namespace: edge, applied_as: networking.k8s.io/v1beta1}");
    let metrics = story.get("/metrics");
    assert!(metrics.as_str().unwrap().contains(
        "apiserver_requested_deprecated_apis{group=\"flowcontrol.apiserver.k8s.io\",removed_release=\"1.32\",\
         resource=\"flowschemas\",subresource=\"\",version=\"v1beta3\"} 1\n"
    ));
    for (path, version) in [
        ("/apis/apps/v1/namespaces/default/deployments/shop", "apps/v1beta2"),
        ("/apis/networking.k8s.io/v1/namespaces/edge/ingresses/front", "networking.k8s.io/v1beta1"),
    ] {
        let object = story.get(path);
        let applied = &object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"];
        let applied: Value = serde_json::from_str(applied.as_str().unwrap()).unwrap();
        assert_eq!(applied["apiVersion"], version);
    }
    assert_eq!(story.list("/api/v1/pods?labelSelector=app%3Dshop").len(), 1, "it still has its pod");
}

#[test]
fn volumes_keep_their_pods_in_a_zone() {
    let mut story = with("workloads: [{name: db, kind: StatefulSet, replicas: 2, volumes: true}]");
    let volumes = story.list("/api/v1/persistentvolumes");
    assert_eq!(volumes.len(), 2);
    let pod = story.pods("db").remove(0);
    story.cordon(pod["spec"]["nodeName"].as_str().unwrap());
    story.evict(name(&pod), &json!({}));
    story.wait(60);
    let pod = story.pods("db").remove(0);
    assert_eq!(pod["status"]["phase"], "Pending", "the only node of its zone takes no pods");
}

#[test]
fn a_deleted_node_stays_away_and_a_deleted_workload_takes_its_pods_along() {
    let mut story = web("");
    let node = story.list("/api/v1/nodes").remove(0);
    assert_eq!(story.kube("DELETE", &format!("/api/v1/nodes/{}", name(&node)), &Value::Null).0, 200);
    story.wait(600);
    assert_eq!(story.list("/api/v1/nodes").len(), 2);
    assert_eq!(ready(&story.pods("shop")), 3);
    story.kube("DELETE", "/apis/apps/v1/namespaces/default/deployments/shop", &Value::Null);
    story.wait(10);
    assert_eq!(story.pods("shop").len(), 0);
    assert_eq!(story.list("/apis/apps/v1/namespaces/default/replicasets").len(), 0);
}

#[test]
fn the_same_requests_give_the_same_world() {
    let tell = || {
        let mut story = web("");
        let pod = story.pods("shop").remove(0);
        story.evict(name(&pod), &json!({}));
        story.wait(60);
        story.get("/api/v1/pods")
    };
    assert_eq!(tell(), tell());
}

#[test]
fn clusters_say_where_their_api_servers_are() {
    let mut story =
        Story::of("clusters: [{name: a, version: '1.33', kubernetes: {}}, {name: b, version: '1.33'}]");
    let made_up = story.read("/clusters/a")["cluster"]["endpoint"].clone();
    assert!(made_up.as_str().unwrap().ends_with(".eks.amazonaws.com"));
    story.world.reach_kubernetes_at(eks_upgrade_sim::KubeEndpoint {
        url: "https://127.0.0.1:6443".to_owned(),
        authority: "UEVN".to_owned(),
    });
    let cluster = story.read("/clusters/a")["cluster"].clone();
    assert_eq!(cluster["endpoint"], "https://127.0.0.1:6443/123456789012/us-east-1/a");
    assert_eq!(cluster["certificateAuthority"]["data"], "UEVN");
    let other = story.read("/clusters/b")["cluster"].clone();
    assert!(other["endpoint"].as_str().unwrap().ends_with(".eks.amazonaws.com"));
}

#[test]
fn impossible_insides_are_refused_with_their_place() {
    let refusal = |inside: &str| {
        let text = format!("start: 2026-08-18T09:15:00Z\n{FLEET}      {inside}\n");
        Fleet::parse(&text).unwrap_err().to_string()
    };
    for (inside, expected) in [
        (
            "workloads: [{name: shop, group: db}]",
            "clusters.a.kubernetes: workload shop: there is no node group db",
        ),
        ("workloads: [{name: shop}, {name: shop}]", "stands there twice"),
        ("workloads: [{name: Shop}]", "small letters"),
        ("workloads: [{name: shop, replicas: 501}]", "at most 500"),
        ("workloads: [{name: shop, volumes: true}]", "only a StatefulSet"),
        ("budgets: [{name: b, selects: shop, min_available: 1}]", "no workload of that name"),
        ("budgets: [{name: b, selects: {}}]", "min_available or max_unavailable"),
        ("budgets: [{name: b, selects: {}, min_available: 1, max_unavailable: 1}]", "one of them"),
        (
            "stored: [{kind: PodSecurityPolicy, name: p, applied_as: policy/v1beta1}]",
            "no kind PodSecurityPolicy",
        ),
        ("webhooks: [{name: w, service: guard}]", "a service is NAMESPACE/NAME"),
        ("karpenter: {pools: [{name: p, version: '1.34'}]}", "newer than the control plane"),
        ("karpenter: {pools: [{name: p, size: 101}]}", "at most 100"),
        ("replica: 1", "replica"),
    ] {
        let message = refusal(inside);
        assert!(message.contains(expected), "{inside}: {message}");
    }
}

#[test]
fn writes_are_checked_before_they_count() {
    let mut story = web("");
    let shop = "/apis/apps/v1/namespaces/default/deployments/shop";
    let code = |(code, _): (u16, Value)| code;
    let pod = story.pods("shop").remove(0);
    assert_eq!(code(story.evict(name(&pod), &json!({"preconditions": {"uid": "another"}}))), 409);
    assert_eq!(code(story.evict(name(&pod), &json!({"gracePeriodSeconds": "soon"}))), 400);
    let budgets = |namespace: &str| format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets");
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"generateName": "b-"},
                        "spec": {"minAvailable": 3, "selector": {"matchLabels": {"app": "shop"}}}});
    assert_eq!(code(story.kube("POST", &budgets("nowhere"), &budget)), 404);
    assert_eq!(code(story.kube("POST", "/api/v1/namespaces/default/pods", &budget)), 400);
    assert_eq!(code(story.kube("POST", &format!("{}?dryRun=All", budgets("default")), &budget)), 201);
    assert_eq!(story.list(&budgets("default")).len(), 0);
    let (status, made) = story.kube("POST", &budgets("default"), &budget);
    assert!(status == 201 && name(&made).starts_with("b-"), "{made}");
    assert_eq!(code(story.evict(name(&pod), &json!({}))), 429, "it counts at once");

    let dry = story.merge(&format!("{shop}?dryRun=All"), &json!({"spec": {"replicas": 7}}));
    assert_eq!((&dry["spec"]["replicas"], &story.get(shop)["spec"]["replicas"]), (&json!(7), &json!(3)));
    let merged = story.merge(shop, &json!({"metadata": {"uid": null}, "status": {"replicas": 99}}));
    assert!(merged["metadata"]["uid"].is_string() && merged["status"]["replicas"] == 3, "{merged}");
    let other = json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}});
    assert_eq!(code(story.kube_with("PATCH", shop, "application/merge-patch+json", &other)), 422);
    let renamed = json!({"metadata": {"name": "other"}});
    assert_eq!(code(story.kube_with("PATCH", shop, "application/merge-patch+json", &renamed)), 400);
    let labels = json!({"metadata": {"labels": {"a": 1}}});
    assert_eq!(code(story.kube_with("PATCH", shop, "application/merge-patch+json", &labels)), 422);
    let map = "/api/v1/namespaces/default/configmaps/made";
    let body =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}, "data": {"a": "b"}});
    assert_eq!(code(story.kube_with("PATCH", map, "application/apply-patch+yaml", &body)), 201);
    assert_eq!(story.get(map)["data"]["a"], "b");
}

#[test]
fn only_metadata_is_told_to_who_wants_no_more() {
    let mut story = web("");
    let bearer = format!("Bearer {}", token("AKID", story.now));
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let headers = [("authorization", bearer.as_str()), ("accept", accept)];
    let body = story.knock("GET", "/apis/apps/v1/deployments", &headers, "").body;
    let list: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert!(list["items"].as_array().unwrap().iter().all(|item| item.get("spec").is_none()));
}

#[test]
fn a_recreated_deployment_has_no_two_templates_at_a_time() {
    let mut story = web(", strategy: Recreate");
    let shop = "/apis/apps/v1/namespaces/default/deployments/shop";
    story.merge(shop, &json!({"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}));
    let mut most = 0;
    for _ in 0..20 {
        most = most.max(story.pods("shop").len());
        story.wait(1);
    }
    let pods = story.pods("shop");
    assert_eq!((most, ready(&pods)), (3, 3));
    assert!(pods.iter().all(|pod| pod["metadata"]["annotations"]["a"] == "b"));
}

#[test]
fn a_full_node_takes_no_more_pods_and_a_cordoned_one_keeps_its_daemons() {
    let mut story = with("workloads: [{name: shop, replicas: 200}]");
    let pods = story.pods("shop");
    let daemons = 3 * 2 + 2;
    assert_eq!(
        (pods.len(), ready(&pods)),
        (200, 3 * 58 - daemons),
        "beside aws-node, kube-proxy and coredns"
    );
    let node = story.list("/api/v1/nodes").remove(0);
    story.cordon(name(&node));
    let on = |story: &mut Story| {
        let path = format!(
            "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-proxy&fieldSelector=spec.nodeName%3D{}",
            name(&node)
        );
        story.list(&path)
    };
    let daemon = on(&mut story).remove(0);
    let path = format!("/api/v1/namespaces/kube-system/pods/{}", name(&daemon));
    assert_eq!(story.kube("DELETE", &path, &Value::Null).0, 200);
    story.wait(10);
    assert_eq!(ready(&on(&mut story)), 1, "another one on the same node");
}
