"""Reads Kafka with confluent-kafka's knowledge of the cluster, and writes by its producer.

Its consumer would unpack whatever a batch holds before anybody could look at it, so the fetch loop and the decoder are
our own, as they are with pykafka.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final, NamedTuple

import confluent_kafka as ck

from streamdns.errors import SourceError
from streamdns.events.batch import Partition
from streamdns.sources.kafka.cluster import Cluster
from streamdns.sources.kafka.config import KafkaConfig
from streamdns.sources.kafka.connection import Connection, ConnectionLost, HungUp
from streamdns.sources.kafka.fetching import FetchingClient
from streamdns.sources.kafka.librdkafka import SILENT, connection_options
from streamdns.sources.kafka.topic import Leader

_QUEUE_KBYTES: Final = 65536
# librdkafka names the errors of its own with an underscore; they are public.
_GONE: Final = {
    ck.KafkaError._AUTHENTICATION: "authentication failed",  # noqa: SLF001
    ck.KafkaError._SSL: "TLS failed",  # noqa: SLF001
    ck.KafkaError._ALL_BROKERS_DOWN: "no broker can be reached",  # noqa: SLF001
}
_LINGER_MS: Final = 5
_MESSAGE_MAX_BYTES: Final = 4 << 20  # More than any event may have.
_TIMED_OUT: Final = ck.KafkaError._MSG_TIMED_OUT  # noqa: SLF001
#: What may have reached the log all the same: the broker wrote it, or may have, and its word did not get here.
_UNKNOWN: Final = (_TIMED_OUT, ck.KafkaError._PURGE_INFLIGHT, ck.KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND)  # noqa: SLF001
_NOT_SENT: Final = ck.KafkaError._PURGE_QUEUE  # noqa: SLF001
_REFUSED: Final = {
    ck.KafkaError.MSG_SIZE_TOO_LARGE: "it is larger than the topic takes (max.message.bytes)",
    ck.KafkaError.TOPIC_AUTHORIZATION_FAILED: "no permission to write to the topic",
    ck.KafkaError.CLUSTER_AUTHORIZATION_FAILED: "no permission to write",
    ck.KafkaError.INVALID_TIMESTAMP: "its timestamp is further from now than the topic takes",
    ck.KafkaError.UNKNOWN_TOPIC_OR_PART: "there is no such topic or partition any more",
    ck.KafkaError._UNKNOWN_TOPIC: "there is no such topic any more",  # noqa: SLF001
    _NOT_SENT: "it was not sent",
}


class ConfluentClient(FetchingClient):
    """Reads over connections of our own, to the leaders that librdkafka's AdminClient names."""

    name = "confluent"

    def __init__(self, config: KafkaConfig, cluster: Cluster) -> None:
        super().__init__(config)
        self._cluster = cluster
        self._leaders: dict[Partition, Leader] = {}
        self._connections: dict[int, Connection] = {}
        self._closed = False

    def unsuited(self, ends: Mapping[Partition, int]) -> str:
        return ""

    def _connect_to(self, partitions: Iterable[Partition]) -> None:
        topics = self._cluster.look().topics
        for topic, number in partitions:
            leader = topics[topic].leaders.get(number) if topic in topics else None
            if leader is None:
                raise SourceError(f"topic {topic}, partition {number}: the partition has no leader")
            self._leaders[topic, number] = leader

    def _leader(self, partition: Partition) -> int:
        return self._leaders[partition].id

    def _ask(self, leader: int, request: bytes) -> bytes:
        limit = self._config.fetch_max_bytes, "DNS_KAFKA_FETCH_MAX_BYTES"
        # Brokers hang up on who was silent or logged in for long, sometimes twice. Asking again is no harm.
        for after in (ConnectionLost, HungUp, HungUp):
            try:
                return self._connection(leader).ask(request, *limit)
            except after:
                self._hang_up(leader)
        return self._connection(leader).ask(request, *limit)

    def _connection(self, leader: int) -> Connection:
        connection = self._connections.get(leader)
        if connection is None:
            host, port = next((each.host, each.port) for each in self._leaders.values() if each.id == leader)
            connection = Connection(self._config, host, port)
            if self._closed:
                connection.close()
                raise SourceError("the Kafka client is closed")
            self._connections[leader] = connection
        return connection

    def _hang_up(self, leader: int) -> None:
        connection = self._connections.pop(leader, None)
        if connection is not None:
            connection.close()

    def close(self) -> None:
        self._closed = True
        self._stop()
        for leader in list(self._connections):
            self._hang_up(leader)


