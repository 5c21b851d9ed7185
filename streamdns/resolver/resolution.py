"""One question on its way through the hierarchy, as a state machine: no sockets, no clock, no greenlets.

Whoever drives it sends what it says (`Ask`), and tells it what came of each: a response, a failure, or that it is time
to ask somebody else as well. It ends with an `Outcome`. All times are given, in seconds of one monotonic clock.

A resolution works on jobs: the question itself, and the addresses of name servers that come without glue. A job walks
down one delegation after another; names are shown to servers only as far as they need to know (RFC 9156).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from streamdns.dns.wire import AAAA, CNAME, DNAME, DS, NOERROR, NS, NXDOMAIN, SERVFAIL, SOA, A
from streamdns.resolver import cache as store
from streamdns.resolver import verdict as says
from streamdns.resolver.cache import Cache, Entry
from streamdns.resolver.message import Options, Response, RRset
from streamdns.resolver.servers import Address, Chance, Servers
from streamdns.resolver.verdict import MAX_NAME_OCTETS, Verdict, is_within, judge, labels

MAX_CHAIN = 16
MAX_DELEGATIONS = 16
MAX_PACKETS = 100
MAX_NS_NAMES = 5
MAX_DEPTH = 6  # of name servers whose names need name servers whose names ...
MAX_S = 5.0
UDP_TIMEOUT_S = 1.6
TCP_TIMEOUT_S = 2.5
_MINIMISED_MOST, _MINIMISED_ONE_BY_ONE = 10, 4
_ASKS_EACH = 2
EDE_STALE, EDE_NO_AUTHORITY, EDE_NETWORK, EDE_OTHER = 3, 22, 23, 0


class Question(NamedTuple):
    """What a client wants: name in lower-case wire form, type, DO and CD."""

    qname: bytes
    qtype: int
    do: bool = False
    cd: bool = False


class Ask(NamedTuple):
    """A query to send. After `patience_s` without a response, `hurry` is to be called; after `timeout_s`, `failed`."""

    token: int
    address: Address
    zone: bytes
    qname: bytes
    qtype: int
    options: Options
    tcp: bool
    keep_case: bool
    patience_s: float
    timeout_s: float


class Outcome(NamedTuple):
    """The end: RCODE, answer, SOA of a negative answer, extended error (-1: none) with its text, packets sent."""

    rcode: int
    answer: tuple[RRset, ...]
    authority: tuple[RRset, ...]
    ede: int
    detail: str
    packets: int


class Forward(NamedTuple):
    """Names at and below `zone` are asked of these resolvers."""

    zone: bytes
    addresses: tuple[Address, ...]


#: What our own zones say of a name, as a response; None where they say nothing.
Local = Callable[[bytes, int], Response | None]


@dataclass(slots=True)
class Knowledge:
    """What resolutions share. `roots` are addresses; `may_ask` says whether an address may be sent to."""

    cache: Cache
    servers: Servers
    roots: tuple[Address, ...]
    rng: Chance
    forwards: tuple[Forward, ...] = ()
    local: Local = lambda qname, qtype: None
    may_ask: Callable[[Address], bool] = lambda address: True
    port: int = 53
    ipv6: bool = True
    edns_size: int = 1232

    def forward_of(self, name: bytes) -> Forward | None:
        """The forward whose zone is the nearest at or above a name."""
        fitting = [each for each in self.forwards if is_within(name, each.zone)]
        return max(fitting, key=lambda each: labels(each.zone), default=None)


@dataclass(slots=True)
class _Job:
    """One name and type on its way down; `step` grows with every zone and every name that is asked there."""

    qname: bytes
    qtype: int
    parent: _Job | None
    depth: int
    zone: bytes | None = None
    names: list[bytes] = field(default_factory=list)
    glue: dict[bytes, tuple[Address, ...]] = field(default_factory=dict)
    fixed: tuple[Address, ...] = ()
    recursive: bool = False
    from_cache: bool = False
    shown: int = 0  # labels of qname that the servers of the zone are shown; 0: not decided yet
    minimised: int = 0
    whole: bool = False  # minimisation was given up for this name
    step: int = 0
    asks: dict[Address, int] = field(default_factory=dict)
    waiting: int = 0
    children: int = 0
    names_tried: int = 0
    referrals: int = 0
    chain: list[RRset] = field(default_factory=list)
    aliases: int = 0
    reasons: list[str] = field(default_factory=list)
    heard: bool = False
    done: bool = False
    outcome: Outcome | None = None


class Resolution:
    """One question. `start`, then whatever happens to what it asks for; `outcome` is set when it is over."""

    def __init__(
        self, question: Question, knowledge: Knowledge, *, refresh: bool = False,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.question, self._known, self._trace = question, knowledge, trace
        self.outcome: Outcome | None = None
        self.packets = 0
        self._refresh = refresh
        self._tokens = 0
        self._asked: dict[int, tuple[_Job, Ask, int, float]] = {}
        self._out: list[Ask] = []
        self._ready: list[_Job] = []
        self._now_s = 0.0
        self._top = _Job(question.qname, question.qtype, None, 0)
        self._ends_s = 0.0

    # -- what the driver calls

    def start(self, now_s: float) -> list[Ask]:
        """What to ask first."""
        self._ends_s = now_s + MAX_S
        self._now_s = now_s
        self._advance(self._top, now_s)
        return self._take()

    def responded(self, token: int, response: Response, now_s: float) -> list[Ask]:
        """A response with the right id, question and source came."""
        self._now_s = now_s
        found = self._asked.pop(token, None)
        if found is None:
            return []
        job, ask, step, sent_s = found
        servers = self._known.servers
        servers.answered(ask.address, now_s - sent_s)
        if self.outcome is not None or job.done or step != job.step:
            return []
        job.waiting -= 1
        job.heard = True
        if response.truncated and not ask.tcp:
            self._say(f"{_shown(ask)}: truncated, again over TCP")
            self._send(job, ask.address, now_s, tcp=True)
            return self._take()
        found_out = judge(response, zone=job.zone or b"\0", qname=ask.qname, qtype=ask.qtype, forwarded=job.recursive)
        self._say(f"{_shown(ask)}: {found_out.kind} {found_out.reason}")
        if found_out.kind == says.BROKEN and ask.options.edns_size and not response.edns:
            servers.without_edns(ask.address, now_s)
            self._send(job, ask.address, now_s)
        elif found_out.kind in (says.LAME, says.BROKEN):
            servers.lame(ask.address, job.zone or b"\0", now_s)
            job.asks[ask.address] = _ASKS_EACH
            job.reasons.append(f"{ask.address.host}: {found_out.reason}")
            self._next(job, now_s)
        else:
            self._good(job, ask, found_out, now_s)
        return self._take()

    def failed(self, token: int, why: str, now_s: float, *, unreachable: bool = False) -> list[Ask]:
        """No response came, or none that could be read."""
        self._now_s = now_s
        found = self._asked.pop(token, None)
        if found is None:
            return []
        job, ask, step, _ = found
        servers = self._known.servers
        servers.timed_out(ask.address, now_s, unreachable=unreachable)
        if self.outcome is not None or job.done or step != job.step:
            return []
        job.waiting -= 1
        job.reasons.append(f"{ask.address.host}: {why}")
        self._say(f"{_shown(ask)}: {why}")
        if unreachable or ask.tcp:
            job.asks[ask.address] = _ASKS_EACH
        elif job.asks.get(ask.address, 0) >= _ASKS_EACH:
            self._send(job, ask.address, now_s, tcp=True)
            return self._take()
        self._next(job, now_s)
        return self._take()

    def distrusted(self, token: int, now_s: float, *, case: bool) -> list[Ask]:
        """Replies came that may be forged, or (case) the server does not keep case: over TCP nobody can forge."""
        self._now_s = now_s
        found = self._asked.pop(token, None)
        if found is None:
            return []
        job, ask, step, _ = found
        if case:
            self._known.servers.without_case(ask.address, now_s)
        if self.outcome is not None or job.done or step != job.step:
            return []
        job.waiting -= 1
        self._say(f"{_shown(ask)}: {'the case was changed' if case else 'wrong replies'}, again over TCP")
        self._send(job, ask.address, now_s, tcp=True)
        return self._take()

    def hurry(self, token: int, now_s: float) -> list[Ask]:
        """A response takes longer than usual: somebody else is asked, the first good answer wins."""
        self._now_s = now_s
        found = self._asked.get(token)
        if found is None or self.outcome is not None:
            return []
        job, _, step, _ = found
        if not job.done and step == job.step:
            self._known.servers.slow(found[1].address, now_s - found[3])
            self._next(job, now_s, hurried=True)
        return self._take()

    def expired(self) -> None:
        """The time for the whole question is over."""
        if self.outcome is None:
            heard = self._top.heard
            self._end(self._top, EDE_NO_AUTHORITY if heard else EDE_NETWORK, f"no answer within {MAX_S:g} s")

    def _take(self) -> list[Ask]:
        """What is to be sent now, after every job that waited for another has had its turn."""
        while self._ready and self.outcome is None:
            job = self._ready.pop()
            if not job.done:
                self._next(job, self._now_s)
        out, self._out = self._out, []
        return [] if self.outcome is not None else out

    def _say(self, text: str) -> None:
        if self._trace is not None:
            self._trace(text)

    # -- a job's walk

    def _advance(self, job: _Job, now_s: float) -> None:
        """Go as far as is possible without an answer from anybody."""
        while job.zone is None:
            if not self._known_already(job, now_s):
                if job.done:
                    return
                if job.zone is None:
                    self._find_zone(job, now_s)
        if not job.shown:
            self._choose_shown(job)
        self._next(job, now_s)

    def _known_already(self, job: _Job, now_s: float) -> bool:
        """Use what the cache and our own zones say of the name; True when the job goes on with another name."""
        response = self._known.local(job.qname, job.qtype)
        if response is not None:
            return self._take_local(job, response, now_s)
        if self._refresh and job is self._top and not job.aliases:
            return False
        entry = self._cached(job.qname, job.qtype, now_s)
        if entry is None:
            return self._redirected(job, now_s)
        if entry.kind == store.POSITIVE:
            self._finish(job, NOERROR, (_rrset(job.qname, job.qtype, entry, now_s),), ())
        elif entry.kind == store.FAILURE:
            self._end(job, EDE_OTHER, entry.detail, keep=False)
        elif entry.kind == -1:
            job.chain.append(_rrset(job.qname, CNAME, entry, now_s))
            return self._go_on_with(job, entry.records[0].lower())
        else:
            soa = (_rrset(entry.soa_owner, SOA, entry, now_s),) if entry.records else ()
            self._finish(job, NXDOMAIN if entry.kind == store.NXDOMAIN else NOERROR, (), soa)
        return False

    def _cached(self, qname: bytes, qtype: int, now_s: float) -> Entry | None:
        cache = self._known.cache
        entry = cache.get(qname, qtype, now_s)
        if entry is not None and (entry.kind != store.POSITIVE or entry.trust >= store.ANSWER_NOT_AUTHORITATIVE):
            return entry
        if qtype != CNAME:
            alias = cache.get(qname, CNAME, now_s)
            if alias is not None and alias.kind == store.POSITIVE and alias.trust >= store.ANSWER_NOT_AUTHORITATIVE:
                return Entry(-1, alias.trust, alias.records, alias.signatures, alias.ttl_s, alias.until_s)
        gone = cache.nxdomain_above(qname, now_s)
        return None if gone is None else gone[1]

    def _redirected(self, job: _Job, now_s: float) -> bool:
        """Go on where a DNAME that is in the cache leads to (RFC 6672 §2.2); whether there is one above the name."""
        at = 0
        while job.qname[at]:
            at += job.qname[at] + 1
            entry = self._known.cache.get(job.qname[at:], DNAME, now_s)
            if entry is not None and entry.kind == store.POSITIVE and entry.trust >= store.ANSWER_NOT_AUTHORITATIVE:
                dname = _rrset(job.qname[at:], DNAME, entry, now_s)
                target = job.qname[:at] + entry.records[0].lower()
                if len(target) > MAX_NAME_OCTETS:
                    self._end(job, EDE_OTHER, "a DNAME makes a name that is too long", keep=False)
                    return False
                job.chain += [dname, RRset(job.qname, CNAME, dname.ttl_s, (target,))]
                return self._go_on_with(job, target)
        return False

    def _take_local(self, job: _Job, response: Response, now_s: float) -> bool:
        found = judge(response, zone=b"\0", qname=job.qname, qtype=job.qtype)
        if found.kind == says.REFERRAL:
            self._go_down(job, found, now_s, cached=False)
            return False
        if found.kind == says.ALIAS:
            job.chain += found.rrsets
            return self._go_on_with(job, found.target)
        if found.kind == says.ANSWER:
            self._finish(job, NOERROR, found.rrsets, ())
        elif found.kind in (says.NO_DATA, says.NO_NAME):
            self._finish(job, NXDOMAIN if found.kind == says.NO_NAME else NOERROR, (), found.rrsets)
        else:
            self._end(job, EDE_OTHER, f"our own zone does not answer: {found.reason}", keep=False)
        return False

    def _go_on_with(self, job: _Job, target: bytes) -> bool:
        """Follow an alias; False when there were too many."""
        job.aliases += 1
        if job.aliases > MAX_CHAIN or any(rrset.owner == target and rrset.rdtype == CNAME for rrset in job.chain):
            self._end(job, EDE_OTHER, "the aliases go in a circle, or on for too long")
            return False
        job.qname = target
        self._new_step(job)
        job.zone, job.shown, job.minimised, job.whole, job.referrals = None, 0, 0, False, 0
        return True

    def _new_step(self, job: _Job) -> None:
        job.step += 1
        job.asks.clear()
        job.waiting = 0

    def _find_zone(self, job: _Job, now_s: float) -> None:
        """The deepest zone at or above the name whose servers are known; for DS it is above the name."""
        known = self._known
        forward = known.forward_of(job.qname)
        if forward is not None:
            job.zone, job.fixed, job.recursive, job.names, job.whole = forward.zone, forward.addresses, True, [], True
            return
        above = job.qname[job.qname[0] + 1 :] if job.qtype == DS and job.qname != b"\0" else job.qname
        found = known.cache.delegation(above, now_s)
        job.fixed, job.recursive, job.glue, job.names_tried = (), False, {}, 0
        if found is None or found[0] == b"\0":
            job.zone, job.names, job.fixed, job.from_cache = b"\0", [], known.roots, False
            return
        job.zone, job.from_cache = found[0], True
        job.names = [name.lower() for name in found[1].records]
        known.rng.shuffle(job.names)

    def _choose_shown(self, job: _Job) -> None:
        """How many labels of the name the zone's servers are shown next (RFC 9156 §2.3)."""
        all_labels = labels(job.qname)
        assert job.zone is not None
        zone_labels = labels(job.zone)
        if job.whole or job.minimised >= _MINIMISED_MOST or zone_labels + 1 >= all_labels:
            job.shown = all_labels
            return
        left = all_labels - zone_labels
        if job.minimised < _MINIMISED_ONE_BY_ONE or left <= 1:
            job.shown = zone_labels + 1
        else:
            job.shown = zone_labels + max(1, left // max(1, _MINIMISED_MOST - job.minimised))

    def _asked_name(self, job: _Job) -> tuple[bytes, int]:
        all_labels = labels(job.qname)
        if job.shown >= all_labels:
            return job.qname, job.qtype
        at = 0
        for _ in range(all_labels - job.shown):
            at += job.qname[at] + 1
        return job.qname[at:], A

    def _next(self, job: _Job, now_s: float, *, hurried: bool = False) -> None:
        """Ask the next server of the job's zone, or look for addresses, or give up."""
        known = self._known
        addresses = [each for each in self._addresses(job, now_s) if known.may_ask(each)]
        fresh = [each for each in addresses if job.asks.get(each, 0) == 0]
        if not fresh and not hurried and not job.waiting:
            fresh = [each for each in addresses if job.asks.get(each, 0) < _ASKS_EACH]
        if fresh:
            assert job.zone is not None
            self._send(job, known.servers.choose(fresh, job.zone, now_s)[0], now_s)
            return
        if self._look_for_addresses(job, now_s) or job.waiting or job.children or job.done:
            return
        if hurried:
            return
        if job.from_cache and job.zone is not None:
            # What was known of this delegation leads nowhere: ask those above it again, once.
            self._say("the delegation as it was known leads nowhere")
            known.cache.flush(job.zone)
            job.from_cache = False
            self._new_step(job)
            job.zone, job.shown = None, 0
            self._find_zone(job, now_s)
            job.from_cache = False
            self._advance(job, now_s)
            return
        reasons = "; ".join(dict.fromkeys(job.reasons[-4:])) or "no name server has an address"
        self._end(job, EDE_NO_AUTHORITY if job.heard else EDE_NETWORK, reasons)

    def _addresses(self, job: _Job, now_s: float) -> list[Address]:
        found = dict.fromkeys(job.fixed)
        cache, port = self._known.cache, self._known.port
        for name in job.names:
            for address in job.glue.get(name, ()):
                found[address] = None
            for rdtype in (A, AAAA) if self._known.ipv6 else (A,):
                entry = cache.get(name, rdtype, now_s)
                if entry is not None and entry.kind == store.POSITIVE:
                    for rdata in entry.records:
                        found[Address(_host(rdata), port)] = None
        return list(found)

    def _look_for_addresses(self, job: _Job, now_s: float) -> bool:
        """Start to resolve the next name of a name server; whether that was possible."""
        if job.children:
            return False
        while job.names_tried < MAX_NS_NAMES and job.depth < MAX_DEPTH:
            untried = [name for name in job.names if name not in job.glue and not self._is_underway(job, name)]
            if not untried:
                return False
            name = untried[0]
            job.names_tried += 1
            job.glue[name] = ()
            for rdtype in (A, AAAA) if self._known.ipv6 else (A,):
                if self._known.cache.get(name, rdtype, now_s) is None:
                    child = _Job(name, rdtype, job, job.depth + 1)
                    job.children += 1
                    self._advance(child, now_s)
                    if job.done:
                        return True
            if job.children:
                return True
            if any(address for address in self._addresses(job, now_s) if not job.asks.get(address)):
                self._next(job, now_s)
                return True
        return False

    def _is_underway(self, job: _Job, name: bytes) -> bool:
        """Whether this resolution is at work on that name for a job that waits for this one: a circle."""
        above: _Job | None = job
        while above is not None:
            if above.qname == name and above.qtype in (A, AAAA):
                return True
            above = above.parent
        return False

    def _send(self, job: _Job, address: Address, now_s: float, *, tcp: bool = False) -> None:
        if self.packets >= MAX_PACKETS:
            self._end(self._top, EDE_OTHER, f"more than {MAX_PACKETS} queries")
            return
        known = self._known
        server = known.servers.of(address)
        self.packets += 1
        self._tokens += 1
        qname, qtype = self._asked_name(job)
        edns = 0 if server.no_edns_until_s > now_s else known.edns_size
        options = Options(edns, bool(edns) and self.question.do, self.question.cd, job.recursive)
        left_s = max(0.05, self._ends_s - now_s)
        ask = Ask(
            self._tokens, address, job.zone or b"\0", qname, qtype, options, tcp,
            server.no_case_until_s > now_s, known.servers.patience_s(address),
            min(TCP_TIMEOUT_S if tcp else UDP_TIMEOUT_S, left_s),
        )
        job.asks[address] = job.asks.get(address, 0) + 1
        job.waiting += 1
        self._asked[ask.token] = (job, ask, job.step, now_s)
        self._out.append(ask)

    # -- what good responses lead to

    def _good(self, job: _Job, ask: Ask, found: Verdict, now_s: float) -> None:
        if found.kind == says.REFERRAL:
            job.referrals += 1
            if job.referrals > MAX_DELEGATIONS:
                self._end(job, EDE_OTHER, f"more than {MAX_DELEGATIONS} delegations")
                return
            self._go_down(job, found, now_s, cached=True)
            self._advance(job, now_s)
            return
        if ask.qname != job.qname:
            # Only a name on the way: it is there, or a server is wrong about it (an empty non-terminal).
            self._new_step(job)
            if found.kind in (says.NO_NAME, says.ALIAS):
                job.whole = True
            else:
                job.minimised += 1
            job.shown = 0
            self._show_more(job, ask)
            self._next(job, now_s)
            return
        self._keep(found.rrsets, job, now_s)
        if found.kind == says.ANSWER:
            self._finish(job, NOERROR, found.rrsets, ())
        elif found.kind == says.ALIAS:
            job.chain += found.rrsets
            if self._go_on_with(job, found.target):
                self._advance(job, now_s)
        else:
            self._negative(job, found, now_s)

    def _show_more(self, job: _Job, ask: Ask) -> None:
        if job.whole:
            job.shown = labels(job.qname)
            return
        before = labels(ask.qname)
        all_labels = labels(job.qname)
        if job.minimised >= _MINIMISED_MOST:
            job.shown = all_labels
        elif job.minimised < _MINIMISED_ONE_BY_ONE:
            job.shown = min(all_labels, before + 1)
        else:
            left = all_labels - before
            job.shown = min(all_labels, before + max(1, left // max(1, _MINIMISED_MOST - job.minimised)))

    def _keep(self, rrsets: tuple[RRset, ...], job: _Job, now_s: float) -> None:
        made = b""
        for rrset in rrsets:
            # A CNAME that was made of the DNAME before it is made again of that.
            if rrset.owner != made and (rrset.rdtype != SOA or rrset.owner == job.qname):
                self._known.cache.put(
                    rrset.owner, rrset.rdtype, rrset.rdatas, trust=store.ANSWER, ttl_s=rrset.ttl_s, now_s=now_s,
                    signatures=rrset.signatures,
                )
            made = job.qname if rrset.rdtype == DNAME and rrset.owner != job.qname else b""

    def _go_down(self, job: _Job, found: Verdict, now_s: float, *, cached: bool) -> None:
        """On to the servers of a zone below."""
        cut, *glue = found.rrsets
        port = self._known.port
        self._new_step(job)
        job.zone, job.shown, job.from_cache, job.recursive = cut.owner, 0, False, False
        job.fixed, job.names_tried = (), 0
        job.names = [rdata.lower() for rdata in cut.rdatas]
        self._known.rng.shuffle(job.names)
        addresses: dict[bytes, list[Address]] = {}
        for rrset in glue:
            if rrset.rdtype == A or self._known.ipv6:
                addresses.setdefault(rrset.owner, []).extend(Address(_host(rdata), port) for rdata in rrset.rdatas)
        job.glue = {name: tuple(each) for name, each in addresses.items()}
        if cached:
            cache = self._known.cache
            cache.put(cut.owner, NS, cut.rdatas, trust=store.GLUE_AUTHORITY, ttl_s=cut.ttl_s, now_s=now_s)
            for rrset in glue:
                cache.put(rrset.owner, rrset.rdtype, rrset.rdatas, trust=store.ADDITIONAL, ttl_s=rrset.ttl_s,
                          now_s=now_s)

    def _negative(self, job: _Job, found: Verdict, now_s: float) -> None:
        nxdomain = found.kind == says.NO_NAME
        ttl_s = 0
        if found.rrsets:
            (soa,) = found.rrsets
            minimum = int.from_bytes(soa.rdatas[0][-4:], "big")
            ttl_s = min(soa.ttl_s, minimum, store.MAX_NEGATIVE_TTL_S)
            self._known.cache.put_negative(
                job.qname, job.qtype, store.NXDOMAIN if nxdomain else store.NODATA, soa_owner=soa.owner,
                soa=soa.rdatas, ttl_s=ttl_s, now_s=now_s, signatures=soa.signatures,
            )
            found = found._replace(rrsets=(soa._replace(ttl_s=ttl_s),))
        self._finish(job, NXDOMAIN if nxdomain else NOERROR, (), found.rrsets)

    # -- ends

    def _finish(self, job: _Job, rcode: int, answer: tuple[RRset, ...], authority: tuple[RRset, ...]) -> None:
        self._over(job, Outcome(rcode, (*job.chain, *answer), authority, -1, "", self.packets))

    def _end(self, job: _Job, ede: int, detail: str, *, keep: bool = True) -> None:
        """The job cannot be done."""
        if keep and not job.done:
            self._known.cache.put_failure(job.qname, job.qtype, detail, self._now_s)
        self._over(job, Outcome(SERVFAIL, (), (), ede, detail, self.packets))

    def _over(self, job: _Job, outcome: Outcome) -> None:
        if job.done:
            return
        job.done, job.outcome = True, outcome
        if job.parent is None:
            self.outcome = outcome  # What is still on its way tells about its servers all the same.
            return
        parent = job.parent
        parent.children -= 1
        if outcome.rcode == NOERROR:
            found = [Address(_host(rdata), self._known.port) for rrset in outcome.answer if rrset.rdtype == job.qtype
                     for rdata in rrset.rdatas]
            owner = job.chain[0].owner if job.chain else job.qname
            parent.glue[owner] = (*parent.glue.get(owner, ()), *found)
        # Not at once: the parent may be at work on this very job's name.
        self._ready.append(parent)


def _rrset(owner: bytes, rdtype: int, entry: Entry, now_s: float) -> RRset:
    return RRset(owner, rdtype, entry.left_s(now_s), entry.records, entry.signatures)


def _host(rdata: bytes) -> str:
    if len(rdata) == 4:
        return ".".join(map(str, rdata))
    return ":".join(rdata[at : at + 2].hex() for at in range(0, 16, 2))


def _shown(ask: Ask) -> str:
    return f"{ask.address.host} for {ask.qname!r} {ask.qtype}"


def addresses_of(hosts: Mapping[bytes, tuple[str, ...]], port: int = 53) -> tuple[Address, ...]:
    """Root hints as addresses."""
    return tuple(Address(host, port) for each in hosts.values() for host in each)
