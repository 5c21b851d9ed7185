"""Several processes that answer (DNS_WORKERS): what clients see while one dies, hangs, is replaced, reloads or ends."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Self

import dns.edns
import dns.message
import dns.rcode
import pytest

from tests.harness import Server, free_port, wait_until
from tests.harness.server import HOST
from tests.integration.clients import line

WWW = ["192.0.2.80", "192.0.2.81"]
#: So many clients reach every worker of a few, but for less than one in a thousand million times.
CLIENTS = 40
#: Four processes load their modules before all is ready, which a machine that is busy takes a while for.
_PATIENCE_S = 90.0
_AGAIN_S = 1.0


def query(name: str = "www.example.org.") -> dns.message.Message:
    return dns.message.make_query(name, "A")


def asked(server: Server, message: dns.message.Message) -> dns.message.Message:
    """The reply to a client with a port of its own, which asks again as stub resolvers do."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((HOST, server.port))
        client.settimeout(_AGAIN_S)
        end_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end_s:
            client.send(message.to_wire())
            with contextlib.suppress(TimeoutError):
                return dns.message.from_wire(client.recv(65535))
        raise AssertionError(f"no answer within {_PATIENCE_S} s")


def with_cookie(cookie: bytes) -> dns.message.Message:
    """A query with these octets in its COOKIE option: those of the client alone, or with the server's."""
    option = dns.edns.CookieOption(cookie[:8], cookie[8:])
    return dns.message.make_query("www.example.org.", "A", use_edns=0, options=[option])


def cookie_of(reply: dns.message.Message) -> bytes:
    (option,) = reply.options
    assert isinstance(option, dns.edns.CookieOption)
    return bytes(option.client + option.server)


def texts(reply: dns.message.Message) -> list[str]:
    return sorted(rdata.to_text() for rrset in reply.answer for rdata in rrset)


def everywhere(server: Server, expected: list[str], name: str = "www.example.org.") -> bool:
    """Whether all of many clients, so all workers, get this answer."""
    return all(texts(asked(server, query(name))) == expected for _ in range(CLIENTS))


