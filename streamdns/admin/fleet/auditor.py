"""Recomputes the digests from the stored records in the background, and reports zones where they differ."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import gevent
from gevent.event import Event

from streamdns.admin.schema.peers import Audit as Report
from streamdns.consumer.progress import Progress
from streamdns.dns import name
from streamdns.errors import ViewError
from streamdns.metrics.registry import Registry
from streamdns.runtime import logs
from streamdns.runtime.lifecycle import Service
from streamdns.runtime.native import LowPriorityThread
from streamdns.runtime.turns import Stint
from streamdns.view.audit import Audit, Unhashed, Verdict
from streamdns.view.keys import owner_of, subtree
from streamdns.view.view import View

_log = logs.get("nodes")
_CHUNK_NAMES = 20
#: Of one processor at the most a quarter.
_REST = 3.0
_LEAST_REST_S = 0.0002
_TRIES = 3
_MOST_ZONES = 100
_LONG_OCTETS = 2_048


class _Swapped(Exception):
    """Raised when another view has begun to serve in the middle of an audit."""


class Auditor(Service):
    """Audits the view every `interval_s`, but rests at least as long as an audit takes; `last` is the latest result."""

    name = "audit"

    def __init__(
        self, view: View, progress: Progress, *, registry: Registry, interval_s: float,
        now_s: Callable[[], float] = time.time, elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._view, self._progress, self._interval_s = view, progress, interval_s
        self._now_s, self._elapsed_s = now_s, elapsed_s
        self._stopping = Event()
        self._thread = LowPriorityThread()
        self.last: Report | None = None
        self._audits = registry.counter("view.audits")
        registry.callback("view.audit_wrong", lambda: len(self.wrong()))

    def run(self) -> None:
        """Audit again and again, until stop()."""
        self._stopping.clear()
        while not self._stopping.is_set():
            began_s = self._elapsed_s()
            if self._progress.complete:
                try:
                    self._audit()
                except _Swapped:
                    continue
                except ViewError as err:
                    _log.error("view.audit_failed", zones="", error=str(err))
            took_s = self._elapsed_s() - began_s
            self._stopping.wait(max(self._interval_s - took_s, took_s))
        self._thread.close()

    def stop(self) -> None:
        """End after the names that are being hashed."""
        self._stopping.set()

    def wrong(self) -> Sequence[str]:
        """Return the zones that the last audit found wrong; "." where only the digest of the whole view was."""
        last = self.last
        return () if last is None or last.ok else last.zones or ["."]

    def _audit(self) -> None:
        begun_s = self._now_s()
        found = self._pass(b"")
        doubtful = [apex for apex, verdict in found.zones.items() if verdict is not Verdict.RIGHT][:_MOST_ZONES]
        wrong = [apex for apex in doubtful if self._is_wrong(apex)]
        view = found.view is Verdict.WRONG and self._pass(b"").view is Verdict.WRONG
        if self._stopping.is_set():
            return
        names = [name.to_text(owner_of(apex)) for apex in wrong]
        before = self.last
        self.last = Report(
            time=int(begun_s * 1000), seconds=round(self._now_s() - begun_s, 3), ok=not wrong and not view, view=view,
            zones=names,
        )
        self._audits.add()
        if not self.last.ok and (before is None or (before.view, before.zones) != (view, names)):
            _log.error("view.audit_failed", zones=" ".join(names), error="the records are not what the digest says")

    def _is_wrong(self, apex: bytes) -> bool:
        """Audit one zone again that seemed wrong, or that changed during the audit."""
        for _ in range(_TRIES):
            verdict = self._pass(subtree(apex)).zones.get(apex)
            if verdict is not Verdict.CHANGED:
                return verdict is Verdict.WRONG
        return False

    def _pass(self, within: bytes) -> Audit:
        audit, store, stint = Audit(within), self._view.store, Stint()
        more = True
        while more and not self._stopping.is_set():
            if self._view.store is not store:
                raise _Swapped
            began_s = time.perf_counter()
            more = audit.step(store, most=_CHUNK_NAMES, hashed=self._hashed, pause=stint)
            gevent.sleep(max(_LEAST_REST_S, _REST * (time.perf_counter() - began_s)))
        return audit

    def _hashed(self, rrset: Unhashed) -> int:
        """Hash an RRset; a long one may have thousands of records, whose order alone would take the loop too long."""
        return rrset.hashed() if len(rrset.records) <= _LONG_OCTETS else self._thread.run(rrset.hashed)
