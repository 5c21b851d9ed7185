"""Pages of a view end when their time is over, and those that follow give the rest: nothing is lost or there twice."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator

import pytest

from streamdns.view.keys import node_key
from streamdns.view.pages import Names, Pages, ZoneLine
from streamdns.view.store import Store
from tests.harness import viewing
from tests.harness.model import Event, wire_name

ZONES, HOSTS = 30, 50
ZONE = node_key(wire_name("z7.example."))
#: Steps of a walk that nobody hurries are as long as they may be.
MOST = 100


@pytest.fixture
def store() -> Iterator[Store]:
    """Zones of hosts with one address each, and a zone below one of them."""
    soa = "ns. host. 1 2 3 4 5"
    events = [_event(f"z{zone}.example.", soa, "SOA") for zone in range(ZONES)]
    events += [_event(f"h{host}.z7.example.", f"192.0.2.{host}", "A") for host in range(HOSTS)]
    events += [_event("h9.z7.example.", soa, "SOA"), _event("below.h9.z7.example.", "192.0.2.200", "A")]
    with viewing.folder() as path, viewing.opened(path) as opened:
        viewing.apply(viewing.writer(opened), events, reading=viewing.Reading())
        yield opened


def _event(name: str, content: str, rdtype: str) -> Event:
    return Event(0, 0, f"{name}|{rdtype}", json.dumps([{"name": name, "type": rdtype, "content": content}]))


def _hurry(asked: int) -> Callable[[], bool]:
    """Over at every so many-th question."""
    count = itertools.count(1)
    return lambda: next(count) % asked == 0


def _zones(store: Store, over: Callable[[], bool]) -> list[list[ZoneLine]]:
    steps = []
    at: bytes | None = b""
    while at is not None:
        with Pages(store) as view:
            found, at = view.zone_lines(at, most=MOST, over=over)
        steps.append(found)
    return steps


def _names(store: Store, step: Callable[[Pages, bytes], Names]) -> list[Names]:
    steps = []
    at: bytes | None = b""
    while at is not None:
        with Pages(store) as view:
            steps.append(step(view, at))
        at = steps[-1].next
    return steps


@pytest.mark.parametrize("asked", [1, 2, 3])
def test_steps_over_zones(store: Store, asked: int) -> None:
    (whole,) = _zones(store, lambda: False)
    assert len(whole) == ZONES + 1
    steps = _zones(store, _hurry(asked))
    assert [line for step in steps for line in step] == whole
    assert max(map(len, steps)) <= 4 * asked < len(whole)
    assert min(map(len, steps)) >= 1


@pytest.mark.parametrize("asked", [1, 2, 3])
def test_steps_over_the_names_of_a_zone(store: Store, asked: int) -> None:
    def step(over: Callable[[], bool]) -> Callable[[Pages, bytes], Names]:
        return lambda view, at: view.zone_names(ZONE, at, most=MOST, enough=MOST, over=over)

    (whole,) = _names(store, step(lambda: False))
    assert whole.looked == HOSTS + 1
    steps = _names(store, step(_hurry(asked)))
    assert [entry for each in steps for entry in each.entries] == whole.entries
    assert sum(each.looked for each in steps) == whole.looked
    assert all(1 <= each.looked <= 4 * asked for each in steps)


@pytest.mark.parametrize("asked", [1, 2, 3])
@pytest.mark.parametrize("rare", [True, False])
def test_steps_of_a_search(store: Store, asked: int, rare: bool) -> None:
    def step(over: Callable[[], bool]) -> Callable[[Pages, bytes], Names]:
        def wanted(key: bytes, raw: bytes) -> bool:
            return b"h49" in key if rare else True

        return lambda view, at: view.names(at, b"", wanted, most=MOST, enough=MOST, over=over)

    (whole,) = _names(store, step(lambda: False))
    assert whole.looked > ZONES + HOSTS
    steps = _names(store, step(_hurry(asked)))
    assert [entry for each in steps for entry in each.entries] == whole.entries
    assert sum(each.looked for each in steps) == whole.looked
    # Once something is found, which takes longer than looking, it is asked at each name.
    assert max(each.looked for each in steps) <= (16 * asked if rare else asked)
