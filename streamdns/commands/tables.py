"""Prints tables for people, and JSON arrays that are written as their rows come."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from streamdns.commands.output import printable

_GAP = "  "
_WIDEST = 60
#: A column that is cut into lines keeps so much, or what it has.
_NARROW = 24
_milliseconds = re.compile(r"(T\d\d:\d\d:\d\d)\.\d{3}Z").sub


class Table:
    """A table on standard output, written in parts; on a terminal it is made to fit its width.

    Elsewhere than on a terminal each row is one line, and the last column may be any length. On a terminal it is made
    to fit: columns that are `optional` are left out where they say nothing, and in this order where there is no room
    for them; then cells are cut into lines.
    """

    def __init__(self, head: Sequence[str], *, optional: Sequence[str] = (), columns: int | None = None) -> None:
        self._head, self._optional = list(head), optional
        self._room = columns if columns is not None else _room()
        self._kept: list[int] | None = None

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write the next rows; the head comes before the first of them."""
        shown = [[printable(_text(cell)) for cell in row] for row in rows]
        if not shown:
            return
        with_head = self._kept is None
        if self._room is not None and _length(_widths([self._head, *shown])) > self._room:
            shown = [[_milliseconds(r"\1Z", cell) for cell in row] for row in shown]
        if self._kept is None:
            self._kept = self._chosen(shown)
        shown = [[row[at] for at in self._kept] for row in [self._head, *shown]]
        widths = _widths(shown)
        if self._room is None:
            widths = [*(min(_WIDEST, width) for width in widths[:-1]), widths[-1]]
        else:
            words = _widths([[max(cell.split(), key=len, default="") for cell in row] for row in shown])
            widths = _fitting(widths, words, self._room)
        for row in shown if with_head else shown[1:]:
            self._line(row, widths)
        sys.stdout.flush()

    def _chosen(self, rows: list[list[str]]) -> list[int]:
        """Return the columns that are shown."""
        kept = list(range(len(self._head)))
        if self._room is None:
            return kept
        kept = [at for at in kept if self._head[at] not in self._optional or any(row[at] != "-" for row in rows)]
        for name in self._optional:
            widths = _widths([[row[at] for at in kept] for row in [self._head, *rows]])
            if _length([min(width, _NARROW) for width in widths]) <= self._room:
                break
            kept = [at for at in kept if self._head[at] != name]
        return kept

    def _line(self, row: Sequence[str], widths: Sequence[int]) -> None:
        cells = [[cell] if self._room is None else _cut(cell, width) for cell, width in zip(row, widths, strict=True)]
        for pieces in itertools.zip_longest(*cells, fillvalue=""):
            padded = [piece.ljust(width) for piece, width in zip(pieces[:-1], widths[:-1], strict=True)]
            sys.stdout.write(_GAP.join([*padded, pieces[-1]]).rstrip() + "\n")


def _room() -> int | None:
    """Return the width of the terminal; None where standard output is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _length(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _fitting(widths: Sequence[int], words: Sequence[int], room: int) -> list[int]:
    """Reduce widths until they fit: first columns that need not cut words, the widest first."""
    widths = list(widths)
    for least in (words, [1] * len(widths)):
        while _length(widths) > room and (wide := [at for at, width in enumerate(widths) if width > least[at]]):
            widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


def _cut(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(1, width), break_on_hyphens=False) or [""]


def print_table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, optional: Sequence[str] = ()) -> None:
    """Print a whole table."""
    Table(head, optional=optional).write(rows)


def print_pairs(pairs: Iterable[tuple[str, Any]]) -> None:
    """Print names and values, one pair a line; on a terminal long values are wrapped."""
    shown = [(name, printable(_text(value))) for name, value in pairs]
    width = max((len(name) for name, _ in shown), default=0)
    room = _room()
    for name, value in shown:
        pieces = [value] if room is None else _cut(value, max(_NARROW, room - width - len(_GAP)))
        for index, piece in enumerate(pieces):
            sys.stdout.write(f"{('' if index else name).ljust(width)}{_GAP}{piece}".rstrip() + "\n")


def print_array(rows: Iterable[Any]) -> None:
    """Print a JSON array, writing its elements as they come."""
    before = "["
    for row in rows:
        sys.stdout.write(f"{before}\n  {json.dumps(row)}")
        before = ","
    sys.stdout.write("\n]\n" if before == "," else "[]\n")


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def span(seconds: float) -> str:
    """Format a length of time in short."""
    for unit, unit_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.3g} {unit}"
    return f"{seconds:.3g} s"


def octets(number: float) -> str:
    """Format a size in short."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:.0f} B"
