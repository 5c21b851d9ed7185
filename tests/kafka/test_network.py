"""Connections that stand while nothing comes through any more: packets are dropped, and nobody is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.harness import Server, wait_until
from tests.harness.kafka import VERSIONS, Broker, missing
from tests.harness.kafka_network import TwoWays, missing_network
from tests.harness.kafka_node import (
    ZONE,
    Prober,
    Resumption,
    applied,
    changes,
    check,
    event,
    foundation,
    observed,
    settings,
    state,
)
from tests.harness.kafka_topics import COMPACTED, DEADLINE_S, Topic

pytestmark = [pytest.mark.kafka, pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(300)]
#: After so long the node says that it reconnects; what is promised is 18 s, machines of tests are slow.
SAID_S = 40.0
#: The clients that read from each of the versions.
READERS = ((VERSIONS[0], "pykafka"), (VERSIONS[0], "confluent"), (VERSIONS[1], "confluent"))


class Beyond(NamedTuple):
    """A broker with two ways to it, and the client that reads from it."""

    ways: TwoWays
    broker: Broker
    client: str


@pytest.fixture(scope="module", params=READERS, ids="-".join)
def beyond(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beyond]:
    """Tests read by the far way and write by the near one."""
    reason = missing() or missing_network()
    if reason:
        pytest.skip(reason)
    version, client = request.param
    with TwoWays() as ways, ways.broker(tmp_path_factory.mktemp("far"), version) as running:
        yield Beyond(ways, running, client)


def test_packets_that_are_dropped(beyond: Beyond, serve: Callable[..., Server]) -> None:
    """For a moment, then until the node has noticed, then while it is started with a view: it goes on each time."""
    client = beyond.client
    topic = Topic(beyond.broker, partitions=4)
    topic.produce([*foundation(partitions=4), *changes(500, partitions=4, seed=1)])
    given = settings(topic, client) | {"DNS_KAFKA_ADDRESS": beyond.broker.address("FAR")}
    del given["DNS_KAFKA_CHECK_INTERVAL"]  # As long as it is usually.
    server = serve(**given)
    check(server, topic)
    resumption = Resumption(topic, server)
    with observed(server, topic, seed=5):
        _cut(beyond.ways, resumption, f"a moment without packets, {client}", lambda: True, least_s=3)
        _cut(beyond.ways, resumption, f"dropped packets, {client}", lambda: state(server) == "reconnecting", least_s=25)
    with observed(server, topic, seed=6, restarts=True):
        server.kill()
        beyond.ways.drop()
        try:
            server.start()
            wait_until(lambda: state(server) == "reconnecting", "reconnecting", timeout_s=SAID_S)
            assert not applied(server)
        finally:
            beyond.ways.pass_on()
        resumption.measure(f"a start without packets, {client}", partition=3)
    assert not server.status()["consumer"]["alarm"]


def test_an_address_that_says_nothing(beyond: Beyond, serve: Callable[..., Server]) -> None:
    """The first of two addresses is of a machine that is off: the other one is enough."""
    topic = Topic(beyond.broker, partitions=4)
    topic.produce([*foundation(partitions=4), *changes(500, partitions=4, seed=1)])
    both = f"{beyond.broker.address('FAR')},{beyond.broker.address('PLAIN')}"
    beyond.ways.drop()
    try:
        server = serve(**settings(topic, beyond.client) | {"DNS_KAFKA_ADDRESS": both})
        check(server, topic)
        topic.produce(changes(500, partitions=4, seed=2))
        check(server, topic)
        assert server.metrics()["streamdns_consumer_reconnects_total"] == 0
    finally:
        beyond.ways.pass_on()


def test_a_log_that_is_cut_during_an_outage(beyond: Beyond, serve: Callable[..., Server]) -> None:
    """The node runs on without its broker, and retention takes away what it has not read: rebuilt, and it says so."""
    config = COMPACTED | {"cleanup.policy": "compact,delete", "retention.ms": "-1"}
    topic = Topic(beyond.broker, partitions=2, config=config)
    old = event(f"old.{ZONE}", "A", ["192.0.2.1"])
    topic.produce([*foundation(partitions=2), *changes(300, partitions=2, seed=1), old])
    far = {"DNS_KAFKA_ADDRESS": beyond.broker.address("FAR"), "DNS_SWAP_GUARD": "off"}
    server = serve(**settings(topic, beyond.client) | far)
    check(server, topic)
    before = server.positions()
    with Prober(server):
        beyond.ways.drop()
        try:
            wait_until(lambda: state(server) == "reconnecting", "it says that it reconnects", timeout_s=SAID_S)
            topic.produce(changes(300, partitions=2, seed=2))
            topic.cut({number: at + 50 for number, at in before.items()})
            topic.produce(foundation(partitions=2))
            assert server.answers(f"old.{ZONE}") == ["192.0.2.1"]
        finally:
            beyond.ways.pass_on()
        wait_until(lambda: server.answers(f"old.{ZONE}") == [], "what is left of the log", timeout_s=DEADLINE_S)
        check(server, topic)
    assert "was cut" in server.status()["consumer"]["alarm"]["reason"]


def _cut(ways: TwoWays, resumption: Resumption, what: str, noticed: Callable[[], bool], *, least_s: float) -> None:
    """Drop packets for so long at least, and until it was noticed; then measure how soon the node goes on."""
    began = time.monotonic()
    ways.drop()
    try:
        wait_until(noticed, f"noticed: {what}", timeout_s=SAID_S)
        print(f"{what}: noticed after {time.monotonic() - began:.1f} s")
        wait_until(lambda: time.monotonic() - began > least_s, "so long", timeout_s=DEADLINE_S)
    finally:
        ways.pass_on()
    resumption.measure(what, partition=3)
