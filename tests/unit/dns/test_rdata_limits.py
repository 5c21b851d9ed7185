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
