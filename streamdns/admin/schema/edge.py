"""What the edge of the admin API itself takes and gives: errors, health, signing in."""

from __future__ import annotations

from typing import Annotated

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


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user's name and password."""

    username: Annotated[str, msgspec.Meta(max_length=256)]
    password: Annotated[str, msgspec.Meta(max_length=1024)]


class SignedIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token, which the cookie `token` has too, and when it ends (seconds since 1970).

    `csrf` goes into the header X-CSRF-Token of requests that change something and have only the cookie; the cookie
    `csrf` has it too.
    """

    token: str
    expires: int
    csrf: str


class SignedOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token is taken no more."""

    signed_out: bool
