"""The admin HTTP service: Bottle on gevent's WSGI server, on loopback."""

from __future__ import annotations

import socket
from typing import Any

from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from streamdns import logs
from streamdns.admin.routes import application
from streamdns.admin.status import Status
from streamdns.errors import ConfigError
from streamdns.lifecycle import Service
from streamdns.metrics.registry import Registry
from streamdns.settings import Address

_log = logs.get("admin")
_CONNECTIONS = 64
_IDLE_S = 10.0


class _Handler(WSGIHandler):  # type: ignore[misc] # gevent has no types for it
    """Ends connections that are silent, so that a few forgotten ones do not use up the pool."""

    def handle(self) -> None:
        self.socket.settimeout(_IDLE_S)
        super().handle()


class AdminServer(Service):
    """Serves the admin routes on one address."""

    name = "admin"

    def __init__(self, address: Address, *, status: Status, registry: Registry) -> None:
        self.address = address
        self._application = application(status, registry)
        self._server: Any = None
        self._stopped = Event()

    def start(self) -> None:
        """Bind and serve; raises ConfigError where the address cannot be had."""
        self._stopped.clear()
        family = socket.AF_INET6 if self.address.is_ipv6 else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.address.host, self.address.port))
            listener.listen(128)
        except OSError as err:
            listener.close()
            raise ConfigError([f"DNS_ADMIN_ADDRESS: {self.address} cannot be used: {err.strerror}"]) from err
        self._server = WSGIServer(
            listener, self._application, spawn=Pool(_CONNECTIONS), handler_class=_Handler, log=None, error_log=None
        )
        self._server.start()
        _log.info("admin.listening", address=str(self.address))

    def run(self) -> None:
        """Wait for stop(); the server has greenlets of its own."""
        self._stopped.wait()

    def stop(self) -> None:
        """Close the listener and the connections."""
        if self._server is not None:
            server, self._server = self._server, None
            server.stop(timeout=0.5)
        self._stopped.set()

    def ready(self) -> bool:
        """Whether it listens."""
        return self._server is not None
