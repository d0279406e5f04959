"""`make mutants`: breaks one guard of the product at a time, and shows that the judge objects.

Works on a copy of the tree in .local/mutants, builds the simulator anew for each mutant there, and tells stories until
the first objection by a rule that the mutant breaks. Ends with status 1 where a mutant is not found, where one that
another layer should hold is, or where a text that is to be replaced is no longer there.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("mutants.toml")
STATE = ROOT / ".local/mutants"
SEEDS_AT_ONCE = 100
"""So many stories are told before it is seen whether one was enough."""
BUILT_ANEW = [f"eks-upgrade-{name}" for name in ("core", "pipeline", "aws", "tests", "judge", "simulation")]
"""The packages that are mutated, and those that depend on them."""


class Stale(Exception):
    """The list and the product have gone apart."""


@dataclasses.dataclass(frozen=True)
class Edit:
    """A text that stands once in a file, and what stands there in the mutant."""

    file: str
    find: str
    replace: str


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A product with one guard broken."""

    name: str
    why: str
    edits: tuple[Edit, ...]
    breaks: frozenset[str] = frozenset()
    held: str | None = None
    """The mutant that breaks the layer behind this one as well."""

    def apply(self, tree: Path) -> dict[Path, str]:
        """The files of the mutant, by path. Each text has to stand exactly once in the file as it was."""
        files: dict[Path, str] = {}
        for edit in self.edits:
            path = tree / edit.file
            found = path.read_text().count(edit.find)
            if found != 1:
                raise Stale(f"{self.name}: in {edit.file} this stands {found} times, not once:\n{edit.find}")
            files[path] = files.get(path, path.read_text()).replace(edit.find, edit.replace)
        return files


def read(path: Path = LIST) -> list[Mutant]:
    """The list, complete in itself."""
    mutants = [
        Mutant(
            each["name"],
            each["why"],
            tuple(Edit(**edit) for edit in each["edit"]),
            frozenset(each.get("breaks", ())),
            each.get("held"),
        )
        for each in tomllib.loads(path.read_text())["mutant"]
    ]
    by_name = {mutant.name: mutant for mutant in mutants}
    if len(by_name) != len(mutants):
        raise Stale("two mutants have the same name")
    for mutant in mutants:
        if bool(mutant.breaks) == bool(mutant.held):
            raise Stale(f"{mutant.name}: names either the rules that it breaks, or the mutant that breaks both layers")
        if mutant.held and not (mutant.held in by_name and by_name[mutant.held].breaks):
            raise Stale(f"{mutant.name}: {mutant.held} is no mutant that is to be found")
    return mutants


