"""The resolver's cache: RRsets and negative answers with their time left, least recently used out. Pure.

Every time is given by who asks, in seconds of one monotonic clock. What is in it never raises, and never grows over
`most_bytes` by the estimate of `cost`, which counts Python's objects with what they hold.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

#: Trust by origin, more is better (RFC 2181 §5.4.1).
ADDITIONAL, GLUE_AUTHORITY, ANSWER_NOT_AUTHORITATIVE, AUTHORITY_AUTHORITATIVE, ANSWER = 1, 2, 3, 4, 5

MAX_TTL_S = 86_400
MAX_NEGATIVE_TTL_S = 3_600
MAX_STALE_S = 86_400
FAILURE_TTL_S = 5

POSITIVE, NODATA, NXDOMAIN, FAILURE = 0, 1, 2, 3

#: What an entry takes beside its octets, measured with sys.getsizeof over entry, key, tuple and dictionary slot.
_ENTRY_BYTES = 480
_RDATA_BYTES = 33


@dataclass(slots=True)
class Entry:
    """What is known of one owner and type: records, or that there are none.

    kind: POSITIVE, NODATA, NXDOMAIN (then of the whole name, rdtype 0), FAILURE. For negative ones `records` is the SOA
    and `soa_owner` its name. `until_s`: when the TTL ends; `ttl_s` as it came, bounded.
    """

    kind: int
    trust: int
    records: tuple[bytes, ...]
    signatures: tuple[bytes, ...]
    ttl_s: int
    until_s: float
    soa_owner: bytes = b""
    detail: str = ""
    hits: int = 0
    prefetching: bool = False

    def left_s(self, now_s: float) -> int:
        """The TTL to give out now; 0 when it is over."""
        return max(0, int(self.until_s - now_s + 0.999))


class Key(NamedTuple):
    """Owner in lower-case wire form and type; 0 stands for all types (a name that does not exist)."""

    owner: bytes
    rdtype: int


class Cache:
    """Bounded in octets; `bytes`, `hits`, `misses`, `evicted` are counted for metrics."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = self.hits = self.misses = self.evicted = 0
        self._entries: OrderedDict[Key, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, owner: bytes, rdtype: int, now_s: float, *, stale_s: float = 0.0) -> Entry | None:
        """The entry of an owner and type, or the one that says that the name does not exist.

        Also when its TTL ended not more than `stale_s` ago.
        """
        for key in (Key(owner, rdtype), Key(owner, 0)):
            entry = self._entries.get(key)
            if entry is not None:
                if entry.until_s + stale_s > now_s:
                    self._entries.move_to_end(key)
                    return entry
                if entry.until_s + MAX_STALE_S <= now_s:
                    self._remove(key)
        return None

    def nxdomain_above(self, owner: bytes, now_s: float) -> tuple[bytes, Entry] | None:
        """The nearest name at or above `owner` that does not exist (RFC 8020): then neither does what is below it."""
        at = 0
        while owner[at]:
            name = owner[at:]
            entry = self._entries.get(Key(name, 0))
            if entry is not None and entry.kind == NXDOMAIN and entry.until_s > now_s:
                return name, entry
            at += owner[at] + 1
        return None

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
    ) -> None:
        """Keep an RRset, unless one that is trusted more is there and has not ended."""
        ttl_s = min(ttl_s, MAX_TTL_S)
        old = self._entries.get(Key(owner, rdtype))
        if old is not None and old.until_s > now_s and old.kind == POSITIVE and old.trust > trust:
            return
        self._put(Key(owner, rdtype), Entry(POSITIVE, trust, records, signatures, ttl_s, now_s + ttl_s))
        if trust >= ANSWER_NOT_AUTHORITATIVE:
            self._remove(Key(owner, 0))  # The name is there after all.

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
    ) -> None:
        """Keep that an RRset (NODATA) or the whole name (NXDOMAIN) is not there; `ttl_s` as RFC 2308 §5 counts it."""
        ttl_s = min(ttl_s, MAX_NEGATIVE_TTL_S)
        key = Key(owner, 0 if kind == NXDOMAIN else rdtype)
        self._put(key, Entry(kind, ANSWER, soa, signatures, ttl_s, now_s + ttl_s, soa_owner))

    def put_failure(self, owner: bytes, rdtype: int, detail: str, now_s: float) -> None:
        """Keep for a moment that it could not be found out (RFC 9520), unless something better is known."""
        old = self._entries.get(Key(owner, rdtype))
        if old is None or old.until_s + MAX_STALE_S <= now_s:
            self._put(
                Key(owner, rdtype),
                Entry(FAILURE, 0, (), (), FAILURE_TTL_S, now_s + FAILURE_TTL_S, detail=detail),
            )

    def _put(self, key: Key, entry: Entry) -> None:
        self._remove(key)
        self._entries[key] = entry
        self.bytes += cost(key, entry)
        while self.bytes > self.most_bytes and self._entries:
            oldest, gone = self._entries.popitem(last=False)
            self.bytes -= cost(oldest, gone)
            self.evicted += 1

    def _remove(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= cost(key, entry)

    def delegation(self, owner: bytes, now_s: float) -> tuple[bytes, Entry] | None:
        """The nearest zone cut at or above a name whose NS records are known; the root's may be missing, too."""
        at = 0
        while True:
            name = owner[at:]
            entry = self._entries.get(Key(name, 2))
            if entry is not None and entry.kind == POSITIVE and entry.until_s > now_s:
                self._entries.move_to_end(Key(name, 2))
                return name, entry
            if not owner[at]:
                return None
            at += owner[at] + 1

    def entries_of(self, owner: bytes) -> Iterator[tuple[int, Entry]]:
        """All that is known of a name, ended or not."""
        for key, entry in self._entries.items():
            if key.owner == owner:
                yield key.rdtype, entry

    def flush(self, owner: bytes | None = None, *, below: bool = False) -> int:
        """Forget everything, a name, or a name with all below it; how many entries that were."""
        if owner is None:
            gone = list(self._entries)
        elif below:
            gone = [key for key in self._entries if _is_below(key.owner, owner)]
        else:
            gone = [key for key in self._entries if key.owner == owner]
        for key in gone:
            self._remove(key)
        return len(gone)


def cost(key: Key, entry: Entry) -> int:
    """About how many octets of memory an entry takes."""
    octets = sum(map(len, entry.records)) + sum(map(len, entry.signatures))
    pieces = len(entry.records) + len(entry.signatures)
    return _ENTRY_BYTES + len(key.owner) + len(entry.soa_owner) + octets + _RDATA_BYTES * pieces + len(entry.detail)


def _is_below(name: bytes, top: bytes) -> bool:
    at = 0
    while len(name) - at >= len(top):
        if name[at:] == top:
            return True
        at += name[at] + 1
    return False
