"""The edge of the admin API: gevent's WSGI server with limits of size, number and time, and JSON for every error.

Reading is done here and not by gevent's own code, which takes much that RFC 9112 forbids. In each turn of the event
loop one request goes on, by one step, so a flood of them leaves DNS its turns.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final

import gevent
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer
from gevent.socket import wait_read, wait_write
from gevent.ssl import SSLContext, SSLWantReadError, SSLWantWriteError

from streamdns.admin.http.application import CODES, SECURITY_HEADERS, error_document
from streamdns.admin.http.in_turn import InTurnSocket
from streamdns.admin.http.proxies import client_of, scheme_of
from streamdns.admin.http.request import MAX_LINE_BYTES, Body, Head, read_head
from streamdns.errors import ApiError
from streamdns.metrics.registry import Registry
from streamdns.runtime import logs
from streamdns.runtime.native import LowPriorityThread
from streamdns.runtime.turns import take_turn
from streamdns.runtime.waited_for import WaitedFor
from streamdns.settings.admin import Proxies

CONNECTIONS: Final = 64
#: Without a request; for the whole head once it has begun; for the whole body; for a piece of an answer to be taken.
IDLE_S: Final = 30.0
HEAD_S: Final = 5.0
BODY_S: Final = 15.0
SEND_S: Final = 30.0
_HANDSHAKE_S: Final = 5.0
#: For the client to read the last answer before its connection is closed; as much of it is read meanwhile.
_LINGER_S: Final = 1.0
_LINGER_BYTES: Final = 2 << 20
_ACCEPTS_A_TURN: Final = 8
#: A piece of an answer that goes out together with the head, and the most that is sent in one turn.
_HELD_BYTES: Final = 65536
_REASONS: Final = {
    400: "Bad Request", 408: "Request Timeout", 413: "Content Too Large", 414: "URI Too Long",
    417: "Expectation Failed", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
    501: "Not Implemented", 503: "Service Unavailable", 505: "HTTP Version Not Supported",
}
_log = logs.get("admin")


class Handler(WSGIHandler):  # type: ignore[misc] # gevent has no types for it
    """Serves the requests of one connection."""

    server: Edge
    head: Head
    close_connection: bool
    _held: bytearray | None = None

    def handle(self) -> None:
        """Serve requests until one side ends the connection."""
        try:
            with contextlib.suppress(OSError):
                while self.handle_one_request():
                    pass
                self._linger()
        finally:
            with contextlib.suppress(OSError):
                self.rfile.close()
                self.socket.close()

    def handle_one_request(self) -> bool:
        """Serve one request; returns whether another may follow on this connection."""
        self.headers_sent, self.response_length, self.status = False, 0, None
        try:
            head = self._read_head()
        except ApiError as error:
            take_turn()  # The time of many may end at once.
            self._refuse(error)
            return False
        if head is None:
            return False
        self.head, self.command, self.path, self.requestline = head, head.method, head.path, ""
        self.request_version, self.close_connection = head.version, head.closes
        self.wsgi_input = Body(self.rfile, head.length, reading=self._reading_body, give_way=take_turn)
        self.environ = self.get_environ()
        self.application = self.server.application
        self.server.requests.add()
        take_turn()
        self.handle_one_response()
        return not self.close_connection and not self.wsgi_input.pending

    def _read_head(self) -> Head | None:
        """Read the head of the next request; None where the client sends none."""
        with self.server.waiting():
            begin = b""
            with gevent.Timeout(IDLE_S, False):
                begin = self.rfile.peek(1)
            if not begin:
                return None
            take_turn()
            with gevent.Timeout(HEAD_S, ApiError(408, CODES[408], f"the head took longer than {HEAD_S:g} s")):
                line = self.rfile.readline(MAX_LINE_BYTES + 1)
                # One empty line may be left from the request before (RFC 9112 §2.2).
                return read_head(self.rfile, self.rfile.readline(MAX_LINE_BYTES + 1) if line == b"\r\n" else line)

    @contextlib.contextmanager
    def _reading_body(self) -> Iterator[None]:
        if self.head.expects:
            self.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        error = ApiError(408, CODES[408], f"the body took longer than {BODY_S:g} s")
        with self.server.waiting(), gevent.Timeout(BODY_S, error):
            yield

    def get_environ(self) -> dict[str, Any]:
        """Build the WSGI environment; PATH_INFO is left undecoded, for a name may hold a slash (%2F)."""
        head, proxies = self.head, self.server.proxies
        client, scheme = self.server.peer_of(self.client_address), "http" if self.server.context is None else "https"
        if proxies:
            scheme = scheme_of(client, head.headers, scheme, proxies)
            client = client_of(client, head.headers.get("x-forwarded-for", ""), proxies)
        environ: dict[str, Any] = self.server.get_environ()
        environ |= {
            "REQUEST_METHOD": head.method, "PATH_INFO": head.path, "QUERY_STRING": head.query,
            "SERVER_PROTOCOL": head.version, "REMOTE_ADDR": client, "wsgi.url_scheme": scheme,
            "wsgi.input": self.wsgi_input,
        }
        for key, value in head.headers.items():
            # With an underscore it could pass for another header.
            if key == "content-type":
                environ["CONTENT_TYPE"] = value
            elif "_" not in key and key != "content-length":
                environ["HTTP_" + key.replace("-", "_").upper()] = value
        return environ

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """Begin the answer as WSGI says; where the body was not read, the connection is closed behind it."""
        take_turn()
        if self.wsgi_input.pending or self.head.closes:
            headers = [*headers, ("Connection", "close")]
        write: Callable[[bytes], None] = super().start_response(status, headers, exc_info)
        return write

    def handle_error(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """End the connection after a fault of ours, or when the client takes no more of an answer."""
        self.close_connection = True
        if isinstance(error, OSError | gevent.GreenletExit):
            return
        if isinstance(error, Exception):
            _log.error("admin.request_failed", exc=error, path=self.path)
        if not self.headers_sent:
            self._refuse(ApiError(500, CODES[500], "this request met a fault; the log of the server says more"))

    def _write_with_headers(self, data: bytes) -> None:
        # One packet for a small answer: the body would wait for the acknowledgement of its head (RFC 896).
        self._held = bytearray()
        super()._write_with_headers(data)
        held, self._held = self._held, None
        if held:
            self._sendall(held)

    def _sendall(self, data: bytes | bytearray) -> None:
        if self._held is not None:
            if len(data) <= _HELD_BYTES:
                self._held += data
                return
            held, self._held = self._held, None
            self._sendall(held)
        # Who does not take what was asked for makes room, too.
        with self.server.waiting():
            for at in range(0, len(data), _HELD_BYTES):
                take_turn()
                super()._sendall(data[at : at + _HELD_BYTES])

    def log_request(self) -> None:
        """Log nothing: there is no log of requests."""

    def _refuse(self, error: ApiError) -> None:
        self.server.refused.add()
        self.headers_sent = self.close_connection = True
        document = error_document(error.status, error.code, error.message)
        headers = [*SECURITY_HEADERS, ("Content-Type", "application/json"), ("Content-Length", str(len(document))),
                   ("Connection", "close")]
        head = f"HTTP/1.1 {error.status} {_REASONS[error.status]}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers)
        self.socket.sendall(head.encode("ascii") + b"\r\n" + document)

    def _linger(self) -> None:
        """Read on for a moment before closing: unread data would reset the connection and take the last answer away."""
        self.socket.shutdown(socket.SHUT_WR)
        left = _LINGER_BYTES
        with self.server.waiting(), gevent.Timeout(_LINGER_S, False):
            while left > 0 and (data := self.socket.recv(65536)):
                left -= len(data)
                take_turn()


def _shake_hands(wrapped: Any, thread: LowPriorityThread) -> None:
    """Do the TLS handshake; its arithmetic, milliseconds for an RSA key, runs in a native thread. Raises OSError."""
    wrapped.settimeout(0)
    while True:
        try:
            thread.run(wrapped.do_handshake)
        except SSLWantReadError:
            wait_read(wrapped.fileno())
        except SSLWantWriteError:
            wait_write(wrapped.fileno())
        else:
            return


class Edge(WSGIServer):  # type: ignore[misc] # gevent has no types for it
    """Accepts at most CONNECTIONS connections, and serves each in a greenlet; with a TLS context they are encrypted."""

    handler_class = Handler
    max_accept = _ACCEPTS_A_TURN

    def __init__(self, listener: socket.socket, application: Any, *, registry: Registry) -> None:
        super().__init__(listener, application, spawn=Pool(4 * CONNECTIONS), log=None, error_log=None,
                         # Or it would ask the DNS for its own name.
                         environ={"SERVER_NAME": "", "SERVER_PORT": ""})
        self.context: SSLContext | None = None
        """May be replaced while running: connections from then on have it."""
        self.proxies = Proxies()
        """Those who are believed about the client; may be replaced, too."""
        self.requests = registry.counter("admin.requests")
        self.refused = registry.counter("admin.refused")
        self._waited_for = WaitedFor()
        self._hands = LowPriorityThread()
        self._open = 0
        registry.callback("admin.connections", lambda: self._open)

    def do_read(self) -> tuple[Any, Any] | None:
        """Accept a connection, None where there is none."""
        try:
            fd, address = self.socket._accept()  # noqa: SLF001 - what accept() is made of
        except BlockingIOError:
            return None
        return InTurnSocket(self.socket.family, self.socket.type, self.socket.proto, fileno=fd), address

    def handle(self, client: Any, address: Any) -> None:
        """Serve one connection to its end; called in a greenlet of its own."""
        take_turn()
        if self._open >= CONNECTIONS and not self._make_room():
            # Rare: waiting for events and streams are bounded below this.
            client.close()
            return
        self._open += 1
        try:
            client.settimeout(SEND_S)
            wrapped = self._encrypted(client)
            if wrapped is not None:
                Handler(wrapped, address, self).handle()
        finally:
            self._open -= 1
            client.close()

    def _encrypted(self, client: Any) -> Any:
        if self.context is None:
            return client
        with contextlib.suppress(OSError), self.waiting(), gevent.Timeout(_HANDSHAKE_S, False):
            take_turn()
            wrapped = self.context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
            try:
                _shake_hands(wrapped, self._hands)
            except BaseException:
                wrapped.close()
                raise
            wrapped.settimeout(SEND_S)
            return wrapped
        return None

    def stop(self, timeout: float | None = None) -> None:
        """Close the listener and the connections, and end the native thread."""
        super().stop(timeout=timeout)
        self._hands.close()

    def waiting(self) -> contextlib.AbstractContextManager[None]:
        """Mark the current connection as waiting for its client: it may be closed to make room for a new one."""
        return self._waited_for.waiting()

    def _make_room(self) -> bool:
        """Close the connection that has been waiting the longest; returns whether there was one."""
        made = self._waited_for.make_room()
        if made:
            _log.warning("admin.limit_reached", connections=CONNECTIONS)
        return made

    @staticmethod
    def peer_of(address: Any) -> str:
        """Return the IP address of a client, "" on a unix socket."""
        if not isinstance(address, tuple):
            return ""
        found = ipaddress.ip_address(str(address[0]).partition("%")[0])
        return str(getattr(found, "ipv4_mapped", None) or found)
