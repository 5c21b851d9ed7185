"""Replies of name servers: what is read of them, by the side of dnspython, and what is believed of them.

The first octet chooses the question that was asked and of whom; the rest is the message that came back.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import dns.exception
import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype

from streamdns.dns.wire import FormatError
from streamdns.resolver.resolution import verdict as says
from streamdns.resolver.resolution.message import Response, RRset, parse
from streamdns.resolver.resolution.verdict import judge
from tests.fuzz.work import lines

INCLUDE = ("streamdns.resolver.resolution", "streamdns.dns")
MOST_OCTETS = 4096
#: Reading a message and judging it: so many lines, and for each of its octets so many more, whatever is in it.
LINES, LINES_AN_OCTET = 2000, 40
#: Below this nothing is refused for its size alone: what dnspython can read, we can.
_PLAIN_OCTETS, _PLAIN_RECORDS, _POINTERS = 1232, 40, 16
ZONES = (b"\4evil\7example\0", b"\7example\0", b"\0", b"\1b\4evil\7example\0")
NAMES = (b"\1a\1b\4evil\7example\0", b"\3www\4evil\7example\0", b"\4evil\7example\0")
TYPES = (1, 28, 2, 255)
#: Types whose records dnspython reads and writes as we keep them: in full, names and all.
_COMPARED = frozenset((1, 2, 5, 6, 12, 15, 16, 28, 33, 39, 257))


def head(name: bytes, rdtype: int, *, flags: int = 0x8400, counts: tuple[int, int, int] = (0, 0, 0)) -> bytes:
    """Header and question of a reply."""
    return b"id" + struct.pack(">HHHHH", flags, 1, *counts) + name + struct.pack(">HH", rdtype, 1)


def record(owner: bytes, rdtype: int, rdata: bytes, *, ttl: int = 300) -> bytes:
    """One record."""
    return owner + struct.pack(">HHIH", rdtype, 1, ttl, len(rdata)) + rdata


def asked(choice: int) -> tuple[bytes, bytes, int]:
    """The zone, the name and the type of a choice."""
    return ZONES[choice & 3], NAMES[(choice >> 2) % 3], TYPES[choice >> 6]


def seeds(rng: random.Random) -> Iterator[bytes]:
    """An answer, an alias, a DNAME, a referral with glue, denials, chains of pointers, and forged company."""
    for choice in (0, 4, 8, 64, 128, 1, 2, 3):
        yield from _seeds_for(choice)


def _seeds_for(choice: int) -> Iterator[bytes]:
    zone, name, rdtype = asked(choice)
    first = bytes((choice,))
    here, soa = b"\xc0\x0c", b"\2ns\xc0\x0c\4host\xc0\x0c" + struct.pack(">IIIII", 1, 2, 3, 4, 5)
    address = {1: b"\xc0\0\2\1", 28: bytes(16)}.get(rdtype, b"\2ns" + here)
    good = record(here, rdtype if rdtype != 255 else 1, address if rdtype != 255 else b"\xc0\0\2\1")
    victim = record(b"\3www\6victim\7example\0", 1, b"\6\6\6\6")
    cut = record(zone if zone != b"\0" else b"\4evil\7example\0", 2, b"\2ns\6victim\7example\0")
    glue = record(b"\2ns\6victim\7example\0", 1, b"\6\6\6\6")
    yield first + head(name, rdtype, counts=(1, 0, 0)) + good
    yield first + head(name, rdtype, counts=(1, 1, 2)) + good + cut + victim + glue
    yield first + head(name, rdtype, counts=(2, 0, 0)) + record(here, 5, b"\3www\6victim\7example\0") + victim
    yield first + head(name, rdtype, counts=(1, 0, 0)) + record(b"\4evil\7example\0", 39, b"\6victim\7example\0")
    yield first + head(name, rdtype, flags=0x8000, counts=(0, 1, 1)) + record(here, 2, b"\2ns" + here) + record(
        b"\2ns" + here, 1, b"\xc0\0\2\2")
    yield first + head(name, rdtype, flags=0x8403, counts=(0, 1, 0)) + record(zone, 6, soa)
    opt = b"\0\0\x29\x04\xd0\1\0\0\0\0\0"
    yield first + head(name, rdtype, counts=(0, 1, 1)) + record(b"\7example\0", 6, soa) + opt
    yield first + head(name, rdtype, flags=0x8600) + b"cut"
    yield first + chained(name, rdtype, jumps=30, records=20)


def chained(name: bytes, rdtype: int, *, jumps: int, records: int) -> bytes:
    """A message of names that point at one another: one-letter labels, then records that point at the last of them."""
    question = head(name, rdtype, counts=(1 + records, 0, 0))
    chain, last = b"\1a\0", len(question) + 11
    for _ in range(jumps):
        here = len(question) + 11 + len(chain)
        chain += b"\1a" + struct.pack(">H", 0xC000 | last)
        last = here
    pointer = struct.pack(">H", 0xC000 | last)
    return question + record(b"\0", 65280, chain) + record(pointer, 14, pointer + pointer) * records


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Pointers bent, counts changed, chains of other lengths, another piece of a reply behind it."""
    choice = data[0] if data else 0
    kind = rng.randrange(4)
    if kind == 0 or len(data) < 30:
        _, name, rdtype = asked(choice)
        return bytes((choice,)) + chained(name, rdtype, jumps=rng.randrange(127), records=rng.randrange(200))
    made = bytearray(data)
    if kind == 1:
        at = rng.randrange(13, len(made) - 1)
        made[at : at + 2] = struct.pack(">H", 0xC000 | rng.randrange(12, max(13, at)))
    elif kind == 2:
        count = 7 + 2 * rng.randrange(3)
        made[count : count + 2] = struct.pack(">H", rng.choice((0, 1, 2, 3, 5, 65535)))
    else:
        made += rng.choice(list(_seeds_for(choice)))[rng.randrange(20, 60) :]
    return bytes(made)


