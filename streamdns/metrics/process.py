"""Metrics of the process itself, read from /proc when they are collected."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

from streamdns.metrics.registry import Registry
from streamdns.runtime import logs

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def register(registry: Registry, *, started_s: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Add the metrics of the process to a registry; started_s is the clock's value at the start."""
    registry.callback("process.cpu_seconds", lambda: sum(os.times()[:2]))
    registry.callback("process.resident_bytes", resident_bytes)
    registry.callback("process.descriptors", lambda: len(os.listdir("/proc/self/fd")) - 1)
    registry.callback("process.descriptors_max", lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    registry.callback("process.uptime_seconds", lambda: clock() - started_s)
    registry.callback("process.log_lines_lost", logs.lost_lines)


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes, with the mapped pages of the view (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE_BYTES
