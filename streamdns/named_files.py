"""Opens the files that settings name. While the server runs these are plain files only: a pipe keeps its reader waiting
until somebody writes, and queries would wait, too.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO

_NO_FILE = "it is no plain file, and others are read at the start only"
_plain_only = False


def plain_only() -> None:
    """Open nothing but plain files from now on: the process has begun to answer queries."""
    global _plain_only
    _plain_only = True


def open_named(path: str) -> BinaryIO:
    """Open a file for reading; raises OSError, also for what is no plain file while the server runs."""
    if not _plain_only:
        return open(path, "rb")
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        _expect_plain(os.fstat(descriptor), path)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def expect_plain(path: str) -> None:
    """See that somebody else, who opens by name, may open it; raises OSError as open_named() does."""
    if _plain_only:
        _expect_plain(os.stat(path), path)


def _expect_plain(found: os.stat_result, path: str) -> None:
    is_null = stat.S_ISCHR(found.st_mode) and found.st_rdev == os.stat(os.devnull).st_rdev
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(found.st_mode) and not is_null:
        raise OSError(errno.EINVAL, _NO_FILE, path)
