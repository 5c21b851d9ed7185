"""Every metric of the catalogue by component, with its rate; the selected one is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult

from streamdns.admin.schema.state import Metrics as MetricsDocument
from streamdns.admin.schema.state import MetricSeries

from .. import format as fmt
from ..history import History, counts_of, gauge_of, label_values, quantile_of, rate_of
from ..history import Key as SeriesKey
from ..lines import Line, Span, apart, clip, printable, rule
from ..model import Snapshot
from ..plot import Curve, Scale, columns_of, plot
from ..widgets.canvas import Canvas
from ..widgets.columns import Column
from ..widgets.rows import Rows
from .pane import Host, Key, Pane

_SHOWN_BINS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One series: its metric and labels, what it is now, and how fast it grows."""

    metric: MetricSeries
    labels: tuple[tuple[str, str], ...]
    value: float | None
    rate: float | None
    quantiles: tuple[float | None, float | None] = (None, None)

    @property
    def key(self) -> SeriesKey:
        """The series in the history."""
        return self.metric.name, tuple(value for _, value in self.labels)


def metric_rows(metrics: MetricsDocument, history: History) -> list[MetricRow]:
    """All series by component, in the order of the catalogue."""
    rows = []
    for metric in metrics.metrics:
        for series in metric.series:
            key = metric.name, label_values(series.labels)
            rate = history.rate(metric.name, where=lambda each, key=key: each == key)  # type: ignore[misc]
            histogram = series.buckets is not None
            counts = counts_of(series) if histogram else None
            rows.append(
                MetricRow(
                    metric=metric,
                    labels=tuple(series.labels.items()),
                    value=float(series.count or 0) if histogram else series.value,
                    rate=rate if metric.kind != "gauge" else None,
                    quantiles=(counts.quantile(0.5), counts.quantile(0.99)) if counts is not None else (None, None),
                )
            )
    order = {name: number for number, name in enumerate(dict.fromkeys(row.metric.name.split(".")[0] for row in rows))}
    return sorted(rows, key=lambda row: order[row.metric.name.split(".")[0]])


