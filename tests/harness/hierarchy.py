"""Drives a resolution through zones on servers in memory, with a clock that the test moves: no waiting, no sockets."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from streamdns.dns import name, rdata
from streamdns.dns.wire import AAAA, CNAME, DNAME, DS, NS, NXDOMAIN, SERVFAIL, SOA, A
from streamdns.resolver.resolution.cache import Cache
from streamdns.resolver.resolution.message import Options, Response, RRset
from streamdns.resolver.resolution.resolution import MAX_S, Ask, Knowledge, Outcome, Question, Resolution
from streamdns.resolver.resolution.servers import Address, Servers
from streamdns.resolver.resolution.verdict import is_within

#: What a server makes of the right response; None is silence.
Behaviour = Callable[[Ask, Response], Response | None]


def wire(text: str) -> bytes:
    return name.from_text(text).lower()


@dataclass
class Zone:
    """A zone's records; delegations are NS records below the apex, with the addresses beside them as glue."""

    apex: str
    records: dict[tuple[bytes, int], RRset] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.top = wire(self.apex)
        self.add(self.apex, "SOA", "ns.invalid. host.invalid. 1 3600 600 604800 300")

    def add(self, owner: str, rdtype: str, *contents: str, ttl_s: int = 3600) -> Zone:
        number = rdata.type_from_text(rdtype)
        rdatas = tuple(rdata.from_text(number, content) for content in contents)
        self.records[wire(owner), number] = RRset(wire(owner), number, ttl_s, rdatas)
        return self

    def answer(self, qname: bytes, qtype: int) -> Response | None:
        """What it says as one of our own zones; None for names that are not in it."""
        ask = Ask(0, Address("::"), b"\0", qname, qtype, Options(), False, False, 0.0, 0.0)
        return self.respond(ask) if is_within(qname, self.top) else None

    def respond(self, ask: Ask) -> Response:
        """The response of a server that has this zone and does all right."""
        records, qname, qtype = self.records, ask.qname, ask.qtype
        labels = 0
        cut = None
        at = 0
        while qname[at:] != self.top:
            here = records.get((qname[at:], NS))
            if here is not None and not (qtype == DS and at == 0):
                cut = here
            at += qname[at] + 1
            labels += 1
        if cut is not None:
            glue = [records[rdata.lower(), kind] for rdata in cut.rdatas for kind in (A, AAAA)
                    if (rdata.lower(), kind) in records]
            return self._made(ask, authority=(cut,), additional=tuple(glue), aa=False)
        chain: list[RRset] = []
        while is_within(qname, self.top) and len(chain) < 8:
            there = records.get((qname, qtype))
            alias = records.get((qname, CNAME))
            if there is not None:
                return self._made(ask, answer=(*chain, there))
            if alias is not None:
                chain.append(alias)
                qname = alias.rdatas[0].lower()
                continue
            dname = next((records[qname[at:], DNAME] for at in _parents(qname) if (qname[at:], DNAME) in records), None)
            if dname is not None:
                qname = qname[: -len(dname.owner)] + dname.rdatas[0].lower()
                chain.append(dname)
                continue
            soa = (records[self.top, SOA],)
            exists = any(is_within(owner, qname) for owner, _ in records)
            return self._made(ask, answer=tuple(chain), authority=soa, rcode=0 if exists else NXDOMAIN)
        return self._made(ask, answer=tuple(chain))

    def _made(
        self, ask: Ask, *, answer: tuple[RRset, ...] = (), authority: tuple[RRset, ...] = (),
        additional: tuple[RRset, ...] = (), rcode: int = 0, aa: bool = True,
    ) -> Response:
        return Response(0, ask.qname, ask.qtype, rcode, aa, False, False, bool(ask.options.edns_size), answer,
                        authority, additional)


def _parents(qname: bytes) -> Iterable[int]:
    at = 0
    while qname[at]:
        at += qname[at] + 1
        yield at


@dataclass
class Host:
    """A server: the zones that it has, how long it takes, and what it makes of its responses.

    `loss`: so many of its responses over UDP are lost. `mixes_case`, `forged`: what the transport says of replies that
    have another case, or of a flood of wrong ones.
    """

    zones: list[Zone]
    rtt_s: float = 0.01
    behave: Behaviour = lambda ask, response: response
    dead: bool = False
    unreachable: bool = False
    tcp: bool = True
    loss: float = 0.0
    mixes_case: bool = False
    forged: bool = False


