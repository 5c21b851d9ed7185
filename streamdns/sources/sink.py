"""The interface of a sink, the log that commands write events to; and the file log as a sink."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from streamdns.sources import filelog

#: Key, value (None: tombstone) and timestamp in milliseconds.
LogEvent = tuple[bytes, bytes | None, int]


class Placed(NamedTuple):
    """The place of an event in the log."""

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
