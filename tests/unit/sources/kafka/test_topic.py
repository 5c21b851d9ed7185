"""What the settings of a topic mean, and which client they allow."""

from __future__ import annotations

from typing import Any

import pytest

from streamdns.errors import SourceError
from streamdns.sources.kafka.config import KafkaConfig
from streamdns.sources.kafka.source import choose_client
from streamdns.sources.kafka.topic import Topic, check, keeps_deletes_s

GOOD = {"cleanup.policy": "compact", "delete.retention.ms": "1209600000", "max.message.bytes": "1048588",
        "retention.ms": "604800000"}


def topic(partitions: int = 3, replicas: int = 3) -> Topic:
    return Topic("zones", 0, "id", dict.fromkeys(range(partitions), replicas))


def findings(changes: dict[str, str], *, partitions: int = 3, replicas: int = 3) -> tuple[list[str], list[str]]:
    return check(topic(partitions, replicas), GOOD | changes, fetch_max_bytes=16 << 20)


def test_a_good_topic_gives_nothing_to_say() -> None:
    assert findings({}) == ([], [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"delete.retention.ms": "86400000"}, "24 h"), ({"max.message.bytes": "99999999"}, "99999999"),
     ({"cleanup.policy": "delete", "retention.ms": "-1"}, "without compact")],
)
def test_a_warning(changes: dict[str, str], words: str) -> None:
    (warning,), refusals = findings(changes)
    assert words in warning
    assert not refusals


def test_partitions_and_replicas() -> None:
    assert "65 partitions" in findings({}, partitions=65)[0][0]
    assert "factor of 1" in findings({}, replicas=1)[0][0]


@pytest.mark.parametrize("policy", ["delete", "compact,delete", "delete, compact"])
def test_names_that_would_be_lost(policy: str) -> None:
    (refusal,) = findings({"cleanup.policy": policy})[1]
    assert "retention.ms is 604800000" in refusal
    (refusal,) = findings({"cleanup.policy": policy, "retention.ms": "-1", "retention.bytes": "5"})[1]
    assert "retention.bytes is 5" in refusal
    assert not findings({"cleanup.policy": policy, "retention.ms": "-1", "retention.bytes": "-1"})[1]


def config(**more: Any) -> KafkaConfig:
    return KafkaConfig(**{"addresses": ("k:9092",), "topics": ("zones",)} | more)


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"mechanism": "PLAIN"}, "SASL"), ({"addresses": ("kafka.example:9092", "[2001:db8::1]:9092")}, "IPv6")],
)
def test_pykafka_is_not_taken_where_it_cannot(more: dict[str, Any], reason: str) -> None:
    client, why = choose_client(config(**more))
    assert client == "confluent"
    assert reason in why
    with pytest.raises(SourceError, match="unset DNS_KAFKA_CLIENT"):
        choose_client(config(client="pykafka", **more))


def test_pykafka_is_taken_where_it_can_and_confluent_where_it_must() -> None:
    assert choose_client(config()) == ("pykafka", "")
    assert choose_client(config(client="pykafka")) == ("pykafka", "")
    assert choose_client(config(client="confluent"))[0] == "confluent"


@pytest.mark.parametrize(
    ("topics", "kept_s"),
    [
        ([GOOD], 1_209_600.0),
        ([GOOD, GOOD | {"delete.retention.ms": "1500"}], 1.5),
        ([GOOD, None], 86_400.0),
        ([{}], 86_400.0),
        ([GOOD | {"delete.retention.ms": "no number"}], 86_400.0),
        ([GOOD | {"cleanup.policy": "compact,delete", "delete.retention.ms": "0"}], 0.0),
        ([GOOD | {"cleanup.policy": "delete", "delete.retention.ms": "5"}, GOOD], 1_209_600.0),
        ([GOOD | {"cleanup.policy": "delete"}], None),
    ],
)
def test_how_long_deletes_are_kept(topics: list[dict[str, str] | None], kept_s: float | None) -> None:
    """The shortest time of all compacted topics, Kafka's default where it is not shown, for ever without compaction."""
    assert keeps_deletes_s(topics) == kept_s
