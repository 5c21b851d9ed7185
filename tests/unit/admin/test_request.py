"""Requests read from octets, and parameters and bodies made of them."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.admin.access.unauthenticated import LOCAL, OpenGate, is_literal
from streamdns.admin.http import decoding
from streamdns.admin.http.application import application
from streamdns.admin.http.request import MAX_BODY_BYTES, Body, Head, read_head
from streamdns.admin.http.route import Role, Route
from streamdns.errors import ApiError


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = ""
    limit: int = 10
    deep: bool = False
    type: list[str] = []


def head_of(text: bytes) -> Head:
    source = io.BytesIO(text)
    return read_head(source, source.readline())


def body_of(content: bytes, length: int | None) -> Body:
    def reading() -> AbstractContextManager[None]:
        return nullcontext()

    return Body(io.BytesIO(content), length, reading=reading, give_way=lambda: None)


def status_of(call: Any, *arguments: Any) -> int:
    with pytest.raises(ApiError) as caught:
        call(*arguments)
    return caught.value.status


def test_a_request() -> None:
    head = head_of(b"POST /a%2Fb?x=1&y HTTP/1.1\r\nHost: h\r\nX-A:  b \t\r\nx-a: c\r\n"
                   b"X-Empty: \t \r\nX-Nothing:\r\nX-Inner:\ta \t b\r\nCookie: a=1\r\nCookie: b=2\r\n"
                   b"Content-Length: 007\r\nExpect: 100-Continue\r\n\r\n")
    assert (head.method, head.path, head.query, head.version) == ("POST", "/a%2Fb", "x=1&y", "HTTP/1.1")
    assert head.headers["x-a"] == "b, c"
    assert (head.headers["x-empty"], head.headers["x-nothing"], head.headers["x-inner"]) == ("", "", "a \t b")
    assert head.headers["cookie"] == "a=1; b=2"
    assert (head.length, head.closes, head.expects) == (7, False, True)


def test_when_a_connection_ends() -> None:
    assert head_of(b"GET / HTTP/1.0\r\n\r\n").closes
    assert head_of(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Close\r\n\r\n").closes
    assert head_of(b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n").length is None


@given(st.binary(max_size=400))
def test_anything_at_all_is_a_request_or_an_error(content: bytes) -> None:
    for begin in (b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n"):
        try:
            head = head_of(begin + content)
        except ApiError as error:
            assert 400 <= error.status <= 505
        else:
            assert head.path.startswith("/")
            assert "\r" not in str(head) + str(head.headers)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20), st.binary(max_size=20))
def test_chunks_are_put_together(chunks: list[bytes], behind: bytes) -> None:
    sent = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    body = body_of(sent + behind, None)
    assert body.pending
    assert body.read() == b"".join(chunks)
    assert not body.pending
    assert body.read() == b""


@given(st.binary(max_size=100))
def test_chunks_of_anything_end(content: bytes) -> None:
    try:
        assert len(body_of(content, None).read()) <= len(content)
    except ApiError as error:
        assert error.status in (400, 413)


def test_a_body_that_is_cut_off_stays_pending() -> None:
    body = body_of(b"abc", 4)
    assert status_of(body.read) == 400
    assert body.pending
    assert status_of(body_of(b"%x\r\n" % (MAX_BODY_BYTES + 1), None).read) == 413


def test_parameters() -> None:
    assert decoding.query("", Wanted) == Wanted()
    found = decoding.query("name=a%2Fb+c&limit=3&deep=true&type=A&type=MX", Wanted)
    assert found == Wanted("a/b c", 3, True, ["A", "MX"])
    assert decoding.path_part("0%2F25.2.0.192.in-addr.arpa.") == "0/25.2.0.192.in-addr.arpa."


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("what=1", "there is no parameter what"),
        ("name=a&name=b", "name is given twice"),
        ("limit=x", "limit has to be a whole number"),
        ("limit", "the query is not made of name=value"),
        ("name=%zz", "not followed by two hexadecimal digits"),
        ("name=%ff", "the query is not UTF-8"),
        ("name=%00", "the query has a control character"),
        ("a=1&" * 64 + "b=2", "at most 64"),
    ],
)
def test_parameters_that_are_refused(query: str, sentence: str) -> None:
    with pytest.raises(ApiError) as caught:
        decoding.query(query, Wanted)
    assert caught.value.status == 400
    assert sentence in caught.value.message


@given(st.text(alphabet="ab=&%+;10\\é\0", max_size=40))
def test_any_query_is_decoded_or_refused(query: str) -> None:
    try:
        decoding.query(query, Wanted)
    except ApiError as error:
        assert error.status == 400


def test_bodies() -> None:
    assert decoding.body(b'{"name": "a"}', Wanted, "application/json; charset=utf-8") == Wanted("a")
    assert decoding.body(b'{"name": "a"}', Wanted, "", lenient=True) == Wanted("a")
    for kind in ("", "text/plain", "application/x-www-form-urlencoded"):
        assert status_of(decoding.body, b"{}", Wanted, kind) == 415
    for content in (b"", b"[]", b'{"x": 1}', b'{"limit": "1"}', b"\xff", b"[" * 100_000, b'{"name": "\xff"}'):
        assert status_of(decoding.body, content, Wanted, "application/json") == 400, content[:20]


@pytest.mark.parametrize(
    ("host", "literal"),
    [("127.0.0.1:8054", True), ("127.0.0.1", True), ("[::1]:8054", True), ("[::1]", True), ("localhost:1", True),
     ("LOCALHOST", True), ("", True), ("example.com", False), ("example.com:8054", False), ("1", False),
     ("127.0.0.1.example.com", False), ("localhost.example.com:80", False)],
)
def test_names_that_could_be_made_to_point_here(host: str, literal: bool) -> None:
    assert is_literal(host) is literal


def test_without_a_login_whoever_is_here_may_and_pages_may_not() -> None:
    gate = OpenGate()
    here = {"HTTP_HOST": "127.0.0.1:1", "wsgi.url_scheme": "http"}
    assert gate.principal(here, Role.ADMIN) is LOCAL
    assert gate.principal(here | {"HTTP_ORIGIN": "http://127.0.0.1:1"}, Role.ADMIN) is LOCAL
    assert status_of(gate.principal, here | {"HTTP_ORIGIN": "http://evil.example"}, Role.VIEWER) == 403
    assert status_of(gate.principal, here | {"HTTP_SEC_FETCH_SITE": "cross-site"}, Role.VIEWER) == 403
    assert status_of(gate.principal, here | {"HTTP_HOST": "evil.example"}, Role.VIEWER) == 421
    assert gate.principal({"HTTP_HOST": "evil.example"}, Role.PUBLIC) is LOCAL


class Loose(msgspec.Struct):
    name: str = ""


@pytest.mark.parametrize(
    "rows",
    [
        [Route("GET", "/a", lambda call: {}, "", dict, query=Loose)],
        [Route("POST", "/a", lambda call: {}, "", dict, body=Loose)],
        [Route("GET", "/a", lambda call: {}, "", dict, zone="zone")],
        [Route("GET", "/a", lambda call: {}, "", dict)] * 2,
    ],
    ids=["loose query", "loose body", "no such parameter", "twice"],
)
def test_rows_that_contradict_themselves(rows: list[Route]) -> None:
    with pytest.raises(ValueError, match="/a"):
        application(rows, OpenGate())
