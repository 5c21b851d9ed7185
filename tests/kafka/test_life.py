"""What happens to brokers, topics and nodes, and that nothing is lost, repeated, or taken for something else."""

from __future__ import annotations

import pathlib
import signal
import time

import gevent
import pytest

from streamdns.errors import LogReplaced, SourceError, SourceStalled
from streamdns.events.batch import Partition, Record
from streamdns.sources.kafka.cluster import EARLIEST, LATEST, Cluster
from streamdns.sources.kafka.config import KafkaConfig
from streamdns.sources.kafka.fetching import FetchingClient
from streamdns.sources.kafka.pykafka import PykafkaClient
from streamdns.sources.kafka.source import KafkaSource
from tests.harness.kafka import VERSIONS, Broker, missing
from tests.harness.kafka_topics import DEADLINE_S, Event, Topic, read_to_end, read_until, seen
from tests.harness.process import wait_until

pytestmark = pytest.mark.kafka
OFTEN_S = 0.2


def events(first: int, count: int, *, partitions: int = 1) -> list[Event]:
    return [Event(b"k%d" % i, b"value %d" % i, i % partitions) for i in range(first, first + count)]


def fails(source: KafkaSource) -> SourceError:
    """What the source raises in the end, while it is read."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        try:
            source.read(max_records=100, timeout_s=0.2)
        except SourceError as error:
            return error
    raise AssertionError(f"after {DEADLINE_S:g} s it still reads")


def connects(source: KafkaSource, positions: dict[Partition, int], prints: dict[Partition, str]) -> None:
    """Connect as the consumer service does: again and again."""

    def connected() -> bool:
        try:
            source.connect(positions, prints)
        except LogReplaced:
            raise
        except SourceError:
            return False
        return True

    wait_until(connected, "connected", timeout_s=DEADLINE_S, interval_s=0.2)


@pytest.mark.slow
def test_a_broker_that_is_killed_and_comes_back(broker: Broker, client: str) -> None:
    """kill -9 twice under a reader: each event once, in order, from the positions that were kept."""
    topic = Topic(broker, partitions=3)
    source = topic.source(client, check_s=OFTEN_S)
    records: list[Record] = []
    positions: dict[Partition, int] = {}
    prints: dict[Partition, str] = {}
    try:
        for turn in range(3):
            topic.produce(events(1000 * turn, 1000, partitions=3))
            connects(source, positions, prints)
            found, moved = read_to_end(source)
            records += found
            positions |= moved
            prints = source.fingerprints()
            if turn < 2:
                broker.kill()
                began = time.monotonic()
                error = fails(source)
                assert not isinstance(error, LogReplaced)
                assert time.monotonic() - began < 10
                began = time.monotonic()
                source.close()
                assert time.monotonic() - began < 5
                broker.start()
        assert seen(records) == topic.read()
        assert len(records) == len({(r.partition, r.position) for r in records}) == 3000
    finally:
        source.close()
        if broker.process is None:
            broker.start()


def test_a_broker_that_says_nothing_any_more(broker: Broker, client: str) -> None:
    """Connections stand and nothing comes: as when packets are dropped on the way."""
    topic = Topic(broker)
    topic.produce(events(0, 10))
    source = topic.source(client, check_s=OFTEN_S)
    assert broker.process is not None
    try:
        source.connect({}, {})
        records, positions = read_to_end(source)
        broker.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        assert not isinstance(fails(source), LogReplaced)
        assert time.monotonic() - began < 15
        with pytest.raises(SourceError, match="no answer within"):
            source.connect(positions, {})
        began = time.monotonic()
        source.close()
        assert time.monotonic() - began < 5
        broker.process.send_signal(signal.SIGCONT)
        topic.produce(events(10, 10))
        rest: list[Record] = []

        def read_the_rest() -> bool:
            connects(source, positions, {})
            try:
                rest[:] = read_to_end(source)[0]
            except SourceError:
                return False  # A broker that was stopped for a while may go once more, as its controller sees it.
            return True

        wait_until(read_the_rest, "the rest is read", timeout_s=DEADLINE_S)
        assert seen([*records, *rest]) == topic.read()
    finally:
        broker.process.send_signal(signal.SIGCONT)
        source.close()


def test_a_question_that_was_broken_off(broker: Broker) -> None:
    """The reply comes when nobody waits for it any more: the next question is not answered with it."""
    topic = Topic(broker)
    topic.produce(events(0, 7))
    cluster = Cluster(KafkaConfig(addresses=(broker.address(),), topics=(topic.name,)))
    partition = (topic.name, 0)
    assert broker.process is not None
    try:
        assert cluster.offsets([partition], at=LATEST, committed=False) == {partition: 7}
        broker.process.send_signal(signal.SIGSTOP)
        asked = gevent.spawn(cluster.offsets, [partition], at=EARLIEST, committed=False)
        gevent.sleep(0)  # It has its turn, and waits for the reply.
        asked.kill()
        broker.process.send_signal(signal.SIGCONT)
        assert cluster.offsets([partition], at=LATEST, committed=False) == {partition: 7}
    finally:
        broker.process.send_signal(signal.SIGCONT)
        cluster.close()


@pytest.mark.slow
def test_a_broker_that_is_upgraded(tmp_path: pathlib.Path) -> None:
    """auto reads with pykafka from the old one, and goes on with confluent-kafka from the new one at the same port."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    old, new = VERSIONS
    with Broker(tmp_path / "kafka", old) as broker:
        topic = Topic(broker, partitions=2)
        topic.produce(events(0, 100, partitions=2))
        source = topic.source(check_s=OFTEN_S)
        try:
            source.connect({}, {})
            records, positions = read_to_end(source)
            assert source.client == "pykafka"
            prints = source.fingerprints()
            broker.stop()
            assert not isinstance(fails(source), LogReplaced)
            broker.version = new
            broker.start()
            topic.produce(events(100, 100, partitions=2))
            connects(source, positions, prints)
            assert source.client == "confluent"
            records += read_to_end(source)[0]
            assert len(records) == 200
            assert seen(records) == topic.read()
        finally:
            source.close()


