"""Runs in native threads what would block the event loop: long computing, and libraries that wait without gevent."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import gevent
from gevent.threadpool import ThreadPool

_T = TypeVar("_T")
#: So much lower than that of the process is the priority of such a thread: where both want one core, it gets a quarter
#: of what the event loop has. Were it a fixed one, nobody could sign in on a node whose process is above others that
#: keep all cores busy.
_BEHIND: Final = 5
_LOWEST: Final = 19


def in_thread(work: Callable[..., _T], *arguments: Any, pool: ThreadPool | None = None) -> _T:
    """Call `work` in a native thread of `pool`, or of the event loop's own pool; raises what it raises."""
    # An idle pool has no length, so it would not be true.
    threads = gevent.get_hub().threadpool if pool is None else pool
    return _opened(threads.apply(outcome, (work, arguments)))  # type: ignore[no-any-return]


def outcome(work: Callable[..., _T], arguments: tuple[Any, ...]) -> tuple[_T | None, Exception | None]:
    """Call `work` and return its result or its exception: a pool would print an exception, even an expected one."""
    try:
        return work(*arguments), None
    except Exception as error:  # noqa: BLE001 - raised again where it is waited for
        return None, error


def _opened(found: tuple[Any, Exception | None]) -> Any:
    """Return the result of an outcome, or raise its exception."""
    result, failure = found
    if failure is not None:
        raise failure
    return result


class LowPriorityThread:
    """One native thread of low priority for computing that can wait; it is made when it is first needed.

    The kernel lets the event loop go before it where both want one core (on Linux a nice value is a thread's own).
    """

    def __init__(self) -> None:
        self._pool: ThreadPool | None = None

    def run(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """Call `work` in the thread; raises what it raises. A killed caller ends only when the work has ended."""
        if self._pool is None:
            self._pool = ThreadPool(1)
            self._pool.spawn(lower_priority)
        done = self._pool.spawn(outcome, work, arguments)
        try:
            found = done.get()
        except BaseException:
            # What the thread has in its hands must not be closed under it.
            done.wait()
            raise
        return _opened(found)  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the thread when its work is done."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            pool.kill()


def lower_priority(by: int = _BEHIND) -> None:
    """Lower the priority of this thread, and of those that it starts from now on, by so many steps of nice(1)."""
    thread = threading.get_native_id()
    # A process that runs at a still lower priority may not raise it again.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, min(_LOWEST, os.getpriority(os.PRIO_PROCESS, thread) + by))
