"""Messages of clients that mean no good, by kind: benchmarks/kinds.py counts what each takes, as it does of others."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Final, NamedTuple

import dns.message

from tests.unit.dns.packets import mutated

_QUERIES: Final = 40
_EMPTY: Final = struct.pack(">HH", 65001, 0)
_SHORT: Final = struct.pack(">HHB", 65001, 1, 7)
_TSIG: Final = b"\3key\0\0\xfa\0\xff\0\0\0\0\0\x19\3alg\0\0\0\0\0\0\0\1\x2c\0\4abcd\0\0\0\0\0\0"
#: Where replies differ from one message of a kind to the next, and where there are none.
ANY_RCODE: Final = -1
NONE: Final = -2
#: Messages of hundreds of octets, of which each is looked at.
LONG: Final = frozenset(("128 options", "128 options, not empty", "129 options", "64 KB of options",
                         "120 labels, REFUSED", "100 labels, NXDOMAIN", "100 labels, wildcard"))
#: How many times what a hit takes these may take, that are answered in full or in the general way; others 1.25.
MOST_TIMES: Final = {"cookie of a stranger": 1.6, "BADVERS": 1.8, "TSIG": 4.0, "zero octet in a label": 5.0}


class Hostile(NamedTuple):
    """Messages of one kind, and the RCODE of the reply to each: ANY_RCODE, NONE, or one of DNS."""

    name: str
    packets: list[bytes]
    rcode: int

    def is_right(self, reply: bytes | None) -> bool:
        """Whether that is the reply."""
        if reply is None or self.rcode < 0:
            return (reply is None) is (self.rcode == NONE)
        return dns.message.from_wire(reply).rcode() == self.rcode


def _edns(wire: bytes, options: bytes = b"", *, version: int = 0) -> bytes:
    opt = b"\0" + struct.pack(">HHBBHH", 41, 1232, 0, version, 0, len(options)) + options
    return wire[:10] + b"\0\1" + wire[12:] + opt


def _cookie(data: bytes) -> bytes:
    return struct.pack(">HH", 10, len(data)) + data


def _asked(name: str, rdtype: str = "A", rdclass: str = "IN") -> list[bytes]:
    return [dns.message.make_query(name.format(number), rdtype, rdclass, id=number).to_wire()
            for number in range(_QUERIES)]


def _opcode(wire: bytes, opcode: int) -> bytes:
    return wire[:2] + bytes((opcode << 3,)) + wire[3:]


def messages(origin: str) -> list[Hostile]:
    """The kinds, of names h0, h1, ... below an origin, each of which has one A record."""
    plain = _asked(f"h{{}}.{origin}")
    rng = random.Random(15)
    accidents = [packet for packet in (mutated(rng) for _ in range(1000)) if len(packet) > 11 and packet[2] < 0x80]
    question = plain[0][12:]
    changed: dict[str, tuple[Callable[[bytes], bytes], int]] = {
        "128 options": (lambda wire: _edns(wire, _EMPTY * 128), 0),
        "128 options, not empty": (lambda wire: _edns(wire, _SHORT * 128), 0),
        "129 options": (lambda wire: _edns(wire, _EMPTY * 129), 1),
        "64 KB of options": (lambda wire: _edns(wire, _EMPTY * 16_000), 1),
        "cookie of a stranger": (lambda wire: _edns(wire, _cookie(b"8 octets\1\0\0\0" + bytes(12))), 0),
        "malformed cookie": (lambda wire: _edns(wire, _cookie(b"short")), 1),
        "cut in the question": (lambda wire: wire[:-3], 1),
        "more behind the question": (lambda wire: wire + b"more", 1),
        "two questions": (lambda wire: wire[:5] + b"\2" + wire[6:] + question, 1),
        "no such opcode": (lambda wire: _opcode(wire, 2), 4),
        "UPDATE, EDNS": (lambda wire: _opcode(_edns(wire), 5), 4),
        "NOTIFY": (lambda wire: _opcode(wire, 4), 9),
        "BADVERS": (lambda wire: _edns(wire, version=1), 16),
        "TSIG": (lambda wire: wire[:11] + b"\1" + wire[12:] + _TSIG, 0),
        "no query": (lambda wire: wire[:2] + b"\x80" + wire[3:], NONE),
    }
    made = [Hostile(name, [change(wire) for wire in plain], rcode) for name, (change, rcode) in changed.items()]
    return [
        *made,
        Hostile("mutated", accidents, ANY_RCODE),
        Hostile("ANY", _asked(f"h{{}}.{origin}", "ANY"), 0),
        Hostile("RRSIG", _asked(f"h{{}}.{origin}", "RRSIG"), 0),
        Hostile("type without a name", _asked(f"h{{}}.{origin}", "TYPE65280"), 0),
        Hostile("AXFR", _asked(f"h{{}}.{origin}", "AXFR"), 5),
        Hostile("MAILB", _asked(f"h{{}}.{origin}", "MAILB"), 4),
        Hostile("class CH", _asked(f"h{{}}.{origin}", "TXT", "CH"), 5),
        Hostile("120 labels, REFUSED", _asked("a." * 119 + "h{}.invalid."), 5),
        Hostile("100 labels, NXDOMAIN", _asked("a." * 99 + f"x{{}}.{origin}"), 3),
        Hostile("100 labels, wildcard", _asked("a." * 99 + f"x{{}}.wild.{origin}"), 0),
        Hostile("zero octet in a label", _asked(f"x\\000{{}}.{origin}"), 3),
    ]
