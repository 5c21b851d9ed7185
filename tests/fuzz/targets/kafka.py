"""What a broker sends: replies to a fetch, record batches, and message sets of old formats, compressed or not.

The first octet chooses which of the three; where its highest bit is set, checksums are put right, so that what lies
behind them is reached.
"""

from __future__ import annotations

import gzip
import random
import struct
import zlib
from collections.abc import Iterator

import cramjam
import lz4.frame
import snappy
from google_crc32c import value as crc32c

from streamdns.events.event import MAX_VALUE_BYTES
from streamdns.sources.kafka import fetch, record_batch
from streamdns.sources.kafka.old_formats import DecodeError
from streamdns.sources.kafka.record_batch import MAX_KEY_BYTES, Aborted
from streamdns.sources.kafka.unpack import MAX_UNPACKED_BYTES, Unreadable
from tests.fuzz.work import lines

INCLUDE = ("streamdns.sources.kafka",)
MOST_OCTETS = 4096
#: A record is walked twice where there are many; compression makes many of few octets.
LINES, LINES_AN_OCTET, LINES_A_RECORD = 2000, 20, 150
PARTITION = ("zones", 0)
_PREFIX_OCTETS = 12
_ATTRIBUTES_AT, _CRC_AT = 21, 17
CODECS = {0: bytes, 1: gzip.compress, 2: snappy.compress, 3: lz4.frame.compress,
          4: lambda data: bytes(cramjam.zstd.compress(data))}


def varint(number: int) -> bytes:
    """A number as records have it: zigzag, seven bits in an octet."""
    number = number << 1 if number >= 0 else (-number << 1) - 1
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes((*made, number))


def record(delta: int, key: bytes | None, value: bytes | None) -> bytes:
    """One record of a batch."""
    body = b"\0" + varint(delta * 3) + varint(delta)
    for octets in (key, value):
        body += varint(-1) if octets is None else varint(len(octets)) + octets
    return varint(len(body) + 1) + body + b"\0"


def batch(
    records: list[bytes], *, codec: int = 0, attributes: int = 0, first: int = 5, count: int | None = None
) -> bytes:
    """A batch of format 2."""
    number = len(records) if count is None else count
    behind = struct.pack(">hiqqqhii", codec | attributes, max(0, number - 1), 77, 99, 7, 0, 0, number)
    behind += CODECS[codec](b"".join(records))
    return struct.pack(">qibI", first, len(behind) + 9, 0, 2)[:17] + struct.pack(">I", crc32c(behind)) + behind


def field(octets: bytes | None) -> bytes:
    """Octets with their length."""
    return struct.pack(">i", -1) if octets is None else struct.pack(">i", len(octets)) + octets


def message(offset: int, key: bytes | None, value: bytes | None, *, form: int = 1, attributes: int = 0) -> bytes:
    """One message of format 0 or 1."""
    body = struct.pack(">BB", form, attributes) + (struct.pack(">q", 77) if form else b"") + field(key) + field(value)
    return struct.pack(">qiI", offset, len(body) + 4, zlib.crc32(body)) + body


def seeds(rng: random.Random) -> Iterator[bytes]:
    """Batches of every codec and format, one within another, what grows when it is unpacked, and whole replies."""
    plain = [record(number, b"k|A", b"[]" if number % 2 else None) for number in range(3)]
    for codec in CODECS:
        yield b"\x81" + batch(plain, codec=codec)
        yield b"\x81" + batch(plain, codec=codec, attributes=16 | 8) + batch(plain, codec=codec, attributes=48, first=9)
        yield b"\x81" + batch(plain, codec=codec, count=2) + batch(plain, codec=codec, count=1000)
        yield b"\x81" + batch([record(0, b"k", bytes(200_000))], codec=codec or 1)
        for form in (0, 1):
            old = b"".join(message(number, b"k|A", b"[]", form=form) for number in range(3))
            packed = message(2, None, CODECS[codec](old), form=form, attributes=codec)
            yield b"\x81" + packed
            yield b"\x81" + message(9, None, CODECS[codec](packed), form=form, attributes=codec)
    yield b"\x81" + batch([record(0, b"k" * 70_000, b"v")], codec=1)
    xerial = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1) + field(snappy.compress(old)) + struct.pack(">i", -4)
    yield b"\x81" + message(2, None, xerial, attributes=2)
    part = struct.pack(">ihqqqi", 0, 0, 10, 10, 0, 1) + struct.pack(">qq", 7, 5) + field(batch(plain))
    yield b"\0" + struct.pack(">ihii", 0, 0, 0, 1) + b"\0\5zones" + struct.pack(">i", 2) + part * 2


