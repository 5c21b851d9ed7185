"""The consumer: reads the log and has it applied to the view; when the log is another one, it rebuilds the view beside.

It runs in one greenlet; the writer's transactions run in a native thread of their own, so answers go on meanwhile. A
log that cannot be read, a full disk, a bad event: each is a state that is shown, never the end of the process.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from streamdns import logs
from streamdns.dns import rdata
from streamdns.errors import LogReplaced, SourceError, ViewCorrupt, ViewFull
from streamdns.events.progress import Progress
from streamdns.events.sources.base import Batch, Partition, Source
from streamdns.lifecycle import Service
from streamdns.metrics.registry import Registry
from streamdns.view.reader import Inspector
from streamdns.view.store import Position, Store
from streamdns.view.view import View
from streamdns.view.writer import Applied, LocalRRset, Writer

_log = logs.get("consumer")
_T = TypeVar("_T")

_READ_TIMEOUT_S = 1.0
_BACKOFF_FIRST_S, _BACKOFF_LAST_S = 0.5, 10.0
_FULL_RETRY_S = 1.0
_NOTHING = Batch([], {}, False)


class _Stopped(Exception):
    """stop() was called while the consumer was at work."""


class Consumer(Service):
    """Follows one log into one view; `progress` is what status and metrics show of it."""

    name = "consumer"

    def __init__(
        self,
        view: View,
        make_source: Callable[[], Source],
        *,
        registry: Registry,
        default_ttl: int,
        journal_size: int,
        quarantine_size: int,
        batch_events: int,
        local: Sequence[LocalRRset],
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._view = view
        self._make_source = make_source
        self._default_ttl, self._journal_size, self._quarantine_size = default_ttl, journal_size, quarantine_size
        self._batch_events = batch_events
        self._local = tuple(local)
        self._now_s = now_s
        self._pool: ThreadPool | None = None
        self._stopping = Event()
        self.progress = Progress(registry, now_s)

    def start(self) -> None:
        """Write this instance's own records into the view, and see whether the view is one to go on with.

        Raises ViewError: without its view there is nothing to serve.
        """
        self._stopping.clear()
        self._pool = ThreadPool(1)
        state = self._view.store.state()
        reason = ""
        if self._view.damaged is not None:
            reason = self._view.damaged
        elif self._view.store.outdated:
            reason = "the view was written by an older version"
        elif state.default_ttl not in (-1, self._default_ttl):
            reason = f"DNS_DEFAULT_TTL was {state.default_ttl} when the view was made and is {self._default_ttl} now"
        if reason and self._view.rebuilding is None:
            _log.warning("view.rebuild_needed", reason=reason)
            self._begin_rebuild(reason)
        self.progress.saw_state(self._view.store)

    def run(self) -> None:
        """Follow the log until stop(), through everything that can happen to it."""
        pause_s = _BACKOFF_FIRST_S
        try:
            self._in_thread(rdata.text_types)
            self._write_local(self._view.store)
            while not self._stopping.is_set():
                began_s = time.monotonic()
                try:
                    self._follow()
                except LogReplaced as err:
                    _log.error("consumer.log_replaced", error=str(err))
                    self.progress.alarm(str(err))
                    self._begin_rebuild(str(err))
                    continue
                except ViewCorrupt as err:
                    _log.error("view.rebuild_needed", reason=str(err))
                    self.progress.alarm(str(err))
                    self._begin_rebuild(str(err))
                    continue
                except SourceError as err:
                    if time.monotonic() - began_s > _BACKOFF_LAST_S:
                        pause_s = _BACKOFF_FIRST_S
                    self.progress.disconnected(str(err))
                    retry_s = round(pause_s * random.uniform(0.5, 1.5), 2)  # noqa: S311 - jitter
                    _log.warning("consumer.reconnecting", error=str(err), retry_s=retry_s)
                    self._stopping.wait(retry_s)
                    pause_s = min(2 * pause_s, _BACKOFF_LAST_S)
        except _Stopped:
            pass

    def _follow(self) -> None:
        """Connect and apply what comes; returns when a rebuild was swapped in or stop() was called."""
        store = self._view.rebuilding or self._view.store
        rebuilding = store is self._view.rebuilding
        writer = self._writer(store)
        positions = _positions(store)
        source = self._make_source()
        try:
            fingerprints = {partition: each.fingerprint for partition, each in positions.items() if each.fingerprint}
            self._connect(source, positions, fingerprints)
            self.progress.connected(source, positions, rebuilding)
            complete = store.state().complete
            while not self._stopping.is_set():
                batch = source.read(max_records=self._batch_events, timeout_s=_READ_TIMEOUT_S)
                if batch.records or batch.positions or (batch.caught_up and not complete):
                    applied = self._apply(writer, batch, source)
                    while applied.more:
                        applied = self._apply(writer, _NOTHING, source)
                self.progress.contact(source, batch.caught_up)
                if batch.caught_up and rebuilding:
                    self._swap(store)
                    return
                if batch.caught_up and not complete:
                    complete = True
                    _log.info("consumer.caught_up", records=store.state().records)
        finally:
            source.close()

    def _connect(
        self, source: Source, positions: dict[Partition, Position], fingerprints: dict[Partition, str]
    ) -> None:
        source.connect({partition: each.next for partition, each in positions.items()}, fingerprints)
        _log.info("consumer.connected", source=source.describe(), partitions=len(source.ends()))

    def _apply(self, writer: Writer, batch: Batch, source: Source) -> Applied:
        """Apply a batch; as long as there is no room for it, wait and try again."""
        full = False
        while True:
            began_s = time.perf_counter()
            now_ms = int(self._now_s() * 1000)
            try:
                applied = self._in_thread(writer.apply, batch, source.fingerprints(), now_ms)
            except ViewFull as err:
                if self._grow(writer.store, err):
                    continue
                if not full:
                    full = True
                    _log.error("consumer.view_full", error=str(err))
                self.progress.full(str(err))
                if self._stopping.wait(_FULL_RETRY_S):
                    raise _Stopped from err
                continue
            if full:
                _log.info("consumer.view_recovered")
            self.progress.applied(batch, applied, time.perf_counter() - began_s)
            for rejection in applied.rejections:
                _log.warning(
                    "consumer.event_rejected",
                    topic=rejection.topic,
                    partition=rejection.partition,
                    position=rejection.position,
                    reason=rejection.reason,
                )
            return applied

    def _grow(self, store: Store, err: ViewFull) -> bool:
        """Make the map larger where that is what is missing; runs in the hub, where no snapshot is open now."""
        if "map size" not in str(err) or not store.grow():
            return False
        _log.info("view.grown", map_bytes=store.map_bytes())
        return True

    def _in_thread(self, work: Callable[..., _T], *arguments: Any) -> _T:
        assert self._pool is not None
        return self._pool.apply(work, arguments)  # type: ignore[no-any-return]

    def _writer(self, store: Store) -> Writer:
        return Writer(
            store,
            default_ttl=self._default_ttl,
            journal_size=self._journal_size,
            quarantine_size=self._quarantine_size,
        )

    def _write_local(self, store: Store) -> None:
        writer = self._writer(store)
        while True:
            try:
                self._in_thread(writer.set_local, self._local, int(self._now_s() * 1000))
                return
            except ViewFull as err:
                if self._grow(store, err):
                    continue
                _log.error("consumer.view_full", error=str(err))
                self.progress.full(str(err))
                if self._stopping.wait(_FULL_RETRY_S):
                    raise _Stopped from err

    def _begin_rebuild(self, reason: str) -> None:
        """Fill a new view beside the one that serves."""
        self._view.begin_rebuild(reason)
        self.progress.rebuilds.add()
        _log.info("consumer.rebuild_started", reason=reason)

    def _swap(self, store: Store) -> None:
        """The new view has all of the log: it serves from now on."""
        self._write_local(store)
        before = self._view.store.state()
        self._view.swap()
        after = store.state()
        _log.info(
            "consumer.rebuild_swapped",
            records_before=before.records,
            records=after.records,
            same_data=before.digest == after.digest,
        )

    def stop(self) -> None:
        """Finish the commit that runs, then let go."""
        self._stopping.set()
        if self._pool is not None:
            pool, self._pool = self._pool, None
            gevent.spawn(pool.join).join(timeout=5)
            pool.kill()

    def ready(self) -> bool:
        """Whether the view has once caught up with its log and is not older than the staleness limit."""
        return self.progress.ready


def _positions(store: Store) -> dict[Partition, Position]:
    with Inspector(store) as view:
        return view.positions()
