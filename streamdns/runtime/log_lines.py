"""Log lines on their way out: kept for a while where nobody reads them, lost and counted beyond that."""

from __future__ import annotations

import errno
import os
import time
from collections import deque

from streamdns.runtime.outlet import Outlet

#: What may pass by itself: a reader that stands still, a disk that is full.
_MAY_PASS = (errno.EAGAIN, errno.ENOSPC, errno.EDQUOT)
#: More than a burst has, and a few megabytes.
_MOST_LINES = 8192
_LOOK_AGAIN_S = 0.005


class LogLines:
    """Writes lines to a descriptor in their order and never waits; may be called from any thread.

    A line is begun only when the one before it is whole.
    """

    def __init__(self, fd: int, *, most_lines: int = _MOST_LINES) -> None:
        self.identity = _identity(fd)
        self._outlet = Outlet(fd)
        self._most_lines = most_lines
        self._waiting: deque[bytes] = deque()
        self._begun: memoryview | None = None
        """What is left of the first line that waits."""
        # Whoever takes it writes. A lock would be gevent's own here, which native threads must not share with the hub.
        self._turn = deque((None,))
        self.lost = 0
        """Lines that nobody took, since the start."""
        self._told = 0
        self._heard = True

    def put(self, line: bytes) -> None:
        """Write a line, now or when there is room; with too many waiting it is lost."""
        if len(self._waiting) >= self._most_lines:
            self.flush()
        if len(self._waiting) >= self._most_lines:
            self.lost += 1
            return
        self._waiting.append(line)
        self.flush()

    def flush(self) -> bool:
        """Write what waits, as far as there is room; whether nothing waits any more."""
        while self._waiting:
            try:
                self._turn.pop()
            except IndexError:
                return False  # another thread is at it, and takes these, too
            try:
                if not self._write():
                    return False
            finally:
                self._turn.append(None)
        return True

    def finish(self, patience_s: float) -> None:
        """Write what waits; a reader that takes nothing for so long, or not all of it in ten times that, misses it."""
        began_s = moved_s = time.monotonic()
        left = len(self._waiting)
        while not self.flush() and self._heard:
            now_s = time.monotonic()
            if len(self._waiting) < left:
                left, moved_s = len(self._waiting), now_s
            if now_s - moved_s > patience_s or now_s - began_s > 10 * patience_s:
                return
            time.sleep(_LOOK_AGAIN_S)

    def untold(self) -> int:
        """How many lines were lost since the last call, once there is room again; 0 before."""
        if self.lost == self._told or self._waiting or not self._heard:
            return 0
        told, self._told = self._told, self.lost
        return self._told - told

    def close(self) -> None:
        """Let go of what was opened for writing."""
        self._outlet.close()

    def _write(self) -> bool:
        while self._waiting:
            if self._begun is None:
                self._begun = memoryview(self._waiting[0])
            try:
                self._begun = self._begun[self._outlet.write(self._begun):]
            except OSError as err:
                if err.errno not in _MAY_PASS and not isinstance(err, BlockingIOError):
                    self._lose()
                return False
            self._heard = True
            if not self._begun:
                self._begun = None
                self._waiting.popleft()
        return True

    def _lose(self) -> None:
        """Nobody will read these: the reader is gone."""
        self._heard = False
        self.lost += len(self._waiting)
        self._waiting.clear()
        self._begun = None


def _identity(fd: int) -> tuple[int, int, int]:
    """Which file a descriptor is; its number alone may stand for another one later."""
    try:
        found = os.fstat(fd)
    except OSError:
        return fd, 0, 0
    return fd, found.st_dev, found.st_ino
