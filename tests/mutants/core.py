"""`make mutants-core`: every mutant that cargo-mutants makes of guards and planner, against the tests of the core.

cargo-mutants builds anew for each. Here all of them are woven into one copy of the tree, in .local/mutants-core, and
built once; the environment says which one runs. The ones that do not compile are told by the compiler's errors, and
left out. Each test says which choices it comes by, so a mutant meets only the tests that reach it, the fastest first,
until one fails. Made-up inputs are the same each time. Ends with status 1 where a guard's mutant survives that
.config/mutants-survivors.md does not know, where that list is wrong, or where less than 95 % are killed; with 2 where
nothing can be said: the product as it is fails, or does not build.
"""

from __future__ import annotations

import argparse
import bisect
import contextlib
import dataclasses
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .run import CORE, ROOT, Stale, copy, with_choice

STATE = ROOT / ".local/mutants-core"
TOOL = ROOT / ".local/cargo-mutants/bin/cargo-mutants"
CONFIG = ROOT / ".config/mutants.toml"
SURVIVORS = ROOT / ".config/mutants-survivors.md"

GUARDS = frozenset({"guard.rs", "hold.rs", "remedy.rs", "way_back.rs"})
"""In these no mutant survives without a reason."""
ENOUGH = 0.95
"""The share that has to be killed, of all that compile."""

PACKAGE = "eks-upgrade-core"
VARIABLE = "EKS_UPGRADE_MUTANT"
REACHED = "EKS_UPGRADE_REACHED"
QUICK_S = 0.2
"""Tests that take no longer share a process; each of the others has its own."""
MEMORY = 4 << 30
"""What a mutant may take of it, in bytes: some never stop to collect."""

CHOICE = """
/// Which mutant runs; 0 is the product as it is. Writes down once that this choice was reached, where that is wanted.
pub fn mutant(choice: usize) -> u32 {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    static RUNS: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    static SEEN: [AtomicBool; %(choices)s] = [const { AtomicBool::new(false) }; %(choices)s];
    if !SEEN[choice].load(Relaxed) && !SEEN[choice].swap(true, Relaxed) {
        if let Some(path) = std::env::var_os("%(reached)s") {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
            file.write_all(format!("{choice}\\n").as_bytes()).unwrap();
        }
    }
    *RUNS.get_or_init(|| std::env::var("%(variable)s").ok().and_then(|runs| runs.parse().ok()).unwrap_or(0))
}
"""

# What is no code: comments, strings, characters. A lifetime has no second quote, and stays.
NO_CODE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|\bb?r(?P<hashes>\#*)".*?"(?P=hashes)|"(?:\\.|[^"\\])*"|'(?:\\[^\n]+?|[^\\'\n])'""",
    re.DOTALL | re.VERBOSE,
)
CONSTANT = re.compile(
    r"^(?:pub(?:\([^)]*\))? )?const (?P<name>\w+): (?P<type>[^=;]+) = (?P<value>[^;]+);", re.MULTILINE
)

Edit = tuple[int, int, str]
"""From here to there, this instead."""


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One of cargo-mutants' list. Places are lines and columns, both from 1."""

    number: int
    file: str
    name: str
    """As cargo-mutants tells it, with its place."""
    key: str
    """The same without the place, which moves; what the list of survivors says."""
    start: tuple[int, int]
    end: tuple[int, int]
    replacement: str
    function: tuple[tuple[int, int], tuple[int, int]] | None = None
    """Where the function stands that it is in; `None` in a constant."""

    @property
    def short(self) -> str:
        """The file, as seen from the core."""
        return self.file.removeprefix(CORE)


def place(spot: dict[str, int]) -> tuple[int, int]:
    return spot["line"], spot["column"]


