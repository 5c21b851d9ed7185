"""The benchmarks run and write what docs/benchmarks.md says; how fast anything is, no test judges."""

from __future__ import annotations

import collections
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from benchmarks import divided, hardening_table, performance, picture, tree
from benchmarks.by_kind import NAMES, OVER_TCP, RATED
from benchmarks.load import parse
from benchmarks.report import percentile
from benchmarks.turn_probe import Turn
from benchmarks.zone import WORKLOADS, Zone
from tests.attacks.processor_time import ProcessorTime
from tests.harness import ROOT, wait_until
from tests.harness.peers import find_tool

ROWS = {
    "answers": {"workload", "server", "cpu_ratio_nsd", "cpu_us_per_query", "queries_per_s", "core_busy", "lost",
                "right"},
    "ingest": {"what", "cpu_ratio", "events_per_s", "cpu_us_per_event", "seconds", "cpu_s"},
    "start": {"page_cache", "server", "ratio_nsd", "ms", "cpu_ms", "anon_mb"},
    "latency": {"load", "server", "ratio_p50", "after_p50_ms", "after_p99_ms", "after_max_ms", "whole_p50_ms",
                "whole_p99_ms", "whole_max_ms", "change_p50_ms"},
}
RESOLVER = {"workload", "server", "cpu_ratio_unbound", "cpu_ratio_recursor", "cpu_us_per_query", "packets_out",
            "p50_ms", "p99_ms", "anon_mb", "of_alone", "waiting", "lost", "right"}
ADMIN = {"server", "beside", "p99_ratio", "p50_ms", "p99_ms", "max_ms", "queries_per_s", "lost", "core_busy", "tasks",
         "task_p50_ms", "task_p99_ms", "task_max_ms"}
INGEST = {"used_bytes_per_record", "disk_bytes_per_record", "anon_mb_peak", "anon_mb", "records"}
PEERS = {"NSD": "nsd", "Knot": "knotd", "PowerDNS": "pdns_server", "BIND": "named"}
MACHINE = {"cpu", "cores", "kernel", "python", "python_path", "python_build", "tools", "load_average", "memory_bytes"}


def _quick(what: Sequence[str], folder: pathlib.Path, *more: str) -> tuple[dict[str, Any], str]:
    """What a quick run wrote into its file, and what it said; it leaves nothing else behind."""
    results, work = folder / "results", folder / "work"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *what, "--quick", "--results", results, "--work", work, *more],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=170,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = results.glob("*.json")
    assert f"written: {path}" in done.stdout
    assert not list(work.iterdir())
    return json.loads(path.read_text()), done.stdout


@pytest.mark.slow
@pytest.mark.peers("dnsperf")
def test_a_quick_run_by_kind(tmp_path: pathlib.Path) -> None:
    """Every server that is there has a row for each kind and says the same of it; the tables are made of them."""
    document, said = _quick(("kinds", "rates", "tcp"), tmp_path)
    servers = {"streamdns"} | {name for name, program in PEERS.items() if find_tool(program)}
    for name, kinds in {"kinds": NAMES, "rates": RATED, "tcp": OVER_TCP}.items():
        result = document["results"][name]
        assert {row["server"] for row in result["rows"]} == servers
        assert collections.Counter(row["kind"] for row in result["rows"]) == dict.fromkeys(kinds, len(servers))
        rcodes = collections.defaultdict(set)
        for row in result["rows"]:
            rcodes[row["kind"]].add(row["rcodes"])
            assert row["cpu_us_per_query"] > 0
        assert all(len(each) == 1 for each in rcodes.values()), rcodes
        assert result["seconds"] > 0
    large = {row["response_bytes"] for row in document["results"]["tcp"]["rows"] if row["kind"] == "large, TC"}
    assert min(large) > 2_000, "over TCP nothing is cut off"
    assert performance.sections(document).keys() == {"kinds", "rates", "tcp"}
    drawn = re.findall(r"^drawn: (.*)$", said, re.MULTILINE)
    assert len(drawn) == ("NSD" in servers)
    assert all(pathlib.Path(path).read_text() == picture.draw(document) for path in drawn)


