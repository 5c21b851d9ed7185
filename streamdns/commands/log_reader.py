"""Reads the current RRsets of a zone from the log: the view plus the events behind it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import NamedTuple

from streamdns.commands.log_writer import hush_hub
from streamdns.dns import node as nodes
from streamdns.dns.canonical import same_data
from streamdns.dns.node import CONTESTED, SOA, RRset, pack_records
from streamdns.errors import BadEvent, LogReplaced, SourceError, ViewError
from streamdns.events import event
from streamdns.events.batch import Partition, Record
from streamdns.settings import Settings
from streamdns.sources.base import Source
from streamdns.sources.file import FileSource
from streamdns.view import candidates as rows
from streamdns.view.apexes import fence_of
from streamdns.view.candidates import Candidate, CandidateId
from streamdns.view.keys import LOCAL_TOPIC, ROOT, node_key, owner_of, prefixes, subtree
from streamdns.view.reader import ALL, Inspector
from streamdns.view.view import open_readonly

_BATCH_RECORDS = 5000
_WAIT_S = 0.2
_STALL_S = 30.0
#: A log that is another one each time is read no more often.
_ATTEMPTS = 5
_NEVER_S = 86400.0

#: Owner (lower-case wire name) and type.
Key = tuple[bytes, int]


class Standing(NamedTuple):
    """The current RRset of a name and type in the log; `rejected` when a partition's newest event of it was refused."""

    ttl: int
    rdatas: tuple[bytes, ...]
    rejected: bool

    def has_same_data(self, rdtype: int, rdatas: Iterable[bytes]) -> bool:
        """Whether it has these records, in any order and with names in any case."""
        return same_data(rdtype, self.rdatas, rdatas)

    def is_like(self, rdtype: int, ttl: int, rdatas: Iterable[bytes]) -> bool:
        """Whether it has this TTL and these records."""
        return self.ttl == ttl and self.has_same_data(rdtype, rdatas)


class LogState(NamedTuple):
    """The RRsets at and below a name, and the apex of the zone above it, where the log has one."""

    rrsets: dict[Key, Standing]
    above: bytes | None


def standing(settings: Settings, origin: bytes) -> LogState:
    """All RRsets that the log has at and below a name (lower-case wire form), this instance's own records left out.

    The log is read from where the view ends; whole, where there is no view of this log that can be read. Raises
    SourceError.
    """
    state = _State(settings, node_key(origin), alone=False)
    try:
        positions, fingerprints = state.take_view()
    except ViewError:
        positions, fingerprints = {}, {}
    return _read_on(state, settings, positions, fingerprints)


def standing_at(settings: Settings, owner: bytes) -> LogState | None:
    """The RRsets of one name, and the zone above it; None where there is no view to begin with.

    A file log is read on from where the view ends; one of a broker is not, for this is to be quick. Raises SourceError.
    """
    state = _State(settings, node_key(owner), alone=True)
    try:
        positions, fingerprints = state.take_view()
    except ViewError:
        return None
    if settings.source != "file":
        return state.result()
    return _read_on(state, settings, positions, fingerprints)


class ChosenState(NamedTuple):
    """Those of some RRsets that stand, and the timestamp of each one's newest event (ms), deletes included."""

    rrsets: dict[Key, Standing]
    newest_ms: dict[Key, int]


def standing_of(settings: Settings, keys: Collection[Key]) -> ChosenState:
    """The state of these RRsets by the view and the log behind it. Raises SourceError, ViewError."""
    state = _Chosen(settings, keys)
    positions, fingerprints = state.take_view()
    rrsets = _read_on(state, settings, positions, fingerprints).rrsets
    newest_ms = {
        key: max(each.timestamp for each in found.values()) for key, found in state.candidates.items() if found
    }
    return ChosenState(rrsets, newest_ms)


def _read_on(
    state: _State, settings: Settings, positions: dict[Partition, int], fingerprints: dict[Partition, str]
) -> LogState:
    """What stands with all that is in the log behind these positions; of all of it, where it is not that log any more.

    A source may find out late that the log is another one, or that what it gave may lack deletes: while it reads.
    """
    source = _source(settings)
    try:
        for _ in range(_ATTEMPTS):
            try:
                source.connect(positions, fingerprints)
                return _read_to_end(state, source)
            except LogReplaced as error:
                replaced = error
                state.candidates.clear()
                positions, fingerprints = {}, {}
        raise replaced
    finally:
        source.close()


def _read_to_end(state: _State, source: Source) -> LogState:
    deadline_s = time.monotonic() + _STALL_S
    while True:
        batch = source.read(max_records=_BATCH_RECORDS, timeout_s=_WAIT_S)
        for record in batch.records:
            state.apply(record)
        if batch.caught_up:
            return state.result()
        if batch.positions:
            deadline_s = time.monotonic() + _STALL_S
        if time.monotonic() > deadline_s:
            raise SourceError(f"{source.describe()}: nothing came for {_STALL_S:g} s, and its end is not reached")


def _source(settings: Settings) -> Source:
    if settings.source == "file":
        return FileSource(settings.file_log)
    if settings.source == "pulsar":
        return _pulsar_source(settings)
    from streamdns.sources.kafka.config import from_settings
    from streamdns.sources.kafka.source import KafkaSource

    hush_hub()
    # The client that is imported to write anyway; and nothing is written to the server's group.
    config = replace(from_settings(settings), client="confluent")
    return KafkaSource(config, check_s=_NEVER_S)


