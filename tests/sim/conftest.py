"""Starts the real simulator for a test and gives it boto3 clients whose every raw answer is validated."""

import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from .validator import check

ROOT = Path(__file__).resolve().parents[2]


def binary() -> Path:
    named = os.environ.get("EKS_UPGRADE_SIM_BIN")
    candidates = [Path(named)] if named else [ROOT / "target" / kind / "eks-upgrade-sim" for kind in ("debug", "release")]
    for candidate in candidates:
        candidate = candidate if candidate.is_absolute() else ROOT / candidate
        if candidate.exists():
            return candidate
    pytest.fail(f"no simulator at {', '.join(map(str, candidates))}: build it with cargo build -p eks-upgrade-sim")


class Simulator:
    """A running simulator, its control surface and its clients."""

    def __init__(self, fleet: Path, speed: float, log: Path):
        environment = {k: v for k, v in os.environ.items() if k != "EKS_UPGRADE_CLOCK"}
        self.log = log
        self.process = subprocess.Popen(
            [binary(), "--fleet", fleet, "--port", "0", "--speed", str(speed), "--log", log],
            stdout=subprocess.PIPE, text=True, env=environment,
        )
        line = self.process.stdout.readline()
        if "listening on " not in line:
            self.process.kill()
            pytest.fail(f"the simulator did not start: {line!r}")
        self.url = line.strip().removeprefix("listening on ")
        self.invalid: list[str] = []
        self.operations: set[str] = set()
        self.eks = self.client("eks")
        self.health = self.client("health")

    def client(self, service: str, region="us-east-1", key="test", credentials=None, **timeouts):
        """A client for that Region, with that access key or with what AssumeRole answered."""
        keys = credentials or {"AccessKeyId": key, "SecretAccessKey": "test", "SessionToken": None}
        client = boto3.client(
            service, endpoint_url=self.url, region_name=region, aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"],
            config=Config(retries={"total_max_attempts": 1}, **timeouts),
        )
        client.meta.events.register(f"before-parse.{service}", self._validate)
        return client

    def _validate(self, operation_model, response_dict, **_):
        self.operations.add(operation_model.name)
        self.invalid += check(operation_model, response_dict)

    def impatient(self, read_timeout: float):
        return self.client("eks", read_timeout=read_timeout)

    def control(self, path: str, body=None):
        data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        request = urllib.request.Request(f"{self.url}/_sim/{path}", data=data)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def cluster(self, name: str):
        return self.control("state")["clusters"][name]

    def finish(self, name: str, update: dict, within_s: float = 20, **scope) -> dict:
        """Polls an update to its end."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            try:
                seen = self.eks.describe_update(name=name, updateId=update["id"], **scope)["update"]
                if seen["status"] != "InProgress":
                    return seen
            except self.eks.exceptions.ResourceNotFoundException:
                pass  # Not visible yet.
            time.sleep(0.02)
        pytest.fail(f"update {update} of {name} did not end within {within_s} s")

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=10)


@pytest.fixture
def start(tmp_path):
    """Starts a simulator of a fleet given as text or as a file of tests/fleets; checks its answers at the end."""
    running = []

    def begin(fleet: str, speed: float = 1000) -> Simulator:
        if fleet.endswith(".yaml"):
            path = ROOT / "tests" / "fleets" / fleet
        else:
            path = tmp_path / f"fleet-{len(running)}.yaml"
            path.write_text("start: 2026-08-18T09:15:00Z\n" + fleet)
        running.append(Simulator(path, speed, tmp_path / f"log-{len(running)}.jsonl"))
        return running[-1]

    yield begin
    codes = [simulator.stop() for simulator in running]
    assert codes == [0] * len(codes), "a simulator did not end cleanly"
    invalid = [problem for simulator in running for problem in simulator.invalid]
    assert not invalid, "answers that the service model does not allow"
