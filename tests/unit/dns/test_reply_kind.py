"""Which replies are of one kind: what each outcome of a lookup is counted as, and of which zone the log says it is."""

from __future__ import annotations

import dns.message
import dns.name
import pytest

from streamdns.dns import name
from streamdns.dns.reply_kind import ABSENT, ANSWER, ERROR, NODATA, REFERRAL, Kind, kind_of, zone_of
from streamdns.dns.unusual import cookie_of, cut_short
from tests.unit.dns.answering import EXAMPLE, Memory, answerer, cookies_of, wire_reply

ZONES = EXAMPLE + """
www.example. 300 A 192.0.2.1
www.example. 300 TXT "text"
far.example. 300 CNAME host.other.
gone.example. 300 CNAME nothing.sub.example.
*.wild.example. 300 TXT "text"
deep.wild.example. 300 TXT "text"
*.sub.wild.example. 300 CNAME www.example.
below.example. 300 DNAME elsewhere.invalid.
cut.example. 300 NS ns.cut.example.
ns.cut.example. 300 A 192.0.2.9
empty.terminal.example. 300 A 192.0.2.2
sub.example. 300 SOA ns.example. hostmaster.example. 1 3600 600 604800 60
sub.example. 300 NS ns.example.
od\\000d.example. 300 A 192.0.2.3
"""
VIEW = Memory(ZONES)


def wire(text: str) -> bytes:
    return name.from_text(text).lower() if text else b""


def kind(owner: str, rdtype: str, **options: object) -> Kind:
    return kind_of(wire_reply(answerer(VIEW), owner, rdtype, **options), VIEW)


@pytest.mark.parametrize(("owner", "rdtype", "what", "of", "zone"), [
    ("WWW.example", "A", ANSWER, "www.example.", "example."),
    ("od\\000d.example", "A", ANSWER, "od\\000d.example.", "example."),
    ("far.example", "A", ANSWER, "far.example.", "example."),
    ("example", "SOA", ANSWER, "example.", "example."),
    ("a.wild.example", "TXT", ANSWER, "*.wild.example.", "example."),
    ("a.b.c.Wild.example", "TXT", ANSWER, "*.wild.example.", "example."),
    ("*.wild.example", "TXT", ANSWER, "*.wild.example.", "example."),
    ("deep.wild.example", "TXT", ANSWER, "deep.wild.example.", "example."),
    ("x.sub.wild.example", "A", ANSWER, "*.sub.wild.example.", "example."),
    ("a.below.example", "A", ANSWER, "below.example.", "example."),
    ("a.wild.example", "A", NODATA, "example.", "example."),
    ("www.example", "MX", NODATA, "example.", "example."),
    ("terminal.example", "A", NODATA, "example.", "example."),
    ("nothing.example", "A", ABSENT, "example.", "example."),
    ("a.b.sub.example", "A", ABSENT, "sub.example.", "sub.example."),
    ("gone.example", "A", ABSENT, "sub.example.", "sub.example."),
    ("a.cut.example", "A", REFERRAL, "cut.example.", "example."),
    ("cut.example", "NS", REFERRAL, "cut.example.", "example."),
    ("www.foreign", "A", ERROR, "", ""),
])
def test_kinds(owner: str, rdtype: str, what: str, of: str, zone: str) -> None:
    found = kind(owner, rdtype)
    assert (found.what, found.name) == (what, wire(of))
    assert zone_of(found, VIEW) == wire(zone)


def test_names_below_one_wildcard_are_one_kind() -> None:
    """As are all names that a zone does not have, and all below a cut; not types, and not names that are there."""
    for form, rdtype in (
        ("{}.wild.example", "TXT"), ("{}.nothing.example", "A"), ("{}.cut.example", "A"), ("{}.foreign", "A"),
    ):
        assert len({kind(form.format("x" * length), rdtype) for length in range(1, 60)}) == 1, form
    assert kind("www.example", "A") != kind("www.example", "TXT")
    assert kind("www.example", "A") != kind("ns.example", "A")


