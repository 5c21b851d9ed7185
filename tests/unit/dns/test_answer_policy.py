"""Answers that depend on the configuration, on the state of the view, or on what else is in the message."""

from __future__ import annotations

from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import pytest

from streamdns.dns.answer import Answerer
from streamdns.dns.cookies import Cookies
from tests.unit.dns.answering import (
    EXAMPLE,
    SOA_TEXT,
    Memory,
    answerer,
    ask,
    cookies_of,
    errors,
    reply_to,
    section,
    zones,
)

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH = (
    dns.rcode.NOERROR, dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NXDOMAIN, dns.rcode.NOTIMP, dns.rcode.REFUSED,
    dns.rcode.NOTAUTH,
)
SYNTHESISED = "{0} SOA {0} hostmaster.{0} 1 3600 600 604800 60"


# -- which zones are ours


def test_a_foreign_name_is_refused() -> None:
    """REFUSED with EDE 20, without AA and SOA; a name that merely ends alike is foreign too."""
    for owner in ("example.org", "notexample", "xexample", "."):
        reply = ask(EXAMPLE, owner, use_edns=0)
        assert (reply.rcode(), errors(reply), reply.flags & dns.flags.AA, reply.authority) == (REFUSED, [20], 0, [])


def test_a_view_that_is_not_ready_denies_nothing() -> None:
    """SERVFAIL with EDE 14 for every name, for any may be ours."""
    made = answerer(Memory(EXAMPLE, ready=False))
    for owner in ("ns.example", "nothing.example", "foreign.invalid"):
        reply = ask(made, owner, use_edns=0)
        assert (reply.rcode(), errors(reply), reply.answer, reply.flags & dns.flags.AA) == (SERVFAIL, [14], [], 0)


def test_a_view_that_is_not_ready_with_listed_zones() -> None:
    """Names in listed zones are SERVFAIL with EDE 14, foreign ones are known to be foreign."""
    made = answerer(Memory("", ready=False), zones=zones("example"))
    reply = ask(made, "ns.example", use_edns=0)
    assert (reply.rcode(), errors(reply)) == (SERVFAIL, [14])
    reply = ask(made, "foreign.invalid", use_edns=0)
    assert (reply.rcode(), errors(reply)) == (REFUSED, [20])


def test_a_listed_zone_without_soa_gets_a_synthesised_one() -> None:
    """It is in negative answers and answers SOA; nothing else is made up."""
    made = answerer("www.example. 60 A 192.0.2.1", zones=zones("example"))
    soa = SYNTHESISED.format("example.")
    assert section(ask(made, "www.example").answer) == ["www.example. A 192.0.2.1"]
    asked = (("nothing.example", "A", NXDOMAIN), ("www.example", "TXT", NOERROR), ("example", "A", NOERROR))
    for owner, rdtype, rcode in asked:
        reply = ask(made, owner, rdtype)
        assert (reply.rcode(), section(reply.authority), reply.authority[0].ttl) == (rcode, [soa], 60)
    reply = ask(made, "example", "SOA")
    assert (section(reply.answer), bool(reply.flags & dns.flags.AA)) == ([soa], True)
    empty = answerer("", zones=zones("example"))
    assert section(ask(empty, "example", "SOA").answer) == [soa]
    assert (ask(empty, "example", "TXT").rcode(), ask(empty, "x.example", "TXT").rcode()) == (NOERROR, NXDOMAIN)


def test_an_apex_that_is_not_listed_is_part_of_the_zone_above() -> None:
    """Its SOA is an RRset like others, and its NS makes a cut in the listed zone."""
    text = EXAMPLE + f"child.example. 60 SOA {SOA_TEXT}\nw.child.example. 60 A 192.0.2.1\n"
    made = answerer(text, zones=zones("example"))
    assert section(ask(made, "w.child.example").answer) == ["w.child.example. A 192.0.2.1"]
    assert section(ask(made, "x.child.example").authority) == [f"example. SOA {SOA_TEXT}"]
    cut = answerer(text + "child.example. 60 NS ns.far.invalid.", zones=zones("example"))
    reply = ask(cut, "w.child.example")
    assert (reply.answer, section(reply.authority)) == ([], ["child.example. NS ns.far.invalid."])


