"""Starting: with an empty view nothing is believed until all of the log was read, with a view answers come at once."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Mapping

import dns.edns
import dns.exception
import dns.rcode
import pytest

from tests.harness import Server, free_port, wait_until
from tests.harness.kafka import HOST, PASSWORD, USER, Broker
from tests.harness.kafka_node import ZONE, changes, check, event, foundation, settings, state
from tests.harness.kafka_topics import DEADLINE_S, Event, Topic

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
NOT_READY = 14
LAST = f"last.{ZONE}"
STAYS = f"stays0.{ZONE}"
#: Enough for a node to be busy with for a second or so.
MANY = 10_000
#: What is promised.
SAID_WITHIN_S = 10.0


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

    # A broker that was killed looks through all of its logs first, which takes minutes on a machine that is busy.
    wait_until(caught_up, "it has caught up", timeout_s=3 * DEADLINE_S)
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


def wrong(broker: Broker, what: str) -> tuple[Mapping[str, str], str]:
    """Settings that cannot work, and what is said of them."""
    login = {"DNS_KAFKA_ADDRESS": broker.address("SASL"), "DNS_KAFKA_SASL_ENABLE": "true", "DNS_KAFKA_USER": USER,
             "DNS_KAFKA_SASL_MECHANISM": "sha256", "DNS_KAFKA_PASSWORD": PASSWORD[:-1]}
    tls = {"DNS_KAFKA_ADDRESS": broker.address("TLS"), "DNS_KAFKA_TLS_ENABLE": "true",
           "DNS_KAFKA_TLS_CA": broker.file("ca.pem")}
    nobody = f"{HOST}:{free_port()}"
    return {
        "password": (login, f"authentication as {USER} failed"),
        "CA": (tls | {"DNS_KAFKA_TLS_CA": broker.file("other-ca.pem")}, "certificate is not accepted"),
        "host name": (tls | {"DNS_KAFKA_ADDRESS": f"[::ffff:{HOST}]:{broker.ports['TLS']}"},
                      "certificate is not accepted"),
        "topic": ({"DNS_KAFKA_TOPICS": "nope"}, "Kafka topic nope: there is no such topic"),
        "address": ({"DNS_KAFKA_ADDRESS": nobody}, f"{nobody}: connection refused"),
    }[what]


@pytest.mark.parametrize("what", ["password", "CA", "host name", "topic", "address"])
def test_what_is_wrong_is_a_state_and_a_view_answers_meanwhile(
    broker: Broker, serve: Callable[..., Server], what: str
) -> None:
    """A node with a view is started with settings that cannot work, then with the right ones again."""
    topic = Topic(broker, partitions=2)
    topic.produce(foundation(partitions=2))
    right = settings(topic, "auto")
    server = serve(**right)
    check(server, topic)
    assert server.stop() == 0
    given, said = wrong(broker, what)
    server.settings.update(given)
    server.start()
    assert reply(server, STAYS) == "192.0.2.1"
    wait_until(lambda: said in server.status()["consumer"]["error"], said, timeout_s=SAID_WITHIN_S)
    assert state(server) == "reconnecting"
    assert reply(server, STAYS) == "192.0.2.1"
    assert server.get("/ready")[0] == 200
    assert server.stop() == 0
    for name in given:
        server.settings.pop(name)
    server.settings.update(right)
    topic.produce([event(LAST, "A", ["192.0.2.99"])])
    server.start()
    wait_until(lambda: reply(server, LAST) == "192.0.2.99", "it reads on", timeout_s=DEADLINE_S)
    check(server, topic)