def test_the_version_of_edns_and_tc_do_not_make_kinds_of_their_own() -> None:
    """A name whose answer is cut is the same as in full; what has no zone at all is one kind."""
    long = Memory(ZONES + "\n".join(f'*.long.example. 300 TXT "{number} {"x" * 200}"' for number in range(9)))
    made = answerer(long)
    cut = [wire_reply(made, f"{owner}.long.example", "TXT", use_edns=use) for owner, use in (("a", False), ("b", 0))]
    assert all(reply[2] & 2 for reply in cut)
    assert {kind_of(reply, long) for reply in cut} == {Kind(ANSWER, wire("*.long.example."), 16)}
    assert kind("www.example", "A", use_edns=1) == Kind(NODATA, b"", 0)


def test_without_a_view_each_name_is_its_own_kind() -> None:
    """A reply that came from elsewhere, or later."""
    reply = wire_reply(answerer(VIEW), "a.wild.example", "TXT")
    assert kind_of(reply, None) == Kind(ANSWER, wire("a.wild.example."), 16)
    assert kind_of(reply[:2] + bytes((reply[2] & ~4,)) + reply[3:], VIEW).name == wire("a.wild.example.")


@pytest.mark.parametrize("packet", [b"", b"\0" * 12, b"ab\x81\x05" + b"\0" * 8])
def test_a_header_alone_is_an_error(packet: bytes) -> None:
    reply = packet.ljust(12, b"\0")
    assert kind_of(reply, VIEW) == Kind(ERROR, b"", reply[3] & 15)


def test_any_octets_have_a_kind() -> None:
    """Pieces of a reply: what cannot be read is an error, and never an exception."""
    for owner in ("www.example", "gone.example", "a.cut.example", "a.below.example"):
        reply = wire_reply(answerer(VIEW), owner, "A")
        for end in range(12, len(reply)):
            assert kind_of(reply[:end], VIEW).what


def test_a_reply_that_is_cut_short_says_tc_and_nothing_else() -> None:
    made = answerer(VIEW, cookies=cookies_of(1559731985))
    made.client = lambda slot: b"\x7f\0\0\1"
    for options, edns in (({"use_edns": False}, -1), ({"use_edns": 0, "want_dnssec": True}, 0)):
        query = dns.message.make_query("WWW.example", "A", **options)
        packet = query.to_wire()
        reply = made.reply(packet, False, 0)
        assert reply is not None
        read = dns.message.from_wire(cut_short(made, packet, reply, 0))
        assert query.is_response(read)
        assert (read.answer, read.authority, read.additional, read.edns) == ([], [], [], edns)
        assert dns.flags.to_text(read.flags) == "QR TC RD"
        assert read.question[0].name.labels == query.question[0].name.labels


@pytest.mark.parametrize("slot", [0, None])
def test_a_cookie_comes_with_it(slot: int | None) -> None:
    """A client that has none yet is known from then on; where the reply comes later it asks again over TCP."""
    made = answerer(VIEW, cookies=cookies_of(1559731985))
    made.client = lambda slot: b"\x7f\0\0\1"
    query = dns.message.make_query("www.example", "A", use_edns=0, options=[dns.edns.CookieOption(b"clientco", b"")])
    packet = query.to_wire()
    reply = made.reply(packet, False, 0)
    assert reply is not None
    read = dns.message.from_wire(cut_short(made, packet, reply, slot))
    assert [len(option.to_wire()) for option in read.options] == ([24] if slot == 0 else [])
    assert cookie_of(packet) == b"clientco"


def test_no_cookie() -> None:
    for options in ({"use_edns": False}, {"use_edns": 0}, {"use_edns": 0, "options": [dns.edns.GenericOption(3, b"")]}):
        assert cookie_of(dns.message.make_query("www.example", "A", **options).to_wire()) == b""
    assert cookie_of(b"\0" * 11 + b"\5" + b"\0" * 20) == b""
