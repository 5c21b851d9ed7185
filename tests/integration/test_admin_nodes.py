"""Several nodes of one log: waiting for all of them, and finding one that does not hold the same data."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.harness import ROOT, Server, event_line, free_port, wait_until
from tests.harness.server import HOST

SOA = "ns.example.org. host.example.org. 7 2 3 4 5"
MakeNodes = Callable[..., list[Server]]


@pytest.fixture
def nodes(serve: Callable[..., Server]) -> MakeNodes:
    """A function that starts nodes that follow the log of the first and know all others.

    `last` has settings of the last one; `apart`: it follows a copy of the log, which is as new as catch_up() makes it.
    """

    def make(number: int, *, last: dict[str, str] | None = None, apart: bool = False, interval_s: float = 0.6
             ) -> list[Server]:
        ports = [free_port() for _ in range(number)]
        found: list[Server] = []
        for index, port in enumerate(ports):
            others = " ".join(f"{HOST}:{other}" for other in ports if other != port)
            shared = {"DNS_FILE_LOG": str(found[0].log)} if found and not (apart and index == number - 1) else {}
            shared |= last or {} if index == number - 1 else {}
            server = serve(
                start=False, DNS_ADMIN_ADDRESS=f"{HOST}:{port}", DNS_PEERS=others, DNS_PEERS_INTERVAL=str(interval_s),
                DNS_INSTANCE_ID=f"node{index}", **shared,
            )
            server.admin_port = port
            server.port = free_port()
            server.settings |= {"DNS_ADDRESS": f"{HOST}:{server.port}"}
            found.append(server)
        found[0].publish("example.org", "SOA", [SOA])
        found[0].publish("www.example.org", "A", ["192.0.2.77"])
        if apart:
            catch_up(found[-1], found[0])
        for server in found:
            server.start()
        return found

    return make


def catch_up(late: Server, first: Server) -> None:
    """Give a node with a copy of the log what the log has more."""
    late.append(first.log.read_bytes()[late.log.stat().st_size :])


def dig(server: Server, name: str = "www.example.org") -> str:
    """What dig shows."""
    done = subprocess.run(
        ["dig", "+short", f"@{HOST}", "-p", str(server.port), name, "A"], capture_output=True, text=True, check=True,
    )
    return done.stdout.strip()


def positions(server: Server) -> dict[int, int]:
    """How far each partition is."""
    return {int(each["partition"]): int(each["position"]) for each in server.status()["positions"]}


def ask(server: Server, path: str, **parameters: Any) -> tuple[int, Any]:
    """Status and document of a path."""
    query = urlencode(parameters)
    status, body = server.get(path + (f"?{query}" if query else ""), timeout_s=60)
    return status, json.loads(body)


def seen(server: Server, other: Server) -> dict[str, Any]:
    """What a node knows of another."""
    (found,) = [each for each in ask(server, "/v1/nodes")[1]["peers"] if each["url"].endswith(f":{other.admin_port}")]
    return dict(found)


def test_waiting_for_all_nodes_ends_when_the_last_has_it(nodes: MakeNodes) -> None:
    first, second, slow = nodes(3)
    slow.signal(signal.SIGSTOP)
    result: list[tuple[int, Any]] = []
    try:
        end = first.ends()[0]
        first.publish("new.example.org", "A", ["192.0.2.5"])
        status, document = ask(first, "/v1/wait", offset=end, timeout=4, nodes="all")
        assert status == 504
        found = {each["node"].split()[0]: each["applied"] for each in document["nodes"]}
        late = f"http://{HOST}:{slow.admin_port}"
        assert found == {"node0": True, "node1": True, late: False}
        assert late in document["error"]["message"]
        assert str(second.admin_port) not in document["error"]["message"]

        def wait() -> None:
            result.append(ask(first, "/v1/wait", offset=end, timeout=60, nodes="all"))
            result.append((0, [server.answers("new.example.org") for server in (first, second, slow)]))

        waiter = threading.Thread(target=wait)
        waiter.start()
        assert first.is_ready()
    finally:
        slow.signal(signal.SIGCONT)
    waiter.join(90)
    (status, document), (_, answers) = result
    assert (status, document["applied"], len(document["nodes"])) == (200, True, 3)
    assert answers == [["192.0.2.5"]] * 3


@pytest.mark.peers("dig")
def test_waiting_for_all_nodes_ends_when_dig_shows_it_on_all(nodes: MakeNodes) -> None:
    """One node is late on purpose, and answers with the old data meanwhile: it is named, and it is waited for."""
    first, second, late = everyone = nodes(3, apart=True)
    late_url = f"http://{HOST}:{late.admin_port}"
    wait_until(lambda: [dig(server) for server in everyone] == ["192.0.2.77"] * 3, "all have the first address")
    done = first.command(
        "publish", "www.example.org", "A", "192.0.2.88", "--ttl", "300", "--wait", "--wait-timeout", "2"
    )
    assert done.returncode == 1
    assert done.stderr.startswith("streamdns: published, but ")
    assert late_url in done.stderr
    assert str(second.admin_port) not in done.stderr
    position = int(done.stdout.rsplit(" ", 1)[1])
    ways: list[dict[str, Any]] = [
        {"offset": position}, {"name": "www.example.org", "type": "A", "content": "192.0.2.88"},
    ]
    for way in ways:
        status, document = ask(first, "/v1/wait", timeout=1.5, nodes="all", **way)
        assert status == 504
        (not_there,) = [each["node"] for each in document["nodes"] if not each["applied"]]
        assert late_url in not_there
        assert not_there in document["error"]["message"]
    assert [dig(server) for server in everyone] == ["192.0.2.88", "192.0.2.88", "192.0.2.77"]
    results: list[tuple[int, list[str]]] = []

    def wait(way: dict[str, Any]) -> None:
        status, _ = ask(first, "/v1/wait", timeout=60, nodes="all", **way)
        results.append((status, [dig(server) for server in everyone]))

    waiters = [threading.Thread(target=wait, args=(way,)) for way in ways]
    for waiter in waiters:
        waiter.start()
    for _ in range(20):
        assert dig(late) == "192.0.2.77"
        assert not results
    catch_up(late, first)
    for waiter in waiters:
        waiter.join(90)
    assert results == [(200, ["192.0.2.88"] * 3)] * 2
    waiting = subprocess.Popen(
        [sys.executable, "-m", "streamdns", "publish", "www.example.org", "A", "192.0.2.99", "--wait"],
        env=first.environment, cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )
    wait_until(lambda: dig(first) == "192.0.2.99", "it is published")
    assert waiting.poll() is None
    catch_up(late, first)
    told, _ = waiting.communicate(timeout=60)
    assert [dig(server) for server in everyone] == ["192.0.2.99"] * 3
    assert waiting.returncode == 0
    assert "applied after" in told
    assert late_url in told


def test_nodes_know_each_other_and_who_is_away(nodes: MakeNodes) -> None:
    first, second = nodes(2)
    wait_until(lambda: seen(first, second)["diverges"] is False, "they were compared")
    found = seen(first, second)
    assert (found["error"], found["compared_at"], found["report"]["instance"]) == ("", "the same positions", "node1")
    own = ask(first, "/v1/nodes")[1]["node"]
    assert own["digest"] == found["report"]["digest"] == first.status()["digest"]
    wait_until(lambda: ask(first, "/v1/nodes/self")[1]["audit"], "its records were looked at")
    assert ask(first, "/v1/nodes/self")[1]["audit"]["ok"]

    def counted() -> bool:
        assert second.answers("www.example.org") == ["192.0.2.77"]
        return (seen(first, second)["queries_per_second"] or 0.0) > 0

    wait_until(counted, "its queries were counted")
    second.stop()
    wait_until(lambda: seen(first, second)["error"], "the other one is away")
    assert seen(first, second)["queries_per_second"] is None
    assert first.metrics()["streamdns_nodes_unreachable"] == 1
    assert seen(first, second)["diverges"] is False
    second.start()
    wait_until(lambda: not seen(first, second)["error"], "it is back")


def spoil(server: Server, octets: bytes, other: bytes) -> None:
    """Change octets in the file of a running node's view, wherever they stand."""
    (path,) = server.view.glob("view-*/data.mdb")
    with path.open("r+b", buffering=0) as file:
        content = file.read()
        at = content.find(octets)
        assert at >= 0
        while at >= 0:
            os.pwrite(file.fileno(), other, at)
            at = content.find(octets, at + 1)


