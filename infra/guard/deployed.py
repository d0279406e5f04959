"""What CloudFormation makes of the templates, for rules that know neither SAM nor conditions.

    python infra/guard/deployed.py DIRECTORY

Writes one document a template and choice of parameters: SAM expanded, aliases resolved, conditions decided.
References stay references. One more document holds what is applied inside clusters.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import boto3
import yaml
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from local import template as sam  # noqa: E402 (found only by now)

INFRA = ROOT / "infra"
KUBERNETES = INFRA / "kubernetes"
ACCESS_ENTRIES = KUBERNETES / "access-entries.yaml"
EVERYTHING = {"KubernetesAccess": "full", "LaunchTemplateGroups": "true"}
DOCUMENTS: dict[str, tuple[Path, dict[str, str]]] = {
    # As it is deployed by who changes no parameter, and with every right that a parameter can give.
    "home": (INFRA / "template.yaml", {}),
    "home-everything": (
        INFRA / "template.yaml",
        {
            **EVERYTHING,
            "MoreRegions": "eu-west-1",
            "NotifyEmail": "ada@example.com",
            "KubernetesSubnetIds": "subnet-0123456789abcdef0",
            "KubernetesSecurityGroupIds": "sg-0123456789abcdef0",
        },
    ),
    "spoke": (INFRA / "spoke.yaml", {}),
    "spoke-everything": (INFRA / "spoke.yaml", EVERYTHING),
    "access-entries": (
        ACCESS_ENTRIES,
        {f"{who}RoleArn": f"arn:aws:iam::123456789012:role/{who}" for who in ("Inspect", "Kube", "Spoke")},
    ),
}
"""The documents by name: a template, and parameters that differ from their defaults."""

_NOTHING = {"Ref": "AWS::NoValue"}


def _expanded(template: dict[str, Any]) -> dict[str, Any]:
    """With SAM's own resources turned into CloudFormation's, as AWS does when it deploys."""
    if "Transform" not in template:
        return template
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    uris = [
        body["Properties"][field]
        for kind, field in (("AWS::Serverless::Function", "CodeUri"), ("AWS::Serverless::StateMachine", "DefinitionUri"))
        for body in sam.of_type(template, kind).values()
    ]
    uploaded = sam.packaged(template, {uri: f"s3://artefacts/{Path(uri).name}" for uri in uris})
    # No managed policies are named, so none is to be looked up.
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1"))
    return translator.translate(uploaded, parameter_values={}, feature_toggle=None)


def _holds(condition: Any, template: dict[str, Any], values: dict[str, Any]) -> bool:
    if isinstance(condition, str):
        return _holds(template["Conditions"][condition], template, values)
    [(function, arguments)] = condition.items()
    if function == "Condition":
        return _holds(arguments, template, values)
    if function == "Fn::Equals":
        left, right = (values[one["Ref"]] if isinstance(one, dict) else one for one in arguments)
        return bool(left == right)
    each = [_holds(one, template, values) for one in arguments]
    return {"Fn::And": all(each), "Fn::Or": any(each), "Fn::Not": not each[0]}[function]


def _decided(value: Any, template: dict[str, Any], values: dict[str, Any]) -> Any:
    match value:
        case {"Fn::If": [condition, then, otherwise]}:
            return _decided(then if _holds(condition, template, values) else otherwise, template, values)
        case dict():
            inner = {key: _decided(one, template, values) for key, one in value.items()}
            return {key: _as_policies_say(key, one, value) for key, one in inner.items() if one != _NOTHING}
        case list():
            return [one for one in (_decided(one, template, values) for one in value) if one != _NOTHING]
    return value


def _as_policies_say(key: str, value: Any, statement: dict[str, Any]) -> Any:
    """IAM reads one action and a list of one alike; rules are spared the difference."""
    lone = "Effect" in statement and key in ("Action", "Resource") and not isinstance(value, list)
    return [value] if lone else value


def deployed(template: dict[str, Any], parameters: dict[str, str]) -> dict[str, Any]:
    """The template as it is deployed with these parameters, the others at their defaults."""
    defaults = {name: body.get("Default") for name, body in template["Parameters"].items()}
    expanded = _expanded(template)
    values = {**defaults, **parameters}
    resources = {
        name: {key: _decided(part, expanded, values) for key, part in body.items() if key != "Condition"}
        for name, body in expanded["Resources"].items()
        if "Condition" not in body or _holds(body["Condition"], expanded, values)
    }
    return {"Parameters": expanded["Parameters"], "Resources": resources}


def inside() -> dict[str, Any]:
    """What is applied inside clusters, all of it."""
    files = [file for file in sorted(KUBERNETES.glob("*.yaml")) if file != ACCESS_ENTRIES]
    return {"Objects": [one for file in files for one in yaml.safe_load_all(file.read_text()) if one]}


def documents() -> dict[str, dict[str, Any]]:
    """Every document that the rules are for, by its name."""
    stacks = {name: deployed(sam.read(path), parameters) for name, (path, parameters) in DOCUMENTS.items()}
    return {**stacks, "inside": inside()}


def main() -> None:
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for name, document in documents().items():
        (directory / f"{name}.json").write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
