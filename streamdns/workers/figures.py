"""Carries figures from the registries of the workers into that of the main process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial

from streamdns.metrics.catalogue import BY_NAME
from streamdns.metrics.flush import Count, Level, Summary, Summing
from streamdns.metrics.process import resident_bytes
from streamdns.metrics.registry import Registry
from streamdns.workers.messages import Report

#: What a process says of itself is no part of a sum; a worker's own figures are in its row.
_OWN = "process."


class Reporter:
    """Takes reports of a worker's registry."""

    def __init__(
        self, registry: Registry, late_s: Callable[[], float],
        first_answers: Callable[[], list[tuple[str, int, float]]] = list,
    ) -> None:
        self._summing = Summing(registry)
        self._late_s, self._first_answers = late_s, first_answers
        self._begun: set[tuple[str, tuple[str, ...]]] = set()

    def take(self) -> Report:
        """Return what was counted since the last report; every counter is in one at least, if only with 0."""
        counts, levels, histograms = [], [], []
        flush = self._summing.take(time_s=0.0, interval_s=0.0, pause=lambda: None)
        for figure in flush.figures:
            name, labels = figure.metric.name, figure.labels
            if name.startswith(_OWN):
                continue
            if isinstance(figure, Level):
                levels.append((name, labels, figure.value))
                continue
            new = (name, labels) not in self._begun
            self._begun.add((name, labels))
            if isinstance(figure, Count) and (figure.delta or new):
                counts.append((name, labels, figure.delta))
            elif isinstance(figure, Summary) and (figure.observed or new):
                histograms.append((name, labels, figure.counts, figure.sum))
        return Report(counts, levels, histograms, sum(os.times()[:2]), resident_bytes(), self._late_s(),
                      self._first_answers())


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
