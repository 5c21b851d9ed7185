"""Replies to uncommon messages octet by octet: errors, the server's name, options beside a signature, cookies found."""

from __future__ import annotations

import struct

import dns.message
import pytest

from streamdns.dns.answer import Answerer
from streamdns.dns.unusual import cookie_of, cut_short, servfail
from tests.unit.dns.answering import EXAMPLE, Memory, answerer, cookies_of, zones

ID = b"\x12\x34"
SIGNATURE = b"\0\0\xfa\0\xff\0\0\0\0\0\0"
NSID, COOKIE, KEEPALIVE = b"\0\3\0\0", b"\0\x0a\0\x08clientco", b"\0\x0b\0\0"
NO_COUNTS, ONE_QUESTION = bytes(8), b"\0\1\0\0\0\0\0\0"
EDE_OF = {"refused": 20, "not ready": 14, "stale": 3, "transfer": 21}


def opt(options: bytes = b"", *, size: int = 1232, flags: int = 0, version: int = 0, rcode: int = 0) -> bytes:
    return struct.pack(">BHHBBHH", 0, 41, size, rcode, version, flags, len(options)) + options


def query(
    owner: str, rdtype: int = 1, more: bytes = b"", *, rdclass: int = 1, flags: int = 0x0100, count: int | None = None
) -> bytes:
    """A query, with what stands behind its question; without `count` that is one record, if any."""
    name = b"".join(bytes((len(each),)) + each.encode() for each in filter(None, owner.split("."))) + b"\0"
    additional = bool(more) if count is None else count
    return ID + struct.pack(">HHHHH", flags, 1, 0, 0, additional) + name + struct.pack(">HH", rdtype, rdclass) + more


def replied(made: Answerer, packet: bytes, *, tcp: bool = False, slot: int = 0) -> bytes:
    wire = made.reply(packet, tcp, slot)
    assert wire is not None
    return wire


@pytest.mark.parametrize("flags", [0, 0x0100, 0x0080, 0x01FF, 0x06B0])
@pytest.mark.parametrize("opcode", [1, 2, 3, 5, 6, 15])
@pytest.mark.parametrize("record", [b"", opt(), opt(flags=0x8000)])
def test_an_opcode_that_is_not_served_is_a_header_and_an_opt_record(flags: int, opcode: int, record: bytes) -> None:
    """Of the flags there come back RD and the opcode, and nothing else."""
    packet = query("ns.example", 1, record, flags=flags | opcode << 11)
    head = ID + bytes((0x80 | opcode << 3 | (flags >> 8 & 1), 4)) + bytes(7) + (b"\1" if record else b"\0")
    assert replied(answerer(), packet) == head + record
    without_question = packet[:4] + bytes(6) + packet[10:12] + record
    assert replied(answerer(), without_question) == head + record


@pytest.mark.parametrize("flags", [0, 0x0100, 0x0080, 0x01FF])
@pytest.mark.parametrize("record", [b"", opt(), opt(flags=0x8000)])
def test_errors_that_repeat_the_question(flags: int, record: bytes) -> None:
    """A notification, another class, meta types, another version of EDNS: the RCODE, RD and the question."""
    end = 12 + len(b"\2ns\7example\0") + 4
    for rdtype, rdclass, opcode, rcode, error in (
        (6, 1, 4, 9, b""), (1, 4, 0, 5, b""), (253, 1, 0, 4, b""), (254, 1, 0, 4, b""), (249, 1, 0, 1, b""),
        (250, 1, 0, 1, b""), (41, 1, 0, 1, b""),
        (252, 1, 0, 5, b"\0\x0f\0\2\0\x15"), (251, 1, 0, 5, b"\0\x0f\0\2\0\x15"),
        (1, 3, 0, 5, b"\0\x0f\0\2\0\x14"), (253, 255, 0, 4, b""),
    ):
        packet = query("ns.example", rdtype, record, rdclass=rdclass, flags=flags | opcode << 11)
        made = answerer()
        head = ID + bytes((0x80 | opcode << 3 | (flags >> 8 & 1), rcode)) + ONE_QUESTION[:7] + bytes((bool(record),))
        behind = opt(error, flags=record[7] << 8) if record else b""
        assert replied(made, packet) == head + packet[12:end] + behind, (rdtype, rdclass)
        assert dict(made.tally) == {rdtype << 8 | rcode: 1}


