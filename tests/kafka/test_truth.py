"""What a source gives is what is in the log: by a plain librdkafka consumer, whatever was done to the topic."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

import pytest

from streamdns.errors import SourceError
from tests.harness import kafka_kcat as kcat
from tests.harness.kafka import Broker
from tests.harness.kafka_topics import COMPACTED, DEADLINE_S, Event, Seen, Topic, read_to_end, seen
from tests.harness.process import wait_until

pytestmark = pytest.mark.kafka
#: Small segments, cleaned at once: what a topic looks like after a long life.
CLEANED = COMPACTED | {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "1000"}


def events(count: int, *, partitions: int = 1, keys: int = 1 << 30) -> list[Event]:
    return [Event(b"k%d" % (i % keys), b"value %d" % i, i % partitions) for i in range(count)]


def compacted(broker: Broker, codec: str) -> Topic:
    """A topic that the cleaner was at: 40 keys over and over, now and then one that stays, and empty batches."""
    topic = Topic(broker, config=CLEANED)
    chance = random.Random(7)
    written = 0

    def cleaned() -> bool:
        nonlocal written
        more = [Event(b"k%d" % (chance.randrange(40) if i % 7 else 1000 + written + i),
                      None if i % 11 == 0 else b"v" * chance.randrange(200)) for i in range(600)]
        topic.produce(more, batch=25, **{"compression.type": codec})
        written += len(more)
        return len(topic.read()) < written // 2

    wait_until(cleaned, "the cleaner was there", interval_s=0.5, timeout_s=DEADLINE_S)
    left = topic.read()
    assert left[-1].offset > 2 * len(left), "there are gaps"
    return topic


def dated(broker: Broker, codec: str) -> Topic:
    """A topic where the broker sets the time, in batches of many."""
    topic = Topic(broker, config=COMPACTED | {"message.timestamp.type": "LogAppendTime"})
    topic.produce(events(300), **{"compression.type": codec, "linger.ms": 100})
    assert min(each.timestamp for each in topic.read()) > 0
    return topic


def odd(broker: Broker, codec: str) -> Topic:
    """What no server of names needs, and a log may have: no keys, headers, tombstones, 3 MB that shrink or do not."""
    topic = Topic(broker, config={"cleanup.policy": "delete", "retention.ms": "-1", "max.message.bytes": "6000000"})
    topic.produce([
        Event(b"key", b"value"), Event(b"gone", None), Event(None, b"no key"), Event(None, None), Event(b"", b""),
        Event(b"large", random.Random(1).randbytes(3_000_000)), Event(b"same", b"a" * 3_000_000),
        Event(b"header", b"x", headers=(("a", b"b"),)),
        Event(b"\n\0 |", b"\0\n"), Event(b"last", b"one"),
    ], **{"compression.type": codec})
    assert len(topic.read()) == 10
    return topic


KINDS = {"compacted": compacted, "dated": dated, "odd": odd}
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class Hostile(NamedTuple):
    """A topic that does to its readers what topics do, and the codec of its producer."""

    topic: Topic
    codec: str


@pytest.fixture(scope="module", params=[f"{kind} {codec}" for kind in KINDS for codec in CODECS])
def hostile(request: pytest.FixtureRequest, broker: Broker) -> Hostile:
    kind, codec = request.param.split()
    return Hostile(KINDS[kind](broker, codec), codec)


def by_source(topic: Topic, client: str) -> list[Seen]:
    """What a source reads, from the beginning and in one go."""
    source = topic.source(client)
    try:
        source.connect({}, {})
        records, positions = read_to_end(source)
        assert positions == source.ends()
        return seen(records)
    finally:
        source.close()


def by_kcat(topic: Topic) -> list[Seen]:
    """What kcat reads."""
    reason = kcat.missing()
    if reason:
        pytest.skip(reason)
    return kcat.read(topic)


def is_truth(topic: Topic, read: Callable[[Topic], list[Seen]]) -> None:
    """A reader finds what a plain librdkafka consumer finds, event by event."""

    def same() -> bool:
        # The cleaner goes on: what was read counts where it had not moved in between.
        before = topic.read()
        found = read(topic)
        if before != topic.read():
            return False
        assert found == before
        return True

    wait_until(same, "the cleaner is done", timeout_s=DEADLINE_S)


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


@pytest.mark.parametrize("reader", ["pykafka", "confluent", "kcat"])
def test_hostile_topics(broker: Broker, hostile: Hostile, reader: str) -> None:
    """Stock pykafka loses records here: gaps, empty batches, batches larger than a fetch, times that brokers set."""
    if reader == "kcat":
        is_truth(hostile.topic, by_kcat)
        return
    if reader == "pykafka":
        if not broker.version.startswith("3."):
            pytest.skip(f"pykafka does not speak with Kafka {broker.version}")
        if hostile.codec == "zstd":
            with pytest.raises(SourceError, match="zstd"):
                by_source(hostile.topic, reader)
            reader = "auto"
    is_truth(hostile.topic, lambda topic: by_source(topic, reader))


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


@pytest.mark.parametrize("read", [lambda topic: by_source(topic, "confluent"), by_kcat], ids=["confluent", "kcat"])
def test_aborted_transactions_are_not_read(broker: Broker, read: Callable[[Topic], list[Seen]]) -> None:
    """Not by confluent-kafka; the end of the log is behind the last mark, which is no event."""
    topic = Topic(broker)
    topic.produce(events(5))
    topic.transaction([Event(b"aborted", b"x")], commit=False)
    topic.transaction([Event(b"committed", b"y")], commit=True)
    topic.transaction([Event(b"aborted too", b"x")], commit=False)
    found = read(topic)
    assert [each.key for each in found] == [b"k0", b"k1", b"k2", b"k3", b"k4", b"committed"]
    assert found == topic.read()


def test_transactions_are_left_to_confluent(old_broker: Broker) -> None:
    """pykafka reads what was aborted: `auto` sees it at the start or when it meets it, the setting is warned of."""
    topic = Topic(old_broker)
    topic.produce(events(5))
    source = topic.source()
    try:
        source.connect({}, {})
        assert source.client == "pykafka"
        records, positions = read_to_end(source)
        topic.transaction([Event(b"committed", b"y")], commit=True)
        wait_until(lambda: records.extend(source.read(max_records=10, timeout_s=0.1).records) or
                   source.client == "confluent", "the client is another one", timeout_s=DEADLINE_S)
        topic.transaction([Event(b"aborted", b"x")], commit=False)
        topic.produce(events(1))
        wait_until(lambda: records.extend(source.read(max_records=10, timeout_s=0.1).records) or len(records) == 7,
                   "it reads on", timeout_s=DEADLINE_S)
        assert seen(records) == topic.read()
        topic.transaction([Event(b"aborted, too", b"x")], commit=False)
        source.connect(positions, source.fingerprints())
        assert source.client == "confluent"
        assert "is written in transactions" in source.client_reason
        assert seen(read_to_end(source)[0]) == topic.read()[5:]
    finally:
        source.close()
    forced = topic.source("pykafka")
    try:
        forced.connect({}, {})
        assert any("is written in transactions" in warning for warning in forced.warnings)
        keys = [record.key for record in read_to_end(forced)[0]]
        assert keys[5:] == [b"committed", b"aborted", b"k0", b"aborted, too"]
    finally:
        forced.close()
