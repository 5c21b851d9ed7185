"""Who waits longest makes room, and nobody who does not wait."""

from __future__ import annotations

import gevent
from gevent.event import Event

from streamdns.runtime.waited_for import WaitedFor


def test_the_one_that_has_waited_longest_makes_room() -> None:
    """One at a time, in the order in which they began; who is done waiting is left alone."""
    waited_for, go, ended = WaitedFor(), Event(), []

    def connection(name: str, *, waits: bool = True) -> None:
        try:
            if waits:
                with waited_for.waiting():
                    go.wait()
            else:
                with waited_for.waiting():
                    pass
                go.wait()
        except gevent.GreenletExit:
            ended.append(name)

    greenlets = [gevent.spawn(connection, "busy", waits=False), gevent.spawn(connection, "first"),
                 gevent.spawn(connection, "second")]
    gevent.sleep(0)
    try:
        assert waited_for.make_room()
        gevent.sleep(0)
        assert ended == ["first"]
        assert waited_for.make_room()
        gevent.sleep(0)
        assert ended == ["first", "second"]
        assert not waited_for.make_room()
    finally:
        go.set()
        gevent.joinall(greenlets)
    assert ended == ["first", "second"]
