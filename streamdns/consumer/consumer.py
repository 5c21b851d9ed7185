"""The consumer: reads the log and applies it to the view; rebuilds the view when the log is not the one it came from.

It runs in one greenlet; the writer's transactions run in a native thread of their own, so queries are answered
meanwhile. A log that cannot be read, a full disk, a bad event: each is a state that status shows, and none ends the
process.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence

from streamdns.consumer.last_contact import LastContact, duration_text
from streamdns.consumer.progress import Progress
from streamdns.consumer.rebuild import Rebuilds
from streamdns.consumer.serving_view import Reader, align
from streamdns.consumer.writer_thread import Stopped, WriterThread
from streamdns.dns import name, rdata
from streamdns.errors import LogReplaced, ReadAnew, SourceError, SourceStalled, ViewCorrupt, ViewFull
from streamdns.events.batch import Batch, Partition
from streamdns.events.fence import Fence
from streamdns.metrics.registry import Registry
from streamdns.runtime import logs
from streamdns.runtime.lifecycle import Service
from streamdns.sources.base import Source
from streamdns.view.claims import Claims
from streamdns.view.delete_guard import DeleteGuard
from streamdns.view.reader import Inspector
from streamdns.view.store import RULES, Position, State, Store
from streamdns.view.view import View
from streamdns.view.writer import MARK_EVERY, Applied, LocalRRset, Writer

_log = logs.get("consumer")

_READ_TIMEOUT_S = 1.0
_BACKOFF_FIRST_S = 0.5
_CHECK_READERS_S = 60.0
_FILL_FACTOR = 10
#: While the process lives no shorter absence counts: the ends of the log are not looked at all the time.
_LEAST_ABSENCE_S = 10.0
_NOTHING = Batch([], {}, False)


class _RebuildNeeded(Exception):
    """The view must be built again from the beginning of the log, although the log is the same; caught below."""

    def __init__(self, reason: str, *, event: str = "", request_id: str = "") -> None:
        self.reason, self.event, self.request_id = reason, event, request_id
        super().__init__(reason)


class Consumer(Service):
    """Applies one log to one view; `progress` holds the state that status and metrics show."""

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
        swap_guard: float,
        delete_guard: DeleteGuard,
        fence: Fence | None = None,
        zones: Iterable[bytes] = (),
        backoff_max_s: float = 10.0,
        now_s: Callable[[], float] = time.time,
        elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._view = view
        self._make_source = make_source
        self._default_ttl, self._journal_size, self._quarantine_size = default_ttl, journal_size, quarantine_size
        self._batch_events, self._backoff_max_s = batch_events, backoff_max_s
        self._local = tuple(local)
        self._fence = Fence() if fence is None else fence
        self._claims, self._relist = Claims(zones), False
        self._now_s = now_s
        self._distrust = ""
        self._readers_checked_s = 0.0
        self.progress = Progress(registry, now_s)
        self._thread = WriterThread(self.progress)
        self._stopping = self._thread.stopping
        self._rebuilds = Rebuilds(view, self._thread, self.progress, now_s, swap_guard=swap_guard)
        self._last_contact = LastContact(now_s, elapsed_s)
        self._least_absence_s = 0.0
        self._warned: set[str] = set()
        self.delete_guard = delete_guard

    def start(self) -> None:
        """Check whether the view can be continued. Raises ViewError: without a view there is nothing to serve."""
        self._thread.start()
        self._distrust = self._reason_to_rebuild()
        if self._view.rebuild is not None:
            self.progress.resumes(self._view.rebuild.held, followed=self._view.rebuild.same_log)
        self._rebuilds.tell_served()

    def _reason_to_rebuild(self) -> str:
        """Say why the view, or an unfinished rebuild, must be built again; "" when it can be continued."""
        view, ttl = self._view, self._default_ttl
        if view.rebuilding is not None:
            return _made_otherwise(view.rebuilding.state(), ttl, self._fence.text, "a rebuild began")
        if view.damaged is not None:
            return view.damaged
        if view.store.outdated:
            return "the view was written by an older version"
        return _made_otherwise(view.store.state(), ttl, self._fence.text, "the view was made")

    def run(self) -> None:
        """Follow the log until stop(); reconnects after failures, rebuilds the view when needed."""
        pause_s = _BACKOFF_FIRST_S
        try:
            self._thread.run(rdata.text_types)
            if self._distrust:
                self._rebuild(self._distrust, damaged=self._view.damaged is not None)
            if not self._view.store.outdated:
                self._write_local(self._view.store)
                self._rebuilds.tell_served()
            while not self._stopping.is_set():
                began_s = time.monotonic()
                try:
                    self._follow_or_rebuild()
                except SourceError as err:
                    self._raise_if_stopped(err)
                    if time.monotonic() - began_s > self._backoff_max_s:
                        pause_s = _BACKOFF_FIRST_S
                    self.progress.disconnected(str(err))
                    if isinstance(err, SourceStalled):
                        self.progress.alarm("stalled", str(err))
                        _log.error("consumer.stalled", error=str(err))
                    jitter = random.uniform(0.5, 1.5)  # noqa: S311 - no secret
                    retry_s = round(min(pause_s * jitter, self._backoff_max_s), 2)
                    _log.warning("consumer.reconnecting", error=str(err), retry_s=retry_s)
                    self._stopping.wait(retry_s)
                    pause_s = min(2 * pause_s, self._backoff_max_s)
        except Stopped:
            pass

    def _follow_or_rebuild(self) -> None:
        try:
            self._follow()
        except (_RebuildNeeded, ReadAnew) as need:
            if need.event:
                _log.error(need.event, error=need.reason)
                self.progress.alarm("away-too-long", need.reason)
            self._rebuilds.begin(need.reason, same_log=True, request_id=need.request_id)
        except LogReplaced as err:
            self._raise_if_stopped(err)
            _log.error("consumer.log_replaced", error=str(err))
            self.progress.alarm("log-replaced", str(err))
            self._rebuilds.begin(str(err))
        except ViewCorrupt as err:
            self.progress.alarm("view-damaged", str(err))
            self._rebuild(str(err), damaged=True)

    def _raise_if_stopped(self, err: SourceError) -> None:
        """Raise Stopped if stop() was called: it closes the source under a waiting read, so the error means nothing."""
        if self._stopping.is_set():
            raise Stopped from err

    def _follow(self) -> None:
        """Connect and apply events; returns when a rebuilt view was swapped in or stop() was called."""
        store = self._view.rebuilding or self._view.store
        rebuilding = store is self._view.rebuilding
        writer = self._writer(store)
        state = store.state()
        marker = self._view.rebuild
        self.progress.reads(state, rebuilding=rebuilding, held=None if marker is None else marker.held)
        if state.pending_zones:
            self._apply(writer, _NOTHING, {})
        positions = _positions(store)
        self._thread.source = source = self._make_source()
        writer.mark_every = MARK_EVERY.get(source.unit, writer.mark_every)
        serving_reader: Reader | None = None
        try:
            complete = state.complete
            if complete:
                self._make_durable(store)
            self._connect(source, store, positions, complete=complete)
            reader = Reader(source, writer, {each: at.next for each, at in positions.items()}, self._apply)
            if complete and not rebuilding:
                reader.order()
            serving_reader = self._serving_reader() if rebuilding else None
            while not self._stopping.is_set():
                # A view that does not serve yet is filled in larger steps: fewer pages are written twice.
                most = self._batch_events if complete else self._batch_events * _FILL_FACTOR
                for batch in reader.read(max_records=most, timeout_s=_READ_TIMEOUT_S):
                    if batch.caught_up and not complete and not batch.positions:
                        self._apply(writer, batch, source.fingerprints())
                    reader.apply(batch)
                if serving_reader is not None:
                    serving_reader.apply_waiting(max_records=self._batch_events)
                self.progress.contact(source, batch.caught_up)
                self._keep_contact(source, store, batch.whole_s, complete=complete)
                if batch.caught_up and rebuilding and self._take_over(store, reader, serving_reader):
                    return
                if batch.caught_up and not complete:
                    complete = True
                    reader.order()
                    self._make_durable(store)
                    _log.info("consumer.caught_up", records=store.state().records)
                self._honour_request()
                self._list_claims(store)
                self._check_readers(store)
        finally:
            self._thread.source = None
            source.close()
            if serving_reader is not None:
                serving_reader.source.close()

    def _take_over(self, store: Store, reader: Reader, serving_reader: Reader | None) -> bool:
        """Let a rebuilt view that has all of its log serve; returns False where it has to wait. Raises Stopped."""
        guard = self._rebuilds.guard
        if not guard.due(store) or (serving_reader is not None and serving_reader.lags(reader)):
            return False
        self._write_local(store)
        if not guard.may_swap(store, followed=serving_reader is not None):
            return False
        found = guard.found
        if serving_reader is not None:
            align(reader, serving_reader, max_records=self._batch_events)
            found = None
        self._make_durable(store)
        self._rebuilds.swap(store, found)
        return True

    def set_swap_guard(self, share: float) -> None:
        """Let a rebuilt view take away so much from now on, as a share of what is served (SIGHUP)."""
        self._rebuilds.guard.share = share

    def _make_durable(self, store: Store) -> None:
        """Make a view that now holds the whole log durable; until then its commits do not wait for the disk."""
        if store.unsynced:
            self._thread.with_room(store, store.flush)
            store.make_durable()  # In the event loop's thread: here no snapshot is open.

    def _serving_reader(self) -> Reader | None:
        """Make the reader that keeps the serving view up to date during a rebuild; None where that is not possible."""
        view = self._view
        if view.rebuild is None or not view.rebuild.same_log or view.damaged is not None or view.store.outdated:
            return None
        if not view.store.state().complete:
            return None  # It gives no answers, so the one that is being filled is all that counts.
        positions = _positions(view.store)
        source = self._make_source()
        try:
            source.connect(*_as_source_takes(positions))
        except LogReplaced:
            source.close()  # The view that is being filled was just connected: it is of the log as it is now.
            return None
        except BaseException:
            source.close()
            raise
        following = {each: at.next for each, at in positions.items()}
        reader = Reader(source, self._writer(view.store), following, self._apply)
        reader.order()
        return reader

    def _connect(
        self, source: Source, store: Store, positions: dict[Partition, Position], *, complete: bool
    ) -> None:
        contact = self._last_contact
        contact.watch(store)
        if not positions:
            contact.start_reading()
        source.connect(*_as_source_takes(positions))
        self.progress.connected(source, positions)
        _log.info("consumer.connected", source=source.describe(), partitions=len(source.ends()))
        warnings = source.details()["warnings"]
        for warning in warnings:
            if warning not in self._warned:
                _log.warning("consumer.log_unwise", warning=warning)
        self._warned = set(warnings)
        self._raise_if_away(source, contact.absence_s() if complete else contact.pause_s())
        self._least_absence_s = _LEAST_ABSENCE_S

    def _raise_if_away(self, source: Source, absence_s: float) -> None:
        """Raise _RebuildNeeded when the log was not read for longer than it keeps deletes.

        An absence shorter than twice the last rebuild does not count: otherwise a rebuild that takes longer than
        deletes are kept would be begun again and again.
        """
        retention_s = source.retention_s
        if retention_s is None or absence_s <= max(retention_s, self._least_absence_s, 2 * self._rebuilds.seconds):
            return
        self._least_absence_s = _LEAST_ABSENCE_S
        raise _RebuildNeeded(
            f"the log was out of reach or not read to its end for {duration_text(absence_s)} and keeps deletes for "
            f"{duration_text(retention_s)}: some may have been missed",
            event="consumer.away_too_long",
        )

    def _keep_contact(self, source: Source, store: Store, whole_s: float | None, *, complete: bool) -> None:
        """Note that a read was answered and applied, and since when nothing is missing; check for missed deletes."""
        contact = self._last_contact
        absence_s, pause_s = contact.absence_s(), contact.pause_s()
        contact.applied(whole_s)
        if source.retention_s is None:
            return
        self.progress.whole_s = contact.whole_s
        if not complete:
            self._raise_if_away(source, pause_s)  # As long as it is read without a pause another try does no better.
        if whole_s is not None:
            if complete:
                self._raise_if_away(source, absence_s)
            elif absence_s > source.retention_s:
                took = (
                    f"reading the log took {duration_text(absence_s)} and it keeps deletes for "
                    f"{duration_text(source.retention_s)}"
                )
                _log.error("consumer.log_too_slow", error=took)
                missed = f"{took}: names that were deleted meanwhile may still be there"
                self.progress.alarm("log-too-slow", missed)
        if contact.save_due():
            try:
                self._thread.run(contact.save, store)
            except ViewFull:
                pass  # The next commit says so, and waits.

    def _honour_request(self) -> None:
        """Raise _RebuildNeeded if an administrator has asked for a rebuild."""
        request = self._rebuilds.asked()
        if request is not None:
            raise _RebuildNeeded(f"asked for by {request.by}", request_id=request.id)

    def _check_readers(self, store: Store) -> None:
        """Clear dead readers of the view once a minute: one that is left would make the view grow for ever."""
        now_s = time.monotonic()
        if now_s - self._readers_checked_s > _CHECK_READERS_S:
            self._readers_checked_s = now_s
            store.check_readers()

    def _apply(self, writer: Writer, batch: Batch, fingerprints: dict[Partition, str]) -> None:
        """Apply a batch and let zones claim their names; while there is no room, wait and try again. Raises Stopped."""
        more = True
        while more:
            began_s = time.perf_counter()
            now_ms = int(self._now_s() * 1000)
            applied = self._thread.with_room(writer.store, writer.apply, batch, fingerprints, now_ms)
            if self._view.rebuilding is not None and writer.store is self._view.store:
                self.progress.applied_to_serving(batch, applied)
            else:
                self.progress.applied(batch, applied, time.perf_counter() - began_s)
            self._tell(applied)
            more, batch = applied.more, _NOTHING

    def _tell(self, applied: Applied) -> None:
        """Log what was wrong with events of a batch; what hides others behind it is an alarm."""
        for event in applied.rejections:
            if event.kind == "batch":
                where = f"topic {event.topic}, partition {event.partition}"
                self.progress.alarm("batch-passed-over", f"{where}: {event.reason}")
                _log.error(
                    "consumer.batch_passed_over", topic=event.topic, partition=event.partition, position=event.position,
                    reason=event.reason,
                )
            else:
                _log.warning(
                    "consumer.event_rejected", topic=event.topic, partition=event.partition, position=event.position,
                    reason=event.reason,
                )
        for warned in applied.warnings:
            self.progress.alarm("deletes", warned.sentence)
            _log.error("consumer.many_deletes", reason=warned.sentence)
        for claim in applied.claimed:
            zone = name.to_text(claim.owner)
            self.progress.alarm("zone-claimed", f"the zone {zone} {claim.detail}")
            _log.error("consumer.zone_claimed", zone=zone, reason=claim.detail)
        for event in applied.left_out:
            _log.warning(
                "consumer.metadatas_left_out", topic=event.topic, partition=event.partition, position=event.position,
                reason=event.reason,
            )

    def _writer(self, store: Store) -> Writer:
        return Writer(
            store,
            default_ttl=self._default_ttl,
            journal_size=self._journal_size,
            quarantine_size=self._quarantine_size,
            delete_guard=self.delete_guard if store is self._view.store else None,
            fence=self._fence,
            claims=self._claims,
        )

    def _write_local(self, store: Store) -> None:
        """Write what is of this instance alone into a view: its own records, and which claims of zones are wanted."""
        now_ms = int(self._now_s() * 1000)
        self._thread.with_room(store, self._writer(store).set_local, self._local, now_ms)
        self._list_claims(store, anew=True)

    def expect(self, zones: Iterable[bytes]) -> None:
        """Take zones for wanted from now on, by their lookup keys, which else would be conflicts."""
        wanted = frozenset(zones)
        self._relist = self._relist or wanted != self._claims.expected
        self._claims.expected = wanted

    def _list_claims(self, store: Store, *, anew: bool = False) -> None:
        """List which zones take names of the Internet anew where the settings were changed."""
        if self._relist or anew:
            self._relist = False
            self._thread.with_room(store, self._writer(store).list_claims, int(self._now_s() * 1000))

    def _rebuild(self, reason: str, *, damaged: bool) -> None:
        """Begin a rebuild because of the view, not because of the log."""
        _log.warning("view.rebuild_needed", reason=reason)
        self._rebuilds.begin(reason, damaged=damaged)

    def stop(self) -> None:
        """Finish the running commit, then stop; the next start reads on behind it."""
        self._stopping.set()
        if self._thread.source is not None:
            self._thread.source.close()
        self._thread.stop()

    def ready(self) -> bool:
        """Return whether the view has once held the whole log and is not older than the staleness limit."""
        return self.progress.ready


def _made_otherwise(state: State, default_ttl: int, fence: str, when: str) -> str:
    """Why what stands in a view is not what its events mean now; "" where it is."""
    if state.default_ttl < 0:
        return ""
    if state.rules != RULES:
        return f"{when} by a version that judged events by other rules"
    if state.default_ttl != default_ttl:
        return f"DNS_DEFAULT_TTL was {state.default_ttl} when {when} and is {default_ttl} now"
    if state.fence != fence:
        was, now = state.fence or "nothing", fence or "nothing"
        return f"DNS_ZONES_ALLOW, DNS_TOPIC_ZONES and a root in DNS_ZONES said {was} when {when} and say {now} now"
    return ""


def _positions(store: Store) -> dict[Partition, Position]:
    with Inspector(store) as view:
        return view.positions()


def _as_source_takes(positions: dict[Partition, Position]) -> tuple[dict[Partition, int], dict[Partition, str]]:
    """Split stored positions into positions and fingerprints, as Source.connect() takes them."""
    fingerprints = {partition: each.fingerprint for partition, each in positions.items() if each.fingerprint}
    return {partition: each.next for partition, each in positions.items()}, fingerprints
