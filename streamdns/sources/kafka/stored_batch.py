"""Asks a broker for the head of one batch as it is stored, because pykafka's Fetch 2 gets batches converted.

Converted batches hide where a batch ends, once compaction has emptied it, and whether it belongs to a transaction. So
this one request, Fetch 4, is written and read by hand (kafka.apache.org/protocol). No I/O.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from streamdns.errors import SourceError
from streamdns.events.batch import Partition

_FETCH, _VERSION = 1, 4
_CLIENT: Final = b"streamdns"
_TRANSACTIONAL: Final = 1 << 4
_PARTITION = struct.Struct(">ihqq")  # partition, error, high watermark, last stable offset
_LENGTH = struct.Struct(">i")
_BATCH = struct.Struct(">qiib4xhi")  # offset, length, leader's epoch, format, (CRC), attributes, last offset delta


class StoredBatch(NamedTuple):
    """A batch as it is stored: the offset behind it, and whether it was written within a transaction."""

    end: int
    transactional: bool


class Question:
    """A request for the batch at an offset, or for the next one, in the form that pykafka sends."""

    def __init__(self, partition: Partition, offset: int) -> None:
        topic, number = partition[0].encode(), partition[1]
        # Wait for nothing, and send one octet at the least: that is one batch, which may be an empty one.
        limits = struct.pack(">iiiib", -1, 0, 0, 1, 0)
        asked = struct.pack(f">ih{len(topic)}siiqi", 1, len(topic), topic, 1, number, offset, 1)
        head = struct.pack(f">hhih{len(_CLIENT)}s", _FETCH, _VERSION, 0, len(_CLIENT), _CLIENT)
        self._frame = _LENGTH.pack(len(head) + len(limits) + len(asked)) + head + limits + asked

    def get_bytes(self) -> bytes:
        """Give the whole request with its length."""
        return self._frame


def read(reply: bytes) -> tuple[int, StoredBatch | None]:
    """Read a reply: Kafka's error code, and the batch, None where there is none or it is of an older format.

    `reply` comes without its length and correlation. Raises SourceError.
    """
    try:
        _, topics, length = struct.unpack_from(">iih", reply)
        at = 10 + length
        (partitions,) = _LENGTH.unpack_from(reply, at)
        if (topics, partitions) != (1, 1):
            raise SourceError("the broker's reply is about other partitions")
        _, error, _, _ = _PARTITION.unpack_from(reply, at + 4)
        at += 4 + _PARTITION.size
        (aborted,) = _LENGTH.unpack_from(reply, at)
        at += 4 + 16 * max(0, aborted)
        (size,) = _LENGTH.unpack_from(reply, at)
        batch = reply[at + 4 : at + 4 + max(0, size)]
        if len(batch) < size:
            raise SourceError("the broker's reply ends too early")
    except struct.error:
        raise SourceError("the broker's reply ends too early") from None
    if error or len(batch) < _BATCH.size:
        return error, None
    first, _, _, form, attributes, last_delta = _BATCH.unpack_from(batch)
    if form < 2:
        return error, None
    return error, StoredBatch(first + last_delta + 1, bool(attributes & _TRANSACTIONAL))
