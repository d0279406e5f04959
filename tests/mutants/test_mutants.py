"""The list of mutants fits the product: every text that a mutant replaces still stands exactly once in its file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .run import ROOT, Edit, Mutant, Ran, Stale, read

JUDGE = ROOT / "tests/judge/src/lib.rs"


@pytest.mark.parametrize("mutant", read(), ids=lambda mutant: mutant.name)
def test_every_edit_applies(mutant: Mutant) -> None:
    for path, text in mutant.apply(ROOT).items():
        assert text != path.read_text()


def test_every_rule_of_the_judge_has_a_mutant() -> None:
    body = re.search(r"pub enum Rule \{(.*?)^\}", JUDGE.read_text(), re.MULTILINE | re.DOTALL)[1]
    rules = set(re.findall(r"^    (\w+),$", body, re.MULTILINE))
    broken = {rule for mutant in read() for rule in mutant.breaks}
    assert broken == rules


def test_a_text_that_is_gone_or_stands_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.rs").write_text("one two two")
    for find in ("three", "two"):
        mutant = Mutant("m", "", (Edit("a.rs", find, ""),), frozenset({"Chain"}))
        with pytest.raises(Stale):
            mutant.apply(tmp_path)


def test_edits_of_one_file_add_up(tmp_path: Path) -> None:
    (tmp_path / "a.rs").write_text("one two")
    mutant = Mutant("m", "", (Edit("a.rs", "one", "1"), Edit("a.rs", "two", "2")), frozenset({"Chain"}))
    assert list(mutant.apply(tmp_path).values()) == ["1 2"]


def test_what_survives_and_what_is_wrongly_held_is_not_well() -> None:
    found = Mutant("m", "", (), frozenset({"Chain"}))
    held = Mutant("h", "", (), held="m")
    assert Ran(found, rule="Chain", seed=1).well
    assert not Ran(found).well
    assert Ran(held).well
    assert not Ran(held, rule="Chain", seed=1).well
    assert not Ran(held, failed="does not build").well
