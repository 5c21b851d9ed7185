"""How long to wait before something that died is started again: longer each time, as long as it dies at once."""

from __future__ import annotations

from typing import Final

STEADY_S: Final = 2.0
"""What lived for so long did not die at once."""
FIRST_S: Final = 0.25
LAST_S: Final = 10.0


class Pauses:
    """Doubles from a quarter of a second to ten; `at_once`: the first death has no pause at all."""

    def __init__(self, *, at_once: bool) -> None:
        self._at_once = at_once
        self._next_s = self._first_s

    @property
    def _first_s(self) -> float:
        return 0.0 if self._at_once else FIRST_S

    def after(self, lived_s: float) -> float:
        """Return the pause in seconds after a death of what had lived for so long."""
        if lived_s >= STEADY_S:
            self._next_s = self._first_s
        pause_s = self._next_s
        self._next_s = min(max(2 * pause_s, FIRST_S), LAST_S)
        return pause_s
