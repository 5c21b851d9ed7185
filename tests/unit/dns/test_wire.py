"""Messages as bytes: EDNS as it is read, names as they are compressed."""

from __future__ import annotations

import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.dns import rdata
from streamdns.dns.node import pack_records
from streamdns.dns.wire import (
    COMPRESSIBLE,
    MOST_OPTIONS,
    OPT_COOKIE,
    OPT_KEEPALIVE,
    OPT_NSID,
    Edns,
    FormatError,
    Reply,
    name_end,
    opt_record,
    option,
    parse_edns,
    parse_options,
    skip_name,
    with_option,
)

POOL = [b"a", b"b", b"www", b"MAIL", b"x" * 63, b"\0", b"\1", b"a.b", b"\xff"]
labels = st.one_of(st.sampled_from(POOL), st.binary(min_size=1, max_size=12))
names = (
    st.lists(labels, max_size=5)
    .map(lambda found: b"".join([bytes((len(label),)) + label for label in found]) + b"\0")
    .filter(lambda wire: len(wire) <= 255)
)


def message(name: bytes, rdtype: int = 1) -> bytes:
    """A query."""
    return b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + name + rdtype.to_bytes(2, "big") + b"\0\1"


ANSWERED = (OPT_NSID, OPT_COOKIE, OPT_KEEPALIVE)
# dnspython looks at the data of cookies, and of other codes below 100.
CODES = st.integers(100, 65535) | st.sampled_from((OPT_NSID, OPT_KEEPALIVE))
OPTIONS = st.lists(st.tuples(CODES, st.binary(max_size=20)), max_size=MOST_OPTIONS)


def answered(options: list[tuple[int, bytes]]) -> dict[int, bytes]:
    """Of these options those that are read: the first of each code that is answered."""
    return {code: data for code, data in reversed(options) if code in ANSWERED}


@given(st.integers(0, 65535), st.booleans(), OPTIONS)
def test_an_opt_record_is_read_as_it_was_written(size: int, do: bool, options: list[tuple[int, bytes]]) -> None:
    """opt_record(), option() and parse_edns() are inverse; dnspython reads the same."""
    written = opt_record(size, do, b"".join([option(code, data) for code, data in options]))
    assert parse_edns(written, 0, 1) == Edns(size, 0, do, answered(options))
    packet = message(b"\1a\0")
    read = dns.message.from_wire(packet[:11] + b"\1" + packet[12:] + written)
    assert (read.payload, len(read.options), bool(read.ednsflags & 0x8000)) == (size, len(options), do)
    assert with_option(opt_record(size, do), 15, b"x") == opt_record(size, do, option(15, b"x"))


def test_the_extended_rcode_is_split() -> None:
    """RFC 6891 §6.1.3: the upper eight bits go into the OPT record."""
    packet = message(b"\1a\0")
    packet = packet[:2] + b"\x80\0" + packet[4:11] + b"\1" + packet[12:] + opt_record(1232, False, b"", 16)
    assert dns.message.from_wire(packet).rcode() == 16


@given(st.lists(st.tuples(st.integers(0, 20), st.binary(max_size=9)), max_size=12), st.binary(max_size=5))
def test_the_options_that_are_answered_are_read_wherever_they_stand(
    options: list[tuple[int, bytes]], behind: bytes
) -> None:
    """The first of each code, in the order of the query; what stands behind the record is not looked at."""
    wire = b"".join([option(code, data) for code, data in options])
    read = parse_options(b"before" + wire + behind, 6, 6 + len(wire))
    assert read == answered(options)
    assert list(read) == [code for code in dict.fromkeys(code for code, _ in options) if code in ANSWERED]


@given(st.binary(max_size=60), st.integers(0, 5))
def test_garbage_is_a_format_error_or_nothing(data: bytes, count: int) -> None:
    """Whatever the octets are, nothing else is raised; what is accepted uses all of them."""
    try:
        parse_edns(data, 0, count)
    except FormatError:
        pass
    else:
        assert count or not data
    try:
        options = parse_options(data, 0, len(data))
    except FormatError:
        pass
    else:
        assert all(option(code, each) in data for code, each in options.items())


@pytest.mark.parametrize(
    ("data", "end"),
    [(b"\0", 1), (b"\1a\0x", 3), (b"\1a\0\xc0\0", 3), (b"\1a", None), (b"\x40a\0", None), (b"\x80\0", None),
     (b"", None), (b"\xc0", None), (b"\xc0\0", None), (b"\xc0\5\0\0\0\0", None), (b"\x3f" + b"a" * 62, None)],
)
def test_skipping_a_name(data: bytes, end: int | None) -> None:
    """Names that end in a pointer are stepped over; pointers forwards, other labels and early ends are errors."""
    if end is None:
        with pytest.raises(FormatError):
            skip_name(data, 0)
    else:
        assert skip_name(data, 0) == end


def test_skipping_a_name_with_a_pointer() -> None:
    """A pointer backwards ends a name."""
    assert skip_name(b"\1a\0\1b\xc0\0rest", 3) == 7


@given(names)
def test_name_end(name: bytes) -> None:
    """The octet behind an uncompressed name."""
    assert name_end(b"??" + name + b"rest", 2) == 2 + len(name)


