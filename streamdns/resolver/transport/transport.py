"""Sends the queries of resolutions, each from a socket and port of its own so that answers are hard to forge.

All in callbacks of the event loop, which neither wait nor raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import gevent

from streamdns.metrics.registry import Registry
from streamdns.resolver.resolution.load import Load
from streamdns.resolver.resolution.question import Ask
from streamdns.resolver.resolution.resolution import MAX_S
from streamdns.resolver.resolution.servers import Address
from streamdns.resolver.transport.flight import Events, Flight, scrambled
from streamdns.resolver.transport.pace import SENDING, Deadlines, Pace
from streamdns.resolver.transport.tcp import TcpFlight
from streamdns.resolver.transport.udp import UdpFlight
from streamdns.runtime.open_files import open_files

__all__ = ["Events", "Transport", "scrambled"]

#: Of the files that this process may have open, so many are left for all else: connections of clients first of all.
_KEPT_FREE_PART, _LEAST_SOCKETS = 2, 64


class Transport:
    """Sends queries; `sources` are local addresses to send from, one of each family at the most is used.

    `pace` says how many in one turn of the event loop, the rest goes in the next ones; `load` is kept up to date with
    what is on its way.
    """

    def __init__(
        self, registry: Registry, *, sources: Sequence[str] = (), pace: Pace | None = None, load: Load | None = None,
    ) -> None:
        self._sources = {":" in source: source for source in sources}
        self._outgoing = {
            (transport, result): registry.counter("resolver.outgoing", transport=transport, result=result)
            for transport in ("udp", "tcp") for result in ("answered", "timeout", "unreachable", "malformed", "suspect")
        }
        self._rtt = registry.histogram("resolver.rtt_seconds")
        self.pace = Pace() if pace is None else pace
        self.deadlines = Deadlines(self.pace)
        self.loop = gevent.get_hub().loop
        self.open: set[Flight] = set()
        self.joinable: dict[object, Flight] = {}  # by what is asked of whom and how
        self._load = Load() if load is None else load
        self._most_open = max(_LEAST_SOCKETS, open_files() // _KEPT_FREE_PART)
        self._closed = 0

    def send(self, ask: Ask, events: Events) -> None:
        """Send a query; what comes of it is told to `events`, never from within this call (but for `joined`)."""
        if self.pace.within:
            self._begin(ask, events)
        elif self.pace.enter(SENDING):
            try:
                self._begin(ask, events)
            finally:
                self.pace.leave()
        else:
            self.pace.put(SENDING, partial(self._begin_late, ask, events, self.deadlines.clock(), self._closed))

    def _begin_late(self, ask: Ask, events: Events, queued_s: float, closed: int) -> None:
        # Else the resolution is over.
        if closed == self._closed and queued_s + MAX_S > self.deadlines.clock():
            self._begin(ask, events)

    def _begin(self, ask: Ask, events: Events) -> None:
        key = ask.address, ask.qname, ask.qtype, ask.options, ask.tcp, ask.keep_case
        flight = self.joinable.get(key)
        if flight is not None:
            flight.join(ask, events)
            return
        flight = self.joinable[key] = (TcpFlight if ask.tcp else UdpFlight)(self, ask, events, key)
        self.open.add(flight)
        self._load.begins(ask.address, ask.zone)
        flight.begin()

    def crowded(self) -> bool:
        """Whether no more sockets may be opened now: clients' connections need descriptors, too."""
        return len(self.open) > self._most_open

    def ended(self, ask: Ask) -> None:
        """A query is not on its way any more."""
        self._load.ends(ask.address, ask.zone)

    def source_of(self, address: Address) -> str:
        """The local address for queries to an address, "" for any."""
        return self._sources.get(address.is_ipv6, "")

    def count(self, transport: str, result: str, rtt_s: float | None = None) -> None:
        """Count what came of a query."""
        self._outgoing[transport, result].add()
        if rtt_s is not None:
            self._rtt.observe(rtt_s)

    def close(self) -> None:
        """Give up everything that is on its way."""
        self._closed += 1
        for flight in list(self.open):
            flight.end()
