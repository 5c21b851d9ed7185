"""Keeps the digest and counts of each zone up to date, also when apexes come and go and names change their zone.

Every RRset is counted for the deepest apex at or above it that has *claimed* its key. A zone claims the keys of its
subtree in ascending order: at once when its SOA comes first, in slices of a bounded number of nodes when many names
were there before. `cursor` is the first key that is not yet claimed; None says that all are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from streamdns.view.digest import MODULUS_MASK
from streamdns.view.entries import ZoneRow, decode_zone, encode
from streamdns.view.keys import ROOT, depth_of, prefix, prefixes, subtree
from streamdns.view.store import State, Table, Transaction

#: The share of one node in its zone: the sum of its RRsets' hashes, the number of RRsets and of records.
Contribution = tuple[int, int, int]


def count(depths: dict[int, int], depth: int, step: int) -> None:
    """Add `step` to the number at one depth (number of labels); a number that reaches 0 leaves the dictionary."""
    depths[depth] = depths.get(depth, 0) + step
    if not depths[depth]:
        del depths[depth]


class _Sum:
    """A zone's row while a transaction runs; `digest` is taken modulo 2**256 when it is stored."""

    __slots__ = ("changed_ms", "cursor", "deleted", "digest", "dirty", "records", "rrsets")

    def __init__(self, row: ZoneRow) -> None:
        self.dirty = False
        self.deleted = 0
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
    """The rows of all zones within one write transaction: every change of an RRset is added to the right one."""

    def __init__(self, txn: Transaction, table: Table, state: State, now_ms: int) -> None:
        self._txn, self._table, self._state, self._now_ms = txn, table, state, now_ms
        self._sums: dict[bytes, _Sum | None] = {}
        self._gone: set[bytes] = set()
        self._depths = sorted(state.zone_depths, reverse=True)
        self.vanished: dict[bytes, int] = {}
        """Zones that vanished in this transaction, by apex, and the RRsets that they had before."""
        self.deleted = 0
        """RRsets that were deleted, and not set again, in this transaction; `deleted_of` has them by zone."""
        # Zones of the names directly below a name, as long as no zone comes, goes or claims.
        self._below: dict[bytes, _Sum | None] = {}

    def _sum(self, apex: bytes) -> _Sum | None:
        if apex in self._sums:
            return self._sums[apex]
        stored = self._txn.get(apex, db=self._table)
        found = None if stored is None else _Sum(decode_zone(stored))
        self._sums[apex] = found
        return found

    def _claimant(self, key: bytes) -> _Sum | None:
        """Find the zone that counts a key: the deepest at or above it that has claimed it."""
        labels = depth_of(key)
        for depth in self._depths:
            if depth <= labels:
                found = self._sum(key if depth == labels else prefix(key, depth))
                if found is not None and (found.cursor is None or key < found.cursor):
                    return found
        return None

    def deleted_of(self) -> dict[bytes | None, int]:
        """Return how many RRsets of each zone, by apex, were deleted in this transaction; None: of no zone."""
        found: dict[bytes | None, int] = {
            apex: zone.deleted for apex, zone in self._sums.items() if zone is not None and zone.deleted
        }
        outside = self.deleted - sum(found.values())
        if outside:
            found[None] = outside
        return found

    def restored(self, key: bytes) -> None:
        """Note that the RRset which was just added to a zone was deleted before: it counts against the deletes."""
        self.deleted -= 1
        parent = key[: key.rfind(b"\0", 0, -1) + 1]
        zone = self._below[parent] if parent in self._below else self._claimant(key)
        if zone is not None:
            zone.deleted -= 1

    def exists(self, apex: bytes) -> bool:
        """Return whether there is a zone with this apex."""
        return self._sum(apex) is not None

    def rrsets(self, apex: bytes) -> int:
        """Return the number of RRsets of a zone; 0 where there is none."""
        zone = self._sum(apex)
        return 0 if zone is None else zone.rrsets

    def changed(self, key: bytes, difference: int, rrsets: int, records: int) -> None:
        """Add the change of an RRset to its zone: differences of its hash, of the number of RRsets and of records."""
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
            if rrsets < 0:
                zone.deleted += 1
        if rrsets < 0:
            self.deleted += 1

    def appear(self, apex: bytes) -> None:
        """Make a name an apex, because its SOA has come."""
        self._sums[apex] = zone = _Sum(ZoneRow(changed_ms=self._now_ms, cursor=apex))
        zone.dirty = True
        self._gone.discard(apex)
        self._count_zone(apex, 1)
        self._state.pending_zones.append(apex)

    def vanish(self, apex: bytes, walk: Callable[[bytes, bytes], Iterable[tuple[bytes, Contribution]]]) -> None:
        """Remove a zone whose SOA has gone, and give what it counted to the next apex above."""
        for above in [*self._state.pending_zones]:
            if above != apex and apex.startswith(subtree(above)):
                self.claim(above, walk, most=1 << 62)
        zone = self._sum(apex)
        assert zone is not None
        self._count_zone(apex, -1)
        self._sums[apex] = None
        self._gone.add(apex)
        self.vanished[apex] = zone.rrsets + zone.deleted
        if apex in self._state.pending_zones:
            self._state.pending_zones.remove(apex)
        parent = self._claimant(apex)  # The zone itself is none any more.
        if parent is not None:
            parent.add((zone.digest, zone.rrsets, zone.records), 1)

    def claim(
        self, apex: bytes, walk: Callable[[bytes, bytes], Iterable[tuple[bytes, Contribution]]], *, most: int
    ) -> int:
        """Let a pending zone claim up to `most` nodes; returns the number of nodes examined."""
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
        """Write the rows that changed."""
        for apex in self._gone:
            self._txn.delete(apex, db=self._table)
        for apex, zone in self._sums.items():
            if zone is not None and zone.dirty:
                self._txn.put(apex, encode(zone.row()), db=self._table)
