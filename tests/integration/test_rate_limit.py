"""A flood of queries with the address of somebody else: what that one gets, and what all others still get.

The addresses of 127/8 stand for the networks of clients; by default they are exempt, so DNS_RRL_EXEMPT is none here.
"""

from __future__ import annotations

import pathlib
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import dns.edns
import dns.flags
import dns.message
import dns.query
import pytest

from tests.harness import Server, wait_until
from tests.harness.peers import Nsd
from tests.integration.clients import PATIENCE_S, line

VICTIM = "127.0.66.1"
WAITING = "127.0.99.1"
TEXT = " ".join(f'"{letter * 200}"' for letter in "abcde")
ZONE = [
    line("a.example.", "SOA", ["ns.a.example. host.a.example. 1 3600 600 604800 60"]),
    line("a.example.", "TXT", [TEXT]),
    line("*.w.a.example.", "TXT", [TEXT]),
    line("www.a.example.", "A", ["192.0.2.1"]),
]
ZONE_FILE = (
    "$TTL 300\n@ SOA ns host 1 3600 600 604800 60\n@ NS ns\nns A 127.0.0.1\n"
    f"@ TXT {TEXT}\n*.w TXT {TEXT}\nwww A 192.0.2.1\n"
)


class Got(NamedTuple):
    """What came of a flood: replies in full, with TC, and octets out for each octet in."""

    sent: int
    whole: int
    truncated: int
    ratio: float
    seconds: float


@contextmanager
def client(port: int, host: str = VICTIM) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        sock.bind((host, 0))
        sock.connect(("127.0.0.1", port))
        yield sock


def flood(
    port: int, owner: str = "a.example", *, count: int = 1000, options: tuple[dns.edns.Option, ...] = (),
    between: Callable[[], None] = lambda: None,
) -> Got:
    """Send so many queries for TXT in the victim's name, as fast as they are taken; `{}` in the owner is a number.

    After each twenty the answer to somebody else tells that all before have been looked at.
    """
    sent = whole = truncated = octets_in = octets_out = 0
    began = time.monotonic()
    other = dns.message.make_query("www.a.example", "A").to_wire()
    with client(port) as sock, client(port, WAITING) as waiting:
        sock.setblocking(False)
        waiting.settimeout(PATIENCE_S)
        for start in range(0, count, 20):
            for number in range(start, start + 20):
                query = dns.message.make_query(owner.format(number), "TXT", use_edns=0, payload=1232, options=options)
                octets_in += sock.send(query.to_wire())
                sent += 1
            waiting.send(other)
            assert waiting.recv(4096)[2:4] == b"\x85\0"
            between()
            for reply in arrived(sock):
                octets_out += len(reply)
                truncated += reply[2] & 2 != 0
                whole += reply[2] & 2 == 0
    return Got(sent, whole, truncated, octets_out / octets_in, time.monotonic() - began)


