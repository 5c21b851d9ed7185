"""Whatever arrives: no exception, and a reply that can be read, fits, and is to the question that was asked."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import dns.message
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdns.dns.answer import Answerer
from streamdns.dns.cookies import Cookies
from streamdns.dns.lookup import Policy
from tests.unit.dns.answering import EXAMPLE, Memory, answerer, zones
from tests.unit.dns.packets import ZONE, stream

PACKETS = 50_000
SEED = os.environ.get("STREAMDNS_FUZZ_SEED", "")
BIG = "".join(f"big.fuzz.example. 1 A 10.0.{n >> 8}.{n & 255}\n" for n in range(400))
VIEW = Memory(f"{ZONE}fuzz.example. 300 CNAME www.fuzz.example.\n{BIG}")
#: The example's zone with random RRsets of every kind below.
OWNERS = [
    "example.", "a.example.", "b.a.example.", "*.example.", "*.a.example.", "c.*.a.example.", "d.c.example.",
    "ns.example.",
]
CONTENTS = {
    "A": "192.0.2.{}", "NS": "n{}.a.example.", "CNAME": "b.a.example.", "DNAME": "c.example.", "MX": "{} b.a.example.",
    "TXT": '"' + "x" * 90 + '{}"', "SRV": "1 1 {} d.c.example.", "DS": "{} 8 2 " + "00" * 32,
}


def make(view: Memory, **policy: Any) -> Answerer:
    """An answerer with everything on."""
    cookies = Cookies(bytes(16), lambda: 1.0)
    made = Answerer(Policy(instance_id=b"i" * 200, version=b"v", **policy), cookies=cookies)
    made.client = lambda slot: b"\x7f\0\0\1"
    made.bind(view)
    return made


def check(made: Answerer, packet: bytes, *, tcp: bool) -> dns.message.Message | None:
    """One message: what must hold for its reply; the reply as dnspython reads it."""
    wire = made.reply(packet, tcp, 0)
    if wire is None:
        assert len(packet) < 12 or packet[2] & 0x80
        return None
    assert wire[:2] == packet[:2]
    assert wire[2] & 0x80
    assert wire[2] & 0x79 == packet[2] & 0x79
    assert not wire[3] & 0xB0
    assert len(wire) <= (65535 if tcp else made.policy.edns_size)
    reply = dns.message.from_wire(wire)
    if reply.question:
        end = 12 + len(reply.question[0].name.to_wire()) + 4
        assert wire[12:end] == packet[12:end]
        if reply.edns < 0:
            assert tcp or len(wire) <= 512
    else:
        assert (len(wire), reply.edns) in ((12, -1), (23, 0))
    assert sum(made.tally.values())
    made.tally.clear()
    return reply


def test_fifty_thousand_hostile_messages(say: Callable[[str], None]) -> None:
    """An exception is a failure; STREAMDNS_FUZZ_SEED asks for a run again."""
    seed = int(SEED) if SEED else random.SystemRandom().randrange(1 << 32)
    say(f"seed {seed}")
    rng = random.Random(seed)
    makers = [
        make(VIEW), make(VIEW, flatten_apex_cname=True, rotate=True),
        make(VIEW, zones=zones("fuzz.example", "x.fuzz.example")), make(VIEW, edns_size=4096),
    ]
    makers[1].stale = True
    answered = 0
    for number, packet in enumerate(stream(rng, PACKETS)):
        made = makers[number % len(makers)]
        tcp = number % 3 == 0
        wire = made.reply(packet, tcp, 0)
        if wire is not None:
            answered += 1
            assert len(wire) <= (65535 if tcp else made.policy.edns_size), packet.hex()
            assert wire[:2] == packet[:2], packet.hex()
        if number % 25 == 0:
            check(made, packet, tcp=tcp)
    assert answered > PACKETS // 2


@given(st.binary(max_size=120), st.booleans())
def test_any_octets(packet: bytes, tcp: bool) -> None:
    """Not even something like a message."""
    check(make(VIEW), packet, tcp=tcp)


@given(
    st.binary(min_size=2, max_size=2), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=300), st.booleans()
)
def test_any_question(number: bytes, flags: int, flags2: int, rest: bytes, tcp: bool) -> None:
    """A header that promises one question, with or without an OPT record, and anything behind it."""
    for additional in (b"\0\0", b"\0\1"):
        check(make(VIEW), number + bytes((flags, flags2)) + b"\0\1\0\0\0\0" + additional + rest, tcp=tcp)


@st.composite
def zone_text(draw: st.DrawFn) -> str:
    """RRsets in any combination, also such that no zone file may hold."""
    lines = [EXAMPLE]
    for owner in draw(st.lists(st.sampled_from(OWNERS), unique=True)):
        for rdtype in draw(st.lists(st.sampled_from(sorted(CONTENTS)), unique=True, max_size=4)):
            single = rdtype in ("CNAME", "DNAME")
            count = 1 if single else draw(st.sampled_from([1, 2, 7, 30]))
            lines += [f"{owner} 60 {rdtype} {CONTENTS[rdtype].format(n)}" for n in range(count)]
    return "\n".join(lines)


@settings(max_examples=300)
@given(
    zone_text(),
    st.lists(st.tuples(st.sampled_from(["", "x.", "*.", "y.x."]), st.sampled_from(OWNERS)), min_size=1, max_size=8),
    st.sampled_from([*CONTENTS, "ANY", "SOA", "AAAA", "RRSIG"]),
    st.sampled_from([None, 0, 512, 700, 1232, 65535]),
    st.booleans(),
    st.booleans(),
)
def test_any_zone_is_answered_in_order(
    text: str, asked: list[tuple[str, str]], rdtype: str, size: int | None, flatten: bool, tcp: bool
) -> None:
    """Every reply can be read and fits; nothing stands in it twice; over TCP nothing is cut."""
    made = answerer(Memory(text), flatten_apex_cname=flatten)
    for prefix, owner in asked:
        query = dns.message.make_query(prefix + owner, rdtype, use_edns=size is not None, payload=size or 512)
        reply = check(made, query.to_wire(), tcp=tcp)
        assert reply is not None
        limit = 512 if size is None else max(512, min(size, 1232))
        packed = made.reply(query.to_wire(), tcp, 0)
        assert packed is not None
        assert tcp or len(packed) <= limit
        assert not (tcp and reply.flags & 0x200)
        everything = dns.message.from_wire(packed, one_rr_per_rrset=True)
        for section in (everything.answer, everything.authority, everything.additional):
            shown = [rrset.to_text().lower() for rrset in section]
            assert len(shown) == len(set(shown)), reply
