"""Limits how many of something there are at a time, and how many of them one holder of a token has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from streamdns.admin.http.route import Principal
from streamdns.errors import ApiError


class Shares:
    """Counts what is open, of all and of each holder; `what` names it in errors, `code` is their word for programs."""

    def __init__(self, most: int, most_of_one: int, *, code: str, what: str) -> None:
        self._most, self._most_of_one, self._code, self._what = most, most_of_one, code, what
        self._open = 0
        self._of: Counter[str] = Counter()

    def take(self, principal: Principal) -> Callable[[], None]:
        """Count one more, and return how it ends (once, however often it is called).

        Raises ApiError: 503 where there are too many of all, 429 where of this holder.
        """
        holder = principal.holder
        if self._open >= self._most:
            raise ApiError(503, self._code, f"{self._most} {self._what}, and that is the most")
        if holder and self._of[holder] >= self._most_of_one:
            raise ApiError(429, self._code, f"{self._most_of_one} {self._what} with this token or as this user, and "
                           "that is the most of one")
        self._open += 1
        self._of[holder] += 1
        ended = False

        def end() -> None:
            nonlocal ended
            if ended:
                return
            ended = True
            self._open -= 1
            self._of[holder] -= 1
            if not self._of[holder]:
                del self._of[holder]

        return end
