"""Makes zone files of all kinds: the types there are, the spellings that people use, and the ways of tools that dump.

Every file is made from records that are known, so what a reader makes of it can be compared with them and with what
name servers make of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from tests.unit.dns.test_rdata import EXAMPLES

#: Examples of types that only some servers read as text, and of those of which an owner may have one.
_LESS_KNOWN = frozenset((
    "AMTRELAY", "AVC", "BRID", "DLV", "DSYNC", "GPOS", "HHIT", "HIP", "ISDN", "NINFO", "NSAP", "NSAP-PTR", "PX",
    "RESINFO", "SIG", "WALLET", "WKS", "X25",
))
# Of a type that changes how other names are answered, or that the tools judge by what stands beside it.
_APART = frozenset((
    "SOA", "NS", "CNAME", "DNAME", "DS", "NSEC", "NSEC3", "NSEC3PARAM", "RRSIG", "ZONEMD", "KEY", "CDS", "CDNSKEY",
    "DNSKEY", "DLV", "SIG",
))
COMMON = sorted(set(EXAMPLES) - _APART - _LESS_KNOWN)
LESS_KNOWN = sorted(_LESS_KNOWN - _APART)
STYLES = ("plain", "terse", "origins", "crlf", "parens", "escaped", "generic", "dig", "compilezone", "kdig", "pdnsutil")
#: $GENERATE and $INCLUDE are read by few.
ONLY_BIND = ("generate", "include")


class Record(NamedTuple):
    """One record: the owner relative to the zone ("@" is the zone itself), and text with absolute names."""

    owner: str
    ttl: int
    rdtype: str
    content: str


class ZoneFile(NamedTuple):
    """A zone file: its text, and those that it includes by name; `records` are what it says."""

    origin: str
    style: str
    text: str
    included: dict[str, str]
    records: list[Record]


class _Zone:
    """One zone in the making."""

    def __init__(self, rng: random.Random, origin: str, *, all_types: bool) -> None:
        self.rng, self.origin = rng, origin
        self.ttls: dict[tuple[str, str], int] = {}
        soa = f"ns1.{origin} hostmaster.{origin} {rng.randrange(1 << 32)} 7200 3600 1209600 300"
        self.records = [Record("@", 300, "SOA", soa), Record("@", 300, "NS", f"ns1.{origin}")]
        self.records.append(Record("ns1", 300, "A", "192.0.2.1"))
        self._owners: list[str] = []
        for _ in range(rng.randint(4, 14)):
            self._add(all_types=all_types)

    def _add(self, *, all_types: bool) -> None:
        rng = self.rng
        owner = self._owner()
        kind = rng.random()
        if kind < 0.1:
            self._put(owner, "CNAME", self._target(), alone=True)
        elif kind < 0.16:
            self._put(f"cut{len(self.records)}", "NS", f"ns.cut{len(self.records)}.{self.origin}", alone=True)
            self._put(f"ns.cut{len(self.records) - 1}", "A", "192.0.2.53", alone=True)
        elif kind < 0.2:
            self._put(f"dn{len(self.records)}", "DNAME", self._target(), alone=True)
        else:
            rdtype = rng.choice(LESS_KNOWN if all_types and rng.random() < 0.3 else COMMON)
            for content in rng.sample(EXAMPLES[rdtype], rng.randint(1, min(3, len(EXAMPLES[rdtype])))):
                self._put(owner, rdtype, content or "\\# 0")
            if rng.random() < 0.3:
                self._put(owner, "TXT", self._string())

    def _put(self, owner: str, rdtype: str, content: str, *, alone: bool = False) -> None:
        held = {record.rdtype for record in self.records if record.owner.lower() == owner.lower()}
        if held & {"CNAME", "DNAME"} or (alone and held):
            return
        ttl = self.ttls.setdefault((owner.lower(), rdtype), self.rng.choice((0, 1, 60, 300, 3600, 86400, 604800)))
        self.records.append(Record(owner, ttl, rdtype, content))

    def _owner(self) -> str:
        rng = self.rng
        if self._owners and rng.random() < 0.3:
            return rng.choice(self._owners)
        label = rng.choice((
            "www", "mail", "_sip._tcp", "*", "*.wild", "a.b.c", "x-1", "4705", "1h", "in", "a", "mx", "any", "type65",
            "UPPER", "m\\.n", "sp\\032ace", "at\\064", "semi\\;colon", "dollar\\$", "q\\\"uote", "\\000nul", "\\255",
            "under_score", "w" * 63, f"n{rng.randrange(1000)}", f"host{rng.randrange(50)}.sub",
        ))
        self._owners.append(label)
        return label

    def _target(self) -> str:
        zone = self.origin
        return self.rng.choice((f"www.{zone}", f"target.{zone}", "elsewhere.example.", f"a.b.c.{zone}"))

    def _string(self) -> str:
        rng = self.rng
        characters = "abcXYZ 0189;()@$.,=-_/+"
        made = "".join(rng.choice(characters) for _ in range(rng.randint(0, 40)))
        odd = rng.choice(("", "", '\\"', "\\\\", "\\000", "\\255", "\\;", "\\195\\169"))
        return " ".join(f'"{made}{odd}{part}"' for part in range(rng.randint(1, 3)))


def make(rng: random.Random, origin: str, style: str) -> ZoneFile:
    """A zone file in one of the styles; the same random numbers make the same file."""
    zone = _Zone(rng, origin, all_types=style in ("generic", "compilezone"))
    if style == "generate":
        return _generated(rng, zone)
    if style == "include":
        return _including(rng, zone)
    return ZoneFile(origin, style, _WRITERS[style](rng, zone), {}, zone.records)


def _absolute(record: Record, origin: str) -> str:
    return origin if record.owner == "@" else f"{record.owner}.{origin}"


def _terse_content(content: str, origin: str) -> str:
    """Content with its names relative to the zone, where that cannot be mistaken."""
    words = content.split(" ")
    if '"' in content or "\\" in content:
        return content
    return " ".join(word[: -len(origin) - 1] if word.endswith(f".{origin}") else word for word in words)


def _plain(rng: random.Random, zone: _Zone) -> str:
    lines = [f"; a comment with \" and ( in it\n$ORIGIN {zone.origin}\n"]
    for record in zone.records:
        head = [str(record.ttl), "IN"]
        rng.shuffle(head)
        comment = rng.choice(("", "", " ; comment", "\t;(", ' ;"'))
        space = rng.choice((" ", "\t", "  \t "))
        lines.append(space.join([record.owner, *head, record.rdtype, record.content]) + comment + "\n")
        if rng.random() < 0.1:
            lines.append(rng.choice(("\n", "   \n", ";\n", "\t; x\n")))
    return "".join(lines)


def _terse(rng: random.Random, zone: _Zone) -> str:
    """Owners left out where they repeat, TTLs from $TTL, units, lower-case types, no class."""
    lines = []
    owner, default = "", -1
    for record in zone.records:
        if record.ttl != default and rng.random() < 0.5:
            default = record.ttl
            lines.append(f"$TTL {_with_units(rng, default)}\n")
        head = [] if record.ttl == default else [_with_units(rng, record.ttl)]
        if rng.random() < 0.3:
            head.insert(rng.randint(0, len(head)), "in")
        shown = "" if record.owner == owner else record.owner
        owner = record.owner
        content = _terse_content(record.content, zone.origin) if record.rdtype in _WITH_NAMES else record.content
        lines.append("\t".join([shown, *head, record.rdtype.lower(), content]) + "\n")
    return "".join(lines)


#: Types whose names stand in fields of their own.
_WITH_NAMES = frozenset(("SOA", "NS", "CNAME", "PTR", "MX", "SRV", "DNAME", "RP", "AFSDB", "RT", "KX", "MINFO"))


def _with_units(rng: random.Random, ttl: int) -> str:
    for unit, seconds in (("w", 604800), ("d", 86400), ("h", 3600), ("m", 60)):
        if ttl and ttl % seconds == 0 and rng.random() < 0.7:
            return f"{ttl // seconds}{rng.choice((unit, unit.upper()))}"
    return str(ttl)


def _origins(rng: random.Random, zone: _Zone) -> str:
    """$ORIGIN goes up and down; the same owner is spelt relative to each."""
    parent = zone.origin.partition(".")[2]
    first = zone.origin.partition(".")[0]
    lines = []
    for record in zone.records:
        choice = rng.randrange(3)
        if choice == 0:
            lines.append(f"$ORIGIN {zone.origin}\n{record.owner}")
        elif choice == 1:
            lines.append(f"$ORIGIN {parent}\n{first if record.owner == '@' else f'{record.owner}.{first}'}")
        else:
            lines.append(f"$ORIGIN {_absolute(record, zone.origin)}\n@")
        lines.append(f" {record.ttl} {record.rdtype} {record.content}\n")
    return "".join(lines)


def _crlf(rng: random.Random, zone: _Zone) -> str:
    return _plain(rng, zone).replace("\n", "\r\n")


def _parens(rng: random.Random, zone: _Zone) -> str:
    """Records over several lines, with comments within."""
    lines = []
    for record in zone.records:
        words = _words(record.content)
        at = rng.randint(0, len(words))
        gap = rng.choice(("\n\t", " ; x\n ", "\n;\"(\n  "))
        inside = gap.join(words[at:])
        lines.append(f"{record.owner} {record.ttl} IN {record.rdtype} {' '.join(words[:at])} ( {inside}{gap})\n")
    return "".join(lines)


def _words(content: str) -> list[str]:
    """The fields of content, quoted ones whole."""
    words: list[str] = []
    word, quoted, escaped = "", False, False
    for character in content:
        if character == " " and not quoted:
            words.append(word)
            word = ""
            continue
        if character == '"' and not escaped:
            quoted = not quoted
        escaped = character == "\\" and not escaped
        word += character
    return [*words, word]


def _escaped(rng: random.Random, zone: _Zone) -> str:
    """Letters of owners as \\DDD and in another case; plain strings without quotes."""
    lines = []
    for record in zone.records:
        owner = record.owner
        if owner not in ("@",) and "\\" not in owner and "*" not in owner and len(owner) < 20:
            owner = "".join(
                rng.choice((letter, letter.swapcase(), f"\\{ord(letter):03d}")) if letter.isalnum() else letter
                for letter in owner
            )
        lines.append(f"{owner} {record.ttl} {rng.choice(('IN', 'CLASS1'))} {record.rdtype} {record.content}\n")
    return "".join(lines)


def _generic(rng: random.Random, zone: _Zone) -> str:
    """RFC 3597: types by number, content in hexadecimal, in pieces."""
    from streamdns.dns import rdata

    lines = []
    for record in zone.records:
        rdtype = rdata.type_from_text(record.rdtype)
        wire = rdata.from_text(rdtype, record.content)
        digits = wire.hex()
        at = rng.randrange(0, len(digits) + 1, 2)
        text = f"\\# {len(wire)} {digits[:at]} {digits[at:]}".rstrip()
        lines.append(f"{record.owner} {record.ttl} IN TYPE{rdtype} {text}\n")
    return "".join(lines)


def _dig(rng: random.Random, zone: _Zone) -> str:
    """As `dig AXFR` writes it: columns, absolute names, the SOA again at the end."""
    lines = [f"\n; <<>> DiG 9.18.49 <<>> @127.0.0.1 {zone.origin} AXFR\n; (1 server found)\n;; global options: +cmd\n"]
    lines += [
        f"{_absolute(record, zone.origin)}\t\t{record.ttl}\tIN\t{record.rdtype}\t{record.content}\n"
        for record in [*zone.records, zone.records[0]]
    ]
    lines.append(";; Query time: 0 msec\n;; SERVER: 127.0.0.1#53(127.0.0.1) (TCP)\n;; XFR size: 9 records\n\n")
    return "".join(lines)


def _compilezone(rng: random.Random, zone: _Zone) -> str:
    """As `named-compilezone -s relative` writes it: $ORIGIN ., $TTL, a long SOA, owners left out where they repeat."""
    lines = ["$ORIGIN .\n"]
    owner = ""
    for number, record in enumerate(sorted(zone.records, key=lambda record: record.owner != "@")):
        absolute = _absolute(record, zone.origin)[:-1]
        shown = "" if absolute == owner else absolute
        owner = absolute
        content = record.content
        if record.rdtype == "SOA":
            words = content.split(" ")
            timers = "".join(f"\t\t\t\t{word} ; x\n" for word in words[2:])
            content = f"{words[0]} {words[1]} (\n{timers}\t\t\t\t)"
        ttl = f"$TTL {record.ttl}\t; comment\n" if number == 0 or rng.random() < 0.3 else ""
        stated = "" if ttl else f"{record.ttl}\t"
        lines.append(f"{ttl}{shown}\t\t{stated}IN {record.rdtype}\t{content}\n")
    return "".join(lines)


def _kdig(rng: random.Random, zone: _Zone) -> str:
    """As `kdig +noidn AXFR` writes it."""
    lines = [f";; AXFR for {zone.origin}\n"]
    for record in [*zone.records, zone.records[0]]:
        owner = _absolute(record, zone.origin)
        lines.append(f"{owner:<20}\t{record.ttl}\tIN\t{record.rdtype}\t{record.content}\n")
    return "".join([*lines, ";; Received 300 B (1 messages, 9 records)\n"])


def _pdnsutil(rng: random.Random, zone: _Zone) -> str:
    """As `pdnsutil list-zone` writes it: $ORIGIN . and names without the final dot."""
    lines = ["$ORIGIN .\n"]
    for record in zone.records:
        lines.append(f"{_absolute(record, zone.origin)[:-1]}\t{record.ttl}\tIN\t{record.rdtype}\t{record.content}\n")
    return "".join(lines)


def _generated(rng: random.Random, zone: _Zone) -> ZoneFile:
    text = _plain(rng, zone)
    records = list(zone.records)
    base, start, step = rng.choice("doxX"), rng.randrange(20), rng.randint(1, 3)
    numbers = range(start, start + 4 * step, step)
    text += f"$GENERATE {start}-{numbers[-1]}/{step} g${{0,3,{base}}} 60 IN A 192.0.2.$\n"
    records += [Record(f"g{format(number, f'03{base}')}", 60, "A", f"192.0.2.{number}") for number in numbers]
    text += f'$GENERATE {start}-{numbers[-1]}/{step} m$ 60 MX "1$ g${{1}}"\n'
    records += [Record(f"m{n}", 60, "MX", f"1{n} g{n + 1}.{zone.origin}") for n in numbers]
    text += f"$GENERATE {start}-{start} ${{0,7,n}}.r 60 PTR h$\n"
    nibbles = ".".join(f"{start >> shift & 15:x}" for shift in (0, 4, 8, 12))
    records.append(Record(f"{nibbles}.r", 60, "PTR", f"h{start}.{zone.origin}"))
    return ZoneFile(zone.origin, "generate", text, {}, records)


def _including(rng: random.Random, zone: _Zone) -> ZoneFile:
    """A header in a file of its own, hosts in another with an origin, a $TTL that goes on behind it."""
    head = "".join(f"{r.owner} {r.ttl} {r.rdtype} {r.content}\n" for r in zone.records)
    sub = [Record("i1.inc", 77, "A", "192.0.2.7"), Record("i2.inc", 77, "TXT", '"in"')]
    behind = Record("behind", 77, "A", "192.0.2.8")
    name = zone.origin.rstrip(".")
    files = {
        f"{name}.head": head,
        f"{name}.hosts": f'$TTL 77\ni1 A 192.0.2.7\n$ORIGIN x.invalid.\n$ORIGIN inc.{zone.origin}\ni2 TXT "in"\n',
    }
    text = f'$INCLUDE {name}.head\n$INCLUDE "{name}.hosts" inc ; x\nbehind A 192.0.2.8\n'
    return ZoneFile(zone.origin, "include", text, files, [*zone.records, *sub, behind])


_WRITERS: dict[str, Callable[[random.Random, _Zone], str]] = {
    "plain": _plain, "terse": _terse, "origins": _origins, "crlf": _crlf, "parens": _parens, "escaped": _escaped,
    "generic": _generic, "dig": _dig, "compilezone": _compilezone, "kdig": _kdig, "pdnsutil": _pdnsutil,
}
