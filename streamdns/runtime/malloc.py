"""Has the C library's malloc(3) keep all memory in one heap, so that floods leave less of it behind.

By default each native thread gets a heap (arena) of its own. What a flood of events or questions leaves free in one of
them, no other thread uses, and the kernel gets back only what lies at its end. Threads here take turns with the
interpreter anyway, so that they do not wait for each other's allocations.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_M_ARENA_MAX: Final = -8  # of malloc.h


def use_one_arena() -> bool:
    """Have all threads share one heap from now on: call it before there are any; False where malloc has no such choice.

    It is what MALLOC_ARENA_MAX=1 in the environment does (mallopt(3)).
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none.
    return mallopt is not None and mallopt(_M_ARENA_MAX, 1) == 1
