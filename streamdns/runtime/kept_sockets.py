"""Keeps listening sockets with systemd while the process is replaced, so that a restart loses no query.

systemd holds copies of the sockets that it is sent (FDSTORE in sd_notify(3)) and hands them to the next process
(sd_listen_fds(3)). Datagrams and connections that come while no process runs wait in them. Without systemd nothing is
kept.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from streamdns.runtime import logs
from streamdns.runtime.listening import InetListener
from streamdns.runtime.sdnotify import Notifier

_log = logs.get("app")


class KeptSockets:
    """Gives listeners the sockets that the process before left with systemd, and leaves theirs there for the next one.

    `handed_over` are descriptors with the names under which systemd keeps them. Their options are set anew by the
    listeners; what they are bound to is compared with what is wanted now.
    """

    def __init__(self, notifier: Notifier, handed_over: Sequence[tuple[int, str]] = ()) -> None:
        self._notifier = notifier
        self._returned: list[tuple[str, socket.socket]] = []
        for number, name in handed_over:
            try:
                os.set_inheritable(number, False)
                self._returned.append((name, socket.socket(fileno=number)))
            except OSError:
                # No socket, and nothing that was ours: it is closed and forgotten where it is open at all.
                with contextlib.suppress(OSError):
                    os.close(number)
                notifier.forget(name)

    def share_out(self, listeners: Iterable[InetListener]) -> None:
        """Give each listener its socket where one was handed over; close the others and have systemd forget them."""
        for listener in listeners:
            found = next((pair for pair in self._returned if _belongs(pair[1], listener)), None)
            if found is not None:
                self._returned.remove(found)
                listener.returned = found[1]
            if self._notifier.there:
                listener.keep = self._keep
        for name, sock in self._returned:
            sock.close()
            self._notifier.forget(name)
            _log.info("app.socket_forgotten", socket=name)
        if self._returned:
            self._returned.clear()
            # Until systemd has closed its copies too, their addresses are taken.
            self._notifier.wait()

    def _keep(self, listener: InetListener, sock: socket.socket) -> None:
        self._notifier.store(_name(listener), sock)


def _name(listener: InetListener) -> str:
    """A name as systemd allows it: no colons (sd_notify(3), FDNAME=)."""
    shared = f" {listener.share}" if listener.share else ""
    return f"{listener.setting} {listener.where}{shared}".replace(":", "_")


def _belongs(sock: socket.socket, listener: InetListener) -> bool:
    """Whether a socket is bound to just what a listener wants, and listens where it should."""
    family = socket.AF_INET6 if listener.address.is_ipv6 else socket.AF_INET
    if sock.family != family or sock.type != listener.kind:
        return False
    if listener.kind == socket.SOCK_STREAM and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return False
    if bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)) != bool(listener.share):
        # One that is alone keeps the others away, and one that shares lets them in.
        return False
    host, port = sock.getsockname()[:2]
    return bool(port == listener.address.port and ip_address(host) == ip_address(listener.address.host))
