"""How updates run, fail, repeat and hide; and what faults and people do to them."""

import time

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError


def cluster(rest="", name="a", version="1.34"):
    return f'clusters:\n  - name: {name}\n    version: "{version}"\n' + "".join(f"    {line}\n" for line in rest.splitlines())


def kubelets(simulator, group, name="a"):
    return sorted(node["kubeletVersion"] for node in simulator.cluster(name)["nodegroups"][group]["nodes"])


def roll(simulator, group, **named):
    update = simulator.eks.update_nodegroup_version(clusterName="a", nodegroupName=group, **named)["update"]
    return simulator.finish("a", update, nodegroupName=group)


def upgrade(simulator, version="1.35"):
    update = simulator.eks.update_cluster_version(name="a", version=version)["update"]
    return simulator.finish("a", update)


def minutes(simulator, update):
    seen = next(u for u in simulator.cluster("a")["updates"] if u["id"] == update["id"])
    moment = lambda text: time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))
    return (moment(seen["endedAt"]) - moment(seen["createdAt"])) / 60


def test_a_control_plane_takes_its_time(start):
    simulator = start(cluster())
    update = upgrade(simulator)
    assert update["status"] == "Successful" and 8 <= minutes(simulator, update) <= 20
    assert {p["type"]: p["value"] for p in update["params"]}["Version"] == "1.35"
    assert simulator.eks.list_updates(name="a")["updateIds"] == [update["id"]]


def test_a_token_is_one_update(start):
    simulator = start(cluster())
    ask = lambda version="1.35": simulator.eks.update_cluster_version(
        name="a", version=version, clientRequestToken="once")["update"]
    first = ask()
    assert ask()["id"] == first["id"]
    simulator.finish("a", first)
    assert (ask()["id"], ask()["status"]) == (first["id"], "Successful")
    with pytest.raises(ClientError) as refused:
        ask("1.36")
    assert refused.value.response["Error"]["Code"] == "InvalidParameterException"
    assert [r["mutated"] for r in simulator.control("requests")["requests"] if r.get("token") == "once"].count(True) == 1


def test_tokens_may_be_forgotten(start):
    simulator = start("tokens_forgotten_after_m: 30\n" + cluster())
    ask = lambda: simulator.eks.update_cluster_version(name="a", version="1.35", clientRequestToken="once")["update"]
    simulator.finish("a", ask())
    time.sleep(2)  # 33 virtual minutes
    with pytest.raises(ClientError) as refused:
        ask()
    assert "from 1.35 to 1.35" in str(refused.value)


def test_minimal_never_has_more_nodes(start):
    simulator = start(cluster("nodegroups: [{name: web, size: 2, update_strategy: MINIMAL}]"))
    update = simulator.eks.update_nodegroup_version(clusterName="a", nodegroupName="web", version="1.34")["update"]
    while simulator.cluster("a")["nodegroups"]["web"]["status"] == "UPDATING":
        assert len(kubelets(simulator, "web")) <= 2
    assert simulator.finish("a", update, nodegroupName="web")["status"] == "Successful"


def test_a_pdb_holds_a_node_until_force(start):
    simulator = start(cluster("nodegroups: [{name: db, size: 3, pdb: blocks}]"))
    upgrade(simulator)
    failed = roll(simulator, "db", version="1.35")
    assert failed["status"] == "Failed" and 15 <= minutes(simulator, failed)
    error = failed["errors"][0]
    assert error["errorCode"] == "PodEvictionFailure"
    assert error["errorMessage"] == (
        "Reached max retries while trying to evict pods from nodes in node group db")
    assert len(error["resourceIds"]) == 1 and error["resourceIds"][0].endswith(".ec2.internal")
    nodes = simulator.cluster("a")["nodegroups"]["db"]["nodes"]
    held = [node for node in nodes if node["name"] == error["resourceIds"][0]]
    assert len(nodes) == 3 and held[0]["kubeletVersion"] == "1.34"
    group = simulator.eks.describe_nodegroup(clusterName="a", nodegroupName="db")["nodegroup"]
    assert (group["status"], group["version"]) == ("ACTIVE", "1.34")
    assert roll(simulator, "db", version="1.35", force=True)["status"] == "Successful"
    assert kubelets(simulator, "db") == ["1.35"] * 3


def test_force_does_not_always_help_and_pdbs_may_clear(start):
    simulator = start(cluster(
        "nodegroups:\n"
        "  - {name: crashing, size: 2, pdb: blocks_even_force}\n"
        "  - {name: passing, size: 2, pdb: blocks, pdb_clears_after_m: 1}"))
    assert roll(simulator, "crashing", version="1.34", force=True)["errors"][0]["errorCode"] == "PodEvictionFailure"
    assert roll(simulator, "passing", version="1.34")["status"] == "Successful"


