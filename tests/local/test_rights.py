"""What is granted is what is used: no right that no function needs, and none that one lacks.

What every function called in the whole run, told by its own clients, is held against its role in the template and, for
those that look into clusters, against RBAC. Whatever is granted and was not used is in a table here, with the reason; what
stands in a table and needs no place there any more fails as well.
"""

from __future__ import annotations

from typing import Any, Iterator

import pytest
import yaml

from . import template as sam
from .calls import Asked, Calls
from .stack import FUNCTIONS, ROOT, LocalStack
from .test_doors import said
from .test_journeys import ACCOUNT_ARN, events, in_flight, notice_of, until, version_of
from .test_template import _is_of_lambda_s_own, _listed, _statements

FLEET = ROOT / "tests" / "fleets" / "inside.yaml"
RBAC = ROOT / "infra" / "kubernetes"
FULL = {"access": "full", "components": ["kube-proxy", "coredns", "vpc-cni"], "fargate": "restart"}
POLICY = {
    "bake": {"duration": "0s"},
    "approvals": [{"before": "run", "clusters": {"names": ["asking"]}}],
    "overrides": [
        {"clusters": {"names": ["by-hand", "odd"]}, "kubernetes": FULL},
        {"clusters": {"names": ["beside"]}, "kubernetes": {**FULL, "selfManaged": {"way": "new-group"}}},
    ],
    "spokes": [{"account": "210987654321", "regions": ["eu-central-1"], "externalId": "only-us"}],
}

LAMBDA = "Lambda itself does it for the function, by the function's role"
NAMES_A_TEMPLATE = "AWS asks it of whoever has a group launch from a template; nothing of ours calls it"

NO_RIGHT_NEEDED = {"sts:GetCallerIdentity": "IAM cannot deny it: it is answered without any right"}
"""Operations that are called and that no policy grants."""

UNUSED: dict[str, dict[str, str]] = {
    **{
        function: {
            "logs:CreateLogStream": LAMBDA,
            "logs:PutLogEvents": LAMBDA,
            "xray:PutTelemetryRecords": LAMBDA,
            "xray:PutTraceSegments": LAMBDA,
        }
        for function in FUNCTIONS
    },
}
"""Actions that a function is granted and does not call by itself, each with the reason why it is granted."""
UNUSED["intake"] |= {"sqs:SendMessage": LAMBDA}
UNUSED["notify"] |= {
    "dynamodb:DescribeStream": LAMBDA,
    "dynamodb:GetRecords": LAMBDA,
    "dynamodb:GetShardIterator": LAMBDA,
    "dynamodb:ListStreams": LAMBDA,
    "kms:Decrypt": "SNS asks it of whoever publishes to a topic under this key",
    "kms:GenerateDataKey": "SNS asks it of whoever publishes to a topic under this key",
    "sqs:SendMessage": LAMBDA,
}
_ON_LAUNCH_TEMPLATES = "EKS is believed to ask it of whoever rolls a group with a launch template of its own"
UNUSED["act"] |= {
    "ec2:CreateTags": _ON_LAUNCH_TEMPLATES,
    "ec2:DescribeLaunchTemplateVersions": _ON_LAUNCH_TEMPLATES,
    "ec2:RunInstances": _ON_LAUNCH_TEMPLATES,
    "iam:PassRole": "it is asked of whoever sends the role of an add-on, or rolls such a group; it is no operation",
}
UNUSED["kube"] |= {
    "autoscaling:CreateOrUpdateTags": "Auto Scaling is believed to ask it when a new group brings its tags",
    "ec2:CreateTags": NAMES_A_TEMPLATE,
    "ec2:RunInstances": NAMES_A_TEMPLATE,
    "iam:PassRole": NAMES_A_TEMPLATE,
}

ROLES = {"inspect": ("inspect", "inspect-dry-run"), "kube": ("kube",)}
"""The files of RBAC that a function may be given."""

UNASKED: dict[str, dict[Asked, str]] = {
    "inspect": {
        Asked("get", "", "endpoints"): "only servers without endpoint slices are asked for it: before 1.21",
        Asked("list", "karpenter.k8s.aws", "ec2nodeclasses"): "the simulator's node pools all have Auto Mode's classes",
    },
    "kube": {
        Asked("get", "", "endpoints"): "only servers without endpoint slices are asked for it: before 1.21",
    },
}
"""What RBAC grants and no function of the run asked for."""


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack(FLEET, speed=400, policy=POLICY) as running:
        yield running


def test_what_eks_does_not_manage_is_upgraded_by_every_way_that_there_is(stack: LocalStack) -> None:
    clusters = ("by-hand", "arn:aws:eks:eu-central-1:210987654321:cluster/beside")
    executions = [stack.start_upgrade({"cluster": cluster, "target": "1.35"}) for cluster in clusters]
    for name, execution in zip(clusters, executions, strict=True):
        ended = stack.wait(execution)
        assert ended["status"] == "SUCCEEDED", (name, ended.get("error"), ended.get("cause"))


def test_what_kube_proxy_is_given_is_also_sought_where_others_put_it(stack: LocalStack) -> None:
    look = {"op": "preflight", "cluster": ACCOUNT_ARN + "odd", "from": "1.34", "target": "1.35", "drainLimitS": 900}
    assert stack.invoke("inspect", look)["answer"] == "inspection"


