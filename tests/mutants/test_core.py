"""The pure parts of core.py: weaving, who is to blame for the compiler's errors, what a test run comes to."""

from __future__ import annotations

from pathlib import Path

import pytest

from .core import (
    CORE, SURVIVORS, Arm, Came, Mutant, Sitting, Source, Test, Woven, applied, blamed, mutants_of, only_code, sittings,
    survivors, tally, wanted, weave, wrongs,
)
from .run import Stale

TEXT = """\
//! A module's own words.

const LIMIT_S: u32 = 24 * 60;

/// Whether it is `{` late.
#[must_use]
pub fn late(n: u32, by: impl Fn(u32) -> u32) -> bool {
    // An { in a comment.
    let open = "{";
    by(n) > LIMIT_S
}

fn other() {}
"""


def span(text: str, what: str) -> dict:
    at = text.index(what)
    def spot(at: int) -> dict[str, int]:
        return {"line": text.count("\n", 0, at) + 1, "column": at - text.rfind("\n", 0, at)}
    return {"start": spot(at), "end": spot(at + len(what))}


def listed(said: str, what: str, replacement: str, function: str | None = None) -> dict:
    place = span(TEXT, what)
    start = place["start"]
    return {
        "file": f"{CORE}a.rs", "name": f"{CORE}a.rs:{start['line']}:{start['column']}: {said}", "span": place,
        "replacement": replacement, "function": function and {"span": span(TEXT, function)},
    }


LATE = TEXT[TEXT.index("/// Whether") : TEXT.index("\nfn other")].rstrip()
GREATER = listed("replace > with < in late", "> LIMIT_S", "< LIMIT_S", LATE)
PLUS = listed("replace * with +", "*", "+")


def woven(tmp_path: Path, *each: dict) -> tuple[str, list[Mutant]]:
    path = tmp_path / CORE / "a.rs"
    path.parent.mkdir(parents=True)
    path.write_text(TEXT)
    mutants = mutants_of(each)
    return weave(mutants, tmp_path).files[f"{CORE}a.rs"].text, mutants


def test_mutants_are_called_by_what_they_do_and_told_apart_by_their_order() -> None:
    first, second = mutants_of([PLUS, PLUS])
    assert (first.key, second.key) == ("a.rs: replace * with +", "a.rs: replace * with + #2")
    assert (first.number, second.number) == (1, 2)


def test_what_is_no_code_is_blank_and_all_else_in_its_place() -> None:
    text = """f("a { \\" {", '{', r#"{"{"#, &'a str) // {\n/* { \n */ {"""
    code = only_code(text)
    assert len(code) == len(text)
    assert code.count("{") == 1
    assert "&'a str" in code
    assert code.count("\n") == 2


def test_a_body_begins_behind_the_whole_signature() -> None:
    source = Source(TEXT)
    place = span(TEXT, LATE)
    first, end = source.body(tuple((place[at]["line"], place[at]["column"]) for at in ("start", "end")))
    assert TEXT[first:end].strip().startswith("// An {")
    assert TEXT[first:end].strip().endswith("by(n) > LIMIT_S")


def test_edits_within_others_are_lost() -> None:
    assert applied("one two three", 0, 13, [(4, 13, "2 3"), (0, 3, "1"), (8, 13, "x")]) == "1 2 3"
    assert applied("one two three", 4, 7, [(0, 3, "1"), (4, 7, "2")]) == "2"


def test_a_function_is_left_early_by_its_mutants(tmp_path: Path) -> None:
    text, _ = woven(tmp_path, GREATER)
    choice, product = text.split("_ => {}")
    assert "match crate::mutant(0) {\n1 => { return {" in choice
    assert "by(n) < LIMIT_S" in choice
    assert "by(n) > LIMIT_S" in product
    assert text.startswith("#![allow(warnings)]\n//! A module's own words.")
    assert text.endswith("}\n\nfn other() {}\n")


def test_a_constant_is_asked_for_wherever_it_stood(tmp_path: Path) -> None:
    text, _ = woven(tmp_path, GREATER, PLUS)
    choice = "fn chosen_limit_s() -> u32 {\nmatch crate::mutant(0) {\n1 => { return {\n24 + 60\n} }"
    assert f"const LIMIT_S: u32 = 24 * 60;\n{choice}" in text
    assert "_ => {}\n}\nLIMIT_S\n}\n" in text
    assert "by(n) < LIMIT_S" in text, "within a mutant's own text nothing else changes"
    assert "by(n) > chosen_limit_s()" in text


def test_what_is_neither_in_a_function_nor_in_a_constant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Stale):
        woven(tmp_path, listed("replace A with B", "A module", "B module"))


