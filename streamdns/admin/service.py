"""The admin API as a service: the routes behind the edge, listening on a TCP address or a unix socket."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Sequence

from gevent.event import Event

from streamdns.admin.access.gate import Access
from streamdns.admin.http.application import application
from streamdns.admin.http.edge import Edge
from streamdns.admin.http.openapi import described
from streamdns.admin.http.route import Route
from streamdns.admin.http.tls import tls_context
from streamdns.admin.routes.table import basic_routes
from streamdns.admin.status import Status
from streamdns.errors import ConfigError
from streamdns.metrics.registry import Registry
from streamdns.runtime import logs
from streamdns.runtime.lifecycle import Service
from streamdns.settings import Address, Settings
from streamdns.settings.admin import UnixAddress

_log = logs.get("admin")
_BACKLOG = 128
_SOCKET_MODE = 0o660


class AdminServer(Service):
    """Serves the admin API at the address of the settings; `content` are the routes beside those that every node has.

    Raises ConfigError for settings that cannot be used.
    """

    name = "admin"

    def __init__(
        self, settings: Settings, address: Address | UnixAddress, *, status: Status, registry: Registry,
        content: Sequence[Route] = (),
    ) -> None:
        self.address = address
        self._registry = registry
        self._access = Access(settings, registry)
        self._context = tls_context(settings)
        rows = described((*basic_routes(status, registry), *self._access.routes(), *content))
        self._application = application(rows, self._access)
        self._server: Edge | None = None
        self._stopped = Event()

    def start(self) -> None:
        """Bind and serve; raises ConfigError where the address cannot be used."""
        self._stopped.clear()
        self._server = Edge(_listener(self.address), self._application, registry=self._registry)
        self._server.context = self._context
        self._server.start()
        _log.info("admin.listening", address=str(self.address), tls=self._context is not None)

    def run(self) -> None:
        """Wait for stop(): the server has greenlets of its own."""
        self._stopped.wait()

    def stop(self) -> None:
        """Close the listener and the connections."""
        if self._server is not None:
            server, self._server = self._server, None
            server.stop(timeout=0.5)
            if isinstance(self.address, UnixAddress):
                with contextlib.suppress(OSError):
                    os.unlink(self.address.path)
        self._access.close()
        self._stopped.set()

    def reload(self, settings: Settings) -> None:
        """Take over new keys and read the certificate again; raises ConfigError, and then nothing is changed."""
        if (settings.admin_tls_cert == "") != (self._context is None):
            raise ConfigError(["DNS_ADMIN_TLS_CERT turns TLS on or off at the next start only"])
        context = tls_context(settings)
        self._access.reload(settings)
        self._context = context
        if self._server is not None:
            self._server.context = context

    def ready(self) -> bool:
        """Return whether it listens."""
        return self._server is not None


def _listener(address: Address | UnixAddress) -> socket.socket:
    if isinstance(address, UnixAddress):
        return _unix_listener(address)
    family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _unusable(address, error) from error
    return listener


def _unix_listener(address: UnixAddress) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_left_over(address.path)
        listener.bind(address.path)
        # Before listen(): nobody can have connected yet.
        os.chmod(address.path, _SOCKET_MODE)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _unusable(address, error) from error
    return listener


def _remove_left_over(path: str) -> None:
    """Remove the socket file of a process that was killed; any other file, or a socket that listens, stays."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    with contextlib.suppress(ConnectionRefusedError, FileNotFoundError), \
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        probe.connect(path)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _unusable(address: Address | UnixAddress, error: OSError) -> ConfigError:
    return ConfigError([f"DNS_ADMIN_ADDRESS: {address} cannot be used: {(error.strerror or str(error)).lower()}"])
