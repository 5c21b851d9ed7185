"""Several nodes of one log: waiting for all of them, and finding one that does not hold the same data."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.harness import Server, event_line, free_port, wait_until
from tests.harness.server import HOST

SOA = "ns.example.org. host.example.org. 7 2 3 4 5"
MakeNodes = Callable[..., list[Server]]


@pytest.fixture
def nodes(serve: Callable[..., Server]) -> MakeNodes:
    """A function that starts nodes that follow the log of the first and know all others; `last`: the last one's own."""

    def make(number: int, *, last: dict[str, str] | None = None) -> list[Server]:
        ports = [free_port() for _ in range(number)]
        found: list[Server] = []
        for index, port in enumerate(ports):
            others = " ".join(f"{HOST}:{other}" for other in ports if other != port)
            shared = {"DNS_FILE_LOG": str(found[0].log)} if found else {}
            shared |= last or {} if index == number - 1 else {}
            server = serve(
                start=False, DNS_ADMIN_ADDRESS=f"{HOST}:{port}", DNS_PEERS=others, DNS_PEERS_INTERVAL="0.2",
                DNS_INSTANCE_ID=f"node{index}", **shared,
            )
            server.admin_port = port
            server.port = free_port()
            server.settings |= {"DNS_ADDRESS": f"{HOST}:{server.port}"}
            found.append(server)
        found[0].publish("example.org", "SOA", [SOA])
        found[0].publish("www.example.org", "A", ["192.0.2.77"])
        for server in found:
            server.start()
        return found

    return make


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


def test_nodes_know_each_other_and_who_is_away(nodes: MakeNodes) -> None:
    first, second = nodes(2)
    wait_until(lambda: seen(first, second)["diverges"] is False, "they were compared")
    found = seen(first, second)
    assert (found["error"], found["compared_at"], found["report"]["instance"]) == ("", "the same positions", "node1")
    own = ask(first, "/v1/nodes")[1]["node"]
    assert own["digest"] == found["report"]["digest"] == first.status()["digest"]
    wait_until(lambda: ask(first, "/v1/nodes/self")[1]["audit"], "its records were looked at")
    assert ask(first, "/v1/nodes/self")[1]["audit"]["ok"]
    second.stop()
    wait_until(lambda: seen(first, second)["error"], "the other one is away")
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
    first, second = nodes(2)
    wait_until(lambda: seen(first, second)["diverges"] is False, "they were compared")
    spoil(second, bytes((192, 0, 2, 77)), bytes((192, 0, 2, 78)))
    assert second.answers("www.example.org") == ["192.0.2.78"]
    wait_until(lambda: seen(first, second)["diverges"], "the first node sees it")
    assert seen(first, second)["zones"] == ["example.org."]
    wait_until(lambda: second.status()["divergence"], "the second node sees it, too")
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
