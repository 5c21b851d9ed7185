"""A connection to a broker: what it sends is bounded, and what is said of it names the setting of the bound."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest
from gevent.server import StreamServer

from streamdns.errors import SourceError
from streamdns.sources.kafka.config import KafkaConfig
from streamdns.sources.kafka.connection import Connection

_REPLY_OCTETS = 900_000_000


def _announce(sock: Any, address: Any) -> None:
    """Read a request, and begin a reply that would be long."""
    sock.recv(4096)
    sock.sendall(struct.pack(">i", _REPLY_OCTETS))
    sock.recv(1)


@pytest.fixture
def broker() -> Iterator[int]:
    """The port of a broker that announces more than it was asked for."""
    server = StreamServer(("127.0.0.1", 0), _announce)
    server.start()
    yield server.server_port
    server.stop()


@pytest.mark.parametrize(("setting", "limit"), [
    ("DNS_KAFKA_FETCH_MAX_BYTES", "DNS_KAFKA_FETCH_MAX_BYTES=1000"), ("", "the 1000 that were asked for"),
])
def test_a_reply_that_is_too_long_is_not_read(broker: int, setting: str, limit: str) -> None:
    connection = Connection(KafkaConfig(addresses=("127.0.0.1:1",), topics=("zones",)), "127.0.0.1", broker)
    try:
        with pytest.raises(SourceError) as caught:
            connection.ask(b"request", 1000, setting)
    finally:
        connection.close()
    assert str(caught.value) == (
        f"Kafka at 127.0.0.1:{broker} sends {_REPLY_OCTETS} octets, which is more than {limit}"
    )
