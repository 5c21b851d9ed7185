"""Small files that a command writes while a server reads them: users, revoked tokens."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from streamdns.runtime.durable import sync_directory

T = TypeVar("T")
_MAX_BYTES = 64 << 20


class Watched(Generic[T]):
    """What a file says, read again when it has become another one; a file that is not there says nothing."""

    def __init__(self, path: str, parse: Callable[[bytes], T]) -> None:
        self.path, self._parse = path, parse
        self._seen: tuple[int, ...] | None = None
        self._value: T | None = None

    def get(self) -> T:
        """Its content as of now; raises OSError, and ValueError for content that cannot be understood."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
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
    """While a file is read, changed and replaced: one writer at a time. Raises OSError."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _give_to_owner(lock, path)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def replace(path: str, content: bytes) -> None:
    """Have the content in the file and on the disk, all of it or nothing; nobody else may read a new file."""
    folder = os.path.dirname(path) or "."
    temporary = f"{path}.new"
    new = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.fchmod(new, stat.S_IMODE(os.stat(path).st_mode))
        _give_to_owner(new, path)
        view = memoryview(content)
        while view:
            view = view[os.write(new, view):]
        os.fsync(new)
    finally:
        os.close(new)
    os.replace(temporary, path)
    sync_directory(folder)


def _give_to_owner(descriptor: int, path: str) -> None:
    """Written by root, a file stays readable to whom it belongs, or to the owner of its directory: the server."""
    if os.geteuid() != 0:
        return
    for of in (path, os.path.dirname(path) or "."):
        with contextlib.suppress(FileNotFoundError):
            owner = os.stat(of)
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
            return
