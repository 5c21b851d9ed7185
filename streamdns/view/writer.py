"""Applies batches of events to a view, each in one transaction that also stores how far the log was read.

Everything here runs in one native thread and logs nothing; the consumer logs what `Applied` returns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from streamdns.dns.node import SOA, Origin, RRset, pack_records
from streamdns.errors import BadEvent
from streamdns.events.batch import Batch, Partition, Record
from streamdns.events.event import RRsetEvent, decode, decode_key
from streamdns.events.fence import Fence
from streamdns.runtime.interpreter import let_others
from streamdns.view import candidates as rows
from streamdns.view import journal, quarantine
from streamdns.view.alone import PutAlone, put_alone
from streamdns.view.candidates import Candidate
from streamdns.view.claims import Claims
from streamdns.view.delete_guard import DeleteGuard, Deletes, Warned
from streamdns.view.entries import Conflict
from streamdns.view.journal import Change
from streamdns.view.keys import (
    LOCAL_PARTITION,
    LOCAL_TOPIC,
    ROOT,
    candidate_key,
    node_key,
    owner_of,
    position_key,
    rrset_id,
)
from streamdns.view.partition_digests import Mark, advance
from streamdns.view.store import OTHERS_AFTER, RULES, Position, State, Store
from streamdns.view.transaction import SPELLING, Difference, WriteTransaction

#: How many names a zone whose SOA came late takes over in one commit: more would make the commit long.
_CLAIMS_A_COMMIT: Final = 5000
#: How far apart the positions are at which nodes are compared, by the unit of positions.
MARK_EVERY: Final = {"octets": 1 << 16, "events": 256, "ids": 1 << 22}


class LocalRRset(NamedTuple):
    """One RRset of this instance's own (DNS_LOCAL_RECORDS); owner in lower-case wire form."""

    owner: bytes
    rdtype: int
    ttl: int
    rdatas: tuple[bytes, ...]


class Rejection(NamedTuple):
    """A rejected event, as the consumer logs it; `kind` is one of BAD_EVENT_KINDS."""

    topic: str
    partition: int
    position: int
    reason: str
    kind: str


class Applied(NamedTuple):
    """The result of one batch; `state` is the view's after the commit, `more` says that zones still claim names.

    `timestamps` (ms) are those of the newest event of each partition in the batch. `marks` are the partition digests at
    the fixed positions that the batch passed. `warnings` are of deletes, many within minutes.
    `left_out` are events that stand without metadatas that were too much, `claimed` zones that came and take a name
    of the Internet.
    """

    events: int
    deletes: int
    rejections: list[Rejection]
    state: State
    more: bool
    timestamps: Mapping[Partition, int]
    marks: Sequence[Mark] = ()
    warnings: Sequence[Warned] = ()
    left_out: Sequence[Rejection] = ()
    claimed: Sequence[Conflict] = ()


# Half the time of the class's own __new__.
_new_tuple: Final = tuple.__new__


def _decoded(records: Sequence[Record], default_ttl: int, fence: Fence | None) -> list[RRsetEvent | BadEvent]:
    """Decode each record to an event, or to the reason why it is not one."""
    closed = fence is not None and fence.is_closed
    events: list[RRsetEvent | BadEvent] = []
    append = events.append
    for number, record in enumerate(records, 1):
        if not number % OTHERS_AFTER:
            let_others()
        try:
            if record.error is not None:
                raise BadEvent(record.error, record.kind)
            event = decode(record.key, record.value, default_ttl=default_ttl)
            if (closed or event[1] == SOA) and fence is not None:
                fence.check(event, record.topic)
            append(event)
        except BadEvent as bad:
            # Not the one that was raised: it and this list would keep each other alive, and values are up to 1 MiB.
            append(BadEvent(bad.reason, bad.kind))
    return events


