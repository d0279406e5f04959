"""Counts the instructions of a function from its first to the request for work.

Valgrind runs the binary on a processor of its own making and counts what user space executes there, the dynamic
loader included. Unlike time, that is the same on a machine that is busy, slow or shared.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from .runtime_api import NoRequest, RuntimeApi

COUNTING = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--branch-sim=no", "--cachegrind-out-file=/dev/null")
"""Of Valgrind's tools that count, the quickest that names a total when the process is told to end."""
TOTAL = re.compile(rb"I\s+refs:\s+([\d,]+)")
START_S_MAX = 120.0
"""A start takes a second here, and Valgrind makes it twenty on a busy machine."""


def instructions(command: list[str], environment: dict[str, str]) -> int:
    """How many instructions `command` needs until it asks the Runtime API for work. Raises NoRequest if it never does."""
    with RuntimeApi() as api, tempfile.TemporaryDirectory() as scratch:
        report, output = Path(scratch, "report"), Path(scratch, "output")
        with output.open("wb") as sink:
            process = subprocess.Popen(
                [*COUNTING, f"--log-file={report}", *command],
                env={**environment, "AWS_LAMBDA_RUNTIME_API": api.address, "HOME": scratch},
                cwd=scratch, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT,
            )
            try:
                api.await_request(process, START_S_MAX)
            except NoRequest as missing:
                said = output.read_text(errors="replace").strip()
                raise NoRequest(f"{Path(command[0]).name} {missing}\n{said}") from missing
            finally:
                # At its end the tool tells the total: nothing was left to do but to wait for an answer.
                process.terminate()
                process.wait()
        if not (total := TOTAL.search(report.read_bytes())):
            raise RuntimeError(f"Valgrind named no total:\n{report.read_text(errors='replace')}")
        return int(total.group(1).replace(b",", b""))
