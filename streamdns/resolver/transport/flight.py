"""One query in flight over UDP or TCP: id and mixed case against forgery, time limits, the check of its response."""

from __future__ import annotations

import _socket
import errno
import os
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from streamdns.dns.wire import HEADER_SIZE, FormatError
from streamdns.resolver.resolution.message import Response, TooMuch, parse, query
from streamdns.resolver.resolution.question import Ask
from streamdns.resolver.resolution.servers import Address
from streamdns.resolver.transport.pace import ANSWERS, TIME_LIMITS, Deadlines, Pace

_SHORTAGES: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_AGAIN_S: Final = 0.05
_NO_QUESTION_OCTETS: Final = 512  # of a reply without a question, which is no more than a header and an OPT record
FIRST_PORT, PORTS = 1024, 65536 - 1024
#: The bit that makes another case of each octet of a name in lower case; lengths of labels are no letters.
_CASE_BITS: Final = bytes(0x20 if 0x61 <= octet <= 0x7A else 0 for octet in range(256))


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

    def joined(self, token: int) -> None:
        """The very same query is on its way already, and what comes of that is told."""

    def spent(self, token: int, us: int) -> None:
        """Taking its response apart took so many microseconds of CPU time; told before what came of it."""


class Carrier(Protocol):
    """What all flights have in common."""

    loop: Any
    open: set[Flight]
    joinable: dict[object, Flight]
    pace: Pace
    deadlines: Deadlines

    def crowded(self) -> bool:
        """Whether no more sockets may be opened now."""

    def source_of(self, address: Address) -> str:
        """The local address for queries to an address, "" for any."""

    def count(self, transport: str, result: str, rtt_s: float | None = None) -> None:
        """Count what came of a query."""

    def ended(self, ask: Ask) -> None:
        """It is not on its way any more."""


def scrambled(qname: bytes, chance: bytes = b"") -> bytes:
    """The name with the case of its letters chosen by chance: bits that a forger has to guess (0x20).

    `chance` are as many octets as the name has, from the system's CSPRNG unless given.
    """
    octets = len(qname)
    bits = int.from_bytes(chance or os.urandom(octets), "big")
    letters = int.from_bytes(qname.translate(_CASE_BITS), "big")
    return (int.from_bytes(qname, "big") ^ bits & letters).to_bytes(octets, "big")


