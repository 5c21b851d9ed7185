"""Messages of the resolver beside dnspython, and what is no message."""

from __future__ import annotations

import random
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdns.dns.wire import FormatError
from streamdns.resolver.resolution.message import (
    MAX_JUMPS,
    MAX_LABELS,
    MAX_RECORDS,
    Options,
    Response,
    RRset,
    TooMuch,
    parse,
    query,
    read_name,
)

_LABEL = st.binary(min_size=1, max_size=12)
_NAME = st.lists(_LABEL, max_size=6).map(lambda labels: dns.name.Name([*labels, b""]))
_TTL = st.integers(0, 0x7FFFFFFF)


def records() -> st.SearchStrategy[dns.rrset.RRset]:
    """RRsets of types with and without names in their RDATA."""
    contents = st.one_of(
        st.tuples(st.just("A"), st.ip_addresses(v=4).map(str)),
        st.tuples(st.just("AAAA"), st.ip_addresses(v=6).map(str)),
        st.tuples(st.sampled_from(["NS", "CNAME", "PTR", "DNAME"]), _NAME.map(str)),
        st.tuples(st.just("MX"), _NAME.map(lambda name: f"10 {name}")),
        st.tuples(st.just("SRV"), _NAME.map(lambda name: f"1 2 3 {name}")),
        st.tuples(st.just("SOA"), st.tuples(_NAME, _NAME).map(lambda both: f"{both[0]} {both[1]} 1 2 3 4 5")),
        st.tuples(st.just("TXT"), st.just('"some text" "and more"')),
        st.tuples(st.just("NAPTR"), _NAME.map(lambda name: f'1 2 "u" "s" "" {name}')),
        st.tuples(st.just("HTTPS"), _NAME.map(lambda name: f"1 {name} alpn=h2")),
        st.tuples(st.just("DS"), st.just("1 8 2 " + "ab" * 32)),
        st.tuples(st.just("RRSIG"), _NAME.map(
            lambda name: f"A 8 2 300 20300101000000 20200101000000 1 {name} c2lnbmF0dXJl")),
    )
    return st.tuples(_NAME, _TTL, contents).map(
        lambda made: dns.rrset.from_text(made[0], made[1], "IN", made[2][0], made[2][1])
    )


def sections(response: Response) -> list[set[tuple[bytes, int, int, frozenset[bytes]]]]:
    return [{(each.owner, each.rdtype, each.ttl_s, frozenset(each.rdatas)) for each in section}
            for section in (response.answer, response.authority, response.additional)]


@settings(deadline=None, max_examples=150)
@given(question=_NAME.map(dns.name.Name.canonicalize), answer=st.lists(records(), max_size=6),
       authority=st.lists(records(), max_size=4), rcode=st.integers(0, 15), edns=st.booleans())
def test_whatever_dnspython_renders(
    question: dns.name.Name, answer: list[dns.rrset.RRset], authority: list[dns.rrset.RRset], rcode: int, edns: bool
) -> None:
    """Names lower, RDATA uncompressed, one RRset of each owner and type, the lowest of its TTLs."""
    made = dns.message.make_query(question, "A")
    made.flags |= dns.flags.QR | dns.flags.AA
    made.set_rcode(dns.rcode.Rcode(rcode))
    made.use_edns(0 if edns else False)
    made.answer, made.authority = answer, authority
    packet = made.to_wire(max_size=65535)
    response = parse(packet)
    assert (response.qname, response.qtype, response.rcode, response.edns) == (question.to_wire(), 1, rcode, edns)
    # Compression does not heed case, so what it made of the names is what it reads again.
    read = dns.message.from_wire(packet, one_rr_per_rrset=True)
    for ours, theirs in zip(sections(response), (read.answer, read.authority, []), strict=True):
        merged: dict[tuple[bytes, int], tuple[int, set[bytes]]] = {}
        for rrset in theirs:
            key = (rrset.name.to_wire().lower(), int(rrset.rdtype))
            ttl_s, rdatas = merged.get(key, (rrset.ttl, set()))
            merged[key] = min(ttl_s, rrset.ttl), rdatas | {rdata.to_wire() for rdata in rrset}
        covered = {key for key in merged if key[1] == 46 and (key[0], 1) in merged}
        expected = {(*key, ttl_s, frozenset(rdatas)) for key, (ttl_s, rdatas) in merged.items() if key not in covered}
        assert ours == expected


