"""Defines the rows of the table of routes, and what a handler is given and returns."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec


class Role(enum.IntEnum):
    """The roles of callers; each may do what the ones below it may."""

    PUBLIC = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query of a route that takes no parameters."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller: name, role, and the zones it is limited to as lower-case wire names, None for every zone.

    `holder` is who has a share of what is limited: a token, or a user however often he signs in; "" without log-in.
    """

    name: str
    role: Role
    zones: tuple[bytes, ...] | None = None
    holder: str = ""

    def may_see(self, qname: bytes) -> bool:
        """Return whether a wire name is at or below one of the zones."""
        if self.zones is None:
            return True
        # Octets that tell lengths are at most 63, so lower() leaves them as they are.
        qname, at = qname.lower(), 0
        while qname[at:] not in self.zones:
            if at >= len(qname) or not qname[at]:
                return False
            at += 1 + qname[at]
        return True


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of a handler: decoded parts of the path, query and body as msgspec Structs, and the caller."""

    path: Mapping[str, str]
    query: Any
    body: Any
    principal: Principal


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer without an end: an iterable of bytes, closed by close() when the client is gone."""

    chunks: Iterable[bytes]
    content_type: str = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with a status, content type or headers of its own; bytes are sent as they are, others as JSON."""

    document: Any
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table: method, path ("/v1/zones/{zone}"), handler, and who may call it.

    The handler returns a msgspec Struct or a dict (sent as JSON), a Reply or a Stream, and raises ApiError. Structs of
    query and body forbid unknown fields. `zone` names the parameter, of the path or the query, that is checked against
    the zones of the principal; a principal with zones must give it. `unscoped` is for data of the whole node, refused
    to principals with zones. Where neither is set the handler leaves out what Principal.may_see() denies. `streams`:
    the answer is a Stream, whose events hold what `answers` says.
    """

    method: str
    path: str
    handle: Callable[[Call], Any]
    summary: str
    answers: Any
    role: Role = Role.VIEWER
    query: type[msgspec.Struct] = NoQuery
    body: type[msgspec.Struct] | None = None
    zone: str = ""
    unscoped: bool = False
    streams: bool = False
