"""Name servers at port 53 of 198.18.0.0/15: `python -m tests.attacks.hostile honest`, and `... evil` for the others.

They want a network of their own (benchmarks/tree.py makes one). What a hostile server says follows from the name:
names.evil.example, owners.evil.example, wrong.evil.example, silent.evil.example, nxns.evil.example. Whatever is below
good.example is there. victim.example has nothing; TXT count.victim.example tells how often it was asked.
"""

from __future__ import annotations

import random
import selectors
import socket
import struct
import sys
from collections.abc import Callable, Iterator

from tests.harness.hostile_servers import chained, record, wire

ROOT, EXAMPLE, VICTIM, GOOD = "198.18.0.1", "198.18.0.2", "198.18.77.1", "198.18.88.1"
HONEST = [ROOT, EXAMPLE, VICTIM, GOOD]
EVIL = [f"198.18.66.{number}" for number in range(1, 11)]
SILENT = [f"198.18.99.{number}" for number in range(1, 5)]
HINTS = f". 86400 NS a.root.\na.root. 86400 A {ROOT}\n"
_A, _NS, _SOA, _TXT = 1, 2, 6, 16
_POINTER = b"\xc0\x0c"


def message(
    query: bytes, end: int, *, answer: list[bytes] = [], authority: list[bytes] = [],  # noqa: B006 - never changed
    additional: list[bytes] = [], flags: int = 0x8400,  # noqa: B006
) -> bytes:
    """A reply to a query whose question ends there."""
    counts = struct.pack(">HHHHH", flags, 1, len(answer), len(authority), len(additional))
    return query[:2] + counts + query[12:end] + b"".join([*answer, *authority, *additional])


def address(host: str) -> bytes:
    """An A record's data."""
    return socket.inet_aton(host)


def delegation(owner: str, hosts: dict[str, str | None]) -> tuple[list[bytes], list[bytes]]:
    """The NS records of a cut, and the glue for those of the hosts that have an address."""
    cut = [record(wire(owner), _NS, wire(host)) for host in hosts]
    return cut, [record(wire(host), _A, address(at)) for host, at in hosts.items() if at]


def soa(zone: str) -> bytes:
    """The SOA of a denial."""
    numbers = struct.pack(">IIIII", 1, 60, 60, 60, 1)
    return record(wire(zone), _SOA, wire(f"ns.{zone}") + wire("host.") + numbers, ttl_s=1)