@pytest.mark.slow
@pytest.mark.peers("dnsperf")
def test_a_quick_run_of_workers(tmp_path: pathlib.Path) -> None:
    """Both servers answer at every rate and lose nothing, and a death and a swap have their times."""
    document, _ = _quick(("workers",), tmp_path)
    rows = document["results"]["workers"]["rows"]
    asked = [row for row in rows if "cpu_us_per_query" in row]
    assert {row["server"] for row in asked} == {"one process", "2 workers"}
    assert len(asked) == 4
    assert all(row["cpu_us_per_query"] > 0 and not row["lost"] for row in asked)
    timed = [row["what"] for row in rows if "ms" in row]
    assert timed == ["idle: ms of CPU a second"] * 2 + ["a worker is killed", "a rebuilt view is swapped in"]
    assert performance.sections(document).keys() == {"workers"}


def test_a_cache_that_is_divided_hits_less_often_and_one_cache_as_often_as_names_come_again() -> None:
    load = divided.Load(rate=100, cache_mb=10, names=2_000, seconds=30, warm_s=20)
    one, two, four = (divided.divided(load, workers) for workers in divided.WORKERS)
    assert one[0] > two[0] > four[0] > 0.2
    assert one[1] < two[1] < four[1]
    assert divided.divided(load._replace(cache_mb=0), 1)[0] == 0


@pytest.mark.slow
def test_a_quick_run(tmp_path: pathlib.Path) -> None:
    """Every benchmark gives its rows, or the reason why a row is not there, and leaves nothing behind."""
    document, said = _quick(tuple(ROWS), tmp_path)
    assert document.keys() >= {"date", "benchmark", "commit", "modified", "machine", "options", "results"}
    assert document["machine"].keys() >= MACHINE
    assert document["options"]["python"] == sys.executable
    assert document["results"].keys() == ROWS.keys()
    for name, keys in ROWS.items():
        result = document["results"][name]
        assert result["rows"] or result["skipped"], name
        assert all(row.keys() >= keys for row in result["rows"]), name
        for skipped in result["skipped"]:
            assert f"not measured: {skipped['row']}: {skipped['reason']}" in said
    _judge(document["results"])


def _judge(results: dict[str, dict[str, list[dict[str, object]]]]) -> None:
    """What holds on any machine: right answers, and a row for every server that is installed."""
    measured = {name: {row.get("server", row.get("what")) for row in results[name]["rows"]} for name in results}
    installed = {name: bool(find_tool(program)) for name, program in PEERS.items()}
    if find_tool("dnsperf"):
        assert {row["right"] for row in results["answers"]["rows"]} == {"yes", "not checked"}
        assert len({row["workload"] for row in results["answers"]["rows"]}) == 2 * len(WORKLOADS)
        assert measured["answers"] >= {"streamdns"} | {name for name in ("NSD", "Knot") if installed[name]}
        assert {row["load"] for row in results["latency"]["rows"]} == {"idle", "loaded"}
    assert measured["start"] >= {"streamdns"} | {name for name, there in installed.items() if there}
    assert "streamdns" in measured["latency"]
    own = next(row for row in results["ingest"]["rows"] if row["what"] == "streamdns")
    assert own.keys() >= INGEST
    assert own["records"] == 20_006  # 20,000 hosts, SOA, two NS, their addresses and the wildcard


@pytest.mark.slow
@pytest.mark.peers("dnsperf")
def test_a_quick_run_of_the_admin_api(tmp_path: pathlib.Path) -> None:
    """Every kind of work is done, alone and beside queries, and PowerDNS has its rows where it is installed."""
    result = _quick(("admin",), tmp_path)[0]["results"]["admin"]
    assert result["parameters"]["records"] == 5000
    rows: dict[str, list[dict[str, object]]] = {}
    for row in result["rows"]:
        assert row.keys() >= ADMIN
        rows.setdefault(row["server"], []).append(row)
    assert rows.keys() == {"streamdns"} | ({"PowerDNS"} if find_tool("pdns_server") else set())
    assert next(row["beside"] for row in rows["streamdns"] if row["queries_per_s"]) == "nothing"
    for server, count in {"streamdns": 6, "PowerDNS": 2}.items():
        with_queries = [row for row in rows.get(server, ()) if row["queries_per_s"] and row["beside"] != "nothing"]
        alone = [row for row in rows.get(server, ()) if not row["queries_per_s"]]
        assert len(with_queries) == len(alone) == (count if server in rows else 0)
        assert all(row["tasks"] for row in (*with_queries, *alone))
        assert all(row["p99_ratio"] for row in with_queries)


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.peers("dnsperf", "nsd", "ip", "tc")
def test_a_quick_run_of_the_resolver(tmp_path: pathlib.Path) -> None:
    """Every workload has a row of streamdns with right answers; known names are sent no query for."""
    result = _quick(("resolver",), tmp_path)[0]["results"]["resolver"]
    installed = [name for name, program in {"Unbound": "unbound", "PowerDNS Recursor": "pdns_recursor"}.items()
                 if find_tool(program)]
    assert collections.Counter(row["server"] for row in result["rows"]) == dict.fromkeys(["streamdns", *installed], 9)
    own = {row["workload"]: row for row in result["rows"] if row["server"] == "streamdns"}
    assert all(row.keys() >= RESOLVER for row in own.values())
    assert {row["right"] for workload, row in own.items() if "lost" not in workload} == {"yes"}
    assert own["hits"]["packets_out"] < 0.1 < 1 <= own["one hop"]["packets_out"] < 2
    assert 0 < max(row["waiting"] or 0 for row in own.values()) <= 500


