"""Measures DNS_WORKERS: CPU time per query beside the one process, an idle second, a worker's death, and a swap.

At fixed rates all processes have the server's core, so that the ratio says what several processes cost by themselves;
without a limit they have every core that the load does not use.
"""

from __future__ import annotations

import os
import pathlib
import signal
import socket
import time
from contextlib import ExitStack
from typing import Any, Final

from benchmarks import machine
from benchmarks.load import LoadTurns
from benchmarks.options import Options
from benchmarks.report import Result, median, ratio
from benchmarks.servers import LOAD_TIMEOUT_S, Streamdns, missing, wait_serving
from benchmarks.zone import Zone, evidence, question
from tests.harness import wait_until

_COLUMNS = (
    ("what", "what"), ("server", "server"), ("cpu_ratio_one", "CPU x one process"),
    ("cpu_us_per_query", "CPU us/query"), ("cpu_us_spread", "min..max"), ("queries_per_s", "queries/s"),
    ("lost", "lost"), ("ms", "ms"), ("ms_spread", "min..max ms"),
)
WORKERS: Final = 2
ONE, SEVERAL = "one process", f"{WORKERS} workers"
#: So many clients reach both workers, but for once in 2 ** 39 times.
_CLIENTS = 40
_IDLE_S = 3.0
_AGAIN_S = 0.005
_PATIENCE_S = 60.0


def run(options: Options) -> Result:
    """Measure and give the table."""
    names = min(options.zone_names, 10_000)
    result = Result(f"{SEVERAL} beside one process: {names:,} names, core {options.server_core}", _COLUMNS)
    result.parameters = {"names": names, "rounds": options.runs, "rates": options.rates, "workers": WORKERS,
                         "clients": options.clients, "outstanding": options.outstanding}
    folder = options.work / "workers"
    folder.mkdir(parents=True)
    zone = Zone(names)
    zone.write_log(folder / "log.jsonl")
    zone.write_queries(folder / "queries", workload="mix", count=min(options.queries, 20_000))
    with ExitStack() as stack:
        servers = [_started(stack, folder, zone, options, workers) for workers in (0, WORKERS)]
        reason = missing("dnsperf")
        if reason:
            result.skip("queries", reason)
        else:
            _queries(result, servers, folder / "queries", options)
        _idle(result, servers, options)
        several = servers[1]
        probes = list(zone.probes(1))
        result.rows.append(_times("a worker is killed", _killed(several, probes[0], options)))
        result.rows.append(_times("a rebuilt view is swapped in", _swapped(several, options)))
    return result


def _started(stack: ExitStack, folder: pathlib.Path, zone: Zone, options: Options, workers: int) -> Streamdns:
    server = Streamdns(
        folder / str(workers), options=options, log=folder / "log.jsonl", DNS_RECURSION_ALLOW="none",
        DNS_WORKERS=str(workers),
    )
    server.name = SEVERAL if workers else ONE
    stack.callback(server.stop)
    server.launch()
    server.wait_loaded()
    wait_serving(server, zone)
    if workers:
        # What loads its modules yet would be counted with the queries.
        wait_until(lambda: _reserve_is_loaded(server), "a process in reserve", timeout_s=LOAD_TIMEOUT_S)
    return server


def _queries(result: Result, servers: list[Streamdns], queries: pathlib.Path, options: Options) -> None:
    turns = {(rate, server.name): LoadTurns() for rate in (*options.rates, 0) for server in servers}
    for number in range(options.runs):
        print(f"workers: round {number + 1} of {options.runs}", flush=True)
        for rate in (*options.rates, 0):
            cores = [options.server_core, *options.load_cores[1:]] if not rate else [options.server_core]
            for server in servers if number % 2 else servers[::-1]:
                _bind(server, cores)
                turns[rate, server.name].add(
                    server, queries, options=options, rate=rate, seconds=0 if options.quick else options.turn_seconds
                )
    for rate in (*options.rates, 0):
        one = turns[rate, ONE]
        for server in servers:
            own = turns[rate, server.name]
            result.rows.append({
                "what": f"{rate:,} queries/s" if rate else "as fast as it is answered",
                "server": server.name,
                "cpu_ratio_one": ratio(own.cpu_us, one.cpu_us),
                "cpu_us_per_query": median(own.cpu_us),
                "cpu_us_spread": f"{min(own.cpu_us):.1f}..{max(own.cpu_us):.1f}",
                "queries_per_s": median(load.completed / load.elapsed_s for load in own.loads),
                "lost": sum(load.lost for load in own.loads),
            })


def _bind(server: Streamdns, cores: list[int]) -> None:
    """Move all processes of a server, with their threads, to these cores."""
    for process in machine.processes(server.pid):
        for thread in os.listdir(f"/proc/{process}/task"):
            os.sched_setaffinity(int(thread), cores)


