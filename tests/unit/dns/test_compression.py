"""Names in stored RDATA: compressed as readers of DNS understand it, and every octet comes back."""

from __future__ import annotations

import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.dns.compression import COMPRESSIBLE, compressed, expanded, moved
from streamdns.dns.node import pack_records, unpack_rdatas

_LABELS = (b"a", b"b", b"Example", b"example", b"org", b"*", b"a\0b", b"\xc0\x0c", b"long" * 12)
labels = st.lists(st.sampled_from(_LABELS), max_size=4)


def wire(parts: list[bytes]) -> bytes:
    return b"".join(bytes((len(each),)) + each for each in parts) + b"\0"


def rdata_of(rdtype: int, names: list[list[bytes]]) -> bytes:
    fixed, count = COMPRESSIBLE[rdtype]
    return b"\0\x41"[:fixed] + b"".join(map(wire, names[:count])) + (bytes(range(20)) if rdtype == 6 else b"")


rrsets = st.sampled_from([*COMPRESSIBLE]).flatmap(
    lambda rdtype: st.tuples(
        st.just(rdtype),
        st.lists(st.lists(labels, min_size=2, max_size=2).map(lambda names: rdata_of(rdtype, names)), min_size=1,
                 max_size=6),
    )
)


def message(question: bytes, records: bytes, count: int) -> dns.message.Message:
    """A reply with these records behind the question."""
    head = b"\0\0\x84\0\0\1" + count.to_bytes(2, "big") + b"\0\0\0\0"
    return dns.message.from_wire(head + question + b"\0\1\0\1" + records, one_rr_per_rrset=True)


def contents(reply: dns.message.Message) -> list[bytes]:
    return [each.to_wire() for rrset in reply.answer for each in rrset]


@given(labels, rrsets)
def test_every_octet_comes_back(owner: list[bytes], rrset: tuple[int, list[bytes]]) -> None:
    rdtype, rdatas = rrset
    name = wire(owner).lower()
    records = pack_records(rdtype, 0x41424344, rdatas)
    made = compressed(name, rdtype, records)
    assert len(made) <= len(records)
    assert expanded(name, rdtype, made) == records
    assert expanded(name, rdtype, records) == records  # as an older version stored them


@given(labels, rrsets)
def test_behind_the_question_for_the_owner_others_read_the_same_records(
    owner: list[bytes], rrset: tuple[int, list[bytes]]
) -> None:
    rdtype, rdatas = rrset
    name = wire(owner).lower()
    if rdtype not in (2, 5, 6, 12, 15):
        return  # dnspython has no names in the RDATA of the others
    made = compressed(name, rdtype, pack_records(rdtype, 60, rdatas))
    assert contents(message(name, made, len(rdatas))) == rdatas


@given(labels, labels.filter(bool), rrsets)
def test_moved_records_are_read_the_same(
    owner: list[bytes], below: list[bytes], rrset: tuple[int, list[bytes]]
) -> None:
    """As in a referral, where the question's name is below the owner, and for a wildcard, where it stands in for it."""
    rdtype, rdatas = rrset
    if rdtype not in (2, 5, 6, 12, 15):
        return
    records = pack_records(rdtype, 60, rdatas)
    name = wire(owner).lower()
    if name[:2] != b"\1*":
        question = wire(below)[:-1] + name
        step = len(question) - len(name)
        to = (0xC00C + step).to_bytes(2, "big")
        reply = message(question, moved(rdtype, compressed(name, rdtype, records), step, to), len(rdatas))
        assert contents(reply) == rdatas
        assert all(rrset.name.to_wire() == name for rrset in reply.answer)
    wildcard = b"\1*" + name
    question = wire(below)[:-1] + name
    made = moved(rdtype, compressed(wildcard, rdtype, records), len(question) - len(wildcard), b"\xc0\x0c")
    assert contents(message(question, made, len(rdatas))) == rdatas


def test_names_share_what_stands_before_them() -> None:
    """With the owner, and with one another; no more pointers follow one another than clients put up with."""
    owner = wire([b"example", b"org"])
    servers = [wire([b"ns1", b"example", b"org"]), wire([b"ns2", b"net"]), wire([b"ns3", b"net"])]
    made = compressed(owner, 2, pack_records(2, 60, servers))
    assert [len(each) for each in unpack_rdatas(made)] == [6, 9, 6]
    deep = [wire([b"x"] * number + [b"org"]) for number in range(1, 20)]
    made = compressed(owner, 2, pack_records(2, 60, deep))
    assert expanded(owner, 2, made) == pack_records(2, 60, deep)
    base, places = 12 + len(owner) + 4, {}
    at = 0
    for number in range(len(deep)):
        at += 12
        start = at
        while 0 < made[at] < 64:
            at += made[at] + 1
        to = int.from_bytes(made[at : at + 2], "big") & 0x3FFF
        places[base + start] = 1 + (places[to] if to >= base and to in places else 0)
        assert places[base + start] <= 5, number
        at += 2


def test_a_name_that_goes_beyond_its_record_is_an_error() -> None:
    records = pack_records(2, 60, [wire([b"ns1", b"org"]), wire([b"ns2", b"org"])])
    damaged = bytearray(compressed(wire([b"example", b"org"]), 2, records))
    damaged[11] -= 1
    with pytest.raises(ValueError, match="beyond its record"):
        expanded(wire([b"example", b"org"]), 2, bytes(damaged))


@pytest.mark.parametrize("damaged", [b"\xff\xff", b"\x3f", b"\xc0"])
def test_what_is_no_name_is_an_error(damaged: bytes) -> None:
    records = b"\xc0\x0c\0\2\0\1\0\0\0\1\0" + bytes((len(damaged),)) + damaged
    with pytest.raises((IndexError, ValueError)):
        expanded(wire([b"org"]), 2, records)
