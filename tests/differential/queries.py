"""Random queries about a zone, and asking many of them at once over UDP, then over TCP what was truncated."""

from __future__ import annotations

import random
import select
import socket
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import dns.rdatatype

from tests.differential.zones import Labels, Zone, size_of, wire_of

HOST = "127.0.0.1"
_TYPES = (
    "A", "A", "A", "AAAA", "TXT", "MX", "SRV", "PTR", "CNAME", "DNAME", "NS", "NS", "SOA", "DS", "DS", "CAA", "NAPTR",
    "HINFO", "TYPE65280", "TYPE1234", "DNSKEY", "SVCB",
)
_SIZES = (0, 100, 512, 513, 600, 1000, 1231, 1232, 1400, 4096, 65535)
_WINDOW = 48
_WAIT_S = 0.5
_TRIES = 12


class Query(NamedTuple):
    """One question; `size` is that of EDNS, None without."""

    name: Labels
    rdtype: int
    size: int | None
    do: bool
    rd: bool
    cd: bool
    zone: Zone

    def wire(self, number: int) -> bytes:
        """The message with this id."""
        name = wire_of(self.name)
        opt = b""
        if self.size is not None:
            opt = b"\0\0\x29" + self.size.to_bytes(2, "big") + (b"\0\0\x80\0" if self.do else b"\0\0\0\0") + b"\0\0"
        flags = bytes((self.rd, 0x10 if self.cd else 0))
        counts = b"\0\1\0\0\0\0\0" + (b"\1" if opt else b"\0")
        return number.to_bytes(2, "big") + flags + counts + name + self.rdtype.to_bytes(2, "big") + b"\0\1" + opt


def make_queries(rng: random.Random, zone: Zone, count: int) -> list[Query]:
    """So many queries around the names of a zone."""
    owners = zone.owners
    queries = []
    for _ in range(count):
        base = rng.choice(owners)
        name = queried_name(rng, zone, base)
        here = list(zone.rrsets.get(base, ())) or ["A"]
        text = rng.choice(here) if rng.random() < 0.45 else rng.choice(_TYPES)
        size = rng.choice(_SIZES) if rng.random() < 0.6 else None
        do = size is not None and rng.random() < 0.3
        rdtype = int(dns.rdatatype.from_text(text))
        queries.append(Query(name, rdtype, size, do, rng.random() < 0.3, rng.random() < 0.2, zone))
    return queries


def queried_name(rng: random.Random, zone: Zone, base: Labels) -> Labels:
    """The base itself, a name above, below or beside it, or an instance of its wildcard; the case mixed at times."""
    chance = rng.random()
    if chance < 0.45:
        name = base
    elif chance < 0.6:
        name = (zone.label(), *base)
    elif chance < 0.68:
        name = (zone.label(), zone.label(), *base)
    elif chance < 0.78 and len(base) > len(zone.origin):
        name = base[1:]
    elif chance < 0.88 and len(base) > len(zone.origin):
        name = (rng.choice((b"0", b"zz", b"A", zone.label())), *base[1:])
    elif chance < 0.9:
        name = (b"*", *base)
    elif chance < 0.92:
        name = (*[b"l" * 50] * rng.randint(1, 4), *base)
    elif chance < 0.93:
        name = base[len(base) - len(zone.origin) + 1 :]
    else:
        name = (zone.label(), *zone.origin)
    if b"*" in name and rng.random() < 0.7:
        name = tuple(rng.choice((b"x", b"b", b"Q.q")) if label == b"*" else label for label in name)
    while size_of(name) > 255:
        name = name[1:]
    if rng.random() < 0.25:
        name = tuple(b"".join([rng.choice((octet, octet.swapcase())) for octet in octets(label)]) for label in name)
    return name


def octets(label: bytes) -> list[bytes]:
    """The octets of a label, each by itself."""
    return [label[at : at + 1] for at in range(len(label))]


def ask_udp(ports: Sequence[int], wires: Iterable[bytes]) -> list[list[bytes]]:
    """The replies of every server to every message, in order; asked in windows, and again where one got lost."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in ports]
    found: list[list[bytes]] = [[] for _ in ports]
    messages = list(wires)
    try:
        for sock, port in zip(sockets, ports, strict=True):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            sock.connect((HOST, port))
            sock.setblocking(False)
        for start in range(0, len(messages), _WINDOW):
            window = messages[start : start + _WINDOW]
            for server, replies in enumerate(_ask_window(sockets, window)):
                found[server] += replies
    finally:
        for sock in sockets:
            sock.close()
    return found


def _ask_window(sockets: list[socket.socket], window: list[bytes]) -> list[list[bytes]]:
    """The ids of the messages in one window must differ."""
    waiting = [{wire[:2]: wire for wire in window} for _ in sockets]
    replies: list[dict[bytes, bytes]] = [{} for _ in sockets]
    for _ in range(_TRIES):
        for sock, wanted in zip(sockets, waiting, strict=True):
            for wire in wanted.values():
                sock.send(wire)
        deadline = time.monotonic() + _WAIT_S
        while any(waiting) and (left := deadline - time.monotonic()) > 0:
            open_sockets = [sock for sock, wanted in zip(sockets, waiting, strict=True) if wanted]
            for sock in select.select(open_sockets, [], [], left)[0]:
                server = sockets.index(sock)
                reply = sock.recv(65535)
                if waiting[server].pop(reply[:2], None) is not None:
                    replies[server][reply[:2]] = reply
        if not any(waiting):
            return [[got[wire[:2]] for wire in window] for got in replies]
    raise AssertionError(f"no reply to {[[w.hex() for w in wanted.values()] for wanted in waiting]}")


def ask_tcp(port: int, wires: Sequence[bytes]) -> list[bytes]:
    """The replies to messages that are sent one after the other on one connection."""
    if not wires:
        return []
    with socket.create_connection((HOST, port), timeout=10) as sock, sock.makefile("rb") as stream:
        replies = []
        for wire in wires:
            sock.sendall(len(wire).to_bytes(2, "big") + wire)
            size = stream.read(2)
            replies.append(stream.read(int.from_bytes(size, "big")))
        return replies
