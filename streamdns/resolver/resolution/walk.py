"""Moves the jobs of a resolution from what is already known down one delegation after another. No I/O.

`Resolution` adds what comes from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from streamdns.dns import name as names
from streamdns.dns.wire import AAAA, NOERROR, NXDOMAIN, SERVFAIL, A
from streamdns.resolver.resolution import cache as store
from streamdns.resolver.resolution.job import Job
from streamdns.resolver.resolution.local_data import LocalData
from streamdns.resolver.resolution.message import Response, RRset
from streamdns.resolver.resolution.question import (
    EDE_NETWORK,
    EDE_NO_AUTHORITY,
    EDE_OTHER,
    OFF,
    STRICT,
    Ask,
    Knowledge,
    Outcome,
    Question,
    is_word_on,
    parent_side,
)
from streamdns.resolver.resolution.servers import Address, address_of
from streamdns.resolver.resolution.verdict import MAX_CHAIN, Verdict, is_within, labels

MAX_NS_NAMES = 5  # resolved for one delegation (NXNSAttack)
MAX_MISSING = 3  # names of servers of one delegation that do not exist
MAX_LOOKUPS = 12  # names of servers that are resolved for one question, however many levels of them there are
MAX_FOR_NAMES = 8  # queries for these to the servers of one zone, and to one server
MAX_FOR_NAMES_HIGH = 24  # the same for the root and top-level zones
MAX_DEPTH = 6  # of name servers whose names need name servers whose names ...
UDP_EACH = 3  # queries to one server for one thing
MOST_AT_ONCE = 8  # servers that are waited for, before time-outs make room for others
LIMITS = ("time", "packets", "delegations", "aliases", "lookups", "work", "zone", "server")
_NAMES_KEPT, _ADDRESSES_KEPT = 20, 10  # of a delegation, and of each of its names
_MAY_HAVE_CHANGED_S = 60.0


class Walk(LocalData):
    """The jobs of one question: itself and the addresses of name servers; `outcome` is set when it is answered."""

    def __init__(
        self, question: Question, knowledge: Knowledge, *, refresh: bool = False,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        top = Job(question.qname, question.qtype, None, 0, 0, question.qname)
        super().__init__(question, knowledge, top, refresh=refresh)
        self._trace = trace
        self.outcome: Outcome | None = None
        self.packets = self.spent_us = 0
        self._lookups = 0
        self._for_names: dict[bytes | str, int] = {}  # queries for these, by zone and by host
        self._unconfirmed: frozenset[Address] = frozenset()  # they change the case, if UDP is to be believed
        self._tokens = 0
        self._asked: dict[int, tuple[Job, Ask, int, float]] = {}
        self._joined: frozenset[int] = frozenset()  # of the queries that were asked
        self.limits: frozenset[str] = frozenset()  # the limits of one question that were met, as LIMITS has them
        self._out: list[Ask] = []
        self._ready: list[Job] = []
        self.in_pieces = False
        """Whether jobs that waited for others are left for `go_on`, one at a time, and not moved at once."""
        self._now_s = self._ends_s = 0.0
        self._heard = False

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
                self._find_zone(job, now_s)
        if not job.shown:
            job.whole = job.whole or self._known.minimisation == OFF
            job.show_more(labels(job.zone))
        self._next(job, now_s)

    def _go_on_with(self, job: Job, target: bytes, links: int = 1) -> bool:
        """Follow aliases; False when there were too many."""
        job.aliases += links
        if job.aliases > MAX_CHAIN or job.has_alias_at(target):
            circle = job.has_alias_at(target)
            self.limits |= {"aliases"}
            self._end(job, EDE_OTHER, "the aliases go in a circle" if circle else f"more than {MAX_CHAIN} aliases")
            return False
        if self._trace is not None:
            self._say(f"an alias: on with {names.to_text(target)}")
        job.qname = target
        job.new_zone()
        job.zone, job.minimised, job.whole, job.referrals = None, 0, False, 0
        job.useless, job.resort = frozenset(), None
        return True

    def _find_zone(self, job: Job, now_s: float) -> None:
        """The deepest zone at or above the name whose servers are known; for DS it is above the name."""
        known = self._known
        above = parent_side(job.qname, job.qtype)
        forward = known.forward_of(above)
        own_labels = -1 if job.own is None else labels(job.own.rrsets[0].owner)
        if forward is not None and labels(forward.zone) > own_labels:
            job.zone, job.fixed, job.recursive, job.whole = forward.zone, forward.addresses, True, True
            job.names, job.glue, job.from_cache = [], {}, False
            return
        job.fixed, job.recursive, job.glue, job.until_s = (), False, {}, inf
        while True:
            found = known.cache.delegation(above, now_s)
            if job.own is not None and (found is None or labels(found[0]) <= own_labels):
                self._go_down(job, job.own, now_s, cached=False)
                return
            if found is None:
                job.zone, job.names, job.fixed, job.from_cache, job.until_s = b"\0", [], known.roots, False, inf
                return
            zone, entry = found
            if not is_word_on(entry, job.border):
                known.cache.forget_delegation(zone)
                continue
            if job.is_for(zone):
                above = _parent(zone)  # Who has no address of its servers yet cannot ask them for one.
                continue
            job.zone, job.until_s = zone, entry.until_s
            job.from_cache = now_s - (entry.until_s - entry.ttl_s) > _MAY_HAVE_CHANGED_S
            job.names = self._chosen_names(
                entry.records, lambda name: known.cache.get(name, A, now_s) is not None
            )
            addresses = self._addresses(job, now_s) if job.from_cache else []
            if not addresses or not all(known.servers.is_dead(each, now_s) for each in addresses):
                return
            self._say("all servers of the delegation as it was known are dead")
            known.cache.forget_delegation(zone)

    def _chosen_names(self, rdatas: tuple[bytes, ...], has_address: Callable[[bytes], bool]) -> list[bytes]:
        """Names of a delegation by chance, and of too many rather those with addresses."""
        chosen = [name for name in dict.fromkeys(rdata.lower() for rdata in rdatas) if name != b"\0"]
        self._known.rng.shuffle(chosen)
        if len(chosen) > _NAMES_KEPT:
            chosen.sort(key=lambda name: not has_address(name))
            del chosen[_NAMES_KEPT:]
        return chosen

    def _next(self, job: Job, now_s: float, *, hurried: bool = False, resumed: bool = False) -> None:
        """Ask the next server of the job's zone, or look for addresses, or give up.

        `hurried`: somebody takes long, who may answer yet. `resumed`: only because an address may have been found.
        """
        assert job.zone is not None
        addresses = self._usable(job, now_s)
        if job.resort is not None:
            # There is something to tell: nobody waits long for servers that say nothing, perhaps for good.
            servers = self._known.servers
            addresses = [each for each in addresses if each not in job.silent and not servers.is_dead(each, now_s)]
        fresh = [each for each in addresses if each not in job.asks]
        if hurried:
            self._hurry_on(job, addresses, fresh, now_s)
            return
        if not fresh and not job.waiting:
            fresh = [each for each in addresses if each not in job.spent and job.asks[each] < UDP_EACH]
        if not fresh and job.bad and job.is_minimised() and self._known.minimisation != STRICT:
            self._say("nobody answers for a part of the name: all of it is asked for")
            job.whole, job.shown = True, labels(job.qname)
            job.new_step()
            fresh = addresses
        if fresh:
            free = self._free(job, fresh, now_s)
            if free:
                self._send(job, self._known.servers.choose(free, job.zone, now_s)[0], now_s)
            elif not job.waiting:
                self._end(job, EDE_OTHER, f"the servers of {names.to_text(job.zone)} have enough to do", keep=False)
            return
        if resumed and job.waiting:
            return
        if self._look_for_addresses(job, now_s) or job.waiting or job.children or job.done:
            return
        if job.from_cache:
            self._ask_above(job, job.zone, now_s)
        else:
            reasons = "; ".join(dict.fromkeys(job.reasons[-4:])) or "no name server has an address that may be asked"
            self._give_up(job, reasons)

    def _hurry_on(self, job: Job, addresses: list[Address], fresh: list[Address], now_s: float) -> None:
        """Others, and those who may have missed the query; then who has no address yet, and the dead at last."""
        assert job.zone is not None
        if job.waiting >= MOST_AT_ONCE:
            return
        servers, zone = self._known.servers, job.zone
        good = [each for each in addresses if each not in job.spent
                and not servers.is_dead(each, now_s) and not servers.is_lame(each, zone, now_s)]
        # Which of these comes first is for their usual times to say: a packet of a fast one may have been lost.
        chosen = [each for each in good if job.asks.get(each, 0) < 2]
        if not chosen and self._look_for_addresses(job, now_s, hurried=True):
            return
        chosen = chosen or fresh or [each for each in good if job.asks[each] < UDP_EACH]
        chosen = self._free(job, chosen, now_s)
        if chosen and not job.done:
            self._send(job, servers.choose(chosen, zone, now_s)[0], now_s)

    def _free(self, job: Job, addresses: list[Address], now_s: float) -> list[Address]:
        """Those that may be sent to now: neither they nor the zone have too much on its way, or have cost too much."""
        if job.recursive:
            return addresses  # All that is not ours goes through forwarders: the limits of questions are for that.
        load, costs, zone = self._known.load, self._known.costs, job.zone or b"\0"
        if load.zone_is_full(zone):
            self.limits |= {"zone"}
            return []
        if load.server_most:
            free = [each for each in addresses if not load.server_is_full(each)]
            if addresses and not free:
                self.limits |= {"server"}
            addresses = free
        if costs.are_none or not addresses:
            return addresses
        cheap = [each for each in addresses if not costs.is_too_much(each, zone, now_s)]
        if not cheap:
            self.limits |= {"work"}
        return cheap

    def _ask_above(self, job: Job, zone: bytes, now_s: float) -> None:
        """What was known of this delegation leads nowhere: ask those above it again."""
        self._say("the delegation as it was known leads nowhere")
        self._known.cache.forget_delegation(zone)
        job.useless = frozenset(job.asks)
        job.new_zone()
        job.zone = None
        self._advance(job, now_s)

    def _usable(self, job: Job, now_s: float) -> list[Address]:
        """The addresses of the zone's servers that may be asked; IPv6 that does not work only for want of others."""
        known = self._known
        found = self._addresses(job, now_s)
        usable = [each for each in found if known.may_ask(each) and each not in job.useless]
        # Whether those still are that have been dead for long, is for one question at a time to find out. What a
        # forwarder is silent about is some other name.
        hopeless = [] if job.recursive or job.zone is None else [
            each for each in usable if each not in job.asks and known.servers.is_hopeless(each, job.zone, now_s)
        ]
        if hopeless:
            usable = [each for each in usable if each not in hopeless]
            if not usable:
                job.reasons.append(f"{hopeless[0].host}: has not answered for long")
        if not known.servers.ipv6_works(now_s):
            return [each for each in usable if not each.is_ipv6] or usable
        return usable

    def _addresses(self, job: Job, now_s: float) -> list[Address]:
        if job.fixed:
            return list(job.fixed)
        found: dict[Address, None] = {}
        cache, port = self._known.cache, self._known.port
        for name in job.names:
            for address in job.glue.get(name, ()):
                found[address] = None
            for rdtype in (A, AAAA) if self._known.ipv6 else (A,):
                entry = cache.get(name, rdtype, now_s)
                if entry is not None and entry.kind == store.POSITIVE:
                    for rdata in entry.records[:_ADDRESSES_KEPT]:
                        found[address_of(rdata, port)] = None
        return list(found)

    def _look_for_addresses(self, job: Job, now_s: float, *, hurried: bool = False) -> bool:
        """Start to resolve the next name of a name server; whether that came to anything."""
        if (job.children and not hurried) or job.depth >= MAX_DEPTH or job.zone is None:
            return False
        if len(job.missing) >= MAX_MISSING:
            return False
        zone = job.zone
        ipv6 = self._known.ipv6 and self._known.servers.ipv6_works(now_s)
        # Names inside of the zone itself are for its own servers to tell, who cannot be reached.
        for name in sorted(job.names, key=lambda each: is_within(each, zone)):
            if job.names_tried >= MAX_NS_NAMES:
                return False
            if name in job.looked_for or job.is_underway(name) or self._has_way(job, name, now_s):
                continue
            if self._lookups >= MAX_LOOKUPS:
                self.limits |= {"lookups"}
                return False
            job.looked_for |= {name}
            missing = [rdtype for rdtype in ((A, AAAA) if ipv6 and name not in job.glue else (A,))
                       if self._known.cached(name, rdtype, now_s) is None]
            if not missing:
                continue
            job.names_tried += 1
            self._lookups += 1
            if self._trace is not None:
                self._say(f"looking for the addresses of {names.to_text(name)}")
            for rdtype in missing:
                job.children += 1
                self._advance(Job(name, rdtype, job, job.depth + 1, job.visit, name), now_s)
            return True
        return False

    def _has_way(self, job: Job, name: bytes, now_s: float) -> bool:
        """Whether a name server came with an address that can be sent to, or may be: not IPv6 alone without IPv6."""
        here = job.glue.get(name, ())
        ipv6 = self._known.servers.ipv6_works(now_s)
        return any(not each.is_ipv6 or (ipv6 and each not in job.unreachable and each not in job.silent)
                   for each in here)

    def _may_send_for_names(self, job: Job, address: Address) -> bool:
        """Counts a query for the address of a name server; False where there were too many.

        The job ends then, unless one of its queries is still on its way: that may be answered yet.
        """
        whose = self._asked_for_names(job, address)
        most = MAX_FOR_NAMES if len(whose) > 1 else MAX_FOR_NAMES_HIGH
        counts = self._for_names
        if max([counts.get(each, 0) for each in whose]) >= most:
            self.limits |= {"lookups"}
            if not job.waiting:
                self._end(job, EDE_OTHER, "too many queries for addresses of name servers", keep=False)
            return False
        for each in whose:
            counts[each] = counts.get(each, 0) + 1
        return True

    def _asked_for_names(self, job: Job, address: Address) -> tuple[bytes | str, ...]:
        """Whose the query is: the zone's and the server's, but that every name leads through the zones at the top."""
        zone = job.zone or b"\0"
        return (zone, address.host) if labels(zone) > 1 else (zone,)

    def _send(self, job: Job, address: Address, now_s: float, *, tcp: bool = False) -> None:
        """Ask a server."""
        raise NotImplementedError

    def _go_down(self, job: Job, found: Verdict, now_s: float, *, cached: bool) -> None:
        """On to the servers of a zone below."""
        cut, *glue = found.rrsets
        port, above = self._known.port, job.zone or b"\0"
        job.new_zone()
        job.reasons.clear()
        job.zone, job.from_cache, job.recursive, job.fixed = cut.owner, False, False, ()
        addresses: dict[bytes, tuple[Address, ...]] = {}
        for rrset in glue:
            if rrset.rdtype == A or self._known.ipv6:
                here = tuple(address_of(rdata, port) for rdata in rrset.rdatas[:_ADDRESSES_KEPT])
                addresses[rrset.owner] = (*addresses.get(rrset.owner, ()), *here)
        job.names = self._chosen_names(cut.rdatas, addresses.__contains__)
        job.glue = addresses
        # No longer than the delegation above that gave it: else who was taken away there would live on below.
        job.until_s = min(job.until_s, now_s + min(cut.ttl_s, store.MAX_TTL_S))
        if cached:
            cache = self._known.cache
            if len(cut.rdatas) > len(job.names):
                cut = cut._replace(rdatas=tuple(job.names))
            cache.put_delegation(cut, zone=above, now_s=now_s, until_s=job.until_s)
            for rrset in glue:
                if rrset.owner in job.names:
                    cache.put(rrset.owner, rrset.rdtype, rrset.rdatas[:_ADDRESSES_KEPT], trust=store.ADDITIONAL,
                              ttl_s=rrset.ttl_s, now_s=now_s, zone=above)

    def _take_resort(self, job: Job, ask: Ask, response: Response, found: Verdict) -> None:
        """Use the response of a server that does not say that it answers for the zone."""
        raise NotImplementedError

    # -- ends

    def _finish(self, job: Job, rcode: int, answer: tuple[RRset, ...], authority: tuple[RRset, ...]) -> None:
        self._over(job, Outcome(rcode, (*job.chain, *answer), authority, -1, "", self.packets, self._own))

    def _give_up(self, job: Job, detail: str) -> None:
        """Nobody who could answer does; what somebody said who has no authority is taken then, if anything was."""
        resort, job.resort = job.resort, None
        if resort is not None and not job.done:
            self._say("nobody knows better: what came without authority is taken")
            self._take_resort(job, *resort)
            return
        self._end(job, EDE_NO_AUTHORITY if self._heard else EDE_NETWORK, detail)

    def _end(self, job: Job, ede: int, detail: str, *, keep: bool = True) -> None:
        """The job cannot be done."""
        if keep and not job.done:
            for name in {job.name, job.qname}:
                self._known.cache.put_failure(name, job.qtype, detail, self._now_s)
        self._over(job, Outcome(SERVFAIL, (), (), ede, detail, self.packets))

    def _over(self, job: Job, outcome: Outcome) -> None:
        if job.done:
            return
        job.done, job.outcome = True, outcome
        parent = job.parent
        if parent is None:
            self.outcome = outcome  # What is still on its way tells about its servers all the same.
            return
        if parent.done or parent.visit != job.parent_visit:
            return
        parent.children -= 1
        if outcome.rcode == NXDOMAIN:
            parent.missing |= {job.name}
        if outcome.rcode == NOERROR:
            found = [address_of(rdata, self._known.port) for rrset in outcome.answer if rrset.rdtype == job.qtype
                     for rdata in rrset.rdatas[:_ADDRESSES_KEPT]]
            parent.glue[job.name] = (*parent.glue.get(job.name, ()), *found)
        # Not at once: the parent may be at work on this very job's name.
        self._ready.append(parent)


def _parent(name: bytes) -> bytes:
    return name[name[0] + 1 :]
