"""Zone files: octets that somebody wants to import, with files that they include and what $GENERATE makes."""

from __future__ import annotations

import random
from collections.abc import Iterator

import dns.rdata
import dns.rdataclass
import dns.rdatatype

from streamdns.dns import name, rdata
from streamdns.dns.master import MasterReader
from tests.fuzz.targets import events
from tests.fuzz.work import lines

INCLUDE = ("streamdns.dns",)
MOST_OCTETS = 4096
#: Of a file with $GENERATE a line stands for as many records as it says, up to a bound of its own.
LINES, LINES_AN_OCTET, LINES_A_RECORD = 10_000, 300, 500
MOST_RECORDS = 500
ORIGIN = name.from_text("example.")
INCLUDED = b"inner A 192.0.2.9\n$ORIGIN sub\nx TXT in\n"


def open_file(path: str) -> bytes:
    """The files there are: one that can be included, and one that includes itself."""
    if path == "inner":
        return INCLUDED
    if path == "loop":
        return b"$INCLUDE loop\nl A 192.0.2.1\n"
    raise FileNotFoundError(2, "No such file or directory", path)


def seeds(rng: random.Random) -> Iterator[bytes]:
    """A record of each type, directives, parentheses, quotes, comments and escapes."""
    head = b"$TTL 1h\n@ SOA ns host ( 1 ; serial\n 2 3\n\n 4 5 )\n"
    for rdtype, content in events.CONTENTS.items():
        yield head + f"www 60 IN {rdtype} {content}\n   {rdtype} {content} ; comment\n".encode()
    yield (head + b"$ORIGIN sub\nx A 192.0.2.1\n$INCLUDE inner\n$INCLUDE loop\n$INCLUDE nothing\n"
           b"$INCLUDE inner other.example.\n")
    yield head + b"$GENERATE 1-20 h$ A 10.0.0.$\n$GENERATE 0-100/5 ${0,3,x} 60 IN CNAME h${-1}.example.\n"
    yield head + b'a TXT "x;y" z\\;w \\000\\"\n"b c" A 192.0.2.1\n\\@ A 192.0.2.1\n* A 192.0.2.1\n'
    yield b"@ IN 1W2D SOA ns host 1 2 3 4 5\r\nwww\tA\t192.0.2.1\r\rx AAAA ::1\n"
    yield b"www A 192.0.2.1 )\nwww ( A\n 192.0.2.1\nwww TXT \"open\nz A 1.2.3\nwww CH A 1.2.3.4\n"


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Lines in another order, a line twice, one of another seed."""
    parts = data.split(b"\n")
    kind = rng.randrange(3)
    if kind == 0:
        rng.shuffle(parts)
    elif kind == 1:
        parts.insert(rng.randrange(len(parts) + 1), rng.choice(parts))
    else:
        spread = rng.choice((b"1-9", b"0-65535", b"5-1", b"0-4294967295", b"1-999999999/1", b"0-10/0"))
        parts.insert(rng.randrange(len(parts) + 1), b"$GENERATE " + spread + b" x$ A 10.0.0.1")
    return b"\n".join(parts)


def check(data: bytes, *, whole: bool) -> None:
    """Each record is in the zone and can be sent; each mistake has its line; the same is read each time."""
    reader = MasterReader(ORIGIN, lambda path: data if path == "zone" else open_file(path))
    records = []
    for record in reader.read("zone"):
        records.append(record)
        if len(records) > MOST_RECORDS:
            break  # $GENERATE: who imports takes them one by one.
    for record in records:
        assert _within(record.owner), "a record out of the zone"
        assert record.owner == record.owner.lower()
        assert 0 <= record.ttl <= 0x7FFFFFFF
        assert ":" in record.where
    for problem in reader.problems:
        assert problem.reason
        assert len(problem.reason) < 1000
        line = problem.where.rpartition(":")[2]
        assert 0 < int(line) <= 1 + max(data.count(b"\n") + data.count(b"\r"), INCLUDED.count(b"\n"), 3)
    if whole:
        for record in records[:200]:
            _sent(record.rdtype, record.wire)

        def read_again() -> None:
            once = MasterReader(ORIGIN, lambda path: data if path == "zone" else open_file(path))
            for number, _ in enumerate(once.read("zone")):
                if number > MOST_RECORDS:
                    break

        lines(read_again, most=LINES + LINES_AN_OCTET * len(data) + LINES_A_RECORD * len(records))


def _within(owner: bytes) -> bool:
    """Whether a name is in the zone, on label borders."""
    while len(owner) > len(ORIGIN):
        owner = owner[owner[0] + 1 :]
    return owner == ORIGIN


def _sent(rdtype: int, wire: bytes) -> None:
    """dnspython reads the RDATA, and its text is read as the same again."""
    dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType(rdtype), wire, 0, len(wire))
    assert rdata.from_text(rdtype, rdata.to_text(rdtype, wire)) == wire, "its text is read as something else"
