"""As of when a view had all of its log, and whether an absence since then may have hidden deletes from it."""

from __future__ import annotations

import time
from collections.abc import Callable

from streamdns.view import last_contact
from streamdns.view.store import Store

SAVE_EVERY_S = 30.0


class Contact:
    """The last moment at which the view that is being written had everything that the log had.

    A log that compacts removes a delete some time after it was written (Kafka: delete.retention.ms after the cleaner
    first met it), with all that it deleted. Whoever has read everything that was written before a moment T, and reads
    all that was written since before T + retention, has met every delete. So what counts is neither when the log was
    last read, for one partition may be far behind while another is read, nor when a read last found nothing, for a
    connection that is dead finds nothing for ever: it is the moment T at which the source asked where all partitions
    end, once all of them have been read and applied up to there. Whoever reads from the beginning has T when that
    began: what it then finds deleted later is still followed by its delete.

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
        """UNIX seconds; None where nothing is known, which is never an absence."""

    def of(self, store: Store) -> None:
        """The view that is written from now on; where it is another one, its own row counts."""
        if store is not self._store:
            self._store = store
            self.whole_s = self._saved_s = last_contact.load(store)
            self._whole_elapsed_s = self._read_elapsed_s = self._saved_elapsed_s = None

    def begins(self) -> None:
        """The log is read from its beginning from now on."""
        self.whole_s, self._whole_elapsed_s, self._read_elapsed_s = self._now_s(), self._elapsed_s(), None
        self._saved_elapsed_s = self._saved_s = None

    def absence_s(self) -> float:
        """How long ago the view had everything."""
        if self.whole_s is None:
            return 0.0
        lived_s = 0.0 if self._whole_elapsed_s is None else self._elapsed_s() - self._whole_elapsed_s
        return max(0.0, self._now_s() - self.whole_s, lived_s)

    def pause_s(self) -> float:
        """How long ago this process last read and applied anything; as `absence_s` before it did."""
        return self.absence_s() if self._read_elapsed_s is None else self._elapsed_s() - self._read_elapsed_s

    def read(self, whole_s: float | None) -> None:
        """What a read gave is applied; `whole_s` as Batch has it."""
        self._read_elapsed_s = elapsed_s = self._elapsed_s()
        if whole_s is not None:
            self._whole_elapsed_s = whole_s
            self.whole_s = self._now_s() - max(0.0, elapsed_s - whole_s)

    def due(self) -> bool:
        """Whether the view's row is to be written again: it is another one, and old enough."""
        saved_s = self._saved_elapsed_s
        return self.whole_s != self._saved_s and (saved_s is None or self._elapsed_s() - saved_s >= SAVE_EVERY_S)

    def save(self, store: Store) -> None:
        """Write the row, in the native thread; before that it counts as written, so a full disk is not tried again."""
        self._saved_elapsed_s, self._saved_s = self._elapsed_s(), self.whole_s
        if self.whole_s is not None:
            last_contact.save(store, self.whole_s)


def span(seconds: float) -> str:
    """A length of time for people."""
    for unit, unit_s in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 3 * unit_s:
            return f"{seconds / unit_s:.3g} {unit}"
    return f"{seconds:.3g} s"
