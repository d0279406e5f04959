"""The local stack: the SAM template of this project, deployed to ministack, beside the simulator of EKS and Health.

    with LocalStack("tests/fleets/demo.yaml", speed=120) as stack:
        stack.put_notice(json.load(open("notice.json")))
        stack.wait(stack.start_upgrade({"cluster": "prod-a", "target": "1.35"}))

The template's semantics are not touched: only where its artefacts lie (as `sam package` does) and its parameters.
Of the state machines one thing is, because ministack does not know it: see `_for_ministack`.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
import uuid
import zipfile
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import Any, Iterator

import boto3
import yaml
from boto3.dynamodb.types import TypeDeserializer
from botocore.config import Config

from . import template as sam
from .calls import Calls
from .processes import Process, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
LOCAL_SOURCE = "eks-upgrade.local"
"""What stands for the event source `aws.health`, which nobody but AWS may use."""
HEAD_START_S = 3.0
"""Real seconds that bringing up a stack may take; the scaled clock shows the fleet's start after them."""
LOOK_AGAIN_S = 5
"""Real seconds after which whoever waits for an answer looks again."""
KEPT_RUNS = 10
"""How many runs' logs are kept under .local/runs."""
FUNCTIONS = ("intake", "plan", "decide", "act", "inspect", "kube", "notify", "voice")
MACHINES = ("campaign", "upgrade", "hop")
_ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