@pytest.mark.parametrize("flags", [0, 0x8000, 0x80FF])
@pytest.mark.parametrize("version", [1, 2, 255])
@pytest.mark.parametrize("options", [b"", NSID, NSID + COOKIE])
def test_another_version_of_edns(flags: int, version: int, options: bytes) -> None:
    """BADVERS in both halves, our size and version, DO, and no options (RFC 6891 §6.1.3)."""
    made = answerer(cookies=cookies_of(1_559_731_985), instance_id=b"i", edns_size=1400)
    packet = query("ns.example", 1, opt(options, flags=flags, version=version))
    end = len(packet) - 11 - len(options)
    head = ID + b"\x81\0" + ONE_QUESTION[:7] + b"\1"
    assert replied(made, packet) == head + packet[12:end] + opt(size=1400, flags=flags & 0x8000, rcode=1)


@pytest.mark.parametrize("rd", [0, 1])
@pytest.mark.parametrize("record", [b"", opt(), opt(flags=0x8000)])
@pytest.mark.parametrize(("owner", "said"), [
    ("id.server", b"node-7"), ("hostname.bind", b"node-7"), ("version.bind", b"v" * 255),
    ("VERSION.Server", b"v" * 255),
])
def test_which_server_this_is_octet_by_octet(owner: str, said: bytes, rd: int, record: bytes) -> None:
    """RFC 4892: authoritative, class CH, a TTL of 0, a string of 255 octets at the most."""
    made = answerer(instance_id=b"node-7", version=b"v" * 300)
    packet = query(owner, 16, record, rdclass=3, flags=rd << 8)
    end = 12 + len(owner) + 2 + 4
    text = bytes((len(said),)) + said
    answer = b"\xc0\x0c\0\x10\0\3\0\0\0\0" + len(text).to_bytes(2, "big") + text
    head = ID + bytes((0x84 | rd, 0)) + b"\0\1\0\1\0\0\0" + bytes((bool(record),))
    assert replied(made, packet) == head + packet[12:end] + answer + record
    assert dict(made.tally) == {16 << 8: 1}
    assert replied(answerer(), packet)[3] == replied(made, query("x." + owner, 16, rdclass=3))[3] == 5
    assert replied(made, query(owner, 0x0110, rdclass=3))[3] == replied(made, query(owner, 0x1000, rdclass=3))[3] == 5


@pytest.mark.parametrize(("kind", "made", "packet"), [
    ("refused", answerer(), query("foreign", 1, opt())),
    ("not ready", answerer(Memory(EXAMPLE, ready=False)), query("ns.example", 1, opt())),
    ("not ready", answerer(Memory("", ready=False), zones=zones("example")), query("ns.example", 1, opt())),
    ("stale", answerer(Memory(EXAMPLE, rejected=[("ns.example", "A")])), query("ns.example", 1, opt())),
    ("stale", answerer(Memory(EXAMPLE + "a.example. 60 CNAME ns.example.\n", rejected=[("a.example", "CNAME")])),
     query("a.example", 1, opt())),
    ("transfer", answerer(), query("example", 252, opt())),
])
def test_extended_errors_say_their_code_and_nothing_else(kind: str, made: Answerer, packet: bytes) -> None:
    """RFC 8914 §2: a text is for people, and the code says it all here."""
    for is_simple in (True, False):
        made._simple = made._simple and is_simple
        made.stale = kind == "stale" and not is_simple
        assert replied(made, packet).endswith(opt(b"\0\x0f\0\2\0" + bytes((EDE_OF[kind],))))


