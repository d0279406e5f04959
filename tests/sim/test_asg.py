"""Self-managed groups over the protocols of Auto Scaling, EC2 and SSM, each answer held against its model."""

import time

import pytest
from botocore.exceptions import ClientError

FLEET = """
clusters:
  - name: a
    version: "1.34"
    subnets: [{id: subnet-a, free_addresses: 7}, {id: subnet-b}]
    self_managed:
      - name: web
        size: 3
        min_size: 2
        max_size: 5
        version: "1.33"
        tags: {team: shop}
        cluster_autoscaler: true
        launch_template: {id: lt-web, name: web, version: 3}
      - {name: jobs, size: 1, family: bottlerocket, architecture: arm64, subnets: [subnet-b]}
  - {name: b, version: "1.33", region: eu-west-1, self_managed: [{name: web, size: 1}]}
"""
AMI = "/aws/service/eks/optimized-ami/{}/amazon-linux-2023/x86_64/standard/recommended/{}"


@pytest.fixture
def simulator(start):
    return start(FLEET)


@pytest.fixture
def asg(simulator):
    return simulator.client("autoscaling")


@pytest.fixture
def ec2(simulator):
    return simulator.client("ec2")


@pytest.fixture
def ssm(simulator):
    return simulator.client("ssm")


def refusal(call, **named):
    with pytest.raises(ClientError) as refused:
        call(**named)
    answer = refused.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def group_of(asg, name="web"):
    (group,) = asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    return group


