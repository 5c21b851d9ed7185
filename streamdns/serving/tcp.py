"""The TCP service (RFC 7766): one greenlet per connection, with limits on the number and the silence of connections."""

from __future__ import annotations

import socket as stdlib_socket
import time
from collections import OrderedDict
from ipaddress import ip_address

import gevent
from gevent import socket
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from streamdns.dns.answer import Answerer, Deliver
from streamdns.runtime import logs
from streamdns.runtime.lifecycle import Service
from streamdns.runtime.turns import give_way
from streamdns.serving.statistics import Statistics
from streamdns.serving.udp import Responder, TakeSnapshot, bind
from streamdns.settings import Address

_log = logs.get("dns")

_READ_OCTETS = 65536
_ACCEPTS_A_TURN = 64
_MESSAGES_A_TURN = 16
_PAUSE_AFTER_FAILURE_S = 0.2
_DRAIN_S = 0.01
_PAUSE_WHILE_WAITING_S = 0.05


class Connection:
    """One client's connection, with the octets that are not yet a whole message; `waiting` replies will come later."""

    __slots__ = ("address", "buffer", "message_began_s", "sock", "waiting", "writer")

    def __init__(self, sock: socket.socket, peer: str) -> None:
        self.sock = sock
        self.address = ip_address(peer.partition("%")[0]).packed
        self.buffer = bytearray()
        self.message_began_s: float | None = None
        self.waiting = 0
        self.writer = BoundedSemaphore()

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send octets, one writer at a time; raises OSError, also when the peer takes nothing for `timeout_s`."""
        with self.writer:
            self.sock.settimeout(timeout_s)
            self.sock.sendall(data)

    def client(self, slot: int) -> bytes:
        """Return the octets of the peer's address; `slot` does not matter."""
        return self.address

    def take_messages(self, now_s: float) -> list[bytes]:
        """Take whole messages from the start of the buffer, a bounded number of them."""
        buffer = self.buffer
        messages: list[bytes] = []
        at = 0
        while len(messages) < _MESSAGES_A_TURN and len(buffer) >= at + 2:
            end = at + 2 + (buffer[at] << 8 | buffer[at + 1])
            if len(buffer) < end:
                break
            messages.append(bytes(buffer[at + 2 : end]))
            at = end
        del buffer[:at]
        if not buffer:
            self.message_began_s = None
        elif at or self.message_began_s is None:
            self.message_began_s = now_s
        return messages


class Connections:
    """The open connections of all TCP servers, in the order of their last message.

    Past the limit the one that has been silent the longest is closed, as RFC 7766 §6.2.3 allows: a peer that sends
    nothing, sends slowly or takes no answers costs one descriptor until another client needs it.
    """

    def __init__(self, most: int, statistics: Statistics) -> None:
        self.most = most
        self._open: OrderedDict[Connection, None] = OrderedDict()
        self._statistics = statistics

    def add(self, connection: Connection) -> None:
        """Add a new connection; past the limit, close the one that has been silent the longest."""
        while len(self._open) >= self.most:
            victim, _ = self._open.popitem(last=False)
            self._statistics.tcp_refused.add()
            _log.warning("tcp.limit_reached", limit=self.most)
            try:
                victim.sock.shutdown(stdlib_socket.SHUT_RDWR)
            except OSError:
                pass  # it was closed from the other side
        self._open[connection] = None
        self._statistics.tcp_accepted.add()
        self._statistics.tcp_connections.set(len(self._open))

    def active(self, connection: Connection) -> None:
        """Note that a message has arrived on a connection."""
        if connection in self._open:
            self._open.move_to_end(connection)

    def remove(self, connection: Connection) -> None:
        """Remove a connection that was closed."""
        self._open.pop(connection, None)
        self._statistics.tcp_connections.set(len(self._open))


