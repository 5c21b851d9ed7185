"""Measures CPU time per query against NSD and Knot: same zone, same queries, same core, in turns."""

from __future__ import annotations

import pathlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import dns.message
import dns.rcode

from benchmarks.load import Asker, Load, LoadTurns
from benchmarks.options import Options
from benchmarks.report import Result, median
from benchmarks.servers import (
    Echo,
    FullNsd,
    MeasuredKnot,
    MeasuredNsd,
    Streamdns,
    Subject,
    installed,
    missing,
    wait_serving,
)
from benchmarks.zone import WORKLOADS, Zone, evidence

_COLUMNS = (
    ("workload", "workload"), ("server", "server"), ("cpu_ratio_nsd", "CPU x NSD"), ("cpu_ratio_knot", "CPU x Knot"),
    ("cpu_us_per_query", "CPU us/query"), ("cpu_us_spread", "min..max"), ("queries_per_s", "queries/s"),
    ("core_busy", "core busy"), ("queries_per_cpu_s", "queries/CPU s"), ("response_bytes", "reply bytes"),
    ("lost", "lost"), ("right", "right"),
)
_PROBES = 200


@dataclass(frozen=True, slots=True)
class Workload:
    """Queries for dnsperf; `absent` says of each whether NXDOMAIN is right, `rate` 0 means without a limit."""

    name: str
    queries: pathlib.Path
    absent: list[bool]
    rate: int = 0


@dataclass(slots=True)
class Turns(LoadTurns):
    """All turns of one server at one workload, and what was answered wrong in them."""

    wrong: list[str] = field(default_factory=list)


def run(options: Options) -> Result:
    """Measure and give the table."""
    zone = Zone(options.zone_names)
    result = Result(f"answers: {zone.names:,} names, server on core {options.server_core}", _COLUMNS)
    result.parameters = {
        "names": zone.names, "rounds": options.runs, "seconds": options.seconds, "clients": options.clients,
        "outstanding": options.outstanding, "rate": options.rate,
    }
    reason = missing("dnsperf")
    if reason:
        result.skip("all", reason)
        return result
    folder = options.work / "answers"
    folder.mkdir(parents=True)
    workloads = _workloads(folder, zone, options)
    with ExitStack() as stack:
        subjects = _start(stack, folder, zone, options=options, result=result)
        for subject in subjects:
            Turns().add(subject, workloads[0].queries, options=options, seconds=1)  # Warms up, and is not counted.
        turns = {(w.name, s.name): Turns() for w in workloads for s in subjects}
        for number in range(options.runs):
            for workload in workloads:
                for subject in subjects:
                    print(f"answers: round {number + 1} of {options.runs}, {workload.name}, {subject.name}", flush=True)
                    kept = turns[workload.name, subject.name]
                    load = kept.add(
                        subject, workload.queries, options=options, rate=workload.rate, seconds=options.seconds
                    )
                    if not isinstance(subject, Echo):
                        kept.wrong += _wrong(load, workload)
    for workload in workloads:
        for subject in subjects:
            result.rows.append(_row(workload.name, subject.name, turns))
    return result


def _workloads(folder: pathlib.Path, zone: Zone, options: Options) -> list[Workload]:
    made = []
    for name in WORKLOADS:
        path = folder / f"{name}.queries"
        made.append(Workload(name, path, zone.write_queries(path, workload=name, count=options.queries)))
    return made + [Workload(f"{w.name} at {options.rate:,}/s", w.queries, w.absent, options.rate) for w in made]


def _start(
    stack: ExitStack, folder: pathlib.Path, zone: Zone, *, options: Options, result: Result
) -> list[Subject]:
    log, zone_file = folder / "log.jsonl", folder / "zone"
    zone.write_log(log)
    zone.write_zone_file(zone_file)
    subjects: list[Subject] = [Streamdns(folder / "streamdns", options=options, log=log)]
    kinds = (MeasuredNsd, FullNsd, MeasuredKnot)
    subjects += installed(kinds, folder, options=options, zone_file=zone_file, result=result)
    for subject in subjects:
        stack.callback(subject.stop)
        subject.launch()
        if isinstance(subject, Streamdns):
            subject.wait_loaded()
        wait_serving(subject, zone)
        _check(subject, zone)
    echo = Echo(folder / "echo", options=options)
    stack.callback(echo.stop)
    echo.launch()
    return subjects + [echo]


def _check(subject: Subject, zone: Zone) -> None:
    """Ask for some names and see that every answer is right before anything is measured."""
    with Asker(subject.port) as asker:
        for owner, address in zone.probes(_PROBES):
            reply = asker.exchange(dns.message.make_query(owner, "A").to_wire(), timeout_s=5.0)
            assert reply is not None, f"{subject.name} does not answer {owner}"
            assert evidence(address) in reply, f"{subject.name} answers {owner} with {dns.message.from_wire(reply)}"


def _wrong(load: Load, workload: Workload) -> list[str]:
    """What is not as the queries want it: dnsperf asks them in order and begins again at the end of the file."""
    rounds, rest = divmod(load.sent, len(workload.absent))
    nxdomain = rounds * sum(workload.absent) + sum(workload.absent[:rest])
    wanted = {"NXDOMAIN": nxdomain, "NOERROR": load.sent - nxdomain}
    problems = [f"{code}: {count}" for code, count in load.rcodes.items() if code not in wanted]
    for code, count in wanted.items():
        got = load.rcodes.get(code, 0)
        if not count - load.lost <= got <= count:
            problems.append(f"{code}: {got} instead of {count} with {load.lost} lost")
    return problems


def _row(workload: str, server: str, turns: dict[tuple[str, str], Turns]) -> dict[str, Any]:
    own = turns[workload, server]
    nsd, knot = turns.get((workload, "NSD")), turns.get((workload, "Knot"))
    elapsed_s = [load.elapsed_s for load in own.loads]
    return {
        "workload": workload,
        "server": server,
        **own.beside(nsd, knot),
        "queries_per_s": median(load.completed / load.elapsed_s for load in own.loads),
        "queries_per_cpu_s": median(1e6 / us for us in own.cpu_us),
        "core_busy": median(cpu / s for cpu, s in zip(own.cpu_s, elapsed_s, strict=True)),
        "latency_ms": median(1000 * load.latency_s for load in own.loads),
        "right": "not checked" if server.startswith("Python") else "yes" if not own.wrong else "; ".join(own.wrong[:3]),
    }
