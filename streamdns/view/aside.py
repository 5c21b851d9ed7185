"""Keeps what is too much for a node beside it: RRsets beyond the most that a name answers with, and long metadatas.

Every query for a name copies its node, so a node is bounded; an event is good or bad by itself, whatever else its name
has, so what is beyond is kept, counts in the digest, and is not served. Which RRsets those are depends on nothing but
the RRsets themselves: NS, CNAME, SOA and DNAME are always served, then the others in order of their types, as many as
fit. RRsets whose newest event was rejected come last, because a node that reads the compacted log may not have them.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from hashlib import blake2b
from typing import Final

from streamdns.dns.node import (
    APART,
    CNAME,
    DNAME,
    LOCAL,
    MARK_OF_APART,
    NS,
    REJECTED,
    SOA,
    RRset,
    decode,
    encode_single,
    has_names,
)
from streamdns.view.keys import owner_of
from streamdns.view.store import Table, Transaction

#: A name answers with at most 256 RRsets and 256 KiB; room for the four special types is kept, which are 66,560 octets
#: at the most: 65,000 of an NS RRset, and three records.
MOST_RRSETS = 252
MOST_OCTETS = (256 << 10) - 66_560
#: Longer metadatas stand beside the node.
MOST_METADATAS_OCTETS: Final = 128

_ALWAYS: Final = frozenset((NS, CNAME, SOA, DNAME))
_METADATAS: Final = 0xFF
Place = tuple[int, int]


def place(rrset: RRset) -> Place:
    """Give the place of an RRset in the order in which a name's RRsets are served, as long as they fit."""
    if rrset.rdtype in _ALWAYS or rrset.flags & LOCAL:
        return 0, rrset.rdtype
    return 2 if rrset.flags & REJECTED else 1, rrset.rdtype


def overflows(rrsets: Sequence[RRset]) -> bool:
    """Whether a name has more than is served of it."""
    if len(rrsets) <= 3:
        return False  # As many of the largest fit.
    counted = [rrset for rrset in rrsets if place(rrset)[0]]
    return len(counted) > MOST_RRSETS or sum(len(rrset.records) for rrset in counted) > MOST_OCTETS


class Aside:
    """The table of what stands beside nodes, within one transaction; `key` is always that of the node."""

    def __init__(self, txn: Transaction, table: Table) -> None:
        self._txn, self._table = txn, table

    def get(self, key: bytes, rdtype: int) -> RRset | None:
        """Read an RRset that is not served."""
        for rank in (1, 2):
            raw = self._txn.get(_row(key, rank, rdtype), db=self._table)
            if raw is not None:
                return decode(raw)[0]
        return None

    def put(self, key: bytes, rrset: RRset) -> None:
        """Keep an RRset without serving it."""
        self._txn.put(_row(key, *place(rrset)), encode_single(*rrset), db=self._table)

    def remove(self, key: bytes, rrset: RRset) -> None:
        """Remove an RRset that stands here as it is given."""
        self._txn.delete(_row(key, *place(rrset)), db=self._table)

    def rows(self, key: bytes, *, after: Place | None = None) -> Generator[RRset]:
        """Yield the RRsets of a name that are not served, in the order in which they would be; those behind a place."""
        prefix = _prefix(key)
        with self._txn.cursor(self._table) as cursor:
            if not cursor.set_range(prefix if after is None else _row(key, *after) + b"\0"):
                return
            for row_key, raw in cursor:
                if not row_key.startswith(prefix) or row_key[16] == _METADATAS:
                    return
                yield decode(raw)[0]

    def place_new(
        self, key: bytes, rrsets: Sequence[RRset], old: RRset | None, new: RRset | None
    ) -> RRset | None:
        """Take up the change of an RRset of a name that is full, whose node has these RRsets.

        Gives the new one back where it belongs into the node, and else keeps it here.
        """
        if old is not None and all(rrset.rdtype != old.rdtype for rrset in rrsets):
            self.remove(key, old)
        last = max((place(rrset) for rrset in rrsets if old is None or rrset.rdtype != old.rdtype), default=(0, 0))
        if new is None or not place(new)[0] or place(new) < last:
            return new
        self.put(key, new)
        return None

    def settle(self, key: bytes, rrsets: Sequence[RRset]) -> tuple[list[RRset], RRset | None]:
        """Say which RRsets the node of a name has, as many as fit in their order; keep the others here.

        `rrsets` are those that the node had or got. Gives, too, the first that is not served.
        """
        counted = sorted((rrset for rrset in rrsets if place(rrset)[0]), key=place)
        octets = sum(len(rrset.records) for rrset in counted)
        is_full = False
        while len(counted) > MOST_RRSETS or octets > MOST_OCTETS:
            is_full = True
            octets -= len(counted[-1].records)
            self.put(key, counted.pop())
        held, found = len(counted), self.rows(key)
        following = next(found, None)
        while not is_full and following is not None:
            octets += len(following.records)
            if len(counted) == MOST_RRSETS or octets > MOST_OCTETS:
                break
            counted.append(following)
            following = next(found, None)
        found.close()
        for rrset in counted[held:]:
            self.remove(key, rrset)
        return sorted([rrset for rrset in rrsets if not place(rrset)[0]] + counted), following

    def take_apart(self, key: bytes, rrsets: list[RRset]) -> tuple[list[RRset], bool]:
        """Store long metadatas here; give the RRsets as their node has them, and whether there were any."""
        if all(len(rrset.origin.metadatas) <= MOST_METADATAS_OCTETS for rrset in rrsets):
            return rrsets, False
        kept = []
        for rrset in rrsets:
            metadatas = rrset.origin.metadatas
            if len(metadatas) > MOST_METADATAS_OCTETS:
                self._txn.put(_row(key, _METADATAS, rrset.rdtype), metadatas, db=self._table)
                kept.append(rrset._replace(origin=rrset.origin._replace(metadatas=MARK_OF_APART)))
            else:
                kept.append(rrset)
        return kept, True

    def forget_apart(self, key: bytes) -> None:
        """Remove the metadatas of a node's RRsets."""
        prefix = _prefix(key) + bytes((_METADATAS,))
        with self._txn.cursor(self._table) as cursor:
            more = cursor.set_range(prefix)
            while more and cursor.key().startswith(prefix):
                more = cursor.delete()

    def complete(self, key: bytes, raw: bytes) -> list[RRset]:
        """Decode a node, with metadatas that stand here."""
        rrsets = decode(raw, owner=owner_of(key) if has_names(raw) else b"")
        if not raw[1] & APART:
            return rrsets
        return [
            rrset if rrset.origin.metadatas != MARK_OF_APART else rrset._replace(origin=rrset.origin._replace(
                metadatas=self._txn.get(_row(key, _METADATAS, rrset.rdtype), b"", db=self._table)))
            for rrset in rrsets
        ]


def _prefix(key: bytes) -> bytes:
    # A hash, as in rrset_id: keys of names may be as long as LMDB's keys.
    return blake2b(key, digest_size=16).digest()


def _row(key: bytes, rank: int, rdtype: int) -> bytes:
    return b"%b%c%c%c" % (_prefix(key), rank, rdtype >> 8, rdtype & 255)
