"""What is known of names that were seen not to be ours is told the short way: it comes to what the long way says."""

from __future__ import annotations

import gc
import random
import tracemalloc
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.rdatatype
import pytest

from streamdns.dns.lookup import Policy
from streamdns.resolver.resolution.message import RRset
from streamdns.resolver.resolution.ready_answers import Messages, key_of
from tests.unit.dns.answering import Memory
from tests.unit.resolver.test_answering import OURS, STRANGER, A, Bench, wire

MANY = RRset(wire("many.elsewhere."), 1, 300, tuple(bytes((10, 0, 0, each)) for each in range(60)))
HTTPS = RRset(wire("www.elsewhere."), 65, 300, (b"\0\1\0",))
ODD = RRset(wire("www.elsewhere."), 97, 300, (b"odd",))


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    for rrset in (A, MANY, HTTPS, ODD):
        made.put(rrset)
    yield made
    made.recursor.stop()


def replies(bench: Bench, packet: bytes, *, tcp: bool, short: bool) -> bytes | None:
    answerer = bench.answerer
    answerer.bind(bench.memory)  # type: ignore[arg-type]
    if not short:
        answerer._version = -1
    return answerer.reply(packet, tcp, 0)


def test_the_short_way_and_the_long_one(bench: Bench) -> None:
    """Any query, well-formed or not quite, also when the TTL has been running for a while."""
    rng = random.Random(7)
    short = 0
    for number in range(4000):
        owner = rng.choice(["www.elsewhere.", "wWw.ELSEwhere.", "many.elsewhere.", "www.example."])
        query = dns.message.make_query(
            owner, rng.choice(["A", "A", "HTTPS", "TYPE97"]), rng.choice(["IN", "IN", "IN", "CH"]),
            use_edns=rng.choice([-1, -1, 0, 0, 1]), payload=rng.choice([0, 512, 900, 1232, 4096]),
            want_dnssec=rng.random() < 0.3,
            flags=rng.choice([dns.flags.RD, dns.flags.RD, dns.flags.RD | dns.flags.CD, dns.flags.RD | dns.flags.AD, 0]),
        )
        packet = bytearray(query.to_wire())
        if rng.random() < 0.2:
            packet[rng.randrange(2, len(packet))] ^= 1 << rng.randrange(8)
        if rng.random() < 0.1:
            packet = packet[: rng.randrange(len(packet))] if rng.random() < 0.5 else packet + b"\0"
        tcp = rng.random() < 0.2
        replies(bench, bytes(packet), tcp=tcp, short=False)  # What is not known is a failure that is known then.
        long = replies(bench, bytes(packet), tcp=tcp, short=False)
        assert replies(bench, bytes(packet), tcp=tcp, short=True) == long, (number, bytes(packet))
        short += len(packet) > 16 and bench.answerer._at_once(bytes(packet), tcp) is not None
        bench.now_s += 0.05
    assert 400 < short < 3000, "some go the one way, some the other"


def test_what_becomes_ours_is_ours_at_once(bench: Bench) -> None:
    for _ in range(3):
        assert not bench.ask("www.elsewhere.").flags & dns.flags.AA
    bench.memory = Memory(OURS + "elsewhere. 300 SOA ns. host. 1 2 3 4 5\nwww.elsewhere. 300 A 192.0.2.80\n")
    reply = bench.ask("www.elsewhere.")
    assert reply.flags & dns.flags.AA
    assert [rdata.to_text() for rdata in reply.answer[0]] == ["192.0.2.80"]
    bench.memory = Memory(OURS)
    assert not bench.ask("www.elsewhere.").flags & dns.flags.AA


def test_a_zone_that_is_listed_from_now_on(bench: Bench) -> None:
    for _ in range(3):
        bench.ask("www.elsewhere.")
    bench.answerer.configure(Policy(zones=frozenset([b"elsewhere\0"])))
    assert bench.ask("www.elsewhere.").flags & dns.flags.AA


def test_who_may_not_ask_gets_nothing_of_it(bench: Bench) -> None:
    for _ in range(3):
        bench.ask("www.elsewhere.")
    bench.client = STRANGER
    assert bench.ask("www.elsewhere.").answer == []


def test_types_whose_octets_are_letters(bench: Bench) -> None:
    """HTTPS is 65, an A; 97 is an a."""
    for _ in range(3):
        assert [rrset.rdtype for rrset in bench.ask("www.elsewhere.", "HTTPS").answer] == [dns.rdatatype.HTTPS]
        assert [int(rrset.rdtype) for rrset in bench.ask("www.elsewhere.", "TYPE97").answer] == [97]


def test_the_estimate_of_memory_is_near_what_is_taken() -> None:
    """A message that has counted down holds its body twice."""
    made = []
    for number in range(10_000):
        query = dns.message.make_query(f"host-{number:05}.example.", "A").to_wire()
        record = b"\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2"
        made.append((query, query[:2] + b"\x81\x80\0\1\0\2\0\0\0\0" + query[12:] + record + b"1" + record + b"2"))
    messages = Messages(1 << 30)
    gc.collect()
    tracemalloc.start()
    try:
        for query, reply in made:
            messages.put(key_of(query, len(query), False), reply, len(query), 1000.0)
        for query, _ in made:
            message = messages.get(key_of(query, len(query), False))
            assert message is not None
            message.age(5)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.75 < messages.bytes / taken < 1.3, (messages.bytes, taken)
