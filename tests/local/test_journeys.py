"""Journeys on the local stack: the built binaries, the deployed state machines, and what goes wrong on the way."""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import time
from typing import Any, Callable, Iterator

import pytest

from .demo import campaign_lines
from .stack import ROOT, LocalStack

FLEET = ROOT / "tests" / "fleets" / "one.yaml"
NOTICE = json.loads((ROOT / "tests" / "local" / "notices" / "health-eks-end-of-support.json").read_text())
ACCOUNT_ARN = "arn:aws:eks:us-east-1:123456789012:cluster/"
OPTED_IN = {"eks-upgrade:enabled": "true"}


# What a bake and rings are about has tests of its own. What other tests break here must not hold up what notices name.
NOTICED = {"name": "noticed", "clusters": ["orphan", "many-1", "many-2", "many-3"], "waves": [20], "soak": "0s"}
POLICY = {"bake": {"duration": "0s"}, "rings": {"order": [NOTICED]}}


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    # A control plane takes about two real seconds: time enough to kill somebody meanwhile.
    with LocalStack(FLEET, speed=300, policy=POLICY) as running:
        yield running


def cluster(name: str, **more: Any) -> dict[str, Any]:
    """A healthy cluster, one minor behind; a test breaks one thing."""
    return {
        "name": name,
        "version": "1.34",
        "tags": OPTED_IN,
        "nodegroups": [{"name": "web", "size": 2}],
        "addons": [{"name": "vpc-cni"}, {"name": "coredns"}],
        **more,
    }


def until(what: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.02)
    return found


def calls(stack: LocalStack, name: str, operation: str | None = None) -> list[dict[str, Any]]:
    """The accepted mutating calls on a cluster."""
    made = [one for one in stack.sim_requests(mutating=True) if one.get("cluster") == name]
    return [one for one in made if operation in (None, one["operation"])]


def lines(stack: LocalStack, name: str) -> list[dict[str, Any]]:
    """The ledger of the cluster's runs, in order."""
    entries = [json.loads(item["body"]) for item in stack.ledger() if item["pk"].startswith("RUN#") and "body" in item]
    return [entry for entry in entries if entry["run"].startswith(f"{name}-1.")]


def events(stack: LocalStack, name: str) -> list[str]:
    return [entry["event"] for entry in lines(stack, name)]


def in_flight(stack: LocalStack, name: str) -> bool:
    seen = events(stack, name)
    return "started" in seen and "succeeded" not in seen


def version_of(stack: LocalStack, name: str) -> str:
    return stack.sim("state")["clusters"][name]["version"]


def notice_of(names: list[str], communication: str, **detail: Any) -> dict[str, Any]:
    notice = copy.deepcopy(NOTICE)
    notice["resources"] = [ACCOUNT_ARN + name for name in names]
    notice["detail"]["communicationId"] = communication
    notice["detail"]["affectedEntities"] = [{"entityValue": ACCOUNT_ARN + name, "status": "PENDING"} for name in names]
    notice["detail"].update(detail)
    return notice


def test_a_function_killed_between_the_call_and_its_record(stack: LocalStack) -> None:
    held = {"match": {"operation": "UpdateClusterVersion"}, "times": 1, "answer_after_s": 3}
    stack.sim("clusters", cluster("killed", faults=[held]))
    execution = stack.start_upgrade({"cluster": "killed", "target": "1.35"})
    until(lambda: calls(stack, "killed", "UpdateClusterVersion"))
    assert stack.kill_function("act") >= 1
    assert events(stack, "killed")[-1] == "intended", "it was killed too late: the record was there"

    assert stack.wait(execution)["status"] == "SUCCEEDED"
    assert version_of(stack, "killed") == "1.35"
    assert len(calls(stack, "killed", "UpdateClusterVersion")) == 1
    adopted = [entry for entry in lines(stack, "killed") if entry["event"] == "started" and entry.get("adopted")]
    assert [entry["step"] for entry in adopted] == ["1.35/control-plane"]


