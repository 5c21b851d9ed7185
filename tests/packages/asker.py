"""Asks a name server over UDP and TCP until a file appears and each way was asked often enough: asker.py FILE LEAST.

At most so many questions are on their way that a receive buffer holds them while nobody reads. Prints what was asked
and what was lost; the status is 1 where anything was.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time

PLACE = ("127.0.0.1", 53)
QUESTION = b"\x03www\x07example\x03org\x00\x00\x01\x00\x01"
#: 212,992 octets, Linux's default of a receive buffer, are 277 short datagrams.
MOST_UDP, MOST_TCP = 100, 20
PAUSE_S, PATIENCE_S = 0.003, 60.0


def query(number: int) -> bytes:
    """A query with an id."""
    return number.to_bytes(2, "big") + b"\x01\x00\x00\x01" + b"\x00" * 6 + QUESTION


class Asker:
    """Questions on their way, and what became of the others."""

    def __init__(self) -> None:
        self.poll = selectors.DefaultSelector()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.connect(PLACE)
        self.udp.setblocking(False)
        self.poll.register(self.udp, selectors.EVENT_READ)
        self.waiting: dict[int, float] = {}
        self.open: dict[socket.socket, tuple[float, int]] = {}
        self.asked = {"UDP": 0, "TCP": 0}
        self.answered = {"UDP": 0, "TCP": 0}
        self.again = self.refused = 0
        self.longest_s = 0.0

    def ask_udp(self) -> None:
        """One more datagram."""
        number = self.asked["UDP"] % 65_536
        self.asked["UDP"] += 1
        self.waiting[number] = time.monotonic()
        try:
            self.udp.send(query(number))
        except ConnectionRefusedError:
            # What a closed port said of an earlier one; this one was not sent.
            self.refused += 1

    def ask_tcp(self, tries: int = 1) -> None:
        """One more connection."""
        self.asked["TCP"] += tries == 1
        sock = socket.create_connection(PLACE, timeout=PATIENCE_S)
        message = query(tries)
        sock.sendall(len(message).to_bytes(2, "big") + message)
        sock.setblocking(False)
        self.open[sock] = (time.monotonic(), tries)
        self.poll.register(sock, selectors.EVENT_READ)

    def hear(self, seconds: float) -> None:
        """Take what has come."""
        for key, _ in self.poll.select(seconds):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            if sock is self.udp:
                self.hear_udp()
            else:
                self.hear_tcp(sock)

    def hear_udp(self) -> None:
        try:
            reply = self.udp.recv(4096)
        except ConnectionRefusedError:
            self.refused += 1
            return
        began_s = self.waiting.pop(int.from_bytes(reply[:2], "big"), None)
        if began_s is not None:
            self.answered["UDP"] += 1
            self.longest_s = max(self.longest_s, time.monotonic() - began_s)

    def hear_tcp(self, sock: socket.socket) -> None:
        began_s, tries = self.open.pop(sock)
        self.poll.unregister(sock)
        try:
            reply = sock.recv(4096)
        except OSError:
            reply = b""
        sock.close()
        if len(reply) > 14:
            self.answered["TCP"] += 1
            self.longest_s = max(self.longest_s, time.monotonic() - began_s)
        elif tries < 3:
            # A connection may be closed at any time (RFC 7766 section 6.2.4): a resolver asks again.
            self.again += 1
            self.ask_tcp(tries + 1)


def main() -> int:
    """Ask, wait for the last answers, and say what came of it."""
    place, least = sys.argv[1], int(sys.argv[2])
    asker = Asker()
    while not os.path.exists(place) or min(asker.asked.values()) < least:
        if len(asker.waiting) < MOST_UDP:
            asker.ask_udp()
        if len(asker.open) < MOST_TCP:
            asker.ask_tcp()
        until_s = time.monotonic() + PAUSE_S
        while (left_s := until_s - time.monotonic()) > 0:
            asker.hear(left_s)
    ends_s = time.monotonic() + PATIENCE_S
    while (asker.waiting or asker.open) and time.monotonic() < ends_s:
        asker.hear(0.1)
    lost = {kind: asker.asked[kind] - asker.answered[kind] for kind in asker.asked}
    print(", ".join(f"{kind}: {lost[kind]} of {asker.asked[kind]} lost" for kind in lost)
          + f", {asker.again} connections made again, {asker.refused} refused, longest answer {asker.longest_s:.1f} s")
    return int(any(lost.values()) or asker.refused > 0)


if __name__ == "__main__":
    sys.exit(main())
