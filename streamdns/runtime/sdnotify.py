"""Tells systemd the state of the service by datagrams to its UNIX socket (the protocol of sd_notify(3))."""

from __future__ import annotations

import socket
import time


class Notifier:
    """Sends messages to systemd; does nothing without a socket, and never raises.

    `path` is the value of NOTIFY_SOCKET: a path, or a name in the abstract namespace that starts with @.
    """

    def __init__(self, path: str | None) -> None:
        # "@" stands for the zero octet of the abstract namespace (unix(7)); vsock addresses are for virtual machines.
        self._address = None if not path or path[0] not in "/@" else ("\0" + path[1:] if path[0] == "@" else path)
        self._status = ""

    def ready(self) -> None:
        """Tell systemd that the service has started, or that a reload is over."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`; the same line is not sent twice."""
        line = " ".join(text.split())
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def watchdog(self) -> None:
        """Tell systemd that the main loop still runs; without this it kills the service after WatchdogSec."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Tell systemd that a reload has begun; ready() ends it (Type=notify-reload wants the time of its start)."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Tell systemd that the service stops."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
                notify.setblocking(False)
                notify.sendto(message.encode(), self._address)
        except OSError:
            # The service is more important than what its manager knows of it; the watchdog covers a lasting fault.
            pass
