"""The bills of materials of the functions: valid, true to Cargo.lock, and each of what its own function is made of."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
import sbom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

FUNCTIONS = ["intake", "plan", "decide", "act", "inspect", "kube", "notify", "voice"]
TEXTS = sbom.bills(FUNCTIONS)
BILLS: dict[str, dict[str, Any]] = {function: json.loads(text) for function, text in TEXTS.items()}
LOCK = {
    (entry["name"], entry["version"]): entry.get("checksum")
    for entry in tomllib.loads((sbom.ROOT / "Cargo.lock").read_text())["package"]
}
OUTER = {
    # Crates that open a door to the outside, and the functions that may have it.
    "kube": {"inspect", "kube"},
    "aws-sdk-ec2": {"inspect", "kube"},
    "aws-sdk-autoscaling": {"inspect", "kube"},
    "aws-sdk-sns": {"notify"},
    "aws-sdk-eventbridge": {"notify"},
    "aws-sdk-eks": set(FUNCTIONS),
}


def names(function: str) -> set[str]:
    return {component["name"] for component in BILLS[function]["components"]}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_it_is_valid_and_says_of_what_it_is(function: str) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(TEXTS[function]) is None
    assert validator.validate_str(TEXTS[function].replace('"CycloneDX"', '"Other"')) is not None
    bill = BILLS[function]
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert (bill["metadata"]["component"]["name"], bill["metadata"]["component"]["type"]) == (
        f"eks-upgrade-fn-{function}",
        "application",
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_component_is_in_the_lock_with_its_hash(function: str) -> None:
    components = BILLS[function]["components"]
    assert len(components) > 100
    for component in components:
        checksum = LOCK[component["name"], component["version"]]
        ours = component["name"].startswith("eks-upgrade-")
        assert (checksum is None) == ours, component
        hashes = [] if ours else [{"alg": "SHA-256", "content": checksum}]
        assert component.get("hashes", []) == hashes
        assert component.get("purl") == (None if ours else f"pkg:cargo/{component['name']}@{component['version']}")
        assert component["licenses"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_everything_is_reached_from_the_function(function: str) -> None:
    below = {one["ref"]: one.get("dependsOn", []) for one in BILLS[function]["dependencies"]}
    reached: set[str] = set()
    ahead = [BILLS[function]["metadata"]["component"]["bom-ref"]]
    while ahead:
        ref = ahead.pop()
        if ref not in reached:
            reached.add(ref)
            ahead.extend(below[ref])
    components = {component["bom-ref"] for component in BILLS[function]["components"]}
    assert reached == components | {BILLS[function]["metadata"]["component"]["bom-ref"]}


@pytest.mark.parametrize("crate", OUTER)
def test_a_door_to_the_outside_is_linked_only_by_who_may_use_it(crate: str) -> None:
    assert {function for function in FUNCTIONS if crate in names(function)} == OUTER[crate]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_only_builds_tests_or_people_need_is_not_in_it(function: str) -> None:
    # Build scripts, procedural macros, test tools; the command line's ways to sign in.
    assert not names(function) & {"cc", "syn", "proptest", "eks-upgrade-sim", "clap", "aws-sdk-sso", "aws-sdk-ssooidc"}


def test_the_same_lock_gives_the_same_bytes() -> None:
    assert sbom.bills(["act", *(one for one in FUNCTIONS if one != "act")]) == TEXTS


def test_a_binary_that_is_made_of_more_is_caught() -> None:
    [tokio] = [one for one in BILLS["act"]["components"] if one["name"] == "tokio"]
    path = "/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/{}/src/lib.rs\0"
    known = path.format(f"tokio-{tokio['version']}").encode()
    assert sbom.strangers(known, TEXTS["act"]) == set()
    assert sbom.strangers(known + path.format("kube-client-5.0.0").encode(), TEXTS["act"]) == {"kube-client@5.0.0"}