def test_an_answer_that_is_lost_is_not_asked_for_twice(stack: LocalStack) -> None:
    lost = {"match": {"operation": "UpdateNodegroupVersion"}, "times": 1, "drop_answer": True}
    stack.sim("clusters", cluster("lost", faults=[lost]))
    assert stack.wait(stack.start_upgrade({"cluster": "lost", "target": "1.35"}))["status"] == "SUCCEEDED"
    assert len(calls(stack, "lost", "UpdateNodegroupVersion")) == 1


def test_a_node_group_that_is_deleted_while_it_is_rolled_is_left_out(stack: LocalStack) -> None:
    stack.sim("clusters", cluster("shrunk", nodegroups=[{"name": "web", "size": 2}]))
    execution = stack.start_upgrade({"cluster": "shrunk", "target": "1.35"})
    until(lambda: calls(stack, "shrunk", "UpdateNodegroupVersion"))
    stack.sim("act", {"what": "delete_nodegroup", "cluster": "shrunk", "nodegroup": "web"})
    assert stack.wait(execution)["status"] == "SUCCEEDED"
    assert events(stack, "shrunk").count("skipped") == 1


def test_aborted_and_started_again_it_goes_on_from_where_it_was(stack: LocalStack) -> None:
    stack.sim("clusters", cluster("aborted"))
    first = stack.start_upgrade({"cluster": "aborted", "target": "1.35"})
    until(lambda: in_flight(stack, "aborted"))
    stack.sfn.stop_execution(executionArn=first)
    until(lambda: stack.execution(first)["status"] == "ABORTED")

    second = stack.start_upgrade({"cluster": "aborted", "target": "1.35"})
    assert stack.wait(second)["status"] == "SUCCEEDED"
    assert len({entry["run"] for entry in lines(stack, "aborted")}) == 1, "the same run went on"
    assert events(stack, "aborted").count("resumed") == 1
    assert events(stack, "aborted").count("planned") == 1, "the same plan went on"
    assert len(calls(stack, "aborted", "UpdateClusterVersion")) == 1
    assert len(calls(stack, "aborted")) == 4, "control plane, two add-ons and one node group, once each"


def test_an_aborted_run_is_picked_up_by_the_next_notice(stack: LocalStack) -> None:
    stack.sim("clusters", cluster("orphan"))
    first = stack.start_upgrade({"cluster": "orphan", "target": "1.35", "strategy": "rolling-then-force"})
    until(lambda: in_flight(stack, "orphan"))
    stack.sfn.stop_execution(executionArn=first)
    until(lambda: stack.execution(first)["status"] == "ABORTED")

    stack.put_notice(notice_of(["orphan"], "orphan"))
    until(lambda: events(stack, "orphan")[-1:] == ["ended"])
    assert version_of(stack, "orphan") == "1.35"
    assert events(stack, "orphan").count("opened") == events(stack, "orphan").count("resumed") == 1
    assert len(calls(stack, "orphan")) == 4


def test_who_stops_a_forced_upgrade_and_asks_for_a_rolling_one_gets_a_rolling_one(stack: LocalStack) -> None:
    stack.sim("clusters", cluster("softer"))
    first = stack.start_upgrade({"cluster": "softer", "target": "1.35", "strategy": "force"})
    until(lambda: in_flight(stack, "softer"))
    stack.sfn.stop_execution(executionArn=first)
    until(lambda: stack.execution(first)["status"] == "ABORTED")
    assert stack.wait(stack.start_upgrade({"cluster": "softer", "target": "1.35"}))["status"] == "SUCCEEDED"
    rolled = calls(stack, "softer", "UpdateNodegroupVersion")
    assert [one["input"]["force"] for one in rolled] == [False]
    assert len(calls(stack, "softer", "UpdateClusterVersion")) == 1, "what was in flight was watched, not repeated"