class Writer:
    """Applies events to one store; it keeps `journal_size` changes and `quarantine_size` rejected events."""

    def __init__(
        self,
        store: Store,
        *,
        default_ttl: int,
        journal_size: int,
        quarantine_size: int,
        claims_a_commit: int = _CLAIMS_A_COMMIT,
        delete_guard: DeleteGuard | None = None,
        fence: Fence | None = None,
        claims: Claims | None = None,
    ) -> None:
        self.store = store
        self.fence, self.claims = fence, claims
        self.default_ttl = default_ttl
        self.journal_size = journal_size
        self.quarantine_size = quarantine_size
        self.claims_a_commit = claims_a_commit
        self.delete_guard = delete_guard
        self.mark_every = MARK_EVERY["octets"]
        # Changes of a first fill: the journal is written when it is done, for all but the last are overwritten.
        self._filling: deque[Change] = deque(maxlen=journal_size)
        #: What puts most events, where it is compiled: all can be done without.
        self.put_alone: PutAlone | None = put_alone

    def apply(self, batch: Batch, fingerprints: Mapping[tuple[str, int], str], now_ms: int) -> Applied:
        """Apply a batch whole or not at all. Raises ViewFull, ViewCorrupt, ViewError."""
        with self.store.writing():
            work = _Commit(self, now_ms)
            try:
                work.apply(batch.records)
                work.store_positions(batch, fingerprints)
                state = work.txn.state
                if state.default_ttl < 0:
                    state.rules = RULES
                    state.fence = "" if self.fence is None else self.fence.text
                state.default_ttl = self.default_ttl
                if batch.caught_up and not state.complete:
                    state.complete = work.fills = True
                    work.changes[:0] = self._filling
                filling, work.changes = ([], work.changes) if state.complete else (work.changes, [])
                applied = work.commit()
            except BaseException:
                work.txn.abort()
                raise
            self._filling.extend(filling)
            if state.complete:
                self._filling.clear()
            return applied

    def set_local(self, rrsets: Sequence[LocalRRset], now_ms: int) -> Applied:
        """Replace this instance's own records by these. Raises ViewFull, ViewCorrupt, ViewError."""
        with self.store.writing():
            work = _Commit(self, now_ms)
            try:
                work.set_local(rrsets)
                return work.commit()
            except BaseException:
                work.txn.abort()
                raise


    def list_claims(self, now_ms: int) -> None:
        """List anew which zones take names of the Internet: the settings say which of them are wanted."""
        with self.store.writing():
            work = _Commit(self, now_ms)
            try:
                for apex in work.txn.apexes():
                    work.txn.list_claim(apex, owner_of(apex), is_new=False)
                work.commit()
            except BaseException:
                work.txn.abort()
                raise


class _RejectedChange(NamedTuple):
    """The change of the digest by a rejected event."""

    partition: Partition
    position: int
    difference: int


