"""Response rate limiting: what is estimated, what is counted exactly, what is held back, and the bounds of it all."""

from __future__ import annotations

import random
import socket
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdns.dns.response_rates import DROP, PASS, SLIP, ResponseRates, network_of

NETWORK, KIND = 7, "a kind"


def rates(
    rate: int = 200, slip: int = 2, *, seed: int = 1, most_accounts: int = 1000, most_watched: int = 100
) -> ResponseRates:
    """Rates with gaps that are random and the same each time."""
    chance = random.Random(seed)
    return ResponseRates(
        rate, slip, gap=lambda most: chance.randint(1, most), most_accounts=most_accounts, most_watched=most_watched
    )


def verdicts(made: ResponseRates, times_s: list[float], network: int = NETWORK, kind: str = KIND) -> list[str]:
    return [made.judge(network, kind, at_s) for at_s in times_s]


def test_what_comes_within_the_rate_passes() -> None:
    """For as long as it likes: 199 a second for a minute, after a burst of none."""
    assert set(verdicts(rates(), [number / 199 for number in range(60 * 199)])) == {PASS}


@pytest.mark.parametrize("rate", [1, 5, 200, 100_000])
def test_a_burst_is_as_much_as_a_second_has(rate: int) -> None:
    found = verdicts(rates(rate), [0.0] * (rate + 10))
    assert found[:rate] == [PASS] * rate
    assert PASS not in found[rate:]


def test_nothing_passes_while_too_much_is_asked_for() -> None:
    """A flood gets the burst once, not the rate every second, and an ebb of less than a second changes nothing."""
    made = rates()
    flood = verdicts(made, [number / 3000 for number in range(9000)])
    assert flood.count(PASS) == 200 + 14    # the burst, and what is paid back until 3,000 a second have used it up
    assert flood[-3000:].count(PASS) == 0
    assert set(verdicts(made, [3.9 + number / 3000 for number in range(100)])) <= {DROP, SLIP}


def test_a_flood_that_is_over_is_forgotten_in_two_seconds() -> None:
    """However large it was."""
    made = rates()
    verdicts(made, [0.0] * 100_000)
    assert made.judge(NETWORK, KIND, 1.99) is not PASS
    assert made.judge(NETWORK, KIND, 2.02) is PASS


@pytest.mark.parametrize(("slip", "expected"), [
    (0, [DROP] * 6), (1, [SLIP] * 6), (2, [DROP, SLIP] * 3), (3, [DROP, DROP, SLIP] * 2),
])
def test_slip(slip: int, expected: list[str]) -> None:
    made = rates(1, slip)
    assert verdicts(made, [0.0] * 7) == [PASS, *expected]


def test_kinds_and_networks_are_apart() -> None:
    made = rates(10)
    verdicts(made, [0.0] * 50)
    assert made.judge(NETWORK, "another kind", 0.0) is PASS
    assert made.judge(NETWORK + 1, KIND, 0.0) is PASS
    assert made.judge(NETWORK, KIND, 0.0) is not PASS