def test_an_add_on_keeps_its_role_and_its_configuration(stack: LocalStack) -> None:
    role, values = "arn:aws:iam::123456789012:role/ebs-csi", '{"controller":{"replicaCount":3}}'
    addon = {"name": "aws-ebs-csi-driver", "role": role, "configuration_values": values}
    stack.sim("clusters", cluster("keeper", addons=[addon]))
    assert stack.wait(stack.start_upgrade({"cluster": "keeper", "target": "1.35"}))["status"] == "SUCCEEDED"
    assert len(calls(stack, "keeper", "UpdateAddon")) == 1
    kept = stack.client("eks").describe_addon(clusterName="keeper", addonName="aws-ebs-csi-driver")["addon"]
    assert (kept["serviceAccountRoleArn"], kept["configurationValues"]) == (role, values)


def test_a_second_trigger_is_told_which_run_has_the_cluster(stack: LocalStack) -> None:
    stack.sim("clusters", cluster("busy"))
    first = stack.start_upgrade({"cluster": "busy", "target": "1.35"})
    until(lambda: events(stack, "busy"))
    refused = stack.wait(stack.start_upgrade({"cluster": "busy", "target": "1.35"}))
    assert (refused["status"], refused["error"]) == ("FAILED", "LeaseHeld")
    (run,) = {entry["run"] for entry in lines(stack, "busy")}
    assert run in refused["cause"] and first in refused["cause"]
    assert stack.wait(first)["status"] == "SUCCEEDED"


def test_a_budget_that_never_drains_stops_rolling_and_is_answered_by_consented_force(stack: LocalStack) -> None:
    blocked = [{"name": "db", "size": 2, "pdb": "blocks"}]
    stack.sim("clusters", cluster("rolling", nodegroups=blocked))
    stack.sim("clusters", cluster("forced", nodegroups=blocked))
    rolling = stack.start_upgrade({"cluster": "rolling", "target": "1.35"})
    forced = stack.start_upgrade({"cluster": "forced", "target": "1.35", "strategy": "rolling-then-force"})

    stopped = stack.wait(rolling)
    assert (stopped["status"], stopped["error"]) == ("FAILED", "PodEvictionFailure")
    assert "PodDisruptionBudget" in stopped["cause"]
    assert not any(one["input"]["force"] for one in calls(stack, "rolling", "UpdateNodegroupVersion"))

    assert stack.wait(forced)["status"] == "SUCCEEDED"
    assert [one["input"]["force"] for one in calls(stack, "forced", "UpdateNodegroupVersion")] == [False, True]


def test_a_dry_run_answers_with_the_plan_and_does_nothing(stack: LocalStack) -> None:
    stack.sim("clusters", cluster("dry"))
    done = stack.wait(stack.start_upgrade({"cluster": "dry", "target": "1.35", "dryRun": True}))
    plan = json.loads(done["output"])["plan"]
    assert [hop["to"] for hop in plan["hops"]] == ["1.35"]
    assert lines(stack, "dry") == [] and calls(stack, "dry") == []


@pytest.mark.parametrize(
    ("request_", "error", "says"),
    [
        ({}, "InvalidRequest", "cluster"),
        ([], "InvalidRequest", "cluster"),
        ({"cluster": "solo", "tarGet": "1.35"}, "InvalidRequest", "tarGet"),
        ({"cluster": "solo", "strategy": "brute"}, "InvalidRequest", "rolling"),
        ({"cluster": "arn:aws:eks:us-east-1:12:cluster/solo"}, "MalformedCluster", "ARN"),
        ({"cluster": "arn:aws:eks:us-east-1:999999999999:cluster/solo"}, "WrongAccount", "999999999999"),
        ({"cluster": "arn:aws:eks:eu-west-1:123456789012:cluster/solo"}, "WrongRegion", "eu-west-1"),
        ({"cluster": "nowhere", "target": "1.35"}, "ClusterNotFound", "nowhere"),
        ({"cluster": "solo", "target": "1.33"}, "TargetNotNewer", "1.34"),
        ({"cluster": "solo", "target": "1.34"}, "TargetNotNewer", "nothing to do"),
        ({"cluster": "solo", "target": "1.38"}, "UnknownTarget", "newest is 1.36"),
        ({"cluster": "solo", "target": "soon"}, "UnknownTarget", "like 1.35"),
    ],
)
def test_bad_input_is_turned_away_in_one_sentence(stack: LocalStack, request_: Any, error: str, says: str) -> None:
    before = (stack.ledger(), stack.sim_requests(mutating=True))
    refused = stack.wait(stack.start_upgrade(request_))
    assert (refused["status"], refused["error"]) == ("FAILED", error)
    assert says in refused["cause"] and "\n" not in refused["cause"] and len(refused["cause"]) < 300
    assert (stack.ledger(), stack.sim_requests(mutating=True)) == before


