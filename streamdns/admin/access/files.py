"""Reads and replaces small files that commands write while servers read them: users, revoked tokens."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from streamdns.runtime.durable import about, sync_directory

T = TypeVar("T")
_MAX_BYTES = 64 << 20
_LOCK_PATIENCE_S, _LOCK_AGAIN_S = 5.0, 0.02


class Watched(Generic[T]):
    """Keeps the parsed content of a file, and reads it again when the file changed.

    No file counts as empty, unless it has to be there.
    """

    def __init__(self, path: str, parse: Callable[[bytes], T], *, may_be_missing: bool = True) -> None:
        self.path, self._parse, self._may_be_missing = path, parse, may_be_missing
        self._seen: tuple[int, ...] | None = None
        self._value: T | None = None

    def get(self) -> T:
        """Return the content as it is now; raises OSError, and ValueError where it cannot be parsed."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            if not self._may_be_missing:
                raise
            return self._parse(b"")
        seen = (found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size)
        if self._value is None or seen != self._seen:
            if found.st_size > _MAX_BYTES:
                raise ValueError(f"{self.path} is larger than {_MAX_BYTES} octets")
            with open(self.path, "rb") as file:
                self._value = self._parse(file.read())
            self._seen = seen
        return self._value


@contextlib.contextmanager
def changing(path: str) -> Iterator[None]:
    """Lock a file while it is read, changed and replaced, so that there is one writer at a time. Raises OSError."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _give_to_owner(lock, path)
        _lock(lock, path)
        yield
    finally:
        os.close(lock)


def replace(path: str, content: bytes) -> None:
    """Replace a file durably and as a whole; a new file may be read by its owner only. Raises OSError."""
    folder = os.path.dirname(path) or "."
    temporary = f"{path}.new"
    new = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with about(path):
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(new, stat.S_IMODE(os.stat(path).st_mode))
            _give_to_owner(new, path)
            view = memoryview(content)
            while view:
                view = view[os.write(new, view):]
            os.fsync(new)
    except BaseException:
        # A disk that is full keeps nothing of it.
        os.unlink(temporary)
        raise
    finally:
        os.close(new)
    os.replace(temporary, path)
    with about(path):
        sync_directory(folder)


def _lock(descriptor: int, path: str) -> None:
    """Wait for the lock, but not for ever: in a server's event loop its holder may be one who was stopped (Ctrl-Z)."""
    deadline_s = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline_s:
                reason = f"another process has had its lock for {_LOCK_PATIENCE_S:g} s"
                raise OSError(errno.EWOULDBLOCK, reason, path) from None
            # Patched in a server, where others get their turn.
            time.sleep(_LOCK_AGAIN_S)
        else:
            return


def _give_to_owner(descriptor: int, path: str) -> None:
    """Give a file written by root to the owner of the old one or of the directory, which is the server's user."""
    if os.geteuid() != 0:
        return
    for of in (path, os.path.dirname(path) or "."):
        with contextlib.suppress(FileNotFoundError):
            owner = os.stat(of)
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
            return
