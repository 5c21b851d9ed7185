"""Replies about one stored batch, built here from the protocol's description, and damaged ones."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.errors import SourceError
from streamdns.sources.kafka.stored_batch import Question, read


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


def reply(records: bytes, *, error: int = 0, aborted: int = 0) -> bytes:
    head = struct.pack(">ihqqi", 0, error, 9, 9, aborted) + bytes(16 * aborted)
    partition = head + struct.pack(">i", len(records)) + records
    return struct.pack(">ii", 0, 1) + text("zones") + struct.pack(">i", 1) + partition


#: Base offset 100, last offset delta 6, format 2.
BATCH = struct.pack(">qii", 100, 49, 0) + b"\2" + bytes(6) + struct.pack(">i", 6) + bytes(34)


def test_where_a_batch_ends() -> None:
    """With and without the bit of transactions."""
    assert read(reply(BATCH)) == (0, (107, False))
    assert read(reply(BATCH, aborted=2)) == (0, (107, False))
    assert read(reply(BATCH[:27])) == (0, (107, False)), "a part of it tells as much"
    transactional = BATCH[:21] + b"\0\x10" + BATCH[23:]
    assert read(reply(transactional)) == (0, (107, True))
    assert read(reply(b"")) == (0, None)
    assert read(reply(b"", error=1)) == (1, None)
    older = BATCH[:16] + b"\1" + BATCH[17:]
    assert read(reply(older)) == (0, None), "an older format has no end"


def test_a_question_says_how_long_it_is() -> None:
    frame = Question(("zones", 3), 41).get_bytes()
    assert struct.unpack_from(">ihh", frame) == (len(frame) - 4, 1, 4)
    assert frame.endswith(text("zones") + struct.pack(">iiqi", 1, 3, 41, 1))


def test_a_reply_that_ends_too_early_is_an_error() -> None:
    whole = reply(BATCH, aborted=1)
    read(whole)
    for length in range(len(whole)):
        with pytest.raises(SourceError):
            read(whole[:length])


def test_a_reply_about_other_partitions_is_an_error() -> None:
    with pytest.raises(SourceError, match="other partitions"):
        read(struct.pack(">ii", 0, 0) + bytes(8))


@given(octets=st.binary(max_size=80))
def test_any_octets_are_a_reply_or_an_error(octets: bytes) -> None:
    try:
        read(octets)
    except SourceError:
        pass
