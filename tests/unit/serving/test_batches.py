"""Batches of datagrams: how many are taken in one turn of the event loop, by what they cost."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from streamdns.consumer.propagation import Propagation
from streamdns.metrics.registry import Registry
from streamdns.serving import batches as module
from streamdns.serving.batches import Batches
from streamdns.serving.limiter import ResponseLimiter
from streamdns.serving.statistics import Statistics
from streamdns.settings import load
from tests.unit.dns.answering import EXAMPLE, Memory, answerer

# The clock of the module is replaced.
pytestmark = pytest.mark.plain
MOST, BUDGET_S = 64, 0.000_5


class Waiting:
    """Datagrams that wait at a socket; `taken` are the sizes of the batches."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken: list[int] = []

    def receive(self, at_most: int = 0) -> list[bytes]:
        size = min(self.count, at_most or MOST)
        self.count -= size
        if size:
            self.taken.append(size)
        return [b"query"] * size

    def send(self, replies: list[bytes | None]) -> int:
        return 0

    def turn(self) -> list[int]:
        """The batches since the last call."""
        taken, self.taken = self.taken, []
        return taken


class Costly:
    """Answers messages that take `each_s` each by a clock of its own."""

    def __init__(self, each_s: float) -> None:
        self.each_s, self.now_s = each_s, 100.0

    def clock(self) -> float:
        return self.now_s

    def answer(self, packets: list[bytes], tcp: bool, **_: object) -> list[bytes | None]:
        self.now_s += self.each_s * len(packets)
        return [b"reply"] * len(packets)


Make = Callable[[int, float], tuple[Batches, Waiting, Costly]]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Batches of so many datagrams that take so long each."""
    def make(count: int, each_s: float) -> tuple[Batches, Waiting, Costly]:
        registry = Registry()
        waiting, costly = Waiting(count), Costly(each_s)
        monkeypatch.setattr(module, "perf_counter", costly.clock)
        batches = Batches(
            waiting, costly, answerer=answerer(Memory(EXAMPLE)),  # type: ignore[arg-type]
            statistics=Statistics(registry, Propagation(registry, time.time)),
            limiter=ResponseLimiter(load({"DNS_RRL_RATE": "0"}), registry), most=MOST,
        )
        return batches, waiting, costly

    return make


def test_cheap_ones_are_taken_in_a_few_whole_batches(made: Make) -> None:
    batches, waiting, _ = made(1000, 0.000_001)
    batches.answer()
    assert waiting.turn() == [MOST] * 4


def test_others_have_their_turn_when_the_time_is_over(made: Make) -> None:
    """64 at 3 us are 0.2 ms: the third batch is the last one."""
    batches, waiting, _ = made(1000, 0.000_003)
    batches.answer()
    assert waiting.turn() == [MOST] * 3


def test_of_costly_ones_fewer_are_taken_at_a_time(made: Make) -> None:
    """Questions that go to the resolver, say: 64 at 30 us would be 2 ms, in each turn."""
    batches, waiting, costly = made(10_000, 0.000_03)
    for _ in range(4):
        batches.answer()
    waiting.turn()
    for _ in range(50):
        began_s = costly.now_s
        batches.answer()
        # Not one batch that is found too long first, either.
        assert costly.now_s - began_s <= BUDGET_S
        assert sum(waiting.turn()) >= 8


def test_there_are_more_again_when_they_cost_little(made: Make) -> None:
    """One that was slow, because another process had the processor for instance, is soon forgotten."""
    batches, waiting, costly = made(10_000, 0.000_1)
    for _ in range(4):
        batches.answer()
    assert waiting.turn()[-1] == 8
    costly.each_s = 0.000_001
    for _ in range(8):
        batches.answer()
    assert waiting.turn()[-4:] == [MOST] * 4


def test_the_last_few_do_not_make_it_go_on(made: Make) -> None:
    batches, waiting, _ = made(MOST + 5, 0.000_001)
    batches.answer()
    assert waiting.turn() == [MOST, 5]
    batches.answer()
    assert waiting.turn() == []
