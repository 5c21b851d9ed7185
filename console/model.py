"""What the console knows at one moment: frozen values that a reader publishes and every screen draws from. Pure.

Documents of the admin API are kept as they came (nobody changes them), each with the moment at which it came.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from streamdns.admin.schema.data import Change, Quarantined
from streamdns.admin.schema.peers import Nodes
from streamdns.admin.schema.resolver import ServerList
from streamdns.admin.schema.state import Consumer, Metrics, NodeStatus

from .history import History
from .speeds import Speeds

T = TypeVar("T")
#: What is older than so many intervals is dimmed, with its age.
STALE_INTERVALS: Final = 3


class Link(enum.Enum):
    """How a node can be asked."""

    CONNECTING = "connecting"
    LIVE = "live"
    LOST = "disconnected"
    SIGNED_OUT = "signed out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The link to a node: since when it is as it is, why in one sentence, and when it is tried next (seconds)."""

    link: Link = Link.CONNECTING
    since_s: float = 0.0
    cause: str = ""
    next_try_s: float | None = None


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """A document and when it came (seconds since 1970, by the console's clock)."""

    value: T
    at_s: float


class Role(enum.IntEnum):
    """What the console may do at a node, as the admin API has its roles."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who the console is at a node: "" where the node asks nobody; zones None are all of them."""

    name: str = ""
    role: Role = Role.ADMIN
    zones: tuple[str, ...] | None = None
    expires_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The last changes, newest first; `live` says that they come as they happen, `lost` how often some were missed."""

    rows: tuple[Change, ...] = ()
    live: bool = False
    lost: int = 0
    at_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """All that is known of one node. `denied` has the API's sentence for each part that this caller may not see."""

    url: str
    connection: Connection = field(default_factory=Connection)
    caller: Caller = field(default_factory=Caller)
    status: Part[NodeStatus] | None = None
    metrics: Part[Metrics] | None = None
    consumer: Part[Consumer] | None = None
    nodes: Part[Nodes] | None = None
    resolver: Part[Mapping[str, Any]] | None = None
    servers: Part[ServerList] | None = None
    quarantine: Part[tuple[Quarantined, ...]] | None = None
    changes: Changes = field(default_factory=Changes)
    history: History = field(default_factory=History)
    skew_s: float | None = None
    denied: Mapping[str, str] = field(default_factory=dict)
    foreign: frozenset[str] = frozenset()
    """Those of `denied` that the node answers in another form than this console knows."""
    speeds: Speeds = field(default_factory=Speeds)

    @property
    def name(self) -> str:
        """What the node calls itself, or its address until it has said so."""
        if self.status is not None and self.status.value.instance:
            return self.status.value.instance
        return self.url.removeprefix("http://").removeprefix("https://")

    @property
    def live(self) -> bool:
        """Whether it answered when it was asked last."""
        return self.connection.link is Link.LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything at one moment; `main` is the number of the node that screens are about."""

    at_s: float
    interval_s: float = 1.0
    nodes: tuple[Node, ...]
    main: int = 0
    version: str = ""
    """The version of the console."""

    @property
    def node(self) -> Node:
        """The node that screens are about."""
        return self.nodes[self.main]

    def stale(self, part: Part[Any] | None) -> bool:
        """Whether a document is so old that it is shown as such."""
        return part is None or self.at_s - part.at_s > STALE_INTERVALS * self.interval_s


class Meaning(enum.Enum):
    """The five things that a colour says here; each has a sign, too (signs.py)."""

    OK = "ok"
    NOTICE = "notice"
    WARNING = "warning"
    ALARM = "alarm"
    STALE = "stale"


#: Worst first.
SEVERITY: Final = (Meaning.ALARM, Meaning.WARNING, Meaning.STALE, Meaning.NOTICE, Meaning.OK)
