"""Native threads give what was done in them, and what was raised, without a word to standard error."""

from __future__ import annotations

import os
import threading

import gevent
import pytest
from gevent.threadpool import ThreadPool

from streamdns.runtime.native import LowPriorityThread, in_thread


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
        assert os.getpriority(os.PRIO_PROCESS, number) == max(own, 10)
        assert os.getpriority(os.PRIO_PROCESS, 0) == own
        with pytest.raises(ZeroDivisionError):
            thread.run(divmod, 7, 0)
    finally:
        thread.close()
    assert thread.run(divmod, 7, 2) == (3, 1)
    thread.close()


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
