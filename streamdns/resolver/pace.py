"""The resolver's share of the event loop: so much work a turn, and one timer for all time limits.

Clients whose answers are there already do not wait for a flood of questions that are not.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final, Protocol

import gevent

#: Kinds of work, the most urgent first: what ends something goes before what begins something.
ANSWERS, TIME_LIMITS, SENDING, STARTING = range(4)

_TURN_S: Final = 0.000_25
_TICK_S: Final = 0.005

Work = Callable[[], None]


class Pace:
    """Runs work at once while the time of this turn of the loop lasts, and the rest in the next turns."""

    def __init__(self, *, turn_s: float = _TURN_S, clock: Callable[[], float] = time.perf_counter) -> None:
        self._turn_s, self._clock = turn_s, clock
        self._queues: tuple[deque[Work], ...] = (deque(), deque(), deque(), deque())
        self._timer = gevent.get_hub().loop.timer(0.0)
        self._turning = False
        self._depth = 0
        self._began_s = self._spent_s = 0.0

    def __len__(self) -> int:
        return sum(map(len, self._queues))

    def do(self, kind: int, work: Work) -> bool:
        """Run it at once, or else in a later turn (False)."""
        if not self.enter(kind):
            self._queues[kind].append(work)
            return False
        try:
            work()
        finally:
            self.leave()
        return True

    def put(self, kind: int, work: Work) -> None:
        """Run it in the next turn or later, from the loop itself."""
        self._arm()
        self._queues[kind].append(work)

    def enter(self, kind: int) -> bool:
        """Whether there is time for work of this kind now; then `leave` is to be called after it."""
        self._arm()
        queues = self._queues
        if queues[0] or (kind and (queues[1] or (kind > 1 and (queues[2] or (kind > 2 and queues[3]))))):
            return False
        now_s = self._clock()
        if not self._depth:
            self._began_s = now_s
        if self._spent_s + now_s - self._began_s >= self._turn_s:
            return False
        self._depth += 1
        return True

    def leave(self) -> None:
        """Work that was entered is done."""
        self._depth -= 1
        if not self._depth:
            self._spent_s += self._clock() - self._began_s

    def _arm(self) -> None:
        if not self._turning:
            self._turning = True
            self._timer.start(self._turn)

    def _turn(self) -> None:
        """A new turn of the loop: what has waited goes first."""
        self._turning = False
        self._spent_s = 0.0
        while self._spent_s < self._turn_s:
            queue = next(filter(None, self._queues), None)
            if queue is None:
                return
            self._arm()
            self._began_s = self._clock()
            self._depth = 1
            try:
                queue.popleft()()
            finally:
                self.leave()


class Due(Protocol):
    """What has a time limit; `tick` is kept for Deadlines and nobody else."""

    tick: int

    def due(self) -> None:
        """The time has come."""


class Deadlines:
    """Time limits of thousands with one timer, which runs only while there are any.

    They are met up to a tick of 5 ms late, and only after what has arrived meanwhile was looked at: a loop that
    stood still is no fault of the servers that were asked.
    """

    def __init__(self, pace: Pace, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._pace = pace
        self._due: dict[int, set[Due]] = {}
        self._ticks: list[int] = []  # a heap of the keys
        self._loop = gevent.get_hub().loop
        self._timer: Any = None

    @property
    def ticking(self) -> bool:
        """Whether the timer runs."""
        return self._timer is not None

    def at(self, when_s: float, what: Due) -> None:
        """Call `what.due` then; one time for each, unless it is cancelled before the next is set."""
        tick = what.tick = int(when_s / _TICK_S) + 1
        due = self._due.get(tick)
        if due is None:
            self._due[tick] = {what}
            heappush(self._ticks, tick)
            if self._ticks[0] == tick:
                self._wake(tick * _TICK_S - self.clock())
        else:
            due.add(what)

    def cancel(self, what: Due) -> None:
        """There is no time limit any more."""
        due = self._due.get(what.tick)
        if due is not None:
            due.discard(what)

    def _wake(self, after_s: float) -> None:
        if self._timer is not None:
            self._timer.close()
        self._timer = self._loop.timer(max(after_s, 0.0))
        # The loop's own clock may stand where it stood when this turn began; then it wakes up early and sleeps again.
        self._timer.start(self._passed)

    def _passed(self) -> None:
        self._timer.close()
        self._timer = None
        now_s = self.clock()
        ticks = self._ticks
        while ticks and ticks[0] * _TICK_S <= now_s:
            for what in self._due.pop(heappop(ticks)):
                self._pace.put(TIME_LIMITS, what.due)
        if ticks:
            self._wake(ticks[0] * _TICK_S - now_s)
