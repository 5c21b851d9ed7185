"""Flushes: deltas of counters, summaries of histograms, and the service that takes them."""

from __future__ import annotations

import math
import time

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.metrics.aggregator import Aggregator
from streamdns.metrics.catalogue import Metric
from streamdns.metrics.flush import Count, Flush, Level, Summary, Summing, pairs
from streamdns.metrics.registry import Registry

BOUNDS = (1.0, 2.0, 4.0, 8.0)
METRICS = (
    Metric("a.events", "counter", "Events."),
    Metric("a.kinds", "counter", "Kinds.", ("kind",)),
    Metric("a.level", "gauge", "Level."),
    Metric("a.times", "histogram", "Times.", (), "seconds", BOUNDS),
)


def take(summing: Summing) -> dict[tuple[str, tuple[str, ...]], Count | Level | Summary]:
    flush = summing.take(time_s=1.0, interval_s=1.0, pause=lambda: None)
    return {(figure.metric.name, figure.labels): figure for figure in flush.figures}


@given(st.lists(st.lists(st.integers(0, 1000), max_size=5), max_size=6))
def test_deltas_of_all_flushes_are_what_was_counted(flushes: list[list[int]]) -> None:
    registry = Registry(METRICS)
    summing = Summing(registry)
    seen = 0.0
    for added in flushes:
        for number in added:
            registry.counter("a.events").add(number)
        figure = take(summing)["a.events", ()]
        assert isinstance(figure, Count)
        assert figure.delta == sum(added)
        seen += figure.delta
        assert figure.total == seen


def test_a_series_that_comes_later_is_counted_from_its_beginning() -> None:
    registry = Registry(METRICS)
    summing = Summing(registry)
    assert ("a.kinds", ("x",)) not in take(summing)
    registry.counter("a.kinds", kind="x").add(3)
    figure = take(summing)["a.kinds", ("x",)]
    assert isinstance(figure, Count)
    assert (figure.delta, figure.total, pairs(figure)) == (3, 3, [("kind", "x")])


def test_gauges_are_as_they_stand_and_left_out_where_they_are_no_number() -> None:
    registry = Registry(METRICS)
    summing = Summing(registry)
    assert ("a.level", ()) not in take(summing)
    registry.gauge("a.level").set(7)
    assert take(summing)["a.level", ()] == Level(METRICS[2], (), 7)
    registry.gauge("a.level").set(math.nan)
    assert ("a.level", ()) not in take(summing)


def test_a_histogram_is_summed_up_anew_each_time() -> None:
    registry = Registry(METRICS)
    summing = Summing(registry)
    histogram = registry.histogram("a.times")
    for value in (0.5, 1.5, 3.0, 100.0):
        histogram.observe(value)
    first = take(summing)["a.times", ()]
    assert isinstance(first, Summary)
    assert (first.counts, first.observed, first.sum) == ((1, 1, 1, 0, 1), 4, 105.0)
    histogram.observe(7.0)
    second = take(summing)["a.times", ()]
    assert isinstance(second, Summary)
    assert (second.counts, second.observed, second.sum) == ((0, 0, 0, 1, 0), 1, 7.0)
    third = take(summing)["a.times", ()]
    assert isinstance(third, Summary)
    assert third.observed == 0
    assert math.isnan(third.quantile(0.5))


@given(st.lists(st.floats(0.01, 7.9), min_size=1, max_size=50), st.floats(0, 1))
def test_a_quantile_lies_in_the_bucket_of_the_value_that_it_stands_for(values: list[float], quantile: float) -> None:
    registry = Registry(METRICS)
    for value in values:
        registry.histogram("a.times").observe(value)
    figure = take(Summing(registry))["a.times", ()]
    assert isinstance(figure, Summary)
    exact = sorted(values)[max(0, math.ceil(quantile * len(values) - 1e-9) - 1)]
    upper = next(bound for bound in BOUNDS if exact <= bound)
    lower = max((bound for bound in BOUNDS if bound < upper), default=0.0)
    assert lower - 1e-9 <= figure.quantile(quantile) <= upper + 1e-9


def test_what_is_above_the_last_bound_counts_as_that_bound() -> None:
    figure = Summary(METRICS[3], (), (0, 0, 0, 0, 9), 900.0)
    assert figure.quantile(0.5) == 8.0


class _Keeping:
    def __init__(self) -> None:
        self.flushes: list[Flush] = []

    def offer(self, flush: Flush) -> None:
        self.flushes.append(flush)


def test_the_service_flushes_again_and_again_and_once_more_at_the_stop() -> None:
    registry = Registry(METRICS)
    kept = _Keeping()
    service = Aggregator(registry, [kept], interval_s=0.02)
    service.start()
    running = gevent.spawn(service.run)
    try:
        for number in range(1, 4):
            registry.counter("a.events").add(number)
            wanted, deadline_s = len(kept.flushes) + 2, time.monotonic() + 20
            while len(kept.flushes) < wanted and time.monotonic() < deadline_s:
                gevent.sleep(0.005)
        before = len(kept.flushes)
        registry.counter("a.events").add(10)
    finally:
        service.stop()
        running.join(20)
    assert running.successful()
    assert before >= 6
    assert len(kept.flushes) > before
    figures = [figure for flush in kept.flushes for figure in flush.figures]
    assert sum(each.delta for each in figures if isinstance(each, Count)) == 16
    assert all(flush.interval_s > 0 for flush in kept.flushes)
    assert [each.time_s for each in kept.flushes] == sorted(each.time_s for each in kept.flushes)


@pytest.mark.parametrize("number", [1, 100])
def test_others_have_their_turn_while_figures_are_read(number: int) -> None:
    registry = Registry(METRICS)
    for each in range(60):
        registry.counter("a.kinds", kind=str(each)).add(number)
    turns: list[int] = []
    flush = Summing(registry).take(time_s=0, interval_s=1, pause=lambda: turns.append(1))
    assert len(flush.figures) == 62
    assert len(turns) == 1