def test_only_listed_zones_are_ours() -> None:
    """A SOA in the log makes no zone where others are listed."""
    made = answerer(EXAMPLE + f"other. 60 SOA {SOA_TEXT}\nx.other. 60 A 192.0.2.1", zones=zones("example"))
    assert (ask(made, "x.other").rcode(), ask(made, "other", "SOA").rcode()) == (REFUSED, REFUSED)


@pytest.mark.parametrize("below", ["", "x.child.example. 60 A 192.0.2.1", "child.example. 60 NS ns.far.invalid."])
def test_a_listed_zone_below_a_listed_zone(below: str) -> None:
    """The longest apex wins, also where its SOA is not in the log and the other's is."""
    made = answerer(EXAMPLE + below, zones=zones("example", "child.example"))
    reply = ask(made, "nothing.child.example")
    assert (reply.rcode(), section(reply.authority)) == (NXDOMAIN, [SYNTHESISED.format("child.example.")])
    assert section(ask(made, "nothing.example").authority) == [f"example. SOA {SOA_TEXT}"]


# -- a CNAME at an apex

APEX = EXAMPLE + """
example. 30 CNAME www.example.
www.example. 60 A 192.0.2.80
www.example. 20 AAAA 2001:db8::80
example. 60 TXT apex
"""


def test_a_cname_at_an_apex_is_shadowed() -> None:
    """events.md 4: what else stands there is answered, the CNAME is not."""
    for text, policy in ((APEX, {}), (APEX.replace("example. 300 SOA", "other. 300 SOA"), {"zones": zones("example")})):
        made = answerer(text, **policy)
        assert section(ask(made, "example", "TXT").answer) == ['example. TXT "apex"']
        for rdtype in ("CNAME", "A", "MX"):
            reply = ask(made, "example", rdtype)
            assert (reply.rcode(), reply.answer, len(reply.authority)) == (NOERROR, [], 1), rdtype
        assert ask(made, "nothing.example").rcode() == NXDOMAIN
        assert section(ask(made, "example", "NS").answer)
        assert [rrset.rdtype for rrset in ask(made, "example", "ANY").answer] == [2]


def test_a_cname_at_an_apex_is_flattened() -> None:
    """A and AAAA are those of the target, under the apex, with the lowest TTL of the chain; own ones win."""
    made = answerer(APEX, flatten_apex_cname=True)
    reply = ask(made, "EXAMPLE")
    assert (section(reply.answer), reply.answer[0].ttl) == (["EXAMPLE. A 192.0.2.80"], 30)
    assert ask(made, "example", "AAAA").answer[0].ttl == 20
    assert section(ask(made, "example", "TXT").answer) == ['example. TXT "apex"']
    assert not ask(made, "example", "CNAME").answer
    own = answerer(APEX + "example. 60 A 192.0.2.1", flatten_apex_cname=True)
    assert section(ask(own, "example").answer) == ["example. A 192.0.2.1"]


