"""Reads a file log to its end, and waits for that, in tests."""

from __future__ import annotations

from collections.abc import Callable

import gevent

from streamdns.events.batch import Batch, Partition, Record
from streamdns.sources.file import FileSource
from streamdns.sources.filelog import encode_line

#: So long that only a notice of the kernel can end a wait in time; the deadline of a test is DEADLINE_S.
NEVER_S = 600.0
DEADLINE_S = 20.0

Opener = Callable[..., FileSource]


def line(index: int, timestamp: int = 0) -> bytes:
    return encode_line(b"n%d.example.|A" % index, b"[]", timestamp)


def keys(records: list[Record]) -> list[bytes | None]:
    return [record.key for record in records]


def where(record: Record) -> tuple[int, int]:
    return record.partition, record.position


def read_all(source: FileSource, *, max_records: int = 1000) -> tuple[list[Record], dict[Partition, int]]:
    """Everything up to the first batch that is caught up."""
    records: list[Record] = []
    positions: dict[Partition, int] = {}
    while True:
        batch = source.read(max_records=max_records, timeout_s=0)
        records += batch.records
        positions |= batch.positions
        if batch.caught_up:
            return records, positions


def read_when(source: FileSource, change: Callable[[], object]) -> Batch:
    """What a read gives that waits already when `change` is made; within DEADLINE_S, or the test fails."""
    source.read(max_records=1, timeout_s=0)
    before = source.wakeups
    gevent.spawn(change)
    with gevent.Timeout(DEADLINE_S):
        while True:
            batch = source.read(max_records=1000, timeout_s=NEVER_S)
            if batch.records:
                assert source.wakeups > before, "it never waited"
                return batch
