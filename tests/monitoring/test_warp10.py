"""The Warp 10 output of a real process: no Warp 10 server can be had, so a strict reader stands in for it."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Server, wait_until
from tests.harness.metrics_formats import parsed_gts
from tests.monitoring.asking import ASKED, ROUND, ask, served

TOKEN = "a write token"


class Receiver(http.server.ThreadingHTTPServer):
    """Takes what is posted to Warp 10's path with the right token; anything wrong about it is kept as a sentence."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.points: list[tuple[int, str, dict[str, str], float]] = []
        self.wrong: list[str] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/api/v0/update" or self.headers["X-Warp10-Token"] != TOKEN:
            self.server.wrong.append(f"{self.path} {self.headers['X-Warp10-Token']}")
        try:
            assert body.endswith(b"\n")
            self.server.points += parsed_gts(body.decode("utf-8").splitlines())
        except (AssertionError, ValueError) as error:
            self.server.wrong.append(repr(error))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    thread = threading.Thread(target=found.serve_forever, args=(0.05,))
    thread.start()
    yield found
    found.shutdown()
    thread.join(10)
    found.server_close()


def test_what_warp10_gets(serve: Callable[..., Server], receiver: Receiver, tmp_path: Path) -> None:
    """Totals of counters, values of gauges, five series of a histogram; in order of time, each line of the format."""
    tokens = tmp_path / "tokens"
    tokens.write_text(f"warp10={TOKEN}\n")
    server = served(
        serve, DNS_METRICS_OUTPUTS=f"warp10://127.0.0.1:{receiver.server_port}", DNS_INSTANCE_ID="ns {7}, é",
        DNS_METRICS_TOKENS_FILE=str(tokens),
    )

    def series(name: str, **labels: str) -> list[tuple[int, float]]:
        wanted = {"instance": "ns {7}, é", **labels}
        return [(at, value) for at, of, has, value in list(receiver.points) if of == name and has == wanted]

    for rounds in range(1, 4):
        ask(server)
        for number, transport, _, rdtype, rcode in ROUND:
            labels = {"transport": transport, "qtype": rdtype, "rcode": rcode}
            wait_until(
                lambda: [value for _, value in series("streamdns.dns.queries", **labels)][-1:] == [number * rounds],  # noqa: B023
                f"{labels} of {rounds} rounds",
            )
    for transport, number in ASKED.items():
        counts = [value for _, value in series("streamdns.dns.latency_seconds.count", transport=transport)]
        assert sum(counts) == 3 * number
    assert series("streamdns.view.records")[-1][1] == 3
    times = [at for at, _ in series("streamdns.process.uptime_seconds")]
    assert times == sorted(set(times))
    assert not receiver.wrong