@pytest.mark.parametrize(
    ("target", "rcode", "addresses"),
    [
        ("chain.example.", NOERROR, 1),  # through a further CNAME
        ("x.wild.example.", NOERROR, 1),  # from a wildcard
        ("x.dname.example.", NOERROR, 1),  # through a DNAME
        ("nothing.example.", NOERROR, 0),
        ("example.", SERVFAIL, 0),
        ("loop.example.", SERVFAIL, 0),
        ("x.cut.example.", SERVFAIL, 0),  # below a delegation
        ("b.example.", SERVFAIL, 0),  # a zone whose apex points back
        ("far.invalid.", SERVFAIL, 0),  # in no zone of ours: not known here, and never denied
    ],
)
def test_what_is_flattened(target: str, rcode: int, addresses: int) -> None:
    """The target's addresses as far as they are in our zones; without any, NODATA."""
    text = EXAMPLE + f"example. 30 CNAME {target}\n" + """
www.example. 60 A 192.0.2.80
chain.example. 60 CNAME www.example.
*.wild.example. 60 A 192.0.2.80
dname.example. 60 DNAME t.example.
x.t.example. 60 A 192.0.2.80
loop.example. 60 CNAME loop.example.
cut.example. 60 NS ns.cut.example.
b.example. 60 CNAME example.
b.example. 60 SOA ns.example. hostmaster.example. 1 3600 600 604800 60
"""
    reply = ask(answerer(text, flatten_apex_cname=True), "example", use_edns=0)
    assert (reply.rcode(), section(reply.answer)) == (rcode, ["example. A 192.0.2.80"] * addresses)
    assert bool(errors(reply)) == (rcode == SERVFAIL)


# -- class, opcode, type


def test_classes() -> None:
    """CH only for the server's own names; HS refused; ANY as IN, but without AA (RFC 1035 §3.2.5)."""
    reply = ask(EXAMPLE, "ns.example", rdclass=dns.rdataclass.ANY)
    assert (len(reply.answer), reply.flags & dns.flags.AA) == (1, 0)
    assert ask(EXAMPLE, "ns.example", rdclass=dns.rdataclass.HS).rcode() == REFUSED
    assert ask(EXAMPLE, "ns.example", rdclass=dns.rdataclass.CH).rcode() == REFUSED


@pytest.mark.parametrize("owner", ["id.server", "hostname.bind", "ID.Server"])
def test_which_server_this_is(owner: str) -> None:
    """RFC 4892, with EDNS or without, for TXT and ANY."""
    made = answerer(instance_id=b"node-7")
    for rdtype in ("TXT", "ANY"):
        for options in ({}, {"use_edns": 0}):
            reply = ask(made, owner, rdtype, rdclass=dns.rdataclass.CH, **options)
            assert section(reply.answer) == [f'{owner}. TXT "node-7"']
            assert reply.edns == options.get("use_edns", -1)
            assert reply.answer[0].rdclass == dns.rdataclass.CH
    assert ask(made, owner, "A", rdclass=dns.rdataclass.CH).rcode() == REFUSED
    assert ask(answerer(), owner, "TXT", rdclass=dns.rdataclass.CH).rcode() == REFUSED


def test_the_version_is_told_only_when_it_is_set() -> None:
    """DNS_VERSION is off by default."""
    for owner in ("version.bind", "version.server"):
        assert ask(answerer(instance_id=b"x"), owner, "TXT", rdclass=dns.rdataclass.CH).rcode() == REFUSED
        reply = ask(answerer(version=b"streamdns 1"), owner, "TXT", rdclass=dns.rdataclass.CH)
        assert section(reply.answer) == [f'{owner}. TXT "streamdns 1"']


@pytest.mark.parametrize(
    ("opcode", "rcode"),
    [(dns.opcode.IQUERY, NOTIMP), (dns.opcode.STATUS, NOTIMP), (dns.opcode.UPDATE, NOTIMP), (7, NOTIMP),
     (dns.opcode.NOTIFY, NOTAUTH)],
)
def test_opcodes(opcode: int, rcode: int) -> None:
    """Only QUERY is served; the opcode comes back."""
    query = dns.message.make_query("example", "SOA")
    packet = bytearray(query.to_wire())
    packet[2] = packet[2] & 0x87 | opcode << 3
    wire = answerer().reply(bytes(packet), False, 0)
    assert wire is not None
    assert (wire[2] & 0x78, wire[3] & 15, wire[:2]) == (opcode << 3, rcode, packet[:2])


