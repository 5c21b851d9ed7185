"""Makes created, renamed and removed files survive a crash of the machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def about(path: str) -> Iterator[None]:
    """An OSError of what is done within names this file: write(2) and fsync(2) know only of a number."""
    try:
        yield
    except OSError as err:
        if err.filename is None and err.errno is not None:
            raise OSError(err.errno, err.strerror or os.strerror(err.errno), path) from err
        raise


def sync_directory(path: str) -> None:
    """Write a directory's entries (the names of its files) to the disk; raises OSError."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
