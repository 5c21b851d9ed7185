"""Measures the time from a change to the first answer that shows it: events in the log, dynamic updates in others."""

from __future__ import annotations

import gc
import pathlib
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks import changes
from benchmarks.load import Asker, Dnsperf, Producer
from benchmarks.options import Options
from benchmarks.report import Result, percentile
from benchmarks.servers import Streamdns, Subject, UpdatedBind, UpdatedKnot, installed, missing, wait_serving
from benchmarks.zone import Zone, evidence, question

_COLUMNS = (
    ("load", "load"), ("server", "server"), ("ratio_p50", "p50 x BIND"), ("ratio_p99", "p99 x BIND"),
    ("after_p50_ms", "after: p50 ms"), ("after_p99_ms", "p99"), ("after_max_ms", "max"),
    ("whole_p50_ms", "whole: p50 ms"), ("whole_p99_ms", "p99"), ("whole_max_ms", "max"),
    ("change_p50_ms", "change: p50 ms"), ("change_p99_ms", "p99"),
    ("queries_per_s", "queries/s"), ("lost", "lost"), ("changes_per_s", "changes/s"),
)
_SPREAD_MS = (3.0, 13.0)
_SHOWN_WITHIN_S = 30.0


@dataclass(slots=True)
class Times:
    """Milliseconds of each change: until it was safe, from then to the answer that shows it, and both together."""

    change: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    began_s: dict[str, float] = field(default_factory=dict)
    """The moment before each change, by the address that it sets (the monotonic clock)."""


def run(options: Options) -> Result:
    """Measure and give the table."""
    zone = Zone(options.zone_names)
    result = Result(f"latency: change -> first answer that shows it, {zone.names:,} names", _COLUMNS)
    result.parameters = {
        "names": zone.names, "changes": options.latency_events, "query_rate": options.rate,
        "change_rate": options.event_rate, "pause_ms": _SPREAD_MS,
    }
    folder = options.work / "latency"
    folder.mkdir(parents=True)
    log, zone_file = folder / "log.jsonl", folder / "zone"
    zone.write_log(log)
    zone.write_zone_file(zone_file)
    zone.write_queries(folder / "hit.queries", workload="hit", count=options.queries)
    subjects: list[Subject] = [Streamdns(folder / "streamdns", options=options, log=log)]
    subjects += installed((UpdatedBind, UpdatedKnot), folder, options=options, zone_file=zone_file, result=result)
    loads = [False, True]
    reason = missing("dnsperf")
    if reason:
        result.skip("under load", reason)
        loads.remove(True)
    found: dict[tuple[bool, str], dict[str, Any]] = {}
    for subject in subjects:
        with ExitStack() as stack:
            stack.callback(subject.stop)
            subject.launch()
            if isinstance(subject, Streamdns):
                subject.wait_loaded()
            wait_serving(subject, zone)
            for loaded in loads:
                print(f"latency: {subject.name}, {'under load' if loaded else 'idle'}", flush=True)
                found[loaded, subject.name] = _measure(subject, zone, options=options, loaded=loaded)
    for loaded in loads:
        for subject in subjects:
            result.rows.append(_row(loaded, subject.name, found))
    return result


def _measure(subject: Subject, zone: Zone, *, options: Options, loaded: bool) -> dict[str, Any]:
    """Make the changes, with or without load, and give one row's figures."""
    log = subject.log if isinstance(subject, Streamdns) else None
    change = changes.appended(log) if log else changes.updated(subject.port)
    figures: dict[str, Any] = {}
    target = ["file", str(log)] if log else ["update", str(subject.port)]
    folder = options.work / "latency"
    with ExitStack() as stack:
        if loaded:
            producer = Producer(folder, *target, str(options.zone_names), str(options.event_rate), options=options)
            stack.enter_context(loaded_by(subject.port, folder, producer, options=options, figures=figures))
        figures |= _figures(times_of(subject.port, change, zone, options))
    if isinstance(subject, Streamdns):
        subject.wait_applied(timeout_s=60.0)
    return figures


@contextmanager
def loaded_by(
    port: int, folder: pathlib.Path, producer: Producer, *, options: Options, figures: dict[str, Any]
) -> Iterator[None]:
    """Queries and changes at their rates beside what goes on inside; at the end `figures` gets what they came to.

    `folder` has hit.queries.
    """
    try:
        dnsperf = Dnsperf(port, folder / "hit.queries", options=options, rate=options.rate, seconds=3600)
        try:
            time.sleep(0.2 if options.quick else 2.0)  # The load has to become steady, which shows nowhere.
            yield
        finally:
            load = dnsperf.stop()
    finally:
        figures["changes_per_s"] = producer.stop()
    figures |= {
        "queries_per_s": load.completed / load.elapsed_s,
        "lost": load.lost,
        "query_latency_ms": 1000 * load.latency_s,
        "query_latency_max_ms": 1000 * load.latency_max_s,
    }


def times_of(
    port: int, change: changes.Change, zone: Zone, options: Options, *, pause_s: float = 0.0, untimed: int = 0
) -> Times:
    """Make changes one after another, and time each until an answer shows it; `pause_s` between queries.

    The first `untimed` ones are made and awaited as all the others: they warm up what compiles itself while it runs.
    """
    rng = random.Random(3)
    times = Times()
    gc.disable()
    try:
        with Asker(port) as asker:
            for number in range(untimed + options.latency_events):
                owner = zone.host(rng.randrange(zone.names // 2) * 2)
                address = f"11.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
                message, wanted = question(owner), evidence(address)
                time.sleep(rng.uniform(*_SPREAD_MS) / 1000)  # So that every change meets a server at rest.
                began = time.monotonic()
                change([(owner, address)])
                changed = time.monotonic()
                seen = asker.until_shown(message, wanted, timeout_s=_SHOWN_WITHIN_S, pause_s=pause_s)
                shown = time.monotonic()
                assert seen, f"{owner} is not shown as {address}"
                if number < untimed:
                    continue
                times.began_s[address] = began
                times.change.append(1000 * (changed - began))
                times.after.append(1000 * (shown - changed))
                times.whole.append(1000 * (shown - began))
    finally:
        gc.enable()
    return times


def times_row(what: str, times: Times) -> dict[str, Any]:
    """The figures with `what` in front of their names."""
    return {f"{what}_{name}": value for name, value in _figures(times).items()}


def _figures(times: Times) -> dict[str, Any]:
    figures = {}
    for name in ("after", "whole", "change"):
        values = getattr(times, name)
        figures[f"{name}_p50_ms"] = percentile(values, 0.5)
        figures[f"{name}_p99_ms"] = percentile(values, 0.99)
        figures[f"{name}_max_ms"] = max(values)
    return figures


def _row(loaded: bool, name: str, found: dict[tuple[bool, str], dict[str, Any]]) -> dict[str, Any]:
    own, bind = found[loaded, name], found.get((loaded, UpdatedBind.name))
    return {
        "load": "loaded" if loaded else "idle",
        "server": name,
        "ratio_p50": own["whole_p50_ms"] / bind["whole_p50_ms"] if bind else None,
        "ratio_p99": own["whole_p99_ms"] / bind["whole_p99_ms"] if bind else None,
    } | own
