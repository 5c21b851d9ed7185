"""The lateness of the event loop is seen."""

from __future__ import annotations

import time

import gevent

from streamdns.metrics.lateness import HubLateness
from streamdns.metrics.registry import Registry


def test_a_loop_that_is_kept_busy_is_late() -> None:
    registry = Registry()
    late = registry.histogram("process.hub_late_seconds")
    service = HubLateness(registry)
    service.start()
    running = gevent.spawn(service.run)
    try:
        gevent.sleep(0)
        until_s = time.perf_counter() + 0.5
        while time.perf_counter() < until_s:
            pass
        deadline_s = time.monotonic() + 10
        while not sum(late.counts) and time.monotonic() < deadline_s:
            gevent.sleep(0.01)
        assert late.sum > 0.4
    finally:
        service.stop()
        running.join(10)
    assert running.ready()
