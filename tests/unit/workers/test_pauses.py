"""Pauses before something that died is started again."""

from __future__ import annotations

from streamdns.workers.pauses import FIRST_S, LAST_S, STEADY_S, Pauses


def test_what_dies_at_once_waits_longer_each_time() -> None:
    pauses = Pauses(at_once=True)
    found = [pauses.after(0.1) for _ in range(9)]
    assert found[:4] == [0.0, FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
    assert found[-2:] == [LAST_S, LAST_S]
    assert found == sorted(found)


def test_what_lived_for_long_comes_back_at_once() -> None:
    pauses = Pauses(at_once=True)
    for _ in range(5):
        pauses.after(0.0)
    assert pauses.after(STEADY_S) == 0.0
    assert pauses.after(0.0) == FIRST_S


def test_what_could_not_even_be_started_always_waits() -> None:
    pauses = Pauses(at_once=False)
    assert [pauses.after(0.0), pauses.after(0.0), pauses.after(STEADY_S)] == [FIRST_S, 2 * FIRST_S, FIRST_S]
