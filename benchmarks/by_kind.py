"""Measures CPU time per query by kind of answer against NSD and Knot: same zone, same queries, same core, in turns."""

from __future__ import annotations

import pathlib
import random
from contextlib import ExitStack
from typing import Any

from benchmarks.kinds import KINDS as COUNTED
from benchmarks.kinds import MIX, ORIGIN, records
from benchmarks.load import Asker, LoadTurns
from benchmarks.options import Options
from benchmarks.report import Result
from benchmarks.servers import MeasuredKnot, MeasuredNsd, Streamdns, Subject, installed, missing
from benchmarks.zone import TTL, event

_COLUMNS = (
    ("kind", "kind"), ("server", "server"), ("cpu_ratio_nsd", "CPU x NSD"), ("cpu_ratio_knot", "CPU x Knot"),
    ("cpu_us_per_query", "CPU us/query"), ("cpu_us_spread", "min..max"), ("response_bytes", "reply bytes"),
    ("rcodes", "RCODEs"), ("lost", "lost"),
)
#: dnsperf makes no cookies of its own.
KINDS = tuple(kind for kind in COUNTED if not kind.has_cookie)
_MOST_NAMES = 10_000
_MOST_QUERIES = 20_000


def run(options: Options) -> Result:
    """Measure and give the table."""
    names = min(options.zone_names, _MOST_NAMES)
    result = Result(f"answers by kind: {names:,} names of each, server on core {options.server_core}", _COLUMNS)
    result.parameters = {"names": names, "rounds": options.runs, "seconds": options.seconds,
                         "clients": options.clients, "outstanding": options.outstanding}
    reason = missing("dnsperf")
    if reason:
        result.skip("all", reason)
        return result
    folder = options.work / "by_kind"
    folder.mkdir(parents=True)
    workloads = _write(folder, names, min(options.queries, _MOST_QUERIES))
    with ExitStack() as stack:
        subjects = _start(stack, folder, options=options, result=result)
        seconds = 0 if options.quick else options.seconds  # 0: through the file once
        turns = {(kind, subject.name): LoadTurns() for kind in workloads for subject in subjects}
        for number in range(options.runs):
            for kind, path in workloads.items():
                print(f"answers by kind: round {number + 1} of {options.runs}, {kind}", flush=True)
                for subject in subjects:
                    turns[kind, subject.name].add(subject, path, options=options, seconds=seconds)
    for kind in workloads:
        for subject in subjects:
            result.rows.append(_row(kind, subject.name, turns))
    return result


def _write(folder: pathlib.Path, names: int, count: int) -> dict[str, pathlib.Path]:
    """Write log and zone file, and for each kind a file with queries for dnsperf."""
    with (folder / "log.jsonl").open("w") as log, (folder / "zone").open("w") as zone_file:
        for owner, rdtype, contents in records(names):
            log.write(event(owner + ORIGIN, rdtype, tuple(each.replace('"', '\\"') for each in contents)))
            zone_file.writelines(f"{owner + ORIGIN} {TTL} IN {rdtype} {content}\n" for content in contents)
    rng = random.Random(18)
    weights = [kind.weight for kind in KINDS]
    made = {}
    for name in [*(kind.name for kind in KINDS), MIX]:
        path = made[name] = folder / f"{len(made)}.queries"
        drawn = rng.choices(KINDS, weights, k=count) if name == MIX else [
            kind for kind in KINDS if kind.name == name
        ] * count
        path.write_text("".join(f"{kind.qname(rng.randrange(names))} {kind.rdtype}\n" for kind in drawn))
    return made


def _start(stack: ExitStack, folder: pathlib.Path, *, options: Options, result: Result) -> list[Subject]:
    subjects: list[Subject] = [
        Streamdns(folder / "streamdns", options=options, log=folder / "log.jsonl", DNS_RECURSION_ALLOW="none")
    ]
    kinds = (MeasuredNsd, MeasuredKnot)
    subjects += installed(kinds, folder, options=options, zone_file=folder / "zone", result=result)
    for subject in subjects:
        stack.callback(subject.stop)
        subject.launch()
        if isinstance(subject, Streamdns):
            subject.wait_loaded()
        with Asker(subject.port) as asker:
            assert subject.process is not None
            assert asker.first_answer(f"h1.{ORIGIN}", "10.0.0.1", process=subject.process, timeout_s=60.0), subject.name
    return subjects


def _row(kind: str, server: str, turns: dict[tuple[str, str], LoadTurns]) -> dict[str, Any]:
    own = turns[kind, server]
    nsd, knot = turns.get((kind, "NSD")), turns.get((kind, "Knot"))
    return {"kind": kind, "server": server, **own.beside(nsd, knot), "rcodes": " ".join(sorted(own.loads[0].rcodes))}