def arrived(sock: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            yield sock.recv(4096)
        except BlockingIOError:
            return


@pytest.fixture
def limited(serve: Callable[..., Server]) -> Callable[..., Server]:
    """A function that starts a server with the zone above, for which only the client that waits is exempt."""

    def make(**settings: str) -> Server:
        server = serve(start=False, **({"DNS_RRL_EXEMPT": WAITING} | settings))
        server.append(ZONE)
        return server.start()

    return make


@pytest.mark.parametrize("owner", ["a.example", "r{}.w.a.example", "r{}.a.example"])
def test_what_a_flood_brings_to_its_victim(limited: Callable[..., Server], owner: str) -> None:
    """A burst; then every other query is answered with TC, and nothing else, whatever the names are."""
    got = flood(limited(DNS_RRL_RATE="20").port, owner)
    # Should the machine stand still for seconds, there is another burst.
    assert got.whole <= 100 + 20 * got.seconds, got
    assert abs(2 * got.truncated - (got.sent - got.whole)) <= 2, got
    assert got.ratio <= 31 * got.whole / got.sent + 0.6, got


def test_beside_nsd(limited: Callable[..., Server], tmp_path: pathlib.Path) -> None:
    """The same flood at NSD with the limits that it has by default: no more comes out here."""
    limits = "  rrl-ratelimit: 200\n  rrl-whitelist-ratelimit: 2000"
    with Nsd(tmp_path / "nsd", {"a.example": ZONE_FILE}, options=limits) as nsd:
        theirs = flood(nsd.port, count=2000)
    ours = flood(limited().port, count=2000)
    print(f"octets out for each octet in: NSD {theirs.ratio:.2f}, streamdns {ours.ratio:.2f}")
    assert theirs.whole < theirs.sent
    assert ours.whole <= theirs.whole + 150, (ours, theirs)


def test_good_clients_elsewhere(limited: Callable[..., Server]) -> None:
    """They get every answer meanwhile, the victim those that it asks for over TCP or with a cookie, and the log says
    what happens.
    """
    server = limited()
    with client(server.port, "127.0.77.1") as good:
        good.settimeout(PATIENCE_S)

        def ask() -> None:
            good.send(dns.message.make_query("www.a.example", "A").to_wire())
            assert dns.message.from_wire(good.recv(4096)).answer

        got = flood(server.port, between=ask)
    assert got.whole < got.sent / 2
    query = dns.message.make_query("a.example", "TXT")
    assert dns.query.tcp(query, "127.0.0.1", port=server.port, source=VICTIM, timeout=PATIENCE_S).answer
    wait_until(lambda: "dns.rate_limited" in server.written(), "told")
    assert "prefix=127.0.66.0/24 zone=a.example. answer=answer name=a.example." in server.written()
    figures = server.get("/metrics")[1].decode()
    dropped = got.sent - got.whole - got.truncated
    assert f'streamdns_dns_rate_limited_total{{action="dropped"}} {dropped}\n' in figures
    assert f'streamdns_dns_rate_limited_total{{action="truncated"}} {got.truncated}\n' in figures
    assert f'streamdns_dns_dropped_total{{reason="rate limit"}} {dropped}\n' in figures


def test_a_cookie_that_is_learnt_in_a_flood(limited: Callable[..., Server]) -> None:
    """A truncated answer brings it, and with it everything comes again: forged queries cannot have it."""
    server = limited(DNS_RRL_RATE="20", DNS_RRL_SLIP="1")
    flood(server.port, count=400)
    with client(server.port) as sock:
        sock.settimeout(PATIENCE_S)
        option = dns.edns.CookieOption(b"clientco", b"")
        sock.send(dns.message.make_query("a.example", "TXT", use_edns=0, payload=1232, options=[option]).to_wire())
        reply = dns.message.from_wire(sock.recv(4096))
    assert reply.flags & dns.flags.TC
    (cookie,) = [each for each in reply.options if isinstance(each, dns.edns.CookieOption)]
    assert flood(server.port, count=400, options=(cookie,)).whole == 400
    forged = dns.edns.CookieOption(b"clientco", cookie.server[:-1] + bytes((cookie.server[-1] ^ 1,)))
    got = flood(server.port, count=400, options=(forged,))
    assert got.whole <= 100 + 20 * got.seconds


@pytest.mark.parametrize("settings", [
    {"DNS_RRL_EXEMPT": ""}, {"DNS_RRL_RATE": "0"}, {"DNS_RRL_LOG_ONLY": "true", "DNS_RRL_RATE": "20"},
])
def test_who_is_not_limited(limited: Callable[..., Server], settings: dict[str, str]) -> None:
    """This host by default, everybody where there is no limit, and everybody where it is only said."""
    server = limited(**settings)
    got = flood(server.port, count=600)
    assert got.whole == 600
    if "DNS_RRL_LOG_ONLY" in settings:
        wait_until(lambda: "log_only=true" in server.written(), "told")
        logged = server.metrics()['streamdns_dns_rate_limited_total{action="logged"}']
        assert 600 - 100 - 20 * got.seconds <= logged < 600
