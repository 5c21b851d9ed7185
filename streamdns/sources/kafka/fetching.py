"""Reads partitions with a greenlet for each broker that leads some: asks, decodes, and queues what came.

This is the whole reading of both clients. They differ in how they connect and how they know who leads a partition;
which events a log holds, and which batches are passed over, does not depend on that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple

import gevent
from gevent.event import Event
from gevent.queue import Empty, Queue
from gevent.threadpool import ThreadPool

from streamdns.errors import SourceError
from streamdns.events.batch import Partition, Record
from streamdns.runtime.interpreter import let_others
from streamdns.runtime.native import in_thread
from streamdns.runtime.turns import give_way
from streamdns.sources.kafka import error_codes, fetch, record_batch
from streamdns.sources.kafka.client import CannotServe, Fetched, OutOfRange
from streamdns.sources.kafka.config import KafkaConfig
from streamdns.sources.kafka.fetch import PartitionData
from streamdns.sources.kafka.old_formats import DecodeError
from streamdns.sources.kafka.record_batch import Aborted, StoredBatch
from streamdns.sources.kafka.unpack import Unreadable

_WAIT_MS: Final = 100  # As long as a broker keeps a request for which it has nothing.
_PAUSE_RECORDS: Final = 100
_PAUSE_BYTES: Final = 1 << 18
#: Values are up to 1 MiB, so octets are counted, too.
_QUEUED_CHUNKS: Final = 128
_QUEUED_BYTES: Final = 4 << 20
_FETCHED_BYTES: Final = 4 << 20
_LEAST_FETCH_BYTES: Final = 1 << 16
_REPLY_BYTES: Final = 1 << 20
#: Larger batches are decoded in a native thread; compressed ones may come to several times as much.
_DECODE_HERE_BYTES: Final = 1 << 16
_UNPACK_HERE_BYTES: Final = 1 << 13
_UNSUPPORTED_FORMAT: Final = 43
_TRIES: Final = 2


class _Chunk(NamedTuple):
    """Records of one partition and its next position, or the failure that ended the reading."""

    partition: Partition
    records: list[Record]
    position: int
    at_end: bool
    size: int = 0
    failure: SourceError | None = None


class FetchingClient:
    """The reading that both clients share, see KafkaClient; what they decode waits in a short queue."""

    name = ""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._positions: dict[Partition, int] = {}
        self._sizes: dict[Partition, int] = {}
        self._ended: dict[Partition, int] = {}
        self._at_end: dict[Partition, int] = {}
        # One thread, because the C library keeps for each what it had once.
        self._unpacking = ThreadPool(1)
        self._unreadable: dict[Partition, tuple[int, int]] = {}
        self._queue: Queue[_Chunk] = Queue(_QUEUED_CHUNKS)
        self._queued_bytes = 0
        self._room = Event()
        self._fetchers: dict[int, gevent.Greenlet] = {}
        self._first_bytes = config.fetch_bytes

    def _connect_to(self, partitions: Iterable[Partition]) -> None:
        """Find out who leads these partitions, as it is now; raises SourceError."""
        raise NotImplementedError

    def _leader(self, partition: Partition) -> int:
        """Give the id of the broker that leads a partition; raises SourceError."""
        raise NotImplementedError

    def _ask(self, leader: int, request: bytes) -> bytes:
        """Send a request, which comes without its length, and give the reply without length and correlation."""
        raise NotImplementedError

    def start(self, positions: Mapping[Partition, int]) -> None:
        """As KafkaClient.start."""
        new = {p: at for p, at in positions.items() if p not in self._positions}
        wanted = new.keys() | self._positions.keys()
        self._connect_to(wanted)
        leaders = {self._leader(each) for each in wanted}
        # Fetchers may run already: they look at this in every round, so leaders must be known, and they move it.
        self._positions |= new
        self._first_bytes = max(_LEAST_FETCH_BYTES, self._config.fetch_bytes // max(1, len(wanted)))
        for leader in leaders:
            if leader not in self._fetchers:
                self._fetchers[leader] = gevent.spawn(self._run, leader)

    def fetch(self, *, max_records: int, timeout_s: float) -> Fetched:
        """As KafkaClient.fetch; at most about 4 MiB at a time."""
        records: list[Record] = []
        moved: dict[Partition, int] = {}
        octets = 0
        while len(records) < max_records and octets < _FETCHED_BYTES:
            try:
                chunk = self._queue.get(timeout=timeout_s) if not moved else self._queue.get_nowait()
            except Empty:
                break
            if chunk.failure is not None:
                raise chunk.failure
            octets += chunk.size
            self._queued_bytes -= chunk.size
            self._room.set()
            records += chunk.records
            moved[chunk.partition] = chunk.position
            if chunk.at_end:
                self._at_end[chunk.partition] = chunk.position
            elif self._at_end.get(chunk.partition, chunk.position) != chunk.position:
                del self._at_end[chunk.partition]
        return Fetched(records, moved, dict(self._at_end))

    def _stop(self) -> None:
        """End the fetchers; one that waits in fetch() gets a SourceError."""
        fetchers, self._fetchers = list(self._fetchers.values()), {}
        gevent.spawn(self._unpacking.kill)  # It waits for what the thread has in its hands.
        if not fetchers:
            return
        gevent.killall(fetchers, block=False)
        failure = SourceError("the Kafka client is closed")
        # Somebody may be waiting for a chunk; a full queue means that nobody is.
        if not self._queue.full():
            self._queue.put_nowait(_Chunk(("", 0), [], 0, False, failure=failure))

    def _run(self, leader: int) -> None:
        """Ask one broker for its partitions, over and over; in a greenlet of its own."""
        turn = 0
        try:
            while True:
                turn += 1
                self._round(leader, turn)
        except SourceError as error:
            failure = error
        except DecodeError as error:
            failure = SourceError(f"what the broker sent is damaged: {error}")
        except Exception as error:  # noqa: BLE001 - what it is, is told; a reading that ended must never look quiet
            failure = SourceError(f"reading Kafka failed: {type(error).__name__} {sentence(error)}")
        self._queue.put(_Chunk(("", 0), [], 0, False, failure=failure))

    def _round(self, leader: int, turn: int) -> None:
        """Send one request, and take its reply."""
        asked = [each for each in self._positions if self._leader(each) == leader]
        # Only the first partition is sure to get a batch that is larger than its share.
        first = turn % len(asked)
        asked = asked[first:] + asked[:first]
        request = fetch.request(
            {each: self._positions[each] for each in asked}, dict.fromkeys(asked, self._first_bytes),
            wait_ms=_WAIT_MS, most_bytes=max(_REPLY_BYTES, self._first_bytes),
        )
        octets = self._ask(leader, request)
        for each, data in fetch.reply(octets):
            if each in self._positions:
                self._take(each, octets, data)

    def _take(self, partition: Partition, octets: bytes, data: PartitionData) -> None:
        """Queue what a reply has of one partition, and note where the next request goes on."""
        if data.error:
            raise _failure(partition, data.error)
        before = self._positions[partition]
        aborted = Aborted(data.aborted)
        for batch in record_batch.batches(octets, data.start, data.end):
            position = self._positions[partition]
            if batch.last < position and batch.form > 1:
                aborted.skips(octets, batch)
                continue  # A batch comes whole, also where only its end was asked for.
            self._raise_if_large(partition, batch)
            if aborted.skips(octets, batch):
                self._put(partition, [], batch.last + 1)
            elif not self._take_batch(partition, octets, batch):
                return
        position = self._positions[partition]
        if position == before and position >= data.end_offset and self._ended.get(partition) != position:
            self._ended[partition] = position
            self._put(partition, [], position, at_end=True)

    def _raise_if_large(self, partition: Partition, batch: StoredBatch) -> None:
        if batch.end - batch.start > self._config.fetch_max_bytes:
            raise SourceError(
                f"topic {partition[0]}, partition {partition[1]}: the batch at {batch.first} is larger than "
                f"DNS_KAFKA_FETCH_MAX_BYTES={self._config.fetch_max_bytes}"
            )

    def _take_batch(self, partition: Partition, octets: bytes, batch: StoredBatch) -> bool:
        """Queue the events of a batch; False where it shall be asked for once more, because it cannot be read."""
        position = self._positions[partition]
        try:
            for part in self._decoded(octets, batch, partition):
                self._put_all(partition, part, position)
        except Unreadable as why:
            failed, times = self._unreadable.get(partition, (-1, 0))
            times = times + 1 if failed == batch.last else 1
            self._unreadable[partition] = (batch.last, times)
            if times < _TRIES:
                return False
            entry = record_batch.passed_over(octets, batch, partition, position, str(why))
            self._put(partition, [entry], batch.last + 1)
            return True
        if batch.form > 1 and self._positions[partition] <= batch.last:
            self._put(partition, [], batch.last + 1)  # Compaction took its last events.
        return True

    def _decoded(self, octets: bytes, batch: StoredBatch, partition: Partition) -> Iterable[list[Record]]:
        size = batch.end - batch.start
        if size < (_UNPACK_HERE_BYTES if batch.is_compressed else _DECODE_HERE_BYTES) and batch.form > 1:
            return record_batch.records(octets, batch, partition)
        decode = partial(record_batch.records, pause=let_others)
        found = in_thread(decode, octets, batch, partition, pool=self._unpacking)
        return found if isinstance(found, list) else self._each(iter(found))

    def _each(self, found: Iterator[list[Record]]) -> Iterator[list[Record]]:
        """Give the lists of an iterator, each made in the native thread."""
        while part := in_thread(partial(next, found, []), pool=self._unpacking):
            yield part

    def _put_all(self, partition: Partition, found: list[Record], position: int) -> None:
        """Queue records from a position on, in pieces after each of which others have their turn."""
        piece: list[Record] = []
        octets = 0
        for record in found:
            if record.position < position:
                continue
            piece.append(record)
            octets += len(record.value or b"") + len(record.key or b"")
            if len(piece) >= _PAUSE_RECORDS or octets > _PAUSE_BYTES:
                self._put(partition, piece, record.position + 1, size=octets)
                piece, octets = [], 0
        if piece:
            self._put(partition, piece, piece[-1].position + 1, size=octets)

    def _put(
        self, partition: Partition, records: list[Record], position: int, *, size: int = 0, at_end: bool = False
    ) -> None:
        self._positions[partition] = position
        while self._queued_bytes > _QUEUED_BYTES:
            self._room.clear()
            self._room.wait()
        self._queued_bytes += size
        self._queue.put(_Chunk(partition, records, position, at_end, size))
        # Putting gives way only where the queue is full.
        give_way()


def _failure(partition: Partition, error: int) -> SourceError:
    text = f"topic {partition[0]}, partition {partition[1]}: {error_codes.error_text(error)}"
    if error == error_codes.OUT_OF_RANGE:
        return OutOfRange(text)
    if error in (error_codes.UNSUPPORTED_VERSION, error_codes.ZSTD, _UNSUPPORTED_FORMAT):
        return CannotServe(text)
    return SourceError(text)


def sentence(error: Exception) -> str:
    """Say an exception of a library in a few words."""
    text = str(error) or type(error).__name__
    return text if len(text) < 200 else text[:200]
