"""Measures the admin API over a million records, and how much its requests slow down the answers to DNS queries."""

from __future__ import annotations

import pathlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks import machine
from benchmarks.admin_servers import NEEDLE, Administered, Api, GuardedStreamdns, ManyZones, PowerDns
from benchmarks.load import Asker, Dnsperf, LoadTurns
from benchmarks.options import Options
from benchmarks.report import Result, median, percentile, ratio
from benchmarks.servers import LOAD_TIMEOUT_S, missing
from benchmarks.zone import evidence, question
from tests.harness import wait_until

_COLUMNS = (
    ("server", "server"), ("beside", "beside"), ("p99_ratio", "p99 x alone"), ("p99_spread", "min..max"),
    ("p50_ms", "p50 ms"), ("p99_ms", "p99 ms"), ("max_ms", "max ms"), ("queries_per_s", "queries/s"), ("lost", "lost"),
    ("cpu_us_per_query", "CPU us/query"), ("core_busy", "core busy"),
    ("tasks", "times"), ("task_p50_ms", "each: p50 ms"), ("task_p99_ms", "p99 ms"), ("task_max_ms", "max ms"),
)
_ALONE = "nothing"
#: So many that a stall of a twentieth of a second does not thin out the load that it delays.
_OUTSTANDING = 1_000
#: dnsperf holds itself back until it has sent as many as may be outstanding, and then sends what it owes in one burst:
#: the first quarter of what is answered is not timed.
_UNTIMED = 0.25
_PATIENCE_S = 5
#: A machine that is shared disturbs for seconds: of many short turns the median is worth more than of a few long ones.
_TURN_S = 2
_ROUNDS_A_RUN = 3
_CROWD = 8
_WALKED_ZONES = 10
#: One piece of work through the API; raises AssertionError where it does not give what it should.
Task = Callable[[Api], None]


@dataclass(frozen=True, slots=True)
class Work:
    """What clients of the API do all the time, `clients` of them at once."""

    name: str
    task: Task
    clients: int = 1


@dataclass(slots=True)
class Turns(LoadTurns):
    """All turns of one server at one work, with or without queries beside it."""

    seconds: list[float] = field(default_factory=list)
    task_ms: list[float] = field(default_factory=list)

    @property
    def each_ms(self) -> list[list[float]]:
        """The times of each turn; what was lost took as long as dnsperf waited."""
        timed = [load.each_s[int(_UNTIMED * len(load.each_s)):] for load in self.loads]
        return [[*(1000 * each_s for each_s in times_s), *[1000.0 * _PATIENCE_S] * load.lost]
                for times_s, load in zip(timed, self.loads, strict=True)]

    @property
    def p99_ms(self) -> list[float]:
        """Of each turn."""
        return [percentile(each_ms, 0.99) for each_ms in self.each_ms]


