"""`python -m benchmarks`: measure, print tables, write JSON."""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from benchmarks import (
    admin,
    answers,
    by_kind,
    console,
    hardening,
    ingest,
    kafka,
    latency,
    machine,
    picture,
    pulsar,
    report,
    resolver,
    soak,
    start,
    workers,
)
from benchmarks.options import ATTACKS, KAFKA_READERS, RESOLVER_PARTS, Options, cores
from tests.harness.process import ROOT

#: What `make bench` measures; of the resolver, nothing is lost and no server dead.
ALL = ("kinds", "rates", "tcp", "answers", "resolver", "ingest", "start", "latency", "workers", "kafka", "pulsar")
_ALL_OF_RESOLVER = ("quiet",)
CHOICES = (*ALL, "admin", "console", "hardening", "soak")
_QUICK = {
    "runs": 1, "rates": (20_000,), "connections": 20,
    "zone_names": 2_000, "log_events": 20_000, "queries": 2_000, "seconds": 1, "rate": 1_000,
    "event_rate": 100, "latency_events": 30, "resolver_zones": 10, "dead_waiting": 500,
    "admin_zones": 50, "admin_rate": 2_000, "attack_seconds": 1.0, "minutes": 0.2,
}


def _parser() -> argparse.ArgumentParser:
    results = ROOT / "benchmarks" / "results"
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure streamdns beside other servers.")
    parser.add_argument("what", nargs="*", metavar="WHAT",
                        help=f"some of {', '.join(CHOICES)}; without any, the first {len(ALL)}")
    parser.add_argument("--runs", type=int, help="how often each thing is measured before medians are taken (5)")
    parser.add_argument("--quick", action="store_true", help="small and short, to see that everything works")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs streamdns (this one)")
    parser.add_argument("--results", type=pathlib.Path, default=results,
                        help="where the JSON goes (benchmarks/results)")
    parser.add_argument("--work", type=pathlib.Path, default=results, help="a folder on a disk for logs and views, "
                        "about 1 GB; what is put there is removed again (benchmarks/results)")
    parser.add_argument("--seconds", type=int, help="the length of one turn of answers (4)")
    parser.add_argument("--turn-seconds", type=float, help="the length of one turn of kinds and rates (0.6)")
    parser.add_argument("--rate", type=int, help="queries a second where the rate is fixed (5000)")
    parser.add_argument("--rates", type=int, nargs="+", help="queries a second, of each turn of rates (5000 20000)")
    parser.add_argument("--connections", type=int, help="how many there are in tcp (100)")
    parser.add_argument("--outstanding", type=int, help="the most queries of dnsperf under way (64)")
    parser.add_argument("--clients", type=int, help="the sockets that dnsperf asks from (8)")
    parser.add_argument("--events", type=int, dest="log_events", help="the length of the log of ingest (1000000)")
    parser.add_argument("--parts", nargs="+", choices=RESOLVER_PARTS, dest="resolver_parts",
                        help=f"only these workloads of resolver (all; in a run of all {', '.join(_ALL_OF_RESOLVER)})")
    parser.add_argument("--readers", nargs="+", choices=KAFKA_READERS, dest="kafka_readers",
                        help="only these brokers and clients of kafka (all)")
    parser.add_argument("--attacks", nargs="+", choices=ATTACKS, metavar="ATTACK",
                        help=f"only these of hardening and soak: {', '.join(ATTACKS)} (all)")
    parser.add_argument("--attack-seconds", type=float, help="how long each attack of hardening goes on (6)")
    parser.add_argument("--minutes", type=float, help="how long soak goes on (60)")
    parser.add_argument("--seed", type=int, help="which attacks soak draws (chance)")
    parser.add_argument("--changes", type=int, dest="latency_events",
                        help="how many changes are timed in latency and kafka (500)")
    parser.add_argument("--names", type=int, dest="zone_names", help="the size of the zone of answers (100000)")
    return parser


def _arguments() -> argparse.Namespace:
    """What was asked for, with the names of the benchmarks instead of `all`."""
    parser = _parser()
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.what) - {*CHOICES, "all"})
    if unknown:
        parser.error(f"no benchmark: {', '.join(unknown)}; there are {', '.join(CHOICES)}, all")
    if not arguments.what or "all" in arguments.what:
        arguments.what = list(ALL)
        arguments.resolver_parts = arguments.resolver_parts or _ALL_OF_RESOLVER
    return arguments


