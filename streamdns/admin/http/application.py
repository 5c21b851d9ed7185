"""The admin API as a WSGI application: checks the caller and the parameters of each request, and calls its route.

Served by edge.py alone, which leaves the path in PATH_INFO as it was sent (a name may hold a slash, as %2F).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import bottle
import msgspec

from streamdns.admin.http import decoding
from streamdns.admin.http.pieces import Flowing, pieces
from streamdns.admin.http.route import Call, Principal, Reply, Role, Route, Stream
from streamdns.admin.http.shares import Shares
from streamdns.admin.schema.edge import Error, ErrorDetail
from streamdns.dns import name
from streamdns.errors import ApiError, ViewError
from streamdns.runtime import logs
from streamdns.runtime.turns import take_turn

_log = logs.get("admin")
CODES: Final = {
    400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed",
    408: "timeout", 413: "too_large", 414: "too_long", 415: "unsupported_media_type", 417: "expectation_failed",
    421: "misdirected", 429: "too_many_requests", 431: "headers_too_large", 500: "internal", 501: "not_implemented",
    503: "not_ready", 505: "version_not_supported",
}
SECURITY_HEADERS: Final = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
_JSON: Final = "application/json"
_FAULT: Final = "this request met a fault; the log of the server says more"
_PARAMETER: Final = re.compile(r"\{([a-z_]+)\}")
#: Streams in all, and of one holder of a token.
_MAX_STREAMS, _MAX_STREAMS_OF_ONE = 16, 4
#: How often it is looked whether the client of a stream may still have it.
_ADMIT_AGAIN_S: Final = 5.0


class Gate(Protocol):
    """Decides who a caller is, and whether the role is enough."""

    def principal(self, environ: Mapping[str, Any], needed: Role) -> Principal:
        """Return the caller; raises ApiError for one who is unknown or lacks the role."""


def application(
    routes: Sequence[Route], gate: Gate, *, clock: Callable[[], float] = time.monotonic
) -> bottle.Bottle:
    """Build the WSGI application of a table; raises ValueError for rows that contradict each other or themselves."""
    app = bottle.Bottle()
    app.config["json.enable"] = False
    served = _Served(gate, clock)
    seen: set[tuple[str, str]] = set()
    for route in routes:
        _check(route)
        if (route.method, route.path) in seen:
            raise ValueError(f"{route.method} {route.path} is in the table twice")
        seen.add((route.method, route.path))
        app.route(_PARAMETER.sub(r"<\1>", route.path), route.method, served.callback(route))
    app.default_error_handler = _of_bottle
    return app


def parameters(path: str) -> tuple[str, ...]:
    """Return the names of the parameters in the path of a route."""
    return tuple(_PARAMETER.findall(path))


def error_document(status: int, code: str, message: str) -> bytes:
    """Encode an error as JSON."""
    return msgspec.json.encode(Error(ErrorDetail(code or CODES.get(status, "error"), message))) + b"\n"


def _check(route: Route) -> None:
    for struct in (route.query, route.body):
        if struct is not None and not struct.__struct_config__.forbid_unknown_fields:
            raise ValueError(f"{struct.__name__} of {route.method} {route.path} takes unknown fields")
    if route.zone and route.zone not in (*parameters(route.path), *route.query.__struct_encode_fields__):
        raise ValueError(f"{route.zone} is no parameter of {route.method} {route.path}")


class _Served:
    """Serves the routes of one table and counts the open streams."""

    def __init__(self, gate: Gate, clock: Callable[[], float]) -> None:
        self._gate, self._clock = gate, clock
        self._streams = Shares(_MAX_STREAMS, _MAX_STREAMS_OF_ONE, code="too_many_streams", what="streams are open")

    def callback(self, route: Route) -> Callable[..., Any]:
        """Make the function that Bottle calls for a route, with the undecoded parts of the path."""

        def serve(**parts: str) -> Any:
            try:
                return self._serve(route, parts)
            except ApiError as error:
                return _failed(error)
            except ViewError as error:
                _log.error("admin.view_unreadable", path=route.path, error=str(error))
                return _failed(ApiError(503, "view_unreadable", str(error)))
            except Exception as error:  # noqa: BLE001 - the edge turns every fault of ours into one answer
                _log.error("admin.request_failed", exc=error, path=route.path)
                return _failed(ApiError(500, CODES[500], _FAULT))

        return serve

    def _serve(self, route: Route, parts: Mapping[str, str]) -> Any:
        environ = bottle.request.environ
        # Before anything is read of what a stranger sent.
        principal = self._gate.principal(environ, route.role)
        if route.unscoped and principal.zones is not None:
            raise ApiError(403, "forbidden", "this is about the whole node, and you may see only some zones")
        take_turn()
        path = {key: decoding.path_part(part) for key, part in parts.items()}
        query = decoding.query(environ.get("QUERY_STRING", ""), route.query)
        _check_scope(route, principal, path, query)
        body = _body(route, environ)
        take_turn()
        result = route.handle(Call(path, query, body, principal))
        take_turn()
        if route.role > Role.VIEWER and route.method != "GET":
            _log.info("admin.changed", by=principal.name, what=f"{route.method} {route.path}")
        if isinstance(result, Stream):
            return self._stream(result, principal, lambda: self._gate.principal(environ, route.role))
        reply = result if isinstance(result, Reply) else Reply(result)
        made = [reply.document] if isinstance(reply.document, bytes) else pieces(reply.document)
        if len(made) == 1:
            return _answer(reply.status, made[0], content_type=reply.content_type, headers=reply.headers)
        headers = (*reply.headers, ("Content-Length", str(sum(map(len, made)))))
        _answer(reply.status, b"", content_type=reply.content_type, headers=headers)
        return Flowing(made)

    def _stream(self, stream: Stream, principal: Principal, admit: Callable[[], object]) -> Any:
        if bottle.request.method == "HEAD":
            _close(stream.chunks)
            return _answer(200, b"", content_type=stream.content_type)
        try:
            end = self._streams.take(principal)
        except ApiError:
            _close(stream.chunks)
            raise
        _answer(200, b"", content_type=stream.content_type, headers=(("Connection", "close"),))
        return _Flow(self.flow(stream, admit, end), end)

    def flow(
        self, stream: Stream, admit: Callable[[], object], end: Callable[[], None]
    ) -> Generator[bytes, None, None]:
        """Yield the chunks of a stream for as long as its client is admitted; `end` frees its place."""
        admitted_s = self._clock()
        try:
            if stream.content_type == "text/event-stream":
                # A comment: the head of the answer goes out now, not with the first event.
                yield b":\n\n"
            for chunk in stream.chunks:
                if self._clock() - admitted_s >= _ADMIT_AGAIN_S:
                    admit()
                    admitted_s = self._clock()
                yield chunk
        except ApiError:
            # The token has ended or was revoked meanwhile: so does the stream.
            return
        finally:
            end()
            _close(stream.chunks)


class _Flow:
    """Wraps a stream so that the server closes it and frees its place, also where it has not begun."""

    def __init__(self, chunks: Generator[bytes, None, None], end: Callable[[], None]) -> None:
        self._chunks, self._end = chunks, end

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        self._chunks.close()
        self._end()


def _close(chunks: Iterable[bytes]) -> None:
    close = getattr(chunks, "close", None)
    if close is not None:
        close()


def _check_scope(route: Route, principal: Principal, path: Mapping[str, str], query: Any) -> None:
    if principal.zones is None or not route.zone:
        return
    text = path.get(route.zone) or getattr(query, route.zone, None)
    if not text:
        raise ApiError(403, "forbidden", f"you may see only some zones: give {route.zone}")
    try:
        owner = name.from_text(text).lower()
    except ValueError as error:
        raise ApiError(400, "bad_request", f"{text} is no name: {error}") from error
    if not principal.may_see(owner):
        raise ApiError(403, "forbidden", f"{text} is in no zone that you may see")


def _body(route: Route, environ: Mapping[str, Any]) -> Any:
    source = environ["wsgi.input"]
    raw = source.read()
    if route.body is None:
        if raw:
            raise ApiError(400, "bad_request", "this request takes no body")
        return None
    lenient = route.role == Role.PUBLIC
    return decoding.body(raw, route.body, environ.get("CONTENT_TYPE", ""), lenient=lenient)


def _answer(
    status: int, content: bytes, *, content_type: str = _JSON, headers: Iterable[tuple[str, str]] = ()
) -> bytes:
    response = bottle.response
    response.status = status
    response.content_type = content_type
    for key, value in (*SECURITY_HEADERS, *headers):
        response.add_header(key, value)
    return content


def _failed(error: ApiError) -> bytes:
    headers = (("WWW-Authenticate", "Bearer"),) if error.status == 401 else ()
    return _answer(error.status, error_document(error.status, error.code, error.message), headers=headers)


def _of_bottle(error: bottle.HTTPError) -> bytes:
    """Answer in JSON what Bottle would answer in HTML: no such path, no such method."""
    status = int(error.status_code)
    if status == 404:
        message = "there is nothing at this path"
    elif status == 405:
        message = "this path has no such method"
    else:
        message = "this request cannot be served" if status < 500 else _FAULT
        if isinstance(error.exception, Exception):
            _log.error("admin.request_failed", exc=error.exception, path=bottle.request.path)
    return _answer(status, error_document(status, CODES.get(status, "error"), message))