@given(st.lists(names, min_size=1, max_size=40))
def test_compressed_names_are_the_names(found: list[bytes]) -> None:
    """Every name comes back as it was but for the case of what it shares with an earlier one."""
    reply = Reply(message(found[0]), 12 + len(found[0]) + 4, 65535)
    starts = []
    for name in found:
        starts.append(len(reply.out))
        reply.add_name(name)
    wire = bytes(reply.out)
    for name, start in zip(found, starts, strict=True):
        read, length = dns.name.from_wire(wire, start)
        assert read.to_wire(canonicalize=True) == dns.name.from_wire(name, 0)[0].to_wire(canonicalize=True)
        assert start + length == (starts + [len(wire)])[starts.index(start) + 1] if starts.count(start) == 1 else True


def test_no_pointer_reaches_beyond_14_bits() -> None:
    """What stands behind offset 16383 cannot be pointed at (RFC 1035 §4.1.4)."""
    reply = Reply(message(b"\0"), 17, 65535)
    reply.out += b"\0" * (0x3FFE - len(reply.out))
    starts = []
    for name in (b"\1a\1b\0", b"\1a\1b\0", b"\1c\1b\0", b"\1c\1b\0", b"\1b\0"):
        starts.append(len(reply.out))
        reply.add_name(name)
    wire = bytes(reply.out)
    assert [dns.name.from_wire(wire, start)[0].to_text() for start in starts] == ["a.b.", "a.b.", "c.b.", "c.b.", "b."]


CONTENTS = {
    "NS": "{0}", "CNAME": "{0}", "PTR": "{0}", "MX": "10 {0}", "SOA": "{0} {1} 1 2 3 4 5", "SRV": "1 2 3 {0}",
    "DNAME": "{0}", "NAPTR": '1 2 "u" "s" "r" {0}', "TXT": '"{0}"', "RP": "{0} {1}",
}
NAMES = ["example.", "a.example.", "b.a.example.", "MAIL.Example.", "x.far.invalid.", "y.far.invalid.", "."]


@given(
    st.sampled_from(sorted(CONTENTS)),
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), min_size=1, max_size=30, unique=True),
    st.sampled_from(NAMES),
)
def test_an_rrset_in_a_reply(type_text: str, pairs: list[tuple[str, str]], owner: str) -> None:
    """dnspython reads what was stored, and its own compression is not better; only types of RFC 1035 are compressed."""
    rdtype = rdata.type_from_text(type_text)
    contents = list(dict.fromkeys(CONTENTS[type_text].format(*pair) for pair in pairs))
    if type_text in ("CNAME", "DNAME", "SOA"):
        del contents[1:]  # there is one of them at a name
    rdatas = [rdata.from_text(rdtype, content) for content in contents]
    name = dns.name.from_text(owner).to_wire()
    reply = Reply(message(name, rdtype), 12 + len(name) + 4, 65535)
    assert reply.add_rrset(name, rdtype, pack_records(rdtype, 300, rdatas)) == len(rdatas)
    reply.answers = len(rdatas)
    wire = reply.finish(0x84, 0, b"")
    read = dns.message.from_wire(wire)
    wanted = dns.rrset.from_text_list(owner, 300, "IN", type_text, contents)
    assert read.answer == [wanted]
    theirs = dns.message.make_response(dns.message.make_query(owner, type_text))
    theirs.answer.append(wanted)
    if len({content.lower() for content in contents}) == len(contents):
        assert len(wire) <= len(theirs.to_wire())
    if rdtype not in COMPRESSIBLE:
        assert all(each in wire for each in rdatas)


def test_an_rrset_that_does_not_fit_leaves_no_trace() -> None:
    """Neither octets nor names to point at; what is added later is right."""
    question = b"\7example\0"
    reply = Reply(message(question), 12 + len(question) + 4, 100)
    rdatas = [rdata.from_text(15, f"{n} mail{n}.other.invalid.") for n in range(10)]
    before = bytes(reply.out), dict(reply.names)
    assert reply.add_rrset(question, 15, pack_records(15, 1, rdatas)) == 0
    assert (bytes(reply.out), reply.names) == before
    assert reply.add_rrset(question, 15, pack_records(15, 1, rdatas[:1])) == 1
    reply.answers = 1
    assert dns.message.from_wire(reply.finish(0x80, 0, b"")).answer[0][0].to_text() == "0 mail0.other.invalid."


def test_counts_and_flags() -> None:
    """The header is filled in, beyond 255 records too; TC where something was left out."""
    question = b"\1a\0"
    reply = Reply(message(question), 12 + len(question) + 4, 65535)
    records = pack_records(1, 1, [bytes((10, 0, n >> 8, n & 255)) for n in range(300)])
    reply.answers += reply.add_rrset(question, 1, records)
    reply.additionals += reply.add_rrset(b"\1b\0", 1, records)
    reply.truncated = True
    wire = reply.finish(0x84, 3, opt_record(512, False))
    assert (wire[:4], wire[4:12]) == (b"\x12\x34\x86\x03", b"\0\1\1\x2c\0\0\1\x2d")
