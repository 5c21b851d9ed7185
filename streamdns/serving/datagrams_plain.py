"""Receives and sends datagrams one by one, by the socket's own recvmsg(2) and sendmsg(2): needs no compiled module."""

from __future__ import annotations

import errno
import socket
from typing import Any, Final

from streamdns.dns.response_rates import network_of

RECEIVE_OCTETS: Final = 4096
# What a datagram that was sent before may leave behind on the socket, or nothing at all.
_PASSING = frozenset(
    (errno.EAGAIN, errno.EINTR, errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENOBUFS, errno.ENOMEM)
)
# CMSG_SPACE of struct in_pktinfo and of struct in6_pktinfo.
_CONTROL_OCTETS: Final = {socket.AF_INET: socket.CMSG_SPACE(12), socket.AF_INET6: socket.CMSG_SPACE(20)}


class PlainPeer:
    """The sender of a datagram: its address, and the control data with which a reply leaves from the address asked."""

    __slots__ = ("_address", "_ancillary", "_sock")

    def __init__(self, sock: socket.socket, ancillary: list[tuple[int, int, bytes]], address: Any) -> None:
        self._sock, self._ancillary, self._address = sock, ancillary, address

    def send(self, reply: bytes) -> bool:
        """See serving/datagrams.py, as for everything here."""
        try:
            self._sock.sendmsg((reply,), self._ancillary, socket.MSG_DONTWAIT, self._address)
        except OSError:
            return False
        return True


class PlainDatagrams:
    """The last batch of datagrams of one socket."""

    def __init__(self, sock: socket.socket, most: int, *, packet_info: bool) -> None:
        self._sock, self._most = sock, most
        self._family = sock.family
        self._control_octets = _CONTROL_OCTETS[self._family] if packet_info else 0
        self._peers: list[tuple[list[tuple[int, int, bytes]], Any]] = []

    def receive(self, at_most: int = 0) -> list[bytes]:
        receive, octets = self._sock.recvmsg, self._control_octets
        packets: list[bytes] = []
        self._peers = peers = []
        try:
            for _ in range(min(at_most, self._most) or self._most):
                packet, ancillary, _flags, address = receive(RECEIVE_OCTETS, octets, socket.MSG_DONTWAIT)
                packets.append(packet)
                peers.append((ancillary, address))
        except OSError as err:
            if not packets and err.errno not in _PASSING:
                raise
        return packets

    def client(self, slot: int) -> bytes:
        # An address of one link has the link's name behind it.
        return socket.inet_pton(self._family, self._peers[slot][1][0].partition("%")[0])

    def networks(self, count: int) -> list[int]:
        return [network_of(self.client(slot)) for slot in range(count)]

    def peer(self, slot: int) -> PlainPeer:
        return PlainPeer(self._sock, *self._peers[slot])

    def send(self, replies: list[bytes | None]) -> int:
        send, peers = self._sock.sendmsg, self._peers
        refused = 0
        for slot, reply in enumerate(replies):
            if reply is not None:
                ancillary, address = peers[slot]
                try:
                    send((reply,), ancillary, socket.MSG_DONTWAIT, address)
                except OSError:
                    refused += 1
        return refused
