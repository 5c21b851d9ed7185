"""A flush with each kind of figure."""

from __future__ import annotations

from streamdns.metrics.catalogue import Metric
from streamdns.metrics.flush import Count, Figure, Flush, Level, Summary

COUNTER = Metric("dns.truncated", "counter", "A counter.", ("transport",))
GAUGE = Metric("view.zones", "gauge", "A gauge.")
TIMES = Metric("dns.latency_seconds", "histogram", "Times.", ("transport",), "seconds", (0.001, 0.01, 0.1))
FIGURES: tuple[Figure, ...] = (
    Count(COUNTER, ("udp",), 3, 10),
    Count(COUNTER, ("tcp",), 0, 7),
    Level(GAUGE, (), 1.5e-7),
    Summary(TIMES, ("udp",), (10, 30, 0, 0), 0.2),
    Summary(TIMES, ("tcp",), (0, 0, 0, 0), 0.0),
)
FLUSH = Flush(1_700_000_000.123456, 10.0, FIGURES)
