"""Start, signals, stop, systemd, and what a node says and does while its log is out of reach."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack

import dns.edns
import dns.message
import dns.rcode
import pytest

from tests.harness import Server, event_line, wait_until
from tests.harness.server import HOST
from tests.integration.clients import unreadable

SOA = "ns.example.org. host.example.org. 1 2 3 4 5"
STALE_ANSWER = 3


def zone(server: Server) -> None:
    """A zone with one name."""
    server.publish("example.org", "SOA", [SOA], timestamp=1)
    server.publish("www.example.org", "A", ["192.0.2.1"], timestamp=1)


def ede(server: Server, name: str = "www.example.org") -> list[int]:
    """The extended errors of an answer."""
    reply = server.ask(name, use_edns=0)
    assert reply.answer
    return [int(option.code) for option in reply.options if isinstance(option, dns.edns.EDEOption)]


def state(server: Server) -> str:
    """The consumer's state."""
    return str(server.status()["consumer"]["state"])


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_time_with_connections_open(serve: Callable[..., Server], signum: int) -> None:
    server = serve(start=False, DNS_DRAIN="1.5")
    zone(server)
    server.start()
    ready: list[object] = []

    def look() -> None:
        while server.alive:
            try:
                ready.append(server.get("/ready", timeout_s=5)[0])
            except OSError:
                ready.append("closed")

    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection((HOST, server.port))) for _ in range(5)]
        begun = stack.enter_context(socket.create_connection((HOST, server.port)))
        begun.sendall(b"\0\x30half a message")
        admin = stack.enter_context(socket.create_connection((HOST, server.admin_port)))
        admin.sendall(b"GET /ready HTTP/1.1\r\n")
        used = stack.enter_context(socket.create_connection((HOST, server.port)))
        query = dns.message.make_query("www.example.org", "A").to_wire()
        used.sendall(len(query).to_bytes(2, "big") + query)
        assert len(used.recv(512)) > len(query)
        looker = threading.Thread(target=look)
        looker.start()
        wait_until(lambda: ready, "/ready is looked at")
        server.signal(signum)
        assert server.process is not None
        assert server.process.wait(10) == 0
        looker.join()
        for connection in (*silent, used):
            connection.settimeout(5)
            try:
                assert connection.recv(1) == b""
            except ConnectionResetError:
                pass
    # Ready until the signal, and never again after it.
    first = next(number for number, found in enumerate(ready) if found != 200)
    assert first > 0
    assert set(ready[first:]) <= {503, "closed"}
    assert ready[first] == 503, "whoever asks /ready sees it while queries are still answered"
    written = server.written()
    assert f"app.stopping [app] cause={signal.Signals(signum).name}" in written
    assert written.rstrip().splitlines()[-1].endswith("app.stopped [app]")
    assert "service.stop_timeout" not in written


