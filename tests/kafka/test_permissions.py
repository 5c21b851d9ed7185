"""A broker that asks who may do what: what is not allowed is said, and what is allowed later is found by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from streamdns.errors import LogReplaced, SourceError
from streamdns.sources.kafka.source import KafkaSource
from tests.harness import Server, wait_until
from tests.harness.kafka import PASSWORD, USER, VERSIONS, Broker, missing
from tests.harness.kafka_node import check, event, settings, soa, state
from tests.harness.kafka_topics import COMPACTED, DEADLINE_S, Event, Topic, read_to_end, seen

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
GROUP = "streamdns-guarded"
AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
SAID_WITHIN_S = 10.0


class Guarded:
    """A broker where only those without a name may do everything."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._admin = AdminClient({"bootstrap.servers": broker.address(), "log_level": 0})

    def allow(self, principal: str, operation: AclOperation, name: str, *, of: ResourceType) -> None:
        """Let somebody do something; returns when the broker knows it."""
        acl = AclBinding(of, name, ResourcePatternType.LITERAL, principal, "*", operation, AclPermissionType.ALLOW)
        for future in self._admin.create_acls([acl]).values():
            future.result(DEADLINE_S)
        wait_until(lambda: self._listed(principal, name), "the permission is there", timeout_s=DEADLINE_S)

    def forbid(self, principal: str, name: str) -> None:
        """Take back what was allowed for one topic or group."""
        for future in self._admin.delete_acls([_filter(principal, name)]).values():
            future.result(DEADLINE_S)
        wait_until(lambda: not self._listed(principal, name), "the permission is gone", timeout_s=DEADLINE_S)

    def _listed(self, principal: str, name: str) -> bool:
        return bool(self._admin.describe_acls(_filter(principal, name)).result(DEADLINE_S))


def _filter(principal: str, name: str) -> AclBindingFilter:
    return AclBindingFilter(ResourceType.ANY, name, ResourcePatternType.LITERAL, principal, None, AclOperation.ANY,
                            AclPermissionType.ANY)


class Somebody(NamedTuple):
    """A way in, who one is then, and the client that reads."""

    listener: str
    principal: str
    client: str


WITH_PASSWORD = Somebody("SASL", f"User:{USER}", "confluent")
#: The only way for pykafka to be somebody.
WITH_CERTIFICATE = Somebody("MTLS", "User:CN=client", "pykafka")


@pytest.fixture(scope="module", params=VERSIONS)
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    reason = missing()
    if reason:
        pytest.skip(reason)
    properties = {"authorizer.class.name": AUTHORIZER, "super.users": "User:ANONYMOUS"}
    with Broker(tmp_path_factory.mktemp("guarded"), request.param, **properties) as broker:
        yield Guarded(broker)


@pytest.fixture(params=[WITH_PASSWORD, WITH_CERTIFICATE], ids=["password", "certificate"])
def somebody(request: pytest.FixtureRequest, guarded: Guarded) -> Somebody:
    who: Somebody = request.param
    return who if guarded.broker.version.startswith("3.") else who._replace(client="confluent")


def source_of(topic: Topic, who: Somebody, **more: Any) -> KafkaSource:
    """A source that comes in as somebody."""
    broker = topic.broker
    assert isinstance(broker, Broker)
    if who.listener == "SASL":
        identity = {"mechanism": "SCRAM-SHA-256", "user": USER, "password": PASSWORD}
    else:
        identity = {"tls": True, "ca": broker.file("ca.pem"), "certificate": broker.file("client.crt"),
                    "key": broker.file("client.key")}
    return topic.source(addresses=(broker.address(who.listener),), group=GROUP, **identity, **more)


def refusal(source: KafkaSource) -> str:
    """What connecting or the first reading says, within the time that is promised."""
    began = time.monotonic()
    try:
        source.connect({}, {})
        while time.monotonic() < began + SAID_WITHIN_S:
            source.read(max_records=100, timeout_s=0.2)
    except LogReplaced:
        raise
    except SourceError as error:
        assert time.monotonic() - began < SAID_WITHIN_S
        return str(error)
    finally:
        source.close()
    raise AssertionError(f"it may not, and after {SAID_WITHIN_S:g} s it has not said so")


def reads(source: KafkaSource, topic: Topic) -> None:
    """It connects and finds all of the topic."""
    source.connect({}, {})
    assert seen(read_to_end(source)[0]) == topic.read()


