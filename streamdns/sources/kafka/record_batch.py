"""Decodes record batches as a broker stores them (format 2): a head, a checksum, and records that may be compressed.

Batches of formats 0 and 1, which topics of many years ago may hold, go to old_formats.py. No I/O. The layout is at
kafka.apache.org/documentation/#recordbatch.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, TypeVar

from google_crc32c import value as crc32c

from streamdns.events.batch import Partition, Record
from streamdns.events.event import MAX_VALUE_BYTES
from streamdns.sources.kafka import old_formats
from streamdns.sources.kafka.old_formats import DecodeError
from streamdns.sources.kafka.unpack import Unreadable, unpack

#: A longer key names no RRset: 255 octets are at most 1,020 characters with all their escapes.
MAX_KEY_BYTES: Final = 1 << 16
#: What is kept of an event that is too long, and of a batch that is passed over.
KEPT_BYTES: Final = 4096
#: What is decoded at once; a batch of more is walked first, to see that it is sound to its end.
AT_ONCE: Final = 10_000
AT_ONCE_BYTES: Final = 4 << 20
_PART, _PART_BYTES = 1000, 1 << 20
_PREFIX = struct.Struct(">qi")  # first offset, length of all behind
#: Leader's epoch, format, CRC, attributes, last offset's delta, first and greatest timestamp, producer's id, epoch and
#: sequence, number of records.
_HEAD = struct.Struct(">ibIhiqqqhii")
_CODEC, _LOG_APPEND_TIME, _TRANSACTIONAL, _CONTROL = 7, 8, 16, 32
_LEAST_RECORD_BYTES: Final = 7
_PAUSE_AFTER: Final = 64

_T = TypeVar("_T")
Unpack = Callable[[int, "bytes | memoryview"], "bytes | memoryview"]
_new_record = tuple.__new__


class StoredBatch(NamedTuple):
    """One batch by its head: `start` and `end` delimit it in the octets that it was found in.

    `first` and `last` are its offsets also where compaction took records away; `stamp` is its greatest timestamp (ms).
    """

    form: int
    first: int
    last: int
    attributes: int
    base_stamp: int
    stamp: int
    producer: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs
    start: int
    end: int

    @property
    def is_compressed(self) -> bool:
        """Whether its records are compressed."""
        return bool(self.attributes & _CODEC)

    @property
    def is_control(self) -> bool:
        """Whether it holds no events but the mark of a transaction's end."""
        return bool(self.attributes & _CONTROL)

    @property
    def is_transactional(self) -> bool:
        """Whether it was written within a transaction."""
        return bool(self.attributes & _TRANSACTIONAL)


def batches(data: bytes, start: int, end: int) -> Iterator[StoredBatch]:
    """Yield every whole batch in data[start:end] in order; a partial one at the end is left out.

    Raises DecodeError where the octets are not those that the broker was given (the checksum says so).
    """
    at = start
    while end - at >= _PREFIX.size + 5:
        first, length = _PREFIX.unpack_from(data, at)
        behind = at + _PREFIX.size + length
        if behind > end:
            return
        form = data[at + 16]
        if length < 5 or first < 0 or form > 2:
            raise DecodeError(f"at offset {first} there is a batch of format {form} and length {length}")
        if form < 2:
            yield StoredBatch(form, first, first, 0, 0, -1, -1, 1, at, behind)
        else:
            if length < _HEAD.size:
                raise DecodeError(f"the batch at offset {first} is {length} octets long")
            _, _, crc, attributes, delta, base_stamp, stamp, producer, _, _, count = _HEAD.unpack_from(data, at + 12)
            if crc32c(data[at + 21 : behind]) != crc:
                raise DecodeError(f"the batch at offset {first} has a wrong checksum")
            yield StoredBatch(form, first, first + delta, attributes, base_stamp, stamp, producer, count, at, behind)
        at = behind