def test_one_in_so_many_is_looked_at() -> None:
    """64 of small batches, 512 of large ones, on average, and each stands for as many as go by between two."""
    for count, stride in ((1, 64), (31, 64), (32, 512), (64, 512)):
        made = rates()
        weights: list[int] = []
        for _ in range(400_000 // count):
            made.skip -= count
            if made.skip < 0:
                found = made.chosen(count)
                assert all(0 <= slot < count for slot, _ in found)
                weights += [weight for _, weight in found]
        assert made.skip >= 0
        assert sum(weights) == pytest.approx(400_000, rel=0.1)
        assert len(weights) == pytest.approx(400_000 / stride, rel=0.1)


def test_a_low_rate_is_looked_at_more_often() -> None:
    """With five a second one in 64 would see nothing."""
    made = rates(3)
    made.skip -= 10
    assert made.chosen(10) == [(slot, 1) for slot in range(10)]


def flood(made: ResponseRates, *, per_s: int, seconds: float, batch: int, share: float = 1.0, seed: int = 2) -> int:
    """Have so many replies go by, of which a share is of one kind and the others are each of their own; how many of the
    kind did until its network was watched, or -1.
    """
    chance = random.Random(seed)
    sent = 0
    for start in range(0, int(per_s * seconds), batch):
        now_s = start / per_s
        mine = [chance.random() < share for _ in range(batch)]
        made.skip -= batch
        if made.skip < 0:
            for slot, weight in made.chosen(batch):
                made.look(NETWORK if mine[slot] else start + slot, KIND if mine[slot] else "other", weight, now_s)
        sent += sum(mine)
        if NETWORK in made.watched:
            return sent
    return -1


@pytest.mark.parametrize(("per_s", "batch", "share", "most"), [
    (3000, 1, 1.0, 400), (3000, 8, 1.0, 400), (100_000, 64, 1.0, 3000), (100_000, 64, 0.03, 3000), (400, 1, 1.0, 1500),
    (20_000, 4, 0.02, 1500),
])
@pytest.mark.parametrize("seed", range(5))
def test_a_flood_is_seen(per_s: int, batch: int, share: float, most: int, seed: int) -> None:
    """After some hundred replies, alone or among others, in small batches and in large ones."""
    assert 0 < flood(rates(seed=seed), per_s=per_s, seconds=10, batch=batch, share=share, seed=seed) <= most


def test_few_of_those_who_ask_for_little_are_watched() -> None:
    """Ten a second of a kind, to each of twenty networks, for ten minutes: by chance one now and then, for a while."""
    made = rates()
    watched = []
    for number in range(600 * 200):
        made.skip -= 1
        if made.skip < 0:
            for _, weight in made.chosen(1):
                made.look(number % 20, KIND, weight, number / 200)
        if number % 200 == 0:
            made.forget(number / 200)
            watched.append(len(made.watched))
    assert sum(watched) / len(watched) < 1


@given(looks=st.lists(st.tuples(st.integers(1, 512), st.floats(0, 5)), max_size=30))
def test_nothing_is_held_back_by_an_estimate(looks: list[tuple[int, float]]) -> None:
    """Whatever was looked at before: who is watched begins with half of the limit at the most."""
    made = rates()
    now_s = 0.0
    for weight, pause_s in looks:
        now_s += pause_s
        if NETWORK not in made.watched:
            made.look(NETWORK, KIND, weight, now_s)
    if NETWORK in made.watched:
        assert set(verdicts(made, [now_s] * 100)) == {PASS}


def test_a_network_is_watched_until_it_has_been_quiet_for_ten_seconds() -> None:
    made = rates()
    verdicts(made, [0.0] * 100)
    assert set(made.watched) == {NETWORK}
    verdicts(made, [5.0] * 100)
    made.forget(14.9)
    assert set(made.watched) == {NETWORK}
    made.judge(NETWORK, KIND, 14.9)
    made.forget(15.0)
    assert not made.watched


def test_the_table_is_bounded() -> None:
    """The longest unused accounts go, so what floods stays whatever else comes by."""
    made = rates(10, most_accounts=100)
    for number in range(10_000):
        made.judge(NETWORK, KIND, 0.0)
        made.judge(number, f"kind {number}", 0.0)
    assert len(made) == 100
    assert made.judge(NETWORK, KIND, 0.0) is not PASS


def test_networks_that_are_watched_are_bounded() -> None:
    """Those that are quiet go first, else the longest watched."""
    made = rates(2, most_watched=3)
    for network, at_s in ((1, 0.0), (2, 5.0), (3, 6.0), (4, 11.0)):
        made.judge(network, KIND, at_s)
    assert set(made.watched) == {2, 3, 4}
    made.judge(5, KIND, 11.0)
    assert set(made.watched) == {3, 4, 5}


def looks(made: ResponseRates, count: int, *, weight: int = 1, kind: str = KIND, now_s: float = 0.0) -> bool:
    for _ in range(count):
        made.look(NETWORK, kind, weight, now_s)
    return NETWORK in made.watched


def test_half_of_the_limit_is_watched_and_not_less() -> None:
    """Of one kind; and one reply alone says nothing, however many it stands for."""
    made = rates(200)
    assert not looks(made, 99)
    assert looks(made, 1)
    made = rates(200)
    for number in range(300):
        assert not looks(made, 1, kind=f"kind {number}")
    made = rates(200)
    assert not looks(made, 1, weight=512)
    assert looks(made, 1, weight=512)


def test_who_is_watched_has_the_other_half() -> None:
    made = rates(200)
    assert looks(made, 100)
    found = verdicts(made, [0.0] * 110)
    assert (found[:100], PASS in found[100:]) == ([PASS] * 100, False)


def test_what_was_paid_back_long_ago_does_not_count() -> None:
    """As often as it likes there is a burst, and never a larger or a smaller one."""
    made = rates(10)
    for at_s in (0.0, 100.0, 1000.0):
        found = verdicts(made, [at_s] * 15)
        assert (found[:10], PASS in found[10:]) == ([PASS] * 10, False), at_s


def test_less_than_half_of_the_limit_does_not_keep_a_network_watched() -> None:
    for count, watched in ((4, False), (5, True)):
        made = rates(10)
        made.judge(NETWORK, "other", 0.0)
        verdicts(made, [0.0] * 5)
        assert made.watched == {NETWORK: 10.0}
        verdicts(made, [9.0] * count, kind="later")
        made.forget(10.0)
        assert (NETWORK in made.watched) is watched, count


def test_who_is_watched_already_takes_nobody_s_place() -> None:
    made = rates(2, most_watched=3)
    for network in (1, 2, 3, 1, 3, 2, 2):
        made.judge(network, KIND, 0.0)
    assert set(made.watched) == {1, 2, 3}


def test_the_bounds_that_it_has_by_itself() -> None:
    made = ResponseRates(1, 0, gap=lambda most: most)
    for number in range(16_400):
        made.judge(number, KIND, 0.0)
    assert (len(made), len(made.watched)) == (16_384, 4096)


@pytest.mark.parametrize(("rate", "stride"), [(1, 1), (3, 1), (6, 2), (100, 33), (192, 64), (1000, 64)])
def test_how_many_go_by_between_two_looks(rate: int, stride: int) -> None:
    """A third of the rate, 64 at the most: gaps are whole numbers."""
    asked: list[int] = []

    def gap(most: int) -> int:
        asked.append(most)
        return most

    made = ResponseRates(rate, 0, gap=gap)
    made.skip -= 1
    assert made.chosen(1) == [(0, stride)]
    assert (asked, type(asked[0])) == ([2 * stride - 1], int)


def test_networks() -> None:
    """/24 and /56, and never one for both families."""
    one = [socket.inet_pton(socket.AF_INET6, text) for text in (
        "2001:db8::1", "2001:db8:0:ff:ffff::1", "2001:db8:0:100::1", "::", "0:0:0:ff00::")]
    numbers = [network_of(address) for address in one]
    assert numbers[0] == numbers[1] != numbers[2]
    assert len({*numbers, network_of(bytes(4)), network_of(b"\0\0\0\1")}) == 5
    assert network_of(bytes((192, 0, 2, 1))) == network_of(bytes((192, 0, 2, 255))) != network_of(bytes((192, 0, 3, 1)))
    # As they lie in memory, for that is how a batch of them is read.
    assert network_of(bytes((192, 0, 2, 1))) == int.from_bytes(bytes((192, 0, 2, 0)), sys.byteorder)
    assert network_of(one[0]) == int.from_bytes(bytes((0x20, 1, 0x0D, 0xB8, 0, 0, 0, 1)), sys.byteorder)


@pytest.mark.parametrize(("at_s", "watched"), [(9.9, True), (10.0, False), (10.1, False), (1000.0, False)])
def test_who_has_been_quiet_is_watched_no_longer_whenever_that_is_looked_at(at_s: float, watched: bool) -> None:
    made = rates(2)
    made.judge(NETWORK, KIND, 0.0)
    assert made.watched == {NETWORK: 10.0}
    made.forget(at_s)
    assert (NETWORK in made.watched) is watched
