"""What a source gives is what is in the log: by a plain librdkafka consumer, whatever was done to the topic."""

from __future__ import annotations

import random

import pytest

from tests.harness.kafka import Broker
from tests.harness.kafka_topics import COMPACTED, Event, Seen, Topic, read_to_end, seen
from tests.harness.process import wait_until

pytestmark = pytest.mark.kafka
#: Small segments, cleaned at once: what a topic looks like after a long life.
CLEANED = COMPACTED | {"segment.bytes": "16384", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "1000"}


def events(count: int, *, partitions: int = 1, keys: int = 1 << 30) -> list[Event]:
    return [Event(b"k%d" % (i % keys), b"value %d" % i, i % partitions) for i in range(count)]


def compacted(broker: Broker, codec: str, **config: str) -> Topic:
    """A topic that the cleaner was at: 40 keys over and over, now and then one that stays, and empty batches."""
    topic = Topic(broker, config=CLEANED | config)
    chance = random.Random(7)
    written = 0

    def cleaned() -> list[Seen]:
        nonlocal written
        more = [Event(b"k%d" % (chance.randrange(40) if i % 7 else 1000 + written + i), b"v" * chance.randrange(200))
                for i in range(600)]
        topic.produce(more, batch=25, **{"compression.type": codec})
        written += len(more)
        left = topic.read()
        return left if len(left) < written // 2 else []

    wait_until(cleaned, "the cleaner was there", interval_s=0.5)
    return topic


@pytest.mark.parametrize("partitions", [1, 4])
def test_everything_in_order_and_from_any_position(broker: Broker, client: str, partitions: int) -> None:
    topic = Topic(broker, partitions=partitions)
    written = events(1000, partitions=partitions)
    topic.produce(written)
    source = topic.source(client)
    try:
        source.connect({}, {})
        assert source.client == client
        records, positions = read_to_end(source)
        assert seen(records) == topic.read()
        assert positions == source.ends() == {(topic.name, n): 1000 // partitions for n in range(partitions)}
        for number in range(partitions):
            assert [(r.key, r.value) for r in records if r.partition == number] == [
                (event.key, event.value) for event in written if event.partition == number]
        half = {partition: at // 2 for partition, at in positions.items()}
        source.connect(half, source.fingerprints())
        rest, _ = read_to_end(source)
        assert seen(rest) == [each for each in topic.read() if each.offset >= half[topic.name, each.partition]]
        source.connect(positions, source.fingerprints())
        assert read_to_end(source)[0] == []
    finally:
        source.close()


def test_null_and_empty_keys_and_values_headers_and_many_octets(broker: Broker, client: str) -> None:
    topic = Topic(broker, config={"cleanup.policy": "delete", "retention.ms": "-1", "max.message.bytes": "6000000"})
    topic.produce([
        Event(b"key", b"value"), Event(b"gone", None), Event(None, b"no key"), Event(None, None), Event(b"", b""),
        Event(b"large", random.Random(1).randbytes(3_000_000)), Event(b"header", b"x", headers=(("a", b"b"),)),
        Event(b"last", b"one"),
    ])
    source = topic.source(client)
    try:
        source.connect({}, {})
        records, _ = read_to_end(source)
        assert seen(records) == topic.read()
        assert len(records) == 8
        assert records[1].value is None
        assert records[2].key is None
    finally:
        source.close()


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4"])
def test_compacted_topics(old_broker: Broker, codec: str) -> None:
    """Stock pykafka consumers lose records here: gaps, empty batches, batches larger than a fetch."""
    topic = compacted(old_broker, codec)
    found: dict[str, list[Seen]] = {}
    for client in ("pykafka", "confluent"):
        # The cleaner goes on: what was read is compared where it had not moved in between.
        def same(client: str = client) -> bool:
            before = topic.read()
            source = topic.source(client)
            try:
                source.connect({}, {})
                found[client] = seen(read_to_end(source)[0])
            finally:
                source.close()
            return before == topic.read()

        wait_until(same, "the cleaner is done")
    expected = topic.read()
    offsets = [each.offset for each in expected]
    assert offsets[-1] > 2 * len(offsets), "there are gaps"
    assert found["pykafka"] == found["confluent"] == expected


@pytest.mark.parametrize("codec", ["none", "gzip", "lz4"])
def test_times_that_the_broker_sets(old_broker: Broker, codec: str) -> None:
    topic = Topic(old_broker, config=COMPACTED | {"message.timestamp.type": "LogAppendTime"})
    topic.produce(events(300), **{"compression.type": codec})
    expected = topic.read()
    assert min(each.timestamp for each in expected) > 0
    for client in ("pykafka", "confluent"):
        source = topic.source(client)
        try:
            source.connect({}, {})
            assert seen(read_to_end(source)[0]) == expected
        finally:
            source.close()


def test_auto_goes_on_with_confluent_where_pykafka_cannot(old_broker: Broker) -> None:
    """The topic's settings do not tell what producers do: the broker says it in the middle."""
    topic = Topic(old_broker)
    topic.produce(events(100), batch=10)
    source = topic.source()
    try:
        source.connect({}, {})
        assert source.client == "pykafka"
        records, _ = read_to_end(source)
        topic.produce(events(100), **{"compression.type": "zstd"})
        while len(records) < 200:
            records += source.read(max_records=500, timeout_s=0.5).records
        assert source.client == "confluent"
        assert "zstd" in source.client_reason
        assert seen(records) == topic.read()
    finally:
        source.close()


def test_aborted_transactions_are_not_read_by_confluent(broker: Broker) -> None:
    topic = Topic(broker)
    topic.produce(events(5))
    topic.transaction([Event(b"aborted", b"x")], commit=False)
    topic.transaction([Event(b"committed", b"y")], commit=True)
    topic.transaction([Event(b"aborted too", b"x")], commit=False)
    source = topic.source("confluent")
    try:
        source.connect({}, {})
        records, positions = read_to_end(source)
        assert [record.key for record in records] == [b"k0", b"k1", b"k2", b"k3", b"k4", b"committed"]
        assert positions == source.ends()
    finally:
        source.close()
