"""What somebody tries who wants in, wants to know, or wants to be a nuisance."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.harness import Server, event_line, wait_until
from tests.integration.admin_calls import SECRET, call, token
from tests.integration.clients import ZONE
from tests.integration.malformed import HOST
from tests.integration.test_admin_edge import exchange, judged
from tests.integration.test_admin_listening import make_certificate

MORE_THAN_THERE_MAY_BE = 70
#: Other spellings of /v1/status.
SPELLINGS = (
    "/v1/%73tatus", "//v1/status", "/v1/status/", "/v1//status", "/./v1/status", "/health/../v1/status", "/V1/status",
    "/v1/status;x", "/v1/status%00", "/v1/status%2f", "/v1%2fstatus", "/v1\\status", "/v1/status%20", "/v1/status.json",
    "/health/%2e%2e/v1/status", "/ready/v1/status",
)


@pytest.fixture(scope="module")
def guarded(serve_all: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A node that wants tokens."""
    revoked = tmp_path_factory.mktemp("revoked") / "revoked.json"
    server = serve_all(start=False, DNS_ADMIN_JWTSECRET=SECRET, DNS_ADMIN_REVOKED=str(revoked))
    server.append(ZONE)
    return server.start()


def raw(server: Server, method: str, target: str, *headers: str) -> bytes:
    """The answer to a request as it is written here."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    return exchange(server.admin_port, "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n")


def test_there_is_one_spelling_of_a_path(guarded: Server) -> None:
    """Nothing that some other server would take for it leads past the gate, or anywhere at all."""
    good = f"Authorization: Bearer {token()}"
    for target in SPELLINGS:
        assert judged(raw(guarded, "GET", target)) == 404, target
        assert judged(raw(guarded, "GET", target, good)) == 404, target
    assert raw(guarded, "GET", "/v1/status?", good).startswith(b"HTTP/1.1 200 ")


def test_there_is_no_other_way_to_name_a_method(guarded: Server) -> None:
    good = f"Authorization: Bearer {token()}"
    for method in ("OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "CONNECT", "POST"):
        answer = raw(guarded, method, "/v1/status", good)
        assert judged(answer) == 405, method
        assert b"\r\nAllow: GET\r\n" in answer
    for header in ("X-HTTP-Method-Override: POST", "X-Method-Override: POST", "X-HTTP-Method: POST"):
        assert judged(raw(guarded, "GET", "/v1/rebuild", good, header)) == 405, header
    assert judged(raw(guarded, "post", "/v1/rebuild", good)) == 501


def test_head_is_get_without_the_document(guarded: Server) -> None:
    good = f"Authorization: Bearer {token()}"
    assert raw(guarded, "HEAD", "/v1/status").startswith(b"HTTP/1.1 401 ")
    for target in ("/v1/status", "/v1/zones", "/v1/journal/stream", "/metrics"):
        head, _, body = raw(guarded, "HEAD", target, good).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), target
        assert body == b"", target


def test_who_says_two_things_says_nothing(guarded: Server) -> None:
    """A good token beside another one is no good token."""
    good, other = token(), token("viewer", jti="another")
    bearer = f"Authorization: Bearer {good}"
    for headers, status in (
        ((bearer, f"Authorization: Bearer {other}"), 400),
        ((bearer, bearer), 400),
        ((f"Cookie: token={good}; token={other}",), 401),
        ((f"Cookie: token={good}", f"Cookie: token={other}"), 401),
        (("Authorization: Basic YTpi", f"Cookie: token={good}"), 401),
        (("Authorization: Bearer nonsense", f"Cookie: token={good}"), 401),
        ((f"Authorization_: Bearer {good}",), 401),
        ((f"Authorization: Bearer {good} {good}",), 401),
        ((f"Cookie: Token={good}",), 401),
        ((f"X-Forwarded-For: 127.0.0.1, {good}",), 401),
    ):
        assert judged(raw(guarded, "GET", "/v1/status", *headers)) == status, headers


@pytest.mark.parametrize("query", [
    "limit=0x10", "limit=%2B10", "limit=%2010", "limit=%EF%BC%91", "limit=" + "9" * 5000, "limit=1_0", "limit=",
    "limit=-1", "limit=1e99", "cursor=%00", "cursor=%ED%A0%80", "cursor=" + "A" * 1999, "below=%5C999", "below=a..b",
    "below=" + "a." * 200, "below=%00", "limit=1&limit=1", "Limit=1", "limit[]=1", "limit=1;x=2", "&", "=", "%",
])
def test_parameters_that_are_none(guarded: Server, query: str) -> None:
    assert judged(raw(guarded, "GET", f"/v1/zones?{query}", f"Authorization: Bearer {token()}")) == 400


@pytest.mark.parametrize("query", [
    "timeout=nan", "timeout=inf", "timeout=-1", "timeout=1e400", "timeout=0x1p1", "offset=9223372036854775808",
    "partition=2147483648", "partition=1.5", "gone=maybe", "content=%F0%28%8C%28",
])
def test_waiting_for_what_cannot_be(guarded: Server, query: str) -> None:
    target = f"/v1/wait?name=www.example.org&type=A&{query}"
    assert judged(raw(guarded, "GET", target, f"Authorization: Bearer {token()}")) == 400


def test_nothing_secret_is_told(start: Callable[..., Server], tmp_path: pathlib.Path) -> None:
    """Neither in the log, however much is logged, nor in what the API and the commands show of the settings."""
    peers_token = token("viewer", jti="of-peers", secret="another secret that is long enough for it: yes")
    secrets = {
        "DNS_ADMIN_PASSWORD": "pass word of the administrator", "DNS_ADMIN_JWTSECRET": SECRET,
        "DNS_COOKIE_SECRET": "0123456789abcdef0123456789abcdef", "DNS_PEERS_TOKEN": peers_token,
        "DNS_KAFKA_PASSWORD": "pass word of the cluster",
    }
    server = start(
        LOG_LEVEL="debug", DNS_ADMIN_REVOKED=str(tmp_path / "revoked.json"), DNS_PEERS="127.0.0.1:9",
        DNS_PEERS_INTERVAL="0.2", **secrets,
    )
    good, wrong = token(), token(secret=SECRET[::-1])
    password = secrets["DNS_ADMIN_PASSWORD"]
    assert call(server, "POST", "/signin", body={"username": "admin", "password": password}).status == 200
    call(server, "POST", "/signin", body={"username": password, "password": password})
    call(server, "POST", "/signin", body=f'{{"username": "admin", "password": "{password}"'.encode())
    call(server, "GET", "/v1/status", token=wrong)
    call(server, "GET", f"/v1/zones?token={good}")
    exchange(server.admin_port, f"GET /v1/status HTTP/1.1\r\nAuthorization: Bearer {good}\r\n\r\n".encode())
    server.signal(signal.SIGHUP)
    wait_until(lambda: "app.reloaded" in server.written(), "it has read its settings again")
    wait_until(lambda: "nodes.unreachable" in server.written(), "its peer was asked")
    told = [server.written(at_most=1 << 20)]
    for path in ("/v1/settings", "/v1/status", "/v1/nodes", "/v1/metrics", "/v1/consumer", "/v1/openapi.json"):
        told.append(call(server, "GET", path, token=good).body.decode())
    for command in (("settings", "--effective"), ("settings", "--effective", "--json"), ("check",), ("status",)):
        done = server.command(*command)
        told.append(done.stdout + done.stderr)
    for text in told:
        for name, secret in {**secrets, "a good token": good, "a wrong token": wrong}.items():
            assert secret not in text, f"{name} stands in {text[:300]}"
            assert secret.rsplit(".", 1)[-1] not in text, f"the end of {name} stands in {text[:300]}"
    assert json.loads(told[1])["settings"]


@pytest.mark.slow
def test_who_takes_no_answer_keeps_nobody_out(start: Callable[..., Server]) -> None:
    """More connections than there may be, each with an answer that its client does not read."""
    server = start(run=False)
    for number in range(15):
        name = f"big{number}.example.org."
        server.append(event_line(f"{name}|A", [
            {"name": name, "type": "A", "content": f"10.0.{each >> 8}.{each & 255}", "ttl": 300} for each in range(2000)
        ]))
    server.start()
    server.wait_applied()
    request = b"GET /search?pattern=big HTTP/1.1\r\n" + HOST + b"\r\n"
    with ExitStack() as held:
        for _ in range(MORE_THAN_THERE_MAY_BE):
            client = held.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(30)
            client.connect(("127.0.0.1", server.admin_port))
            client.sendall(request)
            # It has begun to answer, so that it waits for its client now.
            assert client.recv(1, socket.MSG_PEEK) in (b"H", b"")
        for _ in range(10):
            assert server.get("/health", timeout_s=30)[0] == 200
        assert server.answers("www.example.org")
    wait_until(lambda: server.metrics()["streamdns_admin_connections"] <= 2, "only the one that asks is open")


def test_silent_clients_of_tls_keep_nobody_out(start: Callable[..., Server], tmp_path: pathlib.Path) -> None:
    """Connections that never begin their handshake, or stop in the middle of it."""
    make_certificate(tmp_path, 1)
    files = {"DNS_ADMIN_TLS_CERT": str(tmp_path / "cert.pem"), "DNS_ADMIN_TLS_KEY": str(tmp_path / "key.pem")}
    server = start(run=False, **files)
    server.start(wait=False)
    wait_until(lambda: "app.ready" in server.written(), "it is ready")
    context = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    hello = outgoing.read()
    with ExitStack() as held:
        silent = []
        for number in range(MORE_THAN_THERE_MAY_BE):
            client = held.enter_context(socket.create_connection(("127.0.0.1", server.admin_port), timeout=30))
            client.sendall(hello[: number * len(hello) // MORE_THAN_THERE_MAY_BE])
            silent.append(client)
        for _ in range(3):
            connection = http.client.HTTPSConnection("localhost", server.admin_port, timeout=30, context=context)
            connection.request("GET", "/health")
            assert connection.getresponse().status == 200
            connection.close()
        assert server.answers("www.example.org")
        for client in silent:
            # Told to go, or put out.
            try:
                while client.recv(4096):
                    pass
            except ConnectionResetError:
                pass


def test_streams_that_nobody_hears_any_more_are_closed(start: Callable[..., Server]) -> None:
    server = start()
    descriptors = pathlib.Path(f"/proc/{server.pid}/fd")
    request = b"GET /v1/journal/stream HTTP/1.1\r\n" + HOST + b"\r\n"
    assert server.get("/health")[0] == 200
    before = len(os.listdir(descriptors))
    numbers = iter(range(10_000))

    def closed() -> bool:
        server.publish(f"n{next(numbers)}.example.org", "A", ["192.0.2.1"])
        server.wait_applied()
        return len(os.listdir(descriptors)) <= before + 2

    for _ in range(3):
        held = [socket.create_connection(("127.0.0.1", server.admin_port), timeout=30) for _ in range(16)]
        for connection in held:
            connection.sendall(request)
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
        assert judged(exchange(server.admin_port, request)) == 503
        for connection in held:
            connection.close()
        wait_until(closed, "the streams are closed")
