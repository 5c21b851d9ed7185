"""What is counted of replies, when they are cut off, options beside each other, and types and names at their limits."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from streamdns.dns import name, rdata
from streamdns.dns.cookies import Cookies
from streamdns.dns.lookup import synthesised_soa
from tests.unit.dns.answering import EXAMPLE, SOA_TEXT, Memory, answerer, ask, errors, reply_to, section, zones

LABEL = "l" * 63
MANY = "".join(f"cut.example. 300 NS a-name-server-{number:030}.elsewhere.invalid.\n" for number in range(20))
ZONE = f"""{EXAMPLE}
{LABEL}.example. 300 A 192.0.2.63
www.example. 300 A 192.0.2.1
caa.example. 300 CAA 0 issue "ca.example"
caa.example. 300 TYPE65280 \\# 1 01
caa.example. 300 TYPE513 \\# 1 02
dname.example. 300 DNAME {'.'.join(['t' * 60] * 4)}.
{MANY}"""


@pytest.mark.parametrize(
    ("owner", "rdtype", "options", "counted"),
    [
        ("www.example", "A", {}, (1, 0)), ("www.example", "CAA", {}, (257, 0)), ("no.example", "AAAA", {}, (28, 3)),
        ("a.b.example", "MX", {"use_edns": 0}, (15, 3)), ("elsewhere.invalid", "A", {}, (1, 5)),
        ("www.cut.example", "TXT", {}, (16, 0)), ("www.example", "AXFR", {}, (252, 5)),
        ("www.example", "MAILB", {}, (253, 4)), ("version.bind", "TXT", {"rdclass": "CH"}, (16, 0)),
        ("other.bind", "TXT", {"rdclass": "CH"}, (16, 5)), ("www.example", "A", {"rdclass": "HS"}, (1, 5)),
        ("caa.example", "TYPE65280", {}, (65280, 0)), ("x.dname.example", "A", {}, (1, 0)),
        ("www.example", "A", {"use_edns": 1}, (1, 16)), ("elsewhere.invalid", "CAA", {}, (257, 5)),
        ("elsewhere.invalid", "TYPE65280", {"use_edns": 0}, (65280, 5)),
    ],
)
def test_every_reply_is_counted_once(
    owner: str, rdtype: str, options: dict[str, object], counted: tuple[int, int]
) -> None:
    """By type and RCODE."""
    made = answerer(ZONE, version=b"streamdns 1")
    for times in (1, 2):
        ask(made, owner, rdtype, **options)
        assert dict(made.tally) == {counted[0] << 8 | counted[1]: times}


@pytest.mark.parametrize(
    ("packet", "counted"),
    [
        (b"\0\1\x10\0" + bytes(8), 4), (b"\0\1\0\0\0\2" + bytes(6), 1), (b"\0\1\0\0\0\1" + bytes(6), 1),
        (b"\0\1\0\0\0\1\0\1" + bytes(4) + b"\0\0\1\0\1", 1), (b"\0\1\x20\0\0\1" + bytes(6) + b"\0\0\1\0\1", 9),
    ],
)
def test_what_is_no_query_is_counted_too(packet: bytes, counted: int) -> None:
    """Without a type, where there is no question that can be read."""
    made = answerer(ZONE)
    wire = made.reply(packet, False, 0)
    assert wire is not None
    assert wire[3] & 15 == counted
    assert {kind & 0xFF for kind in made.tally} == {counted}
    assert sum(made.tally.values()) == 1


KINDS = EXAMPLE + """
www.example. 300 A 192.0.2.1
caa.example. 300 CAA 0 issue "ca.example"
mx.example. 300 MX 1 www.example.
alias.example. 300 CNAME caa.example.
to-www.example. 300 CNAME www.example.
out.example. 300 CNAME elsewhere.invalid.
gone.example. 300 CNAME nothing.example.
loop.example. 300 CNAME loop.example.
sub.example. 300 NS ns.sub.example.
dname.example. 300 DNAME example.
""" + "".join(f'big.example. 300 CAA 0 issue "ca{number}.{LABEL}.example"\n' for number in range(10))


@pytest.mark.parametrize("rotate", [False, True])
@pytest.mark.parametrize(("owner", "rcode"), [
    ("www", 0), ("caa", 0), ("alias", 0), ("to-www", 0), ("out", 0), ("gone", 3), ("loop", 0), ("x.sub", 0), ("sub", 0),
    ("x.dname", 3), ("caa.dname", 0), ("nothing", 3), ("big", 0),
])
def test_a_type_with_two_octets_is_counted_as_what_it_is(owner: str, rcode: int, rotate: bool) -> None:
    """Whatever kind of reply it gets, as often as it is asked for."""
    made = answerer(KINDS, rotate=rotate)
    for times in (1, 2, 3):
        reply = ask(made, f"{owner}.example", "CAA")
        assert reply.rcode() == rcode
        assert dict(made.tally) == {257 << 8 | rcode: times}
        assert bool(reply.flags & dns.flags.TC) == (owner == "big")
        assert made.truncated == times * (owner == "big")


@pytest.mark.parametrize("rotate", [False, True])
@pytest.mark.parametrize(("owner", "rdtype", "octets"), [
    ("mx", 15, b""), ("example", 2, b""), ("mx", 15, b"\0\0\x29\2\0\0\0\0\0\0\0"), ("many", 33, b""),
])
def test_records_with_names_are_counted_as_often_as_they_are_asked_for(
    owner: str, rdtype: int, octets: bytes, rotate: bool
) -> None:
    """Also where they do not fit."""
    made = answerer(KINDS + "".join(f"many.example. 60 SRV 1 2 {n} h.example.\n" for n in range(40)), rotate=rotate)
    for times in (1, 2, 3):
        query = dns.message.make_query("example" if owner == "example" else f"{owner}.example", rdtype).to_wire()
        wire = made.reply(query[:11] + bytes((bool(octets),)) + query[12:] + octets, False, 0)
        assert wire is not None
        assert dict(made.tally) == {rdtype << 8: times}
        assert made.truncated == times * (owner == "many")


@pytest.mark.parametrize("asked", [0, dns.flags.RD, dns.flags.RD | dns.flags.CD, dns.flags.AD | dns.flags.RA])
@pytest.mark.parametrize(("ra", "rotate"), [(0, False), (0x80, False), (0, True)])
@pytest.mark.parametrize(("owner", "rdtype"), [
    ("www", "A"), ("mx", "MX"), ("www", "TXT"), ("nothing", "A"), ("alias", "CAA"), ("to-www", "TXT"), ("gone", "A"),
    ("out", "A"), ("sub", "A"), ("x.sub", "MX"), ("big", "CAA"), ("foreign", "A"), ("www", "AXFR"),
])
def test_the_flags_of_each_kind_of_reply(owner: str, rdtype: str, asked: int, ra: int, rotate: bool) -> None:
    """RD is that of the query, RA that of the server, AA says whose data it is; nothing else is copied (RFC 1035)."""
    made = answerer(KINDS, rotate=rotate)
    made.ra = 0 if rdtype == "AXFR" else ra  # what is refused by its type says nothing of who resolves names
    query = dns.message.make_query("foreign.invalid" if owner == "foreign" else f"{owner}.example", rdtype, flags=asked)
    reply = reply_to(made, query)
    expected = dns.flags.QR | asked & dns.flags.RD | (dns.flags.RA if made.ra else 0)
    expected |= 0 if "sub" in owner or owner == "foreign" or rdtype == "AXFR" else dns.flags.AA
    expected |= dns.flags.TC if owner == "big" else 0
    assert dns.flags.to_text(reply.flags) == dns.flags.to_text(expected)
    assert reply.id == query.id


@pytest.mark.parametrize(("last", "rcode"), [(61, 3), (62, 1), (63, 1)])
def test_a_name_is_255_octets_long_at_the_most(last: int, rcode: int) -> None:
    """RFC 1035 §2.3.4, in a zone that would have an answer for all of them."""
    question = b"".join(bytes((size,)) + b"a" * size for size in (63, 63, 63, last)) + b"\0\0\1\0\1"
    for made in (answerer(f". 300 SOA {SOA_TEXT}\n"), answerer(f". 300 SOA {SOA_TEXT}\n", rotate=True)):
        wire = made.reply(b"\0\1\0\0\0\1\0\0\0\0\0\0" + question, False, 0)
        assert wire is not None
        assert wire[3] & 15 == rcode


def test_names_and_types_at_their_limits() -> None:
    """A label of 63 octets; types above 255 are themselves, not others with the same low octet."""
    assert section(ask(ZONE, f"{LABEL}.example").answer) == [f"{LABEL}.example. A 192.0.2.63"]
    assert [each.rdtype for each in ask(ZONE, "caa.example", "CAA").answer] == [257]
    assert [each.rdtype for each in ask(ZONE, "caa.example", "TYPE65280").answer] == [65280]
    assert [each.rdtype for each in ask(ZONE, "caa.example", "TYPE513").answer] == [513]
    assert ask(ZONE, "caa.example", "A").answer == []
    packet = b"\0\1\0\0\0\1\0\0\0\0\0\0\x40" + b"a" * 64 + b"\7example\0\0\1\0\1"
    wire = answerer(ZONE).reply(packet, False, 0)
    assert wire is not None
    assert wire[3] & 15 == 1
    assert len(wire) == 12


def test_a_referral_that_does_not_fit_is_cut_off() -> None:
    """TC says that there is more (RFC 2181 §9); over TCP all of it comes."""
    reply = ask(ZONE, "www.cut.example")
    assert reply.flags & dns.flags.TC
    assert (reply.answer, reply.authority) == ([], [])
    whole = ask(ZONE, "www.cut.example", tcp=True)
    assert not whole.flags & dns.flags.TC
    assert [len(each) for each in whole.authority] == [20]


@pytest.mark.parametrize("payload", range(512, 1400, 37))
def test_a_dname_is_there_whole_or_the_reply_is_cut_off(payload: int) -> None:
    """With its CNAME (RFC 6672 §3.1), whatever room there is."""
    chain = EXAMPLE + "".join(
        f"{part}.example. 300 DNAME {'x' * 60}.{'y' * 60}.{chr(ord(part) + 1)}.example.\n" for part in "abcd"
    )
    reply = ask(chain, "a.a.example", use_edns=0, payload=payload)
    dnames = [each for each in reply.answer if each.rdtype == 39]
    cnames = [each for each in reply.answer if each.rdtype == 5]
    assert dnames or reply.flags & dns.flags.TC
    assert len(dnames) - len(cnames) in (0, 1)
    whole = ask(chain, "a.a.example", tcp=True)
    assert (reply.answer == whole.answer) or reply.flags & dns.flags.TC
    assert not whole.flags & dns.flags.TC
    assert len({each.name for each in whole.answer if each.rdtype == 39}) == len(
        [each for each in whole.answer if each.rdtype == 39]
    )


def test_the_soa_of_a_zone_that_has_none() -> None:
    """It is made: an hour, a minute for what does not exist, and a mailbox that is a name."""
    made = answerer(f"www.other. 300 A 192.0.2.1\n{EXAMPLE}", zones=zones("other"))
    for asked, where in ((ask(made, "other", "SOA"), "answer"), (ask(made, "none.other"), "authority")):
        (soa,) = getattr(asked, where)
        assert (soa.ttl, soa[0].to_text()) == (
            3600 if where == "answer" else 60, "other. hostmaster.other. 1 3600 600 604800 60",
        )
        assert not asked.flags & dns.flags.TC
        assert asked.flags & dns.flags.AA
    longest = name.key(name.from_text(f"{'a' * 63}." * 3 + "b" * 61 + "."))
    records = synthesised_soa(longest)
    assert records[12:].count(b"b" * 61) == 2
    assert b"hostmaster" not in records
    assert rdata.to_text(6, records[12:]).endswith(" 1 3600 600 604800 60")


def test_options_beside_each_other_are_all_answered() -> None:
    """NSID, cookie and keepalive in one reply, and an extended error behind them."""
    wanted = [
        dns.edns.GenericOption(dns.edns.NSID, b""), dns.edns.GenericOption(11, b""),
        dns.edns.GenericOption(dns.edns.COOKIE, bytes(8)), dns.edns.GenericOption(dns.edns.NSID, b""),
    ]
    made = answerer(ZONE, instance_id=b"ns1", keepalive_s=7000, cookies=Cookies(bytes(16), lambda: 1_000_000))
    for owner, rdtype, more in (("www.example", "A", []), ("www.example", "AXFR", [21])):
        reply = ask(made, owner, rdtype, tcp=True, options=list(wanted), use_edns=0)
        assert [int(each.otype) for each in reply.options] == [3, 11, 10, *([15] if more else [])]
        assert errors(reply) == more
        by_type = {int(each.otype): each.to_wire() for each in reply.options}
        assert by_type[3] == b"ns1"
        assert by_type[11] == b"\xff\xff"
        assert by_type[10] is not None
        assert len(by_type[10]) == 24
    assert [int(each.otype) for each in ask(made, "www.example", options=list(wanted), use_edns=0).options] == [3, 10]


@pytest.mark.parametrize("flattened", [True, False])
def test_what_is_said_where_the_target_of_an_apex_is_not_known(flattened: bool) -> None:
    text = f"example. 300 SOA {SOA_TEXT}\nexample. 300 CNAME elsewhere.invalid.\n"
    made = answerer(Memory(text), flatten_apex_cname=flattened)
    reply = reply_to(made, dns.message.make_query("example", "A", use_edns=0))
    said = [each.to_text() for each in reply.options]
    assert reply.rcode() == (dns.rcode.SERVFAIL if flattened else dns.rcode.NOERROR)
    assert [text for text in said if "the addresses behind the CNAME at the apex are not known here" in text] == (
        said if flattened else []
    )


@pytest.mark.parametrize("mname", ["ns.example.", "example.", "ns.elsewhere.", ".", "a.b.example.", "NS.EXAMPLE."])
@pytest.mark.parametrize("rname", ["host.example.", "example.", "h.elsewhere.", ".", "x.y.example.", "a\\.b.example."])
@pytest.mark.parametrize("asked", ["none.example.", "a.b.c.example.", "ns.example.", "x.ns.example."])
def test_denials_say_the_soa_in_few_octets(mname: str, rname: str, asked: str) -> None:
    """With its TTL cut to the minimum (RFC 2308 §3), and with pointers to the apex in names at or below it."""
    text = f"example. 300 SOA {mname} {rname} 1 3600 600 604800 60\nns.example. 300 AAAA 2001:db8::1\n"
    query = dns.message.make_query(asked, "A")
    wire = answerer(text).reply(query.to_wire(), False, 0)
    assert wire is not None
    reply = dns.message.from_wire(wire)
    (soa,) = reply.authority
    assert (soa.name.to_text(), soa.ttl, reply.rcode()) == ("example.", 60, 0 if asked == "ns.example." else 3)
    assert soa[0].to_text() == f"{mname} {rname} 1 3600 600 604800 60".replace("NS.EXAMPLE", str(soa[0].mname)[:10])
    sizes = [len(name.from_text(each)) - (7 if each.lower().endswith("example.") else 0) for each in (mname, rname)]
    longest = 12 + len(name.from_text(asked)) + 4 + 12 + sum(sizes) + 20
    below = all(each.lower().endswith("example.") for each in (mname, rname))
    assert len(wire) == longest if below else len(wire) <= longest