def _pulsar_source(settings: Settings) -> Source:
    from streamdns.sources.pulsar.config import check_installation
    from streamdns.sources.pulsar.config import from_settings as pulsar_config

    config = pulsar_config(settings)
    check_installation(config)
    from streamdns.sources.pulsar.source import PulsarSource

    hush_hub()
    return PulsarSource(config, check_s=_NEVER_S)


class _State:
    def __init__(self, settings: Settings, key: bytes, *, alone: bool) -> None:
        self._settings, self._fence = settings, fence_of(settings)
        self._key, self._alone = key, alone
        self._within = subtree(key)
        self._above = prefixes(key)[:-1]
        self.candidates: dict[Key, dict[CandidateId, Candidate]] = {}
        self._topics: dict[str, int] = {}

    def take_view(self) -> tuple[dict[Partition, int], dict[Partition, str]]:
        """Start from the RRsets of the view; returns positions and fingerprints to read on from. Raises ViewError."""
        store = open_readonly(self._settings.pathdb)
        try:
            with Inspector(store) as view:
                self._topics = {topic: number for number, topic in enumerate(view.state.topics)}
                for key in self._above:
                    self._take_name(view, key, only=SOA)
                if self._alone:
                    self._take_name(view, self._key)
                else:
                    self._take_zone(view)
                stored = view.positions()
        finally:
            store.close()
        return (
            {partition: position.next for partition, position in stored.items()},
            {partition: position.fingerprint for partition, position in stored.items() if position.fingerprint},
        )

    def _take_zone(self, view: Inspector) -> None:
        for key, raw in view.walk(within=self._within):
            for rrset in view.every(key, raw):
                if not rrset.flags & CONTESTED:
                    self.candidates[owner_of(key), rrset.rdtype] = dict((rows.from_rrset(rrset),))
        for owner, rdtype, candidate_id, candidate in view.candidate_rows():
            if candidate_id[0] != LOCAL_TOPIC and node_key(owner).startswith(self._within):
                self.candidates.setdefault((owner, rdtype), {})[candidate_id] = candidate

    def _take_name(self, view: Inspector, key: bytes, *, only: int | None = None) -> None:
        for entry in view.entries(key, most_beyond=ALL):
            rdtype = entry.rrset.rdtype
            if only not in (None, rdtype):
                continue
            found = view.candidates(key, rdtype) if entry.rrset.flags & CONTESTED else dict(
                (rows.from_rrset(entry.rrset),)
            )
            self.candidates[entry.owner, rdtype] = {
                each: candidate for each, candidate in found.items() if each[0] != LOCAL_TOPIC
            }

    def apply(self, record: Record) -> None:
        """Apply one event behind the view, as the writer of the view will."""
        try:
            owner, rdtype, _ = event.decode_key(record.key)
        except BadEvent:
            return
        if not self._counts(owner, rdtype):
            return
        mine = (self._topics.setdefault(record.topic, len(self._topics)), record.partition)
        known = self.candidates.setdefault((owner, rdtype), {})
        try:
            if record.error is not None:
                raise BadEvent(record.error)
            decoded = event.decode(record.key, record.value, default_ttl=self._settings.default_ttl)
            self._fence.check(decoded, record.topic)
        except BadEvent:
            kept = known.get(mine, Candidate(rows.NONE, True, record.position, 0, 0, b"", b""))
            known[mine] = kept._replace(rejected=True)
            return
        kind = rows.SET if decoded.rdatas else rows.DELETE
        records = pack_records(rdtype, decoded.ttl, decoded.rdatas)
        known[mine] = Candidate(kind, False, record.position, record.timestamp, len(decoded.rdatas), records, b"")

    def _counts(self, owner: bytes, rdtype: int) -> bool:
        """Whether an RRset is at or below the name, or makes a zone of one above it."""
        key = node_key(owner)
        within = key == self._key if self._alone else key.startswith(self._within)
        return within or (rdtype == SOA and key in self._above)

    def result(self) -> LogState:
        """The RRsets that stand."""
        found: dict[Key, Standing] = {}
        above: bytes | None = None
        for (owner, rdtype), candidates in self.candidates.items():
            rrset: RRset | None = rows.standing(rdtype, candidates, tuple(self._topics))
            if rrset is None:
                continue
            if not node_key(owner).startswith(self._within):
                above = owner if above is None or len(owner) > len(above) else above
                continue
            rejected = any(candidate.rejected for candidate in candidates.values())
            rdatas = tuple(nodes.unpack_rdatas(rrset.records))
            found[owner, rdtype] = Standing(nodes.ttl_of(rrset.records), rdatas, rejected)
        return LogState(found, above)


class _Chosen(_State):
    """The state of some RRsets, wherever they are."""

    def __init__(self, settings: Settings, keys: Collection[Key]) -> None:
        super().__init__(settings, ROOT, alone=False)
        self._keys = frozenset(keys)

    def _take_zone(self, view: Inspector) -> None:
        for owner, rdtype in self._keys:
            key = node_key(owner)
            found = view.candidates(key, rdtype) or dict(
                rows.from_rrset(entry.rrset) for entry in view.entries(key) if entry.rrset.rdtype == rdtype
            )
            self.candidates[owner, rdtype] = {
                each: candidate for each, candidate in found.items() if each[0] != LOCAL_TOPIC
            }

    def _counts(self, owner: bytes, rdtype: int) -> bool:
        return (owner, rdtype) in self._keys
