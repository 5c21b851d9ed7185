"""All attacks in random turns beside good clients, a producer and users of the admin API: what was lost, and memory."""

from __future__ import annotations

import http.client
import json
import pathlib
import random
import time
from contextlib import ExitStack

import dns.message

from benchmarks import attacked, machine, tree
from benchmarks.load import Asker, Dnsperf
from benchmarks.options import Options
from benchmarks.report import Result
from benchmarks.servers import Streamdns, missing
from tests.attacks import RESOLVER, hostile, zone
from tests.attacks.running import Running, hostile_servers
from tests.harness.background import Background

_COLUMNS = (
    ("turn", "turn"), ("attacks", "attacks"), ("sent", "good queries"), ("lost", "lost"), ("max_ms", "max ms"),
    ("resident_mb", "MB resident"), ("cpu_s", "CPU s"), ("admin", "admin requests"), ("failed", "failed"),
)
_RATE = 2_000
_NAMES = 1_000
_LEAST_S, _MOST_S = 5, 15
_EVENTS_A_SECOND = 20
_GOOD = "good.test."
_TWO_AT_ONCE = 0.25
_PATHS = ("/health", "/ready", "/metrics", "/v1/status", "/v1/zones", "/v1/journal", f"/v1/zones/{_GOOD}/records",
          "/v1/search?name=h1", "/v1/conflicts", "/v1/quarantine", "/v1/digest")
_APPLIED_S = 600.0


def run(options: Options) -> Result:
    """Attack for so many minutes and give the table: a row for each turn, and the sum."""
    seed = options.seed or random.SystemRandom().randrange(1, 1 << 31)
    result = Result(f"soak: {options.minutes:g} minutes, seed {seed}", _COLUMNS)
    result.parameters = {"seed": seed, "minutes": options.minutes, "rate": _RATE, "events_a_second": _EVENTS_A_SECOND}
    print(f"soak: seed {seed} (again: --seed={seed})", flush=True)
    reason = missing("dnsperf")
    if reason:
        result.skip("all", reason)
        return result
    folder = options.work / "soak"
    folder.mkdir(parents=True)
    names = list(options.attacks)
    hints = folder / "hints.zone"
    hints.write_text(hostile.HINTS)
    with ExitStack() as stack:
        try:
            stack.enter_context(tree.network())
            stack.enter_context(hostile_servers())
        except OSError as error:
            result.skip("resolver", str(error))
            names = [name for name in names if name not in RESOLVER]
        server = attacked.streamdns(
            folder / "streamdns", options, DNS_RECURSION_ALLOW="127.0.0.0/8", DNS_ROOT_HINTS=str(hints),
            DNS_RESOLVER_DENY="none", DNS_RRL_EXEMPT="127.0.0.1/32",
        )
        producer = Producer(server.log)
        stack.callback(server.stop)
        server.launch()
        server.wait_loaded()
        _turns(options, server, producer, names, random.Random(seed), result)
        _check(options, server, producer, folder, result)
    return result


def _turns(
    options: Options, server: Streamdns, producer: Producer, names: list[str], rng: random.Random, result: Result
) -> None:
    queries = options.work / "soak" / "good.queries"
    queries.write_text("".join(f"h{number}.{_GOOD} A\n" for number in range(_NAMES)))
    ends_s = time.monotonic() + 60 * options.minutes
    number = 0
    with producer, AdminUser(server.admin_port) as user:
        while time.monotonic() < ends_s:
            number += 1
            seconds = rng.randrange(_LEAST_S, _MOST_S + 1)
            drawn = rng.sample(names, min(len(names), 2 if rng.random() < _TWO_AT_ONCE else 1))
            began_s = machine.cpu_s(server.pid)
            with ExitStack() as stack:
                arguments = (f"--port={server.port}", f"--admin-port={server.admin_port}", f"--log={server.log}",
                             f"--seed={rng.randrange(1 << 30)}")
                for name in drawn:
                    stack.enter_context(Running(name, *arguments, seconds=seconds))
                load = Dnsperf(server.port, queries, options=options, rate=_RATE, seconds=seconds).result()
            wrong = sum(count for code, count in load.rcodes.items() if code != "NOERROR")
            requests, failed = user.counted()
            result.rows.append({
                "turn": number, "attacks": " + ".join(drawn), "sent": load.sent, "lost": load.lost + wrong,
                "max_ms": 1000 * load.latency_max_s, "resident_mb": machine.memory_bytes(server.pid) / 1e6,
                "cpu_s": machine.cpu_s(server.pid) - began_s, "admin": requests, "failed": failed,
            })
            print(f"soak: turn {number}, {' + '.join(drawn)}: {load.lost + wrong} of {load.sent} lost, "
                  f"{result.rows[-1]['resident_mb']:.0f} MB", flush=True)
            assert server.alive, f"the server ended\n{server.written()}"


