"""Reads Kafka over pykafka's connections, metadata and request queues, with a fetch loop and a decoder of our own.

Its consumers lose records of compacted topics, so none of them reads: one is a member of a group, for Kafka's tools to
see, and decides nothing. Brokers that serve Fetch 2 are needed (up to Kafka 3.9).
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

import gevent
from gevent import socket as gsocket
from gevent.queue import Empty, JoinableQueue, Queue
from pykafka.broker import Broker
from pykafka.cluster import Cluster as PykafkaCluster
from pykafka.exceptions import KafkaException
from pykafka.handlers import GEventHandler
from pykafka.managedbalancedconsumer import ManagedBalancedConsumer
from pykafka.protocol import FetchRequest, PartitionFetchRequest

from streamdns.errors import SourceError
from streamdns.events.batch import Partition, Record
from streamdns.runtime.native import in_thread
from streamdns.runtime.turns import give_way
from streamdns.sources.kafka import decode, error_codes, stored_batch
from streamdns.sources.kafka.client import CannotServe, Fetched, OutOfRange
from streamdns.sources.kafka.cluster import Cluster
from streamdns.sources.kafka.config import KafkaConfig
from streamdns.sources.kafka.librdkafka import TIMEOUT_S
from streamdns.sources.kafka.member import Holder, Member
from streamdns.sources.kafka.tls import context_of
from streamdns.sources.kafka.topic import in_transactions

_FETCH: Final = 2  # The newest version that it speaks.
_WAIT_MS: Final = 100  # As long as a broker keeps a request for which it has nothing.
_REPLY_S: Final = 15.0
_CONNECT_S: Final = 10.0
_PAUSE_RECORDS: Final = 100
_QUEUED_CHUNKS: Final = 128
_UNPACK_HERE_BYTES: Final = 1 << 14
_LEAST_FETCH_BYTES: Final = 1 << 16
_UNSUPPORTED_FORMAT: Final = 43

# It logs tracebacks of what is raised to us as well.
logging.getLogger("pykafka").setLevel(logging.CRITICAL + 1)


class _Sockets:
    """Takes the place of the socket module in pykafka, to add TLS that verifies the broker's name."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context

    def create_connection(self, address: tuple[Any, int], timeout_s: float, _source: object) -> Any:
        """Make a connection that is ready for requests; raises OSError as socket.create_connection does.

        `timeout_s` is for the replies; a broker that does not even take the connection must leave time for another.
        """
        host = address[0].decode() if isinstance(address[0], bytes) else str(address[0])
        sock = gsocket.create_connection((host, address[1]), min(timeout_s, TIMEOUT_S))
        sock.settimeout(timeout_s)
        sock.setsockopt(gsocket.IPPROTO_TCP, gsocket.TCP_NODELAY, 1)
        return sock if self._context is None else self._context.wrap_socket(sock, server_hostname=host)


class _Requests(JoinableQueue):  # type: ignore[misc]
    """A queue that nobody waits for: pykafka would, in its destructor, where the event loop may not wait."""

    def join(self, timeout: float | None = None) -> bool:
        return True


class _Handler(GEventHandler):  # type: ignore[misc]
    Queue = _Requests

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.Socket = _Sockets(context)


class _Membership(ManagedBalancedConsumer):  # type: ignore[misc]
    def _get_internal_consumer(self, partitions: list[Any] | None = None, start: bool = True) -> Holder:
        return Holder(partitions or [])


