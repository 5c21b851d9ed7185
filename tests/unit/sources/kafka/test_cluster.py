"""Asking a cluster that is not there, without a broker."""

from __future__ import annotations

import os

import confluent_kafka
import gevent
import pytest
from confluent_kafka.admin import ListOffsetsResultInfo

from streamdns.errors import SourceError
from streamdns.sources.kafka.cluster import Cluster, _id, _offset
from streamdns.sources.kafka.config import KafkaConfig
from tests.harness import free_port, wait_until

TURNS = 10
#: What other parts of the tests' process may open meanwhile.
SOME = 4


class Id:
    """A topic's id as librdkafka writes it."""

    def __str__(self) -> str:
        return "ab+/cdefghijklmnopqrst"


def held() -> tuple[int, int]:
    """Descriptors and threads of this process."""
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def test_ids_are_those_that_views_have_stored() -> None:
    """Kafka writes ids in the URL's base64: another spelling would be another log, and every view would be rebuilt."""
    assert _id(Id()) == "ab-_cdefghijklmnopqrst"  # type: ignore[arg-type]


@pytest.mark.parametrize("told", [-1001, -1000, -2, -1])
def test_what_is_no_offset_is_not_taken_for_the_end_of_the_log(told: int) -> None:
    """Else a leader that has just come up, and does not know, would have every view rebuilt."""
    part = confluent_kafka.TopicPartition("zones", 3)
    assert _offset(part, ListOffsetsResultInfo(0, -1, 5)) == 0
    with pytest.raises(SourceError, match="topic zones, partition 3: its leader does not say where it begins or ends"):
        _offset(part, ListOffsetsResultInfo(told, -1, -1))


def test_errors_that_somebody_keeps_hold_nothing() -> None:
    """An error has a traceback: what it reaches is closed all the same, threads and descriptors of librdkafka's."""
    config = KafkaConfig(addresses=(f"127.0.0.1:{free_port()}",), topics=("zones",))
    kept: list[SourceError] = []

    def ask() -> None:
        cluster = Cluster(config)
        try:
            with pytest.raises(SourceError, match="connection refused") as caught:
                cluster.look()
            kept.append(caught.value)
        finally:
            cluster.close()

    ask()  # What is loaded once is no leak.
    before = held()
    for _ in range(TURNS):
        ask()

    def given_back() -> bool:
        gevent.sleep(0)  # Pools of gevent's end in the event loop.
        return all(now <= was + SOME for now, was in zip(held(), before, strict=True))

    wait_until(given_back, f"nothing is held, before: {before}")
    assert len(kept) == TURNS + 1
