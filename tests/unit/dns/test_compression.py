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
    with pytest.raises(ValueError, match=r"^a name goes beyond its record$"):
        expanded(wire([b"example", b"org"]), 2, bytes(damaged))


@pytest.mark.parametrize("damaged", [b"\xff\xff", b"\x3f", b"\xc0"])
def test_what_is_no_name_is_an_error(damaged: bytes) -> None:
    records = b"\xc0\x0c\0\2\0\1\0\0\0\1\0" + bytes((len(damaged),)) + damaged
    with pytest.raises((IndexError, ValueError)):
        expanded(wire([b"org"]), 2, records)


@pytest.mark.parametrize(("to", "said"), [
    (b"\xc0\x0b", "a name points beyond its owner"), (b"\xc0\x40", "a name points beyond its owner"),
    (b"\xc0\x15", "a name points beyond its owner"),
])
def test_what_is_wrong_with_a_name_alone_is_said(to: bytes, said: str) -> None:
    """Before the owner there is the header, behind it there are no names that could be meant."""
    with pytest.raises(ValueError, match=f"^{said}$"):
        expanded(wire([b"org"]), 2, b"\xc0\x0c\0\2\0\1\0\0\0\1\0\2" + to)


@pytest.mark.parametrize("to", [0x0F, 0x11, 0x40, 0x1100, 0x3F00])
def test_a_name_that_points_ahead_is_an_error(to: int) -> None:
    """Among several records a name may point into those before it, and never at itself or behind."""
    name = (0xC000 | 12 + 5 + 4 + 12 + to).to_bytes(2, "big")
    with pytest.raises(ValueError, match=r"^a name points ahead$"):
        expanded(wire([b"org"]), 2, pack_records(2, 60, [b"\1a\0", name, name]))


def test_a_name_may_point_at_what_stands_before_its_record() -> None:
    """At the owner of the first record, which is a name as others are, and at the RDATA of an earlier one."""
    owner, base = wire([b"org"]), 12 + 5 + 4
    to_owner, to_first = ((0xC000 | base + offset).to_bytes(2, "big") for offset in (0, 12))
    for first, second, names in ((b"\1a\0", to_owner, [b"\1a\0", owner]), (to_owner, to_first, [owner, owner]),
                                 (b"\1a\0", to_first, [b"\1a\0", b"\1a\0"])):
        assert unpack_rdatas(expanded(owner, 2, pack_records(2, 60, [first, second]))) == names


@pytest.mark.parametrize("rdtype", sorted(COMPRESSIBLE))
@pytest.mark.parametrize("count", [1, 2, 40])
@pytest.mark.parametrize("owner", [b"\0", b"\3org\0", b"\1*\3org\0", b"\1*\0", wire([b"o" * 63] * 3 + [b"o" * 61])])
def test_the_longest_names_come_back(rdtype: int, count: int, owner: bytes) -> None:
    """Records whose length takes two octets, and names that share all, some or nothing with their owner."""
    longest = [[b"n" * 63] * 3 + [b"%061d" % number] for number in range(count + 1)]
    sharing = [[each[3][-3:], b"n" * 59, b"n" * 63, b"n" * 63, b"o" * 61] for each in longest]
    partly = [[each[3][-3:], *([b"o" * 63] * 2)] for each in longest]
    for names in (longest, sharing, partly, [[b"a", b"org"], []] * count):
        rdatas = [rdata_of(rdtype, [names[number], names[number + 1]]) for number in range(count)]
        records = pack_records(rdtype, 60, rdatas)
        made = compressed(owner, rdtype, records)
        assert expanded(owner, rdtype, made) == records
        assert len(unpack_rdatas(made)) == count


