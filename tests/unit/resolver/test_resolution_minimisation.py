"""How much of a name servers are shown: relaxed, strict and off (RFC 9156)."""

from __future__ import annotations

import pytest

from streamdns.dns.wire import NOERROR, NXDOMAIN, SERVFAIL
from streamdns.resolver.resolution.message import Response
from streamdns.resolver.resolution.question import OFF, RELAXED, STRICT
from streamdns.resolver.resolution.resolution import Ask
from tests.harness.hierarchy import World, texts, wire
from tests.unit.resolver.test_resolution import world

DEEP = "a.b.c.d.e.example.org."
SERVERS = ("10.0.0.2", "10.0.0.3")


def shown(mode: str) -> World:
    at = world()
    at.known.minimisation = mode
    return at


def behave(at: World, how: object) -> World:
    for host in SERVERS:
        at.hosts[host].behave = how  # type: ignore[assignment]
    return at


@pytest.mark.parametrize("mode", [RELAXED, STRICT])
def test_a_label_at_a_time(mode: str) -> None:
    at = shown(mode)
    assert texts(at.resolve(DEEP, "TXT")) == [f'{DEEP} TXT "deep"']
    at_root = [ask.qname for ask in at.asked if ask.zone == b"\0"]
    assert at_root == [wire("org.")]
    assert len(at.asked) > 5


def test_off_shows_all_to_everybody() -> None:
    at = shown(OFF)
    assert texts(at.resolve(DEEP, "TXT")) == [f'{DEEP} TXT "deep"']
    assert [(ask.qname, ask.qtype) for ask in at.asked] == [(wire(DEEP), 16)] * 3


@pytest.mark.parametrize(("mode", "rcode"), [(RELAXED, NOERROR), (STRICT, NXDOMAIN), (OFF, NOERROR)])
def test_a_server_that_denies_a_part(mode: str, rcode: int) -> None:
    """An empty name that a broken server denies: strict believes it, and shows nobody the rest of the name."""
    def denies(ask: Ask, response: Response) -> Response:
        if ask.qname not in (wire(DEEP), wire("example.org.")):
            return response._replace(rcode=NXDOMAIN, answer=())
        return response

    at = behave(shown(mode), denies)
    assert at.resolve(DEEP, "TXT").rcode == rcode, at.trace
    assert (wire(DEEP) in [ask.qname for ask in at.asked]) == (mode != STRICT)
    sent = len(at.asked)
    assert at.resolve(DEEP, "TXT").rcode == rcode
    assert len(at.asked) == sent


@pytest.mark.parametrize(("mode", "rcode"), [(RELAXED, NOERROR), (STRICT, SERVFAIL)])
@pytest.mark.parametrize("silent", [True, False])
def test_servers_that_do_not_answer_for_a_part(mode: str, rcode: int, silent: bool) -> None:
    def fails(ask: Ask, response: Response) -> Response | None:
        if ask.qname in (wire(DEEP), wire("example.org.")):
            return response
        return None if silent else response._replace(rcode=SERVFAIL, answer=(), authority=())

    at = behave(shown(mode), fails)
    found = at.resolve(DEEP, "TXT")
    assert found.rcode == rcode, at.trace
    if mode == STRICT:
        assert wire(DEEP) not in [ask.qname for ask in at.asked]


@pytest.mark.parametrize("mode", [RELAXED, STRICT, OFF])
@pytest.mark.parametrize(("name", "answer"), [
    ("www.example.org.", "www.example.org. A 192.0.2.1"), ("www.d.example.org.", "www.example.net. A 192.0.2.2"),
    ("out.example.org.", "www.example.net. A 192.0.2.2"),
])
def test_the_answer_is_the_same(mode: str, name: str, answer: str) -> None:
    at = shown(mode)
    assert texts(at.resolve(name))[-1] == answer, at.trace


def test_strict_goes_on_below_an_alias() -> None:
    """A name in the middle that is an alias: there is nothing below it by right, but it is asked for to the end."""
    at = shown(STRICT)
    zone = at.hosts["10.0.0.2"].zones[0]
    zone.add("x.alias.example.org.", "A", "192.0.2.77")
    assert texts(at.resolve("x.alias.example.org.")) == ["x.alias.example.org. A 192.0.2.77"], at.trace