@pytest.mark.parametrize(
    ("rdtype", "rcode"), [("AXFR", REFUSED), ("IXFR", REFUSED), ("MAILA", NOTIMP), ("MAILB", NOTIMP), ("TSIG", FORMERR),
                          ("TKEY", FORMERR), ("OPT", FORMERR)],
)
def test_types_that_are_no_data(rdtype: str, rcode: int) -> None:
    """Zone transfers are refused, meta types are not asked for."""
    for tcp in (False, True):
        assert ask(EXAMPLE, "example", rdtype, tcp=tcp).rcode() == rcode


def test_what_is_no_query_gets_no_reply() -> None:
    """Replies, and what is too short for a header."""
    made = answerer()
    query = dns.message.make_query("ns.example", "A").to_wire()
    assert made.reply(query[:2] + b"\x80" + query[3:], False, 0) is None
    for size in range(12):
        assert made.reply(query[:size], False, 0) is None
    for size in range(12, len(query)):
        reply = made.reply(query[:size], False, 0)
        assert reply is not None
        assert (reply[3] & 15, len(reply)) == (FORMERR, 12)
    assert made.tally[FORMERR] == len(query) - 12


@pytest.mark.parametrize(
    "counts", ["0000000000000000", "0002000000000000", "0001000100000000", "0001000000010000", "0001000000000001"]
)
def test_counts_that_do_not_fit_the_message(counts: str) -> None:
    """QDCOUNT other than 1, records that are not there or belong nowhere."""
    query = dns.message.make_query("ns.example", "A").to_wire()
    reply = answerer().reply(query[:4] + bytes.fromhex(counts) + query[12:], False, 0)
    assert reply is not None
    assert reply[3] & 15 == FORMERR


# -- EDNS


def edns(made: Answerer, *options: dns.edns.Option, tcp: bool = False, **other: Any) -> dns.message.Message:
    query = dns.message.make_query("ns.example", "A", use_edns=0, options=list(options), payload=1232, **other)
    return reply_to(made, query, tcp=tcp)


def test_opt_comes_back_only_where_it_was_sent() -> None:
    """RFC 6891 §6.1.1, §7: with our size, DO copied, version 0."""
    assert ask(EXAMPLE, "ns.example").edns == -1
    for do in (False, True):
        reply = ask(answerer(edns_size=1400), "ns.example", use_edns=0, want_dnssec=do)
        assert (reply.edns, reply.payload, bool(reply.ednsflags & dns.flags.DO), reply.options) == (0, 1400, do, ())


def test_an_unknown_version_is_badvers() -> None:
    """RFC 6891 §6.1.3: with our version; counted as what it is."""
    made = answerer()
    reply = ask(made, "ns.example", use_edns=1)
    assert (reply.rcode(), reply.edns, reply.answer) == (dns.rcode.BADVERS, 0, [])
    assert made.tally == {1 << 8 | 16: 1}


def test_nsid() -> None:
    """RFC 5001: only when asked for, only when there is an id."""
    nsid = dns.edns.GenericOption(3, b"")
    reply = edns(answerer(instance_id=b"node-7"), nsid)
    assert [(int(option.otype), option.to_wire()) for option in reply.options] == [(3, b"node-7")]
    assert edns(answerer(instance_id=b"node-7")).options == ()
    assert edns(answerer(), nsid).options == ()


def test_a_long_nsid_pushes_nothing_out() -> None:
    """In a small buffer it is left out, and the answer is not."""
    owner = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 53]) + ".example."
    query = dns.message.make_query(owner, "A", use_edns=0, payload=512, options=[dns.edns.GenericOption(3, b"")])
    made = answerer(EXAMPLE + f"{owner} 60 A 192.0.2.1", instance_id=b"n" * 255)
    reply = reply_to(made, query)
    assert (len(reply.answer), reply.flags & dns.flags.TC, reply.options) == (1, 0, ())
    assert len(reply_to(made, query, tcp=True).options) == 1


