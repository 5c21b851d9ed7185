"""What two servers must agree on: a reply without what the RFCs leave to the server."""

from __future__ import annotations

from typing import NamedTuple

import dns.rcode

#: Owner (wire form, lower case), type, TTL and RDATA with its names written out in lower case.
Record = tuple[bytes, int, int, bytes]

_A, _NS, _CNAME, _SOA, _PTR, _MX, _AAAA, _SRV, _NAPTR, _DNAME, _OPT = 1, 2, 5, 6, 12, 15, 28, 33, 35, 39, 41
_ALIASES = (_CNAME, _DNAME)
_ADDRESSES = (_A, _AAAA)
# Octets before the names in RDATA, and how many names there are.
_NAMES = {
    _NS: (0, 1), _CNAME: (0, 1), _SOA: (0, 2), _PTR: (0, 1), _MX: (2, 1), _SRV: (6, 1), _DNAME: (0, 1),
    # MB, MG, MR, MINFO, RP, AFSDB, RT, PX, KX.
    7: (0, 1), 8: (0, 1), 9: (0, 1), 14: (0, 2), 17: (0, 2), 18: (2, 1), 21: (2, 1), 26: (2, 2), 36: (2, 1),
}
_BITS = {0x8000: "QR", 0x0400: "AA", 0x0200: "TC", 0x0100: "RD", 0x0080: "RA", 0x0040: "Z", 0x0020: "AD", 0x0010: "CD"}
#: The flags of a header in their order.
FLAGS = tuple(_BITS.values())
#: The most pointers on the way to the end of a name: dnspython follows 16, Go's resolver 10.
MAX_POINTERS = 10


class Outcome(NamedTuple):
    """A reply; with TC set only rcode, flags, question and EDNS count, as it has to be asked again anyway.

    authority: without the apex NS of a positive answer (RFC 1034 §6.2.1 shows them, none needs them). glue: addresses
    at or below the cut of a referral, the only additional records that must be there (RFC 9471). chain: owners of
    CNAME and DNAME records in order, for a client walks them from the top.
    """

    rcode: str
    flags: tuple[str, ...]
    question: bytes
    edns: tuple[int, bool] | None
    answer: frozenset[Record]
    authority: frozenset[Record]
    glue: frozenset[Record]
    chain: tuple[bytes, ...]


class Message:
    """A reply in parts. ValueError or IndexError for one that is malformed; dnspython is too slow for so many."""

    def __init__(self, wire: bytes) -> None:
        self.wire = wire
        self.most_pointers = 0
        self._names: dict[int, tuple[bytes, int, int]] = {}
        counts = [int.from_bytes(wire[at : at + 2], "big") for at in range(4, 12, 2)]
        at = 12
        for _ in range(counts[0]):
            at = self._name(at)[1] + 4
        self.question = wire[12:at]
        self.sections: list[list[Record]] = []
        self.opt: tuple[int, bool] | None = None
        self._extended = 0
        for count in counts[1:]:
            records: list[Record] = []
            for _ in range(count):
                at = self._record(at, records)
            self.sections.append(records)
        if at != len(wire):
            raise ValueError(f"{len(wire) - at} octets after the end")
        self.flags = tuple(name for bit, name in _BITS.items() if int.from_bytes(wire[2:4], "big") & bit)
        self.rcode = dns.rcode.to_text(dns.rcode.Rcode(wire[3] & 15 | self._extended << 4))

    def _name(self, at: int) -> tuple[bytes, int, int]:
        """A name in lower case, the offset behind it, and how many pointers it took."""
        known = self._names.get(at)
        if known is None:
            wire = self.wire
            start = at
            while (length := wire[at]) and length < 64:
                at += length + 1
            name, end, pointers = wire[start:at].lower(), at + 1, 0
            if length:
                target = (length & 0x3F) << 8 | wire[at + 1]
                if length < 0xC0 or target >= at:
                    raise ValueError("a label of no known kind, or a pointer forwards")
                rest, _, before = self._name(target)
                name, end, pointers = name + rest, at + 2, before + 1
            else:
                name += b"\0"
            if len(name) > 255:
                raise ValueError("a name of more than 255 octets")
            known = self._names[start] = (name, end, pointers)
            self.most_pointers = max(self.most_pointers, pointers)
        return known

    def _record(self, at: int, records: list[Record]) -> int:
        wire = self.wire
        owner, at, _ = self._name(at)
        rdtype, size = int.from_bytes(wire[at : at + 2], "big"), int.from_bytes(wire[at + 8 : at + 10], "big")
        start, end = at + 10, at + 10 + size
        if end > len(wire):
            raise ValueError("a record beyond the end")
        if rdtype == _OPT:
            if self.opt is not None or owner != b"\0":
                raise ValueError("a bad OPT record")
            self.opt, self._extended = (wire[at + 5], bool(wire[at + 6] & 0x80)), wire[at + 4]
        else:
            ttl = int.from_bytes(wire[at + 4 : at + 8], "big")
            records.append((owner, rdtype, ttl, self._rdata(rdtype, start, end)))
        return end

    def _rdata(self, rdtype: int, start: int, end: int) -> bytes:
        if rdtype == _NAPTR:
            fixed = 4
            for _ in range(3):
                fixed += self.wire[start + fixed] + 1
            count = 1
        elif rdtype in _NAMES:
            fixed, count = _NAMES[rdtype]
        else:
            return self.wire[start:end]
        data = self.wire[start : start + fixed]
        at = start + fixed
        for _ in range(count):
            name, at, _ = self._name(at)
            data += name
        if at > end:
            raise ValueError("a name beyond the end of its record")
        return data + self.wire[at:end]


def outcome_of(reply: Message) -> Outcome:
    """What counts of a reply."""
    head = reply.rcode, reply.flags, reply.question, reply.opt
    if "TC" in reply.flags:
        nothing: frozenset[Record] = frozenset()
        return Outcome(*head, nothing, nothing, nothing, ())
    answer, authority, additional = reply.sections
    if "AA" in reply.flags and any(rdtype not in _ALIASES for _, rdtype, _, _ in answer):
        authority = [record for record in authority if record[1] != _NS]
    cuts = [owner for owner, rdtype, _, _ in authority if rdtype == _NS]
    glue = [record for record in additional if cuts and record[1] in _ADDRESSES and record[0].endswith(cuts[0])]
    chain = dict.fromkeys(owner for owner, rdtype, _, _ in answer if rdtype in _ALIASES)
    return Outcome(*head, frozenset(answer), frozenset(authority), frozenset(glue), tuple(chain))
