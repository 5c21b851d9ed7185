"""The source by itself, against a real broker: nothing is lost, nothing comes twice, nothing is taken for an event."""

from __future__ import annotations

import os
import time

import pulsar
import pytest

from streamdns.errors import LogReplaced, ReadAnew, SourceError
from streamdns.events.batch import Partition, Record
from streamdns.sources.pulsar.first_fill import FILLING
from streamdns.sources.pulsar.source import WHOLE, PulsarSource
from tests.harness import wait_until
from tests.harness.kafka_topics import DEADLINE_S, Event, read_to_end, read_until, seen
from tests.harness.pulsar import Broker
from tests.harness.pulsar_topics import Topic

pytestmark = [pytest.mark.pulsar, pytest.mark.timeout(120)]


def events(first: int, count: int, *, partitions: int = 1) -> list[Event]:
    return [Event(b"k%d" % i, b"value %d" % i, i % partitions) for i in range(first, first + count)]


def failure_of(source: PulsarSource, within_s: float) -> SourceError | None:
    """What the source raises while it is read; None where it raises nothing in that time."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        try:
            source.read(max_records=100, timeout_s=0.2)
        except SourceError as error:
            return error
    return None


def fails(source: PulsarSource) -> SourceError:
    """What the source raises in the end, while it is read."""
    error = failure_of(source, DEADLINE_S)
    assert error is not None, f"after {DEADLINE_S:g} s it still reads"
    return error


def read_on(source: PulsarSource, positions: dict[Partition, int]) -> list[Record]:
    """Go on from there to the end, as the consumer does; `positions` moves on."""
    source.connect(positions, dict.fromkeys(positions, WHOLE))
    records, moved = read_to_end(source)
    positions |= moved
    return records


@pytest.mark.parametrize("partitions", [0, 3])
@pytest.mark.parametrize("batch", [1, 70])
def test_every_message_once_from_any_position(broker: Broker, partitions: int, batch: int) -> None:
    """Read in pieces, each time by a new connection from a position in the middle of batches."""
    topic = Topic(broker, partitions=partitions)
    topic.produce(events(0, 1000, partitions=max(1, partitions)), batch=batch)
    log = topic.read()
    source = topic.source()
    try:
        source.connect({}, {})
        whole, end = read_to_end(source)
        assert seen(whole) == log
        assert source.fingerprints() == dict.fromkeys(end, WHOLE)
        assert {number: at for (_, number), at in end.items()} == topic.ends() == {
            number: at for (_, number), at in source.ends_now().items()
        }
        for at in (1, 377, 999):
            positions = {(topic.name, each.partition): each.offset + 1 for each in log[:at]}
            left = [each for each in log if each.offset >= positions.get((topic.name, each.partition), 0)]
            assert seen(read_on(source, dict(positions))) == left
            # The consumer may also note where an event is that it has not applied.
            following = {(topic.name, each.partition): each.offset for each in reversed(left)}
            assert seen(read_on(source, positions | following)) == left
    finally:
        source.close()


@pytest.mark.parametrize("name", ["NONE", "LZ4", "ZLib", "ZSTD", "SNAPPY"])
def test_every_compression(broker: Broker, name: str) -> None:
    topic = Topic(broker)
    topic.produce(events(0, 500), compression_type=getattr(pulsar.CompressionType, name))
    source = topic.source()
    try:
        source.connect({}, {})
        assert [record.value for record in read_to_end(source)[0]] == [b"value %d" % i for i in range(500)]
    finally:
        source.close()


def test_deletes_of_both_kinds_and_messages_without_a_key(broker: Broker) -> None:
    """A null and an empty value are deletes; what has no key is no event, but the position moves on."""
    topic = Topic(broker, partitions=0)
    client = pulsar.Client(broker.url, logger=pulsar.FileLogger(pulsar.LoggerLevel.Error, "/dev/null"))
    producer = client.create_producer(topic.name)
    producer.send(b"one", partition_key="a|A", event_timestamp=1234)
    producer.send(b"", partition_key="a|A")
    producer.send(None, partition_key="b|A")
    producer.send(b"nobody's")
    producer.send(b"")
    client.close()
    source = topic.source()
    try:
        source.connect({}, {})
        records, positions = read_to_end(source)
        assert [(record.key, record.value) for record in records] == [(b"a|A", b"one"), (b"a|A", None), (b"b|A", None)]
        assert records[0].timestamp == 1234
        assert all(abs(record.timestamp / 1000 - time.time()) < 600 for record in records[1:])
        assert positions == {(topic.name, 0): topic.ends()[0]}
        details = source.details()
        assert (details["without_key"], details["fillers"]) == (1, 1)
        assert read_on(source, positions) == []
    finally:
        source.close()


def test_partitions_that_are_added(broker: Broker) -> None:
    topic = Topic(broker, partitions=2)
    topic.produce(events(0, 100, partitions=2))
    source = topic.source()
    try:
        source.connect({}, {})
        read_to_end(source)
        topic.grow(4)
        topic.produce(events(100, 100, partitions=4))
        records = read_until(source, 100)
        assert len(records) == 100
        assert {record.partition for record in records} == set(range(4))
        wait_until(lambda: source.read(max_records=10, timeout_s=0.1).caught_up, "caught up again")
        assert {number: at for (_, number), at in source.ends().items()} == topic.ends()
        assert source.fingerprints() == {(topic.name, number): WHOLE for number in range(4)}
    finally:
        source.close()


@pytest.mark.parametrize("down", [False, True], ids=["running", "down"])
@pytest.mark.parametrize("count", [0, 30], ids=["empty", "filled"])
def test_a_topic_that_is_made_again(broker: Broker, count: int, down: bool) -> None:
    """The other topic has the name and nothing else; its messages are never read as if they came next."""
    topic = Topic(broker, partitions=2)
    topic.produce(events(0, 40, partitions=2))
    source = topic.source()
    positions: dict[Partition, int] = {}
    try:
        read_on(source, positions)
        if down:
            source.close()
        topic.delete()
        topic.make()
        topic.produce(events(1000, count, partitions=2))
        error: SourceError | None = None
        if not down:
            error = failure_of(source, DEADLINE_S if count else 5.0)
            if error is None:
                # Made anew between two looks at the connection: its first message tells.
                topic.produce(events(1000, 2, partitions=2))
                error = fails(source)
        deadline_s = time.monotonic() + DEADLINE_S
        while not isinstance(error, LogReplaced):
            assert time.monotonic() < deadline_s, error
            try:
                source.connect(positions, dict.fromkeys(positions, WHOLE))
                error = fails(source)
            except SourceError as failure:
                error = failure
    finally:
        source.close()


@pytest.mark.parametrize("compacted", [False, True], ids=["as it was", "compacted meanwhile"])
def test_a_first_fill_that_was_broken_off_goes_on(broker: Broker, compacted: bool) -> None:
    """Where it was, and in the end it is looked at as if it had not been; a delete that is gone by then is missed."""
    topic = Topic(broker)
    topic.produce([*events(0, 700), Event(b"k3", None)], batch=70)
    source = topic.source()
    try:
        source.connect({}, {})
        batch = source.read(max_records=1, timeout_s=DEADLINE_S)
        assert 0 < len(batch.records) < 700
        stored = source.fingerprints()
        source.close()
        with pytest.raises(ReadAnew, match="for the first time"):
            source.connect({each: at - 1 for each, at in batch.positions.items()}, stored)
        with pytest.raises(ReadAnew, match="for the first time"):
            source.connect(batch.positions, dict.fromkeys(batch.positions, FILLING))
        if compacted:
            topic.compact()
            source.connect(batch.positions, stored)
            assert "a compaction ran" in str(fails(source))
            return
        source.connect(batch.positions, stored)
        records, positions = read_to_end(source)
        assert seen([*batch.records, *records]) == topic.read()
        assert source.fingerprints() == dict.fromkeys(positions, WHOLE)
    finally:
        source.close()


def test_deletes_that_compaction_took_while_nobody_read(broker: Broker) -> None:
    """The compacted form shows no delete; who goes on from his position is given it all the same."""
    topic = Topic(broker)
    topic.produce(events(0, 50))
    source = topic.source()
    positions: dict[Partition, int] = {}
    try:
        read_on(source, positions)
        source.close()
        topic.produce([Event(b"k7", None), Event(b"k8", b"other")])
        topic.compact()
        assert b"k7" not in {each.key for each in topic.read(compacted=True)}
        found = [(record.key, record.value) for record in read_on(source, positions)]
        assert found == [(b"k7", None), (b"k8", b"other")]
    finally:
        source.close()


def test_a_compacted_topic_is_filled_from_what_is_left(broker: Broker) -> None:
    """Compacted away messages come as fillers without a key: they are no deletes, and no events."""
    topic = Topic(broker)
    topic.produce([*events(0, 60), *(Event(b"k%d" % i, b"new") for i in range(30)), Event(b"k5", None)])
    topic.compact()
    topic.produce([Event(b"k6", None)])
    source = topic.source()
    try:
        source.connect({}, {})
        records, _ = read_to_end(source)
        values = {record.key: record.value for record in records}
        assert {key for key, value in values.items() if value} == {b"k%d" % i for i in range(60)} - {b"k5", b"k6"}
        assert all(values[b"k%d" % i] == b"new" for i in range(30) if i not in (5, 6))
        assert source.details()["without_key"] == 0
        topic.produce(events(100, 5))
        assert len(read_until(source, 5)) == 5
    finally:
        source.close()


@pytest.mark.parametrize("running", [True, False], ids=["running", "down"])
def test_a_log_that_was_cut(broker: Broker, running: bool) -> None:
    """With no retention what was not read is deleted when the topic is unloaded: found, and never read over."""
    topic = Topic(broker, namespace=broker.namespace("brief", retention=(0, 0)))
    topic.produce(events(0, 20))
    source = topic.source()
    positions: dict[Partition, int] = {}
    try:
        read_on(source, positions)
        source.close()
        topic.produce(events(20, 20))
        topic.unload()
        topic.trim()
        if not running:
            topic.produce(events(40, 5))
        source.connect(positions, dict.fromkeys(positions, WHOLE))
        if running:
            topic.produce(events(40, 5))
        error = fails(source)
        assert isinstance(error, LogReplaced), error
        assert "was cut or replaced" in str(error)
        source.close()
        source.connect({}, {})
        assert [record.key for record in read_until(source, 5)] == [b"k%d" % i for i in range(40, 45)]
    finally:
        source.close()


def test_policies_that_are_unwise(broker: Broker) -> None:
    """They are said with figures."""
    namespace = broker.namespace("week", retention=(7 * 1440, 500))
    broker.admin("PUT", f"/namespaces/{namespace}/compactionThreshold", 1 << 20)
    source = Topic(broker, namespace=namespace).source(admin=broker.admin_url)
    try:
        source.connect({}, {})
        (warning,) = source.details()["warnings"]
        assert "retention is 10080 minutes (7 days) and 500 MB" in warning
    finally:
        source.close()


def test_a_reader_that_is_connected_anew_repeats_nothing(broker: Broker) -> None:
    """The library does it by itself when a topic is unloaded, and begins with the message that it gave last."""
    topic = Topic(broker)
    topic.produce(events(0, 10))
    source = topic.source(check_s=10)
    try:
        source.connect({}, {})
        records, _ = read_to_end(source)
        for turn in range(3):
            topic.unload()
            topic.produce(events(10 + turn, 1))
            records += read_until(source, 1)
        assert seen(records) == topic.read()
    finally:
        source.close()


def test_the_threads_of_the_library_go_behind_ours(broker: Broker) -> None:
    """Those that read the partitions have the priority of the process."""
    topic = Topic(broker, partitions=2)
    topic.produce(events(0, 100, partitions=2))
    before = set(os.listdir("/proc/self/task"))
    own = os.getpriority(os.PRIO_PROCESS, 0)
    source = topic.source()
    try:
        source.connect({}, {})
        assert len(read_to_end(source)[0]) == 100
        nices = [os.getpriority(os.PRIO_PROCESS, int(each)) for each in set(os.listdir("/proc/self/task")) - before]
    finally:
        source.close()
    assert set(nices) == {own, min(19, own + 10)}
    assert nices.count(own) >= 2, "one reads each partition"
    assert len(nices) - nices.count(own) >= 2, "one that calls the library, and what that has started"
