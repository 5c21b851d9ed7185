"""Decodes Kafka's message sets of formats 0 and 1, which segments written before Kafka 0.11 are made of."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from streamdns.sources.kafka.unpack import Unreadable, unpack

_HEAD = struct.Struct(">qi")  # offset, size
_MESSAGE = struct.Struct(">IBB")  # CRC of all behind it, format, attributes
_STAMP = struct.Struct(">q")
_LENGTH = struct.Struct(">i")
_CODEC, _LOG_APPEND_TIME = 7, 8


class DecodeError(ValueError):
    """What came is not what was written: it was damaged on the way, or on the broker's disk."""


class Message(NamedTuple):
    """One message; `timestamp` is milliseconds since 1970, -1 where the format has none."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def messages(
    data: memoryview | bytes, unpack_with: Callable[[int, bytes | memoryview], bytes | memoryview] = unpack
) -> Iterator[tuple[int, int, bytes | None, bytes | None]]:
    """Decode every whole message of a set, in order, as a Message's tuple; a partial one at the end is left out.

    Raises DecodeError where octets are damaged, Unreadable for what came whole and is none the less no message set.
    `unpack_with` is called for what is compressed.
    """
    yield from _messages(data, unpack_with)


def _messages(
    data: memoryview | bytes, unpack_with: Callable[[int, bytes | memoryview], bytes | memoryview] | None
) -> Iterator[tuple[int, int, bytes | None, bytes | None]]:
    """Decode as `messages`; without `unpack_with`, what is compressed is an error, because it is within another set."""
    view = memoryview(data)
    head, fields, length, checksum = _HEAD.unpack_from, _MESSAGE.unpack_from, _LENGTH.unpack_from, zlib.crc32
    at, end = 0, len(view)
    while end - at >= 12:
        offset, size = head(view, at)
        start = at + 12
        at = start + size
        if at > end or offset < 0:
            return
        if size < _MESSAGE.size:
            raise DecodeError(f"the message at {offset} is {size} octets long")
        crc, form, attributes = fields(view, start)
        if form > 1:
            raise DecodeError(f"the message at {offset} has format {form}")
        if checksum(view[start + 4 : at]) != crc:
            raise DecodeError(f"the message at {offset} has a wrong checksum")
        # Written out, because this is done for every event there is.
        body, stamp = start + 6, -1
        try:
            if form:
                (stamp,) = _STAMP.unpack_from(view, body)
                body += 8
            (octets,) = length(view, body)
            body += 4
            key = None if octets < 0 else bytes(view[body : body + octets])
            body += max(octets, 0)
            (octets,) = length(view, body)
            body += 4
            value = None if octets < 0 else bytes(view[body : body + octets])
            body += max(octets, 0)
        except struct.error:
            raise Unreadable(f"the message at {offset} ends too early") from None
        if body > at:
            raise Unreadable(f"the message at {offset} is shorter than its key and value")
        if attributes & _CODEC:
            if unpack_with is None:
                raise Unreadable(f"the message at {offset} is compressed within one that is compressed")
            octets_within = unpack_with(attributes & _CODEC, value or b"")
            yield from _packed(Message(offset, stamp, key, value), octets_within, form, attributes)
        else:
            yield offset, stamp, key, value


def _packed(
    outer: Message, octets: bytes | memoryview, form: int, attributes: int
) -> Iterator[tuple[int, int, bytes | None, bytes | None]]:
    """Decode the messages that are compressed in one."""
    # Format 1: offsets within are relative, and the outer one is that of the last; with gaps, only the last one tells.
    base = outer.offset - _last_offset(octets) if form else 0
    try:
        for offset, stamp, key, value in _messages(octets, None):
            yield base + offset, outer.timestamp if attributes & _LOG_APPEND_TIME else stamp, key, value
    except DecodeError as error:
        # The one around it has the right checksum: that is how it was written.
        raise Unreadable(f"what is compressed in it is no message set: {error}") from error


def _last_offset(data: bytes | memoryview) -> int:
    """Find the offset of the last whole message of a set, by the heads alone."""
    head, at, end, last = _HEAD.unpack_from, 0, len(data), 0
    while end - at >= 12:
        offset, size = head(data, at)
        at += 12 + size
        if at > end or offset < 0 or size < 0:
            break
        last = offset
    return int(last)