def test_a_byte_that_changed_on_one_node_is_found_and_named(nodes: MakeNodes) -> None:
    """By the audit that is under way, or the next; by its peer when that asks for the second time from then on."""
    first, second = nodes(2)
    wait_until(lambda: seen(first, second)["diverges"] is False, "they were compared")
    audits = second.metrics()["streamdns_view_audits_total"]
    spoil(second, bytes((192, 0, 2, 77)), bytes((192, 0, 2, 78)))
    assert second.answers("www.example.org") == ["192.0.2.78"]
    wait_until(lambda: second.metrics()["streamdns_view_audits_total"] >= audits + 2, "its records were looked at")
    assert second.status()["divergence"]
    asked = seen(first, second)["asked"]
    wait_until(lambda: seen(first, second)["asked"] > asked, "the first node has asked it")
    assert seen(first, second)["diverges"]
    assert seen(first, second)["zones"] == ["example.org."]
    assert first.status()["divergence"]
    assert first.metrics()["streamdns_nodes_diverged"] == 1
    assert second.metrics()["streamdns_view_audit_wrong"] == 1
    assert "nodes.diverged" in first.written()
    assert "view.audit_failed" in second.written()
    done = first.command("compare", f"{HOST}:{second.admin_port}")
    assert done.returncode == 1
    assert "www.example.org. A" in done.stdout
    assert "192.0.2.78" in done.stdout
    assert first.command("nodes").returncode == 1
    second.command("rebuild")
    wait_until(lambda: seen(first, second)["diverges"] is False, "a rebuild heals it")
    assert first.command("compare", f"{HOST}:{second.admin_port}").returncode == 0


