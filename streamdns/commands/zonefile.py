"""Zone files (RFC 1035 §5, RFC 2308 §4): a reader that keeps every RRset as it stands, CNAMEs beside other data too.

dnspython's tokenizer and RDATA do the fine work. Its own reader is not used: it drops records out of the zone without a
word, takes $INCLUDE from the working directory, and refuses a CNAME beside other data. Octets beyond ASCII stay what
they are; there is no IDNA.
"""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass, field

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer
import dns.ttl

from streamdns.commands import CommandError
from streamdns.dns import name, rdata

_MAX_TTL_S = 0x7FFFFFFF
_MAX_INCLUDES = 16
_MAX_GENERATED = 1 << 20
_SOA = 6

_beyond_ascii = re.compile(rb"(\\[\0-\x7f])|\\?([\x80-\xff])")
_range = re.compile(r"([0-9]{1,9})-([0-9]{1,9})(?:/([1-9][0-9]{0,8}))?").fullmatch
_counter = re.compile(r"\\.|\$\$|\$(?:\{([+-]?[0-9]{1,9})(?:,([0-9]{1,2})(?:,([doxX]))?)?\})?", re.DOTALL)


@dataclass(slots=True)
class FileRRset:
    """One RRset of a zone file: the lowest TTL of its records, RDATAs in wire form in order, and where it begins."""

    ttl: int
    where: str
    rdatas: dict[bytes, None] = field(default_factory=dict)


#: By owner (lower-case wire name) and type.
FileRRsets = dict[tuple[bytes, int], FileRRset]


def read(path: str, origin: bytes) -> FileRRsets:
    """The RRsets of a zone file; raises CommandError that names file and line."""
    reader = _Reader(origin)
    reader.file(path, reader.origin, includes=0)
    return reader.rrsets


