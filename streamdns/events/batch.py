"""Partitions, records and batches: the values that a source reads from a log and the writer applies to a view."""

from __future__ import annotations

from typing import NamedTuple

#: A partition is (topic, number): with several topics the number alone says nothing.
Partition = tuple[str, int]


class Record(NamedTuple):
    """One entry of a log as it was read, not yet decoded.

    `position` is where it starts, `timestamp` milliseconds since 1970. `error` is set when the source could not even
    split the entry into key and value, or did not take a value that is too long: it is then a bad event of this `kind`
    (one of BAD_EVENT_KINDS), and `value` holds the beginning of its raw bytes. An entry of kind "batch" stands for
    several of the log, up to the position that the batch of records gives.
    """

    topic: str
    partition: int
    position: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    error: str | None = None
    kind: str = "entry"


class Batch(NamedTuple):
    """The result of one read: records in the order of each partition, and where each partition that moved goes on.

    `caught_up` is true when, with this batch applied, the ends seen at connect are passed and a read at the end of
    every partition returned nothing.

    `whole_s` is a moment (time.monotonic): everything that the log held then is applied with this batch. None when no
    later one than before is known. Only a source whose log forgets deletes after a while gives it: it asks the broker
    where the partitions end and compares with the positions that were read. That reads return nothing proves nothing: a
    dead connection does that, too.
    """

    records: list[Record]
    positions: dict[Partition, int]
    caught_up: bool
    whole_s: float | None = None
