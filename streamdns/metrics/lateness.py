"""Measures how late the event loop is, with a timer that looks how much later than due it was called."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import gevent
from gevent.event import Event

from streamdns.metrics.registry import Registry
from streamdns.runtime.lifecycle import Service

_EVERY_S = 0.02
_PARTS, _PART_S = 7, 10.0


class Recent:
    """Keeps the maximum of about the last minute, in parts of ten seconds."""

    def __init__(self) -> None:
        self._parts: deque[float] = deque([0.0], maxlen=_PARTS)
        self._began_s: float | None = None

    def add(self, value: float, *, now_s: float) -> None:
        """Add a value."""
        if self._began_s is None:
            self._began_s = now_s
        elif now_s - self._began_s >= _PART_S:
            self._began_s = now_s
            self._parts.append(0.0)
        self._parts[-1] = max(self._parts[-1], value)

    def most(self) -> float:
        """Return the maximum, 0 without values."""
        return max(self._parts)


class HubLateness(Service):
    """Observes `process.hub_late_seconds`: how long what is due in the event loop waits for others.

    The most of about the last minute is `process.hub_late_max_seconds`.
    """

    name = "hub-lateness"

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.perf_counter) -> None:
        self._late = registry.histogram("process.hub_late_seconds")
        self._clock = clock
        self._began_s = 0.0
        self._stopped = Event()
        self.recent = Recent()
        registry.callback("process.hub_late_max_seconds", self.recent.most)

    def start(self) -> None:
        """Acquire nothing."""
        self._stopped.clear()

    def run(self) -> None:
        """Measure until stop()."""
        # Fifty times a second a callback: to wake a greenlet would be half of what an idle process takes.
        self._timer = gevent.get_hub().loop.timer(_EVERY_S, _EVERY_S)
        self._began_s = self._clock()
        self._timer.again(self._look)
        try:
            self._stopped.wait()
        finally:
            self._timer.stop()
            self._timer.close()

    def _look(self) -> None:
        now_s = self._clock()
        late_s = max(0.0, now_s - self._began_s - _EVERY_S)
        self._late.observe(late_s)
        self.recent.add(late_s, now_s=now_s)
        self._began_s = now_s
        # Anew from now on: after it was late it would come early.
        self._timer.again(self._look)

    def stop(self) -> None:
        """Make run() return."""
        self._stopped.set()
