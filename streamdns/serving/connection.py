"""One TCP connection of a client, with its queries that are not answered and its answers that are not sent."""

from __future__ import annotations

import _socket
import socket
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

#: What is read at once; a query is rarely longer than 100 octets.
_READ_OCTETS: Final = 16_384
#: With so much ready and not sent no more answers are made: so 64 KiB and a little are the most that lie there.
MOST_UNSENT: Final = 4096
#: Queries of a connection that may wait for the resolver at a time.
MOST_WAITING: Final = 128
#: Missing octets of a message that the kernel may gather before it wakes us: they lie with it, and are not counted.
_MOST_GATHERED: Final = 4096
#: Messages that are looked for in what has come before other connections have their turn.
MOST_MESSAGES: Final = 16


class Client:
    """A client, an IPv4 address or an IPv6 /64: what its connections hold together is bounded.

    `connections` has the longest silent one first; `octets` is what they have sent without an answer yet, and what is
    ready for them and not sent.
    """

    __slots__ = ("connections", "held", "key", "octets")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.connections: OrderedDict[Connection, None] = OrderedDict()
        self.octets = 0
        self.held: list[Connection] = []
        """Connections that go on when others of the client have let go of some octets."""


def address_of(peer: str, family: int) -> bytes:
    """Return the octets of a peer's address as the kernel tells it, 4 or 16, without the scope of a link's."""
    return socket.inet_pton(family, peer.partition("%")[0] if family == socket.AF_INET6 else peer)


def client_key(address: bytes) -> bytes:
    """Return the octets that tell clients apart: a whole IPv4 address, the first 64 bits of IPv6."""
    return address if len(address) == 4 else address[:8]


class Connection:
    """Buffers of one connection. It neither waits nor knows the event loop.

    `address` has the octets of the peer's. `lacks` is how many octets are missing until there is something to do: 0
    where a whole message waits. `waiting` counts queries that the resolver will answer later. `ended` is set when the
    client sends no more. `watched` says whether the kernel tells of it. `heard_s` is when it last asked something,
    `began_s` when the message that is not whole yet began. `sent_octets` counts all that was sent; when it reaches
    `due_octets`, what is unsent gets new time.
    """

    __slots__ = (
        "address", "began_s", "buffer", "client", "closed", "due_octets", "ended", "fd", "gathers", "heard_s", "lacks",
        "out", "queued", "sent_octets", "sock", "waiting", "watched",
    )

    def __init__(self, sock: _socket.socket, address: bytes, client: Client, now_s: float) -> None:
        self.sock, self.fd = sock, sock.fileno()
        self.heard_s = now_s
        self.address, self.client = address, client
        self.buffer = bytearray()
        self.out = bytearray()
        self.began_s: float | None = None
        self.lacks = self.gathers = 1
        self.waiting = self.sent_octets = self.due_octets = 0
        self.ended = self.closed = self.queued = self.watched = False

    def octets(self) -> int:
        """Return how many octets lie in its buffers."""
        return len(self.buffer) + len(self.out)

    def slot_client(self, slot: int) -> bytes:
        """Return the octets of the peer's address; `slot` does not matter."""
        return self.address

    def may_read(self) -> bool:
        """Return whether to read more: not while it leaves answers lying or waits for much."""
        return not self.ended and len(self.out) < MOST_UNSENT and self.waiting < MOST_WAITING

    def whole_messages(self) -> tuple[list[bytes], list[int]]:
        """Return whole messages at the start of the buffer, at most MOST_MESSAGES, and where each of them ends."""
        buffer = self.buffer
        messages: list[bytes] = []
        ends: list[int] = []
        at, size = 0, len(buffer)
        while len(messages) < MOST_MESSAGES and size >= at + 2:
            end = at + 2 + (buffer[at] << 8 | buffer[at + 1])
            if size < end:
                break
            messages.append(bytes(buffer[at + 2 : end]))
            ends.append(end)
            at = end
        return messages, ends

    def read(self, now_s: float) -> None:
        """Read what has arrived; raises OSError where the connection is broken."""
        try:
            data = self.sock.recv(_READ_OCTETS)
        except BlockingIOError:
            return
        if not data:
            self.ended = True
            return
        self.buffer += data
        self._count()
        if self.lacks and self.began_s is None:
            self.began_s = now_s

    def _count(self) -> None:
        """Find out what is missing."""
        buffer = self.buffer
        size = len(buffer)
        if size < 2:
            self.lacks = 1
        else:
            missing = 2 + (buffer[0] << 8 | buffer[1]) - size
            self.lacks = missing if missing > 0 else 0

    def gather(self) -> None:
        """Have the kernel say nothing of octets that come before the message in the buffer may be whole.

        Else whoever sends an octet at a time would wake us for each (SO_RCVLOWAT, socket(7)).
        """
        gathers = min(self.lacks, _MOST_GATHERED) if self.buffer else 1
        if gathers != self.gathers and gathers:
            self.gathers = gathers
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, gathers)

    def taken(self, octets: int, now_s: float) -> None:
        """Drop octets that are answered; what is left may be the start of a message."""
        del self.buffer[:octets]
        self._count()
        self.began_s = now_s if self.buffer and self.lacks else None

    def put(self, replies: Sequence[bytes | None]) -> None:
        """Add answers to be sent, each behind its length (RFC 1035 §4.2.2)."""
        self.out += b"".join([len(reply).to_bytes(2, "big") + reply for reply in replies if reply is not None])

    def send(self) -> None:
        """Send as much as the kernel takes; raises OSError where the connection is broken."""
        out = self.out
        while out:
            try:
                sent = self.sock.send(out)
            except BlockingIOError:
                return
            del out[:sent]
            self.sent_octets += sent

    def finished(self) -> bool:
        """Return whether nothing will come any more in either direction."""
        return self.ended and self.lacks > 0 and not self.out and not self.waiting
