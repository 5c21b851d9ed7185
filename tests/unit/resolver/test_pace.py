"""The resolver's share of the loop's turns, and its time limits: with a clock that the tests move."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import gevent

from streamdns.resolver.transport.pace import ANSWERS, SENDING, STARTING, TIME_LIMITS, Deadlines, Pace
from streamdns.runtime.turns import give_way

_PATIENCE_S = 10.0


def until(condition: Callable[[], bool]) -> None:
    with gevent.Timeout(_PATIENCE_S):
        while not condition():
            give_way()


def reached(done: list[int], wanted: int) -> bool:
    return len(done) >= wanted


class Clock:
    """Each piece of work takes a second of a turn that has ten."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def work(self, done: list[int], number: int) -> Callable[[], None]:
        def run() -> None:
            self.now_s += 1.0
            done.append(number)

        return run

    def pass_s(self, done: list[int], time_s: float) -> None:
        self.now_s += time_s
        done.append(1)


def test_of_a_turn_the_resolver_has_a_third_of_a_millisecond() -> None:
    """The other two thirds are for a batch of datagrams, which may come in the same turn, and for the last piece."""
    clock, done = Clock(), list[int]()
    pace = Pace(clock=clock, cpu_clock=float)
    assert sum(pace.do(SENDING, partial(clock.pass_s, done, 0.000_1)) for _ in range(20)) == 3


def test_so_much_at_once_and_the_rest_in_other_turns() -> None:
    clock, done = Clock(), list[int]()
    pace = Pace(turn_s=10.0, clock=clock, cpu_clock=float)
    at_once = [pace.do(SENDING, clock.work(done, number)) for number in range(35)]
    assert at_once == [True] * 10 + [False] * 25
    assert done == list(range(10))
    assert len(pace) == 25
    until(lambda: len(done) > 10)
    assert len(done) <= 30
    until(lambda: len(done) == 35)
    assert done == list(range(35))
    assert len(pace) == 0


def test_what_takes_no_time_has_no_limit() -> None:
    done: list[int] = []
    pace = Pace(turn_s=10.0, clock=float, cpu_clock=float)
    assert all(pace.do(STARTING, lambda: done.append(1)) for _ in range(1000))
    assert len(done) == 1000


def test_work_within_work_is_of_the_same_turn() -> None:
    clock, done = Clock(), list[int]()
    pace = Pace(turn_s=10.0, clock=clock, cpu_clock=float)

    def many() -> None:
        for number in range(20):
            assert pace.do(SENDING, clock.work(done, number))

    assert pace.do(ANSWERS, many)
    assert done == list(range(20))
    assert not pace.enter(ANSWERS)
    pace.put(STARTING, many)
    until(lambda: len(done) == 40)


def test_who_has_much_to_do_leaves_it_a_share() -> None:
    """But never nothing; while others do little it has all of a turn."""
    clock, cpu, done = Clock(), Clock(), list[int]()
    pace = Pace(turn_s=0.003, shared_s=0.001, clock=clock, cpu_clock=cpu)
    for shared, others_s, least_s, most_s in (
        (False, 0.0, 0.003, 0.003), (False, 0.001, 0.003, 0.003), (True, 0.000_01, 0.001, 0.001),
        (True, 0.001, 0.000_24, 0.000_26), (True, 0.000_2, 0.000_1, 0.000_2), (True, 1.0, 0.001, 0.001),
    ):
        if shared:
            pace.share()
        pace.put(SENDING, lambda: None)
        give_way()
        until(lambda: len(pace) == 0)
        cpu.now_s += others_s
        pace.put(SENDING, lambda: None)
        until(lambda: len(pace) == 0)
        done.clear()
        while pace.do(STARTING, lambda: clock.pass_s(done, 0.000_01)):
            pass
        assert least_s <= len(done) * 0.000_01 <= most_s + 0.000_011, others_s
        until(lambda: len(pace) == 0)


def test_a_turn_of_its_own_is_shorter_than_a_millisecond() -> None:
    """With its last piece of work, and also while nobody else is seen to have anything to do: there may be somebody."""
    clock, done, turns = Clock(), list[int](), list[int]()

    def begins() -> float:
        turns.append(len(done))
        return 0.0

    pace = Pace(clock=clock, cpu_clock=begins)
    for _ in range(1000):
        pace.put(TIME_LIMITS, lambda: clock.pass_s(done, 0.000_1))
    until(lambda: len(done) == 1000)
    assert 0 < max(later - before for before, later in pairwise(turns)) * 0.000_1 < 0.001


def test_it_is_not_shared_for_ever() -> None:
    clock, done = Clock(), list[int]()
    pace = Pace(turn_s=10.0, shared_s=2.0, clock=clock, cpu_clock=float)
    pace.share()
    for number in range(1000):
        pace.put(STARTING, clock.work(done, number))
    give_way()
    give_way()
    assert len(done) <= 6
    turns = 2
    while len(done) < 900:
        give_way()
        turns += 1
    assert 64 < turns < 250


def test_answers_go_first_and_the_others_take_turns() -> None:
    clock, done = Clock(), list[int]()
    pace = Pace(turn_s=10.0, clock=clock, cpu_clock=float)
    for kind in (STARTING, SENDING, TIME_LIMITS, ANSWERS):
        for _ in range(30):
            pace.put(kind, clock.work(done, kind))
    assert not pace.do(ANSWERS, clock.work(done, ANSWERS))  # Not past those who wait already.
    assert not pace.behind
    until(lambda: len(done) == 121)
    assert done[:31] == [ANSWERS] * 31
    for first in range(31, 121, 3):
        assert set(done[first : first + 3]) == {STARTING, SENDING, TIME_LIMITS}


