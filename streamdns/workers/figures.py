"""Carries figures from the registries of the workers into that of the main process."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from functools import partial

from streamdns.metrics.catalogue import BY_NAME
from streamdns.metrics.process import resident_bytes
from streamdns.metrics.registry import Histogram, Registry
from streamdns.workers.messages import Report

#: What a process says of itself is no part of a sum; a worker's own figures are in its row.
_OWN = "process."


class Reporter:
    """Takes reports of a worker's registry."""

    def __init__(
        self, registry: Registry, late_s: Callable[[], float],
        first_answers: Callable[[], list[tuple[str, int, float]]] = list,
    ) -> None:
        self._registry = registry
        self._late_s, self._first_answers = late_s, first_answers
        self._totals: dict[tuple[str, tuple[str, ...]], float] = {}
        self._histograms: dict[tuple[str, tuple[str, ...]], tuple[list[int], float]] = {}

    def take(self) -> Report:
        """Return what was counted since the last report; every counter is in one at least, if only with 0."""
        report = Report([], [], [], sum(os.times()[:2]), resident_bytes(), self._late_s(), self._first_answers())
        for metric, series in self._registry.collect():
            name = metric.name
            if name.startswith(_OWN):
                continue
            for labels, value in series:
                if isinstance(value, Histogram):
                    self._add_histogram(report, name, labels, value)
                elif metric.kind == "counter":
                    key = name, labels
                    before = self._totals.get(key)
                    if value != before:
                        self._totals[key] = value
                        report.counts.append((name, labels, value - (before or 0)))
                elif math.isfinite(value):
                    report.levels.append((name, labels, value))
        return report

    def _add_histogram(self, report: Report, name: str, labels: tuple[str, ...], value: Histogram) -> None:
        key = name, labels
        before = self._histograms.get(key)
        if before is None:
            before = [0] * len(value.counts), 0.0
        elif before[0] == value.counts:
            return
        counts = value.counts.copy()
        self._histograms[key] = counts, value.sum
        grown = tuple(now - then for now, then in zip(counts, before[0], strict=True))
        report.histograms.append((name, labels, grown, value.sum - before[1]))


Levels = dict[tuple[str, tuple[str, ...]], float]


class Gathered:
    """Adds the reports of all workers to the main registry: counters and histograms for good, gauges while they live.

    `levels` gives the gauges of each worker that lives.
    """

    def __init__(self, registry: Registry, levels: Callable[[], Iterable[Levels]]) -> None:
        self._registry, self._levels = registry, levels
        self._gauges: set[tuple[str, tuple[str, ...]]] = set()

    def add(self, report: Report) -> Levels:
        """Add a report; its gauges."""
        for name, labels, delta in report.counts:
            self._registry.counter(name, **_named(name, labels)).add(delta)
        for name, labels, counts, total in report.histograms:
            self._registry.histogram(name, **_named(name, labels)).add(counts, total)
        levels = {(name, labels): value for name, labels, value in report.levels}
        for gauge in levels.keys() - self._gauges:
            self._gauges.add(gauge)
            self._registry.callback(gauge[0], partial(self._sum, gauge), **_named(*gauge))
        return levels

    def _sum(self, gauge: tuple[str, tuple[str, ...]]) -> float:
        return sum(levels.get(gauge, 0) for levels in self._levels())


def _named(name: str, labels: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(BY_NAME[name].labels, labels, strict=True))
