"""Checks the stored digests of a running view: hashes its records again, a few names at a time.

No snapshot is held: each step is a short transaction, in which RRsets are only read; they are hashed after it. A name
may hold many MB, so a step may end within one. A zone that changes during its check has another row at the end of it,
so it gets the verdict CHANGED, and a change is never taken for damage.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import msgspec

from streamdns.dns.compression import COMPRESSIBLE
from streamdns.dns.node import BEYOND, CONTESTED, HAS_SOA, RRset, decode, in_full
from streamdns.view import candidates as rows
from streamdns.view.aside import Place, place
from streamdns.view.digest import MODULUS_MASK, rrset_hash
from streamdns.view.entries import ZoneRow
from streamdns.view.keys import owner_of, subtree
from streamdns.view.reader import Inspector
from streamdns.view.store import Store, reported

#: The exceptions that decoding raises when stored bytes are damaged.
_GARBAGE = (struct.error, msgspec.MsgspecError, ValueError, IndexError, AssertionError)


class Verdict(Enum):
    """The result of auditing a zone, or the whole view."""

    RIGHT = "right"
    WRONG = "wrong"
    CHANGED = "changed"


#: A step reads the RRset that goes beyond so many octets, and no more.
_MOST_OCTETS = 65_536


@dataclass(slots=True)
class _Open:
    """A zone whose names are being hashed; `row` is its row as it was at the first of them."""

    apex: bytes
    row: ZoneRow | None
    total: int = 0
    garbage: bool = False


class Unhashed(NamedTuple):
    """An RRset that was read, with the zone that it is of; `is_full`: its records are not compressed as in a node."""

    zone: _Open | None
    owner: bytes
    rdtype: int
    records: bytes
    is_full: bool

    def hashed(self) -> int:
        """What it adds to the digest. It takes long where there are thousands of records."""
        compressed = not self.is_full and self.rdtype in COMPRESSIBLE
        return rrset_hash(self.owner, in_full(self.owner, self.rdtype, self.records) if compressed else self.records)


class _Closed(NamedTuple):
    """A zone whose last name was read: its row at that moment, and whether it had claimed all of its names."""

    zone: _Open
    row: ZoneRow | None
    settled: bool


@dataclass(slots=True)
class Audit:
    """One pass over the view, or over the names at and below `within`; call `step` until it returns False."""

    within: bytes = b""
    zones: dict[bytes, Verdict] = field(default_factory=dict)
    names: int = 0
    view: Verdict | None = None
    _stack: list[_Open] = field(default_factory=list)
    _next: bytes | None = None
    _beside: Place | None = None
    """Of the next name the node was read, and what stands beside it as far as this place."""
    _todo: list[Unhashed | _Closed] = field(default_factory=list)
    _octets: int = 0
    _total: int = 0
    _garbage: bool = False
    _begun: tuple[bytes, int, int] | None = None

    def step(
        self, store: Store, *, most: int, hashed: Callable[[Unhashed], int] = Unhashed.hashed,
        pause: Callable[[], object] = bool,
    ) -> bool:
        """Read up to `most` more names and hash them; return whether any are left. Raises ViewError.

        `hashed` hashes an RRset, wherever that is best done; `pause` is called after each. No transaction is open then.
        """
        with reported(store.path), Inspector(store) as view:
            state = view.state
            now = state.digest, state.applied, state.rejected
            if self._begun is None:
                self._begun = now
            more = self._read(view, most)
            while self._stack and not more:
                self._close(view)
        for each in self._todo:
            if isinstance(each, _Closed):
                self.zones[each.zone.apex] = _verdict(each)
                continue
            self._add(each, hashed)
            pause()
        self._todo.clear()
        if not more and not self.within:
            wrong = self._garbage or self._total & MODULUS_MASK != int.from_bytes(state.digest, "big")
            self.view = Verdict.CHANGED if now != self._begun else Verdict.WRONG if wrong else Verdict.RIGHT
        return more

    def _add(self, rrset: Unhashed, hashed: Callable[[Unhashed], int]) -> None:
        """Add an RRset to the sums; what cannot be taken apart makes its zone wrong."""
        zone = rrset.zone
        try:
            total = hashed(rrset)
        except _GARBAGE:
            self._garbage = True
            if zone is not None:
                zone.garbage = True
            return
        self._total += total
        if zone is not None:
            zone.total += total

    def _read(self, view: Inspector, most: int) -> bool:
        """Read names until there are `most`, or enough octets; return whether any are left."""
        begin, self._next, self._octets = self._next or self.within, None, 0
        for count, (key, raw) in enumerate(view.walk(begin, self.within)):
            if self._beside is not None and key != begin:
                self._beside = None  # The name that was being read is gone.
            if count == most or self._octets > _MOST_OCTETS or not self._look(view, key, raw):
                self._next = key
                return True
        return False

    def _look(self, view: Inspector, key: bytes, raw: bytes) -> bool:
        """Read one name; return whether that was all of it."""
        while self._stack and not key.startswith(subtree(self._stack[-1].apex)):
            self._close(view)
        try:
            if self._beside is None:
                self.names += 1
                if raw[0] & HAS_SOA:
                    self._stack.append(_Open(key, _row(view, key)))
                for rrset in decode(raw):
                    self._take(view, key, rrset, is_full=False)
                self._beside = 0, 0
            if raw[1] & BEYOND:
                for rrset in view.aside.rows(key, after=self._beside):
                    if self._octets > _MOST_OCTETS:
                        return False
                    self._take(view, key, rrset, is_full=True)
                    self._beside = place(rrset)
        except _GARBAGE:
            self._garbage = True
            if self._stack:
                self._stack[-1].garbage = True
        self._beside = None
        return True

    def _take(self, view: Inspector, key: bytes, rrset: RRset, *, is_full: bool) -> None:
        """Keep what counts of an RRset in the digest, to be hashed."""
        counted: bytes | None = rrset.records
        if rrset.flags & CONTESTED:
            counted, is_full = rows.in_digest(view.candidates(key, rrset.rdtype), view.state.topics), True
        if counted is not None:
            zone = self._stack[-1] if self._stack else None
            self._octets += len(counted)
            self._todo.append(Unhashed(zone, owner_of(key), rrset.rdtype, counted, is_full))

    def _close(self, view: Inspector) -> None:
        zone = self._stack.pop()
        self._todo.append(_Closed(zone, _row(view, zone.apex), not view.state.pending_zones))


def _verdict(closed: _Closed) -> Verdict:
    zone, row, settled = closed
    if row is None or zone.row is None:
        # No such zone, or its row cannot be read; the latter is wrong as long as it does not change.
        return Verdict.CHANGED if (row is None) != (zone.row is None) else Verdict.WRONG
    if row != zone.row or row.cursor is not None or not settled:
        return Verdict.CHANGED
    wrong = zone.garbage or zone.total & MODULUS_MASK != int.from_bytes(row.digest, "big")
    return Verdict.WRONG if wrong else Verdict.RIGHT


def _row(view: Inspector, apex: bytes) -> ZoneRow | None:
    try:
        return view.zone(apex)
    except _GARBAGE:
        return None
