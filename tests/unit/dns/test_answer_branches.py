"""Where the quick way of an answer ends and the general one goes on: each place of it, and what is said there."""

from __future__ import annotations

from typing import Any

import dns.message
import pytest

from streamdns.dns import unusual
from streamdns.dns.lookup import ROOT
from streamdns.dns.outcome import MAX_CHAIN
from tests.unit.dns.answering import EXAMPLE, SOA_TEXT, Memory, answerer, ask, cookies_of, section, zones

ZONE = EXAMPLE + f"""
root-alias.example. 60 CNAME .
mx.example. 60 MX 1 ns.example.
to-mx.example. 60 CNAME mx.example.
stale.example. 60 A 192.0.2.1
stale-alias.example. 60 CNAME ns.example.
alias.example. 60 CNAME ns.example.
loop.example. 60 CNAME loop.example.
one.example. 60 CNAME two.example.
two.example. 60 CNAME three.example.
three.example. 60 CNAME one.example.
d.example. 60 DNAME ns.example.
to-d.example. 60 CNAME x.d.example.
cut.example. 60 NS ns.cut.example.
ns.cut.example. 60 A 192.0.2.2
to-cut.example. 60 CNAME x.cut.example.
caa.example. 60 CAA 0 issue "x"
many.example. 60 TYPE258 \\# 1 00
many.example. 60 CAA 0 issue "y"
sub.example. 60 SOA {SOA_TEXT}
sub.example. 60 CNAME ns.example.
*.wild.example. 60 MX 1 ns.example.
""" + "".join(f"c{number}.example. 60 CNAME c{number + 1}.example.\n" for number in range(MAX_CHAIN + 5)) + "".join(
    f"big.example. 60 A 192.0.2.{number}\n" for number in range(40)
) + "to-big.example. 60 CNAME big.example.\n"
VIEW = Memory(ZONE, rejected=[("stale.example", "A"), ("stale-alias.example", "CNAME")])
OWNERS = ("root-alias", "mx", "to-mx", "stale", "stale-alias", "alias", "loop", "one", "d", "x.d", "to-d", "cut",
          "to-cut", "caa", "many", "sub", "x.wild", "c0", "c6", "big", "to-big", "none", "a.b.none", "x.ns")


@pytest.mark.parametrize("listed", [None, zones("example"), zones("example", "sub.example", "a.b.none.example")])
@pytest.mark.parametrize("owner", OWNERS)
def test_the_general_way_says_all_that_the_quick_one_leaves_to_it(owner: str, listed: frozenset[bytes] | None) -> None:
    """With the options, the room and the counts of the query."""
    made = answerer(VIEW, zones=listed)
    plain: dict[str, Any] = {}
    edns: dict[str, Any] = {"use_edns": 0, "payload": 700, "want_dnssec": True}
    for rdtype in ("A", "MX", "CNAME", "DNAME", "ANY", "RRSIG", "DS", "SOA", "CAA", "TYPE256", "TYPE258"):
        for options, tcp in ((plain, False), (edns, False), (plain, True)):
            packet = dns.message.make_query(f"{owner}.example", rdtype, **options).to_wire()
            replies = []
            for is_simple in (True, False):
                made._simple = is_simple
                made.tally.clear()
                made.truncated = 0
                replies.append((made.reply(packet, tcp, 0) or b"", dict(made.tally), made.truncated))
            (quick, *counts), (general, *others) = replies
            assert counts == others
            # Names may be compressed to another length.
            assert quick == general or (
                dns.message.from_wire(quick).to_text() == dns.message.from_wire(general).to_text()
            ), (rdtype, options)


@pytest.mark.parametrize(("owner", "records"), [
    ("loop", ["loop"]), ("one", ["one", "two", "three"]), ("two", ["two", "three", "one"]),
    ("c0", [f"c{number}" for number in range(MAX_CHAIN + 1)]),
    ("c4", [f"c{number}" for number in range(4, MAX_CHAIN + 5)]),
    ("c5", [f"c{number}" for number in range(5, MAX_CHAIN + 5)]),
])
@pytest.mark.parametrize("is_simple", [True, False])
def test_how_far_a_chain_is_followed(owner: str, records: list[str], is_simple: bool) -> None:
    """Until it comes back to where it was, or to the most links there may be; each link is said once."""
    made = answerer(VIEW)
    made._simple = is_simple
    reply = ask(made, f"{owner}.example", tcp=True)
    assert [each.name.to_text().partition(".")[0] for each in reply.answer] == records


@pytest.mark.parametrize("at", range(11))
@pytest.mark.parametrize("value", [0, 1, 2, 0x28, 0x29, 0x7F, 0x80, 0xFF])
@pytest.mark.parametrize("options", [b"", b"\0\x0a\0\x08clientco"])
def test_an_opt_record_is_read_as_carefully_quickly_as_slowly(at: int, value: int, options: bytes) -> None:
    """Octet by octet: its owner, type, size, version, flags and length."""
    packet = dns.message.make_query("big.example", "A", id=7).to_wire()
    opt = bytearray(b"\0\0\x29\x04\xd0\0\0\0\0\0" + bytes((len(options),)))
    opt[at] = value
    message = packet[:11] + b"\1" + packet[12:] + bytes(opt) + options
    made = answerer(VIEW, cookies=cookies_of(1_559_731_985), no_cookie_size=900)
    quick = made.reply(message, False, 0)
    assert quick == unusual.reply(made, message, False, 0)


@pytest.mark.parametrize("rdclass", ["ANY", "IN"])
@pytest.mark.parametrize("tcp", [False, True])
def test_a_class_says_nothing_of_the_room(rdclass: str, tcp: bool) -> None:
    for payload in (None, 512):
        use = None if payload is None else 0
        packet = dns.message.make_query("big.example", "A", rdclass, use_edns=use, payload=512).to_wire()
        wire = answerer(VIEW).reply(packet, tcp, 0)
        assert wire is not None
        assert bool(wire[2] & 2) is not tcp


def test_a_zone_that_is_not_listed_is_none_and_its_alias_is_hidden_all_the_same() -> None:
    """events.md: a CNAME beside a SOA is not answered, wherever the zone that it is in begins."""
    for is_simple in (True, False):
        for listed in (None, zones("example"), zones("example", "sub.example")):
            made = answerer(VIEW, zones=listed)
            made._simple = is_simple
            for rdtype in ("A", "CNAME", "TXT"):
                assert ask(made, "sub.example", rdtype).answer == []
            assert section(ask(made, "sub.example", "SOA").answer) == [f"sub.example. SOA {SOA_TEXT}"]


@pytest.mark.parametrize(("name", "depth"), [
    ("example", 1), ("www.example", 1), ("sub.example", 2), ("a.b.sub.example", 2), ("other", -1), ("", -1),
    ("sub.other", -1), ("x.deep.down.other", 3), ("down.other", -1), ("xsub.example", 1),
])
def test_the_longest_listed_zone_of_a_name(name: str, depth: int) -> None:
    made = answerer(zones=zones("example", "sub.example", "deep.down.other"))
    key = b"".join(each.encode() + b"\0" for each in reversed(name.split("."))) if name else ROOT
    assert made.deepest_listed(key) == depth
    assert answerer().deepest_listed(key) == -1
    with_root = answerer(zones=zones(".", "sub.example"))
    assert with_root._listed_depths == (2, 0)