def mutated(data: bytes, rng: random.Random) -> bytes:
    """An accident behind a checksum that is put right; records packed once more; another count."""
    inner = bytearray(data[1:])
    kind = rng.randrange(4)
    if kind == 0 and len(inner) > 70:
        inner[rng.randrange(61, len(inner))] = rng.randrange(256)
    elif kind == 1 and len(inner) > 61:
        struct.pack_into(">i", inner, 57, rng.choice((0, 1, 2, 3, 2**31 - 1, -1)))
    elif kind == 2:
        codec = rng.choice((1, 2, 3, 4))
        return b"\x81" + batch([bytes(inner[61:])], codec=codec, count=rng.randrange(5))
    else:
        return b"\x81" + message(rng.randrange(20), None, gzip.compress(bytes(inner)), attributes=rng.choice((1, 9, 2)))
    return b"\x81" + bytes(inner)


def repaired(data: bytes) -> bytes:
    """Batches and messages with right checksums."""
    made, at = bytearray(data), 0
    while at + 21 <= len(made):
        _, size = struct.unpack_from(">qi", made, at)
        end = at + _PREFIX_OCTETS + size
        if size < 6 or end > len(made):
            break
        if made[at + 16] == 2:
            struct.pack_into(">I", made, at + _CRC_AT, crc32c(bytes(made[at + _ATTRIBUTES_AT : end])))
        else:
            struct.pack_into(">I", made, at + 12, zlib.crc32(bytes(made[at + 16 : end])))
        at = end
    return bytes(made)


def check(data: bytes, *, whole: bool) -> None:
    """All records of a batch or none, in their order, no key or value over its limit; else an error that says why."""
    if not data:
        return
    octets = repaired(data[1:]) if data[0] & 0x80 else data[1:]
    if data[0] & 1:
        found = _batches(octets)
        if whole:
            assert _batches(octets) == found, "other records the second time"
            lines(lambda: _batches(octets), most=LINES + LINES_AN_OCTET * len(octets) + LINES_A_RECORD * len(found))
        return
    try:
        for (topic, _), part in fetch.reply(octets):
            assert topic in octets.decode(errors="replace") or "\ufffd" in topic
            assert 0 <= part.start <= part.end <= len(octets)
            assert len(part.aborted) * 16 <= len(octets)
    except DecodeError as error:
        assert str(error)


def _batches(octets: bytes) -> list[tuple[int, bytes | None, bytes | None]]:
    """The offset, key and value of every record; a batch that cannot be read gives one, with its error as value."""
    found: list[tuple[int, bytes | None, bytes | None]] = []
    aborted = Aborted([(7, 5)])
    last = 0
    try:
        for each in record_batch.batches(octets, 0, len(octets)):
            assert each.start == last, "a gap between batches"
            last = each.end
            aborted.skips(octets, each)
            begun = len(found)
            try:
                for part in record_batch.records(octets, each, PARTITION):
                    for record_ in part:
                        found.append((record_.position, record_.key, record_.value))
                        assert record_.key is None or len(record_.key) <= MAX_KEY_BYTES
                        assert record_.value is None or len(record_.value) <= MAX_VALUE_BYTES
            except Unreadable as error:
                assert len(found) == begun, "a part of a batch that cannot be read"
                entry = record_batch.passed_over(octets, each, PARTITION, 0, str(error))
                assert entry.error
                assert len(entry.value or b"") <= 4096, "a batch that is kept"
                assert entry.position <= max(each.last, 0) or each.last < each.first
                found.append((entry.position, None, entry.error.encode()))
            else:
                offsets = [offset for offset, _, _ in found[begun:]]
                if each.form == 2:
                    assert offsets == sorted(set(offsets))
                    assert all(each.first <= offset <= each.last for offset in offsets), "an offset of another batch"
    except DecodeError as error:
        assert str(error)
    assert sum(len(value or b"") for _, _, value in found) <= MAX_UNPACKED_BYTES * 4
    return found
