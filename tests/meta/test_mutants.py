"""The table of mutants that make no difference, and the modules that are mutated."""

from __future__ import annotations

import ast
import functools
import re

import pytest

from tests.harness import ROOT
from tests.mutants.groups import GROUPS, equivalent, is_equivalent, outdated, split_place


def source_of(function: str) -> str:
    """The text of a function, named as `streamdns.dns.wire.Reply.add_name`, on one line."""
    parts = function.split(".")
    paths = ((cut, ROOT.joinpath(*parts[:cut]).with_suffix(".py")) for cut in range(2, len(parts)))
    cut, module = next((cut, path) for cut, path in paths if path.is_file())
    text = module.read_text(encoding="utf-8")
    inner: ast.AST = ast.parse(text)
    for part in parts[cut:]:
        inner = next(each for each in ast.iter_child_nodes(inner)
                     if isinstance(each, ast.FunctionDef | ast.ClassDef) and each.name == part)
    return " ".join((ast.get_source_segment(text, inner) or "").split())


def test_each_equivalent_mutant_has_a_change_and_a_reason() -> None:
    """And the function that is changed is still there, with the line as it was."""
    known = equivalent()
    assert known
    source = functools.cache(source_of)
    for change, reason in known.items():
        function, _, lines = change.partition(": ")
        old, _, new = lines.partition(" -> ")
        assert old != new or " -> " in new, change
        assert reason.endswith("."), change
        line = " ".join(old.split()).split(" -> ", maxsplit=1)[0]
        assert line in source(function), change
        _, place = split_place(lines)
        if place:
            which, count = map(int, re.findall(r"\d+", place))
            assert 1 <= which <= count <= source(function).count(line), change


def test_of_equal_lines_one_can_be_equivalent_alone() -> None:
    known = {"m.f: a -> b (2 of 3)": "why.", "m.g: a -> b": "why."}
    said = {(function, place): is_equivalent(function, f"a -> b{place}", known)
            for function in ("m.f", "m.g") for place in ("", " (1 of 3)", " (2 of 3)")}
    assert [each for each, equal in said.items() if equal] == [
        ("m.f", " (2 of 3)"), ("m.g", ""), ("m.g", " (1 of 3)"), ("m.g", " (2 of 3)"),
    ]


def test_what_is_listed_and_not_made_any_more_is_said() -> None:
    made = [("m.f", "a -> b (1 of 2)"), ("m.f", "a -> b (2 of 2)"), ("m.g", "a -> b")]
    listed = ["m.f: a -> b (2 of 2)", "m.f: a -> b", "m.f: a -> c", "m.g: a -> b (1 of 2)", "other.f: a -> b"]
    assert outdated(made, listed) == ["m.f: a -> c", "m.g: a -> b (1 of 2)"]


def mutated(room: str) -> set[str]:
    """The modules of a room that some group has."""
    paths = {path for group in GROUPS.values() for pattern in group.modules for path in ROOT.glob(pattern)}
    modules = (path for path in paths if path.suffix == ".py")  # A pattern finds the folder of compiled ones, too.
    return {path.stem for path in modules if path.parent == ROOT / "streamdns" / room} - {"__init__"}


@pytest.mark.parametrize("room", ["dns", "events"])
def test_all_of_the_pure_rooms_is_mutated(room: str) -> None:
    assert mutated(room) == {path.stem for path in (ROOT / "streamdns" / room).glob("*.py")} - {"__init__"}


def test_readme_says_what_is_mutated() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    (said,) = re.findall(r"mutmut changes the pure modules in small ways, one at a time \(([^)]*)\)", text)
    whole, *parts = said.split("; ")
    assert whole == "all of dns/ and events/"
    listed = {room.rstrip("/"): modules for _, room, modules in (part.split(" ", 2) for part in parts)}
    for room, modules in listed.items():
        assert modules == ", ".join(sorted(mutated(room)))
    paths = {path for group in GROUPS.values() for pattern in group.modules for path in ROOT.glob(pattern)}
    rooms = {str(path.parent.relative_to(ROOT / "streamdns")) for path in paths}
    assert rooms == {"dns", "events", *listed}


@pytest.mark.parametrize("name", GROUPS)
def test_what_is_mutated_and_tested_is_there(name: str) -> None:
    group = GROUPS[name]
    for pattern in (*group.modules, *group.tests, *group.left_out):
        assert list(ROOT.glob(pattern)), pattern
