"""The overview as lines: the screen draws them, and --once prints them. Pure.

In this order: is DNS answered, is the data fresh, is everybody the same; what needs a person follows on the screen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from . import format as fmt
from .history import Bin, Key, gauge_of, quantile_of, rate_of
from .lines import Line, Span, apart, clip, fit, printable, shorten, width_of
from .model import Node, Snapshot
from .plot import Curve, Scale, columns_of, plot, spark_blocks, sparkline, stacked
from .signs import sign
from .state import fleet_of, progress_of, state_of

#: A terminal of at least this width has plots instead of sparklines.
WIDE: Final = 120
_MOST_SPARKS: Final = 40
_FEWEST_PLOT_LINES: Final = 7
_MOST_PLOT_LINES: Final = 14
#: Cells in front of the sparkline, and behind it.
_BEFORE: Final = 21
_BEHIND: Final = 43
#: Of those the cells of figures that there are only where names of others are resolved.
_OF_RECURSION: Final = 25
LATENCY: Final = "dns.latency_seconds"
PROPAGATION: Final = "propagation.committed_seconds"
#: Five minutes, in bins of two seconds, are shown at the most.
_SHOWN_BINS: Final = 150

#: Axes do not end below these: a lag of a fifth of a second is no mountain.
_LEAST_TOP: Final = {"lag": 1.0, "plot lag": 1.0, "plot latency": 1.0, "plot propagation": 10.0}

Figure = Callable[[Sequence[Bin]], float | None]


def _rcode_is(*rcodes: str) -> Callable[[Key], bool]:
    return lambda key: bool(key[1]) and key[1][-1] in rcodes


def _rcode_is_other(key: Key) -> bool:
    return bool(key[1]) and key[1][-1] not in ("NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED")


ANSWERS: Final = rate_of("dns.queries")
RECURSION: Final = rate_of("resolver.queries")
P50: Final = quantile_of(LATENCY, 0.5)
P99: Final = quantile_of(LATENCY, 0.99)
LAG: Final = gauge_of("consumer.lag_seconds")
PROPAGATION_P50: Final = quantile_of(PROPAGATION, 0.5)
PROPAGATION_P99: Final = quantile_of(PROPAGATION, 0.99)
_RCODES: Final = (
    ("NOERROR", "ok", rate_of("dns.queries", where=_rcode_is("NOERROR"))),
    ("NXDOMAIN", "notice", rate_of("dns.queries", where=_rcode_is("NXDOMAIN"))),
    ("REFUSED", "second", rate_of("dns.queries", where=_rcode_is("REFUSED"))),
    ("other", "warning", rate_of("dns.queries", where=_rcode_is_other)),
    ("SERVFAIL", "alarm", rate_of("dns.queries", where=_rcode_is("SERVFAIL"))),
)


class Scales:
    """The ends of the axes, which follow their values with hysteresis: kept from one painting to the next."""

    def __init__(self) -> None:
        self._scales: dict[str, Scale] = {}

    def follow(self, name: str, points: Sequence[float | None]) -> float:
        """The end of an axis for these points."""
        return self._scales.setdefault(name, Scale(_LEAST_TOP.get(name, 0.0))).follow(points)


@dataclass(frozen=True, slots=True)
class Drawing:
    """How to draw: with which axes, and whether with plain characters."""

    scales: Scales
    plain: bool = False


def header(snapshot: Snapshot, width: int, *, plain: bool = False) -> Line:
    """The first line: which node, its state in one word, version and uptime; the fleet and how old all this is."""
    node, state = snapshot.node, state_of(snapshot.node)
    # The state is what must be read; the name gives way to it where there is no room for both.
    room = width - len(state.word) - (8 if width < 60 else 18)
    left: Line = [
        Span(" " if width < 60 else " streamdns ", "title"),
        Span(shorten(printable(node.name), max(4, room), middle=True), "strong"),
        Span("   "),
        sign(state.meaning, plain=plain),
        Span(f" {state.word}", state.meaning.value),
    ]
    right = _right(snapshot, plain=plain)
    if node.status is not None:
        status = node.status.value
        uptime = status.uptime + max(0.0, snapshot.at_s - node.status.at_s if node.live else 0.0)
        about: Line = [Span(f"   {printable(status.version)} up {_uptime(uptime)}", "dim")]
        progress = progress_of(node)
        if progress:
            about = [Span(f" {progress}", state.meaning.value), *about]
        if width_of([*left, *about, *right]) + 2 <= width:
            left += about
        elif progress:
            # The share alone where there is no room for how long it takes, too.
            for text in (progress, progress.partition(",")[0]):
                part = Span(f" {text}", state.meaning.value)
                if width_of([*left, part, *right]) + 2 <= width:
                    left.append(part)
                    break
    return apart(left, right, width)


def _right(snapshot: Snapshot, *, plain: bool) -> Line:
    fleet = fleet_of(snapshot.nodes, snapshot.main)
    right: Line = []
    if fleet.total > 1:
        good = fleet.good == fleet.total
        right += [
            Span("fleet ", "dim", "app.go('fleet')"),
            Span(f"{fleet.good}/{fleet.total}", "ok" if good else "warning", "app.go('fleet')"),
            Span("   "),
        ]
    part = snapshot.node.status
    turn = "every " if plain else "⟳ "
    if part is None:
        return [*right, Span("–  " if plain else "⟳ –  ", "stale")]
    gone_s = snapshot.at_s - part.at_s
    if snapshot.stale(part):
        return [*right, Span(f"{'' if plain else turn}{fmt.age(gone_s)} old ", "stale")]
    return [*right, Span(f"{turn}{snapshot.interval_s:g} s ", "dim")]


def _uptime(seconds: float) -> str:
    """The uptime to the minute: nothing that counts seconds in the first line."""
    return fmt.span(seconds) if seconds < 60 else fmt.span(seconds // 60 * 60)


def plot_lines(width: int, height: int) -> int:
    """How many lines of a terminal of this size plots take: none where it is narrow."""
    return 0 if width < WIDE else max(_FEWEST_PLOT_LINES, min(_MOST_PLOT_LINES, height // 4))


def figures(snapshot: Snapshot, width: int, drawing: Drawing, *, plots: int = 0, low: bool = False) -> list[Line]:
    """Four lines about answers, recursion, lag and data, two where it is low; below plots of so many lines."""
    node = snapshot.node
    lines = _summary(node, width, drawing, sparks=not plots)
    if low:
        lines = [lines[0], lines[2]]
    if plots:
        lines = _plots(node, width, plots, drawing) + lines
    if snapshot.stale(node.status) and node.status is not None:
        lines = [[Span(span.text, "stale") for span in line] for line in lines]
    return [clip(_trimmed(line), width) for line in lines]


def _trimmed(line: Line) -> Line:
    """Without the space behind the last figure."""
    return [*line[:-1], Span(line[-1].text.rstrip(), line[-1].style)]


def _curve(node: Node, points: int, figure: Figure) -> tuple[float | None, ...]:
    step = max(1, -(-_SHOWN_BINS // max(1, points)))
    return node.history.curve(points, step, figure)


def _spark(node: Node, name: str, figure: Figure, width: int, drawing: Drawing) -> Line:
    if not width:
        return [Span("  ")]
    points = _curve(node, width, figure)
    top = drawing.scales.follow(name, points)
    return [Span(sparkline(points, top, blocks=spark_blocks(plain=drawing.plain)), "accent"), Span("  ")]


def _head(label: str, value: str, unit: str, *, style: str = "strong") -> Line:
    """A label, and a value at the right end of the space in front of the sparkline."""
    name = f" {label} "
    room = max(len(value), _BEFORE - 2 - len(name) - len(unit))
    return [Span(name, "dim"), Span(value.rjust(room), style), Span(unit + "  ", "dim")]


def _summary(node: Node, width: int, drawing: Drawing, *, sparks: bool) -> list[Line]:
    spark = max(0, min(_MOST_SPARKS, width - _BEFORE - _BEHIND)) if sparks else 0
    history = node.history
    answers = history.growth("dns.queries")
    total = sum(answers.values())
    shares = {
        rcode: sum(value for labels, value in answers.items() if labels[-1:] == (rcode,)) / total if total else None
        for rcode in ("NXDOMAIN", "SERVFAIL")
    }
    failing = "warning" if (shares["SERVFAIL"] or 0.0) > 0.01 else ""
    p50, p99 = history.quantiles(LATENCY, 0.5, 0.99)
    return [
        [
            *_head("answers", fmt.rate(history.rate("dns.queries")), "/s"),
            *_spark(node, "answers", ANSWERS, spark, drawing),
            *_pair("p50", fmt.millis(p50), 5),
            *_pair("p99", fmt.millis(p99), 5, " ms"),
            *_pair("NXDOMAIN", fmt.percent(shares["NXDOMAIN"]), 6),
        ],
        [
            *_recursion(node, spark, drawing),
            Span("SERVFAIL ", failing or "dim"),
            Span(fmt.percent(shares["SERVFAIL"]).rjust(6), failing),
        ],
        _lag_line(node, spark, drawing),
        _data_line(node),
    ]


def _recursion(node: Node, spark: int, drawing: Drawing) -> Line:
    """What is asked for others' names; where that is off, the room of its figures is left empty."""
    if node.status is not None and node.status.value.resolver.get("enabled") is False:
        return [*_head("recursion", "off", "", style="dim"), Span(" " * (spark + 2 + _OF_RECURSION))]
    history = node.history
    lookups, hits = sum(history.growth("resolver.queries").values()), sum(history.growth("resolver.hits").values())
    return [
        *_head("recursion", fmt.rate(history.rate("resolver.queries")), "/s"),
        *_spark(node, "recursion", RECURSION, spark, drawing),
        *_pair("hit", fmt.percent(hits / lookups if lookups else None), 5),
        *_pair("out", fmt.rate(history.rate("resolver.outgoing")), 5, "/s "),
    ]


