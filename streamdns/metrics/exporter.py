"""Serves /metrics to Prometheus at an address of its own, without a token and with nothing else.

Anybody may connect, so a client has little time for its request, and the one that has been waited for longest makes
room for the next.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any, Final

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer

from streamdns.metrics.prometheus import CONTENT_TYPE, pages
from streamdns.metrics.registry import Registry
from streamdns.runtime import logs
from streamdns.runtime.lifecycle import Service
from streamdns.runtime.listening import InetListener
from streamdns.runtime.turns import take_turn
from streamdns.runtime.waited_for import WaitedFor

_log = logs.get("metrics")
_CONNECTIONS: Final = 16
#: For the whole head of a request, and for a whole answer to be taken.
_HEAD_S: Final = 5.0
_ANSWER_S: Final = 10.0
_HEAD_BYTES: Final = 8192
_LINGER_S: Final = 1.0
_request_line = re.compile(rb"([A-Z]{1,16}) ([\x21-\x7e]+) HTTP/1\.[01]\r?\n").match


class PrometheusServer(Service):
    """The service that serves /metrics at one address."""

    name = "metrics prometheus"

    def __init__(self, listener: InetListener, registry: Registry) -> None:
        self._listener = listener
        self._registry = registry
        self._server: Any = None
        self._stopped = Event()
        self._open = 0
        self._waited_for = WaitedFor()

    def start(self) -> None:
        """Bind and serve; raises ConfigError and NotYet."""
        self._stopped.clear()
        self._server = StreamServer(self._listener.open(), self._connected, spawn=Pool(4 * _CONNECTIONS))
        self._server.start()
        _log.info("metrics.listening", address=str(self._listener.address))

    def _connected(self, client: Any, _: object) -> None:
        """Serve one connection, which ends with the answer; called in a greenlet of its own."""
        if self._open >= _CONNECTIONS and not self._waited_for.make_room():
            client.close()
            return
        self._open += 1
        try:
            with contextlib.suppress(OSError):
                self._serve(client)
        finally:
            self._open -= 1
            client.close()

    def _serve(self, client: Any) -> None:
        head = self._head_of(client)
        if head is None:
            return
        take_turn()
        answer = self._answer(head)
        with self._waited_for.waiting(), gevent.Timeout(_ANSWER_S, False):
            client.sendall(answer)
            # What is still unread would reset the connection and take the answer away.
            client.shutdown(1)
            with gevent.Timeout(_LINGER_S, False):
                while client.recv(_HEAD_BYTES):
                    pass

    def _head_of(self, client: Any) -> bytes | None:
        """Read the head of a request, up to the empty line; None for one that is too long or not there in time."""
        head: bytes = b""
        with self._waited_for.waiting(), gevent.Timeout(_HEAD_S, False):
            while len(head) <= _HEAD_BYTES:
                data: bytes = client.recv(_HEAD_BYTES)
                if not data:
                    return None
                head += data
                if b"\r\n\r\n" in head or b"\n\n" in head:
                    return head
        return None

    def _answer(self, head: bytes) -> bytes:
        found = _request_line(head)
        if found is None:
            return _response(b"400 Bad Request", b"text/plain", b"this is no HTTP request\n")
        method, path = found[1], found[2].partition(b"?")[0]
        if path != b"/metrics":
            return _response(b"404 Not Found", b"text/plain", b"there is nothing but /metrics\n")
        if method not in (b"GET", b"HEAD"):
            return _response(b"405 Method Not Allowed", b"text/plain", b"", b"Allow: GET, HEAD\r\n")
        parts = []
        for page in pages(self._registry):
            parts.append(page.encode())
            take_turn()
        content = _response(b"200 OK", CONTENT_TYPE.encode(), b"".join(parts), b"Cache-Control: no-store\r\n")
        return content[: content.index(b"\r\n\r\n") + 4] if method == b"HEAD" else content

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


def _response(status: bytes, kind: bytes, content: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n%b\r\n%b" % (
        status, kind, len(content), more, content
    )
