"""What a source gives is what is in the log: by a plain librdkafka consumer, whatever was done to the topic."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

import pytest

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


def is_truth(
    topic: Topic, read: Callable[[Topic], list[Seen]], *, known: Callable[[list[Seen]], list[Seen]] = list
) -> None:
    """A reader finds what a plain librdkafka consumer finds, event by event, as far as it is `known` to it."""

    def same() -> bool:
        # The cleaner goes on: what was read counts where it had not moved in between.
        before = topic.read()
        found = read(topic)
        if before != topic.read():
            return False
        assert found == known(before)
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


def without_the_long(found: list[Seen]) -> list[Seen]:
    """A value of more than 1 MiB is no event: a source keeps its beginning, and says so."""
    return [each._replace(value=each.value[:4096]) if each.value and len(each.value) > 1 << 20 else each
            for each in found]


@pytest.mark.parametrize("reader", ["pykafka", "confluent", "kcat"])
def test_hostile_topics(broker: Broker, hostile: Hostile, reader: str) -> None:
    """Stock pykafka loses records here: gaps, empty batches, batches larger than a fetch, times that brokers set."""
    if reader == "kcat":
        is_truth(hostile.topic, by_kcat)
        return
    if reader == "pykafka" and not broker.version.startswith("3."):
        pytest.skip(f"pykafka does not speak with Kafka {broker.version}")
    is_truth(hostile.topic, lambda topic: by_source(topic, reader), known=without_the_long)


@pytest.mark.parametrize("reader", ["pykafka", "confluent", "kcat"])
def test_aborted_transactions_are_not_read(broker: Broker, reader: str) -> None:
    """By nobody; the end of the log is behind the last mark, which is no event, and before what is still open."""
    if reader == "pykafka" and not broker.version.startswith("3."):
        pytest.skip(f"pykafka does not speak with Kafka {broker.version}")
    topic = Topic(broker)
    topic.produce(events(5))
    topic.transaction([Event(b"aborted", b"x")], commit=False)
    topic.transaction([Event(b"committed", b"y")], commit=True)
    topic.transaction([Event(b"aborted too", b"x")], commit=False)
    with topic.open_transaction([Event(b"open", b"z")]):
        found = by_kcat(topic) if reader == "kcat" else by_source(topic, reader)
    assert [each.key for each in found] == [b"k0", b"k1", b"k2", b"k3", b"k4", b"committed"]
    assert found == topic.read()
