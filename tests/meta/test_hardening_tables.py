"""docs/hardening.md: the tables that benchmarks write have a place there, and say what was measured."""

from __future__ import annotations

import pathlib

import pytest

from benchmarks import hardening_table, turns
from benchmarks.turns import Turns

_FACTS = {"compiled": True, "commit": "0123456789abcdef", "python": "3.11.2", "cpu": "a processor"}


@pytest.mark.parametrize(("begin", "end"), [
    (hardening_table.BEGIN, hardening_table.END), (turns.BEGIN, turns.END),
])
def test_the_document_has_a_place_for_each_table(begin: str, end: str) -> None:
    text = hardening_table.DOCUMENT.read_text()
    assert text.count(begin) == text.count(end) == 1
    assert text.index(begin) < text.index(end)


def test_the_turns_of_a_run_as_a_table() -> None:
    long = [(2.25, 0.5, "wire.py:read < udp.py:_readable"), (1.0, 0.0, "")]
    found = [Turns("udp_plain", []), Turns("tcp_churn", long)]
    assert turns.table(found, _FACTS, 3).splitlines() == [
        "One run, 3 s of each attack: 0123456789ab, Python 3.11.2, compiled, a processor.", "",
        "| attack | turns of more than 1 ms | the longest, ms | of which garbage | where |",
        "| --- | --- | --- | --- | --- |", "| `udp_plain` | 0 | | | |",
        "| `tcp_churn` | 2 | 2.2 | 0.5 | `wire.py:read` |",
    ]


def test_a_table_is_put_where_its_marks_are(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "page.md"
    monkeypatch.setattr(hardening_table, "DOCUMENT", document)
    document.write_text("before\n<!-- a -->\n\nold\n\n<!-- b -->\nbehind\n")
    assert hardening_table.put("new", "<!-- a -->", "<!-- b -->") == 0
    assert hardening_table.put("none", "<!-- c -->", "<!-- d -->") == 1
    assert document.read_text() == "before\n<!-- a -->\n\nnew\n\n<!-- b -->\nbehind\n"