def test_partitions_that_are_added(broker: Broker, client: str) -> None:
    topic = Topic(broker, partitions=2)
    topic.produce(events(0, 100, partitions=2))
    source = topic.source(client, check_s=OFTEN_S)
    try:
        source.connect({}, {})
        read_to_end(source)
        topic.grow(5)
        topic.produce(events(100, 100, partitions=5))
        records = read_until(source, 100)
        assert len(records) == 100
        assert {r.partition for r in records} == set(range(5))
        wait_until(lambda: source.read(max_records=10, timeout_s=0.1).caught_up, "caught up again")
        assert source.ends() == {(topic.name, n): 70 if n < 2 else 20 for n in range(5)}
        assert set(source.fingerprints()) == set(source.ends())
    finally:
        source.close()


def test_what_comes_while_partitions_are_added(old_broker: Broker) -> None:
    """pykafka looks at the cluster again, which takes a moment: what is read meanwhile is not read once more."""
    topic = Topic(old_broker, partitions=1)
    topic.produce(events(0, 10))
    source = topic.source("pykafka", check_s=OFTEN_S)
    try:
        source.connect({}, {})
        records, _ = read_to_end(source)
        client = source._client
        assert isinstance(client, PykafkaClient)
        assert client._connections is not None
        look_again = client._connections.cluster.update

        def look() -> None:
            topic.produce(events(10, 10))
            wait_until(lambda: gevent.sleep(0.01) or client._positions[topic.name, 0] == 20, "ten more are read")
            look_again()

        client._connections.cluster.update = look
        topic.grow(2)
        topic.produce([Event(b"new", b"value", 1)])
        records += read_until(source, 11)
        records += read_to_end(source)[0]
        assert seen(records) == topic.read()
    finally:
        source.close()


@pytest.mark.parametrize("count", [50, 500], ids=["shorter", "longer"])
def test_a_topic_that_is_made_again(broker: Broker, client: str, count: int) -> None:
    topic = Topic(broker)
    topic.produce(events(0, 200))
    running, stopped = topic.source(client, check_s=OFTEN_S), topic.source(client)
    try:
        running.connect({}, {})
        _, positions = read_to_end(running)
        prints = running.fingerprints()
        topic.delete()
        topic.make()
        topic.produce(events(1000, count))
        # While it runs it may see that the topic is gone before it sees another one.
        error = fails(running)
        assert isinstance(error, LogReplaced) or "no such topic" in str(error)
        with pytest.raises(LogReplaced, match="another one"):
            stopped.connect(positions, prints)
        stopped.connect({}, {})
        assert seen(read_to_end(stopped)[0]) == topic.read()
        assert stopped.fingerprints() != prints
    finally:
        running.close()
        stopped.close()