def test_from_nothing_to_everything(guarded: Guarded, somebody: Somebody) -> None:
    """Not even seen; seen and not read; read, with warnings; and without any."""
    topic = Topic(guarded.broker, config=COMPACTED | {"delete.retention.ms": "1209600000"})
    topic.produce([Event(b"k", b"v")])
    who = somebody.principal
    denied = f"Kafka topic {topic.name}: no permission for the topic"
    assert denied in refusal(source_of(topic, somebody))

    guarded.allow(who, AclOperation.DESCRIBE, topic.name, of=ResourceType.TOPIC)
    said = refusal(source_of(topic, somebody))
    assert "no permission for the topic" in said
    assert topic.name in said

    guarded.allow(who, AclOperation.READ, topic.name, of=ResourceType.TOPIC)
    source = source_of(topic, somebody, check_s=0.2)
    try:
        reads(source, topic)
        assert source.client == somebody.client
        assert any("its settings cannot be looked at: no permission" in warning for warning in source.warnings)

        def said_of_group() -> str:
            source.read(max_records=10, timeout_s=0.05)
            return str(source.details()["group_error"])

        assert "no permission for the group" in wait_until(said_of_group, "the group", timeout_s=DEADLINE_S)
        assert set(topic.committed(GROUP).values()) <= {-1001}, "nothing is written down"

        guarded.allow(who, AclOperation.DESCRIBE_CONFIGS, topic.name, of=ResourceType.TOPIC)
        guarded.allow(who, AclOperation.READ, GROUP, of=ResourceType.GROUP)
        topic.produce([Event(b"l", b"w")])
        wait_until(lambda: not said_of_group(), "the group is open", timeout_s=DEADLINE_S)
        wait_until(lambda: said_of_group() or topic.committed(GROUP) == {0: 2}, "written", timeout_s=DEADLINE_S)
        source.connect({}, {})
        assert not any("cannot be looked at" in warning for warning in source.warnings)
    finally:
        source.close()
        guarded.forbid(who, GROUP)


def test_a_topic_that_is_not_there_and_may_not_be_seen(guarded: Guarded) -> None:
    """Kafka does not tell the two apart, so neither is said to be it."""
    topic = Topic(guarded.broker)
    said = refusal(source_of(topic, WITH_PASSWORD, topics=("nope",)))
    assert "Kafka topic nope: no permission for the topic" in said


def test_a_node_whose_rights_come_and_go(guarded: Guarded, serve: Callable[..., Server]) -> None:
    """A named state and answers from what is there; it goes on by itself when it may."""
    topic = Topic(guarded.broker, partitions=2)
    topic.produce([soa(), event("stays.example.org.", "A", ["192.0.2.1"], 1)])
    server = serve(start=False, **settings(topic, "auto") | {
        "DNS_KAFKA_ADDRESS": guarded.broker.address("SASL"), "DNS_KAFKA_SASL_ENABLE": "true",
        "DNS_KAFKA_SASL_MECHANISM": "sha512", "DNS_KAFKA_USER": USER, "DNS_KAFKA_PASSWORD": PASSWORD,
    })
    server.start(wait=False)
    denied = f"Kafka topic {topic.name}: no permission for the topic"
    wait_until(lambda: denied in says(server)[1], "it says why", timeout_s=DEADLINE_S)
    assert state(server) == "reconnecting"
    assert server.ask("stays.example.org").rcode() == 2

    guarded.allow(WITH_PASSWORD.principal, AclOperation.READ, topic.name, of=ResourceType.TOPIC)
    check(server, topic)
    assert server.answers("stays.example.org") == ["192.0.2.1"]

    guarded.forbid(WITH_PASSWORD.principal, topic.name)
    topic.produce([event("later.example.org.", "A", ["192.0.2.2"])])
    wait_until(lambda: state(server) == "reconnecting", "it may not read any more", timeout_s=DEADLINE_S)
    assert "no permission for the topic" in says(server)[1]
    assert server.answers("stays.example.org") == ["192.0.2.1"]

    guarded.allow(WITH_PASSWORD.principal, AclOperation.READ, topic.name, of=ResourceType.TOPIC)
    check(server, topic)
    assert server.answers("later.example.org") == ["192.0.2.2"]
    assert server.status()["consumer"]["alarm"] is None


def says(server: Server) -> tuple[str, str]:
    """State and error of the consumer; nothing as long as it cannot say."""
    try:
        consumer = server.status()["consumer"]
    except OSError:
        return "", ""
    return consumer["state"], consumer["error"]
