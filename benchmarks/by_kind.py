"""Measures CPU time per query by kind of answer beside other name servers: same zone, queries and core, in turns.

`kinds` asks over UDP as fast as it is answered, `rates` at fixed rates, `tcp` over connections that stay open.
"""

from __future__ import annotations

import dataclasses
import pathlib
import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks.kinds import KINDS as COUNTED
from benchmarks.kinds import MIX, ORIGIN, records
from benchmarks.load import Asker, LoadTurns
from benchmarks.options import Options
from benchmarks.powerdns import MeasuredPowerDns
from benchmarks.report import Result, median
from benchmarks.servers import (
    CONNECTIONS,
    MeasuredBind,
    MeasuredKnot,
    MeasuredNsd,
    Streamdns,
    Subject,
    installed,
    missing,
)
from benchmarks.zone import TTL, event

_COLUMNS = (
    ("kind", "kind"), ("server", "server"), ("cpu_ratio_nsd", "CPU x NSD"), ("cpu_ratio_knot", "CPU x Knot"),
    ("cpu_us_per_query", "CPU us/query"), ("cpu_us_spread", "min..max"), ("queries_per_s", "queries/s"),
    ("response_bytes", "reply bytes"), ("rcodes", "RCODEs"), ("lost", "lost"),
)
#: dnsperf makes no cookies of its own.
KINDS = tuple(kind for kind in COUNTED if not kind.has_cookie)
#: What is asked at fixed rates, and over TCP, where a reply is not cut off.
RATED = (*(kind.name for kind in KINDS if kind.weight), "REFUSED", "large, TC", MIX)
OVER_TCP = (MIX, "hit", "CNAME in zone", "large, TC")
#: The weighted mix first: it is what a server is asked.
NAMES = (MIX, *(kind.name for kind in KINDS))
_MOST_NAMES = 10_000
_MOST_QUERIES = 20_000
_PIPELINED = 10  # Queries under way on each TCP connection.


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How queries of a kind are put: at a rate (0: without a limit), over TCP connections (0: over UDP)."""

    kind: str
    rate: int = 0
    connections: int = 0


def run(options: Options) -> Result:
    """Measure every kind over UDP, as fast as it is answered, and give the table."""
    return _measure("kinds", "answers by kind, UDP", [Way(kind=name) for name in NAMES], options)


def run_rates(options: Options) -> Result:
    """Measure kinds over UDP at fixed rates, where each query costs a wake-up, and give the table."""
    ways = [Way(kind=name, rate=rate) for rate in options.rates for name in RATED]
    return _measure("rates", "answers by kind at fixed rates, UDP", ways, options, ("rate", "queries/s asked"))


def run_tcp(options: Options) -> Result:
    """Measure kinds over TCP connections that stay open, with several queries under way on each, and give the table."""
    # Of a hundred connections at once Knot takes ten, and the kernel offers it the others a second later.
    options = dataclasses.replace(options, turn_seconds=options.seconds)
    ways = [Way(kind=name, connections=options.connections) for name in OVER_TCP]
    return _measure("tcp", f"answers by kind over {options.connections} TCP connections", ways, options)


def _measure(
    what: str, title: str, ways: Sequence[Way], options: Options, *more: tuple[str, str]
) -> Result:
    names = min(options.zone_names, _MOST_NAMES)
    result = Result(f"{title}: {names:,} names of each, server on core {options.server_core}", (*more, *_COLUMNS))
    result.parameters = {
        "names": names, "rounds": options.runs, "seconds": options.turn_seconds, "clients": options.clients,
        "outstanding": options.outstanding, "connections": options.connections, "rates": options.rates,
        "queries_under_way_on_a_connection": _PIPELINED,
    }
    reason = missing("dnsperf")
    if reason:
        result.skip("all", reason)
        return result
    folder = options.work / what
    folder.mkdir(parents=True)
    queries = _write(folder, names, min(options.queries, _MOST_QUERIES))
    with ExitStack() as stack:
        subjects = _start(stack, folder, options=options, result=result)
        turns = {(way, subject.name): LoadTurns() for way in ways for subject in subjects}
        for number in range(options.runs):
            # Who comes first has the coldest core: each does once.
            first = number % len(subjects)
            for way in ways:
                print(f"{what}: round {number + 1} of {options.runs}, {way.kind}", flush=True)
                for subject in (*subjects[first:], *subjects[:first]):
                    turns[way, subject.name].add(
                        subject, queries[way.kind], options=options, rate=way.rate, connections=way.connections,
                        seconds=0 if options.quick else options.turn_seconds,  # 0: through the file once
                        outstanding=_PIPELINED * way.connections,
                    )
    for way in ways:
        for subject in subjects:
            result.rows.append(_row(way, subject.name, turns))
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
    for name in NAMES:
        path = made[name] = folder / f"{len(made)}.queries"
        drawn = rng.choices(KINDS, weights, k=count) if name == MIX else [
            kind for kind in KINDS if kind.name == name
        ] * count
        path.write_text("".join(f"{kind.qname(rng.randrange(names))} {kind.rdtype}\n" for kind in drawn))
    return made


def _start(stack: ExitStack, folder: pathlib.Path, *, options: Options, result: Result) -> list[Subject]:
    subjects: list[Subject] = [
        Streamdns(folder / "streamdns", options=options, log=folder / "log.jsonl", DNS_RECURSION_ALLOW="none",
                  DNS_TCP_CLIENT_CONNECTIONS=str(CONNECTIONS))
    ]
    kinds = (MeasuredNsd, MeasuredKnot, MeasuredPowerDns, MeasuredBind)
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


def _row(way: Way, server: str, turns: dict[tuple[Way, str], LoadTurns]) -> dict[str, Any]:
    own = turns[way, server]
    nsd, knot = turns.get((way, MeasuredNsd.name)), turns.get((way, MeasuredKnot.name))
    return {
        "kind": way.kind,
        "rate": way.rate,
        "server": server,
        **own.beside(nsd, knot),
        "queries_per_s": median(load.completed / load.elapsed_s for load in own.loads),
        "rcodes": " ".join(sorted(own.loads[0].rcodes)),
    }
