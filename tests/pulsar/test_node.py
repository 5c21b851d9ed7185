"""A whole node on a real Pulsar: what it answers is an independent fold of the log, whatever happened.

While something happens the node is asked for names that exist, all the time: each answer must have an address.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable

import pytest

from tests.harness import Server, wait_until
from tests.harness.kafka_topics import DEADLINE_S
from tests.harness.node import (
    ZONE,
    Prober,
    applied,
    changes,
    check,
    check_between,
    event,
    expected,
    foundation,
    is_at,
    observed,
    state,
)
from tests.harness.pulsar import Broker
from tests.harness.pulsar_topics import Topic

pytestmark = [pytest.mark.pulsar, pytest.mark.timeout(600)]
NODE_KILLS = 30


def filled(broker: Broker, *, partitions: int, namespace: str = "public/default") -> Topic:
    topic = Topic(broker, partitions=partitions, namespace=namespace)
    topic.produce([*foundation(partitions=partitions), *changes(500, partitions=partitions, seed=1)])
    return topic


def digest(server: Server) -> int:
    return int(server.status()["digest"], 16)


def arrives(server: Server, topic: Topic, *, partition: int) -> None:
    """A new name is written now, and answered."""
    name = f"marker-{uuid.uuid4().hex[:8]}.{ZONE}"
    topic.produce([event(name, "A", ["192.0.2.9"], partition)])
    wait_until(lambda: server.answers(name), f"{name} is answered", timeout_s=DEADLINE_S)


def test_a_node_that_is_killed_over_and_over(broker: Broker, serve: Callable[..., Server]) -> None:
    """SIGKILL at random moments under a steady stream: each time nothing lost and nothing twice; answers at once."""
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    topic = filled(broker, partitions=4)
    server = serve(**topic.settings())
    check(server, topic)
    with observed(server, topic, per_second=400, seed=seed, restarts=True):
        for turn in range(NODE_KILLS):
            if turn % 3:
                wait_until(lambda: applied(server) > 0, "it reads on", timeout_s=DEADLINE_S)
            time.sleep(chance.random() * 0.4)
            server.kill()
            # Every third one is killed again while it starts.
            server.start(wait=bool(turn % 3))
            if turn % 9 == 1:
                check_between(server, topic)


def test_a_node_that_is_killed_in_its_first_fill(broker: Broker, serve: Callable[..., Server]) -> None:
    """SIGKILL before the view is complete: the fill goes on, and comes to what the log says."""
    topic = filled(broker, partitions=2)
    server = serve(start=False, **topic.settings())
    for turn in range(3):
        topic.produce(changes(2000, partitions=2, seed=turn))
        server.start(wait=False)
        wait_until(lambda: applied(server) > 0, "something is applied", timeout_s=DEADLINE_S, interval_s=0.001)
        server.kill()
    server.start()
    last = topic.ends()
    wait_until(lambda: is_at(server, last), "it has all", timeout_s=DEADLINE_S)
    assert digest(server) == expected(topic)[0].digest


def test_a_broker_that_is_killed_under_a_node(broker: Broker, serve: Callable[..., Server]) -> None:
    """kill -9 of the broker under 2,000 events a second: answers go on, and nothing is lost or comes twice."""
    topic = filled(broker, partitions=4)
    server = serve(**topic.settings())
    check(server, topic)
    with observed(server, topic, per_second=2000, seed=7):
        try:
            broker.kill()
            wait_until(lambda: state(server) == "reconnecting", "it says that it reconnects")
        finally:
            broker.start()
        arrives(server, topic, partition=3)
    assert not server.status()["consumer"]["alarm"]


def test_partitions_that_are_added_are_answered(broker: Broker, serve: Callable[..., Server]) -> None:
    topic = filled(broker, partitions=2)
    server = serve(**topic.settings())
    with observed(server, topic, seed=4):
        topic.grow(4)
        topic.produce(changes(400, partitions=4, seed=2))
        arrives(server, topic, partition=3)
    assert set(server.positions()) == set(range(4))


@pytest.mark.parametrize("down", [False, True], ids=["running", "down"])
def test_another_topic_in_its_place_is_read_anew(broker: Broker, serve: Callable[..., Server], down: bool) -> None:
    """Deleted and made again while the node runs or is down: the view is rebuilt beside, answers go on until then."""
    topic = filled(broker, partitions=2)
    topic.produce([event(f"old.{ZONE}", "A", ["192.0.2.1"])])
    server = serve(**topic.settings(), DNS_SWAP_GUARD="off")
    check(server, topic)
    with Prober(server, restarts=down):
        if down:
            server.kill()
        topic.delete()
        topic.make()
        topic.produce([*foundation(partitions=2), *changes(100, partitions=2, seed=100)])
        if down:
            server.start()
        wait_until(lambda: server.answers(f"old.{ZONE}") == [], "the new log's view", timeout_s=DEADLINE_S)
        check(server, topic)
    assert "replaced" in server.status()["consumer"]["alarm"]["reason"]


def test_a_log_that_is_cut_while_the_node_is_down(broker: Broker, serve: Callable[..., Server]) -> None:
    """Without retention the log loses what was not read: found, and made anew from what compaction kept."""
    topic = filled(broker, partitions=2, namespace=broker.namespace("gone", retention=(0, 0)))
    topic.produce([event(f"old.{ZONE}", "A", ["192.0.2.1"])])
    server = serve(**topic.settings(), DNS_SWAP_GUARD="off")
    check(server, topic)
    with Prober(server, restarts=True):
        server.kill()
        topic.produce([event(f"old.{ZONE}", "A", None), *changes(300, partitions=2, seed=2)])
        wanted = expected(topic)[0].digest
        topic.compact()
        topic.unload()
        topic.trim()
        server.start()
        wait_until(lambda: server.answers(f"old.{ZONE}") == [], "what is left of the log", timeout_s=DEADLINE_S)
        wait_until(lambda: digest(server) == wanted, "the digest of the whole log", timeout_s=DEADLINE_S)
    assert "was cut" in server.status()["consumer"]["alarm"]["reason"]


def test_a_compaction_while_the_log_is_read_for_the_first_time(broker: Broker, serve: Callable[..., Server]) -> None:
    """A compaction that ends meanwhile hides deletes from who reads the compacted form: the digest is right anyway."""
    topic = filled(broker, partitions=2)
    topic.produce(changes(20_000, partitions=2, seed=3))
    topic.compact()
    for turn in range(2):
        topic.produce(changes(3000, partitions=2, seed=10 + turn))
        server = serve(start=False, **topic.settings())
        server.start(wait=False)
        topic.compact()
        last = topic.ends()
        wait_until(lambda at=last, of=server: is_at(of, at), "all is read", timeout_s=DEADLINE_S)
        assert digest(server) == expected(topic)[0].digest
        assert server.stop() == 0


def test_deletes_that_were_compacted_away_while_the_node_was_down(
    broker: Broker, serve: Callable[..., Server]
) -> None:
    """Gone from the answers after the resume, though the compacted topic does not show that they were there."""
    topic = filled(broker, partitions=2)
    names = [f"short{number}.{ZONE}" for number in range(20)]
    topic.produce([event(name, "A", ["192.0.2.5"], number % 2) for number, name in enumerate(names)])
    server = serve(**topic.settings())
    check(server, topic)
    assert all(server.answers(name) for name in names)
    server.kill()
    topic.produce([event(name, "A", None, number % 2) for number, name in enumerate(names)])
    topic.compact()
    server.start()
    check(server, topic)
    assert not any(server.answers(name) for name in names)
    assert not server.status()["consumer"]["alarm"]