def _check(options: Options, server: Streamdns, producer: Producer, folder: pathlib.Path, result: Result) -> None:
    """The view is what a view made anew from the same log is, and every good name has its last address."""
    server.wait_applied(timeout_s=_APPLIED_S)
    again = Streamdns(folder / "again", options=options, log=server.log)
    with ExitStack() as stack:
        stack.callback(again.stop)
        again.launch()
        again.wait_loaded()
        digests = [json.loads(each.get("/v1/digest", timeout_s=30)[1])["digest"] for each in (server, again)]
    with Asker(server.port) as asker:
        right = sum(_shows(asker, owner, address) for owner, address in producer.last.items())
    sent, lost = (sum(row[key] for row in result.rows) for key in ("sent", "lost"))
    requests, failed = (sum(row[key] for row in result.rows) for key in ("admin", "failed"))
    result.rows.append({
        "turn": None, "attacks": f"all: {100 * lost / max(1, sent):.3f} % lost, {right} of {len(producer.last)} names "
        f"right, digest {'as that of a view made anew' if len({*digests}) == 1 else 'WRONG'}",
        "sent": sent, "lost": lost, "max_ms": max(row["max_ms"] for row in result.rows),
        "resident_mb": max(row["resident_mb"] for row in result.rows),
        "cpu_s": sum(row["cpu_s"] for row in result.rows), "admin": requests, "failed": failed,
    })
    assert len({*digests}) == 1, f"the digest is {digests[0]}, that of a view made anew {digests[1]}"
    assert right == len(producer.last), f"{right} of {len(producer.last)} names have their last address"


def _shows(asker: Asker, owner: str, address: str) -> bool:
    reply = asker.exchange(dns.message.make_query(owner, "A").to_wire(), timeout_s=5.0)
    return reply is not None and bytes(map(int, address.split("."))) in reply


class Producer(Background):
    """A good producer: changes names of a zone of its own, twenty a second; `last` is what each must have."""

    def __init__(self, log: pathlib.Path) -> None:
        super().__init__()
        self._log = log
        self.last = {f"h{number}.{_GOOD}": f"10.2.{number >> 8}.{number & 255}" for number in range(_NAMES)}
        lines = [zone.line(_GOOD, "SOA", [f"ns.{_GOOD} host.{_GOOD} 1 2 3 4 5"])]
        lines += [zone.line(owner, "A", [address]) for owner, address in self.last.items()]
        with log.open("ab") as file:
            file.writelines(lines)

    def _run(self) -> None:
        rng = random.Random(1)
        owners = list(self.last)
        with self._log.open("ab", buffering=0) as file:
            while not self._stop.wait(1 / _EVENTS_A_SECOND):
                owner = rng.choice(owners)
                self.last[owner] = f"10.3.{rng.randrange(256)}.{rng.randrange(1, 255)}"
                # O_APPEND: one write is one piece of the file, whoever else appends.
                file.write(zone.line(owner, "A", [self.last[owner]]))


class AdminUser(Background):
    """Somebody who looks at the node now and then; counts what was asked, and what was not answered within 10 s."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        self._asked = self._failed = 0

    def counted(self) -> tuple[int, int]:
        """Requests and failures since the last time."""
        asked, failed, self._asked, self._failed = self._asked, self._failed, 0, 0
        return asked, failed

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(0.25):
            path = _PATHS[number % len(_PATHS)]
            number += 1
            self._asked += 1
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                connection.request("GET", path)
                response = connection.getresponse()
                response.read()
                self._failed += response.status != 200
                connection.close()
            except (OSError, http.client.HTTPException):
                self._failed += 1