@pytest.mark.root
@pytest.mark.peers("ip", "tc")
def test_the_network_of_resolvers_loses_what_it_should() -> None:
    """The second network is dead, the first loses a share, the rest is untouched; outside nothing is left of it."""
    def arrived(host: str, count: int) -> int:
        received = 0
        with ExitStack() as stack:
            one, two = (stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
            two.bind((host, 0))
            for _ in range(count):
                one.sendto(b"x", two.getsockname())
            with suppress(BlockingIOError):
                while True:
                    received += len(two.recv(2, socket.MSG_DONTWAIT))
        return received

    outside = pathlib.Path("/proc/thread-self/ns/net").readlink()
    with tree.network():
        assert pathlib.Path("/proc/thread-self/ns/net").readlink() != outside
        before = tree.datagrams()
        assert [arrived(host, 100) for host in ("127.0.0.1", "198.18.3.4", "198.19.3.4")] == [100, 100, 100]
        assert tree.datagrams() - before == 300
        with tree.faults(lost=0.5):
            assert [arrived(host, 100) for host in ("127.0.0.1", "198.19.3.4")] == [100, 0]
            assert 10 < arrived("198.18.3.4", 100) < 90
        with tree.faults():
            assert [arrived(host, 100) for host in ("198.18.3.4", "198.19.3.4")] == [100, 0]
        assert arrived("198.19.3.4", 100) == 100
    assert pathlib.Path("/proc/thread-self/ns/net").readlink() == outside


@pytest.mark.root
@pytest.mark.peers("ip", "tc")
def test_queries_to_name_servers_are_counted() -> None:
    """Lost or not, over UDP and as connections over TCP; nothing else."""
    with tree.network(), tree.faults(lost=0.5), tree.Queries() as queries, ExitStack() as stack:
        one, listener, other = (stack.enter_context(socket.socket(socket.AF_INET, kind)) for kind in (
            socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_STREAM))
        for host, port, count in (("198.18.3.4", 53, 300), ("198.19.3.4", 53, 100), ("198.18.3.4", 54, 9),
                                  ("127.0.0.1", 53, 9)):
            for _ in range(count):
                one.sendto(b"x", (host, port))
        assert [queries.count() for _ in range(2)] == [400, 0]
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        other.connect(listener.getsockname())
        assert queries.count() == 0
    with tree.network(), tree.Queries() as queries, ExitStack() as stack:
        listener, other = (stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) for _ in range(2))
        listener.bind(("198.18.3.4", 53))
        listener.listen()
        other.connect(listener.getsockname())
        accepted = stack.enter_context(listener.accept()[0])
        accepted.sendall(b"x" * 100_000)
        assert len(other.recv(100)) == 100
        assert queries.count() == 1


def test_names_of_resolvers() -> None:
    """Every name once in what is cold, the first ranks most often in what is popular."""
    names = tree.Names(30)
    cold = names.shuffled(range(10))
    assert len(cold) == len(dict(cold)) == len(set(dict(cold).values())) == 300
    assert not dict(cold).keys() & dict(names.shuffled(range(10, 20))).keys()
    popular = collections.Counter(names.popular(range(10), 20_000))
    assert popular.keys() <= dict(cold).keys()
    assert [owner for owner, _ in popular.most_common(1)] == [cold[0][0]]
    assert popular[cold[0][0]] / popular[cold[9][0]] == pytest.approx(10, rel=0.5)


