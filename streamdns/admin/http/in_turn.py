"""Sockets whose greenlets go on one in each turn of the event loop, however many have become readable at once."""

from __future__ import annotations

from typing import Any

from gevent import ssl
from gevent.socket import socket

from streamdns.runtime.turns import take_turn


class _InTurn:
    """Waits for its socket as gevent's do, and then for a turn: else hundreds would read, and end, in the same one."""

    def _wait(self, *arguments: Any, **options: Any) -> None:
        super()._wait(*arguments, **options)  # type: ignore[misc]
        take_turn()


class InTurnSocket(_InTurn, socket):  # type: ignore[misc] # gevent has no types for it
    """A connection that is not encrypted."""


class _InTurnSSLSocket(_InTurn, ssl.SSLSocket):  # type: ignore[misc]
    """A connection with TLS."""


class InTurnSSLContext(ssl.SSLContext):  # type: ignore[misc]
    """A TLS context that makes such sockets."""

    __slots__ = ()
    sslsocket_class = _InTurnSSLSocket
