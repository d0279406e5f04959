"""Each refusal the service makes is made, with its code, status and words."""

import re

import pytest
from botocore.exceptions import ClientError

FLEET = """
clusters:
  - name: a
    version: "1.34"
    nodegroups:
      - {name: web, size: 2}
      - {name: behind, size: 2, version: "1.32"}
      - {name: al2, size: 2, version: "1.32", ami_type: AL2_x86_64}
      - {name: ill, size: 2, status: DEGRADED}
      - {name: plain, size: 1}
      - name: custom
        ami_type: CUSTOM
        size: 2
        launch_template: {id: lt-1, name: mine, version: 3, latest: 4}
      - name: templated
        size: 2
        launch_template: {id: lt-2, name: theirs, version: 1, latest: 2}
    addons:
      - {name: vpc-cni, version: v1.18.6-eksbuild.1}
      - {name: coredns}
      - {name: kube-proxy, status: CREATING}
  - {name: far, version: "1.34", nodegroups: [{name: ng-a, version: "1.31"}, {name: ng-b}]}
  - {name: strict, version: "1.34", strict_node_match: true, nodegroups: [{name: ng-a, version: "1.33"}]}
  - {name: full, version: "1.34", subnets: [{id: subnet-a, free_addresses: 0}, {id: subnet-b, free_addresses: 9}]}
  - {name: newest, version: "1.36"}
  - {name: creating, version: "1.34", status: CREATING}
"""

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"


@pytest.fixture
def simulator(start):
    return start(FLEET, speed=1)


def refusal(call, *arguments, **named):
    with pytest.raises(ClientError) as refused:
        call(*arguments, **named)
    answer = refused.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"], answer


def cluster_version(simulator, name, version):
    return refusal(simulator.eks.update_cluster_version, name=name, version=version)[:3]


def nodegroup(simulator, name, **named):
    call = simulator.eks.update_nodegroup_version
    code, status, message, answer = refusal(call, clusterName="a", nodegroupName=name, **named)
    assert (answer["clusterName"], answer["nodegroupName"]) == ("a", name)
    return code, status, message


def addon(simulator, name, **named):
    return refusal(simulator.eks.update_addon, clusterName="a", addonName=name, **named)[:3]


INVALID = ("InvalidParameterException", 400)


@pytest.mark.parametrize("version", ["1.34", "1.32", "1.36", "1.30"])
def test_only_the_next_minor(simulator, version):
    message = f"Unsupported Kubernetes minor version update from 1.34 to {version}"
    assert cluster_version(simulator, "a", version) == (*INVALID, message)


def test_a_version_that_does_not_exist(simulator):
    assert cluster_version(simulator, "newest", "1.37") == (*INVALID, "unsupported Kubernetes version 1.37")
    assert cluster_version(simulator, "a", "latest")[:2] == INVALID


def test_one_update_of_a_cluster_at_a_time(simulator):
    running = simulator.eks.update_cluster_version(name="a", version="1.35")["update"]["id"]
    code, status, message = cluster_version(simulator, "a", "1.35")
    assert (code, status) == ("ResourceInUseException", 409)
    found = re.fullmatch(f"Cannot VersionUpdate because cluster a currently has update ({UUID}) in progress", message)
    assert found and found[1] == running


def test_a_cluster_that_is_not_active(simulator):
    assert cluster_version(simulator, "creating", "1.35")[:2] == ("InvalidRequestException", 400)


def test_nodes_too_far_behind(simulator):
    text = "Nodegroups ng-a must be updated to match cluster version 1.34 before updating cluster version"
    assert cluster_version(simulator, "far", "1.35") == ("InvalidRequestException", 400, text)
    assert cluster_version(simulator, "strict", "1.35") == ("InvalidRequestException", 400, text)


def test_too_few_addresses(simulator):
    text = (
        "Provided subnets subnet-a Free IPs: 0 , need at least 5 IPs in each subnet to be free for this operation"
    )
    assert cluster_version(simulator, "full", "1.35") == ("InvalidRequestException", 400, text)


def test_what_is_not_there(simulator):
    eks, missing = simulator.eks, ("ResourceNotFoundException", 404)
    code, status, message, answer = refusal(eks.describe_cluster, name="nope")
    assert (code, status, message) == (*missing, "No cluster found for name: nope.")
    assert refusal(eks.update_cluster_version, name="nope", version="1.35")[:2] == missing
    assert refusal(eks.describe_nodegroup, clusterName="a", nodegroupName="nope")[:3] == (
        *missing, "No node group found for name: nope.")
    assert refusal(eks.describe_addon, clusterName="a", addonName="nope")[:3] == (
        *missing, "No addon: nope found in cluster: a")
    assert refusal(eks.describe_update, name="a", updateId="nope")[:2] == missing
    assert refusal(eks.describe_fargate_profile, clusterName="a", fargateProfileName="nope")[:2] == missing
    assert refusal(eks.describe_insight, clusterName="a", id="nope")[:2] == missing
    assert refusal(eks.describe_addon_versions, addonName="nope")[:2] == missing
    arn = "arn:aws:eks:us-east-1:123456789012:cluster/nope"
    assert refusal(eks.list_tags_for_resource, resourceArn=arn)[:2] == ("NotFoundException", 404)
    assert refusal(eks.list_tags_for_resource, resourceArn="arn:aws:s3:::x")[:2] == ("BadRequestException", 400)


