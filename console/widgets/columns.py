"""The columns of a list: how wide each is, which go where there is no room, and what a row looks like. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from .. import format as fmt
from ..lines import Line, Span, fit, printable, shorten, width_of

GAP: Final = 2
R = TypeVar("R")


class Produced(Protocol):
    """A row of which it is known who wrote it, or not."""

    @property
    def producer(self) -> str | None:
        """The producer's name."""


P = TypeVar("P", bound=Produced)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Generic[R]):
    """A column: `cell` gives a text or spans; `width` 0 takes what is left, shared by `weight`.

    Where that is less than `least` cells each, columns with the highest `optional` go first; those with 0 stay, and the
    widest of them gives way where they alone are too wide. `order` is what rows are sorted by; None: they are not.
    """

    title: str
    cell: Callable[[R], str | Line]
    width: int = 0
    least: int = 14
    weight: int = 1
    right: bool = False
    middle: bool = False
    optional: int = 0
    order: Callable[[R], Any] | None = None


def figure(
    title: str, value: Callable[[R], Any], width: int, shown: Callable[[Any], str] = fmt.count, *, optional: int = 0
) -> Column[R]:
    """A column of numbers at their right ends, by which rows are sorted; one that is not known sorts first."""

    def order(row: R) -> tuple[bool, Any]:
        known = value(row)
        return known is not None, known

    return Column(
        title=title, cell=lambda row: shown(value(row)), width=width, right=True, optional=optional, order=order
    )


def producer(*, optional: int) -> Column[P]:
    """The column that says who wrote a record."""

    def name(row: P) -> str:
        return row.producer or ""

    return Column(title="by", cell=lambda row: printable(name(row)), width=10, optional=optional, order=name)


def layout(columns: Sequence[Column[Any]], width: int) -> list[tuple[Column[Any], int]]:
    """The columns that there is room for, with their widths."""
    shown = list(columns)
    while True:
        fixed = sum(column.width for column in shown) + GAP * max(0, len(shown) - 1)
        flexible = [column for column in shown if not column.width]
        room = width - fixed
        if room >= sum(column.least for column in flexible) or not any(column.optional for column in shown):
            break
        shown.remove(max(reversed(shown), key=lambda column: column.optional))
    weights = sum(column.weight for column in flexible)
    found, left = [], max(0, room)
    for column in shown:
        if column.width:
            found.append((column, column.width))
            continue
        share = left * column.weight // weights if weights else 0
        left, weights = left - share, weights - column.weight
        found.append((column, max(1, share)))
    if room < 0 and not flexible:
        widest = max(range(len(found)), key=lambda number: found[number][1])
        column, most = found[widest]
        found[widest] = column, max(1, most + room)
    return found


def row_line(row: Any, columns: Sequence[tuple[Column[Any], int]]) -> Line:
    """A row as a line."""
    line: list[Span] = []
    for column, width in columns:
        if line:
            line.append(Span(" " * GAP))
        content = column.cell(row)
        if isinstance(content, str):
            line.append(Span(fit(content, width, right=column.right, middle=column.middle)))
        else:
            line += _fitted(content, width, column)
    return line


def head_line(
    columns: Sequence[tuple[Column[Any], int]],
    *,
    sorted_by: str,
    reverse: bool,
    chosen: str,
    up: str = "▲",
    down: str = "▼",
) -> Line:
    """The titles; the column that rows are sorted by has an arrow, the chosen one is underlined."""
    line: list[Span] = []
    for number, (column, width) in enumerate(columns):
        if line:
            line.append(Span(" " * GAP))
        title = column.title
        if title == sorted_by:
            title += down if reverse else up
        style = "match" if title.rstrip(up + down) == chosen and column.order is not None else "dim"
        action = f"sort({number})" if column.order is not None else ""
        text = shorten(title, width)
        padding = Span(" " * (width - len(text)))
        line += [padding, Span(text, style, action)] if column.right else [Span(text, style, action), padding]
    return line


def _fitted(content: Line, width: int, column: Column[Any]) -> Line:
    used = width_of(content)
    if used > width:
        found, room = [], width
        for span in content:
            text = shorten(span.text, room, middle=column.middle and len(content) == 1)
            found.append(Span(text, span.style, span.action))
            room -= width_of([found[-1]])
            if room <= 0 or text != span.text:
                break
        return [*found, Span(" " * max(0, room))]
    padding = Span(" " * (width - used))
    return [padding, *content] if column.right else [*content, padding]
