"""Runs a Pulsar and streamdns that follows it, to try things by hand: `make run-pulsar`.

Ctrl-C ends what it started and removes what it wrote.
"""

from __future__ import annotations

import pathlib
import sys

from tests.harness.kafka_manual import by_hand, run_node
from tests.harness.pulsar import VERSION, Broker
from tests.harness.pulsar_topics import Topic

_TOPIC, _PARTITIONS = "zones", 4


def _hand(folder: pathlib.Path) -> int:
    with Broker(folder / "broker") as broker:
        topic = Topic(broker, name=_TOPIC, partitions=_PARTITIONS)
        settings = topic.settings(DNS_SOURCE="pulsar", DNS_PULSAR_ADMIN_ADDRESS=broker.admin_url)
        return run_node(settings, view=folder / "view", broker=broker)


if __name__ == "__main__":
    sys.exit(by_hand("pulsar", f"Pulsar {VERSION}", 190, _hand))