class Load:
    """Clients that ask without a pause while the context lasts; every one of them must get the right answer."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(2)]
        self.answered = 0
        self.wrong: list[str] = []

    def _ask(self) -> None:
        while not self._over.is_set():
            try:
                reply = asked(self._server, query())
            except (AssertionError, OSError) as error:
                self.wrong.append(str(error))
                return
            if texts(reply) != WWW:
                self.wrong.append(reply.to_text())
            self.answered += 1

    def more(self, count: int) -> None:
        """Return when so many more queries were answered."""
        wanted = self.answered + count
        wait_until(lambda: self.answered >= wanted or bool(self.wrong), f"{count} more answers", timeout_s=_PATIENCE_S)
        assert not self.wrong, self.wrong[:3]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        assert not self.wrong, self.wrong[:3]
        assert self.answered


@pytest.fixture
def two(start: Callable[..., Server]) -> Callable[..., Server]:
    """A function that starts a server with the zone of these tests and two workers."""

    def make(*, run: bool = True, **env: str) -> Server:
        # Where nothing hangs, nobody is taken for one that does because the machine is busy.
        server = start(run=False, **{"DNS_WORKERS": "2", "DNS_WORKER_TIMEOUT": "120"} | env)
        return server.start(timeout_s=_PATIENCE_S) if run else server

    return make


@pytest.fixture
def from_file(two: Callable[..., Server], tmp_path: pathlib.Path) -> Callable[[str], tuple[Server, pathlib.Path]]:
    """A function that starts such a server with these lines as its environment file, and gives both."""

    def make(lines: str) -> tuple[Server, pathlib.Path]:
        file = tmp_path / "settings"
        file.write_text(lines)
        server = two(run=False)
        server.arguments = ("--env-file", str(file))
        return server.start(timeout_s=_PATIENCE_S), file

    return make


def pids(server: Server) -> list[int]:
    return [worker["pid"] for worker in server.status()["workers"]]


def replaced(server: Server, before: list[int], at: int) -> bool:
    """Whether another process answers in the place of a worker."""
    worker = server.status()["workers"][at]
    return worker["state"] == "answering" and worker["pid"] not in (None, before[at])


def is_there(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] not in ("Z", "X")


def family(server: Server) -> list[int]:
    """All processes that the main process has started, those in reserve, too."""
    return [int(pid) for pid in pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()]


def test_all_of_them_answer_and_what_they_count_is_added_up(two: Callable[..., Server]) -> None:
    server = two()
    for _ in range(CLIENTS):
        # Asked once each: what is asked again is counted again.
        assert texts(server.udp(query(), timeout_s=_PATIENCE_S)) == WWW
        assert texts(server.tcp(query(), timeout_s=_PATIENCE_S)) == WWW

    def counted() -> dict[str, float]:
        found = server.metrics()
        return {
            transport: sum(value for name, value in found.items()
                           if name.startswith(f'streamdns_dns_queries_total{{transport="{transport}"'))
            for transport in ("udp", "tcp")
        }

    wait_until(lambda: counted() == {"udp": CLIENTS, "tcp": CLIENTS}, "all are counted", timeout_s=_PATIENCE_S)
    metrics, workers = server.metrics(), server.status()["workers"]
    assert metrics["streamdns_dns_tcp_accepted_total"] == CLIENTS
    assert metrics['streamdns_dns_latency_seconds_count{transport="udp"}'] == CLIENTS
    assert all(worker["queries"] for worker in workers)
    assert sum(worker["queries"] for worker in workers) == 2 * CLIENTS
    for worker in workers:
        assert metrics[f'streamdns_workers_queries_total{{worker="{worker["number"]}"}}'] == worker["queries"]
        assert metrics[f'streamdns_workers_up{{worker="{worker["number"]}"}}'] == 1
        assert worker["pid"] in family(server)
    assert [service["name"] for service in server.status()["services"] if service["essential"]] == ["workers"]

    def seen() -> float:
        name = "streamdns_propagation_answered_seconds_count"
        return sum(value for series, value in server.metrics().items() if series.startswith(name))

    before = seen()
    server.publish("new.example.org", "A", ["192.0.2.1"])
    server.wait_applied(timeout_s=_PATIENCE_S)
    assert texts(asked(server, query("new.example.org."))) == ["192.0.2.1"]
    wait_until(lambda: seen() > before, "the answer that first showed the event is told", timeout_s=_PATIENCE_S)


def test_one_that_is_killed_is_replaced_and_nobody_gets_a_wrong_answer(two: Callable[..., Server]) -> None:
    server = two()
    with Load(server) as load:
        for at in (0, 1, 0):
            load.more(200)
            before = pids(server)
            os.kill(before[at], signal.SIGKILL)
            wait_until(lambda at=at, before=before: replaced(server, before, at), "replaced", timeout_s=_PATIENCE_S)
            load.more(200)
    assert [worker["restarts"] for worker in server.status()["workers"]] == [2, 1]
    assert server.written().count("workers.died") == 3
    assert "SIGKILL" in server.written()
    assert everywhere(server, WWW)


def test_one_that_hangs_is_killed_and_replaced(two: Callable[..., Server]) -> None:
    server = two(DNS_WORKER_TIMEOUT="2")
    with Load(server) as load:
        load.more(200)
        before = pids(server)
        os.kill(before[0], signal.SIGSTOP)
        wait_until(lambda: replaced(server, before, 0), "replaced", timeout_s=_PATIENCE_S)
        load.more(200)
    assert not is_there(before[0])
    assert "gave no sign of life for 2 s" in server.written()


def test_it_is_not_ready_while_nobody_answers(two: Callable[..., Server]) -> None:
    """Those that die at once are tried again, and say why they died."""
    server = two()
    current, aside = server.view / "current", server.view / "aside"
    current.rename(aside)
    for pid in pids(server):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: server.written().count("there is no view in") > 3, "they die at once", timeout_s=_PATIENCE_S)
    assert not server.is_ready()
    assert "workers is not ready" in server.get("/ready")[1].decode()
    assert server.metrics()['streamdns_workers_up{worker="1"}'] == 0
    aside.rename(current)
    wait_until(server.is_ready, "ready again", timeout_s=_PATIENCE_S)
    assert everywhere(server, WWW)


def test_all_end_with_the_main_process(two: Callable[..., Server]) -> None:
    """SIGTERM lets everything end well; SIGKILL leaves nobody behind, not even who stands still."""
    server = two()
    started = family(server)
    assert len(started) >= 2
    assert server.stop() == 0
    assert not [pid for pid in started if is_there(pid)]
    assert "workers.killed" not in server.written()
    server.start(timeout_s=_PATIENCE_S)
    started = family(server)
    os.kill(started[0], signal.SIGSTOP)
    server.kill()
    wait_until(lambda: not [pid for pid in started if is_there(pid)], "all gone", timeout_s=_PATIENCE_S)
    server.start(timeout_s=_PATIENCE_S)
    assert everywhere(server, WWW)


def test_signals_to_all_processes_are_for_the_main_one(two: Callable[..., Server]) -> None:
    """systemd sends SIGTERM to every process of a unit, a terminal SIGINT and SIGHUP."""
    server = two()
    before = pids(server)
    for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1):
        for pid in before:
            os.kill(pid, signum)
    assert everywhere(server, WWW)
    assert pids(server) == before


def test_events_and_a_map_that_grows_reach_all(from_file: Callable[[str], tuple[Server, pathlib.Path]]) -> None:
    """The map begins with 1 MiB and grows past what the workers mapped, while they answer."""
    server, file = from_file("DNS_VIEW_MAX_BYTES=1M\n")
    before = pids(server)
    with Load(server) as load:
        load.more(50)
        file.write_text("DNS_VIEW_MAX_BYTES=64M\n")
        server.signal(signal.SIGHUP)
        wait_until(lambda: "app.reloaded" in server.written(), "reloaded", timeout_s=_PATIENCE_S)
        for part in range(10):
            server.append(line(f"n{part}x{at}.example.org.", "TXT", [f'"{"x" * 200}"']) for at in range(1000))
        server.append([line("last.example.org.", "A", ["192.0.2.1"])])
        server.wait_applied(timeout_s=_PATIENCE_S)
        load.more(50)
        assert everywhere(server, ["192.0.2.1"], "last.example.org.")
    assert server.status()["view"]["map_bytes"] > 4 << 20
    assert pids(server) == before, server.written()
    assert "dns.view_unreadable" not in server.written()


def test_a_view_that_is_swapped_in_reaches_all(two: Callable[..., Server]) -> None:
    server = two()
    before = pids(server)
    with Load(server) as load:
        load.more(50)
        for number in range(2):
            done = server.command("rebuild")
            assert done.returncode == 0, done.stderr
            server.publish(f"after{number}.example.org", "A", ["192.0.2.9"])
            server.wait_applied(timeout_s=_PATIENCE_S)
            name = f"after{number}.example.org."
            wait_until(lambda name=name: everywhere(server, ["192.0.2.9"], name), "seen", timeout_s=_PATIENCE_S)
        load.more(50)
    assert pids(server) == before, server.written()


def test_reload_reaches_all_and_those_that_come_later(
    from_file: Callable[[str], tuple[Server, pathlib.Path]]
) -> None:
    """What all have in common and nobody set, the secret of cookies, stays what it was, also for those."""
    server, file = from_file("")
    cookie = cookie_of(asked(server, with_cookie(bytes(range(8)))))
    version = dns.message.make_query("version.bind", "TXT", "CH")

    def tell(answered: bool) -> bool:
        return all(bool(asked(server, version).answer) == answered for _ in range(CLIENTS))

    def keep() -> bool:
        """Whether every worker gives a good cookie back; one with another secret would give another one."""
        return all(cookie_of(asked(server, with_cookie(cookie))) == cookie for _ in range(CLIENTS))

    assert len(cookie) == 24
    assert keep()
    assert tell(answered=False)
    file.write_text("DNS_VERSION=true\nDNS_WORKER_TIMEOUT=30\n")
    server.signal(signal.SIGHUP)
    wait_until(lambda: tell(answered=True), "told", timeout_s=_PATIENCE_S)
    before = pids(server)
    os.kill(before[1], signal.SIGKILL)
    wait_until(lambda: replaced(server, before, 1), "replaced", timeout_s=_PATIENCE_S)
    assert tell(answered=True)
    assert keep()


def test_the_resolvers_of_all_are_one_for_the_admin_api(two: Callable[..., Server]) -> None:
    server = two(DNS_RECURSION_ALLOW="127.0.0.0/8", DNS_RESOLVER_ADDRESS=f"{HOST}:{free_port()}")
    told = server.status()["resolver"]
    assert (told["enabled"], told["workers"]) == (True, 2)
    assert texts(asked(server, query("localhost."))) == ["127.0.0.1"]
    code, body = server.get("/v1/resolver/cache?name=www.example.net")
    assert (code, b'"entries":[]' in body) == (200, True), body
    assert server.get("/v1/resolver/servers?limit=5")[0] == 200
    code, body = server.get("/v1/resolver/trace?name=localhost&type=A", timeout_s=_PATIENCE_S)
    assert (code, b"127.0.0.1" in body) == (200, True), body
    assert server.get("/v1/resolver/cache?name=a..b")[0] == 400


def test_an_address_that_is_taken_is_waited_for(two: Callable[..., Server]) -> None:
    """Sockets that share a port would have it with anybody of the same user: who has it first has it alone."""
    first = two()
    second = two(run=False, DNS_ADDRESS=f"{HOST}:{first.port}")
    second.start(wait=False)
    wait_until(lambda: "in use by another process" in second.written(), "told", timeout_s=_PATIENCE_S)
    assert everywhere(first, WWW)
    first.stop()
    wait_until(second.is_ready, "ready", timeout_s=_PATIENCE_S)


def test_what_several_processes_cannot_do_is_said(two: Callable[..., Server]) -> None:
    server = two(run=False, DNS_ADDRESS=f"{HOST}:0")
    server.settings["DNS_ADDRESS"] = f"{HOST}:0"
    done = server.command("check", "--no-bind")
    assert done.returncode == 78
    assert "leaves the port to the kernel" in done.stdout + done.stderr
    server = two(run=False, DNS_WORKER_CPUS="1023")
    done = server.command("check", "--no-bind")
    assert done.returncode == 78
    assert "DNS_WORKER_CPUS: this machine has no CPU 1023, only CPU" in done.stdout + done.stderr
    server.start(wait=False)
    assert server.process is not None
    assert server.process.wait(timeout=_PATIENCE_S) == 78
    assert "this process may not use CPU 1023, only CPU" in server.written()


def test_cpus_that_only_this_process_may_not_use_are_noted_by_check(two: Callable[..., Server]) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        pytest.skip("there is one CPU, which every process may use")
    server = two(run=False, DNS_WORKER_CPUS=str(allowed[1]))
    server.wrapper = ("taskset", "--cpu-list", str(allowed[0]))
    done = subprocess.run(
        [*server.wrapper, *server.run_command("check", "--no-bind")], env=server.environment,
        capture_output=True, text=True, check=False, timeout=_PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert f"this command may not use CPU {allowed[1]}, only CPU {allowed[0]}, and a server" in done.stderr
