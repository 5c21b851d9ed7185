"""What the edge of the admin API itself takes and gives: errors, health, signing in."""

from __future__ import annotations

import msgspec


class ErrorDetail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stable word for programs and a sentence for people."""

    code: str
    message: str


class Error(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every answer with a status of 400 or more."""

    error: ErrorDetail


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The event loop turns."""

    status: str


class Ready(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether this node should get queries, and why not."""

    ready: bool
    because: list[str]


class CacheQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name of the resolver's cache."""

    name: str


class FlushQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the resolver is to forget: a name, with `below` all below it too; everything where none is given."""

    name: str = ""
    below: bool = False


class Flushed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many entries were forgotten."""

    flushed: int
