"""Native threads give what was done in them, and what was raised, without a word to standard error."""

from __future__ import annotations

import threading

import pytest
from gevent.threadpool import ThreadPool

from streamdns.native import in_thread


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