@pytest.mark.parametrize("event", [{}, [], "sweep", {"source": "aws.health"}, {"source": "evil", "detail": NOTICE["detail"]}])
def test_what_is_no_notice_is_refused_and_recorded(stack: LocalStack, event: Any) -> None:
    executions = stack.executions("campaign")
    answer = stack.invoke("intake", event)
    assert answer["outcome"] == "refused"
    refusals = [item for item in stack.ledger() if item.get("kind") == "refused"]
    assert answer["code"] in {item["code"] for item in refusals}
    assert stack.executions("campaign") == executions


def test_a_notice_ten_times_in_pages_and_out_of_order_is_one_campaigns_work(stack: LocalStack) -> None:
    names = ["many-1", "many-2", "many-3"]
    for name in names:
        stack.sim("clusters", cluster(name))
    pages = [
        notice_of(names[:2], "many", page="1", totalPages="2"),
        notice_of(names[2:], "many", page="2", totalPages="2"),
    ]
    copies = [copy.deepcopy(page) for page in pages for _ in range(10)]
    for number, page in enumerate(copies):
        page["detail"]["backupEvent"] = str(number % 3 == 0).lower()
        page["detail"]["affectedEntities"][0]["status"] = random.Random(number).choice(["PENDING", "RESOLVED"])
    random.Random(7).shuffle(copies)
    for page in copies:
        stack.put_notice(page)

    until(lambda: all(events(stack, name)[-1:] == ["ended"] for name in names), 90)
    for name in names:
        assert version_of(stack, name) == "1.35"
        assert len(calls(stack, name)) == 4, f"{name}: each step once"
        assert events(stack, name).count("opened") == 1
        # Once by intake when it judges, and then only by the run, which has the insights made anew before it plans: ten
        # copies cost not one call more.
        reads = [one for one in stack.sim_requests() if one.get("cluster") == name and one["operation"] == "DescribeCluster"]
        first_run_read = next(i for i, one in enumerate(stack.sim_requests()) if one.get("cluster") == name and one["operation"] == "StartInsightsRefresh")
        before_the_run = [one for one in stack.sim_requests()[:first_run_read] if one in reads]
        assert len(before_the_run) == 2, "one look by intake, one by plan"


def test_the_world_is_told_of_an_upgrade_in_order_and_people_once(stack: LocalStack) -> None:
    stack.sim("clusters", cluster("loud"))
    listener = stack.listen()
    assert stack.wait(stack.start_upgrade({"cluster": "loud", "target": "1.35"}))["status"] == "SUCCEEDED"
    told = until(lambda: listener.hear().messages_about("loud"))
    heard = listener.hear().events_of("loud")

    kinds = [event["detail-type"].removeprefix("EKS Upgrade ") for event in heard]
    assert kinds[:2] == ["Planned", "Started"] and kinds[-1] == "Completed"
    assert set(kinds[2:-1]) == {"Step Done"}
    (run,) = {entry["run"] for entry in lines(stack, "loud")}
    by_seq = {f"{run}/{entry['seq']}": entry for entry in lines(stack, "loud")}
    ids = [event["detail"]["id"] for event in heard]
    assert ids == sorted(ids, key=lambda one: by_seq[one]["seq"]), "in the order of the ledger"
    done = [entry["step"] for entry in lines(stack, "loud") if entry["event"] in ("succeeded", "satisfied", "verified", "baked", "skipped")]
    assert [event["detail"]["step"]["id"] for event in heard[2:-1]] == done, "each step once"
    assert all(event["resources"] == [ACCOUNT_ARN + "loud"] and event["detail"]["version"] == "1" for event in heard)

    (message,) = told
    assert message["Subject"] == "eks-upgrade: loud is at 1.35"
    assert f"eks-upgrade history {run}" in message["Message"]


