"""Brings the local stack up and keeps it until Ctrl-C.

    python tests/local/up.py --fleet tests/fleets/demo.yaml --speed 120

Prints what a client needs as shell exports, and what the stack is made of.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local.stack import LocalStack  # noqa: E402 (the path comes first)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fleet", required=True, type=Path, help="fleet file of the simulator")
    parser.add_argument("--speed", type=float, default=120.0, help="seconds of the scaled clock in a real one (default: %(default)s)")
    parser.add_argument("--sweep", default="rate(1 day)", help="schedule of the sweep, in real time (default: %(default)s)")
    parser.add_argument("--policy", default="{}", help="upgrade policy as JSON (default: %(default)s)")
    arguments = parser.parse_args()
    # So that a polite kill cleans up as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A shell starts what runs in its background with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stack = LocalStack(
        arguments.fleet, speed=arguments.speed, sweep=arguments.sweep, policy=json.loads(arguments.policy)
    )
    try:
        with stack:
            for name, value in stack.environment.items():
                print(f"export {name}={shlex.quote(value)}")
            print(f"\n# simulator  {stack.sim_endpoint}/_sim/state")
            print(f"# logs       {stack.run_dir}")
            for name, value in stack.outputs.items():
                print(f"# {name}  {value}")
            print("# Ctrl-C ends it", flush=True)
            while True:
                time.sleep(1)
                stack.check()
    except KeyboardInterrupt:
        return 0
    except (RuntimeError, FileNotFoundError, TimeoutError) as problem:
        print(f"up: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
