"""Asks for names without pause, in a thread of its own, and keeps what is said of them."""

from __future__ import annotations

import random
import socket
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import dns.exception
import dns.name
import dns.rcode
import dns.rdatatype

from tests.harness.background import Background
from tests.harness.process import wait_until
from tests.harness.server import HOST, Server

_WINDOW = 64
_WAIT_S = 0.05


class Watch(Background):
    """Names by kind, all asked for again and again while the context lasts; `rcodes` of each kind, NODATA by itself.

    `in_order` has what was said of each kind as it came, without repetitions: REFUSED, NOERROR, ...
    """

    def __init__(self, port: int, names: Mapping[str, Sequence[str]], rdtype: str = "A") -> None:
        super().__init__()
        self._port = port
        number = int(dns.rdatatype.from_text(rdtype)).to_bytes(2, "big")
        self._asked = [
            (kind, dns.name.from_text(owner).to_wire() + number + b"\0\1") for kind in names for owner in names[kind]
        ]
        self.rcodes: dict[str, Counter[str]] = {kind: Counter() for kind in names}
        self.in_order: dict[str, list[str]] = {kind: [] for kind in names}
        self.rounds = 0

    def __enter__(self) -> Self:
        super().__enter__()
        self.a_round_more()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self.a_round_more()
        finally:
            super().__exit__(kind, error, at)

    def a_round_more(self) -> None:
        """Return when all names were asked for once more, from now on."""
        begun = self.rounds
        wait_until(lambda: self.rounds > begun + 1, "every name was asked for again", timeout_s=60)

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((HOST, self._port))
            sock.settimeout(_WAIT_S)
            while not self._stop.is_set():
                for at in range(0, len(self._asked), _WINDOW):
                    self._ask(sock, at, self._asked[at : at + _WINDOW])
                self.rounds += 1

    def _ask(self, sock: socket.socket, first: int, asked: Sequence[tuple[str, bytes]]) -> None:
        for number, (_, question) in enumerate(asked, first):
            sock.send((number & 0xFFFF).to_bytes(2, "big") + b"\0\0\0\1\0\0\0\0\0\0" + question)
        waiting = {(number & 0xFFFF): kind for number, (kind, _) in enumerate(asked, first)}
        while waiting:
            try:
                reply = sock.recv(4096)
            except TimeoutError:
                return  # what is lost is asked again in the next round
            kind = waiting.pop(int.from_bytes(reply[:2], "big"), None)
            if kind is None:
                continue
            said = dns.rcode.to_text(dns.rcode.Rcode(reply[3] & 15))
            if said == "NOERROR" and reply[6:8] == b"\0\0":
                said = "NODATA"
            self.rcodes[kind][said] += 1
            if self.in_order[kind][-1:] != [said]:
                self.in_order[kind].append(said)


def zone_file(lines: Sequence[str]) -> str:
    """A zone file with these records below its SOA, its NS and the address of that."""
    head = ["$TTL 300", "@ SOA ns1 host 1 7200 3600 1209600 300", "@ NS ns1", "ns1 A 192.0.2.1"]
    return "\n".join([*head, *lines, ""])


@contextmanager
def asking(server: Server, addresses: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Ask for owner names in random turns, all the time; the list gets every answer without one of the addresses."""
    with _Asker(server, addresses) as asker:
        wait_until(lambda: asker.asked > 10 or asker.wrong, "questions are answered")
        yield asker.wrong
        already = asker.asked
        wait_until(lambda: asker.asked > already + 50 or asker.wrong, "questions are answered to the end")


class _Asker(Background):
    def __init__(self, server: Server, addresses: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self._server, self._addresses = server, [*addresses.items()]
        self.asked = 0
        self.wrong: list[str] = []

    def _run(self) -> None:
        chance = random.Random(7)
        while not self._stop.is_set():
            owner, addresses = chance.choice(self._addresses)
            try:
                reply = self._server.ask(owner)
            except (OSError, dns.exception.DNSException) as err:
                self.wrong.append(repr(err))
                return
            self.asked += 1
            found = {rdata.to_text() for rrset in reply.answer for rdata in rrset}
            if reply.rcode() != dns.rcode.NOERROR or found.isdisjoint(addresses):
                self.wrong.append(reply.to_text())
