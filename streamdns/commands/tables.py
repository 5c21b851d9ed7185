"""Tables for people, and lists as JSON that grow with their pages."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from streamdns.commands.output import printable

_GAP = "  "
_WIDEST = 60


def print_table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, with_head: bool = True) -> None:
    """A table on standard output, columns as wide as they need; the last one may be any length."""
    shown = [[printable(_text(cell)) for cell in row] for row in rows]
    if not shown:
        return
    widths = [min(_WIDEST, max(len(row[at]) for row in [list(head), *shown])) for at in range(len(head))]
    for row in [list(head), *shown] if with_head else shown:
        line = _GAP.join(cell.ljust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True))
        sys.stdout.write(f"{line}{_GAP if line else ''}{row[-1]}".rstrip() + "\n")
    sys.stdout.flush()


def print_pairs(pairs: Iterable[tuple[str, Any]]) -> None:
    """Names and values, one a line."""
    shown = [(name, printable(_text(value))) for name, value in pairs]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        sys.stdout.write(f"{name.ljust(width)}{_GAP}{value}".rstrip() + "\n")


def print_array(rows: Iterable[Any]) -> None:
    """One JSON array on standard output, written as its elements come."""
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
    """A length of time in short."""
    for unit, unit_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.3g} {unit}"
    return f"{seconds:.3g} s"


def octets(number: float) -> str:
    """A size in short."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:.0f} B"
