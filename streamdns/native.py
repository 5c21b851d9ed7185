"""Native threads: what takes long without the GIL, or waits without knowing of gevent, is done in one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gevent
from gevent.threadpool import ThreadPool

_T = TypeVar("_T")


def in_thread(work: Callable[..., _T], *arguments: Any, pool: ThreadPool | None = None) -> _T:
    """Do something in a native thread of `pool`, or of the event loop's own; raises what it raises."""
    # An idle pool has no length, so it would not be true.
    threads = gevent.get_hub().threadpool if pool is None else pool
    result, failure = threads.apply(outcome, (work, arguments))
    if failure is not None:
        raise failure
    return result  # type: ignore[no-any-return]


def outcome(work: Callable[..., _T], arguments: tuple[Any, ...]) -> tuple[_T | None, Exception | None]:
    """What `work` gives or raises: a pool prints what is raised in its threads, even where it is expected."""
    try:
        return work(*arguments), None
    except Exception as error:  # noqa: BLE001 - raised again where it is waited for
        return None, error
