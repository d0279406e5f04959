"""The list of mutants fits the product: every text that a mutant replaces still stands exactly once in its file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .run import ROOT, Edit, Mutant, Ran, Stale, read, weave

JUDGE = ROOT / "tests/judge/src/lib.rs"


def mutant(*edits: Edit, name: str = "m") -> Mutant:
    return Mutant(name, "", edits, frozenset({"Chain"}))


@pytest.mark.parametrize("each", read(), ids=lambda each: each.name)
def test_every_edit_applies(each: Mutant) -> None:
    for file, text in weave([each]).items():
        assert f'mutant(&["{each.name}"])' in text, file


def test_all_of_them_fit_into_one_copy() -> None:
    assert weave(read())


def test_every_rule_of_the_judge_has_a_mutant() -> None:
    body = re.search(r"pub enum Rule \{(.*?)^\}", JUDGE.read_text(), re.MULTILINE | re.DOTALL)[1]
    rules = set(re.findall(r"^    (\w+),$", body, re.MULTILINE))
    # What would break the rule of skew EKS refuses itself.
    assert {rule for each in read() for rule in each.breaks} == rules - {"Skew"}


def test_a_text_that_is_gone_or_stands_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.rs").write_text("one two two")
    for find in ("three", "two"):
        with pytest.raises(Stale):
            weave([mutant(Edit("a.rs", find, "x"))], tmp_path)


def test_edits_that_overlap_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.rs").write_text("one two three")
    with pytest.raises(Stale):
        weave([mutant(Edit("a.rs", "one two", "x"), Edit("a.rs", "two three", "y"))], tmp_path)


def test_mutants_share_a_place(tmp_path: Path) -> None:
    (tmp_path / "a.rs").write_text("f(1) + g(1)")
    first = mutant(Edit("a.rs", "1", "2", behind="g("), name="a")
    same = mutant(Edit("a.rs", "1", "2", behind="g("), name="b")
    other = mutant(Edit("a.rs", "1", "3", behind="g("), name="c")
    choice = 'if eks_upgrade_core::mutant(&["a", "b"]) { 2 } else if eks_upgrade_core::mutant(&["c"]) { 3 } else { 1 }'
    assert weave([first, same, other], tmp_path) == {"a.rs": f"#![allow(warnings)]\nf(1) + g(({choice}))"}


def test_what_survives_and_what_is_wrongly_held_is_not_well() -> None:
    found, held = mutant(), Mutant("h", "", (), held="m")
    assert Ran(found, rule="Chain", seed=1).well
    assert not Ran(found).well
    assert Ran(held).well
    assert not Ran(held, rule="Chain", seed=1).well
    assert not Ran(held, failed="ended with status 101").well
