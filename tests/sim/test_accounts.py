"""Several accounts and Regions in one simulator, and the STS that leads from one to the other."""

import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timezone

import pytest
from botocore.exceptions import ClientError

OTHER = "210987654321"
ROLE = f"arn:aws:iam::{OTHER}:role/path/upgrader"
FLEET = f"""
clusters:
  - {{name: home, version: "1.34"}}
  - {{name: abroad, version: "1.34", region: eu-west-1, nodegroups: [{{name: web, size: 1}}], addons: [{{name: coredns}}]}}
  - {{name: theirs, version: "1.34", account: "{OTHER}", nodegroups: [{{name: web, size: 1}}]}}
  - {{name: theirs-abroad, version: "1.33", account: "{OTHER}", region: eu-west-1}}
roles:
  - {{arn: "{ROLE}", external_id: secret}}
  - {{arn: "arn:aws:iam::{OTHER}:role/open"}}
"""


@pytest.fixture
def simulator(start):
    return start(FLEET)


def assume(simulator, arn=ROLE, **named):
    return simulator.client("sts").assume_role(RoleArn=arn, RoleSessionName="run-1", **named)


def refusal(call, **named):
    with pytest.raises(ClientError) as refused:
        call(**named)
    answer = refused.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def test_a_request_sees_its_own_account_and_region(simulator):
    keys = assume(simulator, ExternalId="secret")["Credentials"]
    seen = {
        (region, who): simulator.client("eks", region=region, credentials=credentials).list_clusters()["clusters"]
        for region in ("us-east-1", "eu-west-1", "ap-south-1")
        for who, credentials in (("us", None), ("them", keys))
    }
    assert seen == {
        ("us-east-1", "us"): ["home"], ("eu-west-1", "us"): ["abroad"], ("ap-south-1", "us"): [],
        ("us-east-1", "them"): ["theirs"], ("eu-west-1", "them"): ["theirs-abroad"], ("ap-south-1", "them"): [],
    }
    missing = ("ResourceNotFoundException", 404, "No cluster found for name: theirs.")
    assert refusal(simulator.eks.describe_cluster, name="theirs") == missing
    assert refusal(simulator.eks.update_cluster_version, name="theirs", version="1.35") == missing
    arn = f"arn:aws:eks:us-east-1:{OTHER}:cluster/theirs"
    assert refusal(simulator.eks.tag_resource, resourceArn=arn, tags={"a": "b"})[0] == "BadRequestException"
    theirs = simulator.client("eks", credentials=keys)
    theirs.tag_resource(resourceArn=arn, tags={"a": "b"})
    assert theirs.describe_cluster(name="theirs")["cluster"]["tags"] == {"a": "b"}


def test_arns_nodes_and_updates_follow(simulator):
    eks = simulator.client("eks", region="eu-west-1")
    place = "arn:aws:eks:eu-west-1:123456789012:"
    assert eks.describe_cluster(name="abroad")["cluster"]["arn"] == f"{place}cluster/abroad"
    group = eks.describe_nodegroup(clusterName="abroad", nodegroupName="web")["nodegroup"]
    addon = eks.describe_addon(clusterName="abroad", addonName="coredns")["addon"]
    assert group["nodegroupArn"].startswith(place) and addon["addonArn"].startswith(place)
    node = simulator.cluster("abroad")["nodegroups"]["web"]["nodes"][0]["name"]
    assert node.endswith(".eu-west-1.compute.internal")
    update = eks.update_cluster_version(name="abroad", version="1.35")["update"]
    time.sleep(0.01)
    assert eks.describe_update(name="abroad", updateId=update["id"])["update"]["status"] == "InProgress"
    assert refusal(simulator.eks.describe_update, name="abroad", updateId=update["id"])[1] == 404


def test_log_and_state_name_what_differs(simulator):
    keys = assume(simulator, ExternalId="secret")["Credentials"]
    simulator.eks.describe_cluster(name="home")
    simulator.client("eks", region="eu-west-1", credentials=keys).describe_cluster(name="theirs-abroad")
    sts, home, theirs = simulator.control("requests")["requests"]
    assert (sts["operation"], sts["input"]["RoleArn"]) == ("AssumeRole", ROLE)
    assert not {"account", "region"} & set(home)
    assert (theirs["account"], theirs["region"]) == (OTHER, "eu-west-1")
    clusters = simulator.control("state")["clusters"]
    assert {name: (c.get("account"), c.get("region")) for name, c in clusters.items()} == {
        "home": (None, None), "abroad": (None, "eu-west-1"), "theirs": (OTHER, None),
        "theirs-abroad": (OTHER, "eu-west-1"),
    }


def test_health_tells_each_account_of_its_own(simulator):
    def told(health):
        events = health.describe_events()["events"]
        arns = [event["arn"] for event in events]
        entities = health.describe_affected_entities(filter={"eventArns": arns})["entities"]
        return sorted(event["region"] for event in events), sorted(entity["entityValue"] for entity in entities)

    assert told(simulator.health) == (["eu-west-1", "us-east-1"], [
        "arn:aws:eks:eu-west-1:123456789012:cluster/abroad", "arn:aws:eks:us-east-1:123456789012:cluster/home"])
    keys = assume(simulator, ExternalId="secret")["Credentials"]
    regions, entities = told(simulator.client("health", credentials=keys))
    assert (regions, entities) == (["us-east-1"], [f"arn:aws:eks:us-east-1:{OTHER}:cluster/theirs"])


