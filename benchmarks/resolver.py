"""Measures the resolver against Unbound and PowerDNS Recursor: same small Internet, questions and core, in turns."""

from __future__ import annotations

import pathlib
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks import machine, tree
from benchmarks.load import Asker, Dnsperf, LoadTurns
from benchmarks.options import Options
from benchmarks.report import Result, median, percentile, ratio
from benchmarks.resolvers import PeerResolver, Recursor, Resolving, Unbound, peers
from benchmarks.servers import missing
from benchmarks.zone import Zone, question
from tests.harness import wait_until

_COLUMNS = (
    ("workload", "workload"), ("server", "server"), ("cpu_ratio_unbound", "CPU x Unbound"),
    ("cpu_ratio_recursor", "CPU x Recursor"), ("cpu_us_per_query", "CPU us/query"), ("cpu_us_spread", "min..max"),
    ("queries_per_s", "queries/s"), ("of_alone", "of alone"), ("core_busy", "core busy"),
    ("packets_out", "packets out"), ("p50_ms", "p50 ms"), ("p99_ms", "p99 ms"), ("anon_mb", "MB resident"),
    ("waiting", "waiting"), ("dead_per_s", "dead/s"), ("lost", "lost"), ("right", "right"),
)
_HITS, _HITS_RATE, _ONE_HOP, _COLD = "hits", "hits at {:,}/s", "one hop", "cold"
_COLD_HOSTS, _ONE_HOP_HOSTS = range(10), range(10, 20)
_LOST = 0.05
_LOSSY = "cold, 5 % lost, half dead"
_LOSSY_RATE = 500
_ALONE, _BESIDE = "known at {:,}/s", "known at {:,}/s beside {:,} dead"
_FULL, _FULL_BESIDE = "known", "known beside {:,} dead"
_KNOWN_RATE = 2_000
_KNOWN_NAMES = 1_000
_PATIENCE_S = 15  # Longer than any of them tries.
_PROBES = 100
_READY_S = 60.0
AnyResolver = Resolving | PeerResolver


@dataclass(slots=True)
class Turns(LoadTurns):
    """All turns of one server at one workload, and what else is counted in them."""

    packets: list[float] = field(default_factory=list)
    anon_bytes: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    dead_per_s: list[float] = field(default_factory=list)
    patience_s: float = 0.0

    @property
    def each_ms(self) -> list[float]:
        """Time of every query, where that was kept; what was lost took as long as dnsperf waited."""
        known = [load for load in self.loads if load.each_s]
        return [1000 * each_s for load in known for each_s in (*load.each_s, *[self.patience_s] * load.lost)]


class Scene:
    """What all turns have in common: the sizes, the files of queries, the servers, and what was found."""

    def __init__(self, options: Options, folder: pathlib.Path) -> None:
        self.options, self.folder = options, folder
        self.names, self.zone = tree.Names(options.resolver_zones), Zone(min(options.zone_names, 10_000))
        self.seconds = 0 if options.quick else options.seconds  # 0: once through each file of queries
        self.log = folder / "log.jsonl"
        self.subjects: list[AnyResolver] = []
        self.found: dict[tuple[str, str], Turns] = {}

    def write(self) -> None:
        """Write the log of our own zone and the queries."""
        names = self.names
        self.zone.write_log(self.log)
        for what, owners in {
            "cold": [owner for owner, _ in names.shuffled(_COLD_HOSTS)],
            "one-hop": [owner for owner, _ in names.shuffled(_ONE_HOP_HOSTS)],
            "hits": names.popular(_COLD_HOSTS, self.options.queries),
            "dead": names.dead(4 * self.options.dead_waiting),
            "known": [owner for owner, _ in names.shuffled(_COLD_HOSTS)][:_KNOWN_NAMES],
            "own": [self.zone.host(number) for number in range(min(self.zone.names, _KNOWN_NAMES))],
        }.items():
            tree.write_queries(self.queries(what), owners)

    def queries(self, what: str) -> pathlib.Path:
        """A file for dnsperf."""
        return self.folder / f"{what}.queries"

    @contextmanager
    def running(self, subject: AnyResolver) -> Iterator[None]:
        """The server, started with nothing in its cache but root and TLD, and ended."""
        with ExitStack() as stack:
            stack.callback(subject.stop)
            subject.launch()
            if isinstance(subject, Resolving):
                subject.wait_loaded()
            process = subject.process
            assert process is not None
            with Asker(subject.port) as asker:
                def serves() -> bool:
                    return process.poll() is not None or _shows(asker, tree.READY, tree.READY_ADDRESS, timeout_s=0.5)

                wait_until(serves, f"{subject.name} resolves", timeout_s=_READY_S)
            assert process.poll() is None, f"{subject.name} ended\n{subject.written()}"
            yield

    def turn(self, workload: str, subject: AnyResolver, what: str, *, timeout_s: int = 2, **how: Any) -> None:
        """One run of dnsperf; the server has nothing else to do, so what it used meanwhile is what the queries cost."""
        assert subject.process is not None
        pid = subject.process.pid
        began_s, began_packets = machine.cpu_s(pid), tree.datagrams()
        load = Dnsperf(subject.port, self.queries(what), options=self.options, timeout_s=timeout_s, **how).result()
        assert load.completed, f"{subject.name} answered nothing"
        turns = self.found.setdefault((workload, subject.name), Turns())
        turns.loads.append(load)
        turns.patience_s = timeout_s
        turns.cpu_s.append(machine.cpu_s(pid) - began_s)
        turns.anon_bytes.append(machine.memory_bytes(pid))
        # Every query that goes out comes back as a reply, and the client's own are known.
        turns.packets.append((tree.datagrams() - began_packets - load.sent - load.completed) / 2)


