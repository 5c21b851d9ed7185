"""Batches that a hostile or broken producer wrote: every client passes over the same ones, and reads on behind them."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable
from typing import NamedTuple

import confluent_kafka as ck
import pytest

from streamdns.events.batch import Record
from tests.harness import Server, wait_until
from tests.harness.kafka import Broker
from tests.harness.kafka_node import ZONE, event, foundation, settings
from tests.harness.kafka_topics import COMPACTED, DEADLINE_S, Event, Topic, read_to_end

pytestmark = pytest.mark.kafka
MIB = 1 << 20
#: What a node may have in memory at its worst moment: it has 60 MB when nothing happens.
MOST_MEMORY_BYTES = 150_000_000


class Bomb(NamedTuple):
    """A batch of one event that is small on the broker and large for its readers."""

    codec: str
    octets: int
    passed_over: bool


#: What is passed over, and what is not: the limit is 32 MiB for all records of a batch, and 1 MiB for a value.
BOMBS = (
    Bomb("zstd", 300 * MIB, True), Bomb("gzip", 300 * MIB, True), Bomb("lz4", 100 * MIB, True),
    Bomb("snappy", 100 * MIB, True), Bomb("zstd", 33 * MIB, True), Bomb("gzip", 31 * MIB, False),
    Bomb("zstd", 31 * MIB, False), Bomb("none", 2 * MIB, False), Bomb("lz4", MIB + 1, False),
)


def drop(topic: Topic, bomb: Bomb) -> None:
    """Write it, as the first attacker would: librdkafka takes a message of any size."""
    producer = ck.Producer({
        "bootstrap.servers": topic.broker.address(), "compression.codec": bomb.codec, "message.max.bytes": 900_000_000,
        "queue.buffering.max.kbytes": 2_000_000, "log_level": 0,
    })
    failed: list[object] = []
    producer.produce(topic.name, b" " * bomb.octets, f"bomb.{ZONE}|TXT".encode(),
                     on_delivery=lambda error, _: failed.append(error) if error else None)
    assert producer.flush(DEADLINE_S) == 0
    assert not failed, failed


@pytest.fixture(scope="module")
def mined(broker: Broker) -> Topic:
    """A zone, then bombs with a good event behind each."""
    topic = Topic(broker, config=COMPACTED | {"max.message.bytes": "9000000"})
    topic.produce(foundation(partitions=1))
    for number, bomb in enumerate(BOMBS):
        drop(topic, bomb)
        topic.produce([event(f"after{number}.{ZONE}", "A", ["192.0.2.7"])])
    return topic


def read(topic: Topic, client: str) -> list[Record]:
    source = topic.source(client)
    try:
        source.connect({}, {})
        return read_to_end(source)[0]
    finally:
        source.close()


def test_what_is_passed_over_is_the_same_for_every_client(mined: Topic, client: str) -> None:
    """One entry for each batch, with its offsets; what is merely too long is one event that is rejected by its key."""
    records = read(mined, client)
    first = len(foundation(partitions=1))
    assert [each.position for each in records] == list(range(first + 2 * len(BOMBS)))
    for number, bomb in enumerate(BOMBS):
        entry, after = records[first + 2 * number : first + 2 * number + 2]
        assert after.key == f"after{number}.{ZONE}|A".encode()
        assert len(entry.value or b"") <= 4096
        if bomb.passed_over:
            at = first + 2 * number
            assert (entry.key, entry.kind) == (None, "batch")
            assert entry.error == (f"the batch of offsets {at} to {at} is passed over: its {bomb.codec} data unpack to "
                                   f"more than 33554432 octets")
        else:
            assert (entry.key, entry.kind) == (f"bomb.{ZONE}|TXT".encode(), "size")
            assert entry.error == f"the value has {bomb.octets} bytes, more than 1048576"


def peak_bytes(server: Server) -> int:
    """The most memory that the process ever had (VmHWM)."""
    assert server.process is not None
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def test_a_node_passes_over_them_with_an_alarm(mined: Topic, client: str, serve: Callable[..., Server]) -> None:
    """All events behind them are answered, quarantine and status tell, and memory stays where it was."""
    server = serve(**settings(mined, client))
    last = f"after{len(BOMBS) - 1}.{ZONE}"
    wait_until(lambda: server.answers(last), "the last event is answered", timeout_s=DEADLINE_S)
    for number in range(len(BOMBS)):
        assert server.answers(f"after{number}.{ZONE}") == ["192.0.2.7"]
    status = server.status()
    assert "is passed over" in status["consumer"]["alarm"]["reason"]
    passed = sum(bomb.passed_over for bomb in BOMBS)
    assert server.command("quarantine").stdout.count("is passed over") == passed
    metrics = server.metrics()
    assert metrics['streamdns_consumer_alarms_total{reason="batch-passed-over"}'] == passed
    assert metrics['streamdns_consumer_rejected_total{reason="batch"}'] == passed
    assert server.output.read_text().count("consumer.batch_passed_over") >= 1
    peak = peak_bytes(server)
    print(f"at most {peak / 1e6:.0f} MB")
    assert peak <= MOST_MEMORY_BYTES


def test_many_events_in_few_octets(broker: Broker, client: str, serve: Callable[..., Server]) -> None:
    """A batch within the limit is read whole, in pieces: 30 values of a mebibyte, twice, in 3 KB."""
    topic = Topic(broker, config=COMPACTED | {"max.message.bytes": "9000000"})
    topic.produce(foundation(partitions=1))
    for _ in range(2):
        topic.produce([Event(f"wide{number}.{ZONE}|TXT".encode(), b" " * MIB) for number in range(30)],
                      **{"compression.type": "zstd", "linger.ms": 1000, "batch.size": 40 * MIB,
                         "message.max.bytes": 40 * MIB})
    topic.produce([event(f"after.{ZONE}", "A", ["192.0.2.7"])])
    server = serve(**settings(topic, client))
    wait_until(lambda: server.answers(f"after.{ZONE}"), "the last event is answered", timeout_s=DEADLINE_S)
    assert server.metrics()['streamdns_consumer_rejected_total{reason="json"}'] == 60
    peak = peak_bytes(server)
    print(f"at most {peak / 1e6:.0f} MB")
    assert peak <= MOST_MEMORY_BYTES
