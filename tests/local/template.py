"""Reads the SAM template, and points it at uploaded artefacts as `sam package` would."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).resolve().parents[2] / "infra" / "template.yaml"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms (`!Ref`, `!Sub`, ...)."""


def _long_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long_form)


def read(path: Path = TEMPLATE) -> dict[str, Any]:
    """The template with every intrinsic function in its long form."""
    return yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 (a SafeLoader)


def of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The resources of one type, by logical name."""
    return {name: body for name, body in template["Resources"].items() if body["Type"] == kind}


def packaged(template: dict[str, Any], uris: dict[str, str]) -> dict[str, Any]:
    """A copy whose CodeUri and DefinitionUri are those of `uris` (by the path as the template has it).

    Nothing else changes: what is tested locally is what goes to AWS.
    """
    result = copy.deepcopy(template)
    for kind, field in (("AWS::Serverless::Function", "CodeUri"), ("AWS::Serverless::StateMachine", "DefinitionUri")):
        for resource in of_type(result, kind).values():
            resource["Properties"][field] = uris[resource["Properties"][field]]
    return result
