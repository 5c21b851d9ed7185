"""The admin API as a service: the routes behind the edge, listening on a TCP address or a unix socket."""

from __future__ import annotations

from collections.abc import Sequence

from gevent.event import Event

from streamdns.admin import texts
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
from streamdns.runtime.listening import InetListener, UnixListener
from streamdns.settings import Settings

_log = logs.get("admin")


class AdminServer(Service):
    """Serves the admin API at the address of the settings; `content` are the routes beside those that every node has.

    Raises ConfigError for settings that cannot be used.
    """

    name = "admin"

    def __init__(
        self, settings: Settings, listener: InetListener | UnixListener, *, status: Status, registry: Registry,
        content: Sequence[Route] = (),
    ) -> None:
        self._listener = listener
        self._registry = registry
        self._access = Access(settings, registry)
        self._context = tls_context(settings)
        self._proxies = settings.admin_trusted_proxies
        rows = described((*basic_routes(status, registry), *self._access.routes(), *content))
        self._application = application(rows, self._access)
        self._server: Edge | None = None
        self._stopped = Event()

    def start(self) -> None:
        """Bind and serve; raises ConfigError and NotYet."""
        self._stopped.clear()
        self._server = Edge(self._listener.open(), self._application, registry=self._registry)
        self._server.context, self._server.proxies = self._context, self._proxies
        self._server.start()
        _log.info("admin.listening", address=str(self._listener.address), tls=self._context is not None)

    def run(self) -> None:
        """Wait for stop(): the server has greenlets of its own."""
        self._stopped.wait()

    def stop(self) -> None:
        """Close the listener and the connections."""
        if self._server is not None:
            server, self._server = self._server, None
            server.stop(timeout=0.5)
            if isinstance(self._listener, UnixListener):
                self._listener.remove()
        self._access.close()
        texts.close()
        self._stopped.set()

    def reload(self, settings: Settings) -> None:
        """Take over new keys and read the certificate again; raises ConfigError, and then nothing is changed."""
        if (settings.admin_tls_cert == "") != (self._context is None):
            raise ConfigError(["DNS_ADMIN_TLS_CERT turns TLS on or off at the next start only"])
        context = tls_context(settings)
        self._access.reload(settings)
        self._context, self._proxies = context, settings.admin_trusted_proxies
        if self._server is not None:
            self._server.context, self._server.proxies = context, self._proxies

    def ready(self) -> bool:
        """Return whether it listens."""
        return self._server is not None

