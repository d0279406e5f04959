"""Every door, tried with what nobody should let in: a table of doors and of what is wrong with who knocks.

Each case says which name the refusal has and a word of its one sentence; for all of them nothing may have come of it: no
line in the ledger of a run, no lease, no word of anybody, no changing call to EKS, no execution that goes on.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Callable, Iterator

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .demo import campaign_lines
from .stack import MACHINES, ROOT, LocalStack
from .test_journeys import ACCOUNT_ARN, NOTICE, notice_of, until

FLEET = ROOT / "tests" / "fleets" / "doors.yaml"
POLICY: dict[str, Any] = {
    "bake": {"duration": "0s"},
    "approvals": [{"before": "run", "clusters": {"names": ["asked"]}, "expires": "1d"}],
    "spokes": [{"account": "210987654321", "regions": ["eu-central-1"], "externalId": "only-us"}],
}
FOREIGN = "arn:aws:eks:us-east-1:999999999999:cluster/theirs"
SENTENCE_CHARS_MAX = 700
ENDLESS = "x\n" * 100_000
"""More than anybody means to say, and on more than one line."""

DOORS = ("notice", "schedule", "invoke", "execution", "voice", "cross-account")
WRONGS = ("forged", "foreign", "expired", "oversized")
POINTLESS = {
    ("schedule", "foreign"): "a sweep names no cluster and no account: the policy alone says where it looks",
    ("cross-account", "expired"): "the session of a spoke's role is got and renewed by the SDK; nobody hands one in",
}
"""Cells of the table in which there is nothing to try, each with the reason."""

Refusal = tuple[str, str]
"""The name of a refusal, and its sentence."""


@dataclass(frozen=True)
class Refused:
    """The one run there was: asked for, and ended by a no before anything was touched."""

    run: str
    fence: int
    execution: str
    approval: str


@dataclass(frozen=True)
class House:
    stack: LocalStack
    refused: Refused


@dataclass(frozen=True)
class Case:
    door: str
    wrong: str
    what: str
    knock: Callable[[House], Refusal]
    name: str
    says: str


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with LocalStack(FLEET, speed=600, policy=POLICY) as stack:
        execution = stack.start_upgrade({"cluster": "asked", "target": "1.35"})
        listed = until(lambda: said(stack, {"op": "approvals"}).get("approvals"))
        answer = said(stack, {"op": "reject", "id": listed[0]["id"], "reason": "not this week"})
        # That the proofs made here are good ones: else what is wrong with the others would not be told.
        assert answer["principal"] == f"arn:aws:iam::{stack.account}:user/{stack.account}"
        assert stack.wait(execution)["error"] == "Rejected"
        (lease,) = [item for item in stack.ledger() if item["pk"].startswith("CLUSTER#")]
        yield House(stack, Refused(lease["run"], int(lease["fence"]), execution, listed[0]["id"]))


# --- how one knocks --------------------------------------------------------------------------------------------------


def left_alone(arn: str, **detail: Any) -> Callable[[House], Refusal]:
    """A notice about a cluster, through the rule; it is left alone for a reason that is recorded."""

    def knock(house: House) -> Refusal:
        named = {"affectedEntities": [{"entityValue": arn, "status": "PENDING"}]}
        house.stack.put_notice(notice_of([], f"doors-{arn}", **named, **detail))
        return recorded(house.stack, lambda left: left["cluster"] in (arn, arn.rsplit("/", 1)[-1]))

    return knock


def recorded(stack: LocalStack, meant: Callable[[dict[str, Any]], bool]) -> Refusal:
    def found() -> list[dict[str, Any]]:
        told = [line for line in campaign_lines(stack) if line["event"] == "left-alone"]
        return [left for line in told for left in line["clusters"] if meant(left)]

    (left, *_) = until(found)
    return left["code"], left["text"]


def by_health_itself(house: House) -> Refusal:
    """An event that says that AWS Health sent it: nobody but AWS may put one on a bus."""
    entry = {"Source": "aws.health", "DetailType": "AWS Health Event", "Detail": json.dumps(NOTICE["detail"])}
    (answer,) = house.stack.client("events").put_events(Entries=[entry])["Entries"]
    return answer["ErrorCode"], answer["ErrorMessage"]


def too_many(house: House) -> Refusal:
    """A notice that names more clusters than a page can hold, through the rule."""
    house.stack.put_notice(notice_of([f"wary-{number}" for number in range(5_001)], "doors-many"))
    refusals = until(lambda: [item for item in house.stack.ledger() if item.get("code") == "TooLarge"])
    return refusals[0]["code"], refusals[0]["message"]


def sweep_that_wants(house: House) -> Refusal:
    """A sweep that bears claims: it is a sweep like any other."""
    claims = {"clusters": ["wary"], "target": "1.36", "strategy": "force", "resources": [FOREIGN]}
    answer = house.stack.invoke("intake", {"trigger": "sweep", **claims})
    assert answer.get("upgrades", []) == [], answer
    return recorded(house.stack, lambda left: left["cluster"].endswith("wary"))


def sweep_again(house: House) -> Refusal:
    """The sweep of this day, delivered once more."""
    house.stack.invoke("intake", {"trigger": "sweep"})
    before = len(campaign_lines(house.stack))
    answer = house.stack.invoke("intake", {"trigger": "sweep"})
    assert len(campaign_lines(house.stack)) == before, "the same again was recorded again"
    return answer["outcome"], "nothing more comes of it"


def intake(event: Any) -> Callable[[House], Refusal]:
    def knock(house: House) -> Refusal:
        answer = house.stack.invoke("intake", event)
        return answer["code"], answer["message"]

    return knock


def invoke(function: str, payload: Any) -> Callable[[House], Refusal]:
    """A function, invoked by hand; a payload may be made from what there is."""

    def knock(house: House) -> Refusal:
        made = payload(house) if callable(payload) else payload
        return error_of(house.stack.invoke(function, made))

    return knock


def error_of(answer: Any) -> Refusal:
    assert "error" in answer, f"it was let in: {answer}"
    return answer["error"]["errorType"], answer["error"]["errorMessage"]


def inspect_foreign(house: House) -> Refusal:
    answer = house.stack.invoke("inspect", {"op": "vitals", "cluster": FOREIGN})
    return answer["answer"], answer["is"]


def start(machine: str, request: Any) -> Callable[[House], Refusal]:
    """An execution, started by hand; its input may be made from what there is."""

    def knock(house: House) -> Refusal:
        made = request(house) if callable(request) else request
        arn = house.stack.outputs[f"{machine.capitalize()}StateMachineArn"]
        begun = house.stack.sfn.start_execution(stateMachineArn=arn, input=json.dumps(made))
        ended = house.stack.wait(begun["executionArn"])
        assert ended["status"] == "FAILED", ended
        return ended["error"], ended["cause"]

    return knock


def upgrade(**request: Any) -> Callable[[House], Refusal]:
    return start("upgrade", request)


def act_request(run: str, fence: int, execution: str) -> dict[str, Any]:
    reference = {"run": run, "fence": fence, "execution": execution}
    return {**reference, "action": "UpgradeControlPlane", "step": "1.35/control-plane"}


def of_refused(house: House) -> dict[str, Any]:
    """The call that the refused run would have made."""
    return act_request(house.refused.run, house.refused.fence, house.refused.execution)


MADE_UP = act_request("wary-1.35-0badc0de", 1, "arn:aws:states:us-east-1:123456789012:execution:eks-upgrade-upgrade:x")


def close_again(house: House) -> Refusal:
    """Somebody says that the run ended well; it stays as it ended."""
    answer = house.stack.invoke("decide", close_of(of_refused(house)))
    return answer["ending"]["code"], answer["ending"]["message"]


def hop_again(house: House) -> Refusal:
    """A hop of the run that ended; it hears how."""
    arn = house.stack.outputs["HopStateMachineArn"]
    begun = house.stack.sfn.start_execution(stateMachineArn=arn, input=json.dumps(hop_of(of_refused(house))))
    answer = json.loads(house.stack.wait(begun["executionArn"])["output"])
    return answer["code"], answer["message"]


def hop_of(request: dict[str, Any]) -> dict[str, Any]:
    return {**{key: request[key] for key in ("run", "fence", "execution")}, "hop": 0}


def close_of(request: dict[str, Any]) -> dict[str, Any]:
    reference = {key: request[key] for key in ("run", "fence", "execution")}
    return {"op": "close", **reference, "ending": {"outcome": "completed"}}


# --- what people say ---------------------------------------------------------------------------------------------------


def proof(stack: LocalStack, say: dict[str, Any], *, account: str = "", header: str = "x-eks-upgrade-say") -> str:
    """The URL by which the holder of a key proves to say this to the voice function."""
    voice = f"arn:aws:lambda:{stack.region}:{stack.account}:function:{stack.name}-voice"
    parts = [voice.encode(), json.dumps(say, separators=(",", ":")).encode()]
    bound_to = hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()
    url = f"{stack.sim_endpoint}/?Action=GetCallerIdentity&Version=2011-06-15"
    request = AWSRequest(method="GET", url=url, headers={header: bound_to})
    key = Credentials(account or stack.account, "local")
    SigV4QueryAuth(key, "sts", stack.region, expires=60).add_auth(request)
    return request.url


def said(stack: LocalStack, say: dict[str, Any], url: str = "", **how: str) -> Any:
    return stack.invoke("voice", {"proof": {"url": url or proof(stack, say, **how)}, "say": say})


def voice(say: dict[str, Any], tampered: Callable[[str], str] = lambda url: url, **how: str) -> Callable[[House], Refusal]:
    """Something said under a proof, which may have been made otherwise, or tampered with."""

    def knock(house: House) -> Refusal:
        return error_of(said(house.stack, say, tampered(proof(house.stack, say, **how))))

    return knock


def late(house: House) -> Refusal:
    """A yes to what was answered by a no."""
    return error_of(said(house.stack, {"op": "approve", "id": house.refused.approval, "reason": "go on"}))


THROW = {"op": "throw", "reason": "mine now"}


def consent(arn: str) -> dict[str, Any]:
    return {"op": "consent", "cluster": arn, "scope": {"to": "roll-back"}, "expiresS": 3600, "reason": "mine now"}


def aged(url: str) -> str:
    """The same proof, made years ago."""
    before, after = url.split("X-Amz-Date=")
    return f"{before}X-Amz-Date=2020{after[4:]}"


# --- the table ---------------------------------------------------------------------------------------------------------

CASES = [
    Case("notice", "forged", "from AWS Health itself", by_health_itself, "NotAuthorizedForSourceException", "ot authorized"),
    Case("notice", "forged", "about a cluster that is not there", left_alone(ACCOUNT_ARN + "nowhere"), "not-found", "no such cluster"),
    Case("notice", "forged", "that orders a version", left_alone(ACCOUNT_ARN + "wary", target="1.36", strategy="force"), "not-opted-in", "eks-upgrade:enabled"),
    Case("notice", "foreign", "about another account's cluster", left_alone(FOREIGN), "not-ours", "999999999999"),
    Case("notice", "expired", "about a cluster that was upgraded since", left_alone(ACCOUNT_ARN + "calm"), "not-due", "1.35"),
    Case("notice", "oversized", "that names 5,001 clusters", too_many, "TooLarge", "5001"),
    Case("schedule", "forged", "that is no sweep", intake({"trigger": "swoop"}), "MalformedEvent", "source"),
    Case("schedule", "forged", "with claims", sweep_that_wants, "not-opted-in", "eks-upgrade:enabled"),
    Case("schedule", "expired", "delivered again", sweep_again, "nothing-due", "nothing"),
    Case("schedule", "oversized", "of an endless name", intake({"trigger": ENDLESS}), "MalformedEvent", "source"),
    Case("invoke", "forged", "intake, by somebody else", intake({"source": "evil", "detail": NOTICE["detail"]}), "ForeignSource", "evil"),
    *(
        Case("invoke", "forged", f"{function}, on a run that was never begun", invoke(function, payload), "UnknownWork", "wary-1.35-0badc0de")
        for function, payload in (("act", MADE_UP), ("kube", MADE_UP), ("decide", close_of(MADE_UP)))
    ),
    Case(
        "invoke",
        "foreign",
        "plan, on another account's cluster",
        invoke("plan", {"request": {"cluster": FOREIGN}, "execution": MADE_UP["execution"], "again": None}),
        "WrongAccount",
        "999999999999",
    ),
    Case("invoke", "foreign", "inspect, on another account's cluster", inspect_foreign, "unseen", "999999999999"),
    Case("invoke", "expired", "act, for a run that ended", invoke("act", of_refused), "LeaseLost", "is over"),
    Case("invoke", "expired", "decide, to end well what ended", close_again, "Rejected", "not this week"),
    *(
        Case("invoke", "oversized", f"{function}, with what nobody means", invoke(function, {ENDLESS: ENDLESS}), "MalformedPayload", "read")
        for function in ("plan", "decide", "act", "inspect", "kube", "voice")
    ),
    Case("invoke", "oversized", "intake, from an endless source", intake({"source": ENDLESS}), "ForeignSource", "xxxx"),
    Case("execution", "forged", "to resume what was never begun", upgrade(cluster="wary", resume=MADE_UP["run"]), "NothingToResume", MADE_UP["run"]),
    Case("execution", "forged", "to go back without a consent", upgrade(cluster="calm", rollBack=True), "ConsentWanted", "nobody has consented"),
    Case("execution", "forged", "of a hop of no run", start("hop", hop_of(MADE_UP)), "UnknownWork", MADE_UP["run"]),
    Case("execution", "forged", "of a campaign that is none", start("campaign", {"campaign": "sweep-0badc0de", "generation": 1}), "UnknownWork", "sweep-0badc0de"),
    Case("execution", "foreign", "for another account's cluster", upgrade(cluster=FOREIGN), "WrongAccount", "999999999999"),
    Case("execution", "expired", "to resume what ended", start("upgrade", lambda house: {"cluster": "asked", "resume": house.refused.run}), "NothingToResume", "asked-1.35-"),
    Case("execution", "expired", "of a hop of a run that ended", hop_again, "Rejected", "not this week"),
    Case("execution", "oversized", "with a novel for a reason", upgrade(cluster="wary", reason="x" * 501), "InvalidRequest", "500"),
    Case("execution", "oversized", "with an endless field", upgrade(cluster="wary", **{ENDLESS: 1}), "InvalidRequest", "unknown field"),
    Case("execution", "oversized", "with an endless strategy", upgrade(cluster="wary", strategy=ENDLESS), "InvalidRequest", "unknown variant"),
    Case("execution", "oversized", "with more groups than there can be", upgrade(cluster="wary", launchTemplates={f"group-{number}": "4" for number in range(201)}), "InvalidRequest", "200"),
    Case("execution", "oversized", "with an endless target", upgrade(cluster="wary", target=ENDLESS), "UnknownTarget", "is no target"),
    Case("voice", "forged", "without a signature", voice(THROW, lambda url: url.split("&X-Amz-Algorithm")[0]), "Unproven", "has no X-Amz"),
    Case("voice", "forged", "by a token for a cluster", voice(THROW, header="x-k8s-aws-id"), "Unproven", "made for something else"),
    Case("voice", "forged", "by a host that is not STS", voice(THROW, lambda url: url.replace("127.0.0.1", "127.0.0.2")), "Unproven", "not of AWS STS"),
    Case("voice", "foreign", "by another account's user", voice(THROW, account="999999999999"), "NotCounted", "another account"),
    Case("voice", "foreign", "about another account's cluster", voice(consent(FOREIGN)), "WrongAccount", "999999999999"),
    Case("voice", "expired", "under a proof of long ago", voice(THROW, aged), "Unproven", "expired"),
    Case("voice", "expired", "after the answer", late, "NotCounted", "answered before"),
    Case("voice", "oversized", "with a novel for a reason", voice({"op": "throw", "reason": "x" * 501}), "NotSayable", "500 characters"),
    Case("voice", "oversized", "about an endless node group", voice({**consent(ACCOUNT_ARN + "wary"), "scope": {"to": "force", "nodeGroup": ENDLESS}}), "NotSayable", "300"),
    Case("voice", "oversized", "under an endless proof", voice(THROW, lambda url: url + "x" * 9_000), "Unproven", "too long"),
    Case("cross-account", "forged", "in another partition", upgrade(cluster="arn:aws-cn:eks:eu-central-1:210987654321:cluster/far"), "MalformedCluster", "partition"),
    Case("cross-account", "foreign", "in an account that no policy names", upgrade(cluster=FOREIGN), "WrongAccount", "999999999999"),
    Case("cross-account", "foreign", "in a Region that no policy names", upgrade(cluster="arn:aws:eks:us-east-1:210987654321:cluster/far"), "WrongRegion", "us-east-1"),
    Case("cross-account", "oversized", "of an endless name", upgrade(cluster=f"arn:aws:eks:eu-central-1:210987654321:cluster/{ENDLESS}"), "MalformedCluster", "ARN"),
]


def test_no_cell_of_the_table_is_empty() -> None:
    tried = {(case.door, case.wrong) for case in CASES}
    assert tried | set(POINTLESS) == {(door, wrong) for door in DOORS for wrong in WRONGS}
    assert not tried & set(POINTLESS), "it is said to be pointless, and tried"


def what_counts(stack: LocalStack) -> Any:
    """All that a knock must not change. Notices, refusals and what is left alone are records of the refusal itself."""
    records = ("NOTICE#", "REFUSED#", "CAMPAIGN#")
    kept = [item for item in stack.ledger() if not item["pk"].startswith(records)]
    running = {machine: stack.executions(machine, "RUNNING") for machine in MACHINES}
    return kept, stack.sim_requests(mutating=True), running


@pytest.mark.parametrize("case", CASES, ids=[f"{case.door}: {case.wrong}: {case.what}" for case in CASES])
def test_it_is_turned_away_in_a_sentence_and_nothing_comes_of_it(house: House, case: Case) -> None:
    before = what_counts(house.stack)
    name, sentence = case.knock(house)
    assert (name, case.says in sentence) == (case.name, True), f"{name}: {sentence}"
    assert len(sentence.splitlines()) == 1 and len(sentence) <= SENTENCE_CHARS_MAX, sentence
    assert what_counts(house.stack) == before
    assert before[2] == {machine: [] for machine in MACHINES}
