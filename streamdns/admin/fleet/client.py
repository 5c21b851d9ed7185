"""A client of the admin API over HTTP, HTTPS or a unix socket, for commands and peers. It needs no gevent."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from streamdns.admin.schema import requests
from streamdns.admin.schema.requests import EventLines
from streamdns.errors import StreamDNSError
from streamdns.runtime.http_response import BoundedResponse

_MOST_OCTETS = 64 << 20
#: Of an error.
_MOST_SAID_OCTETS = 1 << 16
_T = TypeVar("_T")


class NodeError(StreamDNSError):
    """A node cannot be reached or refuses; `status` is its HTTP status, 0 where it gave none, `body` its document.

    `content` says that it answers, but with what cannot be used.
    """

    def __init__(
        self, message: str, *, status: int = 0, code: str = "", body: bytes = b"", content: bool = False
    ) -> None:
        self.status, self.code, self.body, self.content = status, code, body, content
        super().__init__(message)


class Event(NamedTuple):
    """One server-sent event; one without a kind carries only an id."""

    kind: str
    id: str
    document: Any


class _UnixConnection(http.client.HTTPConnection):
    """An HTTP connection over a unix socket."""

    response_class = BoundedResponse

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """Sends requests to one node, whose URL is as settings.peers.parse_node gives it.

    `ca` is a file of certificates to trust instead of the system's; an answer has at most `most_bytes`. Raises
    NodeError.
    """

    def __init__(
        self, url: str, *, token: str = "", ca: str = "", timeout_s: float = 10.0, most_bytes: int = _MOST_OCTETS
    ) -> None:
        self.url = url
        self._token, self._ca, self._timeout_s, self._most_bytes = token, ca, timeout_s, most_bytes

    def get(self, path: str, parameters: Mapping[str, Any] | None = None, *, timeout_s: float | None = None) -> Any:
        """Get the document at a path."""
        return self._untyped(self._ask("GET", path, parameters, timeout_s))

    def get_as(
        self, answer: type[_T], path: str, parameters: Mapping[str, Any] | None = None, *,
        timeout_s: float | None = None,
    ) -> _T:
        """Get the document at a path as this type: what else a node may send is never made into objects."""
        return self.decoded(answer, self._ask("GET", path, parameters, timeout_s))

    def decoded(self, answer: type[_T], body: bytes) -> _T:
        """Decode an answer; raises NodeError where it is of another form."""
        try:
            return msgspec.json.decode(body, type=answer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as err:
            raise NodeError(f"{self.url} is of another version: {err}", content=True) from err

    def post(self, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """Post to a path without a body, and return the document of the answer."""
        return self._untyped(self._ask("POST", path, parameters, None))

    def pages(self, path: str, parameters: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Yield the pages of a list, from the first to the last."""
        wanted = dict(parameters or {})
        while True:
            page = self.get(path, wanted)
            yield page
            if not page["next"]:
                return
            wanted["cursor"] = page["next"]

    def events(self, path: str, parameters: Mapping[str, Any] | None = None, *, silence_s: float) -> Iterator[Event]:
        """Yield server-sent events until the node ends the stream; a silence of `silence_s` raises NodeError."""
        connection, response = self._open("GET", path, parameters, silence_s)
        try:
            lines = EventLines()
            while line := self._read(lambda: response.readline(1 << 20)):
                event = lines.line(line.rstrip(b"\r\n").decode(errors="replace"))
                if event is not None:
                    yield Event(event.kind, event.id, self._untyped(event.data) if event.data else None)
        finally:
            connection.close()

    def _ask(self, method: str, path: str, parameters: Mapping[str, Any] | None, timeout_s: float | None) -> bytes:
        connection, response = self._open(method, path, parameters, timeout_s or self._timeout_s)
        try:
            body = self._read(lambda: response.read(self._most_bytes + 1))
        finally:
            connection.close()
        if len(body) > self._most_bytes:
            raise NodeError(f"{self.url} answers with more than {self._most_bytes >> 10} KiB", content=True)
        return body

    def _open(
        self, method: str, path: str, parameters: Mapping[str, Any] | None, timeout_s: float
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        query = urlencode(requests.parameters(parameters or {}))
        headers = {"Accept": "application/json, text/event-stream"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = self._connection(timeout_s)
        try:
            try:
                connection.request(method, path + (f"?{query}" if query else ""), headers=headers)
                response = connection.getresponse()
            except (OSError, http.client.HTTPException) as err:
                raise self._unreachable(err) from err
            if response.status >= 400:
                raise self._refused(response.status, self._read(lambda: response.read(_MOST_SAID_OCTETS)))
        except BaseException:
            connection.close()
            raise
        return connection, response

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        if self.url.startswith("unix:"):
            return _UnixConnection(self.url[5:], timeout_s)
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        if parts.scheme == "http":
            plain = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout_s)
            plain.response_class = BoundedResponse
            return plain
        try:
            context = ssl.create_default_context(cafile=self._ca or None)
        except OSError as err:
            raise NodeError(f"{self._ca} is no file of certificates: {err.strerror or err}") from err
        tls = http.client.HTTPSConnection(parts.hostname, parts.port or 443, timeout=timeout_s, context=context)
        tls.response_class = BoundedResponse
        return tls

    def _read(self, read: Any) -> bytes:
        try:
            return bytes(read())
        except (OSError, http.client.HTTPException) as err:
            raise self._unreachable(err) from err

    def _untyped(self, body: bytes) -> Any:
        try:
            return msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as err:
            raise NodeError(f"{self.url} does not answer with JSON: is it a streamdns?", content=True) from err

    def _unreachable(self, err: Exception) -> NodeError:
        if isinstance(err, TimeoutError):
            reason = "no answer in time"
        elif isinstance(err, ssl.SSLCertVerificationError):
            reason = f"its certificate is not trusted: {err.verify_message}"
        elif isinstance(err, OSError):
            reason = (err.strerror or str(err) or type(err).__name__).lower()
        else:
            reason = f"what answers is no HTTP server ({type(err).__name__})"
        return NodeError(f"{self.url} cannot be asked: {reason}", content=isinstance(err, http.client.HTTPException))

    def _refused(self, status: int, body: bytes) -> NodeError:
        refusal = requests.refusal(body)
        if refusal is None:
            return NodeError(f"{self.url} answers with HTTP status {status}", status=status)
        code, message = refusal
        return NodeError(f"{self.url}: {message}", status=status, code=code, body=body)
