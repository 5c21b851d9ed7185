"""Asks the kernel for short turns of this thread, so that it comes soon while others work.

A thread that wakes up waits until the one that has the core has used up its turn, which on Linux are some three
milliseconds, or until the next tick of the clock; where several share a core, each of them may come before. Linux lets
one with shorter turns go at once, and gives nobody more or less of the core than before. It does so since 6.12; an
older one passes over what is asked for.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from typing import Final

#: sched_setattr(2), which the C library of Debian 12 has no function for, by machine.
_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274, "riscv64": 274, "ppc64le": 355, "s390x": 345}
#: struct sched_attr of linux/sched/types.h: size, policy, flags, nice, priority, runtime, deadline, period.
_ATTRIBUTES: Final = struct.Struct("=IIQiIQQQ")
#: SCHED_FLAG_RESET_ON_FORK: threads that this one starts have the usual turns, or they would keep it waiting.
_NOT_FOR_OTHERS: Final = 1


def take_short_turns(turn_s: float) -> bool:
    """Ask for turns of this length, 0.1 to 100 ms; tells whether the kernel knew the call.

    A thread of another policy than the usual one (SCHED_OTHER) keeps it. So does one that goes before others already,
    by a nice value below 0, which those that it starts would lose.
    """
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    if nice < 0:
        return False
    turn_ns = round(turn_s * 1e9)
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, _NOT_FOR_OTHERS, nice, 0, turn_ns, 0, 0)
    return bool(ctypes.CDLL(None, use_errno=True).syscall(number, 0, attributes, 0) == 0)
