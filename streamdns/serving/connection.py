"""One TCP connection of a client, with its queries that are not answered and its answers that are not sent."""

from __future__ import annotations

import _socket
from collections import OrderedDict
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

#: What is read at once; a query is rarely longer than 100 octets.
_READ_OCTETS: Final = 16_384
#: With so much ready and not sent no more answers are made: so 64 KiB and a little are the most that lie there.
MOST_UNSENT: Final = 4096
#: Queries of a connection that may wait for the resolver at a time.
MOST_WAITING: Final = 128
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


def client_key(address: bytes) -> bytes:
    """Return the octets that tell clients apart: a whole IPv4 address, the first 64 bits of IPv6."""
    return address if len(address) == 4 else address[:8]


class Connection:
    """Buffers of one connection. It neither waits nor knows the event loop.

    `waiting` counts queries that the resolver will answer later. `ended` is set when the client sends no more.
    `heard_s` is when it last asked something, `began_s` when the message that is not whole yet began. `sent_octets`
    counts all that was sent; when it reaches `due_octets`, what is unsent gets new time.
    """

    __slots__ = (
        "address", "began_s", "buffer", "client", "closed", "due_octets", "ended", "heard_s", "out", "queued",
        "sent_octets", "sock", "waiting",
    )

    def __init__(self, sock: _socket.socket, peer: str, now_s: float) -> None:
        self.sock = sock
        self.heard_s = now_s
        self.address = ip_address(peer.partition("%")[0]).packed
        self.client = Client(b"")
        self.buffer = bytearray()
        self.out = bytearray()
        self.began_s: float | None = None
        self.waiting = 0
        self.ended = self.closed = self.queued = False
        self.sent_octets = self.due_octets = 0

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

    def has_message(self) -> bool:
        """Return whether a whole message waits."""
        buffer = self.buffer
        return len(buffer) >= 2 and len(buffer) >= 2 + (buffer[0] << 8 | buffer[1])

    def read(self) -> None:
        """Read what has arrived; raises OSError where the connection is broken."""
        try:
            data = self.sock.recv(_READ_OCTETS)
        except BlockingIOError:
            return
        if data:
            self.buffer += data
        else:
            self.ended = True

    def taken(self, octets: int, now_s: float) -> None:
        """Drop octets that are answered; what is left may be the start of a message."""
        del self.buffer[:octets]
        if not self.buffer or self.has_message():
            self.began_s = None
        elif octets or self.began_s is None:
            self.began_s = now_s

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
        return self.ended and not self.out and not self.waiting and not self.has_message()