def test_digests_that_differ_at_the_same_positions(nodes: MakeNodes) -> None:
    first, second = nodes(2, last={"DNS_DEFAULT_TTL": "77"})
    wait_until(lambda: seen(first, second)["diverges"] is False, "they were compared")
    first.append(event_line("other.example.org.|A", [
        {"name": "other.example.org.", "type": "A", "content": "192.0.2.1"},
    ]))
    wait_until(lambda: seen(first, second)["diverges"], "the first node sees it")
    found = seen(first, second)
    assert (found["compared_at"], found["zones"]) == ("the same positions", ["example.org."])
    done = first.command("compare", f"{HOST}:{second.admin_port}", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["differences"] == [
        {"name": "other.example.org.", "type": "A", "here": "3600 192.0.2.1", "there": "77 192.0.2.1"},
    ]
    first.publish("other.example.org", "A", None)
    wait_until(lambda: seen(first, second)["diverges"] is False, "it is over")
    assert "nodes.agree" in first.written()


def test_peers_are_asked_with_a_token(nodes: MakeNodes, tmp_path: pathlib.Path) -> None:
    login = {"DNS_ADMIN_JWTSECRET": "a secret of more than thirty-two octets", "DNS_ADMIN_USERNAME": "u"}
    first, second = nodes(2, last=login | {"DNS_ADMIN_PASSWORD": "pass word"})
    wait_until(lambda: "token" in seen(first, second)["error"], "the first one is refused")
    token = second.command("token", "create", "--role", "viewer").stdout
    file = tmp_path / "token"
    file.write_text(token)
    first.stop()
    first.settings["DNS_PEERS_TOKEN_FILE"] = str(file)
    first.start()
    wait_until(lambda: seen(first, second)["diverges"] is False, "it is let in")
    compared = first.command("compare", f"{HOST}:{second.admin_port}")
    assert (compared.returncode, compared.stdout) == (0, "no differences\n"), compared
    end = first.ends()[0]
    first.publish("www.example.org", "A", ["192.0.2.9"])
    assert ask(first, "/v1/wait", offset=end, timeout=60, nodes="all")[0] == 200
    assert second.answers("www.example.org") == ["192.0.2.9"]


def test_a_node_stops_in_time_while_a_peer_is_silent(nodes: MakeNodes) -> None:
    first, second = nodes(2)
    second.signal(signal.SIGSTOP)
    try:
        wait_until(lambda: seen(first, second)["asked"], "it is asked")
        assert first.stop() == 0
    finally:
        second.signal(signal.SIGCONT)
    assert "service.stop_timeout" not in first.written()


def test_nodes_at_different_positions_are_compared_where_both_have_been(nodes: MakeNodes) -> None:
    first, second = nodes(2)
    wait_until(lambda: seen(first, second)["diverges"] is False, "they were compared")
    for number in range(1200):
        first.publish(f"n{number % 40}.example.org", "TXT", [f'"{"x" * 150}{number}"'])
        if number % 100 == 99:
            wait_until(lambda: positions(first) == positions(second) == first.ends(), "both have it")
    marks = [{mark["position"]: mark["digest"] for mark in ask(each, "/v1/nodes/self")[1]["marks"]} for each in
             (first, second)]
    common = marks[0].keys() & marks[1].keys()
    assert len(common) > 2
    assert all(marks[0][position] == marks[1][position] for position in common)
