"""Documents about several nodes: digests, positions, waiting, and what a node sees of the others."""

from __future__ import annotations

import msgspec


class PositionAt(msgspec.Struct, kw_only=True):
    """A partition and where reading of it goes on; `digest` is of what stands from it, "" where that is not known."""

    topic: str
    partition: int
    position: int
    digest: str = ""


class Digest(msgspec.Struct, kw_only=True):
    """The digest of the view at these positions."""

    digest: str
    names: int
    rrsets: int
    records: int
    zones: int
    positions: list[PositionAt]


class NodeWait(msgspec.Struct, kw_only=True):
    """What came of waiting on one node; `position` is how far its partition is, where one was asked for."""

    node: str
    applied: bool
    position: int | None = None
    error: str = ""


class Waited(msgspec.Struct, kw_only=True):
    """Every node that is named has applied the event, and answers from a view that holds it."""

    applied: bool
    seconds: float
    nodes: list[NodeWait]


class Mark(msgspec.Struct, kw_only=True):
    """The digest of what stood from a partition when all before `position`, and nothing from there on, was applied."""

    topic: str
    partition: int
    position: int
    digest: str


class Audit(msgspec.Struct, kw_only=True):
    """The last recomputation of all digests from the stored records: `zones` are those whose digest differs (the first
    of them), `view` says whether the whole view's does. `time` in ms.
    """

    time: int
    seconds: float
    ok: bool
    view: bool
    zones: list[str]


class NodeReport(msgspec.Struct, kw_only=True):
    """What a node tells its peers about itself. `contested`: some RRset has candidates in several partitions, and then
    partitions cannot be compared one by one.
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


class NodeSeen(msgspec.Struct, kw_only=True):
    """A peer as this node sees it; `asked` in ms, `error` says why it could not be asked.

    `diverges` null: there is nothing yet at which the two can be compared. `compared_at` says where they were: "" for
    nowhere. `zones` are zones whose digests differ, the first of them; `streamdns compare` finds the names.
    """

    url: str
    asked: int
    error: str
    diverges: bool | None
    compared_at: str
    zones: list[str]
    report: NodeReport | None


class Nodes(msgspec.Struct, kw_only=True):
    """This node and its peers (DNS_PEERS)."""

    node: NodeReport
    peers: list[NodeSeen]
