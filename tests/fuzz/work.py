"""Counts the work that a call takes, as lines of the product's code that are run: the same figure on every machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

#: The file name of code that somebody puts before a function to watch it: no line of the product.
DETOUR = "<detour>"


class Exceeded(AssertionError):
    """A call took more work than its bound; raised in the middle of it, so that nobody waits for its end."""


def lines(function: Callable[[], Any], *, most: int, packages: tuple[str, ...] = ("streamdns",)) -> int:
    """Run the function and return how many lines of these packages that took; raises Exceeded beyond `most`.

    What the function raises of its own is not told: that is for who calls it without counting.
    """
    count = 0

    def step(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += 1
        if count > most:
            raise Exceeded(f"more than {most} lines of code")
        return step

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename == DETOUR:
            return None
        return step if frame.f_globals.get("__name__", "").split(".")[0] in packages else None

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        function()
    except Exceeded:
        raise
    except Exception:
        pass
    finally:
        sys.settrace(before)
    return count
