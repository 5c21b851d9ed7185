"""A job's state: what is for a step that is over, circles among name servers, and how much of a name is shown."""

from __future__ import annotations

import pytest

from streamdns.dns.wire import AAAA, CNAME, DNAME, NS, TXT, A
from streamdns.resolver.resolution.job import Job
from streamdns.resolver.resolution.message import RRset
from streamdns.resolver.resolution.servers import Address
from tests.harness.hierarchy import wire

ONE = Address("192.0.2.1")


def job(name: str = "www.example.org.", qtype: int = A, parent: Job | None = None, **more: object) -> Job:
    made = Job(wire(name), qtype, parent, 0 if parent is None else parent.depth + 1,
               0 if parent is None else parent.visit, wire(name))
    for key, value in more.items():
        setattr(made, key, value)
    return made


def test_a_new_step_knows_nothing_of_the_last_one() -> None:
    made = job()
    made.asks[ONE] = made.silent[ONE] = 2
    made.over_tcp = made.spent = made.cased = made.unreachable = frozenset({ONE})
    made.bad, made.waiting, made.shown, made.children, made.names_tried = True, 3, 2, 1, 4
    made.looked_for |= {wire("ns.example.org.")}
    made.new_step()
    assert (made.step, made.visit, made.bad, made.waiting) == (1, 0, False, 0)
    assert not any((made.asks, made.silent, made.over_tcp, made.spent, made.cased, made.unreachable))
    assert (made.shown, made.children, made.names_tried, made.looked_for) == (2, 1, 4, {wire("ns.example.org.")})
    made.new_zone()
    assert (made.step, made.visit, made.shown, made.children, made.names_tried) == (2, 1, 0, 0, 0)
    assert not made.looked_for
    made.new_zone()
    assert (made.step, made.visit) == (3, 2)


def test_a_response_is_moot_when_nobody_waits_for_it() -> None:
    made = job()
    assert not made.is_moot(0)
    assert made.is_moot(1)
    made.new_step()
    assert made.is_moot(0)
    assert not made.is_moot(1)
    made.done = True
    assert made.is_moot(1)
    top = job()
    middle = job("ns.example.net.", A, top)
    below = job("ns.example.com.", AAAA, middle)
    assert not below.is_moot(0)
    top.new_zone()
    assert below.is_moot(0), "the top looks at another zone, whose servers these are not"
    middle.parent_visit = top.visit
    assert not below.is_moot(0)
    middle.done = True
    assert below.is_moot(0)
    middle.done, top.done = False, True
    assert below.is_moot(0)


def test_an_address_that_is_waited_for_is_not_looked_for_again() -> None:
    top = job("www.example.org.", TXT)
    middle = job("ns.example.net.", A, top)
    below = job("ns.example.com.", AAAA, middle)
    for name, expected in (("ns.example.com.", True), ("ns.example.net.", True), ("www.example.org.", False),
                           ("ns.example.org.", False)):
        assert below.is_underway(wire(name)) is expected, name
    assert not top.is_underway(wire("ns.example.net."))
    assert job("www.example.org.", A).is_underway(wire("www.example.org."))
    middle.qname = wire("alias.example.net.")
    assert below.is_underway(wire("alias.example.net.")), "where an alias led"
    assert below.is_underway(wire("ns.example.net.")), "where it began"


def test_for_whose_servers_a_job_is() -> None:
    top = job(zone=wire("example.org."))
    middle = job("ns.example.net.", A, top, zone=wire("net."))
    below = job("ns.example.com.", A, middle, zone=wire("com."))
    for zone, expected in (("net.", True), ("example.org.", True), ("com.", False), ("org.", False)):
        assert below.is_for(wire(zone)) is expected, zone
    assert not top.is_for(wire("example.org."))


def test_an_alias_that_was_followed() -> None:
    made = job(chain=[RRset(wire("d.example.org."), DNAME, 60, (wire("example.net."),)),
                      RRset(wire("a.example.org."), CNAME, 60, (wire("b.example.org."),))])
    for name, expected in (("a.example.org.", True), ("d.example.org.", False), ("b.example.org.", False)):
        assert made.has_alias_at(wire(name)) is expected


@pytest.mark.parametrize(("name", "shown"), [
    ("org.", [1]), ("example.org.", [1, 2]), ("a.b.c.d.org.", [1, 2, 3, 4, 5]),
    # Four one by one, the others in steps, ten in all (RFC 9156 §2.3).
    (".".join("abcdefghijklmnopqrst") + ".", [1, 2, 3, 4, 7, 10, 13, 16, 18, 20]),
    (".".join(["x"] * 100) + ".", [1, 2, 3, 4, 20, 36, 52, 68, 84, 100]),
])
def test_how_much_of_a_name_is_shown(name: str, shown: list[int]) -> None:
    made = job(name, NS)
    known, found = 0, []
    while known < shown[-1]:
        made.show_more(known)
        found.append(made.shown)
        asked, qtype = made.asked_name()
        whole = made.shown == shown[-1]
        assert made.is_minimised() is not whole
        assert qtype == (NS if whole else A)
        assert wire(name).endswith(asked)
        assert asked.count(b"\1") == made.shown or name.endswith("org.")
        made.minimised += 1
        known = made.shown
    assert found == shown


def test_the_whole_name_is_shown_where_that_was_decided() -> None:
    made = job("a.b.c.d.org.", TXT, whole=True)
    made.show_more(0)
    assert (made.shown, made.is_minimised(), made.asked_name()) == (5, False, (wire("a.b.c.d.org."), TXT))
    made = job("a.b.c.d.org.", TXT, minimised=10)
    made.show_more(1)
    assert made.shown == 5
    made.shown = 2
    assert made.asked_name() == (wire("d.org."), A)
