"""Parses the values of settings, and systemd's EnvironmentFile syntax: text in, value out, ValueError with a phrase.

A phrase begins with a verb, because the name of the setting is put before it: "is out of range".
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from typing import NamedTuple

from streamdns.addresses import Address, Unasked

_SEPARATORS = re.compile(r"[\s,]+")
_SIZE = re.compile(r"([0-9]{1,18})([KMGT]?)", re.IGNORECASE)
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)%|([01]?\.[0-9]{1,6}|[01])")
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_INTEGER = re.compile(r"[0-9]{1,18}")
_HEX_SECRET = re.compile(r"[0-9A-Fa-f]{32}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253})|\[[0-9A-Fa-f:.]+\]")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_LABEL_OCTET = re.compile(r"\\([0-9]{3})|\\(.)|(.)", re.DOTALL)
_ASCII_LOWER = {ord(char): char.lower() for char in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_FACTORS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "off", "0"), False),
}


def parse_bool(text: str) -> bool:
    """Parse true or false, or one of the other words for them."""
    try:
        return _WORDS[text.lower()]
    except KeyError:
        raise ValueError("is neither true nor false") from None


def parse_text(text: str) -> str:
    """Check text without control characters, such as a path or an address that is parsed elsewhere."""
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise ValueError("holds a control character")
    return text


def parse_identity(text: str) -> str:
    """Check a name of this instance: it must fit one TXT string (RFC 1035 §3.3.14) and the NSID option (RFC 5001)."""
    if len(text.encode("utf-8", "surrogateescape")) > 255:
        raise ValueError("is longer than 255 octets")
    return parse_text(text)


def integer(low: int, high: int) -> Callable[[str], int]:
    """Make a parser of whole numbers from low to high."""

    def parse(text: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise ValueError("is not a whole number")
        number = int(text)
        if not low <= number <= high:
            raise ValueError("is out of range")
        return number

    return parse


def seconds(low: float, high: float) -> Callable[[str], float]:
    """Make a parser of seconds from low to high, with or without decimals."""

    def parse(text: str) -> float:
        if not _SECONDS.fullmatch(text):
            raise ValueError("is not a number of seconds")
        number = float(text)
        if not low <= number <= high:
            raise ValueError("is out of range")
        return number

    return parse


def parse_share(text: str) -> float:
    """Parse a share such as 10% or 0.1; `off` is infinite, so that nothing is beyond it."""
    if text.lower() in ("off", "none"):
        return math.inf
    match = _SHARE.fullmatch(text)
    if match is None:
        raise ValueError("is not a share")
    share = float(match[1]) / 100 if match[1] else float(match[2])
    if not 0 <= share <= 1:
        raise ValueError("is out of range")
    return share


def size_bytes(low: int, high: int) -> Callable[[str], int]:
    """Make a parser of byte sizes such as 4096, 512M or 64G (powers of 1024) from low to high bytes."""

    def parse(text: str) -> int:
        match = _SIZE.fullmatch(text)
        if match is None:
            raise ValueError("is not a size in bytes")
        number = int(match[1]) * _FACTORS[match[2].upper()]
        if not low <= number <= high:
            raise ValueError("is out of range")
        return number

    return parse


def choice(*words: str, aliases: dict[str, str] | None = None) -> Callable[[str], str]:
    """Make a parser of one word out of a few, in any case; `aliases` maps other spellings to them."""
    known = {word: word for word in words} | (aliases or {})

    def parse(text: str) -> str:
        try:
            return known[text.lower()]
        except KeyError:
            raise ValueError("is not one of the allowed words") from None

    return parse


def parse_address(text: str) -> Address:
    """Parse one IP address and port: 192.0.2.1:53 or [2001:db8::1]:53."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65535:
        raise ValueError("has no port from 0 to 65535")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    if ":" in bare and not bracketed:
        raise ValueError("needs brackets around its IPv6 address")
    if "%" in bare:
        raise ValueError("has a scope, which is not supported")
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        raise ValueError("is not an IP address and a port") from None
    if bracketed != (address.version == 6):
        raise ValueError("has brackets around an IPv4 address")
    return Address(str(address), int(port))


def parse_addresses(text: str) -> tuple[Address, ...]:
    """Parse addresses separated by space or comma; ":53" stands for every IPv4 and every IPv6 address."""
    found: dict[Address, Address] = {}
    for word in _words(text):
        asked = not word.startswith(":") or word.count(":") != 1
        for host in (word,) if asked else ("0.0.0.0" + word, "[::]" + word):
            address = parse_address(host)
            if asked or address not in found:
                found[address] = address if asked else Unasked(*address)
    return tuple(found.values())


def parse_zones(text: str) -> tuple[str, ...]:
    """Parse zone names separated by space or comma; they are returned in lower case with a trailing dot."""
    return tuple(dict.fromkeys(_zone(word) for word in _words(text)))


class TopicZones(NamedTuple):
    """The names (lower case, with a trailing dot) at and below which a topic may hold records."""

    topic: str
    zones: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.topic}={','.join(self.zones)}"


def parse_topic_zones(text: str) -> tuple[TopicZones, ...]:
    """Parse topics and their names, `topic=example.org,example.net`, separated by space."""
    found: dict[str, TopicZones] = {}
    for word in text.split():
        topic, equals, zones = word.partition("=")
        if not topic or not equals:
            raise ValueError(f"has {word}, which is not of the form TOPIC=ZONE,ZONE")
        (topic,) = parse_topics(topic)
        if topic in found:
            raise ValueError(f"has {topic} twice")
        found[topic] = TopicZones(topic, parse_zones(zones))
    return tuple(found.values())


