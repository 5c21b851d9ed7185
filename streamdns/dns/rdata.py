"""Converts RDATA between presentation text and wire form, for every RR type.

Plain text of the common types takes the fast paths of rdata_plain; rdata_parse does everything else. The event
contract differs from zone files, or decides what RFC 1035 leaves open, in these points:

- Names are absolute with or without the trailing dot and follow name.from_text, so "@" is an error (in zone files: the
  origin), control characters must be escaped, and characters beyond ASCII are their UTF-8 octets.
- A line end is an error everywhere, also inside parentheses. So is a ";" outside quotes, which begins a comment in
  zone files: what stands behind it would be lost without a word.
- TXT and SPF without any quote are one string as it stands (in zone files: one string a word); quoted and bare strings
  may not be mixed (RFC 1035 allows it, but a stray quote would silently cut the text into pieces).
- WKS takes protocols and ports as numbers, or TCP and UDP: their names stand in files of this machine, and the view
  must not depend on them.
- Generic text (RFC 3597 §5) of a known type is parsed as that type and refused when it is not exactly what the
  type's own text would give: compressed names, trailing octets and non-canonical bitmaps never get in.
"""

from __future__ import annotations

import re

import dns.ipv6
import dns.rdatatype

from streamdns.dns import name, rdata_parse
from streamdns.dns.rdata_parse import Dialect, text_types
from streamdns.dns.rdata_plain import PLAIN

MAX_RDATA_OCTETS = 65535
# Every octet escaped as \DDD, quotes around 255 octets each, and room for spaces: longer text cannot be valid.
_MAX_TEXT_CHARACTERS = 300_000

_NAME_TYPES = frozenset((2, 5, 12, 39))
# Types whose text holds no names: their fast paths do not depend on an origin.
_NAMELESS_TYPES = frozenset((1, 16, 28, 99, 257))
_SOA = 6

_TYPE_OF = {dns.rdatatype.to_text(rdtype): int(rdtype) for rdtype in dns.rdatatype.RdataType if rdtype}
_MNEMONIC_OF = {rdtype: mnemonic for mnemonic, rdtype in _TYPE_OF.items()}

_type_number = re.compile(r"TYPE([0-9]{1,5})", re.IGNORECASE | re.ASCII).fullmatch


def type_from_text(text: str) -> int:
    """Number of an RR type from its mnemonic or TYPEnnn (RFC 3597 §5), in any case; raises ValueError."""
    rdtype = _TYPE_OF.get(text)
    if rdtype is not None:
        return rdtype
    # upper() maps some characters beyond ASCII to letters, hence the first test.
    if text.isascii():
        rdtype = _TYPE_OF.get(text.upper())
        if rdtype is not None:
            return rdtype
        match = _type_number(text)
        if match is not None and int(match[1]) <= 0xFFFF:
            return int(match[1])
    raise ValueError(f"{name.shown(text)} is not a record type")


def type_to_text(rdtype: int) -> str:
    """Mnemonic of an RR type, or TYPEnnn where it has none."""
    return _MNEMONIC_OF.get(rdtype) or f"TYPE{rdtype}"


def is_data_type(rdtype: int) -> bool:
    """Whether records of the type can be stored: not 0, OPT, or a meta or question type (RFC 6895 §3.1)."""
    return rdtype != 0 and rdtype != 41 and not 128 <= rdtype <= 255


# Types of stored records by their canonical mnemonic; those written TYPEnnn are not in it.
DATA_TYPES = {mnemonic: rdtype for mnemonic, rdtype in _TYPE_OF.items() if is_data_type(rdtype)}


_EVENT = Dialect()


def from_text(rdtype: int, text: str) -> bytes:
    """Uncompressed wire RDATA of presentation text (RFC 1035 §5.1, RFC 3597 §5), case of names kept.

    The text is exactly one RDATA on one line. Raises ValueError with one sentence and never anything else.
    """
    plain = PLAIN.get(rdtype)
    if plain is not None:
        wire = plain(text)
        if wire is not None and len(wire) <= MAX_RDATA_OCTETS:
            return wire
    return _from_unusual_text(rdtype, text, _EVENT)


def from_file_text(rdtype: int, text: str, origin: bytes) -> bytes:
    """The same for the text of a zone file, without its comments, parentheses and line ends.

    Names without a trailing dot are relative to `origin` (wire form), and strings need no quotes.
    """
    plain = PLAIN.get(rdtype)
    if plain is not None and rdtype != _SOA and (rdtype in _NAMELESS_TYPES or text.endswith(".")):
        wire = plain(text)
        if wire is not None and len(wire) <= MAX_RDATA_OCTETS:
            return wire
    return _from_unusual_text(rdtype, text, Dialect(origin))


def to_text(rdtype: int, wire: bytes) -> str:
    """Presentation text of wire RDATA on one line, names absolute; from_text gives the same octets back.

    RDATA that the type's own text cannot say, or that is malformed, is shown in the generic form of RFC 3597 §5.
    """
    if rdtype == 1 and len(wire) == 4:
        return f"{wire[0]}.{wire[1]}.{wire[2]}.{wire[3]}"
    if rdtype == 28 and len(wire) == 16:
        return dns.ipv6.inet_ntoa(wire)
    try:
        text = name.to_text(wire) if rdtype in _NAME_TYPES else rdata_parse.text_of(rdtype, wire)
        says_it = from_text(rdtype, text) == wire
    except Exception:  # noqa: BLE001
        # Wire form that cannot be parsed, or a type whose text cannot hold every valid wire form.
        says_it = False
    if says_it and wire:
        return text
    return generic_text(wire)


def generic_text(wire: bytes) -> str:
    """RDATA of any type in the generic form of RFC 3597 §5."""
    return f"\\# {len(wire)} {wire.hex()}" if wire else "\\# 0"


def check(rdtype: int, wire: bytes) -> None:
    """See that wire RDATA is the plain form of its type: nothing compressed, nothing behind it. Raises ValueError."""
    rdata_parse.check(rdtype, wire)


def _from_unusual_text(rdtype: int, text: str, dialect: Dialect) -> bytes:
    mnemonic = type_to_text(rdtype)
    if not is_data_type(rdtype):
        raise ValueError(f"{mnemonic} is not a type of stored records")
    if "\n" in text or "\r" in text:
        raise ValueError(f"{mnemonic} content must be one line")
    if len(text) > _MAX_TEXT_CHARACTERS:
        raise ValueError(f"{mnemonic} content is longer than any RDATA of {MAX_RDATA_OCTETS} octets")
    try:
        wire = rdata_parse.parse(rdtype, text, dialect)
    except Exception as err:
        # Beside its own exceptions dnspython lets AssertionError, struct.error, binascii.Error and others through.
        reason = rdata_parse.reason(rdtype, err)
        raise ValueError(f"{mnemonic} content {name.shown(text)} is not valid{reason}") from err
    if len(wire) > MAX_RDATA_OCTETS:
        raise ValueError(f"{mnemonic} content is longer than {MAX_RDATA_OCTETS} octets")
    return wire


__all__ = [
    "DATA_TYPES", "MAX_RDATA_OCTETS", "check", "from_file_text", "from_text", "generic_text", "is_data_type",
    "text_types", "to_text", "type_from_text", "type_to_text",
]
