"""Watching a node whose answers are not those that this console knows, without a server."""

from __future__ import annotations

import asyncio
from typing import Any

from streamdns_console.api import Api, ApiProblem, NotUnderstood, Unreachable
from streamdns_console.attention import attention_of
from streamdns_console.calls import Call
from streamdns_console.model import Link, Part
from streamdns_console.state import state_of
from streamdns_console.watch import NodeWatch

from tests.console import fake
from tests.console.fake import NOW_S, snapshot


class StubbornApi(Api):
    """Answers from a table by path, an error where it holds one."""

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__(fake.URL)
        self.answers = answers

    async def ask(self, call: Call[Any]) -> Any:
        answer = self.answers.get(call.path, Unreachable("no answer in time"))
        if isinstance(answer, ApiProblem):
            raise answer
        return answer


def watched(answers: dict[str, Any]) -> NodeWatch:
    """What is known after one turn."""

    async def turn() -> NodeWatch:
        watch = NodeWatch(
            StubbornApi(answers), interval_s=1.0, changed=lambda: None, now_s=lambda: NOW_S, elapsed_s=lambda: 1.0
        )
        watch.want(frozenset({"consumer"}))
        await watch.turn()
        await watch.close()
        return watch

    return asyncio.run(turn())


GOOD = {
    "/v1/status": fake.status(version="9.0.0"),
    "/v1/metrics": fake.metrics(),
    "/v1/consumer": fake.consumer(),
    "/v1/nodes": fake.peers.Nodes(node=fake.report("ns1"), peers=[]),
}


def test_a_part_that_is_answered_in_another_form_spoils_nothing_else() -> None:
    """It is said which; the rest is live, and the versions are told apart."""
    other = NotUnderstood("answers /v1/metrics in another way than this console knows: no field time")
    node = watched({**GOOD, "/v1/metrics": other}).node
    assert node.connection.link is Link.LIVE
    assert node.foreign == {"metrics"}
    assert node.consumer is not None
    assert state_of(node).word == "serving"
    needs = {each.key: each for each in attention_of(snapshot(node, version="0.1.0"))}
    assert needs["foreign metrics"].text.endswith("no field time: use the console of its version")
    assert needs["console-version"].text == "ns1.example.net runs 9.0.0, this console is of 0.1.0"


def test_a_status_in_another_form_is_a_state() -> None:
    """One that is not there is no disconnected node."""
    node = watched({**GOOD, "/v1/status": NotUnderstood("answers /v1/status in another way")}).node
    assert (node.live, state_of(node).word) == (True, "not understood")


def test_a_node_without_an_answer_is_lost() -> None:
    """With the cause."""
    node = watched({**GOOD, "/v1/consumer": Unreachable("no answer in time")}).node
    assert node.connection.link is Link.LOST
    assert node.connection.cause == "no answer in time"


def test_speeds_come_with_the_partitions() -> None:
    """One reading for each answer."""
    node = watched(GOOD).node
    assert len(node.speeds.readings) == 1
    assert node.consumer == Part(GOOD["/v1/consumer"], NOW_S)
