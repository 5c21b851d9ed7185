"""Reads master files (RFC 1035 §5, RFC 2308 §4): from the text of zone files to records, one by one.

A file is cut into entries first, a line or several in parentheses, so that a mistake is named by the line on which its
record begins and the next record is read all the same. No I/O: who reads says how files are opened.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from streamdns.dns import name, rdata
from streamdns.dns.generate import generate
from streamdns.dns.rdata_parse import Dialect

MAX_TTL_S = 0x7FFFFFFF
_MAX_INCLUDES = 16
_MAX_UNCLOSED = 100
_SOA = 6

_beyond_ascii = re.compile(rb"(\\[\0-\x7f])|\\?([\x80-\xff])")
_line_end = re.compile("\r\n|\r|\n").split
_special = re.compile(r'["();\\]').search
_pieces = re.compile(r'[^"();\\]+|\\.|"(?:\\.|[^"\\])*"|.', re.DOTALL).finditer
_word = re.compile(r'[ \t]*("(?:\\.|[^"\\])*"|(?:\\.|[^ \t"\\])+)', re.DOTALL).match
_ttl_units = re.compile(r"(?:[0-9]+[wdhms])+", re.IGNORECASE | re.ASCII).fullmatch
_ttl_parts = re.compile(r"([0-9]+)([wdhms])", re.IGNORECASE).findall
_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_CLASSES = frozenset(("IN", "CH", "HS", "CS", "CLASS1", "CLASS3", "CLASS4"))
#: Comments in which an export keeps records that are stored and not answered as such: they are records of the zone.
SHADOWED, FLATTENED = "; shadowed: ", "; flattened: "
#: Comments, and an older form of them, with the records of one instance alone: they are none of the zone.
LOCAL_RECORD, _LOCAL_BEHIND = "; local: ", " ; local"
#: What the first line of an export says.
EXPORTED = " as streamdns holds it: "


class Entry(NamedTuple):
    """One record or directive: the number of its first line, its text on one line, and what is wrong with that."""

    line: int
    text: str
    problem: str = ""


class Record(NamedTuple):
    """One record of a file: owner in lower-case wire form, and where it stands."""

    owner: bytes
    rdtype: int
    ttl: int
    wire: bytes
    where: str


class Problem(NamedTuple):
    """A mistake in a file, the file and line of it, and the owner and type of the record where they are known."""

    where: str
    reason: str
    owner: bytes | None = None
    rdtype: int | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


class MasterReader:
    """Reads one zone from files; `problems` are the mistakes by now, each of them a record that is left out.

    `origin` is the apex in lower-case wire form, and no record may be above or beside it. `open_file` gives the octets
    of a file or raises OSError. `default_ttl` is for records before any TTL is stated.
    """

    def __init__(
        self, origin: bytes, open_file: Callable[[str], bytes], *, default_ttl: int | None = None
    ) -> None:
        self.origin = origin
        self.problems: list[Problem] = []
        self._open_file = open_file
        self._subject: tuple[bytes | None, int | None] = (None, None)
        self._default_ttl: int | None = None
        self._last_ttl = default_ttl

    def read(self, path: str) -> Iterator[Record]:
        """The records of a file and of those that it includes; OSError is for the first file alone."""
        yield from self._file(path, self._open_file(path), self.origin, includes=0)

    def _file(self, path: str, octets: bytes, origin: bytes, *, includes: int) -> Iterator[Record]:
        owner: bytes | None = None
        for entry in entries(_ascii(octets)):
            where = f"{path}:{entry.line}"
            self._subject = None, None
            try:
                if entry.problem:
                    raise ValueError(entry.problem)
                word, rest = next_word(entry.text)
                if word.startswith("$"):
                    directive = word.upper()
                    if directive == "$ORIGIN":
                        origin = self._name(_only(rest, "$ORIGIN NAME"), origin)
                    elif directive == "$INCLUDE":
                        yield from self._include(path, rest, origin, includes=includes)
                    elif directive == "$GENERATE":
                        for text in generate(rest):
                            first, behind = next_word(text)
                            yield self._record(self._name(first, origin), behind, origin, where)
                    else:
                        self._directive(directive, rest)
                    continue
                if entry.text[0] in " \t":
                    rest = entry.text
                else:
                    owner = None  # What follows a bad name is not taken for the name before it.
                    owner = self._name(word, origin)
                if owner is None:
                    raise ValueError("the record has no owner: it begins with a space, and no name stands before it")
                yield self._record(owner, rest, origin, where)
            except ValueError as err:
                self.problems.append(Problem(where, str(err), *self._subject))

    def _directive(self, directive: str, rest: str) -> None:
        if directive != "$TTL":
            raise ValueError(f"{name.shown(directive)} is not a directive that is known here")
        self._default_ttl = ttl_of(_only(rest, "$TTL SECONDS"))

    def _include(self, path: str, rest: str, origin: bytes, *, includes: int) -> Iterator[Record]:
        """The records of another file. Its $ORIGIN ends with it, its $TTL goes on, as in BIND and NSD."""
        word, rest = next_word(rest)
        if not word:
            raise ValueError("$INCLUDE needs the name of a file")
        if includes >= _MAX_INCLUDES:
            raise ValueError(f"$INCLUDE is nested deeper than {_MAX_INCLUDES} files")
        inner = self._name(_only(rest, "$INCLUDE FILE ORIGIN"), origin) if rest.strip() else origin
        wanted = posixpath.join(posixpath.dirname(path), unquoted(word))
        try:
            octets = self._open_file(wanted)
        except (OSError, ValueError) as err:
            reason = (getattr(err, "strerror", None) or str(err)).lower()
            raise ValueError(f"{wanted} cannot be read: {reason}") from err
        yield from self._file(wanted, octets, inner, includes=includes + 1)

    def _name(self, text: str, origin: bytes) -> bytes:
        if text.startswith('"'):
            raise ValueError(f"the name {name.shown(text)} is in quotes, which names are not")
        return Dialect(origin).name(text).lower()

    def _record(self, owner: bytes, rest: str, origin: bytes, where: str) -> Record:
        """The record with this owner whose other fields are given."""
        if not is_within(owner, self.origin):
            raise ValueError(f"{name.to_text(owner)} is not in the zone {name.to_text(self.origin)}")
        self._subject = owner, None
        try:
            stated, rdtype, text = head(rest)
            self._subject = owner, rdtype
            wire = rdata.from_file_text(rdtype, text, origin)
        except ValueError as err:
            raise ValueError(f"{name.to_text(owner)}: {err}") from err
        if rdtype == _SOA and owner != self.origin:
            raise ValueError(f"a SOA at {name.to_text(owner)}, which is not the top of the zone")
        return Record(owner, rdtype, self._ttl(stated, rdtype, wire), wire, where)

    def _ttl(self, stated: int | None, rdtype: int, wire: bytes) -> int:
        """The TTL by RFC 2308 §4: its own, that of $TTL, the last one stated.

        A SOA without one and without $TTL has its minimum, and so have all records after it (as BIND has it).
        """
        if stated is not None:
            self._last_ttl = stated
            return stated
        if self._default_ttl is None and self._last_ttl is None and rdtype == _SOA:
            self._default_ttl = min(int.from_bytes(wire[-4:], "big"), MAX_TTL_S)
        for ttl in (self._default_ttl, self._last_ttl):
            if ttl is not None:
                return ttl
        raise ValueError("the record has no TTL, and there was no $TTL, no TTL and no SOA before it")


def is_within(owner: bytes, apex: bytes) -> bool:
    """Whether a name is at or below another; both in lower-case wire form."""
    at = 0
    while len(owner) - at > len(apex):
        at += owner[at] + 1
    return owner[at:] == apex


def head(text: str) -> tuple[int | None, int, str]:
    """TTL (None where it is not stated), type, and the text of the RDATA; TTL and class may stand in either order."""
    ttl: int | None = None
    with_class = False
    while True:
        word, text = next_word(text)
        if not word:
            raise ValueError("there is no record type")
        if ttl is None and word[0] in "0123456789":
            ttl = ttl_of(word)
        elif not with_class and word.upper() in _CLASSES:
            if word.upper() not in ("IN", "CLASS1"):
                raise ValueError(f"the class {word} is not IN")
            with_class = True
        else:
            break
    rdtype = rdata.type_from_text(word)
    if not rdata.is_data_type(rdtype):
        raise ValueError(f"{word} is not a type of stored records")
    return ttl, rdtype, text.strip(" \t")


def ttl_of(text: str) -> int:
    """Seconds of a TTL: a number, or numbers with the units of BIND (1h30m). Raises ValueError."""
    if len(text) <= 40 and text.isascii() and text.isdigit():
        ttl = int(text)
    elif len(text) <= 40 and _ttl_units(text):
        ttl = sum(int(number) * _SECONDS[unit.lower()] for number, unit in _ttl_parts(text))
    else:
        raise ValueError(f"{name.shown(text)} is not a TTL: seconds, or numbers with a unit of w, d, h, m, s")
    if ttl > MAX_TTL_S:
        raise ValueError(f"the TTL {text} is greater than {MAX_TTL_S} seconds")
    return ttl


def next_word(text: str) -> tuple[str, str]:
    """The first word, in its quotes where it has any, and what stands behind it; "" where there is none."""
    match = _word(text)
    return ("", "") if match is None else (match[1], text[match.end() :])


def unquoted(word: str) -> str:
    """A word without quotes around it and without the backslashes of its escapes."""
    inner = word[1:-1] if word.startswith('"') else word
    return re.sub(r"\\(.)", r"\1", inner)


def entries(text: str) -> Iterator[Entry]:
    """The entries of a file, without comments and parentheses; a line of SHADOWED is what it has kept."""
    lines = _line_end(text)
    is_export = EXPORTED in lines[0]
    at = unclosed = 0
    while at < len(lines):
        line = lines[at]
        first = at
        at += 1
        for mark in (SHADOWED, FLATTENED):
            if line.startswith(mark):
                line = line[len(mark) :]
        if is_export and line.endswith(_LOCAL_BEHIND):
            continue
        if _special(line) is None:
            if line.strip(" \t"):
                yield Entry(first + 1, line)
            continue
        joined, problem, depth = _without_comment(line, 0)
        while depth and not problem and at < len(lines):
            more, problem, depth = _without_comment(lines[at], depth)
            joined += " " + more
            at += 1
        if depth or (problem and at > first + 1):
            problem = problem or "a parenthesis is not closed"
            unclosed += 1
            if unclosed < _MAX_UNCLOSED:
                at = first + 1  # What follows is read as if it had been closed: most of it is good.
        if problem or joined.strip(" \t"):
            yield Entry(first + 1, joined, problem)


def _without_comment(line: str, depth: int) -> tuple[str, str, int]:
    """A line without its comment and with spaces for parentheses, what is wrong with it, and how many are open."""
    kept: list[str] = []
    for match in _pieces(line):
        piece = match[0]
        if piece == "(":
            depth += 1
            kept.append(" ")
        elif piece == ")":
            if not depth:
                return "", "a parenthesis is closed that was not opened", 0
            depth -= 1
            kept.append(" ")
        elif piece == ";":
            break
        elif piece == '"':
            return "", "a quote is not closed on its line", 0
        elif piece == "\\":
            return "", "a backslash at the end of a line", 0
        else:
            kept.append(piece)
    return "".join(kept), "", depth


def _ascii(octets: bytes) -> str:
    """The text of a file, with octets beyond ASCII as \\DDD: there is no IDNA, they stay what they are."""
    return _beyond_ascii.sub(lambda match: match[1] or b"\\%03d" % match[2][0], octets).decode("ascii")


def _only(rest: str, usage: str) -> str:
    """The one word that is left; raises ValueError."""
    word, behind = next_word(rest)
    if not word or behind.strip(" \t"):
        raise ValueError(f"it is written {usage}")
    return word