@pytest.mark.parametrize("text", ["elsewhere.invalid.", "example."])
def test_what_is_said_of_an_apex_that_leads_elsewhere(text: str) -> None:
    made = answerer(EXAMPLE + f"example. 60 CNAME {text}\n", flatten_apex_cname=True)
    said = b"the CNAME at the apex leads nowhere" if text == "example." else (
        b"the addresses behind the CNAME at the apex are not known here"
    )
    error = b"\0\x0f" + (2 + len(said)).to_bytes(2, "big") + b"\0\0" + said
    assert replied(made, query("example", 1, opt())).endswith(opt(error))


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("flags", [0, 0x8000])
@pytest.mark.parametrize("length", [0, 1, 150, 255])
@pytest.mark.parametrize("with_cookies", [False, True])
def test_a_signature_changes_nothing(tcp: bool, flags: int, length: int, with_cookies: bool) -> None:
    """It is neither checked nor answered: whatever the options are, the reply is the one without it."""
    made = answerer(
        EXAMPLE + f"big.example. 60 TXT {'x' * 250}\nbig.example. 60 TXT {'y' * 250}\n", instance_id=b"n" * length,
        cookies=cookies_of(1_559_731_985) if with_cookies else None, no_cookie_size=512, keepalive_s=30,
    )
    made.client = lambda slot: bytes((192, 0, 2, slot))
    for options in (b"", NSID, COOKIE, KEEPALIVE, NSID + COOKIE + KEEPALIVE, b"\xfd\xe9\0\1x"):
        for owner, rdtype in (("ns.example", 1), ("big.example", 16), ("none.example", 1), ("a." * 118 + "example", 1)):
            for size in (512, 600, 1232):
                record = opt(options, flags=flags, size=size)
                plain = replied(made, query(owner, rdtype, record), tcp=tcp, slot=9)
                signed = query(owner, rdtype, record + SIGNATURE, count=2)
                assert replied(made, signed, tcp=tcp, slot=9) == plain
                read = dns.message.from_wire(plain)
                answered = {3} if 0 < length < (255 if len(owner) > 99 else 256) and NSID in options else set()
                answered |= {10} if with_cookies and COOKIE in options else set()
                answered |= {11} if tcp and KEEPALIVE in options else set()
                if tcp:
                    answered |= {3} if length and NSID in options else set()
                if len(owner) < 99:
                    assert {int(each.otype) for each in read.options} == answered
                # Whoever sends an OPT record gets one, though none of its options is answered.
                assert (read.edns, read.ednsflags) == (0, flags)


@pytest.mark.parametrize("labels", [1, 60, 100])
@pytest.mark.parametrize("is_cut", [False, True])
def test_how_long_the_name_of_a_server_may_be(labels: int, is_cut: bool) -> None:
    """It is left out unless question, cookie, keepalive and an extended error have their room beside it."""
    packet = query("a." * labels + "example", 1, opt(NSID, size=512))
    end = len(packet) - 15
    longest = 512 - end - (11 + 4 + 28 + 6 + 6) - 1
    for length in (longest, longest + 1):
        made = answerer(instance_id=b"n" * length)
        wire = cut_short(made, packet, bytes(12), 0) if is_cut else replied(made, packet)
        assert (b"\0\3" + length.to_bytes(2, "big") + b"n" * length in wire) is (length == longest)


@pytest.mark.parametrize("flags", [0, 0x0100, 0x0120])
def test_what_is_sent_in_place_of_a_reply(flags: int) -> None:
    """The question with TC, RD as it was asked for, RA as the server says, and the options of a datagram."""
    made = answerer(cookies=cookies_of(1_559_731_985), instance_id=b"i")
    made.client = lambda slot: bytes((192, 0, 2, slot))
    assert made.cookies is not None
    cookie = made.cookies.answer(b"clientco", bytes((192, 0, 2, 5))) or b""
    packet = query("ns.example", 1, opt(NSID + KEEPALIVE + COOKIE), flags=flags)
    end = 12 + len(b"\2ns\7example\0") + 4
    head = ID + bytes((0x82 | flags >> 8, 0x80))
    answered = opt(b"\0\3\0\1i\0\x0a\0\x18" + cookie)
    reply = ID + b"\x85\x85" + bytes(8)
    assert cut_short(made, packet, reply, 5) == head + ONE_QUESTION[:7] + b"\1" + packet[12:end] + answered
    assert cut_short(made, packet, reply, None) == head + ONE_QUESTION[:7] + b"\1" + packet[12:end] + opt()
    plain = packet[:11] + b"\0" + packet[12:end]
    assert cut_short(made, plain, reply, 5) == head + ONE_QUESTION + packet[12:end]


