"""Replies of the few requests that are sent by hand, built here from the protocol's description, and damaged ones."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.sources.kafka import wire
from streamdns.sources.kafka.wire import WireError


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


def compact(value: str) -> bytes:
    return bytes([len(value) + 1]) + value.encode()


def metadata() -> bytes:
    """Version 10: one broker, one topic with two partitions, the second without a leader."""
    broker = struct.pack(">i", 1) + compact("k1.example") + struct.pack(">i", 9092) + b"\0\0"
    ints = b"\x03" + struct.pack(">ii", 1, 2)
    first = struct.pack(">hiii", 0, 0, 1, 7) + ints + ints + b"\x01\0"
    second = struct.pack(">hiii", 5, 1, -1, 7) + ints + b"\x01\x01\0"
    topic = b"\0\0" + compact("zones") + bytes(range(16)) + b"\0" + b"\x03" + first + second + bytes(5)
    return b"\0" + struct.pack(">i", 0) + b"\x02" + broker + compact("cluster") + struct.pack(">i", 1) + b"\x02" + topic


def batch_reply(records: bytes, *, error: int = 0) -> bytes:
    partition = struct.pack(">ihqqi", 0, error, 9, 9, 0) + struct.pack(">i", len(records)) + records
    return struct.pack(">ii", 0, 1) + text("zones") + struct.pack(">i", 1) + partition


def test_metadata() -> None:
    found = wire.read_metadata(metadata())
    assert (found.cluster, found.brokers) == ("cluster", {1: ("k1.example", 9092)})
    topic = found.topics["zones"]
    assert (topic.id, topic.error) == ("AAECAwQFBgcICQoLDA0ODw", 0)
    assert topic.leaders == {0: (0, 1), 1: (5, -1)}
    assert topic.replicas == {0: 2, 1: 2}


def test_where_a_batch_ends() -> None:
    """Base offset 100, last offset delta 6, format 2; with and without the bit of transactions."""
    batch = struct.pack(">qii", 100, 49, 0) + b"\2" + bytes(6) + struct.pack(">i", 6) + bytes(34)
    assert wire.read_stored_batch(batch_reply(batch)) == (0, (107, False))
    assert wire.read_stored_batch(batch_reply(batch[:27])) == (0, (107, False)), "a part of it tells as much"
    transactional = batch[:21] + b"\0\x10" + batch[23:]
    assert wire.read_stored_batch(batch_reply(transactional)) == (0, (107, True))
    assert wire.read_stored_batch(batch_reply(b"")) == (0, None)
    assert wire.read_stored_batch(batch_reply(b"", error=1)) == (1, None)
    older = batch[:16] + b"\1" + batch[17:]
    assert wire.read_stored_batch(batch_reply(older)) == (0, None), "an older format has no end"


def test_a_request_says_how_long_it_is() -> None:
    frame = wire.list_offsets([("zones", 0), ("zones", 3), ("more", 1)], at=wire.LATEST, committed=True).frame(7)
    assert struct.unpack_from(">ihhi", frame) == (len(frame) - 4, 2, 2, 7)
    assert frame.count(b"zones") == 1
    body = text("zones") + struct.pack(">i", 2) + struct.pack(">iq", 0, -1) + struct.pack(">iq", 3, -1)
    assert body in frame


READERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "metadata": (wire.read_metadata, metadata()),
    "versions": (wire.read_api_versions, struct.pack(">hihhh", 0, 1, 1, 4, 18)),
    "handshake": (wire.read_sasl_handshake, struct.pack(">hi", 33, 1) + text("PLAIN")),
    "authenticate": (wire.read_sasl_authenticate, struct.pack(">h", 58) + text("no") + struct.pack(">i", 1) + b"x"),
    "offsets": (wire.read_list_offsets,
                struct.pack(">ii", 0, 1) + text("z") + struct.pack(">iihqq", 1, 0, 0, -1, 42)),
    "coordinator": (wire.read_find_coordinator, struct.pack(">hi", 0, 1) + text("k1") + struct.pack(">i", 9092)),
    "commit": (wire.read_offset_commit, struct.pack(">i", 1) + text("z") + struct.pack(">iih", 1, 0, 16)),
    "configs": (wire.read_describe_configs,
                struct.pack(">iih", 0, 1, 0) + text("") + b"\2" + text("z") + struct.pack(">i", 1) + text("a")
                + text("b") + bytes(7)),
    "batch": (wire.read_stored_batch, batch_reply(b"")),
}


def test_the_other_replies() -> None:
    found = {name: read(reply) for name, (read, reply) in READERS.items()}
    assert found["versions"] == {1: (4, 18)}
    assert found["handshake"] == (33, ["PLAIN"])
    assert found["authenticate"] == (58, "no", b"x")
    assert found["offsets"] == {("z", 0): (0, 42)}
    assert found["coordinator"] == (0, "k1", 9092)
    assert found["commit"] == {("z", 0): 16}
    assert found["configs"] == {"z": (0, {"a": "b"})}


@pytest.mark.parametrize("name", READERS)
def test_a_reply_that_ends_too_early_is_an_error(name: str) -> None:
    read, reply = READERS[name]
    read(reply)
    needed = len(reply) - (5 if name == "metadata" else 0)  # What is behind the partitions is not looked at.
    for length in range(needed):
        with pytest.raises(WireError):
            read(reply[:length])


@pytest.mark.parametrize("name", READERS)
@given(octets=st.binary(max_size=80))
def test_any_octets_are_a_reply_or_an_error(name: str, octets: bytes) -> None:
    try:
        READERS[name][0](octets)
    except WireError:
        pass


def test_an_error_has_words() -> None:
    assert wire.error_text(3) == "there is no such topic or partition (Kafka error 3)"
    assert "Kafka error 4711" in wire.error_text(4711)
