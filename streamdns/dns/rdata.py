"""RDATA between presentation text and wire form, for every RR type.

Plain text of the common types takes the fast paths of rdata_plain; dnspython does everything else. The event contract
differs from dnspython, or decides what RFC 1035 leaves open, in these points:

- Names are absolute with or without the trailing dot and follow name.from_text, so "@" is an error (dnspython: the
  origin), control characters must be escaped, and characters beyond ASCII are their UTF-8 octets (dnspython: IDNA).
- A line end is an error everywhere, also inside parentheses, where dnspython lets RDATA go on.
- TXT and SPF without any quote are one string as it stands (dnspython: one string a word); quoted and bare strings
  may not be mixed (dnspython and RFC 1035 allow it, but a stray quote would silently cut the text into pieces).
- WKS takes protocols and ports as numbers, or TCP and UDP: dnspython would look names up in files of this machine,
  and the view must not depend on them.
- Generic text (RFC 3597 §5) of a known type is parsed as that type and refused when it is not exactly what the
  type's own text would give: compressed names, trailing octets and non-canonical bitmaps never get in.
"""

from __future__ import annotations

import functools
import re

import dns.ipv6
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer

from streamdns.dns import name
from streamdns.dns.rdata_plain import PLAIN

MAX_RDATA_OCTETS = 65535
# Every octet escaped as \DDD, quotes around 255 octets each, and room for spaces: longer text cannot be valid.
_MAX_TEXT_CHARACTERS = 300_000

_TXT_TYPES = frozenset((16, 99))
_NAME_TYPES = frozenset((2, 5, 12, 39))
_WKS = 11

_TYPE_OF = {dns.rdatatype.to_text(rdtype): int(rdtype) for rdtype in dns.rdatatype.RdataType if rdtype}
_MNEMONIC_OF = {rdtype: mnemonic for mnemonic, rdtype in _TYPE_OF.items()}

_type_number = re.compile(r"TYPE([0-9]{1,5})", re.IGNORECASE | re.ASCII).fullmatch
_generic = re.compile(r"\\# +([0-9]{1,5})((?: +[0-9A-Fa-f]+)*) *").fullmatch
_generic_start = re.compile(r"[ \t(]*\\#(?:[ \t]|$)").match
_beyond_ascii = re.compile(r"(\\[\0-\x7f])|\\?([^\0-\x7f])")


@functools.cache
def text_types() -> frozenset[int]:
    """The types that dnspython can read and write as text; all others are written in the generic form.

    The first call loads dnspython's code for all of them, about a tenth of a second, so that none is looked for on
    disk later; it is made when it is needed or when a server has started, because plain text needs none of it.
    """
    dns.rdata.load_all_types()  # type: ignore[no-untyped-call]
    return frozenset(
        rdtype
        for rdtype in _MNEMONIC_OF
        if dns.rdata.get_rdata_class(  # type: ignore[no-untyped-call]
            dns.rdataclass.IN, dns.rdatatype.RdataType.make(rdtype)
        )
        is not dns.rdata.GenericRdata
    )


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


def from_text(rdtype: int, text: str) -> bytes:
    """Uncompressed wire RDATA of presentation text (RFC 1035 §5.1, RFC 3597 §5), case of names kept.

    The text is exactly one RDATA on one line. Raises ValueError with one sentence and never anything else.
    """
    plain = PLAIN.get(rdtype)
    if plain is not None:
        wire = plain(text)
        if wire is not None and len(wire) <= MAX_RDATA_OCTETS:
            return wire
    return _from_unusual_text(rdtype, text)


def to_text(rdtype: int, wire: bytes) -> str:
    """Presentation text of wire RDATA on one line, names absolute; from_text gives the same octets back.

    RDATA that the type's own text cannot say, or that is malformed, is shown in the generic form of RFC 3597 §5.
    """
    if rdtype == 1 and len(wire) == 4:
        return f"{wire[0]}.{wire[1]}.{wire[2]}.{wire[3]}"
    if rdtype == 28 and len(wire) == 16:
        return dns.ipv6.inet_ntoa(wire)
    try:
        if rdtype in _NAME_TYPES:
            text = name.to_text(wire)
        else:
            text_types()
            text = _rdata_of(rdtype, wire).to_text()
        says_it = text != "" and from_text(rdtype, text) == wire
    except Exception:  # noqa: BLE001
        # Wire form that cannot be parsed, or a type whose text cannot hold every valid wire form.
        says_it = False
    if says_it and wire:
        return text
    return f"\\# {len(wire)} {wire.hex()}" if wire else "\\# 0"


