"""Text and wire form of RDATA by dnspython, and by rules of our own where name servers read more than it does.

Functions here raise anything: streamdns/dns/rdata.py is the one caller, and makes one sentence of what went wrong.
"""

from __future__ import annotations

import calendar
import functools
import io
import re
from typing import NamedTuple

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.svcbbase
import dns.tokenizer

from streamdns.dns import name
from streamdns.dns.rdata_old import OLD_TYPES, from_fields, to_fields

_TXT_TYPES = frozenset((16, 99))
_SVCB_TYPES = frozenset((64, 65))
_SIGNATURE_TYPES = frozenset((24, 46))
_WKS, _NID, _L64 = 11, 104, 106
# SvcParamKeys of RFC 9460: the names that every server with SVCB knows. Younger ones are written keyNNN.
_PARAMETERS = ("mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint")

_type_number = re.compile(r"TYPE([0-9]{1,5})", re.IGNORECASE | re.ASCII).fullmatch
_generic = re.compile(r"\\# +([0-9]{1,5})((?: +[0-9A-Fa-f]+)*) *").fullmatch
_generic_start = re.compile(r"[ \t(]*\\#(?:[ \t]|$)").match
_beyond_ascii = re.compile(r"(\\[\0-\x7f])|\\?([^\0-\x7f])")
_pieces = re.compile(r'"(?:\\.|[^"\\])*"|\\.|;', re.DOTALL).finditer
_alias = re.compile(r"[ \t(]*0+[ \t]").match
_zeros = re.compile("0+")
_group = re.compile(r"[0-9A-Fa-f]{1,4}").fullmatch
_date = re.compile(r"[0-9]{14}", re.ASCII).fullmatch


class Dialect(NamedTuple):
    """How text is read: as the content of events (origin None), or as that of zone files, relative to an origin."""

    origin: bytes | None = None

    def name(self, text: str) -> bytes:
        """Wire form of a name as it stands in a field; raises ValueError."""
        if self.origin is None:
            return name.from_text(text)
        if text == "@":
            return self.origin
        wire = name.from_text(text)
        if not is_absolute(text):
            wire = wire[:-1] + self.origin
        if len(wire) > name.MAX_NAME_OCTETS:
            raise ValueError(f"the name {name.shown(text)} is longer than {name.MAX_NAME_OCTETS} octets in its zone")
        return wire


def is_absolute(text: str) -> bool:
    """Whether a name ends in a dot that is not escaped."""
    return text.endswith(".") and (len(text) - len(text[:-1].rstrip("\\"))) % 2 == 1


@functools.cache
def text_types() -> frozenset[int]:
    """The types that can be read and written as text; all others are written in the generic form.

    The first call loads dnspython's code for all of them, about a tenth of a second, so that none is looked for on
    disk later; it is made when it is needed or when a server has started, because plain text needs none of it.
    """
    dns.rdata.load_all_types()  # type: ignore[no-untyped-call]
    return OLD_TYPES | {
        int(rdtype)
        for rdtype in dns.rdatatype.RdataType
        if rdtype
        and dns.rdata.get_rdata_class(dns.rdataclass.IN, rdtype) is not dns.rdata.GenericRdata  # type: ignore[no-untyped-call]
    }


def parse(rdtype: int, text: str, dialect: Dialect) -> bytes:
    """Wire RDATA of text on one line, checked; raises anything."""
    types = text_types()
    if _generic_start(text) is not None:
        return _from_generic_text(rdtype, text)
    if rdtype in _TXT_TYPES and dialect.origin is None:
        return _txt(text)
    if dialect.origin is None and any(match[0] == ";" for match in _pieces(text)):
        raise ValueError("a ';' outside quotes begins a comment in zone files: put the text in quotes")
    if rdtype not in types:
        raise ValueError("this type is written in the generic form, \\# LENGTH HEX")
    if rdtype in OLD_TYPES:
        return from_fields(rdtype, _fields(text), dialect.name, _type_number_of)
    wire = _wire_by_dnspython(rdtype, text, dialect)
    check(rdtype, wire)
    return wire


