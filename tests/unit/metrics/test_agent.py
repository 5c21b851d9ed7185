"""The agent: outputs that fail, hang or come back, each on its own account."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
import pytest

from streamdns.metrics.agent import OutputService
from streamdns.metrics.catalogue import BY_NAME
from streamdns.metrics.flush import Count, Flush
from streamdns.metrics.outputs import Unwanted
from streamdns.metrics.registry import Registry

METRIC = BY_NAME["dns.exceptions"]


def flush(number: int) -> Flush:
    return Flush(float(number), 1.0, (Count(METRIC, (), number, number), Count(METRIC, (), 0, 0)))


def poll(condition: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s, what
        gevent.sleep(0.005)


class Scripted:
    """An output that fails as long as `fails` is set, and never comes back while `hangs` is."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self.fails: Exception | None = None
        self.hangs = False
        self.tries = self.closes = 0

    def send(self, flush: Flush) -> None:
        self.tries += 1
        while self.hangs:
            gevent.sleep(0.01)
        if self.fails is not None:
            raise self.fails
        self.taken.append(flush.time_s)

    def close(self) -> None:
        self.closes += 1


class Bench:
    """One service with its output, and what it counted."""

    def __init__(self, output: Scripted, *, most: int = 3, send_s: float = 30.0) -> None:
        self.registry = Registry()
        self.output = output
        self.service = OutputService(
            "test", output, registry=self.registry, most=most, send_s=send_s, pause_first_s=0.01
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        self.service.start()
        greenlet = gevent.spawn(self.service.run)
        try:
            yield
        finally:
            self.service.stop()
            greenlet.join(20)
        assert greenlet.successful()

    @property
    def sent(self) -> float:
        return self.registry.counter("metrics.sent", output="test").value

    @property
    def lost(self) -> float:
        return self.registry.counter("metrics.lost", output="test").value

    @property
    def up(self) -> float | None:
        return self.registry.gauge("metrics.output_up", output="test").value


def test_flushes_go_out_in_order() -> None:
    bench = Bench(Scripted(), most=100)
    with bench.running():
        for number in range(50):
            bench.service.offer(flush(number))
        poll(lambda: len(bench.output.taken) == 50, "all are sent")
    assert bench.output.taken == list(range(50))
    assert (bench.sent, bench.lost, bench.up) == (100, 0, 1)


@pytest.mark.parametrize("failure", [ConnectionRefusedError(111, "refused"), TimeoutError("slow")])
def test_an_output_that_is_down_loses_its_oldest_and_comes_back(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "streamdns")
    bench = Bench(Scripted(), most=3)
    bench.output.fails = failure
    with bench.running():
        for number in range(10):
            bench.service.offer(flush(number))
        poll(lambda: bench.output.tries > 3, "it is tried again and again")
        assert bench.up == 0
        bench.output.fails = None
        bench.service.offer(flush(10))
        poll(lambda: bench.output.taken and bench.output.taken[-1] == 10, "it takes them again")
    assert bench.output.taken == sorted(bench.output.taken)
    assert len(bench.output.taken) <= 4
    assert bench.lost == 2 * (11 - len(bench.output.taken))
    assert bench.up == 1
    # A change of state is logged, not each failure.
    assert [record.message for record in caplog.records] == ["metrics.output_failed", "metrics.output_recovered"]


@pytest.mark.parametrize("failure", [Unwanted("it answered 400"), KeyError("a fault of ours")])
def test_a_flush_that_nobody_wants_is_not_sent_again(failure: Exception) -> None:
    bench = Bench(Scripted(), most=10)
    bench.output.fails = failure
    with bench.running():
        bench.service.offer(flush(1))
        poll(lambda: bench.lost, "it is lost")
        bench.output.fails = None
        bench.service.offer(flush(2))
        poll(lambda: bench.output.taken, "the next one is sent")
    assert bench.output.taken == [2]
    assert bench.lost == 2


def test_an_output_that_hangs_keeps_nobody_waiting_and_is_given_up() -> None:
    slow, quick = Bench(Scripted(), most=2, send_s=0.05), Bench(Scripted(), most=100)
    slow.output.hangs = True
    with slow.running(), quick.running():
        for number in range(20):
            slow.service.offer(flush(number))
            quick.service.offer(flush(number))
        poll(lambda: len(quick.output.taken) == 20, "the other one has them all")
        poll(lambda: slow.output.tries > 2, "it is given up and tried again")
        assert slow.up == 0
        assert slow.output.closes >= 2
        assert slow.output.taken == []
        slow.output.hangs = False
        poll(lambda: slow.output.taken[-1:] == [19], "the newest is sent at last")
    assert slow.lost >= 2 * 17


def test_what_waits_at_the_stop_is_still_sent() -> None:
    bench = Bench(Scripted(), most=100)
    with bench.running():
        gevent.sleep(0)
        for number in range(5):
            bench.service.offer(flush(number))
    assert bench.output.taken == list(range(5))


def test_a_stop_does_not_wait_for_an_output_that_hangs() -> None:
    bench = Bench(Scripted(), most=100)
    bench.output.hangs = True
    with bench.running():
        bench.service.offer(flush(1))
        poll(lambda: bench.output.tries, "it hangs")
    assert bench.output.taken == []
    assert bench.output.closes
    assert bench.lost == 2


def test_a_service_that_was_stopped_runs_again() -> None:
    bench = Bench(Scripted())
    for number in (1, 2):
        with bench.running():
            bench.service.offer(flush(number))
            poll(lambda: bench.output.taken[-1:] == [number], "it is sent")  # noqa: B023 - called at once
