"""A whole node on a real broker: what it answers is an independent fold of the log, whatever happened."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from streamdns.events.event import encode
from tests.harness import Server, wait_until
from tests.harness import model as oracle
from tests.harness.kafka import Broker
from tests.harness.kafka_topics import DEADLINE_S, Event, Topic, read_to_end

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
ZONE = "example.org."


def event(owner: str, rdtype: str, contents: list[str] | None, partition: int = 0) -> Event:
    records = [{"name": owner, "type": rdtype, "content": content, "ttl": 300} for content in contents or []]
    key, value = encode(owner, rdtype, records)
    return Event(key, None if contents is None else value, partition)


def soa() -> Event:
    return event(ZONE, "SOA", [f"ns.{ZONE} admin.{ZONE} 1 7200 3600 1209600 300"])


def changes(count: int, *, partitions: int, seed: int) -> list[Event]:
    """Names that come, change and go; each in a partition of its own."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        number = chance.randrange(200)
        contents = None if chance.random() < 0.2 else [f"192.0.2.{chance.randrange(256)}"]
        made.append(event(f"h{number}.{ZONE}", "A", contents, number % partitions))
    return made


def settings(topic: Topic, client: str) -> dict[str, str]:
    return {"DNS_KAFKA_ADDRESS": topic.broker.address(), "DNS_KAFKA_TOPICS": topic.name, "DNS_KAFKA_CLIENT": client,
            "DNS_KAFKA_CHECK_INTERVAL": "1"}


def expected(topic: Topic) -> oracle.Expected:
    return oracle.fold(
        oracle.Event(each.partition, each.timestamp, None if each.key is None else each.key.decode(),
                     None if each.value is None else each.value.decode()) for each in topic.read()
    )


def applied(server: Server) -> float:
    """Events applied by this process; 0 as long as it cannot say."""
    try:
        return server.metrics()["streamdns_consumer_applied_total"]
    except OSError:
        return 0


def wait_applied(server: Server, topic: Topic) -> None:
    """Until the node is at the end of every partition."""
    source = topic.source("confluent")
    try:
        source.connect({}, {})
        read_to_end(source)
        ends = {number: end for (_, number), end in source.ends().items() if end}
    finally:
        source.close()
    wait_until(lambda: server.is_ready() and server.positions() == ends, f"positions {ends}", timeout_s=DEADLINE_S)


def check(server: Server, topic: Topic) -> None:
    """The digest and every answer are those of the fold."""
    wait_applied(server, topic)
    fold = expected(topic)
    assert int(server.status()["digest"], 16) == fold.digest
    for number in range(0, 200, 7):
        data = fold.served.get((oracle.wire_name(f"h{number}.{ZONE}"), "A"))
        found = server.answers(f"h{number}.{ZONE}")
        assert found == ([] if data is None else sorted(".".join(map(str, rdata)) for rdata in data.rdatas))


def test_a_node_that_is_killed_reads_on(broker: Broker, client: str, serve: Callable[..., Server]) -> None:
    """SIGKILL in the middle of catching up, over and over: nothing lost, nothing twice."""
    topic = Topic(broker, partitions=4)
    topic.produce([soa()])
    server = serve(start=False, **settings(topic, client))
    for turn in range(5):
        topic.produce(changes(2000, partitions=4, seed=turn))
        server.start(wait=False)
        wait_until(lambda: applied(server) > 0, "something is applied", timeout_s=DEADLINE_S, interval_s=0.001)
        server.kill()
    server.start()
    check(server, topic)
    assert applied(server) < 10_001, "it did not begin anew"
    source = server.status()["consumer"]["source"]
    assert client in source
    assert topic.name in source


@pytest.mark.slow
def test_answers_go_on_while_the_broker_is_away(broker: Broker, client: str, serve: Callable[..., Server]) -> None:
    topic = Topic(broker, partitions=2)
    topic.produce([soa(), event(f"stays.{ZONE}", "A", ["192.0.2.1"]), *changes(500, partitions=2, seed=1)])
    server = serve(**settings(topic, client))
    check(server, topic)
    try:
        broker.kill()
        wait_until(lambda: server.status()["consumer"]["state"] == "reconnecting", "reconnecting")
        assert server.answers(f"stays.{ZONE}") == ["192.0.2.1"]
    finally:
        broker.start()
    topic.produce(changes(500, partitions=2, seed=2))
    check(server, topic)


def test_another_topic_in_its_place_is_read_anew(broker: Broker, client: str, serve: Callable[..., Server]) -> None:
    """Deleted and made again while the node runs: the view is rebuilt beside, and answers go on until then."""
    topic = Topic(broker)
    topic.produce([soa(), event(f"old.{ZONE}", "A", ["192.0.2.1"]), *changes(300, partitions=1, seed=1)])
    server = serve(**settings(topic, client))
    check(server, topic)
    topic.delete()
    topic.make()
    assert server.answers(f"old.{ZONE}") == ["192.0.2.1"]
    topic.produce([soa(), *changes(600, partitions=1, seed=2)])
    wait_until(lambda: server.answers(f"old.{ZONE}") == [], "the new log's view", timeout_s=DEADLINE_S)
    check(server, topic)
    assert "another one" in server.status()["consumer"]["alarm"]["reason"]


def test_partitions_that_are_added_are_answered(broker: Broker, client: str, serve: Callable[..., Server]) -> None:
    topic = Topic(broker, partitions=4)
    topic.produce([soa(), *changes(200, partitions=4, seed=1)])
    server = serve(**settings(topic, client))
    check(server, topic)
    topic.grow(8)
    topic.produce(changes(400, partitions=8, seed=2))
    check(server, topic)
