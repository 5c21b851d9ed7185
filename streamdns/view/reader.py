"""Reads a view: snapshots for answering queries, and an inspector for the admin API and the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple, Self

import lmdb

from streamdns.dns import node as nodes
from streamdns.dns.node import HAS_SOA, LOCAL, RRset
from streamdns.dns.served import Apexes
from streamdns.events.batch import Partition
from streamdns.view import candidates as rows
from streamdns.view.aside import Aside
from streamdns.view.candidates import Candidate, CandidateId
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
from streamdns.view.keys import (
    LOCAL_TOPIC,
    depth_of,
    node_key,
    owner_of,
    partition_of,
    prefixes,
    rrset_id,
    sequence_key,
    subtree,
)
from streamdns.view.lookups import Lookups, PlainLookups, in_map
from streamdns.view.store import Mapped, Position, Store, Transaction, decode_position, reported

#: Of the RRsets of a name that are not served, because they are too many, a page shows so many.
MOST_BEYOND = 100
ALL = 1 << 16


class ViewSnapshot:
    """One consistent state of the view for answers (the `Snapshot` of dns/lookup.py); each batch of queries has one."""

    __slots__ = ("_ends", "_serial", "_txn", "after", "before", "cut", "depths", "node", "ready")

    node: Callable[[bytes], bytes | None]
    cut: Callable[[bytes], bytes | None]
    after: Callable[[bytes], bytes | None]
    before: Callable[[bytes], bytes | None]
    _txn: Transaction | Mapped

    def __init__(self, store: Store) -> None:
        nodes: Lookups
        cuts: Lookups
        if store.in_map:
            self._txn = mapped = store.begin_mapped()
            nodes, cuts = in_map(mapped, b"nodes"), in_map(mapped, b"cuts")
        else:
            self._txn = plain = store.begin()
            nodes, cuts = PlainLookups(plain, store.nodes), PlainLookups(plain, store.cuts)
        self._serial = store.serial
        raw = self._txn.get(b"depths", b"\0", store.meta)
        self.ready = raw[0] == 1
        self.depths = tuple(raw[1:])
        self.node, self.after, self.before = nodes.get, nodes.after, nodes.before
        self.cut = cuts.get
        self._ends = nodes.close, cuts.close

    def version(self) -> int:
        """Return a number that differs after each commit and after a rebuilt view was swapped in."""
        return self._serial << 64 | int(self._txn.id())

    def close(self) -> None:
        """End the read transaction."""
        for end in self._ends:
            end()
        self._txn.abort()


class KeptSnapshot(ViewSnapshot):
    """A snapshot that its store keeps: who is done with it closes it as any other, and it stays for the next one.

    `commit` is the number of the commit that it shows, `users` how many have taken it and not closed it yet.
    """

    __slots__ = ("_ended", "_store", "_version", "commit", "users")

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._version = super().version()
        self.commit = int(self._txn.id())
        self.users = 1
        self._ended = False
        self._store = store
        store.pinned += 1

    def version(self) -> int:
        """As ViewSnapshot.version, which is asked for each batch."""
        return self._version

    def close(self) -> None:
        """Leave it open, unless its store has let go of it and nobody else uses it."""
        self.users -= 1
        if self._ended and not self.users:
            self._finish()

    def end(self) -> None:
        """End the read transaction as soon as nobody uses it."""
        self._ended = True
        if not self.users:
            self._finish()

    def _finish(self) -> None:
        self._store.pinned -= 1
        super().close()


class Entry(NamedTuple):
    """One RRset with its owner (lower-case wire form), its topic's name, and whether it is hidden (`shadowed`).

    A CNAME hides others, and those of which a name has too many are not served.
    """

    owner: bytes
    rrset: RRset
    shadowed: bool
    topic: str


class Inspector:
    """One consistent state of the view for everything but answers; a context manager, to be closed soon."""

    def __init__(self, store: Store, apexes: Apexes = Apexes()) -> None:  # noqa: B008 - it is immutable
        self.store, self.apexes = store, apexes

    def __enter__(self) -> Self:
        with reported(self.store.path):
            self._txn = self.store.begin()
        try:
            self.state = self.store.state_in(self._txn)
            self.aside = Aside(self._txn, self.store.tables["aside"])
        except BaseException:
            self._txn.abort()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._txn.abort()

    def rows(self, table: str, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values of one of the store's tables as they are stored, from `start` on."""
        with self._txn.cursor(self.store.tables[table]) as cursor:
            if cursor.set_range(start) if start else cursor.first():
                yield from cursor

    def depths(self) -> bytes:
        """Read the row that answers need: whether the view is complete, and at which numbers of labels cuts lie."""
        return self._txn.get(b"depths", b"\0", db=self.store.meta)

    def positions(self) -> dict[Partition, Position]:
        """Read where reading of each partition goes on."""
        with reported(self.store.path):
            return {
                (key[:-5].decode(), int.from_bytes(key[-4:], "big")): decode_position(raw)
                for key, raw in self.rows("positions")
            }

    def entries(self, key: bytes, *, most_beyond: int = MOST_BEYOND) -> list[Entry]:
        """Read the RRsets of one name; of those that are too many to be served `most_beyond` at the most."""
        raw = self._txn.get(key, db=self.store.nodes)
        return [] if raw is None else self._entries(key, raw, most_beyond)

    def _entries(self, key: bytes, raw: bytes, most_beyond: int = MOST_BEYOND) -> list[Entry]:
        owner = owner_of(key)
        rrsets = self.aside.complete(key, raw)
        hidden = self.apexes.hidden(key, rrsets) if len(rrsets) > 1 or rrsets[0].rdtype == nodes.CNAME else ()
        topics = self.state.topics
        beyond = islice(self.aside.rows(key), most_beyond) if raw[1] & nodes.BEYOND else ()
        found = [(rrset, rrset.rdtype in hidden) for rrset in rrsets] + [(rrset, True) for rrset in beyond]
        return [
            Entry(owner, rrset, shadowed, topics[rrset.origin.topic] if rrset.origin.topic < len(topics) else "")
            for rrset, shadowed in found
        ]

    def of_log(self, key: bytes) -> list[RRset]:
        """The RRsets of one name that stand in the log, whatever this instance's own records make of them."""
        raw = self._txn.get(key, db=self.store.nodes)
        found: list[RRset] = []
        for rrset in () if raw is None else self.every(key, raw):
            if not rrset.flags & LOCAL:
                found.append(rrset)
                continue
            stored = self.candidates(key, rrset.rdtype)
            of_log = {each: candidate for each, candidate in stored.items() if each[0] != LOCAL_TOPIC}
            standing = rows.standing(rrset.rdtype, of_log, self.state.topics)
            if standing is not None:
                found.append(standing)
        return found

    def every(self, key: bytes, raw: bytes) -> Iterator[RRset]:
        """Yield every RRset of a name, also those that are too many to be served."""
        yield from self.aside.complete(key, raw)
        if raw[1] & nodes.BEYOND:
            yield from self.aside.rows(key)

    def zone_of(self, key: bytes) -> bytes | None:
        """Find the apex of the zone that a name belongs to, by the SOAs in the view; None where there is none."""
        above = prefixes(key)
        for depth in sorted(self.state.zone_depths, reverse=True):
            if depth < len(above) and self._txn.get(above[depth], db=self.store.tables["zones"]) is not None:
                return above[depth]
        return None

    def walk(self, start: bytes = b"", within: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and nodes from `start` on, as long as the key begins with `within`."""
        for key, raw in self.rows("nodes", start or within):
            if not key.startswith(within):
                return
            yield key, raw

    def zone_entries(self, apex: bytes) -> Iterator[Entry]:
        """Yield the RRsets of a zone in canonical order, without zones below it, but with NS, DS and glue at cuts."""
        for key, raw in self.walk(within=subtree(apex)):
            below = [each for each in prefixes(key)[depth_of(apex) + 1 :] if self._is_apex(each)]
            if not below:
                yield from self._entries(key, raw, ALL)
            elif below == [key]:
                yield from (entry for entry in self._entries(key, raw) if entry.rrset.rdtype in (nodes.NS, nodes.DS))

    def _is_apex(self, key: bytes) -> bool:
        raw = self._txn.get(key, db=self.store.cuts)
        return raw is not None and bool(raw[0] & HAS_SOA)

    def zones(self) -> Iterator[tuple[bytes, ZoneRow]]:
        """Yield each zone's apex key and its row (digest and counts)."""
        return ((key, decode_zone(raw)) for key, raw in self.rows("zones"))

    def zone(self, apex: bytes) -> ZoneRow | None:
        """Read the row (digest and counts) of one zone; None where there is no such zone."""
        raw = self._txn.get(apex, db=self.store.tables["zones"])
        return None if raw is None else decode_zone(raw)

    def types_at(self, key: bytes) -> frozenset[int]:
        """Return the types of the RRsets of one name."""
        raw = self._txn.get(key, db=self.store.nodes)
        return frozenset(() if raw is None else (rrset.rdtype for rrset in nodes.decode(raw)))

    def differs(self, key: bytes, raw: bytes) -> bool:
        """Return whether a node, as another view stores it, is stored otherwise here, or not at all."""
        return self._txn.get(key, db=self.store.nodes) != raw

    def has_zone(self, apex: bytes) -> bool:
        """Return whether there is a zone with this apex."""
        return self._txn.get(apex, db=self.store.tables["zones"]) is not None

    def candidates(self, key: bytes, rdtype: int) -> dict[CandidateId, Candidate]:
        """Read the stored candidates of an RRset; empty where its node holds all there is."""
        prefix = rrset_id(key, rdtype)
        found: dict[CandidateId, Candidate] = {}
        for row_key, row in self.rows("candidates", prefix):
            if not row_key.startswith(prefix):
                break
            found[partition_of(row_key)] = rows.decode_row(row)[2]
        return found

    def candidate_rows(self) -> Iterator[tuple[bytes, int, CandidateId, Candidate]]:
        """Yield all candidate rows: owner, type, partition and candidate."""
        for row_key, row in self.rows("candidates"):
            owner, rdtype, candidate = rows.decode_row(row)
            yield owner, rdtype, partition_of(row_key), candidate

    def quarantine(self) -> Iterator[Quarantined]:
        """Yield the rejected events, oldest first."""
        return (decode_quarantined(raw) for _, raw in self.rows("quarantine"))

    def conflicts(self) -> Iterator[Conflict]:
        """Yield the conflicts in the data, in no particular order."""
        return (decode_conflict(raw) for _, raw in self.rows("conflicts"))

    def journal(self) -> Iterator[JournalEntry]:
        """Yield the changes that the journal holds, oldest first."""
        size, following = self.state.journal_size, self.state.journal_next
        start = sequence_key(following % size) if size and following > size else b""
        for _, raw in self.rows("journal", start):
            yield decode_change(raw)
        if start:
            for key, raw in self.rows("journal"):
                if key == start:
                    return
                yield decode_change(raw)

    def cuts(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the keys of names at which a zone begins or ends (SOA, NS, DNAME), with what is stored for them."""
        return self.rows("cuts")


def kept_snapshot(store: Store) -> KeptSnapshot:
    """Take a snapshot for answers, or give the last one where nothing was committed since; raises ViewError.

    To begin and end one takes as long as an answer, which matters where each query comes alone. For one thread only.
    Who has seen a commit, by whatever way, and asks then, finds it in the answer (`last_commit_of`). Where another
    process has grown the map while a snapshot is in use, that one is given again: its memory must stay in its place.
    """
    kept = store.kept
    if isinstance(kept, KeptSnapshot):
        if kept.commit == store.last_commit():
            kept.users += 1
            return kept
        if store.pinned == 1 and not kept.users:
            store.let_go()
            kept = None
    try:
        made = KeptSnapshot(store)
    except lmdb.Error as err:
        if isinstance(err, lmdb.MapResizedError) and isinstance(kept, KeptSnapshot):
            kept.users += 1
            return kept
        with reported(store.path):
            raise err
        raise AssertionError from err
    store.let_go()
    store.kept = made
    return made


def snapshot(store: Store) -> ViewSnapshot:
    """Take a snapshot for answers; raises ViewError."""
    try:
        return ViewSnapshot(store)
    except lmdb.Error as err:
        with reported(store.path):
            raise err
        raise AssertionError from err


__all__ = ["Entry", "Inspector", "ViewSnapshot", "kept_snapshot", "node_key", "snapshot"]
