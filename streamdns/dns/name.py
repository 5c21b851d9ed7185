"""Converts domain names between text, wire form and the view's lookup keys.

The wire form ends in the root label (b"\\0"). The lookup key holds the labels in reversed order, each ended by a zero
octet, with the two lowest octets escaped so that plain byte order of keys is the canonical order of RFC 4034 §6.1.
"""

from __future__ import annotations

import re
from typing import Final

MAX_LABEL_OCTETS: Final = 63
MAX_NAME_OCTETS: Final = 255

# Hosts, services and wildcards: nearly every name there is, and no character that needs a second look.
_plain: Final = re.compile(r"(?:[A-Za-z0-9_*-]{1,63}\.)*[A-Za-z0-9_*-]{1,63}\.?").fullmatch
_plain_first: Final = re.compile(r"[A-Za-z0-9_*-]{1,63}").fullmatch
_canonical_first: Final = re.compile(r"[a-z0-9_*-]{1,63}").fullmatch

# Wire forms of what stood behind the first dot of names seen lately: names come in bursts of siblings.
_parents: Final[dict[str, bytes]] = {"": b"\0"}
_canonical_parents: Final[dict[str, tuple[bytes, bytes]]] = {}  # with their lookup keys
_PARENTS_KEPT: Final = 1024
_LENGTH_OCTET: Final = [bytes((length,)) for length in range(256)]


def from_text(text: str) -> bytes:
    """Wire form of a name in presentation form (RFC 1035 §5.1).

    The name is absolute, with or without the trailing dot; case is kept; characters beyond ASCII become their UTF-8
    octets. Raises ValueError for anything that is not one name: bad escapes, empty or long labels, unescaped
    white space, and "@", which would mean an origin that does not exist here.
    """
    wire = from_plain_text(text)
    return _from_unusual_text(text) if wire is None else wire


def from_plain_text(text: str) -> bytes | None:
    """Wire form of a name spelt with nothing but letters, digits, "_", "-" and "*", and of "."; None for all others."""
    label, _, behind = text.partition(".")
    parent = _parents.get(behind) or _plain_parent(behind)
    if parent is None or _plain_first(label) is None or len(label) + len(parent) > MAX_NAME_OCTETS - 1:
        return b"\0" if text == "." else None
    return _LENGTH_OCTET[len(label)] + label.encode("ascii") + parent


def from_canonical_text(text: str) -> tuple[bytes, bytes] | None:
    """Wire form and lookup key of a name spelt as plainly, in lower case and with its trailing dot; else None."""
    label, dot, behind = text.partition(".")
    parent = _canonical_parents.get(behind) or _canonical_parent(behind)
    if parent is None or not dot or _canonical_first(label) is None:
        return None
    wire, key_above = parent
    if len(label) + len(wire) > MAX_NAME_OCTETS - 1:
        return None
    octets = label.encode("ascii")
    return b"".join((_LENGTH_OCTET[len(label)], octets, wire)), b"".join((key_above, octets, b"\0"))


def _plain_parent(text: str) -> bytes | None:
    if _plain(text) is None or len(text) > MAX_NAME_OCTETS - 2:
        return None
    if len(_parents) >= _PARENTS_KEPT:
        _parents.clear()
        _parents[""] = b"\0"
    wire = _parents[text] = _from_plain_labels(text)
    return wire


def _canonical_parent(text: str) -> tuple[bytes, bytes] | None:
    wire = b"\0" if text == "" else _plain_parent(text) if text.endswith(".") and text.lower() == text else None
    if wire is None:
        return None
    if len(_canonical_parents) >= _PARENTS_KEPT:
        _canonical_parents.clear()
    both = _canonical_parents[text] = wire, key(wire)
    return both


def _from_plain_labels(text: str) -> bytes:
    labels = text.encode("ascii")
    wire = b""
    for label in labels.split(b"."):
        wire += _LENGTH_OCTET[len(label)] + label
    # The piece behind the trailing dot was empty, and so has become the root label already.
    return wire if labels.endswith(b".") else wire + b"\0"


