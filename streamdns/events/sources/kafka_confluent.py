"""confluent-kafka as a client: every call is made in one native thread of its own, so the hub never waits for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import confluent_kafka as ck
import gevent
from gevent.event import AsyncResult
from gevent.threadpool import ThreadPool

from streamdns.errors import SourceError
from streamdns.events.sources.base import Partition, Record
from streamdns.events.sources.kafka_client import Fetched, OutOfRange
from streamdns.events.sources.kafka_config import KafkaConfig

_T = TypeVar("_T")
_POLL_S: Final = 0.25  # As long as close() may have to wait for a read.
_CLOSE_S: Final = 0.9
_QUEUE_KBYTES: Final = 16384
# librdkafka names the errors of its own with an underscore; they are public.
_END: Final = ck.KafkaError._PARTITION_EOF  # noqa: SLF001
_RANGE: Final = (ck.KafkaError._AUTO_OFFSET_RESET, ck.KafkaError.OFFSET_OUT_OF_RANGE)  # noqa: SLF001
_GONE: Final = {
    ck.KafkaError._AUTHENTICATION: "authentication failed",  # noqa: SLF001
    ck.KafkaError._SSL: "TLS failed",  # noqa: SLF001
    ck.KafkaError._ALL_BROKERS_DOWN: "no broker can be reached",  # noqa: SLF001
}


class ConfluentClient:
    """librdkafka without groups: partitions are assigned at positions, and what it cannot read is an error."""

    name = "confluent"

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._failures: deque[ck.KafkaError] = deque(maxlen=100)
        self._pool: ThreadPool | None = ThreadPool(1)
        self._consumer: ck.Consumer | None = None
        self._positions: dict[Partition, int] = {}
        self._at_end: dict[Partition, int] = {}

    def start(self, positions: Mapping[Partition, int]) -> None:
        new = {partition: at for partition, at in positions.items() if partition not in self._positions}
        self._positions |= new
        self._in_thread(self._assign, new)

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
        options: dict[str, Any] = {
            "bootstrap.servers": ",".join(config.addresses),
            "client.id": config.group,
            "group.id": config.group,
            "security.protocol": config.security_protocol(),
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "check.crcs": True,
            "isolation.level": "read_committed",
            "allow.auto.create.topics": False,
            "fetch.wait.max.ms": 100,
            "fetch.min.bytes": 1,
            "max.partition.fetch.bytes": config.fetch_bytes,
            "receive.message.max.bytes": max(100_000_000, 2 * config.fetch_max_bytes),
            "queued.max.messages.kbytes": _QUEUE_KBYTES,
            # By default a full queue is looked at again only after a second.
            "fetch.queue.backoff.ms": 5,
            "fetch.error.backoff.ms": 200,
            "reconnect.backoff.ms": 200,
            "reconnect.backoff.max.ms": 1000,
            "socket.timeout.ms": 10000,
            # A view that is full keeps us from asking for as long as it takes.
            "max.poll.interval.ms": 86_400_000,
            "socket.keepalive.enable": True,
            "socket.nagle.disable": True,
            "topic.metadata.refresh.interval.ms": 10000,
            "log_level": 0,
            "error_cb": self._failures.append,  # Called in librdkafka's own time: it must do no more than this.
        }
        if config.mechanism:
            options |= {"sasl.mechanism": config.mechanism, "sasl.username": config.user,
                        "sasl.password": config.password}
        if config.tls:
            files = {"ssl.ca.location": config.ca, "ssl.certificate.location": config.certificate,
                     "ssl.key.location": config.key or config.certificate}
            options |= {name: path for name, path in files.items() if path}
        return options

    def fetch(self, *, max_records: int, timeout_s: float) -> Fetched:
        left_s = timeout_s
        while True:
            wait_s = min(left_s, _POLL_S)
            got = self._in_thread(self._read, max_records, wait_s)
            left_s -= wait_s
            if got.positions or got.records or left_s <= 0:
                return got

    def _read(self, max_records: int, wait_s: float) -> Fetched:
        """In the native thread: the first message as soon as it is there, and what is queued behind it."""
        consumer = self._consumer
        if consumer is None:
            raise SourceError("the Kafka client is closed")
        try:
            first = consumer.poll(wait_s)
            self._raise_failures()
            messages = [] if first is None else [first]
            if messages and max_records > 1:
                messages += consumer.consume(max_records - 1, 0)
        except (ck.KafkaException, RuntimeError) as failure:
            raise SourceError(f"Kafka: the client failed: {failure}") from failure
        records: list[Record] = []
        moved: dict[Partition, int] = {}
        for message in messages:
            error = message.error()
            topic, number, at = message.topic(), message.partition(), message.offset()
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

    def _in_thread(self, work: Callable[..., _T], *arguments: Any) -> _T:
        if self._pool is None:
            raise SourceError("the Kafka client is closed")
        # The pool prints what is raised in its thread, even where it is expected: so it is handed over as a value.
        result, failure = self._pool.apply(_outcome, (work, arguments))
        if failure is not None:
            raise failure
        return result  # type: ignore[no-any-return]

    def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        closed: AsyncResult = pool.spawn(_outcome, self._close, ())
        with gevent.Timeout(_CLOSE_S, False):
            closed.get()
            pool.kill()
            return
        # A close that hangs must not keep anybody waiting; its thread ends with it.

    def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()


def _outcome(work: Callable[..., _T], arguments: tuple[Any, ...]) -> tuple[_T | None, Exception | None]:
    try:
        return work(*arguments), None
    except Exception as error:  # noqa: BLE001 - raised again where it is waited for
        return None, error


def _failure(error: ck.KafkaError, topic: str, number: int) -> SourceError:
    where = f"topic {topic}, partition {number}"
    if error.code() in _RANGE:
        return OutOfRange(f"{where}: {error.str()}")
    return SourceError(f"{where}: {error.str()}")
