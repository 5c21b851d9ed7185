"""Notes when a worker first answers from each state of the view, so that the main process knows how old events were."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from streamdns.view.followed import FollowedView
from streamdns.view.reader import ViewSnapshot

_MOST: Final = 1000


class FirstAnswers:
    """Gives snapshots for answers, and remembers when the first answer from each state was given."""

    def __init__(self, view: FollowedView, now_s: Callable[[], float]) -> None:
        self._view, self._now_s = view, now_s
        self._commit = -1
        self._generation = ""
        self._found: list[tuple[str, int, float]] = []
        self.unseen = False
        """True while no answer was given from the state that was taken last."""

    def snapshot(self) -> ViewSnapshot:
        """Take a snapshot for a batch of queries; raises ViewError."""
        snapshot = self._view.snapshot()
        if snapshot.commit != self._commit or self._view.generation is not self._generation:
            self._commit, self._generation = snapshot.commit, self._view.generation
            self.unseen = True
        return snapshot

    def answered(self) -> None:
        """Note that an answer was just given from the state that was taken last."""
        self.unseen = False
        if len(self._found) < _MOST:
            self._found.append((os.path.basename(self._generation), self._commit, self._now_s()))

    def take(self) -> list[tuple[str, int, float]]:
        """Return generation, number of the commit and time of the first answers since the last call."""
        found, self._found = self._found, []
        return found
