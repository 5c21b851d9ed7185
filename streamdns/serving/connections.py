"""Serves all TCP connections in fair turns, and closes those that are too many or silent for too long.

Whatever all of them want, they get so much time in each turn of the event loop and no more, one after the other, a few
messages each: datagrams are looked at between the turns. One epoll object watches all sockets, and the event loop sees
it as one descriptor: a thousand connections that become readable at once cost the loop nothing by themselves.
"""

from __future__ import annotations

import _socket
import errno
import socket
import time
from collections import OrderedDict, deque
from select import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT
from typing import Any, Final, Protocol

import gevent
from gevent.monkey import get_original

from streamdns.runtime import logs
from streamdns.serving.connection import MOST_UNSENT, Client, Connection, address_of, client_key
from streamdns.serving.statistics import Statistics

_log = logs.get("dns")
_epoll: Final[Any] = get_original("select", "epoll")

#: The time that all of TCP may take in a turn of the event loop, asked after each message.
_BUDGET_S: Final = 0.0003
_EVENTS_A_TURN: Final = 64
_ACCEPTS_A_TURN: Final = 16
_SWEEP_S: Final = 0.1
_PAUSE_AFTER_FAILURE_S: Final = 0.2
_KERNEL_UNSENT: Final = 65_536
#: Replies of the resolver that a client leaves lying; its connection is closed when there are more.
_MOST_LATE_OCTETS: Final = 1 << 20
#: What all connections of one client may hold in octets, sent and not answered or ready and not sent.
_MOST_OCTETS_OF_CLIENT: Final = 2 << 20
_NO_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Server(Protocol):
    """What is behind a listening socket: it answers messages of a connection."""

    idle_timeout_s: float
    message_timeout_s: float

    def converse(self, connection: Connection, ends_s: float) -> None:
        """Answer messages of the connection until `ends_s` (time.perf_counter()) or until it has no more."""
        ...

    def accept_failed(self, error: OSError) -> None:
        """Hear that no connection could be accepted, and none could be closed to make room."""
        ...


class _Listener:
    """A listening socket with its server."""

    __slots__ = ("queued", "server", "sock")

    def __init__(self, sock: _socket.socket, server: Server) -> None:
        self.sock, self.server, self.queued = sock, server, False


