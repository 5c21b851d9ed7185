"""Certificates: which are of use, and why a broker's is not accepted."""

from __future__ import annotations

import pathlib
import ssl
import threading

import pytest

from streamdns.errors import ConfigError, SourceError
from streamdns.sources import tls
from streamdns.sources.kafka import librdkafka
from streamdns.sources.kafka.config import KafkaConfig


def config(**more: object) -> KafkaConfig:
    return KafkaConfig(addresses=("127.0.0.1:9",), topics=("zones",), **more)  # type: ignore[arg-type]


def test_certificates_are_read_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's CAs take tens of milliseconds, at each attempt to connect: the event loop does not wait for them."""
    threads: list[int] = []
    made = tls.tls_context

    def noted(given: KafkaConfig, kind: type[ssl.SSLContext]) -> ssl.SSLContext:
        threads.append(threading.get_ident())
        return made(given, kind)

    monkeypatch.setattr(tls, "tls_context", noted)
    context = tls.context_of(config(tls=True))
    assert context is not None
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


def test_certificates_that_are_of_no_use(tmp_path: pathlib.Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    with pytest.raises(SourceError, match="cannot use the CA certificates in"):
        tls.context_of(config(tls=True, ca=str(broken)))
    assert tls.context_of(config()) is None


def test_certificates_that_cannot_be_read_are_a_mistake_in_the_settings(tmp_path: pathlib.Path) -> None:
    nowhere, broken = tmp_path / "nowhere.pem", tmp_path / "broken.pem"
    broken.write_text("no certificate")
    for name, given in (("CA", {"ca": str(nowhere)}), ("CERT", {"certificate": str(nowhere)}),
                        ("KEY", {"certificate": str(broken), "key": str(nowhere)})):
        with pytest.raises(ConfigError, match=f"DNS_KAFKA_TLS_{name}={nowhere} cannot be read: no such file"):
            tls.check_files(config(tls=True, **given))
    for given in ({"ca": str(broken)}, {"certificate": str(broken)}):
        with pytest.raises(ConfigError, match="are of no use"):
            tls.check_files(config(tls=True, **given))
    tls.check_files(config(tls=False, ca=str(nowhere)))


@pytest.mark.parametrize(("words", "sentence"), [
    ("SSL handshake failed: error:0A00010B:SSL routines::wrong version number: ", "speaks no TLS"),
    ("error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert number 42", "DNS_KAFKA_TLS_CERT"),
    ("error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert number 116", "DNS_KAFKA_TLS_CERT"),
])
def test_what_tls_says_of_the_settings(words: str, sentence: str) -> None:
    complaints = librdkafka.Complaints(config(tls=True))

    class Said:
        def name(self) -> str:
            return "_SSL"

        def str(self) -> str:
            return f"ssl://127.0.0.1:9093/bootstrap: {words} (after 3ms in state SSL_HANDSHAKE)"

    complaints.hear(Said())
    assert complaints.refused.startswith("Kafka at 127.0.0.1:9093: TLS failed: ")
    assert sentence in complaints.refused