def test_signatures_go_with_what_they_cover() -> None:
    made = dns.message.make_query("www.example.", "A")
    made.flags |= dns.flags.QR
    made.answer = [
        dns.rrset.from_text("www.example.", 60, "IN", "A", "192.0.2.1"),
        *[dns.rrset.from_text("www.example.", 60, "IN", "RRSIG",
                              f"{covered} 8 2 60 20300101000000 20200101000000 1 example. c2ln")
          for covered in ("A", "TXT")],
    ]
    response = parse(made.to_wire())
    by_type = {rrset.rdtype: rrset for rrset in response.answer}
    assert set(by_type) == {1, 46}
    assert len(by_type[1].signatures) == 1
    assert [rdata[:2] for rdata in by_type[46].rdatas] == [b"\0\x10"]


@pytest.mark.parametrize("options", [Options(), Options(0), Options(4096, do=True), Options(rd=True, cd=True)])
def test_queries_as_dnspython_reads_them(options: Options) -> None:
    packet = query(0xBEEF, b"\3wWw\7example\0", 28, options)
    read = dns.message.from_wire(packet)
    assert read.id == 0xBEEF
    assert read.question[0].name.to_wire() == b"\3wWw\7example\0"
    assert read.question[0].rdtype == dns.rdatatype.AAAA
    assert read.question[0].rdclass == dns.rdataclass.IN
    assert (read.edns == 0, read.payload if read.edns == 0 else 0) == (bool(options.edns_size), options.edns_size)
    assert bool(read.ednsflags & dns.flags.DO) is options.do
    assert bool(read.flags & dns.flags.RD) is options.rd
    assert bool(read.flags & dns.flags.CD) is options.cd


def test_the_case_of_the_question_does_not_get_into_records() -> None:
    """Names that are compressed to point into the question are as they were asked for without 0x20."""
    packet = b"\0\0\x84\0\0\1\0\1\0\0\0\0" + b"\3wWw\7ExaMple\0\0\5\0\1"
    packet += b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1A\xc0\x10"
    response = parse(packet)
    assert response.qname == b"\3wWw\7ExaMple\0"
    assert response.answer == (RRset(b"\3www\7example\0", 5, 60, (b"\1A\7example\0",)),)


def good() -> bytes:
    made = dns.message.make_query("www.example.", "MX", use_edns=0)
    made.flags |= dns.flags.QR | dns.flags.AA
    made.answer = [dns.rrset.from_text("www.example.", 60, "IN", "MX", "1 a.example.", "2 b.example.")]
    made.authority = [dns.rrset.from_text("example.", 60, "IN", "SOA", "ns.example. h.example. 1 2 3 4 5")]
    made.additional = [dns.rrset.from_text("a.example.", 60, "IN", "A", "192.0.2.1")]
    return made.to_wire()


def test_hostile_octets_are_told_by_one_exception() -> None:
    rng = random.Random(1)
    packet = good()
    outcomes = {True: 0, False: 0}
    for _ in range(20_000):
        broken = bytearray(packet)
        for _ in range(rng.randint(1, 4)):
            broken[rng.randrange(len(broken))] = rng.choice([0, 1, 0x3F, 0x40, 0xC0, 0xFF, rng.randrange(256)])
        cut = bytes(broken[: rng.randrange(len(broken) + 1)] if rng.random() < 0.3 else broken)
        try:
            response = parse(cut)
        except FormatError:
            outcomes[False] += 1
            continue
        outcomes[True] += 1
        for rrset in (*response.answer, *response.authority, *response.additional):
            assert rrset.owner == rrset.owner.lower()
            assert len(rrset.owner) <= 255
            assert read_name(rrset.owner, 0) == (rrset.owner, len(rrset.owner))
            assert all(len(rdata) == 4 for rdata in rrset.rdatas if rrset.rdtype == 1)
    assert min(outcomes.values()) > 500


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_octets(octets: bytes) -> None:
    for packet in (octets, b"\0\0\x80\0\0\1\0\1\0\1\0\1" + octets):
        try:
            parse(packet)
        except FormatError:
            continue


@pytest.mark.parametrize(
    "name",
    [b"\xc0\x0c", b"\xc0\x0d\xc0\x0c", b"\1a\xc0\x0c", b"\xc0\xff", b"\xc0", b"\x40", b"\x80a", b"\3ab", b"",
     b"\x3f" + b"a" * 63, (b"\x3f" + b"a" * 63) * 4 + b"\0"],
)
def test_names_that_are_none(name: bytes) -> None:
    """Loops, pointers forward and out of the message, unknown kinds of labels, too long ones."""
    with pytest.raises(FormatError):
        read_name(bytes(12) + name, 12)


def test_the_longest_name() -> None:
    name = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"b" * 61 + b"\0"
    assert len(name) == 255
    assert read_name(bytes(12) + name, 12) == (name, 12 + 255)
    many = b"\1a" * 127 + b"\0"
    assert read_name(many, 0) == (many, 255)


