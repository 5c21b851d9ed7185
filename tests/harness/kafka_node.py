"""A whole node on Kafka: its settings, and all of node.py."""

from __future__ import annotations

from tests.harness.kafka_topics import Topic
from tests.harness.node import (
    MOVING,
    RESUMED_S,
    STAYING,
    ZONE,
    Feeder,
    Prober,
    Resumption,
    applied,
    changes,
    check,
    check_between,
    ends,
    event,
    ever_applied,
    expected,
    foundation,
    is_at,
    observed,
    soa,
    state,
)

__all__ = [
    "MOVING", "RESUMED_S", "STAYING", "ZONE", "Feeder", "Prober", "Resumption", "applied", "changes", "check",
    "check_between", "ends", "event", "ever_applied", "expected", "foundation", "is_at", "observed", "settings", "soa",
    "state",
]


def settings(topic: Topic, client: str) -> dict[str, str]:
    return {"DNS_SOURCE": "kafka", "DNS_KAFKA_ADDRESS": topic.broker.address(), "DNS_KAFKA_TOPICS": topic.name,
            "DNS_KAFKA_CLIENT": client, "DNS_KAFKA_CHECK_INTERVAL": "1"}
