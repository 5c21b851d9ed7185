"""EDNS options of queries: a cookie alone takes a short way to the same reply, and many options are refused early."""

from __future__ import annotations

import struct
from functools import partial

import dns.flags
import dns.message
import pytest

from streamdns.dns.answer import Answerer
from streamdns.dns.unusual import cookie_of
from streamdns.dns.wire import FORMERR, MOST_OPTIONS
from tests.fuzz.work import lines
from tests.unit.dns.answering import EXAMPLE, answerer, cookies_of

_NOW_S = 1_559_731_985
_CLIENT = b"\x7f\0\0\1"
_ZONE = EXAMPLE + """
a.example. 300 CNAME ns.example.
d.example. 300 DNAME e.example.
big.example. 300 TXT "{}" "{}"
sub.example. 300 NS ns.sub.example.
""".format("x" * 255, "y" * 255)
_UNKNOWN = struct.pack(">HH", 65001, 0)


def _made() -> Answerer:
    made = answerer(_ZONE, cookies=cookies_of(_NOW_S), no_cookie_size=512, instance_id=b"i", version=b"v")
    made.client = lambda slot: _CLIENT
    return made


def _query(owner: str, rdtype: str, options: bytes, *, rdclass: str = "IN", flags: int = 0, version: int = 0) -> bytes:
    wire = dns.message.make_query(owner, rdtype, rdclass, id=7).to_wire()
    opt = b"\0" + struct.pack(">HHBBHH", 41, 4096, 0, version, flags, len(options)) + options
    return wire[:10] + b"\0\1" + wire[12:] + opt


def _cookie(data: bytes) -> bytes:
    return struct.pack(">HH", 10, len(data)) + data


@pytest.mark.parametrize("kind", ["new", "known", "wrong", "short", "long"])
@pytest.mark.parametrize(("owner", "rdtype", "rdclass"), [
    ("ns.example", "A", "IN"), ("NS.example", "AAAA", "IN"), ("no.example", "A", "IN"), ("a.example", "A", "IN"),
    ("x.d.example", "A", "IN"), ("big.example", "TXT", "IN"), ("x.sub.example", "A", "IN"), ("example", "AXFR", "IN"),
    ("other.test", "A", "IN"), ("id.server", "TXT", "CH"), ("ns.example", "A", "ANY"), ("ns.example", "A", "HS"),
])
def test_a_cookie_alone_is_answered_as_one_among_others(kind: str, owner: str, rdtype: str, rdclass: str) -> None:
    """An option that is not known beside the cookie takes the long way, and changes nothing in the reply."""
    made = _made()
    assert made.cookies is not None
    known = made.cookies.answer(b"clientco", _CLIENT) or b""
    cookie = _cookie({"new": known[:8], "known": known, "wrong": known[:23] + b"!", "short": b"1234567",
                      "long": bytes(40)}[kind])
    for flags in (0, 0x8000):
        for tcp in (False, True):
            for version in (0, 1):
                replies, tallies = [], []
                for options in (cookie, cookie + _UNKNOWN):
                    made.tally.clear()
                    packet = _query(owner, rdtype, options, rdclass=rdclass, flags=flags, version=version)
                    replies.append(made.reply(packet, tcp, 0))
                    tallies.append(dict(made.tally))
                assert replies[0] == replies[1]
                assert tallies[0] == tallies[1]


def test_a_cookie_is_found_where_it_stands() -> None:
    """By itself, and behind another option; not where there is none."""
    like_an_opt = b"clientco\1\0\0\0\1\0\0\x29" + b"the hash"
    for data in (b"clientco", b"clientco" + bytes(range(16)), bytes(range(20)), like_an_opt):
        for options in (_cookie(data), _UNKNOWN + _cookie(data), _cookie(data) + _UNKNOWN):
            assert cookie_of(_query("ns.example", "A", options)) == data
    assert cookie_of(_query("ns.example", "A", _UNKNOWN * 3)) == b""


