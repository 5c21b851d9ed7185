"""RDATA of old types, and of those that dnspython reads otherwise than name servers do: octets, and what is said."""

from __future__ import annotations

import pytest

from streamdns.dns import name, rdata

ORIGIN = name.from_text("example.org.")
LONG = b"\x3f" + b"a" * 63
#: The longest name there is, of 255 octets.
LARGEST = LONG * 3 + b"\x3d" + b"a" * 61 + b"\0"
ADDRESS = bytes.fromhex("20010db8000000000000000000000001")


@pytest.mark.parametrize(
    ("mnemonic", "text", "wire"),
    [
        ("MB", "A.b", b"\1A\1b\0"),
        ("MINFO", "a. b.", b"\1a\0\1b\0"),
        ("MD", name.to_text(LARGEST), LARGEST),
        ("MINFO", f". {name.to_text(LARGEST)}", b"\0" + LARGEST),
        ("NXT", "a.", b"\1a\0"),
        ("NXT", "a. A", b"\1a\0\x40"),
        ("NXT", "a. A NS SOA MX NXT TYPE127", b"\1a\0\x62\x01\0\x02" + bytes(11) + b"\x01"),
        ("NXT", "a. TYPE7 TYPE8 TYPE15 TYPE16", b"\1a\0\x01\x81\x80"),
        ("NXT", "a. A TYPE3 TYPE4", b"\1a\0X"),
        ("NXT", "a. TYPE120", b"\1a\0" + bytes(15) + b"\x80"),
        ("A6", "0 2001:db8::1", b"\0" + ADDRESS),
        ("A6", "1 ::1 p.", b"\1" + bytes(15) + b"\1\1p\0"),
        ("A6", "1 8000::1 p.", b"\1" + bytes(15) + b"\1\1p\0"),
        ("A6", "64 ffff::1 p.", b"\x40" + bytes(7) + b"\1\1p\0"),
        ("A6", "121 ::ff p.", b"\x79\x7f\1p\0"),
        ("A6", "120 ::ff p.", b"\x78\xff\1p\0"),
        ("A6", "127 ::1 p.", b"\x7f\x01\1p\0"),
        ("A6", "128 p.", b"\x80\1p\0"),
        ("NID", "1 1:2:3:4", bytes.fromhex("00010001000200030004")),
        ("L64", "1 2001:db8:0:ffff", bytes.fromhex("000120010db80000ffff")),
        ("WKS", "192.0.2.1 udp 0 8", b"\xc0\0\2\1\x11\x80\x80"),
        ("WKS", "192.0.2.1 UDP 1", b"\xc0\0\2\1\x11\x40"),
        ("WKS", "192.0.2.1 tcp", b"\xc0\0\2\1\6"),
        ("WKS", "192.0.2.1 132 1", b"\xc0\0\2\1\x84\x40"),
        ("HTTPS", "0 a0.", b"\0\0\2a0\0"), ("HTTPS", "0 a00. key9", b"\0\0\3a00\0\0\x09\0\0"),
        ("SVCB", "0 . key9", b"\0\0\0\0\x09\0\0"),
        ("SVCB", "00 . alpn=h2 port=100", b"\0\0\0\0\1\0\3\2h2\0\3\0\2\0\x64"),
        ("SVCB", "258 . mandatory=port,alpn,key258 alpn=h2 port=1 key258",
         b"\1\2\0\0\0\0\6\0\1\0\3\1\2\0\1\0\3\2h2\0\3\0\2\0\1\1\2\0\0"),
        ("HTTPS", '1 . key7=" ~\\"\\\\\\127\\000"', b'\0\1\0\0\7\0\6 ~"\\\x7f\0'),
    ],
)
def test_octets_of_text(mnemonic: str, text: str, wire: bytes) -> None:
    """And the text that is written of them says the same, whatever it looks like."""
    rdtype = rdata.type_from_text(mnemonic)
    assert rdata.from_text(rdtype, text) == wire
    shown = rdata.to_text(rdtype, wire)
    assert not shown.startswith("\\#"), shown
    assert rdata.from_text(rdtype, shown) == wire
    assert rdata.from_text(rdtype, f"\\# {len(wire)} {wire.hex()}") == wire


@pytest.mark.parametrize(
    ("mnemonic", "wire", "text"),
    [
        ("HTTPS", b"\1\2\0\0\0\0\4\0\1\1\2\0\1\0\3\2h2\1\2\0\0", '258 . mandatory="alpn,key258" alpn="h2" key258'),
        ("HTTPS", b'\0\1\0\0\7\0\6 ~"\\\x7f\0', '1 . key7=" ~\\"\\\\\\127\\000"'),
        ("HTTPS", b"\0\1\0\0\7\0\1!", '1 . key7="!"'), ("HTTPS", b"\0\1\0\0\x09\0\1X", '1 . key9="X"'),
        ("A6", b"\x40" + bytes(7) + b"\1\1p\0", "64 ::1 p."),
        ("NXT", b"\1a\0\x62\x01\0\x02", "a. A NS SOA MX NXT"),
        ("NXT", b"\1a\0\x01\x80", "a. MB MG"),
    ],
)
def test_text_of_octets(mnemonic: str, wire: bytes, text: str) -> None:
    assert rdata.to_text(rdata.type_from_text(mnemonic), wire) == text


