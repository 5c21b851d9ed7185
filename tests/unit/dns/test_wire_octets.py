"""Replies octet by octet: where names point, how long RRsets are written, what is exactly at a limit."""

from __future__ import annotations

import dns.message
import pytest

from streamdns.dns import name, rdata
from streamdns.dns.canonical import canonical
from streamdns.dns.node import pack_records
from streamdns.dns.wire import FormatError, Reply, even_length, parse_edns, record_end, skip_name

A, TXT, NS = 1, 16, 2
QUESTION = name.from_text("www.example.")
END = 12 + len(QUESTION) + 4
OTHER = name.from_text("other.example.")


def begun(limit: int = 65535, *, filled: int = 0) -> Reply:
    """A reply with its question, and with an answer that makes it `filled` octets long."""
    reply = Reply(b"\0\1\1\0\0\1\0\0\0\0\0\0" + QUESTION + b"\0\1\0\1", END, limit)
    left = filled - END
    while left > 0:
        size = min(left, 30_000)
        size = size if left - size == 0 or left - size > 20 else size - 20
        reply.add_rrset(QUESTION, 65280, pack_records(65280, 1, [bytes(size - 12)]))
        reply.answers += 1
        left -= size
    assert not filled or len(reply.out) == filled
    return reply


def texts(count: int, size: int = 20) -> bytes:
    return pack_records(TXT, 300, [bytes((size,)) + b"%0*d" % (size, number) for number in range(count)])


@pytest.mark.parametrize(
    ("sizes", "length"),
    [
        ([20, 20], 32), ([20], 0), ([20, 21], 0), ([21, 20], 0), ([20, 20, 21], 0), ([0, 0, 0], 12), ([300, 300], 312),
        ([10, 22, 10, 10, 10], 0), ([300, 44], 0), ([44, 300], 0), ([44, 368], 0),
    ],
)
def test_whether_records_are_of_one_length(sizes: list[int], length: int) -> None:
    assert even_length(pack_records(TXT, 300, [b"\x10" * size for size in sizes])) == length


def test_records_of_different_lengths_are_not_taken_for_even_ones() -> None:
    """Whatever octets stand in their RDATA where lengths would be."""
    assert even_length(pack_records(TXT, 300, [bytes(size) for size in (20, 4, 36)])) == 0


@pytest.mark.parametrize("filled", [0, 0x3FFF, 0x4000, 0x4001])
@pytest.mark.parametrize("owner", [QUESTION, OTHER, b"\0"])
@pytest.mark.parametrize("records", [
    texts(20), texts(2), texts(20)[:-1] + b"?", texts(19) + texts(1, 30), texts(1, 255) + texts(3),
])
def test_a_long_rrset_is_written_as_short_ones_are(filled: int, owner: bytes, records: bytes) -> None:
    """In one go or one by one: the same owners and records, and few octets where pointers reach."""
    reply = begun(filled=filled)
    before = len(reply.out)
    count = reply.add_rrset(owner, TXT, records)
    reply.answers += count
    wire = reply.finish(0x84, 0, b"")
    read = dns.message.from_wire(wire, one_rr_per_rrset=True).answer[-count:]
    assert {each.name.to_wire() for each in read} == {owner}
    content = [each[0].to_wire() for each in read]
    assert pack_records(TXT, 300, [each for each in content if each]) == records
    bare, written = len(records) - 2 * count, len(wire) - before
    if owner == QUESTION:
        assert written == bare + 2 * count
    elif owner == OTHER and before < 0x4000:
        assert written == bare + len(b"\5other\xc0\0") + 2 * (count - 1)
    else:
        assert written <= bare + max(2, len(owner)) * count


