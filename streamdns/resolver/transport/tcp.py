"""Sends queries over TCP, each on a connection of its own, in callbacks without a greenlet (RFC 7766)."""

from __future__ import annotations

import _socket
import errno
from typing import Final

from streamdns.dns.wire import FormatError
from streamdns.resolver.resolution.message import Response
from streamdns.resolver.resolution.question import Ask
from streamdns.resolver.transport.flight import Carrier, Events, Flight

_MOST_OCTETS: Final = 65535 + 2
_MOST_PIECES: Final = 256  # that a message comes in: each costs a turn, and an honest one has 1,460 octets


class TcpFlight(Flight):
    """One message there and one back, each behind its length; `pieces`: how many it came in so far."""

    __slots__ = ("_received", "_unsent", "pieces")
    transport = "tcp"

    def __init__(self, carrier: Carrier, ask: Ask, events: Events, key: object = None) -> None:
        super().__init__(carrier, ask, events, key)
        self._unsent = len(self.packet).to_bytes(2, "big") + self.packet
        self._received = bytearray()
        self.pieces = 0

    def send(self) -> None:
        """Begin to connect."""
        address = self.ask.address
        family = _socket.AF_INET6 if address.is_ipv6 else _socket.AF_INET
        self.socket = sock = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK)
        source = self.carrier.source_of(address)
        if source:
            sock.bind((source, 0))
        try:
            sock.connect((address.host, address.port))
        except BlockingIOError:
            pass  # It takes a round trip.
        self.watch(2, self._write)

    def _write(self) -> None:
        """Connected, or not; what is sent fits into the socket's buffer at once but for want of memory."""
        sock = self.socket
        if sock is None:
            return
        number = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if number:
            self.unreachable(number)
            return
        try:
            self._unsent = self._unsent[sock.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError as error:
            self.unreachable(error.errno)
            return
        if self._unsent:
            self.watch_on(self._write)
        else:
            self.watch(1, self._read)

    def _read(self) -> None:
        piece = self.receive(_MOST_OCTETS, self._read)
        if piece is None:
            return
        if not piece:
            self.unreachable(errno.ECONNRESET)
            return
        self._received += piece
        self.pieces += 1
        end = 2 + int.from_bytes(self._received[:2], "big")
        if len(self._received) >= max(end, 2):
            self._take(bytes(self._received[2:end]))
        elif self.pieces >= _MOST_PIECES:
            self.fail("its response comes in too many pieces", "malformed")
        else:
            self.watch_on(self._read)

    def _take(self, packet: bytes) -> None:
        try:
            if self.only_case_differs(packet):
                # Nobody can forge that here: this server does not keep the case.
                response: Response | None = self.read(packet)._replace(case_kept=False)
            else:
                response = self.right(packet)
        except FormatError as error:
            self.malformed(error)
            return
        if response is None:
            self.fail("it answered another question", "malformed")
        else:
            self.done(response)
