"""Measures reading a log into a view: events per second, CPU per event, disk, memory; and the same names in others."""

from __future__ import annotations

import pathlib
import subprocess
import time
from typing import Any

from benchmarks import machine
from benchmarks.options import Options
from benchmarks.report import Result, median
from benchmarks.servers import (
    MeasuredBind,
    MeasuredKnot,
    MeasuredNsd,
    MeasuredPeer,
    Streamdns,
    measured_start,
    missing,
    peer,
    wait_serving,
)
from benchmarks.zone import Hosting, Zone

_COLUMNS = (
    ("what", "what"), ("cpu_ratio", "CPU x decoding"), ("events_per_s", "events/s"),
    ("cpu_us_per_event", "CPU us/event"), ("seconds", "seconds"), ("cpu_s", "CPU s"),
    ("used_bytes_per_record", "used bytes/record"),
    ("disk_bytes_per_record", "disk bytes/record"), ("anon_mb_peak", "MB resident, peak"), ("anon_mb", "after"),
)
_POLL_S = 0.1
_HOSTING = "streamdns, a hoster's zones of ten RRsets"
_DECODING = "msgspec.json.decode of each line (lower bound)"
_DECODE = """
import sys, msgspec, time, resource
count = 0
with open(sys.argv[1], "rb") as file:
    for line in file:
        msgspec.json.decode(line)
        count += 1
used = resource.getrusage(resource.RUSAGE_SELF)
print(count, used.ru_utime + used.ru_stime)
"""


class Inputs:
    """The log, the zone file, and the view made of them, which the start is measured with as well.

    `zones` is what the log has, in place of one zone of a million names, of which there is a zone file, too.
    """

    def __init__(self, options: Options, zones: Hosting | None = None) -> None:
        self._options = options
        self.folder = options.work / ("ingest" if zones is None else "hosting")
        self.zone = Zone(options.log_events) if zones is None else zones
        self.log, self.zone_file = self.folder / "log.jsonl", self.folder / "zone"
        self.events = 0
        self.loaded: Streamdns | None = None

    def write(self) -> None:
        """Write the files, once."""
        if not self.events:
            self.folder.mkdir(parents=True)
            if isinstance(self.zone, Zone):
                self.zone.write_zone_file(self.zone_file)
            self.events = self.zone.write_log(self.log)

    def server(self, number: int) -> Streamdns:
        """A server with an empty view."""
        return Streamdns(self.folder / f"streamdns{number}", options=self._options, log=self.log)


def run(options: Options, inputs: Inputs) -> Result:
    """Measure and give the table."""
    inputs.write()
    result = Result(f"ingest: {inputs.events:,} events, one after another, into an empty view", _COLUMNS)
    runs = min(options.runs, 3)
    result.parameters = {"events": inputs.events, "log_bytes": inputs.log.stat().st_size, "runs": runs}
    hosting = Inputs(options, Hosting(options.log_events // 10))
    hosting.write()
    decoded, own, hosted = [], [], []
    loads: dict[str, list[dict[str, Any]]] = {}
    for number in range(runs):
        print(f"ingest: run {number + 1} of {runs}", flush=True)
        decoded.append(_decode(inputs, options))
        own.append(ingest(inputs, options, number=number))
        hosted.append(ingest(hosting, options, number=number))
        kinds: tuple[type[MeasuredPeer], ...] = (MeasuredNsd, MeasuredKnot, MeasuredBind)
        for kind in kinds:
            reason = missing(kind.program)
            if not reason:
                loads.setdefault(kind.name, []).append(_load(kind, inputs, options=options, number=number))
            elif number == 0:
                result.skip(f"{kind.name} loading the zone file", reason)
    for what, runs_of_it in {"streamdns": own, _HOSTING: hosted, _DECODING: decoded, **loads}.items():
        row: dict[str, Any] = {"what": f"{what} loading the zone file (another task)" if what in loads else what}
        row |= {key: median(each[key] for each in runs_of_it) for key in runs_of_it[0]}
        row["cpu_ratio"] = median(a["cpu_s"] / b["cpu_s"] for a, b in zip(runs_of_it, decoded, strict=True))
        result.rows.append(row)
    return result


def ingest(inputs: Inputs, options: Options, *, number: int = 0) -> dict[str, Any]:
    """One ingest by the real process, from its exec to the last event in the view; the view is kept in `inputs`."""
    server = inputs.server(number)
    began = time.monotonic()
    server.launch()
    try:
        assert server.process is not None
        peak = 0
        size = inputs.log.stat().st_size
        while not _applied(server, size):
            assert server.alive, f"streamdns ended\n{server.written()}"
            assert time.monotonic() - began < 1800, "the log is not applied after half an hour"
            peak = max(peak, machine.memory_bytes(server.pid))
            time.sleep(_POLL_S)
        seconds, cpu_s = time.monotonic() - began, machine.cpu_s(server.pid)
        status = server.status()
        assert not status["quarantine"], f"{status['quarantine']} events were rejected"
        wait_serving(server, inputs.zone)
        after = machine.memory_bytes(server.pid)
        disk_bytes = machine.allocated_bytes(server.view)
    finally:
        server.stop()
    if inputs.loaded is not None:
        _remove(inputs.loaded.view)
    inputs.loaded = server
    return _figures(inputs.events, seconds, cpu_s) | {
        "records": status["records"],
        "used_bytes_per_record": status["view"]["bytes"] / status["records"],
        "disk_bytes_per_record": disk_bytes / status["records"],
        "anon_mb_peak": max(peak, after) / 1e6,
        "anon_mb": after / 1e6,
    }


def _applied(server: Streamdns, end: int) -> bool:
    try:
        return server.positions().get(0) == end
    except OSError:
        return False


def _figures(events: int, seconds: float, cpu_s: float) -> dict[str, Any]:
    return {
        "seconds": seconds, "cpu_s": cpu_s, "events_per_s": events / seconds, "cpu_us_per_event": 1e6 * cpu_s / events
    }


def _decode(inputs: Inputs, options: Options) -> dict[str, Any]:
    began = time.monotonic()
    with machine.on_cores([options.server_core]):
        command = [options.python, "-c", _DECODE, str(inputs.log)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    count, cpu_s = done.stdout.split()
    assert int(count) == inputs.events
    return _figures(inputs.events, time.monotonic() - began, float(cpu_s))


def _load(
    kind: type[MeasuredPeer], inputs: Inputs, *, options: Options, number: int
) -> dict[str, Any]:
    """What a name server takes to read the same names from a zone file, from its exec to the first right answer."""
    server = peer(kind, inputs.folder / f"{kind.program}{number}", options=options, zone_file=inputs.zone_file)
    started = measured_start(server, inputs.zone)
    return _figures(inputs.events, started.seconds, started.cpu_s) | {"anon_mb": started.anon_bytes / 1e6}


def _remove(view: pathlib.Path) -> None:
    for path in sorted(view.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