TYPES = "the bitmap of types is not one of RFC 2535"
PREFIX = "the length of the prefix is not from 0 to 128"
SUFFIX = "the suffix is not as long as the prefix leaves room for"
LABEL = "a name is compressed or has a label that is too long"
NO_END = "a name has no end"


@pytest.mark.parametrize(
    ("mnemonic", "wire", "said"),
    [
        ("MB", b"", NO_END), ("MB", b"\1a", NO_END), ("MB", b"\2a\0", NO_END), ("MB", b"\1", NO_END),
        ("MB", LONG * 3 + b"\x3e" + b"a" * 62 + b"\xc0\x0c", LABEL),
        ("MB", b"\xc0\x0c", LABEL), ("MB", b"\x40" + b"a" * 64 + b"\0", LABEL),
        ("MB", LONG * 3 + b"\x3e" + b"a" * 62 + b"\0", NO_END), ("MB", LONG * 4 + b"\0", NO_END),
        ("MINFO", b"\0" + LONG * 3 + b"\x3e" + b"a" * 62 + b"\0", NO_END),
        ("MB", b"\1a\0\0", "there are octets behind the last name"),
        ("MINFO", b"\1a\0", NO_END), ("MINFO", b"\0\0\0", "there are octets behind the last name"),
        ("NXT", b"\0\x80", TYPES), ("NXT", b"\0\x40\0", TYPES), ("NXT", b"\0" + b"\1" * 17, TYPES),
        ("NXT", b"\0\xff\1", TYPES),
        ("A6", b"", PREFIX), ("A6", b"\x81", PREFIX), ("A6", b"\0" + ADDRESS[:15], SUFFIX),
        ("A6", b"\x79\x80\1p\0", SUFFIX), ("A6", b"\1\x80" + bytes(15) + b"\0", SUFFIX),
        ("A6", b"\x40" + bytes(7), SUFFIX),
        ("A6", b"\0" + ADDRESS + b"\0", "there are octets behind the last field"),
        ("A6", b"\x80", NO_END), ("A6", b"\x80\0\0", "there are octets behind the last field"),
        ("A", b"\1\2\3", ""), ("NS", b"\1a\xc0\x0c", ""), ("HINFO", b"\1a\1b\1c", ""),
        ("HINFO", b"\1a\1b", None),
        ("ISDN", b"\1a\0", "the octets are not the plain wire form of the type"),
    ],
)
def test_octets_that_are_not_exactly_the_type(mnemonic: str, wire: bytes, said: str | None) -> None:
    """They are refused with the reason and shown in the generic form."""
    rdtype = rdata.type_from_text(mnemonic)
    text = f"\\# {len(wire)} {wire.hex()}"
    if said is None:
        assert rdata.from_text(rdtype, text) == wire
        return
    with pytest.raises(ValueError, match=f"^{mnemonic} content ") as refused:
        rdata.from_text(rdtype, text)
    assert str(refused.value).endswith(f" is not valid: {said}") or not said
    assert rdata.to_text(rdtype, wire).startswith("\\# ")
    with pytest.raises(Exception, match=said or "."):
        rdata.check(rdtype, wire)