def settled(simulator, name, kubelets, within_s=10):
    """Waits until a group has just these nodes, and nothing that is on its way."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        group = simulator.cluster("a")["selfManaged"][name]
        seen = sorted(node["kubeletVersion"] for node in group["nodes"])
        if seen == kubelets and len(group["instances"]) == len(kubelets):
            return group
        time.sleep(0.02)
    pytest.fail(f"{name} has {group}")


def test_a_group_is_described(simulator, asg):
    group = group_of(asg)
    assert (group["MinSize"], group["DesiredCapacity"], group["MaxSize"]) == (2, 3, 5)
    assert group["LaunchTemplate"] == {"LaunchTemplateId": "lt-web", "LaunchTemplateName": "web", "Version": "3"}
    assert group["VPCZoneIdentifier"] == "subnet-a,subnet-b"
    assert group["AvailabilityZones"] == ["us-east-1a", "us-east-1b"]
    tags = {tag["Key"]: tag["Value"] for tag in group["Tags"]}
    assert tags["kubernetes.io/cluster/a"] == "owned" and tags["team"] == "shop"
    assert tags["k8s.io/cluster-autoscaler/enabled"] == "true"
    zones = [instance["AvailabilityZone"] for instance in group["Instances"]]
    assert sorted(zones) == ["us-east-1a", "us-east-1a", "us-east-1b"]
    assert {instance["LifecycleState"] for instance in group["Instances"]} == {"InService"}
    assert simulator.client("autoscaling", region="eu-west-1").describe_auto_scaling_groups()[
        "AutoScalingGroups"][0]["AutoScalingGroupARN"].startswith("arn:aws:autoscaling:eu-west-1:123456789012:")


def test_groups_are_found_by_tag_and_page_by_page(asg):
    def named(**asked):
        return [group["AutoScalingGroupName"] for group in asg.describe_auto_scaling_groups(**asked)["AutoScalingGroups"]]

    owned = [{"Name": "tag:kubernetes.io/cluster/a", "Values": ["owned", "shared"]}]
    assert named(Filters=owned) == ["jobs", "web"]
    assert named(Filters=[*owned, {"Name": "tag-key", "Values": ["team"]}]) == ["web"]
    assert named(Filters=[{"Name": "tag-key", "Values": ["kubernetes.io/cluster/b"]}]) == []
    assert named(AutoScalingGroupNames=["none"]) == []
    assert refusal(named, Filters=[{"Name": "color", "Values": ["red"]}]) == ("ValidationError", 400)
    pages = asg.get_paginator("describe_auto_scaling_groups").paginate(PaginationConfig={"PageSize": 1})
    assert [len(page["AutoScalingGroups"]) for page in pages] == [1, 1]
    assert refusal(asg.describe_auto_scaling_groups, NextToken="x") == ("InvalidNextToken", 400)
    instances = asg.get_paginator("describe_auto_scaling_instances").paginate(PaginationConfig={"PageSize": 3})
    assert [len(page["AutoScalingInstances"]) for page in instances] == [3, 1]


def test_a_group_rolls_to_another_image(simulator, asg, ec2, ssm):
    image = ssm.get_parameter(Name=AMI.format("1.34", "image_id"))["Parameter"]["Value"]
    made = ec2.create_launch_template_version(
        LaunchTemplateId="lt-web", SourceVersion="3", ClientToken="run-1", LaunchTemplateData={"ImageId": image},
    )["LaunchTemplateVersion"]
    assert (made["VersionNumber"], made["DefaultVersion"]) == (4, False)
    assert made["LaunchTemplateData"]["ImageId"] == image and made["LaunchTemplateData"]["UserData"]
    asg.update_auto_scaling_group(
        AutoScalingGroupName="web", MaxSize=6, DesiredCapacity=4,
        LaunchTemplate={"LaunchTemplateId": "lt-web", "Version": "4"},
    )
    settled(simulator, "web", ["1.33", "1.33", "1.33", "1.34"])
    old = [one["InstanceId"] for one in group_of(asg)["Instances"] if one["LaunchTemplate"]["Version"] == "3"]
    for instance in old[:2]:
        activity = asg.terminate_instance_in_auto_scaling_group(
            InstanceId=instance, ShouldDecrementDesiredCapacity=False)["Activity"]
        assert activity["StatusCode"] == "InProgress" and instance in activity["Description"]
    asg.terminate_instance_in_auto_scaling_group(InstanceId=old[2], ShouldDecrementDesiredCapacity=True)
    settled(simulator, "web", ["1.34"] * 3)
    seen = asg.describe_auto_scaling_instances(InstanceIds=old)["AutoScalingInstances"]
    assert seen == []
    done = asg.describe_scaling_activities(AutoScalingGroupName="web")["Activities"]
    assert {activity["StatusCode"] for activity in done} == {"Successful"} and len(done) == 6


def test_templates_have_versions(ec2):
    def versions(**asked):
        found = ec2.describe_launch_template_versions(**asked)["LaunchTemplateVersions"]
        return [version["VersionNumber"] for version in found]

    assert versions(LaunchTemplateId="lt-web") == [3, 2, 1]
    assert versions(LaunchTemplateName="web", Versions=["$Latest", "$Default", "1"]) == [3, 3, 1]
    first = dict(LaunchTemplateName="web", ClientToken="t", LaunchTemplateData={"ImageId": "ami-x", "SecurityGroupIds": ["sg-1"]})
    made = ec2.create_launch_template_version(**first)["LaunchTemplateVersion"]
    assert made["LaunchTemplateData"] == {"ImageId": "ami-x", "SecurityGroupIds": ["sg-1"]}, "based on nothing"
    again = ec2.create_launch_template_version(**first)["LaunchTemplateVersion"]
    assert made["VersionNumber"] == again["VersionNumber"] == 4
    other = {**first, "LaunchTemplateData": {"ImageId": "ami-y"}}
    assert refusal(ec2.create_launch_template_version, **other) == ("IdempotentParameterMismatch", 400)
    assert refusal(versions, LaunchTemplateId="lt-none") == ("InvalidLaunchTemplateId.NotFound", 400)
    assert refusal(versions, LaunchTemplateName="none") == ("InvalidLaunchTemplateName.NotFoundException", 400)
    assert refusal(versions, LaunchTemplateId="lt-web", Versions=["9"]) == ("InvalidLaunchTemplateId.VersionNotFound", 400)
    forgotten = dict(LaunchTemplateName="web", LaunchTemplateData={"EbsOptimized": True})
    assert refusal(ec2.create_launch_template_version, **forgotten) == ("InvalidParameterValue", 400)


def test_subnets_instances_and_images_are_described(asg, ec2):
    subnets = ec2.describe_subnets(SubnetIds=["subnet-a", "subnet-b"])["Subnets"]
    assert [(s["AvailabilityZone"], s["AvailableIpAddressCount"]) for s in subnets] == [("us-east-1a", 7), ("us-east-1b", 200)]
    assert refusal(ec2.describe_subnets, SubnetIds=["subnet-x"]) == ("InvalidSubnetID.NotFound", 400)
    for name, said in (("web", "amazon-eks-node-al2023-x86_64-standard-1.33-v"), ("jobs", "bottlerocket-aws-k8s-1.34-arm64-v")):
        wanted = group_of(asg, name)["Instances"][0]
        (reservation,) = ec2.describe_instances(InstanceIds=[wanted["InstanceId"]])["Reservations"]
        (instance,) = reservation["Instances"]
        assert instance["Placement"]["AvailabilityZone"] == wanted["AvailabilityZone"]
        assert {"Key": "aws:autoscaling:groupName", "Value": name} in instance["Tags"]
        assert {"Key": "kubernetes.io/cluster/a", "Value": "owned"} in instance["Tags"]
        assert instance["PrivateDnsName"] == f"ip-{instance['PrivateIpAddress'].replace('.', '-')}.ec2.internal"
        (image,) = ec2.describe_images(ImageIds=[instance["ImageId"]])["Images"]
        assert image["Name"].startswith(said)
        named = ec2.describe_instances(Filters=[{"Name": "private-dns-name", "Values": [instance["PrivateDnsName"]]}])
        assert [r["Instances"][0]["InstanceId"] for r in named["Reservations"]] == [instance["InstanceId"]]
    assert refusal(ec2.describe_instances, InstanceIds=["i-none"]) == ("InvalidInstanceID.NotFound", 400)
    assert refusal(ec2.describe_images, ImageIds=["ami-none"]) == ("InvalidAMIID.NotFound", 400)


def test_parameters_name_images(ec2, ssm):
    release = ssm.get_parameter(Name=AMI.format("1.34", "release_version"))["Parameter"]
    assert (release["Value"], release["Type"]) == ("1.34.6-20260810", "String")
    assert release["ARN"].endswith(AMI.format("1.34", "release_version"))
    missing = AMI.format("1.39", "image_id")
    assert refusal(ssm.get_parameter, Name=missing) == ("ParameterNotFound", 400)
    names = [AMI.format("1.34", "image_id"), "/aws/service/bottlerocket/aws-k8s-1.33/x86_64/latest/image_id", missing]
    several = ssm.get_parameters(Names=names)
    assert several["InvalidParameters"] == [missing]
    images = ec2.describe_images(ImageIds=[one["Value"] for one in several["Parameters"]])["Images"]
    assert [image["Name"].split("-v")[0] for image in images] == [
        "amazon-eks-node-al2023-x86_64-standard-1.34", "bottlerocket-aws-k8s-1.33-x86_64"]


def test_a_group_is_made_beside_another_and_one_is_deleted(simulator, asg):
    new = dict(
        AutoScalingGroupName="web-2", MinSize=1, MaxSize=2, VPCZoneIdentifier="subnet-b", HealthCheckType="EC2",
        LaunchTemplate={"LaunchTemplateName": "web", "Version": "$Latest"},
        Tags=[{"Key": "kubernetes.io/cluster/a", "Value": "owned", "PropagateAtLaunch": True}],
    )
    asg.create_auto_scaling_group(**new)
    assert refusal(asg.create_auto_scaling_group, **new) == ("AlreadyExists", 400)
    settled(simulator, "web-2", ["1.33"])
    tags = [{"ResourceId": "web-2", "ResourceType": "auto-scaling-group", "Key": "run", "Value": "1", "PropagateAtLaunch": False}]
    asg.create_or_update_tags(Tags=tags)
    assert {tag["Key"] for tag in group_of(asg, "web-2")["Tags"]} == {"kubernetes.io/cluster/a", "run"}
    assert refusal(asg.create_or_update_tags, Tags=[{**tags[0], "ResourceId": "none"}]) == ("ValidationError", 400)
    assert refusal(asg.delete_auto_scaling_group, AutoScalingGroupName="web") == ("ResourceInUse", 400)
    asg.update_auto_scaling_group(AutoScalingGroupName="web", MinSize=0, DesiredCapacity=0)
    settled(simulator, "web", [])
    asg.delete_auto_scaling_group(AutoScalingGroupName="web")
    assert asg.describe_auto_scaling_groups(AutoScalingGroupNames=["web"])["AutoScalingGroups"] == []
    asg.delete_auto_scaling_group(AutoScalingGroupName="web-2", ForceDelete=True)
    assert group_of(asg, "web-2")["Status"] == "Delete in progress"
    deadline = time.monotonic() + 10
    while "web-2" in simulator.cluster("a")["selfManaged"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_processes_are_suspended_and_resumed(simulator, asg):
    asg.suspend_processes(AutoScalingGroupName="web", ScalingProcesses=["Launch", "AZRebalance"])
    assert [p["ProcessName"] for p in group_of(asg)["SuspendedProcesses"]] == ["Launch", "AZRebalance"]
    asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=4)
    assert len(group_of(asg)["Instances"]) == 3
    asg.resume_processes(AutoScalingGroupName="web")
    assert len(group_of(asg)["Instances"]) == 4
    settled(simulator, "web", ["1.33"] * 4)
    assert refusal(asg.set_desired_capacity, AutoScalingGroupName="web", DesiredCapacity=6) == ("ValidationError", 400)


def test_requests_are_logged_and_struck_by_faults(simulator, asg, ec2):
    fault = {"match": {"operation": "CreateLaunchTemplateVersion", "cluster": "a"},
             "error": {"type": "RequestLimitExceeded", "message": "slower"}}
    simulator.control("faults", fault)
    asked = dict(LaunchTemplateId="lt-web", ClientToken="t", LaunchTemplateData={"ImageId": "ami-x"})
    assert refusal(ec2.create_launch_template_version, **asked) == ("RequestLimitExceeded", 503)
    ec2.create_launch_template_version(**asked)
    asg.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=4)
    told = [(r["operation"], r["cluster"], r.get("nodegroup"), r.get("token"), r["status"], r["mutated"])
            for r in simulator.control("requests")["requests"]]
    assert told == [
        ("CreateLaunchTemplateVersion", "a", None, "t", 503, False),
        ("CreateLaunchTemplateVersion", "a", None, "t", 200, True),
        ("SetDesiredCapacity", "a", "web", None, 200, True),
    ]


def test_what_is_not_there_is_no_operation(simulator, asg, ec2, ssm):
    assert refusal(asg.describe_policies) == ("InvalidAction", 400)
    assert refusal(ec2.describe_vpcs) == ("InvalidAction", 400)
    assert refusal(ssm.describe_parameters) == ("UnknownOperationException", 404)
