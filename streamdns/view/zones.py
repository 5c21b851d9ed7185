"""Which RRsets belong to which zone, with the digest and counts of each zone, kept up to date as apexes come and go.

Every RRset is counted for the deepest apex at or above it that has *claimed* its key. A zone claims the keys of its
subtree in ascending order: at once when its SOA comes first, in slices of a bounded number of nodes when many names
were there before. `cursor` is the first key that is not yet claimed; None says that all are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from streamdns.view.digest import MODULUS_MASK
from streamdns.view.keys import ROOT, depth_of, prefixes, subtree
from streamdns.view.store import State, Table, Transaction

#: What one node adds to its zone: the sum of its RRsets' hashes, the number of RRsets and of records.
Contribution = tuple[int, int, int]


class ZoneRow(msgspec.Struct, array_like=True):
    """Digest (32 octets), counts and time of last change (ms) of one zone; `cursor` as said above."""

    digest: bytes = b"\0" * 32
    rrsets: int = 0
    records: int = 0
    changed_ms: int = 0
    cursor: bytes | None = None


_encode = msgspec.msgpack.Encoder().encode
decode_zone = msgspec.msgpack.Decoder(ZoneRow).decode


def count(depths: dict[int, int], depth: int, step: int) -> None:
    """Count something up or down at a number of labels; what is counted down to 0 leaves the dictionary."""
    depths[depth] = depths.get(depth, 0) + step
    if not depths[depth]:
        del depths[depth]


class _Sum:
    """A zone's row while a transaction runs; `digest` is taken modulo 2**256 when it is stored."""

    __slots__ = ("changed_ms", "cursor", "digest", "dirty", "records", "rrsets")

    def __init__(self, row: ZoneRow) -> None:
        self.dirty = False
        self.digest = int.from_bytes(row.digest, "big")
        self.rrsets, self.records, self.changed_ms, self.cursor = row.rrsets, row.records, row.changed_ms, row.cursor

    def add(self, part: Contribution, sign: int) -> None:
        self.dirty = True
        self.digest += sign * part[0]
        self.rrsets += sign * part[1]
        self.records += sign * part[2]

    def row(self) -> ZoneRow:
        digest = (self.digest & MODULUS_MASK).to_bytes(32, "big")
        return ZoneRow(digest, self.rrsets, self.records, self.changed_ms, self.cursor)


class ZoneLedger:
    """The zones' sums within one write transaction."""

    def __init__(self, txn: Transaction, table: Table, state: State, now_ms: int) -> None:
        self._txn, self._table, self._state, self._now_ms = txn, table, state, now_ms
        self._sums: dict[bytes, _Sum | None] = {}
        self._gone: set[bytes] = set()
        self._depths = sorted(state.zone_depths, reverse=True)
        # Zones of the names directly below a name, as long as no zone comes, goes or claims.
        self._below: dict[bytes, _Sum | None] = {}

    def _sum(self, apex: bytes) -> _Sum | None:
        if apex in self._sums:
            return self._sums[apex]
        stored = self._txn.get(apex, db=self._table)
        found = None if stored is None else _Sum(decode_zone(stored))
        self._sums[apex] = found
        return found

    def _claimant(self, key: bytes, below: int = 1000) -> _Sum | None:
        """The zone that counts a key; only apexes with fewer than `below` labels are looked at."""
        above = prefixes(key)
        for depth in self._depths:
            if depth < len(above) and depth < below:
                found = self._sum(above[depth])
                if found is not None and (found.cursor is None or key < found.cursor):
                    return found
        return None

    def changed(self, key: bytes, difference: int, rrsets: int, records: int) -> None:
        """An RRset of this name changed by so much: the difference of hashes, the numbers of RRsets and of records."""
        state = self._state
        if state.pending_zones or key == ROOT or key.count(b"\0") in state.zone_depths:
            zone = self._claimant(key)
        else:
            parent = key[: key.rfind(b"\0", 0, -1) + 1]
            if parent not in self._below:
                self._below[parent] = self._claimant(key)
            zone = self._below[parent]
        if zone is not None and (difference or rrsets or records):
            zone.dirty = True
            zone.digest += difference
            zone.rrsets += rrsets
            zone.records += records
            zone.changed_ms = self._now_ms

    def appear(self, apex: bytes) -> None:
        """A SOA came: the name is an apex from now on."""
        self._sums[apex] = zone = _Sum(ZoneRow(changed_ms=self._now_ms, cursor=apex))
        zone.dirty = True
        self._gone.discard(apex)
        self._count_zone(apex, 1)
        self._state.pending_zones.append(apex)

    def vanish(self, apex: bytes, walk: Callable[[bytes, bytes], Iterable[tuple[bytes, Contribution]]]) -> None:
        """The SOA went: what the zone counted goes to the next apex above."""
        for above in [*self._state.pending_zones]:
            if above != apex and apex.startswith(subtree(above)):
                self.claim(above, walk, most=1 << 62)
        zone = self._sum(apex)
        assert zone is not None
        self._count_zone(apex, -1)
        self._sums[apex] = None
        self._gone.add(apex)
        if apex in self._state.pending_zones:
            self._state.pending_zones.remove(apex)
        parent = self._claimant(apex, depth_of(apex))
        if parent is not None:
            parent.add((zone.digest, zone.rrsets, zone.records), 1)

    def claim(
        self, apex: bytes, walk: Callable[[bytes, bytes], Iterable[tuple[bytes, Contribution]]], *, most: int
    ) -> int:
        """Let a pending zone claim up to `most` nodes; the number of nodes looked at."""
        zone = self._sum(apex)
        assert zone is not None
        assert zone.cursor is not None
        zone.dirty = True
        depth = depth_of(apex)
        seen = 0
        for key, part in walk(zone.cursor, subtree(apex)):
            if seen >= most:
                zone.cursor = key
                return seen
            seen += 1
            current = self._claimant(key)
            if current is not None and self._deeper_claims(key, depth):
                continue
            if current is not None:
                current.add(part, -1)
            zone.add(part, 1)
        zone.cursor = None
        self._below.clear()
        self._state.pending_zones.remove(apex)
        return seen

    def _deeper_claims(self, key: bytes, depth: int) -> bool:
        above = prefixes(key)
        for deeper in self._depths:
            if depth < deeper < len(above):
                found = self._sum(above[deeper])
                if found is not None and (found.cursor is None or key < found.cursor):
                    return True
        return False

    def _count_zone(self, apex: bytes, step: int) -> None:
        depths = self._state.zone_depths
        count(depths, depth_of(apex), step)
        self._depths = sorted(depths, reverse=True)
        self._below.clear()
        self._state.zones += step

    def store(self) -> None:
        """Write the sums that changed."""
        for apex in self._gone:
            self._txn.delete(apex, db=self._table)
        for apex, zone in self._sums.items():
            if zone is not None and zone.dirty:
                self._txn.put(apex, _encode(zone.row()), db=self._table)
