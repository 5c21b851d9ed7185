"""Takes a flush of all metrics every few seconds and hands it to every output."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from gevent.event import Event

from streamdns.metrics.flush import Flush, Summing
from streamdns.metrics.registry import Registry
from streamdns.runtime.lifecycle import Service
from streamdns.runtime.turns import give_way


class Taker(Protocol):
    """Takes flushes without ever waiting."""

    def offer(self, flush: Flush) -> None:
        """Take a flush."""
        ...


class Aggregator(Service):
    """Takes one flush each interval, and a last one at the stop so that nothing counted is left out."""

    name = "metrics"

    def __init__(
        self,
        registry: Registry,
        takers: Sequence[Taker],
        *,
        interval_s: float,
        now_s: Callable[[], float] = time.time,
        elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._summing = Summing(registry)
        self._takers = tuple(takers)
        self._interval_s = interval_s
        self._now_s, self._elapsed_s = now_s, elapsed_s
        self._stopping = Event()
        self._taken_s = elapsed_s()

    def start(self) -> None:
        """Acquire nothing."""
        self._stopping.clear()

    def run(self) -> None:
        """Take flushes until stop(); a late one does not delay the next."""
        due_s = self._elapsed_s() + self._interval_s
        while not self._stopping.wait(max(0.0, due_s - self._elapsed_s())):
            self._flush(give_way)
            due_s += self._interval_s
            if due_s < self._elapsed_s():
                due_s = self._elapsed_s() + self._interval_s
        self._flush(lambda: None)

    def _flush(self, pause: Callable[[], None]) -> None:
        now_s = self._elapsed_s()
        interval_s, self._taken_s = now_s - self._taken_s, now_s
        flush = self._summing.take(time_s=self._now_s(), interval_s=interval_s, pause=pause)
        for taker in self._takers:
            taker.offer(flush)

    def stop(self) -> None:
        """Make run() take the last flush and return."""
        self._stopping.set()
