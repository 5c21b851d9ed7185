"""Batches of format 2, built here by hand from the protocol's description, whole, cut, damaged and hostile."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import cramjam
import google_crc32c
import lz4.frame
import pytest
import snappy
from hypothesis import given
from hypothesis import strategies as st

from streamdns.events.batch import Record
from streamdns.sources.kafka import record_batch, unpack
from streamdns.sources.kafka.old_formats import DecodeError
from streamdns.sources.kafka.record_batch import Aborted, StoredBatch
from streamdns.sources.kafka.unpack import Unreadable

PARTITION = ("zones", 3)
OCTETS = st.none() | st.binary(max_size=40)
RECORDS = st.lists(st.tuples(st.integers(1, 300), st.integers(-(1 << 40), 1 << 40), OCTETS, OCTETS), max_size=8)
MIB = 1 << 20


def xerial(data: bytes) -> bytes:
    half = len(data) // 2
    blocks = [snappy.compress(part) for part in (data[:half], data[half:])]
    return b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1) + b"".join(struct.pack(">i", len(b)) + b for b in blocks)


CODECS: dict[str, tuple[int, Any]] = {
    "none": (0, bytes), "gzip": (1, gzip.compress), "snappy": (2, snappy.compress), "xerial": (2, xerial),
    "lz4": (3, lz4.frame.compress), "zstd": (4, lambda data: bytes(cramjam.zstd.compress(data))),
}
PACKED = [name for name in CODECS if name != "none"]


class Item(NamedTuple):
    """One event of a batch: its offset and time as differences to those of the batch."""

    delta: int
    stamp: int
    key: bytes | None
    value: bytes | None


def varint(number: int) -> bytes:
    number = number << 1 if number >= 0 else (-number << 1) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(octets: bytes | None) -> bytes:
    return varint(-1) if octets is None else varint(len(octets)) + octets


def record(item: Item, headers: bytes = b"\0") -> bytes:
    body = b"\0" + varint(item.stamp) + varint(item.delta) + field(item.key) + field(item.value) + headers
    return varint(len(body)) + body


def batch(
    items: Sequence[Item], *, codec: str = "none", first: int = 100, attributes: int = 0, last: int | None = None,
    count: int | None = None, body: bytes | None = None, producer: int = -1, stamp: int = 5_000,
) -> bytes:
    number, compress = CODECS[codec]
    plain = b"".join(map(record, items)) if body is None else body
    delta = (items[-1].delta if items else 0) if last is None else last
    head = struct.pack(">hiqqqhii", attributes | number, delta, 1_000, stamp, producer, 0, 0,
                       len(items) if count is None else count)
    covered = head + (compress(plain) if body is None or codec != "none" else plain)
    return struct.pack(">qiibI", first, len(covered) + 9, 0, 2, google_crc32c.value(covered)) + covered


def items_of(drawn: Sequence[tuple[int, int, bytes | None, bytes | None]]) -> list[Item]:
    items, delta = [], -1
    for step, stamp, key, value in drawn:
        delta += step
        items.append(Item(delta, stamp, key, value))
    return items


def expected(items: Sequence[Item], first: int = 100) -> list[Record]:
    return [Record(*PARTITION, first + each.delta, 1_000 + each.stamp, each.key, each.value) for each in items]


def found(data: bytes) -> list[Record]:
    records: list[Record] = []
    for each in record_batch.batches(data, 0, len(data)):
        for part in record_batch.records(data, each, PARTITION):
            records += part
    return records


@pytest.mark.parametrize("codec", CODECS)
@given(RECORDS)
def test_events_come_as_they_were_written(codec: str, drawn: list[tuple[int, int, bytes | None, bytes | None]]) -> None:
    items = items_of(drawn)
    assert found(batch(items, codec=codec)) == expected(items)


@given(RECORDS, st.data())
def test_a_batch_that_is_cut_is_left_for_the_next_time(
    drawn: list[tuple[int, int, bytes | None, bytes | None]], data: st.DataObject
) -> None:
    items = items_of(drawn)
    one, other = batch(items), batch(items, first=1 << 40)
    cut = data.draw(st.integers(1, len(other)))
    assert found((one + other)[: len(one) + len(other) - cut]) == expected(items)
    assert found(one + other) == expected(items) + expected(items, 1 << 40)


@given(RECORDS, st.data())
def test_a_flipped_bit_is_damage(
    drawn: list[tuple[int, int, bytes | None, bytes | None]], data: st.DataObject
) -> None:
    """All that the checksum covers: it was not written so, and another reading may find it whole."""
    octets = bytearray(batch(items_of(drawn)))
    bit = data.draw(st.integers(17 * 8, len(octets) * 8 - 1))
    octets[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DecodeError):
        found(bytes(octets))


def test_the_time_that_the_broker_set_and_headers() -> None:
    items = [Item(0, 7, b"k", b"v"), Item(1, 9, None, None)]
    stamped = batch(items, attributes=8)
    assert [each.timestamp for each in found(stamped)] == [5_000, 5_000]
    with_headers = batch(items, body=record(items[0], b"\2\4hi\6all") + record(items[1]))
    assert found(with_headers) == expected(items)


def test_what_compaction_left() -> None:
    """Gaps, and batches without any event, tell where they end all the same."""
    items = [Item(4, 0, b"k", b"v"), Item(7, 0, b"l", None)]
    octets = batch(items, last=20) + batch([], first=121, last=30)
    ends = [(each.first, each.last) for each in record_batch.batches(octets, 0, len(octets))]
    assert ends == [(100, 120), (121, 151)]
    assert found(octets) == expected(items)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("more", [0, 1])
def test_a_value_is_dropped_beyond_a_mebibyte(codec: str, more: int) -> None:
    items = [Item(0, 0, b"a", b"v"), Item(1, 0, b"b", bytes(MIB + more)), Item(2, 0, b"c", b"w")]
    one, large, other = found(batch(items, codec=codec))
    assert (one, other) == (expected(items)[0], expected(items)[2])
    if more:
        error = "the value has 1048577 bytes, more than 1048576"
        assert large == Record(*PARTITION, 101, 1_000, b"b", bytes(4096), error, "size")
    else:
        assert large == expected(items)[1]


def test_a_key_is_dropped_beyond_64_kibibytes() -> None:
    (bad,) = found(batch([Item(0, 0, b"k" * 65_537, b"v")]))
    assert (bad.key, bad.error, bad.kind) == (b"k" * 4096, "the key has 65537 bytes, more than 65536", "size")


@pytest.mark.parametrize("codec", PACKED)
def test_a_batch_that_would_fill_the_memory(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused whole, and before it is unpacked whole."""
    monkeypatch.setattr(unpack, "MAX_UNPACKED_BYTES", 1_000)
    fits = [Item(0, 0, b"k", bytes(900))]
    assert found(batch(fits, codec=codec)) == expected(fits)
    with pytest.raises(Unreadable, match="unpack to more than 1000 octets"):
        found(batch([Item(0, 0, b"k", b"first"), Item(1, 0, b"k", bytes(1_000))], codec=codec))


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_a_bomb_takes_no_more_memory_than_the_limit(codec: str) -> None:
    octets = batch([Item(0, 0, b"k", bytes(100 * MIB))], codec=codec)
    (only,) = record_batch.batches(octets, 0, len(octets))
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable, match="33554432 octets"):
            record_batch.records(octets, only, PARTITION)
        assert tracemalloc.get_traced_memory()[1] < 80 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("codec", PACKED)
