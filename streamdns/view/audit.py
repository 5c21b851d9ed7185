"""Checks the stored digests of a running view: hashes its records again, a few names at a time.

No snapshot is held: each step is a short transaction. A zone that changes during its check has another row at the end
of it, so it gets the verdict CHANGED, and a change is never taken for damage.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import Enum

import msgspec

from streamdns.dns.node import CONTESTED, HAS_SOA
from streamdns.view import candidates as rows
from streamdns.view.digest import MODULUS_MASK, rrset_hash
from streamdns.view.keys import owner_of, subtree
from streamdns.view.reader import Inspector
from streamdns.view.store import Store, reported
from streamdns.view.zones import ZoneRow

#: The exceptions that decoding raises when stored bytes are damaged.
_GARBAGE = (struct.error, msgspec.MsgspecError, ValueError, IndexError, AssertionError)


class Verdict(Enum):
    """The result of auditing a zone, or the whole view."""

    RIGHT = "right"
    WRONG = "wrong"
    CHANGED = "changed"


@dataclass(slots=True)
class _Open:
    """A zone whose names are being hashed; `row` is its row as it was at the first of them."""

    apex: bytes
    row: ZoneRow | None
    total: int = 0
    garbage: bool = False


@dataclass(slots=True)
class Audit:
    """One pass over the view, or over the names at and below `within`; call `step` until it returns False."""

    within: bytes = b""
    zones: dict[bytes, Verdict] = field(default_factory=dict)
    names: int = 0
    view: Verdict | None = None
    _stack: list[_Open] = field(default_factory=list)
    _next: bytes | None = None
    _total: int = 0
    _garbage: bool = False
    _begun: tuple[bytes, int, int] | None = None

    def step(self, store: Store, *, most: int) -> bool:
        """Hash up to `most` more names; return whether any are left. Raises ViewError."""
        with reported(store.path), Inspector(store) as view:
            state = view.state
            now = state.digest, state.applied, state.rejected
            if self._begun is None:
                self._begun = now
            self._next, begin = None, self._next or self.within
            for count, (key, raw) in enumerate(view.walk(begin, self.within)):
                if count == most:
                    self._next = key
                    break
                self._look(view, key, raw)
            if self._next is not None:
                return True
            while self._stack:
                self._close(view)
            if not self.within:
                wrong = self._garbage or self._total & MODULUS_MASK != int.from_bytes(state.digest, "big")
                self.view = Verdict.CHANGED if now != self._begun else Verdict.WRONG if wrong else Verdict.RIGHT
            return False

    def _look(self, view: Inspector, key: bytes, raw: bytes) -> None:
        while self._stack and not key.startswith(subtree(self._stack[-1].apex)):
            self._close(view)
        self.names += 1
        try:
            if raw[0] & HAS_SOA:
                self._stack.append(_Open(key, _row(view, key)))
            total = _contribution(view, key, raw)
        except _GARBAGE:
            self._garbage = True
            if self._stack:
                self._stack[-1].garbage = True
            return
        self._total += total
        if self._stack:
            self._stack[-1].total += total

    def _close(self, view: Inspector) -> None:
        zone = self._stack.pop()
        row = _row(view, zone.apex)
        if row is None or zone.row is None:
            # No such zone, or its row cannot be read; the latter is wrong as long as it does not change.
            verdict = Verdict.CHANGED if (row is None) != (zone.row is None) else Verdict.WRONG
        elif row != zone.row or row.cursor is not None or view.state.pending_zones:
            verdict = Verdict.CHANGED
        else:
            wrong = zone.garbage or zone.total & MODULUS_MASK != int.from_bytes(row.digest, "big")
            verdict = Verdict.WRONG if wrong else Verdict.RIGHT
        self.zones[zone.apex] = verdict


def _row(view: Inspector, apex: bytes) -> ZoneRow | None:
    try:
        return view.zone(apex)
    except _GARBAGE:
        return None


def _contribution(view: Inspector, key: bytes, raw: bytes) -> int:
    """Sum the hashes of those RRsets of a node that count in the digest."""
    owner, total = owner_of(key), 0
    for rrset in view.every(key, raw):
        counted: bytes | None = rrset.records
        if rrset.flags & CONTESTED:
            counted = rows.in_digest(view.candidates(key, rrset.rdtype), view.state.topics)
        total += 0 if counted is None else rrset_hash(owner, counted)
    return total
