"""Notices when the newest minutes of events delete a large share of a zone, or of all zones: a mistake, perhaps. Pure.

It only warns: nodes that would not apply a delete would no longer hold what the log says.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from streamdns.dns import name
from streamdns.view.keys import owner_of

#: Fewer deletes than this are nobody's mistake, however small the zone.
LEAST_DELETES = 10
_LEAST_ZONES = 3
_BUCKETS = 20
_EXPIRE_MS = 1000
#: So many zones are named, each with a mark in the journal; a mistake may be about thousands.
_MOST_NAMED = 5
#: In place of an apex: all zones together, and what stood at zones that went.
_ALL, _GONE = None, b""


class Deletes(NamedTuple):
    """What one commit deleted: RRsets by the key of their zone's apex (None: of no zone), and zones whose SOA went.

    What stood at a zone that went counts as deleted with it; what is set again after a delete counts against it. `left`
    has the RRsets that each of these zones has now.
    """

    rrsets: Mapping[bytes | None, int]
    gone: Mapping[bytes, int]
    left: Mapping[bytes, int]
    rrsets_left: int
    zones_left: int


class Warned(NamedTuple):
    """One warning: the owner name (wire form) of the zone, the root for all zones, and a sentence."""

    owner: bytes
    sentence: str


class _Window:
    """Sums counts over the last `window_ms`, by the time of the events and by that of the commits.

    Either clock lets a count go: timestamps may be missing or wrong, and a node that catches up commits the events of
    hours within seconds.
    """

    def __init__(self) -> None:
        self.total = 0
        self._counts: deque[list[int]] = deque()

    def add(self, count: int, event_ms: int, now_ms: int, window_ms: int) -> None:
        self.total += count
        if self._counts:
            last = self._counts[-1]
            if max(event_ms - last[0], now_ms - last[1]) < window_ms // _BUCKETS:
                last[2] += count
                return
        self._counts.append([event_ms, now_ms, count])

    def expire(self, event_ms: int, now_ms: int, window_ms: int) -> None:
        counts = self._counts
        while counts and (event_ms - counts[0][0] > window_ms or now_ms - counts[0][1] > window_ms):
            self.total -= counts.popleft()[2]


class DeleteGuard:
    """Counts deletes of the last `window_ms` by zone; `share` is DNS_DELETE_GUARD, infinite for off.

    A commit is judged first, so that the journal can be marked in the same transaction, and taken once it has come to
    be: one that fails is made again.
    """

    def __init__(self, share: float, window_ms: int) -> None:
        self.share, self.window_ms = share, window_ms
        self._windows: dict[bytes | None, _Window] = {}
        self._zones_gone = _Window()
        self._warned_ms: dict[bytes | None, int] = {}
        self._event_ms = 0
        self._expired_ms = 0, 0
        self._fresh: list[bytes | None] = []

    def judge(self, deletes: Deletes, event_ms: int, now_ms: int) -> list[Warned]:
        """Return what to warn of if a commit takes place; `event_ms` is the newest timestamp in it."""
        self._fresh = []
        if self.share == math.inf:
            return []
        self._expire(event_ms, now_ms)
        # Of a zone whose SOA went first the other deletes are of no zone, and would count twice.
        deleted = self._sum(_ALL) + sum(deletes.rrsets.values())
        everything = max(deleted, self._sum(_GONE) + sum(deletes.gone.values()))
        zones_gone = self._zones_gone.total + len(deletes.gone)
        found: list[tuple[bytes | None, Warned]] = []
        many_zones = zones_gone >= _LEAST_ZONES and zones_gone > self.share * (zones_gone + deletes.zones_left)
        if many_zones or self._too_many(everything, deletes.rrsets_left):
            sentence = f"{everything} RRsets and {zones_gone} zones were deleted, {deletes.rrsets_left} RRsets in "
            sentence += f"{deletes.zones_left} zones are left"
            found.append((_ALL, Warned(b"\0", self._told(sentence))))
        elif _ALL not in self._warned_ms:
            found += self._of_zones(deletes)
        found = [(apex, warned) for apex, warned in found if apex not in self._warned_ms]
        self._fresh = [apex for apex, _ in found]
        return [warned for _, warned in found[:_MOST_NAMED]]

    def _of_zones(self, deletes: Deletes) -> Iterator[tuple[bytes | None, Warned]]:
        for apex in {*deletes.rrsets, *deletes.gone}:
            if apex is None:
                continue
            left = deletes.left.get(apex, 0)
            gone = self._sum(apex) + deletes.rrsets.get(apex, 0) + deletes.gone.get(apex, 0)
            if self._too_many(gone, left):
                owner = owner_of(apex)
                sentence = f"{gone} RRsets of {name.to_text(owner)} were deleted, {left} are left"
                yield apex, Warned(owner, self._told(sentence))

    def _told(self, sentence: str) -> str:
        return f"within {self.window_ms / 60000:.3g} minutes {sentence} (DNS_DELETE_GUARD is {100 * self.share:.6g}%)"

    def take(self, deletes: Deletes, event_ms: int, now_ms: int) -> None:
        """Count a commit that was judged and has come to be."""
        self._event_ms = max(self._event_ms, min(event_ms, now_ms))
        counted: list[tuple[bytes | None, int]] = [(apex, count) for apex, count in deletes.rrsets.items() if apex]
        counted += deletes.gone.items()
        counted += [(_ALL, sum(deletes.rrsets.values())), (_GONE, sum(deletes.gone.values()))]
        for apex, count in counted:
            self._windows.setdefault(apex, _Window()).add(count, self._event_ms, now_ms, self.window_ms)
        if deletes.gone:
            self._zones_gone.add(len(deletes.gone), self._event_ms, now_ms, self.window_ms)
        for apex in self._fresh:
            self._warned_ms[apex] = now_ms

    def _expire(self, event_ms: int, now_ms: int) -> None:
        at_ms = max(self._event_ms, min(event_ms, now_ms))
        if max(abs(at_ms - self._expired_ms[0]), abs(now_ms - self._expired_ms[1])) < _EXPIRE_MS:
            return  # There may be thousands of zones, and a commit every few milliseconds.
        self._expired_ms = at_ms, now_ms
        for apex, window in [*self._windows.items()]:
            window.expire(at_ms, now_ms, self.window_ms)
            if not window.total:
                del self._windows[apex]
        self._zones_gone.expire(at_ms, now_ms, self.window_ms)
        for apex, warned_ms in [*self._warned_ms.items()]:
            if now_ms - warned_ms > self.window_ms:
                del self._warned_ms[apex]

    def _sum(self, apex: bytes | None) -> int:
        window = self._windows.get(apex)
        return 0 if window is None else window.total

    def _too_many(self, gone: int, left: int) -> bool:
        return gone >= LEAST_DELETES and gone > self.share * (gone + left)
