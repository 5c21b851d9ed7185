"""Decides whether a rebuilt view may take over, so that a log that lost its data by mistake takes no zone away."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from streamdns.consumer.progress import Progress
from streamdns.consumer.writer_thread import Stopped, WriterThread
from streamdns.errors import ViewError
from streamdns.runtime import logs
from streamdns.view import rebuild_request
from streamdns.view.comparison import Differences, differences
from streamdns.view.store import State, Store
from streamdns.view.view import Held, View

_log = logs.get("consumer")
#: While a view is held it is compared again when something has changed, but not sooner than after this time, and after
#: so many times the time that the last comparison took.
_LOOK_AGAIN_S = 1.0
_LOOK_AGAIN_FACTOR = 10
#: What a share may be off by because it is a binary fraction.
_ROUNDING = 1e-9


class SwapGuard:
    """Compares a rebuilt view with the serving one, and holds it where more than a share would go away.

    `share` is DNS_SWAP_GUARD, infinite for off. `found` is what the last comparison counted; None where there was none.
    """

    def __init__(
        self, view: View, thread: WriterThread, progress: Progress, now_s: Callable[[], float], share: float
    ) -> None:
        self._view, self._thread, self._progress, self._now_s = view, thread, progress, now_s
        self.share = share
        self.found: Differences | None = None
        self._looked: tuple[object, ...] = ()
        self._next_s = 0.0
        self._told = ""

    def due(self, store: Store) -> bool:
        """Return whether it is time to look (again) at what the rebuilt view would take away."""
        if self._progress.held is None or self._word() is not None:
            return True
        return time.monotonic() >= self._next_s and self._what_counts(store) != self._looked

    def _what_counts(self, store: Store) -> tuple[object, ...]:
        """What has to change before another comparison can come to something else."""
        new, served = store.state(), self._progress.view
        return store.path, self.share, new.applied, new.rejected, served.applied, served.rejected

    def may_swap(self, store: Store, *, followed: bool) -> bool:
        """Return whether the rebuilt view may serve; if not, say so in status, log and alarms. Raises Stopped.

        `followed`: the serving view is kept up to date meanwhile, so it does not grow stale.
        """
        began_s = time.monotonic()
        self._looked = self._what_counts(store)
        new, served = store.state(), self._progress.view
        # Somebody may be about to write the log again.
        empty = bool(served.records) and not new.applied and not new.rejected
        self.found = None
        if not empty and (self.share == math.inf or not served.complete):
            return True
        self.found = found = self.differences(store)
        ended_s = time.monotonic()
        self._next_s = ended_s + max(_LOOK_AGAIN_S, _LOOK_AGAIN_FACTOR * (ended_s - began_s))
        if found is None:
            # What serves cannot be read, or is all that there is to lose.
            found = Differences(0, served.rrsets if empty else 0, 0, served.zones if empty else 0)
        reason = self._reason(found, served, empty=empty)
        if not reason or self._is_accepted(found):
            return True
        self._hold(reason, found, served, followed=followed)
        return False

    def _reason(self, found: Differences, served: State, *, empty: bool) -> str:
        """Say why the rebuilt view has to wait; "" where it does not."""
        gone = f"{found.zones_removed} of {served.zones} zones and {found.removed} of {served.rrsets} RRsets"
        goes_on = "the view that was there goes on"
        if empty:
            return f"the log is empty, and {gone} would go away: {goes_on} until the log has events"
        zones_gone = found.zones_removed > self.share * served.zones + _ROUNDING
        rrsets_gone = found.removed > self.share * served.rrsets + _ROUNDING
        if not zones_gone and not rrsets_gone:
            return ""
        return f"{gone} would go away, more than DNS_SWAP_GUARD ({100 * self.share:.6g}%): {goes_on}"

    def _word(self) -> rebuild_request.Acceptance | None:
        """Return what somebody has said about the view that is held now."""
        marker = self._view.rebuild
        word = rebuild_request.accepted(self._view.path)
        return word if word is not None and marker is not None and word.rebuild == marker.id else None

    def _is_accepted(self, found: Differences) -> bool:
        """Return whether somebody has said that so much may go away."""
        word = self._word()
        if word is None:
            return False
        zones, rrsets = found.zones_removed, found.removed
        if zones > word.zones or rrsets > word.rrsets:
            rebuild_request.withdraw_acceptance(self._view.path)
            _log.warning("consumer.acceptance_void", by=word.by, zones=zones, rrsets=rrsets)
            return False
        _log.warning("consumer.rebuild_accepted", by=word.by, zones=zones, rrsets=rrsets)
        return True

    def _hold(self, reason: str, found: Differences, served: State, *, followed: bool) -> None:
        marker = self._view.rebuild
        assert marker is not None
        since_ms = int(self._now_s() * 1000) if marker.held is None else marker.held.since_ms
        held = Held(
            reason, since_ms, zones=found.zones_removed, rrsets=found.removed, zones_served=served.zones,
            rrsets_served=served.rrsets, added=found.added, changed=found.changed,
        )
        if marker.held is None:
            try:
                self._thread.run(self._view.hold, held)
            except ViewError:
                pass  # Commands do not see it then; status does.
        self._progress.holds(held, followed=followed)
        if self._told != marker.id:
            self._told = marker.id
            self._progress.alarm("held", reason)
            _log.error("consumer.rebuild_held", reason=reason, zones=held.zones, rrsets=held.rrsets)

    def differences(self, store: Store) -> Differences | None:
        """Count what the new view changes; None where the old one is damaged or has an older schema. Raises Stopped."""
        view = self._view
        if view.damaged is not None or view.store.outdated:
            return None
        stopping = self._thread.stopping
        found = self._thread.run(differences, view.store, store, lambda: not stopping.is_set())
        if stopping.is_set():
            raise Stopped
        return found