@pytest.mark.parametrize("filled", [0, 0x3FF0, 0x4000])
@pytest.mark.parametrize("owner", [QUESTION, OTHER, name.from_text("a.stranger.invalid.")])
@pytest.mark.parametrize("rdtype", [TXT, NS])
def test_what_fits_exactly_is_written_and_what_does_not_leaves_no_trace(filled: int, owner: bytes, rdtype: int) -> None:
    records = texts(20) if rdtype == TXT else pack_records(NS, 1, [name.from_text(f"ns{n}.x.") for n in range(20)])
    whole = begun(filled=filled)
    assert whole.add_rrset(owner, rdtype, records) == 20
    size = len(whole.out)
    exact = begun(size, filled=filled)
    assert exact.add_rrset(owner, rdtype, records) == 20
    assert exact.out == whole.out
    less = begun(size - 1, filled=filled)
    before = bytes(less.out), dict(less.names)
    assert less.add_rrset(owner, rdtype, records) == 0
    assert (bytes(less.out), less.names) == before


def test_every_suffix_of_a_name_can_be_pointed_at() -> None:
    """And only that: the octets are those of the shortest message there is."""
    reply = begun()
    for text in ("a.bb.ccc.", "x.bb.ccc.", "bb.ccc.", "ccc.", "yy.x.bb.ccc.", "x.bb.ccc.", "example.", "z.Example."):
        reply.add_name(name.from_text(text))
    at = END
    assert bytes(reply.out[END:]) == (
        b"\1a\2bb\3ccc\0\1x" + pointer(at + 2) + pointer(at + 2) + pointer(at + 5) + b"\2yy" + pointer(at + 10)
        + pointer(at + 10) + pointer(16) + b"\1z" + pointer(16)
    )


def pointer(offset: int) -> bytes:
    return (0xC000 | offset).to_bytes(2, "big")


def test_pointers_do_not_follow_each_other_for_ever() -> None:
    """Eight in a row at the most: there are clients that give up after ten."""
    reply = begun()
    names = [name.from_text("".join(f"n{number}." for number in range(count, 0, -1)) + "q.") for count in range(1, 30)]
    starts = []
    for each in names:
        starts.append(len(reply.out))
        reply.add_name(each)
    wire = bytes(reply.out)
    for start, each in zip(starts, names, strict=True):
        assert dns.name.from_wire(wire, start)[0].to_wire() == each
        assert 0 <= followed(wire, start) <= 9
    assert max(followed(wire, start) for start in starts) > 5


def followed(wire: bytes, at: int) -> int:
    """How many pointers a name has."""
    count = 0
    while wire[at]:
        if wire[at] >= 0xC0:
            at, count = (wire[at] & 0x3F) << 8 | wire[at + 1], count + 1
        else:
            at += wire[at] + 1
    return count


EACUTE = "\\xe9"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", "'a'"), ("a" * 78, f"'{'a' * 78}'"), ("a" * 79, f"'{'a' * 75}...'"), ("a" * 80, f"'{'a' * 75}...'"),
        ("a" * 81, f"'{'a' * 75}...'"), ("a" * 300, f"'{'a' * 75}...'"), ("é\n", "'\\xe9\\n'"), ("'", '"\'"'),
        ("é" * 30, f"'{EACUTE * 18}\\xe...'"), ("a" * 80 + "'", f"'{'a' * 75}...'"),
        ("a" * 79 + "'", f'"{"a" * 75}..."'),
    ],
)
def test_foreign_text_in_messages(text: str, shown: str) -> None:
    assert name.shown(text) == shown


@pytest.mark.parametrize(
    ("mnemonic", "text", "wanted"),
    [
        ("A6", "0 4142::4142", "0 4142::4142"), ("A6", "1 ::4142 P.", "1 ::4142 p."),
        ("A6", "64 ::4142 P.Q.", "64 ::4142 p.q."),
        ("A6", "120 ::42 P.", "120 ::42 p."), ("A6", "121 ::42 P.", "121 ::42 p."), ("A6", "128 P.", "128 p."),
        ("NS", "A.B.", "a.b."), ("MX", "16705 A.", "16705 a."),
        ("SOA", "A. B. 1094795585 2 3 4 5", "a. b. 1094795585 2 3 4 5"),
        ("SRV", "16705 2 3 A.", "16705 2 3 a."), ("TXT", '"A"', '"A"'),
        ("NAPTR", '1 2 "A" "B" "C" D.', '1 2 "A" "B" "C" d.'),
        ("RP", "A. B.", "a. b."), ("MINFO", "A. B.", "a. b."), ("NXT", "A. A NS", "a. A NS"), ("DNAME", "A.", "a."),
        ("HTTPS", "1 A. alpn=H2", '1 A. alpn="H2"'), ("CAA", '0 issue "A"', '0 issue "A"'),
    ],
)
def test_only_names_are_in_lower_case_in_the_canonical_form(mnemonic: str, text: str, wanted: str) -> None:
    """RFC 4034 §6.2 and RFC 6840 §5.1 say of which types; numbers and strings that look like letters stay."""
    rdtype = rdata.type_from_text(mnemonic)
    assert canonical(rdtype, rdata.from_text(rdtype, text)) == rdata.from_text(rdtype, wanted)