class Connections:
    """The open connections of all TCP servers.

    Where there are `most`, the longest silent one is closed for a new one, as RFC 7766 §6.2.3 allows; a client that has
    `most_of_client` loses one of its own.
    """

    def __init__(self, most: int, most_of_client: int, statistics: Statistics) -> None:
        self.most, self.most_of_client = most, most_of_client
        self._statistics = statistics
        self._open: OrderedDict[Connection, Server] = OrderedDict()
        self._begun: OrderedDict[Connection, float] = OrderedDict()
        self._unsent: OrderedDict[Connection, float] = OrderedDict()
        self._clients: dict[bytes, Client] = {}
        self._ready: deque[Connection | _Listener] = deque()
        self._by_fd: dict[int, Connection | _Listener] = {}
        self._poller: Any = None
        self._io: Any = None
        self._timer: Any = None
        self._sweeper: Any = None
        self._sweep_on: Any = None
        self._pauses: list[Any] = []

    # -- listening

    def listen(self, sock: _socket.socket, server: Server) -> None:
        """Accept connections of this socket for a server."""
        if self._poller is None:
            self._begin()
        # Connections have from the socket that they came by what is set here, so it need not be said for each.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # What the client does not take stays with us, where it is counted, and not in the kernel.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _KERNEL_UNSENT)
        listener = _Listener(sock, server)
        self._by_fd[sock.fileno()] = listener
        self._poller.register(sock.fileno(), EPOLLIN | EPOLLONESHOT)

    def close_listener(self, sock: _socket.socket) -> None:
        """Accept no more of this socket, and close it."""
        listener = self._by_fd.pop(sock.fileno(), None)
        if listener is not None:
            self._poller.unregister(sock.fileno())
        sock.close()

    def close_all(self, server: Server) -> None:
        """Close the connections of a server; whatever has not been sent by now is lost."""
        for connection in [each for each, owner in self._open.items() if owner is server]:
            self.close(connection)
        if not self._by_fd and self._poller is not None:
            self._end()

    def busy(self, server: Server) -> bool:
        """Return whether something that has arrived for a server waits for its turn."""
        return any(isinstance(each, Connection) and self._open.get(each) is server for each in self._ready)

    def expecting(self, server: Server) -> bool:
        """Return whether a query of a client is on its way: it has connected and asked nothing yet, or begun a message,
        or its answer comes later.
        """
        return any(
            owner is server and (each.began_s is not None or each.waiting or not (each.sent_octets or each.ended))
            for each, owner in self._open.items()
        )

    def _begin(self) -> None:
        loop = gevent.get_hub().loop
        self._poller = _epoll()
        self._io = loop.io(self._poller.fileno(), 1)
        self._io.start(self._turn)
        self._timer = loop.timer(0)
        self._sweeper = loop.timer(_SWEEP_S, _SWEEP_S)
        self._sweeper.start(self._sweep)
        self._sweep_on = loop.timer(0)

    def _end(self) -> None:
        for watcher in (self._io, self._timer, self._sweeper, self._sweep_on, *self._pauses):
            watcher.stop()
            watcher.close()
        self._pauses.clear()
        self._ready.clear()
        self._poller.close()
        self._poller = None

    # -- turns

    def _turn(self) -> None:
        """Serve connections that are ready, one after the other, until the time of this turn is over."""
        ends_s = time.perf_counter() + _BUDGET_S
        ready = self._ready
        if len(ready) < _EVENTS_A_TURN:
            self._poll()
        while ready:
            self._serve(ready.popleft(), ends_s)
            if time.perf_counter() >= ends_s:
                break
        if self._poller is None:
            return
        if ready:
            # The next turn begins by itself: were the descriptor watched as well, there would be two of them.
            self._io.stop()
            self._timer.start(self._turn)
        elif not self._io.active:
            self._io.start(self._turn)

    def _poll(self) -> None:
        for fd, events in self._poller.poll(0, _EVENTS_A_TURN):
            found = self._by_fd.get(fd)
            if found is None or found.queued:
                continue
            if events & (EPOLLERR | EPOLLHUP) and isinstance(found, Connection):
                self.close(found)
                continue
            found.queued = True
            self._ready.append(found)

    def _serve(self, found: Connection | _Listener, ends_s: float) -> None:
        found.queued = False
        if isinstance(found, _Listener):
            if self._by_fd.get(found.sock.fileno()) is found:
                self._accept(found, ends_s)
            return
        if found.closed:
            return
        held = found.octets()
        try:
            if found.out:
                found.send()
            if found.lacks and found.may_read():
                found.read(time.monotonic())
            if not found.lacks and len(found.out) < MOST_UNSENT and not self._holds_much(found):
                self._open[found].converse(found, ends_s)
                self._heard(found)
                found.send()
        except OSError:
            # A reset, or closed from the other side: nothing is owed to the peer any more.
            self.close(found, held)
            return
        except Exception as error:  # noqa: BLE001 - the edge: one connection must not end what serves all of them
            self._statistics.exceptions.add()
            _log.error("dns.query_failed", exc=error)
            self.close(found, held)
            return
        self._settle(found, held)

    def _holds_much(self, connection: Connection) -> bool:
        """Return whether the client must take answers first; its connection is served when it has taken some."""
        client = connection.client
        if client.octets < _MOST_OCTETS_OF_CLIENT or not any(each.out for each in client.connections):
            return False
        client.held.append(connection)
        return True

    def _settle(self, connection: Connection, held: int) -> None:
        """Decide what a connection that has had its turn waits for; `held` are the octets that it held before."""
        client = connection.client
        client.octets += connection.octets() - held
        if client.held and client.octets < _MOST_OCTETS_OF_CLIENT:
            waiting, client.held = client.held, []
            for each in waiting:
                self._queue(each)
        if connection.finished():
            self.close(connection)
            return
        self._time(connection)
        blocked = len(connection.out) >= MOST_UNSENT or connection in client.held
        if not connection.lacks and not blocked:
            self._queue(connection)
            return
        events = EPOLLONESHOT
        if connection.out:
            events |= EPOLLOUT
        if not blocked and connection.may_read():
            events |= EPOLLIN
        try:
            connection.gather()
            if connection.watched:
                self._poller.modify(connection.fd, events)
            else:
                self._poller.register(connection.fd, events)
                connection.watched = True
        except OSError:
            # The kernel has no room to watch one more.
            self.close(connection)

    def _queue(self, connection: Connection) -> None:
        if not connection.queued and not connection.closed:
            connection.queued = True
            self._ready.append(connection)
            if not self._timer.active:
                self._timer.start(self._turn)

    def late(self, connection: Connection, reply: bytes) -> None:
        """Send a reply that took its time, in whatever order they come (RFC 7766 §6.2.1.1); never raises."""
        connection.waiting -= 1
        if connection.closed:
            return
        held = connection.octets()
        connection.put([reply])
        try:
            connection.send()
        except OSError:
            self.close(connection, held)
            return
        if len(connection.out) > _MOST_LATE_OCTETS:
            self.close(connection, held)
            return
        if connection.queued:
            connection.client.octets += connection.octets() - held
        else:
            self._settle(connection, held)

    # -- coming and going

    def _accept(self, listener: _Listener, ends_s: float) -> None:
        for _ in range(_ACCEPTS_A_TURN):
            try:
                fd, peer = listener.sock._accept()  # type: ignore[attr-defined] # noqa: SLF001 - what accept() is made of
            except (BlockingIOError, ConnectionAbortedError):
                break
            except OSError as error:
                if error.errno in _NO_DESCRIPTORS and self._open:
                    self._make_room(next(iter(self._open)))
                    continue
                listener.server.accept_failed(error)
                self._pause(listener)
                return
            sock = _socket.socket(listener.sock.family, listener.sock.type, 0, fd)
            sock.setblocking(False)
            self._begins(self._add(sock, peer[0], listener.server))
            if time.perf_counter() >= ends_s:
                break
        self._poller.modify(listener.sock.fileno(), EPOLLIN | EPOLLONESHOT)

    def _pause(self, listener: _Listener) -> None:
        """Try again in a moment: the connections that are open go on."""
        timer = gevent.get_hub().loop.timer(_PAUSE_AFTER_FAILURE_S)

        def again() -> None:
            self._pauses.remove(timer)
            timer.close()
            if self._by_fd.get(listener.sock.fileno()) is listener:
                self._poller.modify(listener.sock.fileno(), EPOLLIN | EPOLLONESHOT)

        self._pauses.append(timer)
        timer.start(again)

    def _add(self, sock: _socket.socket, peer: str, server: Server) -> Connection:
        """Add a new connection; past a limit, close the one that has been silent the longest."""
        address = address_of(peer, sock.family)
        key = client_key(address)
        client = self._clients.get(key)
        if client is not None and len(client.connections) >= self.most_of_client:
            _log.warning("tcp.client_limit_reached", client=peer, limit=self.most_of_client)
            self._make_room(next(iter(client.connections)))
        while len(self._open) >= self.most:
            _log.warning("tcp.limit_reached", limit=self.most)
            self._make_room(next(iter(self._open)))
        if client is None or not client.connections:    # It may have lost its last one just now.
            client = self._clients[key] = Client(key)
        connection = Connection(sock, address, client, time.monotonic())
        client.connections[connection] = None
        self._by_fd[connection.fd] = connection
        self._open[connection] = server
        self._statistics.tcp_accepted.add()
        self._statistics.tcp_connections.set(len(self._open))
        return connection

    def _begins(self, connection: Connection) -> None:
        """Read what has come with a new connection: a query, or its end. Then nobody has to wait for its descriptor."""
        try:
            connection.read(connection.heard_s)
        except OSError:
            self.close(connection, 0)
        else:
            self._settle(connection, 0)

    def _make_room(self, victim: Connection) -> None:
        self._statistics.tcp_refused.add()
        self.close(victim)

    def close(self, connection: Connection, held: int | None = None) -> None:
        """Close a connection; `held` are the octets that it is counted with, where it holds others by now."""
        if connection.closed:
            return
        connection.closed = True
        client = connection.client
        client.octets -= connection.octets() if held is None else held
        client.connections.pop(connection, None)
        if not client.connections:
            self._clients.pop(client.key, None)
        del self._by_fd[connection.fd]
        for order in (self._open, self._begun, self._unsent):
            order.pop(connection, None)
        connection.sock.close()
        connection.buffer.clear()
        connection.out.clear()
        self._statistics.tcp_connections.set(len(self._open))

    # -- time

    def _heard(self, connection: Connection) -> None:
        """Note that a client has asked something: others are silent for longer now."""
        connection.heard_s = time.monotonic()
        self._open.move_to_end(connection)
        connection.client.connections.move_to_end(connection)

    def _time(self, connection: Connection) -> None:
        """Note since when a message is not whole, and since when answers have not been taken."""
        began_s = connection.began_s
        if began_s is None:
            if self._begun:
                self._begun.pop(connection, None)
        elif self._begun.get(connection) != began_s:
            self._begun[connection] = began_s
            self._begun.move_to_end(connection)
        if not connection.out:
            if self._unsent:
                self._unsent.pop(connection, None)
        elif connection not in self._unsent or connection.sent_octets >= connection.due_octets:
            connection.due_octets = connection.sent_octets + len(connection.out)
            self._unsent[connection] = time.monotonic()
            self._unsent.move_to_end(connection)

    def _sweep(self) -> None:
        """Close connections whose time is over, as many as the time of a turn allows; the others in the next turns.

        Each order has the one in front whose time ends first.
        """
        now_s, ends_s = time.monotonic(), time.perf_counter() + _BUDGET_S
        for order in (self._begun, self._unsent):
            while order:
                connection, since_s = next(iter(order.items()))
                if since_s + self._open[connection].message_timeout_s > now_s:
                    break
                self.close(connection)
                if self._sweeps_later(ends_s):
                    return
        while self._open:
            connection, server = next(iter(self._open.items()))
            if connection.heard_s + server.idle_timeout_s > now_s:
                break
            if connection.waiting or connection.out or connection.buffer:
                self._heard(connection)     # It is we who are silent, or another limit counts.
            else:
                self.close(connection)
            if self._sweeps_later(ends_s):
                return

    def _sweeps_later(self, ends_s: float) -> bool:
        """Return whether the time of this turn is over; then the sweep goes on in the next one."""
        if time.perf_counter() < ends_s:
            return False
        if not self._sweep_on.active:
            self._sweep_on.start(self._sweep)
        return True