def _pair(label: str, value: str, width: int, unit: str = "") -> Line:
    return [Span(f"{label} ", "dim"), Span(value.rjust(width)), Span(f"{unit}  ", "dim")]


def _lag_line(node: Node, spark: int, drawing: Drawing) -> Line:
    if node.status is None:
        return _head("lag", fmt.UNKNOWN, "")
    lag = node.status.value.lag
    about = "~" if lag.events_estimated and lag.events else ""
    behind = fmt.age(lag.seconds) if lag.seconds >= 10 else f"{lag.seconds:.1f} s"
    p50, p99 = node.history.quantiles(PROPAGATION, 0.5, 0.99)
    return [
        *_head(
            "lag",
            f"{about}{fmt.short(lag.events)} ev, {behind}",
            "",
            style="warning" if lag.seconds >= 10 else "strong",
        ),
        *_spark(node, "lag", LAG, spark, drawing),
        Span("propagation  ", "dim"),
        *_pair("p50", fmt.millis(p50), 5),
        *_pair("p99", fmt.millis(p99), 5, " ms"),
    ]


def _data_line(node: Node) -> Line:
    if node.status is None:
        return _head("data", fmt.UNKNOWN, "")
    status, fleet = node.status.value, fleet_of((node,), 0)
    line: Line = [
        *_head("data", fmt.count(status.zones), ""),
        Span("zone" if status.zones == 1 else "zones", "dim"),
        Span(f"  {fmt.count(status.records)}", "strong"),
        Span(" records", "dim"),
        Span("  digest ", "dim"),
        Span(printable(fmt.short_digest(status.digest)), "accent"),
    ]
    if status.divergence:
        line += [Span(f" ≠ {fmt.plural(len(status.divergence), 'node')}", "alarm")]
    elif fleet.total > 1:
        line += [Span(f" = {fleet.same} of {fleet.total} nodes", "dim")]
    return line


