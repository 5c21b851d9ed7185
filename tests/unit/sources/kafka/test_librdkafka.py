"""What librdkafka complains of, in words for an administrator; the complaints are its own, word for word."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from streamdns.sources.kafka.config import KafkaConfig
from streamdns.sources.kafka.librdkafka import Complaints, connection_options


class Said(NamedTuple):
    """An error as librdkafka has it."""

    code: str
    words: str

    def name(self) -> str:
        return self.code

    def str(self) -> str:
        return self.words


ALL_DOWN = Said("_ALL_BROKERS_DOWN", "1/1 brokers are down")
CERTIFICATE = Said(
    "_SSL",
    "ssl://[::1]:9093/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker "
    "certificate could not be verified, verify that ssl.ca.location is correctly configured or root CA certificates "
    "are installed (install ca-certificates package) (after 19ms in state SSL_HANDSHAKE)",
)
REFUSED = Said("_TRANSPORT", "k2:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed: Connection refused "
                             "(after 0ms in state CONNECT, 3 identical error(s) suppressed)")
UNKNOWN = Said("_RESOLVE", "k1:9092/bootstrap: Failed to resolve 'k1:9092': Name or service not known "
                           "(after 1ms in state CONNECT)")
NO_CERTIFICATE = Said("_TRANSPORT", "ssl://k1:9092/bootstrap: Receive failed: error:0A000412:SSL routines::ssl/tls "
                                    "alert bad certificate: SSL alert number 42 (after 2ms in state APIVERSION_QUERY)")
NO_TLS = Said("_TRANSPORT", "ssl://k1:9092/bootstrap: SSL handshake failed: Disconnected: SSL connection closed by "
                            "peer: connecting to a PLAINTEXT broker listener? (after 5ms in state SSL_HANDSHAKE)")
NO_KAFKA = Said("_TRANSPORT", "k1:9092/bootstrap: Receive failed: Invalid response size 1213486160 (0..100000000): "
                              "increase receive.message.max.bytes (after 0ms in state APIVERSION_QUERY)")
WRONG_PASSWORD = Said("_AUTHENTICATION", "sasl_ssl://k1:9092/bootstrap: SASL authentication error: Authentication "
                                         "failed: Invalid username or password (after 302ms in state AUTH_REQ)")
NO_LOGIN = Said("_AUTHENTICATION", "sasl_plaintext://k1:9092/1: SASL PLAIN mechanism handshake failed: Broker: Request "
                                   "not valid in current SASL state: broker's supported mechanisms:  (after 2ms in "
                                   "state AUTH_HANDSHAKE)")
OTHER_LOGIN = Said("_AUTHENTICATION", "sasl_plaintext://k1:9092/1: SASL PLAIN mechanism handshake failed: Broker: "
                                      "Unsupported SASL mechanism: broker's supported mechanisms: SCRAM-SHA-256,GSSAPI "
                                      "(after 2ms in state AUTH_HANDSHAKE)")


def config(**more: Any) -> KafkaConfig:
    return KafkaConfig(**{"addresses": ("k1:9092",), "topics": ("zones",)} | more)


def heard(*errors: Said, **more: Any) -> Complaints:
    complaints = Complaints(config(**more))
    for error in errors:
        complaints.hear(error)
    return complaints


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (REFUSED._replace(words=REFUSED.words.replace("k2", "k1")), "Kafka at k1:9092: connection refused"),
        (UNKNOWN, "Kafka at k1:9092: name or service not known"),
        (NO_CERTIFICATE, "Kafka at k1:9092: TLS failed: ssl/tls alert bad certificate (see DNS_KAFKA_TLS_CERT)"),
        (NO_TLS, "Kafka at k1:9092: TLS failed: the broker closed the connection (perhaps it speaks plain text)"),
        (NO_KAFKA, "Kafka at k1:9092: what answers there is no Kafka broker, or wants TLS"),
    ],
)
def test_what_is_wrong_with_an_address(error: Said, sentence: str) -> None:
    complaints = heard(error, ALL_DOWN)
    assert complaints.hopeless
    assert not complaints.refused
    assert complaints.told(connected=False) == sentence


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (WRONG_PASSWORD, "authentication as alice failed: Authentication failed: Invalid username or password"),
        (NO_LOGIN, "the broker does not offer PLAIN, it offers no SASL here"),
        (OTHER_LOGIN, "the broker does not offer PLAIN, it offers SCRAM-SHA-256, GSSAPI"),
    ],
)
def test_a_login_that_is_refused(error: Said, sentence: str) -> None:
    assert heard(error, mechanism="PLAIN", user="alice").refused == f"Kafka at k1:9092: {sentence}"


def test_a_certificate_that_is_not_accepted() -> None:
    """Why, librdkafka does not know: its address is kept, for who finds out."""
    complaints = heard(CERTIFICATE)
    assert complaints.refused.startswith("Kafka at [::1]:9093: TLS failed: certificate verify failed: ")
    assert complaints.uncertified == "[::1]:9093"
    complaints.clear()
    assert complaints.refused == complaints.uncertified == ""


@pytest.mark.parametrize(
    ("more", "hint"),
    [({}, " (perhaps it wants TLS or SASL)"), ({"tls": True}, " (perhaps it wants a client certificate or SASL)"),
     ({"mechanism": "PLAIN"}, "")],
)
def test_a_broker_that_hangs_up(more: dict[str, Any], hint: str) -> None:
    """librdkafka says no more than that none is left; what may be wanted is guessed for a first connection alone."""
    complaints = heard(ALL_DOWN, **more)
    assert complaints.told(connected=False) == f"Kafka at k1:9092: the broker closed the connection{hint}"
    assert complaints.told(connected=True) == "Kafka at k1:9092: the broker closed the connection"


def test_addresses_that_say_nothing() -> None:
    both = {"addresses": ("k1:9092", "k2:9092")}
    assert heard(**both).told(connected=False) == (
        "Kafka at k1:9092: no answer within 4 s; Kafka at k2:9092: no answer within 4 s")
    assert heard(REFUSED, **both).told(connected=False) == (
        "Kafka at k2:9092: connection refused; Kafka at k1:9092: no answer within 4 s")
    assert heard(REFUSED, **both).told(connected=True) == "Kafka at k2:9092: connection refused"


def test_a_broker_that_the_cluster_named_and_that_is_gone() -> None:
    """Waiting for it would be of no use; an address from the settings is only one of several."""
    named = REFUSED._replace(words=REFUSED.words.replace("/bootstrap", "/3"))
    assert heard(named).hopeless
    assert heard(named).told(connected=True) == "Kafka at k2:9092: connection refused"
    assert not heard(REFUSED).hopeless


def test_what_is_no_complaint_about_a_broker_is_left_alone() -> None:
    complaints = heard(Said("_STATE", "something else"))
    assert not complaints.refused
    assert not complaints.hopeless


def test_options_have_nothing_that_is_not_set() -> None:
    assert not [name for name in connection_options(config()) if name.startswith(("ssl", "sasl"))]
    options = connection_options(config(tls=True, ca="/ca", mechanism="PLAIN", user="alice", password="x"))
    assert options["security.protocol"] == "SASL_SSL"
    assert options["ssl.ca.location"] == "/ca"
    assert "ssl.certificate.location" not in options
