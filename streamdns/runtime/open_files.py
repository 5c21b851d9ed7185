"""The limit of open files of this process (RLIMIT_NOFILE): raised at start, and asked when connections are counted."""

from __future__ import annotations

import resource

#: Descriptors that TCP connections leave to everything else.
_OTHERS = 200
_LEAST_CONNECTIONS = 8


def raise_open_files() -> None:
    """Let this process open as many files as the system allows it: sockets and connections need one each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def open_files() -> int:
    """How many files this process may have open at a time."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def most_open_files() -> int:
    """How many files it may have open after raise_open_files()."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def connections_of(wanted: int, files: int) -> int:
    """How many TCP connections may be open: as wanted, but other files and sockets have descriptors left."""
    if files == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(_LEAST_CONNECTIONS, files - _OTHERS))