def test_each_mutant_has_lines_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / CORE / "a.rs"
    path.parent.mkdir(parents=True)
    path.write_text(TEXT)
    file = weave(mutants_of([GREATER, PLUS]), tmp_path).files[f"{CORE}a.rs"]
    lines = file.text.splitlines()
    for arm, what in zip(file.arms, ("24 + 60", "by(n) < LIMIT_S"), strict=True):
        own = lines[arm.first - 1 : arm.last]
        assert own[0] == f"{arm.number} => {{ return {{"
        assert any(what in line for line in own)
        assert own[-1] == "} }"


def error(line: int, file: str = "a.rs", level: str = "error", expansion: dict | None = None) -> dict:
    where = {"file_name": file, "line_start": line, "is_primary": True, "expansion": expansion}
    return {"level": level, "spans": [where], "rendered": "error[E0308]"}


def test_errors_are_told_by_their_lines() -> None:
    files = {"a.rs": Woven(arms=[Arm(10, 14, 1), Arm(15, 19, 2), Arm(30, 34, 3)])}
    assert blamed([error(14), error(15), error(31), error(31)], files) == {1, 2, 3}
    within = {"span": {"file_name": "a.rs", "line_start": 30, "expansion": None}}
    assert blamed([error(500, file="macros.rs", expansion=within)], files) == {3}
    assert blamed([error(1, level="warning"), {"level": "error", "spans": []}], files) == set()
    for elsewhere in (error(9), error(20), error(10, file="b.rs")):
        with pytest.raises(Stale):
            blamed([elsewhere], files)


def test_only_tests_that_reach_the_choice_run_and_the_fastest_first() -> None:
    tests = [
        Test("lib", "slower", 3.0, frozenset({1, 2})),
        Test("lib", "slow", 1.0, frozenset({1})),
        Test("lib", "quick", 0.1, frozenset({1})),
        Test("lib", "quick too", 0.1, frozenset({1})),
        Test("guards", "quickest", 0.1, frozenset({1})),
    ]
    names = [each.names for each in sittings(tests, 1)]
    assert names == [("quickest",), ("quick", "quick too"), ("slow",), ("slower",)]
    assert sittings(tests, 2) == [Sitting("lib", ("slower",), 3.0)]
    assert sittings(tests, 3) == []


def mutant(key: str, file: str = "guard.rs") -> Mutant:
    return Mutant(1, f"{CORE}{file}", key, key, (1, 1), (1, 2), "")


def test_hanging_counts_as_killed_and_what_does_not_compile_not_at_all() -> None:
    came = [Came(mutant("a"), how) for how in ("killed", "timeout", "survived", "survived", "unviable")]
    assert tally(came).share == 0.5
    assert tally([Came(mutant("a"), "unviable")]).share == 1.0


def test_a_guards_survivor_wants_a_reason() -> None:
    killed = [Came(mutant(f"killed {n}"), "killed") for n in range(99)]
    came = [*killed, Came(mutant("a"), "survived")]
    everything = [each.mutant for each in came]
    assert wrongs(came, {"a"}, everything) == []
    assert len(wrongs(came, set(), everything)) == 1
    elsewhere = [*killed, Came(mutant("a", "planner.rs"), "survived")]
    assert wrongs(elsewhere, set(), everything) == []


def test_the_list_of_survivors_is_true() -> None:
    killed = [Came(mutant("a"), "killed")]
    everything = [mutant("a"), mutant("not run")]
    assert len(wrongs(killed, {"a"}, everything)) == 1
    assert wrongs(killed, {"not run"}, everything) == []
    assert len(wrongs(killed, {"gone"}, everything)) == 1


def test_only_what_is_asked_for_is_run() -> None:
    each = mutant("hold.rs:74:5: replace unconsented with None", "hold.rs")
    assert wanted(each, [])
    assert wanted(each, ["guard.rs", "unconsented"])
    assert not wanted(each, ["guard.rs"])


def test_too_few_killed_of_everything_are_wrong() -> None:
    def of(killed: int, survived: int) -> list[Came]:
        ways = ["killed"] * killed + ["survived"] * survived
        return [Came(mutant(f"{n}", "planner.rs"), how) for n, how in enumerate(ways)]
    few, enough = of(94, 6), of(95, 5)
    assert wrongs(few, set(), [each.mutant for each in few]) == ["94.0% are killed, and 95% have to be"]
    assert wrongs(enough, set(), [each.mutant for each in enough]) == []
    assert wrongs(few[50:], set(), [each.mutant for each in few]) == [], "not all were run"


def test_the_list_names_each_with_its_reason() -> None:
    text = "# Title\n\nWords.\n\n- `a.rs: replace || with && in f #2`: nobody can tell\n- no entry\n"
    assert survivors(text) == {"a.rs: replace || with && in f #2": "nobody can tell"}
    assert survivors(SURVIVORS.read_text())