class _Commit:
    """One commit while it is being made."""

    def __init__(self, writer: Writer, now_ms: int) -> None:
        self.writer = writer
        self.now_ms = now_ms
        self.txn = WriteTransaction(writer.store, now_ms, writer.claims)
        self.deletes = 0
        self.events = 0
        self.rejections: list[Rejection] = []
        self.left_out: list[Rejection] = []
        self.changes: list[Change] = []
        self.timestamps: dict[Partition, int] = {}
        self.marks: Sequence[Mark] = ()
        # How rejected events change the digest: that is in no journal.
        self._rejected_changes: list[_RejectedChange] = []
        self.fills = False
        """Whether the changes of this commit are those of the fill that ends with it."""

    def apply(self, records: Sequence[Record]) -> None:
        """Apply events in their order, or put them into the quarantine."""
        txn, changes = self.txn, self.changes
        events = _decoded(records, self.writer.default_ttl, self.writer.fence)
        keys = [(event.lookup_key or ROOT) if type(event) is RRsetEvent else b"" for event in events]
        txn.fetch([key for key in keys if key])
        topic_name, topic = "", -1
        put_most = self.writer.put_alone
        number, put = 0, -1
        for record, event, key in zip(records, events, keys, strict=True):
            number += 1
            if number <= put:
                continue
            if put_most is not None and number - 1 != put:
                if record[0] != topic_name or topic < 0:
                    topic_name, topic = record[0], txn.topic_index(record[0])
                put = put_most(txn, records, events, number - 1, topic, changes)
                if number <= put:
                    continue
            if not number % OTHERS_AFTER:
                let_others()
            if type(event) is not RRsetEvent:
                assert isinstance(event, BadEvent)
                self._reject(record, event)
                continue
            owner, rdtype, ttl, rdatas, metadatas, canonical, _, left_out = event
            of_topic, partition, position, timestamp, _, _, _, _ = record
            if of_topic != topic_name or topic < 0:
                topic_name, topic = of_topic, txn.topic_index(of_topic)
            done = None
            packed = pack_records(rdtype, ttl, rdatas)
            if rdatas:
                origin = _new_tuple(Origin, (topic, partition, position, timestamp, metadatas))
                done = txn.set_only_rrset(key, owner, rdtype, records=packed, count=len(rdatas), origin=origin)
            before, after, was, now = self._set(record, event, key, topic, packed=packed) if done is None else done
            if not canonical:
                self._list_spelling(record, owner, rdtype, stands=bool(rdatas))
            if left_out:
                self.left_out.append(Rejection(of_topic, partition, position, left_out, ""))
            if before != after:
                if len(was) + len(now) > journal.MAX_RECORDS_OCTETS:
                    was = journal.NOT_KEPT if was and not before else b""
                    now = journal.NOT_KEPT if now and not after else b""
                changes.append((
                    self.now_ms, owner, rdtype, before, after, topic_name, partition, position, timestamp,
                    metadatas[:1024], was, now,
                ))
        self.events += len(events) - len(self.rejections)

    def _set(
        self, record: Record, event: RRsetEvent, key: bytes, topic: int, *, packed: bytes
    ) -> Difference:
        """Apply an event whose RRset has other candidates, or whose node has other RRsets."""
        txn = self.txn
        node = txn.node(key)
        old = txn.current(key, event.rdtype)
        if old is not None:
            simple = not old.flags and old.origin[:2] == (topic, record.partition)
        else:
            simple = not txn.state.candidate_rows or not txn.candidates(key, event.rdtype, None)
        if simple and event.rdatas:
            origin = Origin(topic, record.partition, record.position, record.timestamp, event.metadatas)
            new = RRset(event.rdtype, 0, len(event.rdatas), packed, origin)
            return txn.set_uncontested(key, event.owner, node, old, new)
        return self._contest(key, event, record, topic, old, packed=packed)

    def _contest(
        self, key: bytes, event: RRsetEvent, record: Record, topic: int, old: RRset | None, *, packed: bytes
    ) -> Difference:
        txn = self.txn
        before = txn.candidates(key, event.rdtype, old)
        mine = (topic, record.partition)
        after = dict(before)
        after[mine] = Candidate(
            rows.SET if event.rdatas else rows.DELETE,
            False,
            record.position,
            record.timestamp,
            len(event.rdatas),
            packed,
            event.metadatas,
        )
        if not event.rdatas:
            self.deletes += 1
        if mine in before and before[mine].rejected:
            quarantine.clear(txn, rrset_id(key, event.rdtype), *mine)
        done = txn.set_candidates(key, event.owner, event.rdtype, before=before, after=after)
        if old is None and done[3] and mine in before and before[mine].kind == rows.DELETE:
            txn.zones.restored(key)
        return done

    def _reject(self, record: Record, bad: BadEvent) -> None:
        txn, reason = self.txn, bad.reason
        topic = txn.topic_index(record.topic)
        subject = b""
        try:
            owner, rdtype, canonical = decode_key(record.key)
        except BadEvent:
            pass
        else:
            key = node_key(owner)
            subject = rrset_id(key, rdtype)
            before = txn.candidates(key, rdtype, txn.current(key, rdtype))
            mine = (topic, record.partition)
            kept = before.get(mine, Candidate(rows.NONE, True, record.position, 0, 0, b"", b""))
            after = before | {mine: kept._replace(rejected=True)}
            old, new, _, _ = txn.set_candidates(key, owner, rdtype, before=before, after=after)
            self._rejected_changes.append(
                _RejectedChange((record.topic, record.partition), record.position, new - old)
            )
            if not canonical:
                self._list_spelling(record, owner, rdtype, stands=True)
        quarantine.add(txn, record, topic, subject, reason=reason, most=self.writer.quarantine_size)
        txn.state.rejected += 1
        self.rejections.append(Rejection(record.topic, record.partition, record.position, reason, bad.kind))

    def _list_spelling(self, record: Record, owner: bytes, rdtype: int, *, stands: bool) -> None:
        """List a key in another spelling as a conflict until its own tombstone comes, in its own partition."""
        key = record.key or b""
        where = f"in partition {record.partition} the key is spelt {key.decode()!a}"
        entry = Conflict("spelling", owner, rdtype, where)
        spelling = candidate_key(rrset_id(key, rdtype), self.txn.topic_index(record.topic), record.partition)
        self.txn.conflict(SPELLING + spelling, entry if stands else None)

    def set_local(self, rrsets: Sequence[LocalRRset]) -> None:
        """Replace this instance's own records (DNS_LOCAL_RECORDS)."""
        txn = self.txn
        wanted = {(node_key(rrset.owner), rrset.rdtype): rrset for rrset in rrsets}
        mine = (LOCAL_TOPIC, LOCAL_PARTITION)
        table = txn.store.tables["candidates"]
        present: dict[tuple[bytes, int], bytes] = {}
        with txn.txn.cursor(table) as cursor:
            for row_key, row in cursor:
                if row_key.endswith(b"\xff" * 6):
                    owner, rdtype, _ = rows.decode_row(row)
                    present[(node_key(owner), rdtype)] = owner
        for (key, rdtype), owner in present.items():
            if (key, rdtype) not in wanted:
                before = txn.candidates(key, rdtype, txn.current(key, rdtype))
                after = {each: candidate for each, candidate in before.items() if each != mine}
                txn.set_candidates(key, owner, rdtype, before=before, after=after)
        for (key, rdtype), rrset in wanted.items():
            before = txn.candidates(key, rdtype, txn.current(key, rdtype))
            records = pack_records(rdtype, rrset.ttl, rrset.rdatas)
            candidate = Candidate(rows.SET, False, 0, self.now_ms, len(rrset.rdatas), records, b"")
            txn.set_candidates(key, rrset.owner, rdtype, before=before, after=before | {mine: candidate})

    def store_positions(self, batch: Batch, fingerprints: Mapping[tuple[str, int], str]) -> None:
        """Store where to go on reading, in the same transaction as the events, and the partition digests."""
        newest = self.timestamps
        for record in reversed(batch.records):
            partition = record.topic, record.partition
            if partition not in newest:
                newest[partition] = record.timestamp
                if len(newest) == len(batch.positions):
                    break
        before: dict[Partition, int] = {}
        for (topic, number), position in batch.positions.items():
            key = position_key(topic, number)
            old = self.txn.position(key) or Position(0)
            before[topic, number] = old.next
            timestamp = newest.get((topic, number), old.timestamp)
            fingerprint = fingerprints.get((topic, number), old.fingerprint)
            self.txn.put_position(key, Position(position, fingerprint, timestamp))
        self.txn.state.last_event_ms = max(newest.values(), default=self.txn.state.last_event_ms)
        self.marks = advance(
            self.txn.txn, self.writer.store, batch, self, before=before, whole=self.txn.difference,
            every=self.writer.mark_every if self.txn.state.complete else 0,
        )

    def by_partition(self) -> dict[Partition, int]:
        """Sum the changes of the digest by partition, as partition_digests.Steps says."""
        sums: dict[Partition, int] = {}
        for change in self.changes:
            partition: Partition = change[journal.TOPIC], change[journal.PARTITION]
            sums[partition] = sums.get(partition, 0) + change[journal.AFTER] - change[journal.BEFORE]
        for each in self._rejected_changes:
            sums[each.partition] = sums.get(each.partition, 0) + each.difference
        return sums

    def since(self, partition: Partition, begin: int) -> int:
        """Sum the changes of one partition from a position on, as partition_digests.Steps says."""
        topic, number = partition
        total = sum(
            each.difference for each in self._rejected_changes if each.partition == partition and each.position >= begin
        )
        for change in reversed(self.changes):
            if change[journal.PARTITION] == number and change[journal.TOPIC] == topic:
                if change[journal.POSITION] < begin:
                    break
                total += change[journal.AFTER] - change[journal.BEFORE]
        return total

    def _deletes(self) -> Deletes | None:
        """What this commit deletes, for the guard of deletes; None where it deletes nothing."""
        zones, state = self.txn.zones, self.txn.state
        if not zones.deleted and not zones.vanished:
            return None
        deleted = zones.deleted_of()
        gone = {apex: count for apex, count in zones.vanished.items() if not zones.exists(apex)}
        left = {apex: zones.rrsets(apex) for apex in deleted if apex is not None}
        return Deletes(deleted, gone, left, state.rrsets, state.zones)

    def _judge(self, guard: DeleteGuard, deletes: Deletes, newest_ms: int) -> list[Warned]:
        warned = guard.judge(deletes, newest_ms, self.now_ms)
        self.changes += [journal.mark(self.now_ms, each.owner, each.sentence) for each in warned]
        return warned

    def commit(self) -> Applied:
        """Write the journal, let zones claim names, and commit."""
        txn, state = self.txn, self.txn.state
        guard = self.writer.delete_guard if state.complete and not self.fills else None
        deletes = None if guard is None else self._deletes()
        newest_ms = max(self.timestamps.values(), default=0)
        warned = [] if guard is None or deletes is None else self._judge(guard, deletes, newest_ms)
        state.applied += self.events
        anew = state.journal_size != self.writer.journal_size
        if state.complete and (anew or state.journal_filled < 0):
            state.journal_filled, state.journal_since_ms = 0 if anew else state.journal_next, self.now_ms
        journal.append(txn.txn, self.writer.store.tables["journal"], state, self.changes, self.writer.journal_size)
        if self.fills:
            state.journal_filled = state.journal_next
        txn.claim_zones(self.writer.claims_a_commit)
        txn.commit()
        if guard is not None and deletes is not None:
            guard.take(deletes, newest_ms, self.now_ms)
        more = bool(state.pending_zones)
        return Applied(
            self.events, self.deletes, self.rejections, state, more, self.timestamps, self.marks, warned, self.left_out,
            txn.claimed,
        )
