"""The demo: a Health notice, the daily sweep and a person upgrade a fleet, here, without AWS.

    python tests/local/demo.py --fleet FLEET --notice NOTICE --speed N

Brings up the local stack, puts the notice on the event bus, starts by hand what the fleet file says is
started by hand, and lets the deployed schedule sweep up the rest. `eks-upgrade` shows it. At the end every cluster
is judged by what EKS (the simulator) says, and by what was called on it. Exit status 0 only if all is as it
should be.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Callable

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import yaml

from tests.local.stack import ROOT, LocalStack

OPT_IN = ("eks-upgrade:enabled", "true")
LEAD = timedelta(days=180)
"""The default policy's opt-in tag and lead: what makes a cluster one that should be upgraded."""
NOTICE = Path(__file__).parent / "notices" / "health-eks-end-of-support.json"
POLICY = ROOT / "tests" / "fleets" / "demo.policy.yaml"
SWEEP = "rate(1 minute)"
"""The daily sweep in real time: the shortest rate there is. At 120 times the speed that is every two hours."""
WATCH_S_MAX = 300
"""The longest run of the sample fleet takes 70 minutes, which are 35 s here."""


def main() -> int:
    args = arguments()
    say(f"bringing up the local stack: simulator of EKS and Health, ministack, {args.speed:g} times as fast as time")
    policy = yaml.safe_load(Path(args.policy).read_text())
    with LocalStack(args.fleet, speed=args.speed, sweep=SWEEP, policy=policy) as stack:
        expected = expectations(stack)
        say(f"deployed infra/template.yaml; the clock shows {stack.now_shown:%Y-%m-%d %H:%M} UTC")
        notice = json.loads(Path(args.notice).read_text())
        stack.put_notice(notice)
        named = [entity["entityValue"].rsplit("/", 1)[-1] for entity in notice["detail"].get("affectedEntities", [])]
        say(f"put the Health notice on the event bus: it names {', '.join(named) or 'no cluster'}")
        for name, expect in expected.items():
            if expect.get("started") == "by-hand":
                by_hand(stack, name, expect.get("target", expect["version"]))
        say("the daily sweep runs every minute here, and finds what the notice does not name; watching\n")
        wanted = [name for name, expect in expected.items() if "left_alone" not in expect]
        watch(stack, wanted)
        shown = next((name for name, expect in expected.items() if expect.get("started") == "by-hand" and "halted" not in expect), wanted[:1])
        if shown:
            print()
            command_line(stack, "history", shown if isinstance(shown, str) else shown[0])
        return judge(stack, expected)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    here = Path(__file__).parent
    parser.add_argument("--fleet", default=here.parent / "fleets" / "demo.yaml", help="fleet file of the simulator")
    parser.add_argument("--policy", default=POLICY, help="policy of the deployment")
    parser.add_argument("--notice", default=NOTICE, help="Health notice")
    parser.add_argument("--speed", type=float, default=120.0, help="how many times as fast as time")
    return parser.parse_args()


def say(text: str) -> None:
    print(f"\033[1m»\033[0m {text}" if sys.stdout.isatty() else f"» {text}", flush=True)


def eks_upgrade() -> str:
    """The command line's binary."""
    return os.environ.get("EKS_UPGRADE_BIN", str(ROOT / "target" / "demo" / "eks-upgrade"))


def command_line(stack: LocalStack, *arguments: str, timeout_s: float = 60) -> int:
    environment = {**os.environ, **stack.environment}
    return subprocess.run([eks_upgrade(), *arguments], env=environment, timeout=timeout_s, check=False).returncode


def by_hand(stack: LocalStack, name: str, target: str) -> None:
    say(f"starting {name} by hand: eks-upgrade start {name} --target {target}")
    command_line(stack, "start", name, "--target", target, "--reason", "by hand, in the demo")


def watch(stack: LocalStack, wanted: list[str]) -> None:
    options = [option for name in wanted for option in ("--wait-for", name)]
    try:
        command_line(stack, "watch", *options, timeout_s=WATCH_S_MAX)
    except subprocess.TimeoutExpired:
        say(f"not over after {WATCH_S_MAX} s; this is how it stands")


