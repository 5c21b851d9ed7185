"""Replies whose records are counted and whose octets are added up: what a reader that joins equal records hides."""

from __future__ import annotations

from typing import Any

import dns.flags
import dns.message
import dns.name
import pytest

from streamdns.dns.answer import Answerer
from streamdns.dns.node import SOA, pack_records
from streamdns.dns.outcome import MAX_CHAIN
from streamdns.dns.wire import Reply
from tests.unit.dns.answering import EXAMPLE, SOA_TEXT, answerer, ask, reply_to, section, wire_reply, zones

LONG = "x" * 60
#: Read from a wrong place, its first label looks like the end of a name, and behind that like a long record.
FAR = rf"{'f' * 9}\255ff\002ff\@\012{'f' * 46}.{'f' * 63}.{'f' * 63}.{'f' * 61}."
ZONE = EXAMPLE + rf"""
loop.example. 60 CNAME loop.example.
one.example. 60 CNAME two.example.
two.example. 60 CNAME one.example.
same.example. 60 MX 1 ns.example.
same.example. 60 MX 2 ns.example.
a\@\016.example. 60 A 192.0.2.1
odd.example. 60 MX 1 a\@\016.example.
abc.example. 60 A 192.0.2.2
preferred.example. 60 MX 16400 abc.example.
longest.example. 60 MX 1 {FAR}
longest.example. 60 MX 2 ns.example.
*.longest.example. 60 MX 1 {FAR}
*.longest.example. 60 MX 2 ns.example.
hidden.example. 60 CNAME ns.example.
hidden.example. 60 A 192.0.2.3
to-hidden.example. 60 MX 1 hidden.example.
shown.example. 60 SOA {SOA_TEXT}
shown.example. 60 CNAME ns.example.
shown.example. 60 TXT x
shown.example. 60 A 192.0.2.4
to-shown.example. 60 MX 1 shown.example.
*.apex.example. 60 SOA {SOA_TEXT}
*.apex.example. 60 CNAME ns.example.
out0.example. 60 CNAME {LONG}.{LONG}.out1.example.
{LONG}.{LONG}.out1.example. 60 CNAME {LONG}.{LONG}.out2.example.
{LONG}.{LONG}.out2.example. 60 CNAME {LONG}.{LONG}.out3.example.
{LONG}.{LONG}.out3.example. 60 CNAME {LONG}.{LONG}.elsewhere.
""" + "".join(f"c{number}.example. 60 CNAME c{number + 1}.example.\n" for number in range(MAX_CHAIN + 5))


def both(**policy: Any) -> list[Answerer]:
    """An answerer that takes the quick way where it can, and one that never does."""
    quick, general = answerer(ZONE, **policy), answerer(ZONE, **policy)
    general._simple = False
    return [quick, general]


@pytest.mark.parametrize(("owner", "count"), [("loop", 1), ("one", 2), ("two", 2), ("c0", MAX_CHAIN + 1)])
def test_no_link_of_a_chain_is_said_twice(owner: str, count: int) -> None:
    for made in both():
        wire = made.reply(dns.message.make_query(f"{owner}.example", "A").to_wire(), True, 0)
        assert wire is not None
        assert int.from_bytes(wire[6:8], "big") == count


@pytest.mark.parametrize(("owner", "additional"), [
    ("same", ["ns.example. A 192.0.2.53"]),
    # A label with an octet that could be a pointer, and a preference whose octets could be one.
    ("odd", [r"a@\016.example. A 192.0.2.1"]), ("preferred", ["abc.example. A 192.0.2.2"]),
    ("longest", ["ns.example. A 192.0.2.53"]),
])
def test_each_address_comes_along_once(owner: str, additional: list[str]) -> None:
    for made in both():
        wire = wire_reply(made, f"{owner}.example", "MX")
        assert int.from_bytes(wire[10:12], "big") == 1
        found = section(dns.message.from_wire(wire).additional)
        assert [each.replace(r"\@", "@") for each in found] == additional