def _idle(result: Result, servers: list[Streamdns], options: Options) -> None:
    """What a second takes in which nobody asks: ms of CPU."""
    before = {server.name: machine.cpu_s(server.pid) for server in servers}
    seconds = _IDLE_S / (10 if options.quick else 1)
    time.sleep(seconds)
    for server in servers:
        taken_ms = 1000 * (machine.cpu_s(server.pid) - before[server.name]) / seconds
        result.rows.append({"what": "idle: ms of CPU a second", "server": server.name, "ms": taken_ms})


def _times(what: str, times_ms: list[float]) -> dict[str, Any]:
    spread = f"{min(times_ms):.0f}..{max(times_ms):.0f}"
    return {"what": what, "server": SEVERAL, "ms": median(times_ms), "ms_spread": spread}


class _Clients:
    """Sockets that ask for one name until each of them has the right answer to a query that was sent after a moment."""

    def __init__(self, port: int, probe: tuple[str, str]) -> None:
        self._query, self._wanted = question(probe[0]), evidence(probe[1])
        self._sockets = []
        for _ in range(_CLIENTS):
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            client.connect(("127.0.0.1", port))
            client.setblocking(False)
            self._sockets.append(client)

    def close(self) -> None:
        """Close all of them."""
        for client in self._sockets:
            client.close()

    def all_answered_ms(self) -> float:
        """Have each ask until it is answered; how long that took until the last one was."""
        began_s = time.monotonic()
        waiting = list(self._sockets)
        while waiting:
            assert time.monotonic() - began_s < _PATIENCE_S, "not everybody is answered"
            for client in waiting:
                client.send(self._query)
            time.sleep(_AGAIN_S)
            waiting = [client for client in waiting if not self._answered(client)]
        return 1000 * (time.monotonic() - began_s)

    def _answered(self, client: socket.socket) -> bool:
        try:
            reply = client.recv(4096)
        except BlockingIOError:
            return False
        assert self._wanted in reply, "a wrong answer"
        return True


def _killed(server: Streamdns, probe: tuple[str, str], options: Options) -> list[float]:
    """Kill a worker, and see when all clients are answered again; asked every 5 ms, which is how exact it is."""
    times = []
    for number in range(max(2, options.runs)):
        print(f"workers: death {number + 1}", flush=True)
        # One that is waiting with everything loaded, as it is when a worker dies in operation.
        wait_until(lambda: _reserve_is_loaded(server), "a process in reserve", timeout_s=LOAD_TIMEOUT_S)
        clients = _Clients(server.port, probe)
        try:
            clients.all_answered_ms()
            os.kill(server.status()["workers"][number % WORKERS]["pid"], signal.SIGKILL)
            times.append(clients.all_answered_ms())
        finally:
            clients.close()
        wait_until(lambda: _all_answer(server), "all workers", timeout_s=LOAD_TIMEOUT_S)
    return times


def _all_answer(server: Streamdns) -> bool:
    return all(worker["state"] == "answering" for worker in server.status()["workers"])


def _reserve_is_loaded(server: Streamdns) -> bool:
    """Whether a process beside the workers waits: it sleeps, and takes no CPU any more."""
    workers = {worker["pid"] for worker in server.status()["workers"]}
    reserve = [process for process in machine.processes(server.pid)[1:] if process not in workers]
    before = [machine.cpu_s(process) for process in reserve]
    time.sleep(0.3)
    return bool(reserve) and all(
        taken and machine.cpu_s(process) == taken for process, taken in zip(reserve, before, strict=True)
    )


def _swapped(server: Streamdns, options: Options) -> list[float]:
    """Rebuild the view, and see how long after it serves the last worker has closed the old one; exact to 1 ms."""
    times = []
    current = server.view / "current"
    for number in range(max(2, options.runs)):
        print(f"workers: swap {number + 1}", flush=True)
        old = current.read_text().strip()
        maps = [pathlib.Path(f"/proc/{worker['pid']}/maps") for worker in server.status()["workers"]]
        done = server.command("rebuild", "--no-wait")
        assert done.returncode == 0, done.stderr
        wait_until(lambda old=old: current.read_text().strip() != old, "a swap", timeout_s=LOAD_TIMEOUT_S,
                   interval_s=0.001)
        began_s = time.monotonic()
        wait_until(lambda old=old, maps=maps: not any(f"/{old}/" in each.read_text() for each in maps), "all follow",
                   timeout_s=_PATIENCE_S, interval_s=0.001)
        times.append(1000 * (time.monotonic() - began_s))
        server.wait_applied(timeout_s=LOAD_TIMEOUT_S)
    return times
