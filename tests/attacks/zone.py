"""The zone that is attacked: what costs a server most, as events of a log and as a zone file for other servers."""

from __future__ import annotations

import json
import struct

import dns.message

from tests.harness import event_line

ORIGIN = "example.org."
SOA = "ns.example.org. host.example.org. 1 3600 600 604800 60"
HUGE = [f"10.{number >> 8}.{number & 255}.1" for number in range(4000)]
_LONG = [f'"{number:03} {"x" * 240}"' for number in range(4)]
#: Owner, type, contents.
RRSETS: list[tuple[str, str, list[str]]] = [
    (ORIGIN, "SOA", [SOA]),
    (ORIGIN, "NS", ["ns.example.org."]),
    ("ns.example.org.", "A", ["192.0.2.53"]),
    ("www.example.org.", "A", ["192.0.2.80", "192.0.2.81"]),
    ("alias.example.org.", "CNAME", ["www.example.org."]),
    ("*.wild.example.org.", "A", ["192.0.2.82"]),
    ("sub.example.org.", "NS", ["ns.sub.example.org."]),
    ("ns.sub.example.org.", "A", ["192.0.2.54"]),
    ("text.example.org.", "TXT", _LONG),
    ("*.text.example.org.", "TXT", _LONG),
    ("huge.example.org.", "A", HUGE),
    ("far.example.org.", "CNAME", ["huge.example.org."]),
    *[(f"d{number}.example.org.", "DNAME", [f"d{number + 1}.example.org."]) for number in range(15)],
]
#: 200 types at one name: each query for it copies all of them.
FAT: list[tuple[str, str, list[str]]] = [
    ("fat.example.org.", f"TYPE{40000 + number}", [f"\\# 1000 {'00' * 1000}"]) for number in range(200)
]
#: Records whose text takes long to write: for the admin API, which others do not have.
LONG: list[tuple[str, str, list[str]]] = [
    (f"long{number}.example.org.", "TXT", [" ".join(['"' + "\\000" * 255 + '"'] * 250)]) for number in range(8)
]


def events() -> list[bytes]:
    """The zone as a file log."""
    return [line(owner, rdtype, contents) for owner, rdtype, contents in RRSETS + FAT + LONG]


def line(owner: str, rdtype: str, contents: list[str]) -> bytes:
    """One event."""
    records = [{"name": owner, "type": rdtype, "content": content, "ttl": 300} for content in contents]
    return event_line(f"{owner}|{rdtype}", records, 1)


def zone_file() -> str:
    """The same as a zone file."""
    return "".join(
        f"{owner} 300 IN {rdtype} {content}\n" for owner, rdtype, contents in RRSETS + FAT for content in contents
    )


def query(name: str, rdtype: str = "A", number: int = 7) -> bytes:
    """A query without EDNS."""
    return dns.message.make_query(name, rdtype, id=number).to_wire()


def with_options(wire: bytes, options: bytes) -> bytes:
    """A query with an OPT record that holds these options."""
    opt = b"\0" + struct.pack(">HHIH", 41, 1232, 0, len(options)) + options
    return wire[:10] + b"\0\1" + wire[12:] + opt


def framed(message: bytes) -> bytes:
    """A message as it goes over TCP."""
    return len(message).to_bytes(2, "big") + message


def as_json(value: object) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()
