"""The overview as plain text (--once), for cron and tickets, and the snapshot as JSON (--json)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from . import format as fmt
from .attention import attention_of
from .changes import change_line
from .glyphs import in_ascii
from .lines import Line, Span, printable, rule, text_of, wrap
from .model import Node, Part, Snapshot
from .overview import Drawing, Scales, figures, header
from .panes.fleet import fleet_rows
from .signs import sign
from .state import state_of

WIDTH = 100
_SHOWN_CHANGES = 10


def as_text(snapshot: Snapshot, *, width: int = WIDTH, plain: bool = False) -> str:
    """The overview without colours; no sparklines, which need more than two readings."""
    lines = [header(snapshot, width, plain=plain), rule("", width)]
    node = snapshot.node
    if node.status is not None:
        lines += [_without_sparks(line) for line in figures(snapshot, min(width, 119), Drawing(Scales(), plain))]
    needs = attention_of(snapshot)
    lines.append(rule(f"needs attention ({len(needs)})" if needs else "nothing needs attention", width))
    for each in needs:
        first, *more = wrap(printable(each.text), width - 3)
        lines += [
            [Span(" "), sign(each.meaning, plain=plain), Span(f" {first}")],
            *([Span(f"   {text}")] for text in more),
        ]
    rows = fleet_rows(snapshot)
    if len(rows) > 1:
        lines.append(rule(f"fleet ({len(rows)} nodes)", width))
        lines += [_fleet_line(row, plain=plain) for row in rows]
    if node.changes.rows:
        lines.append(rule("last changes", width))
        lines += [
            [Span(" "), *change_line(change, width - 1, snapshot)] for change in node.changes.rows[:_SHOWN_CHANGES]
        ]
    text = "\n".join(printable(text_of(line)).rstrip() for line in lines) + "\n"
    return in_ascii(text) if plain else text


def _without_sparks(line: Line) -> Line:
    return [Span("") if span.style == "accent" and span.text.strip("▁▂▃▄▅▆▇█ ") == "" else span for span in line]


def _fleet_line(row: Any, *, plain: bool) -> Line:
    odd = "≠" if row.odd else "=" if row.odd is False else "?"
    zones = f"  differs in {', '.join(map(printable, row.zones))}" if row.odd and row.zones else ""
    return [
        Span(" "),
        sign(row.meaning, plain=plain),
        Span(
            f" {printable(row.name):24} {row.state:14} {row.version:8} "
            f"{fmt.short(row.lag_events):>6} ev {fmt.span(row.lag_s):>8}  {odd} {fmt.short_digest(row.digest)}{zones}"
        ),
    ]


def in_encoding(text: str, encoding: str) -> str:
    """The text with escapes for what an output of this encoding cannot have."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def as_json(snapshot: Snapshot, *, ascii_only: bool = False) -> str:
    """All that is known, for programs; moments in seconds since 1970. With `ascii_only` JSON's escapes for the rest."""
    document = {
        "at": snapshot.at_s,
        "console": snapshot.version,
        "attention": [
            {"meaning": each.meaning.value, "text": each.text, "screen": each.screen} for each in attention_of(snapshot)
        ],
        "nodes": [_node(node) for node in snapshot.nodes],
    }
    encoded = msgspec.json.encode(document)
    if ascii_only:
        return json.dumps(msgspec.json.decode(encoded), indent=2) + "\n"
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def _node(node: Node) -> dict[str, Any]:
    state, history = state_of(node), node.history
    p50, p99 = history.quantiles("dns.latency_seconds", 0.5, 0.99)
    parts: Iterator[tuple[str, Part[Any] | None]] = iter(
        (("status", node.status), ("consumer", node.consumer), ("nodes", node.nodes), ("metrics", node.metrics))
    )
    return {
        "url": node.url,
        "name": node.name,
        "state": state.word,
        "detail": state.detail,
        "connection": node.connection.link.value,
        "clock_skew": node.skew_s,
        "denied": dict(node.denied),
        "figures": {
            "queries_per_second": history.rate("dns.queries"),
            "latency_p50": p50,
            "latency_p99": p99,
            "recursion_per_second": history.rate("resolver.queries"),
        },
        **{name: None if part is None else {"at": part.at_s, "document": part.value} for name, part in parts},
        "changes": list(node.changes.rows),
    }


def exit_code(snapshot: Snapshot) -> int:
    """0 where every node answers and should get queries, 1 otherwise."""
    good = all(node.live and node.status is not None and node.status.value.ready for node in snapshot.nodes)
    return 0 if good else 1
