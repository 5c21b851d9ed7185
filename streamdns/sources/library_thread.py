"""Runs the calls of a client library, which would block the event loop, in one native thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import gevent
from gevent.event import AsyncResult
from gevent.threadpool import ThreadPool

from streamdns.errors import SourceError
from streamdns.runtime.native import in_thread, outcome

_T = TypeVar("_T")
_CLOSE_S: Final = 0.9


class LibraryThread:
    """The native thread in which all calls of one client are made, so the event loop never waits for them.

    `name` says whose client it is, Kafka for instance.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._pool: ThreadPool | None = ThreadPool(1)

    @property
    def closed(self) -> bool:
        """Whether close() was called; work that waits in the thread looks at this often."""
        return self._pool is None

    def run(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """Do work in the thread; raises what it raises, and SourceError after close()."""
        if self._pool is None:
            raise SourceError(f"the {self._name} client is closed")
        return in_thread(work, *arguments, pool=self._pool)

    def close(self, last: Callable[[], None]) -> None:
        """Do one last piece of work in the thread, and end it; may be called twice.

        A close that hangs must not keep anybody waiting: the thread is given back whenever it is over.
        """
        pool, self._pool = self._pool, None
        if pool is not None:
            gevent.spawn(_give_back, pool, last).join(_CLOSE_S)


def _give_back(pool: ThreadPool, last: Callable[[], None]) -> None:
    done: AsyncResult = pool.spawn(outcome, last, ())
    done.wait()
    pool.kill()