class Delivery(NamedTuple):
    """Tells what became of the event that was put in as `number`.

    `failure` is "" where it is in the log; else it is not, or with `unknown` that cannot be told.
    """

    number: int
    key: bytes
    partition: int
    offset: int
    failure: str = ""
    unknown: bool = False


class ConfluentProducer:
    """librdkafka's idempotent producer for one topic, in the thread that calls; raises SourceError.

    What became of each event goes to `delivered`, which is called within wait and give_up and must not raise: what is
    raised there, Ctrl-C too, the library turns into nonsense. A batch has at most `batch_bytes`; at most `queue_events`
    are on their way.
    """

    def __init__(
        self,
        config: KafkaConfig,
        topic: str,
        *,
        delivered: Callable[[Delivery], None],
        batch_bytes: int,
        queue_events: int,
    ) -> None:
        self._topic, self._delivered, self._timeout_s = topic, delivered, config.delivery_timeout_s
        self._trouble = ""
        self._resent = False
        options = connection_options(config) | {
            "client.id": "streamdns",
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": config.partitioner,
            "message.timeout.ms": int(config.delivery_timeout_s * 1000),
            "linger.ms": _LINGER_MS,
            "batch.size": batch_bytes,
            "message.max.bytes": _MESSAGE_MAX_BYTES,  # The broker knows better what the topic takes.
            "queue.buffering.max.messages": queue_events,
            "queue.buffering.max.kbytes": _QUEUE_KBYTES,
            "error_cb": self._note,
        }
        try:
            self._producer = ck.Producer(options, logger=SILENT)
        except ck.KafkaException as error:
            raise SourceError(f"the Kafka client does not start: {error.args[0].str()}") from error

    def _note(self, error: ck.KafkaError) -> None:
        self._resent = True
        said = error.str()
        if error.code() == ck.KafkaError._ALL_BROKERS_DOWN and said.startswith("0/"):  # noqa: SLF001
            # It takes brokers that say nothing for none that can be used, and none of them for down.
            self._trouble = "the brokers do not answer"
            return
        self._trouble = f"{_GONE.get(error.code(), 'the client failed')} ({said})"

    def put(self, number: int, event: tuple[bytes, bytes | None, int]) -> bool:
        """Queue an event; False while the queue is full."""
        key, value, timestamp_ms = event
        try:
            self._producer.produce(self._topic, value, key, timestamp=timestamp_ms,
                                   on_delivery=partial(self._report, number, key))
        except BufferError:
            return False
        except ck.KafkaException as error:
            name = key.decode(errors="backslashreplace")
            raise SourceError(f"Kafka topic {self._topic}, event {name}: {self._reason(error.args[0])}") from error
        return True

    def _report(self, number: int, key: bytes, error: ck.KafkaError | None, message: ck.Message) -> None:
        if error is None:
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            self._delivered(Delivery(number, key, partition, offset))
            return
        code = error.code()
        self._resent |= code == _TIMED_OUT
        # After trouble what has been sent waits among what has not, to be sent once more: it may be in the log.
        unknown = code in _UNKNOWN or (code == _NOT_SENT and self._resent)
        self._delivered(Delivery(number, key, -1, -1, self._reason(error), unknown))

    def _reason(self, error: ck.KafkaError) -> str:
        code = error.code()
        if code == _TIMED_OUT:
            why = f": {self._trouble}" if self._trouble else ""
            return f"no broker has confirmed it within {self._timeout_s:g} s{why}"
        return _REFUSED.get(code) or error.str()

    def wait(self, at_most_s: float, *, hurry: bool = False) -> None:
        """Wait for reports about events; in a hurry, no batch waits for more events."""
        try:
            if hurry:
                self._producer.flush(at_most_s)
            else:
                self._producer.poll(at_most_s)
        except ck.KafkaException as error:
            raise SourceError(f"Kafka topic {self._topic}: {self._reason(error.args[0])}") from error

    def give_up(self, wait_s: float) -> None:
        """Drop what has not been sent, and wait so long for reports about the rest."""
        try:
            self._producer.purge(in_flight=False)
            self._producer.flush(wait_s)
        except ck.KafkaException:
            return  # Fatal, and told before: nothing more is to be learnt.

    def close(self) -> None:
        """Drop everything without reports."""
        try:
            self._producer.purge()
            self._producer.poll(0)
        except ck.KafkaException:
            return  # As above.
