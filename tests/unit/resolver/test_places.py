"""Who gives way when all places are taken."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from streamdns.resolver.resolution.places import YOUNG_S, Places, network_of

OLD_S = YOUNG_S * 1.5


@pytest.mark.parametrize(("client", "network"), [
    (bytes((192, 0, 2, 7)), bytes((192, 0, 2))),
    (bytes.fromhex("20010db8000100020003000400050006"), bytes.fromhex("20010db800010002")),
    (bytes(10) + b"\xff\xff" + bytes((192, 0, 2, 7)), bytes((192, 0, 2))),
    (b"", b""),
])
def test_networks(client: bytes, network: bytes) -> None:
    assert network_of(client) == network


def test_the_oldest_of_who_holds_most() -> None:
    places: Places[str] = Places(6)
    for number, (item, network) in enumerate([("a1", b"a"), ("b1", b"b"), ("b2", b"b"), ("b3", b"b"), ("c1", b"c")]):
        places.take(item, network, number * 0.01)
    assert (len(places), places.networks, places.held(b"b"), places.held(b"x")) == (5, 3, 3, 0)
    assert places.gives_way(b"a", 1.0) == "b1"
    places.leave("b1")
    assert [places.gives_way(network, 1.0) for network in (b"x", b"a")] == ["b2", "a1"]
    places.leave("b2")
    places.leave("b2")
    # Nobody holds more than one now: the oldest of all, if the old ones have more than half.
    assert (len(places), places.gives_way(b"x", 1.0)) == (3, None)
    assert places.gives_way(b"c", 1.0) == "c1"
    places.take("d1", b"d", 0.5)
    assert places.gives_way(b"x", 1.0) == "a1"


def test_who_holds_most_makes_room_for_himself() -> None:
    """Also where he only holds as many as another."""
    places: Places[str] = Places(4)
    for item in ("a1", "a2", "b1", "b2"):
        places.take(item, item[:1].encode(), 0.0)
    assert [places.gives_way(network, OLD_S) for network in (b"a", b"b")] == ["a1", "b1"]
    assert places.gives_way(b"c", OLD_S) in ("a1", "b1")


def test_the_young_give_way_to_those_who_hold_less() -> None:
    """A flood does not push its own new questions out: what comes last goes without. Others do, at once."""
    places: Places[int] = Places(4)
    for number in range(4):
        places.take(number, b"a", 0.0)
    assert places.gives_way(b"a", YOUNG_S / 2) is None
    assert places.gives_way(b"b", YOUNG_S / 2) == 0
    assert places.gives_way(b"a", OLD_S) == 0


def test_old_is_who_has_held_a_place_for_as_long_as_that() -> None:
    for age_s, gives_way in ((YOUNG_S, "a"), (YOUNG_S - 0.01, None)):
        places: Places[str] = Places(10)
        places.take("a", b"a", 0.0)
        assert places.gives_way(b"a", age_s) == gives_way


def test_half_of_the_places_are_for_the_young() -> None:
    """Where thousands of networks hold one place each, questions that take long have no more than half of them."""
    places: Places[int] = Places(10)
    for number in range(10):
        places.take(number, bytes((number,)), 0.0 if number < 5 else 1.0)
    assert places.gives_way(b"new", 1.0 + YOUNG_S / 2) is None
    places.leave(9)
    places.leave(0)
    places.take(10, b"x", 0.9 + YOUNG_S / 2)
    places.take(11, b"y", 1.0 + YOUNG_S / 2)
    assert places.gives_way(b"new", 1.0 + YOUNG_S * 0.75) is None
    assert places.gives_way(b"new", 1.0 + OLD_S) == 1


def test_a_few_floods_beside_a_good_client() -> None:
    """12 networks ask for what takes for ever; one asks now and then for what takes 50 ms: it is never pushed out."""
    rng = random.Random(1)
    places: Places[tuple[bytes, int]] = Places(500)
    lost: Counter[bytes] = Counter()
    good: dict[tuple[bytes, int], float] = {}
    for number in range(20_000):
        now_s = number / 1500
        for item in [item for item, until_s in good.items() if until_s <= now_s]:
            places.leave(item)
            del good[item]
        network = b"good" if number % 30 == 0 else b"evil%d" % rng.randrange(12)
        if len(places) >= places.most:
            gone = places.gives_way(network, now_s)
            if gone is None:
                lost[network] += 1
                continue
            lost[gone[0]] += 1
            places.leave(gone)
            good.pop(gone, None)
        places.take((network, number), network, now_s)
        if network == b"good":
            good[network, number] = now_s + 0.05
    assert lost[b"good"] == 0
    assert sum(lost.values()) > 15_000


def test_like_a_list_that_is_searched() -> None:
    """Beside a slow model of the rule, with items that come and go by chance."""
    rng = random.Random(2)
    places: Places[int] = Places(40)
    held: dict[int, tuple[bytes, float]] = {}
    now_s = 0.0
    for number in range(5000):
        now_s += rng.random() * 0.02
        if held and (rng.random() < 0.45 or len(held) >= 40):
            item = rng.choice(list(held))
            places.leave(item)
            del held[item]
        network = bytes((rng.randrange(8),))
        counts = Counter(network for network, _ in held.values())
        found = places.gives_way(network, now_s)
        old = [item for item, (_, since_s) in held.items() if now_s - since_s >= YOUNG_S]
        expected = set(old[:1]) if 2 * len(old) > 40 else {None}
        most = max(counts.values(), default=0)
        if counts[network] + 1 < most:
            expected = {next(item for item, (owner, _) in held.items() if owner == each)
                        for each in counts if counts[each] == most}
        elif counts[network]:
            mine = next(item for item, (owner, _) in held.items() if owner == network)
            expected = {mine} if mine in old else expected
        assert found in expected
        places.take(number, network, now_s)
        held[number] = network, now_s
        assert (len(places), places.networks) == (len(held), len({network for network, _ in held.values()}))


def test_one_is_old_from_the_very_moment() -> None:
    places: Places[str] = Places(1)
    places.take("a1", b"a", 0.0)
    assert [places.gives_way(b"a", now_s) for now_s in (YOUNG_S * 0.99, YOUNG_S)] == [None, "a1"]
    assert [places.gives_way(b"b", now_s) for now_s in (YOUNG_S,)] == ["a1"]
    others: Places[str] = Places(1)
    others.take("a1", b"a", 0.0)
    assert [others.gives_way(b"b", now_s) for now_s in (YOUNG_S * 0.99, YOUNG_S)] == [None, "a1"]