def mutants_of(listed: Iterable[dict]) -> list[Mutant]:
    """What cargo-mutants lists as JSON. Mutants that are told alike are numbered in their order."""
    seen: Counter[str] = Counter()
    mutants = []
    for each in sorted(listed, key=lambda each: (each["file"], place(each["span"]["start"]))):
        said = re.sub(r"^.*?:\d+:\d+: ", "", each["name"])
        key = " ".join(f"{each['file'].removeprefix(CORE)}: {said}".split())
        seen[key] += 1
        span, function = each["span"], each["function"] and each["function"]["span"]
        mutants.append(Mutant(
            len(mutants) + 1, each["file"], each["name"], f"{key} #{seen[key]}" if seen[key] > 1 else key,
            place(span["start"]), place(span["end"]), each["replacement"],
            (place(function["start"]), place(function["end"])) if function else None,
        ))
    return mutants


def only_code(text: str) -> str:
    """The text with everything blank that is no code, every character in its place."""
    return NO_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def applied(text: str, first: int, end: int, edits: Iterable[Edit]) -> str:
    """This part of the text with its edits. One within an earlier one of the list is lost with what it edits."""
    kept: list[Edit] = []
    for edit in edits:
        if first <= edit[0] and edit[1] <= end and not any(edit[0] < other[1] and other[0] < edit[1] for other in kept):
            kept.append(edit)
    done = ""
    for start, stop, instead in sorted(kept):
        done += text[first:start] + instead
        first = stop
    return done + text[first:end]


@dataclasses.dataclass(frozen=True)
class Arm:
    """The lines of a woven file that are one mutant's alone, from 1, both ends in."""

    first: int
    last: int
    number: int


@dataclasses.dataclass
class Woven:
    """A file with all its mutants."""

    text: str = ""
    arms: list[Arm] = dataclasses.field(default_factory=list)

    def choice(self, number: int, bodies: Iterable[tuple[int, str]], body: str) -> None:
        """The bodies of the mutants, and the body as it is. Early returns: each has its own types to fit."""
        self.text += f"\nmatch crate::mutant({number}) {{\n"
        for mutant, instead in bodies:
            first = self.text.count("\n") + 1
            self.text += f"{mutant} => {{ return {{\n{instead}\n}} }}\n"
            self.arms.append(Arm(first, self.text.count("\n"), mutant))
        self.text += f"_ => {{}}\n}}\n{body}"


@dataclasses.dataclass(frozen=True)
class Place:
    """A function's body or a constant's value, the mutants in it, and what stands around the choice."""

    first: int
    end: int
    mutants: tuple[Mutant, ...]
    goes_on: int
    """Where the file goes on behind it."""
    before: str = ""
    behind: str = ""
    as_it_is: str | None = None
    """What the product's own arm says, where that is not what stands there."""