class _Plot(Canvas):
    """The selected series over the last ten minutes."""

    DEFAULT_CSS = "_Plot { height: 9; }"

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host, self._scale = host, Scale()
        self.row: MetricRow | None = None

    def select(self, row: MetricRow | None) -> None:
        """Draw another one."""
        if row is not None and (self.row is None or row.key != self.row.key):
            self._scale = Scale()
        self.row = row
        self.repaint()

    def paint(self, width: int, height: int) -> list[Line]:
        """What it means, and the curve."""
        row = self.row
        if row is None or height < 4:
            return [rule("", width)]
        metric, history = row.metric, self._host.snapshot.node.history
        points = max(1, columns_of(width - 2, plain=self._host.plain_signs()))
        step = max(1, -(-_SHOWN_BINS // points))

        def same(key: SeriesKey) -> bool:
            return key == row.key

        if metric.kind == "histogram":
            curves = [
                Curve(history.curve(points, step, quantile_of(metric.name, 0.99, same)), "second"),
                Curve(history.curve(points, step, quantile_of(metric.name, 0.5, same)), "accent"),
            ]
            unit = f"{metric.unit}, p50 and p99"
        elif metric.kind == "gauge":
            curves, unit = [Curve(history.curve(points, step, gauge_of(metric.name, same)), "accent")], metric.unit
        else:
            curves = [Curve(history.curve(points, step, rate_of(metric.name, where=same)), "accent")]
            unit = "a second"
        top = self._scale.follow([value for curve in curves for value in curve.points])
        minutes = points * step * 2 / 60
        lines = [
            rule(metric.name, width),
            [Span(f"  {metric.description}", "dim")],
            apart(
                [Span(f"  the last {minutes:.0f} min", "dim")],
                [Span(f"{fmt.short(top) if top >= 1 else f'{top:g}'} {unit} ", "dim")],
                width,
            ),
        ]
        drawn = plot(curves, width - 2, height - 3, top, filled=len(curves) == 1, plain=self._host.plain_signs())
        return [clip(line, width) for line in [*lines, *([Span(" "), *line] for line in drawn)]]


class Metrics(Pane):
    """The list of series, and a plot."""

    help: ClassVar[str] = (
        "Everything that the node counts, in the order of docs/metrics.md. A counter grows only: its rate is what it "
        "grew by in a second, over the last six. A gauge is a value of now. A histogram has the half (p50) and the "
        "99th of 100 (p99) of all that it counted since the start.\n"
        "The plot has the selected line over the last ten minutes, as long as the console was open."
    )

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.plot = _Plot(host)
        self.list = Rows(
            [
                Column(title="metric", cell=lambda row: row.metric.name, width=28, order=lambda row: row.metric.name),
                Column(title="labels", cell=self._labels, weight=2, optional=2),
                Column(title="value", cell=_value, width=14, right=True, order=lambda row: row.value or 0.0),
                Column(
                    title="rate",
                    cell=lambda row: "" if row.rate is None else f"{fmt.rate(row.rate)}/s",
                    width=8,
                    right=True,
                    optional=1,
                    order=lambda row: row.rate or 0.0,
                ),
                Column(title="p50", cell=lambda row: _quantile(row, 0), width=8, right=True, optional=4),
                Column(title="p99", cell=lambda row: _quantile(row, 1), width=8, right=True, optional=3),
            ],
            key=lambda row: row.key,
            nothing="asking …",
            needle=lambda row: f"{row.metric.name} {' '.join(value for _, value in row.labels)}",
        )

    def compose(self) -> ComposeResult:
        """The list above the plot."""
        yield self.list
        yield self.plot

    def title(self) -> str:
        """Its name."""
        return f"metrics ({self.list.count:,})"

    def key_hints(self) -> list[Key]:
        """What can be done with a metric."""
        return [
            Key("↑↓", "draw another"),
            Key("/", "filter"),
            Key("←→ s", "sort"),
            Key("c", "copy name"),
            Key("y", "JSON"),
        ]

    def show(self, snapshot: Snapshot) -> None:
        """The figures of now."""
        part = snapshot.node.metrics
        self.list.nothing = snapshot.node.denied.get("metrics", "asking …")
        self.list.dim(snapshot.stale(part))
        if part is not None:
            self.list.show(metric_rows(part.value, snapshot.node.history))
            self.plot.select(self.list.row)
        self.host.retitle()

    def as_of(self, snapshot: Snapshot) -> float | None:
        """When the figures came."""
        part = snapshot.node.metrics
        return part.at_s if part is not None else None

    def on_resize(self) -> None:
        """A low terminal has a low plot."""
        self.plot.styles.height = max(0, min(14, self.size.height // 2 - 2))

    @on(Rows.Moved)
    def _moved(self, event: Rows.Moved) -> None:
        self.plot.select(event.row)

    def to_copy(self) -> str:
        """Its name in Prometheus."""
        row = self.list.row
        if row is None:
            return ""
        total = "_total" if row.metric.kind == "counter" else ""
        labels = ",".join(f'{key}="{value}"' for key, value in row.labels)
        name = f"streamdns_{row.metric.name.replace('.', '_')}{total}"
        return f"{name}{{{labels}}}" if labels else name

    def to_json(self) -> Any | None:
        """The metric with all of its series."""
        row = self.list.row
        return row.metric if row is not None else None

    def _labels(self, row: MetricRow) -> Line:
        return [Span(" ".join(printable(value) for _, value in row.labels), "dim")]


def _value(row: MetricRow) -> str:
    if row.value is None:
        return fmt.UNKNOWN
    if row.metric.unit == "bytes" and row.metric.kind == "gauge":
        return fmt.octets(row.value)
    return fmt.count(row.value) if row.value == int(row.value) else f"{row.value:,.3f}"


def _quantile(row: MetricRow, which: int) -> str:
    value = row.quantiles[which]
    if value is None:
        return ""
    return f"{fmt.millis(value)} ms" if row.metric.unit == "seconds" else fmt.short(value)
