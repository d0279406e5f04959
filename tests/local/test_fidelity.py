"""Fidelity: the strict interpreter of the simulations and the local stack tell the same stories.

Journeys go from one fleet, one policy and one request each through both: `simulate --tell` in one process on a virtual
clock, and the built binaries behind the deployed state machines on ministack. Compared is what either says of itself:
the states that each execution entered, and the calls that changed something at EKS.

Not compared, because it rightly differs:
- How often somebody looked again. A function answers at once there, and takes a while here, in which the clock goes on:
  the same round of a loop that waits, repeated, counts as one (`collapsed`). An action repeated does not.
- The order of what a Map does side by side: its states and its calls are sorted, entry by entry.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from .stack import ROOT, LocalStack

POLICY = {"bake": {"duration": "10m"}, "addonsAtOnce": 5}
WEB = {"name": "web", "size": 2}
ADDONS = [{"name": "vpc-cni"}, {"name": "coredns"}, {"name": "kube-proxy"}]
SPEED = 240.0
"""Seconds of the fleet's clock in a real one: an update or a bake takes two real seconds and more, so that there is a look
before its end and one after it on a busy machine too."""


@dataclass(frozen=True)
class Journey:
    """A cluster, what is asked for it, and what makes the journey the one that it is meant to be."""

    cluster: dict[str, Any]
    request: dict[str, Any]
    passes: tuple[str, ...]
    """States that it has to go through, in this order."""


def journey(name: str, *passes: str, request: dict[str, Any] | None = None, **more: Any) -> Journey:
    cluster = {"name": name, "version": "1.34", "nodegroups": [WEB], "addons": ADDONS, **more}
    return Journey(cluster, {"cluster": name, "target": "1.35", **(request or {})}, passes)


STUBBORN = [{"name": "db", "size": 2, "pdb": "blocks"}]
JOURNEYS = {
    one.cluster["name"]: one
    for one in (
        journey("plain", "Upgraded", nodegroups=[WEB, {"name": "jobs", "size": 3, "max_unavailable": 2}]),
        journey("far", "UpgradeHop", "UpgradeHop", "Upgraded", version="1.33", nodegroups=[{**WEB, "version": "1.33"}]),
        journey("forced", "RollNodeGroup", "ForceNodeGroup", request={"strategy": "rolling-then-force"}, nodegroups=STUBBORN),
        journey("denied", "UpdateAddOn", "WaitForNextAttempt", "UpdateAddOn", "Verify", nodegroups=[]),
        journey("halted", "Halt", "Halted", nodegroups=STUBBORN),
    )
}
# The add-ons of a cluster start together and end together, or what comes next would depend on who looks when: node groups
# follow vpc-cni, which is therefore the last; and coredns, which is denied once, is tried again when the others are through.
DENIED = {
    "match": {"operation": "UpdateAddon", "cluster": "denied", "addon": "coredns"},
    "fail_update": {"code": "AdmissionRequestDenied"},
    "duration_m": 20,
}
FLEET = {
    "start": "2026-08-18T09:15:00Z",
    "seed": 5,
    "clusters": [one.cluster for one in JOURNEYS.values()],
    "faults": [
        DENIED,
        {"match": {"operation": "UpdateAddon", "addon": "vpc-cni"}, "times": "always", "duration_m": 15},
        {"match": {"operation": "UpdateAddon"}, "times": "always", "duration_m": 10},
    ],
}


@dataclass(frozen=True)
class Act:
    """One entry of the Map in which a hop acts: the states that its items entered, sorted."""

    states: tuple[str, ...] = ()

    def entering(self, *states: str) -> Act:
        """The same with these states more."""
        return Act(tuple(sorted((*self.states, *states))))

    def __str__(self) -> str:
        return f"Act {', '.join(self.states)}"


Step = str | Act
ROUND = 3
"""States of a round that waits: `Decide, WhatNow, WaitFor...` of a hop, `Plan, IsPlanned, WaitFor...` of an upgrade."""


@dataclass(frozen=True)
class Telling:
    """What came of one request: the states of its upgrade, those of its hops in order, and the calls."""

    upgrade: list[Step]
    hops: list[list[Step]]
    calls: list[str]

    def lines(self) -> list[str]:
        """All of it for people and for the diff, a line for each state, call, or entry of a Map."""
        told = []
        for name, steps in [("upgrade", self.upgrade), *((f"hop {at}", hop) for at, hop in enumerate(self.hops, 1))]:
            told += [f"{name}: {step}" for step in collapsed(steps)]
        # In order, but for what one Map made side by side.
        rest = iter(self.calls)
        for act in (step for hop in self.hops for step in hop if isinstance(step, Act)):
            told += [f"eks: {call}" for call in sorted(islice(rest, sum(map(calls_eks, act.states))))]
        return told + [f"eks: {call}" for call in rest]

    def passes(self, states: tuple[str, ...]) -> bool:
        """Whether it goes through these, in this order, whatever is between them."""
        hops = [state for hop in self.hops for step in hop for state in (step.states if isinstance(step, Act) else [step])]
        return any(all(state in walk for state in states) for walk in (iter(self.upgrade), iter(hops)))


def collapsed(steps: list[Step]) -> list[Step]:
    """Without the rounds of a loop that only say once more what the round before said: look, decide, wait for the same."""
    kept: list[Step] = []
    for step in steps:
        kept.append(step)
        waits = isinstance(step, str) and step.startswith("WaitFor")
        if waits and kept[-ROUND:] == kept[-2 * ROUND : -ROUND]:
            del kept[-ROUND:]
    return kept


def call(record: dict[str, Any]) -> str:
    """A call that changed something, without what no two tellings share: its token and its time."""
    told = {key: value for key, value in record["input"].items() if key != "clientRequestToken"}
    of = record.get("nodegroup") or record.get("addon") or ""
    return f"{record['operation']} {of} {json.dumps(told, sort_keys=True)}"


DEFINITION = json.loads((ROOT / "statemachine" / "hop.asl.json").read_text())
ITEM_STATES = DEFINITION["States"]["Act"]["ItemProcessor"]["States"]


def calls_eks(state: str) -> bool:
    """Whether a state of an item asks the one function that may write to EKS."""
    return ITEM_STATES[state].get("Arguments", {}).get("FunctionName") == "${ActFunctionArn}"


# --- what the interpreter tells ------------------------------------------------------------------------------------------


def interpreted(directory: Path) -> dict[str, Telling]:
    """The journeys as the interpreter tells them, all begun in the same minute."""
    profile = os.environ.get("EKS_UPGRADE_PROFILE", "demo")
    binary = os.environ.get("EKS_UPGRADE_SIMULATE_BIN", str(ROOT / "target" / profile / "simulate"))
    starts = [[0, {"start": one.request}] for one in JOURNEYS.values()]
    # A story goes on until its last event, which here finds nothing to do.
    story = directory / "story.json"
    story.write_text(json.dumps({"fleet": FLEET, "policy": POLICY, "events": [*starts, [30 * 24 * 60, "heal"]]}))
    done = subprocess.run([binary, "--tell", str(story)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["objections"] == []
    executions: dict[str, list[str]] = told["executions"]

    def telling(number: int, name: str) -> Telling:
        hop = re.compile(rf"by-hand-{number}\.(\d+)")
        numbers = sorted(int(found[1]) for found in map(hop.fullmatch, executions) if found)
        hops = [mapped(executions[f"by-hand-{number}.{child}"]) for child in numbers]
        calls = [call(one) for one in told["calls"] if one["cluster"] == name]
        return Telling(list(executions[f"by-hand-{number}"]), hops, calls)

    return {name: telling(number, name) for number, name in enumerate(JOURNEYS, 1)}


def mapped(states: list[str]) -> list[Step]:
    """A hop's states, with those of the items of a Map put into its entry. They follow it: the hop itself waits for them."""
    steps: list[Step] = []
    for state in states:
        if state == "Act":
            steps.append(Act())
        elif state in ITEM_STATES:
            assert isinstance(act := steps[-1], Act)
            steps[-1] = act.entering(state)
        else:
            steps.append(state)
    return steps


