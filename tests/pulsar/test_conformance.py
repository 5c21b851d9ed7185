"""The conformance set through Pulsar: the same answers and the same digest as from the file log."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.harness import Server, conformance, wait_until
from tests.harness.kafka_topics import DEADLINE_S, Event
from tests.harness.node import is_at
from tests.harness.pulsar import Broker
from tests.harness.pulsar_topics import Topic

pytestmark = [pytest.mark.pulsar, pytest.mark.conformance, pytest.mark.timeout(300)]
SAME = ("digest", "zones", "rrsets", "records", "nodes", "quarantine", "conflicts")


def test_every_answer_and_every_packet(broker: Broker, serve: Callable[..., Server]) -> None:
    """check.py finds no difference, and the data are bit for bit those of the file log; a third was deleted before."""
    by_file = serve(start=False)
    conformance.feed(by_file)
    topic = Topic(broker, partitions=4)
    encoded = [(key.encode(), json.dumps(value).encode()) for key, value in conformance.events()]
    topic.produce([Event(key, None, -1) for key, _ in encoded[::3]])
    topic.produce([Event(key, value, -1) for key, value in encoded], batch=1000)
    last = topic.ends()
    server = serve(**topic.settings())
    wait_until(lambda: is_at(server, last), f"positions {last}", timeout_s=DEADLINE_S)
    by_file.start()
    by_file.wait_applied(timeout_s=DEADLINE_S)
    expected = {name: by_file.status()[name] for name in SAME}
    assert {name: server.status()[name] for name in SAME} == expected
    conformance.check(server)
