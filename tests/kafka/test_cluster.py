"""A node on a cluster of three brokers: they are killed, leaders move and move back, addresses are dead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import confluent_kafka as ck
import pytest
from confluent_kafka import ElectionType
from confluent_kafka.admin import AdminClient

from tests.harness import Server, free_port, wait_until
from tests.harness.kafka import HOST, VERSIONS, missing
from tests.harness.kafka_cluster import Cluster
from tests.harness.kafka_node import Resumption, changes, check, check_between, foundation, observed, settings
from tests.harness.kafka_topics import DEADLINE_S, Topic

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
BROKERS = 3
PARTITIONS = 6
KILLED = (1, 3)


@pytest.fixture(scope="module", params=VERSIONS)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster; a test that kills a broker starts it again."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    with Cluster(tmp_path_factory.mktemp("cluster"), request.param, brokers=BROKERS) as running:
        yield running


@pytest.fixture(params=["pykafka", "confluent"])
def client(request: pytest.FixtureRequest, cluster: Cluster) -> str:
    """Each client that this cluster can serve."""
    if request.param == "pykafka" and not cluster.version.startswith("3."):
        pytest.skip(f"pykafka does not speak with Kafka {cluster.version}")
    return str(request.param)


@pytest.fixture
def topic(cluster: Cluster) -> Topic:
    """One that outlives two brokers, with something in it."""
    made = Topic(cluster, partitions=PARTITIONS, replicas=BROKERS)
    made.produce([*foundation(partitions=PARTITIONS), *changes(500, partitions=PARTITIONS, seed=1)])
    return made


def of_topic(topic: Topic) -> dict[int, ck.admin.PartitionMetadata]:
    found = AdminClient({"bootstrap.servers": topic.broker.address(), "log_level": 0}).list_topics(topic.name, 10)
    return dict(found.topics[topic.name].partitions)


def led_by(topic: Topic, broker: int) -> list[int]:
    return [number for number, partition in of_topic(topic).items() if partition.leader == broker]


@contextmanager
def without(cluster: Cluster, topic: Topic, *brokers: int) -> Iterator[None]:
    """Brokers are killed; at the end they are there again, and in step."""
    try:
        for broker in brokers:
            cluster.kill(broker)
        yield
    finally:
        cluster.start(*brokers)
        wait_until(lambda: all(len(each.isrs) == BROKERS for each in of_topic(topic).values()), "replicas in step",
                   timeout_s=DEADLINE_S, interval_s=0.2)


def go_home(topic: Topic) -> None:
    """The leaders move back to where they were at first."""
    admin = AdminClient({"bootstrap.servers": topic.broker.address(), "log_level": 0})
    parts = [ck.TopicPartition(topic.name, number) for number in range(PARTITIONS)]
    admin.elect_leaders(ElectionType.PREFERRED, parts).result(DEADLINE_S)


@pytest.mark.slow
def test_leaders_that_move(cluster: Cluster, topic: Topic, client: str, serve: Callable[..., Server]) -> None:
    """kill -9 of one broker and then another, and moves back where no connection is lost: the node goes on soon."""
    server = serve(**settings(topic, client))
    check(server, topic)
    resumption = Resumption(topic, server)
    with observed(server, topic, seed=3):
        for broker in KILLED:
            led = led_by(topic, broker)
            assert led, f"broker {broker} leads nothing"
            with without(cluster, topic, broker):
                wait_until(lambda gone=broker: not led_by(topic, gone), "others lead", timeout_s=DEADLINE_S)
                resumption.measure(f"broker {broker} was killed and others lead, {client}", partition=led[0])
                check_between(server, topic)
            assert not led_by(topic, broker)
            go_home(topic)
            wait_until(lambda back=broker, led=led: led_by(topic, back) == led, "leaders as before")
            resumption.measure(f"its partitions went back to broker {broker}, {client}", partition=led[0])
            check_between(server, topic)
    assert not server.status()["consumer"]["alarm"]


def test_all_addresses_but_one_are_dead(
    cluster: Cluster, topic: Topic, client: str, serve: Callable[..., Server]
) -> None:
    """At start: brokers that are gone, an address where nobody ever was, one that lives; then the others come back."""
    given = settings(topic, client)
    given["DNS_KAFKA_ADDRESS"] = f"{HOST}:{free_port()},{given['DNS_KAFKA_ADDRESS']}"
    with without(cluster, topic, 1, 2):
        wait_until(lambda: len(led_by(topic, 3)) == PARTITIONS, "one leads all", timeout_s=DEADLINE_S)
        server = serve(**given)
        topic.produce(changes(200, partitions=PARTITIONS, seed=2))
        check(server, topic)
    go_home(topic)
    wait_until(lambda: led_by(topic, 1), "others lead again")
    topic.produce(changes(200, partitions=PARTITIONS, seed=3))
    check(server, topic)
