"""Documents about the resolver: name servers that it asked, and one resolution step by step."""

from __future__ import annotations

from typing import Annotated

import msgspec

from streamdns.admin.schema.queries import NameText, Query, TypeText


class ServersQuery(Query, frozen=True):
    """How many servers are wanted at the most."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 50


class ServerSeen(msgspec.Struct, kw_only=True):
    """A name server: its smoothed round trip, time-outs in a row, and for how long it is left alone (seconds).

    `cpu_owed_seconds` is the processor time that reading its replies took beyond what is free, less what is forgiven by
    now (for IPv6 that of its /64); with more than 0.1 it is left alone.
    """

    address: str
    rtt_seconds: float
    timeouts_in_a_row: int
    left_alone_seconds: float
    cpu_owed_seconds: float = 0.0


class ServerList(msgspec.Struct, kw_only=True):
    """Those that cost too much first, then those that do not answer, then the slowest.

    `asked` is how many were asked and are remembered.
    """

    servers: list[ServerSeen]
    asked: int


class TraceQuery(Query, frozen=True):
    """A name and a type."""

    name: NameText
    type: TypeText = "A"


class Trace(msgspec.Struct, kw_only=True):
    """One resolution, begun with what the cache knows: its steps, what came of it, and how many queries it took.

    Lines that begin with a semicolon are steps; all others are records, in presentation form.
    """

    name: str
    type: str
    rcode: str
    detail: str
    steps: list[str]
    answer: list[str]
    queries: int
    seconds: float
