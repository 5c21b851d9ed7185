"""Giving way: what runs for long in the event loop lets everything that is due have its turn."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Final
from weakref import WeakKeyDictionary

import gevent
from gevent.hub import Waiter

#: What a query may have to wait for: about as long as a batch of queries takes.
_STINT_S: Final = 0.00005


def give_way() -> None:
    """Go on in the next turn of the event loop, after the timers and sockets that are ready by then.

    gevent.sleep(0) is another thing: up to fifty of those run in a row before the loop looks at anything else.
    """
    hub = gevent.get_hub()
    timer = hub.loop.timer(0)
    try:
        hub.wait(timer)
    finally:
        timer.close()


class _Queue:
    """Those who wait for a turn of one event loop, the first come first."""

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
            # Killed meanwhile; whoever is next has the turn.
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
    """Give way, and go on alone: of all who call this, one goes on in each turn of the loop, the first come first.

    So however many there are with much to do, a query waits for one piece of it.
    """
    hub = gevent.get_hub()
    queue = _queues.get(hub)
    if queue is None:
        queue = _queues[hub] = _Queue(hub)
    queue.wait()


class Stint:
    """Called between pieces of long work: takes a turn whenever the work has gone on for long enough."""

    __slots__ = ("_ends_s",)

    def __init__(self) -> None:
        self._ends_s = time.perf_counter() + _STINT_S

    def over(self) -> bool:
        """Whether it was long enough: what cannot be called in between ends then."""
        return time.perf_counter() >= self._ends_s

    def __call__(self) -> None:
        if self.over():
            take_turn()
            self._ends_s = time.perf_counter() + _STINT_S