class Connections:
    """pykafka's view of the cluster over connections of its own; raises SourceError."""

    def __init__(self, config: KafkaConfig) -> None:
        handler = _Handler(context_of(config))
        try:
            with gevent.Timeout(_CONNECT_S, SourceError(f"pykafka did not connect within {_CONNECT_S:g} s")):
                self.cluster = PykafkaCluster(
                    ",".join(config.addresses), handler, socket_timeout_ms=10_000, broker_version="1.0.0"
                )
        except SourceError:
            raise
        except Exception as error:  # It raises all sorts of things, plain Exception among them.
            raise SourceError(f"pykafka does not connect: {_sentence(error)}") from error

    def topic(self, name: str) -> Any:
        """Find pykafka's Topic; the caller must keep a reference, pykafka holds none itself."""
        try:
            return self.cluster.topics[name.encode()]
        except (KafkaException, KeyError) as error:
            raise SourceError(f"pykafka does not find topic {name}: {_sentence(error)}") from error

    def consumer(self, topic: Any, group: str) -> Any:
        """Make a member of a group that holds partitions and reads nothing; it is not started yet."""
        return _Membership(
            topic, self.cluster, group.encode("ascii", "replace"), auto_start=False, auto_commit_enable=False
        )

    def close(self) -> None:
        """Cut the connections: a worker that waits for a reply ends, and no request is waited for."""
        for broker in self.cluster.brokers.values():
            _cut(broker)


def _cut(broker: Any) -> None:
    shared = getattr(broker.handler, "shared", None)
    if shared is not None:
        shared.ending.set()
        shared.connection.disconnect()


def fetch_versions(config: KafkaConfig) -> tuple[int, int]:
    """Ask the first broker that answers which versions of Fetch it serves; raises SourceError.

    No other client tells. It is one request, because what else pykafka asks for a newer broker may not serve.
    """
    handler, failure = _Handler(context_of(config)), ""
    for host, port in config.hosts():
        broker = None
        try:
            with gevent.Timeout(_CONNECT_S, SourceError(f"no answer within {_CONNECT_S:g} s")):
                broker = Broker(-1, host, port, handler, 10_000, 10_000)
                versions = broker.fetch_api_versions().api_versions[FetchRequest.API_KEY]
                return versions.min, versions.max
        except Exception as error:  # noqa: BLE001 - as above
            failure = _sentence(error)
        finally:
            if broker is not None:
                _cut(broker)
    raise SourceError(f"pykafka does not connect: {failure}")


class _Chunk(NamedTuple):
    """Records of one partition and its next position, or the failure that ended the reading."""

    partition: Partition
    records: list[Record]
    position: int
    at_end: bool
    failure: SourceError | None = None


