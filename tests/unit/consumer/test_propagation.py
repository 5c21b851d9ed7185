"""Propagation: how old events are when they are committed, and when an answer could show them."""

from __future__ import annotations

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from streamdns.consumer.propagation import Propagation
from streamdns.events.batch import Record
from streamdns.metrics.registry import Registry
from streamdns.view.writer import Rejection

NOW_MS = 1_700_000_000_000


class Bench:
    """One Propagation with its clock and what it counted of a source."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.now_ms = NOW_MS
        self.propagation = Propagation(self.registry, lambda: self.now_ms / 1000)

    def commit(self, *ages_ms: int, source: str = "file", rejected: int = 0, begin: int = 0) -> None:
        """Records of these ages, the first `rejected` of which are."""
        records = [
            Record(source, 0, begin + number, self.now_ms - age, b"k", b"v") for number, age in enumerate(ages_ms)
        ]
        rejections = [Rejection(source, 0, begin + number, "why", "key") for number in range(rejected)]
        self.propagation.committed(records, rejections)

    def counts(self, name: str, source: str = "file") -> list[int]:
        return self.registry.histogram(f"propagation.{name}_seconds", source=source).counts

    def sum(self, name: str, source: str = "file") -> float:
        return self.registry.histogram(f"propagation.{name}_seconds", source=source).sum

    def skewed(self, source: str = "file") -> float:
        return self.registry.counter("propagation.skewed", source=source).value


@given(st.lists(st.integers(-5000, 10_000_000), min_size=1, max_size=50))
def test_ages_are_counted_as_one_by_one(ages_ms: list[int]) -> None:
    bench = Bench()
    bench.commit(*ages_ms)
    bounds = bench.registry.histogram("propagation.committed_seconds", source="file").bounds
    expected = [0] * (len(bounds) + 1)
    for age in ages_ms:
        if age >= 0:
            expected[bisect_left(bounds, age / 1000)] += 1
    assert bench.counts("committed") == expected
    assert abs(bench.sum("committed") - sum(age / 1000 for age in ages_ms if age >= 0)) < 1e-3
    assert bench.skewed() == sum(age < 0 for age in ages_ms)


def test_the_first_answer_counts_and_no_later_one() -> None:
    bench = Bench()
    assert not bench.propagation.unseen
    bench.commit(100)
    bench.commit(200)
    assert bench.propagation.unseen
    bench.now_ms += 1000
    bench.propagation.answered()
    assert not bench.propagation.unseen
    assert sum(bench.counts("answered")) == 2
    assert abs(bench.sum("answered") - 2.3) < 1e-6
    bench.propagation.answered()
    assert sum(bench.counts("answered")) == 2


def test_each_source_has_its_own() -> None:
    bench = Bench()
    bench.commit(100, source="one")
    bench.commit(100, 200, source="two")
    bench.propagation.answered()
    assert (sum(bench.counts("committed", "one")), sum(bench.counts("committed", "two"))) == (1, 2)
    assert (sum(bench.counts("answered", "one")), sum(bench.counts("answered", "two"))) == (1, 2)


def test_what_is_not_counted() -> None:
    """Rejected events, those without a timestamp, and a commit without events."""
    bench = Bench()
    bench.commit()
    bench.commit(NOW_MS)
    assert not bench.propagation.unseen
    bench.commit(100, 200, 300, rejected=2, begin=7)
    assert sum(bench.counts("committed")) == 1
    assert abs(bench.sum("committed") - 0.3) < 1e-6


def test_clock_skew_is_counted_once_and_in_no_histogram() -> None:
    bench = Bench()
    bench.commit(-60_000)
    assert (bench.skewed(), sum(bench.counts("committed"))) == (1, 0)
    bench.propagation.answered()
    assert (bench.skewed(), sum(bench.counts("answered"))) == (1, 0)


def test_events_that_nobody_asks_for_do_not_heap_up() -> None:
    bench = Bench()
    for number in range(10):
        bench.commit(*[100] * 1000, begin=1000 * number)
    bench.propagation.answered()
    assert sum(bench.counts("committed")) == 10_000
    assert sum(bench.counts("answered")) == 4096
