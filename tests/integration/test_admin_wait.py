"""Waiting until a node answers from a view that holds an event."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from streamdns.events.message_id import pack
from tests.harness import Server, wait_until

SOA = "ns.example.org. host.example.org. 7 2 3 4 5"


def wait(server: Server, **parameters: Any) -> tuple[int, dict[str, Any]]:
    """GET /v1/wait."""
    status, body = server.get(f"/v1/wait?{urlencode(parameters)}", timeout_s=60)
    document: dict[str, Any] = json.loads(body)
    return status, document


class Waiter(threading.Thread):
    """A request that waits, in a thread of its own, and what the server answers to DNS as soon as it is over."""

    def __init__(self, server: Server, owner: str, **parameters: Any) -> None:
        super().__init__(daemon=True)
        self._server, self._owner, self._parameters = server, owner, parameters
        self.status, self.document = 0, dict[str, Any]()
        self.answers: list[str] = []
        self.start()

    def run(self) -> None:
        self.status, self.document = wait(self._server, **self._parameters)
        self.answers = self._server.answers(self._owner)


@pytest.fixture
def node(serve: Callable[..., Server]) -> Server:
    """A server with one zone."""
    server = serve(start=False)
    server.publish("example.org", "SOA", [SOA])
    server.start()
    server.wait_applied()
    return server


def waiting(server: Server) -> int:
    """How many requests wait, as far as one more is told; asked with no time to wait."""
    return wait(server, offset=1 << 60, timeout=0)[0]


def test_what_is_applied_already_is_told_at_once(node: Server) -> None:
    status, document = wait(node, offset=0, timeout=30)
    assert (status, document["applied"]) == (200, True)
    (seen,) = document["nodes"]
    assert (seen["applied"], seen["position"]) == (True, node.ends()[0])


def test_names_in_records_are_waited_for_in_any_case(node: Server) -> None:
    node.publish("example.org", "MX", ["10 Mail.Example.org."])
    node.wait_applied()
    wanted = {"name": "example.org", "type": "MX", "timeout": 0}
    assert wait(node, content="10 mail.example.ORG.", **wanted)[0] == 200
    assert wait(node, content="11 mail.example.ORG.", **wanted)[0] == 504


def test_an_event_to_come_is_waited_for_and_answered(node: Server) -> None:
    for number in range(10):
        end = node.ends()[0]
        waiter = Waiter(node, f"w{number}.example.org", offset=end, timeout=60)
        node.publish(f"w{number}.example.org", "A", ["192.0.2.1"])
        waiter.join(60)
        assert (waiter.status, waiter.answers) == (200, ["192.0.2.1"])


@pytest.mark.parametrize("parameters", [
    {}, {"content": "192.0.2.1"}, {"partition": 0},
])
def test_an_rrset_is_waited_for(node: Server, parameters: dict[str, Any]) -> None:
    waiter = Waiter(node, "www.example.org", name="www.example.org", type="A", timeout=60, **parameters)
    node.publish("other.example.org", "A", ["192.0.2.1"])
    node.publish("www.example.org", "A", ["192.0.2.1", "192.0.2.2"])
    waiter.join(60)
    assert (waiter.status, waiter.answers) == (200, ["192.0.2.1", "192.0.2.2"])
    waiter = Waiter(node, "www.example.org", name="www.example.org", type="A", gone=True, timeout=60, **parameters)
    node.publish("www.example.org", "A", None)
    waiter.join(60)
    assert (waiter.status, waiter.answers) == (200, [])


def test_the_time_is_over(node: Server) -> None:
    end = node.ends()[0]
    began_s = time.monotonic()
    status, document = wait(node, offset=end, timeout=0.5)
    assert time.monotonic() - began_s >= 0.5
    assert status == 504
    assert document["error"]["code"] == "not_applied"
    assert f"(at {end})" in document["error"]["message"]
    assert not document["applied"]
    assert document["nodes"][0]["position"] == end


@pytest.mark.parametrize("parameters", [
    {}, {"offset": 1, "name": "a.example", "type": "A"}, {"name": "a.example"}, {"offset": -1},
    {"offset": 1, "gone": True},
    {"name": "a..example", "type": "A"}, {"name": "a.example", "type": "A", "content": "no address"},
    {"offset": 1, "timeout": 301}, {"offset": 1, "nodes": "some"}, {"name": "a.example", "type": "WHAT"},
])
def test_what_cannot_be_waited_for(node: Server, parameters: dict[str, Any]) -> None:
    status, document = wait(node, **parameters)
    assert status == 400, document


@pytest.mark.parametrize(("topic", "offset", "said"), [
    ("", "27:1034:5", "'27:1034:5' is a message id of Pulsar, and positions of this log are whole numbers"),
    ("", "some", "'some' is no position: it has to be a whole number"),
    ("persistent://public/default/zones", "27:x", "it has to be a whole number, or a message id such as 27:1034:5"),
])
def test_what_is_no_position_is_said(node: Server, topic: str, offset: str, said: str) -> None:
    status, document = wait(node, topic=topic, offset=offset)
    assert (status, document["error"]["code"]) == (400, "bad_offset")
    assert said in document["error"]["message"]
    done = node.command("wait", "--topic", topic, "--offset", offset)
    assert done.returncode in (1, 2)
    assert said in done.stderr or "a message id such as" in done.stderr


def test_positions_of_pulsar_are_ids_too(node: Server) -> None:
    """The topic says whose position it is; this node reads another log, so the event never comes."""
    for offset in ("27:1034:5", "27:1034", str(pack(27, 1034, 5))):
        assert wait(node, topic="persistent://public/default/zones", offset=offset, timeout=0)[0] == 504


def test_no_more_wait_than_there_is_room_for(node: Server) -> None:
    end = node.ends()[0]
    waiters = [Waiter(node, "www.example.org", offset=end, timeout=60) for _ in range(32)]
    wait_until(lambda: waiting(node) == 503, "all of them wait", timeout_s=30)
    assert node.is_ready()
    assert wait(node, offset=0)[1]["error"]["code"] == "too_many_waiting"
    node.publish("www.example.org", "A", ["192.0.2.1"])
    for waiter in waiters:
        waiter.join(60)
    assert {(waiter.status, *waiter.answers) for waiter in waiters} == {(200, "192.0.2.1")}
    assert wait(node, offset=0)[0] == 200


def test_while_the_view_is_rebuilt_the_one_that_serves_counts(node: Server) -> None:
    for number in range(200):
        node.publish(f"n{number}.example.org", "A", ["192.0.2.1"])
    node.wait_applied()
    node.command("rebuild", "--no-wait")
    for number in range(5):
        end = node.ends()[0]
        node.publish(f"w{number}.example.org", "A", ["192.0.2.2"])
        waiter = Waiter(node, f"w{number}.example.org", offset=end, timeout=60)
        waiter.join(60)
        assert (waiter.status, waiter.answers) == (200, ["192.0.2.2"])