def run(options: Options) -> Result:
    """Measure and give the table."""
    scene = Scene(options, options.work / "resolver")
    rounds = {"quiet": options.runs, "lossy": min(options.runs, 3), "dead": min(options.runs, 3)}
    result = Result(f"resolver: {len(_COLD_HOSTS) * scene.names.zones:,} names below {scene.names.zones:,} zones, "
                    f"server on core {options.server_core}", _COLUMNS)
    result.parameters = {
        "zones": scene.names.zones, "rounds": rounds, "seconds": scene.seconds, "clients": options.clients,
        "outstanding": options.outstanding, "lost": _LOST, "lossy_rate": _LOSSY_RATE, "known_rate": _KNOWN_RATE,
        "dead_waiting": options.dead_waiting,
    }
    reason = missing("dnsperf", "nsd", "ip", "tc")
    if reason:
        result.skip("all", reason)
        return result
    with ExitStack() as stack:
        try:
            stack.enter_context(tree.network())
        except OSError as error:
            result.skip("all", str(error))
            return result
        _prepare(scene, stack, result)
        for what, measure in (("quiet", _quiet), ("lossy", _lossy), ("dead", _dead)):
            if what not in options.resolver_parts:
                continue
            try:
                for number in range(rounds[what]):
                    for subject in scene.subjects:
                        print(f"resolver: round {number + 1} of {rounds[what]}, {what}, {subject.name}", flush=True)
                        measure(scene, subject)
            except OSError as error:
                result.skip(what, str(error))
    for workload in dict.fromkeys(workload for workload, _ in scene.found):
        result.rows += [_row(workload, each.name, scene.found) for each in scene.subjects]
    return result


def _prepare(scene: Scene, stack: ExitStack, result: Result) -> None:
    scene.folder.mkdir(parents=True)
    scene.write()
    hints = tree.start(stack, scene.folder / "tree", scene.names)
    scene.subjects.append(
        Resolving(scene.folder / "streamdns", options=scene.options, hints=hints, log=scene.log)
    )
    for each in peers(scene.folder, options=scene.options, hints=hints):
        reason = missing(each.program)
        if reason:
            result.skip(each.name, reason)
        else:
            scene.subjects.append(each)


def _quiet(scene: Scene, subject: AnyResolver) -> None:
    """Nothing is lost: first names of zones never heard of, then other names of these zones, then the first again."""
    with scene.running(subject):
        scene.turn(_COLD, subject, "cold", seconds=0, timeout_s=_PATIENCE_S)
        scene.turn(_ONE_HOP, subject, "one-hop", seconds=0, timeout_s=_PATIENCE_S)
        _check(scene, subject)
        warming = min(1, scene.seconds)  # Not counted.
        Dnsperf(subject.port, scene.queries("hits"), options=scene.options, seconds=warming).result()
        scene.turn(_HITS, subject, "hits", seconds=scene.seconds)
        rate = scene.options.rate
        scene.turn(_HITS_RATE.format(rate), subject, "hits", seconds=scene.seconds, rate=rate)


def _lossy(scene: Scene, subject: AnyResolver) -> None:
    """One of two servers is dead in every set, and of the rest so many packets are lost in each direction."""
    with scene.running(subject), tree.faults(lost=_LOST), tree.Queries() as queries:
        scene.turn(_LOSSY, subject, "cold", seconds=0, rate=_LOSSY_RATE, outstanding=5_000, timeout_s=_PATIENCE_S,
                   each=True)
        # Of lost datagrams there is no reply to count.
        scene.found[_LOSSY, subject.name].packets[-1] = queries.count()