def text_of(rdtype: int, wire: bytes) -> str:
    """Presentation text of wire RDATA; raises anything for what is malformed."""
    text_types()
    if rdtype in OLD_TYPES:
        return " ".join(to_fields(rdtype, wire, _type_text_of))
    if rdtype in _SVCB_TYPES:
        return _svcb_text(rdtype, wire)
    return _rdata_of(rdtype, wire).to_text()


def check(rdtype: int, wire: bytes) -> None:
    """See that wire RDATA is the plain form of its type; raises anything."""
    text_types()
    if rdtype in OLD_TYPES:
        to_fields(rdtype, wire, _type_text_of)
        return
    if rdtype in _SVCB_TYPES:
        wire = _as_service(wire)
    if _wire_of(_rdata_of(rdtype, wire)) != wire:
        raise ValueError("the octets are not the plain wire form of the type")


def _wire_by_dnspython(rdtype: int, text: str, dialect: Dialect) -> bytes:
    if rdtype == _WKS and dialect.origin is None:
        text = _wks_in_numbers(text)
    elif rdtype in _SIGNATURE_TYPES:
        text = _with_serial_times(text)
    elif rdtype in (_NID, _L64):
        text = _with_whole_groups(text)
    alias = rdtype in _SVCB_TYPES and _alias(text) is not None
    if alias:
        # SHOULD NOT have parameters (RFC 9460 §2.4.2), which dnspython takes for MUST NOT.
        text = _zeros.sub("1", text, count=1)
    tokenizer = _Tokenizer(_escape_beyond_ascii(text), dialect)
    rdata_type = dns.rdatatype.RdataType.make(rdtype)
    wire = _wire_of(
        dns.rdata.from_text(dns.rdataclass.IN, rdata_type, tokenizer, origin=dns.name.root, relativize=False)
    )
    return b"\0\0" + wire[2:] if alias else wire


def _from_generic_text(rdtype: int, text: str) -> bytes:
    match = _generic(text)
    if match is not None:
        wire, length = bytes.fromhex(match[2]), int(match[1])
        if len(wire) != length:
            raise ValueError(f"\\# announces {length} octets and {len(wire)} follow")
    else:
        if ";" in text:
            raise ValueError("a ';' is no part of the generic form")
        tokenizer = dns.tokenizer.Tokenizer(text)
        wire = _wire_of(dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.NULL, tokenizer))
    check(rdtype, wire)
    return wire


def _fields(text: str) -> list[str]:
    """The fields of text in which nothing is quoted, with their escapes."""
    tokenizer = dns.tokenizer.Tokenizer(text)
    tokens = tokenizer.get_remaining()
    tokenizer.get_eol()
    if not all(token.is_identifier() for token in tokens):
        raise ValueError("nothing in it is quoted")
    return [token.value for token in tokens]


def _as_service(wire: bytes) -> bytes:
    """SVCB RDATA with priority 1 where it is an alias: that may have parameters, too."""
    return b"\0\1" + wire[2:] if wire[:2] == b"\0\0" else wire


def _svcb_text(rdtype: int, wire: bytes) -> str:
    rdata = _rdata_of(rdtype, _as_service(wire))
    assert isinstance(rdata, dns.rdtypes.svcbbase.SVCBBase)
    parts = [str(int.from_bytes(wire[:2], "big")), rdata.target.to_text()]
    for key in sorted(rdata.params):
        value = rdata.params[key]
        octets = io.BytesIO()
        if value is not None:
            value.to_wire(octets)
        raw = octets.getvalue()
        if key == 0:
            keys = [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]
            parts.append(f'mandatory="{",".join(map(_parameter, keys))}"')
        elif not raw:
            parts.append(_parameter(key))
        elif key < len(_PARAMETERS):
            parts.append(f"{_parameter(key)}={value.to_text()}")
        else:
            parts.append(f"{_parameter(key)}={_quoted(raw)}")
    return " ".join(parts)


def _parameter(key: int) -> str:
    return _PARAMETERS[key] if key < len(_PARAMETERS) else f"key{int(key)}"


def _quoted(octets: bytes) -> str:
    shown = [
        f"\\{chr(octet)}" if octet in b'"\\' else chr(octet) if 32 <= octet < 127 else f"\\{octet:03d}"
        for octet in octets
    ]
    return f'"{"".join(shown)}"'


