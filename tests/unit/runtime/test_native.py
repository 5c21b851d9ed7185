"""Native threads give what was done in them, and what was raised, without a word to standard error."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import threading
from typing import Final

import gevent
import pytest
from gevent.threadpool import ThreadPool

from streamdns.runtime.native import LowPriorityThread, in_thread
from tests.harness import ROOT


def test_in_a_thread_of_the_pool_that_was_given(capfd: pytest.CaptureFixture[str]) -> None:
    pool = ThreadPool(1)
    try:
        own = in_thread(threading.get_ident, pool=pool)
        assert own == in_thread(threading.get_ident, pool=pool)
        assert own not in (threading.get_ident(), in_thread(threading.get_ident))
        assert in_thread(divmod, 7, 2) == (3, 1)
        for given in (pool, None):
            with pytest.raises(ZeroDivisionError):
                in_thread(divmod, 7, 0, pool=given)
    finally:
        pool.kill()
    assert capfd.readouterr().err == ""


def test_a_humble_thread_steps_back_and_is_one() -> None:
    thread = LowPriorityThread()
    try:
        own = os.getpriority(os.PRIO_PROCESS, 0)
        number = thread.run(threading.get_native_id)
        assert number == thread.run(threading.get_native_id) != threading.get_native_id()
        # Relative to the process: else a process of high priority would wait for it behind all others of the machine.
        assert os.getpriority(os.PRIO_PROCESS, number) == _nice_of(number) == min(19, own + 5)
        assert os.getpriority(os.PRIO_PROCESS, 0) == own
        with pytest.raises(ZeroDivisionError):
            thread.run(divmod, 7, 0)
    finally:
        thread.close()
    assert thread.run(divmod, 7, 2) == (3, 1)
    thread.close()


def _nice_of(thread: int) -> int:
    """The nice value of a thread of this process, as the kernel shows it (field 19 of proc_pid_stat(5))."""
    stat = pathlib.Path(f"/proc/self/task/{thread}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[16])


_HUMBLE: Final = """
import os, sys
from streamdns.runtime.native import LowPriorityThread
os.nice(int(sys.argv[1]) - os.getpriority(os.PRIO_PROCESS, 0))
import threading
thread = LowPriorityThread()
number = thread.run(threading.get_native_id)
print(os.getpriority(os.PRIO_PROCESS, 0), os.getpriority(os.PRIO_PROCESS, number))
"""


@pytest.mark.parametrize(("nice", "humble"), [(4, 9), (13, 18), (17, 19), (19, 19)])
def test_a_humble_thread_is_a_little_behind_its_process(nice: int, humble: int) -> None:
    """Whatever the priority of that is: never above the event loop, and never so far below that it starves."""
    if nice < os.getpriority(os.PRIO_PROCESS, 0):
        pytest.skip(f"this process has priority {os.getpriority(os.PRIO_PROCESS, 0)} itself")
    done = subprocess.run([sys.executable, "-c", _HUMBLE, str(nice)], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    assert done.stdout.split() == [str(nice), str(humble)]


def test_who_is_killed_goes_when_the_work_is_done() -> None:
    thread = LowPriorityThread()
    begun, released, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        released.wait(20)
        done.set()

    caller = gevent.spawn(thread.run, work)
    try:
        while not begun.is_set():
            gevent.sleep(0.01)
        caller.kill(block=False)
        caller.join(0.05)
        assert not caller.dead
        released.set()
        caller.join(20)
        assert caller.dead
        assert done.is_set()
    finally:
        released.set()
        thread.close()
