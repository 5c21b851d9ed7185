"""Message sets as brokers send them to old clients, built here by hand from the protocol's description."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Sequence

import lz4.frame
import pytest
import snappy
from hypothesis import given
from hypothesis import strategies as st

from streamdns.sources.kafka import decode
from streamdns.sources.kafka.client import CannotServe
from streamdns.sources.kafka.decode import DecodeError, Message

OCTETS = st.none() | st.binary(max_size=40)
MESSAGES = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 1 << 41), OCTETS, OCTETS), min_size=1, max_size=8)


def field(octets: bytes | None) -> bytes:
    return struct.pack(">i", -1) if octets is None else struct.pack(">i", len(octets)) + octets


def message(item: Message, *, form: int = 1, attributes: int = 0) -> bytes:
    stamp = struct.pack(">q", item.timestamp) if form else b""
    body = struct.pack(">BB", form, attributes) + stamp + field(item.key) + field(item.value)
    return struct.pack(">qiI", item.offset, len(body) + 4, zlib.crc32(body)) + body


def message_set(items: Sequence[Message], *, form: int = 1) -> bytes:
    return b"".join(message(item, form=form) for item in items)


def xerial(data: bytes) -> bytes:
    half = len(data) // 2
    blocks = [snappy.compress(part) for part in (data[:half], data[half:])]
    return b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1) + b"".join(field(block) for block in blocks)


CODECS = {
    "gzip": (1, gzip.compress), "snappy": (2, snappy.compress), "xerial": (2, xerial), "lz4": (3, lz4.frame.compress)
}


def wrapped(items: Sequence[Message], codec: str, *, form: int = 1, attributes: int = 0, stamp: int = 77) -> bytes:
    """Messages in one compressed message; the offsets within are relative to the first one in format 1."""
    number, compress = CODECS[codec]
    first = items[0].offset if form else 0
    inner = message_set([item._replace(offset=item.offset - first) for item in items], form=form)
    outer = Message(items[-1].offset, stamp, None, compress(inner))
    return message(outer, form=form, attributes=number | attributes)


def with_gaps(drawn: Sequence[tuple[int, int, bytes | None, bytes | None]], start: int = 100) -> list[Message]:
    items, offset = [], start
    for step, stamp, key, value in drawn:
        offset += step
        items.append(Message(offset, stamp, key, value))
    return items


@given(MESSAGES)
def test_plain_messages_come_as_they_are(drawn: list[tuple[int, int, bytes | None, bytes | None]]) -> None:
    items = with_gaps(drawn)
    assert list(decode.messages(message_set(items))) == items
    assert list(decode.messages(message_set(items, form=0))) == [item._replace(timestamp=-1) for item in items]


@pytest.mark.parametrize("codec", CODECS)
@given(drawn=MESSAGES)
def test_compressed_messages_have_gaps(codec: str, drawn: list[tuple[int, int, bytes | None, bytes | None]]) -> None:
    items = with_gaps(drawn)
    assert list(decode.messages(wrapped(items, codec))) == items


def test_a_compressed_set_of_format_0_has_absolute_offsets() -> None:
    items = [Message(5, -1, b"a", b"1"), Message(9, -1, None, None)]
    assert list(decode.messages(wrapped(items, "gzip", form=0))) == items


def test_log_append_time_is_that_of_the_whole() -> None:
    items = [Message(5, 1, b"a", b"1"), Message(9, 2, b"b", None)]
    found = list(decode.messages(wrapped(items, "lz4", attributes=8, stamp=4711)))
    assert found == [item._replace(timestamp=4711) for item in items]


@given(MESSAGES, st.data())
def test_a_partial_message_at_the_end_is_left_out(
    drawn: list[tuple[int, int, bytes | None, bytes | None]], data: st.DataObject
) -> None:
    items = with_gaps(drawn)
    whole = message_set(items)
    last = len(message(items[-1]))
    cut = data.draw(st.integers(1, last - 1))
    found = whole[: len(whole) - cut]
    assert list(decode.messages(found)) == items[:-1]
    assert decode.settled(found) == (len(items) > 1)
    assert decode.settled(whole)


def test_the_brokers_filling_is_no_message() -> None:
    items = [Message(5, 1, b"a", b"1")]
    filling = struct.pack(">qi", -1, 61)
    assert list(decode.messages(filling)) == []
    assert decode.settled(filling)
    after = message_set(items) + filling + bytes(20)
    assert list(decode.messages(after)) == items
    assert decode.settled(after)
    assert not decode.settled(b"")


@given(MESSAGES, st.data())
def test_a_flipped_bit_is_found(
    drawn: list[tuple[int, int, bytes | None, bytes | None]], data: st.DataObject
) -> None:
    """All that the checksum covers; offset and length are in front of it."""
    octets = bytearray(message(with_gaps(drawn)[0]))
    bit = data.draw(st.integers(12 * 8, len(octets) * 8 - 1))
    octets[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DecodeError):
        list(decode.messages(bytes(octets)))


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4"])
def test_damaged_compressed_data_are_found(codec: str) -> None:
    broken = message(Message(3, 0, None, b"\x01\x02 no such data"), attributes=CODECS[codec][0])
    with pytest.raises(DecodeError, match=codec):
        list(decode.messages(broken))


@pytest.mark.parametrize("codec", CODECS)
def test_a_small_message_that_would_fill_the_memory(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before it is unpacked as a whole."""
    monkeypatch.setattr(decode, "_MAX_PLAIN_BYTES", 1_000)
    items = [Message(5, 0, b"k", bytes(900))]
    assert list(decode.messages(wrapped(items, codec))) == items
    with pytest.raises(DecodeError, match="unpack to more than 1000 octets"):
        list(decode.messages(wrapped([Message(5, 0, b"k", bytes(1_000))], codec)))


