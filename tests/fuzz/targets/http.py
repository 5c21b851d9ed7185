"""Requests to the admin API: heads and bodies as they come from a connection.

What is taken must be readable in one way only: whatever follows on the connection changes nothing about it.
"""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterator
from contextlib import nullcontext

from streamdns.admin.http.request import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MAX_LINE_BYTES,
    Body,
    Head,
    read_head,
)
from streamdns.errors import ApiError
from tests.fuzz.work import lines

INCLUDE = ("streamdns.admin.http.request",)
MOST_OCTETS = 4096
LINES, LINES_AN_OCTET = 500, 20
_BEHIND = (b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n", b"0\r\n\r\n", b"\0\xff" * 40)


def seeds(rng: random.Random) -> Iterator[bytes]:
    """Requests in order, and each way that is known to smuggle one."""
    host = b"Host: localhost\r\n"
    for head, body in (
        (b"", b""),
        (b"Content-Length: 5\r\n", b"hello"),
        (b"Transfer-Encoding: chunked\r\n", b"5;x=y\r\nhello\r\n0\r\n\r\n"),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        (b"Content-Length: +5\r\n", b"hello"),
        (b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"),
        (b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
        (b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
        (b"Transfer-Encoding:\tchunked \r\n", b"5 \r\nhello\r\n0\r\n\r\n"),
        (b"X: a\r\n b\r\n", b""),
        (b"Expect: 100-continue\r\nContent-Length: 1\r\n", b"x"),
        (b"Connection: close, x\r\n", b""),
        (b"Cookie: a=b\r\nCookie: c=d\r\n", b""),
        (b"Content-Length: 0x5\r\n", b"hello"),
        (b"Content-Length: 99999999\r\n", b""),
        (b"Transfer-Encoding: chunked\r\n", b"1\r\na\r\n" * 50 + b"0\r\n\r\n"),
        (b"X: " + b"y" * 300 + b"\r\n", b""),
    ):
        for line in (b"GET / HTTP/1.1\r\n", b"POST /v1/zones?a=%2e&b=c HTTP/1.0\r\n", b"get / HTTP/1.1\r\n"):
            yield line + host + head + b"\r\n" + body
    for line in (b"GET  / HTTP/1.1\r\n", b"GET /#x HTTP/1.1\r\n", b"GET http://x/ HTTP/1.1\r\n", b"GET / HTTP/1.1\n",
                 b"\r\n"):
        yield line + host + b"\r\n"


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Headers twice, in another order, ends of lines bent, another length."""
    parts = data.split(b"\r\n")
    kind = rng.randrange(4)
    if kind == 0:
        parts.insert(rng.randrange(len(parts) + 1), rng.choice(parts))
    elif kind == 1:
        return data.replace(b"\r\n", rng.choice((b"\n", b"\r", b"\r\n ", b"\n\r", b"\r\r\n")), rng.randrange(1, 4))
    elif kind == 2:
        number = str(rng.choice((0, 1, 5, 65536, 65537, 10**19))).encode()
        return re.sub(rb"\d+", number, data, count=rng.randrange(1, 5))
    else:
        rng.shuffle(parts)
    return b"\r\n".join(parts)


def check(data: bytes, *, whole: bool) -> None:
    """ApiError with a status, or a request that is read as the same whatever stands behind it."""
    found = _read(data)
    if isinstance(found, ApiError):
        assert 400 <= found.status <= 505
        assert found.code
        assert len(str(found)) < 500, "an error that quotes too much"
    else:
        _in_order(data, *found)
    if whole:
        lines(lambda: _read(data), most=LINES + LINES_AN_OCTET * len(data))
        if not isinstance(found, ApiError):
            head, body, used = found
            for behind in _BEHIND:
                again = _read(data[:used] + behind)
                assert again == (head, body, used), "what stands behind a request changes it"


def _read(data: bytes) -> tuple[Head, bytes, int] | ApiError:
    """The head, the body, and how many octets they took."""
    source = io.BytesIO(data)
    try:
        head = read_head(source, source.readline(MAX_LINE_BYTES + 1))
        body = Body(source, head.length, reading=nullcontext, give_way=lambda: None)
        content = body.read()
        assert not body.pending
        return head, content, source.tell()
    except ApiError as error:
        return error


def _in_order(data: bytes, head: Head, body: bytes, used: int) -> None:
    raw = data[:used]
    head_octets = raw[: raw.index(b"\r\n\r\n") + 4]
    assert head.path.startswith("/")
    assert not re.search(r"[^!-~]", head.path + head.query), "a target with more than visible ASCII"
    assert len(body) <= MAX_BODY_BYTES
    assert head.length is None or raw == head_octets + body, "octets that are neither head nor body"
    assert len(head_octets) <= MAX_HEAD_BYTES + MAX_LINE_BYTES + 4
    assert all(key == key.lower() and not re.search(r"[\r\n\0]", key + value) for key, value in head.headers.items())
    assert not re.search(rb"[^\r]\n|\r[^\n]", head_octets), "a line that ends in another way"
    # By the letter of RFC 9112: who gives both, or one of them twice, leaves open where the body ends.
    ends = re.findall(rb"^(content-length|transfer-encoding)[ \t]*:", head_octets, re.IGNORECASE | re.MULTILINE)
    assert len(ends) <= 1, "the end of the body is said twice"
    assert (head.length is None) == (b"transfer-encoding" in map(bytes.lower, ends))
