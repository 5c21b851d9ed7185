"""Short turns of the kernel's scheduler, as the kernel itself tells them."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import threading

import pytest

from streamdns.runtime.short_turns import take_short_turns

#: sched_getattr(2), which gives struct sched_attr of linux/sched/types.h.
_SCHED_GETATTR = {"x86_64": 315, "aarch64": 275, "riscv64": 275, "ppc64le": 356, "s390x": 346}


def turn_ns() -> int:
    """How long a turn of this thread is."""
    attributes = ctypes.create_string_buffer(48)
    number = _SCHED_GETATTR[platform.machine()]
    assert ctypes.CDLL(None).syscall(number, 0, attributes, len(attributes), 0) == 0
    return int(struct.unpack("=IIQiIQQQ", attributes.raw)[5])


def in_new_thread(turn_s: float) -> list[object]:
    """What a thread that takes short turns sees, and then one that it starts."""
    seen: list[object] = []

    def look(*, first: bool) -> None:
        if first:
            seen.append(take_short_turns(turn_s))
        seen.extend((turn_ns(), os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)))
        if first:
            inner = threading.Thread(target=look, kwargs={"first": False})
            inner.start()
            inner.join()

    thread = threading.Thread(target=look, kwargs={"first": True})
    thread.start()
    thread.join()
    return seen


def test_a_thread_has_short_turns_and_those_that_it_starts_have_not() -> None:
    """The nice value and the policy stay what they are, and so do the turns of other threads."""
    if platform.machine() not in _SCHED_GETATTR:
        pytest.skip(f"the numbers of system calls of {platform.machine()} are not known")
    if not turn_ns():
        pytest.skip(f"Linux {platform.release()} does not tell how long turns are: 6.12 does")
    before = turn_ns()
    same = (os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0) | os.SCHED_RESET_ON_FORK)
    if same[0] < 0:
        pytest.skip("the tests run with a nice value below 0")
    assert in_new_thread(0.0002) == [True, 200_000, *same, before, same[0], os.sched_getscheduler(0)]
    assert turn_ns() == before