def records(
    data: bytes,
    batch: StoredBatch,
    partition: Partition,
    unpack_with: Unpack = unpack,
    *,
    pause: Callable[[], None] | None = None,
) -> Iterable[list[Record]]:
    """Give the records of a batch in lists, all of it or nothing: raises Unreadable before the first one.

    A key or value that is too long is not copied: its record has an error, and only the beginning of it. `pause` is
    called again and again meanwhile, where something else may have to go on.
    """
    if batch.form < 2:
        message = memoryview(data)[batch.start : batch.end]
        deque(_with_pauses(old_formats.messages(message, unpack_with), pause), maxlen=0)
        found = _with_pauses(old_formats.messages(message, unpack_with), pause)
        return _parts(_bounded(partition, *each) for each in found)
    if not 0 <= batch.last - batch.first < 1 << 31 or batch.count < 0:
        raise Unreadable(f"it says that it has {batch.count} records up to offset {batch.last}")
    body: bytes | memoryview = data
    at, end = batch.start + _PREFIX.size + _HEAD.size, batch.end
    codec = batch.attributes & _CODEC
    if codec and end > at:
        body = unpack_with(codec, memoryview(data)[at:end])
        at, end = 0, len(body)
    if batch.count * _LEAST_RECORD_BYTES > end - at:
        raise Unreadable(f"it says that it has {batch.count} records in {end - at} octets")
    if batch.count <= AT_ONCE and end - at <= AT_ONCE_BYTES:
        return [list(_with_pauses(_records(body, batch, at, end, partition), pause))]
    deque(_with_pauses(_records(body, batch, at, end, partition), pause), maxlen=0)
    return _parts(_with_pauses(_records(body, batch, at, end, partition), pause))


def _with_pauses(found: Iterator[_T], pause: Callable[[], None] | None) -> Iterator[_T]:
    return found if pause is None else _pausing(found, pause)


def _pausing(found: Iterator[_T], pause: Callable[[], None]) -> Iterator[_T]:
    for number, each in enumerate(found, 1):
        if not number % _PAUSE_AFTER:
            pause()
        yield each


def _parts(found: Iterator[Record]) -> Iterator[list[Record]]:
    """Put records into lists that are short, so that little of a large batch is there twice."""
    part: list[Record] = []
    octets = 0
    for record in found:
        part.append(record)
        octets += len(record.value or b"")
        if len(part) >= _PART or octets > _PART_BYTES:
            yield part
            part, octets = [], 0
    if part:
        yield part


def _varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """Read a number of up to ten octets, seven bits in each; gives it before zigzag, and the place behind it."""
    number = shift = 0
    while True:
        octet = data[at]
        at += 1
        number |= (octet & 127) << shift
        if octet < 128:
            return number, at
        shift += 7
        if shift > 63:
            raise Unreadable("a number in it is too long")


def _records(
    data: bytes | memoryview, batch: StoredBatch, at: int, end: int, partition: Partition
) -> Iterator[Record]:
    try:
        yield from _walk(data, batch, at, end, partition)
    except IndexError:
        raise Unreadable("its last record ends too early") from None


