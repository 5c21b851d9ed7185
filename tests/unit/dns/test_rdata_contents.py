"""RDATA: what the event contract says of single contents, what is refused, and names of types."""

from __future__ import annotations

import time

import pytest

from streamdns.dns import rdata


@pytest.mark.parametrize(
    ("mnemonic", "text", "wire"),
    [
        ("CNAME", "mail.example.org", b"\4mail\7example\3org\0"),
        ("CNAME", "  a.\t", b"\1a\0"),
        ("CNAME", "( a. )", b"\1a\0"),
        ("CNAME", "é.org", b"\2\xc3\xa9\3org\0"),
        ("CNAME", r"\é.org", b"\2\xc3\xa9\3org\0"),
        ("MX", "10 é", b"\0\x0a\2\xc3\xa9\0"),
        ("NSEC", "é. A", b"\2\xc3\xa9\0\0\1\x40"),
        ("SRV", "1 2 3 x", b"\0\1\0\2\0\3\1x\0"),
        ("SOA", "a. b. 1 1h 1d 3 4", b"\1a\0\1b\0" + b"".join(n.to_bytes(4, "big") for n in (1, 3600, 86400, 3, 4))),
        ("TXT", "v=spf1 a -all", b"\x0dv=spf1 a -all"),
        ("TXT", r"a\b ;(", rb"\x06".replace(rb"\x06", b"\6") + rb"a\b ;("),
        ("TXT", " x ", b"\3 x "),
        ("TXT", "\x0c", b"\1\x0c"), ("TXT", "X", b"\1X"),
        ("TXT", "x" * 300, b"\xff" + b"x" * 255 + b"\x2d" + b"x" * 45),
        ("TXT", "é" * 128, b"\xff" + ("é" * 128).encode()[:255] + b"\1\xa9"),
        ("TXT", '"é" "b"', b"\2\xc3\xa9\1b"),
        ("TXT", r'"\"\\\065\;"', b'\4"\\A;'),
        ("TXT", '( "a"  "b" )', b"\1a\1b"),
        ("TXT", '"a;b"', b"\3a;b"),
        ("TXT", r"\# 2 0161", b"\1a"),
        ("SPF", "v=spf1 -all", b"\x0bv=spf1 -all"),
        ("HINFO", r'"é" \195', b"\2\xc3\xa9\1\xc3"),
        ("HINFO", r'a\\é "b"', b"\4a\\\xc3\xa9\1b"),
        ("WKS", "192.0.2.1 TCP 7", b"\xc0\0\2\1\6\1"),
        ("A", r"\# 4 C0000201", b"\xc0\0\2\1"),
        ("NULL", r"\# 1 00", b"\0"),
        ("TYPE65280", r"\# 0", b""),
        ("TYPE65280", r"\# 0 ", b""),
        ("TYPE65280", r"\# 3 ab cd ef", b"\xab\xcd\xef"),
        ("TYPE65280", r"\# 65535 " + "00" * 65535, bytes(65535)),
    ],
)
def test_what_the_event_contract_says(mnemonic: str, text: str, wire: bytes) -> None:
    rdtype = rdata.type_from_text(mnemonic)
    assert rdata.from_text(rdtype, text) == wire
    assert rdata.from_text(rdtype, rdata.to_text(rdtype, wire)) == wire