# -- wide terminals


def _plots(node: Node, width: int, height: int, drawing: Drawing) -> list[Line]:
    gap = 2
    each = (width - 1 - 3 * gap) // 4
    inner = each
    points = columns_of(inner, plain=drawing.plain)
    blocks = [
        _rcode_plot(node, inner, height, points, drawing),
        _curves_plot(
            node,
            "latency",
            "ms",
            inner,
            height,
            points,
            drawing,
            (P99, "second"),
            (P50, "accent"),
            legend=(("p50", "accent"), ("p99", "second")),
            factor=1000,
        ),
        _curves_plot(node, "lag", "s", inner, height, points, drawing, (LAG, "accent"), legend=(), factor=1),
        _curves_plot(
            node,
            "propagation",
            "ms",
            inner,
            height,
            points,
            drawing,
            (PROPAGATION_P99, "second"),
            (PROPAGATION_P50, "accent"),
            legend=(("p50", "accent"), ("p99", "second")),
            factor=1000,
        ),
    ]
    lines = []
    for row in zip(*blocks, strict=True):
        line: Line = [Span(" ")]
        for number, cell in enumerate(row):
            line += [*clip(cell, each), *([Span(" " * gap)] if number < 3 else [])]
        lines.append(line)
    return lines


def _rcode_plot(node: Node, width: int, height: int, points: int, drawing: Drawing) -> list[Line]:
    layers = [_curve(node, points, figure) for _, _, figure in _RCODES]
    sums = stacked(layers)
    top = drawing.scales.follow("plot answers", sums[-1])
    curves = [Curve(total, style) for total, (_, style, _) in zip(sums, _RCODES, strict=True)]
    shown = [
        (rcode, style)
        for (rcode, style, _), layer in zip(_RCODES, layers, strict=True)
        if rcode == "NOERROR" or any(layer)
    ]
    return [
        _plot_head("answers", f"{fmt.short(top)}/s", shown, width),
        *plot(curves[::-1], width, height - 2, top, filled=True, plain=drawing.plain),
        _axis(width, points),
    ]