def _utc(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class LocalStack:
    """A running stack; a context manager. All times in real seconds unless said otherwise."""

    calls: Calls | None = None
    """Where it is kept what the functions of all stacks call; nowhere unless somebody wants it."""

    def __init__(
        self,
        fleet: str | os.PathLike[str],
        *,
        speed: float = 120.0,
        policy: dict[str, Any] | None = None,
        parameters: dict[str, str] | None = None,
        sweep: str = "rate(1 day)",
        name: str = "eks-upgrade",
        binaries: Path | None = None,
        simulator: list[str] | None = None,
        definitions: Path | None = None,
    ) -> None:
        """`speed`: seconds of the scaled clock in a real one. `sweep`: schedule of the sweep, in REAL time.

        `binaries`, `simulator`, `definitions` replace what the build made and the repository has.
        """
        self.fleet = Path(fleet)
        fleet_data = yaml.safe_load(self.fleet.read_text()) or {}
        self.account = str(fleet_data.get("account", "123456789012"))
        self.region = str(fleet_data.get("region", "us-east-1"))
        self.speed = speed
        self.name = name
        self._start_shown = fleet_data.get("start")
        # What a test says of the policy travels as the file that `make package` would put there.
        self._policy = yaml.safe_dump(policy or {})
        self._parameters = {
            "SweepSchedule": sweep,
            "Architecture": "x86_64",
            "DeletionProtection": "false",
            "LocalEventSource": LOCAL_SOURCE,
            # Which clusters are looked into is the policy's to say.
            "KubernetesAccess": "full",
            "LogCalls": "false" if self.calls is None else "true",
            **(parameters or {}),
        }
        profile = os.environ.get("EKS_UPGRADE_PROFILE", "demo")
        built = ROOT / "target" / ("debug" if profile == "dev" else profile)
        self._binaries = binaries or built
        self._simulator = simulator or [os.environ.get("EKS_UPGRADE_SIM_BIN", str(built / "eks-upgrade-sim"))]
        self._definitions = definitions or ROOT / "statemachine"
        self.clock = ""
        self.endpoint = ""
        self.sim_endpoint = ""
        self.outputs: dict[str, str] = {}
        self._processes: dict[str, Process] = {}

    # --- up and down ---------------------------------------------------------------------------------------------

    def __enter__(self) -> LocalStack:
        self._check_built()
        self.run_dir = _new_run_dir()
        # Below the run, not in the system's directory: what a killed driver leaves there goes with its logs.
        self._scratch = self.run_dir / "scratch"
        self._scratch.mkdir()
        try:
            self.clock = self._new_clock()
            self._start_simulator()
            self._start_ministack()
            self._deploy()
            self._await_clock()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends every process of this stack, and only those."""
        try:
            if self.calls is not None and self.outputs:
                self.calls.take(self, FUNCTIONS)
        finally:
            self._end()

    def _end(self) -> None:
        # The simulator last: functions in flight then fail in a known way, not for want of a peer.
        for name in ("ministack", "simulator"):
            process = self._processes.pop(name, None)
            if process is not None:
                process.stop()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def check(self) -> None:
        """Raises if a process of the stack has ended by itself."""
        for process in self._processes.values():
            process.check()

    def _check_built(self) -> None:
        missing = [str(path) for path in (self._binaries / name for name in FUNCTIONS) if not path.is_file()]
        if not Path(self._simulator[0]).is_file() and shutil.which(self._simulator[0]) is None:
            missing.append(self._simulator[0])
        if missing:
            raise FileNotFoundError(f"not built: {', '.join(missing)}; run `make build` (EKS_UPGRADE_PROFILE picks the profile)")

    def _new_clock(self) -> str:
        start = self._start_shown
        if isinstance(start, datetime):
            start = _utc(start if start.tzinfo else start.replace(tzinfo=timezone.utc))
        self._anchor = datetime.now(timezone.utc) + timedelta(seconds=HEAD_START_S)
        return f"{_utc(self._anchor)}={start or _utc(self._anchor)}*{self.speed:g}"

    def _await_clock(self) -> None:
        time.sleep(max(0.0, (self._anchor - datetime.now(timezone.utc)).total_seconds()))

    @property
    def now_shown(self) -> datetime:
        """What the scaled clock shows."""
        real, rest = self.clock.split("=", 1)
        shown, _ = rest.split("*", 1)
        passed = datetime.now(timezone.utc) - datetime.fromisoformat(real.replace("Z", "+00:00"))
        return datetime.fromisoformat(shown.replace("Z", "+00:00")) + passed * self.speed

    @property
    def environment(self) -> dict[str, str]:
        """What a client of this stack (the CLI, the AWS CLI) needs in its environment."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_EKS": self.sim_endpoint,
            "AWS_ENDPOINT_URL_HEALTH": self.sim_endpoint,
            "AWS_ENDPOINT_URL_STS": self.sim_endpoint,
            "AWS_ENDPOINT_URL_AUTO_SCALING": self.sim_endpoint,
            "AWS_ENDPOINT_URL_EC2": self.sim_endpoint,
            "AWS_ENDPOINT_URL_SSM": self.sim_endpoint,
            # ministack takes a key of twelve digits for the number of the account.
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "EKS_UPGRADE_CLOCK": self.clock,
            "EKS_UPGRADE_STACK": self.name,
            "EKS_UPGRADE_TABLE": f"{self.name}-ledger",
        }

    def _child_environment(self, **more: str) -> dict[str, str]:
        # Nothing of the user's AWS configuration or proxies may reach the stack.
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "RUST_BACKTRACE") if key in os.environ}
        nowhere = str(self._scratch / "none")
        return {
            **kept,
            "TMPDIR": str(self._scratch),
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
            "NO_PROXY": "*",
            **more,
        }

    def _start_simulator(self) -> None:
        log = self.run_dir / "simulator.log"
        command = [*self._simulator, "--port", "0", "--fleet", str(self.fleet), "--log", str(self.run_dir / "requests.jsonl")]
        process = Process("the simulator", command, self._child_environment(EKS_UPGRADE_CLOCK=self.clock), log)
        self._processes["simulator"] = process
        marker = "listening on "

        def listening() -> str | None:
            for line in log.read_text(errors="replace").splitlines():
                if marker in line:
                    return line.split(marker, 1)[1].strip()
            return None

        self.sim_endpoint = wait_until("the simulator listens", listening, process)

    def _start_ministack(self) -> None:
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        env = self._child_environment(
            **self.environment,
            GATEWAY_PORT=str(port),
            BIND_HOST="127.0.0.1",
            MINISTACK_HOST="127.0.0.1",
            MINISTACK_ACCOUNT_ID=self.account,
            MINISTACK_REGION=self.region,
            SFN_WAIT_SCALE=f"{1 / self.speed:.9f}",
            LAMBDA_EXECUTOR="local",
            # What Lambda tells a function of the template's LogFormat.
            AWS_LAMBDA_LOG_FORMAT="JSON",
            # Lambda waits a minute, then two, between tries of an asynchronous call.
            LAMBDA_ASYNC_RETRY_BASE_SECONDS=f"{60 / self.speed:.3f}",
            PERSIST_STATE="0",
            STATE_DIR=str(self._scratch / "state"),
            S3_DATA_DIR=str(self._scratch / "s3"),
            PYTHONUNBUFFERED="1",
        )
        process = Process("ministack", [sys.executable, "-m", "ministack"], env, self.run_dir / "ministack.log")
        self._processes["ministack"] = process
        wait_until("ministack answers", lambda: _answers(f"{self.endpoint}/_ministack/health"), process)

    # --- deployment ----------------------------------------------------------------------------------------------

    def _deploy(self) -> None:
        bucket = f"{self.name}-artefacts"
        s3 = self.client("s3")
        s3.create_bucket(Bucket=bucket)
        uris = {}
        for function in FUNCTIONS:
            s3.put_object(Bucket=bucket, Key=f"{function}.zip", Body=_zipped(self._binaries / function, self._policy))
            uris[f"../target/lambda/{function}/"] = f"s3://{bucket}/{function}.zip"
        for machine in MACHINES:
            definition = _for_ministack((self._definitions / f"{machine}.asl.json").read_text()).encode()
            s3.put_object(Bucket=bucket, Key=f"{machine}.asl.json", Body=definition)
            uris[f"../statemachine/{machine}.asl.json"] = f"s3://{bucket}/{machine}.asl.json"
        body = json.dumps(sam.packaged(sam.read(), uris), indent=1)
        (self.run_dir / "template.json").write_text(body)
        s3.put_object(Bucket=bucket, Key="template.json", Body=body.encode())
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=self.name,
            # By address, because only there a template may be longer than 51,200 characters.
            TemplateURL=f"{self.endpoint}/{bucket}/template.json",
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in self._parameters.items()],
        )

        def deployed() -> dict[str, Any] | None:
            stack = cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
            if stack["StackStatus"] == "CREATE_COMPLETE":
                return stack
            if not stack["StackStatus"].endswith("IN_PROGRESS") or "ROLLBACK" in stack["StackStatus"]:
                raise RuntimeError(f"deployment ended {stack['StackStatus']}:\n{_failures(cloudformation, self.name)}")
            return None

        stack = wait_until("the stack is deployed", deployed, self._processes["ministack"], timeout_s=60)
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    # --- clients -------------------------------------------------------------------------------------------------

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session(aws_access_key_id=self.account, aws_secret_access_key="local", region_name=self.region)

    def client(self, service: str) -> Any:
        """A boto3 client of a service of this stack (`eks`, `health` and `sts` are the simulator)."""
        endpoint = self.sim_endpoint if service in ("eks", "health", "sts") else self.endpoint
        config = Config(proxies={}, retries={"total_max_attempts": 3, "mode": "standard"}, s3={"addressing_style": "path"})
        return self._session.client(service, endpoint_url=endpoint, config=config)

    @cached_property
    def sfn(self) -> Any:
        return self.client("stepfunctions")

    def sim(self, path: str, body: Any = None) -> Any:
        """The simulator's control surface: GET `/_sim/<path>`, or POST when there is a body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 (loopback)
            f"{self.sim_endpoint}/_sim/{path}", data=data, headers={"content-type": "application/json"}
        )
        try:
            with _no_proxy.open(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refused:
            raise RuntimeError(f"simulator refused {path}: {refused.code} {refused.read().decode()}") from refused

    def sim_requests(self, *, mutating: bool = False) -> list[dict[str, Any]]:
        """Every request that EKS and Health got; `mutating`: only those that changed something."""
        log = self.sim("requests")
        requests = log["requests"] if isinstance(log, dict) else log
        return [one for one in requests if one.get("mutated")] if mutating else requests

    # --- the three ways in -----------------------------------------------------------------------------------------

    def put_notice(self, notice: dict[str, Any]) -> str:
        """Puts a Health notice on the event bus; a whole event or only its detail. Returns the event's id."""
        detail = notice.get("detail", notice)
        answer = self.client("events").put_events(
            Entries=[
                {
                    "Source": LOCAL_SOURCE,
                    "DetailType": notice.get("detail-type", "AWS Health Event"),
                    "Detail": json.dumps(detail),
                    "Resources": notice.get("resources", []),
                }
            ]
        )
        if answer["FailedEntryCount"]:
            raise RuntimeError(f"the event bus refused the notice: {answer['Entries']}")
        return answer["Entries"][0]["EventId"]

    def start_upgrade(self, what: dict[str, Any], name: str | None = None) -> str:
        """Starts the upgrade state machine by hand. Returns the execution's ARN."""
        arn = self.outputs["UpgradeStateMachineArn"]
        name = name or f"by-hand-{uuid.uuid4().hex[:12]}"
        return self.sfn.start_execution(stateMachineArn=arn, name=name, input=json.dumps(what))["executionArn"]

    def invoke(self, function: str, payload: Any, *, wait: bool = True) -> Any:
        """Invokes a function. The answer has `error` (its payload) when the function failed."""
        answer = self.client("lambda").invoke(
            FunctionName=f"{self.name}-{function}",
            InvocationType="RequestResponse" if wait else "Event",
            Payload=json.dumps(payload).encode(),
        )
        body = answer["Payload"].read()
        result = json.loads(body) if body else None
        return {"error": result} if answer.get("FunctionError") else result

    # --- watching --------------------------------------------------------------------------------------------------

    def execution(self, arn: str) -> dict[str, Any]:
        return self.sfn.describe_execution(executionArn=arn)

    def executions(self, machine: str, status: str | None = None) -> list[dict[str, Any]]:
        """Executions of `campaign`, `upgrade` or `hop`, newest first."""
        arn = self.outputs[f"{machine.capitalize()}StateMachineArn"]
        filters = {"statusFilter": status} if status else {}
        pages = self.sfn.get_paginator("list_executions").paginate(stateMachineArn=arn, **filters)
        return [one for page in pages for one in page["executions"]]

    def history(self, arn: str) -> list[dict[str, Any]]:
        """The events of an execution, oldest first."""
        pages = self.sfn.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def states_entered(self, arn: str) -> list[str]:
        """Names of the states that an execution went through, in order."""
        return [event["stateEnteredEventDetails"]["name"] for event in self.history(arn) if "stateEnteredEventDetails" in event]

    def wait(self, arn: str, timeout_s: float = 120.0) -> dict[str, Any]:
        """Waits for the end of an execution; its description."""
        return wait_until(
            f"execution {arn} ends",
            lambda: (lambda seen: seen if seen["status"] in _ENDED else None)(self.execution(arn)),
            self._processes["ministack"],
            timeout_s,
            pause_s=0.1,
        )

    def ledger(self, pk: str | None = None) -> list[dict[str, Any]]:
        """Items of the ledger (of one partition), as plain values, in order of their keys."""
        client = self.client("dynamodb")
        table = f"{self.name}-ledger"
        if pk is None:
            pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        else:
            pages = client.get_paginator("query").paginate(
                TableName=table,
                ConsistentRead=True,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": pk}},
            )
        plain = TypeDeserializer().deserialize
        items = [{key: plain(value) for key, value in item.items()} for page in pages for item in page["Items"]]
        return sorted(items, key=lambda item: (item["pk"], item["sk"]))

    def function_log(self, function: str) -> list[str]:
        """What a function logged, oldest first."""
        pages = self.client("logs").get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{self.name}-{function}"
        )
        return [event["message"] for page in pages for event in page["events"]]

    def dead_letters(self) -> list[str]:
        """Bodies of the messages on the dead-letter queue (they become invisible for a while)."""
        answer = self.client("sqs").receive_message(QueueUrl=self.outputs["DeadLettersUrl"], MaxNumberOfMessages=10)
        return [message["Body"] for message in answer.get("Messages", [])]

    def listen(self) -> Listener:
        """From now on hears every event of ours, and every message to people."""
        return Listener(self)

    # --- faults ----------------------------------------------------------------------------------------------------

    def kill_function(self, function: str) -> int:
        """Kills (SIGKILL) every process of a function of this stack, busy or idle. How many there were."""
        running = self._processes["ministack"].descendants("AWS_LAMBDA_FUNCTION_NAME", f"{self.name}-{function}")
        for process in running:
            process.send_signal(signal.SIGKILL)
        return len(running)


