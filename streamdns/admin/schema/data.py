"""Documents about the data in the view: zones, RRsets, rejected events, conflicts, changes."""

from __future__ import annotations

from typing import Any

import msgspec


class RRset(msgspec.Struct, kw_only=True):
    """One RRset and where it came from; topic, partition and position are null for a local record of this node, and for
    a caller limited to zones.

    `shadowed`: it is not answered. `rejected`: a newer event of it was refused. `metadatas` are those of the event.
    """

    name: str
    type: str
    ttl: int
    records: list[str]
    topic: str | None
    partition: int | None
    position: int | None
    timestamp: int
    producer: str | None
    metadatas: Any
    shadowed: bool
    rejected: bool
    local: bool


class RRsetPage(msgspec.Struct, kw_only=True):
    """A page of RRsets in canonical order of their names; `looked_at` counts the names that were looked at for it."""

    rrsets: list[RRset]
    looked_at: int
    next: str | None


class FirstMetadatas(msgspec.Struct, kw_only=True, rename="pascal"):
    """Who made a record, and when (seconds since 1970): "" and 0 where its event does not say."""

    created_at: int
    producer: str


class FirstRecord(msgspec.Struct, kw_only=True, rename="pascal"):
    """A record as the first version of the API gave it; `Priority` is that of MX and SRV, and 0 for others."""

    name: str
    type: str
    content: str
    ttl: int
    priority: int
    metadatas: FirstMetadatas


class NameRecords(msgspec.Struct, kw_only=True):
    """The RRsets of one name; `zone` is the zone that the name belongs to."""

    name: str
    zone: str | None
    rrsets: list[RRset]


class Soa(msgspec.Struct, kw_only=True):
    """The fields of a SOA record and its TTL (RFC 1035 §3.3.13)."""

    mname: str
    rname: str
    serial: int
    refresh: int
    retry: int
    expire: int
    minimum: int
    ttl: int


class Zone(msgspec.Struct, kw_only=True):
    """One zone: its digest and counts, its last change here (ms), and for how long changes may be missing (seconds).

    `counting`: the zone still takes over names that were there before its SOA.
    """

    name: str
    soa: Soa | None
    rrsets: int
    records: int
    digest: str
    changed: int
    counting: bool
    stale: bool
    stale_seconds: float


class ZonePage(msgspec.Struct, kw_only=True):
    """A page of zones in canonical order; `total` is the number of all, null for a caller limited to some."""

    zones: list[Zone]
    total: int | None
    next: str | None


class Quarantined(msgspec.Struct, kw_only=True):
    """A rejected event: when it was read (ms), its place in the log (null for a caller limited to zones), key, reason,
    and how its payload begins.
    """

    id: int
    time: int
    topic: str | None
    partition: int | None
    position: int | None
    timestamp: int
    key: str | None
    reason: str
    payload: str


class QuarantinePage(msgspec.Struct, kw_only=True):
    """A page of rejected events, newest first; `total` as for zones."""

    quarantined: list[Quarantined]
    total: int | None
    next: str | None


class Conflict(msgspec.Struct, kw_only=True):
    """A contradiction in the data; `kind` is partitions, cname, spelling, claim or overfull."""

    kind: str
    name: str
    type: str
    detail: str


class ConflictPage(msgspec.Struct, kw_only=True):
    """A page of conflicts, by kind; `total` as for zones."""

    conflicts: list[Conflict]
    total: int | None
    next: str | None


class Data(msgspec.Struct, kw_only=True):
    """An RRset at one moment: its hash in the digest, and its records, null where they are too large to keep."""

    hash: str
    ttl: int | None
    records: list[str] | None


class Change(msgspec.Struct, kw_only=True):
    """One change of an RRset: `before` is null where it was new, `after` where it was deleted. `time` is when this node
    applied it, `timestamp` when the event was written (ms). The place in the log is null for a caller limited to zones.
    With `mark`, a sentence about the zone `name` or, at the root, about all of them, it is no change: its type and
    topic are empty.
    """

    id: int
    time: int
    name: str
    type: str
    before: Data | None
    after: Data | None
    topic: str | None
    partition: int | None
    position: int | None
    timestamp: int
    producer: str | None
    metadatas: Any
    mark: str | None = None


class JournalPage(msgspec.Struct, kw_only=True):
    """A page of changes, newest first; the journal holds the ids from `first` up to, but not including, `end`, which
    are null for a caller limited to zones.
    """

    changes: list[Change]
    first: int | None
    end: int | None
    next: str | None


class StreamPosition(msgspec.Struct, kw_only=True):
    """The data of the event `lost`: changes were left out of the stream, and it goes on with number `first`."""

    first: int


class ZoneDigest(msgspec.Struct, kw_only=True):
    """The digest and the counts of one zone; `counting` as for zones."""

    name: str
    digest: str
    rrsets: int
    records: int
    counting: bool
