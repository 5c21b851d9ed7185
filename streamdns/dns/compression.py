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
#: A pointer has 14 bits, and the question's name may be up to 255 octets longer than the owner.
_FARTHEST: Final = 0x3E00
#: Widespread clients follow no more than 10 pointers for one name, and other names may point here.
_DEEPEST: Final = 4


def compressed(owner: bytes, rdtype: int, records: bytes) -> bytes:
    """The records of an RRset of a COMPRESSIBLE type with their names compressed; `owner` is in wire form, lower case.

    Only what is spelt in the same case is taken for the same name, so that `expanded` gives back every octet.
    """
    fixed, names = COMPRESSIBLE[rdtype]
    # The offset of each name that can be pointed at, and the number of pointers from there on.
    known: dict[bytes, tuple[int, int]] = {}
    at = owner[0] + 1 if owner[:2] == b"\1*" else 0  # In place of an asterisk stands what was asked for.
    while owner[at]:
        known[owner[at:]] = _QUESTION + at, 1
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
        for _ in range(names):
            at = _add_name(made, records, at, known, shift)
        made += records[at:stop]
        length = len(made) - begin - _HEAD
        made[begin + 10 : begin + _HEAD] = bytes((length >> 8, length & 255))
        at = stop
    return bytes(made)


def _add_name(
    made: bytearray, records: bytes, start: int, known: dict[bytes, tuple[int, int]], shift: int
) -> int:
    """Append one name, which can be pointed at from then on; gives the offset behind it in the records."""
    end = start
    while records[end]:
        end += records[end] + 1
    end += 1
    at = start
    while records[at]:
        place = known.get(records[at:end])
        if place is not None:
            break
        at += records[at] + 1
    else:
        place = None
    base = shift + len(made) - start
    pointers = 1 if place is None else place[1] + 1
    if pointers <= _DEEPEST:
        each = start
        while each < at and base + each < _FARTHEST:
            known[records[each:end]] = base + each, pointers
            each += records[each] + 1
    made += records[start:at]
    made += b"\0" if place is None else (0xC000 | place[0]).to_bytes(2, "big")
    return end


def expanded(owner: bytes, rdtype: int, records: bytes) -> bytes:
    """The inverse of `compressed`; raises IndexError and ValueError for records that it did not make."""
    fixed, names = COMPRESSIBLE[rdtype]
    shift = _QUESTION + len(owner) + _TYPE_AND_CLASS
    made = bytearray()
    at, end = 0, len(records)
    while at < end:
        start = at + _HEAD
        stop = start + (records[at + 10] << 8 | records[at + 11])
        begin = len(made)
        made += records[at : start + fixed]
        at = start + fixed
        for _ in range(names):
            at = _expand_name(made, owner, records, at, shift)
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
                to = (length << 8 | records[place + 1]) + step
                made[place] = to >> 8
                made[place + 1] = to & 255
                place += 1
            place += 1
    return bytes(made)
