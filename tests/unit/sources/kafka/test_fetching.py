"""Which batches are decoded in a native thread, and that others go on meanwhile."""

from __future__ import annotations

import threading

import pytest

from streamdns.sources.kafka import fetching, record_batch
from streamdns.sources.kafka.config import KafkaConfig
from streamdns.sources.kafka.fetching import FetchingClient
from tests.unit.sources.kafka.test_record_batch import PARTITION, Item, batch, expected


@pytest.mark.parametrize("native", [False, True], ids=["small", "large"])
def test_only_a_native_thread_lets_others_have_a_turn(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop's own thread must not wait for any other."""
    threads: list[int] = []
    monkeypatch.setattr(fetching, "let_others", lambda: threads.append(threading.get_native_id()))
    items = [Item(number, 0, b"k", b"v" * (100 if native else 1)) for number in range(1000)]
    octets = batch(items)
    (only,) = record_batch.batches(octets, 0, len(octets))
    client = FetchingClient(KafkaConfig(addresses=("k:9092",), topics=("zones",)))
    assert [each for part in client._decoded(octets, only, PARTITION) for each in part] == expected(items)
    assert len(set(threads)) == native
    assert threading.get_native_id() not in threads
