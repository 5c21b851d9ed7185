"""How a resolution's jobs walk: from what is known already down one delegation after another. Pure.

`Resolution` adds what comes from outside.
"""

from __future__ import annotations

from collections.abc import Callable

from streamdns.dns.wire import AAAA, CNAME, DNAME, DS, NOERROR, NS, NXDOMAIN, SERVFAIL, SOA, A
from streamdns.resolver import cache as store
from streamdns.resolver import verdict as says
from streamdns.resolver.cache import Entry
from streamdns.resolver.job import Job
from streamdns.resolver.message import RRset
from streamdns.resolver.question import EDE_NETWORK, EDE_NO_AUTHORITY, EDE_OTHER, Ask, Knowledge, Outcome, Question
from streamdns.resolver.servers import Address
from streamdns.resolver.verdict import MAX_NAME_OCTETS, Verdict, judge, labels

MAX_CHAIN = 16
MAX_NS_NAMES = 5
MAX_DEPTH = 6  # of name servers whose names need name servers whose names ...
ASKS_EACH = 2


class Walk:
    """One question's jobs; `outcome` is set when the question's own one is over."""

    def __init__(
        self, question: Question, knowledge: Knowledge, *, refresh: bool = False,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.question, self._known, self._trace = question, knowledge, trace
        self.outcome: Outcome | None = None
        self.packets = 0
        self._refresh = refresh
        self._tokens = 0
        self._asked: dict[int, tuple[Job, Ask, int, float]] = {}
        self._out: list[Ask] = []
        self._ready: list[Job] = []
        self._now_s = 0.0
        self._top = Job(question.qname, question.qtype, None, 0)
        self._ends_s = 0.0
        self._own = False  # whether something of the answer is of our own zones

    def _say(self, text: str) -> None:
        if self._trace is not None:
            self._trace(text)

    # -- a job's walk

    def _advance(self, job: Job, now_s: float) -> None:
        """Go as far as is possible without an answer from anybody."""
        while job.zone is None:
            if not self._known_already(job, now_s):
                if job.done:
                    return
                if job.zone is None:
                    self._find_zone(job, now_s)
        if not job.shown:
            job.choose_shown()
        self._next(job, now_s)

    def _known_already(self, job: Job, now_s: float) -> bool:
        """Use what the cache and our own zones say of the name; True when the job goes on with another name."""
        response = self._known.local(job.qname, job.qtype)
        below: Verdict | None = None
        if response is not None:
            found = judge(response, zone=b"\0", qname=job.qname, qtype=job.qtype)
            if found.kind != says.REFERRAL:
                return self._take_local(job, found)
            below = found
        if self._refresh and job is self._top and not job.aliases:
            entry = None
        else:
            entry = self._cached(job.qname, job.qtype, now_s)
        if entry is None and below is not None:
            self._below_own_zone(job, below, now_s)
            return False
        if entry is None:
            if self._refresh and job is self._top and not job.aliases:
                return False
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

    def _redirected(self, job: Job, now_s: float) -> bool:
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

    def _take_local(self, job: Job, found: Verdict) -> bool:
        """Use what our own zones say of the name; True when the job goes on with another name."""
        self._own = self._own or job is self._top
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

    def _below_own_zone(self, job: Job, found: Verdict, now_s: float) -> None:
        """The name is below a cut of one of our zones: on to its servers, or to those of a zone still deeper."""
        forward = self._known.forward_of(job.qname)
        known = self._known.cache.delegation(job.qname, now_s)
        cut = found.rrsets[0].owner
        if (known is None or labels(known[0]) <= labels(cut)) and (
            forward is None or labels(forward.zone) <= labels(cut)
        ):
            self._go_down(job, found, now_s, cached=False)

    def _go_on_with(self, job: Job, target: bytes) -> bool:
        """Follow an alias; False when there were too many."""
        job.aliases += 1
        if job.aliases > MAX_CHAIN or any(rrset.owner == target and rrset.rdtype == CNAME for rrset in job.chain):
            self._end(job, EDE_OTHER, "the aliases go in a circle, or on for too long")
            return False
        job.qname = target
        self._new_step(job)
        job.zone, job.shown, job.minimised, job.whole, job.referrals = None, 0, 0, False, 0
        return True

    def _new_step(self, job: Job) -> None:
        job.step += 1
        job.asks.clear()
        job.waiting = 0

    def _find_zone(self, job: Job, now_s: float) -> None:
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
        job.zone, job.from_cache = found[0], not job.given_up
        job.names = [name.lower() for name in found[1].records]
        known.rng.shuffle(job.names)

    def _next(self, job: Job, now_s: float, *, hurried: bool = False) -> None:
        """Ask the next server of the job's zone, or look for addresses, or give up."""
        known = self._known
        addresses = [each for each in self._addresses(job, now_s) if known.may_ask(each)]
        fresh = [each for each in addresses if job.asks.get(each, 0) == 0]
        if not fresh and not hurried and not job.waiting:
            fresh = [each for each in addresses if job.asks.get(each, 0) < ASKS_EACH]
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
            job.given_up = True
            self._new_step(job)
            job.zone, job.shown = None, 0
            self._advance(job, now_s)
            return
        reasons = "; ".join(dict.fromkeys(job.reasons[-4:])) or "no name server has an address"
        self._end(job, EDE_NO_AUTHORITY if job.heard else EDE_NETWORK, reasons)

    def _addresses(self, job: Job, now_s: float) -> list[Address]:
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

    def _look_for_addresses(self, job: Job, now_s: float) -> bool:
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
                    child = Job(name, rdtype, job, job.depth + 1)
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

    def _is_underway(self, job: Job, name: bytes) -> bool:
        """Whether this resolution is at work on that name for a job that waits for this one: a circle."""
        above: Job | None = job
        while above is not None:
            if above.qname == name and above.qtype in (A, AAAA):
                return True
            above = above.parent
        return False

    def _send(self, job: Job, address: Address, now_s: float, *, tcp: bool = False) -> None:
        """Ask a server."""
        raise NotImplementedError

    def _go_down(self, job: Job, found: Verdict, now_s: float, *, cached: bool) -> None:
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

    # -- ends

    def _finish(self, job: Job, rcode: int, answer: tuple[RRset, ...], authority: tuple[RRset, ...]) -> None:
        self._over(job, Outcome(rcode, (*job.chain, *answer), authority, -1, "", self.packets, self._own))

    def _end(self, job: Job, ede: int, detail: str, *, keep: bool = True) -> None:
        """The job cannot be done."""
        if keep and not job.done:
            self._known.cache.put_failure(job.qname, job.qtype, detail, self._now_s)
        self._over(job, Outcome(SERVFAIL, (), (), ede, detail, self.packets))

    def _over(self, job: Job, outcome: Outcome) -> None:
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
