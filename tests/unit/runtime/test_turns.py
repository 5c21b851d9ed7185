"""Giving way lets timers have their turn, which gevent.sleep(0) does not; and many who have much to do take turns."""

from __future__ import annotations

import time

import gevent

from streamdns.runtime.turns import Stint, give_way, take_turn


def test_what_is_due_has_its_turn_each_time() -> None:
    woken: list[float] = []

    def sleeper() -> None:
        while len(woken) < 5:
            gevent.sleep(0.001)
            woken.append(time.perf_counter())

    running = gevent.spawn(sleeper)
    turns = 0
    try:
        while len(woken) < 5 and turns < 1000:
            until_s = time.perf_counter() + 0.002
            while time.perf_counter() < until_s:
                pass
            give_way()
            turns += 1
    finally:
        running.kill()
    assert len(woken) == 5
    assert turns <= 12  # One turn to wake it and one more to be on its way again, and never fifty.


def _count_turns() -> tuple[list[int], gevent.Greenlet]:
    """The number of turns of the loop, counted for as long as the greenlet lives."""
    counted = [0]

    def count() -> None:
        while True:
            give_way()
            counted[0] += 1

    return counted, gevent.spawn(count)


def test_of_many_one_goes_on_in_each_turn() -> None:
    counted, counter = _count_turns()
    went: list[tuple[int, int]] = []

    def worker(number: int) -> None:
        for _ in range(10):
            take_turn()
            went.append((counted[0], number))

    workers = [gevent.spawn(worker, number) for number in range(5)]
    try:
        gevent.joinall(workers, timeout=10, raise_error=True)
    finally:
        counter.kill()
    turns = [turn for turn, _ in went]
    assert len(went) == 50
    # The counter and those who take turns wake up in one order or the other in a turn.
    assert max(turns.count(turn) for turn in turns) <= 2
    assert turns[-1] - turns[0] >= 45
    assert [number for _, number in went] == list(range(5)) * 10


def test_who_is_killed_while_waiting_for_a_turn_holds_up_nobody() -> None:
    waiting = [gevent.spawn(take_turn) for _ in range(3)]
    gevent.sleep(0)
    for greenlet in waiting[:2]:
        greenlet.kill()
    gevent.joinall(waiting, timeout=10)
    assert all(greenlet.dead for greenlet in waiting)
    with gevent.Timeout(10):
        take_turn()


def test_a_stint_ends_when_it_was_long_enough() -> None:
    counted, counter = _count_turns()
    try:
        give_way()
        stint, before = Stint(), counted[0]
        stint()
        assert counted[0] == before
        until_s = time.perf_counter() + 0.001
        while time.perf_counter() < until_s:
            pass
        stint()
        assert counted[0] > before
    finally:
        counter.kill()
