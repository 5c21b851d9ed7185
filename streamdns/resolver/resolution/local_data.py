"""Answers a resolution from our own zones and the cache before any server is asked. No I/O."""

from __future__ import annotations

from streamdns.dns.wire import (
    AAAA,
    ANY,
    CNAME,
    DNAME,
    HTTPS,
    MX,
    NAPTR,
    NOERROR,
    NS,
    NXDOMAIN,
    PTR,
    SOA,
    SRV,
    SVCB,
    TXT,
    YXDOMAIN,
    A,
)
from streamdns.resolver.resolution import cache as store
from streamdns.resolver.resolution import verdict as says
from streamdns.resolver.resolution.cache import Entry
from streamdns.resolver.resolution.job import Job
from streamdns.resolver.resolution.message import RRset
from streamdns.resolver.resolution.question import EDE_CACHED_ERROR, EDE_OTHER, Knowledge, Question, is_word_on
from streamdns.resolver.resolution.verdict import MAX_NAME_OCTETS, Verdict

#: What ANY is answered with when any of it is known: a subset is an answer (RFC 8482 §4.1).
_COMMON = (CNAME, A, AAAA, MX, NS, SOA, TXT, SRV, PTR, HTTPS, SVCB, NAPTR, DNAME)


class LocalData:
    """Answers from our own zones and from the cache, for one question."""

    def __init__(self, question: Question, knowledge: Knowledge, top: Job, *, refresh: bool) -> None:
        self.question, self._known, self._top, self._refresh = question, knowledge, top, refresh
        self._own = False  # whether something of the answer is of our own zones

    def _known_already(self, job: Job, now_s: float) -> bool:
        """Use what the cache and our own zones say of the name; True when the job goes on with another name."""
        here = self._known.own_word(job.qname, job.qtype)
        if here is not None and here.kind != says.REFERRAL:
            job.own = None
            self._own = self._own or job is self._top
            self._say("answered here: a zone of ours, or a special-use name")
            return self._take_local(job, here)
        job.own = here
        job.border = self._known.border(job.qname, job.qtype, here)
        if self._refresh and job is self._top and not job.aliases:
            return False
        if job.qtype == ANY:
            known = self._any(job, now_s)
            if known:
                self._finish(job, NOERROR, known, ())
                return False
        entry = self._cached(job, job.qtype, now_s)
        if entry is not None and (entry.kind != store.POSITIVE or entry.trust >= store.ANSWER_NOT_AUTHORITATIVE):
            self._take_cached(job, entry, now_s)
            return False
        if job.qtype not in (CNAME, ANY):
            alias = self._cached(job, CNAME, now_s)
            if alias is not None and alias.kind == store.POSITIVE and alias.trust >= store.ANSWER_NOT_AUTHORITATIVE:
                job.chain.append(_rrset(job.qname, CNAME, alias, now_s))
                return self._go_on_with(job, alias.records[0].lower())
        for gone in self._known.cache.denials_above(job.qname, now_s):
            if is_word_on(gone, job.border) and self._is_enough(job, gone):
                self._take_cached(job, gone, now_s)
                return False
        return self._redirected(job, now_s)

    def _cached(self, job: Job, qtype: int, now_s: float) -> Entry | None:
        entry = self._known.cache.get(job.qname, qtype, now_s)
        if entry is not None and not is_word_on(entry, job.border):
            # Out of the way of what those say who answer for the name.
            self._known.cache.forget(job.qname, qtype)
            return None
        return entry if entry is not None and self._is_enough(job, entry) else None

    def _is_enough(self, job: Job, entry: Entry) -> bool:
        """Whether an entry has what was asked for: with DO, also signatures."""
        return entry.do or not self.question.do or job is not self._top or entry.kind == store.FAILURE

    def _any(self, job: Job, now_s: float) -> tuple[RRset, ...]:
        found = [(rdtype, self._known.cache.get(job.qname, rdtype, now_s)) for rdtype in _COMMON]
        return tuple(_rrset(job.qname, rdtype, entry, now_s) for rdtype, entry in found
                     if entry is not None and entry.kind == store.POSITIVE and entry.trust == store.ANSWER
                     and is_word_on(entry, job.border))

    def _take_cached(self, job: Job, entry: Entry, now_s: float) -> None:
        if entry.kind == store.POSITIVE:
            self._finish(job, NOERROR, (_rrset(job.qname, job.qtype, entry, now_s),), ())
        elif entry.kind == store.FAILURE:
            self._end(job, EDE_CACHED_ERROR, entry.detail, keep=False)
        else:
            soa: tuple[RRset, ...] = (_rrset(entry.soa_owner, SOA, entry, now_s),) if entry.records else ()
            if self.question.do:
                left_s = entry.left_s(now_s)
                soa += tuple(rrset._replace(ttl_s=min(rrset.ttl_s, left_s)) for rrset in entry.proof)
            self._finish(job, NXDOMAIN if entry.kind == store.NXDOMAIN else NOERROR, (), soa)

    def _redirected(self, job: Job, now_s: float) -> bool:
        """Go on where a DNAME that is in the cache leads to (RFC 6672 §2.2); whether there is one above the name."""
        at = 0
        while job.qname[at]:
            at += job.qname[at] + 1
            entry = self._known.cache.get(job.qname[at:], DNAME, now_s)
            if (entry is not None and entry.kind == store.POSITIVE and is_word_on(entry, job.border)
                    and entry.trust >= store.ANSWER_NOT_AUTHORITATIVE):
                dname = _rrset(job.qname[at:], DNAME, entry, now_s)
                target = job.qname[:at] + entry.records[0].lower()
                if len(target) > MAX_NAME_OCTETS:
                    self._finish(job, YXDOMAIN, (dname,), ())
                    return False
                job.chain += [dname, RRset(job.qname, CNAME, dname.ttl_s, (target,))]
                return self._go_on_with(job, target)
        return False

    def _take_local(self, job: Job, found: Verdict) -> bool:
        """Use what our own zones say of the name; True when the job goes on with another name."""
        if found.kind == says.ALIAS:
            job.chain += found.rrsets
            return self._go_on_with(job, found.target, _links(found))
        if found.kind == says.ANSWER:
            self._finish(job, NOERROR, found.rrsets, ())
        elif found.kind == says.TOO_LONG:
            self._finish(job, YXDOMAIN, found.rrsets, ())
        elif found.kind in (says.NO_DATA, says.NO_NAME):
            self._finish(job, NXDOMAIN if found.kind == says.NO_NAME else NOERROR, (), found.rrsets)
        else:
            self._end(job, EDE_OTHER, f"our own zone does not answer: {found.reason}", keep=False)
        return False

    # -- what the walk has

    def _say(self, text: str) -> None:
        raise NotImplementedError

    def _go_on_with(self, job: Job, target: bytes, links: int = 1) -> bool:
        raise NotImplementedError

    def _finish(self, job: Job, rcode: int, answer: tuple[RRset, ...], authority: tuple[RRset, ...]) -> None:
        raise NotImplementedError

    def _end(self, job: Job, ede: int, detail: str, *, keep: bool = True) -> None:
        raise NotImplementedError


def _rrset(owner: bytes, rdtype: int, entry: Entry, now_s: float) -> RRset:
    return RRset(owner, rdtype, entry.left_s(now_s), entry.records, entry.signatures)


def _links(found: Verdict) -> int:
    return sum(rrset.rdtype == CNAME for rrset in found.rrsets)