@pytest.mark.parametrize(
    ("mnemonic", "text"),
    [
        ("A", ""),
        ("A", "192.0.2.01"),
        ("A", "192.0.2"),
        ("A", "192.0.2.256"),
        ("A", "192.0.2.1 192.0.2.2"),
        ("A", "192.0.2.1\n192.0.2.2"),
        ("A", "192.0.2.1\n"),
        ("A", '"192.0.2.1"'),
        ("A", "١.1.1.1"),
        ("A", "\ud800"),
        ("A", r"\# 3 c00002"),
        ("A", r"\# 5 c000020101"),
        ("A", r"\# 4 c000020g"),
        ("A", r"\#4 c0000201"),
        ("A", r"\# 4"),
        ("A", r"\# "),
        ("AAAA", "1::2::3"),
        ("AAAA", "fe80::1%eth0"),
        ("AAAA", "192.0.2.1"),
        ("CNAME", "@"),
        ("CNAME", "a\x0b"),
        ("CNAME", "a b"),
        ("CNAME", "a..b"),
        ("CNAME", '"a."'),
        ("CNAME", "a" * 64),
        ("CNAME", r"\# 2 c000"),
        ("CNAME", r"\# 4 01610000"),
        ("MX", "mail.example.org."),
        ("MX", "65536 a."),
        ("MX", "-1 a."),
        ("MX", "10 @"),
        ("SOA", "a. b. 1 2 3 4"),
        ("SOA", "a. b. 4294967296 2 3 4 5"),
        ("SOA", r"\# 25 0161 00 c000" + "00" * 20),
        ("TXT", ""),
        ("TXT", " \t"),
        ("TXT", '"a" b'),
        ("TXT", 'a "b"'),
        ("TXT", '"'),
        ("TXT", '"a'),
        ("TXT", '"a\nb"'),
        ("TXT", "a\nb"),
        ("TXT", '"' + "x" * 256 + '"'),
        ("TXT", r'"\256"'),
        ("TXT", r"\# 0"),
        ("TXT", "\ud800"),
        ("TXT", "x" * 65300),
        ("CAA", '0 is-sue "x"'),
        ("CAA", '256 issue "x"'),
        ("WKS", "192.0.2.1 tcp smtp"),
        ("WKS", "192.0.2.1 icmp 1"),
        ("NSEC3", "1 1 12 AABBCCDD bad!"),
        ("SVCB", "1 . alpn=h2 alpn=h3"),
        ("NULL", "anything"),
        ("MD", "a. b."),
        ("MB", "\\# 4 deadbeef"),
        ("TYPE65280", "abcd"),
        ("TYPE65280", ""),
        ("TYPE65280", r"\# 65536 " + "00" * 65536),
        ("OPT", r"\# 0"),
        ("ANY", r"\# 0"),
        ("TYPE0", r"\# 0"),
        ("NXNAME", r"\# 0"),
    ],
)
def test_what_is_refused(mnemonic: str, text: str) -> None:
    with pytest.raises(ValueError, match=mnemonic):
        rdata.from_text(rdata.type_from_text(mnemonic), text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 1_000_000,
        "(" * 290_000,
        '"' * 290_000,
        "\\" * 290_000,
        "9" * 290_000,
        "\\# " + "9" * 290_000,
        "\\# 65535 " + "0 " * 140_000,
        "\\# 99999 00",
        "a." * 140_000,
        "é" * 60_000,
        " " * 290_000,
    ],
)
def test_hostile_text_is_refused_soon(text: str) -> None:
    began = time.process_time()
    for rdtype in (1, 5, 16, 47, 64, 65280):
        if rdtype != 16 or '"' in text:
            with pytest.raises(ValueError, match="content"):
                rdata.from_text(rdtype, text)
    # Refused in about 0.1 s of CPU each; a minute would mean that the cost is not linear.
    assert time.process_time() - began < 60


@pytest.mark.parametrize(
    ("text", "rdtype"),
    [
        ("A", 1),
        ("a", 1),
        ("TYPE1", 1),
        ("type65280", 65280),
        ("TYPE65535", 65535),
        ("nsap-ptr", 23),
        ("HTTPS", 65),
        ("TYPE0", 0),
    ],
)
def test_types_from_text(text: str, rdtype: int) -> None:
    assert rdata.type_from_text(text) == rdtype


@pytest.mark.parametrize(
    "text", ["", "B", " A", "A ", "TYPE", "TYPE65536", "TYPE-1", "TYPE٣", "ſoa", "*", "A\n", "TYPE000001"]
)
def test_what_is_no_type(text: str) -> None:
    with pytest.raises(ValueError, match="not a record type"):
        rdata.type_from_text(text)


@pytest.mark.parametrize(
    ("mnemonic", "text"),
    [
        ("SRV", "x 2 3 a."), ("SRV", "1 x 3 a."), ("SRV", "1 2 x a."), ("SRV", "1 2 65536 a."), ("SRV", "1 65536 3 a."),
        ("SRV", "1 2 3 a.."), ("SRV", "1 2 3"), ("SRV", "1 2 3 a. b."), ("MX", "x a."), ("MX", "65536 a."),
        ("MX", "1 a.."), ("SOA", "a. b. 1 2 3 4 x"), ("SOA", "a. b. x 2 3 4 5"), ("SOA", "a. b. 1 2 3 4 4294967296"),
        ("SOA", "a.. b. 1 2 3 4 5"), ("SOA", "a. b.. 1 2 3 4 5"), ("SOA", "a. b. 1 2 3 4"), ("CAA", '256 issue "a"'),
        ("TXT", '"a\rb"'), ("TXT", '"a\nb"'), ("TXT", '"a" "' + "b" * 256 + '"'),
    ],
)
def test_one_bad_field_is_enough(mnemonic: str, text: str) -> None:
    """Whichever it is: a sentence, and nothing else."""
    with pytest.raises(ValueError, match=f"^{mnemonic} content"):
        rdata.from_text(rdata.type_from_text(mnemonic), text)
