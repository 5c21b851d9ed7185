"""A pool of greenlets for queries that wait: idle ones are used again, because a new one costs more than an answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

import gevent

_KEPT: Final = 256


class Greenlets:
    """Runs what will wait in greenlets of their own.

    A greenlet that is done takes the next piece of work: the stack of a new one has to be mapped and unmapped again,
    which costs more than most answers. So many that have nothing to do are kept. How many there may be is for those to
    bound who give them work; the work itself must not raise.
    """

    def __init__(self, *, kept: int = _KEPT) -> None:
        self._hub = gevent.get_hub()
        self._kept = kept
        self._idle: list[Any] = []
        self._work: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()

    def __len__(self) -> int:
        """Those without work."""
        return len(self._idle)

    def spawn(self, work: Callable[..., None], *args: Any) -> None:
        """Run it soon, not from within this call."""
        # Not handed over with the switch: a greenlet holds what it was started with for as long as it lives.
        self._work.append((work, args))
        if self._idle:
            self._hub.loop.run_callback(self._idle.pop().switch)
        else:
            gevent.spawn_raw(self._serve)

    def _serve(self) -> None:
        while True:
            self._next()
            if len(self._idle) >= self._kept:
                return
            self._idle.append(gevent.getcurrent())
            self._hub.switch()

    def _next(self) -> None:
        work, args = self._work.popleft()
        work(*args)
