"""EDNS options of queries: a cookie alone takes a short way to the same reply, and many options are refused early."""

from __future__ import annotations

import struct
from functools import partial

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
    for data in (b"clientco", b"clientco" + bytes(range(16)), bytes(range(20))):
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
    for number in (MOST_OPTIONS + 1, 128, 4000):
        packet = _query("ns.example", "A", _UNKNOWN * number)
        reply = made.reply(packet, False, 0)
        assert reply is not None
        assert reply[3] & 15 == FORMERR
        counted.append(lines(partial(made.reply, packet, False, 0), most=300))
    assert counted[0] == counted[1] == counted[2]
