"""Reads HTTP/1.1 requests from a connection strictly (RFC 9112): what could be read in two ways is refused.

Sizes are limited here, times by edge.py. h11, the usual parser, is not strict enough: it takes bare line feeds, folded
headers and equal lengths, and does not show what it found between chunks. It also needs four times the processor.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from streamdns.errors import ApiError

#: To decode one of these, whatever is in it, keeps the event loop for less than a millisecond.
MAX_BODY_BYTES: Final = 1 << 16
MAX_LINE_BYTES: Final = 8192
MAX_HEADERS: Final = 64
MAX_HEAD_BYTES: Final = 32768
#: Of a body in chunks: what comes in crumbs costs more than it says.
MAX_CHUNKS: Final = 4096
_MAX_CHUNK_LINE: Final = 256
_CHUNKS_A_TURN: Final = 64

_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])\r\n")
#: The white space around the value is cut off afterwards: here it could be divided in as many ways as there is of it.
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)\r\n")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e]*)?\r\n")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
#: A second one of these would leave open which of them counts.
_ONCE: Final = ("host", "content-length", "transfer-encoding", "content-type", "authorization", "origin", "expect",
                "x-csrf-token", "last-event-id")


class Source(Protocol):
    """The buffered reader of a connection that requests are read from."""

    def readline(self, limit: int = -1, /) -> bytes: ...

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request: names of headers in lower case, path and query as they were sent.

    `length` is None where the body comes in chunks.
    """

    method: str
    path: str
    query: str
    version: str
    headers: dict[str, str]
    length: int | None
    closes: bool
    expects: bool


def read_head(source: Source, line: bytes) -> Head:
    """Read the head that begins with this line; raises ApiError for what is no proper request."""
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        if len(line) > MAX_LINE_BYTES:
            raise ApiError(414, "too_long", f"the first line is longer than {MAX_LINE_BYTES} octets")
        raise _bad("the first line is not of the form METHOD /path HTTP/1.1")
    if found[3] != b"1":
        raise ApiError(505, "version_not_supported", "only HTTP/1.1 and HTTP/1.0 are spoken here")
    method, target = found[1].decode("ascii"), found[2].decode("ascii")
    if method != method.upper():
        # Bottle would take it for one that it knows.
        raise ApiError(501, "not_implemented", "methods are written in capital letters")
    if not target.startswith("/") or "#" in target:
        raise _bad("the target has to begin with a slash, and to have no #")
    headers = _headers(source)
    newer = found[4] != b"0"
    if newer and "host" not in headers:
        raise _bad("the header Host is missing")
    path, _, query = target.partition("?")
    connection = {word.strip().lower() for word in headers.get("connection", "").split(",")}
    return Head(
        method, path, query, "HTTP/1.1" if newer else "HTTP/1.0", headers, _length(headers, newer),
        closes=not newer or "close" in connection, expects=newer and _expects(headers),
    )


def _headers(source: Source) -> dict[str, str]:
    headers: dict[str, str] = {}
    octets = 0
    for _ in range(MAX_HEADERS + 1):
        line = source.readline(MAX_LINE_BYTES + 1)
        if line == b"\r\n":
            return headers
        octets += len(line)
        if len(line) > MAX_LINE_BYTES or octets > MAX_HEAD_BYTES:
            raise ApiError(431, "headers_too_large", f"the headers are longer than {MAX_HEAD_BYTES} octets, or one is "
                           f"longer than {MAX_LINE_BYTES}")
        found = _HEADER.fullmatch(line)
        if found is None:
            raise _bad("a header is not of the form Name: value, or does not end with CR LF")
        key, value = found[1].decode("ascii").lower(), found[2].strip(b" \t").decode("latin-1")
        if key in headers:
            if key in _ONCE:
                raise _bad(f"the header {key} is given twice")
            value = headers[key] + ("; " if key == "cookie" else ", ") + value
        headers[key] = value
    raise ApiError(431, "headers_too_large", f"there are more than {MAX_HEADERS} headers")


def _length(headers: dict[str, str], newer: bool) -> int | None:
    """Return the length of the body, None for chunks; both at once is how requests are smuggled (RFC 9112 §6.1)."""
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is not None:
        if length is not None:
            raise _bad("Content-Length and Transfer-Encoding are both given")
        if not newer:
            raise _bad("HTTP/1.0 has no Transfer-Encoding")
        if coding.lower() != "chunked":
            raise ApiError(501, "not_implemented", "the only Transfer-Encoding is chunked")
        return None
    if length is None:
        return 0
    if not _LENGTH.fullmatch(length):
        raise _bad("Content-Length is no number")
    if int(length) > MAX_BODY_BYTES:
        raise _too_large()
    return int(length)


def _expects(headers: dict[str, str]) -> bool:
    expected = headers.get("expect")
    if expected is not None and expected.lower() != "100-continue":
        raise ApiError(417, "expectation_failed", "the only Expect is 100-continue")
    return expected is not None


class Body:
    """Reads the body of one request, once and whole; `pending` says that some of it is still unread."""

    __slots__ = ("_give_way", "_length", "_reading", "_source", "pending")

    def __init__(
        self, source: Source, length: int | None, *,
        reading: Callable[[], AbstractContextManager[None]], give_way: Callable[[], None],
    ) -> None:
        self._source, self._length, self._reading, self._give_way = source, length, reading, give_way
        self.pending = length != 0

    def read(self) -> bytes:
        """Return the whole body; raises ApiError where it is too large or malformed, and leaves it pending then."""
        if not self.pending:
            return b""
        with self._reading():
            content = self._chunks() if self._length is None else self._exactly(self._length)
        self.pending = False
        return content

    def _discard(self) -> None:
        """Do nothing: a connection with an unread body is closed."""

    def _exactly(self, octets: int) -> bytes:
        content = self._source.read(octets)
        if len(content) < octets:
            raise _bad("the body ends too early")
        return content

    def _chunks(self) -> bytes:
        chunks: list[bytes] = []
        octets = 0
        while True:
            line = self._source.readline(_MAX_CHUNK_LINE + 1)
            found = _CHUNK.fullmatch(line)
            if found is None:
                raise _bad("a chunk does not begin with its length")
            size = int(found[1], 16)
            if size == 0:
                break
            octets += size
            if octets > MAX_BODY_BYTES or len(chunks) >= MAX_CHUNKS:
                raise _too_large()
            chunks.append(self._exactly(size))
            if self._source.read(2) != b"\r\n":
                raise _bad("a chunk is longer than its length says")
            if len(chunks) % _CHUNKS_A_TURN == 0:
                self._give_way()
        if self._source.readline(3) != b"\r\n":
            raise _bad("trailers are not taken")
        return b"".join(chunks)


def _bad(message: str) -> ApiError:
    return ApiError(400, "bad_request", message)


def _too_large() -> ApiError:
    return ApiError(413, "too_large", f"the body is larger than {MAX_BODY_BYTES} octets, or in more than {MAX_CHUNKS} "
                    "chunks")