@pytest.mark.parametrize(("wire", "text"), [(b"", "\\# 0"), (b"\1\2", "\\# 2 0102"), (b"\xff", "\\# 1 ff")])
def test_generic_text(wire: bytes, text: str) -> None:
    assert rdata.generic_text(wire) == text


@pytest.mark.parametrize(
    ("rdtype", "wire", "text"),
    [
        (1, b"\2ab\0", "2.97.98.0"), (2, b"\2ab\0", "ab."), (1, b"\1\2\3", "\\# 3 010203"),
        (28, b"\x0e" + b"a" * 14 + b"\0", "e61:6161:6161:6161:6161:6161:6161:6100"),
        (5, b"\x0e" + b"a" * 14 + b"\0", "aaaaaaaaaaaaaa."), (28, b"\1\2\3\4", "\\# 4 01020304"),
    ],
)
def test_text_of_octets_that_could_be_an_address(rdtype: int, wire: bytes, text: str) -> None:
    assert rdata.to_text(rdtype, wire) == text


def test_lengths_of_names_at_their_limit() -> None:
    """63 octets a label and 255 a name, in each of the ways in which text is read."""
    longest = "a" * 63
    fits = f"{longest}.{longest}.{longest}.{'b' * 61}."
    for text in (fits, fits.replace("b" * 61, "\\098" + "b" * 60), fits.replace("aaa", "a!a", 1)):
        assert len(name.from_text(text)) == 255
    for text in (fits.replace("b", "bb", 1), fits.replace("b" * 61, "\\098" + "b" * 61), f"a{fits}", f"x.{fits}"):
        with pytest.raises(ValueError, match="longer than"):
            name.from_text(text)
    quick = name.from_canonical_text(fits)
    assert quick == (name.from_text(fits), name.key(name.from_text(fits)))
    assert name.from_canonical_text(fits.replace("b", "bb", 1)) is None
    assert name.from_canonical_text(f"{longest}a.") is None


@pytest.mark.parametrize(
    ("options", "read"),
    [
        (b"\0\0\x29\x04\xd0\0\0\x80\0\0\0", (0x04D0, 0, True)), (b"\0\0\x29\xff\0\0\0\0\0\0\0", (0xFF00, 0, False)),
        (b"\0\0\x29\0\x01\0\x01\x7f\xff\0\0", (1, 1, False)), (b"\0\0\x29\x01\0\xff\0\xff\xff\0\0", (256, 0, True)),
    ],
)
@pytest.mark.parametrize("before", [b"", b"padding"])
def test_the_fields_of_an_opt_record(options: bytes, read: tuple[int, int, bool], before: bytes) -> None:
    """Size, version and DO, wherever it stands (RFC 6891 §6.1.3)."""
    edns = parse_edns(before + options, len(before), 1)
    assert edns is not None
    assert (edns.size, edns.version, edns.do, edns.options) == (*read, {})


def test_a_pointer_at_the_very_end_of_a_message() -> None:
    assert skip_name(b"\1a\0\xc0\0", 3) == 5
    with pytest.raises(FormatError):
        skip_name(b"\1a\0\xc0", 3)