def _type_number_of(text: str) -> int:
    return int(dns.rdatatype.from_text(text))


def _type_text_of(rdtype: int) -> str:
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))


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
    if any(match[0] == ";" for match in _pieces(text)):
        raise ValueError("quoted and unquoted text are mixed")
    tokens = [token.unescape_to_bytes() for token in dns.tokenizer.Tokenizer(text).get_remaining()]
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


def _with_serial_times(text: str) -> str:
    """The text of a signature with its times as numbers: they are counted modulo 2**32 (RFC 4034 §3.1.5)."""
    fields = _fields(text)
    for at in (4, 5):
        if at < len(fields) and _date(fields[at]) is not None:
            fields[at] = str(_seconds(fields[at]) & 0xFFFFFFFF)
    return " ".join(fields)


def _seconds(date: str) -> int:
    """Seconds since 1970 of YYYYMMDDHHmmSS; raises ValueError."""
    year, month, day, hour, minute, second = int(date[:4]), *(int(date[at : at + 2]) for at in range(4, 14, 2))
    if not (1 <= month <= 12 and year and 1 <= day <= calendar.monthrange(year, month)[1]):
        raise ValueError(f"{date} has no such day")
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"{date} has no such time of day")
    return calendar.timegm((year, month, day, hour, minute, second))


def _with_whole_groups(text: str) -> str:
    """The text of NID or L64 with four digits in each group: BIND and NSD write and read them without zeros."""
    fields = _fields(text)
    if len(fields) == 2:
        groups = fields[1].split(":")
        if len(groups) == 4 and all(_group(group) for group in groups):
            fields[1] = ":".join([group.zfill(4) for group in groups])
    return " ".join(fields)


def _escape_beyond_ascii(text: str) -> str:
    """The same text with the UTF-8 octets of characters beyond ASCII as \\DDD, so that all fields agree on them."""
    if text.isascii():
        return text
    return _beyond_ascii.sub(
        lambda match: match[1] or "".join([f"\\{octet:03d}" for octet in match[2].encode("utf-8")]), text
    )


class _Tokenizer(dns.tokenizer.Tokenizer):
    """dnspython's tokenizer with the names of this project: no IDNA, and absolute or relative as the dialect has it."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        super().__init__(text)
        self._dialect = dialect

    def as_name(
        self,
        token: dns.tokenizer.Token,
        origin: dns.name.Name | None = None,
        relativize: bool = False,
        relativize_to: dns.name.Name | None = None,
    ) -> dns.name.Name:
        if not token.is_identifier():
            raise ValueError("a name is expected")
        return dns.name.from_wire(self._dialect.name(token.value), 0)[0]


# What dnspython says, and what that means to somebody who does not know how it reads.
_SAID = (
    (re.compile(r"expected EOL or EOF, got \S+ \"(.*)\"", re.DOTALL), "{0!r} is too much"),
    (re.compile("Text input is malformed"), "{address}"),
    (re.compile("expecting (an identifier|a string|another identifier)|Text input ended unexpectedly"),
     "a field is missing"),
    (re.compile("expecting an? (integer|number|int)"), "a number is expected"),
    (re.compile("format requires|int too large|out of range|argument out of"), "a number is out of its range"),
    (re.compile("newline in quoted string|No closing quot"), "a quote is not closed"),
    (re.compile("Odd-length string|Non-hexadecimal|non-hexadecimal"), "hexadecimal digits in pairs are expected"),
    (re.compile("Incorrect padding|Invalid base64|number of data characters"), "it is not base64"),
)
_ADDRESSES = {1: "an IPv4 address is expected", 28: "an IPv6 address is expected"}


def reason(rdtype: int, err: Exception) -> str:
    """What went wrong, as the end of a sentence; nothing where nothing useful is known."""
    said = str(err).strip().partition("\n")[0].rstrip(".")
    for pattern, sentence in _SAID:
        match = pattern.search(said)
        if match is not None:
            address = _ADDRESSES.get(rdtype, "a field is not as it should be")
            said = sentence.format(*match.groups(), address=address)
            break
    return f": {said[:200]}" if said else ""
