"""A node that was away for longer than the topic keeps deletes, and a view that belongs to another topic."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping

import pytest

from streamdns.errors import SourceError
from streamdns.events.event import encode
from tests.harness import Server, model, wait_until
from tests.harness.kafka import Broker
from tests.harness.kafka_topics import COMPACTED, DEADLINE_S, Event, Topic, read_to_end

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
ZONE = "example.org."
STAYS, GONE = f"stays.{ZONE}", f"gone.{ZONE}"
#: Small segments, cleaned at once.
CLEANED = COMPACTED | {"segment.ms": "1000", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "1000"}


def event(owner: str, contents: list[str] | None, rdtype: str = "A") -> Event:
    records = [{"name": owner, "type": rdtype, "content": content, "ttl": 300} for content in contents or []]
    key, value = encode(owner, rdtype, records)
    return Event(key, None if contents is None else value)


FIRST = [event(ZONE, [f"ns.{ZONE} admin.{ZONE} 1 7200 3600 1209600 300"], "SOA"), event(STAYS, ["192.0.2.1"]),
         event(GONE, ["192.0.2.2"])]


def settings(topic: Topic, client: str) -> dict[str, str]:
    return {"DNS_SOURCE": "kafka", "DNS_KAFKA_ADDRESS": topic.broker.address(), "DNS_KAFKA_TOPICS": topic.name,
            "DNS_KAFKA_CLIENT": client, "DNS_KAFKA_CHECK_INTERVAL": "1"}


def follows(server: Server) -> bool:
    """Whether it has read its log to the end; False also while it cannot say."""
    try:
        return bool(server.status()["consumer"]["state"] == "following")
    except OSError:
        return False


def check(server: Server, topic: Topic) -> None:
    """The view is the fold of what the topic has."""
    expected = model.fold(
        model.Event(each.partition, each.timestamp, None if each.key is None else each.key.decode(),
                    None if each.value is None else each.value.decode()) for each in topic.read()
    )
    wait_until(lambda: follows(server) and int(server.status()["digest"], 16) == expected.digest,
               "the view is what the topic has", timeout_s=DEADLINE_S)


def delete_unseen(topic: Topic) -> None:
    """Delete a name, and have the cleaner take the delete away with all that it deleted."""
    topic.produce([event(GONE, None)])
    key = event(GONE, None).key
    number = 0

    def cleaned() -> bool:
        nonlocal number
        topic.produce([event(f"h{each % 40}.{ZONE}", [f"192.0.2.{number % 256}"]) for each in range(600)], batch=25)
        number += 1
        return all(each.key != key for each in topic.read())

    wait_until(cleaned, "the delete is compacted away", timeout_s=2 * DEADLINE_S, interval_s=0.5)


def test_a_delete_that_was_compacted_away_meanwhile(
    broker: Broker, client: str, serve: Callable[..., Server]
) -> None:
    """Stopped, and started when the topic no longer tells of the delete: alarm, rebuilt beside, the name is gone."""
    topic = Topic(broker, config=CLEANED | {"delete.retention.ms": "1500"})
    topic.produce(FIRST)
    server = serve(**settings(topic, client), DNS_SWAP_GUARD="off")
    assert server.answers(GONE) == ["192.0.2.2"]
    assert server.stop() == 0
    delete_unseen(topic)
    server.start()
    wait_until(lambda: server.answers(GONE) == [], "the name is gone", timeout_s=DEADLINE_S)
    assert server.answers(STAYS) == ["192.0.2.1"]
    check(server, topic)
    status = server.status()
    assert status["consumer"]["alarm"]["reason"].startswith("the log was out of reach or not read to its end for ")
    assert "and keeps deletes for 1.5 s" in status["consumer"]["alarm"]["reason"]
    last = status["view"]["last_rebuild"]
    assert (last["removed"], last["added"]) == (1, 0), "the view that serves was read on meanwhile"
    assert server.metrics()["streamdns_consumer_rebuilds_total"] == 1
    assert "consumer.away_too_long" in server.written()


def test_a_node_that_stood_still_while_it_was_connected(
    broker: Broker, client: str, serve: Callable[..., Server]
) -> None:
    """As a machine that was suspended: its connections may stand, and nothing says that time has passed."""
    topic = Topic(broker, config=CLEANED | {"delete.retention.ms": "1500"})
    topic.produce(FIRST)
    server = serve(**settings(topic, client), DNS_SWAP_GUARD="off")
    assert server.answers(GONE) == ["192.0.2.2"]
    server.signal(signal.SIGSTOP)
    try:
        wait_until(_passed(11.0), "the shortest absence that counts in a process has passed")
        delete_unseen(topic)
    finally:
        server.signal(signal.SIGCONT)
    wait_until(lambda: server.answers(GONE) == [], "the name is gone", timeout_s=DEADLINE_S)
    check(server, topic)
    assert "and keeps deletes for 1.5 s" in server.status()["consumer"]["alarm"]["reason"]


def _passed(seconds: float) -> Callable[[], bool]:
    end_s = time.monotonic() + seconds
    return lambda: time.monotonic() > end_s


@pytest.mark.parametrize("config", [{}, {"delete.retention.ms": "600000"}])
def test_a_short_absence_is_none(
    broker: Broker, client: str, serve: Callable[..., Server], config: Mapping[str, str]
) -> None:
    topic = Topic(broker, config=COMPACTED | dict(config))
    topic.produce(FIRST)
    server = serve(**settings(topic, client))
    wait_until(lambda: server.status()["consumer"]["whole_at"], "it knows as of when it has everything")
    for turn in range(2):
        assert server.stop() == 0
        topic.produce([event(GONE, None), event(f"h{turn}.{ZONE}", ["192.0.2.3"])])
        server.start()
        check(server, topic)
        assert server.answers(GONE) == []
        assert server.status()["consumer"]["alarm"] is None
        assert server.metrics()["streamdns_consumer_rebuilds_total"] == 0


def test_a_view_of_another_topic_is_found_and_rebuilt_beside(
    broker: Broker, client: str, serve: Callable[..., Server]
) -> None:
    """DNS_PATHDB was made from one topic, and DNS_KAFKA_TOPICS names another one now."""
    one, other = Topic(broker), Topic(broker, partitions=2)
    one.produce(FIRST)
    other.produce([*FIRST[:2], event(f"other.{ZONE}", ["192.0.2.4"])])
    server = serve(**settings(one, client), DNS_SWAP_GUARD="off")
    check(server, one)
    assert server.stop() == 0
    server.settings["DNS_KAFKA_TOPICS"] = other.name
    server.start()
    assert server.answers(STAYS) == ["192.0.2.1"]
    wait_until(lambda: server.answers(f"other.{ZONE}") == ["192.0.2.4"], "rebuilt", timeout_s=DEADLINE_S)
    assert server.answers(GONE) == []
    check(server, other)
    status = server.status()
    assert one.name in status["consumer"]["alarm"]["reason"]
    last = status["view"]["last_rebuild"]
    assert (last["added"], last["removed"], last["changed"]) == (1, 1, 0)


def test_as_of_when_everything_was_read(broker: Broker, client: str) -> None:
    """A topic that is written all the time is never at its end, and yet all of it was read as of a while ago."""
    topic = Topic(broker, partitions=2, config=COMPACTED | {"delete.retention.ms": "60000"})
    topic.produce(FIRST)
    source = topic.source(client, check_s=0.2)
    writing = threading.Event()

    def write() -> None:
        while not writing.is_set():
            topic.produce([Event(b"k%d" % each, b"v", each % 2) for each in range(50)])

    writer = threading.Thread(target=write)
    began_s = time.monotonic()
    try:
        source.connect({}, {})
        assert source.retention_s == 60.0
        writer.start()
        whole: list[float] = []
        while len(whole) < 5:
            batch = source.read(max_records=100, timeout_s=0.2)
            whole += [] if batch.whole_s is None else [batch.whole_s]
            assert time.monotonic() - began_s < DEADLINE_S, whole
        assert whole == sorted(set(whole))
        assert began_s <= whole[0]
        assert whole[-1] <= time.monotonic()
    finally:
        writing.set()
        if writer.is_alive():
            writer.join()
        source.close()


def test_a_dead_connection_proves_nothing(broker: Broker, client: str) -> None:
    """Reads find nothing, as at the end of the log; the moment as of which everything is known stays."""
    topic = Topic(broker, config=COMPACTED)
    topic.produce(FIRST)
    source = topic.source(client, check_s=0.2)
    assert broker.process is not None
    try:
        source.connect({}, {})
        read_to_end(source)
        wait_until(lambda: source.read(max_records=9, timeout_s=0.1).whole_s is not None, "the ends are asked for")
        broker.process.send_signal(signal.SIGSTOP)
        stopped_s = time.monotonic()
        silent = []
        try:
            while time.monotonic() - stopped_s < DEADLINE_S:
                silent.append(source.read(max_records=9, timeout_s=0.1))
        except SourceError:
            pass  # In the end it is found out.
        assert any(batch.caught_up for batch in silent)
        assert all(batch.whole_s is None or batch.whole_s <= stopped_s for batch in silent)
    finally:
        broker.process.send_signal(signal.SIGCONT)
        source.close()