# --- what the local stack tells ------------------------------------------------------------------------------------------


def recorded(stack: LocalStack) -> dict[str, Telling]:
    """The journeys as they go on the local stack, side by side."""
    begun = {name: stack.start_upgrade(one.request) for name, one in JOURNEYS.items()}
    for arn in begun.values():
        stack.wait(arn)
    made = stack.sim_requests(mutating=True)
    # The newest is listed first.
    hops_of: dict[str, list[str]] = {arn: [] for arn in begun.values()}
    for hop in reversed(stack.executions("hop")):
        given = json.loads(stack.execution(hop["executionArn"])["input"])
        hops_of[given["AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"]].append(hop["executionArn"])

    def telling(name: str, arn: str) -> Telling:
        hops = [acted(stack.history(hop)) for hop in hops_of[arn]]
        return Telling(list(stack.states_entered(arn)), hops, [call(one) for one in made if one.get("cluster") == name])

    return {name: telling(name, arn) for name, arn in begun.items()}


def acted(history: list[dict[str, Any]]) -> list[Step]:
    """The states of a hop's history.

    ministack records none of a Map's items. Which those entered is read off what the Map was given, for each action the
    state of its name, and what it gave: an answer each, with an error where the item went on to look again.
    """
    steps: list[Step] = []
    for event in history:
        entered, exited = event.get("stateEnteredEventDetails"), event.get("stateExitedEventDetails", {})
        if entered and entered["name"] == "Act":
            actions = json.loads(entered["input"])["actions"]
            steps.append(Act().entering(*(state for one in actions for state in ("WhichAction", one["action"]))))
        elif entered:
            steps.append(entered["name"])
        elif exited.get("name") == "Act":
            answers = json.loads(exited["output"])
            assert isinstance(act := steps[-1], Act) and len(answers) == len(actions)
            steps[-1] = act.entering(*("LookAgain" for answer in answers if "error" in answer))
    return steps


