"""Processes of a local stack: each in a group of its own, so that nothing it starts outlives it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

GRACE_S = 3.0
"""How long a group may take to end by itself before it is killed."""


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _die_with_parent() -> None:
    # Linux only; elsewhere a driver that is killed outright leaves its stack behind.
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


class Process:
    """One child process with its log file."""

    def __init__(self, name: str, command: list[str], env: dict[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as sink:
            self._popen = subprocess.Popen(  # noqa: S603
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def check(self) -> None:
        """Raises if the process has ended."""
        code = self._popen.poll()
        if code is not None:
            raise RuntimeError(f"{self.name} ended with status {code}; its log {self.log} ends with:\n{self.log_tail()}")

    def log_tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def descendants(self, variable: str, value: str) -> list[psutil.Process]:
        """Live processes below this one whose environment has `variable` set to `value`."""
        found = []
        for child in psutil.Process(self.pid).children(recursive=True):
            try:
                if child.environ().get(variable) == value and child.status() != psutil.STATUS_ZOMBIE:
                    found.append(child)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def stop(self) -> None:
        """Ends the process and whatever it started."""
        self._signal_group(signal.SIGTERM)
        try:
            self._popen.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            pass
        # Also after a graceful end: a child that ignored the parent's farewell is still in the group.
        self._signal_group(signal.SIGKILL)
        self._popen.wait(GRACE_S)

    def _signal_group(self, signum: int) -> None:
        try:
            os.killpg(self._popen.pid, signum)
        except (ProcessLookupError, PermissionError):
            pass


def wait_until(what: str, ready, process: Process, timeout_s: float = 30.0, pause_s: float = 0.02):
    """Polls `ready()` until it returns something true; a process that ends meanwhile is an error at once."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = ready()
        if result:
            return result
        process.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s; {process.log} ends with:\n{process.log_tail()}")
        time.sleep(pause_s)