def _from_unusual_text(rdtype: int, text: str) -> bytes:
    mnemonic = type_to_text(rdtype)
    if not is_data_type(rdtype):
        raise ValueError(f"{mnemonic} is not a type of stored records")
    if "\n" in text or "\r" in text:
        raise ValueError(f"{mnemonic} content must be one line")
    if len(text) > _MAX_TEXT_CHARACTERS:
        raise ValueError(f"{mnemonic} content is longer than any RDATA of {MAX_RDATA_OCTETS} octets")
    text_types()
    try:
        wire = _parse(rdtype, text)
    except Exception as err:
        # Beside its own exceptions dnspython lets AssertionError, struct.error, binascii.Error and others through.
        raise ValueError(f"{mnemonic} content {name.shown(text)} is not valid{_reason(err)}") from err
    if len(wire) > MAX_RDATA_OCTETS:
        raise ValueError(f"{mnemonic} content is longer than {MAX_RDATA_OCTETS} octets")
    return wire


def _parse(rdtype: int, text: str) -> bytes:
    """Wire RDATA by dnspython, or by our own rules for TXT, generic text and WKS; raises anything."""
    if _generic_start(text) is not None:
        return _from_generic_text(rdtype, text)
    if rdtype in _TXT_TYPES:
        return _txt(text)
    if rdtype == _WKS:
        text = _wks_in_numbers(text)
    tokenizer = _Tokenizer(_escape_beyond_ascii(text))
    rdata_type = dns.rdatatype.RdataType.make(rdtype)
    if rdtype not in text_types():
        raise ValueError("this type is written in the generic form, \\# LENGTH HEX")
    rdata = dns.rdata.from_text(dns.rdataclass.IN, rdata_type, tokenizer, origin=dns.name.root, relativize=False)
    return _wire_of(rdata)


def _from_generic_text(rdtype: int, text: str) -> bytes:
    match = _generic(text)
    if match is not None:
        wire, length = bytes.fromhex(match[2]), int(match[1])
        if len(wire) != length:
            raise ValueError(f"\\# announces {length} octets and {len(wire)} follow")
    else:
        tokenizer = _Tokenizer(text)
        wire = _wire_of(dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.NULL, tokenizer))
    if _wire_of(_rdata_of(rdtype, wire)) != wire:
        raise ValueError("the octets are not the plain wire form of the type")
    return wire


def _rdata_of(rdtype: int, wire: bytes) -> dns.rdata.Rdata:
    return dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType.make(rdtype), wire, 0, len(wire))


def _wire_of(rdata: dns.rdata.Rdata) -> bytes:
    return rdata.to_wire() or b""


def _txt(text: str) -> bytes:
    if '"' not in text:
        if not text.strip(" \t"):
            raise ValueError('it is empty (an empty string is written "")')
        octets = text.encode("utf-8")
        return b"".join([_counted(octets[at : at + 255]) for at in range(0, len(octets), 255)])
    tokens = [token.unescape_to_bytes() for token in _Tokenizer(text).get_remaining()]
    if not all(token.is_quoted_string() for token in tokens):
        raise ValueError("quoted and unquoted text are mixed")
    return b"".join([_counted(token.value) for token in tokens])


def _counted(string: bytes) -> bytes:
    if len(string) > 255:
        raise ValueError("a quoted string is longer than 255 octets")
    return bytes((len(string),)) + string


def _wks_in_numbers(text: str) -> str:
    fields = text.split()
    if len(fields) > 1:
        fields[1] = {"tcp": "6", "udp": "17"}.get(fields[1].lower(), fields[1])
    if not all(field.isascii() and field.isdigit() for field in fields[1:]):
        raise ValueError("protocol and ports are numbers (the protocol may be TCP or UDP)")
    return " ".join(fields)


def _escape_beyond_ascii(text: str) -> str:
    """The same text with the UTF-8 octets of characters beyond ASCII as \\DDD, so that all fields agree on them."""
    if text.isascii():
        return text
    return _beyond_ascii.sub(
        lambda match: match[1] or "".join([f"\\{octet:03d}" for octet in match[2].encode("utf-8")]), text
    )


class _Tokenizer(dns.tokenizer.Tokenizer):
    """dnspython's tokenizer with the names of this project: always absolute, no origin, no IDNA."""

    def as_name(
        self,
        token: dns.tokenizer.Token,
        origin: dns.name.Name | None = None,
        relativize: bool = False,
        relativize_to: dns.name.Name | None = None,
    ) -> dns.name.Name:
        if not token.is_identifier():
            raise ValueError("a name is expected")
        return dns.name.from_wire(name.from_text(token.value), 0)[0]


def _reason(err: Exception) -> str:
    """What dnspython says of an error, as the end of a sentence; nothing where it says nothing useful."""
    said = str(err).strip().partition("\n")[0]
    return f": {said[:200].rstrip('.')}" if said else ""
