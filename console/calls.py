"""Every call of the admin API that the console makes, with the type of its answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from streamdns.admin.schema.data import (
    ConflictPage,
    JournalPage,
    NameRecords,
    QuarantinePage,
    RRsetPage,
    Zone,
    ZonePage,
)
from streamdns.admin.schema.edge import Flushed, SignedIn
from streamdns.admin.schema.peers import Nodes, Waited
from streamdns.admin.schema.requests import part
from streamdns.admin.schema.resolver import ServerList, Trace
from streamdns.admin.schema.state import Accept, Accepted, Consumer, HeldRebuild, Metrics, NodeStatus, RebuildAsked

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request and the type that its answer is decoded to; `timeout_s` where it takes longer than others."""

    method: str = "GET"
    path: str
    answers: Any
    parameters: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    timeout_s: float | None = None

    def decode(self, document: bytes) -> T:
        """The answer; raises msgspec.MsgspecError where it is of another form."""
        decoded: T = msgspec.json.decode(document, type=self.answers)
        return decoded


def status() -> Call[NodeStatus]:
    """What the node is and does."""
    return Call(path="/v1/status", answers=NodeStatus)


def metrics() -> Call[Metrics]:
    """All figures, cumulative."""
    return Call(path="/v1/metrics", answers=Metrics)


def consumer() -> Call[Consumer]:
    """The log and its partitions."""
    return Call(path="/v1/consumer", answers=Consumer)


def nodes() -> Call[Nodes]:
    """The node and its peers."""
    return Call(path="/v1/nodes", answers=Nodes)


def resolver() -> Call[dict[str, Any]]:
    """The resolver in short."""
    return Call(path="/v1/resolver", answers=dict[str, Any])


def servers(*, limit: int = 200) -> Call[ServerList]:
    """Name servers that were asked, the worst first."""
    return Call(path="/v1/resolver/servers", answers=ServerList, parameters={"limit": limit})


def trace(name: str, rdtype: str) -> Call[Trace]:
    """A name resolved now, step by step."""
    return Call(path="/v1/resolver/trace", answers=Trace, parameters={"name": name, "type": rdtype}, timeout_s=20.0)


def cached(name: str) -> Call[dict[str, Any]]:
    """What the resolver's cache knows of a name."""
    return Call(path="/v1/resolver/cache", answers=dict[str, Any], parameters={"name": name})


def flush(name: str, *, below: bool) -> Call[Flushed]:
    """Have the resolver's cache forget a name, or everything where none is given."""
    return Call(method="POST", path="/v1/resolver/flush", answers=Flushed, parameters={"name": name, "below": below})


def zones_that_would_go(cursor: str = "") -> Call[ZonePage]:
    """A page of the zones that would go away by the rebuilt view that is held."""
    return Call(path="/v1/rebuild/zones", answers=ZonePage, parameters=_page(cursor, 500))


def rrsets_that_would_go(cursor: str = "") -> Call[RRsetPage]:
    """A page of the RRsets that would go away by the rebuilt view that is held."""
    return Call(path="/v1/rebuild/rrsets", answers=RRsetPage, parameters=_page(cursor, 500))


def accept(held: HeldRebuild) -> Call[Accepted]:
    """Let the view that is held take over, with so much going away as its document says and no more."""
    return Call(
        method="POST",
        path="/v1/rebuild/accept",
        answers=Accepted,
        body=Accept(id=held.id, zones=held.zones, rrsets=held.rrsets),
    )


def rebuild() -> Call[RebuildAsked]:
    """Have the view made anew."""
    return Call(method="POST", path="/v1/rebuild", answers=RebuildAsked)


def _page(cursor: str, limit: int, *, backwards: bool = False) -> dict[str, Any]:
    """The parameters of a page; nodes that do not know how to go backwards are not told of it where none is wanted."""
    return {"limit": limit, "cursor": cursor, **({"backwards": True} if backwards else {})}


def zones(cursor: str = "", *, limit: int = 500) -> Call[ZonePage]:
    """A page of zones."""
    return Call(path="/v1/zones", answers=ZonePage, parameters={"limit": limit, "cursor": cursor})


def zone(name: str) -> Call[Zone]:
    """One zone."""
    return Call(path=f"/v1/zones/{part(name)}", answers=Zone)


def records(zone_name: str, cursor: str = "", *, limit: int = 500, backwards: bool = False) -> Call[RRsetPage]:
    """A page of a zone's RRsets; backwards the one before the cursor, the last RRset first."""
    return Call(
        path=f"/v1/zones/{part(zone_name)}/records",
        answers=RRsetPage,
        parameters=_page(cursor, limit, backwards=backwards),
    )


def name(zone_name: str, owner: str) -> Call[NameRecords]:
    """The RRsets of one name."""
    return Call(path=f"/v1/zones/{part(zone_name)}/records/{part(owner)}", answers=NameRecords)


def search(
    wanted: Mapping[str, str], cursor: str = "", *, limit: int = 500, backwards: bool = False
) -> Call[RRsetPage]:
    """A page of what is found by name, glob, type, content, zone; backwards the one before the cursor."""
    return Call(
        path="/v1/search", answers=RRsetPage, parameters={**wanted, **_page(cursor, limit, backwards=backwards)}
    )


def journal(wanted: Mapping[str, Any], cursor: str = "", *, limit: int = 100) -> Call[JournalPage]:
    """A page of changes, newest first, by name, zone, producer, since, until."""
    return Call(path="/v1/journal", answers=JournalPage, parameters={**wanted, "limit": limit, "cursor": cursor})


def quarantine(cursor: str = "", *, limit: int = 500) -> Call[QuarantinePage]:
    """A page of refused events, newest first."""
    return Call(path="/v1/quarantine", answers=QuarantinePage, parameters={"limit": limit, "cursor": cursor})


def conflicts(cursor: str = "", *, limit: int = 500) -> Call[ConflictPage]:
    """A page of conflicts."""
    return Call(path="/v1/conflicts", answers=ConflictPage, parameters={"limit": limit, "cursor": cursor})


def wait(wanted: Mapping[str, Any], *, timeout_s: float) -> Call[Waited]:
    """Wait until nodes have applied an event."""
    return Call(path="/v1/wait", answers=Waited, parameters={**wanted, "timeout": timeout_s}, timeout_s=timeout_s + 10)


def sign_in(username: str, password: str) -> Call[SignedIn]:
    """Trade a name and a password for a token."""
    return Call(
        method="POST",
        path="/signin",
        answers=SignedIn,
        body={"username": username, "password": password},
        timeout_s=30.0,
    )
