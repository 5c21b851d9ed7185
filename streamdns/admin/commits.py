"""Wakes greenlets when the view commits: those that wait for an event, and the streams of changes."""

from __future__ import annotations

from gevent.event import Event

from streamdns.consumer.progress import Progress


class Commits:
    """Tells waiting greenlets of every commit to the serving view, and of a view that takes its place.

    A commit that comes between two waits is not told: look first, then wait.
    """

    def __init__(self, progress: Progress) -> None:
        self._event = Event()
        self._waiting = 0
        progress.on_commit(self._tell)

    def wait(self, timeout_s: float | None) -> bool:
        """Wait for the next commit; False after the time."""
        self._waiting += 1
        try:
            return bool(self._event.wait(timeout_s))
        finally:
            self._waiting -= 1

    def _tell(self) -> None:
        if self._waiting:
            event, self._event = self._event, Event()
            event.set()