def processor_s(server: Server) -> float:
    """The processor time that the server has used so far."""
    fields = pathlib.Path(f"/proc/{server.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _heavy(count: int) -> bytes:
    """Events whose decoding takes long."""
    return b"".join(
        event_line(
            f"n{number}.example.org.|LOC",
            [{"name": f"n{number}.example.org.", "type": "LOC", "content": "60 9 0.000 N 24 39 0.000 E 10.00m"}],
        )
        for number in range(count)
    )


def test_a_stop_in_the_middle_of_a_long_commit_waits_for_it(serve: Callable[..., Server]) -> None:
    server = serve(start=False, DNS_BATCH_EVENTS="100000", DNS_STOP_TIMEOUT="30")
    zone(server)
    server.start()
    server.append(_heavy(15_000))
    wait_until(lambda: server.status()["lag"]["bytes"] > 0 or server.positions()[0] > 5000, "a commit is under way")
    assert server.stop(timeout_s=30) == 0
    assert "service.stop_timeout" not in server.written()
    server.start()
    server.wait_applied()
    assert server.status()["records"] == 15_002
    assert server.command("digest", "--verify").returncode == 0


def test_a_stop_that_is_in_a_hurry_leaves_a_long_commit_behind(serve: Callable[..., Server]) -> None:
    server = serve(start=False, DNS_BATCH_EVENTS="100000", DNS_STOP_TIMEOUT="0.1")
    zone(server)
    server.append(_heavy(15_000))
    server.start(wait=False)
    wait_until(lambda: "consumer.connected" in server.written(), "the log is read")
    before_s = processor_s(server)
    wait_until(lambda: processor_s(server) > before_s + 0.2, "the commit is under way: nothing else is done then")
    assert server.stop() == 0
    assert "service.stop_timeout" in server.written()
    server.start()
    server.wait_applied()
    assert server.status()["records"] == 15_002
    assert server.command("digest", "--verify").returncode == 0
    server.settings["DNS_STOP_TIMEOUT"] = "5"


def test_sighup_takes_over_what_it_can_and_says_what_it_cannot(
    serve: Callable[..., Server], tmp_path: pathlib.Path
) -> None:
    settings = tmp_path / "streamdns.env"
    settings.write_text("LOG_LEVEL=info\nDNS_UDP_BATCH=10\n")
    server = serve(start=False)
    server.arguments = ("--env-file", str(settings))
    server.start()
    assert "DEBUG" not in server.written()
    settings.write_text("LOG_LEVEL=debug\nDNS_UDP_BATCH=20\n")
    server.signal(signal.SIGHUP)
    wait_until(lambda: "app.reloaded" in server.written(), "the settings are read again")
    line = next(line for line in server.written().splitlines() if "app.reloaded" in line)
    assert "applied=LOG_LEVEL" in line
    assert "restart=DNS_UDP_BATCH" in line
    settings.write_text("LOG_LEVEL=loud\n")
    server.signal(signal.SIGHUP)
    wait_until(lambda: "app.reload_failed" in server.written(), "a bad value is refused")
    settings.unlink()
    os.mkfifo(settings)
    server.signal(signal.SIGHUP)
    wait_until(lambda: server.written().count("app.reload_failed") == 2, "nobody waits for who writes to a pipe")
    assert server.is_ready()
    assert server.stop() == 0
    assert "service.stopped" in server.written()  # a line of level debug


def test_systemd_is_told_when_it_is_ready_alive_and_stopping(serve: Callable[..., Server]) -> None:
    server = serve(start=False)
    zone(server)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        path = str(server.folder / "notify")
        notify.bind(path)
        notify.settimeout(20)
        server.settings |= {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "300000"}
        server.start(wait=False)
        said: list[str] = []

        def hears(what: str, *, times: int = 1) -> None:
            while sum(each.startswith(what) for each in said) < times:
                said.append(notify.recv(4096).decode())

        hears("READY=1")
        # Ready means bound: it answers at once.
        assert server.ask("www.example.org").rcode() in (dns.rcode.NOERROR, dns.rcode.SERVFAIL)
        hears("WATCHDOG=1", times=4)
        hears("STATUS=following; 1 zones, 2 records")
        server.signal(signal.SIGHUP)
        hears("RELOADING=1")
        hears("READY=1", times=2)
        server.signal(signal.SIGTERM)
        hears("STOPPING=1")
        assert server.process is not None
        assert server.process.wait(10) == 0
    stored = [line for each in said for line in each.splitlines() if line.startswith("FDNAME=")]
    assert stored == [f"FDNAME={name.replace(':', '_')}" for name in (
        f"DNS_ADMIN_ADDRESS TCP 127.0.0.1:{server.admin_port}", f"DNS_ADDRESS UDP 127.0.0.1:{server.port}",
        f"DNS_ADDRESS TCP 127.0.0.1:{server.port}")]
    assert said.index("READY=1") < 6
    assert not any(each.startswith("READY") for each in said[said.index("STOPPING=1") :])


def test_a_log_that_cannot_be_read_is_shown_and_survived(serve: Callable[..., Server]) -> None:
    server = serve(partitions=1, start=False)
    zone(server)
    server.start()
    digest = server.status()["digest"]
    with unreadable(server):
        wait_until(lambda: state(server) == "reconnecting", "the log is out of reach")
        assert "is not a regular file" in server.status()["consumer"]["error"]
        for _ in range(20):
            assert server.answers("www.example.org") == ["192.0.2.1"]
        assert server.is_ready()
        assert ede(server) == []
        # So it does when it is started like that.
        assert server.stop() == 0
        server.start()
        assert server.answers("www.example.org") == ["192.0.2.1"]
        wait_until(lambda: state(server) == "reconnecting", "the log is still out of reach")
        assert server.is_ready()
        assert ede(server) == []
    wait_until(lambda: state(server) == "following", "it follows again")
    assert server.status()["digest"] == digest
    assert server.status()["consumer"]["alarm"] is None
    server.publish("late.example.org", "A", ["192.0.2.2"])
    wait_until(lambda: server.answers("late.example.org") == ["192.0.2.2"], "it goes on")
    assert server.metrics()["streamdns_consumer_reconnects_total"] >= 1


def test_answers_are_marked_as_stale_after_a_while_and_no_longer_when_the_log_is_back(
    serve: Callable[..., Server],
) -> None:
    server = serve(partitions=1, start=False, DNS_STALE_AFTER="1")
    zone(server)
    server.start()
    assert ede(server) == []
    with unreadable(server):
        wait_until(lambda: ede(server) == [STALE_ANSWER], "answers are marked")
        assert server.answers("www.example.org") == ["192.0.2.1"]
        code, body = server.get("/ready")
        assert code == 503
        assert json.loads(body)["because"] == ["the log has been out of reach for longer than DNS_STALE_AFTER"]
        assert server.status()["consumer"]["stale"]
        assert server.get("/health")[0] == 200
    wait_until(lambda: ede(server) == [], "answers are no longer marked")
    wait_until(server.is_ready, "it is ready again")


def test_every_line_is_json(serve: Callable[..., Server]) -> None:
    server = serve(
        partitions=1, start=False, LOG_FORMAT="json", LOG_LEVEL="debug", DNS_UNKNOWN="1", DNS_SWAP_GUARD="off"
    )
    zone(server)
    server.append(b'{"key": "www.example.org.|A", "value": "{\\u2028 not \\n json"}\nnot a line at all\n')
    server.start()
    server.wait_applied()
    server.ask("www.example.org")
    with unreadable(server):
        wait_until(lambda: state(server) == "reconnecting", "the log is out of reach")
    wait_until(lambda: state(server) == "following", "it follows again")
    server.signal(signal.SIGHUP)
    wait_until(lambda: "app.reloaded" in server.written(), "reloaded")
    other = server.folder / "other.jsonl"
    other.write_bytes(event_line("example.org.|SOA", [{"name": "example.org.", "type": "SOA", "content": SOA}], 9))
    other.rename(server.partition(0))
    wait_until(lambda: server.ask("www.example.org").rcode() == dns.rcode.NXDOMAIN, "rebuilt")
    assert server.stop() == 0
    lines = [json.loads(line) for line in server.output.read_text().splitlines()]
    assert all({"ts", "level", "event", "component"} <= set(line) for line in lines)
    events = {line["event"] for line in lines}
    assert {
        "app.starting", "app.ready", "app.stopping", "app.stopped", "consumer.connected", "consumer.caught_up",
        "consumer.event_rejected", "consumer.reconnecting", "consumer.log_replaced", "consumer.rebuild_swapped",
        "settings.warning", "app.reloaded",
    } <= events  # fmt: skip
    rejected = [line for line in lines if line["event"] == "consumer.event_rejected"]
    assert {line["position"] for line in rejected[:2]} == {rejected[0]["position"], rejected[1]["position"]}
    assert all(line["reason"] and line["topic"] == "file" for line in rejected)


def test_a_partition_that_is_added_while_it_runs_is_read(serve: Callable[..., Server]) -> None:
    server = serve(partitions=1, start=False)
    zone(server)
    server.start()
    new = server.log / "7.jsonl"
    record = {"name": "seven.example.org.", "type": "A", "content": "192.0.2.7"}
    new.write_bytes(event_line("seven.example.org.|A", [record], 1))
    wait_until(lambda: server.answers("seven.example.org") == ["192.0.2.7"], "the new partition is read")
    server.wait_applied()
    assert set(server.positions()) == {0, 7}
    assert server.stop() == 0
    server.start()
    assert server.positions() == {0: server.ends()[0], 7: server.ends()[7]}


def test_an_appended_event_is_answered_soon(serve: Callable[..., Server]) -> None:
    server = serve(partitions=2, start=False)
    zone(server)
    server.start()
    for number in range(30):
        server.publish("www.example.org", "A", [f"192.0.2.{number + 10}"], timestamp=number + 2, partition=0)
        wait_until(
            functools.partial(lambda wanted: server.answers("www.example.org") == wanted, [f"192.0.2.{number + 10}"]),
            "the change is answered", timeout_s=5, interval_s=0.001,
        )
        server.publish(f"n{number}.example.org", "A", ["192.0.2.1"], partition=1)
        wait_until(
            functools.partial(server.answers, f"n{number}.example.org"), "the new name is answered",
            timeout_s=5, interval_s=0.001,
        )


def test_a_second_server_on_one_view_says_who_holds_it(serve: Callable[..., Server]) -> None:
    server = serve(DNS_INSTANCE_ID="the-first")
    second = serve(start=False, DNS_PATHDB=str(server.view), DNS_ADDRESS=f"{HOST}:0", DNS_ADMIN_ADDRESS="off")
    done = second.command("run", timeout_s=20)
    assert done.returncode in (1, 78)
    said = done.stderr.splitlines()[-1]
    assert said.endswith(f"the view in {server.view} is in use by streamdns the-first (pid {server.pid})")
    assert "Traceback" not in done.stderr
    assert server.is_ready()
