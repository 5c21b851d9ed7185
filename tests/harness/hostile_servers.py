"""Name servers that attack the resolvers that ask them: a root and zones, each of which does something hostile.

One thread answers for all of them, over UDP and TCP, and counts the queries that each address gets. A name's last label
says what is done:

chain.    64 KB full of records whose names are all the same chain of 123 pointers; owners.: owner names only
dense.    what costs most of that which a resolver with bounds may still read: 1,024 records, 4,000 labels
wrong.    ten addresses, each of which sends three such messages of another type, and SERVFAIL over TCP
nxns.     x.nxns. is delegated to 20 names of zones that are each delegated to 20 names of victim.net.
silent.   each name below it is delegated to two addresses that say nothing
net.      victim.net. has nothing; good.: every name has an address
"""

from __future__ import annotations

import pathlib
import selectors
import socket
import struct
import threading
from collections import Counter
from functools import lru_cache
from random import Random
from typing import Self

_A, _NS, _SOA, _MINFO = 1, 2, 6, 14
_AA, _REFERRAL, _SERVFAIL, _NXDOMAIN = 0x8400, 0x8000, 0x8402, 0x8403
#: The last numbers of the addresses: the root, the zones that answer, the victim, the silent, and those of wrong.
ROOT, EVIL, GOOD, VICTIM, SILENT, WRONG = 1, 2, 3, 4, (5, 6), tuple(range(11, 21))
_ZONES: dict[bytes, tuple[int, ...]] = {
    b"chain": (EVIL,), b"owners": (EVIL,), b"dense": (EVIL,), b"wrong": WRONG, b"nxns": (EVIL,), b"silent": (EVIL,),
    b"net": (VICTIM,), b"good": (GOOD,),
}
_POINTER_TO_QUESTION = b"\xc0\x0c"


def wire(text: str) -> bytes:
    return b"".join(bytes((len(label),)) + label.encode() for label in text.split(".") if label) + b"\0"


def record(owner: bytes, rdtype: int, rdata: bytes, ttl_s: int = 60) -> bytes:
    return owner + struct.pack(">HHIH", rdtype, 1, ttl_s, len(rdata)) + rdata


def _message(query: bytes, end: int, flags: int, *sections: list[bytes]) -> bytes:
    """A response with these records; the query's question ends at `end`."""
    counts = [len(section) for section in sections] + [0] * (3 - len(sections))
    return query[:2] + struct.pack(">HHHHH", flags, 1, *counts) + query[12:end] + b"".join(map(b"".join, sections))