def test_queries_and_what_is_right_for_them(tmp_path: pathlib.Path) -> None:
    """The mix asks for names that are not there, for the wildcard, and for hosts; hit for hosts alone."""
    zone = Zone(1000)
    for workload, shares in {"hit": (0, 0), "mix": (0.1, 0.1)}.items():
        absent = zone.write_queries(tmp_path / workload, workload=workload, count=10_000)
        lines = (tmp_path / workload).read_text().splitlines()
        assert len(lines) == len(absent) == 10_000
        assert [line.startswith("x") for line in lines] == absent
        assert sum(absent) / 10_000 == pytest.approx(shares[0], abs=0.02)
        assert sum(".wild." in line for line in lines) / 10_000 == pytest.approx(shares[1], abs=0.02)
        hosts = [line for line in lines if line.startswith("h")]
        assert all(int(line[1:8]) < zone.names for line in hosts)


def test_what_dnsperf_says() -> None:
    """The statistics are read; output without them is a failure that shows it."""
    load = parse(
        "Statistics:\n\n  Queries sent:         100\n  Queries completed:    98 (98.00%)\n"
        "  Queries lost:         2 (2.00%)\n\n  Response codes:       NOERROR 90 (91.84%), NXDOMAIN 8 (8.16%)\n"
        "  Average packet size:  request 37, response 56\n  Run time (s):         1.500000\n"
        "  Queries per second:   65.333333\n\n  Average Latency (s):  0.000200 (min 0.000020, max 0.004000)\n"
    )
    assert (load.sent, load.completed, load.lost, load.elapsed_s) == (100, 98, 2, 1.5)
    assert load.rcodes == {"NOERROR": 90, "NXDOMAIN": 8}
    assert (load.latency_s, load.latency_max_s, load.response_bytes) == (0.0002, 0.004, 56)
    assert load.each_s == ()
    each = parse(
        "> NOERROR a.example. A 0.000123\n> T b.example. A\n> SERVFAIL c.example. A 1.500000\nStatistics:\n"
        "  Queries sent:         3\n  Queries completed:    2 (66.67%)\n  Queries lost:         1 (33.33%)\n"
        "  Response codes:       NOERROR 1 (50.00%), SERVFAIL 1 (50.00%)\n"
        "  Average packet size:  request 37, response 56\n  Run time (s):         2.0\n"
        "  Average Latency (s):  0.75 (min 0.000123, max 1.5)\n"
    )
    assert (each.each_s, each.rcodes) == ((0.000123, 1.5), {"NOERROR": 1, "SERVFAIL": 1})
    with pytest.raises(AssertionError, match="Error: no such file"):
        parse("Error: no such file")


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100), (0.001, 1)])
def test_percentile(share: float, value: int) -> None:
    """The smallest of 1..100 that is not less than the share of them."""
    assert percentile(range(100, 0, -1), share) == value


@pytest.mark.slow
def test_a_quick_run_of_attacks(tmp_path: pathlib.Path) -> None:
    """Each server that is there has a row for each attack, with what was seen of it."""
    document, _ = _quick(("hardening",), tmp_path, "--attacks", "amplification", "events_spellings")
    rows = document["results"]["hardening"]["rows"]
    assert ("events_spellings", "streamdns") in {(row["attack"], row["server"]) for row in rows}
    if find_tool("nsd"):
        assert ("amplification", "NSD") in {(row["attack"], row["server"]) for row in rows}
    for row in rows:
        assert row["looks"] > 5
        assert row["max_ms"] >= row["p50_ms"] > 0
        assert row["resident_mb"] > 0
    assert "| attack on a zone | streamdns |" in hardening_table.tables(document)


