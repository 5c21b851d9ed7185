"""Reads a view page by page for the admin API: each page is one short snapshot and gives the key to go on with.

Each call is bounded by a number of rows, however large the view is; the caller gives way to queries between calls.
Pages go forwards from a key on, or backwards from before a key (b"": from the end). The same key is a border for both:
what stands before it comes backwards, what stands at or behind it forwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import lmdb

from streamdns.dns import node as nodes
from streamdns.events.batch import Partition
from streamdns.view.digest import to_hex
from streamdns.view.entries import (
    Conflict,
    JournalEntry,
    Quarantined,
    ZoneRow,
    decode_change,
    decode_conflict,
    decode_quarantined,
    decode_zone,
)
from streamdns.view.keys import behind, depth_of, owner_of, position_key, prefixes, sequence_key, subtree
from streamdns.view.partition_digests import load
from streamdns.view.reader import Entry, Inspector
from streamdns.view.store import Store, decode_position, reported

#: A page ends behind so many octets, however few RRsets they are.
_PAGE_OCTETS = 1 << 20
#: How many names are looked at, and how many things are taken, before it is asked whether the time is over.
_NAMES_A_LOOK = 16
_ENTRIES_A_LOOK = 4


class ZoneLine(NamedTuple):
    """A zone in a list: the key of its apex, its row, and its SOA RRset in the form of a node's records."""

    apex: bytes
    row: ZoneRow
    soa: bytes | None


class Names(NamedTuple):
    """One page of RRsets in canonical order, or the reverse of it where it was read backwards.

    `looked` names were examined, `next` is the key to go on with.
    """

    entries: list[Entry]
    looked: int
    next: bytes | None


