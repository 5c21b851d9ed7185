"""Messages that are not common: their names, sections and options where those end, and which of them take few steps."""

from __future__ import annotations

import struct
from typing import Any

import dns.flags
import dns.message
import pytest

from streamdns.dns import unusual
from streamdns.dns.unusual import cut_short
from streamdns.dns.wire import FORMERR, MOST_OPTIONS
from tests.unit.dns.answering import EXAMPLE, SOA_TEXT, answerer, cookies_of

NSID, KEEPALIVE, COOKIE, PADDING = 3, 11, 10, 12


def option(code: int, data: bytes = b"") -> bytes:
    return struct.pack(">HH", code, len(data)) + data


def query(owner: str, rdtype: str = "A", *options: bytes, rdclass: str = "IN", flags: int = 0) -> bytes:
    """A query with an OPT record, which has these options."""
    wire = dns.message.make_query(owner, rdtype, rdclass, id=7).to_wire()
    data = b"".join(options)
    return wire[:10] + b"\0\1" + wire[12:] + struct.pack(">BHHBBHH", 0, 41, 1232, 0, 0, flags, len(data)) + data


@pytest.mark.plain
@pytest.mark.parametrize("flags", [0, 0x8000])
@pytest.mark.parametrize("options", [
    [option(65001)], [option(65001, bytes(300))], [option(PADDING, bytes(513)), option(NSID)],
    [option(NSID), option(COOKIE, b"clientco")], [option(65001)] * MOST_OPTIONS,
])
def test_options_do_not_make_a_query_an_unusual_one(
    monkeypatch: pytest.MonkeyPatch, options: list[bytes], flags: int
) -> None:
    """Clients send cookies, padding and what comes next year: what all messages go through takes twice as long."""

    def general(*_: Any, **__: Any) -> bytes:
        raise AssertionError("the general way")

    made = answerer(EXAMPLE, cookies=cookies_of(1_559_731_985), instance_id=b"i")
    monkeypatch.setattr(unusual, "reply", general)
    wire = made.reply(query("ns.example", "A", *options, flags=flags), False, 0)
    assert wire is not None
    reply = dns.message.from_wire(wire)
    assert (len(reply.answer), reply.ednsflags) == (1, flags)


@pytest.mark.parametrize("rdclass", ["ANY", "HS"])
@pytest.mark.parametrize(("last", "is_name"), [(1, True), (60, True), (61, True), (62, False), (63, False)])
def test_how_long_a_name_may_be_whatever_is_asked_of_it(rdclass: str, last: int, is_name: bool) -> None:
    """RFC 1035 §2.3.4: 63 octets a label, and 255 in all."""
    number = {"ANY": 255, "HS": 4}[rdclass]
    labels = b"".join(bytes((size,)) + b"a" * size for size in (63, 63, 63, last))
    packet = b"\0\1\0\0\0\1\0\0\0\0\0\0" + labels + struct.pack(">BHH", 0, 1, number)
    for made in (answerer(f". 300 SOA {SOA_TEXT}\n"), answerer(f". 300 SOA {SOA_TEXT}\n", rotate=True)):
        wire = made.reply(packet, False, 0)
        assert wire is not None
        assert (wire[3] & 15 != FORMERR) is is_name


@pytest.mark.parametrize("packet", [
    query("ns.example", rdclass="ANY"), query("ns.example", "A", option(NSID), option(COOKIE, b"clientco")),
    b"\0\1\x20\0" + query("ns.example", "SOA")[4:],
])
def test_a_message_that_ends_anywhere_is_an_error(packet: bytes) -> None:
    made = answerer(EXAMPLE, cookies=cookies_of(1_559_731_985), instance_id=b"i")
    for size in range(len(packet)):
        wire = made.reply(packet[:size], False, 0)
        assert (wire is None) is (size < 12)
        # Of a notification nothing is looked at but its question.
        assert wire is None or wire[3] & 15 == FORMERR or (packet[2] and wire[3] & 15 == 9)


@pytest.mark.parametrize(("sections", "has_opt"), [
    ((1, 0, 0), True), ((1, 1, 0), True), ((1, 0, 1), True), ((1, 1, 2), True), ((1, 0, 3), True), ((1, 2, 2), False),
    ((1, 0, 4), False), ((2, 0, 0), False),
])
def test_in_which_sections_the_opt_record_of_a_refused_message_is_looked_for(
    sections: tuple[int, int, int], has_opt: bool
) -> None:
    """Behind a question and three records at the most, as an update has them or a notification (RFC 2136, RFC 1996)."""
    question = query("example", "SOA")[12:25]
    record = b"\xc0\x0c\0\6\0\1\0\0\0\1\0\26" + b"\0\0" + bytes(20)
    packet = b"\0\7\x28\0" + struct.pack(">HHHH", *sections, 1) + question
    packet += record * sum(sections[1:]) + struct.pack(">BHHBBHH", 0, 41, 1232, 0, 0, 0, 0)
    wire = answerer().reply(packet, False, 0)
    assert wire is not None
    reply = dns.message.from_wire(wire)
    assert (reply.rcode(), reply.edns >= 0) == (4, has_opt)


@pytest.mark.parametrize("count", [256, 257, 512, 0xFFFF])
def test_as_many_records_as_no_query_has(count: int) -> None:
    packet = query("ns.example", rdclass="ANY")
    wire = answerer().reply(packet[:10] + struct.pack(">H", count) + packet[12:], False, 0)
    assert wire is not None
    assert wire[3] & 15 == FORMERR


def test_a_repeated_option_hides_none_behind_it() -> None:
    made = answerer(EXAMPLE, instance_id=b"i", keepalive_s=30)
    wire = made.reply(query("ns.example", "A", option(NSID), option(NSID), option(KEEPALIVE)), True, 0)
    assert wire is not None
    assert {int(each.otype): each.to_wire() for each in dns.message.from_wire(wire).options} == {
        NSID: b"i", KEEPALIVE: (300).to_bytes(2, "big"),
    }


@pytest.mark.parametrize("ra", [0, 0x80])
@pytest.mark.parametrize("owner", ["ns.example", "none.example", "elsewhere.invalid"])
def test_what_is_cut_short_keeps_ra_and_says_no_rcode(owner: str, ra: int) -> None:
    """A denial says so over TCP; until then there is only that more is to come."""
    made = answerer(EXAMPLE, instance_id=b"i")
    made.ra = ra
    packet = query(owner, "A", option(NSID))
    whole = made.reply(packet, False, 0)
    assert whole is not None
    reply = dns.message.from_wire(cut_short(made, packet, bytes((*whole[:3], whole[3] | ra, *whole[4:])), 0))
    assert (reply.rcode(), reply.answer, reply.authority, reply.additional) == (0, [], [], [])
    assert reply.flags & (dns.flags.TC | dns.flags.RA | dns.flags.AA) == dns.flags.TC | (dns.flags.RA if ra else 0)
    assert [each.to_wire() for each in reply.options] == [b"i"]


def test_a_signed_query_over_tcp_has_the_room_of_tcp() -> None:
    text = EXAMPLE + "".join(f"big.example. 300 A 10.0.{number >> 8}.{number & 255}\n" for number in range(300))
    packet = query("big.example")
    signature = b"\0\0\xfa\0\xff\0\0\0\0\0\0"
    for tcp in (False, True):
        wire = answerer(text).reply(packet[:10] + b"\0\2" + packet[12:] + signature, tcp, 0)
        assert wire is not None
        assert bool(dns.message.from_wire(wire).flags & dns.flags.TC) is not tcp
