"""Giving way: what runs for long in the event loop lets everything that is due have its turn."""

from __future__ import annotations

import gevent


def give_way() -> None:
    """Go on in the next turn of the event loop, after the timers and sockets that are ready by then.

    gevent.sleep(0) is another thing: up to fifty of those run in a row before the loop looks at anything else.
    """
    hub = gevent.get_hub()
    timer = hub.loop.timer(0)
    try:
        hub.wait(timer)
    finally:
        timer.close()