class Servers:
    """All of them; `said` gives what comes back for a query to one of their addresses, any number of packets."""

    def __init__(self) -> None:
        self.asked = 0
        self._rng = random.Random(1)

    def said(self, host: str, query: bytes, *, tcp: bool) -> Iterator[bytes]:
        """The replies."""
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode("latin-1").lower())
            at += query[at] + 1
        end, qtype = at + 5, query[at + 1] << 8 | query[at + 2]
        if host == ROOT:
            yield self._root(query, end, labels, qtype)
        elif host == EXAMPLE:
            yield self._example(query, end, labels)
        elif host == GOOD:
            answer = [record(_POINTER, _A, address("192.0.2.1"))] if qtype == _A else []
            yield message(query, end, answer=answer, authority=[] if answer else [soa("good.example.")])
        elif host == VICTIM:
            yield self._victim(query, end, labels)
        else:
            yield from self._evil(query, end, labels, qtype, tcp=tcp)

    def _root(self, query: bytes, end: int, labels: list[str], qtype: int) -> bytes:
        if not labels and qtype == _NS:
            answer, additional = delegation(".", {"a.root.": ROOT})
            return message(query, end, answer=answer, additional=additional)
        if labels[-1:] != ["example"]:
            answer = [record(_POINTER, _A, address(ROOT))] if labels == ["a", "root"] and qtype == _A else []
            return message(query, end, answer=answer, authority=[] if answer else [soa(".")],
                           flags=0x8403 if labels and labels[-1] != "root" else 0x8400)
        authority, additional = delegation("example.", {"ns.example.": EXAMPLE})
        return message(query, end, authority=authority, additional=additional, flags=0x8000)

    def _example(self, query: bytes, end: int, labels: list[str]) -> bytes:
        which = labels[-2] if len(labels) > 1 else ""
        hosts: dict[str, dict[str, str | None]] = {
            "evil": {f"ns{number}.evil.example.": at for number, at in enumerate(EVIL)},
            "evil2": {"ns.evil2.example.": EVIL[0]}, "good": {"ns.good.example.": GOOD},
            "victim": {"ns.victim.example.": VICTIM},
        }
        if which not in hosts:
            return message(query, end, authority=[soa("example.")], flags=0x8403 if which else 0x8400)
        authority, additional = delegation(f"{which}.example.", hosts[which])
        return message(query, end, authority=authority, additional=additional, flags=0x8000)

    def _victim(self, query: bytes, end: int, labels: list[str]) -> bytes:
        if labels[:1] == ["count"]:
            text = str(self.asked).encode()
            return message(query, end, answer=[record(_POINTER, _TXT, bytes((len(text),)) + text)])
        self.asked += 1
        return message(query, end, authority=[soa("victim.example.")], flags=0x8403)

    def _evil(self, query: bytes, end: int, labels: list[str], qtype: int, *, tcp: bool) -> Iterator[bytes]:
        below, zone = labels[:-2], ".".join(labels[-2:]) + "."
        what = below[-1] if below else ""
        if zone == "evil2.example." and len(below) > 1:
            # The second level: these names, too, have servers whose names are yet to be found, at the victim's.
            hosts = {f"r{self._rng.randrange(10**9)}.victim.example.": None for _ in range(20)}
            authority, _ = delegation(".".join([*below[-2:], ""]) + zone, dict(hosts))
            yield message(query, end, authority=authority, flags=0x8000)
        elif len(below) < 2 or what not in ("names", "owners", "wrong", "silent", "nxns"):
            yield message(query, end, authority=[soa(zone)])
        elif what in ("names", "owners"):
            yield chained(query, end, owners=what == "owners")
        elif what == "wrong":
            yield from self._wrong(query, end, tcp=tcp)
        elif what == "silent":
            cut = f"{below[-2]}.silent.{zone}"
            at = self._rng.choice(SILENT)
            authority, additional = delegation(cut, {f"ns1.{cut}": at, f"ns2.{cut}": self._rng.choice(SILENT)})
            yield message(query, end, authority=authority, additional=additional, flags=0x8000)
        else:
            cut = f"{below[-2]}.nxns.{zone}"
            names = {f"n{number}.{below[-2]}.z{number}.evil2.example.": None for number in range(20)}
            yield message(query, end, authority=delegation(cut, dict(names))[0], flags=0x8000)

    def _wrong(self, query: bytes, end: int, *, tcp: bool) -> Iterator[bytes]:
        """Over UDP three large replies to another question under the right id; over TCP a failure."""
        if tcp:
            yield message(query, end, flags=0x8402)
            return
        reply = bytearray(chained(query, end))
        reply[end - 3] ^= 8
        yield from [bytes(reply)] * 3


def serve(hosts: list[str], silent: list[str], ready: Callable[[], None]) -> None:
    """Answer at these addresses for ever; at the silent ones nothing is answered, not even that nobody is there."""
    servers, selector = Servers(), selectors.DefaultSelector()
    unread = []
    for host in hosts:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        udp.bind((host, 53))
        selector.register(udp, selectors.EVENT_READ, host)
        tcp = socket.socket()
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((host, 53))
        tcp.listen(512)
        selector.register(tcp, selectors.EVENT_READ, host)
    for host in silent:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((host, 53))
        unread.append(sock)
    ready()
    while True:
        for key, _ in selector.select():
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            if sock.type == socket.SOCK_DGRAM:
                for _ in range(64):
                    try:
                        query, client = sock.recvfrom(4096, socket.MSG_DONTWAIT)
                    except OSError:
                        break
                    for reply in servers.said(key.data, query, tcp=False):
                        try:
                            sock.sendto(reply, client)
                        except OSError:
                            continue  # full, or the client is gone
            else:
                _converse(servers, sock, key.data)


def _converse(servers: Servers, listener: socket.socket, host: str) -> None:
    """One query of one connection: nobody asks these for more."""
    sock, _ = listener.accept()
    with sock:
        sock.settimeout(0.5)
        try:
            size = int.from_bytes(sock.recv(2, socket.MSG_WAITALL), "big")
            query = sock.recv(size, socket.MSG_WAITALL)
            for reply in servers.said(host, query, tcp=True):
                sock.sendall(len(reply).to_bytes(2, "big") + reply)
        except (OSError, IndexError):
            return  # it went away


if __name__ == "__main__":
    try:
        honest = sys.argv[1] == "honest"
        serve(HONEST if honest else EVIL, [] if honest else SILENT, lambda: print("ready", flush=True))
    except KeyboardInterrupt:
        sys.exit(0)
