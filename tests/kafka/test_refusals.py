"""What is wrong is said within seconds, in one sentence that names it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from streamdns.errors import SourceError
from tests.harness import Server, free_port, wait_until
from tests.harness.kafka import PASSWORD, USER, Broker
from tests.harness.kafka_node import settings
from tests.harness.kafka_topics import DEADLINE_S, Event, Topic, read_to_end, seen

pytestmark = pytest.mark.kafka
LOGIN = {"user": USER, "password": PASSWORD}


def refusal(topic: Topic, **config: Any) -> str:
    """What connecting says, which must be within 10 s."""
    source = topic.source(**config)
    began = time.monotonic()
    try:
        with pytest.raises(SourceError) as caught:
            source.connect({}, {})
    finally:
        assert time.monotonic() - began < 10
        source.close()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert PASSWORD not in sentence
    return sentence


def options(broker: Broker, listener: str, **more: Any) -> dict[str, Any]:
    """How to reach a listener of the broker."""
    tls = {"tls": True, "ca": broker.file("ca.pem")} if "TLS" in listener else {}
    return {"addresses": (broker.address(listener),)} | tls | more


@pytest.mark.parametrize(
    ("listener", "mechanism"),
    [("PLAIN", ""), ("TLS", ""), ("MTLS", ""), ("SASL", "PLAIN"), ("SASL", "SCRAM-SHA-256"), ("SASL", "SCRAM-SHA-512"),
     ("SASLTLS", "SCRAM-SHA-512")],
)
def test_every_way_in(broker: Broker, listener: str, mechanism: str) -> None:
    topic = Topic(broker)
    topic.produce([Event(b"k", b"v")])
    login = LOGIN | {"mechanism": mechanism} if mechanism else {}
    mutual = {"certificate": broker.file("client.crt"), "key": broker.file("client.key")} if listener == "MTLS" else {}
    source = topic.source(**options(broker, listener, **login, **mutual))
    try:
        source.connect({}, {})
        assert source.client == ("pykafka" if broker.version.startswith("3.") and not mechanism else "confluent")
        assert seen(read_to_end(source)[0]) == topic.read()
    finally:
        source.close()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_wrong_password(broker: Broker, mechanism: str) -> None:
    wrong = options(broker, "SASL", mechanism=mechanism, user=USER, password="guess")
    assert f"authentication as {USER} failed" in refusal(Topic(broker), **wrong)


def test_no_login_where_one_is_wanted(broker: Broker) -> None:
    assert "TLS or SASL" in refusal(Topic(broker), **options(broker, "SASL"))


def test_a_login_where_there_is_none(broker: Broker) -> None:
    refused = refusal(Topic(broker), **options(broker, "PLAIN", mechanism="PLAIN", **LOGIN))
    assert "the broker does not offer PLAIN" in refused or "closed the connection" in refused


def test_a_broker_whose_certificate_another_ca_signed(broker: Broker) -> None:
    refused = refusal(Topic(broker), **options(broker, "TLS", ca=broker.file("other-ca.pem")))
    assert "certificate is not accepted" in refused


def test_a_broker_that_is_not_who_it_says(broker: Broker) -> None:
    """Its certificate is for 127.0.0.1 and localhost; ::ffff:127.0.0.1 leads there, too."""
    address = f"[::ffff:127.0.0.1]:{broker.ports['TLS']}"
    refused = refusal(Topic(broker), **options(broker, "TLS", addresses=(address,)))
    assert "certificate is not accepted" in refused


def test_no_certificate_where_one_is_wanted(broker: Broker) -> None:
    refused = refusal(Topic(broker), **options(broker, "MTLS"))
    assert "TLS failed" in refused or "client certificate" in refused


def test_tls_where_there_is_none_and_none_where_there_is(broker: Broker) -> None:
    topic = Topic(broker)
    assert "TLS failed" in refusal(topic, tls=True, ca=broker.file("ca.pem"))
    assert "wants TLS" in refusal(topic, **options(broker, "TLS", tls=False))


def test_files_that_are_not_there(broker: Broker) -> None:
    topic = Topic(broker)
    assert "CA certificates in /nowhere" in refusal(topic, **options(broker, "TLS", ca="/nowhere"))
    assert "certificate /nowhere" in refusal(topic, **options(broker, "TLS", certificate="/nowhere"))


def test_no_such_topic(broker: Broker) -> None:
    assert "Kafka topic nope: there is no such topic" in refusal(Topic(broker), topics=("nope",))


def test_nobody_there_and_the_next_address(broker: Broker) -> None:
    topic = Topic(broker)
    nobody = f"127.0.0.1:{free_port()}"
    assert f"{nobody}: connection refused" in refusal(topic, addresses=(nobody,))
    source = topic.source(addresses=(nobody, broker.address()))
    try:
        source.connect({}, {})
        assert read_to_end(source) == ([], {(topic.name, 0): 0})
    finally:
        source.close()


def test_a_forced_client_that_cannot(broker: Broker) -> None:
    said = refusal(Topic(broker), client="pykafka", **options(broker, "SASL", mechanism="PLAIN", **LOGIN))
    assert said == "pykafka does not speak SASL: unset DNS_KAFKA_CLIENT"
    if not broker.version.startswith("3."):
        said = refusal(Topic(broker), client="pykafka")
        assert said.startswith("this Kafka serves Fetch 4–")
        assert said.endswith("unset DNS_KAFKA_CLIENT")


def test_a_topic_that_loses_names(broker: Broker) -> None:
    topic = Topic(broker, config={"cleanup.policy": "delete", "retention.ms": "86400000"})
    said = refusal(topic)
    assert "retention.ms is 86400000" in said
    assert "DNS_KAFKA_ALLOW_LOSSY_TOPIC" in said
    source = topic.source(allow_lossy_topic=True)
    try:
        source.connect({}, {})
        assert said in source.warnings
        assert any("without compact" in warning for warning in source.warnings)
        assert any("replication factor of 1" in warning for warning in source.warnings)
    finally:
        source.close()


def test_check_says_what_is_unwise_about_a_topic(broker: Broker, serve: Callable[..., Server]) -> None:
    """Before the start, as the node says it in its log; a topic that the node would not read is told, too."""
    unwise = Topic(broker, config={"cleanup.policy": "compact", "delete.retention.ms": "3600000"})
    lossy = Topic(broker, config={"cleanup.policy": "delete", "retention.ms": "86400000"})
    for topic, said in (
        (unwise, "warning: topic {}: delete.retention.ms is 3600000"),
        (lossy, "note: the log cannot be read now: topic {}: cleanup.policy has delete and retention.ms is 86400000"),
    ):
        server = serve(start=False, **settings(topic, "auto"))
        sentence = said.format(topic.name)

        def tells(server: Server = server, sentence: str = sentence) -> bool:
            """Brokers are waited for for two seconds, which may be too short here."""
            done = server.command("check")
            assert done.returncode == 0, done.stderr
            return sentence in done.stderr

        wait_until(tells, sentence, timeout_s=DEADLINE_S)
