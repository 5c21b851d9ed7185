"""Fetch 10 in octets, built here by hand from the protocol's description."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.sources.kafka import fetch, record_batch
from streamdns.sources.kafka.fetch import PartitionData
from streamdns.sources.kafka.old_formats import DecodeError
from streamdns.sources.kafka.unpack import Unreadable


def test_a_request() -> None:
    made = fetch.request({("zones", 1): 5, ("other", 0): 1 << 40, ("zones", 3): 0}, {("zones", 1): 65536,
                         ("other", 0): 7, ("zones", 3): 8}, wait_ms=100, most_bytes=1 << 20)
    head = struct.pack(">hhih9s", 1, 10, 0, 9, b"streamdns")
    what = struct.pack(">iiiibii", -1, 100, 1, 1 << 20, 1, 0, -1)

    def part(number: int, position: int, size: int) -> bytes:
        return struct.pack(">iiqqi", number, -1, position, -1, size)

    zones = struct.pack(">h5si", 5, b"zones", 2) + part(1, 5, 65536) + part(3, 0, 8)
    other = struct.pack(">h5si", 5, b"other", 1) + part(0, 1 << 40, 7)
    assert made == head + what + struct.pack(">i", 2) + zones + other + struct.pack(">i", 0)


def reply(*, error: int = 0) -> bytes:
    def part(number: int, error: int, high: int, stable: int, aborted: bytes, records: bytes) -> bytes:
        head = struct.pack(">ihqqq", number, error, high, stable, 0)
        return head + aborted + struct.pack(">i", len(records)) + records

    none, two = struct.pack(">i", -1), struct.pack(">iqqqq", 2, 7, 11, 8, 12)
    parts = part(0, 0, 9, 7, none, b"abc") + part(3, 6, 5, -1, two, b"")
    return struct.pack(">ihii", 0, error, 0, 1) + struct.pack(">h4s", 4, b"zone") + struct.pack(">i", 2) + parts


def test_a_reply_has_its_partitions() -> None:
    octets = reply()
    found = dict(fetch.reply(octets))
    assert list(found) == [("zone", 0), ("zone", 3)]
    first, second = found.values()
    assert (first.error, first.end_offset, first.aborted, octets[first.start : first.end]) == (0, 7, [], b"abc")
    assert second == PartitionData(6, 5, [(7, 11), (8, 12)], len(octets), len(octets))


@pytest.mark.parametrize("cut", range(1, len(reply())))
def test_a_reply_that_ends_too_early_is_an_error(cut: int) -> None:
    with pytest.raises(DecodeError):
        list(fetch.reply(reply()[:-cut]))


def test_an_error_of_the_whole() -> None:
    with pytest.raises(DecodeError, match="error 58"):
        list(fetch.reply(reply(error=58)))


def test_a_topic_whose_name_is_shorter_than_nothing() -> None:
    """It would lead back to octets that were read, as often as the reply says that it has topics: two billion times."""
    with pytest.raises(DecodeError, match="below 0"):
        list(fetch.reply(struct.pack(">ihii", 0, 0, 0, 5) + struct.pack(">hhh", -2, 0, -6)))


@given(st.binary(max_size=300))
def test_any_octets_are_a_reply_or_an_error(octets: bytes) -> None:
    try:
        for _, data in fetch.reply(octets):
            for each in record_batch.batches(octets, data.start, data.end):
                list(record_batch.records(octets, each, ("zone", 0)))
    except (DecodeError, Unreadable):
        pass
