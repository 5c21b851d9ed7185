"""The consumer: reads the log and has it applied to the view; when the log is another one, it rebuilds the view beside.

It runs in one greenlet; the writer's transactions run in a native thread of their own, so answers go on meanwhile. A
log that cannot be read, a full disk, a bad event: each is a state that is shown, never the end of the process.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from gevent.event import Event
from gevent.threadpool import ThreadPool

from streamdns import logs
from streamdns.dns import rdata
from streamdns.errors import LogReplaced, SourceError, ViewCorrupt, ViewFull
from streamdns.events.progress import Progress
from streamdns.events.sources.base import Batch, Partition, Source
from streamdns.lifecycle import Service
from streamdns.metrics.registry import Registry
from streamdns.view.reader import Inspector, changed_zones
from streamdns.view.store import MapFull, Position, State, Store
from streamdns.view.view import View
from streamdns.view.writer import LocalRRset, Writer

_log = logs.get("consumer")
_T = TypeVar("_T")

_READ_TIMEOUT_S = 1.0
_BACKOFF_FIRST_S = 0.5
_FULL_RETRY_S = 1.0
_CHECK_READERS_S = 60.0
_FILLING = 5
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
        backoff_max_s: float = 10.0,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._view = view
        self._make_source = make_source
        self._default_ttl, self._journal_size, self._quarantine_size = default_ttl, journal_size, quarantine_size
        self._batch_events, self._backoff_max_s = batch_events, backoff_max_s
        self._local = tuple(local)
        self._now_s = now_s
        self._pool: ThreadPool | None = None
        self._source: Source | None = None
        self._stopping = Event()
        self._distrust = ""
        self._readers_checked_s = 0.0
        self.progress = Progress(registry, now_s)

    def start(self) -> None:
        """See whether the view is one to go on with. Raises ViewError: without its view there is nothing to serve."""
        self._stopping.clear()
        self._pool = ThreadPool(1)
        self._distrust = self._reason_to_rebuild()
        self._tell_served()

    def _tell_served(self) -> None:
        try:
            with Inspector(self._view.store) as view:
                self.progress.serves(view.state, view.positions())
        except ViewCorrupt:
            self.progress.serves(State(), {})  # What serves is of another schema or damaged, and is rebuilt.

    def _reason_to_rebuild(self) -> str:
        """Why the view, or a rebuild that was under way, must be made anew; "" when both can be gone on with."""
        view, ttl = self._view, self._default_ttl
        if view.rebuilding is not None:
            begun = view.rebuilding.state().default_ttl
            return "" if begun in (-1, ttl) else f"DNS_DEFAULT_TTL was {begun} when a rebuild began and is {ttl} now"
        if view.damaged is not None:
            return view.damaged
        if view.store.outdated:
            return "the view was written by an older version"
        made = view.store.state().default_ttl
        return "" if made in (-1, ttl) else f"DNS_DEFAULT_TTL was {made} when the view was made and is {ttl} now"

    def run(self) -> None:
        """Follow the log until stop(), through everything that can happen to it."""
        pause_s = _BACKOFF_FIRST_S
        try:
            self._in_thread(rdata.text_types)
            if self._distrust:
                self._rebuild(self._distrust)
            if not self._view.store.outdated:
                self._write_local(self._view.store)
                self._tell_served()
            while not self._stopping.is_set():
                began_s = time.monotonic()
                try:
                    self._follow()
                except LogReplaced as err:
                    self._raise_if_stopped(err)
                    _log.error("consumer.log_replaced", error=str(err))
                    self.progress.alarm(str(err))
                    self._begin_rebuild(str(err))
                except ViewCorrupt as err:
                    self.progress.alarm(str(err))
                    self._rebuild(str(err))
                except SourceError as err:
                    self._raise_if_stopped(err)
                    if time.monotonic() - began_s > self._backoff_max_s:
                        pause_s = _BACKOFF_FIRST_S
                    self.progress.disconnected(str(err))
                    jitter = random.uniform(0.5, 1.5)  # noqa: S311 - no secret
                    retry_s = round(min(pause_s * jitter, self._backoff_max_s), 2)
                    _log.warning("consumer.reconnecting", error=str(err), retry_s=retry_s)
                    self._stopping.wait(retry_s)
                    pause_s = min(2 * pause_s, self._backoff_max_s)
        except _Stopped:
            pass

    def _raise_if_stopped(self, err: SourceError) -> None:
        """stop() closes the source under a read that waits: what the read then raises is no failure of the log."""
        if self._stopping.is_set():
            raise _Stopped from err

    def _follow(self) -> None:
        """Connect and apply what comes; returns when a rebuild was swapped in or stop() was called."""
        store = self._view.rebuilding or self._view.store
        rebuilding = store is self._view.rebuilding
        writer = self._writer(store)
        state = store.state()
        self.progress.reads(state, rebuilding=rebuilding)
        if state.pending_zones:
            self._apply(writer, _NOTHING, {})
        positions = _positions(store)
        self._source = source = self._make_source()
        try:
            self._connect(source, positions)
            complete = state.complete
            while not self._stopping.is_set():
                # A view that does not serve yet is filled in larger steps: fewer pages are written twice.
                most = self._batch_events if complete else self._batch_events * _FILLING
                batch = source.read(max_records=most, timeout_s=_READ_TIMEOUT_S)
                if batch.records or batch.positions or (batch.caught_up and not complete):
                    self._apply(writer, batch, source.fingerprints())
                self.progress.contact(source, batch.caught_up)
                if batch.caught_up and rebuilding and self._may_swap(store):
                    self._swap(store)
                    return
                if batch.caught_up and not complete:
                    complete = True
                    _log.info("consumer.caught_up", records=store.state().records)
                self._check_readers(store)
        finally:
            self._source = None
            source.close()

    def _connect(self, source: Source, positions: dict[Partition, Position]) -> None:
        fingerprints = {partition: each.fingerprint for partition, each in positions.items() if each.fingerprint}
        source.connect({partition: each.next for partition, each in positions.items()}, fingerprints)
        self.progress.connected(source, positions)
        _log.info("consumer.connected", source=source.describe(), partitions=len(source.ends()))
        for warning in source.details()["warnings"]:
            _log.warning("consumer.log_unwise", warning=warning)

    def _check_readers(self, store: Store) -> None:
        """Now and then: a process that died while it read the view would make it grow for ever."""
        now_s = time.monotonic()
        if now_s - self._readers_checked_s > _CHECK_READERS_S:
            self._readers_checked_s = now_s
            store.check_readers()

    def _apply(self, writer: Writer, batch: Batch, fingerprints: dict[Partition, str]) -> None:
        """Apply a batch, and let zones claim what is theirs; as long as there is no room for it, wait and try again."""
        more = True
        while more:
            began_s = time.perf_counter()
            now_ms = int(self._now_s() * 1000)
            applied = self._with_room(writer.store, writer.apply, batch, fingerprints, now_ms)
            self.progress.applied(batch, applied, time.perf_counter() - began_s)
            for rejection in applied.rejections:
                _log.warning(
                    "consumer.event_rejected",
                    topic=rejection.topic,
                    partition=rejection.partition,
                    position=rejection.position,
                    reason=rejection.reason,
                )
            more, batch = applied.more, _NOTHING

    def _with_room(self, store: Store | None, work: Callable[..., _T], *arguments: Any) -> _T:
        """Do what writes in the native thread; as long as there is no room for it, wait and try again."""
        full = False
        while True:
            try:
                result = self._in_thread(work, *arguments)
            except ViewFull as err:
                if store is not None and isinstance(err, MapFull) and store.grow():
                    _log.info("view.grown", map_bytes=store.map_bytes())
                    continue
                if not full:
                    full = True
                    _log.error("consumer.view_full", error=str(err))
                self.progress.full(str(err), self._source)
                if self._stopping.wait(_FULL_RETRY_S):
                    raise _Stopped from err
            else:
                if full:
                    _log.info("consumer.view_recovered")
                    self.progress.recovered()
                return result

    def _in_thread(self, work: Callable[..., _T], *arguments: Any) -> _T:
        if self._pool is None:
            raise _Stopped
        # The pool prints what is raised in its thread, even where it is expected: so it is handed over as a value.
        result, failure = self._pool.apply(_outcome, (work, arguments))
        if failure is not None:
            raise failure
        return result  # type: ignore[no-any-return]

    def _writer(self, store: Store) -> Writer:
        return Writer(
            store,
            default_ttl=self._default_ttl,
            journal_size=self._journal_size,
            quarantine_size=self._quarantine_size,
        )

    def _write_local(self, store: Store) -> None:
        """Make this instance's own records, and no others, stand in a view."""
        self._with_room(store, self._writer(store).set_local, self._local, int(self._now_s() * 1000))

    def _rebuild(self, reason: str) -> None:
        """Rebuild because of the view, not because of the log."""
        _log.warning("view.rebuild_needed", reason=reason)
        self._begin_rebuild(reason)

    def _begin_rebuild(self, reason: str) -> None:
        """Fill a new view beside the one that serves."""
        self._with_room(None, self._view.begin_rebuild, reason)
        self.progress.rebuilds.add()
        _log.info("consumer.rebuild_started", reason=reason)

    def _may_swap(self, store: Store) -> bool:
        """An empty log must not blank a view that has data: somebody may be about to write it again."""
        state = store.state()
        if state.applied or state.rejected or not self.progress.view.records:
            return True
        self.progress.holds("the log is empty: the view that was there goes on until the log has an event")
        return False

    def _swap(self, store: Store) -> None:
        """The new view has all of the log: it serves from now on."""
        self._write_local(store)
        before, changed = self.progress.view, len(changed_zones(self._view.store, store))
        while True:
            try:
                self._view.swap()  # In the event loop's thread: here no snapshot is open.
                break
            except ViewFull as err:
                self.progress.full(str(err), self._source)
                if self._stopping.wait(_FULL_RETRY_S):
                    raise _Stopped from err
        self._tell_served()
        _log.info(
            "consumer.rebuild_swapped",
            records_before=before.records,
            records=self.progress.view.records,
            same_data=before.digest == self.progress.view.digest,
            zones_changed=changed,
        )
        self._in_thread(self._view.remove_others)

    def stop(self) -> None:
        """Finish the commit that runs, then let go; the next start reads on behind it."""
        self._stopping.set()
        if self._source is not None:
            self._source.close()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.join()
            pool.kill()

    def ready(self) -> bool:
        """Whether the view has once caught up with its log and is not older than the staleness limit."""
        return self.progress.ready


def _outcome(work: Callable[..., _T], arguments: tuple[Any, ...]) -> tuple[_T | None, Exception | None]:
    try:
        return work(*arguments), None
    except Exception as err:  # noqa: BLE001 - raised again where it is waited for
        return None, err


def _positions(store: Store) -> dict[Partition, Position]:
    with Inspector(store) as view:
        return view.positions()