def test_a_refusal_keeps_nothing_alive(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its traceback would hold tens of megabytes until garbage is looked for, which may take minutes."""
    monkeypatch.setattr(unpack, "MAX_UNPACKED_BYTES", 1_000)
    number, compress = CODECS[codec]
    for octets in (compress(bytes(2_000)), b"\1\2 no such data"):
        with pytest.raises(Unreadable) as caught:
            unpack.unpack(number, octets)
        assert caught.value.__context__ is None
        assert [entry.name for entry in caught.traceback][1:] == ["unpack"]


@pytest.mark.parametrize("codec", PACKED)
def test_compressed_data_that_are_none(codec: str) -> None:
    number, compress = CODECS[codec]
    whole = compress(record(Item(0, 0, b"k", bytes(range(256)))))
    for broken in (b"\1\2 no such data", whole[:-9], b""):
        with pytest.raises(Unreadable):
            found(batch([Item(0, 0, None, None)], attributes=number, body=broken))


@pytest.mark.parametrize("wrong", [
    {"count": 2}, {"count": -1}, {"count": 1 << 30}, {"count": 0}, {"last": -1}, {"attributes": 5},
    {"body": record(Item(0, 0, b"k", b"v"))[:-1]}, {"body": record(Item(5, 0, b"k", b"v"))},
    {"body": b"\xff" * 40}, {"body": b"\0" * 40}, {"body": varint(2) + b"\0\0\0\1\1\0"},
    {"body": varint(7) + b"\0\0\0\x08kkkk\1\0"},
])
def test_what_was_written_wrong_is_refused_whole(wrong: dict[str, Any]) -> None:
    """Before the first of its events is given: nobody may have half of a batch."""
    good = {"items": [Item(0, 0, b"k", b"v")], "last": 0, "count": 1}
    octets = batch(**(good | wrong))
    (only,) = record_batch.batches(octets, 0, len(octets))
    with pytest.raises(Unreadable):
        record_batch.records(octets, only, PARTITION)


def test_offsets_run_forward_only() -> None:
    for deltas in ((1, 1), (2, 1)):
        with pytest.raises(Unreadable, match="out of order"):
            found(batch([Item(delta, 0, b"k", b"v") for delta in deltas], last=9))


@pytest.mark.parametrize("codec", ["none", "gzip"])
def test_a_large_batch_comes_in_parts_or_not_at_all(codec: str) -> None:
    items = [Item(number, 0, b"k%d" % number, b"v") for number in range(record_batch.AT_ONCE + 5)]
    octets = batch(items, codec=codec)
    (only,) = record_batch.batches(octets, 0, len(octets))
    parts = list(record_batch.records(octets, only, PARTITION))
    assert [each for part in parts for each in part] == expected(items)
    assert max(map(len, parts)) <= 1000
    octets = batch(items, codec=codec, count=len(items) - 1)
    (only,) = record_batch.batches(octets, 0, len(octets))
    with pytest.raises(Unreadable):
        record_batch.records(octets, only, PARTITION)


@pytest.mark.parametrize("count", [1000, record_batch.AT_ONCE + 5], ids=["at once", "in parts"])
def test_something_else_may_go_on_after_few_records(count: int) -> None:
    octets = batch([Item(number, 0, b"k", b"v") for number in range(count)])
    (only,) = record_batch.batches(octets, 0, len(octets))
    pauses: list[None] = []
    parts = record_batch.records(octets, only, PARTITION, pause=lambda: pauses.append(None))
    before = [len(pauses) for _ in parts]
    assert len(pauses) >= count // 100
    assert all(after - ahead >= 10 for ahead, after in pairwise(before[:-1])), "each part has some"


def test_the_entry_of_a_batch_that_is_passed_over() -> None:
    octets = batch([Item(0, 0, b"k", b"v"), Item(9, 0, b"k", b"v")])
    (only,) = record_batch.batches(octets, 0, len(octets))
    entry = record_batch.passed_over(octets, only, PARTITION, 104, "it is odd")
    error = "the batch of offsets 100 to 109 is passed over: it is odd"
    assert entry == Record(*PARTITION, 104, 5_000, None, octets, error, "batch")


def marker(producer: int, *, commit: bool, first: int) -> bytes:
    key = struct.pack(">hh", 0, 1 if commit else 0)
    return batch([Item(0, 0, key, b"\0" * 6)], first=first, attributes=48, producer=producer)


def test_what_a_transaction_took_back_does_not_count() -> None:
    """Producer 7 aborts, commits, and aborts again, while 8 and one without transactions write on."""
    octets = b"".join((
        batch([Item(0, 0, b"7", b"no")], first=0, attributes=16, producer=7),
        batch([Item(0, 0, b"8", b"yes")], first=1, attributes=16, producer=8),
        batch([Item(0, 0, b"none", b"yes")], first=2),
        marker(7, commit=False, first=3),
        batch([Item(0, 0, b"7", b"yes")], first=4, attributes=16, producer=7),
        marker(7, commit=True, first=5), marker(8, commit=True, first=6),
        batch([Item(0, 0, b"7", b"no")], first=7, attributes=16, producer=7),
        batch([Item(0, 0, b"7", b"no")], first=8, attributes=16, producer=7),
        marker(7, commit=False, first=9),
    ))
    aborted = Aborted([(7, 7), (7, 0)])
    stored: list[StoredBatch] = [each for each in record_batch.batches(octets, 0, len(octets))
                                 if not aborted.skips(octets, each)]
    assert [each.first for each in stored] == [1, 2, 4]