def test_a_run_that_stops_says_what_is_wanted_of_whom(stack: LocalStack) -> None:
    stack.sim("clusters", cluster("stuck", nodegroups=[{"name": "db", "size": 2, "pdb": "blocks"}]))
    listener = stack.listen()
    assert stack.wait(stack.start_upgrade({"cluster": "stuck", "target": "1.35"}))["error"] == "PodEvictionFailure"
    (message,) = until(lambda: listener.hear().messages_about("stuck"))
    assert "Wanted of the cluster's owner" in message["Message"] and "eks-upgrade start stuck --target 1.35" in message["Message"]
    kinds = [event["detail-type"] for event in listener.hear().events_of("stuck")]
    assert "EKS Upgrade Step Failed" in kinds and kinds[-1] == "EKS Upgrade Failed"


def test_news_outlive_the_death_of_their_teller(stack: LocalStack) -> None:
    stack.sim("clusters", cluster("mourned"))
    listener = stack.listen()
    execution = stack.start_upgrade({"cluster": "mourned", "target": "1.35"})
    while stack.execution(execution)["status"] == "RUNNING":
        stack.kill_function("notify")
        time.sleep(0.3)
    until(lambda: listener.hear().messages_about("mourned"))
    told = [event["detail"]["id"] for event in listener.hear().events_of("mourned")]
    silent = ("opened", "intended", "resumed", "bake-began")
    first, *_ = (entry["seq"] for entry in lines(stack, "mourned") if entry["event"] == "started")
    news = [entry for entry in lines(stack, "mourned") if entry["event"] not in silent and (entry["event"], entry["seq"]) != ("started", first)]
    expected = [f"{entry['run']}/{entry['seq']}" for entry in news if entry["event"] != "started"]
    assert set(expected) <= set(told)


def test_a_cluster_that_nobody_opted_in_is_recorded_and_told_about_and_left_alone(stack: LocalStack) -> None:
    stack.sim("clusters", cluster("stranger", tags={}))
    listener = stack.listen()
    stack.put_notice(notice_of(["stranger"], "stranger"))
    told = until(lambda: [line for line in campaign_lines(stack) if line["event"] == "left-alone" and "stranger" in str(line)])[0]
    (left,) = told["clusters"]
    assert left["code"] == "not-opted-in" and "eks-upgrade:enabled=true" in left["text"]
    assert "stranger" in told["notification"]["message"]
    until(lambda: [message for message in listener.hear().messages if message["Message"] == told["notification"]["message"]])
    left_alone = [event for event in listener.hear().events if event["detail-type"] == "EKS Upgrade Campaign Left Alone"]
    assert told["campaign"] in {event["detail"]["campaign"] for event in left_alone}
    record = [line for line in campaign_lines(stack) if line["campaign"] == told["campaign"]]
    assert record[-1]["event"] == "ended", "there is nothing to upgrade, and no execution that would"
    assert calls(stack, "stranger") == [] and lines(stack, "stranger") == []