def test_conflicts_fail_unless_resolved(start):
    field = "DaemonSet.apps aws-node - .spec.template.spec.tolerations"
    simulator = start(cluster(f"addons: [{{name: vpc-cni, version: v1.19.6-eksbuild.1, conflicts: ['{field}']}}]"))
    def update(**mode):
        started = simulator.eks.update_addon(
            clusterName="a", addonName="vpc-cni", addonVersion="v1.20.4-eksbuild.2", **mode)["update"]
        return simulator.finish("a", started, addonName="vpc-cni")
    for mode in ({}, {"resolveConflicts": "NONE"}):
        failed = update(**mode)
        assert failed["status"] == "Failed"
        assert failed["errors"][0]["errorCode"] == "ConfigurationConflict"
        assert failed["errors"][0]["errorMessage"] == (
            "Conflicts found when trying to apply. Will not continue due to resolve conflicts mode. Conflicts: " + field)
        addon = simulator.eks.describe_addon(clusterName="a", addonName="vpc-cni")["addon"]
        assert (addon["status"], addon["addonVersion"]) == ("UPDATE_FAILED", "v1.19.6-eksbuild.1")
    assert update(resolveConflicts="PRESERVE")["status"] == "Successful"
    addon = simulator.eks.describe_addon(clusterName="a", addonName="vpc-cni")["addon"]
    assert (addon["status"], addon["addonVersion"], addon["health"]["issues"]) == ("ACTIVE", "v1.20.4-eksbuild.2", [])


def test_what_an_update_of_an_add_on_leaves_out(start):
    arn = "arn:aws:eks:us-east-1:123456789012:podidentityassociation/a/a-1"
    simulator = start(cluster(f"addons: [{{name: coredns, pod_identity_associations: ['{arn}'], role: 'arn:aws:iam::1:role/r'}}]"))
    def update(**more):
        started = simulator.eks.update_addon(clusterName="a", addonName="coredns", **more)["update"]
        assert simulator.finish("a", started, addonName="coredns")["status"] == "Successful"
        return simulator.eks.describe_addon(clusterName="a", addonName="coredns")["addon"]
    kept = update(configurationValues='{"replicaCount":3}', serviceAccountRoleArn="arn:aws:iam::1:role/r")
    assert (kept["podIdentityAssociations"], kept["serviceAccountRoleArn"]) == ([arn], "arn:aws:iam::1:role/r")
    gone = update(podIdentityAssociations=[])
    assert (gone["podIdentityAssociations"], gone["configurationValues"]) == ([], '{"replicaCount":3}')
    assert "serviceAccountRoleArn" not in gone, "without one, an add-on falls back to the role of its nodes"


def test_updates_fail_hang_cancel_as_faults_say(start):
    simulator = start(cluster("nodegroups: [{name: web, size: 3}]"))
    fault = lambda **body: simulator.control("faults", body)
    hits = lambda operation: {"operation": operation, "cluster": "a"}
    fault(match=hits("UpdateClusterVersion"), fail_update={"code": "IpNotAvailable", "resource_ids": ["subnet-1"]})
    failed = upgrade(simulator)
    assert (failed["status"], failed["errors"][0]["errorCode"]) == ("Failed", "IpNotAvailable")
    assert simulator.eks.describe_cluster(name="a")["cluster"]["version"] == "1.34"
    fault(match=hits("UpdateClusterVersion"), update_status="Cancelled")
    assert upgrade(simulator)["status"] == "Cancelled"
    fault(match=hits("UpdateClusterVersion"), duration_m=1)
    assert minutes(simulator, upgrade(simulator)) == pytest.approx(1, abs=0.1)
    fault(match=hits("UpdateNodegroupVersion"), fail_update={"code": "NodeCreationFailure"})
    failed = roll(simulator, "web", version="1.35")
    assert failed["errors"][0] == {
        "errorCode": "NodeCreationFailure", "resourceIds": ["web"],
        "errorMessage": "Couldn't proceed with upgrade process as new nodes are not joining node group web"}
    assert kubelets(simulator, "web") == ["1.34"] * 3
    fault(match=hits("UpdateNodegroupVersion"), fail_update={"code": "PodEvictionFailure"})
    roll(simulator, "web", version="1.35")
    assert kubelets(simulator, "web") == ["1.34", "1.34", "1.35"], "a failed update leaves mixed nodes"
    fault(match=hits("UpdateNodegroupVersion"), stuck=True)
    update = simulator.eks.update_nodegroup_version(clusterName="a", nodegroupName="web", version="1.35")["update"]
    time.sleep(4)  # more than an hour
    seen = simulator.eks.describe_update(name="a", updateId=update["id"], nodegroupName="web")["update"]
    assert seen["status"] == "InProgress"


def test_an_unknown_status_comes_through(start):
    simulator = start(cluster("faults: [{match: {operation: UpdateClusterVersion}, update_status: Pondering}]"))
    assert upgrade(simulator)["status"] == "Pondering"
    assert simulator.invalid and all("Pondering" in problem for problem in simulator.invalid)
    simulator.invalid.clear()


