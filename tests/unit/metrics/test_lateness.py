"""The lateness of the event loop is seen."""

from __future__ import annotations

import time

import gevent

from streamdns.metrics.lateness import HubLateness, Recent
from streamdns.metrics.prometheus import render
from streamdns.metrics.registry import Registry
from tests.harness.metrics_formats import samples


def test_the_most_is_of_about_a_minute() -> None:
    """A busy moment is shown for a minute at least, and not for much longer."""
    recent = Recent()
    recent.add(0.5, now_s=100.0)
    recent.add(0.2, now_s=101.0)
    assert recent.most() == 0.5
    shown_until_s = 0.0
    for tenth in range(1010, 2000):
        recent.add(0.1, now_s=tenth / 10)
        if recent.most() == 0.5:
            shown_until_s = tenth / 10
    assert 160 <= shown_until_s <= 172
    assert recent.most() == 0.1


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
        assert samples(render(registry))["streamdns_process_hub_late_max_seconds"] > 0.4
    finally:
        service.stop()
        running.join(10)
    assert running.ready()