def test_a_log_that_was_cut_while_we_were_away(broker: Broker, client: str) -> None:
    topic = Topic(broker, config={"cleanup.policy": "compact,delete", "retention.ms": "-1"})
    topic.produce(events(0, 200))
    topic.cut({0: 100})
    source = topic.source(client)
    partition = (topic.name, 0)
    try:
        with pytest.raises(LogReplaced, match="begins at 100"):
            source.connect({partition: 50}, {})
        with pytest.raises(LogReplaced, match="ends at 200"):
            source.connect({partition: 201}, {})
        for position in (0, 100):
            source.connect({partition: position}, {})
            assert [record.position for record in read_to_end(source)[0]] == list(range(100, 200))
    finally:
        source.close()


def test_a_position_within_an_open_transaction(broker: Broker, client: str) -> None:
    """An older version read what was not committed; from there it goes on, and waits for the end of it."""
    topic = Topic(broker)
    topic.produce(events(0, 10))
    partition = (topic.name, 0)
    with topic.open_transaction(events(10, 10)) as commit:
        source = topic.source(client)
        try:
            source.connect({}, {})
            assert len(read_to_end(source)[0]) == 10
            source.connect({partition: 20}, {})
            commit()
            topic.produce(events(20, 5))
            assert [record.key for record in read_until(source, 5)] == [b"k%d" % i for i in range(20, 25)]
        finally:
            source.close()


def test_a_log_that_begins_later_says_so_first(broker: Broker, client: str) -> None:
    """All that was deleted before we came would count as lag otherwise."""
    topic = Topic(broker, config={"cleanup.policy": "compact,delete", "retention.ms": "-1"})
    topic.produce(events(0, 20))
    topic.cut({0: 20})
    source = topic.source(client)
    try:
        source.connect({}, {})
        assert read_to_end(source) == ([], {(topic.name, 0): 20})
    finally:
        source.close()


def test_other_logs_are_told_apart(broker: Broker, client: str) -> None:
    topic, other = Topic(broker), Topic(broker)
    for each in (topic, other):
        each.produce(events(0, 10))
    source = other.source(client)
    try:
        source.connect({}, {})
        (fingerprint,) = source.fingerprints().values()
        assert fingerprint.startswith(broker.cluster_id + "/")
        with pytest.raises(LogReplaced, match=topic.name):
            source.connect({(topic.name, 0): 5}, {})
        with pytest.raises(LogReplaced, match="another one"):
            source.connect({(other.name, 0): 5}, {(other.name, 0): "x/y"})
        source.connect({(other.name, 0): 5}, {})
        assert len(read_to_end(source)[0]) == 5
    finally:
        source.close()


def test_positions_are_written_down_for_kafkas_tools(broker: Broker, client: str) -> None:
    topic = Topic(broker, partitions=2)
    topic.produce(events(0, 30, partitions=2))
    source = topic.source(client, check_s=OFTEN_S, group=f"streamdns-{topic.name}")
    try:
        source.connect({}, {})
        read_to_end(source)

        def committed() -> bool:
            source.read(max_records=10, timeout_s=0.05)
            return topic.committed(f"streamdns-{topic.name}") == {0: 15, 1: 15}

        wait_until(committed, "committed")
        assert source.details()["group_error"] == ""
        source.connect({}, {})
        assert len(read_to_end(source)[0]) == 30, "they are never read back"
    finally:
        source.close()


def deafen(source: KafkaSource) -> None:
    """Make a client that works stop reading without a word."""
    client = source._client
    assert isinstance(client, FetchingClient)
    gevent.killall(list(client._fetchers.values()))


def test_a_stall_is_no_quiet_topic(broker: Broker, client: str) -> None:
    """A client that gives nothing though the log goes on is found out; one that has nothing to give is not."""
    topic = Topic(broker)
    source = topic.source(client, check_s=OFTEN_S, stall_s=1.0)
    try:
        source.connect({}, {})
        read_to_end(source)
        quiet = time.monotonic() + 2
        wait_until(lambda: not source.read(max_records=1, timeout_s=0.1).records and time.monotonic() > quiet, "quiet")
        deafen(source)
        topic.produce(events(0, 5))
        error = fails(source)
        assert isinstance(error, SourceStalled)
        assert "nothing came for 1 s, though the log goes to 5" in str(error)
    finally:
        source.close()
