"""The policy at work on the local stack: the built binaries, the deployed state machines, people who say things."""

from __future__ import annotations

import json
import time
from typing import Any, Iterator

import pytest

from .stack import ROOT, LocalStack
from .test_journeys import calls, cluster, command_line, events, lines, until, version_of

FLEET = ROOT / "tests" / "fleets" / "accounts.yaml"
FAR = "arn:aws:eks:eu-central-1:210987654321:cluster/"
POLICY: dict[str, Any] = {
    "bake": {"duration": "0s"},
    "approvals": [{"before": "run", "clusters": {"names": ["asks-*"]}, "expires": "1d"}],
    "overrides": [
        # The clock starts at 11:15 in Berlin; two minutes of waiting show little, half a day shows enough.
        {
            "clusters": {"names": ["windowed"]},
            "windows": [{"start": "20:00", "duration": "6h", "timeZone": "Europe/Berlin"}],
        },
        {"clusters": {"names": ["bakes-*"]}, "bake": {"duration": "30m", "onFailure": "roll-back"}},
    ],
    # What other tests break stands in the ring of the rest, behind this one.
    "rings": {"order": [{"name": "first", "clusters": ["far-too"], "soak": "0s"}]},
    "spokes": [
        {"account": "210987654321", "regions": ["eu-central-1"], "externalId": "only-us"},
        {"account": "333333333333", "regions": ["us-east-1"], "externalId": "only-us"},
    ],
}


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack(FLEET, speed=600, policy=POLICY) as running:
        yield running