def _dead(scene: Scene, subject: AnyResolver) -> None:
    """What is known already, authoritative with streamdns, while others wait for servers that are dead."""
    known, most = "own" if isinstance(subject, Resolving) else "known", scene.options.dead_waiting
    rated = {"seconds": scene.seconds, "rate": _KNOWN_RATE, "each": True}
    full = {"seconds": -(-scene.seconds // 2)}
    beside = ((_BESIDE.format(_KNOWN_RATE, most), rated), (_FULL_BESIDE.format(most), full))
    with scene.running(subject), tree.faults():
        Dnsperf(subject.port, scene.queries(known), options=scene.options, seconds=0, timeout_s=_PATIENCE_S).result()
        scene.turn(_ALONE.format(_KNOWN_RATE), subject, known, **rated)
        scene.turn(_FULL, subject, known, **full)
        dead = Dnsperf(subject.port, scene.queries("dead"), options=scene.options, seconds=0, outstanding=most,
                       timeout_s=_PATIENCE_S)
        try:
            for workload, how in beside:
                scene.turn(workload, subject, known, **how)
                if isinstance(subject, Resolving):
                    running = subject.metrics()["streamdns_resolver_running"]
                    scene.found[workload, subject.name].waiting.append(int(running))
        finally:
            assert dead.running, "there were too few dead servers"
            ended = dead.stop()
        for workload, _ in beside:
            scene.found[workload, subject.name].dead_per_s.append(ended.completed / ended.elapsed_s)


def _shows(asker: Asker, owner: str, address: str, *, timeout_s: float) -> bool:
    try:
        reply = asker.exchange(question(owner), timeout_s=timeout_s)
    except ConnectionRefusedError:
        return False
    return reply is not None and b"\0\4" + socket.inet_aton(address) in reply


def _check(scene: Scene, subject: AnyResolver) -> None:
    """See for some names that the answers are those of the tree."""
    with Asker(subject.port) as asker:
        for hosts in (_COLD_HOSTS, _ONE_HOP_HOSTS):
            for owner, address in scene.names.shuffled(hosts)[:_PROBES]:
                assert _shows(asker, owner, address, timeout_s=_PATIENCE_S), f"{subject.name} is wrong about {owner}"


def _speed(turns: Turns) -> float:
    """Queries answered in a second."""
    return median(load.completed / load.elapsed_s for load in turns.loads)


def _row(workload: str, server: str, found: dict[tuple[str, str], Turns]) -> dict[str, Any]:
    own = found[workload, server]
    row: dict[str, Any] = {"workload": workload, "server": server}
    for key, peer in (("cpu_ratio_unbound", Unbound.name), ("cpu_ratio_recursor", Recursor.name)):
        other = found.get((workload, peer))
        # Beside the dead the CPU is that of their questions, too, and these are not equally many.
        row[key] = ratio(own.cpu_us, other.cpu_us) if other and not own.dead_per_s else None
    row["of_alone"] = None
    alone = found.get((workload.partition(" beside ")[0], server))
    if own.dead_per_s and alone is not None:
        row["of_alone"] = _speed(own) / _speed(alone)
    wrong = Counter[str]()
    for load in own.loads:
        wrong.update({code: count for code, count in load.rcodes.items() if code != "NOERROR"})
    sent = [packets / load.sent for packets, load in zip(own.packets, own.loads, strict=True)]
    each_ms = own.each_ms
    return row | {
        "cpu_us_per_query": median(own.cpu_us),
        "cpu_us_spread": f"{min(own.cpu_us):.1f}..{max(own.cpu_us):.1f}",
        "cpu_us_of_each_round": own.cpu_us,
        "queries_per_s": _speed(own),
        "core_busy": median(cpu / load.elapsed_s for cpu, load in zip(own.cpu_s, own.loads, strict=True)),
        "packets_out": None if own.dead_per_s else median(sent),
        "p50_ms": percentile(each_ms, 0.5) if each_ms else None,
        "p99_ms": percentile(each_ms, 0.99) if each_ms else None,
        "max_ms": max(each_ms) if each_ms else None,
        "latency_ms": median(1000 * load.latency_s for load in own.loads),
        "anon_mb": median(own.anon_bytes) / 1e6,
        "waiting": median(own.waiting) if own.waiting else None,
        "dead_per_s": median(own.dead_per_s) if own.dead_per_s else None,
        "lost": sum(load.lost for load in own.loads),
        "right": "yes" if not wrong else ", ".join(f"{code}: {count}" for code, count in wrong.items()),
    }
