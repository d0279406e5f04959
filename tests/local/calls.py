"""What the functions of local stacks called, told by their own logs.

With the template's parameter `LogCalls` the clients of a function tell of each call themselves: the AWS SDK in a span of
its own names for service and operation, whoever made the client, credentials' own calls included; kube's client with
method and URL; and `crates/aws` with the rights that the items of a transaction take.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Iterator
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from .stack import LocalStack

PAGE = 10_000
"""The most events that one request for them is answered with."""

_PREFIXES = {
    "Auto Scaling": "autoscaling",
    "DynamoDB": "dynamodb",
    "EC2": "ec2",
    "EKS": "eks",
    "EventBridge": "events",
    "Health": "health",
    "Lambda": "lambda",
    "SFN": "states",
    "SNS": "sns",
    "SSM": "ssm",
    "STS": "sts",
}
"""What IAM calls the services that the SDK calls so."""
_OPERATIONS = {"lambda:Invoke": "lambda:InvokeFunction"}
"""What IAM calls an operation, where it is not the operation's own name."""
_OF_ITS_ITEMS = "dynamodb:TransactWriteItems"
"""IAM knows no right on it, but on what it does to items."""


class Asked(tuple[str, str, str, str]):
    """What was asked of an API server, as RBAC has it: verb, group, resource (or path), name (or nothing)."""

    def __new__(cls, verb: str, group: str, resource: str, name: str = "") -> Asked:
        return super().__new__(cls, (verb, group, resource, name))


class Calls:
    """The calls of all functions of all stacks that were listened to."""

    def __init__(self) -> None:
        self.aws: dict[str, set[str]] = defaultdict(set)
        """Actions, as IAM has them, by function."""
        self.kubernetes: dict[str, set[Asked]] = defaultdict(set)
        """What was asked of API servers, by function."""

    def take(self, stack: LocalStack, functions: tuple[str, ...]) -> None:
        """Takes in what the functions of a stack have called so far."""
        for function in functions:
            for line in _told(stack, function):
                self.aws[function].update(_actions(line))
                self.kubernetes[function].update(_asked(line))


def _told(stack: LocalStack, function: str) -> Iterator[dict[str, Any]]:
    """The lines of a function's log below information, each once or more."""
    logs, since = stack.client("logs"), 0
    group = f"/aws/lambda/{stack.name}-{function}"
    while True:
        # ministack has no tokens for the next page.
        page = logs.filter_log_events(logGroupName=group, startTime=since, filterPattern='"DEBUG"', limit=PAGE)["events"]
        for event in page:
            if event["message"].startswith('{"level":"DEBUG"'):
                yield json.loads(event["message"])
        if len(page) < PAGE:
            return
        since = page[-1]["timestamp"]


def _actions(line: dict[str, Any]) -> Iterator[str]:
    if "rights" in line["fields"]:
        yield from json.loads(line["fields"]["rights"])
    for span in line.get("spans", []):
        if "rpc.method" in span:
            action = f"{_PREFIXES[span['rpc.service']]}:{span['rpc.method']}"
            if action != _OF_ITS_ITEMS:
                yield _OPERATIONS.get(action, action)


def _asked(line: dict[str, Any]) -> Iterator[Asked]:
    for span in line.get("spans", []):
        if "http.url" in span:
            # The simulator's API servers share a port: account, Region and cluster go before the path.
            path = urlsplit(span["http.url"]).path.split("/", 4)[4]
            yield asked(span["http.method"], [unquote(part) for part in path.split("/")])


def asked(method: str, path: list[str]) -> Asked:
    """What RBAC makes of a request. No path of ours has a verb that is not in its method."""
    match path:
        case ["api", _, *rest]:
            group = ""
        case ["apis", group, _, *rest]:
            pass
        case _:
            return Asked(method.lower(), "", "/" + "/".join(path))
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    resource, name = "/".join([rest[0], *rest[2:]]), rest[1] if len(rest) > 1 else ""
    verbs = {"GET": "get" if name else "list", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    return Asked(verbs[method], group, resource, name)
