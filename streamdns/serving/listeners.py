"""Where a node listens, made from its settings: `run` serves there, `check` binds and lets go."""

from __future__ import annotations

import functools
import socket
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from streamdns.addresses import Address, UnixAddress
from streamdns.runtime.listening import InetListener, Listener, UnixListener, wanted
from streamdns.settings import Settings

_IP_PKTINFO = 8
_IP_MTU_DISCOVER = 10
_IPV6_MTU_DISCOVER = 23
_PMTUDISC_OMIT = 5
_TCP_BACKLOG = 1024
_UNIX_MODE = 0o660


class Listeners(NamedTuple):
    """All listeners of one node. Addresses that were `left_out` are of a family that this machine does not have, and
    nobody asked for them by themselves.

    With DNS_WORKERS `dns` has a set for each worker, one set after the other.
    """

    metrics: InetListener | None
    admin: InetListener | UnixListener | None
    dns: tuple[InetListener, ...]
    left_out: tuple[Address, ...]

    def each(self) -> Iterator[Listener]:
        """In the order in which they are bound."""
        if self.metrics is not None:
            yield self.metrics
        if self.admin is not None:
            yield self.admin
        yield from self.dns

    def inet(self) -> Iterator[InetListener]:
        """Those at addresses and ports: the path of a unix socket cannot outlive the process."""
        for each in self.each():
            if isinstance(each, InetListener):
                yield each


def listeners(settings: Settings) -> Listeners:
    """What these settings want, as far as the families exist."""
    addresses, left_out = wanted(settings.address)
    shares = range(1, settings.workers + 1) if settings.workers else (0,)
    dns = [listener for share in shares for listener in _dns_listeners(settings, addresses, share)]
    admin: InetListener | UnixListener | None = None
    if isinstance(settings.admin_address, UnixAddress):
        admin = UnixListener("DNS_ADMIN_ADDRESS", settings.admin_address, mode=_UNIX_MODE)
    elif settings.admin_address is not None:
        admin = InetListener("DNS_ADMIN_ADDRESS", settings.admin_address, socket.SOCK_STREAM)
    metrics = None
    if settings.metrics_address is not None:
        metrics = InetListener("DNS_METRICS_ADDRESS", settings.metrics_address, socket.SOCK_STREAM)
    return Listeners(metrics, admin, tuple(dns), left_out)


def _dns_listeners(settings: Settings, addresses: Sequence[Address], share: int) -> Iterator[InetListener]:
    for address in addresses:
        if settings.udp:
            prepare = functools.partial(
                _prepare_udp, address=address, receive_buffer_bytes=settings.udp_receive_buffer_bytes
            )
            yield InetListener("DNS_ADDRESS", address, socket.SOCK_DGRAM, share=share, prepare=prepare)
        if settings.tcp:
            yield InetListener("DNS_ADDRESS", address, socket.SOCK_STREAM, share=share, backlog=_TCP_BACKLOG)


def _prepare_udp(sock: socket.socket, *, address: Address, receive_buffer_bytes: int) -> None:
    """Options of a UDP socket: no path MTU games (RFC 9471 and fragment attacks), replies from the address asked."""
    everywhere = address.host in ("0.0.0.0", "::")
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_OMIT)
        if everywhere:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_OMIT)
        if everywhere:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    if receive_buffer_bytes:
        try:
            sock.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), receive_buffer_bytes)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
