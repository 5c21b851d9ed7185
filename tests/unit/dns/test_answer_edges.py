"""Answers at the edge of what fits, and what is counted of those that are no plain answers."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from streamdns.dns import unusual
from tests.unit.dns.answering import EXAMPLE, answerer, ask, errors, reply_to, section

_LONG = ".".join([letter * 60 for letter in "abc"])
_OTHER = ".".join([letter * 58 for letter in "xyz"])
ZONE = f"""
example. 300 SOA {_LONG}. {_OTHER}. 1 3600 600 604800 60
example. 300 NS ns.example.
www.example. 300 A 192.0.2.1
"""


@pytest.mark.parametrize("options", [{}, {"use_edns": 0, "payload": 512}, {"use_edns": 0, "payload": 520},
                                     {"want_dnssec": True, "payload": 512}])
def test_a_denial_fits_or_is_truncated(options: dict[str, int]) -> None:
    """Octet by octet past what fits (reply_to sees to it): all of the SOA, or TC."""
    seen = set()
    for length in range(1, 64):
        for more in range(1, 30, 7):
            reply = ask(ZONE, f"{'n' * length}.{'m' * more}.example.", "A", **options)
            whole = bool(reply.authority)
            assert whole is not bool(reply.flags & dns.flags.TC)
            assert reply.rcode() == dns.rcode.NXDOMAIN
            seen.add(whole)
    assert seen == {True, False}


@pytest.mark.parametrize(("rdclass", "rdtype"), [
    (5, 1), (5, 257), (4, 65280), (256, 1), (512, 28), (257, 1), (65281, 15),
])
def test_what_is_refused_is_counted_by_its_type(rdclass: int, rdtype: int) -> None:
    made = answerer(ZONE)
    query = dns.message.make_query("www.example.", rdtype, rdclass, use_edns=0)
    reply = reply_to(made, query)
    assert (reply.rcode(), section(reply.answer)) == (dns.rcode.REFUSED, [])
    assert dict(made.tally) == {rdtype << 8 | dns.rcode.REFUSED: 1}


@pytest.mark.parametrize("rdtype", ["A", "AAAA", "CAA", "TYPE65280"])
def test_a_version_of_edns_that_is_not_there_is_counted_by_its_type(rdtype: str) -> None:
    made = answerer(ZONE)
    query = dns.message.make_query("www.example.", rdtype, use_edns=1)
    assert reply_to(made, query).rcode() == dns.rcode.BADVERS
    assert [key >> 8 for key in made.tally] == [int(query.question[0].rdtype)]


def test_what_an_apex_that_leads_nowhere_says() -> None:
    text = ZONE + "flat.example. 300 SOA a. b. 1 2 3 4 5\nflat.example. 300 CNAME flat.example.\n"
    made = answerer(text, flatten_apex_cname=True)
    reply = reply_to(made, dns.message.make_query("flat.example.", "A", use_edns=0))
    assert (reply.rcode(), errors(reply)) == (dns.rcode.SERVFAIL, [0])
    (error,) = [option for option in reply.options if option.otype == 15]
    assert error.text == "the CNAME at the apex leads nowhere"  # type: ignore[attr-defined]


def test_servfail_for_a_query_and_nothing_for_what_is_none() -> None:
    made = answerer(ZONE)
    query = dns.message.make_query("www.example.", "A")
    packet = query.to_wire()
    wire = unusual.servfail(made, packet)
    assert wire is not None
    reply = dns.message.from_wire(wire)
    assert (reply.id, reply.rcode(), reply.question) == (query.id, dns.rcode.SERVFAIL, [])
    assert reply.flags & dns.flags.QR
    assert sum(made.tally.values()) == 1
    assert unusual.servfail(made, packet[:11]) is None
    assert unusual.servfail(made, packet[:2] + b"\x80" + packet[3:]) is None


FULL = EXAMPLE + """
www.example. 300 A 192.0.2.1
far.example. 300 CNAME www.example.
*.wild.example. 300 MX 10 www.example.
below.example. 300 DNAME example.
cut.example. 300 NS ns.cut.example.
ns.cut.example. 300 A 192.0.2.9
"""


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("size", [0, 512, 600, 1232, 4096])
@pytest.mark.parametrize("do", [False, True])
def test_an_option_changes_nothing_else(tcp: bool, size: int, do: bool) -> None:
    """A query with EDNS options is answered as one without them, octet by octet, but for the options of the reply."""
    zone = FULL + "".join(f"many.example. 300 A 192.0.2.{number}\n" for number in range(1, 90))
    made = answerer(zone)
    for owner in ("WWW", "far", "a.wild", "www.below", "a.cut", "many", "nothing", "a.b.c.nothing", "ns"):
        for rdtype in ("A", "AAAA", "MX", "ANY", "SOA", "AXFR"):
            query = dns.message.make_query(f"{owner}.example", rdtype, use_edns=0, payload=size, want_dnssec=do)
            plain = made.reply(query.to_wire(), tcp, 0)
            counted = dict(made.tally)
            made.tally.clear()
            query.use_edns(0, payload=size, options=[dns.edns.GenericOption(65001, b"unknown")])
            query.want_dnssec(do)
            assert made.reply(query.to_wire(), tcp, 0) == plain, (owner, rdtype)
            assert dict(made.tally) == counted
            made.tally.clear()
    for owner in ("www.foreign", "."):
        query = dns.message.make_query(owner, "A", use_edns=0, options=[dns.edns.GenericOption(65001, b"unknown")])
        assert reply_to(made, query).rcode() == dns.rcode.REFUSED
