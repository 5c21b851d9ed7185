"""Receives queries and sends replies over UDP in batches; many a system call where the compiled module is there.

Both ways keep the addresses of a batch in the form in which a reply needs them, so that nothing is parsed per query.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final, Protocol

from streamdns.serving.datagrams_plain import PlainDatagrams


class Peer(Protocol):
    """The sender of a datagram, for a reply that is sent after the next batch was received."""

    def send(self, reply: bytes) -> bool:
        """Send a reply from the address that was asked; False where the kernel does not take it. Never raises."""


class Datagrams(Protocol):
    """The last batch of datagrams of one non-blocking socket, each with a slot, counted from 0."""

    def receive(self, at_most: int = 0) -> list[bytes]:
        """Receive the waiting datagrams, each cut to 4096 octets; empty where there are none. Raises OSError.

        Those beyond `at_most` wait on (0: a whole batch).
        """

    def client(self, slot: int) -> bytes:
        """Return the octets of the address that datagram `slot` came from: 4 or 16."""

    def networks(self, count: int) -> list[int]:
        """Return the networks of the first `count` datagrams as `network_of` gives them, all in one go."""

    def peer(self, slot: int) -> Peer:
        """Copy the sender of datagram `slot`."""

    def send(self, replies: list[bytes | None]) -> int:
        """Send replies[i] to the sender of datagram i, None to nobody; return how many the kernel refused."""


_make: Callable[..., Datagrams] = PlainDatagrams
_why_not = ""
try:
    from streamdns.serving._datagrams import Datagrams as _CompiledDatagrams
except ImportError as error:
    _why_not = str(error)
else:
    _make = _CompiledDatagrams

#: Why the compiled module is not used, and each datagram has a system call of its own; "" where it is.
NOT_COMPILED: Final = _why_not


def datagrams_of(sock: socket.socket, most: int, *, packet_info: bool) -> Datagrams:
    """Make the batches of a socket, of `most` datagrams at the most.

    `packet_info` is needed where replies must leave from the address that was asked (the socket is bound to all
    addresses and IP_PKTINFO or IPV6_RECVPKTINFO is set).
    """
    return _make(sock, most, packet_info=packet_info)