def test_more_options_than_anybody_sends_are_refused_before_they_are_looked_at() -> None:
    """However many there are, no more work is done than for the most that are read; that many are harmless."""
    made = _made()
    reply = made.reply(_query("ns.example", "A", _UNKNOWN * MOST_OPTIONS), False, 0)
    assert reply is not None
    assert reply[3] & 15 == 0
    counted = []
    for number in (MOST_OPTIONS + 1, 1000, 4000):
        packet = _query("ns.example", "A", _UNKNOWN * number)
        reply = made.reply(packet, False, 0)
        assert reply is not None
        assert reply[3] & 15 == FORMERR
        counted.append(lines(partial(made.reply, packet, False, 0), most=1700))
    assert counted[0] == counted[1] == counted[2]


@pytest.mark.parametrize("opcode", [*range(1, 16)])
@pytest.mark.parametrize("answers", [0, 1, 3])
@pytest.mark.parametrize("flags", [None, 0, 0x8000])
def test_what_is_refused_by_its_opcode_has_an_opt_record_where_it_came_with_one(
    opcode: int, answers: int, flags: int | None,
) -> None:
    """RFC 6891 §6.1.1; Knot and BIND do so as well. The SOA that a NOTIFY may bring (RFC 1996 §3.7) is passed over."""
    record = b"\xc0\x0c\0\6\0\1\0\0\0\1\0\26" + b"\0\0" + bytes(20)
    opt = b"" if flags is None else b"\0" + struct.pack(">HHBBHH", 41, 4096, 0, 0, flags, 0)
    query = dns.message.make_query("example", "SOA", id=7).to_wire()
    packet = query[:2] + bytes((opcode << 3, 0)) + struct.pack(">HHHH", 1, answers, 0, flags is not None) + query[12:]
    reply = _made().reply(packet + record * answers + opt, False, 0)
    assert reply is not None
    read = dns.message.from_wire(reply)
    assert (read.edns, read.opcode(), read.rcode()) == (-1 if flags is None else 0, opcode, 9 if opcode == 4 else 4)
    assert bool(read.ednsflags & 0x8000) == bool(flags)
    # Where the sections are not those of a query nobody looks for it, and the reply is the same without.
    for broken in (packet + record * answers + opt[:-1], packet + record * 4 + opt, packet[:14]):
        reply = _made().reply(broken, False, 0)
        assert reply is not None
        assert reply[2] & 0x80


def test_a_bad_cookie_does_not_look_as_if_there_were_no_edns() -> None:
    """RFC 7873 §5.2.2 wants FORMERR; without an OPT record clients would ask without EDNS from then on."""
    reply = _made().reply(_query("ns.example", "A", _cookie(b"1234567"), flags=0x8000), False, 0)
    assert reply is not None
    read = dns.message.from_wire(reply)
    assert (read.rcode(), read.edns, bool(read.ednsflags & 0x8000)) == (FORMERR, 0, True)


def test_thousands_of_addresses_behind_an_alias_are_not_looked_at_one_by_one() -> None:
    """Neither where they fit, nor for a datagram that they do not fit into: the work is that of a few."""
    text = EXAMPLE + "far.example. 300 CNAME huge.example.\n" + "".join(
        f"huge.example. 300 A 10.0.{number >> 8}.{number & 255}\n" for number in range(4000)
    )
    made = answerer(text)
    for owner in ("far.example", "huge.example"):
        packet = dns.message.make_query(owner, "A", id=7).to_wire()
        for tcp in (False, True):
            reply = made.reply(packet, tcp, 0)
            assert reply is not None
            read = dns.message.from_wire(reply)
            assert bool(read.flags & dns.flags.TC) is not tcp
            assert not tcp or len(read.answer[-1]) == 4000
            lines(partial(made.reply, packet, tcp, 0), most=700)
