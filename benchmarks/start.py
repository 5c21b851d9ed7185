"""Measures the time from exec to the first right answer over UDP, with a view or zone file that exists already."""

from __future__ import annotations

from typing import Any

from benchmarks import machine
from benchmarks.ingest import Inputs, ingest
from benchmarks.options import Options
from benchmarks.powerdns import MeasuredPowerDns
from benchmarks.report import Result, median, ratio
from benchmarks.servers import MeasuredBind, MeasuredKnot, MeasuredNsd, Started, Subject, installed, measured_start

_COLUMNS = (
    ("page_cache", "page cache"), ("server", "server"), ("ratio_nsd", "time x NSD"), ("ms", "ms to first answer"),
    ("ms_spread", "min..max"), ("cpu_ms", "CPU ms"), ("anon_mb", "MB resident"),
)


def run(options: Options, inputs: Inputs) -> Result:
    """Measure and give the table."""
    inputs.write()
    if inputs.loaded is None:
        print("start: making the view", flush=True)
        ingest(inputs, options)
    assert inputs.loaded is not None
    result = Result(f"start: {inputs.zone.names:,} names", _COLUMNS)
    result.parameters = {"records": inputs.zone.names, "runs": options.runs}
    subjects: list[Subject] = [inputs.loaded]
    kinds = (MeasuredNsd, MeasuredKnot, MeasuredPowerDns, MeasuredBind)
    folder = inputs.folder / "start"
    subjects += installed(kinds, folder, options=options, zone_file=inputs.zone_file, result=result)
    caches = ["cold", "warm"]
    if options.quick or not machine.drop_page_cache():
        reason = "a quick run leaves the page cache alone" if options.quick else "emptying the page cache takes root"
        result.skip("cold page cache", reason)
        caches.remove("cold")
    for cache in caches:
        found: dict[str, list[Started]] = {subject.name: [] for subject in subjects}
        for number in range(options.runs):
            for subject in subjects:
                print(f"start: round {number + 1} of {options.runs}, {cache}, {subject.name}", flush=True)
                if cache == "cold":
                    machine.drop_page_cache()
                found[subject.name].append(measured_start(subject, inputs.zone))
        for name, runs in found.items():
            result.rows.append(_row(cache, name, found, runs))
    return result


def _row(cache: str, name: str, found: dict[str, list[Started]], runs: list[Started]) -> dict[str, Any]:
    times = [1000 * run.seconds for run in runs]
    nsd = [1000 * run.seconds for run in found.get(MeasuredNsd.name, [])]
    return {
        "page_cache": cache,
        "server": name,
        "ratio_nsd": ratio(times, nsd) if nsd else None,
        "ms": median(times),
        "ms_spread": f"{min(times):.0f}..{max(times):.0f}",
        "cpu_ms": 1000 * median(run.cpu_s for run in runs),
        "anon_mb": median(run.anon_bytes for run in runs) / 1e6,
    }
