"""How far a fill is: a share of the log where its size is known, and nothing where it is not."""

from __future__ import annotations

from typing import Any

import pytest

from streamdns.consumer.progress import Progress
from streamdns.metrics.registry import Registry
from tests.harness.consuming import TOPIC, Memory, record


class _Ids(Memory):
    """A log whose positions are ids, of which only the order counts; it may know of entries."""

    def __init__(self, **details: Any) -> None:
        super().__init__([])
        self.unit = "ids"
        self.counted = details

    def details(self) -> dict[str, Any]:
        return super().details() | self.counted


class _Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize("unit", ["events", "octets"])
def test_positions_that_count_are_a_share(unit: str) -> None:
    clock = _Clock()
    log = Memory([record(number, f"n{number}.") for number in range(200)])
    log.unit = unit
    progress = Progress(Registry(), clock)
    progress.connected(log, {})
    progress.positions[TOPIC, 0] = 50
    clock.now_s += 5
    assert progress.summary()["catch_up"] == {
        "done": 50, "end": 200, "percent": 25.0, "per_second": 10.0, "seconds_left": 15.0, "unit": unit,
    }
    progress.contact(log, caught_up=True)
    assert progress.catch_up() is None


def test_of_ids_the_entries_are_a_share_once_they_are_known() -> None:
    clock = _Clock()
    log = _Ids(entries=None, entries_behind=None)
    progress = Progress(Registry(), clock)
    progress.connected(log, {})
    progress.contact(log, caught_up=False)
    assert progress.catch_up() is None, "of ids no share is known"
    clock.now_s += 1
    log.counted = {"entries": 1000, "entries_behind": 900}
    progress.contact(log, caught_up=False)
    assert progress.catch_up() == {
        "done": 100, "end": 1000, "percent": 10.0, "per_second": 0.0, "seconds_left": None, "unit": "entries",
    }
    clock.now_s += 10
    log.counted = {"entries": 1000, "entries_behind": 600}
    progress.contact(log, caught_up=False)
    assert progress.catch_up() == {
        "done": 400, "end": 1000, "percent": 40.0, "per_second": 30.0, "seconds_left": 20.0, "unit": "entries",
    }
    log.counted = {"entries": None, "entries_behind": None}
    progress.contact(log, caught_up=False)
    assert progress.catch_up() is None, "the admin API tells no more"
