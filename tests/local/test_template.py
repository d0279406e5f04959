"""What the SAM template promises, read from the template itself: no AWS, no stack."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any, Iterator

import pytest
import yaml

from . import definitions
from . import template as sam

TEMPLATE = sam.read()
SPOKE = sam.read(sam.TEMPLATE.parent / "spoke.yaml")
KUBERNETES = sam.TEMPLATE.parent / "kubernetes"
ENTRIES = sam.read(KUBERNETES / "access-entries.yaml")
FUNCTIONS = sam.of_type(TEMPLATE, "AWS::Serverless::Function")
MACHINES = sam.of_type(TEMPLATE, "AWS::Serverless::StateMachine")
ROLES = sam.of_type(TEMPLATE, "AWS::IAM::Role")

WITHOUT_RESOURCE_TYPE = {
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeAutoScalingInstances",
    "ec2:DescribeImages",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "eks:DescribeAddonVersions",
    "eks:DescribeClusterVersions",
    "eks:ListClusters",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "states:SendTaskSuccess",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
"""Actions for which the service knows no resource type, so that a policy must say "*"."""


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _if_so(value: Any) -> Any:
    """What stands there when the condition of an `!If` holds: the widest that a template can give."""
    return value["Fn::If"][1] if isinstance(value, dict) and "Fn::If" in value else value


def _statements(template: dict[str, Any] = TEMPLATE) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of a role's own policies and of the policies attached by name."""
    for name, role in sam.of_type(template, "AWS::IAM::Role").items():
        for policy in role["Properties"].get("Policies", []):
            for statement in _if_so(policy)["PolicyDocument"]["Statement"]:
                yield name, statement
    for policy in sam.of_type(template, "AWS::IAM::RolePolicy").values():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            yield policy["Properties"]["RoleName"]["Ref"], statement
    for policy in sam.of_type(template, "AWS::IAM::ManagedPolicy").values():
        for role in policy["Properties"].get("Roles", []):
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                yield role["Ref"], statement


def _actions_of(role: str, service: str) -> set[str]:
    found = {action for name, statement in _statements() if name == role for action in _listed(statement["Action"])}
    return {action for action in found if action.startswith(f"{service}:")}


def _changes(action: str) -> bool:
    """Whether it changes something in an account: not what only reads, logs, traces, or takes a role."""
    service, verb = action.split(":")
    harmless = {"eks:StartInsightsRefresh", "sts:AssumeRole"}
    if service in ("logs", "xray") or action in harmless:
        return False
    return not verb.startswith(("Describe", "Get", "List"))


def _is_of_lambda_s_own(statement: dict[str, Any]) -> bool:
    """Whether only Lambda itself has the right, to put a function into a VPC: its code has not."""
    return statement.get("Condition") == {"Null": {"lambda:SourceFunctionArn": "true"}}


def _policies(value: Any) -> Iterator[dict[str, Any]]:
    """Every policy document anywhere in the template (roles, queue, topic, key, trust)."""
    if isinstance(value, dict):
        if "Statement" in value:
            yield value
        for inner in value.values():
            yield from _policies(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _policies(inner)


@pytest.mark.parametrize(("template", "at_least"), [(TEMPLATE, 10), (SPOKE, 3)], ids=["home", "spoke"])
def test_no_policy_has_a_wildcard_action(template: dict[str, Any], at_least: int) -> None:
    documents = list(_policies(template["Resources"]))
    assert len(documents) > at_least
    for document in documents:
        for statement in map(_if_so, document["Statement"]):
            assert statement["Effect"] == "Allow" and "NotAction" not in statement and "NotResource" not in statement
            for action in _listed(statement["Action"]):
                assert "*" not in action, f"{action} in {statement.get('Sid')}"


@pytest.mark.parametrize("template", [TEMPLATE, SPOKE], ids=["home", "spoke"])
def test_any_resource_only_where_the_service_knows_none(template: dict[str, Any]) -> None:
    for role, statement in _statements(template):
        if "*" in _listed(statement["Resource"]):
            too_wide = set(_listed(statement["Action"])) - WITHOUT_RESOURCE_TYPE
            assert not too_wide, f"{role} may do {sorted(too_wide)} to anything"


REGIONS = [f"ap-southeast-{number}" for number in range(12)]
"""More Regions than most fleets have, with names as long as they come."""


def _deployed(value: Any) -> Any:
    """About what CloudFormation makes of a policy, with every option chosen and in many Regions."""
    match value:
        case {"Fn::If": ["HasMoreRegions", *_]} | {"Ref": "Regions"}:
            return REGIONS
        case {"Fn::If": [_, chosen, _]}:
            return _deployed(chosen)
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{[^}]+\}", "123456789012", text)
        case {"Ref": _} | {"Fn::GetAtt": _}:
            return "arn:aws:dynamodb:ap-southeast-1:123456789012:table/eks-upgrade-ledger"
        case dict():
            return {key: _deployed(inner) for key, inner in value.items()}
        case list():
            return [_deployed(inner) for inner in value]
    return value