def says(stack: LocalStack, *arguments: str) -> str:
    done = command_line(stack, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def question(stack: LocalStack, name: str) -> dict[str, Any]:
    asked = until(lambda: [one for one in json.loads(says(stack, "approvals", "--json")) if name in json.dumps(one)])
    return asked[0]


def one(stack: LocalStack, name: str, event: str) -> dict[str, Any]:
    found = [line for line in lines(stack, name) if line["event"] == event]
    assert len(found) == 1, events(stack, name)
    return found[0]


def test_no_call_comes_before_the_window_opens(stack: LocalStack) -> None:
    stack.sim("clusters", cluster("windowed"))
    assert stack.wait(stack.start_upgrade({"cluster": "windowed", "target": "1.35"}), 300)["status"] == "SUCCEEDED"
    made = calls(stack, "windowed")
    assert made
    for call in made:
        # 20:00 to 02:00 in Berlin, in summer.
        hour = int(call["at"][11:13])
        assert 18 <= hour <= 23, call["at"]
    assert one(stack, "windowed", "paused")["waitFor"] == "Window"


def test_a_yes_under_a_proven_name_lets_the_run_go_and_later_answers_do_not_count(stack: LocalStack) -> None:
    stack.sim("clusters", cluster("asks-yes"))
    execution = stack.start_upgrade({"cluster": "asks-yes", "target": "1.35"})
    asked = question(stack, "asks-yes")
    assert calls(stack, "asks-yes") == []
    says(stack, "approve", asked["id"], "--reason", "looked at it")
    assert stack.wait(execution)["status"] == "SUCCEEDED"
    answered = one(stack, "asks-yes", "approval-answered")["answered"]
    assert answered["answer"] == "approve" and answered["reason"] == "looked at it"
    # What STS says of the caller, not what the caller says.
    assert answered["by"] == f"arn:aws:iam::{stack.account}:user/{stack.account}"

    assert "approved" in says(stack, "approve", asked["id"], "--reason", "did that arrive?")
    late = command_line(stack, "reject", asked["id"], "--reason", "too late")
    assert late.returncode == 1 and "answered before: approved by" in late.stderr, late.stderr


def test_a_no_ends_the_run(stack: LocalStack) -> None:
    stack.sim("clusters", cluster("asks-no"))
    execution = stack.start_upgrade({"cluster": "asks-no", "target": "1.35"})
    says(stack, "reject", question(stack, "asks-no")["id"], "--reason", "not this week")
    ended = stack.wait(execution)
    assert ended["status"] == "FAILED" and ended["error"] == "Rejected" and "not this week" in ended["cause"]
    assert calls(stack, "asks-no") == []


def test_what_nobody_asked_is_answered_in_words(stack: LocalStack) -> None:
    done = command_line(stack, "approve", "ap-000000000000", "--reason", "why not")
    assert done.returncode == 1 and "there is no approval ap-000000000000" in done.stderr, done.stderr


def test_a_proof_for_something_else_is_refused(stack: LocalStack) -> None:
    forged = {"proof": {"url": f"{stack.sim_endpoint}/?Action=GetCallerIdentity&Version=2011-06-15"}, "say": {"op": "throw", "reason": "mine now"}}
    answer = stack.invoke("voice", forged)
    assert "error" in answer, answer
    assert "thrown" not in says(stack, "kill-switch", "show", "--json") or not json.loads(says(stack, "kill-switch", "show", "--json")).get("thrown")


def test_the_kill_switch_holds_everything_and_lifting_it_goes_on(stack: LocalStack) -> None:
    says(stack, "kill-switch", "throw", "--reason", "an incident")
    try:
        stack.sim("clusters", cluster("switched"))
        execution = stack.start_upgrade({"cluster": "switched", "target": "1.35"})
        until(lambda: "paused" in events(stack, "switched"))
        time.sleep(1)  # ten virtual minutes
        assert calls(stack, "switched") == []
    finally:
        says(stack, "kill-switch", "lift", "--reason", "over")
    assert stack.wait(execution)["status"] == "SUCCEEDED"


def test_a_failed_gate_takes_the_control_plane_back(stack: LocalStack) -> None:
    broken = {
        "match": {"operation": "UpdateClusterVersion", "version": "1.35"},
        "times": "always",
        "breaks": {"after_m": 8, "health_issue": {"code": "Ec2SubnetNotFound", "message": "gone"}},
    }
    stack.sim("clusters", cluster("bakes-badly", faults=[broken]))
    ended = stack.wait(stack.start_upgrade({"cluster": "bakes-badly", "target": "1.35"}))
    assert (ended["status"], ended["error"]) == ("FAILED", "BakeFailed"), ended
    assert version_of(stack, "bakes-badly") == "1.34"
    assert [call["operation"] for call in calls(stack, "bakes-badly")] == ["UpdateClusterVersion"] * 2


UPGRADED = [{"to": "1.35", "started_ago_m": 60, "duration_m": 10, "status": "Successful"}]
NODES_BEHIND = [{"name": "web", "size": 2, "version": "1.34"}]


def upgraded(name: str, **more: Any) -> dict[str, Any]:
    """A cluster that went from 1.34 to 1.35 an hour ago, its nodes still behind; a test changes one thing."""
    return cluster(name, **{"version": "1.35", "nodegroups": NODES_BEHIND, "updates": UPGRADED, "addons": [{"name": "coredns"}], **more})


def test_the_way_back_by_hand(stack: LocalStack) -> None:
    stack.sim("clusters", upgraded("back"))
    says(stack, "roll-back", "back", "--reason", "it broke the webhooks", "--yes", "--watch")
    assert version_of(stack, "back") == "1.34"
    (call,) = calls(stack, "back")
    assert (call["operation"], call["input"]["version"]) == ("UpdateClusterVersion", "1.34")
    intended = one(stack, "back", "intended")
    assert intended["consent"].startswith("co-"), intended


def test_into_extended_support_the_support_type_goes_first(stack: LocalStack) -> None:
    history = [{"to": "1.34", "started_ago_m": 60, "duration_m": 10, "status": "Successful"}]
    nodes = [{"name": "web", "size": 2, "version": "1.33"}]
    stack.sim("clusters", upgraded("thrifty", version="1.34", updates=history, nodegroups=nodes, support_type="STANDARD"))
    says(stack, "roll-back", "thrifty", "--reason", "it broke the webhooks", "--yes", "--watch")
    assert [call["operation"] for call in calls(stack, "thrifty")] == ["UpdateClusterConfig", "UpdateClusterVersion"]
    assert version_of(stack, "thrifty") == "1.33"


@pytest.mark.parametrize(
    ("name", "change", "finding", "next_action"),
    [
        ("too-late", {"updates": [{"to": "1.35", "started_ago_m": 8 * 1440, "duration_m": 10, "status": "Successful"}]}, "roll-back-too-late", "new cluster"),
        ("never-up", {"updates": []}, "nothing-to-roll-back", "new cluster"),
        ("newer-nodes", {"nodegroups": [{"name": "web", "size": 2, "version": "1.35"}]}, "nodes-newer", "make a group at the older version"),
        (
            "insight-error",
            {"insights": [{"name": "Incompatible API usage", "status": "ERROR", "reason": "a new API is used"}]},
            "roll-back-insight",
            "override roll-back-insight",
        ),
        (
            "insight-unknown",
            {"insights": [{"name": "Incompatible API usage", "status": "UNKNOWN", "reason": "cannot tell"}]},
            "roll-back-insight",
            "override roll-back-insight",
        ),
    ],
)
def test_what_stands_against_the_way_back_is_said_before_anything_is_done(
    stack: LocalStack, name: str, change: dict[str, Any], finding: str, next_action: str
) -> None:
    stack.sim("clusters", upgraded(name, **change))
    done = command_line(stack, "roll-back", name, "--reason", "it broke", "--yes")
    assert done.returncode == 1, done.stdout
    assert finding in done.stdout + done.stderr and next_action in " ".join((done.stdout + done.stderr).split()), done.stdout + done.stderr
    assert calls(stack, name) == []


def test_what_only_eks_knows_ends_the_way_back_in_its_words(stack: LocalStack) -> None:
    stack.sim("clusters", upgraded("auto", version="1.34", updates=[], nodegroups=[{"name": "web", "size": 2, "version": "1.34"}]))
    stack.sim("act", {"what": "auto_upgrade", "cluster": "auto"})
    until(lambda: version_of(stack, "auto") == "1.35")
    done = command_line(stack, "roll-back", "auto", "--reason", "it broke", "--yes", "--watch")
    assert done.returncode == 1
    assert "upgraded automatically at the end of extended support" in " ".join((done.stdout + done.stderr).split()), done.stdout + done.stderr
    assert version_of(stack, "auto") == "1.35"


def test_a_cluster_of_another_account_and_region_is_upgraded_through_its_role(stack: LocalStack) -> None:
    assert stack.wait(stack.start_upgrade({"cluster": FAR + "far", "target": "1.35"}))["status"] == "SUCCEEDED"
    assert version_of(stack, "far") == "1.35"
    assumed = [one for one in stack.sim_requests() if one["operation"] == "AssumeRole" and one["status"] == 200]
    assert assumed, "nobody assumed the spoke's role"
    opened = json.loads(says(stack, "history", FAR + "far", "--json"))[0]
    assert opened["cluster"] == FAR + "far"
    (watched,) = json.loads(says(stack, "watch", FAR + "far", "--json"))["runs"]
    assert (watched["arn"], watched["ending"]["outcome"]) == (FAR + "far", "completed")
    assert "chain of hashes intact" in says(stack, "history", "far")


def test_the_sweep_visits_every_place_and_one_that_refuses_holds_up_no_other(stack: LocalStack) -> None:
    stack.sim("clusters", {**cluster("far-too"), "account": "210987654321", "region": "eu-central-1"})
    stack.sim("clusters", cluster("untagged", tags={}))
    answer = stack.invoke("intake", {"trigger": "sweep"})
    # The third account's role wants another external id: said, and tried again.
    assert answer["error"]["errorType"] == "EksDenied" and "333333333333" in answer["error"]["errorMessage"], answer
    until(lambda: version_of(stack, "far-too") == "1.35", 120)
    (left,) = json.loads(says(stack, "left-alone", "untagged", "--json"))
    assert (left["code"], left["campaign"].startswith("sweep-")) == ("not-opted-in", True), left
    assert "eks-upgrade:enabled=true" in says(stack, "left-alone", "untagged")
    assert "nothing is recorded of far-too" in says(stack, "left-alone", "far-too")


@pytest.mark.parametrize(
    ("arn", "error"),
    [
        ("arn:aws:eks:us-east-1:210987654321:cluster/far", "WrongRegion"),
        ("arn:aws:eks:us-east-1:444444444444:cluster/x", "WrongAccount"),
        ("arn:aws:eks:us-east-1:333333333333:cluster/x", "EksDenied"),
    ],
)
def test_what_is_out_of_reach_is_turned_away(stack: LocalStack, arn: str, error: str) -> None:
    ended = stack.wait(stack.start_upgrade({"cluster": arn, "target": "1.35"}))
    assert (ended["status"], ended["error"]) == ("FAILED", error), ended