def command_line(stack: LocalStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    profile = os.environ.get("EKS_UPGRADE_PROFILE", "demo")
    binary = os.environ.get("EKS_UPGRADE_BIN", str(ROOT / "target" / profile / "eks-upgrade"))
    environment = {**os.environ, **stack.environment}
    return subprocess.run([binary, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_line_plans_starts_watches_and_looks_back(stack: LocalStack) -> None:
    stack.sim("clusters", cluster("shell", version="1.33", nodegroups=[{"name": "web", "size": 2, "version": "1.33"}]))
    plan = command_line(stack, "plan", "shell", "--target", "1.35")
    assert plan.returncode == 0, plan.stderr
    for text in ("1.33 → 1.35", "Hop 1 of 2: 1.34", "Hop 2 of 2: 1.35", "extended support", "node group web 1.33 → 1.35"):
        assert text in plan.stdout, plan.stdout
    assert "\x1b[" not in plan.stdout, "no colours where there is no terminal"
    assert calls(stack, "shell") == [] and lines(stack, "shell") == []

    start = command_line(stack, "start", "shell", "--target", "1.35", "--reason", "because", "--watch")
    assert start.returncode == 0, start.stdout + start.stderr
    assert "upgraded" in start.stdout

    history = command_line(stack, "history", "shell", "--json")
    entries = json.loads(history.stdout)
    assert (entries[0]["event"], entries[0]["reason"], entries[-1]["event"]) == ("opened", "because", "ended")
    assert "chain of hashes intact" in command_line(stack, "history", "shell").stdout


def test_a_record_that_was_tampered_with_is_told_and_by_which_line(stack: LocalStack) -> None:
    stack.sim("clusters", cluster("witness", addons=[]))
    assert command_line(stack, "start", "witness", "--target", "1.35", "--watch").returncode == 0
    table, name = stack.client("dynamodb"), stack.outputs["LedgerTable"]
    kept = [item for item in stack.ledger() if item["pk"].startswith("RUN#witness-1.")]
    kept = {item["sk"]: table.get_item(TableName=name, Key={key: {"S": item[key]} for key in ("pk", "sk")})["Item"] for item in kept}
    *_, one, other, last = sorted(sk for sk in kept if sk.startswith("E#"))
    place = {sk: int(sk.removeprefix("E#")) for sk in (one, other, last)}

    def verified() -> tuple[int, dict[str, Any]]:
        done = command_line(stack, "history", kept["HEAD"]["run"]["S"], "--verify", "--json")
        return done.returncode, json.loads(done.stdout)

    def put(sk: str, **changed: Any) -> None:
        item = {key: value for key, value in {**kept[sk], **changed}.items() if value is not None}
        table.put_item(TableName=name, Item=item)

    def drop(sk: str) -> None:
        table.delete_item(TableName=name, Key={key: kept[sk][key] for key in ("pk", "sk")})

    def swap() -> None:
        for here, there in ((one, other), (other, one)):
            put(here, **{key: value for key, value in kept[there].items() if key not in ("pk", "sk")})

    flipped = {"S": kept[one]["body"]["S"].replace('"fence":1', '"fence":2')}
    assert flipped != kept[one]["body"]
    for tamper, flaw in (
        (lambda: put(one, body=flipped), {"flaw": "altered", "line": place[one]}),
        (lambda: put(last, hash={"S": "0" * 64}), {"flaw": "altered", "line": place[last]}),
        (lambda: put(other, event={"S": "succeeded?"}), {"flaw": "miscopied", "line": place[other], "attribute": "event"}),
        (lambda: put(other, expires_at={"N": "1"}), {"flaw": "miscopied", "line": place[other], "attribute": "expires_at"}),
        (lambda: drop(one), {"flaw": "missing", "line": place[one]}),
        (lambda: drop(last), {"flaw": "missing", "line": place[last]}),
        (swap, {"flaw": "moved", "line": place[one], "written": place[other]}),
        (lambda: put("HEAD", outcome={"S": "halted"}), {"flaw": "miscopied-head", "attribute": "outcome"}),
        (lambda: drop("HEAD"), {"flaw": "headless"}),
    ):
        assert verified()[0] == 0
        tamper()
        status, verdict = verified()
        assert (status, verdict["intact"]) == (1, False)
        assert {key: verdict[key] for key in verdict if key not in ("run", "lines", "intact", "message")} == flaw
        for sk in kept:
            put(sk)
    assert "is as it was written" in command_line(stack, "history", "witness", "--verify").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("start", "nowhere", "--target", "1.35"), 1, "ClusterNotFound: there is no cluster nowhere"),
        (("plan", "nowhere"), 1, "there is no cluster nowhere"),
        (("history", "nowhere"), 1, "no run nowhere"),
        (("plan",), 2, "Usage:"),
        (("plan", "solo", "--strategy", "brute"), 2, "rolling-then-force"),
    ],
)
def test_the_command_line_says_what_is_wrong(stack: LocalStack, arguments: tuple[str, ...], status: int, says: str) -> None:
    done = command_line(stack, *arguments)
    assert (done.returncode, says in done.stderr) == (status, True), done.stderr
