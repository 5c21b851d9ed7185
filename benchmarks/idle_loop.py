"""Measures until SIGTERM how late an event loop is that has nothing to do: `python -m benchmarks.idle_loop`.

Beside a server it shows how much of the server's lateness is that of the machine. Writes "ready", and at its end the
upper bounds of the buckets (seconds) with the counts up to each, as a JSON array.
"""

from __future__ import annotations

import json
import signal
from itertools import accumulate

import gevent

from streamdns.app import SWITCH_S
from streamdns.metrics.lateness import HubLateness
from streamdns.metrics.registry import Registry
from streamdns.runtime.short_turns import take_short_turns


def main() -> None:
    """Measure as the server does, with turns of the kernel's as it has."""
    take_short_turns(SWITCH_S)
    registry = Registry()
    lateness = HubLateness(registry)
    lateness.start()
    gevent.signal_handler(signal.SIGTERM, lateness.stop)
    print("ready", flush=True)
    lateness.run()
    found = registry.histogram("process.hub_late_seconds")
    print(json.dumps([*zip([*found.bounds, float("inf")], accumulate(found.counts), strict=True)]), flush=True)


if __name__ == "__main__":
    main()