def test_a_role_is_assumed_by_those_it_trusts(simulator):
    user = "arn:aws:iam::123456789012:user/test"
    def denied(arn):
        return ("AccessDenied", 403, f"User: {user} is not authorized to perform: sts:AssumeRole on resource: {arn}")
    assert refusal(lambda: assume(simulator)) == denied(ROLE)
    assert refusal(lambda: assume(simulator, ExternalId="wrong")) == denied(ROLE)
    unknown = f"arn:aws:iam::{OTHER}:role/unknown"
    assert refusal(lambda: assume(simulator, arn=unknown, ExternalId="secret")) == denied(unknown)
    assume(simulator, arn=f"arn:aws:iam::{OTHER}:role/open")
    answer = assume(simulator, ExternalId="secret", DurationSeconds=900)
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{OTHER}:assumed-role/upgrader/run-1"
    keys = answer["Credentials"]
    lasts = (keys["Expiration"] - datetime.now(timezone.utc)).total_seconds()
    assert 880 < lasts <= 900, "by the real clock, as SDKs count"
    identity = simulator.client("sts", credentials=keys).get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (OTHER, answer["AssumedRoleUser"]["Arn"])


def test_sessions_have_names_and_bounds(simulator):
    sts = simulator.client("sts")
    for change, said in (({"RoleSessionName": "a b"}, "RoleSessionName"), ({"DurationSeconds": 43201}, "DurationSeconds")):
        asked = {"RoleArn": ROLE, "RoleSessionName": "run-1", "ExternalId": "secret", **change}
        code, status, message = refusal(sts.assume_role, **asked)
        assert (code, status) == ("ValidationError", 400) and said in message


def test_everybody_is_told_who_they_are(simulator):
    who = lambda key: simulator.client("sts", key=key).get_caller_identity()
    assert who("AKIDEXAMPLE")["Arn"] == "arn:aws:iam::123456789012:user/AKIDEXAMPLE"
    assert who("111122223333")["Arn"] == "arn:aws:iam::111122223333:user/111122223333"
    assert who("111122223333")["Account"] == "111122223333"
    assert simulator.client("eks", key="111122223333").list_clusters()["clusters"] == ["home"]


def fetch(url):
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def test_a_presigned_question_is_answered_until_it_expires(simulator):
    keys = assume(simulator, ExternalId="secret")["Credentials"]
    sts = simulator.client("sts", credentials=keys)
    url = sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    status, body = fetch(url)
    assert status == 200 and f"<Arn>arn:aws:sts::{OTHER}:assumed-role/upgrader/run-1</Arn>" in body
    assert "X-Amz-Signature" not in simulator.control("requests")["requests"][-1]["input"]
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    old = lambda **change: parts._replace(query=urllib.parse.urlencode({**query, **change})).geturl()
    status, body = fetch(old(**{"X-Amz-Date": "20260101T000000Z"}))
    assert status == 403 and "<Code>SignatureDoesNotMatch</Code>" in body and "Signature expired" in body
    assert fetch(old(**{"X-Amz-Date": "yesterday"}))[0] == 400
    assert fetch(f"{simulator.url}/?Action=GetCallerIdentity&Version=2011-06-15")[0] == 403, "not signed at all"
    assert fetch(old(Action="GetFederationToken"))[0] == 400


def test_faults_strike_sts_too(simulator):
    simulator.control("faults", {"match": {"operation": "AssumeRole"}, "error": {"type": "AccessDenied", "message": "no"}})
    assert refusal(lambda: assume(simulator, ExternalId="secret")) == ("AccessDenied", 403, "no")
    assume(simulator, ExternalId="secret")


def test_impossible_places_are_refused_with_theirs(simulator):
    start = "start: 2026-08-18T09:15:00Z\n"
    for fleet, said in (
        ('clusters: [{name: a, version: "1.34", account: "12"}]', "clusters.a.account: twelve digits"),
        ('clusters: [{name: a, version: "1.34", region: mars}]', "clusters.a.region: a Region like"),
        ('clusters: [{name: a, version: "1.34"}, {name: a, version: "1.34", region: eu-west-1}]', "stands there twice"),
        ("roles: [{arn: upgrader}]", "roles: a role is arn:aws:iam::ACCOUNT:role/NAME"),
        (f'roles: [{{arn: "{ROLE}"}}, {{arn: "{ROLE}"}}]', "stands there twice"),
        (f'roles: [{{arn: "{ROLE}", trusts: us}}]', "unknown field `trusts`"),
        ("faults: [{match: {operation: UpdateAddon}, breaks: {health_issue: {code: Other}}}]", "match that"),
        ("faults: [{match: {operation: UpdateClusterVersion}, breaks: {after_m: 1}}]", "breaks names a"),
        ("faults: [{match: {operation: UpdateClusterVersion}, breaks: {addon: {nam: x}}}]", "unknown field `nam`"),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            simulator.control("reset", start + fleet)
        assert said in (text := refused.value.read().decode()), text
