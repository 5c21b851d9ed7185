"""The TCP service (RFC 7766): accepts connections at one address and answers their queries."""

from __future__ import annotations

import _socket
import time
from typing import Final

import gevent
from gevent.event import Event

from streamdns.dns.answer import Answerer, Deliver
from streamdns.runtime import logs
from streamdns.runtime.lifecycle import Service
from streamdns.runtime.listening import InetListener
from streamdns.runtime.turns import give_way
from streamdns.serving.connection import MOST_UNSENT, Connection
from streamdns.serving.connections import Connections
from streamdns.serving.responder import Responder, TakeSnapshot
from streamdns.serving.statistics import Statistics

_log = logs.get("dns")

_DRAIN_S: Final = 0.01
_MOST_DRAIN_S: Final = 0.5
#: Longer than a query takes that is sent at once, and short enough for those who wait for the next process.
_MOST_EXPECTING_S: Final = 0.2


class TcpServer(Service):
    """Answers queries on the TCP connections of one address."""

    essential = True

    def __init__(
        self,
        listener: InetListener,
        *,
        answerer: Answerer,
        take_snapshot: TakeSnapshot,
        statistics: Statistics,
        connections: Connections,
        idle_timeout_s: float,
        message_timeout_s: float,
    ) -> None:
        self.name = f"tcp {listener.address}"
        self.address, self._listens_on = listener.address, listener
        self._answerer = answerer
        self._responder = Responder(answerer, take_snapshot, statistics)
        self._statistics = statistics
        self._connections = connections
        self.idle_timeout_s, self.message_timeout_s = idle_timeout_s, message_timeout_s
        self._stopped = Event()
        self._listener: _socket.socket | None = None

    def start(self) -> None:
        """Bind and listen; raises ConfigError and NotYet."""
        self._stopped.clear()
        bound = self._listens_on.open()
        # Without the class that gevent puts in the place of the standard library's: nothing here waits in a socket.
        self._listener = _socket.socket(bound.family, bound.type, bound.proto, bound.detach())
        self._listener.setblocking(False)
        self._connections.listen(self._listener, self)
        _log.info("dns.listening", transport="tcp", address=str(self.address))

    def run(self) -> None:
        """Wait for stop(); the work is done in the loop's callbacks."""
        self._stopped.wait()

    def converse(self, connection: Connection, ends_s: float) -> None:
        """Answer messages of a connection until `ends_s` or until enough is ready to be sent."""
        messages, ends = connection.whole_messages()
        began = time.perf_counter()
        self._answerer.client = connection.slot_client
        self._answerer.later = lambda slot: self._later(connection)
        replies = self._responder.answer(messages, True, ends_s=ends_s, enough_octets=MOST_UNSENT)
        connection.put(replies)
        connection.taken(ends[len(replies) - 1], time.monotonic())
        self._statistics.count_tcp(
            messages[: len(replies)], replies, self._answerer, time.perf_counter() - began
        )

    def _later(self, connection: Connection) -> Deliver:
        """Make the function that sends a reply which comes later, in any order (RFC 7766 §6.2.1.1)."""
        connection.waiting += 1
        began = time.perf_counter()

        def deliver(reply: bytes) -> None:
            self._connections.late(connection, reply)
            self._statistics.count_late(reply, self._answerer, time.perf_counter() - began, tcp=True)

        return deliver

    def accept_failed(self, error: OSError) -> None:
        """Log that no connection could be accepted, for want of descriptors, say; it is tried again."""
        _log.error("dns.accept_failed", error=str(error), address=str(self.address))

    def stop(self) -> None:
        """Stop accepting, answer what has arrived, then end the connections."""
        if self._listener is not None:
            self._connections.close_listener(self._listener)
            self._listener = None
            began_s = time.monotonic()
            gevent.sleep(_DRAIN_S)
            while self._connections.expecting(self) and time.monotonic() < began_s + _MOST_EXPECTING_S:
                gevent.sleep(_DRAIN_S)
            while self._connections.busy(self) and time.monotonic() < began_s + _MOST_DRAIN_S:
                give_way()
            self._connections.close_all(self)
        self._stopped.set()

    def ready(self) -> bool:
        """Return whether the socket listens."""
        return self._listener is not None