def test_a_truncated_message_may_end_anywhere() -> None:
    packet = bytearray(good())
    packet[2] |= 0x02
    for end in range(len(packet)):
        if end < 12 + 17:
            with pytest.raises(FormatError):
                parse(bytes(packet[:end]))
        else:
            response = parse(bytes(packet[:end]))
            assert response.truncated
            assert response.answer == ()


RECORD = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4"
QUESTION = b"\1a\0\0\1\0\1"


def message(records: bytes, *counts: int, flags: bytes = b"\x84\0") -> bytes:
    numbers = [1, *counts, *[0] * (3 - len(counts))]
    return b"\0\0" + flags + b"".join([number.to_bytes(2, "big") for number in numbers]) + QUESTION + records


@pytest.mark.parametrize("sections", [(MAX_RECORDS,), (MAX_RECORDS - 2, 1, 1)])
def test_so_many_records_are_read_and_no_more(sections: tuple[int, ...]) -> None:
    """One record many times is one. Beyond, the numbers in the header are enough: nothing is read."""
    response = parse(message(RECORD * MAX_RECORDS, *sections))
    assert response.answer == (RRset(b"\1a\0", 1, 60, (b"\1\2\3\4",)),)
    more = message(RECORD * (MAX_RECORDS + 1), sections[0] + 1, *sections[1:])
    with pytest.raises(TooMuch):
        parse(more)
    assert parse(more, bounded=False).answer == response.answer
    cut = message(RECORD * (MAX_RECORDS + 1), sections[0] + 1, *sections[1:], flags=b"\x86\0")
    assert (parse(cut).truncated, parse(cut).answer) == (True, ())


def chain(links: int, records: int) -> bytes:
    """One-letter labels, each of which points at the one before, in a record of an unknown type, and MINFO records
    whose owner and two names are the last of them: each stands for them all.
    """
    links_begin = 12 + len(QUESTION) + 11
    made, last = b"\1a\0", links_begin
    for _ in range(links):
        here = links_begin + len(made)
        made += b"\1a" + (0xC000 | last).to_bytes(2, "big")
        last = here
    pointer = (0xC000 | last).to_bytes(2, "big")
    first = b"\0" + b"\xff\0\0\1\0\0\1\x2c" + len(made).to_bytes(2, "big") + made
    minfo = pointer + b"\0\x0e\0\1\0\0\1\x2c\0\4" + pointer * 2
    return message(first + minfo * records, 1 + records)


class Counting(bytes):
    """Octets that count how often one of them is looked at."""

    looked = 0

    def __getitem__(self, key: Any) -> Any:
        Counting.looked += 1
        return super().__getitem__(key)


@pytest.mark.parametrize("links", [MAX_JUMPS - 1, 123])
def test_a_name_is_read_once_whoever_points_at_it(links: int) -> None:
    """The work grows with the octets of a message, not with the octets that its names stand for.

    Each pointer of the chain is one more jump for who begins at its end: beyond some, nothing of it is read.
    """
    packet = Counting(chain(links, 1000))
    Counting.looked = 0
    try:
        response = parse(packet)
        assert links < MAX_JUMPS
        assert response.answer[-1].rdatas == ((b"\1a" * (links + 1) + b"\0") * 2,)
    except FormatError:
        assert links >= MAX_JUMPS
    assert Counting.looked < 2 * len(packet)


def test_labels_of_a_message_are_bounded() -> None:
    """Names that are written out have as many labels as there are octets for: NS records, the longest names."""
    def packet(records: int) -> bytes:
        made = b""
        for number in range(records):
            name = b"\3%03d" % number + b"\1a" * 63 + b"\0"
            made += b"\xc0\x0c\0\2\0\1\0\0\1\x2c" + len(name).to_bytes(2, "big") + name
        return message(made, records)

    assert len(parse(packet(MAX_LABELS // 64 - 1)).answer[0].rdatas) == MAX_LABELS // 64 - 1
    with pytest.raises(TooMuch):
        parse(packet(MAX_LABELS // 64 + 1))
    assert parse(packet(MAX_LABELS // 64 + 1), bounded=False).answer


def test_a_question_that_was_seen_is_not_read_again() -> None:
    """Whatever its case; and names that point into it are in lower case."""
    packet = b"\0\0\x84\0\0\1\0\1\0\0\0\0" + b"\3wWw\7ExaMple\0\0\5\0\1"
    packet += b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1A\xc0\x10"
    assert parse(packet, question=b"\3www\7example\0") == parse(packet)


def test_ttls_with_the_highest_bit_are_0() -> None:
    packet = b"\0\0\x84\0\0\1\0\1\0\0\0\0\1a\0\0\1\0\1" + b"\xc0\x0c\0\1\0\1\xff\xff\xff\xff\0\4\1\2\3\4"
    assert parse(packet).answer[0].ttl_s == 0
