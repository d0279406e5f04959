"""Every operation is read by boto3, and every answer is what the service model says."""

import json
import time
from datetime import datetime, timezone

import pytest
from botocore.exceptions import ClientError

OPERATIONS = {
    "ListClusters", "DescribeCluster", "DescribeClusterVersions", "UpdateClusterVersion", "DescribeUpdate",
    "ListUpdates", "ListNodegroups", "DescribeNodegroup", "UpdateNodegroupVersion", "ListAddons", "DescribeAddon",
    "DescribeAddonVersions", "UpdateAddon", "ListFargateProfiles", "DescribeFargateProfile", "ListInsights",
    "DescribeInsight", "TagResource", "UntagResource", "ListTagsForResource",
    "StartInsightsRefresh", "DescribeInsightsRefresh", "UpdateClusterConfig", "CancelUpdate",
    "DescribeEvents", "DescribeAffectedEntities", "DescribeEventDetails", "AssumeRole", "GetCallerIdentity",
}


def read_everything(simulator):
    eks = simulator.eks
    for page in eks.get_paginator("describe_addon_versions").paginate():
        assert page["addons"]
    for name in eks.list_clusters()["clusters"]:
        cluster = eks.describe_cluster(name=name)["cluster"]
        assert cluster["arn"].endswith(f"cluster/{name}") and cluster["createdAt"].year >= 2024
        assert {"version", "platformVersion", "status", "endpoint", "certificateAuthority", "health"} <= set(cluster)
        for scope in [{}, *[{"nodegroupName": n} for n in eks.list_nodegroups(clusterName=name)["nodegroups"]],
                      *[{"addonName": a} for a in eks.list_addons(clusterName=name)["addons"]]]:
            for update in eks.list_updates(name=name, **scope)["updateIds"]:
                eks.describe_update(name=name, updateId=update, **scope)
        for group in eks.list_nodegroups(clusterName=name)["nodegroups"]:
            body = eks.describe_nodegroup(clusterName=name, nodegroupName=group)["nodegroup"]
            assert {"version", "releaseVersion", "amiType", "updateConfig", "scalingConfig", "status"} <= set(body)
        for addon in eks.list_addons(clusterName=name)["addons"]:
            assert eks.describe_addon(clusterName=name, addonName=addon)["addon"]["addonVersion"].startswith("v")
        for profile in eks.list_fargate_profiles(clusterName=name)["fargateProfileNames"]:
            eks.describe_fargate_profile(clusterName=name, fargateProfileName=profile)
        for insight in eks.list_insights(clusterName=name)["insights"]:
            full = eks.describe_insight(clusterName=name, id=insight["id"])["insight"]
            assert full["name"] == insight["name"]


def test_every_operation_answers_as_modelled(start):
    simulator = start("demo.yaml")
    eks, health = simulator.eks, simulator.health
    simulator.control("clusters", {
        "name": "extra", "version": "1.34", "fargate_profiles": [{"name": "fp"}], "auto_mode": True,
        "health_issues": [{"code": "IamRoleNotFound", "message": "gone", "resource_ids": ["r"]}],
        "nodegroups": [
            {"name": "custom", "ami_type": "CUSTOM", "launch_template": {"id": "lt-1", "name": "t", "version": 3}},
            {"name": "ill", "status": "DEGRADED", "health_issues": [{"code": "AsgInstanceLaunchFailures"}]},
        ],
        "addons": [{"name": "coredns", "status": "DEGRADED", "configuration_values": "{}", "role": "arn:aws:iam::1:role/x",
                    "health_issues": [{"code": "InsufficientNumberOfReplicas"}]}],
        "insights": [{"name": "Deprecated APIs removed in Kubernetes v1.35", "status": "ERROR", "deprecations": [
            {"usage": "/apis/x/v1beta1/y", "replaced_with": "/apis/x/v1/y", "stop_serving": "1.35",
             "clients": [{"user_agent": "kubectl", "requests": 4}]}]}],
    })
    read_everything(simulator)
    update = eks.update_cluster_version(name="prod-a", version="1.35")["update"]
    assert (update["type"], update["status"]) == ("VersionUpdate", "InProgress")
    assert simulator.finish("prod-a", update)["status"] == "Successful"
    assert eks.describe_cluster(name="prod-a")["cluster"]["version"] == "1.35"
    group = eks.update_nodegroup_version(clusterName="prod-a", nodegroupName="web", version="1.35")["update"]
    addon = eks.update_addon(clusterName="prod-a", addonName="coredns", addonVersion="v1.13.1-eksbuild.1",
                             resolveConflicts="PRESERVE")["update"]
    assert simulator.finish("prod-a", group, nodegroupName="web")["status"] == "Successful"
    assert simulator.finish("prod-a", addon, addonName="coredns")["status"] == "Successful"
    read_everything(simulator)

    arn = eks.describe_cluster(name="prod-a")["cluster"]["arn"]
    eks.tag_resource(resourceArn=arn, tags={"a/b c": "d"})
    assert eks.list_tags_for_resource(resourceArn=arn)["tags"]["a/b c"] == "d"
    eks.untag_resource(resourceArn=arn, tagKeys=["a/b c", "env"])
    assert set(eks.describe_cluster(name="prod-a")["cluster"]["tags"]) == {"eks-upgrade:enabled"}

    assert eks.describe_cluster_versions()["clusterVersions"]
    events = health.describe_events(filter={"services": ["EKS"]})["events"]
    assert [event["eventTypeCode"] for event in events] == ["AWS_EKS_PLANNED_LIFECYCLE_EVENT"]
    entities = health.describe_affected_entities(filter={"eventArns": [events[0]["arn"]]})["entities"]
    assert arn in [entity["entityValue"] for entity in entities]
    assert "arn:aws:eks:us-east-1:123456789012:cluster/current" not in [e["entityValue"] for e in entities]
    details = health.describe_event_details(eventArns=[events[0]["arn"], events[0]["arn"] + "0"])
    assert "1.34" in details["successfulSet"][0]["eventDescription"]["latestDescription"]
    assert len(details["failedSet"]) == 1

    eks.start_insights_refresh(clusterName="prod-a")
    assert eks.describe_insights_refresh(clusterName="prod-a")["status"] == "IN_PROGRESS"
    policy = eks.update_cluster_config(name="canary", upgradePolicy={"supportType": "STANDARD"})["update"]
    assert simulator.finish("canary", policy)["type"] == "UpgradePolicyUpdate"
    simulator.finish("canary", eks.update_cluster_version(name="canary", version="1.35")["update"])
    simulator.control("faults", {
        "match": {"operation": "UpdateClusterVersion", "cluster": "canary", "version": "1.34"}, "stuck": True})
    back = eks.update_cluster_version(name="canary", version="1.34", rollbackConfig={"timeoutMinutes": 240})["update"]
    time.sleep(0.01)  # More virtual seconds than it hides.
    cancelled = eks.cancel_update(name="canary", updateId=back["id"])["update"]
    assert (cancelled["type"], cancelled["status"]) == ("VersionRollback", "Cancelled")
    assert simulator.finish("canary", cancelled)["cancellation"]["status"] == "Successful"
    read_everything(simulator)
    assert simulator.client("sts").get_caller_identity()["Account"] == "123456789012"
    with pytest.raises(ClientError):
        simulator.client("sts").assume_role(RoleArn="arn:aws:iam::210987654321:role/none", RoleSessionName="test")
    assert simulator.operations == OPERATIONS


