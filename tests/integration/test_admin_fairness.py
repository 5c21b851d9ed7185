"""The admin API and peers take their share of the event loop and no more: datagrams are answered beside them.

Measured as in test_tcp_fairness: the processor time of the event loop's thread, from a datagram to its answer.
"""

from __future__ import annotations

import http.client
import http.server
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.harness import Server, wait_until
from tests.integration.clients import line
from tests.integration.test_tcp_fairness import MOST_OCTETS, worst_ms

#: One thing that cannot be divided takes a fraction of a millisecond; collecting garbage takes some.
MOST_MS = 20.0
LONG = '"' + '" "'.join(["\\000" * 255] * 250) + '"'
FAT = [
    *[line(f"t{number}.example.org.", "TXT", [LONG]) for number in range(3)],
    line("n.example.org.", "NSEC", ["a.b. " + " ".join(f"TYPE{number}" for number in range(1000, 20_000))]),
    # The form of the first version takes ten times as many octets for each record.
    *[line(f"huge{last}.example.org.", "A", [f"10.{number >> 8}.{number & 255}.{last}" for number in range(4000)])
      for last in range(20)],
]


def beside(server: Server, ask: Callable[[], object]) -> float:
    """The worst look while something is asked for in a thread of its own, in ms."""
    asking = threading.Thread(target=ask)
    asking.start()
    worst = 0.0
    while asking.is_alive():
        worst = max(worst, worst_ms(server, 25))
    asking.join()
    return worst


def got(server: Server, path: str, method: str = "GET") -> tuple[int, int]:
    """The status and the length of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=60)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, len(response.read())
    finally:
        connection.close()


def test_long_records_and_large_answers_keep_nobody_waiting(
    start: Callable[..., Server], say: Callable[[str], None]
) -> None:
    """Texts of long RDATA are made in a native thread, answers in pieces, and what would be too large is refused."""
    server = start(run=False)
    server.append(FAT)
    server.start()
    server.wait_applied()
    alone = worst_ms(server, 100)
    answers: dict[str, tuple[int, int]] = {}
    worst = {}
    for path in ("/v1/zones/example.org/records/t1.example.org", "/v1/zones/example.org/records/n.example.org",
                 "/v1/search?name=t&content=zzz", "/v1/search?name=huge", "/search?pattern=huge"):

        def ask(path: str = path) -> None:
            answers[path] = got(server, path)

        worst[path] = beside(server, ask)
    say(f"alone {alone:.2f} ms; {', '.join(f'{path}: {found:.2f} ms' for path, found in worst.items())}")
    assert max(worst.values()) <= max(MOST_MS, 5 * alone), worst
    assert answers.pop("/search?pattern=huge")[0] == 422
    assert {status for status, _ in answers.values()} == {200}
    assert server.rss_anon_bytes() <= MOST_OCTETS


class Hostile(http.server.BaseHTTPRequestHandler):
    """A peer that answers with much: 57 MiB of documents, or a head that takes long to read."""

    document = b"[" + b"[]," * 100_000 + b"[]]"
    asked: dict[str, int] = {}

    def do_GET(self) -> None:
        self.asked[self.server.kind] = self.asked.get(self.server.kind, 0) + 1  # type: ignore[attr-defined]
        try:
            if self.server.kind == "head":  # type: ignore[attr-defined]
                self.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"\r" * 65_000 + b"\r\n") * 90)
            else:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n")
                for _ in range(200):
                    self.wfile.write(self.document)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(params=["head", "document"])
def hostile(request: pytest.FixtureRequest) -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    server.kind = request.param  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_hostile_peer_keeps_nobody_waiting(
    start: Callable[..., Server], hostile: http.server.ThreadingHTTPServer, say: Callable[[str], None]
) -> None:
    """Of its answer a bounded part is read, and it is asked less and less often."""
    server = start(DNS_PEERS=f"127.0.0.1:{hostile.server_address[1]}", DNS_PEERS_INTERVAL="0.3")
    kind: str = hostile.kind  # type: ignore[attr-defined]
    before = Hostile.asked.get(kind, 0)
    worst, ended_s = 0.0, time.monotonic() + 60
    while Hostile.asked.get(kind, 0) < before + 4:
        assert time.monotonic() < ended_s, "it is asked several times"
        worst = max(worst, worst_ms(server, 25))
    say(f"a hostile {kind}: {worst:.2f} ms")
    assert worst <= MOST_MS
    assert server.rss_anon_bytes() <= MOST_OCTETS
    wait_until(lambda: "nodes.unreachable" in server.written(), "it is said")
