"""`make fuzz`: builds the targets once, runs all of them for a while, and says in a line each what came of it.

What a target learns stays in .local/fuzz/corpus and is where the next run begins, beside the seeds in the repository.
Ends with status 1 where a promise of a target did not hold: the input lies in .local/fuzz/findings then.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUZZ = ROOT / "tests/fuzz"
STATE = ROOT / ".local/fuzz"
TARGETS = sorted(path.stem for path in (FUZZ / "targets").glob("*.rs"))

INPUT_BYTES_MAX = 16_384
"""Longest input that is made up; the targets say themselves where longer ones are of no interest."""
INPUT_S_MAX = 20
"""An input that takes longer counts as a finding: nothing that is checked here waits."""
MEMORY_MIB_MAX = 2_048


@dataclasses.dataclass
class Ran:
    """What came of a target."""

    target: str
    executions: int = 0
    per_second: int = 0
    edges: int = 0
    features: int = 0
    findings: list[Path] = dataclasses.field(default_factory=list)
    failed: str = ""

    def row(self) -> str:
        counts = f"{self.target:9}{self.executions:12,}{self.per_second:10,}{self.edges:8,}{self.features:10,}"
        return counts + f"{len(self.findings):10}" + (f"  {self.failed}" if self.failed else "")


def host() -> str:
    said = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout  # noqa: S603, S607
    return re.search(r"^host: (.+)$", said, re.MULTILINE)[1]


def build(cargo_fuzz: str) -> Path:
    """Builds all targets, with no sanitizer: the code has no unsafe part. Gives where they are."""
    target_dir = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    command = [cargo_fuzz, "build", "--fuzz-dir", str(FUZZ), "--sanitizer", "none", "--target-dir", str(target_dir)]
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603
    return target_dir / host() / "release"


class Fuzzing:
    """The targets that run now; all end when one is to."""

    def __init__(self, binaries: Path, seconds: int) -> None:
        self.binaries = binaries
        self.seconds = seconds
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def stop(self) -> None:
        """Ends those that run, and lets no other begin. libFuzzer then still says how far it came."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.send_signal(signal.SIGINT)

    def run(self, target: str) -> Ran:
        corpus, findings = STATE / "corpus" / target, STATE / "findings" / target
        seeds = FUZZ / "seeds" / target
        for directory in (corpus, findings):
            directory.mkdir(parents=True, exist_ok=True)
        known = sum(1 for directory in (corpus, seeds) for _ in directory.iterdir())
        command = [
            str(self.binaries / target),
            str(corpus),
            str(seeds),
            f"-max_total_time={self.seconds}",
            f"-max_len={INPUT_BYTES_MAX}",
            f"-timeout={INPUT_S_MAX}",
            f"-rss_limit_mb={MEMORY_MIB_MAX}",
            f"-artifact_prefix={findings}/",
            f"-dict={dictionary(target)}",
            "-print_final_stats=1",
        ]
        began = time.time()
        # A group of its own, so that a Ctrl-C at the terminal reaches it through us alone, and once.
        with self._lock:
            if self._stopped:
                return Ran(target, failed="not run")
            process = subprocess.Popen(  # noqa: S603
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                errors="replace", start_new_session=True,
            )
            self._running.add(process)
        _, log = process.communicate()
        with self._lock:
            self._running.discard(process)
        (STATE / f"{target}.log").write_text(log)
        ran = read(target, log)
        ran.findings = [path for path in findings.iterdir() if path.stat().st_mtime >= began]
        if process.returncode and not ran.findings and not self._stopped:
            ran.failed = f"ended with status {process.returncode}; see {STATE / f'{target}.log'}"
        elif ran.executions <= known and not ran.findings and not self._stopped:
            # On a machine that is busy with something else it may come no further than what it was given.
            ran.failed = f"made nothing up: {ran.executions} executions, with {known} inputs to begin with"
        return ran


def dictionary(target: str) -> Path:
    """Words to build inputs from: those of the seeds."""
    seeds = "\n".join(path.read_text() for path in sorted((FUZZ / "seeds" / target).iterdir()))
    words = sorted(set(re.findall(r"[A-Za-z][A-Za-z_:-]{2,40}", seeds)))
    path = STATE / f"{target}.dict"
    path.write_text("".join(f'"{word}"\n' for word in words))
    return path


def read(target: str, log: str) -> Ran:
    """Reads what libFuzzer said last."""
    seen = re.findall(r"^#(\d+).* cov: (\d+) ft: (\d+).* exec/s: (\d+)", log, re.MULTILINE)
    done, edges, features, per_second = (int(number) for number in seen[-1]) if seen else (0, 0, 0, 0)
    final = re.search(r"^stat::number_of_executed_units:\s+(\d+)", log, re.MULTILINE)
    average = re.search(r"^stat::average_exec_per_sec:\s+(\d+)", log, re.MULTILINE)
    executions = int(final[1]) if final else done
    return Ran(target, executions, int(average[1]) if average else per_second, edges, features)


def fuzz(binaries: Path, seconds: int) -> int:
    fuzzing = Fuzzing(binaries, seconds)
    jobs = min(os.cpu_count() or 1, len(TARGETS))
    print(f"{len(TARGETS)} targets, {seconds} s each, {jobs} at a time", flush=True)
    interrupted = False
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(fuzzing.run, target) for target in TARGETS]
        try:
            concurrent.futures.wait(running)
        except KeyboardInterrupt:
            interrupted = True
            fuzzing.stop()
        ran = [future.result() for future in running]
    print(f"{'target':9}{'executions':>12}{'exec/s':>10}{'edges':>8}{'features':>10}{'findings':>10}")
    for each in ran:
        print(each.row())
    for each in ran:
        for finding in each.findings:
            file = finding.relative_to(ROOT)
            print(f"\n{each.target}: {why(each.target)}\n  input  {file}\n  replay make fuzz-replay TARGET={each.target} FILE={file}")
    if any(each.findings or each.failed for each in ran):
        return 1
    return 130 if interrupted else 0


def why(target: str) -> str:
    """What the target said when it stopped."""
    log = (STATE / f"{target}.log").read_text()
    panicked = re.search(r"^thread .* panicked at (.*\n.*)$", log, re.MULTILINE)
    error = re.search(r"^==\d+== ?(?:ERROR: )?(.*)$", log, re.MULTILINE)
    found = panicked or error
    return " ".join(found[1].split())[:500] if found else "see its log"


def replay(binaries: Path, target: str, file: str) -> int:
    if target not in TARGETS or not Path(file).is_file():
        print(f"TARGET= is one of {', '.join(TARGETS)}; FILE= is an input", file=sys.stderr)
        return 2
    return subprocess.run([str(binaries / target), file], check=False).returncode  # noqa: S603


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cargo-fuzz", required=True)
    arguments.add_argument("--seconds", type=int, default=20)
    arguments.add_argument("--replay", nargs="*", metavar=("TARGET", "FILE"))
    given = arguments.parse_args()
    if given.replay is not None and len(given.replay) != 2:
        arguments.error(f"give TARGET= (one of {', '.join(TARGETS)}) and FILE=")
    try:
        binaries = build(str(Path(given.cargo_fuzz).resolve()))
    except subprocess.CalledProcessError as error:
        return error.returncode
    except KeyboardInterrupt:
        return 130
    if given.replay:
        return replay(binaries, *given.replay)
    return fuzz(binaries, given.seconds)


if __name__ == "__main__":
    sys.exit(main())
