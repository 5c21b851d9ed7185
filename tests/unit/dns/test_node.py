"""The stored form of a name: round trip, lookup of one RRset, flags."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.dns import node
from streamdns.dns.compression import compressed
from streamdns.dns.node import CNAME, DNAME, NS, SOA, Origin, RRset

origins = st.builds(
    Origin,
    topic=st.integers(0, 0xFFFF),
    partition=st.integers(0, 0xFFFFFFFF),
    position=st.integers(0, (1 << 64) - 1),
    timestamp=st.integers(-(1 << 63), (1 << 63) - 1),
    metadatas=st.binary(max_size=40),
)
types = st.one_of(st.sampled_from([1, NS, CNAME, SOA, 15, DNAME, 257]), st.integers(1, 65535))
data = st.lists(st.binary(max_size=300), min_size=1, max_size=5)


@st.composite
def nodes(draw: st.DrawFn) -> list[RRset]:
    """RRsets of one name in order of type."""
    rdtypes = sorted(draw(st.sets(types, max_size=8)))
    made = []
    for rdtype in rdtypes:
        rdatas = draw(data)
        records = node.pack_records(rdtype, draw(st.integers(0, 0x7FFFFFFF)), rdatas)
        made.append(RRset(rdtype, draw(st.integers(0, 7)), len(rdatas), records, draw(origins)))
    return made


@given(nodes())
def test_round_trip(rrsets: list[RRset]) -> None:
    """decode() gives back what encode() was given; find() and records_of() the one of each type."""
    raw = node.encode(rrsets)
    assert node.decode(raw) == rrsets
    present = {rrset.rdtype: rrset for rrset in rrsets}
    for rdtype in {1, NS, CNAME, 65535, *present, *(each ^ 256 for each in present)}:
        rrset = present.get(rdtype)
        place = node.find(raw, rdtype)
        assert (place is None) == (rrset is None)
        if rrset is not None and place is not None:
            flags, count, start, length = place
            assert (flags, count, raw[start : start + length]) == (rrset.flags, rrset.count, rrset.records)
            assert node.records_of(raw, rdtype) == rrset.records
    flags = {NS: node.HAS_NS, CNAME: node.HAS_CNAME, SOA: node.HAS_SOA, DNAME: node.HAS_DNAME}
    local = {rdtype for rdtype, rrset in present.items() if rrset.flags & node.LOCAL}
    hidden = {CNAME} if local and CNAME not in local else set()
    assert raw[0] == sum(flag for rdtype, flag in flags.items() if rdtype in present.keys() - hidden)


@given(data, st.integers(0, 0x7FFFFFFF), types)
def test_records(rdatas: list[bytes], ttl: int, rdtype: int) -> None:
    """Records carry type, class, TTL and RDATA behind a pointer to the question; they come apart again."""
    records = node.pack_records(rdtype, ttl, rdatas)
    assert node.unpack_rdatas(records) == rdatas
    assert node.unpack_rdatas(records, 2) == rdatas[:2]
    assert node.ttl_of(records) == ttl
    assert records.startswith(b"\xc0\x0c" + rdtype.to_bytes(2, "big") + b"\0\1")


@given(nodes(), types)
def test_replace(rrsets: list[RRset], rdtype: int) -> None:
    """One RRset is put in, changed or taken out, the order stays."""
    new = RRset(rdtype, 0, 1, node.pack_records(rdtype, 1, [b"new"]), Origin(0, 0, 0, 0, b""))
    others = [rrset for rrset in rrsets if rrset.rdtype != rdtype]
    with_new = node.replace(rrsets, rdtype, new)
    assert [rrset for rrset in with_new if rrset.rdtype == rdtype] == [new]
    assert [rrset.rdtype for rrset in with_new] == sorted(rrset.rdtype for rrset in with_new)
    assert [rrset for rrset in with_new if rrset.rdtype != rdtype] == others
    assert node.replace(with_new, rdtype, None) == others


def test_what_bounds_zones() -> None:
    """A CNAME shadows NS and DNAME, but not where there is a SOA."""

    def flags(*rdtypes: int) -> int:
        origin = Origin(0, 0, 0, 0, b"")
        return node.cut_flags(node.encode([RRset(t, 0, 1, node.pack_records(t, 1, [b"x"]), origin) for t in rdtypes]))

    assert flags(NS) == node.HAS_NS
    assert flags(1, 16) == 0
    assert flags(NS, CNAME) == 0
    assert flags(NS, SOA) == node.HAS_NS | node.HAS_SOA
    assert flags(NS, CNAME, SOA, DNAME) == node.HAS_NS | node.HAS_SOA | node.HAS_DNAME


def _rrset(rdtype: int, *, flags: int = 0, topic: int = 1, partition: int = 2, octets: int = 4) -> RRset:
    records = node.pack_records(rdtype, 60, [bytes(octets)])
    return RRset(rdtype, flags, 1, records, Origin(topic, partition, 3, 4, b"meta"))


def test_the_records_of_a_node_that_has_no_others() -> None:
    """Up to lengths that take more than one octet; of another type or partition, with flags or beside others: none."""
    for octets in (4, 300, 66_000 - 32_000):
        one = _rrset(16, octets=octets)
        assert node.records_alone(node.encode([one]), 16, 1, 2) == one.records
        assert node.records_alone(node.encode([one], owner=b"\1a\0"), 16, 1, 2, owner=b"\1a\0") == one.records
    owner, name_of = b"\1a\0", node.pack_records(NS, 60, [b"\2ns\1a\0"])
    named = RRset(NS, 0, 1, name_of, Origin(1, 2, 3, 4, b""))
    assert node.records_alone(node.encode([named], owner=owner), NS, 1, 2, owner=owner) == name_of
    raw = node.encode([_rrset(1)])
    for rdtype, topic, partition in ((2, 1, 2), (1, 2, 2), (1, 1, 3), (257, 1, 2)):
        assert node.records_alone(raw, rdtype, topic, partition) is None
    assert node.records_alone(node.encode([_rrset(1, flags=1)]), 1, 1, 2) is None
    assert node.records_alone(node.encode([_rrset(1), _rrset(16)]), 1, 1, 2) is None


def test_a_node_holds_its_rrsets_and_nothing_else() -> None:
    """Every query copies it: two RRsets take the octets that each takes alone, less one head."""
    few, more = _rrset(1), _rrset(16, octets=300)
    assert len(node.encode([few, more])) == len(node.encode([few])) + len(node.encode([more])) - node.HEAD_SIZE


def test_which_nodes_need_their_owner_to_be_read() -> None:
    """Those with a type whose names are compressed, however many others there are."""
    for rdtypes, needed in (
        ([1], False), ([15], True), ([1, 15], True), ([2, 16], True), ([1, 16, 39, 258], False),
        ([*range(100, 400)], False), ([2, *range(100, 400)], True), ([12, *range(300, 555)], True),
    ):
        assert node.has_names(node.encode([_rrset(rdtype) for rdtype in rdtypes])) is needed, rdtypes


def test_what_answers_any() -> None:
    """The CNAME unless it is hidden, else the lowest type that is there."""
    for rdtypes, shown, hidden in (([1], 1, 1), ([1, 16, 28], 1, 1), ([CNAME], CNAME, -1), ([1, CNAME], CNAME, 1),
                                   ([CNAME, 16], CNAME, 16), ([CNAME, SOA, 16], CNAME, SOA), ([257, 65280], 257, 257)):
        raw = node.encode([_rrset(rdtype) for rdtype in rdtypes])
        assert (node.any_type(raw, hide_cname=False), node.any_type(raw, hide_cname=True)) == (shown, hidden), rdtypes
    many = node.encode([_rrset(rdtype) for rdtype in range(100, 400)])
    assert node.any_type(many, hide_cname=True) == 100


@given(st.sets(st.integers(1, 65535), max_size=300), st.lists(st.integers(0, 65535), max_size=20))
def test_an_rrset_is_found_among_few_and_among_many(types: set[int], others: list[int]) -> None:
    """find() gives what decode() has, and nothing for types that are not there."""
    rrsets = [_rrset(rdtype, octets=rdtype % 5) for rdtype in sorted(types)]
    raw = node.encode(rrsets)
    held = {rrset.rdtype: rrset.records for rrset in node.decode(raw)}
    for rdtype in {*types, *others, *(each + 1 for each in types if each < 65535)}:
        assert node.records_of(raw, rdtype) == held.get(rdtype)


def test_names_come_back_with_their_owner_in_nodes_of_any_size() -> None:
    """As they were given; without the owner they are as they are stored."""
    owner, names = b"\1a\3org\0", [b"\2ns\1a\3org\0", b"\1x\3org\0", b"\1y\0"]
    named = RRset(NS, 0, 3, node.pack_records(NS, 60, names), Origin(1, 2, 3, 4, b"m"))
    for rrsets in ([named], [_rrset(1), named], [_rrset(1), named, RRset(12, 1, *named[2:]), _rrset(16)]):
        raw = node.encode(rrsets, owner=owner)
        assert node.decode(raw, owner=owner) == rrsets
        assert node.records_of(raw, NS, owner=owner) == named.records
        stored = node.records_of(raw, NS)
        assert stored == compressed(owner, NS, named.records) != named.records
        assert [rrset.records for rrset in node.decode(raw) if rrset.rdtype == NS] == [stored]
        if len(rrsets) == 1:
            assert node.records_alone(raw, NS, 1, 2) == stored
            assert node.records_alone(raw, NS, 1, 2, owner=owner) == named.records


def test_two_addresses_need_no_owner() -> None:
    """Numbers of records are no types."""
    for count in (2, 3, 5, 6, 12, 15):
        rrset = RRset(1, 0, count, node.pack_records(1, 60, [bytes(4)] * count), Origin(2, 2, 2, 2, b""))
        assert not node.has_names(node.encode([rrset]))


def test_what_stands_behind_the_directory_is_no_entry() -> None:
    """Records begin with octets that are those of a type, too."""
    for count in (1, 8, 9, 20):
        raw = node.encode([*(_rrset(rdtype) for rdtype in range(300, 300 + count)), _rrset(0xFFFF)])
        assert node.find(raw, 0xC00C) is None
        assert node.find(raw, 0xFFFF) is not None


@pytest.mark.parametrize("count", [1, 8, 9, 255, 256, 257, 512])
@pytest.mark.parametrize("last", [600 + 512, 0xFFFF])
def test_a_node_of_many_rrsets_is_read_whole(count: int, last: int) -> None:
    """And each of them is found, whatever its type is; what stands behind the directory is no entry."""
    rrsets = [_rrset(rdtype) for rdtype in range(last - count, last)]
    raw = node.encode(rrsets, 2)
    assert node.decode(raw) == rrsets
    assert raw[1] == 2
    assert node.any_type(raw, hide_cname=True) == last - count
    for rrset in (rrsets[0], rrsets[count // 2], rrsets[-1]):
        assert node.records_of(raw, rrset.rdtype) == rrset.records
    for rdtype in (1, last - count - 1, last, 0xC00C):
        assert node.find(raw, rdtype) is None


def test_what_is_wrong_with_a_damaged_node_is_said() -> None:
    records = node.pack_records(NS, 60, [b"\xc1\xff"])
    with pytest.raises(struct.error, match=r"^names in RDATA of type 2 are no names: a name points beyond its owner$"):
        node.in_full(b"\1a\0", NS, records)
