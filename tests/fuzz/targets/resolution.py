"""Whole resolutions of a name in a hostile zone: its servers say whatever the input holds, all others are honest.

The input is a row of replies, each a length (two octets), flags and counts of the header (eight octets), and what
stands behind the question. They are given in turn, to whatever the hostile servers are asked.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

from streamdns.dns import name, rdata
from streamdns.dns.wire import FormatError
from streamdns.resolver.resolution.cache import POSITIVE
from streamdns.resolver.resolution.message import Response, parse
from streamdns.resolver.resolution.resolution import MAX_PACKETS, Ask
from tests.fuzz.targets import replies
from tests.fuzz.work import lines
from tests.harness.hierarchy import World, Zone, texts, wire

INCLUDE = ("streamdns.resolver.resolution",)
MOST_OCTETS = 2048
#: Lines of one resolution; for each packet that it sends, and each octet that comes, so many more.
LINES, LINES_A_PACKET, LINES_AN_OCTET = 20_000, 4_000, 60
#: What one question may have us send to servers of somebody who has nothing to do with it.
MOST_TO_VICTIM = 12
EVIL = wire("evil.example.")
_SPLIT = struct.Struct(">H")


def _honest() -> list[Zone]:
    root = Zone(".").add(".", "NS", "ns.root.").add("ns.root.", "A", "10.0.0.1")
    root.add("example.", "NS", "ns.example.").add("ns.example.", "A", "10.0.0.2")
    example = Zone("example.").add("example.", "NS", "ns.example.").add("ns.example.", "A", "10.0.0.2")
    example.add("victim.example.", "NS", "ns.victim.example.").add("ns.victim.example.", "A", "10.0.0.3")
    example.add("evil.example.", "NS", "ns1.evil.example.", "ns2.evil.example.")
    example.add("ns1.evil.example.", "A", "10.6.6.1").add("ns2.evil.example.", "A", "10.6.6.2")
    victim = Zone("victim.example.").add("victim.example.", "NS", "ns.victim.example.")
    victim.add("ns.victim.example.", "A", "10.0.0.3").add("www.victim.example.", "A", "192.0.2.7")
    return [root, example, victim]


HONEST = _honest()
_TRUE = {(owner, rdtype): {each.lower() for each in rrset.rdatas}
         for zone in HONEST for (owner, rdtype), rrset in zone.records.items()}


def split(data: bytes) -> list[bytes]:
    """The replies of an input."""
    found, at = [], 0
    while at + 10 <= len(data) and len(found) < 32:
        end = at + 2 + max(8, _SPLIT.unpack_from(data, at)[0])
        found.append(data[at + 2 : end])
        at = end
    return found


def joined(parts: list[bytes]) -> bytes:
    """An input of these replies."""
    return b"".join(_SPLIT.pack(len(part)) + part for part in parts)


def reply(part: bytes, ask: Ask) -> Response | None:
    """What a part of the input is as a reply to a query; None where it is no message."""
    head = b"id" + bytes((part[0] | 0x80, part[1])) + b"\0\1" + part[2:8]
    message = head + ask.qname + struct.pack(">HH", ask.qtype, 1)
    try:
        return parse(message + part[8:])
    except FormatError:
        return None


def seeds(rng: random.Random) -> Iterator[bytes]:
    """The seeds of single replies, in rows of one to four; delegations to many names; aliases to the victim."""
    parts = []
    for seed in replies.seeds(rng):
        message = seed[1:]
        at = 12
        while message[at]:
            at += message[at] + 1
        parts.append(message[2:4] + message[6:12] + message[at + 5 :])
    for part in parts:
        yield joined([part])
    for _ in range(40):
        yield joined(rng.sample(parts, rng.randrange(1, 5)))
    for below in (b"\6victim\7example\0", b"\4evil\7example\0"):
        names = [b"\3n%02d" % number + below for number in range(20)]
        cut = b"".join(replies.record(b"\xc0\x0c", 2, each) for each in names)
        yield joined([b"\x80\0" + struct.pack(">HHH", 0, 20, 0) + b"\0\0" + cut])
        yield joined([b"\x84\0" + struct.pack(">HHH", 1, 0, 0) + replies.record(b"\xc0\x0c", 5, b"\1z" + below)])


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A reply more, less, twice, or an accident within one."""
    parts = split(data) or [bytes(8)]
    kind = rng.randrange(4)
    if kind == 0:
        parts.insert(rng.randrange(len(parts) + 1), rng.choice(parts))
    elif kind == 1:
        parts.pop(rng.randrange(len(parts)))
    elif kind == 2:
        part = bytearray(rng.choice(parts))
        part[rng.randrange(len(part))] ^= 1 << rng.randrange(8)
        parts.append(bytes(part))
    else:
        rng.shuffle(parts)
    return joined(parts)


def world(parts: list[bytes]) -> World:
    """Honest servers, and two that say these replies in turn."""
    made = World(7)
    for number, zone in enumerate(HONEST, 1):
        made.host(f"10.0.0.{number}", zone)
    said = 0

    def hostile(ask: Ask, response: Response) -> Response | None:
        nonlocal said
        said += 1
        return reply(parts[said % len(parts)], ask) if parts else None

    for host in ("10.6.6.1", "10.6.6.2"):
        made.host(host, Zone("evil.example."), behave=hostile)
    return made


def check(data: bytes, *, whole: bool) -> None:
    """It ends, within its packets; nothing of anybody else is believed; the victim is asked little and stays right."""
    parts = split(data)
    made = world(parts)
    outcome = made.resolve("a.b.evil.example.")
    assert outcome.packets <= MAX_PACKETS
    assert len(made.asked) <= MAX_PACKETS + 2
    assert sum(ask.address.host == "10.0.0.3" for ask in made.asked) <= MOST_TO_VICTIM, "an attack by our help"
    for rrset in outcome.answer:
        _true(rrset.owner, rrset.rdtype, rrset.rdatas)
    _cached(made)
    if whole:
        assert texts(made.resolve("www.victim.example.")) == ["www.victim.example. A 192.0.2.7"], "poisoned"
        _cached(made)
        again = world(parts)
        assert again.resolve("a.b.evil.example.") == outcome, "another outcome for the same replies"
        sent = len(again.asked)
        once = world(parts)
        lines(lambda: once.resolve("a.b.evil.example."),
              most=LINES + LINES_A_PACKET * sent + LINES_AN_OCTET * sent * max(map(len, parts), default=0))


def _true(owner: bytes, rdtype: int, rdatas: tuple[bytes, ...]) -> None:
    """Out of the hostile zone, only what the honest ones say."""
    if not replies.within(owner, EVIL):
        known = _TRUE.get((owner, rdtype))
        assert known is not None, f"{name.to_text(owner)} {rdata.type_to_text(rdtype)} out of nothing"
        assert {each.lower() for each in rdatas} <= known, f"{name.to_text(owner)} has other records"


def _cached(made: World) -> None:
    for (owner, kind), entry in made.known.cache._entries.items():
        rdtype = kind & 0xFFFF
        if entry.kind == POSITIVE:
            _true(owner, rdtype, entry.records)
        elif not replies.within(owner, EVIL) and not kind >> 16:
            assert (owner, rdtype) not in _TRUE, f"{name.to_text(owner)} is denied"
            assert not replies.within(entry.zone, EVIL) or entry.kind == POSITIVE, "a denial by the hostile zone"
