"""Greenlets that are used again: everything that waits has one of its own while it waits."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import gevent
from gevent.hub import Waiter

from streamdns.resolver.service.greenlets import Greenlets
from streamdns.runtime.turns import give_way

_PATIENCE_S = 10.0


def until(condition: Callable[[], bool]) -> None:
    with gevent.Timeout(_PATIENCE_S):
        while not condition():
            give_way()


def test_each_that_waits_has_one_of_its_own_and_the_next_takes_it_over() -> None:
    pool, seen = Greenlets(), list[tuple[int, int]]()
    waiters: list[Waiter[int]] = []

    def wait(number: int, waiter: Waiter[int]) -> None:
        seen.append((id(gevent.getcurrent()), waiter.get() + number))

    def round_of(many: int) -> set[int]:
        seen.clear()
        waiters[:] = [Waiter() for _ in range(many)]
        for number, waiter in enumerate(waiters):
            pool.spawn(wait, number, waiter)
        assert not seen
        give_way()
        for waiter in reversed(waiters):
            gevent.get_hub().loop.run_callback(waiter.switch, 1000)
        until(lambda: len(seen) == many)
        assert sorted(number for _, number in seen) == list(range(1000, 1000 + many))
        return {greenlet for greenlet, _ in seen}

    first = round_of(20)
    assert len(first) == 20
    until(lambda: len(pool) == 20)
    assert round_of(20) == first
    until(lambda: len(pool) == 20)
    assert first < round_of(30)


def test_only_so_many_are_kept() -> None:
    pool, done = Greenlets(kept=5), list[int]()
    for number in range(50):
        pool.spawn(done.append, number)
    until(lambda: len(done) == 50)
    assert len(pool) == 5


def test_what_was_done_is_not_kept() -> None:
    class Work:
        pass

    pool, work = Greenlets(), Work()
    gone = weakref.ref(work)
    pool.spawn(lambda it: None, work)
    until(lambda: len(pool) == 1)
    del work
    gc.collect()
    assert gone() is None
