"""Tells which replies say the same thing, for response rate limiting: all names under one wildcard, all that a zone
does not have, all below one delegation. Pure: reads a finished reply and, for wildcards, the view.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from streamdns.dns.lookup import Question, Snapshot
from streamdns.dns.node import HAS_SOA
from streamdns.dns.unusual import question_end
from streamdns.dns.wire import AA, DNAME, HEADER_SIZE, NOERROR, NS, NXDOMAIN, SOA, TC, FormatError, skip_name

ANSWER, NODATA, ABSENT, REFERRAL, ERROR = "answer", "no data", "no such name", "referral", "error"
_MOST_POINTERS: Final = 20
_AT_QUESTION: Final = b"\xc0\x0c"
#: Every key ends with an octet 0. An empty one would do as well, but LMDB takes none.
_NO_KEY: Final = b"\1"


class Kind(NamedTuple):
    """What a reply says; replies of one kind are counted together.

    `name` (wire form, lower case) is the name of an answer, or its wildcard or DNAME; the zone of NODATA and NXDOMAIN;
    the cut of a referral. `number` is the type that was asked for with an answer, the RCODE of an error.
    """

    what: str
    name: bytes
    number: int


def kind_of(reply: bytes, view: Snapshot | None) -> Kind:
    """The kind of a reply of ours; where there is no view, names under a wildcard are each of their own kind."""
    rcode = reply[3] & 15
    if rcode not in (NOERROR, NXDOMAIN) or len(reply) <= HEADER_SIZE:
        return Kind(ERROR, b"", rcode)
    try:
        end = question_end(reply)
        at_question = reply[end : end + 2] == _AT_QUESTION
        if at_question and rcode == NOERROR and reply[7] and reply[2] & AA and view is not None:
            # The commonest first: an answer at the very name that was asked for.
            asked = reply[HEADER_SIZE : end - 4].lower()
            if view.node(_key(asked)) is not None:
                return Kind(ANSWER, asked, reply[end - 4] << 8 | reply[end - 3])
        answers = reply[6] << 8 | reply[7]
        if rcode == NOERROR and (answers or reply[2] & TC):
            return Kind(ANSWER, _answered(reply, end, answers, view), reply[end - 4] << 8 | reply[end - 3])
        at = end
        for _ in range(answers):
            at = _record_end(reply, at)
        if not reply[8] | reply[9]:
            return Kind(ABSENT if rcode else NODATA, b"", 0)
        owner, at = _name_at(reply, at)
        rdtype = reply[at] << 8 | reply[at + 1]
        if rdtype == NS and not reply[2] & AA:
            return Kind(REFERRAL, owner, 0)
        return Kind(ABSENT if rcode else NODATA, owner if rdtype == SOA else b"", 0)
    except (FormatError, IndexError):
        return Kind(ERROR, b"", rcode)


def zone_of(kind: Kind, view: Snapshot) -> bytes:
    """The apex (wire form) of the zone of the log that a reply of this kind comes from; b"" where there is none."""
    if kind.what in (NODATA, ABSENT) or not kind.name:
        return kind.name
    question = Question(kind.name, SOA)
    for depth in view.depths:
        if depth <= len(question.labels) and not (kind.what == REFERRAL and depth == len(question.labels)):
            bounds = view.cut(question.prefix(depth))
            if bounds is not None and bounds[0] & HAS_SOA:
                return question.suffix(depth)
    return b""


def _answered(reply: bytes, end: int, answers: int, view: Snapshot | None) -> bytes:
    """The name that an answer comes from: the one asked for, the wildcard that stands for it, or a DNAME above it."""
    if answers:
        owner, at = _name_at(reply, end)
        if reply[at] << 8 | reply[at + 1] == DNAME:
            return owner
    asked = reply[HEADER_SIZE : end - 4].lower()
    if view is None or not reply[2] & AA:
        return asked
    question = Question(asked, 0)
    if view.node(question.key) is not None:
        return asked
    depth = question.encloser(0, view.after(question.key) or b"", view.before(question.key) or b"")
    return asked if view.node(question.wildcard(depth)) is None else b"\1*" + question.suffix(depth)


def _key(lower: bytes) -> bytes:
    """The lookup key of a name, where no label has octets that are escaped; else one that no name has."""
    labels = []
    at = 0
    while length := lower[at]:
        at += 1
        labels.append(lower[at : at + length])
        at += length
    labels.reverse()
    key = b"\0".join(labels) + b"\0"
    return _NO_KEY if 1 in key or key.count(b"\0") != (len(labels) or 1) else key


def _record_end(reply: bytes, at: int) -> int:
    at = skip_name(reply, at)
    return at + 10 + (reply[at + 8] << 8 | reply[at + 9])


def _name_at(reply: bytes, at: int) -> tuple[bytes, int]:
    """The name at an offset, in lower case without compression, and the offset behind it."""
    behind = skip_name(reply, at)
    name = bytearray()
    for _ in range(_MOST_POINTERS):
        start = at
        while 0 < reply[at] < 64:
            at += reply[at] + 1
        name += reply[start:at]
        if not reply[at]:
            return bytes(name.lower() + b"\0"), behind
        at = (reply[at] & 63) << 8 | reply[at + 1]
    raise FormatError
