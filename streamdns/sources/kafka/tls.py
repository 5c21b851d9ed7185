"""Makes TLS contexts for pykafka's connections, and finds out why a broker's certificate is not accepted."""

from __future__ import annotations

import ssl
from typing import Final

from gevent import socket as gsocket
from gevent import ssl as gssl

from streamdns.errors import ConfigError, SourceError
from streamdns.named_files import expect_plain
from streamdns.runtime.native import in_thread
from streamdns.sources.kafka.config import KafkaConfig

_TIMEOUT_S: Final = 4.0


def context_of(config: KafkaConfig) -> gssl.SSLContext | None:
    """Make the context, None without TLS; in a native thread, because reading the system's CAs takes 40 ms.

    It is made anew for each connection: certificates are replaced while we run. Raises SourceError.
    """
    if not config.tls:
        return None
    return in_thread(tls_context, config, gssl.SSLContext)


def check_files(config: KafkaConfig) -> None:
    """Read the certificates and the key that the settings name; raises ConfigError for those that are of no use."""
    if not config.tls:
        return
    problems = []
    for name, path in (("CA", config.ca), ("CERT", config.certificate), ("KEY", config.key)):
        try:
            if path:
                with open(path, "rb") as file:
                    file.read(1)
        except OSError as error:
            problems.append(f"DNS_KAFKA_TLS_{name}={path} cannot be read: {_reason(error)}")
    if problems:
        raise ConfigError(problems)
    try:
        tls_context(config, ssl.SSLContext)
    except SourceError as error:
        raise ConfigError([f"the files of DNS_KAFKA_TLS_CA, _CERT and _KEY are of no use: {error}"]) from error


def tls_context(config: KafkaConfig, kind: type[ssl.SSLContext]) -> ssl.SSLContext:
    """Make a context that verifies the broker's certificate and name. Raises SourceError for files of no use."""
    context = kind(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if config.ca:
            expect_plain(config.ca)
            context.load_verify_locations(config.ca)
        else:
            context.load_default_certs()
    except (OSError, ssl.SSLError) as error:
        raise SourceError(f"cannot use the CA certificates in {config.ca}: {_reason(error)}") from error
    if config.certificate:
        try:
            for path in filter(None, (config.certificate, config.key)):
                expect_plain(path)
            # Not asked for on the terminal: a key with a password is refused.
            context.load_cert_chain(config.certificate, config.key or None, password=lambda: "")
        except (OSError, ValueError) as error:
            raise SourceError(f"cannot use the certificate {config.certificate}: {_reason(error)}") from error
    return context


def certificate_fault(config: KafkaConfig, host: str, port: int) -> str:
    """Say why a broker's certificate is not accepted, in OpenSSL's words; "" where it is accepted.

    librdkafka has the same words for another CA, for another name and for a certificate that has expired.
    """
    context = context_of(config)
    if context is None:
        return ""
    try:
        with (
            gsocket.create_connection((host, port), timeout=_TIMEOUT_S) as sock,
            context.wrap_socket(sock, server_hostname=host),
        ):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message.rstrip(".")
    except OSError:
        return ""


def _reason(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
