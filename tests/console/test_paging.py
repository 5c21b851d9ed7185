"""Rows that come in pages from both ends, against a plain list: what is shown is right, and nothing loses its place."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamdns_console.paging import PagedRows


class Node:
    """A list that is given in pages of so many, some of them shorter or empty."""

    def __init__(self, rows: list[int], size: int, gaps: int = 0) -> None:
        self.rows, self.size, self.gaps = rows, size, gaps
        self.asked: list[tuple[str, bool]] = []

    async def page(self, cursor: str, backwards: bool) -> tuple[Sequence[int], str | None]:
        """Cursors are values: the border lies before the first row that is not smaller; `x` is of an empty page."""
        self.asked.append((cursor, backwards))
        if self.gaps and not cursor.startswith("x"):
            return [], "x" + cursor
        cursor = cursor.removeprefix("x")
        border = int(cursor) if cursor else 1 << 40 if backwards else -1
        if backwards:
            found = [row for row in self.rows if row < border][-self.size :][::-1]
            more = bool(found) and found[-1] != self.rows[0]
            return found, str(found[-1]) if more else None
        left = [row for row in self.rows if row >= border]
        return left[: self.size], str(left[self.size]) if len(left) > self.size else None


class Shown:
    """A source with the row that a cursor is on, as a list of the console has it."""

    def __init__(self, node: Node, total: int | None) -> None:
        self.due: list[Awaitable[None]] = []
        self.cursor = 0
        self.problems: list[str] = []
        self.source = PagedRows(
            node.page, key=lambda row: row, spawn=self.due.append, changed=lambda: None, moved=self.moved,
            total=total, failed=lambda problem: self.problems.append(str(problem)),
        )

    def moved(self, first: int, by: int) -> None:
        """As the list does."""
        self.cursor += by if self.cursor >= first else 0

    def work(self) -> None:
        """Everything that was asked for comes."""
        while self.due:
            # Pages are there at once: nothing waits, and no event loop is needed.
            assert next(self.due.pop(0).__await__(), None) is None

    def at(self, index: int) -> Any:
        """The row at a place, fetched where it is not there; the cursor is on it."""
        self.cursor = max(0, min(index, len(self.source) - 1))
        if self.source.row(self.cursor) is None:
            self.work()
        return self.source.row(self.cursor) if self.cursor < len(self.source) else None

    def end(self) -> Any:
        """The last row."""
        self.source.to_end()
        self.at(len(self.source) - 1)
        self.work()
        return self.source.row(self.cursor)


@given(
    count=st.integers(1, 60),
    size=st.integers(1, 20),
    gaps=st.booleans(),
    total=st.one_of(st.none(), st.integers(-3, 3)),
    steps=st.lists(st.one_of(st.just("end"), st.just("up"), st.just("down"), st.integers(0, 70)), max_size=30),
)
def test_whatever_way_one_goes(count: int, size: int, gaps: bool, total: int | None, steps: list[str | int]) -> None:
    """However wrong the number is that was told: up and down lead to the rows beside, the end to the last one."""
    rows = list(range(0, 10 * count, 10))
    node = Node(rows, size, gaps=gaps)
    shown = Shown(node, None if total is None else max(0, count + total))
    assert shown.at(0) == 0
    for step in steps:
        here = shown.source.row(shown.cursor)
        if step == "end":
            assert shown.end() == rows[-1]
        elif step == "up" and shown.cursor and here is not None:
            assert shown.at(shown.cursor - 1) == here - 10
        elif step == "down" and here is not None and shown.cursor < len(shown.source) - 1:
            # A number that was too great can end in nothing.
            assert shown.at(shown.cursor + 1) in (here + 10, None if here == rows[-1] else here + 10)
        elif isinstance(step, int):
            shown.at(step)
    # What is known in the end is all there is, in its order.
    for index in range(count + 5):
        shown.at(index)
    shown.end()
    shown.at(0)
    for index in range(count):
        shown.at(index)
    assert [shown.at(index) for index in range(len(shown.source))] == rows
    assert not shown.problems


@given(
    size=st.integers(1, 12),
    told=st.booleans(),
    steps=st.lists(
        st.tuples(st.sampled_from(["end", "look", "add", "drop"]), st.integers(0, 400)), min_size=1, max_size=40
    ),
)
def test_rows_that_come_and_go_meanwhile(size: int, told: bool, steps: list[tuple[str, int]]) -> None:
    """Nobody waits for ever, and what is asked anew is right again."""
    rows = list(range(0, 400, 10))
    node = Node(rows, size)
    shown = Shown(node, len(rows) if told else None)
    for step, number in steps:
        if step == "add" and number not in rows:
            rows.append(number)
            rows.sort()
        elif step == "drop" and len(rows) > 1:
            del rows[number % len(rows)]
        elif step == "end":
            shown.end()
        else:
            shown.at(number // 5)
        asked = len(node.asked)
        shown.at(shown.cursor)
        assert len(node.asked) - asked <= 2 * 400, "it is asked again and again"
    assert not shown.problems


def test_many_rows_need_one_page_at_either_end() -> None:
    node = Node(list(range(100_000)), 500)
    shown = Shown(node, 100_000)
    assert shown.at(0) == 0
    assert shown.end() == 99_999
    assert node.asked == [("", False), ("", True)]
    assert shown.at(99_000) == 99_000
    assert len(node.asked) == 3
    assert shown.at(50_400) == 50_400
    assert len(node.asked) < 103


@pytest.mark.parametrize("total", [None, 2_000])
def test_both_ends_meet_in_the_middle(total: int | None) -> None:
    """Then all is known, and pages that were forgotten come again as they were."""
    node = Node(list(range(0, 20_000, 10)), 30)
    shown = Shown(node, total)
    assert shown.at(0) == 0
    assert shown.end() == 19_990
    for step in range(1_010):
        assert shown.at(shown.cursor - 1) == 19_990 - 10 * (step + 1)
    assert [shown.at(index) for index in range(1_000)] == list(range(0, 10_000, 10))
    assert len(shown.source) == 2_000
    assert [shown.at(index) for index in range(2_000)] == node.rows
    assert shown.end() == 19_990


def test_what_the_node_refuses_is_told_once() -> None:
    class Refusing(Node):
        async def page(self, cursor: str, backwards: bool) -> tuple[Sequence[int], str | None]:
            raise ValueError("not now")

    shown = Shown(Refusing([1], 1), None)
    assert shown.at(0) is None
    assert shown.end() is None
    assert (shown.problems, shown.source.problem) == (["not now"], "not now")
