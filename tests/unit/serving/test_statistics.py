"""Queries are counted by type and RCODE, and whatever types clients think of, few counters are made for them."""

from __future__ import annotations

from typing import Any

import pytest

from streamdns.consumer.propagation import Propagation
from streamdns.dns.answer import Answerer
from streamdns.dns.lookup import Policy
from streamdns.metrics.registry import Counter, Registry
from streamdns.serving.statistics import Statistics


class _Asked(Registry):
    """A registry that notes how often it is asked for a counter."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def counter(self, name: str, **labels: str) -> Counter:
        self.asked += name == "dns.queries"
        return super().counter(name, **labels)

    def queries(self) -> dict[tuple[str, ...], Any]:
        """The series of dns.queries."""
        return next(dict(series) for metric, series in self.collect() if metric.name == "dns.queries")


@pytest.mark.parametrize("batch", [1, 64])
def test_types_at_random_share_a_counter(batch: int) -> None:
    """Refused and not there: one counter of each RCODE for all that have no name in the metrics."""
    types = [*range(512), *range(512, 65_536, 64)]
    registry = _Asked()
    statistics = Statistics(registry, Propagation(registry, lambda: 0.0))
    answerer = Answerer(Policy(), cookies=None)
    number = 0
    for qtype in types:
        for rcode in (0, 5):
            answerer.tally[qtype << 8 | rcode] += 1
            number += 1
            if number % batch == 0:
                statistics.count_udp([b"query"] * batch, [b"reply"] * batch, 0, answerer, 0.001)
    statistics.count_udp([], [], 0, answerer, 0.001)
    assert not answerer.tally
    queries = registry.queries()
    assert queries["udp", "A", "NOERROR"] == queries["udp", "CAA", "REFUSED"] == queries["udp", "ANY", "REFUSED"] == 1
    assert sum(queries.values()) == number
    assert queries["udp", "other", "NOERROR"] == len(types) - (len(queries) // 2 - 1)
    assert registry.asked == len(queries) < 100


def test_replies_without_a_question_are_counted_with_those_types() -> None:
    registry = _Asked()
    statistics = Statistics(registry, Propagation(registry, lambda: 0.0))
    answerer = Answerer(Policy(), cookies=None)
    for kind in (0 << 8 | 1, 0 << 8 | 1, 65_280 << 8 | 1, 1 << 8 | 250):
        answerer.tally[kind] += 1
    statistics.count_tcp([b"query"] * 4, [b"reply"] * 4, answerer, 0.001)
    assert registry.queries() == {("tcp", "other", "FORMERR"): 3, ("tcp", "A", "other"): 1}


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("reply", [b"reply", None])
def test_a_reply_that_was_sent_later_is_counted(reply: bytes | None, tcp: bool) -> None:
    """Its query was counted with its batch, so there is one reply more than queries; what was not sent is counted."""
    registry = _Asked()
    statistics = Statistics(registry, Propagation(registry, lambda: 0.0))
    answerer = Answerer(Policy(), cookies=None)
    answerer.tally[1 << 8] += 1
    statistics.count_late(reply, answerer, 0.001, tcp=tcp, refused=1)
    assert registry.queries() == {("tcp" if tcp else "udp", "A", "NOERROR"): 1}
    assert statistics.refused.value == 1
