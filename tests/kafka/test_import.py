"""Imports through four partitions of a topic, while everything is asked for without pause."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness import Server, import_under_load, wait_until
from tests.harness.kafka import Broker
from tests.harness.kafka_node import ends, is_at, settings
from tests.harness.kafka_topics import COMPACTED, DEADLINE_S, Topic

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]


def test_an_import_hides_no_name(
    broker: Broker, client: str, serve: Callable[..., Server], say: Callable[[str], None]
) -> None:
    topic = Topic(broker, partitions=4, config=COMPACTED)
    server = serve(**settings(topic, client))

    def applied() -> None:
        at = ends(topic)
        wait_until(lambda: is_at(server, at), f"positions {at}", timeout_s=DEADLINE_S)

    import_under_load.check(server, applied, say)
