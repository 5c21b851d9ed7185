"""What the consumer needs from a log, whatever the log is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

#: A partition is (topic, number): with several topics the number alone says nothing.
Partition = tuple[str, int]


class Record(NamedTuple):
    """One entry of a log as it was read, not yet decoded.

    `position` is where it starts, `timestamp` milliseconds since 1970. `error` is set when the source could not even
    split the entry into key and value: it is then a bad event, and `value` holds its raw bytes.
    """

    topic: str
    partition: int
    position: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    error: str | None = None


class Batch(NamedTuple):
    """What one read gave: records in order of each partition, and the next position of each partition that moved.

    `caught_up` is true when, with this batch applied, the ends seen at connect are passed and a read at the end of
    every partition returned nothing.

    `whole_s` is a moment (time.monotonic) such that everything that was in the log then is applied with this batch;
    None when no later one than before is known. Only a source that bears no absence of any length has it: it is an end
    that the broker told, compared with the positions that were read. That reads return nothing proves nothing: a
    connection that is dead does that, too.
    """

    records: list[Record]
    positions: dict[Partition, int]
    caught_up: bool
    whole_s: float | None = None


class Source(Protocol):
    """A log that is read from given positions; what goes wrong is SourceError, LogReplaced where it is another log.

    A position means something only in the log it was read from, so each goes together with a fingerprint: an opaque
    string that stays the same while a partition only grows (Kafka: cluster id and topic id; file: a hash of the first
    line). Who stores a position stores the fingerprint that `fingerprints` has for the partition, and hands in both.
    """

    #: What positions count: "octets" or "events".
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
        """The fingerprint of every partition that has one by now; one that gave a record always has."""
        ...

    def read(self, *, max_records: int, timeout_s: float) -> Batch:
        """The next records, as soon as there is one; an empty batch when `timeout_s` passed without any."""
        ...

    def ends(self) -> dict[Partition, int]:
        """The position behind the last complete record of every partition, as known now."""
        ...

    def close(self) -> None:
        """Give everything back; may be called twice."""
        ...

    def describe(self) -> str:
        """The log in a few words, for status and log lines."""
        ...

    def details(self) -> dict[str, Any]:
        """What status shows beside that; `warnings` is a list of sentences, logged once after connect."""
        ...