def test_cookies() -> None:
    """A server cookie comes with the answer and is kept; one of a wrong length is a format error (RFC 7873 §5.2.2)."""
    made = answerer(cookies=Cookies(bytes(16), lambda: 1000.0))
    made.client = lambda slot: bytes((192, 0, 2, slot))
    first = edns(made, dns.edns.GenericOption(10, b"12345678"))
    data = first.options[0].to_wire()
    assert isinstance(data, bytes)
    assert (len(data), data[:8], len(first.answer)) == (24, b"12345678", 1)
    assert edns(made, dns.edns.GenericOption(10, data)).options[0].to_wire() == data
    assert edns(answerer(), dns.edns.GenericOption(10, b"12345678")).options == ()
    bad = dns.message.make_query("ns.example", "A", use_edns=0, options=[dns.edns.GenericOption(10, b"1234567")])
    wire = made.reply(bad.to_wire(), False, 0)
    assert wire is not None
    assert wire[3] & 15 == FORMERR


def test_keepalive_only_over_tcp() -> None:
    """RFC 7828 §3.3.1: the idle timeout in tenths of a second; over UDP the option is not answered."""
    keepalive = dns.edns.GenericOption(11, b"")
    made = answerer(keepalive_s=42)
    assert edns(made, keepalive).options == ()
    reply = edns(made, keepalive, tcp=True)
    assert [option.to_wire() for option in reply.options] == [b"\x01\xa4"]


def test_unknown_and_repeated_options_are_harmless() -> None:
    """RFC 6891 §6.1.2: what is not known is ignored; each is answered once."""
    made = answerer(instance_id=b"n")
    nsid, odd = dns.edns.GenericOption(3, b""), dns.edns.GenericOption(65001, b"x" * 50)
    reply = edns(made, odd, nsid, odd, nsid)
    assert (len(reply.answer), [int(option.otype) for option in reply.options]) == (1, [3])


@pytest.mark.parametrize(
    "opt",
    [
        "0000290000000000000001", "000029000000000000000500030001", "0000290000000000000003000300",
        "01610000290000000000000000", "0000010001000000000000",
    ],
)
def test_broken_opt_records(opt: str) -> None:
    """RDATA that ends early, options that reach beyond it, another owner than the root, an A record as long as one."""
    packet = dns.message.make_query("ns.example", "A").to_wire()
    reply = answerer().reply(packet[:11] + b"\1" + packet[12:] + bytes.fromhex(opt), False, 0)
    assert reply is not None
    assert reply[3] & 15 == FORMERR


def test_two_opt_records_are_a_format_error() -> None:
    """RFC 6891 §6.1.1."""
    packet = dns.message.make_query("ns.example", "A", use_edns=0).to_wire()
    reply = answerer().reply(packet[:11] + b"\2" + packet[12:] + packet[-11:], False, 0)
    assert reply is not None
    assert reply[3] & 15 == FORMERR


# -- size


@pytest.mark.parametrize("rdtype", ["A", "MX", "TXT"])
def test_truncation(rdtype: str) -> None:
    """Whole RRsets or nothing, TC, question and OPT stay; over TCP everything is there."""
    contents = {"A": "192.0.2.{}", "MX": "1 m{}.elsewhere.invalid.", "TXT": "t{}"}[rdtype]
    text = EXAMPLE + "".join(f"w.example. 60 {rdtype} {contents.format(n)}\n" for n in range(200))
    for options in ({}, {"use_edns": 0, "payload": 600}, {"use_edns": 0, "payload": 4096}):
        made = answerer(text)
        reply = ask(made, "w.example", rdtype, **options)
        assert (reply.flags & dns.flags.TC, reply.answer) == (dns.flags.TC, [])
        assert made.truncated == 1
        assert reply.edns == options.get("use_edns", -1)
        whole = ask(made, "w.example", rdtype, tcp=True, **options)
        assert (whole.flags & dns.flags.TC, len(whole.answer[0])) == (0, 200)


