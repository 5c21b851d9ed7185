"""Makes an answer of expired data while no server of a zone answers (RFC 8767). No I/O."""

from __future__ import annotations

from typing import Final

from streamdns.dns.wire import CNAME, NOERROR, NXDOMAIN, SOA
from streamdns.resolver.resolution import cache as store
from streamdns.resolver.resolution import verdict as says
from streamdns.resolver.resolution.cache import Cache, Entry
from streamdns.resolver.resolution.message import RRset
from streamdns.resolver.resolution.question import EDE_STALE, Knowledge, Outcome, Question, is_word_on
from streamdns.resolver.resolution.verdict import MAX_CHAIN

TTL_S: Final = 30
EDE_STALE_NXDOMAIN: Final = 19


def stale_outcome(known: Knowledge, question: Question, now_s: float) -> Outcome | None:
    """The answer as it was last known, following aliases, also those of our own zones.

    None where it was not, or a day has passed since it ended.
    """
    cache = known.cache
    chain: list[RRset] = []
    qname = question.qname
    while len(chain) <= MAX_CHAIN:
        # Our own zones first: what others once said of these names does not count.
        here = known.own_word(qname, question.qtype)
        if here is not None and here.kind != says.REFERRAL:
            if here.kind == says.ANSWER and chain:
                return _made(NOERROR, (*chain, *here.rrsets), (), EDE_STALE)
            if here.kind != says.ALIAS:
                return None
            chain += here.rrsets
            qname = here.target
            continue
        border = known.border(qname, question.qtype, here)
        entry = _usable(cache, qname, question.qtype, border, now_s)
        if entry is not None and entry.kind == store.POSITIVE:
            return _made(NOERROR, (*chain, _rrset(qname, question.qtype, entry, now_s)), (), EDE_STALE)
        if entry is not None:
            soa = (_rrset(entry.soa_owner, SOA, entry, now_s),) if entry.records else ()
            gone = entry.kind == store.NXDOMAIN
            return _made(NXDOMAIN if gone else NOERROR, tuple(chain), soa, EDE_STALE_NXDOMAIN if gone else EDE_STALE)
        alias = _usable(cache, qname, CNAME, border, now_s)
        if alias is None or alias.kind != store.POSITIVE:
            return None
        chain.append(_rrset(qname, CNAME, alias, now_s))
        qname = alias.records[0].lower()
    return None


def _usable(cache: Cache, qname: bytes, qtype: int, border: bytes, now_s: float) -> Entry | None:
    entry = cache.stale(qname, qtype, now_s)
    if entry is None or not is_word_on(entry, border):
        return None
    return entry if entry.kind != store.POSITIVE or entry.trust >= store.ANSWER_NOT_AUTHORITATIVE else None


def _rrset(owner: bytes, rdtype: int, entry: Entry, now_s: float) -> RRset:
    return RRset(owner, rdtype, min(TTL_S, entry.left_s(now_s) or TTL_S), entry.records, entry.signatures)


def _made(rcode: int, answer: tuple[RRset, ...], authority: tuple[RRset, ...], ede: int) -> Outcome:
    return Outcome(rcode, answer, authority, ede, "no name server of the zone answers now", 0)
