"""Sends queries over UDP, each from a connected socket and port of its own, which takes packets of one server only."""

from __future__ import annotations

import _socket
import errno
import secrets
from typing import Final

from streamdns.dns.wire import HEADER_SIZE, FormatError
from streamdns.resolver.resolution.question import Ask
from streamdns.resolver.transport.flight import FIRST_PORT, PORTS, Carrier, Events, Flight

_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PMTUDISC_OMIT = 10, 23, 5
_BIND_TRIES: Final = 8
_TC: Final = 0x02
_WRONG_REPLIES: Final = 3  # to one query, before it is asked over TCP, where nobody can guess
_LEAST_OCTETS: Final = 1232  # are taken of every server, whatever it is told


class UdpFlight(Flight):
    """One datagram there and the right one back."""

    __slots__ = ("_wrong",)
    transport = "udp"

    def __init__(self, carrier: Carrier, ask: Ask, events: Events, key: object = None) -> None:
        super().__init__(carrier, ask, events, key)
        self._wrong = 0

    def send(self) -> None:
        """Connected, so that the kernel passes over what comes from elsewhere, and errors come back."""
        address = self.ask.address
        if address.is_ipv6:
            self.socket = sock = _socket.socket(_socket.AF_INET6, _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK)
            sock.setsockopt(_socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_OMIT)
        else:
            self.socket = sock = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK)
            sock.setsockopt(_socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_OMIT)
        self._bind(sock, self.carrier.source_of(address) or ("::" if address.is_ipv6 else "0.0.0.0"))
        sock.connect((address.host, address.port))
        sock.send(self.packet)
        self.watch(1, self._read)

    def _bind(self, sock: _socket.socket, source: str) -> None:
        port = self.port
        for _ in range(_BIND_TRIES):
            try:
                sock.bind((source, port))
                return
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
            port = FIRST_PORT + secrets.randbelow(PORTS)
        sock.bind((source, 0))

    def _read(self) -> None:
        most = max(_LEAST_OCTETS, self.ask.options.edns_size)
        while (packet := self.receive(most + 1, self._read)) is not None:
            if len(packet) > most and self.answers(packet):
                # Nothing of it is read: as one that was cut where it is too large, it is asked for over TCP.
                packet = packet[: HEADER_SIZE + len(self.qname) + 4]
                packet = packet[:2] + bytes((packet[2] | _TC, packet[3])) + packet[4:6] + bytes(6) + packet[12:]
            try:
                response = self.right(packet)
            except FormatError as error:
                self.malformed(error)
                return
            if response is not None:
                self.done(response)
                return
            self._wrong += 1
            if self.only_case_differs(packet):
                self.distrust(case=True)
            elif self._wrong >= _WRONG_REPLIES:
                self.distrust(case=False)