def _length(documents: list[Any]) -> int:
    """As IAM counts it: without white space."""
    return sum(len(json.dumps(_deployed(document), separators=(",", ":"))) for document in documents)


@pytest.mark.parametrize("template", [TEMPLATE, SPOKE], ids=["home", "spoke"])
def test_policies_fit_into_the_quotas_of_iam(template: dict[str, Any]) -> None:
    attached = sam.of_type(template, "AWS::IAM::RolePolicy").values()
    for name, role in sam.of_type(template, "AWS::IAM::Role").items():
        own = [_if_so(policy)["PolicyDocument"] for policy in role["Properties"].get("Policies", [])]
        own += [one["Properties"]["PolicyDocument"] for one in attached if one["Properties"]["RoleName"]["Ref"] == name]
        assert _length(own) <= 10_240, name
    for name, policy in sam.of_type(template, "AWS::IAM::ManagedPolicy").items():
        assert _length([policy["Properties"]["PolicyDocument"]]) <= 6_144, name


def test_roles_have_no_managed_policies() -> None:
    for name, role in ROLES.items():
        assert "ManagedPolicyArns" not in role["Properties"], name
    for name, function in FUNCTIONS.items():
        assert "Policies" not in function["Properties"], name


def test_only_act_writes_to_eks_and_only_kube_to_what_is_behind_nodes() -> None:
    changing = {
        (role, action)
        for role, statement in _statements()
        for action in _listed(statement["Action"])
        if action.startswith(("autoscaling:", "ec2:", "eks:", "iam:", "ssm:"))
        and _changes(action)
        and not _is_of_lambda_s_own(statement)
    }
    assert changing == {
        ("ActRole", "eks:UpdateClusterConfig"),
        ("ActRole", "eks:UpdateClusterVersion"),
        ("ActRole", "eks:UpdateNodegroupVersion"),
        ("ActRole", "eks:UpdateAddon"),
        # With node groups that have a launch template, EKS is believed to ask for these.
        ("ActRole", "ec2:CreateTags"),
        ("ActRole", "ec2:RunInstances"),
        ("ActRole", "iam:PassRole"),
        ("KubeRole", "autoscaling:CreateAutoScalingGroup"),
        ("KubeRole", "autoscaling:CreateOrUpdateTags"),
        ("KubeRole", "autoscaling:DeleteAutoScalingGroup"),
        ("KubeRole", "autoscaling:TerminateInstanceInAutoScalingGroup"),
        ("KubeRole", "autoscaling:UpdateAutoScalingGroup"),
        ("KubeRole", "ec2:CreateLaunchTemplateVersion"),
        ("KubeRole", "ec2:CreateTags"),
        ("KubeRole", "ec2:RunInstances"),
        ("KubeRole", "iam:PassRole"),
    }


def _calls_in(crate: str, *services: str) -> set[str]:
    """The operations that a crate's code names, each in a constant that its errors bear."""
    sources = (sam.TEMPLATE.parents[1] / "crates" / crate / "src").rglob("*.rs")
    named = re.compile(rf'const [A-Z_]+: &str = "((?:{"|".join(services)}):[A-Z][A-Za-z]+)"')
    return {found for source in sources for found in named.findall(source.read_text())}


@pytest.mark.parametrize(
    ("crate", "services", "roles"),
    [
        ("ec2", ("autoscaling", "ec2", "ssm"), ["InspectRole", "KubeRole"]),
        ("aws", ("eks",), ["IntakeRole", "PlanRole", "DecideRole", "ActRole"]),
    ],
)
def test_what_the_code_calls_is_granted(crate: str, services: tuple[str, ...], roles: list[str]) -> None:
    calls = _calls_in(crate, *services)
    assert len(calls) >= 10
    granted = {action for role in roles for service in services for action in _actions_of(role, service)}
    assert calls <= granted, calls - granted


