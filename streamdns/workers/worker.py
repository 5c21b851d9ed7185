"""A worker as the main process sees it: the process, the socket to it, what it said, and since when it does what."""

from __future__ import annotations

import _socket
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from streamdns.runtime import logs
from streamdns.workers.channel import Channel
from streamdns.workers.messages import Failed, FromWorker, Loaded, ToWorker, decode_from_worker, encode

_log = logs.get("workers")
#: Held back until the worker ignores them: by default each would end it.
_HELD_BACK: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)


class Process:
    """A process of ours: in reserve once it is `loaded`, and then a worker. `take` gets what else it says."""

    def __init__(
        self, environment: Mapping[str, str], *, resolves: bool, changed: Callable[[], None]
    ) -> None:
        """Start it; raises OSError."""
        self.loaded = self.gone = self.reaped = False
        self.error = ""
        """Why it ended, in a few words."""
        self.silent = 0
        """How many times it was looked at since it last said something."""
        self.take: Callable[[FromWorker], None] = lambda message: None
        self._changed = changed
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            self.pid = _spawn(theirs.fileno(), environment, resolves=resolves)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._channel = Channel(ours, take=self._taken, ended=self._ended)

    def say(self, message: ToWorker, descriptors: Sequence[int] = ()) -> None:
        """Send it a message, with descriptors only as the first one."""
        self._channel.send(encode(message), descriptors)

    def kill(self, why: str) -> None:
        """End it at once."""
        if not self.reaped:
            self.error = self.error or why
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def reap(self) -> bool:
        """Return whether the process has ended; its last words are taken by then."""
        if self.reaped:
            return True
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self.pid, 0
        if pid == 0:
            return False
        self.reaped = True
        self._channel.read_all()
        self._channel.close()
        code = os.waitstatus_to_exitcode(status)
        self.error = self.error or (f"ended by {_name(-code)}" if code < 0 else f"exit status {code}")
        return True

    def _taken(self, data: bytes) -> None:
        message = decode_from_worker(data)
        self.silent = 0
        if isinstance(message, Loaded):
            self.loaded = True
            self._changed()
        elif isinstance(message, Failed):
            self.error = message.error
        else:
            self.take(message)

    def _ended(self) -> None:
        """Its end of the socket is closed, so it is gone or soon will be."""
        self.gone = True
        self._changed()


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _spawn(descriptor: int, environment: Mapping[str, str], *, resolves: bool) -> int:
    """Start a process with nothing of ours but standard error and one socket; its pid. Raises OSError.

    By posix_spawn(3), which copies no memory: LMDB's must not be met again in a child, and to copy the tables of a
    large map takes long.
    """
    # Any number but that of the socket itself, which is closed when the program begins.
    theirs = descriptor + 1
    command = [
        sys.executable, *subprocess._args_from_interpreter_flags(),  # type: ignore[attr-defined] # noqa: SLF001 - as multiprocessing does
        "-m", "streamdns", "_worker", str(theirs), str(os.getpid()), "resolves" if resolves else "",
    ]
    return os.posix_spawn(
        sys.executable, command, dict(environment),
        file_actions=[(os.POSIX_SPAWN_DUP2, descriptor, theirs)],
        setsigmask=_HELD_BACK,
    )
