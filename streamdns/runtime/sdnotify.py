"""Tells systemd the state of the service by datagrams to its UNIX socket (the protocol of sd_notify(3))."""

from __future__ import annotations

import errno
import socket
import time

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
        self._owed: list[str] = []

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

    def _owe(self, message: str) -> None:
        self._owed.append(message)
        self.settle()

    def settle(self) -> bool:
        """Send again what systemd did not take, whether that is all; to be called now and then."""
        while self._owed:
            if not self._send(self._owed[0]):
                return False
            del self._owed[0]
        return True

    def _send(self, message: str) -> bool:
        """Whether it need not be sent again."""
        if self._address is None:
            return True
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
                notify.setblocking(False)
                notify.sendto(message.encode(), self._address)
        except OSError as err:
            # The service is more important than what its manager knows of it. A queue that is full has room later, and
            # so it is with descriptors; who is not there will not come.
            return err.errno not in _MAY_PASS
        return True