def check(data: bytes, *, whole: bool) -> None:
    """Well-formed or FormatError; what is read is what dnspython reads; what is believed lies in the asked zone."""
    if not data:
        return
    zone, name, rdtype = asked(data[0])
    packet = data[1:]
    try:
        response = parse(packet)
    except FormatError:
        response = None
    if response is not None:
        for rrset in (*response.answer, *response.authority, *response.additional):
            _in_order(rrset)
        if response.qname.lower() == name:
            _believed(response, zone, name, rdtype)
    if whole:
        lines(lambda: judge(parse(packet), zone=zone, qname=name, qtype=rdtype),
              most=LINES + LINES_AN_OCTET * len(packet))
        _compare(packet, response)
        if response is not None:
            assert parse(packet) == response


def _in_order(rrset: RRset) -> None:
    assert is_name(rrset.owner), "an owner that is no name"
    assert rrset.owner == rrset.owner.lower()
    assert rrset.rdatas or rrset.signatures
    assert len(set(rrset.rdatas)) == len(rrset.rdatas), "a record twice"
    assert 0 <= rrset.ttl_s <= 0x7FFFFFFF
    for rdata in rrset.rdatas:
        if rrset.rdtype in (2, 5, 12, 39):
            assert is_name(rdata), "RDATA that is no name"
        elif rrset.rdtype == 1:
            assert len(rdata) == 4


def is_name(wire: bytes) -> bool:
    """Whether octets are one uncompressed name and nothing else."""
    at = 0
    while at < len(wire) and wire[at]:
        if wire[at] > 63:
            return False
        at += wire[at] + 1
    return at == len(wire) - 1 and len(wire) <= 255


def within(name: bytes, zone: bytes) -> bool:
    """Whether a name is at or below another, on label borders."""
    while len(name) > len(zone):
        name = name[name[0] + 1 :]
    return name == zone


def _believed(response: Response, zone: bytes, name: bytes, rdtype: int) -> None:
    """Nothing that is out of the zone that was asked; a referral goes down, towards the name."""
    found = judge(response, zone=zone, qname=name, qtype=rdtype)
    for verdict in filter(None, (found, found.resort)):
        assert len(verdict.rrsets) <= 2 * says.MAX_CHAIN + 60 + len(response.authority) + len(response.answer)
        for rrset in verdict.rrsets:
            assert within(rrset.owner, zone), "a record from out of the zone"
        if verdict.kind == says.REFERRAL:
            cut, *glue = verdict.rrsets
            assert cut.rdtype == 2
            assert cut.owner != zone
            assert within(name, cut.owner), "a referral that does not lead to the name"
            servers = {rdata.lower() for rdata in cut.rdatas}
            assert all(rrset.owner in servers and rrset.rdtype in (1, 28) for rrset in glue), "glue for others"
        elif verdict.kind in (says.NO_DATA, says.NO_NAME):
            assert all(within(name, rrset.owner) for rrset in verdict.rrsets[:1]), "a SOA of another zone"
        elif verdict.kind == says.ANSWER:
            assert rdtype == 255 or verdict.rrsets[-1].rdtype == rdtype
        elif verdict.kind == says.ALIAS:
            assert is_name(verdict.target)


def _compare(packet: bytes, response: Response | None) -> None:
    """The same records that dnspython reads, where it can read the message; nothing where it cannot is promised."""
    if len(packet) > _PLAIN_OCTETS or sum(packet[at] for at in range(6, min(12, len(packet)))) > _PLAIN_RECORDS:
        return
    try:
        message = dns.message.from_wire(packet, one_rr_per_rrset=True)
    except (dns.exception.DNSException, ValueError, NotImplementedError):
        return
    if not message.flags & dns.flags.QR or message.flags & dns.flags.TC or message.opcode():
        return
    if len(message.question) > 1:
        return
    if message.question and message.question[0].rdclass != dns.rdataclass.IN:
        return
    if any(rrset.rdclass != dns.rdataclass.IN for part in message.sections[1:] for rrset in part):
        return  # Updates: dnspython reads these classes in its own way.
    if response is None:
        # Types that dnspython does not take apart, and names behind more pointers than anybody needs, may be refused.
        types = {int(rrset.rdtype) for part in message.sections[1:] for rrset in part}
        assert types - _COMPARED or sum(octet >= 0xC0 for octet in packet) > _POINTERS, "dnspython reads it"
        return
    ours = (response.answer, response.authority, response.additional)
    for found, theirs in zip(ours, message.sections[1:], strict=True):
        wanted = {(rrset.name.to_wire().lower(), int(rrset.rdtype), rdata.to_wire().lower())
                  for rrset in theirs for rdata in rrset if rrset.rdtype in _COMPARED}
        got = {(rrset.owner, rrset.rdtype, rdata.lower())
               for rrset in found for rdata in rrset.rdatas if rrset.rdtype in _COMPARED}
        assert got == wanted, "other records than dnspython reads"
