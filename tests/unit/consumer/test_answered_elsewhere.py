"""Events whose first answer another process gave: the earliest of all counts, once everybody has said what he did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streamdns.consumer.answered_elsewhere import PATIENCE_S, AnsweredElsewhere, State

_VIEW = "view-000001"
LATER_S = PATIENCE_S + 0.1


class Bench:
    """One with a clock, the state of the view, and what was counted: timestamps and the time of their answer."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.state: State = _VIEW, 10
        self.counted: list[tuple[list[int], float]] = []
        self.elsewhere = AnsweredElsewhere(lambda: self.now_s, lambda: self.state, self._count)

    def _count(self, events: Mapping[str, Sequence[int]], at_s: float) -> None:
        self.counted.append((list(events["file"]), at_s))

    def commit(self, commit: int, *timestamps: int, generation: str = _VIEW) -> None:
        self.state = generation, commit
        self.elsewhere.committed({"file": timestamps})

    def shown(self, *first: tuple[int, float], generation: str = _VIEW, later_s: float = 0.0) -> None:
        self.now_s += later_s
        self.elsewhere.shown([(generation, commit, at_s) for commit, at_s in first])


def test_the_earliest_of_all_processes_counts() -> None:
    bench = Bench()
    bench.commit(11, 1)
    bench.shown((11, 1000.3), later_s=0.4)
    bench.shown((11, 1000.1), later_s=0.1)
    assert not bench.counted, "somebody may have been earlier, and not have said it yet"
    bench.shown(later_s=LATER_S)
    bench.shown(later_s=LATER_S)
    assert bench.counted == [([1], 1000.1)]


def test_an_answer_from_a_later_state_shows_what_came_before() -> None:
    bench = Bench()
    for commit in (11, 12, 13, 14):
        bench.commit(commit, commit)
    bench.shown((10, 1000.0), (12, 1000.2), (13, 1000.4), later_s=0.5)
    bench.shown((13, 1000.1), later_s=0.1)
    bench.shown(later_s=LATER_S)
    assert bench.counted == [([11], 1000.1), ([12], 1000.1), ([13], 1000.1)]
    bench.shown((14, 1002.0), later_s=LATER_S)
    bench.shown(later_s=LATER_S)
    assert bench.counted[3:] == [([14], 1002.0)]


def test_what_was_said_before_the_commit_was_counted_here_counts() -> None:
    bench = Bench()
    bench.shown((11, 1000.0))
    bench.commit(11, 1)
    bench.shown(later_s=LATER_S)
    assert bench.counted == [([1], 1000.0)]


def test_a_view_that_is_swapped_in_shows_what_the_old_one_had() -> None:
    bench = Bench()
    bench.commit(11, 1)
    bench.shown((10, 999.0))
    bench.shown((3, 1000.5), generation="view-000002", later_s=1.0)
    bench.commit(2, 2, generation="view-000002")
    bench.shown(later_s=LATER_S)
    assert bench.counted == [([1], 1000.5), ([2], 1000.5)]


def test_where_nobody_asks_no_more_than_the_last_events_are_kept() -> None:
    bench = Bench()
    for commit in range(11, 111):
        bench.commit(commit, *[commit] * 100)
    bench.shown((200, 1000.0))
    bench.shown(later_s=LATER_S)
    assert [events[0] for events, _ in bench.counted] == list(range(71, 111))
    for number in range(1000):
        bench.shown(*((200 + number, 1000.0) for _ in range(100)))
    assert len(bench.elsewhere._shown) <= 4096