class Listener:
    """Hears what the stack tells the world, each on a queue of its own."""

    def __init__(self, stack: LocalStack) -> None:
        self._sqs = stack.client("sqs")
        name = f"heard-{uuid.uuid4().hex[:8]}"
        self._events, events_arn = self._queue(f"{name}-events")
        self._messages, messages_arn = self._queue(f"{name}-messages")
        rules = stack.client("events")
        rules.put_rule(Name=name, EventPattern=json.dumps({"source": ["eks-upgrade"]}))
        rules.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": events_arn}])
        topic = stack.outputs["NotificationsTopicArn"]
        stack.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=messages_arn)
        self.events: list[dict[str, Any]] = []
        """The events so far, each once, in the order in which they came."""
        self.messages: list[dict[str, Any]] = []
        """The messages so far, with `Subject` and `Message`."""

    def _queue(self, name: str) -> tuple[str, str]:
        url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return url, arn

    def _bodies(self, url: str) -> Iterator[dict[str, Any]]:
        while messages := self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                yield json.loads(message["Body"])
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def hear(self) -> Listener:
        """Takes in what came since it last did."""
        known = {event["detail"]["id"] for event in self.events}
        for event in self._bodies(self._events):
            if event["detail"]["id"] not in known:
                known.add(event["detail"]["id"])
                self.events.append(event)
        self.messages.extend(self._bodies(self._messages))
        return self

    def events_of(self, cluster: str) -> list[dict[str, Any]]:
        """The events about a cluster."""
        return [event for event in self.events if event["detail"].get("cluster", {}).get("name") == cluster]

    def messages_about(self, cluster: str) -> list[dict[str, Any]]:
        """The messages about a cluster."""
        return [message for message in self.messages if f"Cluster {cluster} " in message["Message"]]