def _options(arguments: argparse.Namespace, work: pathlib.Path) -> Options:
    server_core, load_cores = cores()
    options = Options(
        python=arguments.python, work=work, installed=compiled(arguments.python), quick=arguments.quick,
        server_core=server_core, load_cores=load_cores,
    )
    fields = {field.name for field in dataclasses.fields(Options)} - {"python", "work", "quick"}
    given = {name: value for name, value in vars(arguments).items() if name in fields and value is not None}
    return dataclasses.replace(options, **((_QUICK if arguments.quick else {}) | given))


def compiled(python: str) -> str | None:
    """The tree that `make compiled` made, where it is of the sources as they are; None else."""
    fits = subprocess.run([python, str(ROOT / "packaging" / "compiled.py"), "--fits"], check=False).returncode == 0
    return str(ROOT / "build" / "compiled") if fits else None


def main() -> int:
    """Run what is asked for; 1 where a server did not do what it should."""
    arguments = _arguments()
    arguments.work.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="work-", dir=arguments.work.resolve()))
    try:
        options = _options(arguments, work)
        os.sched_setaffinity(0, options.load_cores)
        return _measure(arguments, options)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _measure(arguments: argparse.Namespace, options: Options) -> int:
    facts = machine.describe(options.python) | {"compiled": options.installed is not None}
    print(f"{facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}, Python {facts['python']} "
          f"({facts['python_path']}, {facts['python_build']})")
    print("streamdns is compiled" if options.installed else "streamdns is in Python: `make compiled` compiles it")
    if options.server_core in options.load_cores:
        print("there is one core: the load runs on that of the server, so only CPU times mean something")
    if facts["load_average"] > 0.5:
        print(f"the machine is busy with something else (load average {facts['load_average']:.1f}): times may be off")
    results, code = _results(arguments.what, options)
    print("\n".join(result.table() for result in results.values()))
    document = {
        "benchmark": "all" if arguments.what == list(ALL) else "-".join(arguments.what),
        **machine.commit(),
        "machine": facts,
        "options": {key: str(value) if isinstance(value, pathlib.Path) else value
                    for key, value in dataclasses.asdict(options).items() if key != "work"},
        "results": {name: result.document() for name, result in results.items()},
    }
    path = report.write(arguments.results, document)
    print(f"\nwritten: {path}")
    drawn = picture.draw(document) if "kinds" in results else ""
    if drawn:
        drawing = path.with_suffix(".svg")
        drawing.write_text(drawn, encoding="utf-8")
        print(f"drawn: {drawing}")
    return code


def _results(names: Sequence[str], options: Options) -> tuple[dict[str, report.Result], int]:
    """Measure one after the other; what fails is said, and costs only its own results. And the exit code."""
    results: dict[str, report.Result] = {}
    code = 0
    benchmarks = _benchmarks(options)
    for name in names:
        disturbance, began = machine.Disturbance(), time.monotonic()
        try:
            results[name] = benchmarks[name]()
        except KeyboardInterrupt:
            return results, 130
        except (AssertionError, OSError) as error:
            _tell(error, options.work)
            results[name] = report.Result(name, ())
            results[name].skip("all", f"it failed: {str(error).splitlines()[0]}")
            code = 1
        results[name].disturbance, results[name].seconds = disturbance.share(), time.monotonic() - began
    return results, code


def _benchmarks(options: Options) -> dict[str, Callable[[], report.Result]]:
    inputs = ingest.Inputs(options)
    return {
        "answers": lambda: answers.run(options),
        "ingest": lambda: ingest.run(options, inputs),
        "start": lambda: start.run(options, inputs),
        "latency": lambda: latency.run(options),
        "admin": lambda: admin.run(options),
        "console": lambda: console.run(options),
        "workers": lambda: workers.run(options),
        "kafka": lambda: kafka.run(options),
        "pulsar": lambda: pulsar.run(options),
        "kinds": lambda: by_kind.run(options),
        "rates": lambda: by_kind.run_rates(options),
        "tcp": lambda: by_kind.run_tcp(options),
        "resolver": lambda: resolver.run(options),
        "hardening": lambda: hardening.run(options),
        "soak": lambda: soak.run(options),
    }


def _tell(error: Exception, work: pathlib.Path) -> None:
    print(f"benchmarks: {error}", file=sys.stderr)
    for output in sorted(work.rglob("output.txt")):
        print(f"{output.parent.name} wrote:\n{output.read_text(errors='replace')[-2000:]}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
