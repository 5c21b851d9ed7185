"""Counts queries and answers for the metrics: the figures of a batch are added once per batch, not per query."""

from __future__ import annotations

from bisect import bisect_left

from streamdns.consumer.propagation import Awaiting
from streamdns.dns.answer import Answerer
from streamdns.dns.rdata import type_from_text
from streamdns.metrics.catalogue import LABEL_VALUES, OTHER
from streamdns.metrics.registry import Counter, Registry

_RCODES = {
    0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN",
    9: "NOTAUTH", 16: "BADVERS", 23: "BADCOOKIE",
}
_NAMED = {type_from_text(qtype): qtype for qtype in LABEL_VALUES["qtype"]}


class _Transport:
    """The metrics of one transport."""

    def __init__(self, registry: Registry, transport: str) -> None:
        self.registry, self.transport = registry, transport
        self.bytes_in = registry.counter("dns.bytes_in", transport=transport)
        self.bytes_out = registry.counter("dns.bytes_out", transport=transport)
        self.truncated = registry.counter("dns.truncated", transport=transport)
        self.latency = registry.histogram("dns.latency_seconds", transport=transport)
        self.queries: dict[int, Counter] = {}

    def add(self, packets: list[bytes], replies: list[bytes | None], answerer: Answerer, elapsed_s: float) -> int:
        """Count one batch; return the number of messages that got no reply."""
        octets_in = octets_out = answered = 0
        for packet in packets:
            octets_in += len(packet)
        for reply in replies:
            if reply is not None:
                octets_out += len(reply)
                answered += 1
        self.bytes_in.add(octets_in)
        self.bytes_out.add(octets_out)
        tally = answerer.tally
        for kind, count in tally.items():
            counter = self.queries.get(kind)
            if counter is None:
                counter = self._counter(kind)
            counter.add(count)
        tally.clear()
        if answerer.truncated:
            self.truncated.add(answerer.truncated)
            answerer.truncated = 0
        self.latency.counts[bisect_left(self.latency.bounds, elapsed_s)] += answered
        self.latency.sum += elapsed_s * answered
        return len(packets) - answered

    def _counter(self, kind: int) -> Counter:
        """The counter of a type and an RCODE; types that have no name in the metrics share one of each RCODE.

        So whoever asks for types at random makes nothing new.
        """
        qtype = _NAMED.get(kind >> 8)
        place = kind & 255 if qtype is None else kind
        counter = self.queries.get(place)
        if counter is None:
            rcode = _RCODES.get(kind & 255, "other")
            counter = self.registry.counter(
                "dns.queries", transport=self.transport, qtype=qtype or OTHER, rcode=rcode
            )
            self.queries[place] = counter
        return counter


class Statistics:
    """The counters of all DNS servers of the process."""

    def __init__(self, registry: Registry, propagation: Awaiting) -> None:
        self.udp = _Transport(registry, "udp")
        self.tcp = _Transport(registry, "tcp")
        self._propagation = propagation
        registry.gauge("dns.in_flight").set(0)
        self.exceptions = registry.counter("dns.exceptions")
        self.unanswered = registry.counter("dns.dropped", reason="not a query")
        self.refused = registry.counter("dns.dropped", reason="not sent")
        self.tcp_connections = registry.gauge("dns.tcp_connections")
        self.tcp_connections.set(0)
        self.tcp_accepted = registry.counter("dns.tcp_accepted")
        self.tcp_refused = registry.counter("dns.tcp_refused")

    def count_udp(
        self, packets: list[bytes], replies: list[bytes | None], refused: int, answerer: Answerer, elapsed_s: float,
        *, dropped: int = 0,
    ) -> None:
        """Count one batch of datagrams; the kernel did not take `refused` replies, and rate limiting `dropped` some."""
        unanswered = self.udp.add(packets, replies, answerer, elapsed_s)
        if self._propagation.unseen and unanswered < len(packets):
            self._propagation.answered()
        if unanswered > dropped:
            self._count_unanswered(unanswered - dropped, answerer)
        if refused:
            self.refused.add(refused)

    def count_tcp(
        self, packets: list[bytes], replies: list[bytes | None], answerer: Answerer, elapsed_s: float
    ) -> None:
        """Count one batch of messages of a TCP connection."""
        unanswered = self.tcp.add(packets, replies, answerer, elapsed_s)
        if self._propagation.unseen and unanswered < len(packets):
            self._propagation.answered()
        if unanswered:
            self._count_unanswered(unanswered, answerer)

    def count_late(
        self, reply: bytes | None, answerer: Answerer, elapsed_s: float, *, tcp: bool, refused: int = 0
    ) -> None:
        """Count a reply that was sent later (it was resolved), after its query was counted with its batch.

        None is one that rate limiting dropped.
        """
        (self.tcp if tcp else self.udp).add([], [reply], answerer, elapsed_s)
        if refused:
            self.refused.add(refused)

    def _count_unanswered(self, unanswered: int, answerer: Answerer) -> None:
        """Count messages without a reply as dropped, but for those that will be answered later."""
        lost = unanswered - answerer.deferred
        answerer.deferred = 0
        if lost:
            self.unanswered.add(lost)
