"""Runs all writes to a view in one native thread, and waits and tries again while there is no room for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gevent.event import Event
from gevent.threadpool import ThreadPool

from streamdns.consumer.progress import Progress
from streamdns.errors import ViewFull
from streamdns.runtime import logs
from streamdns.runtime.native import in_thread
from streamdns.sources.base import Source
from streamdns.view.store import MapFull, Store

_log = logs.get("consumer")
_T = TypeVar("_T")
_FULL_RETRY_S = 1.0


class Stopped(Exception):
    """The consumer was told to stop while it worked; Consumer.run() catches it."""


class WriterThread:
    """One native thread for all writes; while there is no room it asks `source` for the lag that status shows."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._pool: ThreadPool | None = None
        self.stopping = Event()
        self.source: Source | None = None

    def start(self) -> None:
        """Start the thread."""
        self.stopping.clear()
        self._pool = ThreadPool(1)

    def stop(self) -> None:
        """Wait until the running work is done, then end the thread."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.join()
            pool.kill()

    def run(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """Call `work` in the thread. Raises what it raises, and Stopped when the thread has ended."""
        if self._pool is None:
            raise Stopped
        return in_thread(work, *arguments, pool=self._pool)

    def with_room(self, store: Store | None, work: Callable[..., _T], *arguments: Any) -> _T:
        """Call `work`, which writes, in the thread; while there is no room, grow the map or wait, and try again.

        Raises what it raises but ViewFull, and Stopped.
        """
        full = False
        while True:
            try:
                result = self.run(work, *arguments)
            except ViewFull as err:
                if store is not None and isinstance(err, MapFull) and store.grow():
                    _log.info("view.grown", map_bytes=store.map_bytes())
                    continue
                if not full:
                    full = True
                    _log.error("consumer.view_full", error=str(err))
                self.wait_for_room(err)
            else:
                if full:
                    _log.info("consumer.view_recovered")
                    self._progress.recovered()
                return result

    def wait_for_room(self, err: ViewFull) -> None:
        """Show in status that there is no room, and wait a moment. Raises Stopped."""
        self._progress.full(str(err), self.source)
        if self.stopping.wait(_FULL_RETRY_S):
            raise Stopped from err
