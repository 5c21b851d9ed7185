"""Prometheus scrapes a streamdns, and promtool finds nothing to say about the page."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from streamdns.metrics.catalogue import METRICS, prometheus_name
from streamdns.metrics.prometheus import render
from tests.harness import Server, free_port, wait_until
from tests.harness.metrics_formats import every_metric
from tests.harness.monitoring import Prometheus
from tests.harness.peers import find_tool
from tests.monitoring.asking import ROUND, ask, served


def page(port: int) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        found: bytes = response.read()
        return found


def test_prometheus_shows_the_sums_that_were_caused(
    serve: Callable[..., Server], prometheus: Callable[..., Prometheus]
) -> None:
    """Over several scrapes, from the address of its own and from the admin interface."""
    own = free_port()
    server = served(serve, DNS_METRICS_ADDRESS=f"127.0.0.1:{own}")
    targets = [f"127.0.0.1:{own}", f"127.0.0.1:{server.admin_port}"]
    scraper = prometheus(*targets)
    for rounds in range(1, 4):
        ask(server)
        for number, transport, _, rdtype, rcode in ROUND:
            labels = f'transport="{transport}",qtype="{rdtype}",rcode="{rcode}"'
            wanted = sorted((target, float(rounds * number)) for target in targets)

            def seen(labels: str = labels) -> list[tuple[str, float]]:
                found = scraper.query(f"streamdns_dns_queries_total{{{labels}}}")
                return sorted((each["instance"], value) for each, value in found)

            wait_until(lambda: seen() == wanted, f"{labels} {wanted}")  # noqa: B023 - called at once
    assert [value for _, value in scraper.query("up")] == [1, 1]
    quantile = 'histogram_quantile(0.99, streamdns_dns_latency_seconds_bucket{transport="udp"})'
    assert all(0 < value < 1 for _, value in scraper.query(quantile))
    assert len(scraper.query(quantile)) == 2


def exchange(port: int, request: bytes) -> bytes:
    """All that the server says to these octets until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        found = b""
        while data := connection.recv(65536):
            found += data
        return found


def test_the_address_of_its_own_has_nothing_but_figures(serve: Callable[..., Server]) -> None:
    """Other paths, other methods and what is no HTTP are refused; whoever stays silent is sent away."""
    own = free_port()
    server = served(serve, DNS_METRICS_ADDRESS=f"127.0.0.1:{own}")
    head = b"HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert exchange(own, b"GET /metrics " + head).startswith(b"HTTP/1.1 200 ")
    assert exchange(own, b"GET /metrics?x=1 " + head).startswith(b"HTTP/1.1 200 ")
    headers, _, body = exchange(own, b"HEAD /metrics " + head).partition(b"\r\n\r\n")
    assert headers.startswith(b"HTTP/1.1 200 ")
    assert not body
    for path in (b"/", b"/v1/status", b"/metrics/", b"/ready", b"/../etc/passwd"):
        assert exchange(own, b"GET " + path + b" " + head).startswith(b"HTTP/1.1 404 "), path
    for method in (b"POST", b"DELETE", b"PUT"):
        assert exchange(own, method + b" /metrics " + head).startswith(b"HTTP/1.1 405 "), method
    assert b" 400 " in exchange(own, b"\x16\x03\x01 this is no HTTP\r\n\r\n").partition(b"\r\n")[0]
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", own), timeout=20)) for _ in range(20)]
        server.answers("www.example.org")
        assert {each.recv(100) for each in silent[:16]} == {b""}
    assert page(own)


def test_who_sends_an_octet_a_second_keeps_nobody_out(serve: Callable[..., Server]) -> None:
    """The time is for the whole head, and whoever was waited for longest makes room."""
    own = free_port()
    served(serve, DNS_METRICS_ADDRESS=f"127.0.0.1:{own}")
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", own), timeout=20)) for _ in range(40)]
        for each in slow:
            each.sendall(request[:4])
        assert page(own)
        last, ended, sent = slow[-1], time.monotonic() + 60, 4
        last.settimeout(0.5)
        while True:
            assert time.monotonic() < ended, "it is waited for for ever"
            try:
                last.sendall(request[sent % 30 :][:1])
                sent += 1
                if not last.recv(100):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        assert page(own)


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:99999"])
def test_an_address_that_is_none_ends_the_start_with_a_sentence(serve: Callable[..., Server], address: str) -> None:
    server = serve(start=False, DNS_METRICS_ADDRESS=address).start(wait=False)
    assert server.process is not None
    assert server.process.wait(20) == 78
    assert "DNS_METRICS_ADDRESS" in server.written()
    assert "Traceback" not in server.written()


@pytest.mark.parametrize(("address", "event"), [
    ("127.0.0.1:{taken}", "service.waiting"), ("192.0.2.1:9153", "app.address_missing"),
])
def test_an_address_that_cannot_be_had_now_keeps_nobody_waiting(
    serve: Callable[..., Server], address: str, event: str
) -> None:
    """It is a state of the machine: a line of the log names the address, and queries are answered meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = address.format(taken=taken.getsockname()[1])
        server = serve(start=False, DNS_METRICS_ADDRESS=text).start(wait=False)
        wait_until(lambda: event in server.written(), "it is said")
        (said,) = [line for line in server.written().splitlines() if event in line][:1]
        assert text in said
        wait_until(lambda: "consumer.caught_up" in server.written(), "it serves")
        assert server.ask("www.example.org").rcode() == 5
        assert server.alive


@pytest.mark.peers("promtool")
def test_promtool_finds_nothing_wrong_with_the_page(serve: Callable[..., Server]) -> None:
    """Names, types, help and every line, with the resolver, an admin API, an output and queries counted."""
    own, nobody = free_port(), free_port()
    server = served(
        serve, DNS_METRICS_ADDRESS=f"127.0.0.1:{own}", DNS_RECURSION_ALLOW="127.0.0.1",
        DNS_RESOLVER_ADDRESS=f"127.0.0.1:{nobody}", DNS_STATSD_ADDRESS=f"127.0.0.1:{nobody}",
    )
    for _, _, name, rdtype, rcode in ROUND:
        if rcode != "REFUSED":
            server.answers(name, rdtype)
    wait_until(lambda: 'streamdns_metrics_output_up{output="statsd"}' in server.metrics(), "the output is tried")
    server.append(b'{"key": "nothing", "value": null, "timestamp": 1}\n')
    server.wait_applied()
    shown = page(own)
    assert shown.count(b"# TYPE ") > 50
    done = subprocess.run(
        [str(find_tool("promtool")), "check", "metrics"], input=shown, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
    assert page(server.admin_port).count(b"# TYPE ") == shown.count(b"# TYPE ")


@pytest.mark.peers("promtool")
def test_promtool_would_find_something() -> None:
    """What is clean elsewhere is looked at: a counter without _total is not."""
    bad = b"# HELP streamdns_x X.\n# TYPE streamdns_x counter\nstreamdns_x 1\n"
    done = subprocess.run(
        [str(find_tool("promtool")), "check", "metrics"], input=bad, capture_output=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert b"_total" in done.stdout + done.stderr


@pytest.mark.peers("promtool")
def test_promtool_finds_nothing_wrong_with_the_catalogue() -> None:
    """Also with those metrics that one server does not show at once."""
    shown = render(every_metric()).encode()
    assert all(f"# TYPE {prometheus_name(metric)} ".encode() in shown for metric in METRICS)
    done = subprocess.run(
        [str(find_tool("promtool")), "check", "metrics"], input=shown, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
