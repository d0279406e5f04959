"""The check of the start-up budgets, without a release build: that it would fail where it must."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from local.stack import FUNCTIONS

from . import surroundings, valgrind
from .budgets import PROFILES, Budget, read
from .measure import Measured, table
from .runtime_api import NoRequest, RuntimeApi

ASKS = """
import os, socket, time
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
link = socket.create_connection((host, int(port)))
link.sendall(b"{request} HTTP/1.1\\r\\nhost: here\\r\\n\\r\\n")
time.sleep(60)
"""
WORK = "GET /2018-06-01/runtime/invocation/next"


def measured(size_mb: float, instructions_m: float, budget: Budget | None = Budget(5.0, 20.0)) -> Measured:
    return Measured("act", size_mb, instructions_m, 10.0, budget)


@pytest.mark.parametrize(
    ("one", "over"),
    [
        (measured(5.0, 20.0), []),
        (measured(5.1, 20.0), ["act: 5.10 MB, budget 5"]),
        (measured(5.0, 20.1), ["act: 20.10 million instructions, budget 20"]),
        (measured(4.0, 10.0, None), ["act: no budget; {size_mb: 4.2, instructions_m: 10.3} would fit"]),
        (measured(6.0, 30.0), ["act: 6.00 MB, budget 5", "act: 30.00 million instructions, budget 20"]),
    ],
)
def test_each_budget_is_kept_or_named(one: Measured, over: list[str]) -> None:
    assert one.over() == over


@pytest.mark.parametrize("profile", PROFILES)
def test_every_function_is_listed(profile: str) -> None:
    assert sorted(read(profile)) == sorted(FUNCTIONS)


def test_a_budget_with_an_unknown_field_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "budgets.yaml"
    file.write_text("functions: {act: {clients: [], demo: {size_mb: 1, instructions_m: 1, size: 2}}}")
    with pytest.raises(TypeError, match="size"):
        read("demo", file)
    file.write_text("functions: {act: {clients: [], demo: {size_mb: 1, instructions_m: 1}, dome: {}}}")
    with pytest.raises(TypeError, match="dome"):
        read("demo", file)


def test_the_table_has_a_line_a_function_and_the_ratio() -> None:
    lines = table([measured(4.0, 15.0)]).splitlines()
    assert len(lines) == 2 and lines[1].split() == ["act", "4.00", "5.00", "15.00", "20.00", "10.00", "1.50"]


def test_a_function_starts_with_the_variables_of_the_template() -> None:
    intake, act = surroundings.of("intake"), surroundings.of("act")
    assert intake["EKS_UPGRADE_TABLE"] and intake["EKS_UPGRADE_CAMPAIGN_ARN"] and intake["RUST_LOG"] == "info"
    assert "EKS_UPGRADE_CAMPAIGN_ARN" not in act


STANDS_FOR_VALGRIND = """
import os, sys
with open(sys.argv[1].removeprefix("--log-file="), "w") as report:
    report.write("==1== I   refs:      1,234")
os.execv(sys.argv[2], sys.argv[2:])
"""


def started(monkeypatch: pytest.MonkeyPatch, script: str) -> int:
    """What is told of the start of a script: a total, if it asked for work."""
    monkeypatch.setattr(valgrind, "COUNTING", (sys.executable, "-c", STANDS_FOR_VALGRIND))
    return valgrind.instructions([sys.executable, "-c", script], {"PATH": os.defpath})


def test_a_start_is_counted_up_to_the_request_for_work(monkeypatch: pytest.MonkeyPatch) -> None:
    assert started(monkeypatch, ASKS.format(request=WORK)) == 1234


def test_a_function_that_fails_to_start_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoRequest, match="ended with status 3"):
        started(monkeypatch, "import sys; print('no table'); sys.exit(3)")
    with pytest.raises(NoRequest, match="init/error"):
        started(monkeypatch, ASKS.format(request="POST /2018-06-01/runtime/init/error"))


def test_the_stand_in_listens_on_loopback_alone() -> None:
    with RuntimeApi() as api:
        assert api.address.startswith("127.0.0.1:")
