"""Turns the registry into flushes: counters as deltas, gauges, and histograms since the flush before."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from streamdns.metrics.catalogue import Metric
from streamdns.metrics.registry import Histogram, Registry

#: After so many figures whoever else waits for the loop has a turn.
_FIGURES_A_TURN = 32
QUANTILES = (0.5, 0.9, 0.99)


class Count(NamedTuple):
    """A counter: its growth since the flush before, and its total since the start of the process."""

    metric: Metric
    labels: tuple[str, ...]
    delta: float
    total: float


class Level(NamedTuple):
    """A gauge: its value now."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


class Summary(NamedTuple):
    """A histogram: observations since the flush before by bucket (not cumulative), and their sum."""

    metric: Metric
    labels: tuple[str, ...]
    counts: tuple[int, ...]
    sum: float

    @property
    def observed(self) -> int:
        return sum(self.counts)

    def quantile(self, quantile: float) -> float:
        """Estimate a quantile, with values taken as even within a bucket; NaN without observations.

        What lies above the last bound counts as that bound, as in Prometheus's histogram_quantile().
        """
        bounds = self.metric.buckets
        wanted, below = quantile * self.observed, 0
        if not self.observed:
            return math.nan
        for index, count in enumerate(self.counts[:-1]):
            if count and below + count >= wanted:
                lower = bounds[index - 1] if index else 0.0
                return lower + (bounds[index] - lower) * max(0.0, wanted - below) / count
            below += count
        return bounds[-1]


Figure = Count | Level | Summary


class Flush(NamedTuple):
    """All figures at one moment: `time_s` is UNIX time, `interval_s` the time since the flush before."""

    time_s: float
    interval_s: float
    figures: tuple[Figure, ...]


def pairs(figure: Figure) -> list[tuple[str, str]]:
    """Return the labels of a figure as names and values."""
    return list(zip(figure.metric.labels, figure.labels, strict=True))


class Summing:
    """Takes flushes of a registry, remembering the totals of the one before."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._totals: dict[tuple[str, tuple[str, ...]], float] = {}
        self._histograms: dict[tuple[str, tuple[str, ...]], tuple[tuple[int, ...], float]] = {}

    def take(self, *, time_s: float, interval_s: float, pause: Callable[[], None]) -> Flush:
        """Take a flush: growth since the last call, or since the start; `pause` is called every few figures."""
        figures: list[Figure] = []
        for metric, series in self._registry.collect():
            for labels, value in series:
                if isinstance(value, Histogram):
                    figures.append(self._summary(metric, labels, value))
                elif not math.isfinite(value):
                    continue
                elif metric.kind == "counter":
                    key = metric.name, labels
                    figures.append(Count(metric, labels, value - self._totals.get(key, 0), value))
                    self._totals[key] = value
                else:
                    figures.append(Level(metric, labels, value))
                if len(figures) % _FIGURES_A_TURN == 0:
                    pause()
        return Flush(time_s, interval_s, tuple(figures))

    def _summary(self, metric: Metric, labels: tuple[str, ...], value: Histogram) -> Summary:
        key = metric.name, labels
        counts, total = tuple(value.counts), value.sum
        old_counts, old_total = self._histograms.get(key, ((0,) * len(counts), 0.0))
        self._histograms[key] = counts, total
        return Summary(metric, labels, tuple(map(int.__sub__, counts, old_counts)), total - old_total)
