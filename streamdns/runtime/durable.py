"""What makes names of files outlive a crash of the machine."""

from __future__ import annotations

import os


def sync_directory(path: str) -> None:
    """Have the names in a directory on the disk; raises OSError."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