@pytest.mark.parametrize(("at", "name_of", "end"), [
    (0, b"\x3f" + b"a" * 63 + b"\0", 65), (0, b"\x40" + b"a" * 64 + b"\0", None), (0, b"\3abc", None),
    (300, b"\xc1\x00", 302), (300, b"\xc1\x2b", 302), (300, b"\xc1\x2c", None), (300, b"\xc2\x00", None),
    (200, b"\xc1\x00", None), (300, b"\xc0\x00", 302), (300, b"\1a\xc0\x0c", 304), (300, b"\x80\x00", None),
])
def test_names_are_stepped_over_and_point_backwards_alone(at: int, name_of: bytes, end: int | None) -> None:
    """RFC 1035 §4.1.4: to a prior occurrence of the same name."""
    packet = bytes(at) + name_of
    if end is None:
        with pytest.raises(FormatError):
            skip_name(packet, at)
    else:
        assert skip_name(packet, at) == skip_name(packet + b"behind", at) == end


@pytest.mark.parametrize("size", [0, 1, 255, 256, 258, 1000])
def test_where_a_record_ends(size: int) -> None:
    record = b"\1a\0" + b"\xff" * 8 + size.to_bytes(2, "big") + bytes(size)
    for before in (b"", b"before"):
        assert record_end(before + record, len(before)) == len(before) + 3 + 10 + size
        assert record_end(before + record + b"\xff\xff", len(before)) == len(before) + 3 + 10 + size
        for cut in range(1, min(size, 3) + 11):
            with pytest.raises(FormatError):
                record_end(before + record[:-cut], len(before))


SIGNATURE = b"\0\0\xfa\0\xff\0\0\0\0\0\0"
OPT_RECORD = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"


@pytest.mark.parametrize(("records", "is_read"), [
    ([OPT_RECORD], True), ([OPT_RECORD, SIGNATURE], True), ([SIGNATURE, OPT_RECORD, SIGNATURE], True),
    ([SIGNATURE], True), ([SIGNATURE] * 3, True), ([SIGNATURE] * 4, False), ([OPT_RECORD] * 2, False),
    ([b"\1a" + OPT_RECORD], False),
    ([b"\0\1\x29" + OPT_RECORD[3:]], False), ([b"\0\2\x29" + OPT_RECORD[3:]], False),
    ([b"\0\1\xfa" + SIGNATURE[3:]], False), ([b"\0\0\x18" + SIGNATURE[3:]], True), ([b"\0\1" + SIGNATURE[2:]], False),
    ([OPT_RECORD[:9] + b"\1\4\xfd\xe9\1\0" + bytes(256)], True), ([OPT_RECORD[:9] + b"\0\4\xfd\xe9\0\0"], True),
    ([OPT_RECORD[:9] + b"\1\4\xfd\xe9\1\0" + bytes(255)], False), ([OPT_RECORD, b"\0"], False),
    ([OPT_RECORD[:-1]], False),
])
def test_what_may_stand_behind_the_question_of_a_query(records: list[bytes], is_read: bool) -> None:
    """One OPT record of the root's, and signatures; of types above 255 their low octets say nothing."""
    packet, count = b"".join(records), sum(len(each) > 1 for each in records)
    if is_read:
        assert (parse_edns(packet, 0, count) is not None) is any(each[:3] == b"\0\0\x29" for each in records)
        return
    with pytest.raises(FormatError):
        parse_edns(packet, 0, count)


@pytest.mark.parametrize("count", [0, 1, 254, 255, 256, 511, 1000])
@pytest.mark.parametrize("opt", [b"", OPT_RECORD])
def test_how_many_records_a_reply_has(count: int, opt: bytes) -> None:
    """In each section; the OPT record is one of the additional ones."""
    for numbers in ((count, 0, 0), (0, count, 0), (0, 0, count)):
        reply = begun()
        reply.answers, reply.authorities, reply.additionals = numbers
        header = reply.finish(0x80, 0, opt)[4:12]
        counted = [int.from_bytes(header[at : at + 2], "big") for at in (0, 2, 4, 6)]
        assert counted == [1, *numbers[:2], numbers[2] + bool(opt)]
