"""All who may sign in: those of the file, and the one of the settings."""

from __future__ import annotations

from streamdns.admin.access import files, users
from streamdns.admin.access.users import User
from streamdns.admin.http.route import Role
from streamdns.errors import ApiError
from streamdns.runtime import logs
from streamdns.runtime.native import LowPriorityThread
from streamdns.settings import Settings

#: Passwords are looked at one after the other, in a native thread of their own; so many may wait.
_MOST_WAITING = 8
_log = logs.get("admin")


class Userbook:
    """Finds users and looks at their passwords; the file is read again when it has changed."""

    def __init__(self, settings: Settings) -> None:
        self._file = files.Watched(settings.admin_users, users.parse) if settings.admin_users else None
        self._name, self._password = settings.admin_username, settings.admin_password
        self._own: User | None = None
        self._thread = LowPriorityThread()
        self._waiting = 0

    @property
    def empty(self) -> bool:
        """Whether nobody can ever sign in here."""
        return self._file is None and not self._password

    def find(self, name: str) -> User | None:
        """A user; raises ApiError where the file cannot be read. The file goes first.

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

    def check(self, name: str, password: str) -> User | None:
        """The user with this password; takes the same time for one that is unknown. Raises ApiError."""
        if self._waiting >= _MOST_WAITING:
            raise ApiError(503, "busy", "too many are signing in at the moment")
        self._waiting += 1
        try:
            if self._password and self._own is None:
                self._own = User(self._name, Role.ADMIN, self._thread.run(users.hashed, self._password))
            user = self.find(name)
            kept = users.nobody() if user is None else user.password
            return user if self._thread.run(kept.matches, password) else None
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let go of the native thread."""
        self._thread.close()
