"""Tells systemd the state of the service by datagrams to its UNIX socket (the protocol of sd_notify(3))."""

from __future__ import annotations

import array
import errno
import os
import select
import socket
import time
from collections import deque

#: How long a start waits for systemd to have worked off what it was told.
_MOST_WAIT_S = 1.0
_MAY_PASS = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


class Notifier:
    """Sends messages to systemd; does nothing without a socket, never waits and never raises.

    `path` is the value of NOTIFY_SOCKET: a path, or a name in the abstract namespace that starts with @. What systemd
    must not miss is kept while it takes nothing, and goes first the next time.
    """

    def __init__(self, path: str | None) -> None:
        # "@" stands for the zero octet of the abstract namespace (unix(7)); vsock addresses are for virtual machines.
        self._address = None if not path or path[0] not in "/@" else ("\0" + path[1:] if path[0] == "@" else path)
        self._status = ""
        self._owed: deque[tuple[str, socket.socket | None]] = deque()

    @property
    def there(self) -> bool:
        """Return whether there is a systemd to be told."""
        return self._address is not None

    def ready(self) -> None:
        """Tell systemd that the service has started, or that a reload is over."""
        self._owe("READY=1")

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`; the same line is not sent twice."""
        line = " ".join(text.split())
        if line != self._status and self.settle() and self._send(f"STATUS={line}"):
            self._status = line

    def watchdog(self) -> None:
        """Tell systemd that the main loop still runs; without this it kills the service after WatchdogSec."""
        if self.settle():
            self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Tell systemd that a reload has begun; ready() ends it (Type=notify-reload wants the time of its start)."""
        self._owe(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Tell systemd that the service stops."""
        self._owe("STOPPING=1")

    def store(self, name: str, sock: socket.socket) -> None:
        """Leave a copy of a socket with systemd for the next process, whatever becomes of its peers (FDPOLL=0)."""
        if self.there:
            self._owe(f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0", sock)

    def forget(self, name: str) -> None:
        """Have systemd close the copies of sockets that it keeps under a name."""
        self._owe(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def wait(self) -> None:
        """Wait until systemd has worked off what it was told before, but not for longer than a second (BARRIER=1)."""
        if not self.there:
            return
        end, theirs = os.pipe()
        try:
            try:
                sent = self.settle() and self._send("BARRIER=1", theirs)
            finally:
                os.close(theirs)
            if sent:
                # Its copy is closed when it comes to this message, and that is the end of the pipe.
                select.select([end], [], [], _MOST_WAIT_S)
        finally:
            os.close(end)

    def _owe(self, message: str, sock: socket.socket | None = None) -> None:
        self._owed.append((message, sock))
        self.settle()

    def settle(self) -> bool:
        """Send again what systemd did not take, whether that is all; to be called now and then."""
        while self._owed:
            message, sock = self._owed[0]
            # One that was closed meanwhile is not to be kept any more.
            descriptor = None if sock is None else sock.fileno()
            if descriptor != -1 and not self._send(message, descriptor):
                return False
            self._owed.popleft()
        return True

    def _send(self, message: str, descriptor: int | None = None) -> bool:
        """Whether it need not be sent again."""
        if self._address is None:
            return True
        rights = [] if descriptor is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
                notify.setblocking(False)
                notify.sendmsg([message.encode()], rights, 0, self._address)
        except OSError as err:
            # The service is more important than what its manager knows of it. A queue that is full has room later, and
            # so it is with descriptors; who is not there will not come.
            return err.errno not in _MAY_PASS
        return True
