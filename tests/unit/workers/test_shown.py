"""The first answer from each state of the view, as a worker notes it."""

from __future__ import annotations

import pathlib

from streamdns.view.followed import FollowedView
from streamdns.workers.shown import FirstAnswers
from tests.harness import viewing
from tests.unit.view.test_store import event, view_of


def test_each_state_is_noted_once_when_an_answer_was_given(tmp_path: pathlib.Path) -> None:
    writing = view_of(tmp_path)
    write = viewing.writer(writing.store)
    viewing.apply(write, [event(0)])
    now = [1000.0]
    # In one process an environment is opened once only: what is read here is the store of the writer.
    followed = object.__new__(FollowedView)
    followed._store = writing.store
    first = FirstAnswers(followed, lambda: now[0])

    def batch() -> None:
        first.snapshot().close()
        now[0] += 1
        if first.unseen:
            first.answered()

    number = writing.store.last_commit()
    for _ in range(3):
        batch()
    assert first.take() == [("view-000001", number, 1001.0)]
    assert first.take() == []
    viewing.apply(write, [event(0), event(1)])
    later = writing.store.last_commit()
    assert later > number
    for _ in range(2):
        batch()
    assert first.take() == [("view-000001", later, 1004.0)]
    writing.close()
