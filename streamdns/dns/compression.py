"""Compresses the names in RDATA as they are stored: against their owner, which is the question's name where they are
answered, and against one another (RFC 1035 §4.1.4). Pure.

A stored RRset is compressed as if it stood right behind the question of a query for its owner: so there it is copied
as it is, and elsewhere all its pointers move by the same number of octets.
"""

from __future__ import annotations

from typing import Final

#: Offset of the compressible names in RDATA: only types of RFC 1035 may be compressed (RFC 3597 §4).
#: (octets before the first name, number of names)
COMPRESSIBLE: Final[dict[int, tuple[int, int]]] = {
    2: (0, 1),  # NS
    3: (0, 1),  # MD
    4: (0, 1),  # MF
    5: (0, 1),  # CNAME
    6: (0, 2),  # SOA
    7: (0, 1),  # MB
    8: (0, 1),  # MG
    9: (0, 1),  # MR
    12: (0, 1),  # PTR
    14: (0, 2),  # MINFO
    15: (2, 1),  # MX
}

_QUESTION: Final = 12  # where the question's name begins in a message
_TYPE_AND_CLASS: Final = 4
_HEAD: Final = 12  # octets of a record before its RDATA: a pointer, type, class, TTL, length
#: A pointer has 14 bits; the question's name may be up to 255 octets longer than the owner, and the name here as long.
_FARTHEST: Final = 0x3D00


def compressed(owner: bytes, rdtype: int, records: bytes) -> bytes:
    """The records of an RRset of a COMPRESSIBLE type with their names compressed; `owner` is in wire form, lower case.

    Only what is spelt in the same case is taken for the same name, so that `expanded` gives back every octet.
    """
    fixed, names = COMPRESSIBLE[rdtype]
    if names == 1 and _HEAD + (records[10] << 8 | records[11]) == len(records):
        return _compressed_alone(owner, records, _HEAD + fixed)
    # The offset of each name that can be pointed at.
    known: dict[bytes, int] = {}
    at = owner[0] + 1 if owner[:2] == b"\1*" else 0  # In place of an asterisk stands what was asked for.
    while owner[at]:
        known[owner[at:]] = _QUESTION + at
        at += owner[at] + 1
    shift = _QUESTION + len(owner) + _TYPE_AND_CLASS
    made = bytearray()
    at, end = 0, len(records)
    while at < end:
        start = at + _HEAD
        stop = start + (records[at + 10] << 8 | records[at + 11])
        begin = len(made)
        made += records[at : start + fixed]
        at = start + fixed
        if names == 1:
            _add_name(made, records[at:stop], known, shift)
        else:
            for _ in range(names):
                behind = _end_of_name(records, at)
                _add_name(made, records[at:behind], known, shift)
                at = behind
            made += records[at:stop]
        length = len(made) - begin - _HEAD
        made[begin + 10] = length >> 8
        made[begin + 11] = length & 255
        at = stop
    return bytes(made)


def _compressed_alone(owner: bytes, records: bytes, start: int) -> bytes:
    """One record, whose RDATA ends in a name that begins at `start`: there is only the owner to share names with."""
    first = owner[0] + 1 if owner[:2] == b"\1*" else 0
    at, end = start, len(records)
    while records[at]:
        offset = len(owner) - end + at
        if offset >= first and owner.endswith(records[at:]):
            label = first
            while label < offset:
                label += owner[label] + 1
            if label == offset:
                to = 0xC000 | _QUESTION + offset
                length = at + 2 - _HEAD
                return b"%b%c%c%b%c%c" % (
                    records[:10], length >> 8, length & 255, records[_HEAD:at], to >> 8, to & 255
                )
        at += records[at] + 1
    return records


def _end_of_name(records: bytes, at: int) -> int:
    while length := records[at]:
        at += length + 1
    return at + 1


def _add_name(made: bytearray, name: bytes, known: dict[bytes, int], shift: int) -> None:
    """Append one name, which can be pointed at from then on, unless it points into another of these records itself:
    clients give up where many pointers follow one another.
    """
    base = shift + len(made)
    fresh = {}
    at = 0
    while length := name[at]:
        place = known.get(name[at:])
        if place is not None:
            made += name[:at]
            made += (0xC000 | place).to_bytes(2, "big")
            break
        fresh[name[at:]] = base + at
        at += length + 1
    else:
        place = 0
        made += name
    if place < shift and base < _FARTHEST:
        known.update(fresh)


def expanded(owner: bytes, rdtype: int, records: bytes) -> bytes:
    """The inverse of `compressed`; raises IndexError and ValueError for records that it did not make."""
    fixed, names = COMPRESSIBLE[rdtype]
    shift = _QUESTION + len(owner) + _TYPE_AND_CLASS
    at, end = _HEAD + fixed, len(records)
    if names == 1 and _HEAD + (records[10] << 8 | records[11]) == end:
        # One record, whose RDATA ends in its name.
        while 0 < records[at] < 64:
            at += records[at] + 1
        if at + 1 == end and not records[at]:
            return records
        to = (records[at] & 63) << 8 | records[at + 1]
        if at + 2 != end or not _QUESTION <= to < shift:
            raise ValueError("a name points beyond its owner")
        rest = owner[to - _QUESTION :]
        length = at + len(rest) - _HEAD
        return b"%b%c%c%b%b" % (records[:10], length >> 8, length & 255, records[_HEAD:at], rest)
    made = bytearray()
    at = 0
    while at < end:
        start = at + _HEAD
        stop = start + (records[at + 10] << 8 | records[at + 11])
        begin = len(made)
        made += records[at : start + fixed]
        at = start + fixed
        for _ in range(names):
            at = _expand_name(made, owner, records, at, shift)
        if at > stop:
            raise ValueError("a name goes beyond its record")  # Compiled, such a slice is an error of another kind.
        made += records[at:stop]
        length = len(made) - begin - _HEAD
        made[begin + 10 : begin + _HEAD] = bytes((length >> 8, length & 255))
        at = stop
    return bytes(made)


def _expand_name(made: bytearray, owner: bytes, records: bytes, at: int, shift: int) -> int:
    """Append one name in full; gives the offset behind it in the records."""
    behind = 0
    while length := records[at]:
        if length < 64:
            made += records[at : at + length + 1]
            at += length + 1
            continue
        behind = behind or at + 2
        to = (length & 63) << 8 | records[at + 1]
        if to < shift:
            made += owner[to - _QUESTION :]
            return behind
        if not 0 <= to - shift < at:
            raise ValueError("a name points ahead")
        at = to - shift
    made += b"\0"
    return behind or at + 1


def moved(rdtype: int, records: bytes, step: int, owner: bytes) -> bytes:
    """Compressed records of an RRset for a place `step` octets behind the one that they were compressed for.

    `owner` is the pointer to their owner's name, two octets.
    """
    fixed, names = COMPRESSIBLE[rdtype]
    made = bytearray(records)
    high, low = owner
    fixed += _HEAD
    at, end = 0, len(records)
    while at < end:
        made[at] = high
        made[at + 1] = low
        place = at + fixed
        at += _HEAD + (records[at + 10] << 8 | records[at + 11])
        for _ in range(names):
            length = records[place]
            while 0 < length < 64:
                place += length + 1
                length = records[place]
            if length:
                place += 1
                to = records[place] + step
                made[place] = to & 255
                if to > 255:
                    made[place - 1] = length + 1
            place += 1
    return bytes(made)
