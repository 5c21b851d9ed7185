"""Converts the RDATA text of the most common types to wire form quickly; anything unusual is left to rdata.py.

Each function takes only text in the plainest spelling (fields one space apart, no escapes, parentheses or comments)
and returns None for all other text, valid or not: rdata.from_text then asks dnspython, which alone decides what is
an error. So whatever is accepted here must be accepted by dnspython too, with the same wire form.
"""

from __future__ import annotations

import re
import struct
from _socket import AF_INET as _INET
from _socket import AF_INET6 as _INET6
from _socket import inet_pton  # a function of its arguments, like all here
from collections.abc import Callable
from typing import Final

from streamdns.dns.name import from_plain_text

_pack_u16: Final = struct.Struct("!H").pack
_pack_srv: Final = struct.Struct("!HHH").pack
_pack_soa: Final = struct.Struct("!IIIII").pack

_ipv6_characters: Final = re.compile(r"[0-9A-Fa-f:]{2,39}").fullmatch
_quoted_strings: Final = re.compile(r'"[^"\\]*"(?: "[^"\\]*")*').fullmatch
_caa: Final = re.compile(r'([0-9]{1,3}) ([A-Za-z0-9]{1,255}) "([^"\\\r\n]*)"').fullmatch
_LENGTH_OCTET: Final = [bytes((length,)) for length in range(256)]


def ipv4(text: str) -> bytes | None:
    """A (RFC 1035 §3.4.1): four decimal octets without leading zeros."""
    try:
        return inet_pton(_INET, text)
    except (OSError, ValueError):
        return None


def ipv6(text: str) -> bytes | None:
    """AAAA (RFC 3596 §2.2): the groups of RFC 4291 §2.2; forms with an embedded IPv4 address are left to dnspython."""
    if _ipv6_characters(text) is None:
        return None
    try:
        return inet_pton(_INET6, text)
    except (OSError, ValueError):
        return None


def mx(text: str) -> bytes | None:
    """MX (RFC 1035 §3.3.9)."""
    preference, _, exchange = text.partition(" ")
    number = _number(preference, 0xFFFF)
    wire = from_plain_text(exchange)
    if number is None or wire is None:
        return None
    return _pack_u16(number) + wire


def srv(text: str) -> bytes | None:
    """SRV (RFC 2782)."""
    fields = text.split(" ")
    if len(fields) != 4:
        return None
    priority, weight, port = _number(fields[0], 0xFFFF), _number(fields[1], 0xFFFF), _number(fields[2], 0xFFFF)
    target = from_plain_text(fields[3])
    if priority is None or weight is None or port is None or target is None:
        return None
    return _pack_srv(priority, weight, port) + target


def soa(text: str) -> bytes | None:
    """SOA (RFC 1035 §3.3.13)."""
    fields = text.split(" ")
    if len(fields) != 7:
        return None
    mname, rname = from_plain_text(fields[0]), from_plain_text(fields[1])
    numbers = [number for field in fields[2:] if (number := _number(field, 0xFFFFFFFF)) is not None]
    if mname is None or rname is None or len(numbers) != 5:
        return None
    return mname + rname + _pack_soa(*numbers)


def txt(text: str) -> bytes | None:
    """TXT and SPF (RFC 1035 §3.3.14): quoted strings without escapes."""
    if _quoted_strings(text) is None or "\n" in text or "\r" in text or not text.isascii():
        return None
    wire = b""
    for string in text[1:-1].split('" "'):
        if len(string) > 255:
            return None
        wire += _LENGTH_OCTET[len(string)] + string.encode("ascii")
    return wire


def caa(text: str) -> bytes | None:
    """CAA (RFC 8659 §4.1)."""
    match = _caa(text)
    if match is None or not text.isascii():
        return None
    flags, tag, value = match.groups()
    number = _number(flags, 0xFF)
    if number is None:
        return None
    return _LENGTH_OCTET[number] + _LENGTH_OCTET[len(tag)] + tag.encode("ascii") + value.encode("ascii")


def _number(text: str, limit: int) -> int | None:
    # Ten digits hold every number there is; isdigit() alone would let digits of other scripts pass.
    if len(text) > 10 or not text.isdigit() or not text.isascii():
        return None
    number = int(text)
    return number if number <= limit else None


PLAIN: Final[dict[int, Callable[[str], bytes | None]]] = {
    1: ipv4,
    2: from_plain_text,
    5: from_plain_text,
    6: soa,
    12: from_plain_text,
    15: mx,
    16: txt,
    28: ipv6,
    33: srv,
    39: from_plain_text,
    99: txt,
    257: caa,
}