@pytest.mark.parametrize("codec", CODECS)
def test_compressed_data_that_end_too_early(codec: str) -> None:
    number, compress = CODECS[codec]
    octets = compress(message_set([Message(0, 0, b"k", bytes(range(256)))]))
    with pytest.raises(DecodeError):
        list(decode.messages(message(Message(5, 0, None, octets[:-9]), attributes=number)))


def test_nothing_is_decoded_before_it_is_wanted() -> None:
    """Thousands that are compressed in one must not keep the event loop: here all but the first are damaged."""
    items = [Message(at, 0, b"k", b"v") for at in range(5)]
    inner = message_set(items[:1]) + b"".join(message(item)[:-1] + b"x" for item in items[1:])
    found = decode.messages(message(Message(104, 0, None, gzip.compress(inner)), attributes=1))
    assert next(found) == items[0]._replace(offset=100)
    with pytest.raises(DecodeError, match="wrong checksum"):
        next(found)


def test_who_asks_may_unpack_elsewhere() -> None:
    asked = []

    def elsewhere(codec: int, octets: bytes) -> bytes:
        asked.append(codec)
        return decode.plain(codec, octets)

    items = [Message(5, 1, b"a", b"1"), Message(9, 2, b"b", None)]
    assert list(decode.messages(wrapped(items, "snappy"), elsewhere)) == items
    assert asked == [2]


def test_zstd_is_for_another_client() -> None:
    with pytest.raises(CannotServe, match="zstd"):
        list(decode.messages(message(Message(3, 0, None, b"x"), attributes=4)))


def test_a_newer_format_is_no_message_set() -> None:
    with pytest.raises(DecodeError, match="format 2"):
        list(decode.messages(message(Message(3, 0, None, b"x"), form=2)))


@given(st.binary(max_size=200))
def test_any_octets_are_a_message_set_or_an_error(octets: bytes) -> None:
    try:
        list(decode.messages(octets))
        list(decode.partitions(octets))
    except (DecodeError, CannotServe):
        pass


def reply(parts: dict[int, tuple[int, int, bytes]]) -> bytes:
    body = b"".join(struct.pack(">ihqi", number, *part[:2], len(part[2])) + part[2] for number, part in parts.items())
    return struct.pack(">iih", 0, 1, 4) + b"zone" + struct.pack(">i", len(parts)) + body


def test_a_reply_has_its_partitions() -> None:
    octets = reply({0: (0, 7, b"abc"), 3: (6, -1, b"")})
    found = [(topic, number, *part[:2], bytes(part[2])) for topic, number, part in decode.partitions(octets)]
    assert found == [("zone", 0, 0, 7, b"abc"), ("zone", 3, 6, -1, b"")]


@pytest.mark.parametrize("cut", range(1, 50))
def test_a_reply_that_ends_too_early_is_an_error(cut: int) -> None:
    octets = reply({0: (0, 7, b"abc"), 3: (6, -1, b"xyz")})
    with pytest.raises(DecodeError):
        list(decode.partitions(octets[:-cut]))