class Pages(Inspector):
    """An Inspector that reads one page and is closed again; damaged rows raise ViewError where it is closed."""

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        error = exc[1]
        if isinstance(error, Exception):
            with reported(self.store.path):
                raise error

    def _borders(
        self, table: str, at: bytes, within: bytes, *, backwards: bool
    ) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Yield the rows of a table whose keys begin with `within`: the border before the row, its key, its value."""
        if not backwards:
            for key, raw in self.rows(table, max(at, within)):
                if not key.startswith(within):
                    return
                yield key, key, raw
            return
        with self._txn.cursor(self.store.tables[table]) as cursor:
            more = last_before(cursor, at, within)
            while more and cursor.key().startswith(within):
                key = cursor.key()
                yield at, key, cursor.value()
                at = key
                more = cursor.prev()

    def zone_lines(
        self, at: bytes, *, within: bytes = b"", most: int, over: Callable[[], bool], backwards: bool = False
    ) -> tuple[list[ZoneLine], bytes | None]:
        """Return up to `most` zones, and the key to go on with; stops early once `over` returns True."""
        lines: list[ZoneLine] = []
        for border, apex, raw in self._borders("zones", at, within, backwards=backwards):
            if len(lines) == most or (lines and not len(lines) % _ENTRIES_A_LOOK and over()):
                return lines, border
            lines.append(self._line(apex, raw))
        return lines, None

    def _line(self, apex: bytes, raw: bytes) -> ZoneLine:
        node = self._txn.get(apex, db=self.store.nodes)
        soa = None if node is None else nodes.records_of(node, nodes.SOA, owner=owner_of(apex))
        return ZoneLine(apex, decode_zone(raw), soa)

    def zone_line(self, apex: bytes) -> ZoneLine | None:
        """Read one zone; None where there is no such zone."""
        raw = self._txn.get(apex, db=self.store.tables["zones"])
        return None if raw is None else self._line(apex, raw)

    def names(
        self, at: bytes, within: bytes, wanted: Callable[[bytes, bytes], bool], *, most: int, enough: int,
        over: Callable[[], bool], backwards: bool = False,
    ) -> Names:
        """Return RRsets of the names below `within` for which `wanted(key, node)` is true.

        Stops after `most` names, after the name with which there are `enough` RRsets or the page is large, or once
        `over`, which is called now and then, returns True.
        """
        found: list[Entry] = []
        looked = octets = 0
        step = -1 if backwards else 1
        for border, key, raw in self._borders("nodes", at, within, backwards=backwards):
            if looked == most or len(found) >= enough or octets > _PAGE_OCTETS:
                return Names(found, looked, border)
            if looked and (found or not looked % _NAMES_A_LOOK) and over():
                return Names(found, looked, border)
            looked += 1
            if wanted(key, raw):
                found += self._entries(key, raw)[::step]
                octets += len(raw)
        return Names(found, looked, None)

    def zone_names(self, apex: bytes, start: bytes, *, most: int, enough: int, over: Callable[[], bool]) -> Names:
        """Return RRsets of one zone without zones below it, but with NS and DS at its cuts; stops as `names` does."""
        found: list[Entry] = []
        looked, octets, within, depth = 0, 0, subtree(apex), depth_of(apex)
        with self._txn.cursor(self.store.nodes) as cursor:
            more = cursor.set_range(max(start, within) or apex)
            while more:
                key = cursor.key()
                if not key.startswith(within):
                    break
                if looked == most or len(found) >= enough or octets > _PAGE_OCTETS:
                    return Names(found, looked, key)
                if looked and not looked % _ENTRIES_A_LOOK and over():
                    return Names(found, looked, key)
                looked += 1
                child = next((each for each in prefixes(key)[depth + 1 :] if self._is_apex(each)), None)
                entries = self._entries(key, cursor.value()) if child in (None, key) else []
                octets += sum(len(entry.rrset.records) for entry in entries)
                found += entries if child is None else [
                    entry for entry in entries if entry.rrset.rdtype in (nodes.NS, nodes.DS)
                ]
                # Everything below a zone's apex has its key as prefix, whose last octet is 0.
                more = cursor.next() if child is None else cursor.set_range(child[:-1] + b"\1")
        return Names(found, looked, None)

    def zone_names_before(
        self, apex: bytes, at: bytes, *, most: int, enough: int, over: Callable[[], bool]
    ) -> Names:
        """Return what `zone_names` does, from the end: the RRsets that stand before a key, the last of them first."""
        found: list[Entry] = []
        looked, octets, within, depth = 0, 0, subtree(apex), depth_of(apex)
        with self._txn.cursor(self.store.nodes) as cursor:
            more = last_before(cursor, at, within)
            while more and cursor.key().startswith(within):
                if looked == most or len(found) >= enough or octets > _PAGE_OCTETS:
                    return Names(found, looked, at)
                if looked and not looked % _ENTRIES_A_LOOK and over():
                    return Names(found, looked, at)
                looked += 1
                key = cursor.key()
                child = next((each for each in prefixes(key)[depth + 1 :] if self._is_apex(each)), None)
                # The apex of a zone below stands before all of its names.
                at = child or key
                there = at == key or cursor.set_key(at)
                entries = self._entries(at, cursor.value())[::-1] if there else []
                octets += sum(len(entry.rrset.records) for entry in entries)
                found += entries if child is None else [
                    entry for entry in entries if entry.rrset.rdtype in (nodes.NS, nodes.DS)
                ]
                more = cursor.prev() if there else last_before(cursor, at, within)
        return Names(found, looked, None)

    def quarantine_from(self, sequence: int, *, most: int) -> list[tuple[int, Quarantined]]:
        """Return up to `most` rejected events with this number or greater ones, the oldest first."""
        found: list[tuple[int, Quarantined]] = []
        for key, raw in self.rows("quarantine", sequence_key(sequence)):
            if len(found) == most:
                break
            found.append((int.from_bytes(key, "big"), decode_quarantined(raw)))
        return found

    def quarantine_before(self, sequence: int, *, most: int) -> list[tuple[int, Quarantined]]:
        """Return up to `most` rejected events with smaller numbers, the newest first."""
        found: list[tuple[int, Quarantined]] = []
        with self._txn.cursor(self.store.tables["quarantine"]) as cursor:
            more = cursor.prev() if cursor.set_range(sequence_key(sequence)) else cursor.last()
            while more and len(found) < most:
                found.append((int.from_bytes(cursor.key(), "big"), decode_quarantined(cursor.value())))
                more = cursor.prev()
        return found

    def conflicts_from(
        self, at: bytes, *, most: int, backwards: bool = False
    ) -> tuple[list[Conflict], bytes | None]:
        """Return up to `most` conflicts in the order of their keys, or backwards, and the key to go on with."""
        found: list[Conflict] = []
        for border, _, raw in self._borders("conflicts", at, b"", backwards=backwards):
            if len(found) == most:
                return found, border
            found.append(decode_conflict(raw))
        return found, None

    def partition_digests(self, partitions: Iterable[Partition]) -> dict[Partition, str]:
        """Read the digests of partitions (hexadecimal); those that are not known are left out."""
        found = {partition: load(self._txn, self.store, partition) for partition in partitions}
        return {partition: to_hex(digest) for partition, digest in found.items() if digest is not None}

    def has_contested(self) -> bool:
        """Return whether any RRset has candidates in several partitions."""
        return next((key[:1] == b"P" for key, _ in self.rows("conflicts", b"P")), False)

    @property
    def journal_first(self) -> int:
        """The number of the oldest change that the journal holds."""
        return max(0, self.state.journal_next - self.state.journal_size)

    def change(self, number: int) -> JournalEntry | None:
        """Read one change by its number; None where the journal does not hold it."""
        if not self.journal_first <= number < self.state.journal_next:
            return None
        raw = self._txn.get(sequence_key(number % self.state.journal_size), db=self.store.tables["journal"])
        return None if raw is None else decode_change(raw)

    def changes(self, numbers: range) -> list[tuple[int, JournalEntry]]:
        """Read changes by their numbers, in that order; those that the journal does not hold are left out."""
        found = ((number, self.change(number)) for number in numbers)
        return [(number, entry) for number, entry in found if entry is not None]


def last_before(cursor: lmdb.Cursor, at: bytes, within: bytes) -> bool:
    """Move a cursor to the last key before `at` (b"": the end) that may begin with `within`; False: there is none."""
    end = behind(within)
    border = min(at, end) if at and end else at or end
    return bool(cursor.prev() if border and cursor.set_range(border) else cursor.last())


def position_in(store: Store, topic: str, partition: int) -> int | None:
    """Read the position at which reading of a partition goes on; None if it was never read. Raises ViewError."""
    with reported(store.path), store.begin() as txn:
        raw = txn.get(position_key(topic, partition), db=store.tables["positions"])
        return None if raw is None else decode_position(raw).next
