"""Serves /metrics to Prometheus at an address of its own, without a token and with nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from streamdns.metrics.prometheus import CONTENT_TYPE, pages
from streamdns.metrics.registry import Registry
from streamdns.runtime import logs
from streamdns.runtime.lifecycle import Service
from streamdns.runtime.listening import InetListener
from streamdns.runtime.turns import give_way

_log = logs.get("metrics")
_CONNECTIONS = 16
_IDLE_S = 5.0


class _Handler(WSGIHandler):  # type: ignore[misc] # gevent has no types for it
    """Serves one connection and closes it when the client is silent."""

    def handle(self) -> None:
        self.socket.settimeout(_IDLE_S)
        super().handle()


class PrometheusServer(Service):
    """The service that serves /metrics at one address."""

    name = "metrics prometheus"

    def __init__(self, listener: InetListener, registry: Registry) -> None:
        self._listener = listener
        self._registry = registry
        self._server: Any = None
        self._stopped = Event()

    def start(self) -> None:
        """Bind and serve; raises ConfigError and NotYet."""
        self._stopped.clear()
        self._server = WSGIServer(
            self._listener.open(), self._serve, spawn=Pool(_CONNECTIONS), handler_class=_Handler, log=None,
            error_log=None,
        )
        self._server.start()
        _log.info("metrics.listening", address=str(self._listener.address))

    def _serve(self, environ: dict[str, Any], respond: Callable[[str, list[tuple[str, str]]], Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            respond("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "26")])
            return [b"there is nothing but this\n"]
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            respond("405 Method Not Allowed", [("Allow", "GET, HEAD"), ("Content-Length", "0")])
            return []
        parts = []
        for page in pages(self._registry):
            parts.append(page.encode())
            give_way()
        body = b"".join(parts)
        headers = [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        respond("200 OK", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def run(self) -> None:
        """Wait for stop(): the server has greenlets of its own."""
        self._stopped.wait()

    def stop(self) -> None:
        """Close the listener and the connections."""
        if self._server is not None:
            server, self._server = self._server, None
            server.stop(timeout=0.5)
        self._stopped.set()

    def ready(self) -> bool:
        """Return whether it listens."""
        return self._server is not None
