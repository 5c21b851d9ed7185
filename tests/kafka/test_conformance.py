"""The conformance set through Kafka: the same answers and the same digest, however the topic is partitioned."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tests.harness import Server, conformance, wait_until
from tests.harness.kafka import Broker
from tests.harness.kafka_node import ends, is_at, settings
from tests.harness.kafka_topics import DEADLINE_S, Event, Topic

pytestmark = [pytest.mark.kafka, pytest.mark.conformance, pytest.mark.timeout(300)]
#: What two nodes that hold the same data say about it.
SAME = ("digest", "zones", "rrsets", "records", "nodes", "quarantine", "conflicts")


class Published(NamedTuple):
    """A topic with the whole set, and where it ends."""

    topic: Topic
    ends: dict[int, int]


def contents(server: Server) -> dict[str, Any]:
    status = server.status()
    return {name: status[name] for name in SAME}


@pytest.fixture(scope="module")
def by_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What a server says that has the set from the file log."""
    server = Server(tmp_path_factory.mktemp("file"))
    conformance.feed(server)
    with server:
        server.wait_applied(timeout_s=DEADLINE_S)
        yield contents(server)
        assert server.stop() == 0


@pytest.fixture(scope="module", params=[1, 4, 12], ids=lambda count: f"{count} partitions")
def published(request: pytest.FixtureRequest, broker: Broker) -> Published:
    """The set in a topic: where a key goes is chosen as Java's clients do; a third had been deleted before."""
    topic = Topic(broker, partitions=request.param)
    encoded = [(key.encode(), json.dumps(value).encode()) for key, value in conformance.events()]
    written = [Event(key, None, -1) for key, _ in encoded[::3]] + [Event(key, value, -1) for key, value in encoded]
    topic.produce(written, partitioner="murmur2_random")
    homes = defaultdict(set)
    for each in topic.read():
        homes[each.key].add(each.partition)
    assert len(homes) == len(encoded)
    assert {len(partitions) for partitions in homes.values()} == {1}, "a key has one partition"
    assert {number for partitions in homes.values() for number in partitions} == set(range(request.param))
    return Published(topic, ends(topic))


def test_every_answer_and_every_packet(
    published: Published, client: str, by_file: dict[str, Any], serve: Callable[..., Server]
) -> None:
    """check.py finds no difference, and the data is what the file log gives, bit for bit."""
    server = serve(**settings(published.topic, client))
    wait_until(lambda: is_at(server, published.ends), f"positions {published.ends}", timeout_s=DEADLINE_S)
    assert server.status()["consumer"]["details"]["client"] == client
    assert contents(server) == by_file
    conformance.check(server)