def test_the_tables_of_attacks_say_where_streamdns_is_the_worst() -> None:
    """A figure that is higher than those of all others is told; who lost every answer has no figures, and is worse."""
    ours = {"attack": "udp_options", "server": "streamdns", "cpu_max_ms": 1.0, "p50_ms": 0.5, "max_ms": 9.0, "lost": 0,
            "looks": 500, "resident_mb": 41.0}
    nsd = ours | {"server": "NSD", "cpu_max_ms": 0.9, "max_ms": 11.0, "lost": 3}
    lost = ours | {"server": "BIND", "cpu_max_ms": None, "p50_ms": None, "max_ms": None, "lost": 500}
    machine = {"python": "3.11", "cpu": "a processor", "load_average": 0.1}
    document = {"commit": "0123456789abcdef", "modified": False, "machine": machine, "results": {"hardening": {
        "rows": [ours, nsd], "parameters": {"seconds": 6.0}}}}
    made = hardening_table.tables(document)
    assert "One run, one commit: 0123456789ab, Python 3.11" in made
    assert "| 1.0; 0.5, 9.0; 41 MB | 0.9; 0.5, 11; 3 of 500 lost; 41 MB |" in made
    assert "\n- processor time before an answer: udp_options 1.0 ms against 0.9" in made
    assert "- the worst answer" not in made
    document["results"]["hardening"]["rows"].append(lost)
    made = hardening_table.tables(document)
    assert "| all lost; 41 MB |" in made
    assert made.endswith("streamdns is the worst of all in:\n\n- nothing")


_BURNS_FOR_LONG = "while True: pass"


@pytest.mark.parametrize("exact", [False, True])
def test_the_processor_time_of_another_process(exact: bool) -> None:
    """It grows while that one works, and stays when it has ended; where it has no steps, each look sees some of it."""
    with subprocess.Popen([sys.executable, "-c", _BURNS_FOR_LONG]) as burning:
        try:
            taken = ProcessorTime([burning.pid], exact=exact)
            began = taken.ns()
            wait_until(lambda: taken.ns() - began > 50_000_000, "it works")
            assert exact or not taken.exact
        finally:
            burning.kill()
        burning.wait()
    ended = taken.ns()
    assert taken.ns() == ended
    assert ended > 50_000_000 or not taken.exact
    taken.close()


_BURNS = """
import os, sys, time
import gevent
from benchmarks.turn_probe import Probe

def burn():
    until_s = time.thread_time() + 0.02
    while time.thread_time() < until_s:
        pass

def wait():
    time.sleep(0.02)  # As who waits for another thread does, with the loop in its hands.

Probe(sys.argv[1]).start()
gevent.sleep(0.01)
for work in (burn, wait, burn):
    gevent.spawn(work)
    gevent.sleep(0.01)
for _ in range(30):
    gevent.spawn(time.thread_time)
gevent.sleep(0.01)
gevent.get_hub().loop.timer(0).start(burn)
gevent.sleep(0.05)
gevent.sleep(0.01)
os._exit(0)  # The signals go on to the last.
"""


def test_a_long_turn_of_the_loop_is_found_with_its_cause(tmp_path: pathlib.Path) -> None:
    """20 ms of processor time in one step are one turn, and what took them is told; who waits took none."""
    found = tmp_path / "turns"
    subprocess.run([sys.executable, "-c", _BURNS, found], cwd=ROOT, check=True)
    turns = [Turn.parse(line) for line in found.read_text().splitlines()]
    burnt = [turn for turn in turns if turn.cpu_ms >= 20]
    assert [turn.piece for turn in burnt] == ["burn"] * 3, turns
    assert all("burn" in turn.where and turn.cause() == "one piece" and turn.piece_ms >= 19 for turn in burnt), turns
    assert any(turn.wall_ms >= 20 and turn.cpu_ms < 10 and "wait" in turn.where for turn in turns), turns


@pytest.mark.slow
def test_turns_are_measured_beside_an_attack(tmp_path: pathlib.Path) -> None:
    """The server with a probe is attacked, and what came of it is a line for each attack."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.turns", "udp_options", "--seconds", "0.5"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120, env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^udp_options: \d+ turns of more than 1 ms, the longest \d+\.\d\d ms; ", done.stdout, re.M)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.peers("dnsperf")
def test_a_quick_soak(tmp_path: pathlib.Path) -> None:
    """A turn or two; at the end every changed name is right and the digest that of a view made anew, or it fails."""
    document, said = _quick(("soak",), tmp_path, "--attacks", "udp_mutated", "events_spellings", "--seed", "7")
    *turns, whole = document["results"]["soak"]["rows"]
    assert turns
    assert "seed 7" in said
    assert whole["sent"] == sum(turn["sent"] for turn in turns) > 0
    assert "digest as that of a view made anew" in whole["attacks"]