@pytest.mark.parametrize(("owner", "name", "octets"), [
    ([b"example", b"org"], [b"ns", b"example", b"org"], 3 + 2), ([b"example", b"org"], [b"example", b"org"], 2),
    ([b"*", b"example", b"org"], [b"ns", b"example", b"org"], 3 + 2), ([b"*", b"org"], [b"org"], 2),
    ([b"*", b"example", b"org"], [b"*", b"example", b"org"], 2 + 2), ([b"a*", b"org"], [b"a*", b"org"], 2),
    ([b"a", b"b", b"c"], [b"x", b"b", b"c"], 2 + 2), ([b"a", b"b", b"c"], [b"c"], 2), ([b"abc"], [b"c"], 3),
    ([b"x\1c"], [b"c"], 3), ([b"a", b"Org"], [b"b", b"org"], 7), ([], [b"org"], 5), ([b"org"], [], 1),
])
@pytest.mark.parametrize("count", [1, 2])
def test_how_few_octets_a_name_takes_beside_its_owner(
    owner: list[bytes], name: list[bytes], octets: int, count: int
) -> None:
    """Whole labels are shared and nothing else; what an asterisk stands for is not known here."""
    rdatas = [wire(name)] * count
    made = compressed(wire(owner), 2, pack_records(2, 60, rdatas))
    sizes = [len(each) for each in unpack_rdatas(made)]
    assert sizes == [octets, min(octets, 2)][:count]
    assert expanded(wire(owner), 2, made) == pack_records(2, 60, rdatas)


@pytest.mark.parametrize("offset", [12, 17, 100, 243, 244, 245, 250])
@pytest.mark.parametrize("step", [0, 1, 2, 10, 11, 12, 13, 100, 240])
def test_a_pointer_moves_by_as_many_octets_as_the_record(offset: int, step: int) -> None:
    """Also over the edge of an octet."""
    name = b"\1a" + (0xC000 | offset).to_bytes(2, "big")
    made = moved(2, pack_records(2, 60, [name, b"\1b\0", name]), step, b"\xc1\x02")
    to = (0xC000 + offset + step).to_bytes(2, "big")
    assert unpack_rdatas(made) == [b"\1a" + to, b"\1b\0", b"\1a" + to]
    assert made.count(b"\xc1\x02\0\2") == 3


_FAR = wire([b"o" * 63] * 3 + [b"o" * 52, b"abc"])


@pytest.mark.parametrize(("owner", "names", "sizes"), [
    # A pointer to an offset of two octets, and a length that keeps its second octet.
    (_FAR, [[b"x", b"abc"]], [4 + 2]), (wire([b"c"]), [[b"n" * 63] * 3 + [b"n" * 59, b"c"]], [256]),
    # What points at the owner can be pointed at itself.
    (wire([b"a"]), [[b"n", b"a"], [b"m", b"n", b"a"]], [4 + 2, 4 + 2]),
    # Lengths of several records that could be taken for that of one alone.
    (wire([b"c"]), [[], *([[b"n" * 63] * 3 + [b"n" * 46, b"c"]] * 3)], [3, 243, 4, 4]),
    (wire([b"c"]), [[b"n" * 63] * 3 + [b"n" * 59, b"c"], [b"m" * 63] * 3 + [b"m" * 46, b"c"]], [256, 243]),
])
def test_what_is_compressed_is_as_short_as_it_can_be(
    owner: bytes, names: list[list[bytes]], sizes: list[int]
) -> None:
    records = pack_records(15, 60, [rdata_of(15, [name]) for name in names])
    made = compressed(owner, 15, records)
    assert [len(each) for each in unpack_rdatas(made)] == sizes
    assert expanded(owner, 15, made) == records


def test_each_name_of_a_record_moves() -> None:
    """Also where there are two, and in records of any length."""
    to, moved_to = b"\xc0\xf0", b"\xc1\x0f"
    for rdtype, before, behind in ((14, b"", b""), (6, b"", bytes(20)), (15, b"\0\5", b"")):
        names = 1 if rdtype == 15 else 2
        rdatas = [before + (b"\1a" + to) * names + behind, before + to * names + behind,
                  before + wire([b"n" * 63] * 3 + [b"n" * 61]) * names + behind, before + b"\0" * names + behind]
        made = moved(rdtype, pack_records(rdtype, 60, rdatas), 31, b"\xc0\x2b")
        assert unpack_rdatas(made) == [each.replace(to, moved_to) for each in rdatas]
