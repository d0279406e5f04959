"""What the functions weigh and what their start costs, against their budgets.

    python tests/startup/measure.py --profile release --binaries target/release [--json] [FUNCTION ...]

For each function: the size of its binary, the instructions from its first to the request for work, and those of a
function that does nothing, with the same clients (`tests/startup/bare`). Exit status 0 only if each has a budget and keeps it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from startup import surroundings, valgrind
from startup.budgets import PROFILES, Budget, Function, read

MILLION = 1_000_000


@dataclass(frozen=True)
class Measured:
    """What one function's start was found to be."""

    function: str
    size_mb: float
    """Of the stripped binary, in millions of bytes."""
    instructions_m: float
    """From the first to the request for work, in millions."""
    bare_m: float
    """The same of the function that does nothing, with the same clients."""
    budget: Budget | None

    @property
    def ratio(self) -> float:
        return self.instructions_m / self.bare_m

    def over(self) -> list[str]:
        """Which budgets it breaks, in words; none if it keeps them."""
        if self.budget is None:
            fitting = Budget.around(self.size_mb, self.instructions_m)
            return [f"{self.function}: no budget; {{size_mb: {fitting.size_mb}, instructions_m: {fitting.instructions_m}}} would fit"]
        kept = (
            ("MB", self.size_mb, self.budget.size_mb),
            ("million instructions", self.instructions_m, self.budget.instructions_m),
        )
        return [f"{self.function}: {is_:.2f} {unit}, budget {may:g}" for unit, is_, may in kept if is_ > may]


def measure(name: str, function: Function, binaries: Path) -> Measured:
    environment = surroundings.of(name)
    binary = (binaries / name).resolve()
    bare = [str((binaries / "bare").resolve()), *function.clients]
    return Measured(
        function=name,
        size_mb=binary.stat().st_size / MILLION,
        instructions_m=valgrind.instructions([str(binary)], environment) / MILLION,
        bare_m=valgrind.instructions(bare, environment) / MILLION,
        budget=function.budget,
    )


def main() -> int:
    args = arguments()
    functions = read(args.profile)
    measured = [measure(name, functions[name], args.binaries) for name in args.functions or functions]
    over = [text for one in measured for text in one.over()]
    if args.json:
        print(json.dumps([asdict(one) | {"ratio": round(one.ratio, 3), "over": one.over()} for one in measured], indent=2))
    else:
        print(table(measured))
    for text in over:
        print(text, file=sys.stderr)
    return 1 if over else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--profile", choices=PROFILES, required=True, help="what they were built under")
    parser.add_argument("--binaries", type=Path, required=True, help="where the build has put them")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help="only these")
    return parser.parse_args()


def table(measured: list[Measured]) -> str:
    rows = [("function", "MB", "budget", "M instructions", "budget", "bare", "ratio")]
    for one in measured:
        may = (one.budget.size_mb, one.budget.instructions_m) if one.budget else (None, None)
        numbers = (one.size_mb, may[0], one.instructions_m, may[1], one.bare_m, one.ratio)
        rows.append((one.function, *("-" if number is None else f"{number:.2f}" for number in numbers)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join((row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:]))) for row in rows)


if __name__ == "__main__":
    sys.exit(main())
