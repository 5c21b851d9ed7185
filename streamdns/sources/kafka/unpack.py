"""Unpacks what producers compressed, and stops where it grows beyond what any honest batch holds.

The limits here are part of the event contract (docs/events.md): they say which batches are passed over, so they are
about the batch alone, and the same for every client, setting and machine.
"""

from __future__ import annotations

import importlib
import mmap
import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from streamdns.errors import SourceError

#: The records of a batch may come to so many octets when they are unpacked.
MAX_UNPACKED_BYTES: Final = 32 << 20
_XERIAL: Final = b"\x82SNAPPY\0"
_LENGTH = struct.Struct(">i")
_PIECE_BYTES: Final = 1 << 18
NAMES: Final = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}


class Unreadable(ValueError):
    """A batch that came whole, by its checksum, and cannot be read: reading it again would find the same."""


class _TooLarge(Exception):
    """Raised for data that unpack to more than the limit."""


def unpack(codec: int, data: bytes | memoryview) -> bytes | memoryview:
    """Decompress by Kafka's number of a codec; raises Unreadable, and SourceError where its library is missing."""
    work = _CODECS.get(codec)
    if work is None:
        raise Unreadable(f"it is compressed with codec {codec}, which Kafka does not define")
    try:
        return work(data)
    except ImportError as error:
        raise SourceError(f"the library for {NAMES[codec]} is not installed: {error}") from error
    except _TooLarge:
        why = f"its {NAMES[codec]} data unpack to more than {MAX_UNPACKED_BYTES} octets"
    except Exception as error:  # noqa: BLE001 - each library has exceptions of its own; the octets are no good
        why = f"its {NAMES[codec]} data are damaged: {error}"
    # Not from within: an exception that knows of another keeps alive what that one's functions had in their hands.
    raise Unreadable(why)


class _Room:
    """Memory for unpacked data, of which there is only as much as is written to; it is given back as a whole.

    That of the C library is not: each thread that freed many megabytes once keeps them.
    """

    def __init__(self) -> None:
        self._octets = memoryview(mmap.mmap(-1, MAX_UNPACKED_BYTES + 1, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        self._size = 0

    def add(self, part: bytes) -> None:
        """Append a piece; raises _TooLarge."""
        end = self._size + len(part)
        if end > MAX_UNPACKED_BYTES:
            raise _TooLarge
        self._octets[self._size : end] = part
        self._size = end

    def add_by(self, write: Callable[[memoryview], int]) -> None:
        """Have a library write behind what is there already; it gives the number of octets. Raises _TooLarge."""
        try:
            self._size += write(self._octets[self._size :])
        except Exception as error:
            if "write whole buffer" in str(error):
                raise _TooLarge from None
            raise
        if self._size > MAX_UNPACKED_BYTES:
            raise _TooLarge

    def octets(self) -> memoryview:
        """Give what was written."""
        return self._octets[: self._size]


def _gunzip(data: bytes | memoryview) -> bytes | memoryview:
    room: _Room | None = None
    data = bytes(data)
    while data or room is None:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        part = unpacker.decompress(data, _PIECE_BYTES)
        if unpacker.eof and not unpacker.unused_data and room is None and len(part) <= MAX_UNPACKED_BYTES:
            return part
        room = room or _Room()
        room.add(part)
        while not unpacker.eof:
            part = unpacker.decompress(unpacker.unconsumed_tail, _PIECE_BYTES)
            if not part and not unpacker.eof:
                raise EOFError("they end too early")
            room.add(part)
        data = unpacker.unused_data
    return room.octets()


def _unsnappy(data: bytes | memoryview) -> bytes | memoryview:
    """Decompress snappy, bare or in the blocks of Java's library (xerial): magic, two versions, length, block, ..."""
    into = _library("cramjam").snappy.decompress_raw_into
    data = bytes(data)
    if not data.startswith(_XERIAL):
        blocks = [data]
    else:
        blocks, at = [], len(_XERIAL) + 8
        while at < len(data):
            (length,) = _LENGTH.unpack_from(data, at)
            at += _LENGTH.size
            if not 0 <= length <= len(data) - at:
                raise EOFError("they end too early")
            blocks.append(data[at : at + length])
            at += length
    if sum(map(_snappy_length, blocks)) > MAX_UNPACKED_BYTES:
        raise _TooLarge
    room = _Room()
    for block in blocks:
        room.add_by(partial(into, block))
    return room.octets()


def _snappy_length(block: bytes) -> int:
    """Read the decompressed length of a block, which is the varint at its beginning."""
    length = 0
    for index, octet in enumerate(block[:5]):
        length |= (octet & 127) << 7 * index
        if octet < 128:
            break
    return length


def _unlz4(data: bytes | memoryview) -> bytes | memoryview:
    unpacker = _library("lz4.frame").LZ4FrameDecompressor()
    part = bytes(unpacker.decompress(bytes(data), _PIECE_BYTES))
    if unpacker.eof and len(part) <= MAX_UNPACKED_BYTES:
        return part
    room = _Room()
    room.add(part)
    while not unpacker.eof:
        part = bytes(unpacker.decompress(b"", _PIECE_BYTES))
        if not part and not unpacker.eof:
            raise EOFError("they end too early")
        room.add(part)
    return room.octets()


def _unzstd(data: bytes | memoryview) -> memoryview:
    room = _Room()
    room.add_by(partial(_library("cramjam").zstd.decompress_into, bytes(data)))
    return room.octets()


def _library(name: str) -> Any:
    # Needed by few: a topic that is not compressed, or with gzip, is read without it.
    return importlib.import_module(name)


_CODECS: Final[dict[int, Callable[[bytes | memoryview], bytes | memoryview]]] = {
    1: _gunzip, 2: _unsnappy, 3: _unlz4, 4: _unzstd
}
