"""The edge of the admin API over raw sockets: what is no proper request ends in an error, and DNS goes on."""

from __future__ import annotations

import json
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dns.message
import dns.query
import pytest

from tests.harness import Server, wait_until
from tests.integration.admin_calls import SECRET, token
from tests.integration.malformed import HOST, MALFORMED

MOST_BODY = 1 << 16
FLOOD = 10_000
#: Statuses that an edge may refuse with.
STATUS_LINE = re.compile(rb"HTTP/1\.1 [0-9]{3} [A-Za-z ]+\r\n")
REFUSED = {400, 404, 405, 408, 413, 414, 415, 417, 421, 431, 501, 505}


def exchange(port: int, request: bytes, *, timeout_s: float = 30.0) -> bytes:
    """Everything that comes back until the server closes; the client says that it will send no more."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # It was refused in the middle: the answer is there.
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def judged(answer: bytes) -> int:
    """The status of the one answer, which is a JSON error with all that belongs to it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert len(STATUS_LINE.findall(answer)) == 1, answer[:500]
    lines = head.decode("ascii").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
    assert int(headers["content-length"]) == len(body)
    document = json.loads(body)
    assert set(document) == {"error"}
    assert set(document["error"]) == {"code", "message"}
    assert not re.search(r"Traceback|\.py\b|<html|gevent|bottle", body.decode(), re.IGNORECASE)
    return int(lines[0].split()[1])


@pytest.fixture
def server(start: Callable[..., Server]) -> Server:
    """A node that asks for nothing but proper requests."""
    return start()


def test_every_malformed_request_gets_its_error(server: Server) -> None:
    for kind, (request, status) in MALFORMED.items():
        assert judged(exchange(server.admin_port, request)) == status, kind
    assert server.metrics()["streamdns_admin_refused_total"] > 30


def test_a_proper_request_is_served_however_it_comes(server: Server) -> None:
    """In pieces, one behind the other, with an empty line before, with chunks."""
    line = b"GET /health HTTP/1.1\r\n" + HOST
    with socket.create_connection(("127.0.0.1", server.admin_port), timeout=30) as connection:
        for octet in line + b"\r\n":
            connection.sendall(bytes([octet]))
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
        connection.sendall(b"\r\n" + line + b"\r\n" + line + b"Connection: close\r\n\r\n")
        rest = b""
        while part := connection.recv(4096):
            rest += part
    assert rest.count(b"HTTP/1.1 200 OK\r\n") == 2
    chunked = b"POST /signin HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    body = b'10;name="x"\r\n{"username":"a",\r\n10 ; y\r\n"password": "b"}\r\n0\r\n\r\n'
    assert judged(exchange(server.admin_port, chunked + body)) == 404
    assert exchange(server.admin_port, b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_body_is_waited_for_as_the_client_expects(server: Server) -> None:
    """100 Continue for who asks for it, and none where the head alone is refused."""
    head = b"POST /signin HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: "
    with socket.create_connection(("127.0.0.1", server.admin_port), timeout=30) as connection:
        connection.sendall(head + b"33\r\n\r\n")
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b'{"username": "a","password": "b"}')
        assert connection.recv(4096).startswith(b"HTTP/1.1 404 ")
    assert judged(exchange(server.admin_port, head + b"9999999\r\n\r\n")) == 413


def test_the_largest_body_is_taken_and_one_more_octet_is_not(server: Server) -> None:
    head = b"POST /signin HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Length: %d\r\n\r\n"
    spaces = b" " * (MOST_BODY - 33) + b'{"username": "a","password": "b"}'
    assert judged(exchange(server.admin_port, head % MOST_BODY + spaces)) == 404
    assert judged(exchange(server.admin_port, head % (MOST_BODY + 1) + spaces + b" ")) == 413


def test_connections_that_wait_make_room(server: Server) -> None:
    """Whoever holds as many connections as there may be keeps nobody out."""
    held = [socket.create_connection(("127.0.0.1", server.admin_port), timeout=30) for _ in range(200)]
    try:
        assert server.get("/ready", timeout_s=30)[0] == 200
        assert server.metrics()["streamdns_admin_connections"] <= 64
        assert "admin.limit_reached" in server.written()
    finally:
        for connection in held:
            connection.close()
    wait_until(lambda: server.metrics()["streamdns_admin_connections"] <= 2, "only the one that asks is open")


@pytest.mark.slow
def test_who_is_slow_is_told_and_left(server: Server) -> None:
    """A head and a body that never end; each octet in time does not help."""
    beginnings = {
        "head": b"GET /health HTTP/1.1\r\nX: ",
        "body": b"POST /signin HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\n",
    }
    connections = {}
    for kind, beginning in beginnings.items():
        connection = connections[kind] = socket.create_connection(("127.0.0.1", server.admin_port), timeout=30)
        connection.sendall(beginning)
    answers = {}
    deadline = time.monotonic() + 60
    while len(answers) < len(connections):
        assert time.monotonic() < deadline, f"only {list(answers)} ended"
        for kind, connection in connections.items():
            if kind in answers:
                continue
            connection.settimeout(0.2)
            try:
                connection.sendall(b"a")
                answers[kind] = connection.recv(4096)
            except TimeoutError:
                continue
    for kind, connection in connections.items():
        connection.settimeout(30)
        while more := connection.recv(4096):
            answers[kind] += more
        assert judged(answers[kind]) == 408, kind
        connection.close()