class Clients:
    """Threads that do the same work again and again, until they are stopped."""

    def __init__(self, server: Administered, work: Work) -> None:
        self._server, self._work = server, work
        self._stopping = threading.Event()
        self.task_ms: list[float] = []
        self._errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(server.open(),)) for _ in range(work.clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, api: Api) -> None:
        try:
            while not self._stopping.is_set():
                began = time.perf_counter()
                self._work.task(api)
                self.task_ms.append(1000 * (time.perf_counter() - began))
        except Exception as error:  # noqa: BLE001 - it is raised where the turn ends
            self._errors.append(error)

    def stop(self) -> list[float]:
        """End after what is under way; how long each piece of work took."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise AssertionError(f"{self._work.name}: {self._errors[0]!r}\n{self._server.written()}")
        return self.task_ms


class Scene:
    """The data, the servers, and what was found."""

    def __init__(self, options: Options, folder: pathlib.Path) -> None:
        self.options, self.folder = options, folder
        self.data = ManyZones(options.admin_zones)
        self.queries = folder / "queries"
        self.found: dict[tuple[str, str, bool], Turns] = {}
        self.named: dict[str, list[str]] = {}

    @contextmanager
    def running(self, server: Administered) -> Iterator[None]:
        """The server with all of the data, warmed up by queries and by one of each request."""
        with ExitStack() as stack:
            stack.callback(server.stop)
            server.launch()
            if isinstance(server, GuardedStreamdns):
                server.wait_loaded()
            assert server.process is not None
            process, zone = server.process, self.data.zones - 1
            owner, address = self.data.host(zone, 5), f"10.{zone >> 8 & 255}.{zone & 255}.5"
            with Asker(server.port) as asker:
                shown = asker.first_answer(owner, address, process=process, timeout_s=LOAD_TIMEOUT_S)
                assert shown, f"{server.name} does not answer\n{server.written()}"
                assert asker.until_shown(question(owner), evidence(address), timeout_s=5.0)
            api = server.open()
            wait_until(lambda: server.list_zones(api), f"the API of {server.name}", timeout_s=LOAD_TIMEOUT_S)
            Dnsperf(server.port, self.queries, options=self.options, seconds=0).result()
            yield

    def turn(self, server: Administered, work: Work | None, *, queries: bool) -> None:
        """One turn: the work, with queries beside it at a fixed rate, or alone."""
        options = self.options
        name = _ALONE if work is None else work.name
        turns = self.found.setdefault((server.name, name, queries), Turns())
        assert server.process is not None
        pid, began, began_s = server.process.pid, time.perf_counter(), machine.cpu_s(server.process.pid)
        clients = None if work is None else Clients(server, work)
        try:
            if queries:
                load = Dnsperf(
                    server.port, self.queries, options=options, rate=options.admin_rate, seconds=options.seconds,
                    outstanding=_OUTSTANDING, timeout_s=_PATIENCE_S, each=True,
                ).result()
                turns.loads.append(load)
            else:
                time.sleep(options.seconds)
        finally:
            turns.cpu_s.append(machine.cpu_s(pid) - began_s)
            turns.seconds.append(time.perf_counter() - began)
            if clients is not None:
                turns.task_ms += clients.stop()


def run(options: Options) -> Result:
    """Measure and give the table."""
    options = replace(options, seconds=min(options.seconds, _TURN_S))
    runs = min(options.runs, 3)
    rounds = (1 if options.quick else _ROUNDS_A_RUN) * runs
    scene = Scene(options, options.work / "admin")
    result = Result(f"admin: {scene.data.records:,} records in {scene.data.zones:,} zones, "
                    f"{options.admin_rate:,} queries a second, server on core {options.server_core}", _COLUMNS)
    result.parameters = {"records": scene.data.records, "zones": scene.data.zones, "query_rate": options.admin_rate,
                         "rounds": rounds, "seconds": options.seconds, "clients": options.clients}
    reason = missing("dnsperf")
    if reason:
        result.skip("all", reason)
        return result
    scene.folder.mkdir(parents=True)
    scene.data.write_queries(scene.queries, options.queries)
    for server, works in _servers(scene, result):
        scene.named[server.name] = [_ALONE, *(work.name for work in works)]
        with scene.running(server):
            turns = rounds if isinstance(server, GuardedStreamdns) else runs
            for number in range(turns):
                print(f"admin: {server.name}, round {number + 1} of {turns}", flush=True)
                for queries in (False, True):
                    for work in (None, *works) if queries else works:
                        scene.turn(server, work, queries=queries)
    for server_name, names in scene.named.items():
        for queries in (False, True):
            result.rows += [_row(scene, server_name, name, queries=queries) for name in names
                            if (server_name, name, queries) in scene.found]
    return result


def _servers(scene: Scene, result: Result) -> Iterator[tuple[Administered, list[Work]]]:
    log = scene.folder / "log.jsonl"
    scene.data.write_log(log)
    own = GuardedStreamdns(scene.folder / "streamdns", options=scene.options, log=log)
    yield own, [
        *_works(own, scene.data, page=100),
        Work(f"the rare name, {_CROWD} clients", _searching(own), clients=_CROWD),
        Work("the rare name in one answer (/search)", _at_once),
        Work(f"zones, {_CROWD} clients", _listing(own, min(100, scene.data.zones)), clients=_CROWD),
        Work(f"the records of {_WALKED_ZONES} zones", _walking(own, scene.data)),
    ]
    log.unlink()
    reason = missing(PowerDns.program)
    if reason:
        result.skip(PowerDns.name, reason)
        return
    database = scene.folder / "pdns.sqlite3"
    try:
        scene.data.write_database(database)
    except OSError as error:
        result.skip(PowerDns.name, f"its schema for SQLite cannot be read: {error}")
        return
    peer = PowerDns(scene.folder / "pdns", database, server_core=scene.options.server_core)
    yield peer, _works(peer, scene.data, page=scene.data.zones)


def _works(server: Administered, data: ManyZones, *, page: int) -> list[Work]:
    """What both of them can do."""
    return [
        Work("zones, first page" if page < data.zones else "zones, all", _listing(server, min(page, data.zones))),
        Work("the rare name, to the end", _searching(server)),
    ]


def _listing(server: Administered, expected: int) -> Task:
    def task(api: Api) -> None:
        found = server.list_zones(api)
        assert found == expected, f"{found} zones instead of {expected}"

    return task


def _searching(server: Administered) -> Task:
    return lambda api: _one(server.find(api))


def _walking(server: GuardedStreamdns, data: ManyZones) -> Task:
    """All records of a zone after the other, in the largest pages."""

    def task(api: Api) -> None:
        for zone in range(min(data.zones, _WALKED_ZONES)):
            found = server.records(api, data.apex(zone))
            assert found == data.hosts + 2, f"{found} records in a zone instead of {data.hosts + 2}"

    return task


def _at_once(api: Api) -> None:
    """The search of the first version."""
    _one(api.get(f"/search?pattern={NEEDLE}").count(b"Content"))


def _one(found: int) -> None:
    assert found == 1, f"the rare name was found {found} times"


def _row(scene: Scene, server: str, name: str, *, queries: bool) -> dict[str, Any]:
    turns, alone = scene.found[server, name, queries], scene.found[server, _ALONE, True]
    row: dict[str, Any] = dict.fromkeys(key for key, _ in _COLUMNS) | {
        "server": server, "beside": name if queries else f"{name}; no queries",
        "core_busy": sum(turns.cpu_s) / sum(turns.seconds),
    }
    if queries:
        each_ms = [time_ms for turn in turns.each_ms for time_ms in turn]
        p99, alone_p99 = turns.p99_ms, alone.p99_ms
        ratios = [one / other for one, other in zip(p99, alone_p99, strict=True)]
        row |= {
            "p99_ratio": ratio(p99, alone_p99), "p99_spread": f"{min(ratios):.2f}..{max(ratios):.2f}",
            "p50_ms": percentile(each_ms, 0.5), "p99_ms": median(p99), "max_ms": max(each_ms),
            "queries_per_s": sum(load.completed for load in turns.loads) / sum(load.elapsed_s for load in turns.loads),
            "lost": sum(load.lost for load in turns.loads),
            "cpu_us_per_query": 1e6 * sum(turns.cpu_s) / sum(load.completed for load in turns.loads),
        }
    if turns.task_ms:
        row |= {"tasks": len(turns.task_ms), "task_p50_ms": percentile(turns.task_ms, 0.5),
                "task_p99_ms": percentile(turns.task_ms, 0.99), "task_max_ms": max(turns.task_ms)}
    return row
