"""The admin HTTP service: the table of routes behind the edge, on one address."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from gevent.event import Event

from streamdns import logs
from streamdns.admin import basics
from streamdns.admin.edge import Edge
from streamdns.admin.open import OpenGate
from streamdns.admin.route import Route
from streamdns.admin.routes import Gate, application
from streamdns.admin.status import Status
from streamdns.errors import ConfigError
from streamdns.lifecycle import Service
from streamdns.metrics.registry import Registry
from streamdns.settings import Address

_log = logs.get("admin")
_BACKLOG = 128


class AdminServer(Service):
    """Serves the admin API on one address; `content` are the routes beside those that every node has."""

    name = "admin"

    def __init__(
        self, address: Address, *, status: Status, registry: Registry, content: Sequence[Route] = (),
        gate: Gate | None = None,
    ) -> None:
        self.address = address
        self._registry = registry
        self._application = application((*basics.routes(status, registry), *content), gate or OpenGate())
        self._server: Edge | None = None
        self._stopped = Event()

    def start(self) -> None:
        """Bind and serve; raises ConfigError where the address cannot be had."""
        self._stopped.clear()
        self._server = Edge(_listener(self.address), self._application, registry=self._registry)
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


def _listener(address: Address) -> socket.socket:
    family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(_BACKLOG)
    except OSError as err:
        listener.close()
        raise ConfigError([f"DNS_ADMIN_ADDRESS: {address} cannot be used: {err.strerror}"]) from err
    return listener
