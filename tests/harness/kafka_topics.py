"""Topics of a real broker: creates, fills and reads them without code of streamdns, and reads them through a source."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, NamedTuple

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic, OffsetSpec, TopicMetadata

from streamdns.events.batch import Batch, Partition, Record
from streamdns.sources.base import Source
from streamdns.sources.kafka.config import KafkaConfig
from streamdns.sources.kafka.source import KafkaSource
from tests.harness.kafka import Broker
from tests.harness.kafka_cluster import Cluster
from tests.harness.process import wait_until

DEADLINE_S = 60.0
_REQUEST_S = 15.0
COMPACTED = {"cleanup.policy": "compact"}
_SILENT = logging.getLogger("tests.kafka")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class Event(NamedTuple):
    """What a producer writes."""

    key: bytes | None
    value: bytes | None
    partition: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


class Seen(NamedTuple):
    """What a reader finds."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def seen(records: Iterable[Record]) -> list[Seen]:
    """The records of a source in the order of partition and offset; an error in one that is not long fails the test."""
    found = []
    for record in records:
        assert record.error is None or record.kind == "size", record.error
        found.append(Seen(record.partition, record.position, record.timestamp, record.key, record.value))
    return sorted(found, key=lambda each: each[:2])


class Topic:
    """A new topic of a broker or a cluster; `config` as Kafka spells it."""

    def __init__(
        self, broker: Broker | Cluster, *, partitions: int = 1, replicas: int = 1,
        config: Mapping[str, str] = COMPACTED, name: str = "",
    ) -> None:
        self.broker, self.name = broker, name or f"zones-{uuid.uuid4().hex[:8]}"
        self.partitions, self.replicas, self.config = partitions, replicas, dict(config)
        self.make()

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.broker.address()}, logger=_SILENT)

    def make(self) -> None:
        """Make it, or make it again after delete(); returns when every partition has a leader."""
        new = NewTopic(self.name, self.partitions, self.replicas, config=self.config)
        self._until(lambda admin: admin.create_topics([new], request_timeout=_REQUEST_S), self._is_there, "is made")

    def delete(self) -> None:
        """Returns when it is gone."""
        self._until(lambda admin: admin.delete_topics([self.name], request_timeout=_REQUEST_S), self._is_gone, "goes")

    def grow(self, partitions: int) -> None:
        """Returns when the new partitions are there."""
        self.partitions = partitions
        new = NewPartitions(self.name, partitions)
        self._until(lambda admin: admin.create_partitions([new], request_timeout=_REQUEST_S), self._is_there, "grows")

    def cut(self, before: Mapping[int, int]) -> None:
        """Delete what is before an offset of each partition."""
        parts = [ck.TopicPartition(self.name, number, offset) for number, offset in before.items()]
        self._until(lambda admin: admin.delete_records(parts, request_timeout=_REQUEST_S), None, "is cut")

    def _until(
        self, ask: Callable[[AdminClient], Mapping[Any, Future[Any]]], done: Callable[[], bool] | None, what: str
    ) -> None:
        """Ask until it is done; without `done`, until the broker says so.

        A broker that had no processor for two seconds is fenced by its controller and refuses everything for a while;
        an answer that comes late is a failure here though the thing was done.
        """
        refused: list[str] = []

        def asked() -> bool:
            admin = self._admin()
            try:
                for future in ask(admin).values():
                    future.result(DEADLINE_S)
            except ck.KafkaException as error:
                refused[:] = [str(error)]
                if error.args[0].code() == ck.KafkaError.INVALID_CONFIG:
                    raise
                return done is not None and done()
            return done is None or done()

        try:
            wait_until(asked, f"topic {self.name} {what}", timeout_s=DEADLINE_S, interval_s=0.05)
        except AssertionError as error:
            raise AssertionError(f"{error} {refused}") from None

    def _is_there(self) -> bool:
        found = self._metadata()
        return (
            found is not None and found.error is None and len(found.partitions) == self.partitions
            and all(each.leader >= 0 for each in found.partitions.values()) and self._is_led()
        )

    def _is_led(self) -> bool:
        """Whether the leaders know that they lead: a broker may tell it before it does."""
        wanted = {ck.TopicPartition(self.name, number): OffsetSpec.latest() for number in range(self.partitions)}
        admin = self._admin()  # It must live as long as what it asks.
        try:
            for future in admin.list_offsets(wanted, request_timeout=_REQUEST_S).values():
                future.result(DEADLINE_S)
        except ck.KafkaException:
            return False
        return True

    def _is_gone(self) -> bool:
        found = self._metadata()
        return found is not None and found.error is not None

    def _metadata(self) -> TopicMetadata | None:
        try:
            return self._admin().list_topics(self.name, _REQUEST_S).topics[self.name]
        except ck.KafkaException:
            return None

    def produce(self, events: Iterable[Event], *, batch: int = 0, **options: Any) -> None:
        """Write events; with `batch`, so many at most go into one batch. `options` are librdkafka's."""
        config = {"bootstrap.servers": self.broker.address(), "linger.ms": 5, "message.max.bytes": 8_000_000}
        producer = ck.Producer(config | options, logger=_SILENT)
        failures: list[Any] = []
        for count, event in enumerate(events, 1):
            producer.produce(self.name, event.value, event.key, partition=event.partition, headers=list(event.headers),
                             on_delivery=lambda error, _: failures.append(error) if error else None)
            if (batch and count % batch == 0) or count % 10_000 == 0:
                producer.flush(DEADLINE_S)
        assert producer.flush(DEADLINE_S) == 0
        assert not failures, failures[0]

    def transaction(self, events: Iterable[Event], *, commit: bool) -> None:
        """Write events within one transaction, which is committed or aborted."""
        with self.open_transaction(events) as end:
            if commit:
                end()

    @contextmanager
    def open_transaction(self, events: Iterable[Event]) -> Iterator[Callable[[], None]]:
        """Write events within a transaction; the function commits it, else it is aborted at the end."""
        config = {"bootstrap.servers": self.broker.address(), "transactional.id": uuid.uuid4().hex}
        producer = ck.Producer(config, logger=_SILENT)
        producer.init_transactions(DEADLINE_S)
        producer.begin_transaction()
        for event in events:
            producer.produce(self.name, event.value, event.key, partition=event.partition)
        producer.flush(DEADLINE_S)
        committed: list[bool] = []

        def commit() -> None:
            producer.commit_transaction(DEADLINE_S)
            committed.append(True)

        try:
            yield commit
        finally:
            if not committed:
                producer.abort_transaction(DEADLINE_S)

    def read(self) -> list[Seen]:
        """All of it by a plain librdkafka consumer, in the order of partition and offset."""
        consumer = ck.Consumer(
            {"bootstrap.servers": self.broker.address(), "group.id": uuid.uuid4().hex, "enable.partition.eof": True,
             "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50}, logger=_SILENT,
        )
        try:
            numbers = consumer.list_topics(self.name, 10).topics[self.name].partitions
            consumer.assign([ck.TopicPartition(self.name, number, 0) for number in numbers])
            found, left, deadline = [], set(numbers), time.monotonic() + DEADLINE_S
            while left:
                assert time.monotonic() < deadline
                for message in consumer.consume(1000, 0.05):
                    error = message.error()
                    if error is None:
                        found.append(Seen(message.partition(), message.offset(), message.timestamp()[1],
                                          message.key(), message.value()))
                    else:
                        assert error.code() == ck.KafkaError._PARTITION_EOF, error
                        left.discard(message.partition())
            return sorted(found, key=lambda each: each[:2])
        finally:
            consumer.close()

    def ends(self) -> dict[int, int]:
        """Where each partition ends that has or had anything."""
        options = {"bootstrap.servers": self.broker.address(), "group.id": uuid.uuid4().hex}
        consumer = ck.Consumer(options, logger=_SILENT)
        try:
            numbers = consumer.list_topics(self.name, DEADLINE_S).topics[self.name].partitions
            found = {
                number: consumer.get_watermark_offsets(ck.TopicPartition(self.name, number), DEADLINE_S)[1]
                for number in numbers
            }
            return {number: end for number, end in found.items() if end}
        finally:
            consumer.close()

    def producing(self) -> Producing:
        """A producer that goes on through everything."""
        return Producing(self)

    def committed(self, group: str) -> dict[int, int]:
        """What a group has written down for this topic; nothing as long as no broker says it keeps that."""
        consumer = ck.Consumer({"bootstrap.servers": self.broker.address(), "group.id": group}, logger=_SILENT)
        try:
            parts = [ck.TopicPartition(self.name, number) for number in range(self.partitions)]
            return {each.partition: each.offset for each in consumer.committed(parts, 10)}
        except ck.KafkaException as error:
            if error.args[0].code() not in (ck.KafkaError.NOT_COORDINATOR, ck.KafkaError.COORDINATOR_NOT_AVAILABLE):
                raise
            return {}
        finally:
            consumer.close()

    def source(
        self, client: str = "auto", *, check_s: float = 10.0, stall_s: float = 30.0, **config: Any
    ) -> KafkaSource:
        """A source of this topic alone, not connected."""
        options = {"addresses": tuple(self.broker.address().split(",")), "topics": (self.name,), "client": client}
        return KafkaSource(KafkaConfig(**(options | config)), check_s=check_s, stall_s=stall_s)


class Producing:
    """An idempotent producer that waits for brokers that are away; see node.Producing."""

    def __init__(self, topic: Topic) -> None:
        options = {"bootstrap.servers": topic.broker.address(), "enable.idempotence": True, "linger.ms": 5,
                   "message.timeout.ms": 180_000, "reconnect.backoff.max.ms": 500, "log_level": 0}
        self._producer, self._topic = ck.Producer(options), topic.name
        self.delivered = 0
        self.failures: list[Any] = []

    def write(self, events: Iterable[Event]) -> None:
        for each in events:
            self._producer.produce(self._topic, each.value, each.key, partition=each.partition, on_delivery=self._told)
        self._producer.poll(0)

    def finish(self) -> int:
        return self._producer.flush(DEADLINE_S)

    def _told(self, error: Any, _message: Any) -> None:
        if error is None:
            self.delivered += 1
        else:
            self.failures.append(error)


def read_to_end(source: Source, *, max_records: int = 500) -> tuple[list[Record], dict[Partition, int]]:
    """Everything up to the first batch that is caught up."""
    records: list[Record] = []
    positions: dict[Partition, int] = {}
    deadline = time.monotonic() + DEADLINE_S
    while True:
        batch = source.read(max_records=max_records, timeout_s=0.5)
        records += batch.records
        positions |= batch.positions
        if batch.caught_up:
            return records, positions
        assert time.monotonic() < deadline, f"not caught up: {len(records)} records, {positions}, {source.ends()}"


def read_until(source: Source, count: int) -> list[Record]:
    """At least so many records."""
    records: list[Record] = []
    deadline = time.monotonic() + DEADLINE_S
    while len(records) < count:
        batch: Batch = source.read(max_records=500, timeout_s=0.5)
        records += batch.records
        assert time.monotonic() < deadline, f"only {len(records)} of {count}"
    return records
