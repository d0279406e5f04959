"""The templates pass every rule of cfn-guard, and each rule has changes of the templates that break it alone.

Run by `make lint-guard`; CFN_GUARD is the binary.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from deployed import documents

HERE = Path(__file__).resolve().parent
SHIPPED = documents()
RULES = {
    rule for file in HERE.glob("*.guard") for rule in re.findall(r"^rule (\w+)", file.read_text(), flags=re.MULTILINE)
}
BROKEN = [case for file in sorted((HERE / "broken").glob("*.yaml")) for case in yaml.safe_load(file.read_text())]


def changed(document: Any, change: Any) -> Any:
    """`document` with `change` added: mappings merge, lists grow, null takes away, all else replaces."""
    if isinstance(document, dict) and isinstance(change, dict):
        names = [name for name in {**document, **change} if change.get(name, name) is not None]
        return {
            name: changed(document[name], change[name]) if name in document and name in change else {**document, **change}[name]
            for name in names
        }
    return document + change if isinstance(document, list) and isinstance(change, list) else change


Verdict = dict[str, set[str]]
"""Rules by what cfn-guard makes of a document: `compliant`, `not_compliant`, `not_applicable`."""


def verdicts(of: dict[str, Any], directory: Path) -> dict[str, Verdict]:
    """What cfn-guard makes of each of these documents, in one run."""
    for name, document in of.items():
        (directory / f"{name}.json").write_text(json.dumps(document))
    command = [os.environ["CFN_GUARD"], "validate", "--structured", "--output-format", "json", "--show-summary", "none"]
    done = subprocess.run([*command, "--rules", str(HERE), "--data", str(directory)], capture_output=True, text=True, check=False)
    # 0: every rule holds for every document; 19: one does not.
    assert done.returncode in (0, 19), done.stderr
    found: dict[str, Verdict] = {}
    for report in json.loads(done.stdout):
        failed = {rule["Rule"]["name"] for rule in report["not_compliant"]}
        kinds = {kind: set(report[kind]) for kind in ("compliant", "not_applicable")}
        found[Path(report["name"]).stem] = {**kinds, "not_compliant": failed}
        assert failed.union(*kinds.values()) == RULES, "cfn-guard reads every rule"
    assert set(found) == set(of)
    return found


@pytest.fixture(scope="module")
def of_shipped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    return verdicts(SHIPPED, tmp_path_factory.mktemp("shipped"))


@pytest.fixture(scope="module")
def of_broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    worse = {f"{number}": changed(SHIPPED[document_of(case)], case["change"]) for number, case in enumerate(BROKEN)}
    return verdicts(worse, tmp_path_factory.mktemp("broken"))


def document_of(case: dict[str, Any]) -> str:
    """The document that a change is of."""
    return str(case.get("of", "home"))


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_breaks_no_rule(of_shipped: dict[str, Verdict], name: str) -> None:
    assert of_shipped[name]["not_compliant"] == set()
    assert of_shipped[name]["compliant"], "some rule is for it"


@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_rule_is_for_something_that_ships_and_can_be_broken(of_shipped: dict[str, Verdict], rule: str) -> None:
    assert [name for name, found in of_shipped.items() if rule in found["compliant"]]
    assert [case for case in BROKEN if case["rule"] == rule]


@pytest.mark.parametrize("number", range(len(BROKEN)), ids=[f"{case['rule']}: {case['what']}" for case in BROKEN])
def test_a_change_for_the_worse_breaks_its_rule_and_no_other(of_broken: dict[str, Verdict], number: int) -> None:
    assert of_broken[str(number)]["not_compliant"] == {BROKEN[number]["rule"]}
