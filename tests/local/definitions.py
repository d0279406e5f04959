"""Renders the state machine definitions with sample values, for linters that do not know `${...}`.

    python tests/local/definitions.py DIRECTORY
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

if __package__:
    from . import template as sam
else:
    import template as sam  # run as a script

PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9]+)\}")
_SAMPLE = "arn:aws:{service}:us-east-1:123456789012:{kind}{name}"
_ARNS = {
    "AWS::Serverless::Function": ("lambda", "function:"),
    "AWS::Serverless::StateMachine": ("states", "stateMachine:"),
    "AWS::SNS::Topic": ("sns", ""),
}


def definition_path(machine: dict[str, Any]) -> Path:
    """Where the definition of a state machine of the template lies."""
    return (sam.TEMPLATE.parent / machine["Properties"]["DefinitionUri"]).resolve()


def referred(value: dict[str, Any]) -> str:
    """The logical name that a substitution's `Ref` or `Fn::GetAtt` is about."""
    return value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0]


def sample_values(template: dict[str, Any], machine: dict[str, Any]) -> dict[str, str]:
    """What stands for each substitution: a parameter's default, or an ARN of the right kind."""
    values = {}
    for key, value in machine["Properties"].get("DefinitionSubstitutions", {}).items():
        name = referred(value)
        if name in template["Parameters"]:
            values[key] = str(template["Parameters"][name]["Default"])
        else:
            service, kind = _ARNS[template["Resources"][name]["Type"]]
            values[key] = _SAMPLE.format(service=service, kind=kind, name=name)
    return values


def rendered(template: dict[str, Any], machine: dict[str, Any]) -> str:
    """The definition with every placeholder replaced; one without a substitution raises KeyError."""
    values = sample_values(template, machine)
    return PLACEHOLDER.sub(lambda found: values[found.group(1)], definition_path(machine).read_text())


def main() -> None:
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    template = sam.read()
    for machine in sam.of_type(template, "AWS::Serverless::StateMachine").values():
        (directory / definition_path(machine).name).write_text(rendered(template, machine))


if __name__ == "__main__":
    main()