def test_what_only_reads_behind_nodes_is_granted_to_inspect() -> None:
    reads = {call for call in _calls_in("ec2", "ec2") if ":Describe" in call} | {"autoscaling:DescribeAutoScalingGroups"}
    assert reads <= _actions_of("InspectRole", "ec2") | _actions_of("InspectRole", "autoscaling")


def test_inspect_changes_nothing_and_knows_no_ledger() -> None:
    statements = [one for role, one in _statements() if role == "InspectRole" and not _is_of_lambda_s_own(one)]
    actions = {action for statement in statements for action in _listed(statement["Action"])}
    assert "eks:DescribeCluster" in actions
    assert not [action for action in actions if _changes(action)]
    assert not [action for action in actions if action.startswith("dynamodb:")]


@pytest.mark.parametrize(("role", "condition"), [("InspectRole", "SeesInside"), ("KubeRole", "ChangesInside")])
def test_without_access_to_clusters_inspect_and_kube_have_no_rights(role: str, condition: str) -> None:
    attached = sam.of_type(TEMPLATE, "AWS::IAM::RolePolicy").values()
    assert role not in [policy["Properties"]["RoleName"]["Ref"] for policy in attached]
    policies = ROLES[role]["Properties"]["Policies"]
    [always] = [policy for policy in policies if "Fn::If" not in policy]
    actions = {action for one in always["PolicyDocument"]["Statement"] for action in _listed(one["Action"])}
    assert {action.split(":")[0] for action in actions} == {"logs", "xray"}
    conditions = {policy["Fn::If"][0] for policy in policies if "Fn::If" in policy}
    assert conditions == {condition, "InVpc"}
    assert all(policy["Fn::If"][2] == {"Ref": "AWS::NoValue"} for policy in policies if "Fn::If" in policy)


@pytest.mark.parametrize("template", [TEMPLATE, SPOKE], ids=["home", "spoke"])
def test_access_to_clusters_is_off_unless_somebody_says_otherwise(template: dict[str, Any]) -> None:
    access = {"Ref": "KubernetesAccess"}
    assert template["Parameters"]["KubernetesAccess"]["Default"] == "off"
    assert template["Conditions"]["SeesInside"] == {"Fn::Not": [{"Fn::Equals": [access, "off"]}]}
    assert template["Conditions"]["ChangesInside"] == {"Fn::Equals": [access, "full"]}


@pytest.mark.parametrize("name", ["PlanFunction", "DecideFunction"])
def test_who_asks_inspect_knows_it_only_with_access_and_outwaits_it(name: str) -> None:
    asking, asked = FUNCTIONS[name]["Properties"], FUNCTIONS["InspectFunction"]["Properties"]
    function = asking["Environment"]["Variables"]["EKS_UPGRADE_INSPECT_FUNCTION"]
    assert function == {"Fn::If": ["SeesInside", {"Ref": "InspectFunction"}, ""]}
    role = asking["Role"]["Fn::GetAtt"][0]
    assert {"Fn::GetAtt": ["InspectFunction", "Arn"]} in [
        statement["Resource"] for owner, statement in _statements() if owner == role
    ]
    whole = TEMPLATE["Globals"]["Function"]["Timeout"]
    # The ten seconds are what crates/aws waits beyond the function's own limit.
    assert asking["Timeout"] > asked.get("Timeout", whole) + 10


@pytest.mark.parametrize("name", FUNCTIONS)
def test_only_inspect_and_kube_may_have_legs_in_a_vpc_and_their_code_no_right_on_them(name: str) -> None:
    properties = FUNCTIONS[name]["Properties"]
    role = properties["Role"]["Fn::GetAtt"][0]
    legs = [
        policy["Fn::If"]
        for policy in ROLES[role]["Properties"]["Policies"]
        if "Fn::If" in policy and policy["Fn::If"][1]["PolicyName"] == "legs-in-the-vpc"
    ]
    if name not in ("InspectFunction", "KubeFunction"):
        assert "VpcConfig" not in properties and not legs
        return
    nothing = {"Ref": "AWS::NoValue"}
    ids = {kind: {"Fn::Split": [",", {"Ref": f"Kubernetes{kind}"}]} for kind in ("SubnetIds", "SecurityGroupIds")}
    assert properties["VpcConfig"] == {"Fn::If": ["InVpc", ids, nothing]}
    [[condition, policy, otherwise]] = legs
    assert (condition, otherwise) == ("InVpc", nothing)
    assert all(map(_is_of_lambda_s_own, policy["PolicyDocument"]["Statement"]))


