"""The demo of a fleet in rings: a closed window, a yes, a bake, and a failure in staging that keeps prod untouched.

    python tests/local/demo_fleet.py --speed N

The local stack is brought up with seven clusters in three rings. A Health notice starts the campaign; dev goes first;
a person says yes to staging, which waits for its window; the version breaks the first cluster of staging, whose
control plane goes back by policy; the campaign stops, and prod is not touched, neither by it nor by the next sweep.
Exit status 0 only if the simulator's own record says so.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Callable
from zoneinfo import ZoneInfo

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import yaml

from tests.local.demo import NOTICE, command_line, eks_upgrade, say, timed, verdict
from tests.local.stack import ROOT, LocalStack

FLEET = ROOT / "tests" / "fleets" / "rings.yaml"
POLICY = ROOT / "tests" / "fleets" / "rings.policy.yaml"
WATCH_S_MAX = 300
"""The whole story takes seven virtual hours, which are 105 s at 240 times the speed."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--speed", type=float, default=240.0, help="how many times as fast as time")
    args = parser.parse_args()
    say(f"bringing up the local stack, {args.speed:g} times as fast as time, under tests/fleets/rings.policy.yaml")
    subprocess.run([eks_upgrade(), "policy", "check", str(POLICY)], check=True)
    with LocalStack(FLEET, speed=args.speed, policy=yaml.safe_load(POLICY.read_text())) as stack:
        return story(stack)


def story(stack: LocalStack) -> int:
    names = list(stack.sim("state")["clusters"])
    stack.put_notice(notice_of(stack, names))
    say(f"a Health notice names {', '.join(names)}; the campaign starts with dev")
    watch(stack, "dev-a", "dev-b")
    say("dev is through; staging wants a yes")
    question = until(lambda: approvals(stack))[0]
    command_line(stack, "approvals")
    command_line(stack, "approve", question["id"], "--reason", "dev looks well")
    say("staging opens at 16:00 in Berlin; its first cluster waits for that, goes up, bakes, breaks, and goes back")
    watch(stack, "staging-a")
    command_line(stack, "history", "staging-a")
    campaign = until(lambda: stack.executions("campaign", "FAILED"))[0]
    cause = stack.execution(campaign["executionArn"])
    say(f"the campaign stopped: {cause['error']}: {cause['cause']}")
    say("the next sweep comes by")
    swept = stack.invoke("intake", {"trigger": "sweep"})
    for left in swept["leftAlone"]:
        print(f"  {left['cluster']}: {left['code']}: {left['text']}")
    return judge(stack, swept)


def notice_of(stack: LocalStack, names: list[str]) -> dict[str, Any]:
    notice = copy.deepcopy(json.loads(Path(NOTICE).read_text()))
    arns = [f"arn:aws:eks:{stack.region}:{stack.account}:cluster/{name}" for name in names]
    notice["resources"] = arns
    notice["detail"]["affectedEntities"] = [{"entityValue": arn, "status": "PENDING"} for arn in arns]
    return notice


def watch(stack: LocalStack, *names: str) -> None:
    options = [option for name in names for option in ("--wait-for", name)]
    command_line(stack, "watch", *options, timeout_s=WATCH_S_MAX)


def approvals(stack: LocalStack) -> list[dict[str, Any]]:
    environment = {**os.environ, **stack.environment}
    done = subprocess.run([eks_upgrade(), "approvals", "--json"], env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def until(what: Callable[[], Any], timeout_s: float = 120.0) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := what()):
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come to that in time")
        time.sleep(0.2)
    return found


def judge(stack: LocalStack, swept: dict[str, Any]) -> int:
    """Prints what is not as it should be, by the simulator's own record; 0 if nothing is."""
    state = stack.sim("state")["clusters"]
    calls = [one for one in stack.sim_requests(mutating=True)]
    wrong = []
    versions = {name: cluster["version"] for name, cluster in state.items()}
    expected = {name: "1.35" if name.startswith("dev") else "1.34" for name in versions}
    wrong += [f"{name} is at {versions[name]}, should be at {expected[name]}" for name in versions if versions[name] != expected[name]]
    touched = {call["cluster"] for call in calls}
    wrong += [f"{name} was touched" for name in touched if name not in ("dev-a", "dev-b", "staging-a")]
    wrong += [f"{call['operation']} on staging-a at {call['at']}, outside its window" for call in calls if call["cluster"] == "staging-a" and not in_window(call["at"])]
    held = {left["cluster"] for left in swept["leftAlone"] if left["code"] == "earlier-ring-failed"}
    wrong += [f"the sweep did not leave {name} alone for staging's failure" for name in ("prod-a", "prod-b", "prod-c") if name not in held]
    right = f"dev upgraded, staging-a taken back inside its window, prod untouched by {len(calls)} calls"
    return verdict(stack, wrong, right)


def in_window(at: str) -> bool:
    """By the wall clock of Berlin alone: 16:00 to 20:00."""
    local = datetime.fromisoformat(at.replace("Z", "+00:00")).astimezone(ZoneInfo("Europe/Berlin"))
    opens = local.replace(hour=16, minute=0, second=0, microsecond=0)
    return opens <= local < opens + timedelta(hours=4)


if __name__ == "__main__":
    sys.exit(timed(main))