_no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _answers(url: str) -> bool:
    try:
        with _no_proxy.open(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _for_ministack(definition: str) -> str:
    """The definition, with a number where the time that a task may take is an expression: ministack knows none there.

    It counts real seconds and has no heartbeat. So the number stands for the heartbeat: whoever waits for an answer
    looks again then.
    """
    return re.sub(r'"TimeoutSeconds": "{%[^"]*%}"', f'"TimeoutSeconds": {LOOK_AGAIN_S}', definition)


def _zipped(binary: Path, policy: str) -> bytes:
    """The deployment package of a binary and its policy. Stored, not deflated: it travels over loopback only."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, mode, content in (("bootstrap", 0o755, binary.read_bytes()), ("policy.yaml", 0o644, policy.encode())):
            entry = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, so that the mode below counts
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, content)
    return packed.getvalue()


def _failures(cloudformation: Any, name: str) -> str:
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    lines = [
        f"{event.get('LogicalResourceId')}: {event.get('ResourceStatusReason')}"
        for event in events
        if event.get("ResourceStatusReason") and "FAILED" in event.get("ResourceStatus", "")
    ]
    return "\n".join(lines) or "no resource says why"


def _runs(directory: Path) -> Iterator[Path]:
    return iter(sorted(path for path in directory.glob("*") if path.is_dir()))


def _new_run_dir() -> Path:
    runs = ROOT / ".local" / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    for old in list(_runs(runs))[: -KEPT_RUNS + 1]:
        shutil.rmtree(old, ignore_errors=True)
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")
    path = runs / f"{stamp}-{os.getpid()}"
    path.mkdir()
    return path
