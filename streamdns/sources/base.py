"""The interface of a source: the log that the consumer reads events from, whether it is a file, Kafka or Pulsar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from streamdns.events.batch import Batch, Partition


class Source(Protocol):
    """Reads a log from given positions; raises SourceError when that fails, LogReplaced when it is another log.

    A position means something only in the log it was read from, so each goes together with a fingerprint: an opaque
    string that stays the same while a partition only grows (Kafka: cluster id and topic id; file: a hash of the first
    line). Who stores a position stores the fingerprint that `fingerprints` has for the partition, and hands in both.
    """

    #: What positions count: "octets" or "events"; "ids" are packed message ids, of which only the order counts.
    unit: str
    #: For how long after it was written a delete is in the log at the least, in seconds, known from connect on. Who has
    #: not read all of the log for longer may never see it. None: for ever.
    retention_s: float | None

    def connect(self, positions: Mapping[Partition, int], fingerprints: Mapping[Partition, str]) -> None:
        """Start reading at `positions`; a partition that is not named there is read from its beginning.

        Raises LogReplaced where a partition with a position above 0 is missing, ends before it, or has another
        fingerprint than the one given (none given: not compared). May be called again, to start anew.
        """
        ...

    def fingerprints(self) -> dict[Partition, str]:
        """Give the fingerprint of each partition that has one by now; a partition that gave a record always has."""
        ...

    def read(self, *, max_records: int, timeout_s: float) -> Batch:
        """Give the next records as soon as there is one; an empty batch when none came within `timeout_s`."""
        ...

    def ends(self) -> dict[Partition, int]:
        """Give the position behind the last complete record of each partition, as known now."""
        ...

    def ends_now(self) -> dict[Partition, int]:
        """The same, asked of the log at this moment: whatever was confirmed to a writer before lies before them."""
        ...

    def close(self) -> None:
        """Release connections, files and threads; may be called twice."""
        ...

    def describe(self) -> str:
        """Name the log in a few words, for status and log lines."""
        ...

    def details(self) -> dict[str, Any]:
        """Give what status shows beside that; `warnings` is a list of sentences, logged once after connect."""
        ...
