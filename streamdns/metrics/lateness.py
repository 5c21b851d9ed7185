"""How late the event loop turns: a greenlet that sleeps for a while and looks how much longer it took."""

from __future__ import annotations

import time
from collections.abc import Callable

from gevent.event import Event

from streamdns.lifecycle import Service
from streamdns.metrics.registry import Registry

_EVERY_S = 0.02


class HubLateness(Service):
    """Observes `process.hub_late_seconds`: what a greenlet that is due waits because others have the processor."""

    name = "hub-lateness"

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.perf_counter) -> None:
        self._late = registry.histogram("process.hub_late_seconds")
        self._clock = clock
        self._stopping = Event()

    def start(self) -> None:
        """Nothing is acquired."""
        self._stopping.clear()

    def run(self) -> None:
        """Sleep and look, until stop()."""
        clock, observe = self._clock, self._late.observe
        while not self._stopping.is_set():
            began_s = clock()
            if not self._stopping.wait(_EVERY_S):
                observe(max(0.0, clock() - began_s - _EVERY_S))

    def stop(self) -> None:
        """Make run() return."""
        self._stopping.set()