def parse_brokers(text: str) -> tuple[str, ...]:
    """Parse host:port, separated by space or comma; a host without a port gets 9092."""
    return tuple(dict.fromkeys(f"{host}:{port}" for host, port in hosts_and_ports(text, "9092")))


def hosts_and_ports(text: str, default_port: str) -> list[tuple[str, int]]:
    """Parse host:port, separated by space or comma; IPv6 addresses keep their brackets."""
    found: dict[tuple[str, int], None] = {}
    for word in _words(text):
        host, port = _HOST.match(word), default_port
        rest = word[host.end() :] if host else word
        if rest.startswith(":"):
            port, rest = rest[1:], ""
        if host is None or rest or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) <= 65535:
            raise ValueError(f"has {word}, which is not a host and a port")
        found[host[0], int(port)] = None
    return list(found)


def parse_topics(text: str) -> tuple[str, ...]:
    """Parse topic names as Kafka allows them, separated by space or comma."""
    names = tuple(dict.fromkeys(_words(text)))
    for name in names:
        if not _TOPIC.fullmatch(name) or name in (".", ".."):
            raise ValueError(f"has {name}, which is not a name that Kafka allows for a topic")
    return names


def parse_lines(text: str) -> tuple[str, ...]:
    r"""Split lines at each newline or the two characters \n; empty lines are left out."""
    # Where TXT content holds an escaped backslash before an n (\\n), that is not a separator.
    pieces = re.split(r"\r?\n|(?<!\\)\\n", text)
    return tuple(stripped for piece in pieces if (stripped := piece.strip()))


def parse_hex_secret(text: str) -> bytes:
    """Parse 32 hexadecimal digits to 16 octets."""
    if not _HEX_SECRET.fullmatch(text):
        raise ValueError("is not 32 hexadecimal digits")
    return bytes.fromhex(text)


def _words(text: str) -> list[str]:
    words = [word for word in _SEPARATORS.split(text) if word]
    if not words:
        raise ValueError("is an empty list")
    return words


def _zone(text: str) -> str:
    # Names proper are parsed by dns/name.py, a layer above this one: here only what would never parse is refused.
    if text == ".":
        return text
    label, octets, ended = 0, 1, False
    for match in _LABEL_OCTET.finditer(text):
        ended = match[3] == "."
        if ended:
            if not label:
                raise ValueError(f"has an empty label in {text}")
            octets += 1 + label
            label = 0
            continue
        if (match[1] and int(match[1]) > 255) or match[3] == "\\":
            raise ValueError(f"has a bad escape in {text}")
        label += 1 if match[1] or match[2] else len(match[3].encode("utf-8", "surrogateescape"))
        if label > 63:
            raise ValueError(f"has a label longer than 63 octets in {text}")
    if octets + (0 if ended else 1 + label) > 255:
        raise ValueError("has a name longer than 255 octets")
    return (text if ended else text + ".").translate(_ASCII_LOWER)


class EnvFile(NamedTuple):
    """The content of an environment file: values by name, and one warning for each line that is ignored."""

    values: dict[str, str]
    warnings: tuple[str, ...]


def parse_env_file(text: str) -> EnvFile:
    """Parse systemd's EnvironmentFile syntax: comments (# and ;), quotes, backslash continuation, no expansion.

    Raises ValueError where a quote is not closed.
    """
    values: dict[str, str] = {}
    warnings: list[str] = []
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text.count("\n", 0, at) + 1
        equals = text.find("=", at, end)
        if text[at] in "#;" or equals < 0:
            if text[at] not in "#;":
                warnings.append(f"line {line} is not of the form NAME=VALUE and is ignored")
            at = end + 1
            continue
        name = text[at:equals].rstrip()
        value, at = _env_value(text, equals + 1, line)
        if _ENV_NAME.fullmatch(name):
            values[name] = value
        else:
            warnings.append(f"line {line} has no valid name before its = and is ignored")
    return EnvFile(values, tuple(warnings))


def _env_value(text: str, at: int, line: int) -> tuple[str, int]:
    """Read the value at an index; return it, quoted parts joined as systemd joins them, and the index after it."""
    out: list[str] = []
    while at < len(text):
        char = text[at]
        if char == "\n":
            return "".join(out), at + 1
        if char in "'\"":
            part, at = _quoted(text, at, line)
            out.append(part)
        elif char in " \t":
            at += 1
        else:
            part, at = _bare(text, at)
            out.append(part)
    return "".join(out), at


def _quoted(text: str, at: int, line: int) -> tuple[str, int]:
    out: list[str] = []
    quote = text[at]
    at += 1
    while at < len(text):
        char = text[at]
        at += 1
        if char == quote:
            return "".join(out), at
        if char == "\\" and quote == '"' and at < len(text):
            follower = text[at]
            at += 1
            if follower != "\n":
                out.append(follower if follower in '"\\`$' else "\\" + follower)
            continue
        out.append(char)
    raise ValueError(f"has a quote in line {line} that is not closed")


def _bare(text: str, at: int) -> tuple[str, int]:
    """Read unquoted text up to the end of its line, without the white space before that end."""
    out: list[str] = []
    kept = 0
    while at < len(text) and text[at] != "\n":
        char = text[at]
        at += 1
        if char == "\\":
            if at < len(text) and text[at] != "\n":
                out.append(text[at])
                kept = len(out)
            at += 1
            continue
        out.append(char)
        if char not in " \t":
            kept = len(out)
    return "".join(out[:kept]), at