class TcpServer(Service):
    """Answers queries on the TCP connections of one address."""

    essential = True

    def __init__(
        self,
        address: Address,
        *,
        answerer: Answerer,
        take_snapshot: TakeSnapshot,
        statistics: Statistics,
        connections: Connections,
        idle_timeout_s: float,
        message_timeout_s: float,
    ) -> None:
        self.name = f"tcp {address}"
        self.address = address
        self._answerer = answerer
        self._responder = Responder(answerer, take_snapshot, statistics)
        self._statistics = statistics
        self._connections = connections
        self.idle_timeout_s, self.message_timeout_s = idle_timeout_s, message_timeout_s
        self._stopped = Event()
        self._listener: stdlib_socket.socket | None = None
        self._greenlets: set[gevent.Greenlet] = set()

    def start(self) -> None:
        """Bind and listen; raises ConfigError."""
        self._stopped.clear()
        self._listener = bind(stdlib_socket.SOCK_STREAM, self.address)
        _log.info("dns.listening", transport="tcp", address=str(self.address))

    def run(self) -> None:
        """Accept connections until stop()."""
        acceptor = gevent.spawn(self._accept)
        self._stopped.wait()
        acceptor.kill()

    def _accept(self) -> None:
        while (listener := self._listener) is not None:
            socket.wait_read(listener.fileno())
            try:
                self._accept_waiting(listener)
            except OSError as err:
                if self._listener is not listener:
                    return
                # Out of descriptors, say: the connections that are open go on, and this is tried again.
                _log.error("dns.accept_failed", error=str(err), address=str(self.address))
                gevent.sleep(_PAUSE_AFTER_FAILURE_S)

    def _accept_waiting(self, listener: stdlib_socket.socket) -> None:
        for _ in range(_ACCEPTS_A_TURN):
            try:
                accepted, peer = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            sock = socket.socket(accepted.family, accepted.type, fileno=accepted.detach())
            connection = Connection(sock, str(peer[0]))
            self._connections.add(connection)
            greenlet = gevent.spawn(self._serve, connection)
            self._greenlets.add(greenlet)
            greenlet.rawlink(self._greenlets.discard)

    def _serve(self, connection: Connection) -> None:
        try:
            connection.sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)
            while self._converse(connection):
                pass
        except OSError:
            pass  # a time-out, a reset, or closed to make room: nothing is owed to the peer any more
        finally:
            self._connections.remove(connection)
            connection.sock.close()

    def _converse(self, connection: Connection) -> bool:
        """Read once and answer every whole message; returns False at the end of the stream.

        Raises OSError, also at time-outs.
        """
        now_s = time.monotonic()
        if connection.message_began_s is None:
            timeout_s = self.idle_timeout_s
        else:
            timeout_s = max(0.001, connection.message_began_s + self.message_timeout_s - now_s)
        connection.sock.settimeout(timeout_s)
        try:
            data = connection.sock.recv(_READ_OCTETS)
        except TimeoutError:
            if connection.message_began_s is None and connection.waiting:
                return True  # It is we who are silent.
            raise
        if not data:
            while connection.waiting:
                gevent.sleep(_PAUSE_WHILE_WAITING_S)
            return False
        connection.buffer += data
        while messages := connection.take_messages(time.monotonic()):
            self._connections.active(connection)
            began = time.perf_counter()
            self._answerer.client = connection.client
            self._answerer.later = lambda slot: self._later(connection)
            replies = self._responder.answer(messages, True)
            sent = b"".join([len(reply).to_bytes(2, "big") + reply for reply in replies if reply is not None])
            self._statistics.count_tcp(messages, replies, self._answerer, time.perf_counter() - began)
            connection.write(sent, self.message_timeout_s)
            give_way()  # a client that never stops asking must not keep the others waiting
        return True

    def _later(self, connection: Connection) -> Deliver:
        """Make the function that sends a reply which comes later, in any order (RFC 7766 §6.2.1.1)."""
        connection.waiting += 1
        began = time.perf_counter()

        def deliver(reply: bytes) -> None:
            # A greenlet of its own: the peer may be slow to take it, and the caller may not wait.
            greenlet = gevent.spawn(self._write_late, connection, reply)
            self._greenlets.add(greenlet)
            greenlet.rawlink(self._greenlets.discard)
            self._statistics.count_late(reply, self._answerer, time.perf_counter() - began, tcp=True)

        return deliver

    def _write_late(self, connection: Connection, reply: bytes) -> None:
        try:
            connection.write(len(reply).to_bytes(2, "big") + reply, self.message_timeout_s)
        except OSError:
            try:
                connection.sock.shutdown(stdlib_socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed already
        finally:
            connection.waiting -= 1

    def stop(self) -> None:
        """Stop accepting, answer what has arrived, then end the connections."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            gevent.sleep(_DRAIN_S)
        self._stopped.set()
        gevent.killall(list(self._greenlets), block=False)

    def ready(self) -> bool:
        """Return whether the socket listens."""
        return self._listener is not None
