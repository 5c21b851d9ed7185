"""Giving way lets timers have their turn, which gevent.sleep(0) does not."""

from __future__ import annotations

import time

import gevent

from streamdns.turns import give_way


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
