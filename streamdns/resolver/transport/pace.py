"""Limits how much of each turn of the event loop the resolver takes, and runs all its time limits with one timer.

Clients whose answers are there already do not wait for a flood of questions that are not.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final, Protocol

import gevent

#: Kinds of work. Answers, and the ends of questions, go before all others, which take turns with each other.
ANSWERS, TIME_LIMITS, SENDING, STARTING = range(4)

#: A turn of the loop belongs to the resolver for so long; with its last piece of work, and a batch of datagrams in the
#: same turn, that is still below 1 ms.
_TURN_S: Final = 0.000_3
#: While there are clients that are answered at once it is less, and where these have much to do, a share of what they
#: took in the last turn; but no less than the least, so that the resolver comes to its ends.
_SHARED_S: Final = 0.000_25
_LITTLE_S: Final = 0.000_1
_SHARE: Final = 0.25
_LEAST_S: Final = 0.000_15
_SHARED_TURNS: Final = 64
_BEHIND: Final = 500
_SHORT_S: Final = 0.001
_TICK_S: Final = 0.005

Work = Callable[[], None]


class InTurn:
    """A queue of work in which those whose work it is take turns: a flood of one keeps others waiting for one piece."""

    def __init__(self) -> None:
        self._of: OrderedDict[bytes, deque[Work]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, work: Work, whose: bytes = b"") -> None:
        """Put it behind what else waits of the same."""
        queue = self._of.get(whose)
        if queue is None:
            queue = self._of[whose] = deque()
        queue.append(work)
        self._count += 1

    def popleft(self) -> Work:
        """Take the oldest piece of whose turn it is."""
        whose, queue = next(iter(self._of.items()))
        work = queue.popleft()
        self._count -= 1
        if queue:
            self._of.move_to_end(whose)
        else:
            del self._of[whose]
        return work


class Pace:
    """Runs work at once while the time of this turn of the loop lasts, and the rest in the next turns."""

    def __init__(
        self, *, turn_s: float = _TURN_S, shared_s: float = _SHARED_S,
        clock: Callable[[], float] = time.perf_counter, cpu_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._most_s, self._shared_s, self.clock, self._cpu_clock = turn_s, shared_s, clock, cpu_clock
        self._turn_s = turn_s
        self._shared_turns = 0
        self._starting = InTurn()
        self._queues: tuple[deque[Work] | InTurn, ...] = (deque(), deque(), deque(), self._starting)
        self._timer = gevent.get_hub().loop.timer(0.0)
        self._turning = False
        self._next = 0
        self.within = 0  # How deep in work that was entered.
        self._began_s = self._spent_s = self._cpu_s = 0.0

    def __len__(self) -> int:
        """The pieces of work that wait."""
        return sum(map(len, self._queues))

    @property
    def behind(self) -> bool:
        """Whether there is much more to do than time for it, so that what need not be had better not be."""
        return len(self) > _BEHIND

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
        if not self._turning:
            self._arm()
        self._queues[kind].append(work)

    def put_start(self, work: Work, whose: bytes) -> None:
        """As `put` of what is STARTING, in turns with the work of others."""
        if not self._turning:
            self._arm()
        self._starting.append(work, whose)

    def enter(self, kind: int) -> bool:
        """Whether there is time for work of this kind now; then `leave` is to be called after it.

        What belongs to work that goes on already has the time of that.
        """
        if self.within:
            self.within += 1
            return True
        if not self._turning:
            self._arm()
        for waiting in self._queues[: kind + 1]:
            if waiting:
                return False
        if self._spent_s >= self._turn_s:
            return False
        self._began_s = self.clock()
        self.within = 1
        return True

    def leave(self) -> None:
        """Work that was entered is done."""
        self.within -= 1
        if not self.within:
            self._spent_s += self.clock() - self._began_s

    def taken_us(self, began_s: float) -> int:
        """The CPU time in microseconds that work has taken since `clock` said `began_s`, or a little more.

        The time by the clock will do where it is short. Where it is not, somebody else may have had the processor: then
        it is no more than all CPU time of this turn of the loop.
        """
        taken_s = self.clock() - began_s
        if taken_s > _SHORT_S:
            taken_s = min(taken_s, self._cpu_clock() - self._cpu_s)
        return round(taken_s * 1e6)

    def share(self) -> None:
        """There are clients that are answered at once: for a while they have the larger part."""
        self._shared_turns = _SHARED_TURNS

    def _arm(self) -> None:
        self._turning = True
        self._timer.start(self._turn)

    def _turn(self) -> None:
        """A new turn of the loop: what has waited goes first."""
        cpu_s = self._cpu_clock()
        others_s = cpu_s - self._cpu_s - self._spent_s  # Nobody's time, in which the loop only waited, does not count.
        turn_s = self._most_s
        if self._shared_turns:
            self._shared_turns -= 1
            turn_s = self._shared_s
            if others_s > _LITTLE_S:
                turn_s = min(turn_s, max(_LEAST_S, _SHARE * others_s))
        self._cpu_s, self._spent_s, self._turn_s, self._turning = cpu_s, 0.0, turn_s, False
        if not any(self._queues):
            return
        self._arm()
        clock = self.clock
        began_s = clock()
        self.within = 1
        try:
            while (queue := self._chosen()) is not None:
                queue.popleft()()
                if clock() - began_s >= turn_s:
                    break
        finally:
            self.within = 0
            self._spent_s = clock() - began_s


    def _chosen(self) -> deque[Work] | InTurn | None:
        queues = self._queues
        if queues[ANSWERS]:
            return queues[ANSWERS]
        for _ in range(STARTING):
            self._next = self._next % STARTING + 1
            if queues[self._next]:
                return queues[self._next]
        return None


class Due(Protocol):
    """What has a time limit, and the kind of work that this is; `tick` is kept for Deadlines and nobody else."""

    tick: int

    @property
    def kind(self) -> int: ...

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
                self._pace.put(what.kind, what.due)
        if ticks:
            self._wake(ticks[0] * _TICK_S - now_s)
