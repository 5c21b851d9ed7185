"""The UDP service: reads queries, answers them from a snapshot of the view, and sends the replies."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from collections.abc import Callable
from math import inf

import gevent
from gevent.event import Event

from streamdns.dns.answer import Answerer, Deliver
from streamdns.dns.lookup import Snapshot
from streamdns.dns.unusual import servfail
from streamdns.errors import ConfigError, ViewError
from streamdns.runtime import logs
from streamdns.runtime.lifecycle import Service
from streamdns.serving.mmsg import Datagrams
from streamdns.serving.statistics import Statistics
from streamdns.settings import Address

_log = logs.get("dns")

#: Takes a snapshot of the view for one batch of queries; the server closes it after the batch.
TakeSnapshot = Callable[[], Snapshot]

_IP_PKTINFO = 8
_IP_MTU_DISCOVER = 10
_IPV6_MTU_DISCOVER = 23
_PMTUDISC_OMIT = 5
_MAX_BATCHES_A_TURN = 4


def bind(kind: socket.SocketKind, address: Address, *, receive_buffer_bytes: int = 0) -> socket.socket:
    """Open a non-blocking socket and bind it to an address; raises ConfigError, which names the address.

    A UDP port that another process has bound is an error although SO_REUSEADDR would share it silently: it is not set.
    """
    family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            _prepare_udp(sock, address, receive_buffer_bytes)
        sock.setblocking(False)
        sock.bind((address.host, address.port))
        if kind == socket.SOCK_STREAM:
            sock.listen(1024)
    except OSError as err:
        sock.close()
        what = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
        if err.errno == errno.EADDRINUSE:
            raise ConfigError([f"DNS_ADDRESS: {what} {address} is in use by another process"]) from err
        raise ConfigError([f"DNS_ADDRESS: cannot listen on {what} {address}: {err.strerror}"]) from err
    return sock


def _prepare_udp(sock: socket.socket, address: Address, receive_buffer_bytes: int) -> None:
    """Set the options of a UDP socket: ignore path MTU messages (fragment attacks), reply from the address asked."""
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


class Responder:
    """Answers each batch of messages from one snapshot; a message whose answer fails gets SERVFAIL and is counted."""

    def __init__(self, answerer: Answerer, take_snapshot: TakeSnapshot, statistics: Statistics) -> None:
        self.answerer = answerer
        self._take_snapshot = take_snapshot
        self._statistics = statistics

    def answer(
        self, packets: list[bytes], tcp: bool, *, ends_s: float = inf, enough_octets: int = sys.maxsize
    ) -> list[bytes | None]:
        """Make the replies to messages, None where there is none; never raises for what they contain.

        At least the first of them is answered; the others as long as `ends_s` (time.perf_counter()) is not reached and
        the replies have less than `enough_octets`.
        """
        answerer = self.answerer
        try:
            snapshot = self._take_snapshot()
        except ViewError as err:
            _log.error("dns.view_unreadable", error=str(err))
            return [servfail(answerer, packet) for packet in packets]
        reply = answerer.reply
        replies: list[bytes | None] = []
        octets = 0
        answerer.bind(snapshot)
        try:
            for packet in packets:
                try:
                    replies.append(reply(packet, tcp, len(replies)))
                except Exception as err:  # noqa: BLE001 - the edge: whatever a client sends must not end the service
                    self._statistics.exceptions.add()
                    _log.error("dns.query_failed", exc=err)
                    replies.append(servfail(answerer, packet))
                if tcp:
                    octets += len(replies[-1] or b"")
                    if octets >= enough_octets or time.perf_counter() >= ends_s:
                        break
        finally:
            answerer.unbind()
            snapshot.close()
        return replies


class UdpServer(Service):
    """Answers the datagrams of one address, in batches of those that are waiting, in the event loop's own callback."""

    essential = True

    def __init__(
        self,
        address: Address,
        *,
        answerer: Answerer,
        take_snapshot: TakeSnapshot,
        statistics: Statistics,
        batch: int,
        receive_buffer_bytes: int,
    ) -> None:
        self.name = f"udp {address}"
        self.address = address
        self._batch, self._receive_buffer_bytes = batch, receive_buffer_bytes
        self._statistics = statistics
        self._responder = Responder(answerer, take_snapshot, statistics)
        self._answerer = answerer
        self._stopped = Event()
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Bind; raises ConfigError."""
        self._stopped.clear()
        self._socket = sock = bind(
            socket.SOCK_DGRAM, self.address, receive_buffer_bytes=self._receive_buffer_bytes
        )
        everywhere = self.address.host in ("0.0.0.0", "::")
        self._datagrams = Datagrams(sock, self._batch, packet_info=everywhere)
        self._answerer.client = self._datagrams.client
        self._answerer.later = self._later
        loop = gevent.get_hub().loop
        self._watcher = loop.io(sock.fileno(), 1, priority=loop.MAXPRI)
        self._watcher.start(self._readable)
        _log.info("dns.listening", transport="udp", address=str(self.address))

    def _readable(self) -> None:
        """Answer waiting datagrams, at most a few batches, so that other parts of the process get their turn."""
        try:
            for _ in range(_MAX_BATCHES_A_TURN):
                if self._socket is None or not self._answer_batch():
                    return
        except OSError as err:
            _log.error("dns.socket_failed", error=os.strerror(err.errno or 0), address=str(self.address))

    def _answer_batch(self) -> bool:
        began = time.perf_counter()
        packets = self._datagrams.receive()
        if not packets:
            return False
        replies = self._responder.answer(packets, False)
        refused = self._datagrams.send(replies)
        self._statistics.count_udp(packets, replies, refused, self._answerer, time.perf_counter() - began)
        return len(packets) == self._batch

    def _later(self, slot: int) -> Deliver:
        """Make the function that sends a later reply to the datagram in this slot, from the address that was asked."""
        peer = self._datagrams.peer(slot)
        sock = self._socket
        began = time.perf_counter()

        def deliver(reply: bytes) -> None:
            if sock is None or self._socket is not sock:
                return
            try:
                sock.sendmsg([reply], peer.ancillary, 0, peer.address)
                refused = 0
            except OSError:
                refused = 1  # passed over, as UDP allows
            self._statistics.count_late(
                reply, self._answerer, time.perf_counter() - began, tcp=False, refused=refused
            )

        return deliver

    def run(self) -> None:
        """Wait for stop(); the work is done in the loop's callback."""
        self._stopped.wait()

    def stop(self) -> None:
        """Answer the datagrams that have arrived, then close."""
        if self._socket is not None:
            self._readable()
            self._watcher.stop()
            self._watcher.close()
            self._socket.close()
            self._socket = None
        self._stopped.set()

    def ready(self) -> bool:
        """Return whether the socket is bound."""
        return self._socket is not None
