"""Certificates: which are of use, and why a broker's is not accepted."""

from __future__ import annotations

import pathlib
import ssl
import threading

import pytest

from streamdns.errors import SourceError
from streamdns.sources.kafka import tls
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