class Source:
    """A file of the product, to be woven."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.code = only_code(text)
        self.starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self.uses: list[Edit] = []
        """Constants that are chosen now are asked for by a function."""

    def at(self, spot: tuple[int, int]) -> int:
        return self.starts[spot[0] - 1] + spot[1] - 1

    def edit(self, mutant: Mutant) -> Edit:
        return self.at(mutant.start), self.at(mutant.end), mutant.replacement

    def body(self, function: tuple[tuple[int, int], tuple[int, int]]) -> tuple[int, int]:
        """What stands between a function's braces."""
        first, end = (self.at(spot) for spot in function)
        name = re.compile(r"\bfn\b").search(self.code, first, end)
        depth = 0
        for at in range(name.end() if name else end, end):
            depth += (self.code[at] in "([") - (self.code[at] in ")]")
            if self.code[at] == "{" and not depth:
                return at + 1, self.code.rindex("}", at, end)
        raise Stale(f"no function stands at {function}")

    def constant(self, mutants: tuple[Mutant, ...]) -> Place:
        """A constant's choice: a function right behind it, asked wherever the constant was."""
        first, end, _ = self.edit(mutants[0])
        for found in CONSTANT.finditer(self.code):
            if found.start("value") <= first and end <= found.end("value"):
                name, value = found["name"], found.span("value")
                chosen = f"chosen_{name.lower()}"
                uses = re.finditer(rf"\b{name}\b", self.code)
                self.uses += [(*use.span(), f"{chosen}()") for use in uses if use.span() != found.span("name")]
                before = f"{self.text[value[0]:found.end()]}\nfn {chosen}() -> {found['type']} {{"
                return Place(*value, mutants, found.end(), before, "\n}\n", name)
        raise Stale(f"neither in a function nor in a constant: {mutants[0].name}")

    def places(self, mutants: Iterable[Mutant]) -> list[Place]:
        """Where choices have to be made, in their order."""
        # A constant is told by its line.
        within: dict[object, list[Mutant]] = defaultdict(list)
        for mutant in mutants:
            within[mutant.function or mutant.start[0]].append(mutant)
        places = []
        for scope, inside in within.items():
            if isinstance(scope, tuple):
                first, end = self.body(scope)
                places.append(Place(first, end, tuple(inside), end))
            else:
                places.append(self.constant(tuple(inside)))
        places.sort(key=lambda place: place.first)
        for one, other in zip(places, places[1:], strict=False):
            if other.first < one.end:
                raise Stale(f"one function stands in another: {other.mutants[0].name}")
        return places

    def weave(self, places: Iterable[Place], choices: Iterator[int], choice_of: dict[int, int]) -> Woven:
        """All of them in one file. Notes which choice each mutant belongs to."""
        # What is unused, or can no longer be reached, is no news in a mutant.
        woven = Woven("#![allow(warnings)]\n")
        done = 0
        for place in places:
            number = next(choices)
            choice_of |= {mutant.number: number for mutant in place.mutants}
            woven.text += applied(self.text, done, place.first, self.uses) + place.before
            bodies = [
                (mutant.number, applied(self.text, place.first, place.end, [self.edit(mutant), *self.uses]))
                for mutant in place.mutants
            ]
            as_it_is = place.as_it_is or applied(self.text, place.first, place.end, self.uses)
            woven.choice(number, bodies, as_it_is)
            woven.text += place.behind
            done = place.goes_on
        woven.text += applied(self.text, done, len(self.text), self.uses)
        return woven


@dataclasses.dataclass
class Cloth:
    """Every file that has mutants, woven."""

    files: dict[str, Woven]
    choice_of: dict[int, int]
    """The choice that each mutant belongs to, by its number."""

    @property
    def texts(self) -> dict[str, str]:
        choices = max(self.choice_of.values(), default=0) + 1
        choice = CHOICE % {"choices": choices, "reached": REACHED, "variable": VARIABLE}
        return with_choice({file: woven.text for file, woven in self.files.items()}, choice)


def weave(mutants: Iterable[Mutant], tree: Path = ROOT) -> Cloth:
    by_file: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        by_file[mutant.file].append(mutant)
    choices, choice_of = iter(range(1 << 16)), {}
    files = {}
    for file, inside in by_file.items():
        source = Source((tree / file).read_text())
        files[file] = source.weave(source.places(inside), choices, choice_of)
    return Cloth(files, choice_of)


def lines_of(span: dict) -> Iterator[tuple[str, int]]:
    """Where a span of the compiler's is, and where the macros were called that it came from."""
    while span:
        yield span["file_name"], span["line_start"]
        span = span["expansion"] and span["expansion"]["span"]


def blamed(messages: Iterable[dict], files: dict[str, Woven]) -> set[int]:
    """The mutants that the compiler's errors are about. An error about none is the copy's own, and raised."""
    found: set[int] = set()
    for message in messages:
        spans = sorted(message["spans"], key=lambda span: not span["is_primary"])
        if message["level"] != "error" or not spans:
            continue
        lines = [line for span in spans for line in lines_of(span)]
        mutant = next((arm.number for file, line in lines if (arm := arm_at(files, file, line))), None)
        if mutant is None:
            raise Stale(f"the copy does not build:\n{message['rendered']}")
        found.add(mutant)
    return found


def arm_at(files: dict[str, Woven], file: str, line: int) -> Arm | None:
    arms = files[file].arms if file in files else []
    at = bisect.bisect_right(arms, line, key=lambda arm: arm.first) - 1
    return arms[at] if at >= 0 and line <= arms[at].last else None


