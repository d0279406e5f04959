"""`make mutants`: breaks one guard of the product at a time, and shows that the judge objects.

Builds the simulator once, from a copy of the tree in .local/mutants that has every mutant in it; the environment says
which one runs. Each then tells stories until the first objection by a rule that it breaks. Ends with status 1 where a
mutant is not found, or where one is that another layer should hold; with 2 where a text that is to be replaced is no
longer there, or the judge objects to the product as it is.
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
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("mutants.toml")
STATE = ROOT / ".local/mutants"

SEEDS_FIRST = 10
"""So many stories are told before it is seen whether one was enough; then twice as many as were told."""

VARIABLE = "EKS_UPGRADE_MUTANT"
CORE = "crates/core/src/"
LIBRARY = CORE + "lib.rs"
CHOICE = f"""
/// Whether the mutant that runs is one of these.
#[must_use]
pub fn mutant(names: &[&str]) -> bool {{
    static RUNS: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let runs = RUNS.get_or_init(|| std::env::var("{VARIABLE}").unwrap_or_default());
    names.contains(&runs.as_str())
}}
"""
"""What the copy's core has beyond the product's."""

BUILT_QUICKLY = [f"eks-upgrade-{name}" for name in ("tests", "judge", "simulation")]
"""Packages that the profile has optimized all the way."""


class Stale(Exception):
    """The list and the product have gone apart."""


@dataclasses.dataclass(frozen=True)
class Edit:
    """An expression that stands once in a file, right behind some text, and the one in its place in the mutant."""

    file: str
    find: str
    replace: str
    behind: str = ""

    def span(self, text: str) -> tuple[int, int]:
        """Where the expression stands in its file."""
        found = text.count(self.behind + self.find)
        if found != 1:
            raise Stale(f"in {self.file} this stands {found} times, not once:\n{self.behind}{self.find}")
        first = text.index(self.behind + self.find) + len(self.behind)
        return first, first + len(self.find)


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A product with one guard broken."""

    name: str
    why: str
    edits: tuple[Edit, ...]
    breaks: frozenset[str] = frozenset()
    held: str | None = None
    """The mutant that breaks the layer behind this one as well."""


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


def weave(mutants: Iterable[Mutant], tree: Path = ROOT) -> dict[str, str]:
    """The files that have mutants in them, with a choice wherever one differs from the product."""
    choices: dict[str, dict[tuple[int, int], dict[str, list[str]]]] = defaultdict(dict)
    texts: dict[str, str] = {}
    for mutant in mutants:
        for edit in mutant.edits:
            text = texts.setdefault(edit.file, (tree / edit.file).read_text())
            others = choices[edit.file].setdefault(edit.span(text), {})
            others.setdefault(edit.replace, []).append(mutant.name)
    return {file: woven(file, texts[file], spans) for file, spans in choices.items()}


def woven(file: str, text: str, spans: dict[tuple[int, int], dict[str, list[str]]]) -> str:
    root = "crate" if file.startswith(CORE) else "eks_upgrade_core"
    done = len(text)
    for (first, end), others in sorted(spans.items(), reverse=True):
        if end > done:
            raise Stale(f"in {file} two edits overlap:\n{text[first:end]}")
        arms = ""
        for replace, names in others.items():
            listed = ", ".join(f'"{name}"' for name in names)
            arms += f"if {root}::mutant(&[{listed}]) {{ {replace} }} else "
        text = f"{text[:first]}({arms}{{ {text[first:end]} }}){text[end:]}"
        done = first
    # What is unused, or in parentheses that nobody needs, is no news in a mutant.
    return f"#![allow(warnings)]\n{text}"


def with_choice(mutated: Mapping[str, str], choice: str) -> dict[str, str]:
    """The files, and the core with the function that chooses."""
    return {**mutated, LIBRARY: mutated.get(LIBRARY, (ROOT / LIBRARY).read_text()) + choice}


def copy(tree: Path, mutated: Mapping[str, str]) -> None:
    """Makes the copy: the tree, but for these files. What did not change keeps its time, and is not built again."""
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
        text = mutated.get(str(name))
        put(tree / name, (ROOT / name).read_bytes() if text is None else text.encode())


def put(path: Path, content: bytes) -> None:
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@dataclasses.dataclass
class Ran:
    """What came of a mutant."""

    mutant: Mutant
    seconds: float = 0.0
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
        return f"{self.mutant.name:50}{came:52}{self.seconds:6.1f}"


def build(tree: Path, target: Path) -> None:
    command = ["cargo", "build", "--locked", "--quiet", "--profile", "demo"]
    command += ["--package", "eks-upgrade-simulation", "--bin", "simulate"]
    # A million stories are worth the optimizer's time, some thousands are not.
    for package in BUILT_QUICKLY:
        command += ["--config", f"profile.demo.package.{package}.opt-level=1"]
    environment = os.environ | {"CARGO_TARGET_DIR": str(target), "CARGO_INCREMENTAL": "1"}
    subprocess.run(command, cwd=tree, env=environment, check=True)  # noqa: S603


class Runner:
    """Tells stories to mutants, one after the other."""

    def __init__(self, simulate: Path, seeds: int) -> None:
        self.simulate = simulate
        self.seeds = seeds

    def tell(self, mutant: str, first: int, seeds: int) -> list[tuple[int, str]]:
        """Tells these stories; what the judge objects to first in each, in the order of their seeds."""
        command = [str(self.simulate), "--json", "--from", str(first), "--seeds", str(seeds)]
        environment = os.environ | {VARIABLE: mutant}
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        if told.returncode not in (0, 1):
            raise subprocess.SubprocessError(f"the simulation ended with status {told.returncode}")
        return [(seed, text) for seed, text in json.loads(told.stdout)["objections"]]

    def run(self, mutant: Mutant) -> Ran:
        ran = Ran(mutant)
        began = time.monotonic()
        try:
            self.search(ran)
        except subprocess.SubprocessError as error:
            ran.failed = str(error)
        ran.seconds = time.monotonic() - began
        return ran

    def search(self, ran: Ran) -> None:
        """Tells stories until one breaks a rule that counts. For a mutant that is held any rule does."""
        while ran.seeds < self.seeds:
            count = min(max(SEEDS_FIRST, 2 * ran.seeds), self.seeds - ran.seeds)
            for seed, text in self.tell(ran.mutant.name, ran.seeds, count):
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
    tree, target = given.state / "tree", (given.target or given.state / "target").resolve()
    try:
        mutants = read()
        unknown = set(given.names) - {mutant.name for mutant in mutants}
        if unknown:
            raise Stale(f"no such mutant: {', '.join(sorted(unknown))}")
        copy(tree, with_choice(weave(mutants), CHOICE))
        build(tree, target)
        runner = Runner(target / "demo/simulate", given.seeds)
        for seed, text in runner.tell("", 0, given.seeds):
            raise Stale(f"the judge objects to the product as it is: seed {seed}  {text}")
    except (Stale, subprocess.SubprocessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{'mutant':50}{'found by':52}{'s':>6}", flush=True)
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
        "held": ran.mutant.held, "failed": ran.failed, "seconds": round(ran.seconds, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