def chained(query: bytes, end: int, *, owners: bool = False) -> bytes:
    """One-letter labels, each pointing at the one before, then records whose names are the last of them."""
    chain, last = b"\1a\0", end + 11
    for _ in range(123):
        here = end + 11 + len(chain)
        chain += b"\1a" + struct.pack(">H", 0xC000 | last)
        last = here
    name = struct.pack(">H", 0xC000 | last)
    each = record(name, _A, b"\1\2\3\4") if owners else record(name, _MINFO, name * 2)
    return _message(query, end, _AA, [record(b"\0", 65280, chain), *[each] * ((65_000 - end) // len(each) - 60)])


def dense(query: bytes, end: int) -> bytes:
    """Owners of four labels of their own in front of a long name, each with a delegation."""
    long_name = b"\1a" * 100 + _POINTER_TO_QUESTION
    first = end + 12
    records = [record(b"\1z" + long_name, _NS, _POINTER_TO_QUESTION)]
    tail = struct.pack(">H", 0xC000 | first + 2)
    for number in range(980):
        owner = b"\2%b" % bytes((97 + number % 26, 97 + number // 26)) + b"\1b\1c" + tail
        records.append(record(owner, _NS, _POINTER_TO_QUESTION))
    return _message(query, end, _REFERRAL, [], records)


class HostileServers:
    """The servers, at addresses of a network such as 127.66.0; a context manager."""

    def __init__(self, network: str, port: int) -> None:
        self._network, self.port = network, port
        self.asked: Counter[int] = Counter()
        self._rng = Random(1)
        self._selector = selectors.DefaultSelector()
        self._sockets: list[socket.socket] = []
        self._stopped = threading.Event()

    def at(self, number: int) -> str:
        return f"{self._network}.{number}"

    def hints(self, folder: pathlib.Path) -> pathlib.Path:
        """Write the file of root hints and return where."""
        path = folder / "hints.zone"
        path.write_text(f". 86400 NS a.root.\na.root. 86400 A {self.at(ROOT)}\n")
        return path

    def __enter__(self) -> Self:
        for number in (ROOT, EVIL, GOOD, VICTIM, *SILENT, *WRONG):
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            udp.bind((self.at(number), self.port))
            self._sockets.append(udp)
            if number in SILENT:
                continue  # Nobody reads what it gets.
            tcp = socket.create_server((self.at(number), self.port))
            self._sockets.append(tcp)
            self._selector.register(udp, selectors.EVENT_READ, (self._datagram, number))
            self._selector.register(tcp, selectors.EVENT_READ, (self._connection, number))
        self._thread = threading.Thread(target=self._run, name="hostile", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopped.set()
        self._thread.join()
        for sock in self._sockets:
            sock.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            for key, _ in self._selector.select(timeout=0.05):
                act, number = key.data
                act(key.fileobj, number)

    def _datagram(self, sock: socket.socket, number: int) -> None:
        query, client = sock.recvfrom(4096)
        self.asked[number] += 1
        for reply in self._replies(query, number, tcp=False):
            sock.sendto(reply, client)

    def _connection(self, listener: socket.socket, number: int) -> None:
        with listener.accept()[0] as sock:
            sock.settimeout(2)
            try:
                query = sock.recv(4096)[2:]
                self.asked[number] += 1
                for reply in self._replies(query, number, tcp=True):
                    sock.sendall(struct.pack(">H", len(reply)) + reply)
            except OSError:
                pass  # whoever asked has gone

    # -- what they say

    def _replies(self, query: bytes, number: int, *, tcp: bool) -> list[bytes]:
        labels, end = _question(query)
        qtype = int.from_bytes(query[end - 4 : end - 2], "big")
        zone = labels[-1] if labels else b""
        if number == ROOT:
            return [self._root(query, end, labels, qtype)]
        if len(labels) == 1 and zone not in (b"good", b"wrong"):
            return [_message(query, end, _AA, [], [_soa(zone)])]
        if zone in (b"chain", b"owners"):
            return [chained(query, end, owners=zone == b"owners")]
        if zone == b"dense":
            return [dense(query, end)]
        if zone == b"wrong":
            if tcp:
                return [_message(query, end, _SERVFAIL)]
            return [chained(query[: end - 4] + b"\0\x63" + query[end - 2 :], end)] * 3
        if zone == b"silent":
            return [self._delegation(query, end, labels[-2:], [b"\3ns1", b"\3ns2"], SILENT)]
        if zone == b"nxns":
            below = labels[-2]
            names = [wire(f"t.z{each}{self._rng.randrange(1 << 30)}.nxns") if below == b"x" else
                     wire(f"{self._rng.randrange(1 << 30):x}.victim.net") for each in range(20)]
            owner = wire(b".".join(labels[-2:]).decode())
            return [_message(query, end, _REFERRAL, [], [record(owner, _NS, each) for each in names])]
        if zone == b"net":
            return [_message(query, end, _NXDOMAIN, [], [_soa(b"victim.net")])]
        return [_message(query, end, _AA, [record(_POINTER_TO_QUESTION, _A, b"\x08\x08\x08\x08")]
                         if qtype == _A else [], [] if qtype == _A else [_soa(zone)])]

    def _root(self, query: bytes, end: int, labels: list[bytes], qtype: int) -> bytes:
        zone = labels[-1] if labels else b""
        if zone == b"net":
            if len(labels) == 1:
                return _message(query, end, _AA, [], [_soa(b"")])
            return self._delegation(query, end, labels[-2:], [b"\3ns1"], _ZONES[zone])
        if zone in _ZONES:
            numbers = _ZONES[zone]
            return self._delegation(query, end, [zone], [b"\3ns%d" % (each % 10) for each in numbers], numbers)
        if not zone and qtype == _NS:
            return _message(query, end, _AA, [record(b"\0", _NS, wire("a.root"))], [],
                            [record(wire("a.root"), _A, socket.inet_aton(self.at(ROOT)))])
        return _message(query, end, _NXDOMAIN, [], [_soa(b"")])

    def _delegation(
        self, query: bytes, end: int, labels: list[bytes], hosts: list[bytes], numbers: tuple[int, ...]
    ) -> bytes:
        cut = b"".join([bytes((len(label),)) + label for label in labels]) + b"\0"
        return _message(query, end, _REFERRAL, [], [record(cut, _NS, host + cut) for host in hosts],
                        [record(host + cut, _A, socket.inet_aton(self.at(number)))
                         for host, number in zip(hosts, numbers, strict=True)])


def _question(query: bytes) -> tuple[list[bytes], int]:
    """The labels of the question in lower case, and where it ends."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].lower())
        at += query[at] + 1
    return labels, at + 5


@lru_cache
def _soa(zone: bytes) -> bytes:
    owner = wire(zone.decode())
    return record(owner, _SOA, owner * 2 + struct.pack(">IIIII", 1, 3600, 600, 86400, 60))
