"""What connections leave behind, which is nothing, and what Kafka's tools see of those who read."""

from __future__ import annotations

import gc
import os
import pathlib
import time
from typing import NamedTuple

import gevent
import pytest
from confluent_kafka.admin import AdminClient

from streamdns.errors import SourceError
from tests.harness.kafka import PASSWORD, USER, VERSIONS, Broker, missing
from tests.harness.kafka_topics import DEADLINE_S, Event, Topic, read_to_end, read_until
from tests.harness.process import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
TURNS = 50
#: What other parts of the tests' process may open meanwhile.
SOME = 3


class Held(NamedTuple):
    """What this process holds on to."""

    descriptors: int
    threads: int
    greenlets: int


def held() -> Held:
    gc.collect()
    # The type is asked for, not isinstance: among all these objects are proxies of others that are gone.
    greenlets = [each for each in gc.get_objects() if issubclass(type(each), gevent.Greenlet) and not each.dead]
    return Held(len(os.listdir("/proc/self/fd")), len(list(pathlib.Path("/proc/self/task").iterdir())), len(greenlets))


def nothing_stays(before: Held) -> None:
    """Within seconds no more is held than before."""
    last = before

    def gone() -> bool:
        nonlocal last
        gevent.sleep(0.1)
        last = held()
        return all(now <= was + SOME for now, was in zip(last, before, strict=True))

    try:
        wait_until(gone, "everything is given back", timeout_s=DEADLINE_S)
    except AssertionError as error:
        raise AssertionError(f"{error}: {last}, before {before}") from None


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.slow
def test_reconnecting_leaves_nothing_behind(broker: Broker, client: str) -> None:
    """Descriptors, threads and greenlets, after fifty connections that read and fifty that nobody took."""
    topic = Topic(broker, partitions=2)
    topic.produce([Event(b"k%d" % number, b"v", number % 2) for number in range(100)])
    source = topic.source(client, check_s=0.2)

    def turns(count: int) -> None:
        for _ in range(count):
            source.connect({}, {})
            assert len(read_to_end(source)[0]) == 100
            source.close()

    turns(3)
    gevent.sleep(2.0)  # Until what is given back late is given back, too; more would only make the test weaker.
    before = held()
    turns(TURNS)
    nothing_stays(before)
    broker.kill()
    try:
        for _ in range(TURNS):
            with pytest.raises(SourceError):
                source.connect({}, {})
            source.close()
        nothing_stays(before)
    finally:
        broker.start()


def test_brokers_that_hang_up_now_and_then(tmp_path: pathlib.Path, version: str) -> None:
    """On who was silent, or logged in, for a while: none of it ends the reading."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    limits = {"connections.max.idle.ms": "3000", "connections.max.reauth.ms": "5000"}
    with Broker(tmp_path / "kafka", version, **limits) as broker:
        topic = Topic(broker, partitions=2)
        login = {"mechanism": "SCRAM-SHA-256", "user": USER, "password": PASSWORD}
        # Looks that are further apart than a broker bears silence, and others that are closer.
        sources = [topic.source(check_s=4.0, addresses=(broker.address("SASL"),), **login),
                   topic.source(check_s=0.5, addresses=(broker.address("SASL"),), **login),
                   topic.source(check_s=4.0)]
        try:
            for source in sources:
                source.connect({}, {})
            end_s = time.monotonic() + 16.0
            number = 0
            while time.monotonic() < end_s:
                topic.produce([Event(b"k", b"%d" % number, number % 2)])
                number += 1
                for source in sources:
                    assert [record.value for record in read_until(source, 1)] == [b"%d" % (number - 1)]
            assert number > 3
        finally:
            for source in sources:
                source.close()


def test_an_end_that_was_told_is_no_news(broker: Broker, client: str) -> None:
    """Each batch with positions is a commit: one for each event, and none because nothing more came."""
    topic = Topic(broker, partitions=2)
    topic.produce([Event(b"k", b"v")])
    source = topic.source(client, check_s=0.2)
    try:
        source.connect({}, {})
        assert read_to_end(source)[1] == {(topic.name, 0): 1, (topic.name, 1): 0}
        for number in range(3):
            topic.produce([Event(b"k", b"%d" % number)])
            moved = []
            quiet_s = None
            while quiet_s is None or time.monotonic() < quiet_s:
                batch = source.read(max_records=10, timeout_s=0.1)
                moved += [batch] if batch.positions else []
                if batch.records:
                    quiet_s = time.monotonic() + 0.5
            assert [(len(each.records), each.positions) for each in moved] == [(1, {(topic.name, 0): number + 2})]
    finally:
        source.close()


def members(topic: Topic, group: str) -> list[set[int]]:
    """The partitions of each member of the groups whose names begin so and that are not empty."""
    admin = AdminClient({"bootstrap.servers": topic.broker.address(), "log_level": 0})
    listed = admin.list_consumer_groups(request_timeout=DEADLINE_S).result(DEADLINE_S).valid
    names = [each.group_id for each in listed if each.group_id.startswith(f"{group}-")]
    found = []
    for name in names:
        described = admin.describe_consumer_groups([name], request_timeout=DEADLINE_S)[name].result(DEADLINE_S)
        found += [{part.partition for part in each.assignment.topic_partitions} for each in described.members]
    return found


def test_the_member_owns_every_partition(old_broker: Broker) -> None:
    """pykafka's balanced consumer, as Kafka's tools see it; also after the topic has grown and after a reconnect."""
    topic = Topic(old_broker, partitions=4)
    source = topic.source("pykafka", check_s=0.2, group=f"g-{topic.name}")

    def owns(partitions: int) -> None:
        def it_does() -> bool:
            source.read(max_records=10, timeout_s=0.2)
            return members(topic, f"g-{topic.name}") == [set(range(partitions))]

        wait_until(it_does, f"it owns {partitions} partitions", timeout_s=DEADLINE_S)

    try:
        source.connect({}, {})
        owns(4)
        topic.grow(8)
        owns(8)
        source.connect({}, {})
        owns(8)
    finally:
        source.close()
