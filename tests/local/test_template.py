"""What the SAM template promises, read from the template itself: no AWS, no stack."""

from __future__ import annotations

from typing import Any, Iterator

import pytest

from . import definitions
from . import template as sam

TEMPLATE = sam.read()
FUNCTIONS = sam.of_type(TEMPLATE, "AWS::Serverless::Function")
MACHINES = sam.of_type(TEMPLATE, "AWS::Serverless::StateMachine")
ROLES = sam.of_type(TEMPLATE, "AWS::IAM::Role")

WITHOUT_RESOURCE_TYPE = {
    "ec2:DescribeLaunchTemplateVersions",
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


def _statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of a role's own policies and of the policies attached by name."""
    for name, role in ROLES.items():
        for policy in role["Properties"].get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement
    for policy in sam.of_type(TEMPLATE, "AWS::IAM::RolePolicy").values():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            yield policy["Properties"]["RoleName"]["Ref"], statement


def _actions_of(role: str, service: str) -> set[str]:
    found = {action for name, statement in _statements() if name == role for action in _listed(statement["Action"])}
    return {action for action in found if action.startswith(f"{service}:")}


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


def test_no_policy_has_a_wildcard_action() -> None:
    documents = list(_policies(TEMPLATE["Resources"]))
    assert len(documents) > 10
    for document in documents:
        for statement in document["Statement"]:
            assert statement["Effect"] == "Allow" and "NotAction" not in statement and "NotResource" not in statement
            for action in _listed(statement["Action"]):
                assert "*" not in action, f"{action} in {statement.get('Sid')}"


def test_any_resource_only_where_the_service_knows_none() -> None:
    for role, statement in _statements():
        if "*" in _listed(statement["Resource"]):
            too_wide = set(_listed(statement["Action"])) - WITHOUT_RESOURCE_TYPE
            assert not too_wide, f"{role} may do {sorted(too_wide)} to anything"


def test_roles_have_no_managed_policies() -> None:
    for name, role in ROLES.items():
        assert "ManagedPolicyArns" not in role["Properties"], name
    for name, function in FUNCTIONS.items():
        assert "Policies" not in function["Properties"], name


def test_only_act_changes_clusters() -> None:
    reading = ("eks:Describe", "eks:List")
    changing = {
        (role, action)
        for role, statement in _statements()
        for action in _listed(statement["Action"])
        if action.startswith("eks:") and not action.startswith(reading)
    }
    assert changing == {
        ("ActRole", "eks:UpdateClusterConfig"),
        ("ActRole", "eks:UpdateClusterVersion"),
        ("ActRole", "eks:UpdateNodegroupVersion"),
        ("ActRole", "eks:UpdateAddon"),
    }


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
