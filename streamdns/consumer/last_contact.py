"""Remembers when the view last held the whole log, to decide after an outage whether deletes may have been missed."""

from __future__ import annotations

import time
from collections.abc import Callable

from streamdns.view import last_contact
from streamdns.view.store import Store

SAVE_EVERY_S = 30.0


class LastContact:
    """The last moment T at which the view that is being written held everything that the log held.

    A log that compacts removes a delete some time after it was written (Kafka: delete.retention.ms after the cleaner
    first met it), with all that it deleted. A reader that has everything from before T, and reads all that was written
    since before T + retention, has met every delete. So the moment of the last read does not count, because one
    partition may be far behind while another is read; nor does the moment when a read last found nothing, because a
    dead connection finds nothing for ever. T is the moment at which the source asked where all partitions end, once all
    of them have been read and applied up to there. For a reader that starts at the beginning of the log, T is the
    moment of that start: a name that it finds and that is deleted later still has its delete behind it.

    `now_s` is UNIX time, which alone outlives the process; `elapsed_s` never jumps. The longer of both absences counts:
    a clock that was set back hides none while the process lives, and a moment in the future is an absence of 0.
    """

    def __init__(self, now_s: Callable[[], float], elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s, self._elapsed_s = now_s, elapsed_s
        self._store: Store | None = None
        self._whole_elapsed_s: float | None = None
        self._read_elapsed_s: float | None = None
        self._saved_elapsed_s: float | None = None
        self._saved_s: float | None = None
        self.whole_s: float | None = None
        """T in UNIX seconds; None where it is not known, which never counts as an absence."""

    def watch(self, store: Store) -> None:
        """Note which view is written from now on; if it is another one, read T from its own row."""
        if store is not self._store:
            self._store = store
            self.whole_s = self._saved_s = last_contact.load(store)
            self._whole_elapsed_s = self._read_elapsed_s = self._saved_elapsed_s = None

    def start_reading(self) -> None:
        """Note that the log is read from its beginning from now on: T is now."""
        self.whole_s, self._whole_elapsed_s, self._read_elapsed_s = self._now_s(), self._elapsed_s(), None
        self._saved_elapsed_s = self._saved_s = None

    def absence_s(self) -> float:
        """Return how long ago the view held the whole log."""
        if self.whole_s is None:
            return 0.0
        lived_s = 0.0 if self._whole_elapsed_s is None else self._elapsed_s() - self._whole_elapsed_s
        return max(0.0, self._now_s() - self.whole_s, lived_s)

    def pause_s(self) -> float:
        """Return how long ago this process last read and applied anything; the same as absence_s() before it did."""
        return self.absence_s() if self._read_elapsed_s is None else self._elapsed_s() - self._read_elapsed_s

    def applied(self, whole_s: float | None) -> None:
        """Note that the result of a read was applied; `whole_s` as in Batch."""
        self._read_elapsed_s = elapsed_s = self._elapsed_s()
        if whole_s is not None:
            self._whole_elapsed_s = whole_s
            self.whole_s = self._now_s() - max(0.0, elapsed_s - whole_s)

    def save_due(self) -> bool:
        """Return whether T must be saved: it has changed, and the last time was long enough ago."""
        saved_s = self._saved_elapsed_s
        return self.whole_s != self._saved_s and (saved_s is None or self._elapsed_s() - saved_s >= SAVE_EVERY_S)

    def save(self, store: Store) -> None:
        """Save T in the view; call it in the native thread.

        It counts as saved before the attempt, so that a full disk is not tried again at once.
        """
        self._saved_elapsed_s, self._saved_s = self._elapsed_s(), self.whole_s
        if self.whole_s is not None:
            last_contact.save(store, self.whole_s)


def duration_text(seconds: float) -> str:
    """Write a duration for people, such as "10 days"."""
    for unit, unit_s in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 3 * unit_s:
            return f"{seconds / unit_s:.3g} {unit}"
    return f"{seconds:.3g} s"