def _holds(expression: Any, values: dict[str, str]) -> bool:
    """Whether a condition over parameters holds."""
    [(function, arguments)] = expression.items()
    if function == "Fn::Equals":
        left, right = (values[one["Ref"]] if isinstance(one, dict) else one for one in arguments)
        return left == right
    each = [_holds(one, values) for one in arguments]
    return {"Fn::And": all(each), "Fn::Or": any(each), "Fn::Not": not each[0]}[function]


def test_subnets_come_with_security_groups_or_the_deployment_is_refused() -> None:
    [assertion] = TEMPLATE["Rules"]["SubnetsComeWithSecurityGroups"]["Assertions"]
    for subnets, groups in itertools.product(["", "subnet-1"], ["", "sg-1"]):
        values = {"KubernetesSubnetIds": subnets, "KubernetesSecurityGroupIds": groups}
        assert _holds(assertion["Assert"], values) == (bool(subnets) == bool(groups))
        assert _holds(TEMPLATE["Conditions"]["InVpc"], values) == (bool(subnets) and bool(groups))


def _is_tied_to_the_owner_s_tag(statement: dict[str, Any]) -> bool:
    equal = statement.get("Condition", {}).get("StringEquals", {})
    return "true" in [equal.get(f"aws:{place}Tag/eks-upgrade:managed") for place in ("Resource", "Request")]


@pytest.mark.parametrize("template", [TEMPLATE, SPOKE], ids=["home", "spoke"])
def test_groups_and_their_templates_are_touched_only_where_their_owners_tagged_them(template: dict[str, Any]) -> None:
    touching = [
        statement
        for _, statement in _statements(template)
        for action in _listed(statement["Action"])
        if _changes(action) and (action.startswith("autoscaling:") or action == "ec2:CreateLaunchTemplateVersion")
    ]
    assert len(touching) >= 6
    assert all(map(_is_tied_to_the_owner_s_tag, touching))


@pytest.mark.parametrize("template", [TEMPLATE, SPOKE], ids=["home", "spoke"])
def test_nobody_may_tag_a_group_that_they_did_not_make(template: dict[str, Any]) -> None:
    naming = (sam.TEMPLATE.parents[1] / "crates" / "core" / "src" / "roll" / "mod.rs").read_text()
    [between] = re.findall(r'const BESIDE: &str = "(.+)";', naming)
    tagging = [one for _, one in _statements(template) if "autoscaling:CreateOrUpdateTags" in _listed(one["Action"])]
    assert len(tagging) == 1
    assert tagging[0]["Resource"]["Fn::Sub"].endswith(f":autoScalingGroupName/*{between}*")


@pytest.mark.parametrize("template", [TEMPLATE, SPOKE], ids=["home", "spoke"])
def test_kube_launches_only_from_templates_that_their_owners_tagged(template: dict[str, Any]) -> None:
    launching = [
        statement
        for role, statement in _statements(template)
        if "ec2:RunInstances" in _listed(statement["Action"])
        and (role == "KubeRole" or _sessions(statement) == {"eks-upgrade-kube"})
    ]
    assert len(launching) == 2
    for statement in launching:
        from_templates = "ec2:LaunchTemplate" in statement["Condition"].get("ArnLike", {})
        of_templates = any("launch-template/" in one["Fn::Sub"] for one in _listed(statement["Resource"]))
        assert from_templates or (of_templates and _is_tied_to_the_owner_s_tag(statement))
        assert not (from_templates and of_templates)


def _sessions(statement: dict[str, Any]) -> set[str]:
    """The names of the sessions that a statement of the spoke's role is for; empty for all of them."""
    users = statement.get("Condition", {}).get("StringLike", {}).get("aws:userid", [])
    return {user.removeprefix("*:") for user in _listed(users)}


