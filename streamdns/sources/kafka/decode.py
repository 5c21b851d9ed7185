"""Decodes Kafka's message sets of format 0 and 1, which brokers send to clients that ask with Fetch 2 or less.

Batches of format 2 are converted by the broker, and what compaction left of them comes with gaps.
"""

from __future__ import annotations

import importlib
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from streamdns.sources.kafka.client import CannotServe

_MAX_PLAIN_BYTES: Final = 256 << 20  # A compressed set that grows beyond this is an attack or damage.
_HEAD = struct.Struct(">qi")  # offset, size
_MESSAGE = struct.Struct(">IBB")  # CRC of all behind it, format, attributes
_STAMP = struct.Struct(">q")
_LENGTH = struct.Struct(">i")
_PARTITION = struct.Struct(">ihqi")  # partition, error, high watermark, octets of its message set
_CODEC, _LOG_APPEND_TIME = 7, 8
_XERIAL: Final = b"\x82SNAPPY\0"
_CODEC_NAMES: Final = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}


class DecodeError(ValueError):
    """What came is no message set: it was damaged on the way, or on the broker's disk."""


class Message(NamedTuple):
    """One message; `timestamp` is milliseconds since 1970, -1 where the format has none."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class PartitionData(NamedTuple):
    """The part of a Fetch reply that is about one partition."""

    error: int
    high_watermark: int
    messages: memoryview


def partitions(reply: bytes) -> Iterator[tuple[str, int, PartitionData]]:
    """Split a Fetch reply of version 1 or 2, without length and correlation, by partition; raises DecodeError."""
    view = memoryview(reply)
    try:
        at = 8  # throttle time, number of topics
        for _ in range(_LENGTH.unpack_from(view, 4)[0]):
            (length,) = struct.unpack_from(">h", view, at)
            topic = bytes(view[at + 2 : at + 2 + length]).decode(errors="replace")
            at += 2 + length
            (count,) = _LENGTH.unpack_from(view, at)
            at += 4
            for _ in range(count):
                number, error, high, size = _PARTITION.unpack_from(view, at)
                at += _PARTITION.size
                size = max(size, 0)
                if at + size > len(view):
                    raise DecodeError("the reply ends within a partition")
                yield topic, number, PartitionData(error, high, view[at : at + size])
                at += size
    except struct.error:
        raise DecodeError("the reply ends too early") from None


def messages(
    data: memoryview | bytes, unpack_with: Callable[[int, bytes], bytes] | None = None
) -> Iterator[tuple[int, int, bytes | None, bytes | None]]:
    """Decode every whole message of a set, in order, as a Message's tuple; a partial one at the end is left out.

    Raises DecodeError where octets are damaged, CannotServe for a codec that is not here. `unpack_with` is called for
    what is compressed, in place of `plain`. No message is decoded before it is asked for.
    """
    view = memoryview(data)
    head, unpack, length, checksum = _HEAD.unpack_from, _MESSAGE.unpack_from, _LENGTH.unpack_from, zlib.crc32
    at, end = 0, len(view)
    while end - at >= 12:
        offset, size = head(view, at)
        start = at + 12
        at = start + size
        if at > end or offset < 0:
            return
        if size < _MESSAGE.size:
            raise DecodeError(f"the message at {offset} is {size} octets long")
        crc, form, attributes = unpack(view, start)
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
            raise DecodeError(f"the message at {offset} ends too early") from None
        if body > at:
            raise DecodeError(f"the message at {offset} is shorter than its key and value")
        if attributes & _CODEC:
            octets_within = (unpack_with or plain)(attributes & _CODEC, value or b"")
            yield from _packed(Message(offset, stamp, key, value), octets_within, form, attributes)
        else:
            yield offset, stamp, key, value


def settled(data: memoryview | bytes) -> bool:
    """Tell whether a set has a whole message, or is the broker's mark for having found nothing to convert.

    What else there may be, nothing or a part of a message, says that more octets must be asked for.
    """
    if len(data) < _HEAD.size:
        return False
    offset, size = _HEAD.unpack_from(data)
    return bool(offset < 0 or _HEAD.size + size <= len(data))


def _packed(
    outer: Message, octets: bytes, form: int, attributes: int
) -> Iterator[tuple[int, int, bytes | None, bytes | None]]:
    """Decode the messages that are compressed in one."""
    # Format 1: offsets within are relative, and the outer one is that of the last; with gaps, only the last one tells.
    base = outer.offset - _last_offset(octets) if form else 0
    for offset, stamp, key, value in messages(octets):
        yield base + offset, outer.timestamp if attributes & _LOG_APPEND_TIME else stamp, key, value


def _last_offset(data: bytes) -> int:
    """Find the offset of the last whole message of a set, by the heads alone."""
    head, at, end, last = _HEAD.unpack_from, 0, len(data), 0
    while end - at >= 12:
        offset, size = head(data, at)
        at += 12 + size
        if at > end or offset < 0 or size < 0:
            break
        last = offset
    return int(last)


def plain(codec: int, data: bytes) -> bytes:
    """Decompress; raises DecodeError, and CannotServe for a codec that is not here."""
    unpack = {1: _gunzip, 2: _unsnappy, 3: _unlz4}.get(codec)
    name = _CODEC_NAMES.get(codec, f"codec {codec}")
    if unpack is None:
        raise CannotServe(f"pykafka does not read {name}")
    try:
        return unpack(data)
    except ImportError as error:
        raise CannotServe(f"the library for {name} is not installed: {error}") from error
    except _TooLarge:
        raise DecodeError(f"{name} data that unpack to more than {_MAX_PLAIN_BYTES} octets") from None
    except Exception as error:  # Each library has exceptions of its own; whatever it is, the octets are no good.
        raise DecodeError(f"damaged {name} data: {error}") from error


class _TooLarge(Exception):
    """Give the error for data that would fill the memory once decompressed."""


def _bounded(parts: list[bytes]) -> bytes:
    if sum(map(len, parts)) > _MAX_PLAIN_BYTES:
        raise _TooLarge
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _gunzip(data: bytes) -> bytes:
    parts: list[bytes] = []
    while data or not parts:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        parts.append(unpacker.decompress(data, _MAX_PLAIN_BYTES + 1))
        _bounded(parts)
        if not unpacker.eof:
            raise EOFError("it ends too early")
        data = unpacker.unused_data
    return _bounded(parts)


def _unsnappy(data: bytes) -> bytes:
    """Decompress snappy, bare or in the blocks of Java's library (xerial): magic, two versions, length, block, ..."""
    decompress: Callable[[bytes], bytes] = _library("snappy").decompress
    if not data.startswith(_XERIAL):
        blocks = [data]
    else:
        blocks, at = [], len(_XERIAL) + 8
        while at < len(data):
            (length,) = _LENGTH.unpack_from(data, at)
            at += _LENGTH.size
            blocks.append(data[at : at + length])
            at += length
    if sum(map(_snappy_length, blocks)) > _MAX_PLAIN_BYTES:
        raise _TooLarge
    return b"".join(map(decompress, blocks))


def _snappy_length(block: bytes) -> int:
    """Read the decompressed length of a block, which is the varint at its beginning."""
    length = 0
    for index, octet in enumerate(block[:5]):
        length |= (octet & 127) << 7 * index
        if octet < 128:
            break
    return length


def _unlz4(data: bytes) -> bytes:
    unpacker = _library("lz4.frame").LZ4FrameDecompressor()
    part = bytes(unpacker.decompress(data, _MAX_PLAIN_BYTES + 1))
    if not unpacker.eof and len(part) <= _MAX_PLAIN_BYTES:
        raise EOFError("it ends too early")
    return _bounded([part])


def _library(name: str) -> Any:
    # Needed by few: a topic that is not compressed, or with gzip, is read without it.
    return importlib.import_module(name)
