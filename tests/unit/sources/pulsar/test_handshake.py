"""The log-in by hand: what is asked, and what is made of answers, against a server that says what it is told."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from streamdns.errors import SourceError
from streamdns.sources.pulsar.config import PulsarConfig
from streamdns.sources.pulsar.handshake import check, connect_frame, fault_of, fields
from streamdns.sources.pulsar.token import Token

_CONNECTED = b"\x08\x03\x1a\x02\x0a\x00"  # type 3; connected (3) with an empty server version (1)


def frame(command: bytes) -> bytes:
    return struct.pack(">II", len(command) + 4, len(command)) + command


def error(message: bytes) -> bytes:
    """CommandError: request (1), code (2), message (3)."""
    inner = b"\x08\x01\x10\x03\x1a" + bytes([len(message)]) + message
    return b"\x08\x0e\x72" + bytes([len(inner)]) + inner


@contextmanager
def saying(reply: bytes, heard: list[bytes]) -> Iterator[PulsarConfig]:
    """A broker that answers the first thing it hears with this, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(4096))
                connection.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield PulsarConfig(url=f"pulsar://127.0.0.1:{listener.getsockname()[1]}", topic="t", token="a.b.c", timeout_s=5)
        thread.join(10)


@pytest.mark.parametrize(("reply", "said"), [
    (frame(_CONNECTED), ""),
    (frame(error(b"Failed to authenticate")), "the log-in is refused (Failed to authenticate)"),
    (b"", "it ends the connection without a word"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it does not answer as Pulsar does"),
    (frame(b"\x08\x05"), "it does not answer as Pulsar does"),
    (frame(b"\x0a\xff"), "it does not answer as Pulsar does"),
], ids=["in", "refused", "hangs up", "HTTP", "another command", "damaged"])
def test_what_a_broker_says(reply: bytes, said: str) -> None:
    heard: list[bytes] = []
    with saying(reply, heard) as config:
        fault = fault_of(config, Token(config))
    assert said in fault
    assert bool(said) == bool(fault)
    assert heard == [connect_frame("token", b"a.b.c")]
    assert "a.b.c" not in fault


def test_who_shows_nothing_is_told_what_is_wanted() -> None:
    heard: list[bytes] = []
    with saying(frame(error(b"Unsupported authentication method: [none]!")), heard) as config:
        alone = replace(config, token="")
        fault = fault_of(alone, Token(alone))
    assert "it wants a log-in, and has got none (Unsupported authentication method: [none]!)" in fault
    assert "DNS_PULSAR_TOKEN or DNS_PULSAR_TLS_CERT" in fault
    assert heard == [connect_frame("none", b"")]


def test_the_frame_has_the_fields_of_connect() -> None:
    """BaseCommand: type (1) CONNECT, connect (2); CommandConnect: version (1), data (3), protocol (4), method (5)."""
    octets = connect_frame("token", b"x" * 300)
    total, size = struct.unpack_from(">II", octets)
    assert (total, size) == (len(octets) - 4, len(octets) - 8)
    command = dict(fields(octets[8:]))
    assert command[1] == 2
    assert isinstance(command[2], bytes)
    assert dict(fields(command[2])) == {1: b"streamdns", 3: b"x" * 300, 4: 13, 5: b"token"}


def test_each_address_has_its_reason_and_one_is_enough() -> None:
    config = PulsarConfig(url="pulsar://127.0.0.1:1,127.0.0.2:1", topic="t", timeout_s=2)
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:1: connection refused; Pulsar at 127\.0\.0\.2:1: "):
        check(config, Token(config))
    with saying(frame(_CONNECTED), []) as good:
        both = PulsarConfig(url=good.url.replace("://", "://127.0.0.1:1,"), topic="t", token="x")
        check(both, Token(both))


def test_an_address_that_is_not_known() -> None:
    config = PulsarConfig(url="pulsar://nowhere.invalid:6650", topic="t")
    assert "the name nowhere.invalid is not known" in fault_of(config, Token(config))
