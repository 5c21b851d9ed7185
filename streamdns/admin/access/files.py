"""Reads and replaces small files that commands write while servers read them: users, revoked tokens."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from streamdns.named_files import open_named
from streamdns.runtime.durable import about, sync_directory
from streamdns.runtime.owner import has_one_name, open_unlinked

T = TypeVar("T")
_MAX_BYTES = 64 << 20
_LOCK_PATIENCE_S, _LOCK_AGAIN_S = 5.0, 0.02
_RANDOM_DIGITS = 16


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
            with open_named(self.path) as file:
                self._value = self._parse(file.read())
            self._seen = seen
        return self._value


class Lock:
    """The lock of a file that is being changed; it lies beside the file and remembers that there was one."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def remember(self) -> None:
        """Keep that the file is there, so that was_there() says so should it vanish. Raises OSError."""
        if not os.fstat(self._descriptor).st_size:
            os.pwrite(self._descriptor, b"1", 0)


@contextlib.contextmanager
def changing(path: str) -> Iterator[Lock]:
    """Lock a file while it is read, changed and replaced, so that there is one writer at a time. Raises OSError."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    descriptor = _open_lock(path)
    try:
        _lock(descriptor, path)
        # Nobody else writes now: what lies there is of one who was killed.
        for left in glob.glob(f"{glob.escape(path)}.{'[0-9a-f]' * _RANDOM_DIGITS}.new"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(left)
        yield Lock(descriptor)
    finally:
        os.close(descriptor)


def was_there(path: str) -> bool:
    """Return whether a file was there once, as its lock remembers."""
    try:
        return os.lstat(_lock_of(path)).st_size > 0
    except OSError:
        return False


def replace(path: str, content: bytes) -> None:
    """Replace a file durably and as a whole; a new file may be read by its owner only. Raises OSError."""
    folder = os.path.dirname(path) or "."
    # Nobody can have put anything under a name that nobody knew.
    temporary = f"{path}.{secrets.token_hex(_RANDOM_DIGITS // 2)}.new"
    new = open_unlinked(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        with about(path):
            before = _regular(path)
            if before is not None:
                os.fchmod(new, stat.S_IMODE(before.st_mode) & 0o666)
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


def _lock_of(path: str) -> str:
    return f"{path}.lock"


def _open_lock(path: str) -> int:
    name = _lock_of(path)
    try:
        descriptor = open_unlinked(name, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        descriptor = open_unlinked(name, os.O_RDWR)
    else:
        _give_to_owner(descriptor, path)
    if not has_one_name(os.fstat(descriptor)):
        os.close(descriptor)
        raise OSError(errno.EPERM, "is no file of its own, so it is not used as a lock", name)
    return descriptor


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


def _regular(path: str) -> os.stat_result | None:
    """Return what the file is that stands at a path, None for what is no regular file."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _give_to_owner(descriptor: int, path: str) -> None:
    """Give a file that root has just made to the owner of the old one or of the directory, the server's user."""
    if os.geteuid() != 0:
        return
    with contextlib.suppress(FileNotFoundError):
        owner = _regular(path) or os.stat(os.path.dirname(path) or ".")
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
