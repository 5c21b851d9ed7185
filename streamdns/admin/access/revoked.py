"""Keeps the list of revoked tokens in a file, which commands and servers write, and checks each token against it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Final

import msgspec

from streamdns.admin.access import files

_MOST: Final = 20_000
#: Sign-outs of one user, and sign-outs in all, that are kept one by one; beyond, earlier ones become one entry.
_MOST_OF_USER: Final = 50
_MOST_BY_SIGNING_OUT: Final = 10_000
_SESSIONS: Final = "user:"
_SIGNED_OUT: Final = "signout:"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One revoked token: its id, when it ends, when and by whom it was revoked (seconds since 1970).

    The id `user:NAME` stands for everything that this user had signed in until `at`.
    """

    jti: str
    exp: int
    at: int
    by: str


class _File(msgspec.Struct, forbid_unknown_fields=True):
    revoked: list[Entry]


class Revoked:
    """The list of revoked tokens in one file, which several processes may share.

    No file is an empty list, but not where there was one before: what it said would count no more.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._watched = _watched(path)
        self._was_there = False

    def has(self, jti: str, *, session_of: str = "", begun_s: int = 0) -> bool:
        """Return whether a token was revoked, of a session also by what its user signed out of later.

        Raises OSError and ValueError where the list cannot be read.
        """
        entries = self._entries()
        if jti in entries:
            return True
        whole = entries.get(_SESSIONS + session_of) if session_of else None
        return whole is not None and begun_s <= whole.at

    def entries(self) -> list[Entry]:
        """Return all entries, the latest first; raises as has()."""
        return sorted(self._entries().values(), key=lambda entry: entry.at, reverse=True)

    def remember(self) -> None:
        """Have it known from now on that there is a list, where there is one; a disk that takes nothing is no fault."""
        with contextlib.suppress(OSError, ValueError):
            if self._entries() and not files.was_there(self.path):
                with files.changing(self.path) as lock:
                    lock.remember()

    def add(self, entry: Entry) -> None:
        """Revoke a token durably, and drop the entries of tokens that have ended. Raises as has()."""
        with files.changing(self.path) as lock:
            kept = self._kept(entry.at)
            if len(kept) >= _MOST and entry.jti not in kept:
                raise ValueError(f"{_MOST} tokens are revoked, and that is the most")
            self._write(kept | {entry.jti: entry}, lock)

    def sign_out(self, jti: str, *, exp: int, now_s: int, user: str) -> None:
        """Revoke the token of a user's session. Raises as has().

        Who signs in and out all the time fills no list: the earlier ones of his sign-outs are kept as one entry, which
        ends what he signed in before the last of them.
        """
        with files.changing(self.path) as lock:
            kept = self._kept(now_s)
            kept[jti] = Entry(jti, exp, now_s, _SIGNED_OUT + user)
            # What was signed in in this very second may be in use.
            earlier = sorted(
                (each for each in kept.values() if each.by == _SIGNED_OUT + user and each.at < now_s),
                key=lambda each: each.at,
            )
            if len(kept) > _MOST_BY_SIGNING_OUT:
                _make_one(kept, user, earlier)
            elif len(earlier) >= _MOST_OF_USER:
                _make_one(kept, user, earlier[:-_MOST_OF_USER // 5])
            if len(kept) > _MOST:
                raise ValueError(f"{_MOST} tokens are revoked, and that is the most")
            self._write(kept, lock)

    def _kept(self, now_s: int) -> dict[str, Entry]:
        # Read anew, whatever was seen before: another process may have written in the same tick of the clock.
        return {jti: each for jti, each in self._read(_watched(self.path)).items() if each.exp > now_s}

    def _write(self, kept: Mapping[str, Entry], lock: files.Lock) -> None:
        files.replace(self.path, msgspec.json.encode(_File(list(kept.values()))) + b"\n")
        lock.remember()

    def _entries(self) -> Mapping[str, Entry]:
        return self._read(self._watched)

    def _read(self, watched: files.Watched[Mapping[str, Entry]]) -> Mapping[str, Entry]:
        try:
            found = watched.get()
        except FileNotFoundError as error:
            if self._was_there or files.was_there(self.path):
                reason = "the list is gone: put it back, or begin a new one by making the file, empty"
                raise FileNotFoundError(error.errno, reason, self.path) from error
            return {}
        self._was_there = True
        return found


def _make_one(kept: dict[str, Entry], user: str, earlier: list[Entry]) -> None:
    """Replace the entries of a user's earlier sign-outs by one for all of them."""
    jti = _SESSIONS + user
    whole = [*earlier, kept[jti]] if jti in kept else earlier
    if not whole:
        return
    for each in earlier:
        del kept[each.jti]
    kept[jti] = Entry(jti, max(each.exp for each in whole), max(each.at for each in whole), _SIGNED_OUT + user)


def _watched(path: str) -> files.Watched[Mapping[str, Entry]]:
    return files.Watched(path, _parse, may_be_missing=False)


def _parse(content: bytes) -> Mapping[str, Entry]:
    if not content:
        return {}
    return {entry.jti: entry for entry in msgspec.json.decode(content, type=_File).revoked}
