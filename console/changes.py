"""Changes as lines: when, which RRset, what it was and what it is, and by whom. Pure."""

from __future__ import annotations

from rich.cells import cell_len

from streamdns.admin.schema.data import Change, Data

from . import format as fmt
from .lines import Line, Span, fit, printable, shorten, width_of
from .model import Snapshot

_TYPE = 6
_BY = 10


def data_text(data: Data | None, *, ttl: bool = False) -> str:
    """The records of an RRset in one line; those of large ones are not kept."""
    if data is None:
        return "nothing"
    if data.records is None:
        return f"a large RRset {printable(fmt.short_digest(data.hash))}"
    records = " ".join(printable(record) for record in data.records) or "no records"
    return f"{data.ttl} {records}" if ttl else records


def change_line(change: Change, width: int, snapshot: Snapshot) -> Line:
    """A change in one line: time, name, type, before → after, producer."""
    by = printable(change.producer or "")
    name_width = max(12, min(48, width * 3 // 10)) if width >= 60 else max(10, width // 3)
    line: Line = [
        Span(f"{fmt.clock(change.time / 1000)} ", "dim"),
        Span(fit(printable(change.name), name_width, middle=True)),
        Span(f" {fit(printable(change.type), _TYPE)} ", "dim"),
    ]
    by_width = _BY if width >= 76 else 0
    return [
        *line,
        *before_after(change, width - width_of(line) - by_width - bool(by_width)),
        *([Span(" " + fit(by, by_width, right=True), "dim")] if by_width else []),
    ]


def before_after(change: Change, width: int) -> Line:
    """What it was and what it is, or what a mark says, in exactly `width` cells."""
    if change.mark is not None:
        return [Span(fit(printable(change.mark), width), "strong")]
    same_records = (
        change.before is not None and change.after is not None and change.before.records == change.after.records
    )
    before = data_text(change.before, ttl=same_records)
    after = data_text(change.after, ttl=same_records)
    room = max(4, width - 3)
    longest = max(room // 2, room - cell_len(after))
    before = shorten(before, longest)
    after = shorten(after, max(1, room - cell_len(before)))
    line: Line = [
        Span(before, "dim" if change.before is None else "gone" if change.after is None else ""),
        Span(" → ", "dim"),
        Span(after, "dim" if change.after is None else "come" if change.before is None else "strong"),
    ]
    padding = width - width_of(line)
    return [*line, Span(" " * padding)] if padding > 0 else line
