"""Outputs over the network: who takes what they send, who does not, and where a name leads."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.pywsgi import WSGIServer
from gevent.ssl import SSLContext

from streamdns.addresses import parse_output
from streamdns.metrics.outputs import Target, Unwanted, make
from streamdns.metrics.outputs.datagrams import Datagrams
from streamdns.metrics.outputs.influx import lines as influx_lines
from streamdns.metrics.outputs.warp10 import lines as warp10_lines
from tests.harness.metrics_formats import parsed_gts, parsed_influx, parsed_statsd
from tests.unit.metrics.examples import FLUSH


@contextmanager
def web(answer: Callable[[dict[str, Any], bytes], str], **options: Any) -> Iterator[WSGIServer]:
    """A web server in this process; `answer` gives the status of its answer."""

    def application(environ: dict[str, Any], respond: Callable[..., Any]) -> list[bytes]:
        status = answer(environ, environ["wsgi.input"].read())
        if status.startswith("204"):
            respond(status, [])
            return []
        respond(status, [("Content-Type", "text/plain")])
        return [b"so it is"]

    server = WSGIServer(("127.0.0.1", 0), application, log=None, error_log=None, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop(timeout=1)


def test_a_flush_over_http() -> None:
    asked: list[tuple[str, str, str, bytes]] = []

    def answer(environ: dict[str, Any], body: bytes) -> str:
        token = environ.get("HTTP_AUTHORIZATION", "") + environ.get("HTTP_X_WARP10_TOKEN", "")
        asked.append((environ["REQUEST_METHOD"], f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}", token, body))
        return "204 No Content"

    with web(answer) as server:
        influx = f"influx://127.0.0.1:{server.server_port}/write?db=dns"
        make(Target(parse_output(influx), "ns1")).send(FLUSH)
        make(Target(parse_output(influx), "ns1", token="Basic abc")).send(FLUSH)
        make(Target(parse_output(f"warp10://127.0.0.1:{server.server_port}"), "ns1", token="abc")).send(FLUSH)
    assert [each[:3] for each in asked] == [
        ("POST", "/write?db=dns", ""), ("POST", "/write?db=dns", "Basic abc"), ("POST", "/api/v0/update?", "abc"),
    ]
    assert parsed_influx(asked[0][3].splitlines()) == parsed_influx(influx_lines(FLUSH, "ns1"))
    assert parsed_gts(asked[2][3].decode().splitlines()) == parsed_gts(warp10_lines(FLUSH, "ns1"))


@pytest.mark.parametrize(("status", "error"), [
    ("400 Bad Request", Unwanted), ("413 Too Large", Unwanted), ("404 Not Found", OSError),
    ("401 Unauthorized", OSError), ("503 Unavailable", OSError), ("301 Moved", OSError),
])
def test_what_is_not_taken_over_http(status: str, error: type[Exception]) -> None:
    with web(lambda environ, body: status) as server:
        output = make(Target(parse_output(f"influx://127.0.0.1:{server.server_port}/write?db=dns"), "ns1"))
        with pytest.raises(error, match=status[:3]):
            output.send(FLUSH)


def test_over_tls_only_to_whom_the_certificate_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests",
             "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
            check=True, capture_output=True, timeout=60,
        )
    except FileNotFoundError:
        pytest.skip("not installed: openssl")
    asked: list[bytes] = []

    def answer(environ: dict[str, Any], body: bytes) -> str:
        asked.append(body)
        return "200 OK"

    context = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with web(answer, ssl_context=context) as server:
        target = Target(parse_output(f"warp10s://localhost:{server.server_port}"), "ns1")
        with pytest.raises(ssl.SSLError):
            make(target).send(FLUSH)
        assert not asked
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        make(target).send(FLUSH)
        other = target._replace(url=parse_output(f"warp10s://127.0.0.1:{server.server_port}"))
        with pytest.raises(ssl.SSLError):
            make(other).send(FLUSH)
    assert len(asked) == 1


@pytest.mark.parametrize("url", ["influx://127.0.0.1:{port}/write", "warp10://127.0.0.1:{port}"])
def test_what_does_not_answer_as_http_is_down(url: str) -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)

    def babble() -> None:
        while True:
            connection, _ = listener.accept()
            connection.recv(1 << 20)
            connection.sendall(b"220 mail.example ESMTP\r\n")
            connection.close()

    babbling = gevent.spawn(babble)
    try:
        output = make(Target(parse_output(url.format(port=listener.getsockname()[1])), "ns1"))
        with pytest.raises(OSError, match=r"HTTP|reset"):
            output.send(FLUSH)
    finally:
        babbling.kill()
        listener.close()


@pytest.mark.parametrize("scheme", ["statsd", "influx+udp"])
def test_datagrams_to_where_nobody_listens_and_then_somebody_does(scheme: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first:
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        output = make(Target(parse_output(f"{scheme}://127.0.0.1:{port}"), "ns1"))
        output.send(FLUSH)
        assert first.recv(65536)
    with pytest.raises(OSError, match=r"nobody listens|refused"):
        output.send(FLUSH)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as second:
        second.bind(("127.0.0.1", port))
        second.settimeout(20)
        output.send(FLUSH)
        got = second.recv(65536)
    assert (parsed_statsd([got]) if scheme == "statsd" else parsed_influx(got.splitlines()))
    output.close()


class Names:
    """Stands for the resolver: one name, whose addresses change."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *addresses: Any) -> None:
        self.addresses, self.asked = list(addresses), 0
        monkeypatch.setattr(socket, "getaddrinfo", self._resolve)

    def _resolve(self, host: str, port: int, type: int) -> list[Any]:  # noqa: A002 - the name of the argument
        self.asked += 1
        if not self.addresses:
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return [(socket.AF_INET, type, 0, "", each) for each in self.addresses]