def test_what_a_wildcard_says_is_said_whole_however_long_it_is() -> None:
    for made in both():
        exchanges = {each.exchange.to_text() for each in ask(made, "xyz.longest.example", "MX").answer[0]}
        assert len(exchanges) == 2
        assert "ns.example." in exchanges


def test_an_alias_hides_addresses_and_a_zone_hides_an_alias() -> None:
    """Also where the zone is not served, so that what stands at its apex belongs to the one above."""
    for made in both(zones=zones("example")):
        assert ask(made, "to-hidden.example", "MX").additional == []
        assert section(ask(made, "to-shown.example", "MX").additional) == ["shown.example. A 192.0.2.4"]
        assert ask(made, "x.apex.example").answer == []
        assert section(ask(made, "shown.example", "A").answer) == ["shown.example. A 192.0.2.4"]
        assert ask(made, "shown.example", "AAAA").answer == []
        assert ask(made, "shown.example", "CNAME").answer == []


def test_a_chain_that_leads_away_has_the_room_of_the_query() -> None:
    """To the octet, with and without an OPT record; what does not fit is truncated."""
    truncated = set()
    for payload in (0, *range(512, 760)):
        query = dns.message.make_query("out0.example", "A", use_edns=0 if payload else None, payload=payload or 512)
        whole = len(answerer(ZONE).reply(query.to_wire(), True, 0) or b"")
        for made in both():
            reply = reply_to(made, query)
            is_cut = bool(reply.flags & dns.flags.TC)
            assert is_cut == (whole > max(512, payload)), payload
            assert len(reply.answer) == 4 or is_cut
            truncated.add((payload > 0, is_cut))
    assert truncated == {(False, True), (True, True), (True, False)}


def test_ds_of_a_zone_below_the_root_comes_from_the_root() -> None:
    """RFC 4035 §3.1.4.1: the parent's zone answers, here that of the root."""
    view = EXAMPLE + f". 300 SOA {SOA_TEXT}\n. 300 NS ns.example.\n"
    assert [each.name.to_text() for each in ask(view, "example", "DS").authority] == ["."]
    assert [each.name.to_text() for each in ask(view, ".", "DS").authority] == ["."]
    assert [each.name.to_text() for each in ask(EXAMPLE, "example", "DS").authority] == ["example."]


@pytest.mark.parametrize("rdtype", ["A", "AAAA"])
def test_an_apex_without_an_alias_is_not_flattened(rdtype: str) -> None:
    made = answerer(flatten_apex_cname=True, rotate=True)
    reply = ask(made, "example", rdtype)
    assert reply.answer == []
    assert [(each.name.to_text(), each.rdtype) for each in reply.authority] == [("example.", SOA)]


def test_a_refusal_of_a_broken_message_has_nothing_behind_its_head() -> None:
    """An update whose OPT record cannot be found: the header alone, with the error."""
    update = b"\0\7\x28\0\0\1\0\0\0\0\0\1" + b"\7example\0\0\6\0\1" + b"\x3f"
    assert answerer().reply(update, False, 0) == b"\0\7\xa8\4" + bytes(8)


@pytest.mark.parametrize("label", [b"a", b"ab", b"abc", b"abcd"])
def test_owners_point_at_the_first_of_them(label: bytes) -> None:
    """Wherever that stands, on an even octet or an odd one."""
    question = bytes((len(label),)) + label + b"\0"
    packet = b"\0\1\0\0\0\1\0\0\0\0\0\0" + question + b"\0\1\0\1"
    reply = Reply(packet, len(packet), 1232)
    reply.answers += reply.add_rrset(b"\1x\0", 1, pack_records(1, 1, [bytes((10, 0, 0, last)) for last in range(20)]))
    wire = reply.finish(0x80, 0, b"")
    assert [each.name for each in dns.message.from_wire(wire, one_rr_per_rrset=True).answer] == [
        dns.name.from_text("x.")] * 20
