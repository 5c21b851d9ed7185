"""Sends what resolutions ask for: each query from a socket and a port of its own, hard to guess and compared in full.

All in callbacks of the event loop, which neither wait nor raise; only TCP has a greenlet for each query.
"""

from __future__ import annotations

import _socket
import errno
import os
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import gevent
from gevent import socket

from streamdns.dns.wire import FormatError
from streamdns.metrics.registry import Registry
from streamdns.resolver.message import Response, parse, query
from streamdns.resolver.resolution import MAX_S, Ask
from streamdns.resolver.servers import Address

_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PMTUDISC_OMIT = 10, 23, 5
_BIND_TRIES = 8
_FIRST_PORT, _PORTS = 1024, 65536 - 1024
_WRONG_REPLIES = 3  # to one query, before it is asked over TCP, where nobody can guess
_MOST_OCTETS = 65535
_SHORTAGES = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_AGAIN_S = 0.05
_SENT_A_TURN = 16


class Events(Protocol):
    """Who is told what came of a query."""

    def responded(self, token: int, response: Response) -> None:
        """The right server answered this very question."""

    def failed(self, token: int, why: str, *, unreachable: bool = False) -> None:
        """Nothing that could be used came."""

    def hurry(self, token: int) -> None:
        """It takes longer than usual."""

    def distrusted(self, token: int, *, case: bool) -> None:
        """Replies came that may be forged, or (case) one that did not keep the question's case: ask over TCP."""


def scrambled(qname: bytes) -> bytes:
    """The name with the case of its letters chosen by chance: bits that a forger has to guess (0x20)."""
    bits = int.from_bytes(os.urandom(32), "big")
    made = bytearray(qname)
    at = 0
    while length := made[at]:
        for index in range(at + 1, at + 1 + length):
            if 0x61 <= made[index] <= 0x7A and bits & 1:
                made[index] -= 0x20
            bits >>= 1
        at += length + 1
    return bytes(made)


class Transport:
    """Sends queries; `sources` are local addresses to send from, one of each family at the most is used.

    In one turn of the event loop only so many are sent, the rest in the next ones: clients whose answers are there
    already do not wait for a flood of questions that are not.
    """

    def __init__(self, registry: Registry, *, sources: Sequence[str] = ()) -> None:
        self._sources = {":" in source: source for source in sources}
        self._hub = gevent.get_hub()
        self._outgoing = {
            (transport, result): registry.counter("resolver.outgoing", transport=transport, result=result)
            for transport in ("udp", "tcp") for result in ("answered", "timeout", "unreachable", "malformed", "suspect")
        }
        self._rtt = registry.histogram("resolver.rtt_seconds")
        self.open: set[_Flight] = set()
        self._left = _SENT_A_TURN
        self._queue: deque[tuple[float, Ask, Events]] = deque()
        self._turn_timer = self._hub.loop.timer(0.0)
        self._turning = False

    def send(self, ask: Ask, events: Events) -> None:
        """Send a query; what comes of it is told to `events`, never from within this call."""
        if not self._turning:
            self._turning = True
            # Time-outs count from now, however long the loop's turn has lasted already.
            self._hub.loop.update_now()
            self._turn_timer.start(self._turn)
        if self._left > 0 and not self._queue:
            self._begin(ask, events)
        else:
            self._queue.append((self._hub.loop.now(), ask, events))

    def _turn(self) -> None:
        self._left = _SENT_A_TURN
        self._turning = False
        while self._queue and self._left > 0:
            queued_s, ask, events = self._queue.popleft()
            if queued_s + MAX_S > self._hub.loop.now():  # else the resolution is over
                self._begin(ask, events)
        if self._left < _SENT_A_TURN:
            self._turning = True
            self._turn_timer.start(self._turn)

    def _begin(self, ask: Ask, events: Events) -> None:
        self._left -= 1
        flight: _Flight = _TcpFlight(self, ask, events) if ask.tcp else _UdpFlight(self, ask, events)
        self.open.add(flight)
        flight.begin()

    def source_of(self, address: Address) -> str:
        """The local address for queries to an address."""
        return self._sources.get(address.is_ipv6, "::" if address.is_ipv6 else "0.0.0.0")

    def count(self, transport: str, result: str, rtt_s: float | None = None) -> None:
        """Count what came of a query."""
        self._outgoing[transport, result].add()
        if rtt_s is not None:
            self._rtt.observe(rtt_s)

    def close(self) -> None:
        """Give up everything that is on its way."""
        self._queue.clear()
        self._turn_timer.stop()
        self._turning = False
        for flight in list(self.open):
            flight.end()