def test_a_campaign_that_is_gone_on_with_asks_whether_its_upgrades_run(stack: LocalStack) -> None:
    stack.put_notice(notice_of(["noticed"], "noticed"))
    until(lambda: in_flight(stack, "noticed"))
    for campaign in stack.executions("campaign", "RUNNING"):
        stack.sfn.stop_execution(executionArn=campaign["executionArn"])
    stack.invoke("intake", {"trigger": "sweep"})
    until(lambda: version_of(stack, "noticed") == "1.35" and events(stack, "noticed")[-1] == "ended")
    assert events(stack, "noticed").count("opened") == 1


def woken_by(stack: LocalStack, approval: str) -> str | None:
    """The token of the task that waits for an answer."""
    (question,) = stack.ledger(f"APPROVAL#{approval}")
    return question.get("task_token")


def test_who_goes_on_with_a_question_is_the_one_who_is_woken(stack: LocalStack) -> None:
    first = stack.start_upgrade({"cluster": "asking", "target": "1.35"})
    asked = until(lambda: said(stack, {"op": "approvals"}).get("approvals"))
    by_first = until(lambda: woken_by(stack, asked[0]["id"]))
    stack.sfn.stop_execution(executionArn=first)
    second = stack.start_upgrade({"cluster": "asking", "target": "1.35"})
    until(lambda: "resumed" in events(stack, "asking"))
    until(lambda: woken_by(stack, asked[0]["id"]) != by_first)
    assert said(stack, {"op": "reject", "id": asked[0]["id"], "reason": "not this week"})["text"]
    assert stack.wait(second)["error"] == "Rejected"


@pytest.fixture
def calls(request: pytest.FixtureRequest) -> Calls:
    """The calls of the run, if that was the whole."""
    here = ROOT / "tests" / "local"
    whole = {path for path in here.glob("test_*.py") if "LocalStack" in path.read_text()}
    missing = whole - {item.path for item in request.session.items}
    if missing:
        pytest.skip(f"only the whole run tells: {', '.join(sorted(path.name for path in missing))} is not in it")
    assert LocalStack.calls is not None
    return LocalStack.calls


def granted(function: str) -> set[str]:
    """The actions that the code of a function may do, with every option chosen."""
    role = f"{function.capitalize()}Role"
    return {
        action
        for owner, statement in _statements()
        if owner == role and not _is_of_lambda_s_own(statement)
        for action in _listed(statement["Action"])
    }


@pytest.mark.looks_back
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_granted_what_it_calls_and_nothing_else(function: str, calls: Calls) -> None:
    used = calls.aws[function] - set(NO_RIGHT_NEEDED)
    excused = set(UNUSED[function])
    assert used, "it was never heard of"
    assert used | excused == granted(function), (
        f"not granted: {sorted(used - granted(function))}; "
        f"granted, and never used: {sorted(granted(function) - used - excused)}; "
        f"excused, and not even granted: {sorted(excused - granted(function))}"
    )
    assert not used & excused, f"excused, and used: {sorted(used & excused)}"


def rules(function: str) -> set[Asked]:
    """What RBAC grants a function, one verb on one resource (or on one name of it) each."""
    objects = [one for file in ROLES[function] for one in yaml.safe_load_all((RBAC / f"{file}.yaml").read_text())]
    return {
        right
        for role in objects
        if role["kind"] == "ClusterRole"
        for rule in role["rules"]
        for verb in rule["verbs"]
        for right in _expanded(verb, rule)
    }


def _expanded(verb: str, rule: dict[str, Any]) -> Iterator[Asked]:
    for path in rule.get("nonResourceURLs", []):
        yield Asked(verb, "", path)
    for group in rule.get("apiGroups", []):
        for resource in rule["resources"]:
            for name in rule.get("resourceNames", [""]):
                yield Asked(verb, group, resource, name)


def right_to(asked: Asked, rights: set[Asked]) -> Asked | None:
    """The right that lets a request through: on anything of the kind, else on the very name."""
    verb, group, resource, _ = asked
    return next((right for right in (Asked(verb, group, resource), asked) if right in rights), None)


@pytest.mark.looks_back
@pytest.mark.parametrize("function", ROLES)
def test_rbac_grants_what_is_asked_of_api_servers_and_nothing_else(function: str, calls: Calls) -> None:
    rights, asked = rules(function), calls.kubernetes[function]
    used = {right for one in asked if (right := right_to(one, rights))}
    refused = {one for one in asked if not right_to(one, rights)}
    excused = set(UNASKED[function])
    assert asked, "it was never heard of"
    assert not refused, f"not granted: {sorted(refused)}"
    assert used | excused == rights, (
        f"granted, and never asked: {sorted(rights - used - excused)}; "
        f"excused, and not even granted: {sorted(excused - rights)}"
    )
    assert not used & excused, f"excused, and asked: {sorted(used & excused)}"


@pytest.mark.looks_back
def test_nobody_else_asks_anything_of_an_api_server(calls: Calls) -> None:
    assert {function for function, asked in calls.kubernetes.items() if asked} == set(ROLES)


@pytest.mark.looks_back
@pytest.mark.parametrize("operation", NO_RIGHT_NEEDED)
def test_what_needs_no_right_is_granted_to_nobody(operation: str, calls: Calls) -> None:
    assert operation in set().union(*calls.aws.values())
    assert not [function for function in FUNCTIONS if operation in granted(function)]