def copy(tree: Path) -> None:
    """Makes the copy the same as the tree. What did not change keeps its time, so that it is not built again."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout
    wanted = {Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()}
    if tree.is_dir():
        for path in [path for path in tree.rglob("*") if path.is_file() or path.is_symlink()]:
            if path.relative_to(tree) not in wanted:
                path.unlink()
    for name in wanted:
        put(tree / name, (ROOT / name).read_bytes())


def put(path: Path, content: bytes) -> None:
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@dataclasses.dataclass
class Ran:
    """What came of a mutant."""

    mutant: Mutant
    built_s: float = 0.0
    told_s: float = 0.0
    seeds: int = 0
    objection: str = ""
    rule: str = ""
    seed: int | None = None
    failed: str = ""

    @property
    def well(self) -> bool:
        return not self.failed and (self.seed is None) == bool(self.mutant.held)

    def row(self) -> str:
        if self.failed:
            came = f"FAILED: {self.failed}"
        elif self.seed is not None:
            came = f"{self.rule}, seed {self.seed}"
            came = f"FOUND, though listed as held: {came}" if self.mutant.held else came
        elif self.mutant.held:
            came = f"held; see {self.mutant.held}"
        else:
            came = f"SURVIVED {self.seeds} stories"
        return f"{self.mutant.name:46}{came:58}{self.built_s:8.0f}{self.told_s:8.1f}"


class Runner:
    """Builds and runs mutants, one after the other, in one copy of the tree."""

    def __init__(self, state: Path, target: Path, seeds: int) -> None:
        self.tree = state / "tree"
        self.target = target
        self.seeds = seeds

    def baseline(self) -> str:
        """What the judge objects to in the product as it is: nothing, or no mutant proves anything."""
        self.build()
        return next((text for _, text in self.tell(0, self.seeds)), "")

    def build(self) -> float:
        began = time.monotonic()
        command = ["cargo", "build", "--locked", "--quiet", "--profile", "demo"]
        command += ["--package", "eks-upgrade-simulation", "--bin", "simulate"]
        # Some hundred stories are told in seconds whatever they are built with: what is built anew is built quickly.
        for package in BUILT_ANEW:
            command += ["--config", f"profile.demo.package.{package}.opt-level=0"]
        environment = os.environ | {
            "CARGO_TARGET_DIR": str(self.target), "CARGO_INCREMENTAL": "1", "CARGO_TERM_COLOR": "never",
        }
        built = subprocess.run(command, cwd=self.tree, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        if built.returncode:
            errors = [line for line in built.stderr.splitlines() if line.startswith("error")]
            raise subprocess.SubprocessError("does not build: " + "; ".join(errors[:3]))
        return time.monotonic() - began

    def tell(self, first: int, seeds: int) -> list[tuple[int, str]]:
        """Tells these stories; what the judge objects to first in each, in the order of their seeds."""
        command = [str(self.target / "demo/simulate"), "--json", "--from", str(first), "--seeds", str(seeds)]
        told = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if told.returncode not in (0, 1):
            raise subprocess.SubprocessError(f"the simulation ended with status {told.returncode}")
        return [(seed, text) for seed, text in json.loads(told.stdout)["objections"]]

    def run(self, mutant: Mutant) -> Ran:
        ran = Ran(mutant)
        files = mutant.apply(self.tree)
        before = {path: path.read_bytes() for path in files}
        try:
            for path, text in files.items():
                put(path, text.encode())
            ran.built_s = self.build()
            began = time.monotonic()
            self.search(ran)
            ran.told_s = time.monotonic() - began
        except subprocess.SubprocessError as error:
            ran.failed = str(error)
        finally:
            for path, content in before.items():
                put(path, content)
        return ran

    def search(self, ran: Ran) -> None:
        """Tells stories until one breaks a rule that counts. For a mutant that is held any rule does."""
        while ran.seeds < self.seeds:
            count = min(SEEDS_AT_ONCE, self.seeds - ran.seeds)
            for seed, text in self.tell(ran.seeds, count):
                rule = text.split(":", 1)[0]
                if ran.mutant.held or rule in ran.mutant.breaks:
                    ran.seed, ran.rule, ran.objection = seed, rule, text
                    return
            ran.seeds += count


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=400, help="stories that a mutant gets, at most")
    arguments.add_argument("--state", type=Path, default=STATE, help="where the copy of the tree lies")
    arguments.add_argument("--target", type=Path, help="where it is built; beside the copy unless told")
    arguments.add_argument("--json", type=Path, help="writes what came of each to this file")
    arguments.add_argument("names", nargs="*", help="only these mutants")
    given = arguments.parse_args()
    try:
        mutants = read()
        unknown = set(given.names) - {mutant.name for mutant in mutants}
        if unknown:
            raise Stale(f"no such mutant: {', '.join(sorted(unknown))}")
        runner = Runner(given.state, given.target or given.state / "target", given.seeds)
        copy(runner.tree)
        # All of them before the first is built: a list that is stale is seen at once.
        for mutant in mutants:
            mutant.apply(runner.tree)
        objection = runner.baseline()
    except (Stale, subprocess.SubprocessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if objection:
        print(f"error: the judge objects to the product as it is: {objection}", file=sys.stderr)
        return 2
    print(f"{'mutant':46}{'found by':58}{'build s':>8}{'tell s':>8}", flush=True)
    ran = []
    for mutant in mutants:
        if not given.names or mutant.name in given.names:
            ran.append(runner.run(mutant))
            print(ran[-1].row(), flush=True)
            if given.json:
                given.json.write_text(json.dumps([told(each) for each in ran], indent=2) + "\n")
    wrong = [each for each in ran if not each.well]
    found = sum(each.seed is not None and each.well for each in ran)
    held = sum(each.seed is None and each.well for each in ran)
    print(f"{len(ran)} mutants: {found} found, {held} held by a second layer, {len(wrong)} not as listed")
    return 1 if wrong else 0


def told(ran: Ran) -> dict[str, object]:
    """For machines."""
    return {
        "mutant": ran.mutant.name, "well": ran.well, "rule": ran.rule, "seed": ran.seed, "objection": ran.objection,
        "held": ran.mutant.held, "failed": ran.failed, "builtS": round(ran.built_s, 1), "toldS": round(ran.told_s, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
