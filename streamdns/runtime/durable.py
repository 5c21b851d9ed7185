"""Makes created, renamed and removed files survive a crash of the machine."""

from __future__ import annotations

import os


def sync_directory(path: str) -> None:
    """Write a directory's entries (the names of its files) to the disk; raises OSError."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
