"""The limit of open files of this process (RLIMIT_NOFILE): raised at start, and asked when connections are counted."""

from __future__ import annotations

import resource


def raise_open_files() -> None:
    """Let this process open as many files as the system allows it: sockets and connections need one each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def open_files() -> int:
    """How many files this process may have open at a time."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
