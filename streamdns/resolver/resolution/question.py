"""The values of a resolution: question, queries to send, outcome, and the knowledge that all resolutions share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from streamdns.dns.wire import DS
from streamdns.resolver.resolution import cache as store
from streamdns.resolver.resolution import verdict as says
from streamdns.resolver.resolution.cache import Cache, Entry
from streamdns.resolver.resolution.costs import Costs
from streamdns.resolver.resolution.load import Load
from streamdns.resolver.resolution.message import Options, Response, RRset
from streamdns.resolver.resolution.servers import Address, Chance, Servers
from streamdns.resolver.resolution.verdict import Verdict, is_within, judge, labels

#: How much of a name servers are shown: RELAXED shows all of it where a part is denied or not answered for.
RELAXED, STRICT, OFF = "relaxed", "strict", "off"
EDE_OTHER, EDE_STALE, EDE_CACHED_ERROR, EDE_NO_AUTHORITY, EDE_NETWORK = 0, 3, 13, 22, 23


class Question(NamedTuple):
    """A client's question: name in lower-case wire form, type, DO and CD."""

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
    """How a resolution ended: RCODE, answer, the authority of a negative answer, and the extended error (-1: none).

    `detail` is the error's text, `packets` how many queries were sent, `own` whether something of it is of our
    own zones, and may change at any moment.
    """

    rcode: int
    answer: tuple[RRset, ...]
    authority: tuple[RRset, ...]
    ede: int
    detail: str
    packets: int
    own: bool = False


class Forward(NamedTuple):
    """Names at and below `zone` are asked of these resolvers."""

    zone: bytes
    addresses: tuple[Address, ...]


#: What our own zones say of a name, as a response; None where they say nothing.
Local = Callable[[bytes, int], Response | None]


@dataclass(slots=True)
class Knowledge:
    """What all resolutions share: the cache, what is known of servers, and settings.

    `roots` are addresses; `may_ask` says whether an address may be sent to. `minimisation` is RELAXED, STRICT or OFF;
    `mixed_case`: whether queries have letters of random case.
    """

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
    minimisation: str = RELAXED
    mixed_case: bool = True
    load: Load = field(default_factory=Load)
    costs: Costs = field(default_factory=Costs)

    def forward_of(self, name: bytes) -> Forward | None:
        """The forward whose zone is the nearest at or above a name."""
        fitting = [each for each in self.forwards if is_within(name, each.zone)]
        return max(fitting, key=lambda each: labels(each.zone), default=None)

    def own_word(self, qname: bytes, qtype: int) -> Verdict | None:
        """Looks a name up in our own zones: a referral where it is below a cut of ours, None where it is not ours."""
        response = self.local(qname, qtype)
        return None if response is None else judge(response, zone=b"\0", qname=qname, qtype=qtype)

    def border(self, qname: bytes, qtype: int, own: Verdict | None) -> bytes:
        """The nearest forward zone or cut of ours (`own`) at or above a name; the root where there is none.

        Of what is at and below it, nothing counts that those above it say, who do not know how it is set up here.
        """
        forward = self.forward_of(parent_side(qname, qtype))
        found = b"\0" if forward is None else forward.zone
        if own is not None and own.kind == says.REFERRAL and labels(own.rrsets[0].owner) >= labels(found):
            found = own.rrsets[0].owner
        return found

    def is_beyond(self, name: bytes, qtype: int, zone: bytes) -> bool:
        """Whether the servers of a zone cannot speak for a name in it: it is ours, or behind a border of ours."""
        own = self.own_word(name, qtype)
        if own is not None and own.kind != says.REFERRAL:
            return True
        return not is_within(zone, self.border(name, qtype, own))

    def cached(self, name: bytes, qtype: int, now_s: float) -> Entry | None:
        """Looks a name up in the cache, without denials by servers that cannot speak for it (see border)."""
        entry = self.cache.get(name, qtype, now_s)
        if entry is None or entry.kind in (store.POSITIVE, store.FAILURE):
            return entry
        return entry if is_word_on(entry, self.border(name, qtype, self.own_word(name, qtype))) else None


def is_word_on(entry: Entry, border: bytes) -> bool:
    """Whether a cached entry counts for names behind a border: whether servers at or below the border said it."""
    return is_within(entry.zone, border) or entry.kind == store.FAILURE


def parent_side(qname: bytes, qtype: int) -> bytes:
    """The name whose zone's servers know of a question: for DS those above the name (RFC 4035 §3.1.4.1)."""
    return qname[qname[0] + 1 :] if qtype == DS and qname != b"\0" else qname
