"""Asking a cluster that is not there, without a broker."""

from __future__ import annotations

import os

import gevent
import pytest

from streamdns.errors import SourceError
from streamdns.sources.kafka.cluster import Cluster, _id
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
