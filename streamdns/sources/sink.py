"""The interface of a sink, the log that commands write events to; what those of brokers share; the file log as one."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from streamdns.errors import SourceError
from streamdns.sources import filelog

_PATIENCE_S: Final = 5.0  # So much longer than a library itself says that it takes.

#: Key, value (None: tombstone) and timestamp in milliseconds.
LogEvent = tuple[bytes, bytes | None, int]


class Placed(NamedTuple):
    """The place of an event in the log; a position below 0 where the broker has stored it and does not say where."""

    topic: str
    partition: int
    position: int


class Tally(NamedTuple):
    """Counts events that are in the log for certain, and those of which nobody can tell."""

    stored: int
    unknown: int


class Sink(Protocol):
    """Writes events to a log, those of one key in order; raises SourceError when that fails.

    ValueError, in one sentence, is for an event that this log cannot carry. After either, only tally() and close() are
    of use.
    """

    def append(self, events: Sequence[LogEvent]) -> list[Placed]:
        """Write events and wait until the log has confirmed them; gives the place of each, in order."""
        ...

    def send(self, events: Sequence[LogEvent]) -> None:
        """Hand over events; they are certain to be in the log only after flush()."""
        ...

    def flush(self) -> None:
        """Wait until the log has confirmed all that was sent."""
        ...

    def tally(self) -> Tally:
        """Drop what has not been sent yet, wait a second at most for the rest, and count."""
        ...

    def close(self) -> None:
        """Release everything at once; may be called twice."""
        ...


class ReportedSink(ABC):
    """What sinks have in common whose library says later, event by event, what became of it.

    `where` names the log in sentences; the library gives up an event after `timeout_s`. Who hears of an event counts it
    in `_stored` or `_lost`, and where its number is not below `_wanted`, notes its place in `_placed`.
    """

    def __init__(self, where: str, timeout_s: float) -> None:
        self._where, self._timeout_s = where, timeout_s
        self._sent = self._stored = self._lost = 0
        self._placed: dict[int, Placed] = {}
        self._wanted = 0

    @abstractmethod
    def send(self, events: Sequence[LogEvent]) -> None:
        """As Sink.send; each event counts in `_sent`."""

    @abstractmethod
    def _wait_for_reports(self) -> None:
        """Wait a moment for reports; raises SourceError where one tells a failure, or KeyboardInterrupt."""

    def append(self, events: Sequence[LogEvent]) -> list[Placed]:
        """As Sink.append."""
        first, self._wanted = self._sent, self._sent
        self.send(events)
        self.flush()
        placed, self._placed = self._placed, {}
        return [placed[number] for number in range(first, self._sent)]

    def flush(self) -> None:
        """As Sink.flush; raises SourceError where the library does not keep its own time limit."""
        deadline_s = time.monotonic() + self._timeout_s + _PATIENCE_S
        while self._stored < self._sent:
            self._wait_for_reports()
            if time.monotonic() > deadline_s:
                raise SourceError(f"{self._where}: the client does not say what became of the events")


class FileSink:
    """The file log at `path`: every call writes and syncs at once."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stored = self._unknown = 0

    def append(self, events: Sequence[LogEvent]) -> list[Placed]:
        self._unknown = len(events)
        try:
            positions = filelog.append(self._path, events)
        except ValueError:
            self._unknown = 0
            raise
        self._stored, self._unknown = self._stored + len(events), 0
        return [Placed(filelog.TOPIC, partition, position) for partition, position in positions]

    def send(self, events: Sequence[LogEvent]) -> None:
        self.append(events)

    def flush(self) -> None:
        """Do nothing: each call of send has written and synced."""

    def tally(self) -> Tally:
        return Tally(self._stored, self._unknown)

    def close(self) -> None:
        """Do nothing: no file stays open."""