def test_calls_are_refused_as_faults_say(start):
    simulator = start(cluster(
        "faults:\n"
        "  - {match: {operation: DescribeCluster}, after: 1, times: 2, error: {type: ThrottlingException, message: slow}}\n"
        "  - {match: {operation: ListAddons}, times: always, error: {type: ServiceUnavailableException, status: 503}}"))
    def status(call, **named):
        try:
            return call(**named)["ResponseMetadata"]["HTTPStatusCode"]
        except ClientError as refused:
            return refused.response["ResponseMetadata"]["HTTPStatusCode"]
    assert [status(simulator.eks.describe_cluster, name="a") for _ in range(4)] == [200, 429, 429, 200]
    assert [status(simulator.eks.list_addons, clusterName="a") for _ in range(3)] == [503, 503, 503]
    # ListAddons does not declare it: the validator says so, and the product must cope.
    assert all("ServiceUnavailableException is not declared" in problem for problem in simulator.invalid)
    simulator.invalid.clear()


def test_an_answer_may_be_late_or_lost_though_the_call_took_effect(start):
    simulator = start(cluster("faults: [{match: {operation: UpdateClusterVersion}, drop_answer: true}]"), speed=1)
    with pytest.raises(ConnectionClosedError):
        simulator.eks.update_cluster_version(name="a", version="1.35", clientRequestToken="once")
    again = simulator.eks.update_cluster_version(name="a", version="1.35", clientRequestToken="once")["update"]
    assert [u["id"] for u in simulator.cluster("a")["updates"]] == [again["id"]]
    assert [r["dropped"] for r in simulator.control("requests")["requests"]] == [True, False]

    simulator.control("faults", {"match": {"operation": "DescribeCluster"}, "answer_after_s": 2})
    with pytest.raises(ReadTimeoutError):
        simulator.impatient(0.5).describe_cluster(name="a")
    begun = time.monotonic()
    simulator.eks.describe_cluster(name="a")
    assert time.monotonic() - begun < 1, "one answer is held, the others are not"


def test_somebody_else_is_at_it(start):
    simulator = start(cluster('updates: [{to: "1.35", started_ago_m: 4, duration_m: 11}]'), speed=60)
    running = simulator.eks.list_updates(name="a")["updateIds"]
    with pytest.raises(ClientError) as refused:
        simulator.eks.update_cluster_version(name="a", version="1.35")
    assert running[0] in str(refused.value)
    assert simulator.finish("a", {"id": running[0]})["status"] == "Successful"
    assert simulator.cluster("a")["updates"][0]["by"] == "someone"


def test_people_meddle(start):
    simulator = start(cluster("nodegroups: [{name: web, size: 2}]\naddons: [{name: coredns, version: v1.12.1-eksbuild.2}]"))
    act = lambda **what: simulator.control("act", what)["updateId"]
    assert simulator.finish("a", {"id": act(what="upgrade", cluster="a")})["status"] == "Successful"
    back = simulator.finish("a", {"id": act(what="roll_back", cluster="a")})
    assert (back["type"], back["status"]) == ("VersionRollback", "Successful")
    assert simulator.eks.describe_cluster(name="a")["cluster"]["version"] == "1.34"
    update = act(what="update_addon", cluster="a", addon="coredns", version="v1.12.4-eksbuild.1")
    assert simulator.finish("a", {"id": update}, addonName="coredns")["status"] == "Successful"
    act(what="add_nodegroup", cluster="a", spec={"name": "more", "size": 1})
    act(what="delete_nodegroup", cluster="a", nodegroup="web")
    assert simulator.eks.list_nodegroups(clusterName="a")["nodegroups"] == ["more"]
    act(what="delete_cluster", cluster="a")
    assert simulator.eks.list_clusters()["clusters"] == []


def test_a_fleet_with_a_mistake_is_refused_in_words(start):
    simulator = start("one.yaml")
    import urllib.error
    for path, body, said in [
        ("clusters", {"name": "x", "version": "1.34", "sizes": 3}, "unknown field `sizes`"),
        ("faults", {"match": {"operation": "UpdateAddon"}}, "without effect"),
        ("reset", "start: 2026-08-18T09:15:00Z\nclusters: [{name: x, version: \"1.99\"}]", "no 1.99"),
        ("act", {"what": "dance"}, "dance"),
    ]:
        with pytest.raises(urllib.error.HTTPError) as refused:
            simulator.control(path, body)
        assert refused.value.code == 400 and said in refused.value.read().decode()
    simulator.control("reset", "start: 2026-08-18T09:15:00Z\nclusters: [{name: other, version: \"1.34\"}]")
    assert simulator.eks.list_clusters()["clusters"] == ["other"]


def test_the_same_seed_gives_the_same_world(start):
    def story():
        simulator = start("seed: 7\n" + cluster("nodegroups: [{name: web, size: 2}]"))
        update = upgrade(simulator)
        return update["id"], minutes(simulator, update)
    first, second = story(), story()
    assert first[0] == second[0] and first[1] == pytest.approx(second[1], abs=0.1)