class World:
    """Servers by address, a clock, and what a resolver keeps; `asked` is every query that was sent."""

    def __init__(self, seed: int = 1, *, ipv6: bool = False) -> None:
        self.hosts: dict[str, Host] = {}
        self.now_s = 1000.0
        self.asked: list[Ask] = []
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], list[Ask]]]] = []
        self.rng = rng = random.Random(seed)
        self.known = Knowledge(Cache(1 << 24), Servers(rng), (), rng, ipv6=ipv6)

    def host(self, address: str, *zones: Zone, rtt_s: float = 0.01, behave: Behaviour | None = None) -> Host:
        host = self.hosts[address] = Host(list(zones), rtt_s)
        if behave is not None:
            host.behave = behave
        if any(zone.apex == "." for zone in zones):
            self.known.roots = (*self.known.roots, Address(address))
        return host

    def resolve(self, qname: str, rdtype: str = "A", **options: bool) -> Outcome:
        """Drive one resolution to its end."""
        question = Question(wire(qname), rdata.type_from_text(rdtype))
        trace: list[str] = []
        resolution = Resolution(question, self.known, trace=trace.append, **options)
        return self.drive(resolution, trace)

    def resolution(self, qname: str, rdtype: str = "A") -> Resolution:
        """One resolution that somebody else drives."""
        return Resolution(Question(wire(qname), rdata.type_from_text(rdtype)), self.known)

    def answer(self, ask: Ask) -> Response:
        """What a server that does all right says; of an address where there is none, nothing at all."""
        host = self.hosts.get(ask.address.host)
        response = None if host is None else self._answer(Host(host.zones), ask)
        return response or Response(0, ask.qname, ask.qtype, 5, False, False, False, True, (), (), ())

    def drive(self, resolution: Resolution, trace: list[str]) -> Outcome:
        self.trace = trace
        ends_s = self.now_s + MAX_S
        events = self._events  # Those of earlier resolutions, too: what comes late tells about its servers.
        while events and events[0][0] <= self.now_s:
            heapq.heappop(events)[2]()

        def later(delay_s: float, what: Callable[[], list[Ask]]) -> None:
            heapq.heappush(events, (self.now_s + delay_s, next(self._order), what))

        def hurry(token: int) -> list[Ask]:
            return resolution.hurry(token, self.now_s)

        def responded(token: int, response: Response) -> list[Ask]:
            return resolution.responded(token, response, self.now_s)

        def failed(token: int, unreachable: bool) -> list[Ask]:
            why = "connection refused" if unreachable else "no response"
            return resolution.failed(token, why, self.now_s, unreachable=unreachable)

        def distrusted(token: int, case: bool) -> list[Ask]:
            return resolution.distrusted(token, self.now_s, case=case)

        def send(asks: list[Ask]) -> None:
            if resolution.goes_on:
                later(0.0, lambda: resolution.go_on(self.now_s))
            for ask in asks:
                self.asked.append(ask)
                later(ask.patience_s, partial(hurry, ask.token))
                host = self.hosts.get(ask.address.host)
                if host is None or host.unreachable or (ask.tcp and not host.tcp):
                    later(0.001 if host is None else host.rtt_s, partial(failed, ask.token, True))
                    continue
                lost = not ask.tcp and self.rng.random() < host.loss
                response = None if host.dead or lost else self._answer(host, ask)
                if response is None or host.rtt_s >= ask.timeout_s:
                    later(ask.timeout_s, partial(failed, ask.token, False))
                elif not ask.tcp and (host.forged or (host.mixes_case and not ask.keep_case)):
                    later(host.rtt_s, partial(distrusted, ask.token, not host.forged))
                else:
                    if ask.tcp and host.mixes_case and not ask.keep_case:
                        response = response._replace(case_kept=False)
                    later(host.rtt_s * (2 if ask.tcp else 1), partial(responded, ask.token, response))

        send(resolution.start(self.now_s))
        while resolution.outcome is None:
            if not events or events[0][0] > ends_s:
                self.now_s = ends_s
                resolution.expired()
                break
            self.now_s, _, what = heapq.heappop(events)
            send(what())
        assert resolution.outcome is not None
        return resolution.outcome

    def _answer(self, host: Host, ask: Ask) -> Response | None:
        fitting = [zone for zone in host.zones if is_within(ask.qname, zone.top)]
        if not fitting:
            refused = Response(0, ask.qname, ask.qtype, 5, False, False, False, True, (), (), ())
            return host.behave(ask, refused)
        return host.behave(ask, max(fitting, key=lambda zone: len(zone.top)).respond(ask))


def texts(outcome: Outcome) -> list[str]:
    """The answer as "owner type content" lines."""
    return [
        f"{name.to_text(rrset.owner)} {rdata.type_to_text(rrset.rdtype)} {rdata.to_text(rrset.rdtype, each)}"
        for rrset in outcome.answer for each in rrset.rdatas
    ]


__all__ = ["MAX_S", "SERVFAIL", "Behaviour", "Host", "World", "Zone", "texts", "wire"]