def expectations(stack: LocalStack) -> dict[str, dict[str, Any]]:
    """What should become of each cluster: what the fleet file expects, else what policy and calendar say."""
    eks = stack.client("eks")
    versions = eks.describe_cluster_versions(includeAll=True)["clusterVersions"]
    default = next(one["clusterVersion"] for one in versions if one["defaultVersion"])
    horizon = stack.now_shown + LEAD
    due = {one["clusterVersion"] for one in versions if one["endOfStandardSupportDate"] <= horizon}
    expected = {}
    for name, cluster in stack.sim("state")["clusters"].items():
        stated = cluster.get("expect")
        if stated:
            expected[name] = stated
        elif cluster["version"] not in due:
            expected[name] = {"left_alone": "not-due"}
        elif cluster.get("tags", {}).get(OPT_IN[0]) != OPT_IN[1]:
            expected[name] = {"left_alone": "not-opted-in"}
        else:
            expected[name] = {"version": default}
    return expected


def judge(stack: LocalStack, expected: dict[str, dict[str, Any]]) -> int:
    """Prints what is not as it should be; 0 if nothing is."""
    state = stack.sim("state")["clusters"]
    touched = {request.get("cluster") for request in stack.sim_requests(mutating=True)}
    reasons = left_alone_reasons(stack)
    endings = run_endings(stack)
    wrong = []
    for name, expect in expected.items():
        wrong += [f"{name}: {text}" for text in misses(expect, state[name], name in touched, reasons.get(name), endings.get(name))]
    upgraded = sum("left_alone" not in expect for expect in expected.values())
    return verdict(stack, wrong, f"{upgraded} clusters upgraded or stopped where they should, {len(expected) - upgraded} left alone")


def verdict(stack: LocalStack, wrong: list[str], right: str) -> int:
    """Prints what is wrong, or that nothing is; the exit status."""
    print()
    if not wrong:
        say(f"as it should be: {right}")
        return 0
    say("not as it should be:")
    for text in wrong:
        print(f"  {text}")
    print(f"  logs: {stack.run_dir}")
    return 1


def misses(expect: dict[str, Any], cluster: dict[str, Any], touched: bool, reason: str | None, ending: dict | None) -> list[str]:
    found = []
    if "left_alone" in expect:
        if touched:
            found.append("should have been left alone, and was changed")
        if reason != expect["left_alone"]:
            found.append(f"should have been left alone as {expect['left_alone']}; the ledger says {reason}")
        return found
    if cluster["version"] != expect["version"]:
        found.append(f"is at {cluster['version']}, should be at {expect['version']}")
    code = (ending or {}).get("code", (ending or {}).get("outcome"))
    if code != expect.get("halted", "completed"):
        found.append(f"its run ended {code}, should have ended {expect.get('halted', 'completed')}")
    if "halted" not in expect:
        for group, nodes in cluster.get("nodegroups", {}).items():
            behind = nodes["version"] != expect["version"]
            if behind != (group in expect.get("left_behind", [])):
                found.append(f"its node group {group} is at {nodes['version']}")
        for group, seen in cluster.get("selfManaged", {}).items():
            kubelets = {node["kubeletVersion"] for node in seen["nodes"]}
            if kubelets != {expect["version"]} or len(seen["nodes"]) != seen["minSize"]:
                found.append(f"its self-managed group {group} has {len(seen['nodes'])} nodes at {sorted(kubelets)}")
    return found


def left_alone_reasons(stack: LocalStack) -> dict[str, str]:
    return {left["cluster"]: left["code"] for line in campaign_lines(stack) for left in line.get("clusters", [])}


def campaign_lines(stack: LocalStack) -> list[dict[str, Any]]:
    """The records of all campaigns, line by line; those of each in order, and the latest campaign last."""
    items = [item for item in stack.ledger() if item["pk"].startswith("CAMPAIGN#") and "body" in item]
    return [json.loads(item["body"]) for item in sorted(items, key=lambda item: (item["at"], item["pk"], item["sk"]))]


def run_endings(stack: LocalStack) -> dict[str, dict[str, Any]]:
    leases = [item for item in stack.ledger() if item.get("kind") == "lease"]
    return {item["pk"].rsplit("/", 1)[-1]: json.loads(item["ended"]) for item in leases if "ended" in item}


def timed(demo: Callable[[], int]) -> int:
    """Runs a demo, says how long it took, and stops cleanly on Ctrl-C; the exit status."""
    started = time.monotonic()
    try:
        status = demo()
    except KeyboardInterrupt:
        print("\ninterrupted; everything that was started has been stopped", file=sys.stderr)
        status = 130
    print(f"{time.monotonic() - started:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(timed(main))
