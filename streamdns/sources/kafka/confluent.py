"""Reads and writes Kafka by confluent-kafka; the reader calls it in a native thread, so the event loop never waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import confluent_kafka as ck

from streamdns.errors import SourceError
from streamdns.events.batch import Partition, Record
from streamdns.sources.kafka import error_codes
from streamdns.sources.kafka.client import Fetched, OutOfRange
from streamdns.sources.kafka.config import KafkaConfig
from streamdns.sources.kafka.librdkafka import SILENT, LibraryThread, connection_options

_POLL_S: Final = 0.25  # As long as close() may have to wait for a read.
_QUEUE_KBYTES: Final = 16384
#: Messages that are taken from the library in one call.
_AT_ONCE: Final = 500
# librdkafka names the errors of its own with an underscore; they are public.
_END: Final = ck.KafkaError._PARTITION_EOF  # noqa: SLF001
_RANGE: Final = (ck.KafkaError._AUTO_OFFSET_RESET, ck.KafkaError.OFFSET_OUT_OF_RANGE)  # noqa: SLF001
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


class ConfluentClient:
    """Reads partitions from given positions by librdkafka, as no member of a group; what it cannot read is an error."""

    name = "confluent"

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._failures: deque[ck.KafkaError] = deque(maxlen=100)
        self._thread = LibraryThread()
        self._consumer: ck.Consumer | None = None
        self._positions: dict[Partition, int] = {}
        self._at_end: dict[Partition, int] = {}

    def unsuited(self, ends: Mapping[Partition, int]) -> str:
        return ""

    def start(self, positions: Mapping[Partition, int]) -> None:
        new = {partition: at for partition, at in positions.items() if partition not in self._positions}
        self._positions |= new
        self._thread.run(self._assign, new)

    def _assign(self, positions: Mapping[Partition, int]) -> None:
        parts = [ck.TopicPartition(topic, number, at) for (topic, number), at in positions.items()]
        try:
            if self._consumer is None:
                self._consumer = ck.Consumer(self._options(), logger=None)
                self._consumer.assign(parts)
            else:
                self._consumer.incremental_assign(parts)
        except ck.KafkaException as error:
            raise SourceError(f"the Kafka client does not start: {error.args[0].str()}") from error

    def _options(self) -> dict[str, Any]:
        config = self._config
        return connection_options(config) | {
            "client.id": config.group,
            "group.id": config.group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "check.crcs": True,
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 100,
            "fetch.min.bytes": 1,
            "max.partition.fetch.bytes": config.fetch_bytes,
            "receive.message.max.bytes": max(100_000_000, 2 * config.fetch_max_bytes),
            "queued.max.messages.kbytes": _QUEUE_KBYTES,
            # By default a full queue is looked at again only after a second.
            "fetch.queue.backoff.ms": 5,
            "fetch.error.backoff.ms": 200,
            # A view that is full keeps us from asking for as long as it takes.
            "max.poll.interval.ms": 86_400_000,
            "error_cb": self._failures.append,  # Called in librdkafka's own time: it must do no more than this.
        }

    def fetch(self, *, max_records: int, timeout_s: float) -> Fetched:
        left_s = timeout_s
        while True:
            wait_s = min(left_s, _POLL_S)
            got = self._thread.run(self._read, max_records, wait_s)
            left_s -= wait_s
            if got.positions or got.records or left_s <= 0:
                return got

    def _read(self, max_records: int, wait_s: float) -> Fetched:
        """Take the first message as soon as it is there, and what is queued behind it; in the native thread."""
        consumer = self._consumer
        if consumer is None:
            raise SourceError("the Kafka client is closed")
        try:
            first = consumer.poll(wait_s)
            self._raise_failures()
            messages = [] if first is None else [first]
            while messages and (left := max_records - len(messages)) > 0:
                # Making so many objects keeps the event loop waiting, and in one call nothing can come between.
                more = consumer.consume(min(left, _AT_ONCE), 0)
                messages += more
                if len(more) < _AT_ONCE:
                    break
        except (ck.KafkaException, RuntimeError) as failure:
            raise SourceError(f"Kafka: the client failed: {failure}") from failure
        records: list[Record] = []
        moved: dict[Partition, int] = {}
        for message in messages:
            error = message.error()
            topic, number, at = message.topic(), message.partition(), message.offset()
            if error is not None and error.code() == ck.KafkaError.GROUP_AUTHORIZATION_FAILED:
                # librdkafka looks for the group's coordinator although nothing here is done as its member.
                continue
            if topic is None or number is None or at is None:
                raise SourceError(f"Kafka: {error.str() if error is not None else 'a message from nowhere'}")
            if error is None:
                _, stamp = message.timestamp()
                records.append(Record(topic, number, at, stamp, message.key(), message.value()))
                moved[topic, number] = at + 1
            elif error.code() == _END:
                moved[topic, number] = self._at_end[topic, number] = at
            else:
                raise _failure(error, topic, number)
        for partition, at in moved.items():
            if self._at_end.get(partition, at) != at:
                del self._at_end[partition]
        self._positions |= moved
        return Fetched(records, moved, dict(self._at_end))

    def _raise_failures(self) -> None:
        while self._failures:
            error = self._failures.popleft()
            if error.code() in _GONE or error.fatal():
                raise SourceError(f"Kafka: {_GONE.get(error.code(), 'the client failed')} ({error.str()})")

    def close(self) -> None:
        self._thread.close(self._close)

    def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()


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
            "queue.buffering.max.kbytes": _QUEUE_KBYTES * 4,
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


def _failure(error: ck.KafkaError, topic: str, number: int) -> SourceError:
    where = f"topic {topic}, partition {number}"
    if error.code() in _RANGE:
        return OutOfRange(f"{where}: {error.str()}")
    known = error.code() in error_codes.ERRORS
    return SourceError(f"{where}: {error_codes.error_text(error.code()) if known else error.str()}")