@contextmanager
def listeners(number: int) -> Iterator[list[Any]]:
    made = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(number)]
    try:
        for each in made:
            each.bind(("127.0.0.1", 0))
            each.settimeout(20)
        yield made
    finally:
        for each in made:
            each.close()


def test_a_name_is_resolved_again_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    with listeners(2) as (old, new):
        names = Names(monkeypatch, old.getsockname())
        datagrams = Datagrams("statsd.example", 8125, elapsed_s=lambda: now_s)
        for _ in range(3):
            datagrams.send([b"one"])
            assert old.recv(100) == b"one"
        assert names.asked == 1
        names.addresses = []
        now_s = 61.0
        datagrams.send([b"the name cannot be resolved now"])
        assert old.recv(100)
        names.addresses = [new.getsockname()]
        now_s = 122.0
        datagrams.send([b"two"])
        assert new.recv(100) == b"two"
        assert names.asked == 3
        datagrams.close()


def test_a_name_is_resolved_again_as_soon_as_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with listeners(2) as (old, new):
        names = Names(monkeypatch, old.getsockname())
        datagrams = Datagrams("statsd.example", 8125)
        datagrams.send([b"one"])
        old.close()
        names.addresses = [new.getsockname()]
        with pytest.raises(OSError, match=r"nobody listens|refused"):
            datagrams.send([b"two"])
        datagrams.send([b"two"])
        assert new.recv(100) == b"two"
        datagrams.close()


def test_what_may_have_been_taken_is_not_sent_again() -> None:
    """Time is up right behind the first datagram: sent a second time, it could count twice."""
    with listeners(1) as (there,):
        datagrams = Datagrams(*there.getsockname())
        datagrams.send([b"zero"])
        with gevent.Timeout(0, TimeoutError("time is up")), pytest.raises(Unwanted, match="after 1 datagrams"):
            datagrams.send([b"one", b"two"])
        assert [there.recv(100), there.recv(100)] == [b"zero", b"one"]
        datagrams.close()


def test_of_several_addresses_the_one_is_used_where_somebody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with listeners(2) as (gone, there):
        Names(monkeypatch, gone.getsockname(), there.getsockname())
        gone.close()
        datagrams = Datagrams("statsd.example", 8125)
        with pytest.raises(OSError, match=r"nobody listens|refused"):
            datagrams.send([b"one"])
        for _ in range(3):
            datagrams.send([b"one"])
            assert there.recv(100) == b"one"
        datagrams.close()
