"""Metrics of the process itself, read from /proc when they are collected."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

from streamdns.metrics.registry import Registry
from streamdns.runtime import logs

_DESCRIPTORS = "/proc/self/fd"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def register(registry: Registry, *, started_s: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Add the metrics of the process to a registry; started_s is the clock's value at the start."""
    registry.callback("process.cpu_seconds", lambda: sum(os.times()[:2]))
    registry.callback("process.resident_bytes", resident_bytes)
    registry.callback("process.descriptors", open_descriptors)
    registry.callback("process.descriptors_max", lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    registry.callback("process.uptime_seconds", lambda: clock() - started_s)
    registry.callback("process.log_lines_lost", logs.lost_lines)


def open_descriptors() -> int:
    """Return how many files this process has open: Linux 6.2 and newer say so as the size of the directory of them.

    To list thousands of them takes milliseconds, in which no query is answered.
    """
    return os.stat(_DESCRIPTORS).st_size or len(os.listdir(_DESCRIPTORS)) - 1


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes, with the mapped pages of the view (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE_BYTES
