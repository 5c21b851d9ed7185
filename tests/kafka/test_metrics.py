"""What a node on a real broker tells of propagation: by topic, from the time that each event carries."""

from __future__ import annotations

import time
from collections.abc import Callable

import confluent_kafka as ck
import pytest

from tests.harness import Server, wait_until
from tests.harness.kafka import Broker
from tests.harness.kafka_node import ZONE, event, foundation, settings
from tests.harness.kafka_topics import COMPACTED, DEADLINE_S, Topic

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


def test_propagation_by_topic(broker: Broker, client: str, serve: Callable[..., Server]) -> None:
    """A first fill is not counted; an event of ten minutes ago is as old as it is, one of the future is skew."""
    topic = Topic(broker, partitions=2, config=COMPACTED)
    topic.produce(foundation(partitions=2))
    server = serve(**settings(topic, client))

    def figure(name: str, **labels: str) -> float:
        inside = ",".join(f'{key}="{value}"' for key, value in {"source": topic.name, **labels}.items())
        return server.metrics()[f"streamdns_propagation_{name}{{{inside}}}"]

    assert figure("committed_seconds_count") == 0
    now_ms = int(time.time() * 1000)
    old, new = event(f"old.{ZONE}", "A", ["192.0.2.1"]), event(f"new.{ZONE}", "A", ["192.0.2.1"], 1)
    producer = ck.Producer({"bootstrap.servers": broker.address()})
    for each, timestamp in ((old, now_ms - 600_000), (new, now_ms + 600_000)):
        producer.produce(topic.name, each.value, each.key, partition=each.partition, timestamp=timestamp)
    assert producer.flush(DEADLINE_S) == 0
    wait_until(lambda: figure("skewed_total") == 1, "the event of the future", timeout_s=DEADLINE_S)
    wait_until(lambda: figure("committed_seconds_count") == 1, "the old event", timeout_s=DEADLINE_S)
    assert (figure("committed_seconds_bucket", le="300.0"), figure("committed_seconds_bucket", le="3600.0")) == (0, 1)
    assert server.answers(f"old.{ZONE}") == ["192.0.2.1"]
    assert figure("answered_seconds_count") == 1