class Flight:
    """One query on its way: patience first, then the time-out. `tick` belongs to the deadlines.

    While nobody is impatient, who wants to send the same joins: many identical queries at a time would be as many ids
    and ports for a forger to hit one of (birthday attack).
    """

    __slots__ = ("_hurried", "_io", "_joiners", "ask", "carrier", "ended", "events", "id", "key", "packet", "port",
                 "qname", "sent_s", "socket", "tick")
    transport = ""
    kind = TIME_LIMITS

    def __init__(self, carrier: Carrier, ask: Ask, events: Events, key: object = None) -> None:
        self.carrier, self.ask, self.events, self.key = carrier, ask, events, key
        self._joiners: list[tuple[Events, int]] = []
        qname = ask.qname
        chance = os.urandom(6 + len(qname))
        self.id = chance[0] << 8 | chance[1]
        self.port = FIRST_PORT + int.from_bytes(chance[2:6], "big") % PORTS
        self.qname = qname if ask.keep_case else scrambled(qname, chance[6:])
        self.packet = query(self.id, self.qname, ask.qtype, ask.options)
        self.ended = False
        self.tick = 0
        # Not gevent's: that one would wait, and here is nobody who may.
        self.socket: _socket.socket | None = None
        self._io: Any = None
        self.sent_s = carrier.deadlines.clock()
        self._hurried = ask.patience_s >= ask.timeout_s
        carrier.deadlines.at(self.sent_s + min(ask.patience_s, ask.timeout_s), self)

    def join(self, ask: Ask, events: Events) -> None:
        """Tell them, too."""
        self._joiners.append((events, ask.token))
        events.joined(ask.token)

    def begin(self) -> None:
        """Send it, as soon as the system has a socket for it."""
        if self.carrier.crowded():
            self._wait()
            return
        try:
            self.send()
        except OSError as error:
            if error.errno in _SHORTAGES:
                self._wait()
                return
            # Not from within: who asked is not ready to hear of it.
            self.carrier.pace.put(ANSWERS, partial(self.unreachable, error.errno))

    def _wait(self) -> None:
        """The server cannot help that there are no sockets. Others end, and there is time until the time-out."""
        self.carrier.deadlines.at(self.carrier.deadlines.clock() + _AGAIN_S, _Again(self))

    def send(self) -> None:
        """Open `socket` and begin to send; raises OSError."""
        raise NotImplementedError

    def watch(self, events: int, then: Callable[[], None]) -> None:
        """Call `then` when the socket is readable (1) or writable (2)."""
        assert self.socket is not None
        if self._io is not None:
            self._io.close()
        self._io = self.carrier.loop.io(self.socket.fileno(), events)
        self._io.start(self._ready, then)

    def _ready(self, then: Callable[[], None]) -> None:
        if not self.carrier.pace.do(ANSWERS, then):
            self._io.stop()  # It is known already that it is ready.

    def watch_on(self, then: Callable[[], None]) -> None:
        """There was nothing yet: watch again, where that had ended."""
        if self._io is not None and not self._io.active:
            self._io.start(self._ready, then)

    def receive(self, most: int, then: Callable[[], None]) -> bytes | None:
        """What has come, of so many octets at most, b"" where the server has closed the connection.

        None where nothing has come, then it is watched for, or where it failed, which is told.
        """
        sock = self.socket
        if sock is None:
            return None
        try:
            return sock.recv(most)
        except BlockingIOError:
            self.watch_on(then)
        except OSError as error:
            self.unreachable(error.errno)
        return None

    def shut(self) -> None:
        """Close the socket."""
        if self._io is not None:
            self._io.close()
            self._io = None
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def end(self) -> None:
        """Close everything, tell nobody."""
        self.ended = True
        self.carrier.open.discard(self)
        self.carrier.ended(self.ask)
        self._close_to_others()
        self.carrier.deadlines.cancel(self)
        self.shut()

    def _close_to_others(self) -> None:
        joinable = self.carrier.joinable
        if joinable.get(self.key) is self:
            del joinable[self.key]

    def due(self) -> None:
        """First it takes long, then too long."""
        if self.ended:
            return
        if self._hurried:
            self.fail("no response", "timeout")
        else:
            self._hurried = True
            self._close_to_others()  # The same may be sent again, as a packet may have been lost.
            self.carrier.deadlines.at(self.sent_s + self.ask.timeout_s, self)
            if not self.carrier.pace.behind:
                self.events.hurry(self.ask.token)
                for events, token in self._joiners:
                    self.carrier.pace.put(TIME_LIMITS, partial(events.hurry, token))

    def fail(self, why: str, result: str, *, unreachable: bool = False) -> None:
        """End and tell why; once."""
        if not self.ended:
            self.end()
            self.carrier.count(self.transport, result)
            self.events.failed(self.ask.token, why, unreachable=unreachable)
            for events, token in self._joiners:
                self.carrier.pace.put(ANSWERS, partial(events.failed, token, why, unreachable=unreachable))

    def distrust(self, *, case: bool) -> None:
        """End with what may be forged, or was not given back in the same case."""
        if not self.ended:
            self.end()
            self.carrier.count(self.transport, "suspect")
            self.events.distrusted(self.ask.token, case=case)
            for events, token in self._joiners:
                self.carrier.pace.put(ANSWERS, partial(events.distrusted, token, case=case))

    def unreachable(self, number: int | None) -> None:
        """End with an error of the system."""
        self.fail(os.strerror(number or 0).lower(), "unreachable", unreachable=True)

    def malformed(self, error: FormatError) -> None:
        """End with what cannot be read."""
        too_much = isinstance(error, TooMuch)
        self.fail("its response has too many records or labels" if too_much else "its response is malformed",
                  "malformed")

    def answers(self, packet: bytes) -> bool:
        """Whether a packet has the id of this query and answers it, question and case; nothing of it is read."""
        end = HEADER_SIZE + len(self.qname) + 4
        return self._is_reply(packet) and packet[4:6] == b"\0\1" and packet[12:end] == self.packet[12:end]

    def only_case_differs(self, packet: bytes) -> bool:
        """Whether a packet would answer the question, were it not for the case of its letters."""
        end = HEADER_SIZE + len(self.qname) + 4
        mine, theirs = self.packet[12:end], packet[12:end]
        return self._is_reply(packet) and theirs != mine and theirs.lower() == mine.lower()

    def _is_reply(self, packet: bytes) -> bool:
        return len(packet) >= HEADER_SIZE and packet[:2] == self.packet[:2] and packet[2] & 0x80 != 0

    def right(self, packet: bytes) -> Response | None:
        """The response when it belongs to this question in all it says; FormatError when it is none at all."""
        if self.answers(packet):
            return self.read(packet)
        if self._is_reply(packet) and len(packet) > HEADER_SIZE and self.packet.startswith(packet[12:], 12):
            raise FormatError  # It ends within the question.
        if not self._is_reply(packet) or packet[4:6] != b"\0\0" or len(packet) > _NO_QUESTION_OCTETS:
            return None
        # Without a question only errors come, of servers that could not read it.
        response = parse(packet)
        return response if response.rcode not in (0, 3) else None

    def read(self, packet: bytes) -> Response:
        """Take the response apart, and tell how long that took; FormatError when it is none at all."""
        pace = self.carrier.pace
        began_s = pace.clock()
        try:
            return parse(packet, question=self.ask.qname)
        finally:
            self.events.spent(self.ask.token, pace.taken_us(began_s))

    def done(self, response: Response) -> None:
        """End with a response."""
        if not self.ended:
            rtt_s = self.carrier.deadlines.clock() - self.sent_s
            self.end()
            self.carrier.count(self.transport, "answered", rtt_s)
            self.events.responded(self.ask.token, response)
            for events, token in self._joiners:  # Not at once: there may be thousands.
                self.carrier.pace.put(ANSWERS, partial(events.responded, token, response))


class _Again:
    """A flight that waits for a descriptor."""

    __slots__ = ("_flight", "tick")
    kind = TIME_LIMITS

    def __init__(self, flight: Flight) -> None:
        self._flight, self.tick = flight, 0

    def due(self) -> None:
        if not self._flight.ended:
            self._flight.shut()
            self._flight.begin()


