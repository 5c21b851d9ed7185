"""Posts over HTTP, for the outputs that speak it."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import Any

from gevent import socket

from streamdns.metrics.outputs import Unwanted
from streamdns.runtime.http_response import BoundedResponse

_CONNECT_S = _ANSWER_S = 5.0
_MAX_ANSWER_OCTETS = 65_536
_MAX_SAID = 200
#: What is wrong with the request stays wrong, however often it is sent.
_UNWANTED = (400, 413, 415, 422)


class Poster:
    """Posts to one URL, over a new connection each time: there is one post every few seconds at most."""

    def __init__(self, host: str, port: int, path: str, *, tls: bool, headers: Mapping[str, str]) -> None:
        self._host, self._port, self._path, self._tls = host, port, path, tls
        self._headers = {"User-Agent": "streamdns", "Connection": "close", **headers}

    def post(self, body: bytes) -> None:
        """Post a body; raises OSError where that fails, and Unwanted where the receiver will never take it."""
        connection = _Connection(self._host, self._port, tls=self._tls)
        try:
            connection.request("POST", self._path, body, self._headers)
            response = connection.getresponse()
            said = response.read(_MAX_ANSWER_OCTETS)
        except http.client.HTTPException as err:
            raise OSError(f"it does not answer as HTTP has it: {type(err).__name__}") from err
        finally:
            connection.close()
        if 200 <= response.status < 300:
            return
        reason = f"it answered {response.status} {said[:_MAX_SAID].decode(errors='replace').strip()}".rstrip()
        if response.status in _UNWANTED:
            raise Unwanted(reason)
        raise OSError(reason)


class _Connection(http.client.HTTPConnection):
    """An HTTP connection on gevent's sockets, also where nothing is monkey-patched."""

    response_class = BoundedResponse

    def __init__(self, host: str, port: int, *, tls: bool) -> None:
        super().__init__(host, port)
        self._tls = tls

    def connect(self) -> None:
        sock: Any = socket.create_connection((self.host, self.port), timeout=_CONNECT_S)
        try:
            sock.settimeout(_ANSWER_S)
            if self._tls:
                sock = _tls_context().wrap_socket(sock, server_hostname=self.host)
        except BaseException:
            sock.close()
            raise
        self.sock = sock


def _tls_context() -> Any:
    """Make a context that verifies certificate and name; loaded only where it is used."""
    from gevent import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    return context