def test_an_update_is_found_only_where_it_belongs(simulator):
    eks = simulator.eks
    update = eks.update_nodegroup_version(clusterName="a", nodegroupName="web", version="1.34")["update"]["id"]
    assert refusal(eks.describe_update, name="a", updateId=update)[:2] == ("ResourceNotFoundException", 404)
    assert eks.list_updates(name="a")["updateIds"] == []


def test_node_groups_go_to_the_clusters_version_or_stay(simulator):
    text = (
        "Nodegroup Kubernetes version should be equal to Cluster kubernetes version 1.34 or NodeGroup kubernetes "
        "version 1.32"
    )
    for version in ("1.33", "1.35", "x"):
        assert nodegroup(simulator, "behind", version=version) == (*INVALID, text)


def test_release_versions_belong_to_a_minor(simulator):
    text = "Requested release version 1.31.13-20251103 is not valid for kubernetes version 1.34."
    assert nodegroup(simulator, "web", version="1.34", releaseVersion="1.31.13-20251103") == (*INVALID, text)


def test_amazon_linux_2_ends_at_1_32(simulator):
    text = "AMI Type AL2_x86_64 is only supported for kubernetes versions 1.32 or earlier"
    assert nodegroup(simulator, "al2", version="1.34") == (*INVALID, text)


def test_one_update_of_a_node_group_at_a_time(simulator):
    text = "Nodegroup cannot be updated as it is currently not in Active State"
    assert nodegroup(simulator, "ill", version="1.34") == ("ResourceInUseException", 409, text)
    simulator.eks.update_nodegroup_version(clusterName="a", nodegroupName="web", version="1.34")
    assert nodegroup(simulator, "web", version="1.34") == ("ResourceInUseException", 409, text)


def test_no_node_group_update_under_a_control_plane_update(simulator):
    simulator.eks.update_cluster_version(name="a", version="1.35")
    assert nodegroup(simulator, "web", version="1.34")[:2] == ("ResourceInUseException", 409)


def test_custom_images_move_by_their_template(simulator):
    template = {"id": "lt-1", "version": "4"}
    assert nodegroup(simulator, "custom", version="1.34", launchTemplate=template)[:2] == INVALID
    assert nodegroup(simulator, "custom", releaseVersion="ami-1", launchTemplate=template)[:2] == INVALID
    assert nodegroup(simulator, "custom")[:2] == INVALID
    update = simulator.eks.update_nodegroup_version(clusterName="a", nodegroupName="custom", launchTemplate=template)
    assert {"type": "LaunchTemplateVersion", "value": "4"} in update["update"]["params"]


def test_launch_templates_stay_the_same(simulator):
    assert nodegroup(simulator, "plain", launchTemplate={"id": "lt-1", "version": "1"})[:2] == INVALID
    assert nodegroup(simulator, "templated", launchTemplate={"id": "lt-9", "version": "1"})[:2] == INVALID
    assert nodegroup(simulator, "templated", launchTemplate={"name": "theirs", "version": "7"})[:2] == (
        "InvalidRequestException", 400)
    update = simulator.eks.update_nodegroup_version(clusterName="a", nodegroupName="templated", version="1.34")
    assert {"type": "LaunchTemplateVersion", "value": "1"} in update["update"]["params"]


def test_vpc_cni_moves_one_minor_at_a_time(simulator):
    text = "Updating VPC-CNI can only go up or down 1 minor version at a time"
    assert addon(simulator, "vpc-cni", addonVersion="v1.20.4-eksbuild.2") == (*INVALID, text)
    simulator.eks.update_addon(clusterName="a", addonName="vpc-cni", addonVersion="v1.19.6-eksbuild.1")


def test_add_on_versions_must_fit_the_cluster(simulator):
    text = "Addon version specified is not supported"
    for version in ("v1.14.0-eksbuild.1", "v9.9.9-eksbuild.1", "x"):
        assert addon(simulator, "coredns", addonVersion=version) == (*INVALID, text)


def test_one_update_of_an_add_on_at_a_time(simulator):
    busy = ("ResourceInUseException", 409)
    assert addon(simulator, "kube-proxy", addonVersion="v1.34.3-eksbuild.3")[:2] == busy
    simulator.eks.update_addon(clusterName="a", addonName="coredns", addonVersion="v1.12.4-eksbuild.1")
    assert addon(simulator, "coredns", addonVersion="v1.12.4-eksbuild.1")[:2] == busy


def test_configuration_must_be_json(simulator):
    assert addon(simulator, "coredns", configurationValues="{")[:2] == INVALID
