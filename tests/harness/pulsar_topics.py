"""Topics of a real Pulsar: makes, fills and reads them without code of streamdns, and makes sources of them."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pulsar

from streamdns.events.message_id import pack
from streamdns.sources.pulsar.config import PulsarConfig
from streamdns.sources.pulsar.source import PulsarSource
from tests.harness.kafka_topics import DEADLINE_S, Event, Seen
from tests.harness.process import wait_until
from tests.harness.pulsar import Broker, Refused

NAMESPACE = "public/default"
_TIMEOUT_S = 30


def open_client(url: str, **options: Any) -> pulsar.Client:
    silent = pulsar.FileLogger(pulsar.LoggerLevel.Error, os.devnull)
    return pulsar.Client(url, logger=silent, operation_timeout_seconds=_TIMEOUT_S, **options)


def place(message: pulsar.Message | pulsar.MessageId) -> int:
    """The position of a message, or of its id."""
    at = message.message_id() if isinstance(message, pulsar.Message) else message
    return pack(at.ledger_id(), at.entry_id(), at.batch_index())


class Topic:
    """A new topic of a broker; without `partitions` it is one that has none."""

    def __init__(self, broker: Broker, *, partitions: int = 1, name: str = "", namespace: str = NAMESPACE) -> None:
        self.broker, self.partitions = broker, partitions
        self.name = f"persistent://{namespace}/{name or f'zones-{uuid.uuid4().hex[:8]}'}"
        self.make()

    @property
    def path(self) -> str:
        """How the admin API calls it."""
        return "/" + self.name.replace("://", "/")

    def parts(self) -> list[str]:
        """The names of its partitions."""
        return [f"{self.name}-partition-{number}" for number in range(self.partitions)] or [self.name]

    def make(self) -> None:
        """Make it, or make it again after delete()."""
        if self.partitions:
            self.broker.admin("PUT", f"{self.path}/partitions", self.partitions)
        else:
            self.broker.admin("PUT", self.path)

    def delete(self) -> None:
        """Delete it though somebody reads it."""
        self.broker.admin("DELETE", f"{self.path}{'/partitions' if self.partitions else ''}?force=true")

    def grow(self, partitions: int) -> None:
        self.broker.admin("POST", f"{self.path}/partitions", partitions)
        self.partitions = partitions

    def compact(self) -> None:
        """Compact every partition; returns when that is done."""
        paths = ["/" + part.replace("://", "/") for part in self.parts()]
        for path in paths:
            wait_until(lambda path=path: self._accepted(path), f"{path} is to be compacted", timeout_s=DEADLINE_S)
        for path in paths:
            wait_until(lambda path=path: self._compacted(path), f"{path} is compacted", timeout_s=DEADLINE_S,
                       interval_s=0.05)

    def _accepted(self, path: str) -> bool:
        try:
            self.broker.admin("PUT", f"{path}/compaction")
        except Refused as refusal:
            if refusal.status != 409:
                raise
            return False  # Another one runs still.
        return True

    def _compacted(self, path: str) -> bool:
        said = self.broker.admin("GET", f"{path}/compaction")["status"]
        assert said != "ERROR", f"{path} cannot be compacted"
        return bool(said == "SUCCESS")

    def unload(self) -> None:
        """Have every partition closed and opened again, which begins another ledger."""
        for part in self.parts():
            self.broker.admin("PUT", f"/{part.replace('://', '/')}/unload")

    def trim(self) -> None:
        """Have the ledgers deleted that retention does not keep; returns when they are gone."""
        for part in self.parts():
            path = "/" + part.replace("://", "/")
            wait_until(lambda path=path: self._trimmed(path), f"{path} is trimmed", timeout_s=DEADLINE_S,
                       interval_s=0.1)

    def _trimmed(self, path: str) -> bool:
        self.broker.admin("POST", f"{path}/trim")
        return len(self.broker.admin("GET", f"{path}/internalStats")["ledgers"]) == 1

    def produce(self, events: Iterable[Event], *, batch: int = 100, **options: Any) -> None:
        """Write events to their partitions (-1: where the key says), in batches of so many; 1: each alone."""
        client = open_client(self.broker.url)
        try:
            producers: dict[int, pulsar.Producer] = {}
            failures: list[Any] = []
            for event in events:
                producer = producers.get(event.partition) or producers.setdefault(
                    event.partition, self._producer(client, event.partition, batch, options)
                )
                _send(producer, event, lambda result, _: result == pulsar.Result.Ok or failures.append(result))
            for producer in producers.values():
                producer.flush()
            assert not failures, failures[0]
        finally:
            client.close()

    def _producer(self, client: pulsar.Client, number: int, batch: int, options: dict[str, Any]) -> pulsar.Producer:
        name = self.name if number < 0 or not self.partitions else self.parts()[number]
        return client.create_producer(
            name, batching_enabled=batch > 1, batching_max_messages=max(2, batch), batching_max_publish_delay_ms=5,
            block_if_queue_full=True, send_timeout_millis=180_000, **options,
        )

    def producing(self) -> Producing:
        """A producer that goes on through everything."""
        return Producing(self)

    def read(self, *, compacted: bool = False) -> list[Seen]:
        """All that has a key by a plain reader of each partition, in the order of partition and position."""
        with self._readers(pulsar.MessageId.earliest, compacted=compacted) as readers:
            found = []
            for number, reader in enumerate(readers):
                while reader.has_message_available():
                    message = reader.read_next(timeout_millis=_TIMEOUT_S * 1000)
                    if message.partition_key():
                        timestamp = message.event_timestamp() or message.publish_timestamp()
                        found.append(Seen(number, place(message), timestamp, message.partition_key().encode(),
                                          message.data() or None))
            return found

    def ends(self) -> dict[int, int]:
        """The position behind the last message of each partition that has or had any."""
        with self._readers(pulsar.MessageId.latest) as readers:
            found = {}
            for number, reader in enumerate(readers):
                if reader.has_message_available():
                    found[number] = place(reader.read_next(timeout_millis=_TIMEOUT_S * 1000)) + 1
            return found

    @contextmanager
    def _readers(self, start: pulsar.MessageId, *, compacted: bool = False) -> Iterator[list[pulsar.Reader]]:
        client = open_client(self.broker.url)
        try:
            yield [
                client.create_reader(part, start, start_message_id_inclusive=True, is_read_compacted=compacted)
                for part in self.parts()
            ]
        finally:
            client.close()

    def source(self, *, check_s: float = 0.2, **config: Any) -> PulsarSource:
        """A source of this topic, not connected."""
        return PulsarSource(PulsarConfig(**({"url": self.broker.url, "topic": self.name} | config)), check_s=check_s)

    def settings(self, **more: str) -> dict[str, str]:
        """The settings of a node that reads it."""
        return {"DNS_PULSAR_ADDRESS": self.broker.url, "DNS_PULSAR_TOPIC": self.name, "DNS_PULSAR_CHECK_INTERVAL": "1",
                **more}


def _send(producer: pulsar.Producer, event: Event, told: Any) -> None:
    key = None if event.key is None else event.key.decode()
    producer.send_async(event.value or b"", told, partition_key=key)


class Producing:
    """A producer that waits for a broker that is away; see node.Producing. Its reports come from another thread."""

    def __init__(self, topic: Topic) -> None:
        self._client = open_client(topic.broker.url)
        self._lock = threading.Lock()
        self._producers = [
            self._client.create_producer(
                part, batching_enabled=True, batching_max_publish_delay_ms=5, block_if_queue_full=True,
                send_timeout_millis=180_000, max_pending_messages=100_000,
            ) for part in topic.parts()
        ]
        self._written = self.delivered = 0
        self.failures: list[Any] = []

    def write(self, events: Iterable[Event]) -> None:
        for event in events:
            self._written += 1
            _send(self._producers[event.partition], event, self._told)

    def finish(self) -> int:
        deadline_s = time.monotonic() + DEADLINE_S
        while self.delivered + len(self.failures) < self._written and time.monotonic() < deadline_s:
            time.sleep(0.01)
        self._client.close()
        return self._written - self.delivered - len(self.failures)

    def _told(self, result: pulsar.Result, _: Any) -> None:
        with self._lock:
            if result == pulsar.Result.Ok:
                self.delivered += 1
            else:
                self.failures.append(result)
