"""Measures a node that reads a filled topic from its beginning, whichever broker has it."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from benchmarks import machine
from benchmarks.load import IdleLoop
from benchmarks.options import Options
from benchmarks.servers import Streamdns
from tests.harness import wait_until

_CATCH_UP_S = 900.0


class _Line(msgspec.Struct):
    key: str
    value: msgspec.Raw
    timestamp: int


def lines_of(log: pathlib.Path) -> Iterator[tuple[bytes, bytes, int]]:
    """Key, value and timestamp of each event of a file log."""
    decode = msgspec.json.Decoder(_Line).decode
    with log.open("rb") as file:
        for text in file:
            line = decode(text)
            yield line.key.encode(), bytes(line.value), line.timestamp


def catch_up(server: Streamdns, events: int, done: Callable[[], bool], options: Options) -> dict[str, Any]:
    """Start a server, wait until it has all events, and give the figures; `done` asks it for that."""
    peak = 0
    idle_loop = IdleLoop(server.folder, options=options)
    began = time.monotonic()
    server.launch()

    def applied() -> bool:
        nonlocal peak
        assert server.alive, f"streamdns ended\n{server.written()}"
        peak = max(peak, machine.memory_bytes(server.pid))
        try:
            return done()
        except OSError:
            return False

    wait_until(applied, "the topic is applied", timeout_s=_CATCH_UP_S, interval_s=0.1)
    seconds, cpu_s = time.monotonic() - began, machine.cpu_s(server.pid)
    status = server.status()
    assert not status["quarantine"], f"{status['quarantine']} events were rejected"
    late, idle = _buckets(server.metrics(), "streamdns_process_hub_late_seconds"), idle_loop.stop()
    return {
        "events_per_s": events / seconds, "cpu_us_per_event": 1e6 * cpu_s / events, "anon_mb_peak": peak / 1e6,
        "hub_late_p50_ms": _bound(late, 0.5), "hub_late_p99_ms": _bound(late, 0.99),
        "idle_loop_late_p50_ms": _bound(idle, 0.5), "idle_loop_late_p99_ms": _bound(idle, 0.99),
        "used_bytes_per_record": status["view"]["bytes"] / status["records"],
    }


def _buckets(metrics: dict[str, float], name: str) -> list[tuple[float, float]]:
    """(upper bound in ms, cumulative count) of a histogram, ascending."""
    head = f'{name}_bucket{{le="'
    return sorted((1000 * float(key[len(head):-2]), count) for key, count in metrics.items() if key.startswith(head))


def _bound(buckets: list[tuple[float, float]], share: float) -> float:
    """The upper bound of the bucket in which the percentile lies, ms."""
    return next(bound for bound, count in buckets if count >= share * buckets[-1][1])