def _curves_plot(
    node: Node,
    name: str,
    unit: str,
    width: int,
    height: int,
    points: int,
    drawing: Drawing,
    *curves: tuple[Figure, str],
    legend: Sequence[tuple[str, str]],
    factor: float,
) -> list[Line]:
    drawn = [
        Curve(tuple(None if value is None else value * factor for value in _curve(node, points, figure)), style)
        for figure, style in curves
    ]
    top = drawing.scales.follow(f"plot {name}", [value for curve in drawn for value in curve.points])
    return [
        _plot_head(name, f"{_axis_text(top)} {unit}", legend, width),
        *plot(drawn, width, height - 2, top, filled=len(curves) == 1, plain=drawing.plain),
        _axis(width, points),
    ]


def _axis_text(value: float) -> str:
    return f"{value:g}" if value < 1000 else fmt.short(value)


def _plot_head(title: str, top: str, legend: Sequence[tuple[str, str]], width: int) -> Line:
    left: Line = [Span(title, "strong")]
    for text, style in legend:
        more = [Span(" "), Span(text, style)]
        if width_of(left) + width_of(more) + len(top) + 2 <= width:
            left += more
    return apart(left, [Span(top, "dim")], width)


def _axis(width: int, points: int) -> Line:
    step = max(1, -(-_SHOWN_BINS // max(1, points)))
    minutes = points * step * 2 / 60
    left = f"-{minutes:.0f} min"
    return [Span(left, "dim"), Span("─" * max(0, width - len(left) - 4), "rule"), Span(fit(" now", 4), "dim")]