# --- the comparison ------------------------------------------------------------------------------------------------------


def difference(interpreter: Telling, local: Telling) -> str:
    """Where two tellings of a journey part, with what was around it; empty where they do not."""
    diff = difflib.unified_diff(interpreter.lines(), local.lines(), "the interpreter", "the local stack", lineterm="", n=4)
    return "\n".join(diff)


@pytest.fixture(scope="module")
def virtual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Telling]:
    return interpreted(tmp_path_factory.mktemp("fidelity"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Telling]]:
    fleet = tmp_path_factory.mktemp("fidelity") / "fleet.yaml"
    fleet.write_text(json.dumps(FLEET))
    with LocalStack(fleet, speed=SPEED, policy=POLICY) as stack:
        yield recorded(stack)


@pytest.mark.parametrize("name", JOURNEYS)
def test_the_interpreter_and_the_local_stack_tell_the_same_story(
    name: str, virtual: dict[str, Telling], real: dict[str, Telling]
) -> None:
    assert virtual[name].passes(JOURNEYS[name].passes), "it is not the journey that it is meant to be"
    if different := difference(virtual[name], real[name]):
        pytest.fail(f"{name} goes otherwise here and there\n{different}", pytrace=False)


def test_what_differs_is_told_so_that_a_person_can_read_it(virtual: dict[str, Telling]) -> None:
    hop = collapsed(*virtual["forced"].hops)
    told = replace(virtual["forced"], hops=[hop])
    assert difference(virtual["forced"], told) == ""
    forced = Act(("ForceNodeGroup", "WhichAction"))
    at = hop.index(forced)

    rolled = replace(told, hops=[[*hop[:at], Act(("RollNodeGroup", "WhichAction")), *hop[at + 1 :]]])
    assert "\n-hop 1: Act ForceNodeGroup, WhichAction\n+hop 1: Act RollNodeGroup, WhichAction\n" in difference(told, rolled)
    assert "\n-hop 1: HopEnded" in difference(told, replace(told, hops=[hop[:-1]]))
    assert "\n+hop 2: Decide" in difference(told, replace(told, hops=[hop, ["Decide"]]))
    assert "\n-upgrade: Upgraded\n+upgrade: Halted\n" in difference(told, replace(told, upgrade=[*told.upgrade[:-1], "Halted"]))
    # Waits: once more is the same story; none is not, nor is another one, nor is an action once more.
    wait = hop.index("WaitForControlPlane")
    before, round_, after = hop[: wait - 2], hop[wait - 2 : wait + 1], hop[wait + 1 :]
    assert difference(told, replace(told, hops=[[*before, *round_, *round_, *round_, *after]])) == ""
    assert "\n-hop 1: WaitForControlPlane" in difference(told, replace(told, hops=[before + after]))
    other = [*round_[:2], "WaitForOtherUpdate"]
    assert "\n+hop 1: WaitForOtherUpdate" in difference(told, replace(told, hops=[[*before, *round_, *other, *after]]))
    twice = [*hop[: at + 4], *hop[at : at + 4], *hop[at + 4 :]]
    assert "\n+hop 1: Act ForceNodeGroup" in difference(told, replace(told, hops=[twice]))

    *others, last = told.calls
    assert '"force": true' in last
    unforced = last.replace('"force": true', '"force": false')
    assert f"\n-eks: {last}\n+eks: {unforced}" in difference(told, replace(told, calls=[*others, unforced]))
    assert f"\n-eks: {last}" in difference(told, replace(told, calls=others))
    assert f"\n+eks: {last}" in difference(told, replace(told, calls=[*told.calls, last]))
    # Their order counts, but for those of one Map.
    assert difference(told, replace(told, calls=list(reversed(told.calls)))) != ""