def _walk(
    data: bytes | memoryview, batch: StoredBatch, at: int, end: int, partition: Partition
) -> Iterator[Record]:
    topic, number = partition
    first, base_stamp = batch.first, batch.base_stamp
    fixed = batch.attributes & _LOG_APPEND_TIME
    before, most = -1, batch.last - batch.first
    for _ in range(batch.count):
        n = data[at]
        at += 1
        if n > 127:
            n, at = _varint(data, at - 1)
        stop = at + ((n >> 1) ^ -(n & 1))
        if not at < stop <= end:
            raise Unreadable("a record in it is longer than the batch")
        at += 1  # attributes, of which there are none
        n = data[at]
        at += 1
        if n > 127:
            n, at = _varint(data, at - 1)
        stamp = batch.stamp if fixed else base_stamp + ((n >> 1) ^ -(n & 1))
        n = data[at]
        at += 1
        if n > 127:
            n, at = _varint(data, at - 1)
        delta = (n >> 1) ^ -(n & 1)
        if not before < delta <= most:
            raise Unreadable("the offsets in it are out of order")
        before = delta
        n = data[at]
        at += 1
        if n > 127:
            n, at = _varint(data, at - 1)
        error = None
        key = value = None
        if not n & 1:
            n >>= 1
            key = bytes(data[at : at + n]) if n <= MAX_KEY_BYTES else bytes(data[at : at + KEPT_BYTES])
            if n > MAX_KEY_BYTES:
                error = _too_long("key", n, MAX_KEY_BYTES)
            at += n
        n = data[at]
        at += 1
        if n > 127:
            n, at = _varint(data, at - 1)
        if not n & 1:
            n >>= 1
            value = bytes(data[at : at + n]) if n <= MAX_VALUE_BYTES else bytes(data[at : at + KEPT_BYTES])
            if n > MAX_VALUE_BYTES and error is None:
                error = _too_long("value", n, MAX_VALUE_BYTES)
            at += n
        if at > stop:
            raise Unreadable("a record in it is shorter than its key and value")
        at = stop  # Headers are nothing to us.
        kind = "entry" if error is None else "size"
        yield _new_record(Record, (topic, number, first + delta, stamp, key, value, error, kind))
    if at != end:
        raise Unreadable("there is more in it than its records")


def _too_long(what: str, octets: int, limit: int) -> str:
    return f"the {what} has {octets} bytes, more than {limit}"


def _bounded(partition: Partition, offset: int, stamp: int, key: bytes | None, value: bytes | None) -> Record:
    """Make a record of an old message, of its beginning alone where it is too long."""
    error = None
    if value is not None and len(value) > MAX_VALUE_BYTES:
        value, error = value[:KEPT_BYTES], _too_long("value", len(value), MAX_VALUE_BYTES)
    if key is not None and len(key) > MAX_KEY_BYTES:
        key, error = key[:KEPT_BYTES], _too_long("key", len(key), MAX_KEY_BYTES)
    return Record(*partition, offset, stamp, key, value, error, "entry" if error is None else "size")


def passed_over(data: bytes, batch: StoredBatch, partition: Partition, position: int, why: str) -> Record:
    """Make the one entry that stands in the quarantine for a batch that cannot be read."""
    first = max(batch.first, position)
    which = f"the batch of offsets {batch.first} to {batch.last}" if batch.form > 1 else f"the batch at {batch.last}"
    kept = data[batch.start : min(batch.end, batch.start + KEPT_BYTES)]
    return Record(*partition, first, batch.stamp, None, kept, f"{which} is passed over: {why}", "batch")


class Aborted:
    """The aborted transactions of one reply: tells which batches are of one (isolation level read_committed).

    `transactions` are pairs of a producer's id and the first offset of what it wrote and then took back.
    """

    def __init__(self, transactions: Iterable[tuple[int, int]]) -> None:
        self._coming = sorted(transactions, key=lambda each: each[1], reverse=True)
        self._now: set[int] = set()

    def skips(self, data: bytes, batch: StoredBatch) -> bool:
        """Whether the events of this batch do not count; called for all batches of the reply in their order."""
        while self._coming and self._coming[-1][1] <= batch.last:
            self._now.add(self._coming.pop()[0])
        if batch.is_control:
            if batch.is_transactional and _is_abort(data, batch):
                self._now.discard(batch.producer)
            return True
        return batch.is_transactional and batch.producer in self._now


def _is_abort(data: bytes, batch: StoredBatch) -> bool:
    """Whether a control batch ends a transaction by taking it back; its only record's key is version and type."""
    try:
        for part in records(data, batch, ("", 0)):
            for record in part:
                return record.key is not None and len(record.key) >= 4 and record.key[2:4] == b"\0\0"
    except Unreadable:
        pass
    return False
