"""Writes to a descriptor that this process inherited, and never waits for who reads it."""

from __future__ import annotations

import _socket
import os
import select
import stat
from collections.abc import Callable

#: What a pipe that can be written to takes at once without keeping the writer waiting (pipe(7)).
_PIECE_OCTETS = select.PIPE_BUF


class Outlet:
    """One inherited descriptor: a pipe, a terminal, a socket, or a file.

    The descriptor itself is not made non-blocking: that would hold for every process that shares it.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._release: Callable[[], None] = lambda: None
        self._write = self._way()

    def write(self, data: bytes | memoryview) -> int:
        """Write as much of it as there is room for now, and say how much.

        Raises BlockingIOError where there is no room, another OSError where it cannot be written at all.
        """
        return self._write(data)

    def close(self) -> None:
        """Let go of what was opened here; the inherited descriptor stays as it is."""
        release, self._release = self._release, lambda: None
        release()

    def _way(self) -> Callable[[bytes | memoryview], int]:
        try:
            mode = os.fstat(self._fd).st_mode
        except OSError:
            return self._plainly  # the write says what is wrong
        if stat.S_ISSOCK(mode):
            # Not gevent's socket, whose send() waits.
            sock = _socket.socket(fileno=os.dup(self._fd))
            self._release = sock.close
            return lambda data: sock.send(data, _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL)
        if stat.S_ISFIFO(mode) or os.isatty(self._fd):
            return self._reopened()
        return self._plainly

    def _reopened(self) -> Callable[[bytes | memoryview], int]:
        """A description of our own of the same pipe or terminal: that one may be non-blocking."""
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            own = os.open(f"/proc/self/fd/{self._fd}", flags)
        except OSError:
            # Another user's pipe, or no /proc.
            return self._piecewise
        self._release = lambda: os.close(own)
        return lambda data: os.write(own, data)

    def _piecewise(self, data: bytes | memoryview) -> int:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        if not poll.poll(0):
            raise BlockingIOError
        return os.write(self._fd, data[:_PIECE_OCTETS])

    def _plainly(self, data: bytes | memoryview) -> int:
        return os.write(self._fd, data)
