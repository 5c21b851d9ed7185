"""Answers at the limits of pointers, lengths and counts: put together quickly they say what the general way says."""

from __future__ import annotations

import struct
from typing import Any

import dns.flags
import dns.message
import pytest

from streamdns.dns.answer import Answerer
from streamdns.dns.outcome import MAX_CHAIN
from tests.unit.dns.answering import EXAMPLE, SOA_TEXT, answerer, ask, cookies_of, section, zones


def long_name(first: str, zone: str) -> str:
    """A name of 255 octets: the apex stands farther behind its beginning than one octet can say."""
    left = 254 - len(f"{first}..{zone}")
    labels = ["l" * 60] * (left // 61)
    return ".".join([first, *labels, "r" * (left % 61), zone]).replace("..", ".")


FAR = EXAMPLE + f"""
{long_name("alias", "example.")} 300 CNAME ns.example.
{long_name("mx", "example.")} 300 MX 10 ns.example.
{long_name("mx", "example.")} 300 MX 20 {long_name("mail", "example.")}
{long_name("mx", "example.")} 300 MX 30 ns.elsewhere.invalid.
{long_name("mx", "example.")} 300 MX 40 a.deep.example.
a.deep.example. 300 A 192.0.2.9
{long_name("mail", "example.")} 300 AAAA 2001:db8::1
*.wild.example. 300 MX 10 ns.example.
*.wild.example. 300 MX 20 ns.elsewhere.invalid.
*.wild.example. 300 MX 30 host.elsewhere.invalid.
*.aliases.example. 300 CNAME alias2.aliases.example.
alias2.aliases.example. 300 A 192.0.2.7
cut.example. 300 NS ns.example.
cut.example. 300 NS ns.cut.example.
ns.cut.example. 300 A 192.0.2.8
{long_name("many", "example.")} 300 CNAME many.example.
""" + "".join(f"many.example. 300 A 192.0.2.{number}\n" for number in range(20))


def reply_of(made: Answerer, packet: bytes, *, tcp: bool = False, quick: bool = True) -> dns.message.Message:
    """The reply as it is put together quickly where that can be, or in the general way."""
    made._simple = quick
    wire = made.reply(packet, tcp, 0)
    assert wire is not None
    return dns.message.from_wire(wire)


def same_both_ways(
    made: Answerer, owner: str, rdtype: str, *, tcp: bool = False, **options: Any
) -> dns.message.Message:
    """The reply to one question, which has the same records in both ways."""
    packet = dns.message.make_query(owner, rdtype, **options).to_wire()
    quick, general = (reply_of(made, packet, tcp=tcp, quick=quick) for quick in (True, False))
    assert (quick.flags, quick.rcode()) == (general.flags, general.rcode())
    for one, other in zip(quick.sections, general.sections, strict=True):
        assert sorted(map(str, one)) == sorted(map(str, other)), (owner, rdtype)
    return quick


@pytest.mark.parametrize("first", ["alias", "many", "mx", "none"])
@pytest.mark.parametrize("zone", ["", "wild.", "aliases.", "cut.", "nothing."])
def test_names_at_which_pointers_take_more_than_one_octet(first: str, zone: str) -> None:
    made, owner = answerer(FAR), long_name(first, f"{zone}example.")
    for rdtype in ("A", "MX", "CNAME", "TXT"):
        reply = same_both_ways(made, owner, rdtype, use_edns=0)
        answers = bool(reply.answer)
        if zone:
            assert answers is (zone == "aliases." or (zone, rdtype) == ("wild.", "MX"))
        else:
            assert answers is (first in ("alias", "many") or (first, rdtype) == ("mx", "MX"))


@pytest.mark.plain
@pytest.mark.parametrize(("first", "rdtype"), [("alias", "A"), ("many", "A"), ("mx", "MX")])
def test_a_long_name_does_not_take_the_general_way(monkeypatch: pytest.MonkeyPatch, first: str, rdtype: str) -> None:
    def general(*_: Any, **__: Any) -> bytes:
        raise AssertionError("the general way")

    made = answerer(FAR)
    monkeypatch.setattr(made, "resolve", general)
    packet = dns.message.make_query(long_name(first, "example."), rdtype, use_edns=0).to_wire()
    assert reply_of(made, packet).answer


KINDS = EXAMPLE + "".join(f"""
a.example. 300 A 192.0.2.{number}
mx.example. 300 MX {number} mail{number}.elsewhere.invalid.
*.wild.example. 300 MX {number} mail{number}.elsewhere.invalid.
txt.example. 300 TXT {'x' * number}
cut.example. 300 NS server{number}.elsewhere.invalid.
""" for number in range(1, 40)) + """
alias.example. 300 CNAME a.example.
alias2.example. 300 CNAME txt.example.
"""


@pytest.mark.parametrize(("owner", "rdtype"), [
    ("a", "A"), ("mx", "MX"), ("x.wild", "MX"), ("txt", "TXT"), ("alias", "A"), ("alias2", "TXT"), ("x.cut", "A"),
])
@pytest.mark.parametrize("quick", [True, False])
def test_what_just_fits_is_sent_whole(owner: str, rdtype: str, quick: bool) -> None:
    """And of what is one octet too long nothing, but that there is more."""
    made = answerer(KINDS, edns_size=4096)
    query = dns.message.make_query(f"{owner}.example", rdtype, use_edns=0, payload=4096)
    whole = reply_of(made, query.to_wire(), quick=quick)
    size = len(whole.wire or b"")
    assert size > 512
    for payload, fits in ((size, True), (size - 1, False)):
        query.use_edns(0, payload=payload)
        reply = reply_of(made, query.to_wire(), quick=quick)
        assert bool(reply.flags & dns.flags.TC) is not fits
        assert (reply.answer == whole.answer and reply.authority == whole.authority) is fits


def test_more_name_servers_than_pointers_reach() -> None:
    """A referral of more than 16 KiB, over TCP, has all its glue."""
    text = EXAMPLE + "".join(
        f"cut.example. 300 NS server-{number}.cut.example.\nserver-{number}.cut.example. 300 A 192.0.2.1\n"
        for number in range(700)
    )
    reply = same_both_ways(answerer(text), "x.cut.example", "A", tcp=True)
    assert (len(reply.authority[0]), len(reply.additional)) == (700, 700)


@pytest.mark.parametrize("count", [1, 2, 9, 255, 256, 257])
def test_a_mail_server_has_its_address_however_much_else_there_is_at_its_name(count: int) -> None:
    text = EXAMPLE + "mx.example. 300 MX 1 host.example.\nhost.example. 300 A 192.0.2.1\n"
    text += "".join(f"host.example. 300 TYPE{65280 + number} \\# 1 00\n" for number in range(count - 1))
    assert len(same_both_ways(answerer(text), "mx.example", "MX").additional) == 1


@pytest.mark.parametrize("sizes", [(10, 20), (300, 400), (255, 256), (513, 5, 270), (256, 256)])
def test_an_alias_of_records_of_different_lengths(sizes: tuple[int, ...]) -> None:
    text = EXAMPLE + "far.example. 300 CNAME text.example.\n"
    text += "".join(f"text.example. 300 TYPE65280 \\# {size} {'ab' * size}\n" for size in sizes)
    text += "text.example. 300 TYPE65280 \\# 1 00\n"
    reply = same_both_ways(answerer(text), "far.example", "TYPE65280", tcp=True)
    assert sorted(len(each.to_wire()) for each in reply.answer[-1]) == sorted({1, *sizes})


@pytest.mark.parametrize("flags", [0, 0x8000, 0x7FFF, 0x0100, 0x0080, 0xFFFF])
@pytest.mark.parametrize("options", [b"", b"\0\x0a\0\x08clientco", b"\xfd\xe9\0\0"])
def test_the_other_flags_of_edns_are_not_taken_for_do(flags: int, options: bytes) -> None:
    """RFC 6891 §6.1.4: they are passed over, and not sent back."""
    made = answerer(EXAMPLE, cookies=cookies_of(1_559_731_985))
    packet = dns.message.make_query("ns.example", "A").to_wire()
    opt = struct.pack(">BHHBBHH", 0, 41, 1232, 0, 0, flags, len(options)) + options
    reply = reply_of(made, packet[:10] + b"\0\1" + packet[12:] + opt)
    assert (len(reply.answer), reply.ednsflags) == (1, flags & 0x8000)


@pytest.mark.parametrize(("links", "rcode"), [(MAX_CHAIN, 0), (MAX_CHAIN + 1, 2)])
def test_how_many_aliases_behind_an_apex_are_followed(links: int, rcode: int) -> None:
    text = EXAMPLE + "example. 300 CNAME c1.example.\n" + f"c{links}.example. 60 A 192.0.2.1\n"
    text += "".join(f"c{number}.example. 300 CNAME c{number + 1}.example.\n" for number in range(1, links))
    reply = ask(answerer(text, flatten_apex_cname=True), "example")
    assert (reply.rcode(), section(reply.answer)) == (rcode, [] if rcode else ["example. A 192.0.2.1"])


APEXES = f"""
. 300 SOA {SOA_TEXT}
. 300 MX 1 mail.
mail. 300 A 192.0.2.25
example. 300 SOA {SOA_TEXT}
example. 300 DS 1 8 2 {"ab" * 32}
example. 300 DNAME target.
example. 300 MX 1 mail.
a.target. 300 A 192.0.2.1
www.listed. 300 A 192.0.2.2
alias. 300 CNAME listed.
second. 300 SOA {SOA_TEXT.replace("60", "61")}
"""


@pytest.mark.parametrize("listed", [None, zones("."), zones(".", "listed")])
def test_apexes_at_the_root_and_right_below_it(listed: frozenset[bytes] | None) -> None:
    """DS is the parent's (RFC 4035 §3.1.4.1), a DNAME redirects what is below it alone (RFC 6672 §2.3)."""
    made = answerer(APEXES, zones=listed)
    for owner in (".", "example", "second", "a.example", "mail", "none", "listed", "www.listed", "x.listed"):
        for rdtype in ("A", "MX", "DS", "SOA", "DNAME"):
            same_both_ways(made, owner, rdtype)
    assert section(same_both_ways(made, ".", "MX").additional) == ["mail. A 192.0.2.25"]
    assert section(same_both_ways(made, "example", "MX").answer) == ["example. MX 1 mail."]
    (soa,) = same_both_ways(made, "none.listed", "A").authority
    is_listed = listed == zones(".", "listed")
    assert soa.name.to_text() == ("listed." if is_listed else ".")
    behind = [rrset.name.to_text() for rrset in same_both_ways(made, "alias", "SOA").answer]
    assert behind == (["alias.", "listed."] if is_listed else ["alias."])


def test_types_with_two_octets_are_turned_as_others_are() -> None:
    text = EXAMPLE + "".join(f"w.example. 60 TYPE65290 \\# 1 0{number}\n" for number in (1, 2))
    made = answerer(text, rotate=True)
    orders = {tuple(section(ask(made, "w.example", "TYPE65290").answer)) for _ in range(2)}
    first, second = (f"w.example. TYPE65290 \\# 1 0{number}" for number in (1, 2))
    assert orders == {(first, second), (second, first)}


def test_the_alias_that_a_dname_makes_has_its_name_compressed() -> None:
    """Unlike the target of the DNAME itself (RFC 6672 §2.5)."""
    text = EXAMPLE + "d.example. 60 DNAME t.example.\nx.t.example. 60 A 192.0.2.5\n"
    for quick in (True, False):
        reply = reply_of(answerer(text), dns.message.make_query("x.d.example", "A").to_wire(), quick=quick)
        question, head = len(b"\1x\1d\7example\0") + 4, 2 + 10
        dname, cname, address = len(b"\1t\7example\0"), len(b"\1x\1t\xc0\0"), 4
        assert len(reply.wire or b"") == 12 + question + head + dname + head + cname + head + address


def test_names_of_a_soa_share_what_they_have_in_common_in_any_spelling() -> None:
    text = "example. 300 SOA ns1.Provider.NET. host.provider.Net. 1 2 3 4 5\n"
    reply = reply_of(answerer(text), dns.message.make_query("x.example", "A").to_wire())
    question, soa = len(b"\1x\7example\0") + 4, len(b"\3ns1\x08provider\3net\0\4host\xc0\0") + 20
    assert len(reply.wire or b"") == 12 + question + 2 + 10 + soa


@pytest.mark.parametrize(("owner", "rdtype"), [
    ("alias", "A"), ("mx", "MX"), ("example.", "NS"), ("example.", "SOA"), ("x.cut", "A"), ("none", "A"), ("mx", "A"),
    ("ptr", "PTR"),
])
def test_names_are_compressed_in_both_ways(owner: str, rdtype: str) -> None:
    text = """
        example. 300 SOA ns.example. host.example. 1 2 3 4 5
        example. 300 NS ns.example.
        ns.example. 300 A 192.0.2.1
        mx.example. 300 MX 10 ns.example.
        ptr.example. 300 PTR ns.example.
        alias.example. 300 CNAME ns.example.
        cut.example. 300 NS ns.cut.example.
        ns.cut.example. 300 A 192.0.2.2
    """
    packet = dns.message.make_query(owner if owner.endswith(".") else f"{owner}.example.", rdtype).to_wire()
    made = answerer(text)
    quick, general = (reply_of(made, packet, quick=quick).wire or b"" for quick in (True, False))
    assert len(quick) == len(general)
    # The zone's name is there once, in the question, and no name is there twice.
    assert general.count(b"\7example") == 1
    assert general.count(b"\2ns") == 1


def test_the_soa_that_is_made_for_a_listed_zone_has_its_names_compressed() -> None:
    made = answerer("www.other. 300 A 192.0.2.1\n", zones=zones("other"))
    for owner, names in (("other", 2 + 11 + 2), ("none.other", 2 + 11 + 2)):
        reply = reply_of(made, dns.message.make_query(owner, "SOA").to_wire())
        question = len(owner) + 2 + 4
        assert len(reply.wire or b"") == 12 + question + 2 + 10 + names + 20


def test_the_root_may_be_listed_though_the_log_has_no_soa_for_it() -> None:
    reply = ask(answerer("www.other. 300 A 192.0.2.1\n", zones=zones(".")), "none.other")
    assert (reply.rcode(), [rrset.name.to_text() for rrset in reply.authority]) == (3, ["."])


def test_addresses_of_what_stands_behind_a_long_record_are_there() -> None:
    text = EXAMPLE + f'svc.example. 300 HTTPS 1 ns.example. key65400="{"x" * 250}" key65401="{"y" * 50}"\n'
    text += "svc.example. 300 HTTPS 2 other.example.\nother.example. 300 A 192.0.2.2\n"
    reply = same_both_ways(answerer(text), "svc.example", "HTTPS", use_edns=0)
    assert section(reply.additional) == ["ns.example. A 192.0.2.53", "other.example. A 192.0.2.2"]
