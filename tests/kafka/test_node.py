"""A whole node on a real broker: what it answers is an independent fold of the log, whatever happened.

While something happens the node is asked for names that exist, all the time: each answer must have an address.
"""

from __future__ import annotations

import pathlib
import random
import time
from collections.abc import Callable, Mapping

import pytest

from tests.harness import Server, wait_until
from tests.harness.kafka import VERSIONS, Broker, missing
from tests.harness.kafka_node import (
    ZONE,
    Prober,
    Resumption,
    applied,
    changes,
    check,
    check_between,
    event,
    foundation,
    observed,
    settings,
    state,
)
from tests.harness.kafka_topics import COMPACTED, DEADLINE_S, Topic

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
#: With each client of each broker; those that are not at once followed by another one are 30.
NODE_KILLS = 15
#: How long the broker is away each time; together ten, two of them long.
AWAY_S = {("3.9.2", "pykafka"): (3, 3, 15, 3), ("3.9.2", "confluent"): (3, 3), ("4.4.0", "confluent"): (3, 15, 3, 3)}


def filled(broker: Broker, *, partitions: int, config: Mapping[str, str] = COMPACTED) -> Topic:
    topic = Topic(broker, partitions=partitions, config=config)
    topic.produce([*foundation(partitions=partitions), *changes(500, partitions=partitions, seed=1)])
    return topic


def test_a_node_that_is_killed_while_it_catches_up(broker: Broker, client: str, serve: Callable[..., Server]) -> None:
    """SIGKILL before the view is complete, over and over: nothing lost, nothing twice."""
    topic = filled(broker, partitions=4)
    server = serve(start=False, **settings(topic, client))
    for turn in range(5):
        topic.produce(changes(2000, partitions=4, seed=turn))
        server.start(wait=False)
        wait_until(lambda: applied(server) > 0, "something is applied", timeout_s=DEADLINE_S, interval_s=0.001)
        server.kill()
    server.start()
    check(server, topic)
    source = server.status()["consumer"]["source"]
    assert client in source
    assert topic.name in source


@pytest.mark.slow
def test_a_node_that_is_killed_over_and_over(broker: Broker, client: str, serve: Callable[..., Server]) -> None:
    """SIGKILL at random moments under a steady stream: each time nothing lost and nothing twice; answers at once."""
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    topic = filled(broker, partitions=4)
    server = serve(**settings(topic, client))
    with observed(server, topic, per_second=400, seed=seed, restarts=True):
        for turn in range(NODE_KILLS):
            if turn % 3:
                wait_until(lambda: applied(server) > 0, "it reads on", timeout_s=DEADLINE_S)
            time.sleep(chance.random() * 0.8)
            server.kill()
            # Every third one is killed again while it starts.
            server.start(wait=bool(turn % 3))
            if turn % 3:
                check_between(server, topic)


@pytest.mark.slow
def test_a_broker_that_is_killed_under_a_node(broker: Broker, client: str, serve: Callable[..., Server]) -> None:
    """kill -9 of the broker, away for 3 s and for 15 s: answers go on, and so does the node within seconds."""
    topic = filled(broker, partitions=4)
    server = serve(**settings(topic, client))
    check(server, topic)
    open_before = descriptors(server)
    resumption = Resumption(topic, server)
    with observed(server, topic, seed=7):
        for away_s in AWAY_S[broker.version, client]:
            try:
                broker.kill()
                back_s = time.monotonic() + away_s
                wait_until(lambda: state(server) == "reconnecting", "it says that it reconnects")
                wait_until(lambda at=back_s: time.monotonic() > at, "the broker was away", timeout_s=DEADLINE_S)
            finally:
                broker.start()
            resumption.measure(f"{away_s} s without Kafka {broker.version}, {client}", partition=3)
            check_between(server, topic)
    assert not server.status()["consumer"]["alarm"]
    wait_until(lambda: descriptors(server) <= open_before + 3, "old connections are closed", timeout_s=DEADLINE_S)