class PykafkaClient:
    """Reads with a greenlet for each broker that leads partitions of ours; what they decode waits in a short queue."""

    name = "pykafka"

    def __init__(self, config: KafkaConfig, cluster: Cluster) -> None:
        self._config, self._cluster = config, cluster
        self._connections: Connections | None = None
        self._topics: dict[str, Any] = {}
        self._positions: dict[Partition, int] = {}
        self._sizes: dict[Partition, int] = {}
        self._ended: dict[Partition, int] = {}
        self._at_end: dict[Partition, int] = {}
        self._queue: Queue[_Chunk] = Queue(_QUEUED_CHUNKS)
        self._fetchers: dict[int, gevent.Greenlet] = {}
        self._members: list[Member] = []
        self._first_bytes = config.fetch_bytes

    def unsuited(self, ends: Mapping[Partition, int]) -> str:
        """As KafkaClient.unsuited: pykafka reads aborted transactions, too, so the last batches must be of none."""
        lowest, highest = fetch_versions(self._near(self._config))
        if lowest > _FETCH:
            raise CannotServe(f"this Kafka serves Fetch {lowest}–{highest}, pykafka speaks ≤ {_FETCH}")
        self._find({topic for topic, _ in ends})
        for partition, end in ends.items():
            batch = self._stored_batch(partition, end - 1)
            if batch is not None and batch.transactional:
                return in_transactions(partition[0])
        return ""

    def start(self, positions: Mapping[Partition, int]) -> None:
        new = {p: at for p, at in positions.items() if p not in self._positions}
        wanted = new.keys() | self._positions.keys()
        if self._connections is not None and self._positions:
            try:
                self._connections.cluster.update()
            except Exception as error:
                raise SourceError(f"pykafka cannot look at the cluster again: {_sentence(error)}") from error
        self._find({topic for topic, _ in wanted})
        leaders = {self._leader(partition) for partition in wanted}
        # Fetchers may run already: they look at this in every round, so leaders must be known, and they move it.
        self._positions |= new
        self._first_bytes = max(_LEAST_FETCH_BYTES, self._config.fetch_bytes // max(1, len(wanted)))
        for leader in leaders:
            if leader not in self._fetchers:
                self._fetchers[leader] = gevent.spawn(self._run, leader)
        if not self._members:
            self._members = [
                Member(self._config, topic, self._connect, partial(self._numbers, topic)) for topic in self._topics
            ]

    def _numbers(self, topic: str) -> set[int]:
        """Give the partitions of a topic that are read."""
        return {number for of, number in self._positions if of == topic}

    def _find(self, topics: set[str]) -> None:
        """Connect where that is not done yet, and look up the leaders of these topics."""
        connections = self._connections
        if connections is None:
            connections = self._connections = self._connect(self._config)
        for topic in topics:
            self._topics[topic] = connections.topic(topic)

    def _connect(self, config: KafkaConfig) -> Connections:
        return Connections(self._near(config))

    def _near(self, config: KafkaConfig) -> KafkaConfig:
        """Put a broker that is alive first: pykafka tries addresses in order, and is slow to give up a dead one."""
        return replace(config, addresses=self._cluster.addresses())

    def _leader(self, partition: Partition) -> int:
        try:
            return int(self._topics[partition[0]].partitions[partition[1]].leader.id)
        except (KeyError, AttributeError) as error:
            raise SourceError(f"pykafka knows no leader of topic {partition[0]}, partition {partition[1]}") from error

    def fetch(self, *, max_records: int, timeout_s: float) -> Fetched:
        records: list[Record] = []
        moved: dict[Partition, int] = {}
        while len(records) < max_records:
            try:
                chunk = self._queue.get(timeout=timeout_s) if not moved else self._queue.get_nowait()
            except Empty:
                break
            if chunk.failure is not None:
                raise chunk.failure
            records += chunk.records
            moved[chunk.partition] = chunk.position
            if chunk.at_end:
                self._at_end[chunk.partition] = chunk.position
            elif self._at_end.get(chunk.partition, chunk.position) != chunk.position:
                del self._at_end[chunk.partition]
        return Fetched(records, moved, dict(self._at_end))

    def close(self) -> None:
        fetchers, self._fetchers = list(self._fetchers.values()), {}
        gevent.killall(fetchers, block=False)
        members, self._members = self._members, []
        for member in members:
            member.close()
        connections, self._connections = self._connections, None
        if connections is not None:
            connections.close()
            failure = SourceError("the Kafka client is closed")
            # Somebody may be waiting for a chunk; a full queue means that nobody is.
            if not self._queue.full():
                self._queue.put_nowait(_Chunk(("", 0), [], 0, False, failure))

    def _run(self, leader: int) -> None:
        """Ask one broker for its partitions, over and over; in a greenlet of its own."""
        try:
            while True:
                self._round(leader)
        except SourceError as error:
            failure = error
        except decode.DecodeError as error:
            failure = SourceError(f"what the broker sent is damaged: {error}")
        except Exception as error:  # noqa: BLE001 - what it is, is told; a reading that ended must never look quiet
            failure = SourceError(f"pykafka failed: {type(error).__name__} {_sentence(error)}")
        self._queue.put(_Chunk(("", 0), [], 0, False, failure))

    def _round(self, leader: int) -> None:
        """Send one request, and take its reply."""
        asked = [partition for partition in self._positions if self._leader(partition) == leader]
        requests = [
            PartitionFetchRequest(topic.encode(), number, self._positions[topic, number], self._size((topic, number)))
            for topic, number in asked
        ]
        request = FetchRequest(requests, timeout=_WAIT_MS, min_bytes=1, api_version=_FETCH)
        reply = self._ask_leader(asked[0], request)
        for topic, number, data in decode.partitions(reply):
            self._take((topic, number), data)

    def _ask_leader(self, partition: Partition, request: Any) -> bytes:
        """Ask the broker that leads a partition; gives its reply without length and correlation."""
        leader = self._leader(partition)
        broker = self._topics[partition[0]].partitions[partition[1]].leader
        if broker.handler is None:
            raise SourceError(f"pykafka is not connected to broker {leader}")
        try:
            with gevent.Timeout(_REPLY_S, SourceError(f"the broker did not answer within {_REPLY_S:g} s")):
                return bytes(broker.handler.request(request).get())
        except (KafkaException, OSError) as error:
            raise SourceError(f"pykafka lost the broker: {_sentence(error)}") from error

    def _stored_batch(self, partition: Partition, offset: int) -> stored_batch.StoredBatch | None:
        """Ask for the batch that is stored at `offset`, or the next one; None where it cannot be told."""
        error, batch = stored_batch.read(self._ask_leader(partition, stored_batch.Question(partition, offset)))
        if error:
            raise _failure(partition, error)
        return batch

    def _size(self, partition: Partition) -> int:
        return self._sizes.get(partition, self._first_bytes)

    def _take(self, partition: Partition, data: decode.PartitionData) -> None:
        """Queue what a reply has of one partition, and decide where the next request goes on."""
        if data.error:
            raise _failure(partition, data.error)
        before = self._positions[partition]
        for chunk in self._chunks(partition, data.messages):
            self._queue.put(chunk)
            # Putting gives way only where the queue is full.
            give_way()
        if self._positions[partition] > before:
            size = self._size(partition)
            if size > self._first_bytes and len(data.messages) < size // 4:
                self._sizes[partition] = max(self._first_bytes, size // 2)
        elif data.high_watermark > before:
            self._advance(partition, data)
        elif self._ended.get(partition) != before:
            self._ended[partition] = before
            self._queue.put(_Chunk(partition, [], before, True))

    def _chunks(self, partition: Partition, data: memoryview) -> Iterator[_Chunk]:
        topic, number = partition
        position = self._positions[partition]
        records: list[Record] = []
        for offset, stamp, key, value in decode.messages(data, _unpacked):
            if offset < position:
                continue  # A batch comes whole, also where only its end was asked for.
            records.append(Record(topic, number, offset, stamp, key, value))
            position = offset + 1
            if len(records) >= _PAUSE_RECORDS:
                self._positions[partition] = position
                yield _Chunk(partition, records, position, False)
                records = []
        if records:
            self._positions[partition] = position
            yield _Chunk(partition, records, position, False)

    def _advance(self, partition: Partition, data: decode.PartitionData) -> None:
        """Go on where nothing new came though there is more: the next batch is too large, or compaction emptied it."""
        position, size = self._positions[partition], self._size(partition)
        # The first batch that is stored there is converted as a whole or not at all. So where a message is whole, or
        # the broker says that it could convert nothing, no record of that batch is at our position or behind it.
        if decode.settled(data.messages):
            batch = self._stored_batch(partition, position)
            if batch is not None and batch.transactional and self._config.client == "auto":
                raise CannotServe(in_transactions(partition[0]))
            position = max(position + 1, min(0 if batch is None else batch.end, data.high_watermark))
            self._positions[partition] = position
            self._queue.put(_Chunk(partition, [], position, False))
        elif size >= self._config.fetch_max_bytes:
            raise SourceError(
                f"topic {partition[0]}, partition {partition[1]}: the batch at {position} is larger than "
                f"DNS_KAFKA_FETCH_MAX_BYTES={self._config.fetch_max_bytes}"
            )
        else:
            self._sizes[partition] = min(2 * size, self._config.fetch_max_bytes)


def _unpacked(codec: int, octets: bytes) -> bytes:
    """Decompress as decode.plain, large data in a native thread: these libraries give up the GIL there."""
    if len(octets) < _UNPACK_HERE_BYTES:
        return decode.plain(codec, octets)
    return in_thread(decode.plain, codec, octets)


def _failure(partition: Partition, error: int) -> SourceError:
    sentence = f"topic {partition[0]}, partition {partition[1]}: {error_codes.error_text(error)}"
    if error == error_codes.OUT_OF_RANGE:
        return OutOfRange(sentence)
    if error in (error_codes.UNSUPPORTED_VERSION, error_codes.ZSTD, _UNSUPPORTED_FORMAT):
        return CannotServe(sentence)
    return SourceError(sentence)


def _sentence(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) < 200 else text[:200]
