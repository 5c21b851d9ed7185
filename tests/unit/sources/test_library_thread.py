"""The native thread of a client library: nothing is done after the last piece of work."""

from __future__ import annotations

import time

import gevent
import pytest

from streamdns.errors import SourceError
from streamdns.sources.library_thread import LibraryThread


def test_a_thread_that_is_closed_does_its_last_work_and_no_more() -> None:
    thread = LibraryThread("Kafka")
    done: list[str] = []
    assert thread.run(lambda: 7) == 7
    thread.close(lambda: done.append("last"))
    thread.close(lambda: done.append("again"))
    assert done == ["last"]
    assert thread.closed
    with pytest.raises(SourceError, match="the Kafka client is closed"):
        thread.run(lambda: 7)


def test_closing_ends_what_waits_there() -> None:
    """A question that looks at `closed` ends, and the last work comes behind it."""
    thread = LibraryThread("Kafka")
    order: list[str] = []

    def question() -> None:
        while not thread.closed:
            time.sleep(0.001)
        order.append("question")

    asked = gevent.spawn(thread.run, question)
    gevent.sleep(0)
    thread.close(lambda: order.append("last"))
    asked.get(timeout=10)
    assert order == ["question", "last"]
