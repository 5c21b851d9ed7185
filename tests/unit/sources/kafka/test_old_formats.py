"""Message sets of formats 0 and 1, built here by hand from the protocol's description."""

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

from streamdns.sources.kafka import old_formats as decode
from streamdns.sources.kafka import unpack
from streamdns.sources.kafka.old_formats import DecodeError, Message
from streamdns.sources.kafka.unpack import Unreadable

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
    with pytest.raises(Unreadable, match=codec):
        list(decode.messages(broken))


@pytest.mark.parametrize("codec", CODECS)
def test_a_small_message_that_would_fill_the_memory(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before it is unpacked as a whole."""
    monkeypatch.setattr(unpack, "MAX_UNPACKED_BYTES", 1_000)
    items = [Message(5, 0, b"k", bytes(900))]
    assert list(decode.messages(wrapped(items, codec))) == items
    with pytest.raises(Unreadable, match="unpack to more than 1000 octets"):
        list(decode.messages(wrapped([Message(5, 0, b"k", bytes(1_000))], codec)))


@pytest.mark.parametrize("codec", CODECS)
def test_compressed_data_that_end_too_early(codec: str) -> None:
    number, compress = CODECS[codec]
    octets = compress(message_set([Message(0, 0, b"k", bytes(range(256)))]))
    with pytest.raises(Unreadable):
        list(decode.messages(message(Message(5, 0, None, octets[:-9]), attributes=number)))


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_compressed_twice_is_unpacked_once(codec: str) -> None:
    """Without end it could go on: each round of 20 KB made 2 MB of the next."""
    number, compress = CODECS[codec]
    inner = wrapped([Message(0, 0, b"k", b"v")], codec)
    with pytest.raises(Unreadable, match="compressed within one that is compressed"):
        list(decode.messages(message(Message(5, 0, None, compress(inner)), attributes=number)))


def test_a_codec_that_nobody_knows() -> None:
    with pytest.raises(Unreadable, match="codec 5"):
        list(decode.messages(message(Message(5, 0, None, b"x"), attributes=5)))


def test_a_message_that_was_written_wrong_is_not_damage() -> None:
    """Its checksum is right, so to ask once more would find the same."""
    body = struct.pack(">BBq", 1, 0, 0) + struct.pack(">i", 50) + b"short"
    octets = struct.pack(">qiI", 5, len(body) + 4, zlib.crc32(body)) + body
    with pytest.raises(Unreadable):
        list(decode.messages(octets))


def test_who_asks_may_unpack_elsewhere() -> None:
    asked = []

    def elsewhere(codec: int, octets: bytes | memoryview) -> bytes | memoryview:
        asked.append(codec)
        return unpack.unpack(codec, octets)

    items = [Message(5, 1, b"a", b"1"), Message(9, 2, b"b", None)]
    assert list(decode.messages(wrapped(items, "snappy"), elsewhere)) == items
    assert asked == [2]


def test_a_newer_format_is_no_message_set() -> None:
    with pytest.raises(DecodeError, match="format 2"):
        list(decode.messages(message(Message(3, 0, None, b"x"), form=2)))


@given(st.binary(max_size=200))
def test_any_octets_are_a_message_set_or_an_error(octets: bytes) -> None:
    try:
        list(decode.messages(octets))
    except (DecodeError, Unreadable):
        pass
