"""RDATA of types of RFC 883, 1035, 2535 and 2874 that dnspython does not know and that are still found in zone files.

MB, MG, MR, MINFO, MD and MF are names that answers compress, so they must be well-formed when they are stored. Each
type has one function from fields to wire form, which is told how names are read, and one that gives the fields of wire
form back or raises ValueError for wire form that is not exactly that of the type.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

from streamdns.dns import name

#: Wire form of a name in a field, by the rules of the place that it stands in.
ReadName = Callable[[str], bytes]
#: Mnemonic of a type by number and the other way round; ValueError for what is none.
TypeToText = Callable[[int], str]
TypeFromText = Callable[[str], int]

MD, MF, MB, MG, MR, MINFO, NXT, A6 = 3, 4, 7, 8, 9, 14, 30, 38
_NAMES = {MD: 1, MF: 1, MB: 1, MG: 1, MR: 1, MINFO: 2}
#: NXT has one octet for eight types, and room for those below 128 (RFC 2535 §5.2).
_MAX_NXT_TYPE = 127

OLD_TYPES = frozenset((*_NAMES, NXT, A6))


def from_fields(rdtype: int, fields: Sequence[str], read_name: ReadName, type_number: TypeFromText) -> bytes:
    """Wire form of the fields of one of OLD_TYPES; raises ValueError."""
    if rdtype in _NAMES:
        _expect(fields, _NAMES[rdtype])
        return b"".join([read_name(field) for field in fields])
    if rdtype == NXT:
        if not fields:
            raise ValueError("the next name is missing")
        return read_name(fields[0]) + _bitmap([type_number(field) for field in fields[1:]])
    return _a6(fields, read_name)


def to_fields(rdtype: int, wire: bytes, type_text: TypeToText) -> list[str]:
    """The fields of wire form of one of OLD_TYPES; raises ValueError where it is not exactly that of the type."""
    if rdtype in _NAMES:
        names, at = _names(wire, 0, _NAMES[rdtype])
        if at != len(wire):
            raise ValueError("there are octets behind the last name")
        return names
    if rdtype == NXT:
        names, at = _names(wire, 0, 1)
        return names + [type_text(rdtype) for rdtype in _types(wire[at:])]
    return _a6_fields(wire)


def _expect(fields: Sequence[str], count: int) -> None:
    if len(fields) != count:
        raise ValueError(f"{count} {'name is' if count == 1 else 'names are'} expected, and there are {len(fields)}")


def _names(wire: bytes, at: int, count: int) -> tuple[list[str], int]:
    found = []
    for _ in range(count):
        start = at
        while True:
            if at >= len(wire) or at - start > name.MAX_NAME_OCTETS:
                raise ValueError("a name has no end")
            length = wire[at]
            if length > name.MAX_LABEL_OCTETS:
                raise ValueError("a name is compressed or has a label that is too long")
            at += length + 1
            if not length:
                break
        if at > len(wire) or at - start > name.MAX_NAME_OCTETS:
            raise ValueError("a name has no end")
        found.append(name.to_text(wire[start:at]))
    return found, at


def _bitmap(types: Sequence[int]) -> bytes:
    octets = bytearray(_MAX_NXT_TYPE // 8 + 1)
    for rdtype in types:
        if not 0 < rdtype <= _MAX_NXT_TYPE:
            raise ValueError(f"the type {rdtype} is not from 1 to {_MAX_NXT_TYPE}")
        octets[rdtype // 8] |= 0x80 >> rdtype % 8
    return bytes(octets).rstrip(b"\0")


def _types(bitmap: bytes) -> list[int]:
    if len(bitmap) > _MAX_NXT_TYPE // 8 + 1 or bitmap[:1] >= b"\x80" or bitmap.endswith(b"\0"):
        raise ValueError("the bitmap of types is not one of RFC 2535")
    return [8 * index + bit for index, octet in enumerate(bitmap) for bit in range(8) if octet & 0x80 >> bit]


def _a6(fields: Sequence[str], read_name: ReadName) -> bytes:
    if not fields or not (fields[0].isascii() and fields[0].isdigit()) or int(fields[0]) > 128:
        raise ValueError("the length of the prefix is a number from 0 to 128")
    bits = int(fields[0])
    wanted = 1 + (bits < 128) + (bits > 0)
    if len(fields) != wanted:
        raise ValueError(f"{wanted} fields are expected for a prefix of {bits} bits")
    wire = bytes((bits,))
    if bits < 128:
        try:
            suffix = ipaddress.IPv6Address(fields[1])
        except ValueError as err:
            raise ValueError(f"{name.shown(fields[1])} is not an IPv6 address") from err
        wire += (int(suffix) & (1 << 128 - bits) - 1).to_bytes(16, "big")[bits // 8 :]
    return wire + (read_name(fields[-1]) if bits else b"")


def _a6_fields(wire: bytes) -> list[str]:
    if not wire or wire[0] > 128:
        raise ValueError("the length of the prefix is not from 0 to 128")
    bits = wire[0]
    size = (128 - bits + 7) // 8
    suffix = wire[1 : 1 + size]
    if len(suffix) != size or int.from_bytes(suffix, "big") >> 128 - bits:
        raise ValueError("the suffix is not as long as the prefix leaves room for")
    names, at = _names(wire, 1 + size, 1 if bits else 0)
    if at != len(wire):
        raise ValueError("there are octets behind the last field")
    shown = [str(ipaddress.IPv6Address(int.from_bytes(suffix, "big")))] if bits < 128 else []
    return [str(bits), *shown, *names]
