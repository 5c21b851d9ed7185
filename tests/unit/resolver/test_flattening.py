"""A CNAME at the apex of a zone of ours that leads out of our zones, and aliases of ours whose targets are away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest

from streamdns.resolver.resolution import cache as store
from streamdns.resolver.resolution.message import RRset
from tests.unit.dns.answering import SOA_TEXT, errors, section
from tests.unit.resolver.test_answering import CLIENT, STRANGER, Bench, wire

OURS = f"""
example. 300 SOA {SOA_TEXT}
example. 300 NS ns.example.
example. 90 CNAME www.elsewhere.
www.example. 300 CNAME example.
out.example. 300 CNAME www.elsewhere.
near.example. 300 SOA {SOA_TEXT}
near.example. 300 CNAME near2.example.
near2.example. 70 CNAME www.elsewhere.
sub.example. 300 NS ns.sub.example.
below.example. 300 SOA {SOA_TEXT}
below.example. 300 CNAME www.sub.example.
"""
A = RRset(wire("www.elsewhere."), 1, 300, (b"\1\2\3\4", b"\1\2\3\5"))
ADDRESSES = ["1.2.3.4", "1.2.3.5"]
_FLAGS = dns.flags.AA | dns.flags.RA


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(OURS, flatten_apex_cname=True)
    yield made
    made.recursor.stop()


@pytest.mark.parametrize("options", [{}, {"flags": 0}, {"use_edns": 0}, {"want_dnssec": True}])
@pytest.mark.parametrize(("client", "flags"), [(CLIENT, _FLAGS), (STRANGER, dns.flags.AA)])
def test_it_is_our_data_for_everybody(bench: Bench, client: bytes, flags: int, options: dict[str, Any]) -> None:
    """Also for those for whom no names are resolved; the TTL is the lowest on the way."""
    bench.put(A)
    bench.client = client
    reply = bench.ask("EXAMPLE.", **options)
    assert section(reply.answer) == [f"EXAMPLE. A {address}" for address in ADDRESSES]
    assert (reply.answer[0].ttl, reply.flags & _FLAGS) == (90, flags)
    bench.now_s += 250
    assert bench.ask("example.").answer[0].ttl == 50


@pytest.mark.parametrize(("owner", "ttl"), [("near.example.", 70), ("www.example.", 90)])
def test_aliases_on_the_way(bench: Bench, owner: str, ttl: int) -> None:
    bench.put(A)
    reply = bench.ask(owner)
    assert [rdata.to_text() for rdata in reply.answer[-1]] == ADDRESSES
    assert (reply.answer[-1].ttl, reply.rcode()) == (ttl, dns.rcode.NOERROR)
    assert [rrset.rdtype for rrset in reply.answer] == ([1] if owner.startswith("near") else [5, 1])


def test_no_addresses_are_nodata_of_our_zone(bench: Bench) -> None:
    """Whatever its zone says of the target: the apex is there."""
    soa = (wire("ns.elsewhere.") * 2 + bytes(20),)
    bench.known.cache.put_negative(wire("www.elsewhere."), 1, store.NXDOMAIN, soa_owner=wire("elsewhere."), soa=soa,
                                   ttl_s=300, now_s=bench.now_s)
    reply = bench.ask("example.")
    assert (reply.rcode(), reply.answer, section(reply.authority)[0]) == (0, [], f"example. SOA {SOA_TEXT}")
    assert reply.flags & dns.flags.AA


def test_what_cannot_be_found_out_is_not_denied(bench: Bench) -> None:
    reply = bench.ask("example.", use_edns=0)
    assert (reply.rcode(), reply.answer, errors(reply)) == (dns.rcode.SERVFAIL, [], [23])
    assert bench.ask("below.example.").rcode() == dns.rcode.SERVFAIL


@pytest.mark.parametrize(("owner", "ttls"), [("example.", {30}), ("out.example.", {30, 300})])
def test_what_was_known_last_behind_an_alias_of_ours(bench: Bench, owner: str, ttls: set[int]) -> None:
    """No server of the target's zone answers any more (RFC 8767)."""
    bench.put(A)
    bench.now_s += 400
    reply = bench.ask(owner, use_edns=0)
    assert (reply.rcode(), errors(reply)) == (dns.rcode.NOERROR, [3])
    assert [rdata.to_text() for rdata in reply.answer[-1]] == ADDRESSES
    assert {rrset.ttl for rrset in reply.answer} == ttls


def test_a_foreign_alias_of_such_an_apex(bench: Bench) -> None:
    """The resolver comes back into our zone and goes on from there."""
    bench.put(A)
    bench.put(RRset(wire("back.elsewhere."), 5, 300, (wire("example."),)))
    reply = bench.ask("back.elsewhere.")
    assert [rdata.to_text() for rdata in reply.answer[-1]] == ADDRESSES
    bench.put(RRset(wire("www.elsewhere."), 5, 300, (wire("example."),)))
    bench.known.cache.forget(wire("www.elsewhere."), 1)
    assert bench.ask("example.").rcode() == dns.rcode.SERVFAIL


def test_a_circle_through_the_world_ends(bench: Bench) -> None:
    bench.put(RRset(wire("www.elsewhere."), 5, 300, (wire("example."),)))
    for owner in ("example.", "www.example.", "near.example."):
        assert bench.ask(owner, use_edns=0).rcode() == dns.rcode.SERVFAIL
