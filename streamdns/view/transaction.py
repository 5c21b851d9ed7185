"""One write transaction: changes nodes, cuts, zones, candidates, counters and digest of the view together."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Final

from streamdns.dns.compression import COMPRESSIBLE
from streamdns.dns.node import (
    APART,
    BEYOND,
    CNAME,
    CONTESTED,
    DNAME,
    HAS_SOA,
    NS,
    SOA,
    Origin,
    RRset,
    cut_flags,
    decode,
    encode,
    encode_single,
    node_flags,
    records_alone,
    replace,
)
from streamdns.dns.rdata import type_to_text
from streamdns.dns.served import contradiction
from streamdns.runtime.interpreter import let_others
from streamdns.view import candidates as rows
from streamdns.view.aside import MOST_METADATAS_OCTETS, Aside, overflows
from streamdns.view.below import Below
from streamdns.view.bounds import bounds_value
from streamdns.view.candidates import Candidate, CandidateId
from streamdns.view.claims import Claims
from streamdns.view.digest import MODULUS_MASK
from streamdns.view.entries import Conflict
from streamdns.view.entries import encode as encode_entry
from streamdns.view.hashes import rrset_hash
from streamdns.view.keys import LOCAL_TOPIC, candidate_key, depth_of, owner_of, partition_of, rrset_id
from streamdns.view.store import OTHERS_AFTER, Position, Store, decode_position, encode_state
from streamdns.view.zones import Contribution, ZoneLedger, count

#: Conflict kinds: candidates in several partitions, a CNAME beside other types, a key in another spelling, a zone that
#: takes a name of the Internet, a name with more than is served of it.
PARTITIONS, CNAME_AND_OTHERS, SPELLING, CLAIM, OVERFULL = b"P", b"C", b"S", b"I", b"N"

_SPECIAL: Final = frozenset((CNAME, DNAME, NS, SOA))
_BOUNDING: Final = frozenset((NS, SOA, DNAME))
_UNMARKED: Final = b"\0\0"


#: How a change of an RRset changes the digest: hashes before and after (0: nothing counts), and the records of both.
Difference = tuple[int, int, bytes, bytes]


class _Node:
    """A node while the transaction runs: its RRsets, and how it was stored before."""

    __slots__ = ("apart", "beyond", "bounds", "contradiction", "dirty", "rrsets", "stored")

    def __init__(self, raw: bytes | None, rrsets: list[RRset]) -> None:
        self.rrsets = rrsets
        self.stored = raw is not None
        self.beyond = raw is not None and bool(raw[1] & BEYOND)
        self.apart = raw is not None and bool(raw[1] & APART)
        self.bounds = 0 if raw is None else cut_flags(raw)
        self.contradiction = contradiction(self.rrsets)
        self.dirty = False

    def find(self, rdtype: int) -> RRset | None:
        """Return the served RRset of a type, or None."""
        for rrset in self.rrsets:
            if rrset.rdtype == rdtype:
                return rrset
        return None


class WriteTransaction:
    """Collects the changes of one commit: change RRsets, then `commit` or `abort`, all in one thread."""

    def __init__(self, store: Store, now_ms: int, claims: Claims | None = None) -> None:
        self.store = store
        self._claims = claims
        #: Zones that came in this transaction and take a name of the Internet.
        self.claimed: list[Conflict] = []
        self.now_ms = now_ms
        self.txn = store.begin(write=True)
        try:
            self.state = store.state_in(self.txn)
        except BaseException:
            self.txn.abort()
            raise
        self._digest = self._digest_before = int.from_bytes(self.state.digest, "big")
        # Of each key: what is stored (None: nothing), and what will be in its place; or else the node as objects.
        self._stored: dict[bytes, bytes | None] = {}
        self._plain: dict[bytes, bytes] = {}
        self._nodes: dict[bytes, _Node] = {}
        self.zones = ZoneLedger(self.txn, store.tables["zones"], self.state, now_ms)
        self._candidates = store.tables["candidates"]
        self._aside = Aside(self.txn, store.tables["aside"])
        self._below = Below(self.txn, store.nodes)
        self._topics = {topic: index for index, topic in enumerate(self.state.topics)}

    @property
    def difference(self) -> int:
        """The change of the digest by this transaction up to now."""
        return self._digest - self._digest_before

    def topic_index(self, topic: str) -> int:
        """Return the number that stands for a topic's name in each origin; a new topic gets the next one."""
        index = self._topics.get(topic)
        if index is None:
            index = self._topics[topic] = len(self.state.topics)
            self.state.topics.append(topic)
        return index

    def node(self, key: bytes) -> _Node:
        """Return the node of a key as this transaction sees it."""
        node = self._nodes.get(key)
        if node is None:
            if key in self._stored:
                stored = self._stored.pop(key)
            else:
                stored, self._below.is_whole = self.txn.get(key, db=self.store.nodes), False
            raw = self._plain.pop(key, None)
            raw_now = stored if raw is None else raw
            node = self._nodes[key] = _Node(raw_now, [] if raw_now is None else self._aside.complete(key, raw_now))
            node.stored, node.dirty = stored is not None, raw is not None
        return node

    def fetch(self, keys: Collection[bytes]) -> None:
        """Read nodes ahead, all at once and in the order of their keys: that takes half the time of one by one."""
        wanted: dict[bytes, bytes | None] = dict.fromkeys(sorted(keys))
        self._stored.update(wanted)
        self._below.listed = [*wanted]
        with self.txn.cursor(self.store.nodes) as cursor:
            self._stored.update(cursor.getmulti(self._below.listed))

    def current(self, key: bytes, rdtype: int) -> RRset | None:
        """Return the RRset that stands, or None."""
        node = self.node(key)
        found = node.find(rdtype)
        return self._aside.get(key, rdtype) if found is None and node.beyond else found

    def candidates(self, key: bytes, rdtype: int, standing: RRset | None) -> dict[CandidateId, Candidate]:
        """Return all candidates for an RRset; `standing` is the one that is served."""
        if standing is not None and not standing.flags & CONTESTED:
            return dict((rows.from_rrset(standing),))
        found: dict[CandidateId, Candidate] = {}
        if self.state.candidate_rows:
            prefix = rrset_id(key, rdtype)
            with self.txn.cursor(self._candidates) as cursor:
                if cursor.set_range(prefix):
                    for row_key, row in cursor:
                        if not row_key.startswith(prefix):
                            break
                        found[partition_of(row_key)] = rows.decode_row(row)[2]
        return found

    def set_only_rrset(
        self, key: bytes, owner: bytes, rdtype: int, *, records: bytes, count: int, origin: Origin
    ) -> Difference | None:
        """Create or replace the only RRset of a node: the fast path of nearly every event, without objects.

        Does nothing and returns None where the node has other types or candidates, where the type begins or ends zones,
        or where `fetch` was not asked for the node: `set_uncontested` or `set_candidates` are for these.
        """
        state = self.state
        if rdtype in _BOUNDING or key not in self._stored or len(origin[4]) > MOST_METADATAS_OCTETS:
            return None
        stored = self._plain.get(key) or self._stored[key]
        if stored is None:
            if state.candidate_rows and self.candidates(key, rdtype, None):
                return None
            before, old = 0, b""
            state.rrsets += 1
            state.records += count
            after = difference = rrset_hash(owner, records)
            self.zones.changed(key, difference, 1, count)
        else:
            alone = records_alone(stored, rdtype, origin[0], origin[1], owner=owner)
            if alone is None:
                return None
            old = alone
            before, after = rrset_hash(owner, old), rrset_hash(owner, records)
            difference = after - before
            more = count - int.from_bytes(stored[8:12], "big")
            state.records += more
            self.zones.changed(key, difference, 0, more)
        self._digest += difference
        self._plain[key] = encode_single(rdtype, 0, count, records, origin, owner=owner)
        return before, after, old, records

    def set_uncontested(
        self, key: bytes, owner: bytes, node: _Node, old: RRset | None, new: RRset
    ) -> Difference:
        """Replace an RRset that has only one candidate by the next event of the same partition."""
        before = 0 if old is None else rrset_hash(owner, old.records)
        after = rrset_hash(owner, new.records)
        self._put(key, owner, node, new.rdtype, old=old, new=new, difference=after - before)
        return before, after, b"" if old is None else old.records, new.records

    def set_candidates(
        self,
        key: bytes,
        owner: bytes,
        rdtype: int,
        *,
        before: dict[CandidateId, Candidate],
        after: dict[CandidateId, Candidate],
    ) -> Difference:
        """Replace the candidates of an RRset, whatever they are, and with them the RRset that is served."""
        topics = self.state.topics
        old, new = self.current(key, rdtype), rows.standing(rdtype, after, topics)
        counted_before, counted_after = rows.in_digest(before, topics), rows.in_digest(after, topics)
        hash_before = 0 if counted_before is None else rrset_hash(owner, counted_before)
        hash_after = 0 if counted_after is None else rrset_hash(owner, counted_after)
        self._store_rows(key, owner, rdtype, before, after)
        self._put(key, owner, self.node(key), rdtype, old=old, new=new, difference=hash_after - hash_before)
        was, now = counted_before or b"", counted_after or b""
        if not was and old is not None:
            was = rows.standing_records(before, topics)
        if not now and new is not None:
            now = rows.standing_records(after, topics)
        return hash_before, hash_after, was, now

    def _store_rows(
        self,
        key: bytes,
        owner: bytes,
        rdtype: int,
        before: dict[CandidateId, Candidate],
        after: dict[CandidateId, Candidate],
    ) -> None:
        prefix = rrset_id(key, rdtype)
        had = set(before) if rows.needs_rows(before) else set()
        has = set(after) if rows.needs_rows(after) else set()
        for gone in had - has:
            self.txn.delete(candidate_key(prefix, *gone), db=self._candidates)
        for each in has:
            if each not in had or before[each] != after[each]:
                row = rows.encode_row(owner, rdtype, after[each])
                self.txn.put(candidate_key(prefix, *each), row, db=self._candidates)
        self.state.candidate_rows += len(has) - len(had)
        if rows.is_conflict(before) or rows.is_conflict(after):
            numbers = ", ".join(str(partition) for topic, partition in sorted(after) if topic != LOCAL_TOPIC)
            entry = Conflict("partitions", owner, rdtype, f"candidates in partitions {numbers}")
            self.conflict(PARTITIONS + prefix, entry if rows.is_conflict(after) else None)

    def conflict(self, key: bytes, entry: Conflict | None) -> None:
        """Add a conflict to the list, or remove it when `entry` is None."""
        table = self.store.tables["conflicts"]
        if entry is None:
            if self.state.conflicts:
                self.state.conflicts -= self.txn.delete(key, db=table)
        else:
            fresh = self.txn.get(key, db=table) is None
            self.txn.put(key, encode_entry(entry), db=table)
            self.state.conflicts += fresh

    def _put(
        self,
        key: bytes,
        owner: bytes,
        node: _Node,
        rdtype: int,
        *,
        old: RRset | None,
        new: RRset | None,
        difference: int,
    ) -> None:
        """Serve another RRset, or none; `difference` is how much that changes the digest."""
        if old is None and new is None:
            return  # A candidate for an RRset that is not there: it has its row, and nothing is served.
        state = self.state
        if node.beyond:
            node.rrsets = replace(node.rrsets, rdtype, self._aside.place_new(key, node.rrsets, old, new))
        elif len(node.rrsets) == (old is not None):
            node.rrsets = [] if new is None else [new]
        else:
            node.rrsets = replace(node.rrsets, rdtype, new)
        node.dirty = True
        rrsets = (new is not None) - (old is not None)
        records = (0 if new is None else new.count) - (0 if old is None else old.count)
        state.rrsets += rrsets
        state.records += records
        self._digest += difference
        self.zones.changed(key, difference, rrsets, records)
        if rdtype in _SPECIAL or node.find(CNAME) is not None:
            self._update_bounds(key, owner, node, rdtype)

    def _settle(self, key: bytes, node: _Node) -> None:
        """Serve as many of a name's RRsets as fit, and list the name where that is not all of them."""
        node.rrsets, following = self._aside.settle(key, node.rrsets)
        node.beyond = following is not None
        entry = None
        if following is not None:
            what = f"more than 256 RRsets or 256 KiB at one name: not served from {type_to_text(following.rdtype)} on"
            entry = Conflict("overfull", owner_of(key), following.rdtype, what)
        self.conflict(OVERFULL + rrset_id(key, 0), entry)

    def _encoded(self, key: bytes, node: _Node) -> bytes:
        if node.apart:
            self._aside.forget_apart(key)
        rrsets, node.apart = self._aside.take_apart(key, node.rrsets)
        owner = owner_of(key) if any(rrset.rdtype in COMPRESSIBLE for rrset in rrsets) else b""
        return encode(rrsets, node.beyond * BEYOND | node.apart * APART, owner=owner)

    def _update_bounds(self, key: bytes, owner: bytes, node: _Node, rdtype: int) -> None:
        bounds, had_soa = cut_flags(bytes((node_flags(node.rrsets),))), node.bounds & HAS_SOA
        what = contradiction(node.rrsets)
        if what != node.contradiction:
            node.contradiction = what
            entry = Conflict("cname", owner, CNAME, what) if what else None
            self.conflict(CNAME_AND_OTHERS + rrset_id(key, CNAME), entry)
        if bounds == node.bounds and not (rdtype == SOA and bounds & HAS_SOA):
            return
        if bounds:
            soa = node.find(SOA)
            self.txn.put(key, bounds_value(bounds, None if soa is None else soa.records, owner), db=self.store.cuts)
        else:
            self.txn.delete(key, db=self.store.cuts)
        step = bool(bounds) - bool(node.bounds)
        if step:
            count(self.state.cut_depths, depth_of(key), step)
        node.bounds = bounds
        if bounds & HAS_SOA and not had_soa:
            self.zones.appear(key)
            if not node.beyond and not self._below.may_have(key, self._has):
                part = self.contribution(key, _UNMARKED)
                self.zones.claim(key, lambda start, within: ((key, part),), most=1)
            self.list_claim(key, owner, is_new=True)
        elif had_soa and not bounds & HAS_SOA:
            self._flush_nodes()
            self.zones.vanish(key, self.walk)
            self.conflict(CLAIM + rrset_id(key, SOA), None)

    def _has(self, key: bytes) -> bool:
        """Return whether something was put at a key of which nothing is stored."""
        return key in self._plain or (key in self._nodes and bool(self._nodes[key].rrsets))

    def list_claim(self, key: bytes, owner: bytes, *, is_new: bool) -> None:
        """List a zone as a conflict, or no longer, by whether it takes a name of the Internet."""
        claims = self._claims
        if claims is None:
            return
        what = claims.of(key)
        entry = Conflict("claim", owner, SOA, what) if what else None
        self.conflict(CLAIM + rrset_id(key, SOA), entry)
        if entry is not None and is_new:
            self.claimed.append(entry)

    def _flush_nodes(self) -> None:
        txn, table, state = self.txn, self.store.nodes, self.state
        plain, self._plain = self._plain, {}
        if plain:
            state.nodes += [*map(self._stored.get, plain)].count(None)
            self._stored.update(plain)
            with txn.cursor(table) as cursor:
                # What was fetched is in order already, so most of it is sorted in a third of the time.
                keys = [key for key in self._stored if key in plain] if 2 * len(plain) > len(self._stored) else plain
                cursor.putmulti([(key, plain[key]) for key in sorted(keys)])
        for number, key in enumerate(sorted(key for key, node in self._nodes.items() if node.dirty), 1):
            if not number % OTHERS_AFTER:
                let_others()
            node = self._nodes[key]
            node.dirty = False
            if node.beyond or overflows(node.rrsets):
                self._settle(key, node)
            if node.rrsets:
                txn.put(key, self._encoded(key, node), db=table)
                state.nodes += not node.stored
                node.stored = True
            elif node.stored:
                txn.delete(key, db=table)
                if node.apart:
                    self._aside.forget_apart(key)
                    node.apart = False
                state.nodes -= 1
                node.stored = False

    def walk(self, start: bytes, within: bytes) -> Iterator[tuple[bytes, Contribution]]:
        """Yield what each node from `start` on, as long as its key begins with `within`, adds to its zone.

        Changed nodes must have been written before (`_flush_nodes`).
        """
        with self.txn.cursor(self.store.nodes) as cursor:
            if not cursor.set_range(start):
                return
            for number, (key, raw) in enumerate(cursor, 1):
                if not key.startswith(within):
                    return
                if not number % OTHERS_AFTER:
                    let_others()
                yield key, self.contribution(key, raw)

    def contribution(self, key: bytes, raw: bytes) -> Contribution:
        """Compute what one node adds to its zone; `raw` is how it is stored, of which the marks count in any case."""
        owner = owner_of(key)
        total = rrsets = records = 0
        node = self._nodes.get(key)
        held = decode(raw, owner=owner) if node is None else node.rrsets
        for rrset in chain(held, self._aside.rows(key) if raw[1] & BEYOND else ()):
            rrsets += 1
            records += rrset.count
            if not rrset.flags & CONTESTED:
                total += rrset_hash(owner, rrset.records)
            else:
                counted = rows.in_digest(self.candidates(key, rrset.rdtype, rrset), self.state.topics)
                total += 0 if counted is None else rrset_hash(owner, counted)
        return total & MODULUS_MASK, rrsets, records

    def apexes(self) -> list[bytes]:
        """List the keys at which zones begin."""
        with self.txn.cursor(self.store.tables["zones"]) as cursor:
            return list(cursor.iternext(keys=True, values=False))

    def claim_zones(self, most: int) -> None:
        """Let zones whose SOA came late take over the names below them, at most `most` names in all."""
        if self.state.pending_zones:
            self._flush_nodes()
        while self.state.pending_zones and most > 0:
            most -= 1 + self.zones.claim(self.state.pending_zones[0], self.walk, most=most)

    def position(self, key: bytes) -> Position | None:
        """Read the stored position of a partition; `key` as position_key makes it."""
        stored = self.txn.get(key, db=self.store.tables["positions"])
        return None if stored is None else decode_position(stored)

    def put_position(self, key: bytes, position: Position) -> None:
        """Store the position of a partition."""
        self.txn.put(key, encode_state(position), db=self.store.tables["positions"])

    def commit(self) -> None:
        """Write and commit all changes at once."""
        self._flush_nodes()
        self.zones.store()
        self.state.digest = (self._digest & MODULUS_MASK).to_bytes(32, "big")
        self.txn.put(b"state", encode_state(self.state), db=self.store.meta)
        bounds = bytes(sorted(self.state.cut_depths, reverse=True))
        self.txn.put(b"depths", bytes((self.state.complete,)) + bounds, db=self.store.meta)
        self.txn.commit()

    def abort(self) -> None:
        """Drop all changes."""
        self.txn.abort()

