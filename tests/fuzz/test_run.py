"""What `make fuzz` counts as a failure, with a program in the fuzzer's place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import run

SEEDS = sum(1 for _ in (run.FUZZ / "seeds" / "tags").iterdir())


def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, status: int = 0) -> run.Ran:
    monkeypatch.setattr(run, "STATE", tmp_path)
    target = tmp_path / "tags"
    target.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {status}\n")
    target.chmod(0o755)
    return run.Fuzzing(tmp_path, 1).run("tags")


def test_what_was_made_up_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = told(tmp_path, monkeypatch, f"stat::number_of_executed_units: {SEEDS + 1}")
    assert (ran.executions, ran.failed) == (SEEDS + 1, "")


def test_the_seeds_alone_are_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = told(tmp_path, monkeypatch, f"stat::number_of_executed_units: {SEEDS}")
    assert "made nothing up" in ran.failed


def test_a_status_without_a_finding_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "status 3" in told(tmp_path, monkeypatch, "", 3).failed