def test_it_is_behind_with_hundreds_of_things_to_do() -> None:
    done: list[int] = []
    pace = Pace()
    for number in range(1000):
        pace.put(STARTING, partial(done.append, number))
    assert pace.behind
    until(lambda: len(done) == 1000)
    assert not pace.behind


def test_what_waits_does_not_keep_the_more_urgent() -> None:
    clock, done = Clock(), list[int]()
    pace = Pace(turn_s=10.0, clock=clock, cpu_clock=float)
    pace.put(STARTING, clock.work(done, STARTING))
    assert pace.do(ANSWERS, clock.work(done, ANSWERS))
    until(lambda: len(done) == 2)


def test_others_have_their_turn_in_between() -> None:
    """However much there is to do, who gives way goes on soon."""
    clock, done = Clock(), list[int]()
    pace = Pace(turn_s=10.0, clock=clock, cpu_clock=float)
    for number in range(10_000):
        pace.put(STARTING, clock.work(done, number))
    for turn in range(1, 20):
        give_way()
        assert len(done) <= 20 * turn
    until(lambda: len(done) == 10_000)


def test_a_failure_does_not_end_the_rest() -> None:
    clock, done = Clock(), list[int]()
    pace = Pace(turn_s=10.0, clock=clock, cpu_clock=float)

    def fail() -> None:
        raise gevent.GreenletExit  # The hub says nothing about this one.

    for work in (fail, clock.work(done, 1), fail, clock.work(done, 2)):
        pace.put(STARTING, work)
    until(lambda: done == [1, 2])


class Limit:
    """Notes that its time has come."""

    kind = TIME_LIMITS

    def __init__(self, done: list[int], number: int) -> None:
        self.done, self.number, self.tick = done, number, 0

    def due(self) -> None:
        self.done.append(self.number)


def test_time_limits_in_their_order_and_never_early() -> None:
    clock, done = Clock(), list[int]()
    clock.now_s = 5000.0
    deadlines = Deadlines(Pace(clock=float, cpu_clock=float), clock=clock)
    limits = [Limit(done, number) for number in range(100)]
    for limit in reversed(limits):
        deadlines.at(5000.0 + limit.number / 100, limit)
    for number in (3, 50, 99):
        deadlines.cancel(limits[number])
    for until_s in (0.005, 0.101, 0.102, 0.4, 0.989, 2.0):
        clock.now_s = 5000.0 + until_s
        expected = [number for number in range(100) if number / 100 < until_s - 0.005 and number not in (3, 50, 99)]
        until(partial(reached, done, len(expected)))
        assert done[: len(expected)] == expected
        assert all(number / 100 <= until_s for number in done)


def test_a_limit_that_is_over_already_comes_soon() -> None:
    done: list[int] = []
    deadlines = Deadlines(Pace())
    for number in range(3):
        deadlines.at(deadlines.clock() - 100.0, Limit(done, number))
    until(lambda: sorted(done) == [0, 1, 2])


def test_limits_after_a_long_rest() -> None:
    """Nothing ticks while there are none; the clock may be anywhere when the next comes."""
    clock, done = Clock(), list[int]()
    deadlines = Deadlines(Pace(clock=float, cpu_clock=float), clock=clock)
    for number, start_s in enumerate((0.0, 1e6, 1e6 + 1)):
        clock.now_s = start_s
        deadlines.at(start_s + 0.02, Limit(done, number))
        clock.now_s += 0.1
        until(partial(reached, done, number + 1))
    until(lambda: not deadlines.ticking)


def test_limits_after_what_has_arrived() -> None:
    """A loop that stood still looks at what came meanwhile before it says that nothing came."""
    clock, done = Clock(), list[int]()
    pace = Pace(clock=float, cpu_clock=float)
    deadlines = Deadlines(pace, clock=clock)
    limit = Limit(done, 1)
    deadlines.at(1.0, limit)

    def arrive() -> None:
        pace.put(ANSWERS, lambda: done.append(0))

    clock.now_s = 2.0
    gevent.get_hub().loop.run_callback(arrive)
    until(lambda: len(done) == 2)
    assert done == [0, 1]


def test_what_work_takes_is_not_what_others_take() -> None:
    """Short times are taken by the clock; of long ones it counts what the processor was busy for."""
    now = {"clock": 100.0, "cpu": 5.0}
    pace = Pace(clock=lambda: now["clock"], cpu_clock=lambda: now["cpu"])
    turned: list[bool] = []
    pace.put(ANSWERS, lambda: turned.append(True))
    gevent.sleep(0.001)
    assert turned
    began_s = pace.clock()
    now["clock"] += 0.000_4
    assert pace.taken_us(began_s) == 400
    now["clock"] += 2.0
    now["cpu"] += 0.003
    assert pace.taken_us(began_s) == 3000
    now["cpu"] += 5.0
    assert pace.taken_us(began_s) == 2_000_400


def test_starts_of_many_clients_take_turns() -> None:
    """Whoever asks little does not wait behind a flood of others; each network's own begin in their order."""
    pace = Pace(turn_s=1e9, clock=float, cpu_clock=float)
    begun: list[str] = []
    for number in range(1000):
        pace.put_start(partial(begun.append, f"flood {number}"), b"flood")
    for number in range(2):
        pace.put_start(partial(begun.append, f"good {number}"), b"good")
    assert len(pace) == 1002
    gevent.sleep(0.001)
    assert begun[:4] == ["flood 0", "good 0", "flood 1", "good 1"]
    assert begun[4:] == [f"flood {number}" for number in range(2, 1000)]
    assert len(pace) == 0