class _Flight:
    """One query on its way."""

    transport = ""

    def __init__(self, owner: Transport, ask: Ask, events: Events) -> None:
        self.owner, self.ask, self.events = owner, ask, events
        self.loop = gevent.get_hub().loop
        self.sent_s = self.loop.now()
        self.id = secrets.randbits(16)
        self.qname = ask.qname if ask.keep_case else scrambled(ask.qname)
        self.packet = query(self.id, self.qname, ask.qtype, ask.options)
        self.ended = False
        self._timers = [
            self._timer(ask.patience_s, self._hurry), self._timer(ask.timeout_s, self._timed_out)
        ]

    def _timer(self, delay_s: float, then: Callable[[], None]) -> Any:
        timer = self.loop.timer(delay_s)
        timer.start(then)
        return timer

    def begin(self) -> None:
        raise NotImplementedError

    def end(self) -> None:
        """Close everything, tell nobody."""
        self.ended = True
        self.owner.open.discard(self)
        for timer in self._timers:
            timer.stop()
            timer.close()
        self._timers = []

    def _hurry(self) -> None:
        if not self.ended:
            self.events.hurry(self.ask.token)

    def _timed_out(self) -> None:
        self.fail("no response", "timeout")

    def fail(self, why: str, result: str, *, unreachable: bool = False) -> None:
        """End and tell why; once."""
        if not self.ended:
            self.end()
            self.owner.count(self.transport, result)
            self.events.failed(self.ask.token, why, unreachable=unreachable)

    def right(self, packet: bytes) -> Response | None:
        """The response when it belongs to this question in all it says; FormatError when it is none at all."""
        if len(packet) < 12 or packet[0] << 8 | packet[1] != self.id or not packet[2] & 0x80:
            return None
        response = parse(packet)
        if response.qname:
            return response if response.qname == self.qname and response.qtype == self.ask.qtype else None
        # Without a question only errors come, of servers that could not read it.
        return response if response.rcode not in (0, 3) else None

    def done(self, response: Response) -> None:
        """End with a response."""
        if not self.ended:
            rtt_s = self.loop.now() - self.sent_s
            self.end()
            self.owner.count(self.transport, "answered", rtt_s)
            self.events.responded(self.ask.token, response)


class _UdpFlight(_Flight):
    transport = "udp"

    def __init__(self, owner: Transport, ask: Ask, events: Events) -> None:
        super().__init__(owner, ask, events)
        # Not gevent's: that one would wait, and here is nobody who may.
        self._socket: _socket.socket | None = None
        self._io: Any = None
        self._wrong = 0

    def begin(self) -> None:
        try:
            self._socket = sock = self._bound()
            sock.connect((self.ask.address.host, self.ask.address.port))
            sock.send(self.packet)
        except OSError as error:
            if error.errno in _SHORTAGES:
                # The server cannot help that. Others end, and there is time until the time-out.
                self._timers.append(self._timer(_AGAIN_S, self._begin_again))
                return
            why = os.strerror(error.errno or 0).lower()
            # Not from within send(): who asked is not ready to hear of it.
            self.loop.run_callback(lambda: self.fail(why, "unreachable", unreachable=True))
            return
        self._io = self.loop.io(sock.fileno(), 1)
        self._io.start(self._readable)

    def _begin_again(self) -> None:
        if not self.ended:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
            self.begin()

    def _bound(self) -> _socket.socket:
        address = self.ask.address
        family = _socket.AF_INET6 if address.is_ipv6 else _socket.AF_INET
        sock = _socket.socket(family, _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK)
        try:
            if address.is_ipv6:
                sock.setsockopt(_socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_OMIT)
            else:
                sock.setsockopt(_socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_OMIT)
            source = self.owner.source_of(address)
            for _ in range(_BIND_TRIES):
                try:
                    sock.bind((source, _FIRST_PORT + secrets.randbelow(_PORTS)))
                    return sock
                except OSError as error:
                    if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                        raise
            sock.bind((source, 0))
        except BaseException:
            sock.close()
            raise
        return sock

    def end(self) -> None:
        super().end()
        if self._io is not None:
            self._io.stop()
            self._io.close()
            self._io = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _readable(self) -> None:
        while self._socket is not None:
            try:
                packet = self._socket.recv(_MOST_OCTETS)
            except BlockingIOError:
                return
            except OSError as error:
                self.fail(os.strerror(error.errno or 0).lower(), "unreachable", unreachable=True)
                return
            try:
                response = self.right(packet)
            except FormatError:
                self.fail("its response is malformed", "malformed")
                return
            if response is not None:
                self.done(response)
                return
            self._wrong += 1
            if self._only_case_differs(packet):
                self._distrust(case=True)
            elif self._wrong >= _WRONG_REPLIES:
                self._distrust(case=False)

    def _only_case_differs(self, packet: bytes) -> bool:
        mine = self.packet[12 : 12 + len(self.qname) + 4]
        theirs = packet[12 : 12 + len(mine)]
        return packet[:2] == self.packet[:2] and theirs != mine and theirs.lower() == mine.lower()

    def _distrust(self, *, case: bool) -> None:
        self.end()
        self.owner.count("udp", "suspect")
        self.events.distrusted(self.ask.token, case=case)


class _TcpFlight(_Flight):
    transport = "tcp"

    def begin(self) -> None:
        self._greenlet = gevent.spawn(self._converse)

    def end(self) -> None:
        super().end()
        if gevent.getcurrent() is not self._greenlet:
            self._greenlet.kill(block=False)

    def _converse(self) -> None:
        address = self.ask.address
        try:
            source = (self.owner.source_of(address), 0)
            with socket.create_connection((address.host, address.port), self.ask.timeout_s, source) as sock:
                sock.sendall(len(self.packet).to_bytes(2, "big") + self.packet)
                length = int.from_bytes(_exactly(sock, 2), "big")
                response = self.right(_exactly(sock, length))
        except OSError as error:
            self.fail(os.strerror(error.errno).lower() if error.errno else "no response over TCP", "unreachable",
                      unreachable=True)
            return
        except FormatError:
            self.fail("its response is malformed", "malformed")
            return
        if response is None:
            self.fail("it answered another question", "malformed")
        else:
            self.done(response)


def _exactly(sock: socket.socket, octets: int) -> bytes:
    data = b""
    while len(data) < octets:
        piece = sock.recv(octets - len(data))
        if not piece:
            raise ConnectionResetError(errno.ECONNRESET, "the connection ended")
        data += piece
    return data
