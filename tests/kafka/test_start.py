"""Starting: with an empty view nothing is believed until all of the log was read, with a view answers come at once."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator

import dns.edns
import dns.exception
import dns.rcode
import pytest

from tests.harness import Server, wait_until
from tests.harness.kafka import Broker
from tests.harness.kafka_node import ZONE, changes, check, event, foundation, settings, state
from tests.harness.kafka_topics import DEADLINE_S, Event, Topic

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
NOT_READY = 14
LAST = f"last.{ZONE}"
STAYS = f"stays0.{ZONE}"
#: Enough for a node to be busy with for a second or so.
MANY = 10_000


@pytest.fixture
def own_broker(broker: Broker) -> Iterator[Broker]:
    """The broker, which a test may kill."""
    yield broker
    if broker.process is None:
        broker.start()


def log(*, partitions: int) -> list[Event]:
    """A zone, many changes, and a name that comes last."""
    last = event(LAST, "A", ["192.0.2.99"], partitions - 1)
    return [*foundation(partitions=partitions), *changes(MANY, partitions=partitions, seed=3), last]


def reply(server: Server, name: str) -> str:
    """What is said of a name: its address, or RCODE and extended error; "" where nothing is said."""
    try:
        found = server.ask(name, use_edns=0)
    except (OSError, dns.exception.DNSException):
        return ""
    if found.answer:
        return str(found.answer[0][0])
    codes = [int(option.code) for option in found.options if isinstance(option, dns.edns.EDEOption)]
    return " ".join([dns.rcode.to_text(found.rcode()), *map(str, codes)])


def test_an_empty_view_says_that_it_is_not_ready(
    own_broker: Broker, client: str, serve: Callable[..., Server]
) -> None:
    """SERVFAIL and why, without a broker and while catching up, for the first name of the log and for the last."""
    topic = Topic(own_broker, partitions=2)
    topic.produce(log(partitions=2))
    own_broker.kill()
    server = serve(start=False, **settings(topic, client))
    server.start(wait=False)
    wait_until(lambda: reply(server, STAYS), "it answers", timeout_s=DEADLINE_S)
    wait_until(lambda: state(server) == "reconnecting", "it says that it reconnects", timeout_s=DEADLINE_S)
    not_ready = f"SERVFAIL {NOT_READY}"
    assert reply(server, STAYS) == reply(server, f"none.{ZONE}") == not_ready
    assert server.get("/ready")[0] == 503
    own_broker.begin()

    def caught_up() -> bool:
        said = reply(server, STAYS)
        assert said in (not_ready, "192.0.2.1")
        if said == not_ready:
            return False
        assert reply(server, LAST) == "192.0.2.99", "the first answer comes after the last event"
        return True

    wait_until(caught_up, "it has caught up", timeout_s=DEADLINE_S)
    check(server, topic)


def test_a_view_answers_at_once_and_shows_how_far_behind_it_is(
    own_broker: Broker, client: str, serve: Callable[..., Server]
) -> None:
    """Without a broker, too; what was written meanwhile is lag, then answers."""
    topic = Topic(own_broker, partitions=2)
    topic.produce(foundation(partitions=2))
    server = serve(**settings(topic, client))
    check(server, topic)
    assert server.stop() == 0
    topic.produce(log(partitions=2))
    own_broker.kill()
    server.start()
    assert reply(server, STAYS) == "192.0.2.1"
    assert reply(server, LAST) == "NXDOMAIN"
    wait_until(lambda: state(server) == "reconnecting", "it says that it reconnects", timeout_s=DEADLINE_S)
    own_broker.start()
    lags: list[int] = []

    def caught_up() -> bool:
        try:
            lags.append(server.status()["lag"]["events"])
        except (OSError, http.client.HTTPException):
            return False
        assert reply(server, STAYS) == "192.0.2.1"
        return reply(server, LAST) == "192.0.2.99"

    wait_until(caught_up, "it has caught up", timeout_s=DEADLINE_S)
    assert max(lags) > 0
    check(server, topic)
    assert server.status()["lag"]["events"] == 0
