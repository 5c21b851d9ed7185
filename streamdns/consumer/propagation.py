"""Measures how long events take from their timestamp to the commit, and to the first answer that can show them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from streamdns.consumer.answered_elsewhere import AnsweredElsewhere, State
from streamdns.events.batch import Record
from streamdns.metrics.registry import Counter, Histogram, Registry
from streamdns.view.writer import Rejection

#: The most events that wait for an answer; when there are more, the oldest are not counted.
_MOST_UNSEEN = 4096


class Awaiting(Protocol):
    """Waits for an answer while it is `unseen`: something was committed that no answer could show yet."""

    unseen: bool

    def answered(self) -> None:
        """Note that an answer was just given from the last state of the view."""


class _Source:
    """The instruments of one source: a topic, or the file log."""

    def __init__(self, registry: Registry, source: str) -> None:
        self.committed = registry.histogram("propagation.committed_seconds", source=source)
        self.answered = registry.histogram("propagation.answered_seconds", source=source)
        self.skewed = registry.counter("propagation.skewed", source=source)
        self.unseen: deque[int] = deque(maxlen=_MOST_UNSEEN)


class Propagation:
    """Counts the delays of events, one batch at a time, all within the event loop's thread.

    Events with a timestamp in the future, from a clock ahead of this one, are counted apart (`propagation.skewed`).
    """

    def __init__(self, registry: Registry, now_s: Callable[[], float]) -> None:
        self._registry, self._now_s = registry, now_s
        self._sources: dict[str, _Source] = {}
        self._elsewhere: AnsweredElsewhere | None = None
        self.unseen = False
        """True while there are events that no answer of this process could show yet."""

    def answers_come_from(self, state: Callable[[], State]) -> Callable[[Iterable[tuple[str, int, float]]], None]:
        """Have other processes answer, from a view whose last state `state` gives; what takes their first answers from
        each state.
        """
        self._elsewhere = AnsweredElsewhere(self._now_s, state, self._answered_at)
        return self._elsewhere.shown

    def _answered_at(self, events: Mapping[str, Sequence[int]], at_s: float) -> None:
        for name, timestamps in events.items():
            _observe(self._source(name).answered, None, timestamps, at_s * 1000)

    def expects(self, names: Iterable[str]) -> None:
        """Create the figures of these sources, 0 until an event comes, so that monitoring sees the first one, too."""
        for name in names:
            self._source(name)

    def _source(self, name: str) -> _Source:
        source = self._sources.get(name)
        if source is None:
            source = self._sources[name] = _Source(self._registry, name)
        return source

    def committed(self, records: Sequence[Record], rejections: Sequence[Rejection]) -> None:
        """Count records that were just committed to the serving view, without those that were rejected."""
        if not records:
            return
        now_ms = self._now_s() * 1000
        if rejections:
            rejected = {(each.topic, each.partition, each.position) for each in rejections}
            records = [record for record in records if record[:3] not in rejected]
        unseen: dict[str, list[int]] = {}
        for name in {record.topic for record in records}:
            timestamps = [record.timestamp for record in records if record.timestamp > 0 and record.topic == name]
            source = self._source(name)
            _observe(source.committed, source.skewed, timestamps, now_ms)
            if self._elsewhere is not None:
                unseen[name] = timestamps
                continue
            source.unseen.extend(timestamps)
            self.unseen = self.unseen or bool(timestamps)
        if self._elsewhere is not None and any(unseen.values()):
            self._elsewhere.committed(unseen)

    def answered(self) -> None:
        """Count all events that wait for an answer: one was just sent that was made after the last commit."""
        self.unseen = False
        now_ms = self._now_s() * 1000
        for source in self._sources.values():
            if source.unseen:
                _observe(source.answered, None, source.unseen, now_ms)
                source.unseen.clear()


def _observe(histogram: Histogram, skewed: Counter | None, timestamps: Collection[int], now_ms: float) -> None:
    """Add the time from each timestamp (ms) until now to a histogram; sorted first, a thousand cost little."""
    ordered = sorted(timestamps)
    end = bisect_right(ordered, now_ms)
    if end < len(ordered):
        if skewed is not None:
            skewed.add(len(ordered) - end)
        del ordered[end:]
    counts, above = [], end
    for bound in histogram.bounds:
        at = bisect_left(ordered, now_ms - bound * 1000)  # What is as old as the bound counts below it.
        counts.append(above - at)
        above = at
    histogram.add([*counts, above], (now_ms * end - sum(ordered)) / 1000)
