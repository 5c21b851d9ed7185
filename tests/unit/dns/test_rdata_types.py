"""What other name servers write is read, and what is parsed when it is sent was checked when it was stored."""

from __future__ import annotations

import pytest

from streamdns.dns import rdata, rdata_parse
from streamdns.dns.compression import COMPRESSIBLE
from streamdns.dns.rdata_old import OLD_TYPES
from streamdns.dns.wire import ADDITIONAL_FOR

ORIGIN = b"\7example\3org\0"


@pytest.mark.parametrize("rdtype", sorted({*COMPRESSIBLE, *ADDITIONAL_FOR, *OLD_TYPES}), ids=rdata.type_to_text)
def test_types_that_answers_look_into_are_checked_when_they_are_stored(rdtype: int) -> None:
    """The table of what is compressed, and of whose addresses are added, and the table of types that are checked."""
    assert rdtype in rdata.text_types()
    for wire in ("deadbeef", "c00c", "016200aabbcc", "0161", "", "ff" * 300):
        with pytest.raises(ValueError, match="content"):
            rdata.from_text(rdtype, f"\\# {len(wire) // 2} {wire}")


@pytest.mark.parametrize(
    ("mnemonic", "text", "shown"),
    [
        ("MB", "x.y", "x.y."), ("MG", "x", "x."), ("MR", "x", "x."), ("MD", "x", "x."), ("MF", "x", "x."),
        ("MINFO", "a b", "a. b."), ("NXT", "a A MX NXT", "a. A MX NXT"), ("NXT", "a", "a."),
        ("A6", "64 ::1 p.", "64 ::1 p."), ("A6", "0 2001:db8::1", "0 2001:db8::1"), ("A6", "128 p.", "128 p."),
        ("NID", "10 14:4fff:ff20:ee64", "10 0014:4fff:ff20:ee64"),
        ("L64", "10 2001:db8:1140:1000", "10 2001:0db8:1140:1000"),
        ("RRSIG", "A 13 2 5 21070101000000 20200101000000 1 a. AAAA",
         "A 13 2 5 19701124173144 20200101000000 1 a. AAAA"),
        ("HTTPS", "0 x. alpn=h2", '0 x. alpn="h2"'),
        ("HTTPS", "1 . alpn=h2 ohttp", '1 . alpn="h2" key8'),
        ("SVCB", '1 . alpn=h2 dohpath="/q{?dns}"', '1 . alpn="h2" key7="/q{?dns}"'),
        ("SVCB", "1 . mandatory=alpn,key9 alpn=h2 key9=a", '1 . mandatory="alpn,key9" alpn="h2" key9="a"'),
    ],
)
def test_what_bind_and_nsd_read(mnemonic: str, text: str, shown: str) -> None:
    rdtype = rdata.type_from_text(mnemonic)
    wire = rdata.from_text(rdtype, text)
    assert rdata.to_text(rdtype, wire) == shown
    assert rdata.from_text(rdtype, f"\\# {len(wire)} {wire.hex()}") == wire


@pytest.mark.parametrize(
    ("mnemonic", "text", "said"),
    [
        ("CAA", "0 issue ca.example;policy=ev", "put the text in quotes"),
        ("TXT", '"a" ; b', "quoted and unquoted"),
        ("CNAME", "a. ; b", ": a ';' outside quotes begins a comment in zone files: put the text in quotes$"),
        ("TYPE65280", "\\# 2 beef ; x", "generic form"),
        ("LOC", "50 0 0 N 4 0 0 E 99999999m", "out of its range"),
        ("LOC", "0 0 0 N 180 0 5 W 0m", "longitude"),
        ("A", "192.0.2.1 192.0.2.2", "'192.0.2.2' is too much"),
        ("A", "1.2.3", "an IPv4 address is expected"),
        ("AAAA", "1.2.3", "an IPv6 address is expected"),
        ("MX", "10 a b", "'b' is too much"), ("MX", "x y", "a number is expected"), ("MX", "", "a field is missing"),
        ("MB", "", "1 name is expected"), ("MINFO", "a", "2 names are expected"), ("NXT", "", "next name is missing"),
        ("NXT", "a TYPE200", "127"), ("A6", "129 a.", "0 to 128"), ("A6", "64 ::1", "3 fields"),
        ("MB", '"a"', "quoted"),
        ("RRSIG", "A 13 2 5 20301301000000 20200101000000 1 a. AAAA", "no such day"),
        ("RRSIG", "A 13 2 5 20300101250000 20200101000000 1 a. AAAA", "no such time"),
    ],
)
def test_what_is_wrong_is_said_in_our_own_words(mnemonic: str, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rdata.from_text(rdata.type_from_text(mnemonic), text)


@pytest.mark.parametrize(("said", "told"), [
    ("", ""), (" \n", ""), ("...", ""), ("it is bad.", ": it is bad"), ("it is bad", ": it is bad"),
    (" first.\nsecond", ": first"), ("x" * 201 + ".", ": " + "x" * 200), ("x" * 200, ": " + "x" * 200),
    ("Text input is malformed", ": a field is not as it should be"),
])
def test_what_dnspython_says_is_the_end_of_a_sentence_of_ours(said: str, told: str) -> None:
    """Its first line without a full stop, and not more of it than fits; nothing where it says nothing."""
    assert rdata_parse.reason(15, ValueError(said)) == told


@pytest.mark.parametrize(
    ("mnemonic", "text", "shown"),
    [
        ("MX", "10 mail", "10 mail.example.org."), ("MX", "10 mail.", "10 mail."), ("NS", "@", "example.org."),
        ("TXT", 'a "b c"', '"a" "b c"'), ("CNAME", r"a\.", r"a\..example.org."), ("CNAME", r"a\\.", r"a\\."),
        ("SOA", "ns1 host 1 2h 3w 4 5", "ns1.example.org. host.example.org. 1 7200 1814400 4 5"),
        ("MINFO", "a b.", "a.example.org. b."), ("SVCB", "0 @ key9", "0 example.org. key9"),
        ("WKS", "192.0.2.1 6 25", "192.0.2.1 6 25"),
    ],
)
def test_text_of_zone_files_is_relative_to_its_origin(mnemonic: str, text: str, shown: str) -> None:
    rdtype = rdata.type_from_text(mnemonic)
    assert rdata.to_text(rdtype, rdata.from_file_text(rdtype, text, ORIGIN)) == shown