def _from_unusual_text(text: str) -> bytes:
    if text in ("", "@"):
        raise ValueError("a name is empty" if not text else "'@' is not a name: names are absolute")
    try:
        raw = text[: 4 * MAX_NAME_OCTETS + 1].encode("utf-8")
    except UnicodeEncodeError as err:
        raise ValueError(f"the name {shown(text)} is not valid Unicode text") from err
    # Four characters an octet is the longest spelling; the limit keeps hostile text from costing more than one look.
    if len(raw) > 4 * MAX_NAME_OCTETS:
        raise ValueError(f"the name {shown(text)} is longer than {MAX_NAME_OCTETS} octets")
    labels: list[bytes] = []
    label = bytearray()
    at, end = 0, len(raw)
    while at < end:
        octet = raw[at]
        at += 1
        if octet == 0x2E:
            if not label:
                raise ValueError(f"the name {shown(text)} has an empty label")
            labels.append(bytes(label))
            label.clear()
        elif octet == 0x5C:
            octet, at = _escape(raw, at, text)
            label.append(octet)
        elif octet <= 0x20 or octet == 0x7F:
            raise ValueError(f"the name {shown(text)} has an unescaped space or control character")
        else:
            label.append(octet)
    if label:
        labels.append(bytes(label))
    if max(map(len, labels)) > MAX_LABEL_OCTETS:
        raise ValueError(f"the name {shown(text)} has a label longer than {MAX_LABEL_OCTETS} octets")
    wire = b"".join([_LENGTH_OCTET[len(label)] + label for label in labels]) + b"\0"
    if len(wire) > MAX_NAME_OCTETS:
        raise ValueError(f"the name {shown(text)} is longer than {MAX_NAME_OCTETS} octets")
    return wire


def _escape(raw: bytes, at: int, text: str) -> tuple[int, int]:
    """The octet of the escape whose backslash stands before `at`, and where the text goes on."""
    digits = raw[at : at + 3]
    if digits[:1].isdigit():
        if len(digits) < 3 or not digits.isdigit() or int(digits) > 255:
            raise ValueError(f"the name {shown(text)} has a bad escape: \\DDD is three digits, at most 255")
        return int(digits), at + 3
    if not digits:
        raise ValueError(f"the name {shown(text)} ends in a backslash")
    return digits[0], at + 1


def shown(text: str) -> str:
    """Makes foreign text safe for a message: quoted, ASCII, on one line, at most 80 characters."""
    quoted = ascii(text[:80])
    return quoted if len(quoted) <= 80 and len(text) <= 80 else quoted[:76] + "..." + quoted[0]


_ESCAPED: Final = [
    f"\\{chr(octet)}" if chr(octet) in '.\\"();@$' else chr(octet) if 0x21 <= octet <= 0x7E else f"\\{octet:03d}"
    for octet in range(256)
]
_plain_label: Final = re.compile(rb"[A-Za-z0-9_*/+=~!#%&',:<>?\[\]^`{|}-]*").fullmatch


def to_text(wire: bytes) -> str:
    """Canonical presentation form with the trailing dot, case kept; `wire` is one well-formed name."""
    if wire == b"\0":
        return "."
    labels: list[str] = []
    at = 0
    while length := wire[at]:
        label = wire[at + 1 : at + 1 + length]
        if _plain_label(label) is not None:
            labels.append(label.decode("ascii"))
        else:
            labels.append("".join([_ESCAPED[octet] for octet in label]))
        at += 1 + length
    labels.append("")
    return ".".join(labels)


def key(wire: bytes) -> bytes:
    """Lookup key of a lower-case wire name; b"" for the root, at most 511 octets.

    The order of keys is the canonical order (RFC 4034 §6.1), and the key of a name is a prefix of the keys of all
    names below it. Octets 0x00 and 0x01 of a label become 01 01 and 01 02, so that 00 only ever ends a label.
    """
    labels: list[bytes] = []
    at = 0
    while length := wire[at]:
        at += 1
        labels.append(wire[at : at + length])
        at += length
    labels.append(b"")
    labels.reverse()
    joined = b"\0".join(labels)[1:] + b"\0" if at else b""
    # A plain name holds no 00 but the ends of its labels, and no 01 at all.
    if 1 in joined or joined.count(b"\0") != len(labels) - 1:
        return b"".join([_escape_label(label) for label in labels[1:]])
    return joined


def _escape_label(label: bytes) -> bytes:
    return label.replace(b"\1", b"\1\2").replace(b"\0", b"\1\1") + b"\0"


def from_key(key: bytes) -> bytes:
    """The lower-case wire name of a lookup key."""
    if not key:
        return b"\0"
    labels = key.split(b"\0")
    if 1 in key:
        labels = [label.replace(b"\1\1", b"\0").replace(b"\1\2", b"\1") for label in labels]
    labels.reverse()
    # The split leaves an empty piece after the last end of label: reversed, it is first, and the root goes last.
    return b"".join([_LENGTH_OCTET[len(label)] + label for label in labels[1:]]) + b"\0"
