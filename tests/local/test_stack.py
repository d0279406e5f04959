"""The local stack itself: the built binaries, deployed by the template, and gone without a trace afterwards."""

from __future__ import annotations

import json
import time
from typing import Iterator

import psutil
import pytest

from .stack import FUNCTIONS, ROOT, LocalStack

FLEET = ROOT / "tests" / "fleets" / "one.yaml"
NOTICE = ROOT / "tests" / "local" / "notices" / "health-eks-end-of-support.json"


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack(FLEET, speed=600) as running:
        yield running


def _invocations(stack: LocalStack, function: str) -> int:
    return sum(line.startswith("START RequestId") for line in stack.function_log(function))


def _until(what, timeout_s: float = 10.0):
    deadline = time.monotonic() + timeout_s
    while not (found := what()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def test_the_ledger_has_the_keys_and_the_index_of_the_template(stack: LocalStack) -> None:
    table = stack.client("dynamodb").describe_table(TableName=stack.outputs["LedgerTable"])["Table"]
    assert [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]] == [("pk", "HASH"), ("sk", "RANGE")]
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "by-kind"
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["kind", "updated_at"]


def test_the_sweep_asks_intake(stack: LocalStack) -> None:
    schedule = stack.client("scheduler").get_schedule(Name=stack.outputs["SweepName"])
    assert schedule["State"] == "ENABLED"
    assert schedule["Target"]["Arn"] == stack.outputs["IntakeFunctionArn"]
    assert json.loads(schedule["Target"]["Input"]) == {"trigger": "sweep"}
    assert schedule["Target"]["DeadLetterConfig"]["Arn"].endswith("-dead-letters")


def test_the_rule_hears_notices_about_eks_only(stack: LocalStack) -> None:
    before = _invocations(stack, "intake")
    other = {"detail": {**json.loads(NOTICE.read_text())["detail"], "service": "EC2"}}
    stack.put_notice(other)
    stack.put_notice({**json.loads(NOTICE.read_text()), "detail-type": "AWS Health Abuse Event"})
    stack.put_notice(json.loads(NOTICE.read_text()))
    assert _until(lambda: _invocations(stack, "intake") > before)
    time.sleep(0.5)
    assert _invocations(stack, "intake") == before + 1


def test_a_killed_function_comes_back(stack: LocalStack) -> None:
    stack.invoke("plan", {})
    assert stack.kill_function("plan") == 1
    after = stack.invoke("plan", {})
    assert (after or {}).get("error", {}).get("errorType") != "Runtime.ExitError"


def test_nothing_outlives_the_stack() -> None:
    with LocalStack(FLEET, speed=600) as running:
        for function in FUNCTIONS:
            running.invoke(function, {})
        processes = [psutil.Process(process.pid) for process in running._processes.values()]
        family = processes + [child for process in processes for child in process.children(recursive=True)]
        assert len(family) >= len(FUNCTIONS) + 2
        scratch = running.run_dir / "scratch"
    assert not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert not scratch.exists()
