"""Lets other threads have the interpreter and the core in the middle of long work in a native thread.

A thread gives the interpreter away when another one has waited for it as long as sys.setswitchinterval() says; it looks
for that where a function of Python begins and where a loop of Python goes round. Compiled code has neither, and would
keep the event loop, and so every query, waiting until its work is done.

A thread that has the core keeps it, also beside one that was woken and may go before it, until it sleeps or the clock
ticks, every 4 ms on many kernels. So where all threads of the process share a core the event loop would be that late,
with the interpreter free and waiting for it.
"""

from __future__ import annotations

from os import sched_yield
from time import perf_counter
from typing import Final

#: How long such work goes on at a time. What a turn takes beside that, two system calls, is a few thousandths of it.
_STINT_S: Final = 0.000_3


class Stint:
    """When the work that has the interpreter now has had it for long enough, whichever thread does it.

    Who counts what work takes, without a clock, lets it never end.
    """

    ends_s = 0.0


def let_others() -> None:
    """Give the interpreter and the core to threads that wait for them, where it was not done a moment ago.

    To be called often, in native threads alone: the event loop has nobody whom it should wait for. This module must not
    be compiled.
    """
    if perf_counter() >= Stint.ends_s:
        sched_yield()  # Python lets go of the interpreter around it.
        Stint.ends_s = perf_counter() + _STINT_S
