"""docs/hardening.md: the tables that benchmarks write have a place there, and say what was measured."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from benchmarks import hardening_table, turns
from benchmarks.turn_probe import Turn
from benchmarks.turns import Turns

_FACTS = {"compiled": True, "commit": "0123456789abcdef", "python": "3.11.2", "cpu": "a processor"}


@pytest.mark.parametrize(("begin", "end"), [
    (hardening_table.BEGIN, hardening_table.END), (turns.BEGIN, turns.END),
])
def test_the_document_has_a_place_for_each_table(begin: str, end: str) -> None:
    text = hardening_table.DOCUMENT.read_text()
    assert text.count(begin) == text.count(end) == 1
    assert text.index(begin) < text.index(end)


def _turn(at_s: float, cpu_ms: float, **others: Any) -> Turn:
    return Turn(at_s, cpu_ms, **({
        "wall_ms": cpu_ms, "garbage_ms": 0.0, "generation": -1, "pieces": 4, "piece_ms": 0.3, "piece": "work",
        "faults": 0, "preempted": 0, "where": "",
    } | others))


def test_the_turns_of_a_run_as_a_table() -> None:
    where = "wire.py:read < udp.py:_readable"
    long = [_turn(1, 2.25, piece_ms=2.0, piece="Batches.answer", where=where), _turn(2, 1.1)]
    found = [
        Turns("udp_plain", [], []), Turns("tcp_churn", long, []), Turns("nxns", [], [_turn(3, 0.2, wall_ms=4.0)]),
    ]
    assert turns.table(found, _FACTS | {"idle_gaps_ms": [1.5, 1.2]}, 3).splitlines() == [
        "One run, 3 s of each attack: 0123456789ab, Python 3.11.2, compiled, a processor.",
        "A process that only looked at its clock for 3 s saw 2 such gaps, the longest of 1.5 ms.", "",
        "| attack | turns of more than 1 ms | the longest, ms | made of | its longest piece | others that waited; ms |",
        "| --- | --- | --- | --- | --- | --- |", "| `udp_plain` | 0 | | | | 0 |",
        "| `tcp_churn` | 2 | 2.2 | 1 x one piece; 1 x 4 pieces | Batches.answer, `wire.py:read` | 0 |",
        "| `nxns` | 0 | | | | 1, 4.0 |",
    ]
    assert "saw none." in turns.table([], _FACTS | {"idle_gaps_ms": []}, 3)


@pytest.mark.parametrize(("cause", "turn"), [
    ("waiting", _turn(1, 0.4, wall_ms=9.0)),
    ("one piece", _turn(1, 3.0, piece_ms=2.0)),
    ("4 pieces", _turn(1, 3.0, piece_ms=1.0)),
    ("garbage, generation 2", _turn(1, 3.0, piece_ms=2.0, garbage_ms=2.0, generation=2)),
])
def test_a_long_turn_has_a_cause(cause: str, turn: Turn) -> None:
    assert turn.cause() == cause
    assert Turn.parse(turn.line()) == turn


def test_what_was_before_an_attack_is_not_of_it() -> None:
    lines = [each.line() for each in (_turn(1, 9.0), _turn(5, 2.0), _turn(6, 3.0), _turn(7, 0.5, wall_ms=2.0))]
    found = turns.sorted_turns("nxns", lines, 4.0)
    assert [each.cpu_ms for each in found.long] == [3.0, 2.0]
    assert [each.wall_ms for each in found.waited] == [2.0]


def test_a_table_is_put_where_its_marks_are(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "page.md"
    monkeypatch.setattr(hardening_table, "DOCUMENT", document)
    document.write_text("before\n<!-- a -->\n\nold\n\n<!-- b -->\nbehind\n")
    assert hardening_table.put("new", "<!-- a -->", "<!-- b -->") == 0
    assert hardening_table.put("none", "<!-- c -->", "<!-- d -->") == 1
    assert document.read_text() == "before\n<!-- a -->\n\nnew\n\n<!-- b -->\nbehind\n"
