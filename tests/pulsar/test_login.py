"""Tokens, certificates and permissions: who may read reads, and who may not is told why, in a sentence, at once."""

from __future__ import annotations

import pathlib
import time
from typing import Any

import pytest

from streamdns.errors import SourceError
from streamdns.sources.pulsar.source import PulsarSource
from tests.harness.kafka_topics import DEADLINE_S, Event, read_to_end, read_until
from tests.harness.pulsar import Broker, token
from tests.harness.pulsar_topics import Topic

pytestmark = [pytest.mark.pulsar, pytest.mark.timeout(120)]
NOBODY = "a secret that the broker does not know, long enough"


@pytest.fixture(scope="module")
def topic(broker: Broker) -> Topic:
    """A topic that the role `reader` may read, and the role of the client certificate, too."""
    namespace = broker.namespace("closed")
    for role in ("reader", "client"):
        broker.admin("POST", f"/namespaces/{namespace}/permissions/{role}", ["consume"])
    made = Topic(broker, namespace=namespace)
    made.produce([Event(b"a|A", b"value")])
    return made


def failure(source: PulsarSource) -> str:
    """What it says, at connect or when it is read."""
    try:
        source.connect({}, {})
        read_to_end(source)
    except SourceError as error:
        return str(error)
    finally:
        source.close()
    raise AssertionError("it reads")


def reads(source: PulsarSource) -> bool:
    try:
        source.connect({}, {})
        return [record.key for record in read_to_end(source)[0]] == [b"a|A"]
    finally:
        source.close()


def test_a_token(topic: Topic) -> None:
    assert reads(topic.source(token=token("reader")))


@pytest.mark.parametrize(("wrong", "reason"), [
    (token("reader", secret=NOBODY.encode()), "the log-in is refused"),
    (token("reader", valid_s=-5), "the log-in is refused"),
    ("no token at all", "the log-in is refused"),
    (token("stranger"), "no permission for the topic"),
], ids=["of another secret", "expired", "garbage", "of another role"])
def test_a_token_that_is_no_good(topic: Topic, wrong: str, reason: str) -> None:
    said = failure(topic.source(token=wrong))
    assert reason in said
    assert wrong not in said


def test_a_token_is_renewed_from_its_file(topic: Topic, tmp_path: pathlib.Path) -> None:
    """The one that it began with expires, and the reading goes on."""
    file = tmp_path / "token"
    file.write_text(token("reader", valid_s=8))
    expires_s = time.monotonic() + 8
    source = topic.source(token_file=str(file))
    try:
        source.connect({}, {})
        read_to_end(source)
        file.write_text(token("reader"))
        while time.monotonic() < expires_s + 2:
            source.read(max_records=10, timeout_s=0.2)
        topic.produce([Event(b"a|A", b"value")])
        assert len(read_until(source, 1)) == 1
    finally:
        source.close()
        topic.delete()
        topic.make()
        topic.produce([Event(b"a|A", b"value")])


def tls(broker: Broker, **more: str) -> dict[str, str]:
    return {"url": broker.tls_url, "ca": broker.file("ca.pem"), **more}


def test_tls(broker: Broker, topic: Topic) -> None:
    assert reads(topic.source(**tls(broker)))
    assert reads(topic.source(**tls(broker, token=token("reader"))))


def test_a_client_certificate_is_a_login(broker: Broker, topic: Topic) -> None:
    """Its name is the role, which needs the permission as any other does."""
    mine = {"certificate": broker.file("client.crt"), "key": broker.file("client.key")}
    assert reads(topic.source(**tls(broker, **mine)))
    other = Topic(broker)
    assert "no permission for the topic" in failure(other.source(**tls(broker, **mine)))


@pytest.mark.parametrize(("changes", "reason"), [
    ({"ca": "other-ca.pem"}, "the broker's certificate is not accepted: "),
    ({"host": "127.1"}, "the broker's certificate is not accepted: hostname mismatch"),
    ({"url": "plain"}, "it does not speak TLS there"),
    ({"url": "tls"}, "it ends the connection"),
    ({"ca": "nothing.pem"}, "cannot use the CA certificates"),
    ({"topic": "persistent://public/closed/none"}, "there is no such topic"),
    ({"topic": "persistent://nobody/nowhere/none"}, "there is no such topic"),
], ids=["another CA", "another name", "no TLS there", "TLS there", "no CA", "no topic", "no tenant"])
def test_what_is_wrong_is_said(broker: Broker, topic: Topic, changes: dict[str, Any], reason: str) -> None:
    config = tls(broker)
    if "host" in changes:
        config["url"] = broker.tls_url.replace("127.0.0.1", changes["host"])
    if "url" in changes:
        config["url"] = broker.url.replace("pulsar:", "pulsar+ssl:") if changes["url"] == "plain" else (
            broker.tls_url.replace("+ssl", ""))
    if "ca" in changes:
        config["ca"] = broker.file(changes["ca"])
    if "topic" in changes:
        config["topic"] = changes["topic"]
    began_s = time.monotonic()
    said = failure(topic.source(**config))
    assert reason in said.lower() or reason in said
    assert time.monotonic() - began_s < DEADLINE_S
