"""Prepares the SOA of negative answers nearly as it is sent (RFC 2308); the view keeps it beside each apex.

`template` is made when a zone's SOA is written. It holds the whole authority record with the lower TTL (RFC 2308 §3)
and with places for three pointers: the owner, the end of MNAME, the end of RNAME. The first is to the apex's name in
the question; so are the others where these names are below the apex, else `ends` says what they are.
"""

from __future__ import annotations

from typing import Final

from streamdns.dns.wire import name_end

#: Beside the flags of dns/node.py in the first octet of what the view has for an apex: a template follows.
HAS_TEMPLATE: Final = 16

_HEAD = 12
#: Where the names do not end in a pointer to the apex: MNAME is in full, so is RNAME, or RNAME ends in a part of MNAME.
_MNAME_IN_FULL, _RNAME_IN_FULL, _RNAME_IN_MNAME = 1, 2, 4
_LONGEST = 250


def template(apex: bytes, records: bytes) -> bytes:
    """The form of a SOA (records in full, as an RRset has them) for its apex (wire form, lower case).

    Empty where the names are so long that their places are no octets. Two octets say where the second and third
    pointer go, one what becomes of these, one which offset in MNAME the third points at; the record follows, in which
    each place has two octets.
    """
    if len(records) > _LONGEST:
        return b""
    end_of_mname = name_end(records, _HEAD)
    end_of_rname = name_end(records, end_of_mname)
    mname, rname = records[_HEAD:end_of_mname], records[end_of_mname:end_of_rname]
    kinds = at_mname = 0
    pointer = 2 if len(apex) > 1 else 1
    mname_part, rname_part = _above(mname, apex), _above(rname, apex)
    size = len(records) - end_of_rname + 2 * pointer
    if mname_part is None:
        mname_part, kinds = mname, _MNAME_IN_FULL
        size -= pointer
    if rname_part is None:
        rname_part, kinds = rname, kinds | _RNAME_IN_FULL
        size -= pointer
        if kinds & _MNAME_IN_FULL:
            shared = _shared(rname, mname)
            if shared < len(rname) - 1:
                rname_part, kinds = rname[:shared], _MNAME_IN_FULL | _RNAME_IN_MNAME
                at_mname = len(mname) - len(rname) + shared
                size += pointer
    ttl = min(records[6:10], records[-4:])
    second = _HEAD + len(mname_part)
    third = second + 2 + len(rname_part)
    head = bytes((second, third, kinds, at_mname)) + b"\0\0" + records[2:6] + ttl
    size += len(mname_part) + len(rname_part)
    return head + size.to_bytes(2, "big") + mname_part + b"\0\0" + rname_part + b"\0\0" + records[end_of_rname:]


def ends(bounds: bytes, apex: bytes, at: int) -> tuple[bytes, bytes]:
    """What becomes of the second and third place in a message in which the record begins at offset `at`.

    `bounds` is what the view has for the apex, `apex` the pointer to its name, the name itself where that is the root.
    """
    kinds = bounds[3]
    of_mname = b"" if kinds & _MNAME_IN_FULL else apex
    if kinds & _RNAME_IN_MNAME:
        return of_mname, (0xC000 | at + _HEAD + bounds[4]).to_bytes(2, "big")
    return of_mname, b"" if kinds & _RNAME_IN_FULL else apex


def _above(full: bytes, apex: bytes) -> bytes | None:
    """The labels of a name before the apex, None where the name is not at or below it."""
    lower = full.lower()
    at = 0
    while lower[at:] != apex:
        if not lower[at]:
            return None
        at += lower[at] + 1
    return full[:at]


def _shared(one: bytes, other: bytes) -> int:
    """The offset in a name from which on another name ends in it; that of the root where they share nothing."""
    lower, ends = one.lower(), other.lower()
    suffixes = set()
    at = 0
    while ends[at]:
        suffixes.add(ends[at:])
        at += ends[at] + 1
    at = 0
    while lower[at] and lower[at:] not in suffixes:
        at += lower[at] + 1
    return at