@pytest.mark.parametrize(
    ("mnemonic", "text", "said"),
    [
        ("MB", "", "1 name is expected, and there are 0"), ("MB", "a b", "1 name is expected, and there are 2"),
        ("MINFO", "a", "2 names are expected, and there are 1"),
        ("MB", '"a"', "nothing in it is quoted"),
        ("NXT", "", "the next name is missing"), ("NXT", "a TYPE128", "the type 128 is not from 1 to 127"),
        ("NXT", "a TYPE0", "the type 0 is not from 1 to 127"),
        ("A6", "", "the length of the prefix is a number from 0 to 128"),
        ("A6", "x ::1 p.", "the length of the prefix is a number from 0 to 128"),
        ("A6", "٣ ::1 p.", "the length of the prefix is a number from 0 to 128"),
        ("A6", "129 p.", "the length of the prefix is a number from 0 to 128"),
        ("A6", "0 ::1 p.", "2 fields are expected for a prefix of 0 bits"),
        ("A6", "1 ::1", "3 fields are expected for a prefix of 1 bits"),
        ("A6", "128 ::1 p.", "2 fields are expected for a prefix of 128 bits"),
        ("A6", "1 1.2.3.4 p.", "'1.2.3.4' is not an IPv6 address"),
        ("WKS", "192.0.2.1 tcp smtp", "protocol and ports are numbers (the protocol may be TCP or UDP)"),
        ("WKS", "192.0.2.1 ٣", "protocol and ports are numbers (the protocol may be TCP or UDP)"),
        ("WKS", "192.0.2.1", "a field is missing"), ("WKS", "", "a field is missing"),
        ("NULL", "x", "this type is written in the generic form, \\# LENGTH HEX"),
        ("A", "\\# 4 c0000201 ;", "a ';' is no part of the generic form"),
        ("A", "\\# 5 c0000201", "\\# announces 5 octets and 4 follow"),
        ("CNAME", '"a."', "a name is expected"), ("MX", '1 "a."', "a name is expected"),
        ("TXT", '"a" b', "quoted and unquoted text are mixed"),
        ("TXT", '"a";"b"', "quoted and unquoted text are mixed"),
        ("TXT", " \t", 'it is empty (an empty string is written "")'),
        ("TXT", f'"{"x" * 256}"', "a quoted string is longer than 255 octets"),
        ("SSHFP", "1 1 xx", "hexadecimal digits in pairs are expected"),
        ("SSHFP", "1 1 a", "hexadecimal digits in pairs are expected"),
        ("CERT", "1 1 1 a", "it is not base64"),
        ("EUI48", "x", None),
        ("RRSIG", "A 13 2 5", "a field is missing"), ("RRSIG", "A 13 2 5 20300101000000", "a field is missing"),
        ("RRSIG", "A 13 2 5 20301331000000 20200101000000 1 a. AAAA", "20301331000000 has no such day"),
        ("RRSIG", "A 13 2 5 20300001000000 20200101000000 1 a. AAAA", "20300001000000 has no such day"),
        ("RRSIG", "A 13 2 5 20300229000000 20200101000000 1 a. AAAA", "20300229000000 has no such day"),
        ("RRSIG", "A 13 2 5 20300100000000 20200101000000 1 a. AAAA", "20300100000000 has no such day"),
        ("RRSIG", "A 13 2 5 00000101000000 20200101000000 1 a. AAAA", "00000101000000 has no such day"),
        ("RRSIG", "A 13 2 5 20300101240000 20200101000000 1 a. AAAA", "20300101240000 has no such time of day"),
        ("RRSIG", "A 13 2 5 20300101006000 20200101000000 1 a. AAAA", "20300101006000 has no such time of day"),
        ("RRSIG", "A 13 2 5 20300101000060 20200101000000 1 a. AAAA", "20300101000060 has no such time of day"),
        ("RRSIG", "A 13 2 5 20300101000000 20200101000060 1 a. AAAA", "20200101000060 has no such time of day"),
    ],
)
def test_what_is_said_of_text(mnemonic: str, text: str, said: str | None) -> None:
    with pytest.raises(ValueError, match=f"^{mnemonic} content ") as refused:
        rdata.from_text(rdata.type_from_text(mnemonic), text)
    assert said is None or str(refused.value).endswith(f" is not valid: {said}")
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("19700101000000", 0), ("19700101000059", 59), ("19700101005959", 3599), ("19700101235959", 86399),
        ("20201231235959", 1609459199), ("20240229000000", 1709164800), ("21060207062816", 0),
        ("4294967295", 0xFFFFFFFF), ("19691231235959", 0xFFFFFFFF),
    ],
)
def test_times_of_signatures(text: str, seconds: int) -> None:
    """Counted modulo 2**32 from 1970 (RFC 4034 §3.1.5), at both of their places."""
    wire = rdata.from_text(46, f"A 13 2 5 {text} {text} 1 a. AAAA")
    assert wire[8:16] == seconds.to_bytes(4, "big") * 2
    assert wire[4:8] == (5).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("a", b"\1a\7example\3org\0"), ("a.", b"\1a\0"), ("@", ORIGIN), ("a\\.", b"\2a.\7example\3org\0"),
        ("a\\\\.", b"\2a\\\0"), ("\\@", b"\1@\7example\3org\0"),
        (f"{'a' * 63}." * 3 + "a" * 49, LONG * 3 + b"\x31" + b"a" * 49 + ORIGIN),
    ],
)
def test_names_in_a_file(text: str, wire: bytes) -> None:
    assert rdata.from_file_text(rdata.type_from_text("MB"), text, ORIGIN) == wire
    assert rdata.from_file_text(rdata.type_from_text("MX"), f"1 {text}", ORIGIN) == b"\0\1" + wire


def test_a_name_that_its_zone_makes_too_long() -> None:
    text = f"{'a' * 63}." * 3 + "a" * 50
    with pytest.raises(ValueError, match=r"the name '.*' is longer than 255 octets in its zone$"):
        rdata.from_file_text(rdata.type_from_text("MB"), text, ORIGIN)