def build(tree: Path, target: Path, files: dict[str, Woven]) -> tuple[dict[str, Path], set[int]]:
    """The test binaries by name, or else the mutants that are in their way."""
    # The tests make up inputs by the thousand, in crates that are optimized once.
    command = ["cargo", "test", "--locked", "--no-run", "--package", PACKAGE, "--message-format", "json"]
    command += ["--config", "profile.dev.debug=0", "--config", 'profile.dev.package."*".opt-level=1']
    environment = os.environ | {"CARGO_TARGET_DIR": str(target), "CARGO_INCREMENTAL": "1"}
    built = subprocess.run(  # noqa: S603
        command, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    lines = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    wrong = blamed((line["message"] for line in lines if line["reason"] == "compiler-message"), files)
    if built.returncode and not wrong:
        raise Stale("the copy does not build")
    binaries = {line["target"]["name"]: Path(line["executable"]) for line in lines if line.get("executable")}
    return binaries, wrong


@dataclasses.dataclass(frozen=True)
class Test:
    """A test, how long it takes, and the choices that it comes by."""

    __test__ = False

    binary: str
    name: str
    seconds: float
    reaches: frozenset[int]


@dataclasses.dataclass(frozen=True)
class Sitting:
    """Tests that one process runs."""

    binary: str
    names: tuple[str, ...]
    seconds: float


def sittings(tests: Iterable[Test], choice: int) -> list[Sitting]:
    """The tests that come by the choice: the quick ones of each binary together, then one by one, fastest first."""
    quick: dict[str, list[Test]] = defaultdict(list)
    slow = []
    for test in tests:
        if choice in test.reaches:
            if test.seconds > QUICK_S:
                slow.append(Sitting(test.binary, (test.name,), test.seconds))
            else:
                quick[test.binary].append(test)
    together = [
        Sitting(binary, tuple(test.name for test in tests), sum(test.seconds for test in tests))
        for binary, tests in quick.items()
    ]
    return [*sorted(together, key=lambda each: each.seconds), *sorted(slow, key=lambda each: each.seconds)]


@dataclasses.dataclass(frozen=True)
class Came:
    """What came of a mutant."""

    mutant: Mutant
    how: str
    """killed, timeout, survived or unviable."""
    by: str = ""
    seconds: float = 0.0

    def row(self) -> str:
        how = self.how.upper() if self.how == "survived" else self.how
        return f"{how:9}{self.seconds:6.1f}  {self.mutant.name}{self.by and f'  ({self.by})'}"


class Runner:
    """Runs the tests of mutants."""

    def __init__(self, binaries: dict[str, Path], tree: Path, jobs: int) -> None:
        self.binaries = binaries
        self.package = tree / "crates/core"
        self.jobs = jobs
        self.tests: list[Test] = []

    def environment(self, mutant: int) -> dict[str, str]:
        return os.environ | {
            VARIABLE: str(mutant), "CARGO_MANIFEST_DIR": str(self.package), "RUST_BACKTRACE": "0",
            # The same inputs each time; a failure is enough, and need not be the smallest one.
            "PROPTEST_RNG_SEED": "1", "PROPTEST_MAX_SHRINK_ITERS": "0", "PROPTEST_DISABLE_FAILURE_PERSISTENCE": "1",
        }

    def sit(self, sitting: Sitting, mutant: int) -> tuple[str, str]:
        """How it went: `passed`, `killed` and by what, or `timeout`. Ends with the first failure."""
        command = [str(self.binaries[sitting.binary]), "--exact", "--test-threads", "1", *sitting.names]
        gave_up = threading.Event()
        with subprocess.Popen(  # noqa: S603
            command, cwd=self.package, env=self.environment(mutant),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        ) as process:
            timer = threading.Timer(max(20.0, 20 * sitting.seconds), lambda: (gave_up.set(), process.kill()))
            timer.start()
            test = sitting.names[0]
            try:
                for line in process.stdout:
                    if found := re.match(r"test (\S+) .*?\.\.\. ", line):
                        test = found[1]
                    if line.rstrip().endswith("FAILED") and not line.startswith("test result"):
                        process.kill()
                        return "killed", f"{sitting.binary} {test}"
            finally:
                timer.cancel()
        if gave_up.is_set():
            return "timeout", f"{sitting.binary} {test}"
        return ("killed", f"{sitting.binary}, status {process.returncode}") if process.returncode else ("passed", "")

    def explore(self, test: tuple[str, str]) -> Test:
        """Runs a test on the product as it is, to see what it takes and which choices it comes by."""
        binary, name = test
        with tempfile.TemporaryDirectory() as scratch:
            reached = Path(scratch) / "reached"
            command = [str(self.binaries[binary]), "--exact", "--test-threads", "1", name]
            began = time.monotonic()
            ran = subprocess.run(  # noqa: S603
                command, cwd=self.package, env=self.environment(0) | {REACHED: str(reached)},
                capture_output=True, text=True, check=False,
            )
            seconds = time.monotonic() - began
            if ran.returncode:
                raise Stale(f"the product as it is fails {binary} {name}:\n{ran.stdout}")
            choices = reached.read_text().split() if reached.exists() else []
        return Test(binary, name, seconds, frozenset(map(int, choices)))

    def explore_all(self) -> None:
        tests = []
        for binary, path in self.binaries.items():
            listed = subprocess.run(  # noqa: S603
                [str(path), "--list", "--format", "terse"], cwd=self.package, capture_output=True, text=True, check=True
            ).stdout
            tests += [(binary, line.removesuffix(": test")) for line in listed.splitlines() if line.endswith(": test")]
        with ThreadPoolExecutor(self.jobs) as pool:
            self.tests = list(pool.map(self.explore, tests))

    def run(self, mutant: Mutant, choice: int) -> Came:
        began = time.monotonic()
        planned = sittings(self.tests, choice)
        how, by = "passed", ""
        for sitting in planned:
            how, by = self.sit(sitting, mutant.number)
            if how != "passed":
                break
        if how == "passed":
            how, by = "survived", "" if planned else "no test reaches it"
        return Came(mutant, how, by, time.monotonic() - began)


def survivors(text: str) -> dict[str, str]:
    """The list of those that may survive: what each is called, and why."""
    return {key: why.strip() for key, why in re.findall(r"^- `(.+?)`: (.+)$", text, re.MULTILINE)}


@dataclasses.dataclass
class Tally:
    """How many came to what."""

    counts: Counter[str]

    @property
    def share(self) -> float:
        """Of those that compile, how many were killed."""
        killed = self.counts["killed"] + self.counts["timeout"]
        viable = killed + self.counts["survived"]
        return killed / viable if viable else 1.0

    def row(self, name: str) -> str:
        columns = "".join(f"{self.counts[how]:10}" for how in ("unviable", "killed", "timeout", "survived"))
        return f"{name:28}{self.counts.total():10}{columns}{self.share:9.1%}"


def tally(came: Iterable[Came]) -> Tally:
    return Tally(Counter(each.how for each in came))


def wrongs(came: Sequence[Came], listed: Collection[str], everything: Collection[Mutant]) -> list[str]:
    """What speaks against the tests, or against the list of those that may survive. A share is one of everything."""
    wrong = [
        f"survives in a guard, and no reason is listed: {each.mutant.key}"
        for each in came
        if each.how == "survived" and each.mutant.short in GUARDS and each.mutant.key not in listed
    ]
    wrong += [
        f"listed as a survivor, but {each.how}: {each.mutant.key}"
        for each in came
        if each.how != "survived" and each.mutant.key in listed
    ]
    gone = set(listed) - {mutant.key for mutant in everything}
    wrong += [f"listed as a survivor, but there is no such mutant: {key}" for key in sorted(gone)]
    share = tally(came).share
    if share < ENOUGH and len(came) == len(everything):
        wrong.append(f"{share:.1%} are killed, and {ENOUGH:.0%} have to be")
    return wrong


def list_of(tool: Path) -> list[Mutant]:
    command = [str(tool), "mutants", "--config", str(CONFIG), "--list", "--json"]
    listed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603
    return mutants_of(json.loads(listed))


def wanted(mutant: Mutant, patterns: Sequence[str]) -> bool:
    return not patterns or any(re.search(pattern, mutant.name) for pattern in patterns)


def prepare(mutants: Sequence[Mutant], tree: Path, target: Path) -> tuple[dict[str, Path], Cloth, set[int]]:
    """Builds the copy, without the mutants that do not compile. The compiler tells of some only once others are out."""
    dropped: set[int] = set()
    while True:
        cloth = weave(mutant for mutant in mutants if mutant.number not in dropped)
        copy(tree, cloth.texts)
        binaries, wrong = build(tree, target, cloth.files)
        if not wrong:
            return binaries, cloth, dropped
        dropped |= wrong
        print(f"{len(dropped)} mutants do not compile ...", flush=True)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tool", type=Path, default=TOOL, help="cargo-mutants")
    arguments.add_argument("--state", type=Path, default=STATE, help="where the copy of the tree lies")
    arguments.add_argument("--target", type=Path, help="where it is built; beside the copy unless told")
    arguments.add_argument("--jobs", type=int, default=2, help="mutants side by side")
    arguments.add_argument("--json", type=Path, help="writes what came of each to this file")
    arguments.add_argument("patterns", nargs="*", help="only mutants whose names, file and place in front, match one")
    given = arguments.parse_args()
    tree, target = given.state.resolve() / "tree", (given.target or given.state / "target").resolve()
    began = time.monotonic()
    try:
        mutants = list_of(given.tool)
        chosen = [each for each in mutants if wanted(each, given.patterns)]
        if not chosen:
            raise Stale("no mutant has such a name")
        print(f"building {len(mutants)} mutants ...", flush=True)
        binaries, cloth, dropped = prepare(mutants, tree, target)
        runner = Runner(binaries, tree, given.jobs)
        # What a mutant collects without end is not this machine's to give.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
        runner.explore_all()
    except (Stale, subprocess.SubprocessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(runner.tests)} tests pass on the product as it is, after {time.monotonic() - began:.0f} s", flush=True)
    came = [Came(mutant, "unviable") for mutant in chosen if mutant.number in dropped]
    with ThreadPoolExecutor(given.jobs) as pool:
        running = [mutant for mutant in chosen if mutant.number not in dropped]
        for each in pool.map(lambda mutant: runner.run(mutant, cloth.choice_of[mutant.number]), running):
            came.append(each)
            print(each.row(), flush=True)
    if given.json:
        given.json.write_text(json.dumps([told(each) for each in came], indent=2) + "\n")
    return conclude(came, mutants, time.monotonic() - began)


def conclude(came: Sequence[Came], mutants: Sequence[Mutant], seconds: float) -> int:
    """Sums up; the status to end with."""
    listed = survivors(SURVIVORS.read_text())
    print(f"\n{'file':28}{'mutants':>10}{'unviable':>10}{'killed':>10}{'timeout':>10}{'survived':>10}{'share':>9}")
    for file in sorted({each.mutant.short for each in came}):
        print(tally(each for each in came if each.mutant.short == file).row(file))
    print(tally(came).row("all"))
    print(f"{seconds:.0f} s")
    for each in came:
        if each.how == "survived":
            print(f"survived: {each.mutant.key}: {listed.get(each.mutant.key, 'NO REASON LISTED')}")
    wrong = wrongs(came, listed, mutants)
    for each in wrong:
        print(f"error: {each}", file=sys.stderr)
    return 1 if wrong else 0


def told(came: Came) -> dict[str, object]:
    """For machines."""
    return {
        "mutant": came.mutant.name, "key": came.mutant.key, "how": came.how, "by": came.by,
        "seconds": round(came.seconds, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
