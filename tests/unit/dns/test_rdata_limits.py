"""RDATA text at its limits: the largest numbers of each field, the longest contents."""

from __future__ import annotations

import pytest

from streamdns.dns import rdata

ORIGIN = b"\7example\0"


@pytest.mark.parametrize(("mnemonic", "form", "largest"), [
    ("MX", "{} a.", 0xFFFF), ("SRV", "{} 1 1 a.", 0xFFFF), ("SRV", "1 {} 1 a.", 0xFFFF), ("SRV", "1 1 {} a.", 0xFFFF),
    ("SOA", "a. b. {} 1 1 1 1", 0xFFFFFFFF), ("SOA", "a. b. 1 1 1 1 {}", 0xFFFFFFFF), ("CAA", '{} issue "a"', 0xFF),
])
def test_numbers_have_so_many_bits(mnemonic: str, form: str, largest: int) -> None:
    """A larger one is an error of the text, and never one of something else."""
    rdtype = rdata.type_from_text(mnemonic)
    for number in (0, 1, 9, 10, largest - 1, largest):
        text = form.format(number)
        wire = rdata.from_text(rdtype, text)
        assert rdata.from_file_text(rdtype, text, ORIGIN) == wire
        assert rdata.to_text(rdtype, wire) == text
    for number in (largest + 1, 10 * largest, 10**10, -1):
        for read in (rdata.from_text, lambda rdtype, text: rdata.from_file_text(rdtype, text, ORIGIN)):
            with pytest.raises(ValueError, match=f"^{mnemonic} content .* is not valid"):
                read(rdtype, form.format(number))


@pytest.mark.parametrize(("mnemonic", "text", "wire"), [
    ("SRV", "1 2 3 4", b"\0\1\0\2\0\3\0014\0"), ("SRV", "1 2 3 4.", b"\0\1\0\2\0\3\0014\0"),
    ("MX", "5 6", b"\0\5\0016\0"),
    ("SOA", "1 2 3 4 5 6 7", b"\0011\0\0012\0" + b"".join(bytes((0, 0, 0, each)) for each in range(3, 8))),
])
def test_names_may_be_numbers(mnemonic: str, text: str, wire: bytes) -> None:
    assert rdata.from_text(rdata.type_from_text(mnemonic), text) == wire


@pytest.mark.parametrize(("mnemonic", "text"), [
    ("SOA", "a. b. x x x x x"), ("SOA", "a. b. 1 2 3 4"), ("SOA", "a. b. 1 2 3 4 5 6"), ("SRV", "x x x a."),
    ("SRV", "1 2 a."), ("MX", "a."), ("MX", "x a."), ("CAA", "x issue a"), ("A", "x"), ("AAAA", "x"),
    ("AAAA", "1.2.3.4"),
])
def test_what_is_no_number_is_an_error_of_the_text(mnemonic: str, text: str) -> None:
    for read in (rdata.from_text, lambda rdtype, text: rdata.from_file_text(rdtype, text, ORIGIN)):
        with pytest.raises(ValueError, match=f"^{mnemonic} content .* is not valid"):
            read(rdata.type_from_text(mnemonic), text)


def test_the_longest_contents() -> None:
    """65,535 octets (RFC 1035 §3.2.1), in whatever text: 300,000 characters of it are read."""
    longest = rdata.from_text(65280, f"\\# 65535 {'ab' * 65535}")
    assert len(longest) == 65535
    assert rdata.from_text(65280, "\\# 1 00".ljust(300_000)) == b"\0"
    with pytest.raises(ValueError, match="longer than any RDATA"):
        rdata.from_text(65280, "\\# 1 00".ljust(300_001))
    strings = " ".join([f'"{"x" * 255}"'] * 256)
    assert len(rdata.from_text(16, strings[:-2] + '"')) == 65535
    with pytest.raises(ValueError, match="longer than 65535 octets"):
        rdata.from_text(16, strings)
