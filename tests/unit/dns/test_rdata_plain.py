"""Plain RDATA text: what is common is read without dnspython, up to its limits, and all other text is left to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.dns import rdata
from streamdns.dns.rdata_parse import Dialect
from streamdns.dns.rdata_plain import PLAIN

U16, U32 = "65535", "4294967295"
N16, N32 = b"\xff\xff", b"\xff\xff\xff\xff"
A_TEST = b"\1a\4test\0"
#: Types, their plainest text at the limits of its numbers, and what it says on the wire.
COMMON = [
    ("A", "192.0.2.1", b"\xc0\0\2\1"),
    ("AAAA", "2001:db8::1", b"\x20\1\x0d\xb8" + bytes(11) + b"\1"),
    ("NS", "a.test.", A_TEST), ("CNAME", "a.test.", A_TEST), ("PTR", "a.test.", A_TEST), ("DNAME", "a.test.", A_TEST),
    ("MX", "0 a.test.", b"\0\0" + A_TEST), ("MX", f"{U16} a.test.", N16 + A_TEST), ("MX", "0 .", b"\0\0\0"),
    ("SRV", "1 2 3 a.test.", b"\0\1\0\2\0\3" + A_TEST), ("SRV", f"{U16} {U16} {U16} .", 3 * N16 + b"\0"),
    ("SOA", "a.test. . 1 2 3 4 5", A_TEST + b"\0" + b"".join(n.to_bytes(4, "big") for n in range(1, 6))),
    ("SOA", f". a.test. {U32} {U32} {U32} {U32} {U32}", b"\0" + A_TEST + 5 * N32),
    ("TXT", '"a" "b"', b"\1a\1b"), ("TXT", f'"{"a" * 255}"', b"\xff" + b"a" * 255), ("SPF", '""', b"\0"),
    ("CAA", '255 issue "a"', b"\xff\5issuea"), ("CAA", '0 i ""', b"\0\1i"),
]
#: What is beyond a limit by one, or spelt in a way that needs a second look.
LEFT = [
    ("A", "192.0.2.256"), ("A", "192.0.2.1 "), ("AAAA", "::ffff:192.0.2.1"), ("AAAA", "::g"),
    ("NS", "a\\.test."), ("NS", ""), ("MX", "65536 a.test."), ("MX", "00000000001 a.test."), ("MX", "10  a.test."),
    ("MX", "\u0661 a.test."), ("MX", "a.test."), ("MX", "10"), ("MX", "-1 a.test."),
    ("SRV", "65536 0 0 ."), ("SRV", "0 65536 0 ."), ("SRV", "0 0 65536 ."), ("SRV", "0 0 0"), ("SRV", "0 0 0 . ."),
    ("SOA", ". . 1 2 3 4 4294967296"), ("SOA", ". . 1 2 3 4"), ("SOA", ". . 1 2 3 4 5 6"), ("SOA", ". \\. 1 2 3 4 5"),
    ("TXT", f'"{"a" * 256}"'), ("TXT", "a"), ("TXT", '"é"'), ("CAA", '256 issue "a"'), ("CAA", '0 issue "é"'),
    ("CAA", "0 issue a"),
]


@pytest.mark.parametrize(("mnemonic", "text", "wire"), COMMON)
def test_common_text_is_read_at_once(mnemonic: str, text: str, wire: bytes) -> None:
    assert PLAIN[rdata.type_from_text(mnemonic)](text) == wire


@pytest.mark.parametrize(("mnemonic", "text"), LEFT)
def test_other_text_is_left_to_the_parser(mnemonic: str, text: str) -> None:
    assert PLAIN[rdata.type_from_text(mnemonic)](text) is None


@pytest.mark.plain
@pytest.mark.parametrize(("mnemonic", "text", "wire"), COMMON)
def test_common_text_never_meets_the_parser(
    mnemonic: str, text: str, wire: bytes, monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unwanted(*_: object) -> bytes:
        raise AssertionError(text)

    monkeypatch.setattr(rdata, "_from_unusual_text", unwanted)
    rdtype = rdata.type_from_text(mnemonic)
    assert rdata.from_text(rdtype, text) == wire
    # In a zone file the serial number of a SOA may be given as a date, and its timers with units.
    if mnemonic != "SOA":
        assert rdata.from_file_text(rdtype, text, b"\6origin\0") == wire


@given(
    st.sampled_from(sorted(PLAIN)),
    st.text(st.sampled_from('"" aA0.1;()\\@:*'), max_size=24)
    | st.sampled_from([text for _, text, *_ in [*COMMON, *LEFT]]),
)
def test_files_are_read_as_the_parser_reads_them(rdtype: int, text: str) -> None:
    origin = b"\6origin\0"
    try:
        parsed = rdata._from_unusual_text(rdtype, text, Dialect(origin))
    except ValueError:
        with pytest.raises(ValueError, match="content"):
            rdata.from_file_text(rdtype, text, origin)
    else:
        assert rdata.from_file_text(rdtype, text, origin) == parsed


@pytest.mark.parametrize("read", [rdata.from_text, lambda rdtype, text: rdata.from_file_text(rdtype, text, b"\0")])
def test_rdata_ends_at_65535_octets(read: Callable[[int, str], bytes]) -> None:
    strings = ['"' + "a" * 255 + '"'] * 255
    longest = " ".join([*strings, '"' + "a" * 254 + '"'])
    # An escape makes it unusual, and the limit is the same.
    for text in (longest, longest.replace('a" "', '\\097" "')):
        assert len(read(16, text)) == 65535
        with pytest.raises(ValueError, match=r"^TXT content is longer than 65535 octets$"):
            read(16, text[:-1] + 'a"')


def test_text_that_can_be_no_rdata_is_not_parsed() -> None:
    spaces = " " * 299_996
    assert rdata.from_text(16, '"\\a"' + spaces) == b"\1a"
    with pytest.raises(ValueError, match=r"^TXT content is longer than any RDATA of 65535 octets$"):
        rdata.from_text(16, '"\\a"' + spaces + " ")


@pytest.mark.parametrize(("rdtype", "length"), [(1, 4), (28, 16)])
def test_addresses_of_a_wrong_length_are_shown_in_generic_form(rdtype: int, length: int) -> None:
    for octets in (0, 1, length - 1, length + 1):
        assert rdata.to_text(rdtype, bytes(octets)) == rdata.generic_text(bytes(octets))
    assert not rdata.to_text(rdtype, bytes(length)).startswith("\\#")
