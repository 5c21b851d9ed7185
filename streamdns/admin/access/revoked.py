"""Keeps the list of revoked tokens in a file, which commands and servers write, and checks each token against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from streamdns.admin.access import files

_MOST: Final = 20_000
#: Whoever signs in and out all the time leaves room for what is revoked on purpose.
MOST_BY_SIGNING_OUT: Final = 10_000


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One revoked token: its id, when it ends, when and by whom it was revoked (seconds since 1970)."""

    jti: str
    exp: int
    at: int
    by: str


class _File(msgspec.Struct, forbid_unknown_fields=True):
    revoked: list[Entry]


class Revoked:
    """The list of revoked tokens in one file, which several processes may share."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._watched = files.Watched(path, _parse)

    def has(self, jti: str) -> bool:
        """Return whether a token was revoked; raises OSError and ValueError where the list cannot be read."""
        return jti in self._watched.get()

    def entries(self) -> list[Entry]:
        """Return all entries, the latest first; raises as has()."""
        return sorted(self._watched.get().values(), key=lambda entry: entry.at, reverse=True)

    def add(self, entry: Entry, *, most: int = _MOST) -> None:
        """Revoke a token durably, and drop the entries of tokens that have ended. Raises as has()."""
        with files.changing(self.path):
            kept = {jti: each for jti, each in files.Watched(self.path, _parse).get().items() if each.exp > entry.at}
            if len(kept) >= most and entry.jti not in kept:
                raise ValueError(f"{most} tokens are revoked, and that is the most")
            kept[entry.jti] = entry
            files.replace(self.path, msgspec.json.encode(_File(list(kept.values()))) + b"\n")


def _parse(content: bytes) -> Mapping[str, Entry]:
    if not content:
        return {}
    return {entry.jti: entry for entry in msgspec.json.decode(content, type=_File).revoked}