@pytest.mark.parametrize("data", [
    b"client\0\0", b"\0" * 8, b"clientco" + b"\0" * 16, b"\0" * 24, b"clientco" + b"x" * 8, b"clientco" + b"x" * 32,
    b"\0\0\x29\0\0\0\0\0", b"clientco\0\0\x29" + bytes(13), b"clien\0\0\x29",
])
@pytest.mark.parametrize("behind", [b"", SIGNATURE])
def test_a_cookie_is_found_whatever_its_octets_are(data: bytes, behind: bytes) -> None:
    option = b"\0\x0a" + len(data).to_bytes(2, "big") + data
    for options in (option, NSID + option, option + NSID, option + b"\0\x0a\0\x08another!"):
        assert cookie_of(query("ns.example", 1, opt(options) + behind, count=2 if behind else 1)) == data


@pytest.mark.parametrize(("more", "count"), [
    (b"", 0), (opt(), 1), (SIGNATURE, 1), (opt() + SIGNATURE, 2), (opt(b"\xfd\xe9\0\x08unknown!"), 1),
    (opt(b"\xfd\xe9\0\x18" + b"unknown!" * 3), 1), (opt(b"\xfd\xe9\0\x0e\0\x0c\0\x0a\0\x08hidden!!"), 1),
    (opt(b"\xfd\xe9\0\x1e\0\x1c\0\x0a\0\x18" + b"hidden!!" * 3), 1), (opt(NSID * 3), 1), (b"\0", 1), (opt()[:-1], 1),
])
def test_what_looks_like_a_cookie_is_none(more: bytes, count: int) -> None:
    assert cookie_of(query("ns.example", 1, more, count=count)) == b""


def test_a_query_whose_flags_are_those_of_a_reply_is_a_query_all_the_same() -> None:
    """But for QR: RA, AD, CD and Z say nothing in a query."""
    made = answerer()
    for packet in (query("ns.example", 1, flags=0x01FF), query("ns.example", 1, flags=0x28FF),
                   query("ns.example", 1, SIGNATURE, flags=0xFF)):
        assert made.reply(packet, False, 0) is not None
        assert made.reply(packet[:2] + bytes((packet[2] | 0x80,)) + packet[3:], False, 0) is None
        assert servfail(made, packet) == ID + bytes((0x80 | packet[2] & 0x79, 2)) + NO_COUNTS
        assert servfail(made, packet[:12]) == ID + bytes((0x80 | packet[2] & 0x79, 2)) + NO_COUNTS
        assert servfail(made, packet[:11]) is None
    assert {kind >> 8 for kind in made.tally if kind & 0xFF == 2} == {0}


@pytest.mark.parametrize("cookies", [False, True])
def test_without_a_good_cookie_there_is_less_room_also_where_none_are_made(cookies: bool) -> None:
    made = answerer(EXAMPLE + "".join(f"m.example. 60 A 192.0.2.{n}\n" for n in range(50)), no_cookie_size=512,
                    cookies=cookies_of(1_559_731_985) if cookies else None)
    for record, count in ((opt(), 1), (opt(COOKIE), 1), (opt(b"\xfd\xe9\0\0"), 1), (opt() + SIGNATURE, 2)):
        wire = replied(made, query("m.example", 1, record, count=count))
        assert wire[2] & 2
        assert len(wire) <= 512


@pytest.mark.parametrize("high", [1, 2, 0x80, 0xFF])
def test_options_whose_number_ends_like_another_one(high: int) -> None:
    """Codes have two octets: what only ends in that of NSID, cookie or keepalive is not known, and not answered."""
    made = answerer(cookies=cookies_of(1_559_731_985), instance_id=b"i")
    options = b"".join(bytes((high,)) + option[1:] for option in (NSID, COOKIE, KEEPALIVE))
    for record, count in ((opt(options), 1), (opt(options) + SIGNATURE, 2)):
        packet = query("ns.example", 1, record, count=count)
        assert replied(made, packet, tcp=True).endswith(b"\xc0\0\2\x35" + opt())
        assert cookie_of(packet) == b""


@pytest.mark.parametrize("record", [b"", opt()])
def test_a_message_without_a_question_has_its_opt_record_where_the_question_would_be(record: bytes) -> None:
    packet = ID + b"\x10\0" + bytes(6) + b"\0" + bytes((bool(record),)) + record
    assert replied(answerer(), packet) == ID + b"\x90\4" + bytes(7) + bytes((bool(record),)) + record
