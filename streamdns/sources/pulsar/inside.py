"""Keeps count of the threads that are inside Pulsar's library, and lets the process end only when none is.

A thread that comes back from C++ after the interpreter has ended is ended by it, in the middle of C++ code that forbids
that: the process would abort though it was told to stop. `streamdns` itself does not take its interpreter down
(__main__.py); this is for other programs that read with this source.
"""

from __future__ import annotations

import atexit
import time
from _thread import LockType
from collections.abc import Callable
from typing import Any, Final, TypeVar

from gevent.monkey import get_original

_T = TypeVar("_T")
#: A client that is closed gives back its threads at once; this is for one that hangs.
_PATIENCE_S: Final = 6.0
_native_lock: Final = get_original("_thread", "allocate_lock")
_inside: set[LockType] = set()


def inside(work: Callable[..., _T], *arguments: Any) -> _T:
    """Call something that calls the library; the end of the process waits for it."""
    left: LockType = _native_lock()
    left.acquire()
    _inside.add(left)
    try:
        return work(*arguments)
    finally:
        _inside.discard(left)
        left.release()


@atexit.register
def _wait() -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    for left in list(_inside):
        left.acquire(timeout=max(0.0, deadline_s - time.monotonic()))