class _Reader:
    def __init__(self, origin: bytes) -> None:
        self.origin = dns.name.from_wire(origin, 0)[0]
        self.rrsets: FileRRsets = {}
        self._default_ttl: int | None = None
        self._last_ttl: int | None = None
        self._soa_minimum: int | None = None

    def file(self, path: str, origin: dns.name.Name, *, includes: int) -> None:
        """Read one file from its beginning to its end."""
        try:
            with open(path, "rb") as file:
                octets = file.read()
        except OSError as err:
            raise CommandError(f"{path} cannot be read: {(err.strerror or str(err)).lower()}") from err
        text = _beyond_ascii.sub(lambda match: match[1] or b"\\%03d" % match[2][0], octets).decode("ascii")
        tok = dns.tokenizer.Tokenizer(io.StringIO(text), path)
        owner: dns.name.Name | None = None
        where = f"{path}:1"
        try:
            while not (token := tok.get(want_leading=True)).is_eof():
                where = f"{path}:{tok.line_number}"
                if token.is_eol():
                    where = path
                    continue
                if token.is_whitespace():
                    token = tok.get()
                    if token.is_eol_or_eof():
                        continue
                    tok.unget(token)
                elif token.is_identifier() and token.value.startswith("$"):
                    origin = self._directive(token.value.upper(), tok, origin, where, includes)
                    continue
                else:
                    owner = tok.as_name(token, origin)
                if owner is None:
                    raise ValueError("the first record has no owner")
                self._record(tok, owner, origin, where)
        except (dns.exception.DNSException, ValueError) as err:
            raise CommandError(f"{where}: {_reason(err)}") from err

    def _directive(
        self, directive: str, tok: dns.tokenizer.Tokenizer, origin: dns.name.Name, where: str, includes: int
    ) -> dns.name.Name:
        """Obey a directive; the origin from then on."""
        if directive == "$ORIGIN":
            origin = tok.get_name(origin)
            tok.get_eol()
        elif directive == "$TTL":
            self._default_ttl = _ttl(tok.get_string())
            tok.get_eol()
        elif directive == "$GENERATE":
            self._generate(tok, origin, where)
        elif directive == "$INCLUDE":
            if includes >= _MAX_INCLUDES:
                raise ValueError(f"$INCLUDE is nested deeper than {_MAX_INCLUDES} files")
            path = os.path.join(os.path.dirname(tok.filename), tok.get_string())
            token = tok.get()
            inner = origin if token.is_eol_or_eof() else tok.as_name(token, origin)
            if not token.is_eol_or_eof():
                tok.get_eol()
            kept = self._default_ttl, self._last_ttl
            self.file(path, inner, includes=includes + 1)
            self._default_ttl, self._last_ttl = kept
        else:
            raise ValueError(f"{directive} is not a directive that is known here")
        return origin

    def _generate(self, tok: dns.tokenizer.Tokenizer, origin: dns.name.Name, where: str) -> None:
        match = _range(tok.get_string())
        if match is None or int(match[1]) > int(match[2]):
            raise ValueError("$GENERATE needs a range START-STOP or START-STOP/STEP")
        numbers = range(int(match[1]), int(match[2]) + 1, int(match[3] or 1))
        if len(numbers) > _MAX_GENERATED:
            raise ValueError(f"$GENERATE makes more than {_MAX_GENERATED} records")
        words = []
        while not (token := tok.get()).is_eol_or_eof():
            words.append(f'"{token.value}"' if token.is_quoted_string() else token.value)
        template = " ".join(words)
        for number in numbers:
            line = dns.tokenizer.Tokenizer(_counted(template, number))
            self._record(line, line.get_name(origin), origin, where)

    def _record(
        self, tok: dns.tokenizer.Tokenizer, owner: dns.name.Name, origin: dns.name.Name, where: str
    ) -> None:
        """Take up the rest of a record behind its owner."""
        if not owner.is_subdomain(self.origin):
            raise ValueError(f"{_text(owner)} is not in the zone {_text(self.origin)}")
        stated, rdtype = self._head(tok)
        wire = _wire(tok, rdtype, owner, origin)
        if rdtype == _SOA:
            if owner != self.origin:
                raise ValueError(f"a SOA at {_text(owner)}, which is not the top of the zone")
            self._soa_minimum = int.from_bytes(wire[-4:], "big")
        ttl = self._ttl_of(stated)
        found = self.rrsets.setdefault((owner.to_wire().lower(), rdtype), FileRRset(ttl, where))  # type: ignore[union-attr]
        found.ttl = min(found.ttl, ttl)
        found.rdatas[wire] = None

    def _head(self, tok: dns.tokenizer.Tokenizer) -> tuple[int | None, int]:
        """TTL, where it is stated, and type, with a class before or behind the TTL."""
        ttl: int | None = None
        with_class = False
        while True:
            word = tok.get_identifier()
            if ttl is None and word[:1].isdigit():
                ttl = _ttl(word)
            elif not with_class and word.upper() in _CLASSES:
                if word.upper() not in ("IN", "CLASS1"):
                    raise ValueError(f"the class {word} is not IN")
                with_class = True
            else:
                break
        rdtype = rdata.type_from_text(word)
        if not rdata.is_data_type(rdtype):
            raise ValueError(f"{word} is not a type of stored records")
        return ttl, rdtype

    def _ttl_of(self, stated: int | None) -> int:
        """The TTL by RFC 2308 §4: its own, that of $TTL, the last one stated, the SOA's minimum."""
        if stated is not None:
            self._last_ttl = stated
            return stated
        for ttl in (self._default_ttl, self._last_ttl, self._soa_minimum):
            if ttl is not None:
                return min(ttl, _MAX_TTL_S)
        raise ValueError("the record has no TTL, and there was no $TTL, no TTL and no SOA before it")


_CLASSES = frozenset(("IN", "CH", "HS", "CS", "CLASS1", "CLASS3", "CLASS4"))


def _wire(tok: dns.tokenizer.Tokenizer, rdtype: int, owner: dns.name.Name, origin: dns.name.Name) -> bytes:
    """The RDATA that stands next, in wire form, and the end of its line."""
    known = dns.rdatatype.RdataType.make(rdtype)
    try:
        record = dns.rdata.from_text(dns.rdataclass.IN, known, tok, origin=origin, relativize=False)
        return record.to_wire() or b""
    except (dns.exception.DNSException, ValueError) as err:
        what = f"{_text(owner)} {rdata.type_to_text(rdtype)}"
        raise ValueError(f"the content of {what} is not valid: {_reason(err).rstrip('.')}") from err


def _reason(err: Exception) -> str:
    return str(err).partition("\n")[0] or type(err).__name__


def _ttl(text: str) -> int:
    ttl = dns.ttl.from_text(text)
    if ttl > _MAX_TTL_S:
        raise ValueError(f"the TTL {text} is greater than {_MAX_TTL_S} seconds")
    return ttl


def _text(owner: dns.name.Name) -> str:
    return name.to_text(owner.to_wire() or b"\0")


def _counted(template: str, number: int) -> str:
    """The template of $GENERATE with the counter in place of each $, ${offset}, ${offset,width,base}."""

    def counter(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        if match[0].startswith("\\"):
            return match[0]
        value = number + int(match[1] or 0)
        if value < 0:
            raise ValueError("$GENERATE gives a negative number")
        return format(value, f"0{int(match[2])}{match[3] or 'd'}" if match[2] else "d")

    return _counter.sub(counter, template)
