"""The limiter of UDP: whom it leaves alone, what becomes of replies, and what the log and the metrics say of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import dns.edns
import dns.message
import pytest

from streamdns.dns.answer import Answerer
from streamdns.metrics.registry import Registry
from streamdns.runtime import logs
from streamdns.serving.datagrams import datagrams_of
from streamdns.serving.limiter import ResponseLimiter
from streamdns.settings import load
from tests.unit.dns.answering import EXAMPLE, Memory, answerer, cookies_of

VIEW = Memory(EXAMPLE + '*.wild.example. 300 TXT "text"\nwww.example. 300 A 192.0.2.1\n')


class Limited:
    """A limiter over a UDP socket and an answerer, at a time that the test says."""

    def __init__(self, sock: socket.socket, **settings: str) -> None:
        self.now_s = 1000.0
        self.registry = Registry()
        self.limiter = ResponseLimiter(
            load({"DNS_RRL_EXEMPT": "none", "DNS_RRL_RATE": "10", **settings}), self.registry,
            clock=lambda: self.now_s, gap=lambda most: (most + 1) // 2,
        )
        self.sock = sock
        self.datagrams = datagrams_of(sock, 64, packet_info=False)
        self.answerer: Answerer = answerer(VIEW, cookies=cookies_of(1559731985))
        self.answerer.client = self.datagrams.client

    def flood(
        self, owner: str, rdtype: str = "A", *, count: int = 60, host: str = "127.0.0.1", **options: Any
    ) -> list[bytes | None]:
        """What goes back to so many queries, in batches of 20; `{}` in the owner is a number."""
        found: list[bytes | None] = []
        with socket.socket(self.sock.family, socket.SOCK_DGRAM) as sock:
            sock.bind((host, 0))
            for start in range(0, count, 20):
                for number in range(start, min(start + 20, count)):
                    query = dns.message.make_query(owner.format(f"n{number}"), rdtype, **options)
                    sock.sendto(query.to_wire(), self.sock.getsockname()[:2])
                found += self.batch()
        return found

    def batch(self) -> list[bytes | None]:
        packets = self.datagrams.receive()
        replies = [self.answerer.reply(packet, False, slot) for slot, packet in enumerate(packets)]
        if self.limiter.due(len(packets)):
            dropped = self.limiter.batch(
                packets, replies, datagrams=self.datagrams, answerer=self.answerer, view=VIEW
            )
            assert dropped == replies.count(None)
        return replies

    def counted(self, metric: str, **labels: str) -> float:
        return self.registry.counter(metric, **labels).value


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6])
def sock(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    with socket.socket(request.param, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1" if request.param == socket.AF_INET else "::1", 0))
        made.setblocking(False)
        yield made


@pytest.fixture
def v4() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        yield made


def forms(replies: list[bytes | None]) -> dict[str, int]:
    """How many replies are whole, say TC, or are not there."""
    found = {"whole": 0, "tc": 0, "none": 0}
    for reply in replies:
        found["none" if reply is None else "tc" if reply[2] & 2 else "whole"] += 1
    return found


@pytest.mark.parametrize(("owner", "rdtype"), [("www.example", "A"), ("{}.wild.example", "TXT"), ("{}.example", "A")])
def test_a_flood_is_held_back(sock: socket.socket, owner: str, rdtype: str) -> None:
    """A name, names under a wildcard, names that are not there: a few pass, at least half of a second's rate."""
    made = Limited(sock)
    host = "127.0.0.1" if sock.family == socket.AF_INET else "::1"
    found = forms(made.flood(owner, rdtype, count=400, host=host))
    assert 5 <= found["whole"] <= 50
    assert abs(found["tc"] - found["none"]) <= 1
    assert made.counted("dns.rate_limited", action="dropped") == made.counted("dns.dropped", reason="rate limit")
    assert made.counted("dns.rate_limited", action="dropped") == found["none"]
    assert made.counted("dns.rate_limited", action="truncated") == found["tc"]


def test_others_are_not(v4: socket.socket) -> None:
    """Another network, another name, and the same when it is over."""
    made = Limited(v4)
    made.flood("www.example", count=200)
    assert forms(made.flood("www.example", count=5, host="127.0.1.1"))["whole"] == 5
    assert forms(made.flood("ns.example", count=5, host="127.0.0.9"))["whole"] == 5
    assert forms(made.flood("www.example", count=5, host="127.0.0.9"))["whole"] == 0
    made.now_s += 3
    assert forms(made.flood("www.example", count=5, host="127.0.0.9"))["whole"] == 5


