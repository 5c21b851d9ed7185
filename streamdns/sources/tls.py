"""Makes TLS contexts for connections to brokers, and finds out why a broker's certificate is not accepted."""

from __future__ import annotations

import ssl
from typing import Final, Protocol

from gevent import socket as gsocket
from gevent import ssl as gssl

from streamdns.errors import ConfigError, SourceError
from streamdns.named_files import expect_plain
from streamdns.runtime.native import in_thread

_TIMEOUT_S: Final = 4.0


class TlsConfig(Protocol):
    """What the settings say about TLS to a broker: whether, and paths of PEM files.

    "" stands for the system's CAs and for none. `tls_settings` is how the names of these settings begin.
    """

    @property
    def tls(self) -> bool: ...

    @property
    def ca(self) -> str: ...

    @property
    def certificate(self) -> str: ...

    @property
    def key(self) -> str: ...

    @property
    def tls_settings(self) -> str: ...


def context_of(config: TlsConfig) -> gssl.SSLContext | None:
    """Make the context, None without TLS; in a native thread, because reading the system's CAs takes 40 ms.

    It is made anew for each connection: certificates are replaced while we run. Raises SourceError.
    """
    if not config.tls:
        return None
    return in_thread(tls_context, config, gssl.SSLContext)


def check_files(config: TlsConfig) -> None:
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
            problems.append(f"{config.tls_settings}_{name}={path} cannot be read: {_reason(error)}")
    if problems:
        raise ConfigError(problems)
    try:
        tls_context(config, ssl.SSLContext)
    except SourceError as error:
        raise ConfigError([f"the files of {config.tls_settings}_CA, _CERT and _KEY are of no use: {error}"]) from error


def tls_context(config: TlsConfig, kind: type[ssl.SSLContext]) -> ssl.SSLContext:
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


def certificate_fault(config: TlsConfig, host: str, port: int) -> str:
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
