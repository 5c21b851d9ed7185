"""Pieces of replies that are ready: pointers, owners of records, and which types take which way."""

from __future__ import annotations

import dns.message
import pytest

from streamdns.dns import answer, unusual
from streamdns.dns.node import Origin, RRset, encode, pack_records
from streamdns.dns.ready import owned, to
from tests.unit.dns.answering import EXAMPLE, Memory, answerer, ask, cookies_of, section


@pytest.mark.parametrize("offset", [12, 13, 255, 256, 257, 1022, 1023, 1024, 1025, 1026, 0x3FFE, 0x3FFF])
def test_a_pointer_is_two_bits_and_the_offset(offset: int) -> None:
    """RFC 1035 §4.1.4."""
    assert int.from_bytes(to(offset), "big") == 0xC000 + offset


@pytest.mark.parametrize("sizes", [[4], [4] * 2, [4] * 20, [4] * 300, [4, 5], [0, 300, 4], [300] * 3, [0] * 30])
def test_records_get_another_owner_and_keep_all_else(sizes: list[int]) -> None:
    rdatas = [bytes((number & 255,)) * size for number, size in enumerate(sizes)]
    records = pack_records(65280, 60, rdatas)
    made = owned(records, len(sizes), b"\xd2\x34")
    owners, at = [], 0
    while at < len(made):
        owners.append(made[at : at + 2])
        at += 12 + int.from_bytes(made[at + 10 : at + 12], "big")
    assert owners == [b"\xd2\x34"] * len(sizes)
    assert made.replace(b"\xd2\x34", b"\xc0\x0c") == records


def test_which_types_are_looked_at_more_closely() -> None:
    """Those with names that are compressed or whose addresses come along, DS, those beside a CNAME, and those that no
    zone has; every other type is copied as it stands.
    """
    made = answer._cares()
    groups = {
        1: {2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15, 33, 64, 65}, 2: {43}, 3: {255, 46, 47},
        4: {41, 249, 250, 251, 252, 253, 254, 39},
    }
    assert len(made) == 1 << 16
    for care, types in groups.items():
        assert {rdtype for rdtype, each in enumerate(made) if each == care} == types


@pytest.mark.parametrize("flags", range(8))
@pytest.mark.parametrize("held", [16, 65280, 0x0110, 257])
def test_the_flags_of_an_rrset_are_not_taken_for_its_type(flags: int, held: int) -> None:
    """A name that has one type has no other one, wherever its records came from."""
    view = Memory(EXAMPLE + "w.example. 60 TXT x\n")
    records = pack_records(held, 60, [b"\0\5issuex" if held == 257 else b"\1x"])
    rrset = RRset(held, flags, 1, records, Origin(0, 0, 0, 0, b""))
    node, key = encode([rrset]), b"example\0w\0"
    others = view.node
    view.node = lambda asked: node if asked == key else others(asked)  # type: ignore[assignment]
    made = answerer(view)
    for rdtype in (1, 2, 3, 4, 7, 13, 16, 17, 256, 257, 258, 272, 65280, 65281, 65296):
        assert bool(ask(made, "w.example", rdtype).answer) is (rdtype == held), rdtype  # type: ignore[arg-type]


@pytest.mark.plain
@pytest.mark.parametrize("data", [b"clientco", None])
@pytest.mark.parametrize("flags", [0, 0x8000])
def test_a_cookie_alone_is_not_read_option_by_option(
    monkeypatch: pytest.MonkeyPatch, data: bytes | None, flags: int
) -> None:
    """It is the commonest of all options: new or known, it is found where it has to stand."""

    def general(*_: object, **__: object) -> bytes:
        raise AssertionError("the general way")

    made = answerer(EXAMPLE, cookies=cookies_of(1_559_731_985))
    assert made.cookies is not None
    cookie = data or made.cookies.answer(b"clientco", b"") or b""
    monkeypatch.setattr(unusual, "options", general)
    monkeypatch.setattr(unusual, "reply", general)
    option = b"\0\x0a" + len(cookie).to_bytes(2, "big") + cookie
    packet = dns.message.make_query("ns.example", "A", id=7).to_wire()
    opt = b"\0\0\x29\x04\xd0\0\0" + flags.to_bytes(2, "big") + len(option).to_bytes(2, "big") + option
    wire = made.reply(packet[:11] + b"\1" + packet[12:] + opt, False, 0)
    assert wire is not None
    reply = dns.message.from_wire(wire)
    assert section(reply.answer) == ["ns.example. A 192.0.2.53"]
    assert (reply.ednsflags, [len(each.to_wire() or b"") for each in reply.options]) == (flags, [24])


@pytest.mark.parametrize("kind", ["none", "new", "known", "other", "both"])
@pytest.mark.parametrize("size", [513, 600, 700, 767, 768, 769, 1023, 1024, 1100, 1231, 1232])
def test_the_size_that_a_client_takes_is_used_to_its_last_octet(size: int, kind: str) -> None:
    """Whatever options it sends: a reply of so many octets is whole, one of more is cut off (RFC 6891 §6.2.3)."""
    cookies = cookies_of(1_559_731_985)
    known = cookies.answer(b"clientco", b"") or b""
    options = {
        "none": b"", "new": b"\0\x0a\0\x08clientco", "known": b"\0\x0a\0\x18" + known, "other": b"\xfd\xe9\0\1x",
        "both": b"\xfd\xe9\0\1x\0\x0a\0\x18" + known,
    }[kind]
    room = size - (12 + len(b"\1w\7example\0") + 4) - 12 - 11 - (28 if kind in ("new", "known", "both") else 0)
    made = answerer(EXAMPLE + f"w.example. 60 TYPE65280 \\# {room} {'00' * room}\n", cookies=cookies)
    packet = dns.message.make_query("w.example", 65280, id=7).to_wire()
    for payload in (size - 1, size, size + 1, 0xFFFF):
        opt = b"\0\0\x29" + payload.to_bytes(2, "big") + bytes(4) + len(options).to_bytes(2, "big") + options
        wire = made.reply(packet[:11] + b"\1" + packet[12:] + opt, False, 0)
        assert wire is not None
        assert bool(dns.message.from_wire(wire).answer) is (payload >= size)
        assert len(wire) == size or payload < size


@pytest.mark.parametrize("flags", [0, 0x8000])
@pytest.mark.parametrize("rdclass", ["IN", "HS", "CH", "ANY"])
@pytest.mark.parametrize("is_signed", [False, True])
def test_a_bad_cookie_is_a_format_error_of_edns(flags: int, rdclass: str, is_signed: bool) -> None:
    """Of any class, and beside a signature: an OPT record says that EDNS itself is spoken (RFC 6891 §7)."""
    made = answerer(EXAMPLE, cookies=cookies_of(1_559_731_985))
    packet = dns.message.make_query("ns.example", "A", rdclass, id=7).to_wire()
    options = b"\0\x0a\0\7clientc"
    packet = packet[:11] + bytes((1 + is_signed,)) + packet[12:] + b"\0\0\x29\x04\xd0\0\0" + flags.to_bytes(2, "big")
    packet += len(options).to_bytes(2, "big") + options + b"\0\0\xfa\0\xff\0\0\0\0\0\0" * is_signed
    wire = made.reply(packet, False, 0)
    assert wire is not None
    reply = dns.message.from_wire(wire)
    assert (reply.rcode(), reply.edns, reply.ednsflags, reply.options) == (1, 0, flags, ())
