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


def _backwards(store: Store, what: str, most: int, asked: int) -> list[object]:
    """All that a list has, read from its end in pages of `most` that end at every so many-th question of the time."""
    found: list[object] = []
    at: bytes | None = b""
    over = _hurry(asked)
    while at is not None:
        with Pages(store) as view:
            if what == "zones":
                lines, at = view.zone_lines(at, most=most, over=over, backwards=True)
                found += lines
            elif what == "search":
                page = view.names(at, b"", lambda *_: True, most=most, enough=most, over=over, backwards=True)
                found, at = [*found, *page.entries], page.next
            else:
                apex = b"" if what == "." else ZONE
                page = view.zone_names_before(apex or node_key(b"\0"), at, most=most, enough=most, over=over)
                found, at = [*found, *page.entries], page.next
    return found


@pytest.mark.parametrize("most", [1, 3, MOST])
@pytest.mark.parametrize("asked", [1, 3, 1 << 60])
@pytest.mark.parametrize("what", ["zones", "search", "zone", "."])
def test_backwards_it_is_the_same_from_the_end(store: Store, what: str, asked: int, most: int) -> None:
    def never() -> bool:
        return False

    forwards: list[object]
    with Pages(store) as view:
        if what == "zones":
            forwards = [*view.zone_lines(b"", most=1 << 60, over=never)[0]]
        elif what == "search":
            forwards = [*view.names(b"", b"", lambda *_: True, most=1 << 60, enough=1 << 60, over=never).entries]
        else:
            apex = node_key(b"\0") if what == "." else ZONE
            forwards = [*view.zone_names(apex, b"", most=1 << 60, enough=1 << 60, over=never).entries]
    assert _backwards(store, what, most, asked) == forwards[::-1]


def test_a_border_is_the_same_in_both_directions(store: Store) -> None:
    """What stands before a page's border comes backwards from it, what stands behind it forwards."""
    def never() -> bool:
        return False

    with Pages(store) as view:
        for most in range(1, HOSTS + 1):
            page = view.zone_names(ZONE, b"", most=most, enough=MOST, over=never)
            assert page.next is not None
            before = view.zone_names_before(ZONE, page.next, most=MOST, enough=MOST, over=never)
            assert before.entries == page.entries[::-1]
            back = view.zone_names_before(ZONE, b"", most=most, enough=MOST, over=never)
            assert back.next is not None
            behind = view.zone_names(ZONE, back.next, most=MOST, enough=MOST, over=never)
            assert behind.entries == back.entries[::-1]


def test_backwards_a_zone_below_is_passed_by_in_one_step() -> None:
    """However many names it has: only its apex, of which NS and DS are shown, is looked at."""
    soa = "ns. host. 1 2 3 4 5"
    events = [_event("example.", soa, "SOA"), _event("m.example.", soa, "SOA"), _event("m.example.", "ns.", "NS")]
    events += [_event(f"h{number}.m.example.", "192.0.2.1", "A") for number in range(500)]
    events += [_event("a.example.", "192.0.2.1", "A"), _event("z.example.", "192.0.2.1", "A")]
    with viewing.folder() as path, viewing.opened(path) as opened:
        viewing.apply(viewing.writer(opened), events, reading=viewing.Reading())
        with Pages(opened) as view:
            page = view.zone_names_before(
                node_key(wire_name("example.")), b"", most=MOST, enough=MOST, over=lambda: False
            )
    assert (page.looked, page.next) == (4, None)
    assert [entry.owner for entry in page.entries] == [
        wire_name(name) for name in ("z.example.", "m.example.", "a.example.", "example.")
    ]


def test_rejected_events_from_both_ends() -> None:
    bad = [Event(0, 0, f"h{number}.example.|A", "{") for number in range(25)]
    with viewing.folder() as path, viewing.opened(path) as opened:
        viewing.apply(viewing.writer(opened), bad, reading=viewing.Reading())
        with Pages(opened) as view:
            newest_first = view.quarantine_before(1 << 62, most=100)
            oldest_first = view.quarantine_from(0, most=100)
            border = oldest_first[10][0]
            assert view.quarantine_from(border, most=3) == oldest_first[10:13]
            assert view.quarantine_before(border, most=3) == oldest_first[7:10][::-1]
    assert len(oldest_first) == 25
    assert oldest_first == newest_first[::-1]
