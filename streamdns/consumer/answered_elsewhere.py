"""Finds when events were first answered where other processes answer (DNS_WORKERS), from what these say later."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

#: A state of the view: the name of its generation, and the number of its commit there. Later ones are greater.
State = tuple[str, int]
#: The most events that wait for an answer; when there are more, the oldest are not counted.
_MOST_EVENTS: Final = 4096
_MOST_SHOWN: Final = 4096
#: By then every process has said when it first answered from a state: they do a few times a second.
PATIENCE_S: Final = 1.0


class _Waiting(NamedTuple):
    """Events of one commit, by source, as their timestamps (ms)."""

    state: State
    events: Mapping[str, Sequence[int]]


class AnsweredElsewhere:
    """Matches commits with the first answers from them. `count` gets the events of a commit, and when it was answered.

    `now_s` is the clock of all processes.
    """

    def __init__(
        self, now_s: Callable[[], float], state: Callable[[], State],
        count: Callable[[Mapping[str, Sequence[int]], float], None],
    ) -> None:
        self._now_s, self._state, self._count = now_s, state, count
        self._waiting: deque[_Waiting] = deque()
        self._events = 0
        self._shown: list[tuple[State, float]] = []

    def committed(self, events: Mapping[str, Sequence[int]]) -> None:
        """Remember events of the last commit until an answer could show them."""
        self._waiting.append(_Waiting(self._state(), events))
        self._events += _number(events)
        while self._events > _MOST_EVENTS and len(self._waiting) > 1:
            self._forget()

    def _forget(self) -> None:
        self._events -= _number(self._waiting.popleft().events)

    def shown(self, first: Iterable[tuple[str, int, float]]) -> None:
        """Take what a process says: states of the view, and when (s) it first gave an answer from each."""
        self._shown += (((generation, commit), at_s) for generation, commit, at_s in first)
        if not self._waiting:
            # Of a commit that is about to be counted here, maybe; more of the past is of no use.
            del self._shown[:-_MOST_SHOWN // 64]
            return
        shown = sorted(self._shown)[-_MOST_SHOWN:]
        states = [state for state, _ in shown]
        # By state, when the first answer from it or from a later one was given.
        firsts = list(accumulate((at_s for _, at_s in reversed(shown)), min))[::-1]
        known_s = self._now_s() - PATIENCE_S
        while self._waiting:
            state, events = self._waiting[0]
            at = bisect_left(states, state)
            if at == len(states) or firsts[at] > known_s:
                break
            self._count(events, firsts[at])
            self._forget()
        self._shown = shown[at:]


def _number(events: Mapping[str, Sequence[int]]) -> int:
    return sum(map(len, events.values()))