def malformed_requests(seed: int, count: int) -> Iterator[bytes]:
    """Requests of the table, cut, joined, and with octets changed so that they stay improper."""
    chance = random.Random(seed)
    known = [request for request, _ in MALFORMED.values() if len(request) < 20_000]
    for _ in range(count):
        request = chance.choice(known)
        match chance.randrange(6):
            case 0:  # Cut off in the first line or the headers.
                yield b"GET /health HTTP/1.1\r\n" [: chance.randrange(1, 22)]
            case 1:
                yield b"GET /health HTTP/1.1\r\n" + HOST[: chance.randrange(len(HOST))]
            case 2:  # Anything at all.
                yield chance.randbytes(chance.randrange(1, 300)) + b"\0\r\n\r\n"
            case 3:  # A body that is cut off.
                yield b"POST /signin HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n{" % chance.randrange(2, 99999)
            case 4:  # A request that would be fine, behind one that is not.
                yield request + b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
            case _:
                yield request


@pytest.mark.slow
def test_ten_thousand_malformed_requests_leave_dns_alone(server: Server) -> None:
    """Each ends in an error or a closed connection; every DNS query meanwhile is answered, and nothing stays behind."""
    before_bytes = server.rss_anon_bytes()
    done = threading.Event()
    asked, wrong = [0], []

    def ask() -> None:
        while not done.is_set():
            query = dns.message.make_query("www.example.org.", "A")
            reply = dns.query.udp(query, "127.0.0.1", port=server.port, timeout=10)
            asked[0] += 1
            if not reply.answer:
                wrong.append(reply)

    def send(request: bytes) -> int:
        answer = exchange(server.admin_port, request)
        # A path or parameter that is wrong does not end its connection: the request behind it is served.
        return judged(answer.partition(b"HTTP/1.1 200 OK\r\n")[0]) if answer else 0

    with ThreadPoolExecutor(9) as pool:
        dns_side = pool.submit(ask)
        try:
            statuses = list(pool.map(send, malformed_requests(20261124, FLOOD)))
        finally:
            done.set()
        dns_side.result()
    assert len(statuses) == FLOOD
    assert set(statuses) - {0} <= REFUSED, set(statuses)
    assert statuses.count(0) < FLOOD // 100
    assert asked[0] > 100
    assert not wrong
    assert server.get("/ready")[0] == 200
    wait_until(lambda: server.metrics()["streamdns_admin_connections"] <= 2, "every connection is closed")
    assert server.rss_anon_bytes() - before_bytes < 64 << 20
    assert server.metrics()["streamdns_dns_exceptions_total"] == 0


def test_a_stream_ends_with_its_token(start: Callable[..., Server], tmp_path: Path) -> None:
    """Revoked while it flows, it is not served on."""
    server = start(DNS_ADMIN_JWTSECRET=SECRET, DNS_ADMIN_REVOKED=str(tmp_path / "revoked.json"))
    good = token("viewer", jti="of-a-stream").encode()
    request = b"GET /v1/journal/stream HTTP/1.1\r\n" + HOST + b"Authorization: Bearer " + good + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.admin_port), timeout=60) as connection:
        connection.sendall(request)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert server.command("token", "revoke", "of-a-stream").returncode == 0
        deadline, number = time.monotonic() + 60, 0
        connection.settimeout(0.5)
        while True:
            assert time.monotonic() < deadline, "the stream goes on"
            number += 1
            server.publish(f"n{number}.example.org", "A", ["192.0.2.77"])
            try:
                if not connection.recv(65536):
                    break
            except TimeoutError:
                continue
    judged(exchange(server.admin_port, request))


def test_who_waits_and_who_listens_leave_room_for_others(server: Server) -> None:
    """As many as may wait for events and listen to streams, and more: every other request is served."""
    waiting = b"GET /v1/wait?name=not-there.example.org.&type=A&timeout=60 HTTP/1.1\r\n" + HOST + b"\r\n"
    listening = b"GET /v1/journal/stream HTTP/1.1\r\n" + HOST + b"\r\n"
    held = []
    try:
        for number in range(80):
            held.append(socket.create_connection(("127.0.0.1", server.admin_port), timeout=30))
            held[-1].sendall(waiting if number % 2 else listening)
        for _ in range(20):
            assert server.get("/health", timeout_s=30)[0] == 200
        assert server.answers("www.example.org")
    finally:
        for connection in held:
            connection.close()
    wait_until(server.is_ready, "those who have gone make room")
