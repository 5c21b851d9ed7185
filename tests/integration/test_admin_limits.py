"""What one token has of what is limited, and what a token for some zones is not told."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.harness import Server, wait_until
from tests.integration.admin_calls import SECRET, call, token

STREAM = "/v1/journal/stream"
WAIT = "/v1/wait?name=not-there.example.org.&type=A&timeout=60"


@pytest.fixture
def server(start: Callable[..., Server]) -> Server:
    """A node that wants tokens, with something in its quarantine."""
    made = start(run=False, DNS_ADMIN_JWTSECRET=SECRET)
    made.append([b'{"key":"bad.example.org.|A","value":[{"name":"bad.example.org.","type":"A","content":"x"}]}\n'])
    return made.start()


def opened(server: Server, stack: ExitStack, path: str, bearer: str) -> socket.socket:
    """A request of which the answer is not awaited."""
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.admin_port), timeout=30))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\n\r\n".encode())
    return connection


@pytest.mark.parametrize(("path", "share", "code"), [
    (STREAM, 4, "too_many_streams"), (WAIT, 16, "too_many_waiting"),
])
def test_one_token_has_its_share(server: Server, path: str, share: int, code: str) -> None:
    """However many times it is used, there is room for another; and what ended is given back."""
    greedy, other = token("viewer", jti="greedy"), token("viewer", jti="other")
    with ExitStack() as stack:
        taken = [opened(server, stack, path, greedy) for _ in range(share)]
        if path == STREAM:
            assert all(each.recv(100).startswith(b"HTTP/1.1 200 ") for each in taken)
        answer = wait_until(lambda: (found := _refused(server, path, greedy)) is not None and found, "it has its share")
        assert answer == (429, code)
        another = opened(server, stack, path, other)
        if path == STREAM:
            assert another.recv(100).startswith(b"HTTP/1.1 200 ")
        assert _refused(server, path, other) is None
    if path == STREAM:
        with ExitStack() as stack:
            server.publish("new.example.org", "A", ["192.0.2.9"])
            wait_until(lambda: _refused(server, path, greedy) is None, "its share is free again")


def _refused(server: Server, path: str, bearer: str) -> tuple[int, str] | None:
    """The status and the word of a refusal; None where there is no answer at once, or one that begins well."""
    with ExitStack() as stack:
        connection = opened(server, stack, path, bearer)
        connection.settimeout(0.5)
        try:
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
        except TimeoutError:
            return None
        status = int(head.split()[1])
        return None if status == 200 else (status, json.loads(body)["error"]["code"])


def test_who_sees_some_zones_sees_no_positions_of_the_log(server: Server) -> None:
    """Nor how long the journal is: both tell how much is written elsewhere."""
    scoped, whole = token("viewer", zones=["example.org."]), token("viewer")

    def got(path: str, bearer: str = scoped) -> Any:
        answer = call(server, "GET", path, token=bearer)
        assert answer.status == 200, (path, answer)
        return answer.document

    pages = ("/v1/zones/example.org/records", "/v1/search?name=www", "/v1/quarantine", "/v1/journal",
             "/v1/zones/example.org/records/www.example.org", "/v1/wait?name=www.example.org&type=A")
    for path in pages:
        known, told = _places(got(path, whole)), _places(got(path))
        assert told == {None}, path
        assert path.startswith("/v1/wait") or known != {None}, path
    for query in ("offset=0", "partition=0&offset=99999&timeout=0"):
        answer = call(server, "GET", f"/v1/wait?{query}", token=scoped)
        assert (answer.status, answer.code) == (403, "forbidden")
    assert call(server, "GET", "/v1/wait?offset=0", token=whole).status == 200


def _places(document: Any) -> set[object]:
    """All that a document says of places in the log, and of the ends of the journal."""
    if isinstance(document, list):
        return set().union(*map(_places, document)) if document else {None}
    if not isinstance(document, dict):
        return set()
    found = {value for key, value in document.items() if key in ("topic", "partition", "position", "first", "end")}
    return found.union(*(_places(value) for value in document.values()))
