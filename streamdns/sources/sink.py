"""Where events are written: what a command needs of a log, and the file log in that form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from streamdns.sources import filelog

#: Key, value (None: tombstone) and timestamp in milliseconds.
LogEvent = tuple[bytes, bytes | None, int]


class Placed(NamedTuple):
    """Where an event is in the log."""

    topic: str
    partition: int
    position: int


class Tally(NamedTuple):
    """How many events are in the log for certain, and of how many it cannot be told."""

    stored: int
    unknown: int


class Sink(Protocol):
    """A log that is written to; one key's events keep their order, and what goes wrong is SourceError.

    ValueError, in one sentence, is for an event that this log cannot carry. After either, only tally() and close() are
    of use.
    """

    def append(self, events: Sequence[LogEvent]) -> list[Placed]:
        """Write events and wait until the log has confirmed them; where each is, in their order."""
        ...

    def send(self, events: Sequence[LogEvent]) -> None:
        """Hand over events, which may not be in the log before flush()."""
        ...

    def flush(self) -> None:
        """Wait until the log has confirmed all that was sent."""
        ...

    def tally(self) -> Tally:
        """Give up what has not left yet, within a second, and count."""
        ...

    def close(self) -> None:
        """Give everything back, at once; may be called twice."""
        ...


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
        """Nothing is ever under way."""

    def tally(self) -> Tally:
        return Tally(self._stored, self._unknown)

    def close(self) -> None:
        """Nothing is held."""
