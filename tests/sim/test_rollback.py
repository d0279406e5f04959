"""Rollback and support policy through boto3: codes, shapes and words. The rules in time are in crates/sim/tests."""

import pytest
from botocore.exceptions import ClientError


def refusal(call, **named):
    with pytest.raises(ClientError) as refused:
        call(**named)
    answer = refused.value.response
    assert answer.get("clusterName", named["name"]) == named["name"]
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def test_a_cluster_goes_forth_and_back(start):
    simulator = start('clusters: [{name: a, version: "1.34", addons: [{name: kube-proxy}], nodegroups: [{name: web, size: 1}]}]')
    eks = simulator.eks
    go = lambda version, **more: simulator.finish(
        "a", eks.update_cluster_version(name="a", version=version, **more)["update"])
    assert refusal(eks.update_cluster_version, name="a", version="1.33") == (
        "InvalidRequestException", 400, "Cluster a cannot be rolled back from 1.34 to 1.33: it was not upgraded in place to 1.34")
    go("1.35")
    found = eks.list_insights(clusterName="a", filter={"categories": ["ROLLBACK_READINESS"]})["insights"]
    assert {insight["name"]: insight["insightStatus"]["status"] for insight in found} == {
        "Incompatible API usage": "PASSING", "Kubelet version rollback compatibility": "PASSING",
        "EKS add-on version rollback compatibility": "PASSING"}
    assert {insight["kubernetesVersion"] for insight in found} == {"1.34"}
    addon = eks.update_addon(clusterName="a", addonName="kube-proxy", addonVersion="v1.35.2-eksbuild.3")["update"]
    simulator.finish("a", addon, addonName="kube-proxy")
    code, status, message = refusal(eks.update_cluster_version, name="a", version="1.34")
    assert (code, status) == ("InvalidStateException", 400)
    assert "EKS add-on version rollback compatibility is ERROR" in message
    ill = next(i for i in eks.list_insights(clusterName="a")["insights"] if "add-on version rollback" in i["name"])
    full = eks.describe_insight(clusterName="a", id=ill["id"])["insight"]
    assert full["resources"] and full["categorySpecificSummary"]["addonCompatibilityDetails"][0]["name"] == "kube-proxy"
    assert "rolled back" in full["recommendation"]
    back = go("1.34", force=True, clientRequestToken="back")
    assert (back["type"], back["status"]) == ("VersionRollback", "Successful")
    again = eks.update_cluster_version(name="a", version="1.34", force=True, clientRequestToken="back")["update"]
    assert again["id"] == back["id"]
    assert eks.describe_cluster(name="a")["cluster"]["version"] == "1.34"


def test_the_support_policy_changes_in_a_minute(start):
    simulator = start('clusters: [{name: a, version: "1.34", support_type: STANDARD}, {name: old, version: "1.33"}]')
    eks = simulator.eks
    policy = lambda name="a": eks.describe_cluster(name=name)["cluster"]["upgradePolicy"]["supportType"]
    change = lambda name, kind: refusal(eks.update_cluster_config, name=name, upgradePolicy={"supportType": kind})
    assert change("a", "STANDARD") == (
        "InvalidParameterException", 400, "No changes needed for the upgrade policy provided")
    assert change("old", "STANDARD") == (
        "InvalidRequestException", 400,
        "Cluster old runs 1.33, which is in extended support: its supportType cannot become STANDARD")
    assert refusal(eks.update_cluster_config, name="a", deletionProtection=True) == (
        "UnknownOperationException", 404,
        "The simulator updates upgradePolicy.supportType of a cluster, and not deletionProtection.")
    update = eks.update_cluster_config(name="a", upgradePolicy={"supportType": "EXTENDED"})["update"]
    assert update["params"] == [{"type": "UpgradePolicy", "value": '{"supportType":"EXTENDED"}'}]
    done = simulator.finish("a", update)
    assert (done["type"], done["status"], policy()) == ("UpgradePolicyUpdate", "Successful", "EXTENDED")
    seen = simulator.cluster("a")["updates"][0]
    assert seen["endedAt"][:17] in ("2026-08-18T09:15:", "2026-08-18T09:16:", "2026-08-18T09:17:")


def test_a_version_breaks_clusters_until_they_go_back(start):
    simulator = start("""
clusters: [{name: a, version: "1.34"}]
faults:
  - match: {operation: UpdateClusterVersion, version: "1.35"}
    times: always
    breaks: {health_issue: {code: Other, message: webhooks time out}}
""")
    issues = lambda: simulator.eks.describe_cluster(name="a")["cluster"]["health"]["issues"]
    go = lambda version: simulator.finish("a", simulator.eks.update_cluster_version(name="a", version=version)["update"])
    go("1.35")
    assert issues() == [{"code": "Other", "message": "webhooks time out", "resourceIds": []}]
    go("1.34")
    assert issues() == []
    go("1.35")
    assert len(issues()) == 1
