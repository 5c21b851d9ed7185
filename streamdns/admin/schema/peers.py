"""Documents about several nodes: digests, positions, waiting, and what a node knows of its peers."""

from __future__ import annotations

import msgspec


class PositionAt(msgspec.Struct, kw_only=True):
    """A partition, where its reading goes on, and the digest of its RRsets in the view, "" where that is not known."""

    topic: str
    partition: int
    position: int
    digest: str = ""


class Digest(msgspec.Struct, kw_only=True):
    """The digest of the whole view, and the positions at which it holds."""

    digest: str
    names: int
    rrsets: int
    records: int
    zones: int
    positions: list[PositionAt]


class NodeWait(msgspec.Struct, kw_only=True):
    """The result of waiting on one node; `position` is how far its partition is, where one was asked for."""

    node: str
    applied: bool
    position: int | None = None
    error: str = ""


class Waited(msgspec.Struct, kw_only=True):
    """The result of waiting: `applied` says that every node listed answers from a view that holds the event."""

    applied: bool
    seconds: float
    nodes: list[NodeWait]


class Mark(msgspec.Struct, kw_only=True):
    """The digest of a partition's RRsets at the moment when exactly the events before `position` were applied."""

    topic: str
    partition: int
    position: int
    digest: str


class Audit(msgspec.Struct, kw_only=True):
    """The last audit, which recomputes all digests from the stored records: `zones` are those that differ (the first of
    them), `view` says whether the whole view's digest does. `time` in ms.
    """

    time: int
    seconds: float
    ok: bool
    view: bool
    zones: list[str]


class NodeReport(msgspec.Struct, kw_only=True):
    """What a node reports of itself to its peers, `time` (ms) being the moment and `queries` how many it has answered
    since its start (null: it is of a version that does not tell). `contested`: some RRset has candidates in several
    partitions, so that partitions cannot be compared one by one.
    """

    instance: str
    version: str
    state: str
    ready: bool
    lag_events: int
    lag_seconds: float
    zones: int
    rrsets: int
    digest: str
    contested: bool
    positions: list[PositionAt]
    marks: list[Mark]
    audit: Audit | None
    time: int = 0
    queries: int | None = None


class NodeSeen(msgspec.Struct, kw_only=True):
    """What this node knows of a peer; `asked` in ms, `error` says why the peer did not answer.

    `diverges` null: there is nothing yet at which the two can be compared. `compared_at` says where they were: "" for
    nowhere. `zones` are zones whose digests differ, the first of them; `streamdns compare` finds the names.
    `queries_per_second` is the mean of the time between its last two reports, null where that is not known.
    """

    url: str
    asked: int
    error: str
    diverges: bool | None
    compared_at: str
    zones: list[str]
    report: NodeReport | None
    queries_per_second: float | None = None


class Nodes(msgspec.Struct, kw_only=True):
    """This node and its peers (DNS_PEERS)."""

    node: NodeReport
    peers: list[NodeSeen]
