"""Makes changes of the zone: as an event in the file log or in Kafka or Pulsar, or as a dynamic update (RFC 2136)."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable, Sequence

import dns.message
import dns.rcode
import dns.update

from benchmarks.load import Asker
from benchmarks.zone import ORIGIN, TTL
from streamdns.events.event import encode
from streamdns.sources import filelog

#: Changes pairs of (owner, address); returns when the other side has them safe.
Change = Callable[[Sequence[tuple[str, str]]], None]


def appended(log: pathlib.Path) -> Change:
    """Append events to a file log, all of one call with one fsync."""

    def change(pairs: Sequence[tuple[str, str]]) -> None:
        now_ms = int(time.time() * 1000)
        filelog.append(str(log), [(*encoded(owner, address), now_ms) for owner, address in pairs])

    return change


def encoded(owner: str, address: str) -> tuple[bytes, bytes]:
    """Key and value of the event that gives a host its address."""
    return encode(owner, "A", [{"name": owner, "type": "A", "content": address, "ttl": TTL}])


def produced(address: str, topic: str) -> Change:
    """Produce events to a Kafka topic, and wait until the broker has acknowledged them."""
    import confluent_kafka

    producer = confluent_kafka.Producer(
        {"bootstrap.servers": address, "linger.ms": 0, "enable.idempotence": True, "partitioner": "murmur2_random"}
    )

    def change(pairs: Sequence[tuple[str, str]]) -> None:
        for owner, address in pairs:
            key, value = encoded(owner, address)
            producer.produce(topic, value, key)
        assert producer.flush(30) == 0, "an event was not acknowledged"

    return change


def published(url: str, topic: str) -> Change:
    """Publish events to a Pulsar topic, and wait until the broker has acknowledged them."""
    import pulsar

    client = pulsar.Client(url, logger=pulsar.FileLogger(pulsar.LoggerLevel.Error, "/dev/null"))
    producer = client.create_producer(topic, batching_enabled=True, batching_max_publish_delay_ms=1)

    def change(pairs: Sequence[tuple[str, str]]) -> None:
        for owner, address in pairs:
            key, value = encoded(owner, address)
            producer.send_async(value, None, partition_key=key.decode())
        producer.flush()

    return change


def updated(port: int) -> Change:
    """Send one update for each pair and wait for its response."""
    asker = Asker(port)

    def change(pairs: Sequence[tuple[str, str]]) -> None:
        for owner, address in pairs:
            update = dns.update.UpdateMessage(ORIGIN)
            update.replace(owner, TTL, "A", address)
            reply = asker.exchange(update.to_wire(), timeout_s=10.0)
            assert reply is not None, "an update was not answered"
            rcode = dns.rcode.from_flags(int.from_bytes(reply[2:4], "big"), 0)
            assert rcode == dns.rcode.NOERROR, f"an update was answered with {dns.rcode.to_text(rcode)}"

    return change
