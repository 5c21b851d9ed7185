"""Tables: one line a row elsewhere, made to fit on a terminal."""

from __future__ import annotations

import pytest

from streamdns.commands.tables import Table

HEAD = ("NAME", "TIME", "NOTES", "FROM", "TEXT")
MOMENT = "2026-11-27T16:37:22.499Z"
SHORT = MOMENT[:19] + "Z"


def lines(capsys: pytest.CaptureFixture[str], columns: int | None, *parts: list[tuple[object, ...]]) -> list[str]:
    """What a table writes."""
    table = Table(HEAD, optional=("NOTES", "TIME", "FROM"), columns=columns)
    for rows in parts:
        table.write(rows)
    return capsys.readouterr().out.splitlines()


def test_elsewhere_each_row_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    long = "word " * 100 + "end"
    assert lines(capsys, None, [("a", MOMENT, None, True, long)], [("bbb", MOMENT, ["x", "y"], False, "z")]) == [
        f"NAME  TIME{' ' * 20}  NOTES  FROM  TEXT", f"a     {MOMENT}  -      yes   {long}",
        f"bbb   {MOMENT}  x, y   no    z",
    ]


def test_what_fits_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(capsys, 80, [("a", MOMENT, "x", "here", "z")]) == [
        f"NAME  TIME{' ' * 20}  NOTES  FROM  TEXT", f"a     {MOMENT}  x      here  z",
    ]


def test_first_go_milliseconds_then_columns_that_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(capsys, 45, [("a", MOMENT, None, "here", "some text")]) == [
        f"NAME  TIME{' ' * 16}  FROM  TEXT", f"a     {SHORT}  here  some text",
    ]


def test_then_optional_columns_and_cells_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    found = lines(capsys, 40, [("name", MOMENT, "x", "here", "some more words than there is room for in a line")],
                  [("another", MOMENT, "y", "there", "z")])
    assert found == [
        "NAME  FROM  TEXT",
        "name  here  some more words than there",
        "            is room for in a line",
        "another  there  z",
    ]
    words = lines(capsys, 12, [("a.very.long.name.", None, None, None, "x" * 30)])
    assert max(map(len, words)) <= 12
    assert "".join(line.split(" ")[-1] for line in words[1:] if line.rsplit(" ", 1)[-1].startswith("x")) == "x" * 30


def test_of_nothing_there_is_no_head(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(capsys, 80, []) == []