@pytest.mark.parametrize("rdtype", ["A", "PTR"])
def test_every_octet_of_the_limit_can_be_used(rdtype: str) -> None:
    """A reply of exactly the size that the client takes is not truncated, with EDNS or without."""
    for count in range(1, 33):
        content = "192.0.2.{0}" if rdtype == "A" else "n{0:02}.far.invalid."
        text = EXAMPLE + "".join(f"w.example. 60 {rdtype} {content.format(n)}\n" for n in range(count))
        made = answerer(text)
        query = dns.message.make_query("w.example", rdtype)
        size = len(made.reply(query.to_wire(), True, 0) or b"")
        assert bool(reply_to(made, query).flags & dns.flags.TC) == (size > 512), (count, size)
        if size + 11 > 512:
            for room, cut in ((size + 11, False), (size + 10, True)):
                query = dns.message.make_query("w.example", rdtype, use_edns=0, payload=room)
                assert bool(reply_to(made, query).flags & dns.flags.TC) == (cut and room < 1232), (count, room)


def test_an_extended_error_does_not_cost_the_answer() -> None:
    """Where both do not fit, the extended error is what is left out."""
    text = EXAMPLE + "".join(f"w.example. 60 A 192.0.2.{n}\n" for n in range(40))
    made = answerer(Memory(text, rejected=[("w.example", "A")]))
    size = len(made.reply(dns.message.make_query("w.example", "A").to_wire(), True, 0) or b"") + 11
    for room, marked in ((size + 5, []), (size + 6, [3])):
        reply = ask(made, "w.example", use_edns=0, payload=room)
        assert (len(reply.answer[0]), errors(reply)) == (40, marked)


def test_an_soa_that_does_not_fit_sets_tc() -> None:
    """RFC 2181 §9: a required RRset of the authority section."""
    owner = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 53]) + ".example."
    long_names = ".".join(["x" * 63] * 3) + ". " + ".".join(["y" * 63] * 3) + "."
    made = answerer(f"example. 300 SOA {long_names} 1 3600 600 604800 60")
    reply = ask(made, owner)
    assert (reply.rcode(), reply.flags & dns.flags.TC, reply.authority) == (NXDOMAIN, dns.flags.TC, [])
    assert len(ask(made, owner, tcp=True).authority) == 1


@pytest.mark.parametrize(("size", "cookie", "limit"), [
    (512, None, 512), (512, "own", 512), (512, "wrong", 512), (512, "good", 1232), (700, None, 700), (4096, None, 1232),
])
def test_a_client_without_a_good_cookie_gets_less(size: int, cookie: str | None, limit: int) -> None:
    """Who may be forged has no large answers sent to anybody; who is known has all that fits, as over TCP."""

    zone = EXAMPLE + "".join(f'\nmany.example. 300 A 192.0.2.{number}' for number in range(1, 71))
    made = answerer(zone, cookies=cookies_of(1559731985), no_cookie_size=size)
    made.client = lambda slot: b"\x7f\0\0\1"
    assert made.cookies is not None
    good = made.cookies.answer(b"clientco", b"\x7f\0\0\1") or b""
    data = {"own": good[:8], "wrong": bytes(24), "good": good}.get(cookie or "")
    options = [] if data is None else [dns.edns.GenericOption(dns.edns.OptionType.COOKIE, data)]
    query = dns.message.make_query("many.example", "A", use_edns=0, payload=4096, options=options)
    reply = dns.message.from_wire(made.reply(query.to_wire(), False, 0) or b"")
    assert bool(reply.flags & dns.flags.TC) == (limit < 1160)
    assert reply.payload == made.policy.edns_size
    whole = dns.message.from_wire(made.reply(query.to_wire(), True, 0) or b"")
    assert len(whole.answer[0]) == 70
