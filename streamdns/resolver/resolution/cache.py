"""The resolver's cache: keeps RRsets and negative answers until their TTL ends; least recently used go first. No I/O.

Every time is given by who asks, in seconds of one monotonic clock. What is in it never raises, and never grows over
`most_bytes` by the estimate of `cost`, which counts Python's objects with what they hold.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from streamdns.dns.wire import NS
from streamdns.resolver.resolution.message import RRset

#: Trust by origin, more is better (RFC 2181 §5.4.1).
ADDITIONAL, GLUE_AUTHORITY, ANSWER_NOT_AUTHORITATIVE, AUTHORITY_AUTHORITATIVE, ANSWER = 1, 2, 3, 4, 5

MAX_TTL_S = 86_400
MAX_NEGATIVE_TTL_S = 3_600
MAX_STALE_S = 86_400
FAILURE_TTL_S = 5

POSITIVE, NODATA, NXDOMAIN, FAILURE = 0, 1, 2, 3

#: What an entry takes beside its octets, measured with tracemalloc: entry, key, times, tuple and dictionary slots.
_ENTRY_BYTES = 385
_RDATA_BYTES = 48
_RRSET_BYTES = 200


@dataclass(slots=True)
class Entry:
    """One cached RRset, or the fact that it does not exist.

    kind: POSITIVE, NODATA, NXDOMAIN (then of the whole name, rdtype 0), FAILURE. For negative ones `records` is the SOA
    and `soa_owner` its name, `proof` the signed NSEC and NSEC3 records. `until_s`: when the TTL ends; `ttl_s` as it
    came, bounded. `do`: it was asked for with DO, so that signatures are here if there are any. `zone`: whose servers
    said so; for names that others answer for, it does not count.
    """

    kind: int
    trust: int
    records: tuple[bytes, ...]
    signatures: tuple[bytes, ...]
    ttl_s: int
    until_s: float
    soa_owner: bytes = b""
    detail: str = ""
    do: bool = False
    proof: tuple[RRset, ...] = ()
    zone: bytes = b"\0"

    def left_s(self, now_s: float) -> int:
        """The TTL to give out now; 0 when it is over."""
        return max(0, int(self.until_s - now_s + 0.999))


#: Owner in lower-case wire form and type; 0 stands for all types (a name that does not exist), a type with _FAILED for
#: a failure: beside what is known, so that it does not take the place of what may be given out stale. NS with
#: _DELEGATED is what the zone above says of a cut, apart from what the zone below says of itself: its servers are found
#: by the former alone, so that dead ones that a zone names, or a parent that lets go of it, have no say in that.
Key = tuple[bytes, int]
_FAILED, _DELEGATED = 1 << 16, 1 << 17
_CUT = NS | _DELEGATED
_TYPE = 0xFFFF


class Cache:
    """Cached entries by owner and type, bounded in octets; `bytes` and `evicted` are for metrics."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = self.evicted = 0
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        #: How many entries there are of each kind of key (a type and its marks): what a name may have is found by them.
        self._kinds: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, owner: bytes, rdtype: int, now_s: float, *, stale_s: float = 0.0) -> Entry | None:
        """The entry of an owner and type, or the one that says that the name does not exist, or of a failure.

        With `stale_s` also what ended not longer ago than that, where nothing else is known, not even a failure.
        """
        entries, kinds = self._entries, self._kinds
        for kind in (rdtype, 0, rdtype | _FAILED):
            if kind not in kinds:
                continue  # Of no name: seen without a look among all of them, which is seldom in the processor's cache.
            entry = entries.get((owner, kind))
            if entry is not None:
                if entry.until_s > now_s:
                    entries.move_to_end((owner, kind))
                    return entry
                if entry.until_s + MAX_STALE_S <= now_s or kind == rdtype | _FAILED:
                    self._remove((owner, kind))
        return self.stale(owner, rdtype, now_s, stale_s=stale_s) if stale_s else None

    def stale(self, owner: bytes, rdtype: int, now_s: float, *, stale_s: float = MAX_STALE_S) -> Entry | None:
        """What was known last of an owner and type, where it ended not longer ago than that (RFC 8767)."""
        found = [entry for entry in (self._entries.get((owner, rdtype)), self._entries.get((owner, 0)))
                 if entry is not None and entry.until_s + stale_s > now_s]
        return max(found, key=lambda entry: entry.until_s, default=None)

    def denials_above(self, owner: bytes, now_s: float) -> Iterator[Entry]:
        """Each name above `owner` that does not exist, the nearest first, where its zone has signed that it does not.

        Then neither does what is below it (RFC 8020). Who does not sign is often wrong about a name that has nothing
        but others below it: that one counts for itself alone.
        """
        at = 0
        while owner[at]:
            at += owner[at] + 1
            entry = self._entries.get((owner[at:], 0))
            if entry is not None and entry.kind == NXDOMAIN and entry.until_s > now_s and entry.proof:
                yield entry

    def put(
        self,
        owner: bytes,
        rdtype: int,
        records: tuple[bytes, ...],
        *,
        trust: int,
        ttl_s: int,
        now_s: float,
        signatures: tuple[bytes, ...] = (),
        do: bool = False,
        zone: bytes = b"\0",
    ) -> None:
        """Keep an RRset, unless one that is trusted more is there and has not ended; nothing with a TTL of 0."""
        ttl_s = min(ttl_s, MAX_TTL_S)
        key = (owner, rdtype)
        until_s = now_s + ttl_s
        old = self._entries.get(key)
        if old is not None and old.until_s > now_s and old.kind == POSITIVE and old.trust > trust:
            return
        if ttl_s <= 0:
            self._remove(key)
            return
        self._put(key, Entry(POSITIVE, trust, records, signatures, ttl_s, until_s, do=do, zone=zone))
        if trust >= ANSWER_NOT_AUTHORITATIVE:
            # The name is there after all, and so are those above it.
            self._remove((owner, rdtype | _FAILED))
            at = 0
            while owner[at]:
                if (owner[at:], 0) in self._entries:
                    self._remove((owner[at:], 0))
                at += owner[at] + 1

    def put_negative(
        self,
        owner: bytes,
        rdtype: int,
        kind: int,
        *,
        soa_owner: bytes,
        soa: tuple[bytes, ...],
        ttl_s: int,
        now_s: float,
        signatures: tuple[bytes, ...] = (),
        do: bool = False,
        proof: tuple[RRset, ...] = (),
        zone: bytes = b"\0",
    ) -> None:
        """Keep that an RRset (NODATA) or the whole name (NXDOMAIN) is not there; `ttl_s` as RFC 2308 §5 counts it."""
        ttl_s = min(ttl_s, MAX_NEGATIVE_TTL_S)
        key = (owner, 0 if kind == NXDOMAIN else rdtype)
        if ttl_s <= 0:
            self._remove(key)
            return
        self._remove((owner, rdtype | _FAILED))
        self._put(key, Entry(kind, ANSWER, soa, signatures, ttl_s, now_s + ttl_s, soa_owner, do=do, proof=proof,
                             zone=zone))

    def put_failure(self, owner: bytes, rdtype: int, detail: str, now_s: float) -> None:
        """Keep for a moment that it could not be found out (RFC 9520), beside what was known."""
        self._put(
            (owner, rdtype | _FAILED),
            Entry(FAILURE, 0, (), (), FAILURE_TTL_S, now_s + FAILURE_TTL_S, detail=detail),
        )

    def _put(self, key: Key, entry: Entry) -> None:
        self._remove(key)
        self._entries[key] = entry
        self._kinds[key[1]] = self._kinds.get(key[1], 0) + 1
        self.bytes += cost(key, entry)
        while self.bytes > self.most_bytes and self._entries:
            self._remove(next(iter(self._entries)))
            self.evicted += 1

    def _remove(self, key: Key) -> bool:
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        self.bytes -= cost(key, entry)
        left = self._kinds[key[1]] - 1
        if left:
            self._kinds[key[1]] = left
        else:
            del self._kinds[key[1]]
        return True

    def put_delegation(self, cut: RRset, *, zone: bytes, now_s: float, until_s: float = inf) -> None:
        """Keep the NS records of a cut as the zone above has them, until then at the most; nothing with a TTL of 0."""
        ttl_s = min(cut.ttl_s, MAX_TTL_S)
        key = (cut.owner, _CUT)
        until_s = min(until_s, now_s + ttl_s)
        if until_s <= now_s:
            self._remove(key)
            return
        self._put(key, Entry(POSITIVE, GLUE_AUTHORITY, cut.rdatas, (), int(until_s - now_s), until_s, zone=zone))

    def delegation(self, owner: bytes, now_s: float) -> tuple[bytes, Entry] | None:
        """The nearest zone cut at or above a name that is known; None where that is the root."""
        at = 0
        while owner[at]:
            key = (owner[at:], _CUT)
            entry = self._entries.get(key)
            if entry is not None and entry.until_s > now_s:
                self._entries.move_to_end(key)
                return key[0], entry
            at += owner[at] + 1
        return None

    def forget_delegation(self, cut: bytes) -> None:
        """Forget what the zone above said of a cut."""
        self._remove((cut, _CUT))

    def entries_of(self, owner: bytes) -> Iterator[tuple[int, Entry]]:
        """All that is known of a name, ended or not: its types, 0 where it does not exist."""
        return ((rdtype, entry) for rdtype, entry in self.kinds_of(owner) if entry is not None)

    def kinds_of(self, owner: bytes) -> Iterator[tuple[int, Entry | None]]:
        """The same in steps, for whoever pauses in between: one for each kind of entry that any name has."""
        for kind in tuple(self._kinds):
            yield kind & _TYPE, self._entries.get((owner, kind))

    def forget(self, owner: bytes, rdtype: int) -> None:
        """Forget what is known of an RRset, also that the whole name does not exist."""
        self._remove((owner, rdtype))
        self._remove((owner, 0))

    def flush(self, owner: bytes | None = None, *, below: bool = False) -> int:
        """Forget everything, a name, or a name with all below it; how many entries that were."""
        return sum(self.flushing(owner, below=below))

    def flushing(self, owner: bytes | None = None, *, below: bool = False) -> Iterator[bool]:
        """The same in steps, for whoever pauses in between: one for each entry looked at, true where it is gone.

        The cache may be used meanwhile; what comes into it then may stay.
        """
        if owner is None:
            # They are nobody's from now on. To give their memory back takes a while.
            gone, self._entries, self._kinds, self.bytes = self._entries, OrderedDict(), {}, 0
            while gone:
                gone.popitem()
                yield True
        elif below:
            # The oldest becomes the latest, one after the other, so that in the end they are in their order again.
            first = None
            for _ in range(len(self._entries)):
                key = next(iter(self._entries), None)
                if key is None or key == first:
                    return
                if _is_below(key[0], owner):
                    yield self._remove(key)
                else:
                    first = first or key
                    self._entries.move_to_end(key)
                    yield False
        else:
            for kind in tuple(self._kinds):
                yield self._remove((owner, kind))


def cost(key: Key, entry: Entry) -> int:
    """About how many octets of memory an entry takes."""
    octets = sum(map(len, entry.records)) + sum(map(len, entry.signatures))
    pieces = len(entry.records) + len(entry.signatures)
    for rrset in entry.proof:
        octets += _RRSET_BYTES + len(rrset.owner) + sum(map(len, rrset.rdatas)) + sum(map(len, rrset.signatures))
        pieces += len(rrset.rdatas) + len(rrset.signatures)
    return _ENTRY_BYTES + len(key[0]) + len(entry.soa_owner) + octets + _RDATA_BYTES * pieces + len(entry.detail)


def _is_below(name: bytes, top: bytes) -> bool:
    at = 0
    while len(name) - at >= len(top):
        if name[at:] == top:
            return True
        at += name[at] + 1
    return False
