"""Documents that the API itself needs: errors, health and readiness, signing in, the resolver's cache."""

from __future__ import annotations

from typing import Annotated

import msgspec


class ErrorDetail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An error: `code` is a stable word for programs, `message` a sentence for people."""

    code: str
    message: str


class Error(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The document of every answer with a status of 400 or more."""

    error: ErrorDetail


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer of a node whose event loop turns."""

    status: str


class Ready(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whether this node should get queries, and why not; `held` says why a rebuilt view does not take over."""

    ready: bool
    because: list[str]
    held: str | None = None


class CacheQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The name whose entries in the resolver's cache are shown."""

    name: str


class FlushQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the resolver's cache forgets: a name, with `below` all names below it too; everything without a name."""

    name: str = ""
    below: bool = False


class Flushed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many entries were removed."""

    flushed: int


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The name and the password of a user."""

    username: Annotated[str, msgspec.Meta(max_length=256)]
    password: Annotated[str, msgspec.Meta(max_length=1024)]


class SignedIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token, also set as the cookie `token`, and when it ends (seconds since 1970).

    `csrf` goes into the header X-CSRF-Token of requests that change something and have only the cookie; the cookie
    `csrf` has it too.
    """

    token: str
    expires: int
    csrf: str


class SignedOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a token came with the request and was revoked."""

    signed_out: bool


class TokenQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The id of a token; with none, only the path of the list is of interest."""

    id: Annotated[str, msgspec.Meta(max_length=64)] = ""


class TokenState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a token is in this node's list of revoked ones, and the absolute path of the list."""

    id: str
    revoked: bool
    list: str