def test_errors_are_sent_as_they_are_or_not_at_all(v4: socket.socket) -> None:
    made = Limited(v4)
    found = made.flood("www.foreign", count=200)
    assert all(reply is None or (reply[3] & 15 == 5 and not reply[2] & 2) for reply in found)
    assert made.counted("dns.rate_limited", action="sent") > 50 < found.count(None)


@pytest.mark.parametrize(("settings", "expected"), [
    ({"DNS_RRL_RATE": "0"}, {"whole": 300, "tc": 0, "none": 0}),
    ({"DNS_RRL_EXEMPT": "127.0.0.1"}, {"whole": 300, "tc": 0, "none": 0}),
    ({"DNS_RRL_EXEMPT": "private"}, {"whole": 300, "tc": 0, "none": 0}),
    ({"DNS_RRL_LOG_ONLY": "true"}, {"whole": 300, "tc": 0, "none": 0}),
    ({"DNS_RRL_EXEMPT": "127.0.0.2 ::1"}, {"tc": None, "none": None}),
    ({"DNS_RRL_SLIP": "0"}, {"tc": 0, "none": None}),
    ({"DNS_RRL_SLIP": "1"}, {"tc": None, "none": 0}),
])
def test_settings(v4: socket.socket, settings: dict[str, str], expected: dict[str, int | None]) -> None:
    made = Limited(v4, **settings)
    found = forms(made.flood("www.example", count=300))
    for form, count in expected.items():
        assert (found[form] == count) if count is not None else found[form] > 100, found
    logged = made.counted("dns.rate_limited", action="logged")
    assert (logged > 200) == (settings.get("DNS_RRL_LOG_ONLY") == "true")


def test_new_settings_count_at_once(v4: socket.socket) -> None:
    made = Limited(v4)
    made.flood("www.example", count=200)
    made.limiter.configure(load({"DNS_RRL_EXEMPT": "none", "DNS_RRL_RATE": "100000"}))
    assert forms(made.flood("www.example", count=200))["whole"] == 200


def test_who_has_a_good_cookie_is_not_limited(v4: socket.socket) -> None:
    """His own half is none, nor one that he made up; a cookie from here is, also beside a flood from his address."""
    made = Limited(v4)
    assert made.answerer.cookies is not None
    good = made.answerer.cookies.answer(b"clientco", socket.inet_aton("127.0.0.1")) or b""
    for data, whole in ((good[:8], False), (bytes(24), False), (good, True)):
        option = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, data)
        found = forms(made.flood("www.example", count=300, use_edns=0, options=[option]))
        assert (found["whole"] == 300) == whole, data
    elsewhere = forms(made.flood("www.example", count=300, host="127.0.0.2", use_edns=0, options=[option]))
    assert elsewhere["whole"] < 50


def test_a_reply_that_comes_later_is_judged_as_well(v4: socket.socket) -> None:
    made = Limited(v4)
    packet = dns.message.make_query("www.example", "A").to_wire()
    reply = made.answerer.reply(packet, False, 0)
    assert reply is not None
    client = socket.inet_aton("192.0.2.1")
    found = [made.limiter.late(client, packet, reply, made.answerer) for _ in range(30)]
    assert forms(found) == {"whole": 10, "tc": 10, "none": 10}


def test_the_log_has_one_line_a_minute(v4: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    """With what was held back most; the first as soon as there is something."""
    made = Limited(v4)
    lines = []
    for second in range(150):
        if second < 100:
            made.flood("{}.wild.example", "TXT", count=40)
            made.flood("www.foreign", count=15, host="127.0.7.1")
        made.now_s += 1
        made.limiter.tick()
        lines += [(second, record) for record in caplog.records if record.getMessage() == "dns.rate_limited"]
        caplog.clear()
    assert [second for second, _ in lines] == [0, 60, 120]
    fields: dict[str, Any] = lines[1][1].streamdns_fields  # type: ignore[attr-defined]
    assert (fields["prefix"], fields["zone"], fields["answer"], fields["name"], fields["log_only"]) == (
        "127.0.0.0/24", "example.", "answer", "*.wild.example.", False
    )
    assert fields["prefixes"] == 2
    assert 60 * 20 <= fields["held_back"] < fields["held_back_in_all"]
    assert logs.get("dns")


def test_watched_networks_are_counted(v4: socket.socket) -> None:
    made = Limited(v4)
    made.flood("www.example")
    made.flood("www.example", host="127.0.1.1")
    made.limiter.tick()
    assert made.registry.gauge("dns.networks_watched").value == 2
    made.now_s += 11
    made.limiter.tick()
    assert made.registry.gauge("dns.networks_watched").value == 0