def test_the_calendar(start):
    simulator = start("clusters: []")
    versions = lambda **filters: {
        v["clusterVersion"]: v for v in simulator.eks.describe_cluster_versions(**filters)["clusterVersions"]
    }
    assert list(versions()) == ["1.36", "1.35", "1.34", "1.33", "1.32", "1.31"]
    assert list(versions(defaultOnly=True)) == ["1.35"]
    assert list(versions(versionStatus="EXTENDED_SUPPORT")) == ["1.33", "1.32", "1.31"]
    assert list(versions(versionStatus="UNSUPPORTED")) == ["1.30"] == list(versions(clusterVersions=["1.30"]))
    assert "1.30" in versions(includeAll=True)
    entry = versions(clusterVersions=["1.34", "1.99"])["1.34"]
    assert entry["endOfStandardSupportDate"] == datetime(2026, 12, 2, tzinfo=timezone.utc)
    assert (entry["versionStatus"], entry["status"]) == ("STANDARD_SUPPORT", "standard-support")
    pages = list(simulator.eks.get_paginator("describe_cluster_versions").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["clusterVersions"]) for page in pages] == [2, 2, 2]


def test_lists_come_in_pages(start):
    simulator = start("clusters:\n" + "".join(f'  - {{name: c{n}, version: "1.34"}}\n' for n in range(7)))
    pages = list(simulator.eks.get_paginator("list_clusters").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(page["clusters"]) for page in pages] == [3, 3, 1]
    with pytest.raises(ClientError) as refused:
        simulator.eks.list_clusters(nextToken="made-up")
    assert refused.value.response["Error"]["Code"] == "InvalidParameterException"


def test_add_on_versions_follow_the_minor(start):
    simulator = start("clusters: []")
    def versions(minor):
        answer = simulator.eks.describe_addon_versions(addonName="kube-proxy", kubernetesVersion=minor)
        return answer["addons"][0]["addonVersions"]
    assert versions("1.34")[0]["addonVersion"].startswith("v1.34.")
    assert {v["addonVersion"].split(".")[1] for v in versions("1.34")} == {"31", "32", "33", "34"}
    defaults = [v["addonVersion"] for v in versions("1.35") if v["compatibilities"][0]["defaultVersion"]]
    assert defaults == ["v1.35.2-eksbuild.3"]


def test_without_a_support_plan_health_refuses(start):
    simulator = start("support_plan: none\nclusters: []")
    for call in (
        lambda: simulator.health.describe_events(),
        lambda: simulator.health.describe_event_details(eventArns=["arn:aws:health:us-east-1::event/EKS/A_B/A_B_1"]),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["Error"]["Code"] == "SubscriptionRequiredException"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_the_log_tells_every_request(start):
    simulator = start("one.yaml")
    simulator.eks.update_cluster_version(name="solo", version="1.35", clientRequestToken="t-1")
    with pytest.raises(ClientError):
        simulator.eks.update_cluster_version(name="solo", version="1.36")
    simulator.eks.describe_cluster(name="solo")
    first, second, third = simulator.control("requests")["requests"]
    assert (first["operation"], first["cluster"], first["token"], first["mutated"]) == (
        "UpdateClusterVersion", "solo", "t-1", True)
    assert first["updateId"] and first["input"]["version"] == "1.35"
    assert (second["status"], second["error"], second["mutated"]) == (409, "ResourceInUseException", False)
    assert (third["operation"], third["mutated"]) == ("DescribeCluster", False)
    assert [json.loads(line) for line in simulator.log.read_text().splitlines()] == [first, second, third]