def descriptors(server: Server) -> int:
    assert server.process is not None
    return len(list(pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir()))


def test_partitions_that_are_added_are_answered(broker: Broker, client: str, serve: Callable[..., Server]) -> None:
    topic = filled(broker, partitions=4)
    server = serve(**settings(topic, client))
    with observed(server, topic, seed=4):
        topic.grow(8)
        topic.produce(changes(400, partitions=8, seed=2))
        Resumption(topic, server).measure(f"four more partitions, {client}", partition=7)
    assert set(server.positions()) == set(range(8))


def again(topic: Topic, *, count: int) -> None:
    """The topic anew, with other data and names that exist in both."""
    topic.delete()
    topic.make()
    topic.produce([*foundation(partitions=topic.partitions), *changes(count, partitions=topic.partitions, seed=count)])


@pytest.mark.parametrize("count", [100, 1500], ids=["shorter", "longer"])
@pytest.mark.parametrize("down", [False, True], ids=["running", "down"])
def test_another_topic_in_its_place_is_read_anew(
    broker: Broker, client: str, serve: Callable[..., Server], count: int, down: bool
) -> None:
    """Deleted and made again while the node runs or is down: the view is rebuilt beside, answers go on until then."""
    topic = filled(broker, partitions=2)
    topic.produce([event(f"old.{ZONE}", "A", ["192.0.2.1"])])
    server = serve(**settings(topic, client), DNS_SWAP_GUARD="off")
    check(server, topic)
    with Prober(server, restarts=down):
        if down:
            server.kill()
        again(topic, count=count)
        if down:
            server.start()
        wait_until(lambda: server.answers(f"old.{ZONE}") == [], "the new log's view", timeout_s=DEADLINE_S)
        check(server, topic)
    reason = server.status()["consumer"]["alarm"]["reason"]
    # Who looks between the making and the first event sees a log that is empty.
    assert "another one" in reason or reason.startswith("the log is empty")


def test_a_log_that_is_cut_while_the_node_is_down(broker: Broker, client: str, serve: Callable[..., Server]) -> None:
    """What was deleted may have been news: the view is made anew from what is there, beside the one that answers."""
    topic = filled(broker, partitions=2, config=COMPACTED | {"cleanup.policy": "compact,delete", "retention.ms": "-1"})
    topic.produce([event(f"old.{ZONE}", "A", ["192.0.2.1"])])
    server = serve(**settings(topic, client), DNS_SWAP_GUARD="off")
    check(server, topic)
    before = server.positions()
    with Prober(server, restarts=True):
        server.kill()
        topic.produce(changes(300, partitions=2, seed=2))
        topic.cut({number: at + 50 for number, at in before.items()})
        topic.produce(foundation(partitions=2))
        server.start()
        wait_until(lambda: server.answers(f"old.{ZONE}") == [], "what is left of the log", timeout_s=DEADLINE_S)
        check(server, topic)
    assert "was cut" in server.status()["consumer"]["alarm"]["reason"]


@pytest.mark.slow
def test_a_broker_that_is_upgraded_under_a_node(tmp_path: pathlib.Path, serve: Callable[..., Server]) -> None:
    """auto reads with pykafka, and goes on with confluent-kafka where it was when the new broker has the same port."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    old, new = VERSIONS
    with Broker(tmp_path / "kafka", old) as broker:
        topic = filled(broker, partitions=4)
        server = serve(**settings(topic, "auto"))
        check(server, topic)
        assert server.status()["consumer"]["details"]["client"] == "pykafka"
        with observed(server, topic, seed=9):
            broker.stop()
            wait_until(lambda: state(server) == "reconnecting", "it says that it reconnects")
            broker.version = new
            broker.start()
            Resumption(topic, server).measure(f"an upgrade from {old} to {new}")
        assert server.status()["consumer"]["details"]["client"] == "confluent"
        assert not server.status()["consumer"]["alarm"]