def test_a_session_that_changes_something_in_a_spoke_is_one_function_s() -> None:
    trust = SPOKE["Resources"]["SpokeRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    sessions = {}
    for statement in map(_if_so, trust):
        condition = statement["Condition"]
        assert condition["StringEquals"]["sts:ExternalId"] == {"Ref": "ExternalId"}
        arns = [_if_so(arn)["Fn::Sub"] for arn in _listed(condition["ArnLike"]["aws:PrincipalArn"])]
        sessions[condition["StringEquals"]["sts:RoleSessionName"]] = [arn.split("${HubStackName}-")[1] for arn in arns]
    assert sessions == {
        "eks-upgrade": ["IntakeRole-*", "PlanRole-*", "DecideRole-*", "InspectRole-*", "KubeRole-*"],
        "eks-upgrade-act": ["ActRole-*"],
        "eks-upgrade-kube": ["KubeRole-*"],
    }


@pytest.mark.parametrize(("role", "session"), [("ActRole", "eks-upgrade-act"), ("KubeRole", "eks-upgrade-kube")])
def test_who_changes_something_at_home_may_do_the_same_in_a_spoke_and_nobody_else(role: str, session: str) -> None:
    # The ledger and the VPC are at home alone.
    elsewhere = ("autoscaling:", "ec2:", "eks:", "iam:", "ssm:")
    at_home = {
        action
        for owner, statement in _statements()
        if owner == role and not _is_of_lambda_s_own(statement)
        for action in _listed(statement["Action"])
        if action.startswith(elsewhere)
    }
    in_spoke = [
        (action, _sessions(statement)) for _, statement in _statements(SPOKE) for action in _listed(statement["Action"])
    ]
    allowed = {action for action, sessions in in_spoke if not sessions or session in sessions}
    assert at_home <= allowed
    changing = {action for action in at_home if _changes(action)}
    assert changing == {action for action, sessions in in_spoke if sessions == {session} and _changes(action)}
    assert not [action for action, sessions in in_spoke if _changes(action) and len(sessions) != 1]


def test_what_a_spoke_grants_by_a_parameter_is_for_named_sessions() -> None:
    granted = [
        policy["Properties"]["PolicyDocument"]["Statement"]
        for kind in ("AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy")
        for policy in sam.of_type(SPOKE, kind).values()
    ]
    assert len(granted) == 3
    assert all(_sessions(statement) for statements in granted for statement in statements)


def test_who_looks_at_home_may_look_in_a_spoke() -> None:
    in_spoke = {
        action
        for _, statement in _statements(SPOKE)
        if not _sessions(statement) or "eks-upgrade" in _sessions(statement)
        for action in _listed(statement["Action"])
    }
    for role in ("IntakeRole", "PlanRole", "DecideRole", "InspectRole"):
        looking = {
            action
            for owner, statement in _statements()
            if owner == role and not _is_of_lambda_s_own(statement)
            for action in _listed(statement["Action"])
            if action.startswith(("autoscaling:", "ec2:", "eks:"))
        }
        assert looking and looking <= in_spoke, role


def test_the_ledger_is_never_deleted_from() -> None:
    for role in ROLES:
        written = _actions_of(role, "dynamodb")
        assert not {action for action in written if "Delete" in action or "Batch" in action}, role


def test_of_a_cluster_s_configuration_only_the_support_type_may_be_set() -> None:
    granted = [statement for _, statement in _statements() if "eks:UpdateClusterConfig" in _listed(statement["Action"])]
    assert [_listed(statement["Action"]) for statement in granted] == [["eks:UpdateClusterConfig"]]
    assert granted[0]["Condition"]["StringEqualsIgnoreCase"] == {"eks:supportType": "EXTENDED"}


def test_only_the_voice_may_write_what_people_say() -> None:
    for role, statement in _statements():
        writes = {"dynamodb:PutItem", "dynamodb:UpdateItem"} & set(_listed(statement["Action"]))
        if role == "VoiceRole" or not writes:
            continue
        keys = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        assert not [key for key in keys if key.startswith(("CONTROL", "CONSENT", "*"))], role


def test_who_may_speak_may_do_nothing_else() -> None:
    policies = sam.of_type(TEMPLATE, "AWS::IAM::ManagedPolicy")
    assert set(policies) == {"ApproverPolicy"}
    properties = policies["ApproverPolicy"]["Properties"]
    assert not {"Roles", "Groups", "Users"} & set(properties), "an owner attaches it, nobody else"
    [statement] = properties["PolicyDocument"]["Statement"]
    assert statement["Action"] == "lambda:InvokeFunction"
    assert statement["Resource"] == {"Fn::GetAtt": ["VoiceFunction", "Arn"]}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_its_own_role_and_a_log_that_ends(name: str) -> None:
    properties = FUNCTIONS[name]["Properties"]
    roles = [function["Properties"]["Role"]["Fn::GetAtt"][0] for function in FUNCTIONS.values()]
    assert roles.count(properties["Role"]["Fn::GetAtt"][0]) == 1
    group = TEMPLATE["Resources"][properties["LoggingConfig"]["LogGroup"]["Ref"]]
    assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert "ReservedConcurrentExecutions" not in properties, "several acts of one run happen at once"


@pytest.mark.parametrize("name", MACHINES)
def test_every_placeholder_has_a_substitution_and_the_other_way_round(name: str) -> None:
    machine = MACHINES[name]
    used = set(definitions.PLACEHOLDER.findall(definitions.definition_path(machine).read_text()))
    assert used == set(machine["Properties"]["DefinitionSubstitutions"])


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_may_do_what_its_definition_does_and_no_more(name: str) -> None:
    machine = MACHINES[name]
    text = definitions.definition_path(machine).read_text()
    role = machine["Properties"]["Role"]["Fn::GetAtt"][0]
    used = {
        definitions.referred(value)
        for key, value in machine["Properties"]["DefinitionSubstitutions"].items()
        if f"${{{key}}}" in text
    }
    invoked = {
        resource["Fn::GetAtt"][0]
        for owner, statement in _statements()
        if owner == role and "lambda:InvokeFunction" in _listed(statement["Action"])
        for resource in _listed(statement["Resource"])
    }
    assert invoked == used & set(FUNCTIONS)
    assert ("sns:Publish" in _actions_of(role, "sns")) == ("Notifications" in used)
    nested = bool(used & set(MACHINES))
    assert _actions_of(role, "states") == (
        {"states:StartExecution", "states:DescribeExecution", "states:StopExecution"} if nested else set()
    )


def test_an_access_entry_gives_the_group_that_rbac_binds_and_none_to_a_spoke() -> None:
    given = {
        entry["Properties"]["PrincipalArn"]["Ref"]: entry["Properties"].get("KubernetesGroups")
        for entry in sam.of_type(ENTRIES, "AWS::EKS::AccessEntry").values()
    }
    assert given == {
        "InspectRoleArn": ["eks-upgrade:inspect"],
        "KubeRoleArn": ["eks-upgrade:kube"],
        # Its sessions share one entry: a group would be for who looks and for who changes alike.
        "SpokeRoleArn": None,
    }
    for file in ("inspect", "kube"):
        objects = yaml.safe_load_all((KUBERNETES / f"{file}.yaml").read_text())
        [binding] = [one for one in objects if one["kind"] == "ClusterRoleBinding"]
        assert [(one["kind"], one["name"]) for one in binding["subjects"]] == [("Group", f"eks-upgrade:{file}")]
    # RBAC in a spoke binds the name that EKS makes of the role and the session.
    assert not [entry for entry in ENTRIES["Resources"].values() if "Username" in entry["Properties"]]


def test_without_the_local_parameter_only_aws_health_is_heard() -> None:
    pattern = TEMPLATE["Resources"]["HealthRule"]["Properties"]["EventPattern"]
    condition, _with_local, without = pattern["source"]["Fn::If"]
    assert without == ["aws.health"]
    assert TEMPLATE["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "LocalEventSource"}, ""]}]}
    assert TEMPLATE["Parameters"]["LocalEventSource"]["Default"] == ""


def test_the_ledger_outlives_the_stack() -> None:
    ledger = TEMPLATE["Resources"]["Ledger"]
    assert ledger["DeletionPolicy"] == ledger["UpdateReplacePolicy"] == "Retain"
    assert TEMPLATE["Parameters"]["DeletionProtection"]["Default"] == "true"


def test_every_alarm_tells_somebody() -> None:
    alarms = sam.of_type(TEMPLATE, "AWS::CloudWatch::Alarm")
    assert len(alarms) >= 15
    for name, alarm in alarms.items():
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": "Notifications"}], name
        assert alarm["Properties"]["TreatMissingData"] == "notBreaching", name
