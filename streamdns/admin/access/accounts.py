"""Finds the users who may sign in, in the users file and in the settings, and checks their passwords."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping

from streamdns.admin.access import files, users
from streamdns.admin.access.users import User
from streamdns.admin.http.route import Role
from streamdns.errors import ApiError, ConfigError
from streamdns.runtime import logs
from streamdns.runtime.native import LowPriorityThread
from streamdns.settings import Settings

#: Passwords are looked at one after the other, in a native thread of their own. So many may wait: of those who have not
#: signed in from their address before, with so many of one address; and of those who have, of each one.
_MOST_WAITING, _MOST_OF_ADDRESS = 16, 4
_MOST_KNOWN, _MOST_OF_KNOWN = 8, 1
_log = logs.get("admin")


class _Places:
    """Counts who waits, in all and by a key, and refuses more than may."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def one(self, key: str) -> Iterator[None]:
        """Hold a place; raises ApiError where there is none."""
        if self._taken.total() >= self._most or self._taken[key] >= self._most_of_one:
            raise ApiError(503, "busy", "too many are signing in at the moment")
        self._taken[key] += 1
        try:
            yield
        finally:
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]


class Accounts:
    """Finds users and checks their passwords; the users file is read again when it has changed.

    Raises ConfigError for a users file that cannot be used: nobody could sign in, and nothing would say why.
    """

    def __init__(self, settings: Settings) -> None:
        self._file = file_of(settings)
        if users_missing(settings):
            _log.warning("admin.users_missing", path=settings.admin_users)
        self._name, self._password = settings.admin_username, settings.admin_password
        self._own: User | None = None
        self._thread = LowPriorityThread()
        self._strangers = _Places(_MOST_WAITING, _MOST_OF_ADDRESS)
        self._known = _Places(_MOST_KNOWN, _MOST_OF_KNOWN)

    def look(self) -> None:
        """Read the file where it is another one; raises ConfigError."""
        if self._file is not None:
            _read(self._file)

    @property
    def empty(self) -> bool:
        """Whether no user can exist here: there is neither a users file nor a password in the settings."""
        return self._file is None and not self._password

    def find(self, name: str) -> User | None:
        """Find a user by name, first in the file; raises ApiError where the file cannot be read.

        The user of the settings is there once somebody has signed in: the hash is another one in each process, so no
        token is older.
        """
        try:
            found = None if self._file is None else self._file.get().get(name)
        except (OSError, ValueError) as error:
            assert self._file is not None
            _log.error("admin.file_unreadable", path=self._file.path, error=str(error))
            raise ApiError(503, "not_ready", "the file of users cannot be read, so nobody can be looked up") from error
        return self._own if found is None and self._own is not None and name == self._own.name else found

    def check(self, name: str, password: str, *, network: str, known: bool) -> User | None:
        """Return the user with this name and password, or None; an unknown name takes as long. Raises ApiError.

        Who is `known` to have signed in from this network before does not stand behind its strangers.
        """
        place = self._known.one(f"{network} {name}") if known else self._strangers.one(network)
        with place:
            if self._password and self._own is None:
                self._own = User(self._name, Role.ADMIN, self._thread.run(users.hashed, self._password))
            user = self.find(name)
            kept = users.nobody() if user is None else user.password
            return user if self._thread.run(kept.matches, password) else None

    def close(self) -> None:
        """End the native thread that computes the hashes."""
        self._thread.close()


def file_of(settings: Settings) -> files.Watched[Mapping[str, User]] | None:
    """The file of users, which has to be there unless somebody else can sign in; None where none is named.

    Raises ConfigError.
    """
    if not settings.admin_users:
        return None
    # Where the settings have a user, too, somebody can sign in and look; else nobody could.
    missing_is_fatal = not settings.admin_password
    file = files.Watched(settings.admin_users, users.parse, may_be_missing=not missing_is_fatal)
    _read(file)
    return file


def users_missing(settings: Settings) -> bool:
    """Whether the settings name a file of users that is not there."""
    return bool(settings.admin_users) and not os.path.lexists(settings.admin_users)


def _read(file: files.Watched[Mapping[str, User]]) -> None:
    try:
        file.get()
    except FileNotFoundError as error:
        problem = f"DNS_ADMIN_USERS={file.path} is not there; `streamdns user add NAME --role ROLE` makes it"
        raise ConfigError([problem]) from error
    except (OSError, ValueError) as error:
        raise ConfigError([f"DNS_ADMIN_USERS={file.path}: {getattr(error, 'strerror', None) or error}"]) from error
