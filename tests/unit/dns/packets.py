"""Hostile messages: valid queries and what becomes of them when bits flip, ends are missing and parts change places."""

from __future__ import annotations

import random
from collections.abc import Iterator

#: A zone with something of everything that decides how a name is answered.
ZONE = r"""
fuzz.example. 300 SOA ns.fuzz.example. host.fuzz.example. 1 3600 600 604800 60
fuzz.example. 300 NS ns.fuzz.example.
fuzz.example. 300 MX 10 mail.fuzz.example.
ns.fuzz.example. 300 A 192.0.2.53
mail.fuzz.example. 300 AAAA 2001:db8::25
www.fuzz.example. 300 A 192.0.2.80
alias.fuzz.example. 300 CNAME www.fuzz.example.
loop.fuzz.example. 300 CNAME loop2.fuzz.example.
loop2.fuzz.example. 300 CNAME loop.fuzz.example.
*.wild.fuzz.example. 300 A 192.0.2.81
*.alias.fuzz.example. 300 CNAME x.wild.fuzz.example.
dname.fuzz.example. 300 DNAME wild.fuzz.example.
grow.fuzz.example. 300 DNAME growing.fuzz.example.
growing.fuzz.example. 300 DNAME x.grow.fuzz.example.
sub.fuzz.example. 300 NS ns.sub.fuzz.example.
ns.sub.fuzz.example. 300 A 192.0.2.54
\000\001.odd.fuzz.example. 300 TXT "\000\255"
_sip._tcp.fuzz.example. 300 SRV 1 2 3 www.fuzz.example.
"""
_NAMES = (
    b"", b"\4fuzz\7example", b"\3www\4fuzz\7example", b"\3wWw\4FuZz\7exaMple", b"\5alias\4fuzz\7example",
    b"\4loop\4fuzz\7example", b"\1x\4wild\4fuzz\7example", b"\1y\1x\5alias\4fuzz\7example",
    b"\1a\5dname\4fuzz\7example",
    b"\1a\4grow\4fuzz\7example", b"\1a\3sub\4fuzz\7example", b"\2\0\1\3odd\4fuzz\7example", b"\3odd\4fuzz\7example",
    b"\4_sip\4_tcp\4fuzz\7example", b"\3not\4here\4fuzz\7example", b"\7foreign\7invalid", b"\2id\6server",
    b"\x3f" + b"l" * 63 + b"\x3f" + b"m" * 63 + b"\x3f" + b"n" * 63 + b"\x2f" + b"o" * 47 + b"\4fuzz\7example",
    b"\7version\4bind",
)
_TYPES = (1, 2, 5, 6, 12, 15, 16, 28, 33, 39, 41, 43, 46, 47, 65, 249, 250, 251, 252, 253, 254, 255, 0, 65280)
_CLASSES = (1, 1, 1, 1, 1, 1, 3, 4, 254, 255, 0)
_OPTIONS = (
    b"", b"\0\3\0\0", b"\0\x0a\0\x08ABCDEFGH", b"\0\x0a\0\x18ABCDEFGH\1\0\0\0" + b"t" * 12, b"\0\x0b\0\0",
    b"\0\x0f\0\2\0\0",
    b"\xff\xff\0\1x", b"\0\x0c\0\4\0\0\0\0", b"\0\x08\0\x07\0\1\x18\0\xc0\0\2",
)
_TSIG = b"\3key\0\0\xfa\0\xff\0\0\0\0\0\x19\3alg\0\0\0\0\0\0\0\1\x2c\0\4abcd\0\0\0\0\0\0"


def valid(rng: random.Random) -> bytes:
    """A query that is in order."""
    name, rdtype, rdclass = rng.choice(_NAMES), rng.choice(_TYPES), rng.choice(_CLASSES)
    question = name + b"\0" + rdtype.to_bytes(2, "big") + rdclass.to_bytes(2, "big")
    records = []
    if rng.random() < 0.6:
        options = b"".join(rng.choice(_OPTIONS) for _ in range(rng.randrange(4)))
        size = rng.choice((0, 512, 1232, 4096, 65535)).to_bytes(2, "big")
        flags = bytes((0, rng.random() < 0.1, rng.choice((0, 0x80)), 0))
        records.append(b"\0\0\x29" + size + flags + len(options).to_bytes(2, "big") + options)
    if rng.random() < 0.05:
        records.append(_TSIG)
    flags = bytes((rng.choice((0, 1, 1, 0x20, 0x28)), rng.choice((0, 0x10, 0x20))))
    return rng.randbytes(2) + flags + b"\0\1\0\0\0\0\0" + bytes((len(records),)) + question + b"".join(records)


def mutated(rng: random.Random) -> bytes:
    """A query after one to four accidents."""
    packet = bytearray(valid(rng))
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        accident = rng.randrange(10)
        at = rng.randrange(len(packet) + 1)
        if accident <= 3:
            for _ in range(rng.choice((1, 1, 2, 8))):
                bit = rng.randrange(16, max(17, len(packet) * 8))
                if bit < len(packet) * 8:
                    packet[bit // 8] ^= 1 << bit % 8
        elif accident == 4:
            del packet[at:]
        elif accident == 5:
            packet[at:] = valid(rng)[at:]
        elif accident == 6:
            packet[at:at] = rng.randbytes(rng.choice((1, 2, 10, 300)))
        elif accident == 7:
            packet[at:at] = packet[at : at + rng.randrange(40)]
        elif accident == 8 and len(packet) >= 12:
            count = 4 + 2 * rng.randrange(4)
            packet[count : count + 2] = rng.choice((b"\0\0", b"\0\1", b"\0\2", b"\xff\xff", rng.randbytes(2)))
        elif accident == 9 and len(packet) > 14:
            at = rng.randrange(12, len(packet))
            packet[at : at + 2] = bytes((0xC0 | rng.randrange(64), rng.randrange(256)))
    return bytes(packet)


def stream(rng: random.Random, count: int) -> Iterator[bytes]:
    """So many messages, most of them mutated, some valid, some plain noise."""
    for _ in range(count):
        chance = rng.random()
        if chance < 0.85:
            yield mutated(rng)
        elif chance < 0.95:
            yield valid(rng)
        else:
            yield rng.randbytes(rng.choice((0, 1, 11, 12, 13, 17, 40, 512)))
