"""The processor time of threads of other processes, to the microsecond while they run.

/proc/PID/schedstat says what a thread had at the last tick of the kernel's clock, up to 4 ms ago where that has 250 Hz:
of a server that is busy it shows steps of 4 ms, whatever a datagram waited for. A software event of
perf_event_open(2) is brought up to date when it is read.
"""

from __future__ import annotations

import ctypes
import os
import pathlib
import platform
import struct
from collections.abc import Sequence
from typing import Final

_CALL: Final = {"x86_64": 298, "aarch64": 241}
_SOFTWARE, _TASK_CLOCK = 1, 1
#: type, size, config; no sampling; nothing is left out.
_ATTRIBUTES: Final = struct.pack("IIQQQQQIIQ", _SOFTWARE, 64, _TASK_CLOCK, 0, 0, 0, 0, 0, 0, 0)
_CLOSE_ON_EXEC: Final = 8
_libc: Final = ctypes.CDLL(None, use_errno=True)


class ProcessorTime:
    """Counts the processor time of these threads; `exact` says whether it has no steps.

    Where the kernel does not let perf_event_open(2) through, /proc has to do. That is also for bounds: an event counts
    what the hypervisor takes away from a thread as its own.
    """

    def __init__(self, threads: Sequence[int], *, exact: bool) -> None:
        self._threads = list(threads)
        self._events: list[int] = []
        for thread in self._threads if exact else []:
            event = _open(thread)
            if event is None:
                self.close()
                break
            self._events.append(event)
        self.exact = bool(self._events)

    def ns(self) -> int:
        """Return the sum; what is looked at is how it grows."""
        if self._events:
            return sum(int.from_bytes(os.read(event, 8), "little") for event in self._events)
        return processor_ns(self._threads)

    def close(self) -> None:
        """Close what was opened."""
        for event in self._events:
            os.close(event)
        self._events.clear()


def _open(thread: int) -> int | None:
    number = _CALL.get(platform.machine())
    if number is None:
        return None
    event: int = _libc.syscall(number, ctypes.create_string_buffer(_ATTRIBUTES), thread, -1, -1, _CLOSE_ON_EXEC)
    return None if event < 0 else event


def processor_ns(threads: Sequence[int]) -> int:
    """Return what /proc says of these threads, in steps of a tick for those that run."""
    total = 0
    for thread in threads:
        try:
            total += int(pathlib.Path(f"/proc/{thread}/task/{thread}/schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue  # It has ended.
    return total
