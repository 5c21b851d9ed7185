"""Rebuilds the view: begins a new one beside the serving one, counts what it changes, and swaps it in."""

from __future__ import annotations

import time
from collections.abc import Callable

from streamdns.consumer.progress import LastRebuild, Progress
from streamdns.consumer.swap_guard import SwapGuard
from streamdns.consumer.writer_thread import WriterThread
from streamdns.errors import ViewCorrupt, ViewFull
from streamdns.runtime import logs
from streamdns.view import rebuild_request
from streamdns.view.comparison import Differences
from streamdns.view.reader import Inspector
from streamdns.view.rebuild_request import Request
from streamdns.view.store import State, Store
from streamdns.view.view import View

_log = logs.get("consumer")
_LOOK_EVERY_S = 0.5


class Rebuilds:
    """Begins rebuilds and swaps them in; `seconds` is how long the last one that this process finished took."""

    def __init__(
        self, view: View, thread: WriterThread, progress: Progress, now_s: Callable[[], float], *, swap_guard: float
    ) -> None:
        self.guard = SwapGuard(view, thread, progress, now_s, swap_guard)
        self._view, self._thread, self._progress, self._now_s = view, thread, progress, now_s
        self._looked_s = float("-inf")
        self._begun_s = time.monotonic()
        self.seconds = 0.0

    def asked(self) -> Request | None:
        """Return the request of an administrator that can be carried out now; refuse it where there is no room."""
        if self._view.rebuilding is not None or time.monotonic() - self._looked_s < _LOOK_EVERY_S:
            return None  # A rebuild that is under way is what was asked for; its swap takes the request away.
        self._looked_s = time.monotonic()
        found = rebuild_request.pending(self._view.path)
        if found is None:
            return None
        missing = self._view.room().missing(self._view.path)
        if not missing:
            return found
        rebuild_request.withdraw(self._view.path)
        self._progress.refused(found.id, missing)
        _log.error("consumer.rebuild_refused", by=found.by, error=missing)
        return None

    def begin(
        self, reason: str, *, damaged: bool = False, same_log: bool = False, request_id: str = ""
    ) -> None:
        """Create an empty view beside the serving one, after waiting for enough room. Raises Stopped.

        Nobody knows how much room a damaged or outdated view needs, so for these it does not wait.
        """
        view, thread = self._view, self._thread
        if not damaged and not view.store.outdated:
            thread.with_room(None, self._need_room, reason)
        thread.with_room(None, view.begin_rebuild, reason, int(self._now_s() * 1000), request_id, same_log)
        self._begun_s = time.monotonic()
        self._progress.rebuilds.add()
        _log.info("consumer.rebuild_started", reason=reason)

    def _need_room(self, reason: str) -> None:
        view = self._view
        if view.rebuilding is not None:
            view.discard_rebuild()  # It is given up in any case, and its room counts.
        missing = view.room().missing(view.path)
        if missing:
            self._progress.alarm("no-room", f"{reason}; {missing}")
            raise ViewFull(missing)

    def swap(self, store: Store, found: Differences | None) -> None:
        """Let the new view serve, because it now holds the whole log. Raises Stopped.

        `found` is what it changes; None where that is still to be counted.
        """
        view, progress = self._view, self._progress
        before, marker = progress.view, view.rebuild
        assert marker is not None
        if found is None:
            found = self.guard.differences(store)
        asked = rebuild_request.pending(view.path)
        while True:
            try:
                view.swap()  # In the event loop's thread: here no snapshot is open.
                break
            except ViewFull as err:
                self._thread.wait_for_room(err)
        self.tell_served()
        now_s = self._now_s()
        begun_s = marker.begun_ms / 1000 or now_s
        took_s = max(0.0, now_s - begun_s)
        asked_id = marker.request or (asked.id if asked else "")
        progress.rebuilt(LastRebuild(now_s, marker.reason, took_s, found, asked_id))
        _log.info(
            "consumer.rebuild_swapped",
            reason=marker.reason,
            seconds=round(took_s, 3),
            records_before=before.records,
            records=progress.view.records,
            **({} if found is None else found._asdict() | {"same_data": found.same_data}),
        )
        self._thread.run(view.remove_others)
        self.seconds = time.monotonic() - self._begun_s

    def tell_served(self) -> None:
        """Tell status and metrics which view serves."""
        try:
            with Inspector(self._view.store) as view:
                self._progress.serves(view.state, view.positions())
        except ViewCorrupt:
            self._progress.serves(State(), {})  # What serves is of another schema or damaged, and is rebuilt.
