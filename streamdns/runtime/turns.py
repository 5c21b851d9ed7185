"""Fair scheduling in the event loop: long work runs in small stints, between which queries are answered."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Final
from weakref import WeakKeyDictionary

import gevent
from gevent.hub import Waiter

#: How long a query may have to wait for other work: about as long as a batch of queries takes.
_STINT_S: Final = 0.00005


def give_way() -> None:
    """Pause this greenlet until the next turn of the event loop, after the timers and sockets that are ready by then.

    gevent.sleep(0) does less: up to fifty of those run in a row before the loop looks at anything else.
    """
    hub = gevent.get_hub()
    timer = hub.loop.timer(0)
    try:
        hub.wait(timer)
    finally:
        timer.close()


class _Queue:
    """The greenlets that wait for a turn of one event loop, first come, first served."""

    def __init__(self, hub: Any) -> None:
        self._timer = hub.loop.timer(0)
        self._waiting: deque[Any] = deque()

    def wait(self) -> None:
        waiter = Waiter()
        self._waiting.append(waiter)
        self._arm()
        try:
            waiter.get()
        except BaseException:
            # Killed meanwhile; the next one has the turn.
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            raise

    def _next(self) -> None:
        if self._waiting:
            self._waiting.popleft().switch(None)
        if self._waiting:
            self._arm()

    def _arm(self) -> None:
        if not self._timer.active:
            self._timer.start(self._next)


_queues: WeakKeyDictionary[Any, _Queue] = WeakKeyDictionary()


def take_turn() -> None:
    """Wait for a turn of one's own: of all greenlets that call this, only one goes on in each turn of the event loop.

    So a query waits for one piece of long work, however many greenlets have such work to do.
    """
    hub = gevent.get_hub()
    queue = _queues.get(hub)
    if queue is None:
        queue = _queues[hub] = _Queue(hub)
    queue.wait()


class Stint:
    """A short time slice of long work: call it between pieces of the work, it takes a turn when the time is used up.

    A longer slice than the usual one is for work that would lose much by so many turns; 1 ms is the most for anybody.
    """

    __slots__ = ("_ends_s", "_lasts_s")

    def __init__(self, lasts_s: float = _STINT_S) -> None:
        self._lasts_s = lasts_s
        self._ends_s = time.perf_counter() + lasts_s

    def over(self) -> bool:
        """Return whether the time is used up, for work that cannot pause and has to end instead."""
        return time.perf_counter() >= self._ends_s

    def __call__(self) -> None:
        if self.over():
            take_turn()
            self._ends_s = time.perf_counter() + self._lasts_s
