"""Reads the budgets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

BUDGETS = Path(__file__).with_name("budgets.yaml")
PROFILES = ("release", "demo")


SIZE_MARGIN = 1.05
"""For what a new compiler or a new version of the SDK makes of the same code."""
INSTRUCTIONS_MARGIN = 1.03
"""More than another processor or run makes of the same binary, and less than one client of AWS more costs."""


@dataclass(frozen=True)
class Budget:
    """What one function may weigh, and what its start may cost, built under one profile."""

    size_mb: float
    """Millions of bytes of the stripped binary."""
    instructions_m: float
    """Millions of instructions up to the request for work."""

    @staticmethod
    def around(size_mb: float, instructions_m: float) -> Budget:
        """The budget that a measurement makes: with its margin, to the tenth above."""
        return Budget(_tenth_above(size_mb * SIZE_MARGIN), _tenth_above(instructions_m * INSTRUCTIONS_MARGIN))


@dataclass(frozen=True)
class Function:
    """What is known of a function before it is measured."""

    clients: tuple[str, ...]
    """The services that it has clients of before its request for work: what `bare` builds to be compared with it."""
    budget: Budget | None
    """`None`: none was set under this profile, which is a failure of its own."""


def read(profile: str, file: Path = BUDGETS) -> dict[str, Function]:
    """Each function with its budget under this profile, in the file's order. Unknown or missing fields are errors."""
    functions = yaml.safe_load(file.read_text())["functions"]
    return {name: _function(fields, profile) for name, fields in functions.items()}


def _function(fields: dict[str, Any], profile: str) -> Function:
    if unknown := fields.keys() - {"clients", *PROFILES}:
        raise TypeError(f"unknown in {BUDGETS.name}: {', '.join(sorted(unknown))}")
    return Function(tuple(fields["clients"]), Budget(**fields[profile]) if profile in fields else None)


def _tenth_above(number: float) -> float:
    return math.ceil(round(number * 10, 6)) / 10
