"""The UDP service: reads queries, answers them from a snapshot of the view, and sends the replies."""

from __future__ import annotations

import os
import socket
import time

import gevent
from gevent.event import Event

from streamdns.dns.answer import Answerer, Deliver
from streamdns.runtime import logs
from streamdns.runtime.lifecycle import Service
from streamdns.runtime.listening import InetListener
from streamdns.serving.batches import Batches
from streamdns.serving.datagrams import Datagrams, Peer, datagrams_of
from streamdns.serving.limiter import ResponseLimiter
from streamdns.serving.responder import Responder, TakeSnapshot
from streamdns.serving.statistics import Statistics

_log = logs.get("dns")

_PAUSE_AFTER_FAILURE_S = 0.2
#: At the end: there may be more than is answered in one turn.
_LAST_LOOKS = 4


class _Later:
    """Sends a later reply to a datagram; not a closure, because thousands may wait and each would hold six cells."""

    __slots__ = ("_began", "_client", "_packet", "_peer", "_server", "_socket")

    def __init__(
        self, server: UdpServer, sock: socket.socket | None, packet: bytes, datagrams: Datagrams, slot: int
    ) -> None:
        self._server, self._socket, self._packet = server, sock, packet
        self._peer, self._client = datagrams.peer(slot), datagrams.client(slot)
        self._began = time.perf_counter()

    def __call__(self, reply: bytes) -> None:
        self._server.reply_later(self._packet, self._client, self._peer, reply, self._began, self._socket)


class UdpServer(Service):
    """Answers the datagrams of one address, in batches of those that are waiting, in the event loop's own callback."""

    essential = True

    def __init__(
        self,
        listener: InetListener,
        *,
        answerer: Answerer,
        take_snapshot: TakeSnapshot,
        statistics: Statistics,
        batch: int,
        limiter: ResponseLimiter,
    ) -> None:
        self.name = f"udp {listener.address}"
        self.address = listener.address
        self._listener, self._batch = listener, batch
        self._statistics = statistics
        self._responder = Responder(answerer, take_snapshot, statistics)
        self._answerer, self._limiter = answerer, limiter
        self._stopped = Event()
        self._socket: socket.socket | None = None
        self._failing = False

    def start(self) -> None:
        """Bind; raises ConfigError and NotYet."""
        self._stopped.clear()
        self._socket = sock = self._listener.open()
        everywhere = self.address.host in ("0.0.0.0", "::")
        self._datagrams = datagrams_of(sock, self._batch, packet_info=everywhere)
        self._answerer.client = self._datagrams.client
        self._answerer.later = self._later
        self._batches = Batches(
            self._datagrams, self._responder, answerer=self._answerer, statistics=self._statistics,
            limiter=self._limiter, most=self._batch,
        )
        loop = gevent.get_hub().loop
        self._watcher = loop.io(sock.fileno(), 1, priority=loop.MAXPRI)
        self._again = loop.timer(_PAUSE_AFTER_FAILURE_S, _PAUSE_AFTER_FAILURE_S)
        self._watcher.start(self._readable)
        _log.info("dns.listening", transport="udp", address=str(self.address))

    def _readable(self) -> None:
        """Answer waiting datagrams, some of them where they are many."""
        try:
            self._batches.answer()
        except OSError as err:
            _log.error("dns.socket_failed", error=os.strerror(err.errno or 0), address=str(self.address))
            self._rest()
        else:
            self._failing = False

    def _rest(self) -> None:
        """The socket cannot be read: not ready, and looked at again in a moment instead of in every turn."""
        self._failing = True
        if self._socket is not None:
            self._watcher.stop()
            # Not start(): a timer that has come once would come at once the next time.
            self._again.again(self._resume)

    def _resume(self) -> None:
        if self._socket is not None:
            self._again.stop()
            self._watcher.start(self._readable)

    def _later(self, slot: int) -> Deliver:
        """Make what sends a later reply to the datagram in this slot, from the address that was asked."""
        return _Later(self, self._socket, self._batches.packets[slot], self._datagrams, slot)

    def reply_later(
        self, packet: bytes, client: bytes, peer: Peer, reply: bytes, began: float, sock: socket.socket | None
    ) -> None:
        """Send a reply that took its time, unless the socket that the query came by was closed meanwhile."""
        if sock is None or self._socket is not sock:
            return
        kept = self._limiter.late(client, packet, reply, self._answerer)
        refused = 0
        if kept is not None and not peer.send(kept):
            refused = 1  # passed over, as UDP allows
        self._statistics.count_late(kept, self._answerer, time.perf_counter() - began, tcp=False, refused=refused)

    def run(self) -> None:
        """Wait for stop(); the work is done in the loop's callback."""
        self._stopped.wait()

    def stop(self) -> None:
        """Answer the datagrams that have arrived, then close."""
        if self._socket is not None:
            for _ in range(_LAST_LOOKS):
                self._readable()
            for watcher in (self._watcher, self._again):
                watcher.stop()
                watcher.close()
            self._socket.close()
            self._socket = None
        self._stopped.set()

    def ready(self) -> bool:
        """Return whether the socket is bound and can be read."""
        return self._socket is not None and not self._failing
